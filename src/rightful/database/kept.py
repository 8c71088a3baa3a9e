"""What a catalogue said, kept for a while."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

V = TypeVar("V")


class Kept(Generic[V]):
    """Answers by name, each for so long; safe from several threads, of which two may ask for the same at once."""

    def __init__(self, kept_s: float) -> None:
        self._kept_s = kept_s
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, V]] = {}

    def get(self, name: str, ask: Callable[[], V]) -> V:
        """Return what is known, or ask. An answer that equals the one before is that one, so that what was built for it stays of use."""
        now = time.monotonic()
        with self._lock:
            known = self._known.get(name)
        if known is not None and now - known[0] < self._kept_s:
            return known[1]
        found = ask()
        with self._lock:
            known = self._known.get(name)
            if known is not None and known[1] == found:
                found = known[1]
            self._known[name] = now, found
        return found

    def forget(self) -> None:
        """Ask again the next time."""
        with self._lock:
            self._known.clear()
