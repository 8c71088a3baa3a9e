"""Dates and times as databases write them, in the form of a package.

Python's own have years from 1 to 9999, microseconds and no infinity; a driver that is asked for them cuts off the rest or gives another
value, without a word (DuckDB's gives 9999-12-31 for infinity). So a database that knows more is asked for texts.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from rightful.package.schema import ColumnKind

_ALL = (ColumnKind.DATE, ColumnKind.TIME, ColumnKind.TIMESTAMP, ColumnKind.TIMESTAMP_TZ)
_ORACLES = "TO_CHAR({}, 'SYYYY-MM-DD HH24:MI:SS.FF9')"
_AS_TEXT: Mapping[str, Mapping[ColumnKind, str]] = {
    "duckdb": dict.fromkeys(_ALL, "CAST({} AS VARCHAR)"),
    "postgresql": dict.fromkeys(_ALL, "CAST({} AS TEXT)"),
    "mysql": dict.fromkeys(_ALL, "CAST({} AS CHAR)"),
    "mariadb": dict.fromkeys(_ALL, "CAST({} AS CHAR)"),
    "mssql": dict.fromkeys(_ALL, "CONVERT(VARCHAR(40), {}, 121)"),
    "oracle": {
        ColumnKind.TIMESTAMP: _ORACLES.format("CAST({} AS TIMESTAMP(9))"),
        ColumnKind.TIMESTAMP_TZ: _ORACLES.format("SYS_EXTRACT_UTC(CAST({} AS TIMESTAMP(9) WITH TIME ZONE))") + " || 'Z'",
    },
}
"""How a column is asked for, by dialect: so that its text is ISO 8601's but for what `written` puts right."""
_DATE = re.compile(r"([+-]?[0-9]{4,})-([0-9]{2})-([0-9]{2})")
_TIME = re.compile(r"([+-]?[0-9]{2,}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?")
_ZONE = re.compile(r"([+-])([0-9]{2})(?::?([0-9]{2}))?")
_BEFORE_CHRIST = re.compile(r" \(?BC\)?")
_ZULU = frozenset({"Z", "+00", "-00", "+00:00", "-00:00"})
_MICROS, _NANOS = 6, 9
_YEARS = range(10_000)


def select(dialect: str, kind: ColumnKind) -> str:
    """Return what a column of this kind is selected as; `{}` stands for it."""
    return _AS_TEXT.get(dialect, {}).get(kind, "{}")


def written(text: str, kind: ColumnKind) -> str:
    """Write a date or time in the form of a package; what is none, infinity too, stays as it is."""
    is_before = _BEFORE_CHRIST.search(text) is not None
    plain = _BEFORE_CHRIST.sub("", text.strip()) if is_before else text.strip()
    if kind is ColumnKind.DATE:
        return _date(plain, is_before=is_before) or text
    if kind is ColumnKind.TIME:
        return _time(plain) or text
    day, apart, clock = plain.partition("T" if "T" in plain else " ")
    if not apart:
        return text
    write = _instant if kind is ColumnKind.TIMESTAMP_TZ else _moment
    return write(day, clock, is_before=is_before) or text


def _date(text: str, *, is_before: bool) -> str | None:
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    year = int(found[1])
    # Oracle's years before Christ are negative and have no 0; -1 is 1 BC, which is year 0 (ISO 8601).
    year = 1 - year if is_before else year + 1 if year < 0 else year
    sign = "" if year in _YEARS else "+" if year > 0 else "-"
    return f"{sign}{abs(year):04}-{found[2]}-{found[3]}"


def _time(text: str) -> str | None:
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    digits = (found[2] or "").rstrip("0")
    return f"{found[1]}.{digits.ljust(_MICROS if len(digits) <= _MICROS else _NANOS, '0')}"


def _moment(day: str, clock: str, *, is_before: bool) -> str | None:
    date, time = _date(day, is_before=is_before), _time(clock)
    return f"{date}T{time}" if date and time else None


def _instant(day: str, clock: str, *, is_before: bool) -> str | None:
    """Write an instant in UTC; a zone is minutes away from it, which leaves fractions of seconds as they are."""
    at = max(clock.rfind("+"), clock.rfind("-"), clock.rfind("Z"))
    if at < 0:
        return None
    time, zone = clock[:at].rstrip(), clock[at:]
    if zone in _ZULU:
        moment = _moment(day, time, is_before=is_before)
        return moment and f"{moment}Z"
    offset, there = _ZONE.fullmatch(zone), _moment(day, time, is_before=is_before)
    if offset is None or there is None or not there[:4].isdigit():
        return None
    away = timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0))
    seconds, _, fraction = there.partition(".")
    try:
        here = datetime.fromisoformat(seconds) + (away if offset[1] == "-" else -away)
    except (ValueError, OverflowError):
        return None
    return f"{here.isoformat()}.{fraction}Z"
