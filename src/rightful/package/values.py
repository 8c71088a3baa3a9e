"""How single values are written and read back: the text forms of docs/reference/package-values.md.

Dates and times come as the integers that Arrow holds, so that nothing is lost to what Python's or a library's types can hold.
"""

import base64
import binascii
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation

import msgspec

from rightful.package.schema import ColumnKind

NOT_A_NUMBER, INFINITY, MINUS_INFINITY = "NaN", "Infinity", "-Infinity"
LATEST, EARLIEST = "infinity", "-infinity"

FIRST_DAY, LAST_DAY = -719_162, 2_932_896
"""0001-01-01 and 9999-12-31 in days since 1970: what has a four-digit year, and what other libraries can hold."""

DAY_S = 86_400
PER_SECOND: Mapping[str, int] = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
MICRO = PER_SECOND["us"]

# PostgreSQL's infinite dates and timestamps are the largest and smallest integers of their type, counted from 2000-01-01. The ADBC driver
# adds the days (microseconds) from 1970 to 2000 without looking, and so they wrap around to what would be years long before any other
# value PostgreSQL can hold (it starts at 4713 BC). Its last 30 years, 294247 to 294276, wrap around likewise. In a Parquet file the same
# integers are what they say: a column tells whether its values came by that way (`Column.is_wrapped`).
_SHIFT_DAYS = 10_957
_SHIFT_US = _SHIFT_DAYS * DAY_S * MICRO
WRAPPED_DAYS = -(2**31) + _SHIFT_DAYS
"""What -infinity is as date32; infinity is one below."""
WRAPPED_US = -(2**63) + _SHIFT_US
"""What -infinity is as timestamp[us]; infinity is one below, and everything before that a moment of the last years."""
_INFINITE_DAYS = {WRAPPED_DAYS: EARLIEST, WRAPPED_DAYS - 1: LATEST}
_INFINITE_US = {WRAPPED_US: EARLIEST, WRAPPED_US - 1: LATEST}

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 -- arithmetic on values whose zone is written beside them
_FIRST_US = FIRST_DAY * DAY_S * MICRO
_END_US = (LAST_DAY + 1) * DAY_S * MICRO
_DECIMAL_NAMES = {
    "nan": NOT_A_NUMBER,
    "inf": INFINITY,
    "infinity": INFINITY,
    "-inf": MINUS_INFINITY,
    "-infinity": MINUS_INFINITY,
}
_EXPONENT_FROM = 1e16
_FRACTION = re.compile(r"\.(\d{6})(\d{3})?(Z?)$")


def format_date(days: int) -> str:
    """Write a date32; a year outside 0 to 9999 has a sign (ISO 8601, expanded), year 0 is 1 BC."""
    year, month, day = _civil(days)
    sign = "" if 0 <= year <= 9999 else "+" if year > 0 else "-"  # noqa: PLR2004 -- four digits, as said
    return f"{sign}{abs(year):04}-{month:02}-{day:02}"


def format_wrapped_date(days: int) -> str:
    """Write a date32 that ADBC read from PostgreSQL."""
    return _INFINITE_DAYS.get(days) or format_date(days)


def format_timestamp(value: int, unit: str, zone: str = "") -> str:
    """Write a timestamp counted in `unit` since 1970; `zone` is appended (`Z` for instants)."""
    if unit == "us" and _FIRST_US <= value < _END_US:  # nearly always: seven times faster than below
        return (_EPOCH + timedelta(microseconds=value)).isoformat(timespec="microseconds") + zone
    days, rest = divmod(value, DAY_S * PER_SECOND[unit])
    return f"{format_date(days)}T{format_time(rest, unit)}{zone}"


def format_wrapped_timestamp(value: int, unit: str, zone: str = "") -> str:
    """Write a timestamp that ADBC read from PostgreSQL; it counts in microseconds."""
    if value > WRAPPED_US or unit != "us":
        return format_timestamp(value, unit, zone)
    return _INFINITE_US.get(value) or format_timestamp(value + 2**64, unit, zone)


def format_time(value: int, unit: str) -> str:
    """Write a time of day counted in `unit`; 24:00:00 is kept. Nine digits only where six would lose something."""
    seconds, fraction = divmod(value, PER_SECOND[unit])
    nanos = fraction * (PER_SECOND["ns"] // PER_SECOND[unit])
    digits = f"{nanos:09}" if nanos % 1000 else f"{nanos // 1000:06}"
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{digits}"


def format_decimal(text: str) -> str:
    """Keep a decimal's digits; names of what is no number get one spelling (ADBC writes PostgreSQL's NaN as `nan`)."""
    return text if text[-1:].isdigit() else _DECIMAL_NAMES.get(text.lower(), text)


def format_uuid(value: bytes) -> str:
    """Write 16 bytes in the usual groups, lower case."""
    digits = value.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def format_bytes(value: bytes) -> str:
    """Write base64, RFC 4648 section 4, padded, on one line."""
    return binascii.b2a_base64(value, newline=False).decode("ascii")


def float_cell(value: float) -> float | str | msgspec.Raw:
    """Give what msgspec shall encode for a float: shortest digits that read back equal, names for what JSON has no number for."""
    if value - value != 0.0:  # NaN or infinite
        return NOT_A_NUMBER if value != value else INFINITY if value > 0 else MINUS_INFINITY  # noqa: PLR0124 -- the test for NaN
    if abs(value) < _EXPONENT_FROM:
        return value
    return msgspec.Raw(msgspec.json.encode(value).replace(b"e", b"e+"))  # polars writes 1e+16 where msgspec writes 1e16


def parse_value(kind: ColumnKind, text: str) -> object:
    """Read one JSON value back; what Python's own type cannot hold (infinity, year 20222, nanoseconds, 24:00) stays the written text."""
    if kind is ColumnKind.JSON:
        return None if text == "null" else text
    value: object = msgspec.json.decode(text)
    if not isinstance(value, str):
        return float(value) if kind is ColumnKind.FLOAT and isinstance(value, int) else value
    reader = _READERS.get(kind)
    if reader is None:
        return value
    try:
        return reader(value)
    except (ValueError, InvalidOperation):
        return value


def _civil(days: int) -> tuple[int, int, int]:
    """Return year, month and day, for any number of days (days_from_civil turned round; proleptic Gregorian)."""
    if FIRST_DAY <= days <= LAST_DAY:
        plain = date.fromordinal(days - FIRST_DAY + 1)
        return plain.year, plain.month, plain.day
    cycles, in_cycle = divmod(days - FIRST_DAY, 146_097)  # 400 years have 146,097 days and repeat
    plain = date.fromordinal(in_cycle + 1)
    return plain.year + 400 * cycles, plain.month, plain.day


def _parse_exact(text: str) -> str:
    """Return the text with six digits for Python's parsers, raise where the value has more or is no plain form."""
    found = _FRACTION.search(text)
    if found is None or found[2]:
        raise ValueError
    return text


def _parse_instant(text: str) -> datetime:
    return datetime.strptime(_parse_exact(text), "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def _parse_naive(text: str) -> datetime:
    return datetime.strptime(_parse_exact(text), "%Y-%m-%dT%H:%M:%S.%f")  # noqa: DTZ007 -- the value has no zone


def _parse_time(text: str) -> time:
    return time.fromisoformat(_parse_exact(text))


_READERS: Mapping[ColumnKind, Callable[[str], object]] = {
    ColumnKind.FLOAT: float,
    ColumnKind.DECIMAL: Decimal,
    ColumnKind.DATE: date.fromisoformat,
    ColumnKind.TIMESTAMP: _parse_naive,
    ColumnKind.TIMESTAMP_TZ: _parse_instant,
    ColumnKind.TIME: _parse_time,
    ColumnKind.UUID: uuid.UUID,
    ColumnKind.BYTES: base64.b64decode,
}
