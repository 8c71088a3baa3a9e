"""Connections that are kept for the next one who needs them."""

import threading
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class Connection(Protocol):
    """Something that can be closed."""

    def close(self) -> None:
        """Close; never raises."""
        ...


C = TypeVar("C", bound=Connection)
E = TypeVar("E", bound=Exception)
R = TypeVar("R")
_KEPT = 16
"""As many as are lent at once where the surface's eight look-ups meet an engine's threads: to open one may take 30 ms of CPU (ADBC reads
the catalogue of types each time), a hundred times as much as a look-up."""
_KEPT_S = 300.0


class Pool(Generic[C]):
    """Hands out connections, each to one borrower at a time; makes them as they are needed. Safe to use from any thread."""

    def __init__(self, connect: Callable[[], C]) -> None:
        self._connect = connect
        self._idle: list[tuple[C, float]] = []
        self._lock = threading.Lock()
        self._users = 0

    def join(self) -> "Pool[C]":
        """Count one more who uses the pool."""
        with self._lock:
            self._users += 1
        return self

    def leave(self) -> None:
        """Count one less; the last one closes what is idle. Connections that are still lent are closed when they come back."""
        with self._lock:
            self._users -= 1
            closing = [connection for connection, _ in self._idle] if self._users <= 0 else []
            if closing:
                self._idle.clear()
        for connection in closing:
            connection.close()

    def take(self) -> tuple[C, bool]:
        """Return a connection, and whether it was kept from an earlier use (and so may be dead)."""
        with self._lock:
            if self._idle:
                return self._idle.pop()[0], True
        return self._connect(), False

    def lend(self, use: Callable[[C], R], trouble: tuple[type[E], ...], is_dead: Callable[[E], bool]) -> tuple[C, R]:
        """Return a connection and what `use` made of it; where a kept one turns out dead (the server was restarted), with a new one.

        Args:
            use: is given the connection, which is closed where it raises; called again for each kept one that is dead.
            trouble: what it raises where the connection may be at fault.
            is_dead: says so of such an error.
        """
        while True:
            connection, is_kept = self.take()
            try:
                return connection, use(connection)
            except trouble as error:
                connection.close()
                if not (is_kept and is_dead(error)):
                    raise
                self.drop()
            except BaseException:
                connection.close()
                raise

    def give(self, connection: C) -> None:
        """Give a sound connection back."""
        now = time.monotonic()
        closing = []
        with self._lock:
            if self._users > 0 and len(self._idle) < _KEPT:
                self._idle.append((connection, now))
            else:
                closing.append(connection)
            while self._idle and now - self._idle[0][1] > _KEPT_S:
                closing.append(self._idle.pop(0)[0])
        for old in closing:
            old.close()

    def drop(self) -> None:
        """Close what is idle: the server has gone or restarted."""
        with self._lock:
            closing = [connection for connection, _ in self._idle]
            self._idle.clear()
        for connection in closing:
            connection.close()
