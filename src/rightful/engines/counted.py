"""What a worker counts, as it is told with how a task ended: the one that leads shows it, as if it had counted itself.

What is told with an answer that never arrives is not counted: figures of workers that die are a little low, never too high.
"""

import threading
from collections import Counter

import msgspec

from rightful.meters import Meters

_Key = tuple[str, tuple[str, ...]]


class Counted(msgspec.Struct, frozen=True):
    """What happened so many times."""

    name: str
    """The method of `Meters` that says it."""
    words: tuple[str, ...]
    """Of the configuration or the program."""
    times: int
    amounts: tuple[int, ...] = ()
    """Of all of them together."""


class Recorder(Meters):
    """Keeps what is counted until it is told. Safe to use from any thread."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._times: Counter[_Key] = Counter()
        self._amounts: dict[_Key, tuple[int, ...]] = {}

    def drain(self) -> tuple[Counted, ...]:
        """Return what was counted since the last time."""
        with self._guard:
            times, amounts = self._times, self._amounts
            self._times, self._amounts = Counter(), {}
        return tuple(Counted(*key, count, amounts[key]) for key, count in times.items())

    def ended(self, status: str, code: str = "") -> None:
        """Keep it."""
        self._keep("ended", (str(status), code))

    def packaged(self, entries: int, size_bytes: int) -> None:
        """Keep it."""
        self._keep("packaged", (), entries, size_bytes)

    def written(self, source: str, *, entries: int, rows: int, size_bytes: int) -> None:
        """Keep it."""
        self._keep("written", (source,), entries, rows, size_bytes)

    def skipped(self, source: str, items: int) -> None:
        """Keep it."""
        self._keep("skipped", (source,), items)

    def leak_found(self, source: str) -> None:
        """Keep it."""
        self._keep("leak_found", (source,))

    def retried(self, source: str) -> None:
        """Keep it."""
        self._keep("retried", (source,))

    def waited(self, code: str) -> None:
        """Keep it."""
        self._keep("waited", (code,))

    def _keep(self, name: str, words: tuple[str, ...], *amounts: int) -> None:
        with self._guard:
            key = (name, words)
            self._times[key] += 1
            before = self._amounts.get(key, (0,) * len(amounts))
            self._amounts[key] = tuple(map(sum, zip(before, amounts, strict=True)))


def count(counted: Counted, meters: Meters) -> None:
    """Count what a worker has counted; what cannot be understood is left out."""
    match counted.name, counted.words, counted.amounts:
        case "packaged", (), (entries, size_bytes):
            meters.packaged(entries, size_bytes)
        case "written", (source,), (entries, rows, size_bytes):
            meters.written(source, entries=entries, rows=rows, size_bytes=size_bytes)
        case "skipped", (source,), (items,):
            meters.skipped(source, items)
        case "ended", (status, code), ():
            for _ in range(counted.times):
                meters.ended(status, code)
        case ("leak_found" | "retried" | "waited") as name, (word,), ():
            for _ in range(counted.times):
                {"leak_found": meters.leak_found, "retried": meters.retried, "waited": meters.waited}[name](word)
        case _:
            pass
