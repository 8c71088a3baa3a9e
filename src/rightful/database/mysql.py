"""MySQL and MariaDB: read through PyMySQL into Arrow, row by row as the server sends them, in transactions that only read."""

import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import ClassVar, TypeVar

import msgspec
import pyarrow as pa
from pymysql.err import Error

from rightful.database import mysql_catalogue as catalogue
from rightful.database import mysql_grants
from rightful.database.identifying import Form, SlotValues
from rightful.database.interface import Snapshot
from rightful.database.mysql_address import Address, BadFile
from rightful.database.mysql_connection import MysqlConnection
from rightful.database.mysql_errors import TIMED_OUT, code_of, is_changed, is_connection_lost, late, translate
from rightful.database.mysql_sql import MysqlDialect, after_name, value_name, widened
from rightful.database.one_connection import OneConnection
from rightful.database.pooled import CataloguedDatabase
from rightful.database.query import Query
from rightful.database.row_batches import Row, batch_of, fetched, pieces
from rightful.database.table import Link, Statistics, Table, TableColumn
from rightful.database.times import within
from rightful.errors import SourceUnavailable
from rightful.package.schema import ColumnKind

R = TypeVar("R")
_LOOKUP_S = 60.0
_TROUBLE = (Error, BadFile, OSError, struct.error, IndexError, AssertionError, UnicodeDecodeError)
"""What PyMySQL raises, the last ones where what answers is no such server, or breaks off."""


def connect(address: Address) -> MysqlConnection:
    """Open a connection."""
    return MysqlConnection(address)


class MysqlDatabase(CataloguedDatabase[MysqlConnection]):
    """One database of MySQL or MariaDB for one source; see `database.interface.Database`."""

    _dialect: ClassVar[MysqlDialect] = MysqlDialect()

    def _introspect(self, name: str) -> Table | None:
        return self._ask(lambda connection: catalogue.introspect(connection, name))

    def names(self) -> list[str]:
        """Ask the catalogue."""
        return sorted(str(row[0]) for row in self._ask(lambda connection: connection.rows(catalogue.NAMES)))

    def links(self, table: Table) -> tuple[Link, ...]:
        """Ask the catalogue."""
        return self._ask(lambda connection: catalogue.links(connection, table))

    def excess(self, table: Table) -> tuple[str, ...]:
        """Read what is granted to the account and to its role."""
        return mysql_grants.excess((str(row[0]) for row in self._ask(lambda connection: connection.rows("SHOW GRANTS"))), table.sql)

    def statistics(self, table: Table) -> Statistics:
        """Ask the catalogue, which guesses."""
        return self._ask(lambda connection: catalogue.statistics(connection, table))

    def snapshot(self, limit_s: float) -> OneConnection[MysqlConnection]:
        """Keep a transaction with a consistent snapshot; the server ends it where we do not."""

        def begin(connection: MysqlConnection) -> None:
            connection.begin(limit_s, is_snapshot=True)
            connection.wait(round(limit_s) + 60)

        return OneConnection(self._begun(begin), MysqlConnection.close)  # its session waits otherwise than a kept one should

    def stream(
        self, query: Query, values: Sequence[SlotValues], after: Sequence[int | str | bytes] = (), *, snapshot: Snapshot | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield batches out of one snapshot."""
        if values and not any(slot.values for slot in values):
            return
        schema = pa.schema([(output.name, output.arrow) for output in query.outputs])
        begun = time.monotonic()
        try:
            with self._lent() if not isinstance(snapshot, OneConnection) else self._used(snapshot) as connection:
                connection.give({**_variables(values), **{after_name(number): value for number, value in enumerate(after)}})
                rows = connection.stream(_sized(query.sql, values))
                for some in fetched(rows, len(query.outputs)):
                    batch = batch_of(some, query.outputs, schema, lambda values, _, arrow: pa.array(values, arrow))
                    some.clear()  # large values are in memory twice for no longer than it takes
                    yield from pieces(batch)
        except _TROUBLE as error:
            # A server whose time limit ends a query in the middle of a write closes the connection and says nothing.
            is_late = is_connection_lost(error) and time.monotonic() - begun >= self._stream_s
            raise self._translated(late() if is_late else error) from None
        except (OverflowError, TypeError, pa.ArrowException):
            self.forget()
            raise SourceUnavailable(
                f"{self.where}: a column's type has changed since we looked", source_name=self._source_name, hint="trying again will help"
            ) from None

    @contextmanager
    def _lent(self) -> Iterator[MysqlConnection]:
        """Lend a connection in a transaction that sees this moment."""
        connection = self._begun(lambda connection: connection.begin(self._stream_s, is_snapshot=True, idle_s=self._stream_s))
        try:
            yield connection
            connection.end()
        except BaseException:
            self._end(connection)
            raise
        self._pool.give(connection)

    @contextmanager
    def _used(self, snapshot: OneConnection[MysqlConnection]) -> Iterator[MysqlConnection]:
        """Lend the connection of a snapshot."""
        with snapshot.used() as connection:
            number = connection.number
            try:
                connection.configure(self._stream_s, idle_s=self._stream_s)
                yield connection
            except BaseException:
                self._kill(number)
                raise

    def caseless(self, table: Table, name: str, *, is_ascii: bool, is_single: bool) -> Table:
        """Return the table with a column that is compared in lower case: by its index, where its collation ignores case."""
        del is_ascii, is_single
        column = next(column for column in table.columns if column.name == name)
        lookup = column.lookup if column.is_caseless else ""
        changed = msgspec.structs.replace(
            column, compare="lower({})", form=Form.FOLDED, lookup=lookup, is_indexed=column.is_indexed and bool(lookup)
        )
        return table.replace(changed)

    def missing_index(self, table: Table, name: str) -> str:
        """Name an index on the column, where its collation ignores case; there are none on lower(column) that the server would take."""
        column = table.find(name)
        if table.is_view or column is None or column.is_indexed or not column.is_caseless:
            return ""
        return f"CREATE INDEX {column.sql} ON {table.sql} ({column.sql})"

    def rows(self, query: Query, values: Sequence[SlotValues], *, most: int = 0) -> list[tuple[object, ...]]:
        """Run a query whose answer is small."""
        if values and not any(slot.values for slot in values):
            return []
        limited = msgspec.structs.replace(query, sql=query.first(most))
        return self._ask(lambda connection: _run(connection, limited, values))

    def within(self, column: TableColumn, since: datetime | None, until: datetime | None) -> str | None:
        """Compare in the column's type, by its index; a date of zeros is none."""
        return within(
            column, since, until, lambda kind, text: f"{'DATE' if kind is ColumnKind.DATE else 'TIMESTAMP'} '{text}'", none="{} = 0"
        )

    def count(self, query: Query, values: Sequence[SlotValues], *, limit_s: float) -> dict[int, int] | None:
        """Count, within the server's time limit for a statement."""
        if not any(slot.values for slot in values):
            return {}

        def ask(connection: MysqlConnection) -> dict[int, int] | None:
            try:
                return {int(index): int(count) for index, count in _run(connection, query, values)}
            except Error as error:
                if code_of(error) not in TIMED_OUT:
                    raise
                return None

        return self._ask(ask, limit_s=max(0.001, limit_s))

    def widths(self, table: Table) -> Mapping[str, float]:
        """Look at a few rows."""
        return self._ask(lambda connection: catalogue.widths(connection, table))

    def verify(self, query: Query) -> None:
        """Have none of its rows; that checks names and rights. EXPLAIN of a view would need more rights than reading it."""
        limited = msgspec.structs.replace(query, sql=f"{query.sql} LIMIT 0")
        self._ask(lambda connection: _run(connection, limited, [SlotValues([], [])] * len(query.slots)))

    # -- connections --------------------------------------------------------------------------------------------------
    def _ask(self, use: Callable[[MysqlConnection], R], *, limit_s: float = _LOOKUP_S) -> R:
        """Use a connection for a small question, in a transaction of its own."""
        connection = self._begun(lambda connection: connection.begin(limit_s))
        try:
            answer = use(connection)
            connection.end()
        except _TROUBLE as error:
            connection.close()
            raise self._translated(error) from None
        except BaseException:
            connection.close()
            raise
        self._pool.give(connection)
        return answer

    def _begun(self, begin: Callable[[MysqlConnection], None]) -> MysqlConnection:
        """Begin a transaction on a connection that lives; the driver's errors are translated."""
        try:
            connection, _ = self._pool.lend(begin, _TROUBLE, is_connection_lost)
        except (*_TROUBLE, RuntimeError) as error:
            raise self._translated(error) from None
        return connection

    def _end(self, connection: MysqlConnection) -> None:
        """Close a connection in the middle of a query. The server notices when it next sends; it is told, so that it stops at once."""
        number = connection.number
        connection.close()
        self._kill(number)

    def _kill(self, number: int) -> None:
        try:
            other, _ = self._pool.take()
        except (*_TROUBLE, RuntimeError):
            return  # then it notices
        try:
            other.run(f"KILL QUERY {number:d}")
        except _TROUBLE:
            other.close()  # it had ended already, or this connection is dead
        else:
            self._pool.give(other)

    def _translated(self, error: Exception) -> Exception:
        if is_changed(error):
            self.forget()
        return translate(error, where=self.where, source_name=self._source_name)


def _run(connection: MysqlConnection, query: Query, values: Sequence[SlotValues]) -> list[Row]:
    connection.give(_variables(values))
    return connection.rows(_sized(query.sql, values))


def _variables(values: Sequence[SlotValues]) -> dict[str, str | int | bytes]:
    return {
        value_name(number): msgspec.json.encode(list(zip(slot.subjects, slot.values, strict=True))) for number, slot in enumerate(values)
    }


def _sized(sql: str, values: Sequence[SlotValues]) -> str:
    """Make room for long identifiers."""
    return widened(sql, max((len(value.encode()) for slot in values for value in slot.values), default=0))
