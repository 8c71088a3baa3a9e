"""SQLite: read through the standard library into Arrow, in one read transaction for each stream."""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote as percent_encode

import msgspec
import pyarrow as pa

from rightful.database import naming
from rightful.database.identifying import Form, SlotValues, folded
from rightful.database.interface import SLOW, Snapshot
from rightful.database.one_connection import OneConnection
from rightful.database.pool import Pool
from rightful.database.pooled import PooledDatabase
from rightful.database.query import Query
from rightful.database.row_batches import batch_of, fetched, pieces
from rightful.database.sqlite_catalogue import introspect, statistics_of, table_names, widths_of
from rightful.database.sqlite_rows import Misfit, array_of
from rightful.database.sqlite_sql import LOWER, LOWER_OF_ALL, SqliteDialect, within
from rightful.database.table import Link, Statistics, Table, TableColumn, links_of
from rightful.errors import SourceError, SourceRefused, SourceUnavailable
from rightful.package.schema import ColumnKind

_BUSY_S = 5.0
_LOOKUP_S = 60.0
"""How long a question may take for which nothing is gone over; that is given as long as a read."""
_LOWER = "rightful_lower"
_STEPS = 10_000
"""Instructions of SQLite's machine between two looks at the clock: some 0.2 ms."""

# https://www.sqlite.org/rescode.html, the low byte. Worth another try: ABORT, BUSY, LOCKED, NOMEM, INTERRUPT, IOERR, FULL, CANTOPEN,
# PROTOCOL, SCHEMA.
_TRANSIENT = frozenset({4, 5, 6, 7, 9, 10, 13, 14, 15, 17})
_SAID = {
    5: "the database is locked by a writer",
    6: "a table is locked",
    10: "reading the file failed",
    11: "the file is damaged",
    14: "the file cannot be opened",
    26: "the file is not an SQLite database",
    1: "the query is refused; has the table changed?",
    9: "the query took longer than it may",
}
_HINTS = {9: SLOW}

_File = tuple[int, int, int, int]
"""Device, inode, size and time of modification."""


class SqliteConnection(sqlite3.Connection):
    """A read-only connection that no thread owns, and what its file was like when it was opened."""

    file: _File = (0, 0, 0, 0)


def connect(path: Path) -> SqliteConnection:
    """Open a database file read-only; it must exist."""
    uri = f"file:{percent_encode(str(path))}?mode=ro"
    file = _file(path)  # first: one that is replaced meanwhile is taken for the older, and opened once more the next time
    connection = open_uri(uri)
    connection.file = file
    return connection


def open_uri(uri: str) -> SqliteConnection:
    """Open what a URI names (https://www.sqlite.org/uri.html)."""
    connection = sqlite3.connect(
        uri, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False, factory=SqliteConnection, cached_statements=64
    )
    connection.create_function(_LOWER, 1, lambda value: folded(value) if isinstance(value, str) else value, deterministic=True)
    return connection


def _file(path: Path | None) -> _File:
    try:
        found = path.stat() if path is not None else None
    except OSError:
        found = None
    if found is None:
        return 0, 0, 0, 0
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


class SqliteDatabase(PooledDatabase[SqliteConnection]):
    """One SQLite file (None: memory) for one source; see `database.interface.Database`."""

    _dialect: ClassVar[SqliteDialect] = SqliteDialect()

    def __init__(self, pool: Pool[SqliteConnection], path: Path | None, *, source_name: str, stream_s: int) -> None:
        super().__init__(pool, source_name=source_name, stream_s=stream_s)
        self._path = path
        self._lookup_s = min(_LOOKUP_S, stream_s)
        self._lock = threading.Lock()
        self._tables: dict[str, tuple[int, Table]] = {}

    def table(self, name: str) -> Table:
        """Look at the schema and at the kinds of all values, once as long as the schema stays the same."""
        try:
            with self._lent(self._stream_s) as connection:
                schema = _schema(connection)
                with self._lock:
                    kept = self._tables.get(name)
                if kept is not None and kept[0] == schema:
                    return kept[1]
                table = introspect(connection, name)
                if table is None:
                    raise self._no_table(connection, name)
        except sqlite3.Error as error:
            raise self._translated(error) from None
        with self._lock:
            self._tables[name] = schema, table
        return table

    def names(self) -> list[str]:
        """Look at the schema."""
        try:
            with self._lent() as connection:
                return sorted(table_names(connection))
        except sqlite3.Error as error:
            raise self._translated(error) from None

    def links(self, table: Table) -> tuple[Link, ...]:
        """Look at the schema."""
        *schema, plain = naming.split(table.sql)
        asked = 'SELECT id, "table", "from", "to" FROM pragma_foreign_key_list(?, ?) ORDER BY id, seq'
        try:
            with self._lent() as connection:
                rows = connection.execute(asked, (plain, schema[0] if schema else None)).fetchall()
        except sqlite3.Error as error:
            raise self._translated(error) from None
        # A key that names no column there means the primary key, which has the same name in the usual case.
        return links_of((str(number), there, ours, theirs or ours) for number, there, ours, theirs in rows)

    def excess(self, table: Table) -> tuple[str, ...]:
        """Look whether this process could open the file for writing: SQLite knows no accounts."""
        del table
        return ("write the file",) if self._path is not None and os.access(self._path, os.W_OK) else ()

    def statistics(self, table: Table) -> Statistics:
        """Say what ANALYZE has counted, and else at most how many rows there are."""
        try:
            with self._lent() as connection:
                return statistics_of(connection, table)
        except sqlite3.Error as error:
            raise self._translated(error) from None

    def caseless(self, table: Table, name: str, *, is_ascii: bool, is_single: bool) -> Table:
        """Return the table with a column that is compared in lower case; SQLite's own lower() knows ASCII only, but may have an index."""
        column = next(column for column in table.columns if column.name == name)
        compare = (LOWER if is_single else LOWER_OF_ALL) if is_ascii else f"{_LOWER}({{}})"
        form = Form.CASELESS if is_ascii else Form.FOLDED
        changed = table.replace(msgspec.structs.replace(column, compare=compare, form=form, is_exact=True, is_indexed=False))
        # For one the planner may find an index on lower(); for many it would go over the table once for each.
        return msgspec.structs.replace(changed, is_view=table.is_view or is_single)

    def snapshot(self, limit_s: float) -> OneConnection[SqliteConnection] | None:
        """Keep a read transaction, where writers go on beside it: in a file with a write-ahead log."""
        del limit_s  # the transaction is in this process
        try:
            with self._lent() as connection:
                if self._path is None or connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                    return None
            held = OneConnection(self._take(), self._let_go)
            with held.used() as connection:
                connection.execute("BEGIN")
                connection.execute("SELECT 1 FROM sqlite_schema").fetchone()  # the moment is that of the first read
        except sqlite3.Error as error:
            raise self._translated(error) from None
        return held

    def stream(
        self, query: Query, values: Sequence[SlotValues], after: Sequence[int | str | bytes] = (), *, snapshot: Snapshot | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield batches out of one read transaction."""
        if values and not any(slot.values for slot in values):
            return
        schema = pa.schema([(output.name, output.arrow) for output in query.outputs])
        kinds = _kinds(query)
        held = snapshot if isinstance(snapshot, OneConnection) else None
        try:
            with self._lent(self._stream_s) if held is None else held.used() as connection:
                _limit(connection, self._stream_s)
                cursor = connection.execute(query.sql, _parameters(values, after))
                try:
                    for rows in fetched(cursor, len(cursor.description)):
                        batch = batch_of(rows, query.outputs, schema, lambda values, number, arrow: array_of(values, kinds[number], arrow))
                        rows.clear()  # large values are in memory twice for no longer than it takes
                        yield from pieces(batch)
                finally:
                    cursor.close()
        except sqlite3.Error as error:
            raise self._translated(error) from None
        except (Misfit, OverflowError, pa.ArrowException):
            self.forget()
            raise SourceUnavailable(
                f"{self.where}: a value is of another kind than its column's values were when we looked",
                source_name=self._source_name,
                hint="trying again looks at them anew",
            ) from None

    def rows(self, query: Query, values: Sequence[SlotValues], *, most: int = 0) -> list[tuple[object, ...]]:
        """Run a query whose answer is small."""
        if values and not any(slot.values for slot in values):
            return []
        try:
            with self._lent() as connection:
                return connection.execute(query.first(most), _parameters(values)).fetchall()
        except sqlite3.Error as error:
            raise self._translated(error) from None

    def within(self, column: TableColumn, since: datetime | None, until: datetime | None) -> str | None:
        """Compare texts as times; see `sqlite_sql.within`."""
        return within(column, since, until)

    def count(self, query: Query, values: Sequence[SlotValues], *, limit_s: float) -> dict[int, int] | None:
        """Count, and look at the clock now and then."""
        if not any(slot.values for slot in values):
            return {}
        try:
            with self._lent(limit_s) as connection:
                return dict(connection.execute(query.sql, _parameters(values)).fetchall())
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
                return None
            raise self._translated(error) from None

    def widths(self, table: Table) -> Mapping[str, float]:
        """Look at a few rows: SQLite has no statistics of that."""
        try:
            with self._lent() as connection:
                return widths_of(connection, table)
        except sqlite3.Error as error:
            raise self._translated(error) from None

    def verify(self, query: Query) -> None:
        """Have it compiled."""
        try:
            with self._lent() as connection:
                connection.execute(f"EXPLAIN {query.sql}", _parameters([SlotValues([], [])] * len(query.slots))).fetchall()
        except sqlite3.Error as error:
            raise self._translated(error) from None

    def forget(self) -> None:
        """Look again the next time."""
        with self._lock:
            self._tables.clear()

    def _let_go(self, connection: SqliteConnection) -> None:
        connection.set_progress_handler(None, 0)
        try:
            connection.execute("ROLLBACK")
        except sqlite3.Error:
            connection.close()
        else:
            self._pool.give(connection)

    @contextmanager
    def _lent(self, limit_s: float | None = None) -> Iterator[SqliteConnection]:
        """Lend a connection, for so long; left out: as long as a lookup may take."""
        connection = self._take()
        try:
            _limit(connection, self._lookup_s if limit_s is None else limit_s)
            yield connection
            connection.set_progress_handler(None, 0)
        except BaseException:
            connection.close()
            raise
        self._pool.give(connection)

    def _take(self) -> SqliteConnection:
        """Return a connection to the file as it lies there now.

        A kept one may have a file open that was replaced since, or pages in memory of what was there before another file was copied into
        it: SQLite looks at a counter of writes, which may be the same in both.
        """
        current = _file(self._path)
        while True:
            connection, is_kept = self._pool.take()
            if not is_kept or connection.file == current:
                return connection
            connection.close()

    def _no_table(self, connection: sqlite3.Connection, name: str) -> SourceRefused:
        names = table_names(connection)
        return SourceRefused(
            f"{self.where}: there is no table or view {name!r}", source_name=self._source_name, hint=naming.did_you_mean(name, names)
        )

    def _translated(self, error: sqlite3.Error) -> SourceError:
        """Say what happened without SQLite's words: they may hold names or values."""
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        self.forget()
        if code == 14 and self._path is not None and not self._path.exists():  # noqa: PLR2004 -- CANTOPEN
            return SourceRefused(
                f"{self.where}: there is no such file", source_name=self._source_name, hint="paths start at the configuration's folder"
            )
        if "UTF-8" in str(error):
            said = "a text is not valid UTF-8"
            return SourceRefused(f"{self.where}: {said}", source_name=self._source_name, hint="store it as a BLOB, or leave the column out")
        message = f"{self.where}: {_SAID.get(code, 'the query failed')} (SQLite code {code})"
        if code in _TRANSIENT:
            return SourceUnavailable(message, source_name=self._source_name, hint=_HINTS.get(code, "trying again may help"))
        return SourceRefused(message, source_name=self._source_name, hint="is it the right file, and whole?")


def _limit(connection: SqliteConnection, seconds: float) -> None:
    """Have the connection's next query look at the clock now and then."""
    until = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() >= until, _STEPS)


def _schema(connection: SqliteConnection) -> int:
    """Return a number that stays as long as tables are what they were. The version alone may be another file's too."""
    row = connection.execute("SELECT schema_version, CAST(group_concat(sql) AS BLOB) FROM pragma_schema_version, sqlite_schema").fetchone()
    return hash((connection.file[:2], row))


def _kinds(query: Query) -> list[ColumnKind | None]:
    """Return the kind of each output that carries a column's own values."""
    by_name = {column.name: column.kind for column in query.columns}
    keys = {query.hidden.key_part(number): key.column.kind for number, key in enumerate(query.key)}
    return [keys.get(output.name, by_name.get(output.name)) for output in query.outputs]


def _parameters(values: Sequence[SlotValues], after: Sequence[int | str | bytes] = ()) -> dict[str, Any]:
    """Return parameters by name: SQLite numbers `?1` and names `:after0` in one space."""
    parameters: dict[str, Any] = {
        f"v{number}": msgspec.json.encode(list(zip(slot.subjects, slot.values, strict=True))).decode() for number, slot in enumerate(values)
    }
    return parameters | {f"after{number}": value for number, value in enumerate(after)}
