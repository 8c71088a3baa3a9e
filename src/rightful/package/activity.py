"""When a dataset's records are from: how many of each month, weekday and hour, by the first moment in each record.

Counted part by part while they are written, so that START-HERE.html can draw a person's years without reading a record. What is kept does
not grow with the records: months of three centuries at most, seven weekdays, 24 hours.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache

import msgspec

from rightful.package.parts import PartCutter
from rightful.package.schema import Column, ColumnKind

_HOUR = re.compile(r"((?:19|20|21)[0-9]{2})-([0-9]{2})-([0-9]{2})(?:T([0-9]{2}))?")
"""Years before and after are none in which a person did something: they stand for an unknown or an open date."""
_HOUR_CHARACTERS = len("2024-02-29T23")
_DOCUMENTS = (ColumnKind.JSON, ColumnKind.NESTED)
_MOMENTS = (ColumnKind.TIMESTAMP_TZ, ColumnKind.TIMESTAMP)
_AT_ONCE_BYTES = 256 * 1024
_NANOSECONDS = 1_000_000_000


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

    def __add__(self, other: "Activity") -> "Activity":
        """Return both together; they count the same column."""
        months = Counter(self.months)
        months.update(other.months)
        return Activity(
            column=self.column,
            months=dict(sorted(months.items())),
            weekdays=_sums(self.weekdays, other.weekdays),
            hours=_sums(self.hours, other.hours),
        )


def column_of(columns: Iterable[Column]) -> Column | None:
    """Return the column that says when a record is from: the first with a time, else the first date; None where there is neither.

    A date comes second: it is often one of birth, and not of something that the person did.
    """
    usable = [column for column in columns if not column.redaction and _is_plain(column.name)]
    return next(
        (column for kinds in (_MOMENTS, (ColumnKind.DATE,)) for column in usable if column.kind in kinds),
        None,
    )


def activity_of(columns: Sequence[Column], content: Iterable[bytes]) -> Activity | None:
    """Count lines, which come in pieces of whole ones; where the pieces end does not show in it.

    None where no column says when, or a line is deeper than can be read.
    """
    column, has_documents = _counted(tuple(columns))
    if column is None:
        return None
    try:
        found = (_count_members if has_documents else _count_matches)(column.name, _small(content))
    except (msgspec.DecodeError, RecursionError):
        return None
    return _activity(found, column=column.name, has_hours=column.kind in _MOMENTS)


@lru_cache(maxsize=256)
def _counted(columns: tuple[Column, ...]) -> tuple[Column | None, bool]:
    """Return the column that says when a record is from, and whether something else in a line could look like its member."""
    return column_of(columns), any(each.kind in _DOCUMENTS or not _is_plain(each.name) for each in columns)


def _count_matches(name: str, content: Iterable[bytes]) -> Counter[str]:
    """Count the beginnings of a column's values, where nothing else in a line can look like its member: in half of the time."""
    pattern = re.compile(re.escape(f'"{name}":"'.encode()) + rb'([^"]{10,%d})' % _HOUR_CHARACTERS)
    found: Counter[bytes] = Counter()
    for lines in content:
        found.update(pattern.findall(lines))
    return Counter({text.decode(errors="replace"): number for text, number in found.items()})


def _count_members(name: str, content: Iterable[bytes]) -> Counter[str]:
    decoder = _decoder(name)
    found: Counter[str] = Counter()
    for lines in content:
        found.update(line.at[:_HOUR_CHARACTERS] for line in decoder.decode_lines(lines) if line.at is not None)
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
    return _activity(found, column="", has_hours=True) if found else None


def _activity(found: Mapping[str, int], *, column: str, has_hours: bool) -> Activity:
    months: Counter[str] = Counter()
    weekdays, hours = [0] * 7, [0] * 24
    for text, number in found.items():
        match = _HOUR.fullmatch(text)
        weekday = None if match is None else _weekday(match[1], match[2], match[3])
        if match is None or weekday is None:
            continue
        months[text[:7]] += number
        weekdays[weekday] += number
        if match[4] is not None:
            hours[min(int(match[4]), 23)] += number
    return Activity(column=column, months=dict(sorted(months.items())), weekdays=tuple(weekdays), hours=tuple(hours) if has_hours else ())


@lru_cache(maxsize=4096)
def _weekday(year: str, month: str, day: str) -> int | None:
    try:
        return date(int(year), int(month), int(day)).weekday()
    except ValueError:
        return None


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
    cutter = PartCutter(_AT_ONCE_BYTES)
    for piece in content:
        for part in cutter.feed(piece):
            yield b"".join(part.content)
    last = cutter.finish()
    if last is not None:
        yield b"".join(last.content)


def _sums(ours: Sequence[int], theirs: Sequence[int]) -> tuple[int, ...]:
    return tuple(one + other for one, other in zip(ours, theirs, strict=True))
