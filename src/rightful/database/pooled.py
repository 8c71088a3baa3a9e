"""What databases have in common that are read over connections of a pool: most of `database.interface.Database` that asks no server."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

from rightful.database import building, naming
from rightful.database.dialect import Dialect
from rightful.database.identifying import SlotValues
from rightful.database.kept import Kept
from rightful.database.pool import Connection, Pool
from rightful.database.query import Query, Target, Wanted
from rightful.database.table import Owner, Table

C = TypeVar("C", bound=Connection)
_TABLE_KEPT_S = 30.0
"""A column added meanwhile is missing from reads that start within this time, where the database does not say at each what it has."""


class PooledDatabase(ABC, Generic[C]):
    """A database for one source; connections are shared by all of one URL."""

    def __init__(self, pool: Pool[C], *, source_name: str, stream_s: int) -> None:
        self._pool = pool.join()
        self._source_name = source_name
        self._stream_s = stream_s

    @property
    @abstractmethod
    def _dialect(self) -> Dialect:
        """What its queries look like."""

    @property
    def _bound_dialect(self) -> Dialect:
        """What those look like that count: their values are always bound."""
        return self._dialect

    @property
    def where(self) -> str:
        """The source; see `database.interface.Database`."""
        return f"source {self._source_name!r}"

    def build(self, target: Target, wanted: Wanted) -> Query:
        """Build a query for `stream`."""
        return building.build(target, wanted, self._dialect)

    def build_lookup(self, target: Target, wanted: Wanted) -> Query:
        """Build a query for `rows`."""
        return self.build(target, wanted)

    def build_count(self, target: Target, owners: Sequence[Owner] = ()) -> Query:
        """Build a query for `count`."""
        return building.build_count(target, self._bound_dialect, owners)

    def build_owners(self, held: Target, reached: Target) -> Query:
        """Build a query for `count`."""
        return building.build_owners(held, reached, self._bound_dialect)

    def missing_index(self, table: Table, name: str) -> str:
        """Return nothing: whether an index of an expression would serve is each database's own; SQLite's lower() knows ASCII only."""
        del table, name
        return ""

    def guess(self, target: Target, query: Query, values: Sequence[SlotValues]) -> int | None:
        """Return None: the planner is not asked, or tells nobody what it expects."""
        del target, query, values
        return None

    def close(self) -> None:
        """Leave the pool."""
        self._pool.leave()


class CataloguedDatabase(PooledDatabase[C]):
    """A database whose catalogue says what a table is like; that is kept for half a minute."""

    def __init__(self, pool: Pool[C], *, source_name: str, stream_s: int) -> None:
        super().__init__(pool, source_name=source_name, stream_s=stream_s)
        self._tables = Kept[Table](_TABLE_KEPT_S)

    @abstractmethod
    def names(self) -> list[str]:
        """Ask the catalogue; see `database.interface.Database`."""

    @abstractmethod
    def _introspect(self, name: str) -> Table | None:
        """Ask the catalogue for a table; None where there is none."""

    def table(self, name: str) -> Table:
        """Ask the catalogue; kept for half a minute."""
        return self._tables.get(name, lambda: self._looked_up(name))

    def _looked_up(self, name: str) -> Table:
        table = self._introspect(name)
        if table is None:
            raise naming.no_table(name, self.names(), self._source_name)
        return table

    def forget(self) -> None:
        """Ask the catalogue again the next time."""
        self._tables.forget()
