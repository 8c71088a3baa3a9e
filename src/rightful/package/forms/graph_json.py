"""Parts as Graph's own export has its records: a JSON array of `{time, correlationId, properties}`."""

import uuid
from collections.abc import Iterator, Sequence

import msgspec

from rightful.package.forms.written_cells import NULL, written_rows
from rightful.package.schema import Column, ColumnKind

_RECORDS = uuid.UUID("6e1c2f0b-9f5c-5b7e-9a55-3d5f0a6f8a11")
"""The name space of records' identifiers (RFC 9562, version 5)."""

_encode = msgspec.json.Encoder().encode


def write_json(columns: Sequence[Column], lines: bytes) -> bytes:
    """Return a part as one JSON array, a record on each line.

    `properties` is the line as it is; `time` its first timestamp, null where it has none; `correlationId` is made of the record alone, so
    that the same record has the same in every export.
    """
    records = b",\n".join(_records(columns, lines))
    return b"[\n" + records + b"\n]\n"


def _records(columns: Sequence[Column], lines: bytes) -> Iterator[bytes]:
    for line, time in zip(lines.split(b"\n")[:-1], _times(columns, lines), strict=True):
        identifier = _encode(str(uuid.uuid5(_RECORDS, line.decode())))
        yield b'{"time":' + time + b',"correlationId":' + identifier + b',"properties":' + line + b"}"


def _times(columns: Sequence[Column], lines: bytes) -> Iterator[bytes]:
    """Yield the first timestamp of each record, an instant before one without a zone."""
    for kind in (ColumnKind.TIMESTAMP_TZ, ColumnKind.TIMESTAMP):
        column = next((column for column in columns if column.kind is kind), None)
        if column is not None:
            yield from (row[0] for row in written_rows([column], lines))
            return
    yield from (NULL for _ in range(lines.count(b"\n")))
