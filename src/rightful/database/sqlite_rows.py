"""Values of SQLite as Arrow arrays."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from rightful.package.schema import ColumnKind


class Misfit(Exception):
    """A value is of another kind than all values of its column were."""


_CLASSES: dict[ColumnKind, tuple[type, ...]] = {
    ColumnKind.INT: (int, type(None)),
    ColumnKind.FLOAT: (float, type(None)),
    ColumnKind.TEXT: (str, type(None)),
    ColumnKind.BYTES: (bytes, type(None)),
}


def array_of(values: Sequence[Any], kind: ColumnKind | None, arrow: pa.DataType) -> pa.Array:
    """Make an array; `kind` is the column's, None for what the query itself makes (text or subject index)."""
    if kind is ColumnKind.JSON:
        return pa.array([None if value is None else json_of(value) for value in values], arrow)
    if kind is not None and not set(map(type, values)).issubset(_CLASSES[kind]):
        raise Misfit
    return pa.array(values, arrow)


def json_of(value: float | str | bytes) -> str:
    """Write one value of a column that holds several kinds, so that they stay apart: a number, a text, or what JSON has neither for."""
    encode: Callable[[object], bytes] = msgspec.json.encode
    if isinstance(value, bytes):
        return encode({"base64": value}).decode()
    if isinstance(value, float) and value in {float("inf"), float("-inf")}:
        return '{"number":"Infinity"}' if value > 0 else '{"number":"-Infinity"}'
    return encode(value).decode()
