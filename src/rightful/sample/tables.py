"""Tables of the sample company: columns with plain types, written down for SQLite and for PostgreSQL.

Values are given in the form in which SQLite keeps them (ISO text for moments, text for decimals and JSON, 0 and 1 for yes and no); each is
also a valid literal of PostgreSQL's type, so that both hold the same.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

Value = None | int | float | str | bytes
Row = tuple[Value, ...]

_TYPES = {
    "int": ("INTEGER", "bigint"),
    "text": ("TEXT", "text"),
    "float": ("REAL", "double precision"),
    "bytes": ("BLOB", "bytea"),
    # SQLite would turn text with a declared DECIMAL into a float: such columns are TEXT there.
    "decimal": ("TEXT", "numeric"),
    "moment": ("TEXT", "timestamp with time zone"),
    "date": ("TEXT", "date"),
    "json": ("TEXT", "jsonb"),
    "uuid": ("TEXT", "uuid"),
    "bool": ("INTEGER", "boolean"),
    # No type at all: in SQLite each value is what it is; PostgreSQL has text.
    "any": ("", "text"),
}
_ROWS_A_STATEMENT = 500


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its columns in order, the first one the primary key."""

    name: str
    columns: dict[str, str]
    """Name to plain type."""
    indexes: tuple[str, ...] = ()
    """Columns with an index of their own."""

    def schema(self, *, dialect: int = 0) -> Iterator[str]:
        """Yield the statements that make it; dialect 0 is SQLite, 1 PostgreSQL."""
        columns = ", ".join(f'"{name}" {_TYPES[kind][dialect]}'.rstrip() for name, kind in self.columns.items())
        key = next(iter(self.columns))
        yield f'CREATE TABLE "{self.name}" ({columns}, PRIMARY KEY ("{key}"))'
        for column in self.indexes:
            yield f'CREATE INDEX "{self.name}_{column}" ON "{self.name}" ("{column}")'


def fill_sqlite(connection: sqlite3.Connection, tables: Iterable[tuple[Table, Iterable[Row]]]) -> None:
    """Make the tables and put the rows in, in one transaction."""
    with connection:
        for table, rows in tables:
            statements = list(table.schema())
            connection.execute(statements[0])
            marks = ", ".join("?" * len(table.columns))
            connection.executemany(f'INSERT INTO "{table.name}" VALUES ({marks})', rows)  # noqa: S608 - the names are this package's own
            for statement in statements[1:]:
                connection.execute(statement)


def fill_postgres(execute: Callable[[str], object], tables: Iterable[tuple[Table, Iterable[Row]]]) -> None:
    """Make the tables and put the rows in by plain SQL text, a few hundred rows a statement."""
    for table, rows in tables:
        statements = list(table.schema(dialect=1))
        execute(statements[0])
        kinds = tuple(table.columns.values())
        remaining = iter(rows)
        while chunk := list(islice(remaining, _ROWS_A_STATEMENT)):
            values = ", ".join(_literals(row, kinds) for row in chunk)
            execute(f'INSERT INTO "{table.name}" VALUES {values}')  # noqa: S608 - quoted literals
        for statement in statements[1:]:
            execute(statement)


def _literals(row: Row, kinds: Sequence[str]) -> str:
    return "(" + ", ".join(_literal(value, kind) for value, kind in zip(row, kinds, strict=True)) + ")"


def _literal(value: Value, kind: str) -> str:
    """Return a value as a literal of PostgreSQL's type."""
    if value is None:
        return "NULL"
    if kind == "bool":
        return "true" if value else "false"
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'"
    return "'" + str(value).replace("'", "''") + "'"
