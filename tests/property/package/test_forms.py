"""Every form of a part over everything that Arrow can bring: what is read back is what the lines hold."""

import csv
import io
import tracemalloc
import uuid

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.property.package.hard_columns import batches

from rightful.package.forms import Form, write
from rightful.package.forms.comma_separated import ESCAPED_KINDS, escape, unescape
from rightful.package.json_text import split_members
from rightful.package.schema import Column, ColumnKind
from rightful.package.serializer import Serializer

Made = tuple[list[Column], pa.RecordBatch]
BEGINNINGS = st.text(alphabet="=+-@\uff1d'; |\t\r\n\x0b\x0c\x85\u2028\u00a0\u3000\u2003\u200b\ufeff\",a1", max_size=12)
UNSEEN = " \x0b\x0c\x85\u2028\u00a0\u3000\u2003\u200b\ufeff"
DOCUMENTS = {ColumnKind.JSON, ColumnKind.NESTED}


def written(columns: list[Column], lines: bytes) -> list[list[str]]:
    """The values of each line as it writes them."""
    members = [split_members(line.decode()) for line in lines.split(b"\n")[:-1]]
    return [[row[column.name] for column in columns] for row in members]


def as_text(column: Column, value: str) -> str | None:
    if value == "null":
        return None
    return value if column.kind in DOCUMENTS or not value.startswith('"') else msgspec.json.decode(value, type=str)


@given(batches(wrapped=True))
@settings(max_examples=200, deadline=None)
def test_csv_read_back_is_what_the_lines_hold(made: Made) -> None:
    columns, batch = made
    lines = Serializer(columns).lines(batch)
    content = b"".join(write(Form.CSV, columns, [lines]))

    header, *rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))

    assert [unescape(cell) for cell in header] == [column.name for column in columns]
    expected = [[as_text(*pair) for pair in zip(columns, row, strict=True)] for row in written(columns, lines)]
    assert [
        [unescape(cell) if column.kind in ESCAPED_KINDS else cell for column, cell in zip(columns, row, strict=True)] for row in rows
    ] == [["" if text is None else text for text in row] for row in expected]


@given(batches(wrapped=True))
@settings(max_examples=200, deadline=None)
def test_parquet_read_back_is_what_the_lines_hold(made: Made) -> None:
    columns, batch = made
    lines = Serializer(columns).lines(batch)

    table = pq.read_table(io.BytesIO(b"".join(write(Form.PARQUET, columns, [lines]))))

    assert table.column_names == [column.name for column in columns]
    assert table.num_rows == batch.num_rows
    for number, column in enumerate(columns):
        array = table.column(number).combine_chunks()
        array = array if isinstance(array, pa.Array) else pa.concat_arrays(array.chunks or [pa.array([], table.schema.field(number).type)])
        values = [row[number] for row in written(columns, lines)]
        if pa.types.is_string(array.type):
            assert array.to_pylist() == [as_text(column, value) for value in values]
        else:
            one = Column(name="x", kind=column.kind)
            again = Serializer([one]).lines(pa.RecordBatch.from_arrays([array], ["x"]))
            assert [row[0] for row in written([one], again)] == values


@given(batches(wrapped=True))
@settings(max_examples=100, deadline=None)
def test_the_array_of_graph_has_every_line(made: Made) -> None:
    columns, batch = made
    lines = Serializer(columns).lines(batch)

    content = b"".join(write(Form.JSON, columns, [lines]))

    if not batch.num_rows:
        assert msgspec.json.decode(content) == []
        return
    records = content.removeprefix(b"[\n").removesuffix(b"\n]\n").split(b",\n")
    found = [split_members(record.decode()) for record in records]
    assert [each["properties"].encode() for each in found] == lines.split(b"\n")[:-1]
    assert all(uuid.UUID(each["correlationId"].strip('"')).version == 5 for each in found)


@given(batches(wrapped=True), st.sampled_from([Form.CSV, Form.JSON, Form.PARQUET]), st.integers(min_value=1, max_value=5))
@settings(max_examples=100, deadline=None)
def test_a_form_is_the_same_whatever_pieces_the_lines_come_in(made: Made, form: Form, size: int) -> None:
    columns, batch = made
    lines = Serializer(columns).lines(batch).splitlines(keepends=True) if batch.num_rows else []
    pieces = [b"".join(lines[at : at + size]) for at in range(0, len(lines), size)]

    assert b"".join(write(form, columns, pieces)) == b"".join(write(form, columns, [b"".join(lines)]))


def test_a_column_has_one_type_though_only_its_last_value_refuses_the_first() -> None:
    columns = [Column(name="n", kind=ColumnKind.INT), Column(name="t", kind=ColumnKind.TIMESTAMP), Column(name="d", kind=ColumnKind.DATE)]
    columns.append(Column(name="h", kind=ColumnKind.TIME))
    lines = b'{"n":1,"t":"2024-01-01T00:00:00.000000","d":"2024-01-01","h":"08:30:00.000001"}\n' * 5_000
    lines += b'{"n":18446744073709551615,"t":"2024-01-01T00:00:00.000000001","d":"infinity","h":null}\n'

    table = pq.read_table(io.BytesIO(b"".join(write(Form.PARQUET, columns, [lines]))))

    assert [str(field.type) for field in table.schema] == ["uint64", "timestamp[ns]", "string", "time64[us]"]
    assert table.num_rows == 5_001
    assert table.column("d").to_pylist()[0] == "2024-01-01"


@pytest.mark.parametrize("form", [Form.CSV, Form.JSON, Form.PARQUET])
def test_memory_of_a_form_is_a_few_times_its_part(form: Form) -> None:
    columns = [
        Column(name="id", kind=ColumnKind.INT),
        Column(name="at", kind=ColumnKind.TIMESTAMP),
        Column(name="text", kind=ColumnKind.TEXT),
    ]
    lines = b"".join(b'{"id":%d,"at":"2024-01-01T00:00:00.000000","text":"some text, %d"}\n' % (n, n) for n in range(60_000))
    write(form, columns, [lines[: lines.index(b"\n") + 1]])  # imports are no memory of a part's

    tracemalloc.start()
    before = pa.total_allocated_bytes()
    write(form, columns, [lines])
    peak = tracemalloc.get_traced_memory()[1] + pa.total_allocated_bytes() - before
    tracemalloc.stop()

    assert peak < 4 * len(lines)


@given(st.lists(BEGINNINGS, min_size=1, max_size=4))
@example(["=1"])
@settings(max_examples=400, deadline=None)
def test_no_cell_begins_a_formula_whichever_separator_is_guessed(texts: list[str]) -> None:
    columns = [Column(name=f"c{number}", kind=ColumnKind.TEXT) for number in range(len(texts))]
    batch = pa.RecordBatch.from_arrays([pa.array([text], pa.string()) for text in texts], [column.name for column in columns])
    content = b"".join(write(Form.CSV, columns, [Serializer(columns).lines(batch)])).decode("utf-8-sig")

    for separator in ",;|\t":
        for row in csv.reader(io.StringIO(content, newline=""), delimiter=separator):
            assert not [cell for cell in row if cell.lstrip(UNSEEN)[:1] in {*"=+-@\uff1d"}]


@pytest.mark.parametrize("kind", [ColumnKind.TIME, ColumnKind.UUID, ColumnKind.DECIMAL, ColumnKind.DATE])
def test_text_of_another_kind_is_no_formula_either(kind: ColumnKind) -> None:
    columns = [Column(name="c", kind=kind), Column(name="d", kind=ColumnKind.INT)]
    batch = pa.RecordBatch.from_arrays([pa.array(['=HYPERLINK("http://x.example",1),x', "-Infinity"]), pa.array([1, 2])], ["c", "d"])
    content = b"".join(write(Form.CSV, columns, [Serializer(columns).lines(batch)])).decode("utf-8-sig")

    rows = list(csv.reader(io.StringIO(content, newline="")))

    assert [len(row) for row in rows] == [2, 2, 2]
    assert all(row[0][:1] == "'" for row in rows[1:])


@given(BEGINNINGS)
@settings(max_examples=500, deadline=None)
def test_what_is_escaped_can_be_turned_back(text: str) -> None:
    assert unescape(escape(text)) == text
