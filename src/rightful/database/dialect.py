"""What differs between databases in the queries that `building` makes, and pieces that several dialects have in common."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from rightful.database.identifying import Slot
from rightful.database.table import Table, TableColumn
from rightful.subject.matching import FOLDED_KINDS


class Dialect(Protocol):
    """What differs between databases."""

    values_are: str
    """`AS` or `AS MATERIALIZED`."""
    kept: str
    """What a relation's query ends in, so that it is run once: for databases without the latter."""
    has_row_values: bool
    """Whether `(a, b) > (x, y)` compares rows column after column (SQL-92 8.2; PostgreSQL 9.24.5, SQLite's rowvalue.html)."""

    is_coarse: bool
    """Whether several identifiers of one subject may be equal to one value: the first of them is meant, by the relation's column `i`."""

    def values(self, number: int, slot: Slot) -> str:
        """Return a query that yields `(n, v)` of a slot."""
        ...

    def text(self, expression: str) -> str:
        """Cast to text."""
        ...

    def apart(self, text: str) -> str:
        """Return a text of which values are the same only letter by letter, whatever its column's collation takes for equal."""
        ...

    def equal(self, column: TableColumn, expression: str, value: str, slot: Slot) -> str:
        """Return the condition that a column (an expression for it) holds a slot's value."""
        ...

    def source(self, relation: str, table: Table, joined: Sequence[TableColumn], condition: str) -> str:
        """Return `relation f` joined with `table t`, in the order that serves best."""
        ...

    def joined(self, column: TableColumn, expression: str, value: str) -> str:
        """Return the condition that a column (an expression for it) holds the same value as another table's; `joining` says which can."""
        ...

    def absent(self, relation: str, pairs: "Sequence[Pair]", slot: Slot | None) -> str:
        """Return the condition that relation has no row for `f.n` that row `t` joins, or equals by the slot."""
        ...

    def after(self, number: int, key: TableColumn) -> str:
        """Return the cursor's value for a column of the key, in its type."""
        ...


class Pair(NamedTuple):
    """A column of `t`, an expression for it, and the relation's column that it is compared with."""

    column: TableColumn
    expression: str
    value: str


def joined_in_order(relation: str, table: Table, joined: Sequence[TableColumn], condition: str, *, in_order: str) -> str:
    """Join values to a table: by its index where it has one, or else once over the table; for a `Dialect`'s `source`.

    Args:
        relation: the values.
        table: joined as the database likes, where it is a view: nothing is known of its indexes.
        joined: the columns that are compared.
        condition: how, with `f` for the relation and `t` for the table.
        in_order: the join that goes from left to right.
    """
    if table.is_view:
        return f"{relation} f JOIN {table.sql} t ON {condition}"
    if any(column.is_indexed for column in joined):
        return f"{relation} f {in_order} {table.sql} t ON {condition}"
    return f"{table.sql} t {in_order} {relation} f ON {condition}"


def compares_exactly(column: TableColumn, slot: Slot) -> bool:
    """Say whether equality in the database finds what the independent check will accept."""
    return column.is_exact or (column.is_caseless and slot.kind in FOLDED_KINDS)


def text_of(column: TableColumn, dialect: Dialect) -> str:
    """Return what makes texts of a column's values; `{}` stands for it."""
    return column.text or dialect.text("{}")
