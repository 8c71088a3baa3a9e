"""Time, as something that tests can control."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Clock(Protocol):
    """Tells the time and lets it pass. Safe to use from any thread."""

    def now(self) -> datetime:
        """Return the current moment, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back, for measuring durations."""
        ...

    def sleep(self, duration_s: float) -> None:
        """Block the calling thread for so many seconds."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the current moment, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def sleep(self, duration_s: float) -> None:
        """Block the calling thread."""
        time.sleep(duration_s)


def to_microseconds(moment: datetime) -> int:
    """Return an aware moment as whole microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def nanoseconds_of(text: str) -> int | None:
    """Return the nanoseconds since 1970 of a moment in ISO 8601; None where it is none, or has no zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return to_microseconds(moment) * 1000 if moment.tzinfo is not None else None


def from_microseconds(value: int) -> datetime:
    """Return the moment, aware, in UTC; raises `OverflowError` where no `datetime` can hold it."""
    return _EPOCH + value * _MICROSECOND
