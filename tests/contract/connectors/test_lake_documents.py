"""Whatever JSON lines hold: each form of a package gives back that document."""

import json
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.contract.database import read_back
from tests.property.package.hard_columns import JSON_TEXTS

from rightful.connectors.interface import ReadHeader, Rows
from rightful.connectors.lake import LakeConnector, LakeSettings
from rightful.package.json_text import split_members
from rightful.package.schema import Column, ColumnKind
from rightful.package.serializer import Serializer
from rightful.testing.connector_suite import identified

ANN = identified(name=("ann",))


def read(folder: Path, url: str, kind: str) -> tuple[list[Column], bytes]:
    """Return the columns and lines of a lake's rows."""
    lake = LakeSettings(url=f"file://{folder}/{url}", format=kind, match={"who": "name"})  # type: ignore[arg-type]
    connector = LakeConnector("lake", lake, siblings={}, folder=folder)
    try:
        items = list(connector.read(connector.plan([ANN])[0], [ANN]))
    finally:
        connector.close()
    [header] = [item for item in items if isinstance(item, ReadHeader)]
    serializer = Serializer(header.columns)
    return list(header.columns), b"".join(serializer.lines(item.batch) for item in items if isinstance(item, Rows))


DOCUMENTS = JSON_TEXTS.filter(lambda text: "\n" not in text)
NAMED = st.text(max_size=5).filter(lambda name: name not in {"who", "_rest"})


@example([{"a\0b": "[1]", "": "2"}])
@given(st.lists(st.dictionaries(NAMED, DOCUMENTS, max_size=3), min_size=1, max_size=4))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_document_of_json_lines_comes_back_from_every_form(tmp_path: Path, records: list[dict[str, str]]) -> None:
    lines = ["{" + ",".join([*(f"{json.dumps(name)}:{text}" for name, text in record.items()), '"who":"ann"']) + "}" for record in records]
    (tmp_path / "a.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    columns, found = read(tmp_path, "*.jsonl", "jsonl")
    assert {column.kind for column in columns if column.name != "who"} == {ColumnKind.JSON}
    for form, rows in read_back.forms(columns, found).items():
        read_ = [dict(zip((column.name for column in columns), row, strict=True)) for row in rows]
        rests = [split_members(row.pop("_rest") or "{}") for row in read_]
        whole = [
            {name: text for name, text in {**row, **rest}.items() if text not in {None, "null"}}
            for row, rest in zip(read_, rests, strict=True)
        ]
        assert whole == [{name: text for name, text in record.items() if text != "null"} | {"who": "ann"} for record in records], form
