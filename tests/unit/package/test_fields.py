"""What the package `frictionless` makes of parts that the serializer wrote."""

import datetime as dt
import hashlib
import json
from decimal import Decimal
from pathlib import Path

import frictionless
import msgspec
import pyarrow as pa
import pytest

from rightful.package.contents import PayloadEntry
from rightful.package.fields import frictionless_schema, part_resource
from rightful.package.forms import Form, write
from rightful.package.schema import Column, ColumnKind
from rightful.package.serializer import Serializer

K = ColumnKind
NAN, INF = float("nan"), float("inf")

VALUES: dict[ColumnKind, pa.Array] = {
    K.BOOL: pa.array([True, None, False, None]),
    K.INT: pa.array([2**64 - 1, None, 0, 1], pa.uint64()),
    K.FLOAT: pa.array([NAN, None, -INF, 1e300]),
    K.DECIMAL: pa.array(["NaN", None, "inf", "9" * 76]),
    K.TEXT: pa.array(["", None, "null", "\u2028\x00"]),
    K.DATE: pa.array([-2_147_472_692, None, 0, -719_162], pa.int32()).view(pa.date32()),
    K.TIMESTAMP: pa.array([-9_222_425_352_054_775_808, None, 0, 6], pa.int64()).view(pa.timestamp("us")),
    K.TIMESTAMP_TZ: pa.array([-1, None, 0, 6007], pa.int64()).view(pa.timestamp("ns", "UTC")),
    K.TIME: pa.array([86_400_000_000, None, 0, 6], pa.int64()).view(pa.time64("us")),
    K.UUID: pa.array([bytes(range(16)), None] * 2, pa.binary(16)),
    K.BYTES: pa.array([b"", None, b"\x00\xff", b"a"]),
    K.JSON: pa.array(['"scalar"', None, "5", '{"a": [null]}']),
    K.NESTED: pa.array([[("a", [1])], None, [], [("", None)]], pa.map_(pa.string(), pa.list_(pa.int8()))),
}
COLUMNS = [Column(name=kind.value, kind=kind, source_type="as in the source", is_wrapped=True) for kind in VALUES]


def resource(folder: Path, content: bytes, columns: list[Column]) -> frictionless.Package:
    (folder / "part.jsonl").write_bytes(content)
    part = PayloadEntry(
        path="part.jsonl",
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        source_name="",
        rows=sum(
            any(value is not None for value in json.loads(line).values()) for line in content.splitlines()
        ),  # frictionless skips others
        columns=tuple(columns),
    )
    descriptor = part_resource("part", part)
    return frictionless.Package.from_descriptor({"name": "p", "resources": [descriptor]}, basepath=str(folder))


def errors(package: frictionless.Package) -> list[str]:
    report = package.validate()
    found = [error.type for task in report.tasks for error in task.errors] + [error.type for error in report.errors]
    assert report.valid == (not found)
    return found


def test_every_kind_exists_here() -> None:
    assert set(VALUES) == set(ColumnKind)


def test_every_kind_and_form_is_documented() -> None:
    page = Path(__file__).parents[3] / "docs/reference/package-values.md"
    kinds, _, forms = page.read_text().partition("## Other forms")
    rows = [line.split("`")[1] for line in kinds.splitlines() if line.startswith("| `")]
    assert rows == [kind.value for kind in ColumnKind]
    assert [line.split("`")[1] for line in forms.splitlines() if line.startswith("| `")] == [form.value for form in Form]


def test_a_part_with_every_kind_is_valid_and_read_with_its_types(tmp_path: Path) -> None:
    batch = pa.RecordBatch.from_arrays(list(VALUES.values()), [column.name for column in COLUMNS])
    package = resource(tmp_path, Serializer(COLUMNS).lines(batch), COLUMNS)

    assert errors(package) == []
    part = package.get_resource("part")
    assert isinstance(part, frictionless.resources.TableResource)
    first, *_, last = part.read_rows()
    assert first["int"] == 2**64 - 1
    assert first["float"].is_nan()
    assert first["text"] == ""
    assert last["decimal"] == Decimal("9" * 76)
    assert last["date"] == dt.date(1, 1, 1)
    assert last["timestamp"] == dt.datetime(1970, 1, 1, microsecond=6)  # noqa: DTZ001 -- naive is the point
    assert last["json"] == {"a": [None]}
    assert last["nested"] == [["", None]]


WRONG = {
    K.BOOL: '"yes"',
    K.INT: "1.5",
    K.FLOAT: '"fast"',
    K.DECIMAL: '"1,5"',
    K.TEXT: "5",
    K.DATE: '"2020-13-01"',
    K.TIMESTAMP: '"yesterday"',
    K.TIMESTAMP_TZ: "5",
    K.TIME: '"25:00:00.000000"',
    K.UUID: '"0001"',
    K.BYTES: '"a"',
}


@pytest.mark.parametrize(("kind", "json"), WRONG.items(), ids=WRONG.keys())
def test_a_value_of_another_type_is_invalid(tmp_path: Path, kind: ColumnKind, json: str) -> None:
    column = Column(name="v", kind=kind)
    assert errors(resource(tmp_path, f'{{"v":{json}}}\n'.encode(), [column])) == ["type-error"]


def test_a_changed_byte_is_invalid(tmp_path: Path) -> None:
    package = resource(tmp_path, b'{"v":1}\n', [Column(name="v", kind=K.INT)])
    (tmp_path / "part.jsonl").write_bytes(b'{"v":2}\n')
    assert errors(package) == ["hash-count"]


def test_the_schema_says_what_the_standard_has_no_word_for() -> None:
    assert frictionless_schema([Column(name="at", kind=K.TIMESTAMP_TZ, source_type="timestamptz"), Column(name="n", kind=K.INT)]) == {
        "fields": [
            {
                "name": "at",
                "type": "datetime",
                "rightful:timeZone": "UTC",
                "missingValues": ["infinity", "-infinity"],
                "rightful:kind": "timestamp_tz",
                "rightful:sourceType": "timestamptz",
                "rightful:notes": ("an instant, in UTC: the zone in which the source wrote it, if it kept one, is not told",),
            },
            {"name": "n", "type": "integer", "rightful:kind": "int"},
        ],
        "missingValues": [],
    }


@pytest.mark.parametrize("form", Form)
def test_what_no_form_carries_is_said_of_the_columns_that_lose_it(form: Form) -> None:
    columns = tuple(Column(name=kind.value, kind=kind) for kind in ColumnKind)
    part = PayloadEntry(path=f"part.{form}", sha256="0" * 64, size_bytes=1, source_name="", rows=1, columns=columns)
    said = json.loads(msgspec.json.encode(part_resource("part", part)))
    fields = {field["name"]: field.get("rightful:notes") for field in (said.get("schema") or said["rightful:schema"])["fields"]}
    assert {name for name, notes in fields.items() if notes} == {"json", "timestamp_tz"}
    assert "zone" in fields["timestamp_tz"][0]
    assert "document null" in fields["json"][0]
    assert "ends of lines" in fields["json"][1]


def test_a_field_of_a_csv_part_is_called_as_its_heading_is(tmp_path: Path) -> None:
    columns = [Column(name="=1+1", kind=K.TEXT), Column(name="plain", kind=K.INT)]
    content = b"".join(write(Form.CSV, columns, [b'{"=1+1":"a","plain":1}\n']))
    (tmp_path / "part.csv").write_bytes(content)
    part = PayloadEntry(
        path="part.csv", sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content), source_name="", rows=1, columns=tuple(columns)
    )
    descriptor = part_resource("part", part)

    package = frictionless.Package.from_descriptor({"name": "p", "resources": [descriptor]}, basepath=str(tmp_path))

    assert not errors(package)
    fields = package.resources[0].schema.to_descriptor()["fields"]
    assert [(field["name"], field.get("rightful:name")) for field in fields] == [("'=1+1", "=1+1"), ("plain", None)]
