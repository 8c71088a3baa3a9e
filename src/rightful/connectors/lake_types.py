"""Which type holds the values of two columns exactly."""

from collections.abc import Mapping

import polars as pl

_INTEGERS: tuple[pl.DataType, ...] = (pl.Int8(), pl.Int16(), pl.Int32(), pl.Int64())
_UNSIGNED: tuple[pl.DataType, ...] = (pl.UInt8(), pl.UInt16(), pl.UInt32(), pl.UInt64())
_MAX_PRECISION = 38


class SchemaClash(Exception):
    """Two files have a column of types that no type holds both of."""

    def __init__(self, column: str, known: pl.DataType, found: pl.DataType) -> None:
        super().__init__(f"column {column!r} is {known} and {found}")
        self.column = column
        self.known = known
        self.found = found


def merge(known: Mapping[str, pl.DataType], found: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
    """Return the columns of both, those of `known` first; raises `SchemaClash`."""
    merged = dict(known)
    for column, dtype in found.items():
        common = common_type(merged.get(column, dtype), dtype)
        if common is None:
            raise SchemaClash(column, merged[column], dtype)
        merged[column] = common
    return merged


def common_type(one: pl.DataType, other: pl.DataType) -> pl.DataType | None:
    """Return the narrowest type that holds every value of two types without a change; None where there is none.

    Integers never become floats or texts, naive times never instants: the values would be written in another form.
    """
    one, other = _plain(one), _plain(other)
    if one == other or isinstance(other, pl.Null):
        return one
    if isinstance(one, pl.Null):
        return other
    return _integer(one, other) or _float(one, other) or _decimal(one, other) or _datetime(one, other)


def _plain(dtype: pl.DataType) -> pl.DataType:
    return pl.String() if isinstance(dtype, pl.Categorical | pl.Enum) else dtype


def _integer(one: pl.DataType, other: pl.DataType) -> pl.DataType | None:
    for family in (_INTEGERS, _UNSIGNED):
        if one in family and other in family:
            return family[max(family.index(one), family.index(other))]
    signed, unsigned = (one, other) if one in _INTEGERS else (other, one)
    if signed not in _INTEGERS or unsigned not in _UNSIGNED or unsigned == pl.UInt64():
        return None
    return _INTEGERS[max(_INTEGERS.index(signed), _UNSIGNED.index(unsigned) + 1)]


def _float(one: pl.DataType, other: pl.DataType) -> pl.DataType | None:
    return pl.Float64() if one.is_float() and other.is_float() else None


def _decimal(one: pl.DataType, other: pl.DataType) -> pl.DataType | None:
    # Another scale would be written with other digits (1.5 as 1.50), so that only the precision may widen.
    if not (isinstance(one, pl.Decimal) and isinstance(other, pl.Decimal)) or one.scale != other.scale:
        return None
    return pl.Decimal(max(one.precision or _MAX_PRECISION, other.precision or _MAX_PRECISION), one.scale)


def _datetime(one: pl.DataType, other: pl.DataType) -> pl.DataType | None:
    """Milliseconds widen to microseconds, and instants of two zones to UTC; nanoseconds reach from 1678 to 2262 only."""
    if not (isinstance(one, pl.Datetime) and isinstance(other, pl.Datetime)) or (one.time_zone is None) != (other.time_zone is None):
        return None
    zone = one.time_zone if one.time_zone == other.time_zone else "UTC"
    if one.time_unit == other.time_unit:
        return pl.Datetime(one.time_unit, zone)
    return None if "ns" in {one.time_unit, other.time_unit} else pl.Datetime("us", zone)
