"""A window of time: rows outside of it are not delivered, and files and row groups outside of it are not read.

What it is stands in each partition's spec, so that days that pass between plan and read change nothing.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import msgspec

from rightful.setting_problem import SettingProblem

_YEARS = range(1700, 2260)
"""That nanoseconds reach."""


class WindowSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which rows are delivered, by `time`."""

    since: str = ""
    """The first moment: `2024-01-01`, or `2024-01-01T12:00:00+02:00`. Without a zone it is UTC."""
    until: str = ""
    """The first moment that no longer counts."""
    days: Annotated[int, msgspec.Meta(ge=0)] = 0
    """How many days before today (UTC) count, instead of `since`."""


class Window(msgspec.Struct, frozen=True, array_like=True):
    """Two moments, in UTC; None where there is no limit."""

    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether everything lies in it."""
        return self.since is None and self.until is None

    def holds_day(self, text: str) -> bool:
        """Say whether any moment of a day (`2026-01-31`) lies in it; raises `ValueError` where the text is none."""
        start = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
        return (self.since is None or start + timedelta(days=1) > self.since) and (self.until is None or start < self.until)

    def said(self, column: str) -> str:
        """Say it, for the ledger."""
        limits = [f"{word} {moment:%Y-%m-%dT%H:%M:%SZ}" for word, moment in (("since", self.since), ("until", self.until)) if moment]
        return f" and {column} {' '.join(limits)}, or none" if limits else ""

    def left_out(self, column: str) -> tuple[str, ...]:
        """Say which rows lie outside, in no language's words: `ordered_at < 2026-02-01T00:00:00Z`."""
        limits = (("<", self.since), (">=", self.until))
        return tuple(f"{column} {sign} {moment:%Y-%m-%dT%H:%M:%SZ}" for sign, moment in limits if moment)


ALWAYS = Window()


def resolve(settings: WindowSettings, now: datetime) -> Window:
    """Return the window that settings, which have no problems, mean at a moment."""
    since = _moment(settings.since)
    if settings.days:
        since = datetime.combine(now.astimezone(UTC).date() - timedelta(days=settings.days), datetime.min.time(), UTC)
    return Window(since, _moment(settings.until))


def window_problems(settings: WindowSettings, time: str) -> Iterator[SettingProblem]:
    """Yield what is wrong with a window."""
    if settings != WindowSettings() and not time:
        yield ("time",), "is missing: window says which rows count by it", "name the column that says when a row's event happened"
    if settings.days and settings.since:
        yield ("window", "days"), "and since are two beginnings", "leave one of them out"
    problems = [name for name in ("since", "until") if not _is_moment(getattr(settings, name))]
    for name in problems:
        yield ("window", name), "is no moment between 1700 and 2259", "write 2024-01-01, or 2024-01-01T12:00:00Z"
    if not problems and settings.since and settings.until:
        since, until = _moment(settings.since), _moment(settings.until)
        if since and until and since >= until:
            yield ("window", "until"), "is not later than since", "correct one of them"


def _is_moment(text: str) -> bool:
    try:
        moment = _moment(text)
    except (ValueError, OverflowError):
        return False
    return moment is None or (moment.year in _YEARS and not moment.microsecond)


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
