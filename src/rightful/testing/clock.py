"""A clock that stands still until a test moves it."""

import threading
from datetime import UTC, datetime, timedelta


class ManualClock:
    """Implements `rightful.clock.Clock`; `sleep` moves it on at once."""

    def __init__(self, now: datetime = datetime(2026, 1, 31, 12, tzinfo=UTC)) -> None:
        self._now = now
        self._monotonic = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the moment it stands at."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds it was moved on."""
        return self._monotonic

    def sleep(self, duration_s: float) -> None:
        """Move on by so many seconds, without waiting."""
        self.advance(duration_s)

    def advance(self, duration_s: float) -> None:
        """Move on by so many seconds."""
        with self._lock:
            self._now += timedelta(seconds=duration_s)
            self._monotonic += duration_s

    def set(self, by_s: float) -> None:
        """Be set by so many seconds, as somebody sets a machine's clock: durations are as ever."""
        with self._lock:
            self._now += timedelta(seconds=by_s)
