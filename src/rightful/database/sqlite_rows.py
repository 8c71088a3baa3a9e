"""Rows of SQLite as Arrow batches."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from rightful.database.query import Output
from rightful.package.schema import ColumnKind


class Misfit(Exception):
    """A value is of another kind than all values of its column were."""


_CLASSES: dict[ColumnKind, tuple[type, ...]] = {
    ColumnKind.INT: (int, type(None)),
    ColumnKind.FLOAT: (float, type(None)),
    ColumnKind.TEXT: (str, type(None)),
    ColumnKind.BYTES: (bytes, type(None)),
}


def batch_of(
    rows: Sequence[tuple[Any, ...]], outputs: Sequence[Output], kinds: Sequence[ColumnKind | None], schema: pa.Schema
) -> pa.RecordBatch:
    """Make a batch; `kinds` are those of the outputs, None for one that the query itself makes (text or subject index)."""
    columns = list(zip(*rows, strict=True))
    arrays: dict[tuple[int, Any], pa.Array] = {}
    for output, kind in zip(outputs, kinds, strict=True):
        place = output.position, output.arrow
        if place not in arrays:
            arrays[place] = _array(columns[output.position], kind, output.arrow)
    return pa.RecordBatch.from_arrays([arrays[output.position, output.arrow] for output in outputs], schema=schema)


def _array(values: Sequence[Any], kind: ColumnKind | None, arrow: pa.DataType) -> pa.Array:
    if kind is ColumnKind.JSON:
        return pa.array([None if value is None else json_of(value) for value in values], arrow)
    if kind is not None and not set(map(type, values)).issubset(_CLASSES[kind]):
        raise Misfit
    return pa.array(values, arrow)


def json_of(value: float | str | bytes) -> str:
    """Write one value of a column that holds several kinds: a number, a text, or `{"base64": …}`, so that they stay apart."""
    encode: Callable[[object], bytes] = msgspec.json.encode
    if isinstance(value, bytes):
        return encode({"base64": value}).decode()
    if isinstance(value, float) and value in {float("inf"), float("-inf")}:
        return '"Infinity"' if value > 0 else '"-Infinity"'
    return encode(value).decode()
