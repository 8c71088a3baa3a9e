"""What a stranger reads out of a part in each of its forms: texts, by the words of docs/reference/package-values.md."""

import io
import re
from collections.abc import Iterator, Sequence

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from rightful.connectors.interface import Connector, Rows
from rightful.package.forms import Form, write
from rightful.package.forms.comma_separated import ESCAPED_KINDS, unescape
from rightful.package.json_text import split_members
from rightful.package.schema import Column, ColumnKind
from rightful.package.serializer import Serializer
from rightful.subject.model import IdentifiedSubject

Texts = list[list[str | None]]
"""By row and column: numbers and documents as they are written, all else without its quotation marks; None for NULL."""

_DOCUMENTS = {ColumnKind.JSON, ColumnKind.NESTED}
_CELL = re.compile(r'(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)')


def lines_of(connector: Connector, columns: Sequence[Column], subject: IdentifiedSubject) -> bytes:
    """Return what a package has of a subject's rows."""
    serializer = Serializer(columns)
    items = connector.read(connector.plan(())[0], [subject])
    return b"".join(serializer.lines(item.batch) for item in items if isinstance(item, Rows))


def forms(columns: Sequence[Column], lines: bytes) -> dict[Form, Texts]:
    """Return what each form of a part gives back."""
    content = {form: b"".join(write(form, columns, [lines])) for form in Form}
    records = content[Form.JSON].removeprefix(b"[\n").removesuffix(b"\n]\n").split(b",\n") if lines else []
    return {
        Form.JSONL: [_of_line(columns, line) for line in content[Form.JSONL].split(b"\n")[:-1]],
        Form.JSON: [_of_line(columns, split_members(record.decode())["properties"].encode()) for record in records],
        Form.CSV: list(_of_csv(columns, content[Form.CSV].decode("utf-8-sig"))),
        Form.PARQUET: _of_parquet(columns, content[Form.PARQUET]),
    }


def _of_line(columns: Sequence[Column], line: bytes) -> list[str | None]:
    members = split_members(line.decode())
    return [_text(column, members[column.name]) for column in columns]


def _text(column: Column, written: str) -> str | None:
    if written == "null":
        return None
    return written if column.kind in _DOCUMENTS or not written.startswith('"') else msgspec.json.decode(written, type=str)


def _of_csv(columns: Sequence[Column], text: str) -> Iterator[list[str | None]]:
    """Yield the rows; a cell of two quotation marks is the empty text, an empty one NULL."""
    row: list[str | None] = []
    for number, found in enumerate(_CELL.finditer(text)):
        cell = found[2] or None if found[1] is None else found[1].replace('""', '"')
        is_escaped = columns[number % len(columns)].kind in ESCAPED_KINDS
        row.append(unescape(cell) if cell is not None and is_escaped else cell)
        if found[3] != ",":
            assert len(row) == len(columns)
            if number >= len(columns):  # behind the heading
                yield row
            row = []


def _of_parquet(columns: Sequence[Column], content: bytes) -> Texts:
    table = pq.read_table(io.BytesIO(content))
    read = [list(_of_array(column, table.column(column.name).combine_chunks())) for column in columns]
    return [list(row) for row in zip(*read, strict=True)]


def _of_array(column: Column, array: pa.Array) -> Iterator[str | None]:
    if pa.types.is_string(array.type):
        yield from array.to_pylist()
        return
    one = Column(name="x", kind=column.kind)
    lines = Serializer([one]).lines(pa.RecordBatch.from_arrays([array], ["x"]))
    yield from (_of_line([one], line)[0] for line in lines.split(b"\n")[:-1])
