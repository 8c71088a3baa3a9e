"""What is asked of a database, and the query that asks it, as plain values."""

from typing import Any

import msgspec

from rightful.database.identifying import Slot
from rightful.database.table import Table, TableColumn
from rightful.package.schema import Column


class Via(msgspec.Struct, frozen=True):
    """Rows are reached over rows of another table."""

    parent: "Target"
    join: dict[str, str]
    """Column of this table to column of the parent; all must be equal. `joining` says which may be compared."""


class Within(msgspec.Struct, frozen=True):
    """A condition that rows have to meet beside belonging to somebody."""

    sql: str
    """Of table `t`."""
    said: str
    """For the ledger, behind the other conditions."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A table and how its rows belong to subjects: by match columns, over other tables, or both (either).

    Without any of them every row is wanted, as if it belonged to subject 0.
    """

    source_name: str
    table: Table
    match: tuple[tuple[str, str], ...]
    """Columns and the kind of identifier that each is compared with; a column may be there with several kinds."""
    via: tuple[Via, ...] = ()
    within: Within | None = None
    """Which of the rows are wanted; not of those that other tables are reached over."""


class Output(msgspec.Struct, frozen=True):
    """One column of the batches: its name, which of the query's columns it is, and its Arrow type."""

    name: str
    position: int
    arrow: Any


class Matched(msgspec.Struct, frozen=True):
    """An output that shows what a row was found by: of several, one has an identifier of the kind."""

    output: str
    kind: str
    is_number: bool = False
    """Whether it is a number, and the identifier too: see `subject.matching`."""
    over: tuple[str, ...] = ()
    """Names of the sources that the row is reached over by it, nearest first; empty for a column of the row's own."""


class Hidden(msgspec.Struct, frozen=True, kw_only=True):
    """What outputs are called that are no columns of the table for those who get them."""

    subject: str = "subject"
    key: str = "key"
    match_prefix: str = "match:"

    def key_part(self, number: int) -> str:
        """Return what a column of the key is called."""
        return f"{self.key}:{number}" if number else self.key


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """A query that is ready to run, for any subjects."""

    sql: str
    slots: tuple[Slot, ...]
    outputs: tuple[Output, ...]
    key: tuple[TableColumn, ...]
    """What rows of a subject are ordered by, and a read goes on after; empty where that is not possible."""
    columns: tuple[Column, ...]
    match: tuple[Matched, ...]
    hidden: Hidden
    table: str = ""
    """The quoted name of the table that columns are brought of."""
    attributes: int = 0
    """How many columns that had by its catalogue when the query was built; 0: not known. See `Table.attributes`."""
    is_exact: bool = True
    """Whether the database itself finds what is meant, letter by letter, and no more."""

    def first(self, most: int) -> str:
        """Return its SQL for the first rows; for all of them where `most` is 0."""
        return f"{self.sql} LIMIT {most:d}" if most else self.sql


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which columns a query brings."""

    columns: tuple[TableColumn, ...]
    """Visible ones, in order."""
    key: tuple[TableColumn, ...] = ()
    is_resumed: bool = False
    """Whether only rows after a cursor are wanted."""
    is_ordered: bool = True
    """Whether rows come in a fixed order."""
    as_text: bool = False
    """Whether every column comes as text (for directories)."""
    hidden: Hidden = Hidden()
