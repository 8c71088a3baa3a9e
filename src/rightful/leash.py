"""Ends, at once and from another thread, what is being sent for one purpose: an operation that somebody cancels."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol


class Abortable(Protocol):
    """Something that waits for another side."""

    def abort(self) -> None:
        """Wake whoever waits for it; from any thread."""
        ...


class Leash:
    """Held by whoever sends; once it is pulled, what is being sent ends, and nothing more is begun. Safe to use from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held: set[Abortable] = set()
        self._working = 0
        self._is_pulled = False

    @property
    def is_pulled(self) -> bool:
        """Whether it was."""
        return self._is_pulled

    @contextmanager
    def holding(self, connection: Abortable) -> Iterator[None]:
        """End what is sent over a connection in the block when it is pulled, or at once where it was."""
        with self._changed:
            self._held.add(connection)
            if self._is_pulled:
                connection.abort()
        try:
            yield
        finally:
            with self._changed:
                self._held.discard(connection)
                self._changed.notify_all()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Let who waits wait for the end of the block too: what was put in it may appear only there."""
        with self._changed:
            self._working += 1
        try:
            yield
        finally:
            with self._changed:
                self._working -= 1
                self._changed.notify_all()

    def pull(self) -> None:
        """End what is being sent; again, it does nothing."""
        with self._changed:
            self._is_pulled = True
            for connection in self._held:
                connection.abort()

    def wait(self, timeout_s: float) -> bool:
        """Wait until nothing is sent any more, and nobody works; False where that takes too long."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._held and not self._working, timeout_s)


class _NoLeash(Leash):
    """Nobody pulls it, so it need not know who holds it."""

    @contextmanager
    def holding(self, connection: Abortable) -> Iterator[None]:
        """Do nothing."""
        del connection
        yield

    @contextmanager
    def working(self) -> Iterator[None]:
        """Do nothing."""
        yield

    def pull(self) -> None:
        """Refuse: everybody holds it."""
        raise AssertionError


NO_LEASH = _NoLeash()
"""For what nobody ends from outside."""


@contextmanager
def working(leashes: Iterable[Leash]) -> Iterator[None]:
    """Work for several at once."""
    with ExitStack() as block:
        for leash in set(leashes):
            block.enter_context(leash.working())
        yield
