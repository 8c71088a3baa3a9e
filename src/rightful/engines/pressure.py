"""How fast requests are accepted: while many come, working on them gives way to taking them.

Whoever asks for ten thousand exports at once is to have them accepted soon, and knows them safe then. On one interpreter each export that
runs meanwhile holds the next request up; done a little later, in larger sets, it costs less.
"""

import threading
from collections.abc import Callable

_BUCKET_S = 0.25
_MANY = 20
"""Accepted in a quarter of a second: more than a tenant's default limit allows."""


class Pressure:
    """Counts what is accepted, from any thread."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._bucket = -1
        self._now = 0
        self._before = 0

    def note(self) -> None:
        """Note that one was accepted."""
        with self._lock:
            self._turn()
            self._now += 1

    def is_high(self) -> bool:
        """Say whether many were accepted a moment ago; who only waits for a storage location does not count."""
        with self._lock:
            self._turn()
            return max(self._now, self._before) >= _MANY

    def _turn(self) -> None:
        bucket = int(self._monotonic() / _BUCKET_S)
        if bucket != self._bucket:
            self._before = self._now if bucket == self._bucket + 1 else 0
            self._now, self._bucket = 0, bucket
