"""How fast sources have been read and written away lately, and so how long the next read will take. In memory only; numbers only."""

import threading
from collections.abc import Hashable

_BYTES_PER_S = 50_000_000
_FILES_PER_S = 2_000
"""What is assumed of a source that has not been read yet: half of what the benchmarks measure with a local folder (docs/performance.md)."""
_START_S = 0.05
"""What a read takes that finds nothing."""
_WORTH_BYTES = 1 << 20
_WORTH_FILES = 100
"""What is less than both says more of how long a read takes to begin than of its pace."""
_KEPT = 0.7
"""How much of what was known is still counted after the next read: the last three make two thirds."""


class _Recent:
    __slots__ = ("seconds", "work_s")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.work_s = 0.0


class Pace:
    """Learns from reads that have ended. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recent: dict[Hashable, _Recent] = {}

    def note(self, source: Hashable, *, size_bytes: int, files: int, seconds: float) -> None:
        """Note a read that has ended, with all that was put for it."""
        if size_bytes < _WORTH_BYTES and files < _WORTH_FILES:
            return
        with self._lock:
            recent = self._recent.setdefault(source, _Recent())
            recent.seconds = recent.seconds * _KEPT + seconds
            recent.work_s = recent.work_s * _KEPT + _assumed_s(size_bytes, files)

    def seconds(self, source: Hashable, *, size_bytes: int, files: int) -> float:
        """Return how long a read of so much will take."""
        with self._lock:
            recent = self._recent.get(source)
            factor = recent.seconds / recent.work_s if recent is not None else 1.0
        return _START_S + _assumed_s(size_bytes, files) * factor


def _assumed_s(size_bytes: int, files: int) -> float:
    return size_bytes / _BYTES_PER_S + files / _FILES_PER_S
