"""When a dataset's records are from: how many of each month, weekday and hour, by the first moment in each record.

Counted part by part while they are written, so that START-HERE.html can draw a person's years without reading a record. What is kept does
not grow with the records: months of three centuries at most, seven weekdays, 24 hours.

Many sources have no type for times: files of text, APIs, SQLite. A column of texts counts where every value of it is a date or a time as
ISO 8601 writes them (with a blank instead of the T too); the operator may name another (`label.time`).
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from rightful.package.cells import plain
from rightful.package.json_text import split_members
from rightful.package.parts import PartCutter
from rightful.package.schema import Column, ColumnKind
from rightful.package.values import PER_SECOND

_DAY = re.compile(r"(?:19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}")
"""Years before and after are none in which a person did something: they stand for an unknown or an open date."""
_AT = re.compile(r"[T ][0-9]{2}")
_DAY_CHARACTERS = len("2024-02-29")
_HOUR_CHARACTERS = len("2024-02-29T23")
_WRITTEN = re.compile(
    r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"(?P<time>[T ](?:[01][0-9]|2[0-4]):[0-5][0-9](?::[0-6][0-9](?:[.,][0-9]{1,9})?)? ?(?P<zone>Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
"""A date or a time in a text."""
_UTC = frozenset({"Z", "UTC", "+00:00", "+0000", "+00", "-00:00"})
_DOCUMENTS = (ColumnKind.JSON, ColumnKind.NESTED)
_MOMENTS = (ColumnKind.TIMESTAMP_TZ, ColumnKind.TIMESTAMP)
_AT_ONCE_BYTES = 256 * 1024
_LOOKED_AT_ROWS = 20
"""In which the first value of a text column is looked for."""
_NANOSECONDS = 1_000_000_000
_DAY_HOURS = 24
_HOUR_S = 3600
_SINCE = datetime(1900, 1, 1, tzinfo=UTC)
_HOURS = int((datetime(2200, 1, 1, tzinfo=UTC) - _SINCE).total_seconds()) // _HOUR_S
"""Of the years that count."""


class Activity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How many records, or files, are from when; those without a moment are not counted."""

    column: str = ""
    """Whose values were counted; empty for files, which are counted by their last change."""
    months: Mapping[str, int] = {}
    """By `YYYY-MM`, ascending; no month without any."""
    weekdays: tuple[int, ...] = ()
    """Monday first."""
    hours: tuple[int, ...] = ()
    """From 0 to 23, in the zone in which they are written; empty where dates were counted."""
    is_utc: bool = False
    """Whether all of these hours are of UTC; else they are as the system has them."""

    def __add__(self, other: "Activity") -> "Activity":
        """Return both together; they count the same column."""
        months = Counter(self.months)
        months.update(other.months)
        return Activity(
            column=self.column,
            months=dict(sorted(months.items())),
            weekdays=_sums(self.weekdays, other.weekdays),
            hours=_sums(self.hours or _NO_HOURS, other.hours or _NO_HOURS) if self.hours or other.hours else (),
            is_utc=self.is_utc and other.is_utc,
        )

    @property
    def total(self) -> int:
        """How many were counted."""
        return sum(self.weekdays)


_NO_HOURS = (0,) * 24


class _Candidates(NamedTuple):
    """What the columns alone say."""

    time: Column | None
    """The one that is named, or the first with a time."""
    texts: dict[str, Column]
    """Those that may hold times, by name; none where there is a time."""
    date: Column | None
    has_documents: bool
    """Whether something else in a line could look like a column's member."""


@lru_cache(maxsize=256)
def _candidates(columns: tuple[Column, ...], named: str) -> _Candidates:
    usable = [column for column in columns if not column.redaction and _is_plain(column.name)]
    has_documents = any(each.kind in _DOCUMENTS or not _is_plain(each.name) for each in columns)
    if named:
        fitting = (*_MOMENTS, ColumnKind.DATE, ColumnKind.TEXT)
        own = next((column for column in usable if column.name == named and column.kind in fitting), None)
        return _Candidates(own, {}, None, has_documents)
    time = next((column for column in usable if column.kind in _MOMENTS), None)
    texts = {} if time is not None else {column.name: column for column in usable if column.kind is ColumnKind.TEXT}
    return _Candidates(time, texts, next((column for column in usable if column.kind is ColumnKind.DATE), None), has_documents)


def column_of(columns: Iterable[Column], content: Sequence[bytes], *, named: str = "") -> Column | None:
    """Return the column that says when a record is from; None where there is none.

    The one that is named, else the first with a time, else the first of texts that are times, else the first with a date, in the same
    order. A date comes second: it is often one of birth, and not of something that the person did.
    """
    return _chosen(_candidates(tuple(columns), named), content)


def _chosen(known: _Candidates, content: Sequence[bytes]) -> Column | None:
    if known.time is not None or not known.texts:
        return known.time or known.date
    times, dates = _first_written(known.texts, content)
    return (
        next((known.texts[name] for name in times if _is_written(name, content)), None)
        or known.date
        or next((known.texts[name] for name in dates if _is_written(name, content)), None)
    )


def moment_column(columns: Sequence[Column], *, named: str = "") -> Column | None:
    """Return the column that `activity_of` counts, where it holds moments whatever the lines are; else None."""
    found = _candidates(tuple(columns), named).time
    return found if found is not None and found.kind in _MOMENTS else None


def hours_of(values: pa.Array) -> pa.Array | None:
    """Return of moments, as a source gives them, the hours since 1900, NULL where they do not count.

    None where they come as something else, or in nanoseconds, of which 300 years are more than there are integers.
    """
    values = plain(values)
    if not pa.types.is_timestamp(values.type) or values.type.unit == "ns":
        return None
    per_hour = _HOUR_S * PER_SECOND[values.type.unit]
    # What lies too far away wraps around, to what is negative: `pc.subtract` does not look.
    since = pc.subtract(values.view(pa.int64()), pa.scalar(int(_SINCE.timestamp()) * PER_SECOND[values.type.unit], pa.int64()))
    counts = pc.and_(pc.greater_equal(since, 0), pc.less(since, _HOURS * per_hour))
    return pc.if_else(counts, pc.divide(since, per_hour), pa.scalar(None, pa.int64())).cast(pa.int32())


def activity_of_hours(column: Column, hours: pa.Array) -> Activity:
    """Count hours of `moment_column`: the same as of the lines."""
    of_days = pc.divide(hours, _DAY_HOURS)
    months: Counter[str] = Counter()
    weekdays, by_hour = [0] * 7, [0] * _DAY_HOURS
    for day, number in _counted(of_days):
        month, weekday = _day(day)
        months[month] += number
        weekdays[weekday] += number
    for hour, number in _counted(pc.subtract(hours, pc.multiply(of_days, _DAY_HOURS))):
        by_hour[hour] += number
    return Activity(
        column=column.name,
        months=dict(sorted(months.items())),
        weekdays=tuple(weekdays),
        hours=tuple(by_hour),
        is_utc=column.kind is ColumnKind.TIMESTAMP_TZ,
    )


def _counted(numbers: pa.Array) -> Iterator[tuple[int, int]]:
    found = pc.value_counts(numbers)
    return ((value, count) for value, count in zip(*(each.to_pylist() for each in found.flatten()), strict=True) if value is not None)


@lru_cache(maxsize=1 << 14)
def _day(number: int) -> tuple[str, int]:
    """Return the month and the weekday of a day."""
    day = _SINCE.date() + timedelta(days=number)
    return f"{day:%Y-%m}", day.weekday()


def activity_of(columns: Sequence[Column], content: Sequence[bytes], *, named: str = "") -> Activity | None:
    """Count lines, which come in pieces of whole ones; where the pieces end does not show in it.

    None where no column says when, or of texts a line is deeper than can be read. `named` is the column that the operator says it is.
    """
    known = _candidates(tuple(columns), named)
    try:
        column = _chosen(known, content)
        if column is None:
            return None
        if column.kind is ColumnKind.TEXT:
            return _count_texts(column.name, content)
        found = (_count_members if known.has_documents else _count_matches)(column.name, _small(content))
    except (msgspec.DecodeError, RecursionError):
        return None
    return _activity(found, column=column.name, has_hours=column.kind in _MOMENTS, is_utc=column.kind is ColumnKind.TIMESTAMP_TZ)


def _first_written(texts: Iterable[str], content: Sequence[bytes]) -> tuple[Sequence[str], Sequence[str]]:
    """Return those of some columns whose first value, in the first rows, is a time, and those whose is a date."""
    times: list[str] = []
    dates: list[str] = []
    first = list(_rows(content))
    for name in texts:
        value = next((value for row in first if (value := row.get(name))), "")
        match = _WRITTEN.fullmatch(value) if isinstance(value, str) else None
        if match is not None:
            (times if match["time"] else dates).append(name)
    return times, dates


def _rows(content: Sequence[bytes]) -> Iterator[dict[str, object]]:
    """Yield the first rows."""
    left = _LOOKED_AT_ROWS
    for piece in content:
        start = 0
        while left and start < len(piece):
            end = piece.index(b"\n", start)
            yield msgspec.json.decode(piece[start:end])
            start = end + 1
            left -= 1
        if not left:
            return


def _is_written(name: str, content: Sequence[bytes]) -> bool:
    """Say whether every text of a column is a date or a time; empty ones apart, which stand for none in files of text."""
    return all(_WRITTEN.fullmatch(text) is not None for text in _texts(name, content))


def _texts(name: str, content: Sequence[bytes]) -> Iterator[str]:
    decoder = _decoder(name)
    return (line.at for lines in _small(content) for line in decoder.decode_lines(lines) if line.at)


def _count_texts(name: str, content: Sequence[bytes]) -> Activity:
    found: Counter[str] = Counter()
    zones: Counter[str | None] = Counter()
    for text in _texts(name, content):
        match = _WRITTEN.fullmatch(text)
        if match is not None:
            found[text[:_HOUR_CHARACTERS]] += 1
            if match["time"]:
                zones[match["zone"]] += 1
    return _activity(found, column=name, has_hours=bool(zones), is_utc=bool(zones) and zones.keys() <= _UTC)


def _count_matches(name: str, content: Iterable[bytes]) -> Counter[str]:
    """Count the beginnings of a column's values, where nothing else in a line can look like its member: in half of the time."""
    pattern = _beginning(name)
    found: Counter[str] = Counter()
    for lines in content:
        found.update(b"\n".join(pattern.findall(lines)).decode(errors="replace").split("\n"))
    return found


def _count_members(name: str, content: Iterable[bytes]) -> Counter[str]:
    decoder = _decoder(name)
    found: Counter[str] = Counter()
    for lines in content:
        try:
            found.update([line.at[:_HOUR_CHARACTERS] for line in decoder.decode_lines(lines) if line.at is not None])
        except (msgspec.DecodeError, RecursionError):  # a document of the source that msgspec refuses and the grammar allows
            values = (split_members(line.decode()).get(name, "null") for line in lines.split(b"\n")[:-1])
            found.update(value[1:-1][:_HOUR_CHARACTERS] for value in values if value != "null")
    return found


def activity_of_files(modified_ns: Iterable[int]) -> Activity | None:
    """Count files by their last change, in UTC; None where there are none."""
    hours = Counter([nanoseconds // _NANOSECONDS // 3600 for nanoseconds in modified_ns])
    if not hours:
        return None
    found: Counter[str] = Counter()
    for hour, number in hours.items():
        try:
            found[datetime.fromtimestamp(hour * 3600, UTC).isoformat()[:_HOUR_CHARACTERS]] += number
        except (ValueError, OverflowError, OSError):
            continue
    return _activity(found, column="", has_hours=True, is_utc=True) if found else None


def _activity(found: Mapping[str, int], *, column: str, has_hours: bool, is_utc: bool) -> Activity:
    months: Counter[str] = Counter()
    weekdays, hours = [0] * 7, [0] * 24
    for text, number in found.items():
        day, hour = _day_of(text[:_DAY_CHARACTERS]), _hour_of(text[_DAY_CHARACTERS:])
        if day is None or hour is None:
            continue
        month, weekday = day
        months[month] += number
        weekdays[weekday] += number
        if hour >= 0:
            hours[hour] += number
    return Activity(
        column=column,
        months=dict(sorted(months.items())),
        weekdays=tuple(weekdays),
        hours=tuple(hours) if has_hours else (),
        is_utc=is_utc,
    )


@lru_cache(maxsize=4096)
def _day_of(text: str) -> tuple[str, int] | None:
    """Return the month and the weekday of `YYYY-MM-DD`; None of anything else, and of years in which nobody did anything."""
    if _DAY.fullmatch(text) is None:
        return None
    try:
        return text[:7], date(int(text[:4]), int(text[5:7]), int(text[8:])).weekday()
    except ValueError:
        return None


@lru_cache(maxsize=256)
def _hour_of(text: str) -> int | None:
    """Return the hour of what follows a day; a negative one where nothing does, None of anything else."""
    if not text:
        return -1
    return min(int(text[1:]), 23) if _AT.fullmatch(text) is not None else None


@lru_cache(maxsize=256)
def _beginning(name: str) -> re.Pattern[bytes]:
    return re.compile(re.escape(f'"{name}":"'.encode()) + rb'([^"]{10,%d})' % _HOUR_CHARACTERS)


class _Line(msgspec.Struct, gc=False):
    """What is read of a line; its one member has the column's name."""

    at: str | None = None


@lru_cache(maxsize=256)
def _decoder(name: str) -> msgspec.json.Decoder[_Line]:
    line = msgspec.defstruct("Line", [("at", str | None, None)], bases=(_Line,), rename={"at": name})
    return msgspec.json.Decoder(line)


def _is_plain(name: str) -> bool:
    """Say whether a name stands in a line as it is; msgspec reads no member whose name needs escapes."""
    return msgspec.json.encode(name) == f'"{name}"'.encode()


def _small(content: Iterable[bytes]) -> Iterable[bytes]:
    """Yield the lines, so few at a time that what is read of them takes little memory."""
    cutter = PartCutter(_AT_ONCE_BYTES, counts_rows=False)
    for piece in content:
        for part in cutter.feed(piece):
            yield b"".join(part.content)
    last = cutter.finish()
    if last is not None:
        yield b"".join(last.content)


def _sums(ours: Sequence[int], theirs: Sequence[int]) -> tuple[int, ...]:
    return tuple(one + other for one, other in zip(ours, theirs, strict=True))
