"""`lake` over CSV and JSON lines passes the suite; what is written is what comes out, and a broken line is refused by its place."""

import csv
import gzip
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightful.connectors.interface import Amount, Estimate, ReadHeader
from rightful.connectors.lake import LakeConnector, LakeSettings
from rightful.connectors.lake_estimate import sample
from rightful.connectors.lake_jsonl import _Name
from rightful.connectors.lake_settings import CsvSettings
from rightful.connectors.time_window import ALWAYS
from rightful.errors import ConfigurationError, SourceError, SourceRefused
from rightful.package.schema import ColumnKind
from rightful.package.serializer import Serializer
from rightful.testing.connector_suite import ANN, ANN2, UPPER, ConnectorSuite, Found, collect, identified, read_all

OWNERS = ["ann@contoso.example", "ann2@contoso.example", "ANN@contoso.example", "", None, "ann@fabrikam.example", "x", " "]
PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": lambda data: bytes(pa.compress(data, "zstd", asbytes=True)),
}


def connect(root: Path, kind: str, *, match: dict[str, str] | None = None, url: str = "**/*", **options: Any) -> LakeConnector:
    settings = LakeSettings(url=f"file://{root}/{url}", format=kind, match=match or {"user_id": "upn"}, **options)  # type: ignore[arg-type]
    return LakeConnector("activity", settings, siblings={}, folder=Path("/"))


def write(path: Path, content: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(PACK[path.suffix if path.suffix in PACK else ""](data))


def rows_of(connector: LakeConnector, **identifiers: tuple[str, ...]) -> Sequence[Mapping[str, object]]:
    return collect(connector, [identified(**(identifiers or {"upn": (ANN.upn,)}))])[0].rows


def csv_text(rows: Sequence[Mapping[str, object]]) -> str:
    """Write rows as PostgreSQL's COPY does: NULL is nothing, an empty text is quoted."""
    found = [",".join(rows[0])]
    found += [",".join("" if value is None else '"' + str(value).replace('"', '""') + '"' for value in row.values()) for row in rows]
    return "\n".join(found) + "\n"


def json_text(rows: Sequence[Mapping[str, object]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


WRITTEN = {"csv": csv_text, "jsonl": json_text}


class Suite(ConnectorSuite):
    kind = ""

    @pytest.fixture
    def content(self, tmp_path: Path) -> list[dict[str, object]]:
        content: list[dict[str, object]] = [
            {"row": f"{n}", "user_id": OWNERS[n % 8], "other": OWNERS[n * 3 % 8], "note": f'a "note",\n{n}'} for n in range(1200)
        ]
        for n, suffix in enumerate(PACK):
            write(tmp_path / f"2026/0{n}/part.{self.kind}{suffix}", WRITTEN[self.kind](content[n::3]))
        return content

    @pytest.fixture
    def connector(self, tmp_path: Path, content: list[dict[str, object]]) -> LakeConnector:
        assert content
        return connect(tmp_path, self.kind, match={"user_id": "upn", "other": "mail"})

    @pytest.fixture
    def broken(self, tmp_path: Path) -> LakeConnector:
        return connect(tmp_path / "nowhere", self.kind)


def expected_of(
    content: Sequence[Mapping[str, object]], row: Callable[[Mapping[str, object]], Mapping[str, object]]
) -> Mapping[str, Found]:
    return {
        person.name: Found(rows=tuple(row(each) for each in content if each["user_id"] == person.upn or each["other"] in person.mail))
        for person in (ANN, ANN2, UPPER)
    }


class TestCsvLake(Suite):
    kind = "csv"

    @pytest.fixture
    def expected(self, content: list[dict[str, object]]) -> Mapping[str, Found]:
        return expected_of(content, dict)


class TestJsonLinesLake(Suite):
    kind = "jsonl"

    @pytest.fixture
    def expected(self, content: list[dict[str, object]]) -> Mapping[str, Found]:
        def row(each: Mapping[str, object]) -> Mapping[str, object]:
            return {**{k: v if k in {"user_id", "other"} else json.dumps(v) for k, v in each.items()}, "_rest": None}

        return expected_of(content, row)


# -- values -----------------------------------------------------------------------------------------------------------------
def test_csv_values_are_texts_until_a_type_is_stated(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", f"user_id,n,d,when,day,f,b,e\n{ANN.upn},007,1.50,2026-01-02T03:04:05.678901+02:00,2026-01-31,0.1,true,\n")
    assert rows_of(connect(tmp_path, "csv"))[0]["n"] == "007"
    types = {"n": "int", "d": "decimal(12, 2)", "when": "timestamp_tz", "day": "date", "f": "float", "b": "bool", "e": "int"}
    connector = connect(tmp_path, "csv", types=types)
    [row] = rows_of(connector)
    assert dict(row) == {
        "user_id": ANN.upn,
        "n": 7,
        "d": Decimal("1.50"),
        "when": datetime(2026, 1, 2, 1, 4, 5, 678901, tzinfo=UTC),
        "day": date(2026, 1, 31),
        "f": 0.1,
        "b": True,
        "e": None,
    }
    header, _ = read_all(connector, connector.plan(())[0], [ANN.subject])
    assert [column.kind for column in header.columns][1:4] == [ColumnKind.INT, ColumnKind.DECIMAL, ColumnKind.TIMESTAMP_TZ]


def test_json_values_are_delivered_as_they_are_written(tmp_path: Path) -> None:
    line = '{"user_id": 7, "big": 123456789012345678901234567890, "x": 1.10, "deep": {"a": [1, {"b": null}]}, "text": "é\\u00e9", "none": null}'
    write(tmp_path / "a.jsonl", line + "\r\n\n" + '{"user_id": "8"}')
    connector = connect(tmp_path, "jsonl", match={"user_id": "number"})
    header, [item] = read_all(connector, connector.plan(())[0], [identified(number=("7",))])
    written = Serializer(header.columns).lines(item.batch).decode()  # type: ignore[union-attr]
    assert written.startswith('{"user_id":"7","big":123456789012345678901234567890,"x":1.10,"deep":{"a": [1, {"b": null}]},')
    assert json.loads(written) == {**json.loads(line), "user_id": "7", "_rest": None}


def test_json_types_that_are_stated_are_read(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", json_text([{"user_id": ANN.upn, "n": 7, "d": "1.50", "t": "2026-01-01T00:00:00Z", "z": None}]))
    connector = connect(tmp_path, "jsonl", types={"n": "int", "d": "decimal(9,2)", "t": "timestamp_tz", "z": "bool", "later": "text"})
    [row] = rows_of(connector)
    assert row["n"] == 7
    assert row["d"] == Decimal("1.50")
    assert row["t"] == datetime(2026, 1, 1, tzinfo=UTC)
    assert row["later"] is None


def test_members_that_come_later_are_kept_and_excluded_ones_are_not(tmp_path: Path) -> None:
    lines = [{"user_id": "x", "a": 1}] * 20_000 + [{"user_id": ANN.upn, "late": [1], "a": 2, "secret": 3, "mail": ANN.mail[1]}]
    write(tmp_path / "a.jsonl", json_text(lines))
    connector = connect(tmp_path, "jsonl", match={"user_id": "upn", "mail": "mail"}, exclude=("secret",))
    assert [row["_rest"] for row in rows_of(connector)] == ['{"late":[1]}']
    assert [row["a"] for row in rows_of(connector, mail=(ANN.mail[1],))] == ["2"], "a match column that the first lines do not have"


def test_files_with_other_columns_go_together(tmp_path: Path) -> None:
    write(tmp_path / "1.csv", f"user_id,old\n{ANN.upn},1\n")
    write(tmp_path / "2.csv", f"new,user_id\nx,{ANN.upn}\n")
    assert rows_of(connect(tmp_path, "csv")) == (
        {"user_id": ANN.upn, "old": "1", "new": None},
        {"user_id": ANN.upn, "old": None, "new": "x"},
    )
    write(tmp_path / "3.csv", "userid\nx\n")
    with pytest.raises(SourceRefused, match=r"'3\.csv' has none of the columns of match"):
        connect(tmp_path, "csv").check()


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_folders_say_columns_here_too(tmp_path: Path, kind: str) -> None:
    for upn in (ANN.upn, ANN2.upn):
        write(tmp_path / f"day=1/user_id={upn}/x.{kind}", "n\n1\n2\n" if kind == "csv" else '{"n":1}\n{"n":2}\n')
    found = collect(connect(tmp_path, kind), [ANN.subject, ANN2.subject, UPPER.subject])
    assert [[(row["n"], row["day"], row["user_id"]) for row in each.rows] for each in found] == [
        [("1", "1", ANN.upn), ("2", "1", ANN.upn)],
        [("1", "1", ANN2.upn), ("2", "1", ANN2.upn)],
        [],
    ]


DIALECTS = {
    "semicolon, cp1252": ({"delimiter": ";", "encoding": "cp1252"}, f'user_id;v\n{ANN.upn};"é€;"\n'.encode("cp1252"), "é€;"),
    "utf-16": ({"encoding": "utf-16"}, f"user_id,v\n{ANN.upn},写真\n".encode("utf-16"), "写真"),
    "tab, no quotes": ({"delimiter": "\t", "quote": False}, f'user_id\tv\n{ANN.upn}\t5" disk\n'.encode(), '5" disk'),
    "no header": ({"columns": ("user_id", "v")}, f"{ANN.upn},1".encode(), "1"),
    "byte order mark": ({}, b'\xef\xbb\xbf"user_id",v\r\n' + f"{ANN.upn},1".encode(), "1"),
    "carriage returns": ({}, f"user_id,v\r{ANN.upn},1\r".encode(), "1"),
}


@pytest.mark.parametrize(("options", "content", "value"), DIALECTS.values(), ids=list(DIALECTS))
def test_csv_is_read_as_it_is_said_to_be_written(tmp_path: Path, options: dict[str, Any], content: bytes, value: str) -> None:
    write(tmp_path / "a.csv", content)
    assert rows_of(connect(tmp_path, "csv", csv=CsvSettings(**options))) == ({"user_id": ANN.upn, "v": value},)


# -- broken lines -------------------------------------------------------------------------------------------------------------
SECRET = "s3cr3t"
GOOD = f"{ANN.upn},1\nx,2\n"
BROKEN_CSV = {
    "too few": (f"{GOOD}{SECRET}\n", "row 4 has 1 values, not 2"),
    "too many": (f"{GOOD}x,{SECRET},3\n", "row 4 has 3 values, not 2"),
    "never closed": (f'{GOOD}x,"{SECRET}\nx,2\n', "the last line ends within a quoted value"),
    "opened within": (f'{GOOD}x,{SECRET}"\nx,2"\n', "line 4 has a quote where none may stand"),
    "swallows a row": (f'{GOOD}x,"{SECRET}\n{ANN.upn},"3"\n', "line 5 has a quote where none may stand"),
    "goes on behind": (f'{GOOD}x,"{SECRET}"y\n', "line 4 has a quote where none may stand"),
    "not UTF-8": (GOOD.encode() + b"x,\xff" + SECRET.encode() + b"\n", "row 4 is not UTF-8"),
    "too long": (GOOD + "x," + SECRET * (2 << 20) + "\n", "row 4 or a later one is longer than 4 MiB"),
}


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(("content", "said"), BROKEN_CSV.values(), ids=list(BROKEN_CSV))
def test_a_broken_row_is_refused_by_its_place(tmp_path: Path, content: str | bytes, said: str, suffix: str) -> None:
    write(tmp_path / f"a.csv{suffix}", b"user_id,v\n" + (content.encode() if isinstance(content, str) else content))
    with pytest.raises(SourceRefused) as caught:
        rows_of(connect(tmp_path, "csv"))
    assert f"'a.csv{suffix}': {said}" in str(caught.value) or ("later" in said and "longer than 4 MiB" in str(caught.value))
    assert SECRET not in f"{caught.value} {caught.value.hint} {caught.value.__cause__}"


BROKEN_JSON = {
    "cut": f'{{"user_id":"{SECRET}"',
    "two": f'{{"user_id":"{SECRET}"}}{{"user_id":"x"}}',
    "array": f'["{SECRET}"]',
    "null": "null",
    "trailing comma": f'{{"a":"{SECRET}",}}',
    "NaN": f'{{"a":NaN,"b":"{SECRET}"}}',
    "control": f'{{"a":"{SECRET}\t"}}',
    "over two lines": f'{{"a":\n"{SECRET}"}}',
}


@pytest.mark.parametrize(
    "spread", ['{"user_id":"x","a":\n{}}', '{"user_id":"x"\n,"a":{}}', '{"user_id":"x","a":{}\n}', '\n{\n"user_id":"x"}{}']
)
def test_two_broken_lines_do_not_make_up_for_each_other(tmp_path: Path, spread: str) -> None:
    """As many objects as lines, and all between the two broken ones are a line away from where they stand."""
    good = json_text([{"user_id": owner} for owner in ("x", ANN.upn, "y")])
    write(tmp_path / "a.jsonl", f'{{"user_id":"x"}}{{"user_id":"x"}}\n{good}{spread}\n')
    with pytest.raises(SourceRefused, match=r"line 1 is no JSON object"):
        rows_of(connect(tmp_path, "jsonl"))
    write(tmp_path / "a.jsonl", json_text([{"user_id": "x"}] * 2000) + f'{{"user_id":"x"}}{{"user_id":"x"}}\n{good}{spread}\n')
    with pytest.raises(SourceRefused, match=r"line 2001 is no JSON object"):
        rows_of(connect(tmp_path, "jsonl"))


@pytest.mark.parametrize("late", [False, True], ids=["soon", "late"])
@pytest.mark.parametrize("line", BROKEN_JSON.values(), ids=list(BROKEN_JSON))
def test_a_broken_line_is_refused_by_its_number(tmp_path: Path, line: str, *, late: bool) -> None:
    good = [{"user_id": "x", "n": n} for n in range(20_000 if late else 3)]
    write(tmp_path / "a.jsonl", json_text(good) + line + "\n" + json_text(good))
    with pytest.raises(SourceRefused, match=rf"'a\.jsonl': line {len(good) + 1} is no JSON object") as caught:
        rows_of(connect(tmp_path, "jsonl"))
    assert SECRET not in str(caught.value)


def test_json_that_is_odd_but_right_is_read(tmp_path: Path) -> None:
    odd = ['{"user_id":"x","v":"\\ud800"}', '{"user_id":"x","v":' + "[" * 3000 + "]" * 3000 + "}", '{"user\\u005fid":"' + ANN.upn + '"}']
    write(tmp_path / "a.jsonl", "\n".join(['{"user_id":"x"}', *odd, f'{{"user_id":"{ANN.upn}","v":"\\udfff"}}']))
    assert [row["v"] for row in rows_of(connect(tmp_path, "jsonl"))] == [None, '"\\udfff"']


@pytest.mark.parametrize("late", [False, True], ids=["soon", "late"])
@pytest.mark.parametrize(
    "first", ['"user_id":"x","user_id":"%s"', '"user_id":"%s","user_id":"x"', '"user\\u005fId":1,"user\\u005Fid":"%s","user_id":"y"']
)
def test_a_line_that_says_twice_whose_it_is_is_refused(tmp_path: Path, first: str, *, late: bool) -> None:
    good = [{"user_id": "x", "v": {"user_id": "user_id"}} for _ in range(2000 if late else 1)] + [{"v": "user_id"}]
    write(tmp_path / "a.jsonl", json_text(good) + "{" + first.replace("%s", ANN.upn) + "}\n")
    with pytest.raises(SourceRefused, match=rf"line {len(good) + 1} has two members of one name") as caught:
        rows_of(connect(tmp_path, "jsonl"))
    assert ANN.upn not in str(caught.value)


def test_a_line_of_somebodys_with_two_members_of_one_name_is_refused(tmp_path: Path) -> None:
    """None of the two is left out silently."""
    write(tmp_path / "a.jsonl", json_text([{"user_id": "x"}] * 2000) + f'{{"user_id":"{ANN.upn}","v":1,"v":2}}\n')
    with pytest.raises(SourceRefused, match=r"line 2001 has two members of one name"):
        rows_of(connect(tmp_path, "jsonl"))


@given(st.text(min_size=1, max_size=4, alphabet=st.characters(exclude_categories=["Cs"])), st.data())
def test_a_name_is_known_however_it_is_written(name: str, data: st.DataObject) -> None:
    def written(character: str) -> str:
        units = character.encode("utf-16-be").hex()
        escape = "".join("\\u" + units[at : at + 4] for at in range(0, len(units), 4))
        plain = json.dumps(character, ensure_ascii=False)[1:-1]
        return data.draw(st.sampled_from([plain, escape, escape.upper().replace("U", "u"), "\\/" if character == "/" else plain]))

    text = '"' + "".join(map(written, name)) + '"'
    assert json.loads(text) == name
    assert _Name(name).count(text.encode()) == 1


@pytest.mark.parametrize("value", ["1.5", "true", "[1]", '{"a":1}'])
def test_a_match_value_that_is_neither_text_nor_integer_is_refused(tmp_path: Path, value: str) -> None:
    write(tmp_path / "a.jsonl", f'{{"user_id":"x"}}\n{{"user_id":{value}}}\n')
    with pytest.raises(SourceRefused, match=r"line 2 has neither a text nor an integer in column 'user_id'"):
        rows_of(connect(tmp_path, "jsonl"))


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_value_that_is_not_of_the_stated_type_is_refused_by_its_place(tmp_path: Path, kind: str) -> None:
    rows = [{"user_id": owner, "n": n} for owner, n in ((ANN.upn, "1"), ("x", "nobody's"), (ANN.upn, SECRET))]
    write(tmp_path / f"a.{kind}", WRITTEN[kind](rows))
    with pytest.raises(SourceRefused, match=rf"{'row 4' if kind == 'csv' else 'line 3'} holds no int in column 'n'") as caught:
        rows_of(connect(tmp_path, kind, types={"n": "int"}))
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_compressed_file_that_is_cut_or_damaged_is_refused(tmp_path: Path, kind: str, suffix: str) -> None:
    rows = [{"user_id": ANN.upn, "n": str(n * 7919)} for n in range(30_000)]
    write(tmp_path / f"a.{kind}{suffix}", WRITTEN[kind](rows))
    path = tmp_path / f"a.{kind}{suffix}"
    whole = path.read_bytes()
    for damaged in (whole[:-5], whole[: len(whole) // 2], whole + b"junk", b"no archive"):
        path.write_bytes(damaged)
        with pytest.raises(SourceRefused, match=r"'a\..*damaged"):
            rows_of(connect(tmp_path, kind))
    path.write_bytes(whole + whole if kind == "jsonl" else whole)
    assert len(rows_of(connect(tmp_path, kind))) == (60_000 if kind == "jsonl" else 30_000)


@pytest.mark.parametrize("content", ["", "a,a\n1,2\n", ",b\n1,2\n"], ids=["empty", "twice", "nameless"])
def test_a_csv_file_without_good_names_is_refused(tmp_path: Path, content: str) -> None:
    write(tmp_path / "a.csv", content)
    with pytest.raises(SourceRefused, match=r"'a\.csv': row 1"):
        connect(tmp_path, "csv").check()


def test_a_file_may_be_compressed_in_many_pieces(tmp_path: Path) -> None:
    text = "user_id,v\n" + "".join(f"{ANN.upn},{n}\n" for n in range(3000))
    for suffix in (".gz", ".zst"):
        pieces = [PACK[suffix](text[start : start + 7].encode()) for start in range(0, len(text), 7)]
        (tmp_path / f"a.csv{suffix}").write_bytes(b"".join(pieces))
    assert [row["v"] for row in rows_of(connect(tmp_path, "csv"))] == [*map(str, range(3000))] * 2


def test_types_are_those_of_columns_that_are_delivered(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", f"user_id,n,x\n{ANN.upn},1,no number\n")
    assert rows_of(connect(tmp_path, "csv", types={"x": "int", "n": "int"}, exclude=("x",))) == ({"user_id": ANN.upn, "n": 1},)
    with pytest.raises(SourceRefused, match="there is no column 'N'"):
        connect(tmp_path, "csv", types={"N": "int"}).check()


def test_json_lines_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", b"\xef\xbb\xbf" + json_text([{"user_id": ANN.upn}] * 2).encode())
    assert len(rows_of(connect(tmp_path, "jsonl"))) == 2
    write(tmp_path / "a.jsonl", b"\xef\xbb\xbf")
    assert rows_of(connect(tmp_path, "jsonl")) == ()


def test_a_first_row_may_be_long(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", f'"user\n_id",v\n{ANN.upn},{"x" * (3 << 20)}\n')
    assert [len(str(row["v"])) for row in rows_of(connect(tmp_path, "csv", match={"user\n_id": "upn"}))] == [3 << 20]
    write(tmp_path / "a.csv", "user_id," + "v" * (300 << 10) + "\n1,2\n")
    with pytest.raises(SourceRefused, match="row 1"):
        connect(tmp_path, "csv").check()


def test_names_that_are_values_are_no_columns(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", json_text([{"user_id": ANN.upn, f"k{n}": n} for n in range(1000)]))
    found = rows_of(connect(tmp_path, "jsonl"))
    assert found[0] == {"user_id": ANN.upn, "_rest": '{"k0":0}'}
    assert len(found) == 1000


def test_files_without_rows_are_no_fault(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "user_id,v")
    write(tmp_path / "a.jsonl", "")
    assert rows_of(connect(tmp_path, "csv", url="*.csv")) == rows_of(connect(tmp_path, "jsonl", url="*.jsonl")) == ()


# -- whatever is written ----------------------------------------------------------------------------------------------------------
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    ['"', '""', ',"', '"\n', "\r\n", ",,", 'a"b', '"a"']
)


@given(
    rows=st.lists(st.tuples(st.sampled_from(["me", "you"]), TEXTS), min_size=1, max_size=12),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    block=st.integers(40, 300),
)
@settings(max_examples=150, deadline=None)
def test_what_a_writer_of_csv_wrote_is_read(rows: list[tuple[str, str]], quoting: Any, block: int) -> None:
    from rightful.connectors.lake_csv import CsvReader

    out = io.StringIO(newline="")
    csv.writer(out, quoting=quoting, lineterminator="\n").writerows([("user_id", "v"), *rows])
    stream = _Trickle(out.getvalue().encode(), block)
    frames = list(CsvReader(CsvSettings()).frames(stream, ["user_id", "v"], None))
    found = [(row[1], row[2] or "") for frame in frames for row in frame.rows()]
    assert found == rows


class _Trickle(io.BytesIO):
    """A stream that gives a few bytes at a time, so that quotes fall on the edges of blocks."""

    def __init__(self, data: bytes, most: int) -> None:
        super().__init__(data)
        self._most = most

    def read(self, size: int | None = -1) -> bytes:
        del size
        return super().read(self._most % 7 + 1)


@given(data=st.text(st.sampled_from('ab,"\n'), max_size=40), most=st.integers(0, 6))
@settings(max_examples=400, deadline=None)
def test_no_row_goes_missing_whatever_the_quotes(data: str, most: int) -> None:
    """Python's strict reader is the oracle: what it reads we read alike, and what has a row swallowed is refused."""
    from rightful.connectors.lake_csv import CsvReader
    from rightful.connectors.lake_text import BrokenLine

    stream = _Trickle(f"a,b\n{data}\n".encode(), most)
    try:
        found = [list(row[1:]) for frame in CsvReader(CsvSettings()).frames(stream, ["a", "b"], None) for row in frame.rows()]
    except BrokenLine:
        return
    rows = list(csv.reader(io.StringIO(data + "\n"), strict=True))
    assert [[value or "" for value in row] for row in found] == [row or ["", ""] for row in rows]


# -- settings, estimates, memory ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "options",
    [
        {"types": {"a": "int"}},
        {"format": "csv", "types": {"a": "integer"}},
        {"format": "csv", "types": {"a": "decimal(39, 2)"}},
        {"format": "csv", "types": {"user_id": "int"}},
        {"format": "jsonl", "csv": CsvSettings(delimiter=";")},
        {"format": "csv", "csv": CsvSettings(delimiter="::")},
        {"format": "csv", "csv": CsvSettings(delimiter='"')},
        {"format": "csv", "csv": CsvSettings(encoding="klingon")},
        {"format": "csv", "csv": CsvSettings(encoding="hex")},
        {"format": "csv", "csv": CsvSettings(columns=("a", "a"))},
    ],
    ids=repr,
)
def test_settings_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        LakeConnector("x", LakeSettings(**({"url": "x", "match": {"user_id": "b"}} | options)), siblings={}, folder=Path("/"))


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_an_estimate_counts_rows_and_measures_lines(tmp_path: Path, kind: str) -> None:
    rows = [{"user_id": [ANN.upn, "x"][n % 2], "text": "y" * 50} for n in range(100)]
    write(tmp_path / f"a.{kind}", WRITTEN[kind](rows))
    [estimate] = connect(tmp_path, kind).estimate([ANN.subject], limit_s=30)
    assert isinstance(estimate, Estimate)
    assert estimate.rows is not None
    assert (estimate.rows.count, estimate.rows.is_exact) == (50, True)
    assert estimate.size_bytes is not None
    assert 50 * 60 < estimate.size_bytes.count < 50 * 120


@pytest.mark.parametrize("suffix", list(PACK))
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_file_that_is_too_large_for_an_estimate_is_broken_off(tmp_path: Path, kind: str, suffix: str) -> None:
    rows = [{"user_id": [ANN.upn, "x"][n % 2], "text": f"{n * 7919 % 1000003:09}" * 12} for n in range(150_000)]
    write(tmp_path / f"a.{kind}{suffix}", WRITTEN[kind](rows))
    connector = connect(tmp_path, kind)
    files, schema = connector._survey(ALWAYS)
    assert schema is not None
    ticks = iter(range(10_000))
    [said] = sample(connector._scan, files, schema, [ANN.subject], window=ALWAYS, limit_s=4.0, now=lambda: float(next(ticks)))
    assert next(ticks) < 10, "three blocks were read"
    assert said.rows is not None
    assert not said.rows.is_exact
    assert 50_000 < said.rows.count < 90_000
    whole = connector.estimate([ANN.subject], limit_s=60)[0]
    assert whole.rows == Amount(75_000, is_exact=True)


PEAK = """
import re, sys
from pathlib import Path
from rightful.connectors.lake import LakeConnector, LakeSettings
from rightful.testing.connector_suite import identified
root, kind = Path(sys.argv[1]), sys.argv[2]
connector = LakeConnector("x", LakeSettings(url=f"{root}/*.{kind}.zst", format=kind, match={"user_id": "k"}), siblings={}, folder=root)
def peak(): return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) >> 10
[partition] = connector.plan(())
before = peak()
batches = [item.batch.nbytes for item in connector.read(partition, [identified(k=("a",))]) if hasattr(item, "batch")]
print(max(batches), sum(batches) >> 20, peak() - before)
"""


@pytest.mark.parametrize("share", [1, 50], ids=["all rows", "a few rows of each block"])
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_memory_does_not_grow_with_a_file(tmp_path: Path, kind: str, share: int) -> None:
    def line(n: int) -> str:
        owner = "x" if n % share else "a"
        return f"{owner},{'x' * 9000}\n" if kind == "csv" else f'{{"user_id":"{owner}","v":"{"x" * 9000}"}}\n'

    packed = PACK[".zst"]("".join(map(line, range(1000))).encode())
    (tmp_path / f"a.{kind}.zst").write_bytes((PACK[".zst"](b"user_id,v\n") if kind == "csv" else b"") + packed * 60)
    done = subprocess.run([sys.executable, "-c", PEAK, str(tmp_path), kind], check=True, capture_output=True, text=True)
    largest, read_mib, grown_mib = map(int, done.stdout.split())
    assert read_mib > 400 / share
    assert largest <= 8 << 20
    assert grown_mib < 300


def test_every_error_is_ours(tmp_path: Path) -> None:
    """Whatever bytes a file holds."""

    @given(data=st.binary(max_size=60), kind=st.sampled_from(["csv", "jsonl"]), suffix=st.sampled_from(list(PACK)))
    @settings(max_examples=150, deadline=None)
    def check(data: bytes, kind: str, suffix: str) -> None:
        for path in tmp_path.iterdir():
            path.unlink()
        (tmp_path / f"a.{kind}{suffix}").write_bytes(data)
        connector = connect(tmp_path, kind, match={"a": "upn"})
        try:
            for partition in connector.plan(()):
                assert isinstance(read_all(connector, partition, [ANN.subject])[0], ReadHeader)
        except SourceError as error:
            assert re.search(r"'a\.", str(error))  # noqa: PT017 - most are refused, some are read

    check()
