"""A moment of a database that only the connection sees that began the transaction."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from rightful.database.pool import Connection

C = TypeVar("C", bound=Connection)


class OneConnection(Generic[C]):
    """A connection in a transaction that sees one moment; see `database.interface.Snapshot`. Streams of it come one after another."""

    is_shared = False

    def __init__(self, connection: C, end: Callable[[C], object]) -> None:
        self._connection = connection
        self._end = end
        self.is_lost = False

    @contextmanager
    def used(self) -> Iterator[C]:
        """Lend the connection; what is broken off in the middle leaves it of no more use."""
        try:
            yield self._connection
        except BaseException:
            self.is_lost = True
            self._connection.close()
            raise

    def close(self) -> None:
        """Give the connection up."""
        if not self.is_lost:
            self._end(self._connection)
