"""PostgreSQL: read through ADBC into Arrow, streaming, in read-only transactions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, ClassVar, TypeVar
from urllib.parse import parse_qsl, urlsplit

import adbc_driver_manager
import msgspec
import pyarrow as pa

from rightful.database import building, naming
from rightful.database.identifying import Form, Slot, SlotValues
from rightful.database.interface import Snapshot
from rightful.database.kept import Kept
from rightful.database.pool import Pool
from rightful.database.pooled import CataloguedDatabase
from rightful.database.postgres_connection import PostgresConnection
from rightful.database.postgres_errors import is_connection_lost, translate
from rightful.database.postgres_snapshot import PostgresSnapshot, export
from rightful.database.postgres_sql import (
    AFTER_SETTING,
    ATTRIBUTES,
    CATALOGUE,
    EXCESS,
    LINKS,
    NAMES,
    STATISTICS,
    WIDTHS,
    PostgresDialect,
    array_literal,
    setting_names,
    table_of,
    width_of,
)
from rightful.database.query import Query, Target, Wanted
from rightful.database.table import Link, Statistics, Table, TableColumn, links_of
from rightful.database.times import standard, within
from rightful.errors import SourceRefused, SourceUnavailable

R = TypeVar("R")
_STATISTICS_KEPT_S = 300.0
_LOOKUP_S = 60

# Texts of moments, intervals and floats must not depend on the account's settings. JIT compiles for longer than our queries run.
# Everything is set for one transaction: behind a pooler like PgBouncer a session is not ours alone.
_SETTINGS = "SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL intervalstyle = 'postgres'; "
_SETTINGS += "SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1; SET LOCAL jit = off; "
_SETTINGS += "SET LOCAL row_security = off"  # refuse, rather than leave out the rows that a policy hides from us
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_MEMORY = "SELECT set_config('work_mem', greatest(pg_size_bytes(current_setting('work_mem')) / 1024, 65536)::text, true)"
_BEGIN_LOOKUP = f"BEGIN READ ONLY; SET LOCAL statement_timeout = '{_LOOKUP_S}s'; {_SETTINGS}"
_CANCELED = "57014"  # query_canceled: its time was up

_DEFAULTS = {
    "application_name": "rightful",
    "connect_timeout": "10",
    "keepalives_idle": "60",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}


def connection_url(url: str) -> str:
    """Add what the address leaves open: our name, a time-out for connecting, and keep-alives that notice a server that vanished."""
    given = {name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)}
    added = "&".join(f"{name}={value}" for name, value in _DEFAULTS.items() if name not in given)
    return f"{url}{'&' if urlsplit(url).query else '' if url.endswith('?') else '?'}{added}" if added else url


class PostgresDatabase(CataloguedDatabase[PostgresConnection]):
    """One PostgreSQL database for one source; see `database.interface.Database`."""

    _dialect: ClassVar[PostgresDialect] = PostgresDialect(bound=False)
    _bound_dialect: ClassVar[PostgresDialect] = PostgresDialect(bound=True)

    def __init__(self, pool: Pool[PostgresConnection], *, source_name: str, stream_s: int) -> None:
        super().__init__(pool, source_name=source_name, stream_s=stream_s)
        self._set = f"{_SETTINGS}; {_MEMORY}; SET LOCAL statement_timeout = '{stream_s}s'"
        self._statistics = Kept[Statistics](_STATISTICS_KEPT_S)

    def _introspect(self, name: str) -> Table | None:
        quoted = ".".join(naming.quote(part) for part in naming.split(name))
        rows = self._ask(CATALOGUE, [quoted])
        return table_of(name, rows[0][0]) if rows else None

    def names(self) -> list[str]:
        """Ask the catalogue."""
        return sorted(str(row[0]) for row in self._ask(NAMES, [""]))

    def links(self, table: Table) -> tuple[Link, ...]:
        """Ask the catalogue."""
        return links_of((str(name), str(there), str(ours), str(theirs)) for name, there, ours, theirs in self._ask(LINKS, [table.sql]))

    def excess(self, table: Table) -> tuple[str, ...]:
        """Ask what is granted; a superuser may do everything."""
        return tuple(str(name) for (name,) in self._ask(EXCESS, [table.sql]))

    def statistics(self, table: Table) -> Statistics:
        """Ask for the planner's statistics; kept for five minutes."""
        return self._statistics.get(table.sql, lambda: self._asked_statistics(table))

    def _asked_statistics(self, table: Table) -> Statistics:
        rows = self._ask(STATISTICS, [table.sql])
        found = _statistics(rows[0][0]) if rows else Statistics()
        if found.rows is None:  # before the first ANALYZE, and of a view, the planner knows better: it looks at the size of files
            with suppress(SourceRefused):
                found = msgspec.structs.replace(found, rows=self._planned(f"SELECT * FROM {table.sql}", ()))  # noqa: S608 -- quoted
        return found

    def caseless(self, table: Table, name: str, *, is_ascii: bool, is_single: bool) -> Table:
        """Return the table with a column that is compared in lower case."""
        del is_ascii, is_single
        column = next(column for column in table.columns if column.name == name)
        changed = msgspec.structs.replace(
            column, compare="lower({}::text)", form=Form.FOLDED, type_name="text", is_exact=True, is_indexed=column.is_lower_indexed
        )
        return table.replace(changed)

    def missing_index(self, table: Table, name: str) -> str:
        """Say what the catalogue knows of a whole index on the column in lower case; views have none of their own."""
        column = table.find(name)
        if table.is_view or column is None or column.is_lower_indexed or not column.lookup:
            return ""
        return f"CREATE INDEX ON {table.sql} (lower({naming.quote(name)}::text))"

    def build_lookup(self, target: Target, wanted: Wanted) -> Query:
        """Build a query for `rows`."""
        return building.build(target, wanted, self._bound_dialect)

    def snapshot(self, limit_s: float) -> PostgresSnapshot:
        """Export one; its transaction stays open, and the server ends it where we do not."""
        connection, name = self._retried(lambda connection: export(connection, limit_s))
        return PostgresSnapshot(self._pool, connection, name)

    def stream(
        self, query: Query, values: Sequence[SlotValues], after: Sequence[int | str | bytes] = (), *, snapshot: Snapshot | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield batches out of one read-only transaction; values go into its settings, since ADBC does not stream with bound parameters."""
        if values and not any(slot.values for slot in values):
            return
        settings = _settings(values, after)
        configured = "".join(f", set_config({name!r}, ${n}, true)" for n, name in enumerate(settings, 2))
        schema = pa.schema([(output.name, output.arrow) for output in query.outputs])
        is_whole = False
        shared = snapshot if isinstance(snapshot, PostgresSnapshot) else None
        connection, _ = self._retried(lambda connection: self._begin(connection, shared))
        try:
            [(attributes, *_)] = connection.rows(f"SELECT {ATTRIBUTES.format('$1')}{configured}", [query.table, *settings.values()])
            if attributes is not None and attributes > query.attributes:
                raise self._grown()
            for batch in connection.stream(query.sql):
                if batch.num_rows:
                    yield self._shaped(batch, query, schema)
            if shared is not None and shared.misses_rows(connection):
                raise self._gone(shared)
            connection.run("COMMIT")
            is_whole = True
        except adbc_driver_manager.Error as error:
            raise self._translated(error) from None
        except (pa.ArrowException, OSError):
            raise SourceUnavailable(f"{self.where}: the connection is gone", source_name=self._source_name) from None
        finally:
            if is_whole:
                self._pool.give(connection)
            else:
                connection.cancel()
                connection.close()

    def rows(self, query: Query, values: Sequence[SlotValues], *, most: int = 0) -> list[tuple[object, ...]]:
        """Run one statement with bound parameters; its answer comes in one piece."""
        if values and not any(slot.values for slot in values):
            return []
        return self._ask(query.first(most), _bound(values))

    def within(self, column: TableColumn, since: datetime | None, until: datetime | None) -> str | None:
        """Compare in the column's type, by its index."""
        return within(column, since, until, standard)

    def count(self, query: Query, values: Sequence[SlotValues], *, limit_s: float) -> dict[int, int] | None:
        """Count, within the server's time limit for a statement."""
        if not any(slot.values for slot in values):
            return {}

        def ask(connection: PostgresConnection) -> dict[int, int] | None:
            connection.run(f"{_BEGIN_LOOKUP}; SET LOCAL statement_timeout = {max(1, round(limit_s * 1000))}")
            try:
                return dict(connection.rows(query.sql, _bound(values)))
            except adbc_driver_manager.Error as error:
                if error.sqlstate != _CANCELED:
                    raise
                return None
            finally:
                connection.run("ROLLBACK")

        connection, counted = self._retried(ask)
        self._pool.give(connection)
        return counted

    def guess(self, target: Target, query: Query, values: Sequence[SlotValues]) -> int | None:
        """Have the search for all values planned: the planner knows the most frequent ones. It is of no use for joins."""
        if target.via:
            return None
        conditions = []
        for name, kind in target.match:
            column = next(column for column in target.table.columns if column.name == name)
            number = 2 * query.slots.index(Slot(kind, column.form, column.type_name)) + 2
            conditions.append(f"{column.compare.format(naming.quote(name))} = ANY (${number}::text::{column.type_name}[])")
        # All parameters must be there: those with subjects' indexes are asked for nothing.
        unused = " AND ".join(f"${2 * number + 1}::text IS NOT NULL" for number in range(len(query.slots)))
        sql = f"SELECT 1 FROM {target.table.sql} WHERE ({' OR '.join(conditions)}) AND {unused}"  # noqa: S608 -- quoted names
        return self._planned(sql, _bound(values))

    def widths(self, table: Table) -> Mapping[str, float]:
        """Make bytes as they are written of the statistics."""
        [(text, rows)] = self._ask(WIDTHS, [table.sql])
        said = msgspec.json.decode(text, type=dict[str, tuple[float, float]])
        found = ((column, said.get(column.name)) for column in table.columns)
        return {column.name: width_of(column, *known, rows=max(1, rows)) for column, known in found if known is not None}

    def verify(self, query: Query) -> None:
        """Have it planned; that checks rights too."""
        self._ask(f"EXPLAIN {query.sql}", ["{}", "{}"] * len(query.slots))

    def forget(self) -> None:
        """Ask the catalogue again the next time."""
        super().forget()
        self._statistics.forget()

    # -- connections --------------------------------------------------------------------------------------------------
    def _ask(self, sql: str, parameters: Sequence[str]) -> list[tuple[Any, ...]]:
        def ask(connection: PostgresConnection) -> list[tuple[Any, ...]]:
            connection.run(_BEGIN_LOOKUP)
            rows = connection.rows(sql, parameters)
            connection.run("COMMIT")
            return rows

        connection, rows = self._retried(ask)
        self._pool.give(connection)
        return rows

    def _planned(self, sql: str, parameters: Sequence[str]) -> int:
        """Return how many rows the planner expects."""
        [(plan, *_)] = self._ask(f"EXPLAIN (FORMAT JSON) {sql}", parameters)
        return round(msgspec.json.decode(plan, type=tuple[_Explained])[0].plan.rows)

    def _begin(self, connection: PostgresConnection, snapshot: PostgresSnapshot | None) -> None:
        connection.run(_BEGIN)
        if snapshot is not None and not snapshot.import_into(connection):
            raise self._gone(snapshot)
        connection.run(self._set)

    def _grown(self) -> SourceUnavailable:
        self.forget()
        return SourceUnavailable(
            f"{self.where}: a column was added since we looked", source_name=self._source_name, hint="trying again will help"
        )

    def _gone(self, snapshot: PostgresSnapshot) -> SourceUnavailable:
        snapshot.is_lost = True
        return SourceUnavailable(
            f"{self.where}: the moment of the database that tables were read at is gone (a table was made anew, or the server restarted)",
            source_name=self._source_name,
            hint="trying again takes a later one; where it happens always, set `export.snapshot_s` to 0",
        )

    def _retried(self, use: Callable[[PostgresConnection], R]) -> tuple[PostgresConnection, R]:
        """Use a connection that lives; the driver's errors are translated."""
        try:
            return self._pool.lend(use, (adbc_driver_manager.Error,), is_connection_lost)
        except adbc_driver_manager.Error as error:
            raise self._translated(error) from None

    def _translated(self, error: adbc_driver_manager.Error) -> Exception:
        if (error.sqlstate or "").startswith("42"):
            self.forget()  # tables may have changed since we looked
        return translate(error, where=self.where, source_name=self._source_name)

    def _shaped(self, batch: pa.RecordBatch, query: Query, schema: pa.Schema) -> pa.RecordBatch:
        """Give columns their names; extension types lose their wrapping."""
        arrays = [_plain(batch.column(output.position)) for output in query.outputs]
        try:
            return pa.RecordBatch.from_arrays(arrays, schema=schema)
        except (pa.ArrowException, TypeError):
            self.forget()
            raise SourceUnavailable(
                f"{self.where}: a column's type has changed since we looked", source_name=self._source_name, hint="trying again will help"
            ) from None


def connect(url: str) -> PostgresConnection:
    """Open a connection."""
    return PostgresConnection(connection_url(url))


def _plain(array: pa.Array) -> pa.Array:
    return array.storage if isinstance(array, pa.ExtensionArray) else array


def _indexes(slot: SlotValues) -> str:
    return "{" + ",".join(map(str, slot.subjects)) + "}"


def _bound(values: Sequence[SlotValues]) -> list[str]:
    return [text for slot in values for text in (_indexes(slot), array_literal(slot.values))]


def _settings(values: Sequence[SlotValues], after: Sequence[int | str | bytes]) -> dict[str, str]:
    settings: dict[str, str] = {}
    for number, slot in enumerate(values):
        indexes, texts = setting_names(number)
        settings[indexes] = _indexes(slot)
        settings[texts] = array_literal(slot.values)
    for number, value in enumerate(after):
        settings[f"{AFTER_SETTING}{number}"] = "\\x" + value.hex() if isinstance(value, bytes) else str(value)
    return settings


class _Plan(msgspec.Struct, frozen=True):
    rows: float = msgspec.field(name="Plan Rows")


class _Explained(msgspec.Struct, frozen=True):
    plan: _Plan = msgspec.field(name="Plan")


class _Counted(msgspec.Struct, frozen=True):
    rows: int
    columns: dict[str, tuple[float, int]]


def _statistics(text: str) -> Statistics:
    said = msgspec.json.decode(text, type=_Counted)
    rows = said.rows if said.rows >= 0 else None
    # pg_stats.n_distinct: a count, or where negative a share of the rows.
    distinct = {name: count if count > 0 else -count * (rows or 0) for name, (count, _) in said.columns.items() if count}
    width = sum(width for _, width in said.columns.values())
    return Statistics(rows=rows, row_bytes=width or None, distinct={name: count for name, count in distinct.items() if count >= 1})
