"""When a request has to be answered, by the regulation that it falls under.

The regulations are a table, `regulations.json`: another one is another entry. Days are days where the controller is: the day of receipt is
not counted, and the last day ends with its last hour.

Spec:
    Regulation (EEC, Euratom) No 1182/71, Art. 3: (1) the day of the event is not counted; (2)(c) a period of months ends with the day of
    the same date, or where that month has none, with its last day; (3) days off count within it; (4) one that would end on a public
    holiday, a Sunday or a Saturday ends with the following working day. An extension is one longer period from the same receipt: three
    months in all, ninety days in all.
"""

import calendar
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from functools import cache
from importlib.resources import files

import msgspec

NO_REGULATION = "none"
_SATURDAY = 5
_MOST_DAYS_OFF = 60
"""So many days off in a row are no holidays but a slip in their list; the search ends there."""
_HOLIDAY = re.compile(r"(?:(\d{4})-)?(\d{2})-(\d{2})")
_LEAP_YEAR = 2000


class Period(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long somebody has: calendar months, or calendar days."""

    months: int = 0
    days: int = 0

    def __str__(self) -> str:
        """Write it for people."""
        number, unit = (self.months, "month") if self.months else (self.days, "day")
        return f"{number} {unit}{'' if number == 1 else 's'}"


class Reason(StrEnum):
    """Why a period is extended: words, not sentences, which could name people."""

    COMPLEXITY = "complexity"
    NUMBER = "number"
    INTERFERENCE = "interference"
    """To answer in time would unreasonably interfere with what the organisation does."""
    CONSULTATION = "consultation"
    """Others have to be asked first."""
    CONVERSION = "conversion"
    """The data has to be brought into an alternative format."""
    OTHER = "other"


class Regulation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one regulation says of time."""

    name: str
    title: str
    basis: str
    period: Period
    extended: Period | None = None
    """The whole period, from the same receipt, where it was extended; None where it cannot be."""
    moves: bool
    """Whether a period that would end on a day off ends with the next working day."""
    reasons: tuple[Reason, ...] = ()
    """For which it may be extended."""


class Extension(msgspec.Struct, frozen=True, kw_only=True):
    """That the period of one request was extended."""

    at: datetime
    reason: Reason


class Deadline(msgspec.Struct, frozen=True, kw_only=True):
    """By when one request has to be answered."""

    regulation: str
    due_on: date
    """The last day, where the controller is."""
    due_at: datetime
    """The last second of that day."""
    extension: Extension | None = None
    extendable_to: date | None = None
    """The last day that it would have; None where it was extended, or cannot be."""


@cache
def regulations() -> dict[str, Regulation]:
    """Return the table, by name."""
    text = files("rightful.operation").joinpath("regulations.json").read_bytes()
    return {each.name: each for each in msgspec.json.decode(text, type=tuple[Regulation, ...])}


def names() -> tuple[str, ...]:
    """Return the names that `deadlines.regulation` may have."""
    return (NO_REGULATION, *regulations())


def parse_holiday(text: str) -> tuple[int | None, int, int]:
    """Return (year, month, day) of `YYYY-MM-DD`; of `MM-DD`, which is every year, no year. Raises `ValueError` where it is no day."""
    found = _HOLIDAY.fullmatch(text) if text.isascii() else None
    if found is None:
        raise ValueError("not YYYY-MM-DD or MM-DD")
    year = int(found[1]) if found[1] else None
    day = date(_LEAP_YEAR if year is None else year, int(found[2]), int(found[3]))
    return year, day.month, day.day


class Calendar:
    """The days of one controller."""

    def __init__(self, zone: tzinfo, holidays: Iterable[str] = ()) -> None:
        """Take the zone, and holidays as `parse_holiday` reads them."""
        self._zone = zone
        self._holidays = frozenset(map(parse_holiday, holidays))

    def day_of(self, moment: datetime) -> date:
        """Return the day of a moment."""
        return moment.astimezone(self._zone).date()

    def first_of(self, day: date) -> datetime:
        """Return when a day begins."""
        return datetime.combine(day, time(), self._zone)

    def last_of(self, day: date) -> datetime:
        """Return the last second of a day."""
        return self.first_of(day + timedelta(days=1)).astimezone(UTC) - timedelta(seconds=1)

    def is_working_day(self, day: date) -> bool:
        """Say whether a day is neither a Saturday, nor a Sunday, nor a holiday."""
        here = {(None, day.month, day.day), (day.year, day.month, day.day)}
        return day.weekday() < _SATURDAY and not here & self._holidays

    def working_day_from(self, day: date) -> date:
        """Return the day, or the first working day after it."""
        for number in range(_MOST_DAYS_OFF):
            if self.is_working_day(day + timedelta(days=number)):
                return day + timedelta(days=number)
        return day


def _end_of(received_on: date, period: Period) -> date:
    if not period.months:
        return received_on + timedelta(days=period.days)
    years, month = divmod(received_on.month - 1 + period.months, 12)
    year = received_on.year + years
    return date(year, month + 1, min(received_on.day, calendar.monthrange(year, month + 1)[1]))


def _last_day(received_on: date, period: Period, regulation: Regulation, days: Calendar) -> date:
    end = _end_of(received_on, period)
    return days.working_day_from(end) if regulation.moves else end


def deadline(received_at: datetime, regulation: Regulation, days: Calendar, extension: Extension | None = None) -> Deadline:
    """Return by when a request has to be answered that was received at a moment."""
    received_on = days.day_of(received_at)
    longer = None if regulation.extended is None else _last_day(received_on, regulation.extended, regulation, days)
    is_extended = extension is not None and longer is not None
    due_on = longer if is_extended and longer is not None else _last_day(received_on, regulation.period, regulation, days)
    return Deadline(
        regulation=regulation.name,
        due_on=due_on,
        due_at=days.last_of(due_on),
        extension=extension if is_extended else None,
        extendable_to=None if is_extended else longer,
    )
