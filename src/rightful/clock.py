"""Time, as something that tests can control."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_HARDLY_US = 1_000_000
MOST_SKEW_S = 300.0
"""So far apart two machines' clocks may be: what is older than a time, or expires, is judged by ours."""


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


def tell_skew(skew_s: float, whose: str) -> str:
    """Say by how much this machine's clock is ahead of another's; negative: behind."""
    return f"this machine's clock is {abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} that of {whose}"


class SetBack:
    """Notices that a clock was set back: what is to happen at a moment would wait by so much longer. Safe to use from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._reference_us = self._difference_us()

    def look(self) -> int:
        """Return by how many microseconds it was set back, as far as that is not settled yet; 0 where it was not, or hardly."""
        found_us = self._difference_us()
        self._reference_us = max(self._reference_us, found_us)
        set_back_us = self._reference_us - found_us
        return set_back_us if set_back_us > _HARDLY_US else 0

    def settle(self, set_back_us: int) -> None:
        """Take it that what waits has been moved; two threads that do that at once let it wait less, and the next look is right again."""
        self._reference_us -= set_back_us

    def _difference_us(self) -> int:
        return to_microseconds(self._clock.now()) - int(self._clock.monotonic() * 1_000_000)


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
