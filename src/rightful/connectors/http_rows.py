"""Batches of records as they stand in an API's answers, with what they are matched by beside them."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import pyarrow as pa

from rightful.connectors.interface import MATCH_PREFIX, SUBJECT_COLUMN, Rows
from rightful.package.schema import Column, ColumnKind

_RECORD = "record"
_BATCH_BYTES = 4 << 20

COLUMNS = (Column(name=_RECORD, kind=ColumnKind.JSON, source_type="json"),)


def batches(subject: int, records: Sequence[bytes], match: Mapping[str, Callable[[bytes], str | None]]) -> Iterator[Rows]:
    """Yield records in order; `match` has the name of each match column and what gives its value."""
    start = size = 0
    for number, record in enumerate(records):
        if size and size + len(record) > _BATCH_BYTES:
            yield _batch(subject, records[start:number], match)
            start, size = number, 0
        size += len(record)
    if size:
        yield _batch(subject, records[start:], match)


def _batch(subject: int, records: Sequence[bytes], match: Mapping[str, Callable[[bytes], str | None]]) -> Rows:
    columns: dict[str, pa.Array] = {
        _RECORD: pa.array([record.decode() for record in records], pa.string()),
        SUBJECT_COLUMN: pa.array([subject] * len(records), pa.int32()),
    }
    for name, value in match.items():
        columns[MATCH_PREFIX + name] = pa.array([value(record) for record in records], pa.string())
    return Rows(pa.RecordBatch.from_pydict(columns))
