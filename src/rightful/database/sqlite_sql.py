"""What is SQLite's own in queries and in its catalogue.

SQLite keeps with each value what it is (https://www.sqlite.org/datatype3.html); what a column declares is a wish. So a column's kind is
what all its values in the table are, and where they are of several kinds each is written as JSON.
"""

from collections.abc import Collection, Sequence

import pyarrow as pa

from rightful.database.identifying import Form, Slot
from rightful.database.naming import quote
from rightful.database.query import compares_exactly
from rightful.database.table import Table, TableColumn
from rightful.package.schema import Column, ColumnKind

_KINDS = {
    "integer": (ColumnKind.INT, pa.int64()),
    "real": (ColumnKind.FLOAT, pa.float64()),
    "text": (ColumnKind.TEXT, pa.string()),
    "blob": (ColumnKind.BYTES, pa.binary()),
}
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
        key_type=kind.value if kind in {ColumnKind.INT, ColumnKind.TEXT, ColumnKind.BYTES} else "",
        has_nulls="null" in classes,
        # A comparison with text makes numbers of the text, or text of values without a type: in that case an index is of no use.
        is_indexed=is_indexed and affinity(declared) != "BLOB",
    )


def classes_query(table: str, names: Sequence[str]) -> str:
    """Return the query that says which storage classes the columns' values have, side by side: a few rows for a whole table."""
    return f"SELECT DISTINCT {', '.join(f'typeof(t.{quote(name)})' for name in names)} FROM {table} t"  # noqa: S608 -- quoted names


def collation_query(table: str, names: Sequence[str]) -> str:
    """Return the query whose one row has for each column the number of its collation: the first part of a UNION gives that."""
    listed = ", ".join(f"t.{quote(name)} AS c{number}" for number, name in enumerate(names))
    asked = ", ".join(f"(c{number} = 'A') + 2 * (c{number} = 'a ')" for number in range(len(names)))
    letters = ", ".join("'a'" for _ in names)
    return f"SELECT {asked} FROM (SELECT {listed} FROM {table} t WHERE 0 UNION ALL SELECT {letters})"  # noqa: S608 -- quoted names


class SqliteDialect:
    """Queries for SQLite: slots are parameters that hold JSON."""

    values_are = "AS MATERIALIZED"

    def values(self, number: int, slot: Slot) -> str:
        """Return the slot's pairs out of one JSON text: `[[0, "a"], …]`. CAST gives them an affinity, so that an index of them serves."""
        del slot
        pair = "CAST(json_extract(value, '$[0]') AS INTEGER), CAST(json_extract(value, '$[1]') AS TEXT)"
        return f"SELECT {pair} FROM json_each(:v{number})"  # noqa: S608 -- a constant

    def text(self, expression: str) -> str:
        """Cast to text."""
        return f"CAST({expression} AS TEXT)"

    def equal(self, column: TableColumn, expression: str, value: str, slot: Slot) -> str:
        """Compare as text, byte by byte; by the column itself too where that has an index, or is all that is needed."""
        exactly = f"CAST({expression} AS TEXT) COLLATE BINARY = {value}"
        if compares_exactly(column, slot):
            return f"{column.compare.format(expression)} = {value}"
        return f"{expression} = {value} AND {exactly}" if column.is_indexed else exactly

    def source(self, relation: str, table: Table, joined: Sequence[TableColumn], condition: str) -> str:
        """Join: from the values to the table by its index, or else once over the table. CROSS JOIN fixes the order."""
        if table.is_view:
            return f"{relation} f JOIN {table.sql} t ON {condition}"
        if any(column.is_indexed for column in joined):
            return f"{relation} f CROSS JOIN {table.sql} t ON {condition}"
        return f"{table.sql} t CROSS JOIN {relation} f ON {condition}"

    def absent(self, relation: str, pairs: Sequence[tuple[str, str]], slot: tuple[TableColumn, Slot] | None) -> str:
        """Use NOT IN over the whole relation, which SQLite indexes once; NOT EXISTS it would search anew for each row."""
        values = ", ".join(value for _, value in pairs)
        expressions = [expression for expression, _ in pairs]
        compared = expressions
        if slot is not None and not compares_exactly(*slot):
            compared = [f"CAST({expressions[0]} AS TEXT) COLLATE BINARY"]
        nulls = " OR ".join(f"{expression} IS NULL" for expression in expressions)
        return f"({nulls} OR (f.n, {', '.join(compared)}) NOT IN (SELECT n, {values} FROM {relation}))"  # noqa: S608 -- names made here

    def after(self, key: TableColumn) -> str:
        """Return the cursor's parameter."""
        del key
        return ":after"
