"""How work ends early when the service stops."""

import threading
from datetime import datetime

from rightful.clock import Clock
from rightful.errors import ExportError

_LOOK_S = 0.1


class Stopping(ExportError):
    """The service stops; what was being done is given back as it is at its last checkpoint."""


class StoppingClock:
    """A clock whose sleepers are woken by `Stopping` when the service stops: a wait for a storage location must not hold it up."""

    def __init__(self, inner: Clock, stopping: threading.Event) -> None:
        self._inner = inner
        self._stopping = stopping

    def now(self) -> datetime:
        """Return the current moment, aware, in UTC."""
        return self._inner.now()

    def monotonic(self) -> float:
        """Return seconds that never go back, for measuring durations."""
        return self._inner.monotonic()

    def sleep(self, duration_s: float) -> None:
        """Block the calling thread; raises `Stopping`."""
        while duration_s > 0:
            if self._stopping.is_set():
                raise Stopping("the service stops")
            self._inner.sleep(min(_LOOK_S, duration_s))
            duration_s -= _LOOK_S
