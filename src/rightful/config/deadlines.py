"""Rules for deadlines: regulations and time zones that there are, holidays that are days."""

from collections.abc import Callable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rightful.config.model import DeadlineSettings
from rightful.operation import deadline

_Complain = Callable[[str, str, str], None]


def check_deadlines(deadlines: DeadlineSettings, setting: str, complain: _Complain) -> None:
    """Every name is known here, and every holiday is a day."""
    names = deadline.names()
    if deadlines.regulation not in names:
        complain(f"{setting}.regulation", "is no regulation that is known here", f"write one of {', '.join(names)}")
    try:
        _ = deadlines.time_zone == "UTC" or ZoneInfo(deadlines.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = "write a name of the tz database, for instance Europe/Berlin; the system needs its package tzdata"
        complain(f"{setting}.time_zone", "is no time zone that this machine knows", hint)
    for number, text in enumerate(deadlines.holidays):
        try:
            deadline.parse_holiday(text)
        except ValueError:
            complain(f"{setting}.holidays[{number}]", "is no day", "write 2026-12-25, or 12-25 for every year")
