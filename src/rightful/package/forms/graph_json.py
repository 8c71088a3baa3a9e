"""Parts as Graph's own export has its records: a JSON array of `{time, correlationId, properties}`."""

import uuid
from collections.abc import Iterator, Sequence

import msgspec

from rightful.package.forms.written_cells import NULL, slices, written_lines, written_rows
from rightful.package.schema import Column, ColumnKind

_RECORDS = uuid.UUID("6e1c2f0b-9f5c-5b7e-9a55-3d5f0a6f8a11")
"""The name space of records' identifiers (RFC 9562, version 5)."""

_encode = msgspec.json.Encoder().encode


def write_json(columns: Sequence[Column], content: Sequence[bytes]) -> Iterator[bytes]:
    """Yield a part as one JSON array, a record on each line, in pieces.

    `properties` is the line as it is; `time` its first timestamp, null where it has none; `correlationId` is made of the record alone, so
    that the same record has the same in every export.
    """
    yield b"["
    before = b"\n"
    for records in slices(_records(columns, content)):
        yield before + b",\n".join(records)
        before = b",\n"
    yield b"\n]\n"


def _records(columns: Sequence[Column], content: Sequence[bytes]) -> Iterator[bytes]:
    for line, time in zip(written_lines(content), _times(columns, content), strict=True):
        identifier = _encode(str(uuid.uuid5(_RECORDS, line.decode())))
        yield b'{"time":' + time + b',"correlationId":' + identifier + b',"properties":' + line + b"}"


def _times(columns: Sequence[Column], content: Sequence[bytes]) -> Iterator[bytes]:
    """Yield the first timestamp of each record, an instant before one without a zone."""
    for kind in (ColumnKind.TIMESTAMP_TZ, ColumnKind.TIMESTAMP):
        column = next((column for column in columns if column.kind is kind), None)
        if column is not None:
            yield from (row[0] for row in written_rows([column], written_lines(content)))
            return
    yield from (NULL for _ in written_lines(content))
