"""Values as drivers of any database give them, as Arrow arrays: each kind by its own rule, and what no rule knows is refused."""

import ipaddress
import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa

from rightful.database.sqlalchemy_moments import written
from rightful.package.schema import ColumnKind

_NETWORK = (
    *(ipaddress.IPv4Address, ipaddress.IPv4Interface, ipaddress.IPv4Network),
    *(ipaddress.IPv6Address, ipaddress.IPv6Interface, ipaddress.IPv6Network),
)


class Misfit(Exception):
    """A value is of a Python type that its column's values cannot be of; the message names types alone."""


def array_of(values: Sequence[Any], kind: ColumnKind | None, arrow: pa.DataType) -> pa.Array:
    """Make an array; `kind` is the column's, None for what a row was found by, its key and its subject."""
    plain, convert = _RULES[kind] if kind is not None else (str, text_of) if pa.types.is_string(arrow) else (int, _int)
    if not set(map(type, values)) <= {plain, type(None)}:
        values = [None if value is None else convert(value) for value in values]
    try:
        return pa.array(values, arrow)
    except (OverflowError, pa.ArrowInvalid):
        raise Misfit(
            "a number larger than its column's type holds" if kind is ColumnKind.INT else "a value that Arrow does not hold"
        ) from None


def text_of(value: object) -> str:
    """Write a value as the text that an identifier is compared with."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    for known, convert in _TEXTS:
        if isinstance(value, known):
            return convert(value)
    return _text(value)


def duration(value: timedelta) -> str:
    """Write a time span (ISO 8601)."""
    micros = value // timedelta(microseconds=1)
    days, rest = divmod(abs(micros), 86_400_000_000)
    seconds, fraction = divmod(rest, 1_000_000)
    spent = f"{seconds}.{fraction:06}".rstrip("0") if fraction else str(seconds)
    return f"{'-' if micros < 0 else ''}P{f'{days}D' if days else ''}{f'T{spent}S' if rest or not days else ''}"


def _misfit(value: object, kind: str) -> Misfit:
    return Misfit(f"a {type(value).__module__}.{type(value).__qualname__} in a column of {kind}")


def _text(value: object) -> str:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (uuid.UUID, *_NETWORK)):
        return str(value)
    if isinstance(value, timedelta):
        return duration(value)
    raise _misfit(value, "texts")


def _int(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        return int(value)
    raise _misfit(value, "integers")


def _bool(value: object) -> bool:
    if isinstance(value, int) and value in {0, 1}:
        return bool(value)
    raise _misfit(value, "truth values")


def _float(value: object) -> float:
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        number = float(value)
        if number == value or Decimal(repr(number)) == value:
            return number
    raise _misfit(value, "floating-point numbers")


def _decimal(value: object) -> str:
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise _misfit(value, "decimal numbers")


def _date(value: object) -> str:
    if isinstance(value, str):
        return written(value, ColumnKind.DATE)
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    raise _misfit(value, "dates")


def _moment(value: object) -> str:
    if isinstance(value, str):
        return written(value, ColumnKind.TIMESTAMP)
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.isoformat(timespec="microseconds")
    raise _misfit(value, "moments without a time zone")


def _instant(value: object) -> str:
    if isinstance(value, str):
        return written(value, ColumnKind.TIMESTAMP_TZ)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    raise _misfit(value, "moments with a time zone")


def _time(value: object) -> str:
    if isinstance(value, str):
        return written(value, ColumnKind.TIME)
    if isinstance(value, time):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, timedelta):  # MySQL's times may be longer than a day, or negative
        seconds, fraction = divmod(abs(value) // timedelta(microseconds=1), 1_000_000)
        sign = "-" if value < timedelta(0) else ""
        return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{fraction:06}"
    raise _misfit(value, "times")


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise _misfit(value, "bytes")


def _json(value: object) -> str:
    if isinstance(value, str):
        try:
            msgspec.json.decode(value)
        except msgspec.DecodeError:
            raise Misfit("a text that is no JSON in a column of JSON") from None
        return value
    return msgspec.json.encode(_plain(value)).decode()


def _plain(value: object) -> object:  # noqa: PLR0911 -- a table of types
    """Bring what a list or a record holds into JSON's terms, without loss."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value):
            return {key: _plain(each) for key, each in value.items()}
        return [[_plain(key), _plain(each)] for key, each in value.items()]
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    return text_of(value)


def _any_moment(value: datetime) -> str:
    return _moment(value) if value.tzinfo is None else _instant(value)


_TEXTS: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (Decimal, _decimal), (float, repr), (datetime, _any_moment), (date, _date), (time, _time)
)  # fmt: skip
_RULES: Mapping[ColumnKind, tuple[type, Callable[[Any], Any]]] = {
    ColumnKind.TEXT: (str, _text),
    ColumnKind.INT: (int, _int),
    ColumnKind.BOOL: (bool, _bool),
    ColumnKind.FLOAT: (float, _float),
    ColumnKind.DECIMAL: (type(None), _decimal),
    ColumnKind.DATE: (type(None), _date),
    ColumnKind.TIMESTAMP: (type(None), _moment),
    ColumnKind.TIMESTAMP_TZ: (type(None), _instant),
    ColumnKind.TIME: (type(None), _time),
    ColumnKind.UUID: (type(None), text_of),
    ColumnKind.BYTES: (bytes, _bytes),
    ColumnKind.JSON: (type(None), _json),
}
