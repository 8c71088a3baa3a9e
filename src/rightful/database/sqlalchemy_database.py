"""Any database that SQLAlchemy has a dialect for: read through its driver into Arrow, row by row where the driver brings them so."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

import msgspec
import pyarrow as pa

from rightful.database import sqlalchemy_catalogue as catalogue
from rightful.database.identifying import TEXTS, Form, SlotValues
from rightful.database.interface import Snapshot
from rightful.database.kept import Kept
from rightful.database.one_connection import OneConnection
from rightful.database.pool import Pool
from rightful.database.pooled import CataloguedDatabase
from rightful.database.query import Query, Target, Wanted
from rightful.database.row_batches import batch_of, fetched, pieces
from rightful.database.sqlalchemy_connection import Gone, Late, SqlalchemyConnection
from rightful.database.sqlalchemy_errors import is_cancelled, late, translate
from rightful.database.sqlalchemy_sql import Meant, SqlalchemyDialect, statement
from rightful.database.sqlalchemy_values import Misfit, array_of, text_of
from rightful.database.table import Link, Owner, Statistics, Table, TableColumn
from rightful.errors import ExportError, SourceRefused

R = TypeVar("R")
_COUNT_KEPT_S = 600.0
_LOOKUP_S = 60.0
_GLANCE_S = 5.0


class SqlalchemyDatabase(CataloguedDatabase[SqlalchemyConnection]):
    """One database for one source; see `database.interface.Database`."""

    def __init__(self, pool: Pool[SqlalchemyConnection], *, source_name: str, stream_s: int) -> None:
        super().__init__(pool, source_name=source_name, stream_s=stream_s)
        self._sizes = Kept[Statistics](_COUNT_KEPT_S)
        self._known_dialect: SqlalchemyDialect | None = None

    def _introspect(self, name: str) -> Table | None:
        return self._ask(lambda connection: catalogue.introspect(connection, name, self._dialect))

    def names(self) -> list[str]:
        """Ask the catalogue."""
        return self._ask(catalogue.names)

    def links(self, table: Table) -> tuple[Link, ...]:
        """Ask the catalogue."""
        return self._ask(lambda connection: catalogue.links(connection, table))

    def excess(self, table: Table) -> tuple[str, ...]:
        """Return nothing: each database has its own way to ask."""
        del table
        return ()

    def statistics(self, table: Table) -> Statistics:
        """Count up to a million rows, for some seconds at most; kept for ten minutes."""
        return self._sizes.get(
            table.sql, lambda: self._within(lambda connection: catalogue.statistics(connection, table, _GLANCE_S)) or Statistics()
        )

    def build(self, target: Target, wanted: Wanted) -> Query:
        """Build a query for `stream`."""
        self._refuse_what_loses_rows(target)
        return super().build(target, wanted)

    def snapshot(self, limit_s: float) -> OneConnection[SqlalchemyConnection] | None:
        """Keep a transaction, where the database has an isolation level at which all of it sees one moment."""
        del limit_s  # what ends before is lost, and said to be
        connection = self._take()
        if not connection.sees_one_moment:
            self._give(connection)
            return None
        try:
            connection.start()
        except Exception as error:  # noqa: BLE001 -- drivers raise what they like
            connection.close()
            raise self._translated(error) from None
        return OneConnection(connection, SqlalchemyConnection.close)

    def stream(
        self, query: Query, values: Sequence[SlotValues], after: Sequence[int | str | bytes] = (), *, snapshot: Snapshot | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield batches, out of one transaction: of several queries, where there are more identifiers than one of them holds."""
        if values and not any(slot.values for slot in values):
            return
        schema = pa.schema([(output.name, output.arrow) for output in query.outputs])
        shown = {column.name: column.kind for column in query.columns}
        kinds = [shown.get(output.name) for output in query.outputs]
        until = time.monotonic() + self._stream_s
        connection: SqlalchemyConnection | None = None
        try:
            with self._lent() if not isinstance(snapshot, OneConnection) else snapshot.used() as connection:
                for some in _shares(values, self._dialect.values_at_once):
                    said = statement(self._dialect, query, some, after)
                    rows = connection.stream(said.sql, said.parameters, max(0.001, until - time.monotonic()))
                    for several in fetched(Meant(query, some).of(rows), len(query.outputs)):
                        batch = batch_of(
                            several, query.outputs, schema, lambda values, number, arrow: array_of(values, kinds[number], arrow)
                        )
                        several.clear()  # large values are in memory twice for no longer than it takes
                        yield from pieces(batch)
        except ExportError:
            raise
        except Exception as error:  # noqa: BLE001 -- drivers raise what they like
            raise self._translated(error, connection) from None

    def caseless(self, table: Table, name: str, *, is_ascii: bool, is_single: bool) -> Table:
        """Return the table with a column that is compared in lower case."""
        del is_ascii, is_single
        column = next(column for column in table.columns if column.name == name)
        compare = f"lower({column.compare})"
        return table.replace(msgspec.structs.replace(column, compare=compare, form=Form.CASELESS, is_indexed=False))

    def rows(self, query: Query, values: Sequence[SlotValues], *, most: int = 0) -> list[tuple[object, ...]]:
        """Run a query whose answer is small, or of which the first rows are fetched."""
        if values and not any(slot.values for slot in values):
            return []

        def ask(connection: SqlalchemyConnection) -> list[tuple[object, ...]]:
            found: list[tuple[object, ...]] = []
            for some in _shares(values, self._dialect.values_at_once):
                said = statement(self._dialect, query, some)
                rows = connection.rows(said.sql, said.parameters, _LOOKUP_S, most=most)
                found += [(row[0], *map(_shown, row[1:])) for row in Meant(query, some).of(rows)]
            return found

        return self._ask(ask)

    def within(self, column: TableColumn, since: datetime | None, until: datetime | None) -> str | None:
        """Compare in the column's type, by its index."""
        return self._dialect.within(column, since, until)

    def build_count(self, target: Target, owners: Sequence[Owner] = ()) -> Query:
        """Build a query for `count`."""
        query = super().build_count(target, owners)
        is_exact = bool(self._dialect.exact) or not any(slot.form in TEXTS for slot in query.slots)
        return msgspec.structs.replace(query, is_exact=is_exact)

    def count(self, query: Query, values: Sequence[SlotValues], *, limit_s: float) -> dict[int, int] | None:
        """Count, until the time is over."""
        if not any(slot.values for slot in values):
            return {}
        until = time.monotonic() + limit_s

        def ask(connection: SqlalchemyConnection) -> dict[int, int]:
            counted: dict[int, int] = {}
            for some in _shares(values, self._dialect.values_at_once):
                said = statement(self._dialect, query, some)
                rows = connection.rows(said.sql, said.parameters, max(0.001, until - time.monotonic()))
                counted |= {int(index): int(number) for index, number in rows if index >= 0}
            return counted

        return self._within(ask)

    def widths(self, table: Table) -> Mapping[str, float]:
        """Look at a few rows."""
        return self._within(lambda connection: catalogue.widths(connection, table, _GLANCE_S)) or {}

    def verify(self, query: Query) -> None:
        """Run it for nobody, or for one row; that checks names, types and rights."""
        said = statement(self._dialect, query, [SlotValues([], [])] * len(query.slots))
        self._ask(lambda connection: connection.rows(said.sql, said.parameters, _LOOKUP_S, most=1))

    # -- connections --------------------------------------------------------------------------------------------------
    @property
    def _dialect(self) -> SqlalchemyDialect:
        """What queries look like; which server it is shows at the first connection."""
        if self._known_dialect is None:
            self._give(self._take())
        assert self._known_dialect is not None
        return self._known_dialect

    def _take(self) -> SqlalchemyConnection:
        """Return a connection that lives."""
        try:
            connection, _ = self._pool.lend(SqlalchemyConnection.look, (Gone,), lambda _: True)
        except Exception as error:  # noqa: BLE001 -- drivers raise what they like
            raise self._translated(error) from None
        if self._known_dialect is None:
            self._known_dialect = SqlalchemyDialect(connection.dialect, connection.name)
        return connection

    def _give(self, connection: SqlalchemyConnection) -> None:
        if connection.is_kept:
            self._pool.give(connection)
        else:
            connection.close()

    @contextmanager
    def _lent(self) -> Iterator[SqlalchemyConnection]:
        connection = self._take()
        try:
            yield connection
            connection.end()
        except BaseException:
            connection.break_off()
            connection.close()
            raise
        self._give(connection)

    def _ask(self, use: Callable[[SqlalchemyConnection], R]) -> R:
        """Use a connection for a small question, in a transaction of its own."""
        connection: SqlalchemyConnection | None = None
        try:
            with self._lent() as connection:
                return use(connection)
        except ExportError:
            raise
        except Exception as error:  # noqa: BLE001 -- drivers raise what they like
            raise self._translated(error, connection) from None

    def _within(self, use: Callable[[SqlalchemyConnection], R]) -> R | None:
        """Use a connection for what need not be known: None where it takes too long."""
        connection: SqlalchemyConnection | None = None
        try:
            with self._lent() as connection:
                return use(connection)
        except ExportError:
            raise
        except Exception as error:  # noqa: BLE001 -- drivers raise what they like
            if (connection is not None and connection.is_late) or is_cancelled(error):
                return None
            raise self._translated(error, connection) from None

    def _translated(self, error: Exception, connection: SqlalchemyConnection | None = None) -> Exception:
        if (connection is not None and connection.is_late) or isinstance(error, Late):
            return late(self.where, self._source_name)
        self.forget()
        if isinstance(error, Misfit):
            return SourceRefused(
                f"{self.where}: there is {error}, which cannot be carried without loss",
                source_name=self._source_name,
                hint="leave the column out with `exclude`, or read a view that casts it",
            )
        return translate(error, where=self.where, source_name=self._source_name)

    def _refuse_what_loses_rows(self, target: Target) -> None:
        """Refuse a join over a table of which several rows count as one, where one of them may be somebody else's and hide it."""
        for via in target.via:
            self._refuse_what_loses_rows(via.parent)
            inexact = [name for name, _ in via.parent.match if not _column_is_exact(via.parent.table, name)]
            if inexact and not via.parent.table.is_unique(frozenset(via.join.values())):
                joined = ", ".join(map(repr, via.join.values()))
                raise SourceRefused(
                    f"{self.where}: {via.parent.table.name!r} cannot be gone over: {joined} is not unique there,"
                    f" and this database may find other texts than are meant in {inexact[0]!r}",
                    source_name=self._source_name,
                    hint="go over a table or view whose join column is its primary key, or has a unique constraint",
                )


def _column_is_exact(table: Table, name: str) -> bool:
    column = table.find(name)
    return column is not None and column.is_exact


def _shown(value: object) -> object:
    return None if value is None else text_of(value)


def _shares(values: Sequence[SlotValues], most: int) -> Iterator[list[SlotValues]]:
    """Yield identifiers of as many subjects, in their order, as a query takes; always all of a subject's at once."""
    counts: dict[int, int] = {}
    for slot in values:
        for subject in slot.subjects:
            counts[subject] = counts.get(subject, 0) + 1
    share: set[int] = set()
    held = 0
    for subject in sorted(counts):
        if share and held + counts[subject] > most:
            yield _only(values, share)
            share, held = set(), 0
        share.add(subject)
        held += counts[subject]
    if share or not counts:
        yield _only(values, share)


def _only(values: Sequence[SlotValues], subjects: set[int]) -> list[SlotValues]:
    shares = []
    for slot in values:
        pairs = [(n, text) for n, text in zip(slot.subjects, slot.values, strict=True) if n in subjects]
        shares.append(SlotValues([n for n, _ in pairs], [text for _, text in pairs]))
    return shares
