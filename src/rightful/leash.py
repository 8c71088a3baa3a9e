"""Ends, at once and from another thread, what is being sent for one purpose: an operation that somebody cancels."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol


class Abortable(Protocol):
    """Something that waits for another side."""

    def abort(self) -> None:
        """Wake whoever waits for it; from any thread."""
        ...


class Leash:
    """Held by whoever sends; once it is pulled, what is being sent ends, and nothing more is begun. Safe to use from any thread."""

    def __init__(self) -> None:
        # Thousands of people's are there at once, and hardly anybody ever waits: a condition takes as much memory as all else of a read.
        self._lock = threading.RLock()
        self._held: dict[Abortable, None] = {}
        self._working = 0
        self._is_pulled = False
        self._ended: threading.Condition | None = None
        """Of `_lock`; made by who waits first."""

    @property
    def is_pulled(self) -> bool:
        """Whether it was."""
        return self._is_pulled

    @contextmanager
    def holding(self, connection: Abortable) -> Iterator[None]:
        """End what is sent over a connection in the block when it is pulled, or at once where it was."""
        with self._lock:
            self._held[connection] = None
            if self._is_pulled:
                connection.abort()
        try:
            yield
        finally:
            with self._lock:
                self._held.pop(connection, None)
                self._tell()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Let who waits wait for the end of the block too: what was put in it may appear only there."""
        self.begin()
        try:
            yield
        finally:
            self.end()

    def begin(self) -> None:
        """Begin a block as that of `working`, which `end` ends."""
        with self._lock:
            self._working += 1

    def end(self) -> None:
        """End it."""
        with self._lock:
            self._working -= 1
            self._tell()

    def pull(self) -> None:
        """End what is being sent; again, it does nothing."""
        with self._lock:
            self._is_pulled = True
            for connection in self._held:
                connection.abort()

    def wait(self, timeout_s: float) -> bool:
        """Wait until nothing is sent any more, and nobody works; False where that takes too long."""
        with self._lock:
            if self._ended is None:
                self._ended = threading.Condition(self._lock)
            return self._ended.wait_for(lambda: not self._held and not self._working, timeout_s)

    def _tell(self) -> None:
        if self._ended is not None:
            self._ended.notify_all()


class _NoLeash(Leash):
    """Nobody pulls it, so it need not know who holds it."""

    @contextmanager
    def holding(self, connection: Abortable) -> Iterator[None]:
        """Do nothing."""
        del connection
        yield

    def begin(self) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""

    def pull(self) -> None:
        """Refuse: everybody holds it."""
        raise AssertionError


NO_LEASH = _NoLeash()
"""For what nobody ends from outside."""


@contextmanager
def working(leashes: Iterable[Leash]) -> Iterator[None]:
    """Work for several at once."""
    begun: list[Leash] = []
    try:
        for leash in set(leashes):
            leash.begin()
            begun.append(leash)
        yield
    finally:
        for leash in begun:
            leash.end()
