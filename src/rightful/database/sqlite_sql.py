"""What is SQLite's own in queries and in its catalogue.

SQLite keeps with each value what it is (https://www.sqlite.org/datatype3.html); what a column declares is a wish. So a column's kind is
what all its values in the table are, and where they are of several kinds each is written as JSON.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

import pyarrow as pa

from rightful.database.dialect import Pair, compares_exactly, joined_in_order
from rightful.database.identifying import Form, Slot
from rightful.database.naming import quote
from rightful.database.table import Table, TableColumn
from rightful.database.times import date_limits, limits_of
from rightful.package.schema import Column, ColumnKind

_KINDS = {
    "integer": (ColumnKind.INT, pa.int64()),
    "real": (ColumnKind.FLOAT, pa.float64()),
    "text": (ColumnKind.TEXT, pa.string()),
    "blob": (ColumnKind.BYTES, pa.binary()),
}
LOWER = "lower({})"
"""SQLite's own, which knows ASCII only and may have an index."""
LOWER_OF_ALL = "(lower({}))"
"""The same where all rows are gone over: compared with values as they are, since these have the index then."""
COLLATIONS = ("BINARY", "NOCASE", "RTRIM")
"""Those that SQLite brings along; a file that needs another one cannot be read at all."""
_BY_AFFINITY = {"INTEGER": "integer", "REAL": "real", "BLOB": "blob"}


def affinity(declared: str) -> str:
    """Return a declared type's affinity (section 3.1 of SQLite's page on datatypes)."""
    upper = declared.upper()
    if "INT" in upper:
        return "INTEGER"
    if any(word in upper for word in ("CHAR", "CLOB", "TEXT")):
        return "TEXT"
    if not upper or "BLOB" in upper:
        return "BLOB"
    return "REAL" if any(word in upper for word in ("REAL", "FLOA", "DOUB")) else "NUMERIC"


def column_of(name: str, declared: str, classes: Collection[str], *, collation: str, is_indexed: bool) -> TableColumn:
    """Make a column of what it declares and the storage classes (`typeof`) that its values have."""
    given = set(classes) - {"null"}
    only = next(iter(given)) if len(given) == 1 else _BY_AFFINITY.get(affinity(declared), "text")
    kind, arrow = _KINDS[only] if len(given) <= 1 else (ColumnKind.JSON, pa.string())
    is_text = affinity(declared) == "TEXT"
    is_caseless = is_text and collation == "NOCASE"
    return TableColumn(
        column=Column(name=name, kind=kind, source_type=declared),
        arrow=arrow,
        # Rows of one column's several kinds have an order too: NULL, numbers, text, blobs.
        order="{} COLLATE BINARY",
        form=Form.CASELESS if is_caseless else Form.TEXT,
        is_exact=is_text and collation == "BINARY",
        is_caseless=is_caseless,
        is_direct=kind in {ColumnKind.INT, ColumnKind.TEXT},
        join_type=_join_type(declared, given, kind, collation),
        is_loose=kind is ColumnKind.TEXT and collation != "BINARY",
        key_type=kind.value if kind in {ColumnKind.INT, ColumnKind.TEXT, ColumnKind.BYTES} else "",
        has_nulls="null" in classes,
        # A comparison with text makes numbers of the text, or text of values without a type: in that case an index is of no use.
        is_indexed=is_indexed and affinity(declared) != "BLOB",
    )


def _join_type(declared: str, given: Collection[str], kind: ColumnKind, collation: str) -> str | None:
    """Say what values are compared as: SQLite converts by what columns declare, and so values of two kinds may be equal to one."""
    if not given and affinity(declared) in {"BLOB", "NUMERIC"}:
        return ""
    if kind is ColumnKind.JSON:
        return None
    return kind.value if kind is not ColumnKind.TEXT or collation == "BINARY" else f"text {collation}"


def classes_query(table: str, names: Sequence[str]) -> str:
    """Return the query that says which storage classes the columns' values have, side by side: a few rows for a whole table."""
    return f"SELECT DISTINCT {', '.join(f'typeof(t.{quote(name)})' for name in names)} FROM {table} t"  # noqa: S608 -- quoted names


def collation_query(table: str, names: Sequence[str]) -> str:
    """Return the query whose one row has for each column the number of its collation: the first part of a UNION gives that."""
    listed = ", ".join(f"t.{quote(name)} AS c{number}" for number, name in enumerate(names))
    asked = ", ".join(f"(c{number} = 'A') + 2 * (c{number} = 'a ')" for number in range(len(names)))
    letters = ", ".join("'a'" for _ in names)
    return f"SELECT {asked} FROM (SELECT {listed} FROM {table} t WHERE 0 UNION ALL SELECT {letters})"  # noqa: S608 -- quoted names


def within(column: TableColumn, since: datetime | None, until: datetime | None) -> str | None:
    """Return the condition that a text, read as SQLite reads times, lies between two moments; what is no such text has no time.

    Numbers may count seconds, milliseconds or days: a column of them is none of times.
    """
    if column.column.kind not in {ColumnKind.TEXT, ColumnKind.JSON}:
        return None
    name = f"t.{column.sql}"

    def literal(kind: ColumnKind, text: str) -> str:
        del kind
        return f"'{text}'"

    days = date_limits(f"date({name})", since, until, literal)
    moments = limits_of(f"datetime({name})", ColumnKind.TIMESTAMP, since, until, literal)
    is_time = f"typeof({name}) = 'text' AND {name} GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*' AND datetime({name}) IS NOT NULL"
    return f"CASE WHEN {is_time} THEN CASE WHEN length({name}) = 10 THEN {days} ELSE {moments} END ELSE 1 END"


class SqliteDialect:
    """Queries for SQLite: slots are parameters that hold JSON."""

    values_are = "AS MATERIALIZED"
    kept = ""
    has_row_values = True
    is_coarse = False

    def values(self, number: int, slot: Slot) -> str:
        """Return the slot's pairs out of one JSON text: `[[0, "a"], …]`. CAST gives them an affinity, so that an index of them serves."""
        del slot
        pair = "CAST(json_extract(value, '$[0]') AS INTEGER), CAST(json_extract(value, '$[1]') AS TEXT)"
        return f"SELECT {pair} FROM json_each(:v{number})"  # noqa: S608 -- a constant

    def text(self, expression: str) -> str:
        """Cast to text."""
        return f"CAST({expression} AS TEXT)"

    def apart(self, text: str) -> str:
        """Return it as it is: what comes out of a function is compared by BINARY (datatype3.html 7.1)."""
        return text

    def equal(self, column: TableColumn, expression: str, value: str, slot: Slot) -> str:
        """Compare as text, byte by byte; by the column itself too where that has an index, or is all that is needed."""
        if column.compare == LOWER:
            return f"{LOWER.format(expression)} = +{value}"  # as a value without a type: an index of an expression has none
        exactly = f"{_exactly(expression)} = {value}"
        if compares_exactly(column, slot):
            return f"{column.compare.format(expression)} = {value}"
        return f"{expression} = {value} AND {exactly}" if column.is_indexed else exactly

    def joined(self, column: TableColumn, expression: str, value: str) -> str:
        """Compare as SQLite does, which an index serves, and as text, since it may find a number equal to several texts.

        Where the tables stayed as they were when we looked, the second says no more than the first.
        """
        plain = f"{expression} = {value}"
        return f"{plain} AND {_exactly(expression)} = {self.text(value)}" if _is_exact_as_text(column) else plain

    def source(self, relation: str, table: Table, joined: Sequence[TableColumn], condition: str) -> str:
        """Join: from the values to the table by its index, or else once over the table. CROSS JOIN fixes the order."""
        return joined_in_order(relation, table, joined, condition, in_order="CROSS JOIN")

    def absent(self, relation: str, pairs: Sequence[Pair], slot: Slot | None) -> str:
        """Use NOT IN over the whole relation, which SQLite indexes once; NOT EXISTS it would search anew for each row."""
        if slot is None:
            compared = [(pair.expression, pair.value) for pair in pairs]
            compared += [(_exactly(pair.expression), self.text(pair.value)) for pair in pairs if _is_exact_as_text(pair.column)]
        else:
            compared = [(_compared(pair, slot), pair.value) for pair in pairs]
        nulls = " OR ".join(f"{pair.expression} IS NULL" for pair in pairs)
        left, right = (", ".join(side) for side in zip(*compared, strict=True))
        return f"({nulls} OR (f.n, {left}) NOT IN (SELECT n, {right} FROM {relation}))"  # noqa: S608 -- names made here

    def after(self, number: int, key: TableColumn) -> str:
        """Return the cursor's parameter."""
        del key
        return f":after{number}"


def _exactly(expression: str) -> str:
    return f"CAST({expression} AS TEXT) COLLATE BINARY"


def _compared(pair: Pair, slot: Slot) -> str:
    exact = pair.column.compare.format(pair.expression)
    return exact if compares_exactly(pair.column, slot) else _exactly(pair.expression)


def _is_exact_as_text(column: TableColumn) -> bool:
    """Say whether values of a column that are the same are so as text too; floats lose digits, and loose ones are not meant to be."""
    return column.column.kind is not ColumnKind.FLOAT and not column.is_loose
