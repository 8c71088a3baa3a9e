"""Rows, as drivers of Python's DB-API give them, as Arrow batches of bounded size."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa

from rightful.database.query import Output

Row = tuple[Any, ...]
MakeArray = Callable[[Sequence[Any], int, pa.DataType], pa.Array]
"""Makes an array of values, given the number of the output and its type."""

_BATCH_BYTES = 4 << 20
_MOST_ROWS = 16_384


def fetched(rows: Iterator[Row], width: int) -> Iterator[list[Row]]:
    """Yield rows of so many columns in lists of about 4 MiB, which the last row may exceed: its size shows only when it is here."""
    most = min(_MOST_ROWS, max(1, _BATCH_BYTES // (8 * width)))
    while True:
        taken: list[Row] = []
        left_bytes = _BATCH_BYTES
        for row in islice(rows, most):
            taken.append(row)
            for value in row:
                if value.__class__ is str or value.__class__ is bytes:
                    left_bytes -= len(value)
            if left_bytes <= 0:
                break
        if not taken:
            return
        yield taken


def batch_of(rows: Sequence[Row], outputs: Sequence[Output], schema: pa.Schema, make: MakeArray) -> pa.RecordBatch:
    """Make a batch; a column that stands behind several outputs of one type is made once."""
    columns = list(zip(*rows, strict=True))
    arrays: dict[tuple[int, Any], pa.Array] = {}
    for number, output in enumerate(outputs):
        place = output.position, output.arrow
        if place not in arrays:
            arrays[place] = make(columns[output.position], number, output.arrow)
    return pa.RecordBatch.from_arrays([arrays[output.position, output.arrow] for output in outputs], schema=schema)


def pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Cut a batch that came out larger than meant, down to single rows if need be."""
    if batch.nbytes <= 2 * _BATCH_BYTES or batch.num_rows == 1:
        yield batch
        return
    half = batch.num_rows // 2
    yield from pieces(batch.slice(0, half))
    yield from pieces(batch.slice(half))
