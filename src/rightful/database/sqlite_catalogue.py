"""What SQLite knows of its tables: names, keys, indexes, and of what kind all the values of a column are."""

import sqlite3
from collections.abc import Mapping
from contextlib import suppress

from rightful.database import naming
from rightful.database.sqlite_sql import COLLATIONS, classes_query, collation_query, column_of
from rightful.database.table import Statistics, Table
from rightful.package.schema import ColumnKind

_COLUMNS = "SELECT name, coalesce(type, ''), pk FROM pragma_table_xinfo(?, ?) WHERE hidden <> 1 ORDER BY cid"
_LISTED = """SELECT schema, name, type, wr FROM pragma_table_list
WHERE name = ? COLLATE NOCASE AND (? IS NULL OR schema = ? COLLATE NOCASE) ORDER BY schema = 'main' DESC"""
_NAMES = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite$_%' ESCAPE '$'"
_PARTS = "SELECT name, coll FROM pragma_index_xinfo(?, ?) WHERE key ORDER BY seqno"
_INDEXES = 'SELECT name, "unique", partial FROM pragma_index_list(?, ?)'


def table_names(connection: sqlite3.Connection) -> list[str]:
    """Return the names of tables and views."""
    return [row[0] for row in connection.execute(_NAMES)]


def introspect(connection: sqlite3.Connection, name: str) -> Table | None:
    """Look at a table or view: its schema, and the kinds of all its values. None where there is none of this name."""
    *schema, plain = naming.split(name)
    listed = _table_list(connection, plain, schema[0] if schema else None)
    if listed is None:
        return None
    actual_schema, actual, kind, without_rowid = listed
    sql = f"{naming.quote(actual_schema)}.{naming.quote(actual)}"
    info = connection.execute(_COLUMNS, (actual, actual_schema)).fetchall()
    if not info:
        return None
    names = [row[0] for row in info]
    key = tuple(row[0] for row in sorted((row for row in info if row[2]), key=lambda row: row[2]))
    is_rowid_key = not without_rowid and len(key) == 1 and next(row[1] for row in info if row[0] == key[0]).upper() == "INTEGER"
    classes = dict(zip(names, zip(*connection.execute(classes_query(sql, names)), strict=True), strict=False))
    collations = {
        name: COLLATIONS[number] for name, number in zip(names, connection.execute(collation_query(sql, names)).fetchone(), strict=True)
    }
    unique, leading = _indexes(connection, actual, actual_schema, collations)
    if is_rowid_key:
        unique.append(frozenset(key))
        leading.add(key[0])
    columns = tuple(
        column_of(
            name,
            declared,
            classes.get(name, ()),
            collation=collations[name],
            is_indexed=name in leading,
        )
        for name, declared, _ in info
    )
    nullable = {column.name for column in columns if column.has_nulls}
    return Table(
        name=name,
        sql=sql,
        columns=columns,
        primary_key=key,
        unique=tuple(found for found in unique if not found & nullable),
        is_view=kind != "table",
        order="{}.rowid" if kind == "table" and not without_rowid and "rowid" not in {name.lower() for name in names} else "",
    )


def _table_list(connection: sqlite3.Connection, name: str, schema: str | None) -> tuple[str, str, str, bool] | None:
    """Return schema, name, kind and whether there is no rowid; names are compared as SQLite does."""
    row = connection.execute(_LISTED, (name, schema, schema)).fetchone()
    return (row[0], row[1], row[2], bool(row[3])) if row else None


def _indexes(
    connection: sqlite3.Connection, table: str, schema: str, collations: Mapping[str, str]
) -> tuple[list[frozenset[str]], set[str]]:
    """Return the sets of columns that are unique as they are compared, and the columns that an index starts with.

    An index may compare more finely than its column, which then is not unique: `a COLLATE NOCASE`, indexed `COLLATE BINARY`.
    """
    unique: list[frozenset[str]] = []
    leading: set[str] = set()
    for index, is_unique, is_partial in connection.execute(_INDEXES, (table, schema)).fetchall():
        parts = connection.execute(_PARTS, (index, schema)).fetchall()
        columns = [name for name, _ in parts]
        if is_partial or not columns or None in columns:
            continue
        leading.add(columns[0])
        if is_unique and all(collations[name] in {"BINARY", collation} for name, collation in parts):
            unique.append(frozenset(columns))
    return unique, leading


def statistics_of(connection: sqlite3.Connection, table: Table) -> Statistics:
    """Say what ANALYZE has counted, and else at most how many rows there are."""
    rows: int | None = None
    distinct: dict[str, float] = {}
    plain = naming.split(table.sql)[-1]
    with suppress(sqlite3.OperationalError):  # there is no sqlite_stat1 before the first ANALYZE
        for index, stat in connection.execute("SELECT idx, stat FROM sqlite_stat1 WHERE tbl = ?", (plain,)).fetchall():
            counts = [int(word) for word in stat.split() if word.isdigit()]
            rows = counts[0] if counts else rows
            if index and len(counts) > 1:
                row = connection.execute("SELECT name FROM pragma_index_info(?) ORDER BY seqno LIMIT 1", (index,)).fetchone()
                if row and row[0]:
                    distinct[row[0]] = max(1.0, counts[0] / max(counts[1], 1))
    if rows is None and table.order:
        rows = connection.execute(f"SELECT max(t.rowid) FROM {table.sql} t").fetchone()[0] or 0  # noqa: S608 -- quoted
    return Statistics(rows=rows, distinct=distinct)


def widths_of(connection: sqlite3.Connection, table: Table) -> dict[str, float]:
    """Return average widths of the first rows' values, as they are written; the values themselves stay in the database."""
    asked = ", ".join(_WIDTHS.get(column.column.kind, _QUOTED).format(f"t.{naming.quote(column.name)}") for column in table.columns)
    rows = f"SELECT * FROM {table.sql} LIMIT {_SAMPLED_ROWS}"  # noqa: S608 -- quoted
    found = connection.execute(f"SELECT {asked} FROM ({rows}) t").fetchone()  # noqa: S608 -- quoted
    return {column.name: width for column, width in zip(table.columns, found, strict=True) if width is not None}


_SAMPLED_ROWS = 200
_AVERAGE = "avg(coalesce({}, 4))"  # NULL is written as `null`
_PLAIN = _AVERAGE.format("length(CAST({0} AS BLOB))")
_QUOTED = _AVERAGE.format("length(CAST({0} AS BLOB)) + 2")
_WIDTHS = {
    ColumnKind.INT: _PLAIN,
    ColumnKind.FLOAT: _PLAIN,
    ColumnKind.BYTES: _AVERAGE.format("length({0}) * 4 / 3 + 2"),
}
