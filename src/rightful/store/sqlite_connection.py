"""A connection to a SQLite file whose statements hold the interpreter up as little as can be (ADR 0027)."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import apsw

from rightful.store.connection import ConstraintBroken, Parameters, Row, Unstorable

_STATEMENTS = 256
"""How many statements are kept prepared; lists have as many forms as callers have filters."""
_LOOK_AGAIN_S = 0.001
"""How soon to look again whether another thread is done with a connection that is to be closed."""


class SqliteConnection:
    """See `store.connection.Connection`; raises `apsw.Error` besides, `apsw.BusyError` where a lock was waited for too long."""

    def __init__(self, path: Path, *, busy_s: float) -> None:
        self._connection = apsw.Connection(str(path), statementcachesize=_STATEMENTS)
        self._connection.set_busy_timeout(int(busy_s * 1000))
        self._names: dict[str, tuple[str, ...]] = {}
        self._is_closing = False

    def run(self, statement: str, parameters: Parameters = ()) -> int:
        """Run a statement to its end."""
        self._begin()
        try:
            for _ in self._connection.execute(statement, parameters):
                pass
        except (apsw.ConstraintError, apsw.BindingsError) as error:
            raise _translated(error) from error
        return self._connection.changes()

    def run_each(self, statement: str, parameters: Sequence[Parameters]) -> int:
        """Run a statement to its end with each of the parameters in turn."""
        self._begin()
        before = self._connection.total_changes()
        try:
            for _ in self._connection.executemany(statement, parameters):
                pass
        except (apsw.ConstraintError, apsw.BindingsError) as error:
            raise _translated(error) from error
        return self._connection.total_changes() - before

    def rows(self, statement: str, parameters: Parameters = ()) -> list[Row]:
        """Run a statement to its end; return its rows."""
        self._begin()
        try:
            cursor = self._connection.execute(statement, parameters)
            first = next(cursor, None)
            if first is None:
                return []
            names = self._names_of(statement, cursor)
            return [dict(zip(names, row, strict=True)) for row in (first, *cursor)]
        except (apsw.ConstraintError, apsw.BindingsError) as error:
            raise _translated(error) from error

    def each_row(self, statement: str, parameters: Parameters = ()) -> Iterator[Row]:
        """Run a statement as its rows are asked for; until the last one it reads the file as it was at the first."""
        self._begin()
        try:
            cursor = self._connection.execute(statement, parameters)
            names: tuple[str, ...] = ()
            for row in cursor:
                names = names or self._names_of(statement, cursor)
                yield dict(zip(names, row, strict=True))
        except (apsw.ConstraintError, apsw.BindingsError) as error:
            raise _translated(error) from error

    def _begin(self) -> None:
        if self._is_closing:
            raise apsw.ConnectionClosedError("the connection is closed")

    def _names_of(self, statement: str, cursor: apsw.Cursor) -> tuple[str, ...]:
        names = self._names.get(statement)
        if names is None:
            if len(self._names) >= _STATEMENTS:
                self._names.clear()
            names = self._names[statement] = tuple(column[0] for column in cursor.get_description())
        return names

    @property
    def is_in_transaction(self) -> bool:
        """Whether one was begun and has not ended."""
        return self._connection.in_transaction

    def close(self) -> None:
        """Release the file; what was begun and not committed is undone. Again, it does nothing.

        What another thread runs at the moment comes to its end first; what it runs next raises `apsw.ConnectionClosedError`.
        """
        self._is_closing = True  # else a thread that runs one statement after the other would be in the way for ever
        while True:
            try:
                self._connection.close(force=True)
            except apsw.ThreadingViolationError:
                time.sleep(_LOOK_AGAIN_S)
            else:
                return


def _translated(error: apsw.Error) -> ConstraintBroken | Unstorable:
    return ConstraintBroken(str(error)) if isinstance(error, apsw.ConstraintError) else Unstorable(str(error))
