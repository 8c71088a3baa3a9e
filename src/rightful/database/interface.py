"""The contract of a database: what connectors and directories ask of it.

Rules:
* It is only read. Each `stream` sees one moment of the database, whatever happens meanwhile.
* Names are checked against the database's own catalogue and quoted; values are never part of SQL text.
* `SourceUnavailable` is worth another try, `SourceRefused` is not; nothing else is raised. No message holds a password or a value.
* Calls come from any thread, several at once; each running `stream` holds a connection of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from rightful.database.identifying import SlotValues
from rightful.database.query import Query, Target, Wanted
from rightful.database.table import Link, Owner, Statistics, Table, TableColumn

SLOW = "an index on the columns of `match` and `via` makes it quicker; a source may take longer with a larger `timeout_s`"
"""What to do about a query that took too long."""

UNKNOWN_HOST = "the name of its host is not known"
"""Said of a server whose address cannot be found out."""
UNKNOWN_HOST_HINT = "look how the host is written in the source's url, and whether this machine's name service answers"


class Snapshot(Protocol):
    """One moment of a database, for streams of every source that has the same one; see `connectors.interface.Moment`."""

    @property
    def is_shared(self) -> bool:
        """Whether streams of it may run side by side."""
        ...

    @property
    def is_lost(self) -> bool:
        """Whether it is gone."""
        ...

    def close(self) -> None:
        """Let go of it; never raises."""
        ...


class Database(Protocol):
    """One database, for one source."""

    @property
    def where(self) -> str:
        """What messages call it: its source. The address is for the operator alone, and callers read messages too."""
        ...

    def table(self, name: str) -> Table:
        """Return what is known of a table or view; kept for a short while."""
        ...

    def names(self) -> list[str]:
        """Return the names of tables and views, as `table` takes them, sorted; of a large database the first 1,000."""
        ...

    def links(self, table: Table) -> tuple[Link, ...]:
        """Return the foreign keys that a table declares."""
        ...

    def excess(self, table: Table) -> tuple[str, ...]:
        """Return what the account may do with a table beside reading it, as the database names it; nothing where that cannot be told."""
        ...

    def statistics(self, table: Table) -> Statistics:
        """Return what the database knows of a table's size; cheap."""
        ...

    def build(self, target: Target, wanted: Wanted) -> Query:
        """Build a query in this database's SQL, to be used as often as wanted."""
        ...

    def snapshot(self, limit_s: float) -> Snapshot | None:
        """Keep this moment, for at most about so long where the database can see to it; None where it cannot keep one."""
        ...

    def stream(
        self, query: Query, values: Sequence[SlotValues], after: Sequence[int | str | bytes] = (), *, snapshot: Snapshot | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Run a query and yield batches of at most about 4 MiB, with columns as in `query.outputs`. Slots without one value: not one query.

        Args:
            query: made by `build`.
            values: for its slots.
            after: for a resumed query: one value for each column of its key.
            snapshot: what the query sees; else the moment it starts. A failure for which only the snapshot is to blame makes it lost.
        """
        ...

    def caseless(self, table: Table, name: str, *, is_ascii: bool, is_single: bool) -> Table:
        """Return the table with a column that is compared in lower case; slow without an index on lower(column).

        `is_ascii` says that no other letters are searched for, `is_single` that it is for one subject.
        """
        ...

    def missing_index(self, table: Table, name: str) -> str:
        """Return the statement that makes the index by which a column that is compared in lower case would be read quickly.

        Empty where it is there, or none would help.
        """
        ...

    def build_lookup(self, target: Target, wanted: Wanted) -> Query:
        """Build a query for `rows`."""
        ...

    def rows(self, query: Query, values: Sequence[SlotValues], *, most: int = 0) -> list[tuple[object, ...]]:
        """Run a query whose answer is small, or of which the first rows are enough: `most`, where it is not 0.

        Rows hold subject index and wanted columns, in the query's own order.
        """
        ...

    def within(self, column: TableColumn, since: datetime | None, until: datetime | None) -> str | None:
        """Return the condition that a row of `t` lies between two moments, or has none; None where the column holds no times."""
        ...

    def build_count(self, target: Target, owners: Sequence[Owner] = ()) -> Query:
        """Build a query for `count`: of rows, or of the different owners that rows have; see `building.build_count`."""
        ...

    def build_owners(self, held: Target, reached: Target) -> Query:
        """Build a query for `count`: to how many people the values belong that rows hold.

        Different values of each kind are different people, wherever in `reached` they stand: a row names those in its own match columns,
        and those in the rows that it is reached over. A row that names nobody is somebody's of its own, for it may be anybody's.

        Args:
            held: a table, and its columns that hold the values.
            reached: the same table, and how its rows belong to people.
        """
        ...

    def count(self, query: Query, values: Sequence[SlotValues], *, limit_s: float) -> dict[int, int] | None:
        """Return how many rows there are, by subject index (none: left out); None where counting would take longer than `limit_s`."""
        ...

    def guess(self, target: Target, query: Query, values: Sequence[SlotValues]) -> int | None:
        """Return how many rows the planner expects for all values together, None where it cannot tell; query and values as in `count`."""
        ...

    def widths(self, table: Table) -> Mapping[str, float]:
        """Return how many bytes the values of columns take on average, as they are written in a package; empty where that is not known."""
        ...

    def verify(self, query: Query) -> None:
        """Have the database look at a query of `build_lookup` without running it: names, types, our rights."""
        ...

    def forget(self) -> None:
        """Forget what is known of tables: they have changed."""
        ...

    def close(self) -> None:
        """Release connections that nobody else uses; not used afterwards."""
        ...
