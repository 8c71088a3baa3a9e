"""What MySQL and MariaDB know of their tables: columns, keys, indexes, and how much is in them."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from rightful.database import naming
from rightful.database.mysql_connection import MysqlConnection, name_literal
from rightful.database.mysql_types import Said, column_of, quote
from rightful.database.row_batches import Row
from rightful.database.table import Link, Statistics, Table, links_of
from rightful.package.schema import ColumnKind

NAMES = "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() ORDER BY 1 LIMIT 1000"
_TABLE = """
SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, @@lower_case_table_names FROM information_schema.TABLES
WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME = {table}
"""
_COLUMNS = """
SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, coalesce(CHARACTER_SET_NAME, ''), coalesce(COLLATION_NAME, ''),
  coalesce(CHARACTER_MAXIMUM_LENGTH, 0)
FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME = {table} ORDER BY ORDINAL_POSITION
"""
_INDEXES = """
SELECT INDEX_NAME, COLUMN_NAME, NON_UNIQUE, SUB_PART, INDEX_TYPE, CARDINALITY
FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME = {table} ORDER BY INDEX_NAME, SEQ_IN_INDEX
"""
# A JSON column of MariaDB is a LONGTEXT that is checked; MySQL has a type of its own, and no such columns in this view.
_JSON = """
SELECT CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = {schema} AND TABLE_NAME = {table}
"""
_LINKS = """
SELECT CONSTRAINT_NAME, CASE WHEN REFERENCED_TABLE_SCHEMA = DATABASE() THEN REFERENCED_TABLE_NAME
  ELSE CONCAT(REFERENCED_TABLE_SCHEMA, '.', REFERENCED_TABLE_NAME) END, COLUMN_NAME, REFERENCED_COLUMN_NAME
FROM information_schema.KEY_COLUMN_USAGE WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME = {table} AND REFERENCED_TABLE_NAME IS NOT NULL
ORDER BY CONSTRAINT_NAME, ORDINAL_POSITION
"""
_SIZES = """
SELECT TABLE_ROWS, AVG_ROW_LENGTH FROM information_schema.TABLES WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME = {table}
"""
_ORDERED = frozenset({"BTREE", "HASH"})
"""Kinds of indexes that find a value; those of words and of shapes do not."""

_QUOTED = re.compile(r"`((?:[^`]|``)*)`")

Ask = Callable[[str], list[Row]]


def introspect(connection: MysqlConnection, name: str) -> Table | None:
    """Look at a table or view; None where there is none of this name."""
    ask = connection.rows
    place = _place(ask, name)
    if place is None:
        return None
    schema, plain, is_view = place
    names = _literals(schema, plain)
    sql = f"{quote(schema)}.{quote(plain)}"
    # Columns that we may not read are not in the catalogue, and would be left out in silence: this says so.
    connection.run(f"SELECT * FROM {sql} LIMIT 0")  # noqa: S608 -- quoted names
    indexes = _grouped(ask(_INDEXES.format(**names)))
    leading = {index[0][0] for index in indexes if index[0][3] in _ORDERED}
    checked = {row[0] for row in ask(_JSON.format(**names))} if connection.is_mariadb else set()
    rows = ask(_COLUMNS.format(**names))
    columns = tuple(
        column_of(
            Said(
                name=column,
                type=type_,
                declared=declared,
                has_nulls=nullable == "YES",
                charset=charset,
                collation=collation,
                characters=int(characters),
                is_indexed=column in leading,
                is_json=f"json_valid({quote(column)})" in checked,
                in_view=is_view,
            )
        )
        for column, type_, declared, nullable, charset, collation, characters in rows
    )
    unique = {parts[0][4]: tuple(part[0] for part in parts) for parts in indexes if _is_unique(parts)}
    nullable = {column.name for column in columns if column.has_nulls}
    return Table(
        name=name,
        sql=sql,
        columns=columns,
        primary_key=unique.get("PRIMARY", ()),
        unique=tuple(frozenset(names) for names in unique.values() if not nullable.intersection(names)),
        is_view=is_view,
    )


def links(connection: MysqlConnection, table: Table) -> tuple[Link, ...]:
    """Return the foreign keys that a table declares."""
    rows = connection.rows(_LINKS.format(**_names_of(table)))
    return links_of((str(name), str(there), str(ours), str(theirs)) for name, there, ours, theirs in rows)


def statistics(connection: MysqlConnection, table: Table) -> Statistics:
    """Say what the storage engine has counted or guessed."""
    names = _names_of(table)
    distinct: dict[str, float] = {}
    for parts in _grouped(connection.rows(_INDEXES.format(**names))):
        column, cardinality = parts[0][0], parts[0][5]
        if cardinality:
            distinct[column] = max(distinct.get(column, 0.0), float(cardinality))
    [(rows, width)] = connection.rows(_SIZES.format(**names)) or [(None, None)]
    return Statistics(rows=rows, row_bytes=width or None, distinct=distinct)


_SAMPLED_ROWS = 200
_AVERAGE = "CAST(avg(coalesce({}, 4)) AS DOUBLE)"  # NULL is written as `null`
_PLAIN = frozenset({ColumnKind.INT, ColumnKind.FLOAT, ColumnKind.JSON})


def widths(connection: MysqlConnection, table: Table) -> dict[str, float]:
    """Return average widths of the first rows' values, as they are written; the values themselves stay in the database."""
    asked = []
    for column in table.columns:
        length = f"length({column.select.format(f't.{column.sql}')})"
        if column.column.kind is ColumnKind.BYTES:
            length = f"{length} * 4 / 3"
        asked.append(_AVERAGE.format(length if column.column.kind in _PLAIN else f"{length} + 2"))
    rows = f"SELECT * FROM {table.sql} LIMIT {_SAMPLED_ROWS}"  # noqa: S608 -- quoted names
    found = connection.rows(f"SELECT {', '.join(asked)} FROM ({rows}) t")[0]  # noqa: S608 -- quoted names
    return {column.name: width for column, width in zip(table.columns, found, strict=True) if width is not None}


def _place(ask: Ask, name: str) -> tuple[str, str, bool] | None:
    """Return schema, name and whether it is a view. The catalogue compares without case, tables mostly do not: letter by letter is best."""
    *schema, plain = naming.split(name)
    wanted = {"schema": name_literal(schema[0]) if schema else "DATABASE()", "table": name_literal(plain)}
    rows = ask(_TABLE.format(**wanted))
    exact = [row for row in rows if row[1] == plain and row[0] in (schema or [row[0]])]
    found = exact or [row for row in rows if row[3]]
    return (found[0][0], found[0][1], "VIEW" in found[0][2]) if found else None


def _literals(schema: str, table: str) -> dict[str, str]:
    return {"schema": name_literal(schema), "table": name_literal(table)}


def _names_of(table: Table) -> dict[str, str]:
    """Take a table's quoted name apart again."""
    schema, name = _QUOTED.findall(table.sql)
    return _literals(schema.replace("``", "`"), name.replace("``", "`"))


def _grouped(rows: Sequence[Row]) -> list[list[tuple[Any, ...]]]:
    """Return for each index its parts: (column, is_unique, is_whole, type, index name, cardinality)."""
    indexes: dict[str, list[tuple[Any, ...]]] = {}
    for index, column, non_unique, part, type_, cardinality in rows:
        indexes.setdefault(index, []).append((column, not non_unique, part is None, type_, index, cardinality))
    return list(indexes.values())


def _is_unique(parts: Sequence[tuple[Any, ...]]) -> bool:
    """Say whether an index keeps whole columns unique; as they are compared, which is coarser than their bytes."""
    return all(is_unique and is_whole and column is not None for column, is_unique, is_whole, *_ in parts)
