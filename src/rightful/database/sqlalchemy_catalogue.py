"""What SQLAlchemy's inspector knows of tables: columns, keys, indexes, links; and how much is in them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.engine.interfaces import ReflectedIndex
from sqlalchemy.engine.reflection import Inspector

from rightful.database import naming
from rightful.database.sqlalchemy_connection import SqlalchemyConnection
from rightful.database.sqlalchemy_sql import Names, SqlalchemyDialect
from rightful.database.sqlalchemy_types import Said, column_of
from rightful.database.sqlalchemy_values import array_of
from rightful.database.table import Link, Statistics, Table, TableColumn, links_of
from rightful.package.schema import Column, ColumnKind
from rightful.package.serializer import Serializer

T = TypeVar("T")
_NAMED = 1000
_COUNTED = 1_000_000
"""Rows are counted up to here: as many or more than anybody asks about."""
_SAMPLED = 200


class _Index(NamedTuple):
    columns: Sequence[str]
    """Empty where it is of expressions."""
    is_unique: bool
    """For all rows."""

    @classmethod
    def of(cls, said: ReflectedIndex) -> "_Index":
        columns = [name for name in said["column_names"] if name is not None]
        is_plain = len(columns) == len(said["column_names"])
        is_partial = any(option.endswith("_where") and said["dialect_options"][option] for option in said.get("dialect_options", {}))
        return cls(columns if is_plain else (), bool(said["unique"]) and is_plain and not is_partial)


def names(connection: SqlalchemyConnection) -> list[str]:
    """Return tables and views of the schema that the account starts in."""
    inspector = _inspector(connection)
    return sorted({_written(name) for name in (*inspector.get_table_names(), *_views(inspector, None))})[:_NAMED]


def introspect(connection: SqlalchemyConnection, name: str, dialect: SqlalchemyDialect) -> Table | None:
    """Look at a table or view; None where there is none of this name."""
    inspector, quote = _inspector(connection), Names(connection.dialect)
    schema, plain = _place(inspector, name)
    try:
        found = inspector.get_columns(plain, schema)
    except sa.exc.NoSuchTableError:
        return None
    if not found:
        return None
    is_view = plain in _views(inspector, schema)
    key = tuple(_try(lambda: [*inspector.get_pk_constraint(plain, schema)["constrained_columns"]]))
    indexes = [_Index.of(index) for index in _try(lambda: inspector.get_indexes(plain, schema))]
    unique = [[*each["column_names"]] for each in _try(lambda: inspector.get_unique_constraints(plain, schema))]
    unique += [[*index.columns] for index in indexes if index.is_unique]
    unique += [[*key]] if key else []
    leading = {columns[0] for columns in (*(index.columns for index in indexes), *unique) if columns}
    nullable = {column["name"] for column in found if column.get("nullable", True) and column["name"] not in key}
    columns = [
        Said(
            name=str(column["name"]),
            quoted=quote(column["name"]),
            type=column["type"],
            has_nulls=column["name"] in nullable,
            is_indexed=column["name"] in leading,
        )
        for column in found
    ]
    sets = tuple(frozenset(map(str, each)) for each in unique if not nullable.intersection(each))
    made = (column_of(said, dialect) for said in columns)
    return Table(
        name=name,
        sql=f"{quote(schema)}.{quote(plain)}" if schema else quote(plain),
        columns=tuple(made) if dialect.exact else tuple(_without_ties(column, sets) for column in made),
        primary_key=tuple(map(str, key)),
        unique=sets,
        is_view=is_view,
    )


def _without_ties(column: TableColumn, unique: Sequence[frozenset[str]]) -> TableColumn:
    """Have a text be a key only where no two are equal: several come in some order, which comparing does not know."""
    is_usable = column.column.kind is not ColumnKind.TEXT or frozenset({column.name}) in unique
    return column if is_usable else msgspec.structs.replace(column, key_type="")


def links(connection: SqlalchemyConnection, table: Table) -> tuple[Link, ...]:
    """Return the foreign keys that a table declares."""
    inspector = _inspector(connection)
    schema, plain = _place(inspector, table.name)
    rows: list[tuple[str, str, str, str]] = []
    for number, key in enumerate(_try(lambda: inspector.get_foreign_keys(plain, schema))):
        there = ".".join(_written(part) for part in (key["referred_schema"], key["referred_table"]) if part)
        rows += [(str(number), there, *pair) for pair in zip(key["constrained_columns"], key["referred_columns"], strict=False)]
    return links_of(rows)


def statistics(connection: SqlalchemyConnection, table: Table, limit_s: float) -> Statistics:
    """Count rows, up to a million."""
    some = sa.select(sa.literal_column("1").label("one")).select_from(_from(table)).limit(_COUNTED).subquery("q")
    [(rows,)] = connection.rows(sa.select(sa.func.count()).select_from(some), {}, limit_s)
    return Statistics(rows=int(rows))


def widths(connection: SqlalchemyConnection, table: Table, limit_s: float) -> dict[str, float]:
    """Return average widths of the first rows' values, as they are written."""
    wanted: list[sa.ColumnElement[Any]] = [
        sa.literal_column(column.select.format(column.sql)).label(f"c{number}") for number, column in enumerate(table.columns)
    ]
    rows = connection.rows(sa.select(*wanted).select_from(_from(table)).limit(_SAMPLED), {}, limit_s)
    columns = zip(*rows, strict=True)
    return {column.name: _width(column, values) for column, values in zip(table.columns, columns, strict=False)}


def _width(column: TableColumn, values: tuple[Any, ...]) -> float:
    said = Column(name="c", kind=column.column.kind)
    batch = pa.RecordBatch.from_arrays([array_of(values, said.kind, column.arrow)], ["c"])
    return len(Serializer([said]).lines(batch)) / len(values) - len('{"c":}\n')


def _from(table: Table) -> sa.TextClause:
    return sa.text(table.sql.replace(":", "\\:"))


def _inspector(connection: SqlalchemyConnection) -> Inspector:
    return sa.inspect(connection.raw)


def _place(inspector: Inspector, name: str) -> tuple[str | None, str]:
    """Return schema and name, as the inspector takes them: in lower case is what letter case does not count for, or what was quoted so."""
    *schema, plain = naming.split(name)
    place = schema[0] if schema else None
    if inspector.dialect.requires_name_normalize and not inspector.has_table(plain, place):
        return place, sa.quoted_name(plain, quote=True)
    return place, plain


def _written(name: str) -> str:
    """Write a name as the configuration has it."""
    return f'"{name.replace(chr(34), chr(34) * 2)}"' if "." in name or name.startswith('"') else name


def _views(inspector: Inspector, schema: str | None) -> Iterable[str]:
    return [
        *_try(lambda: inspector.get_view_names(schema)),
        *_try(lambda: inspector.get_materialized_view_names(schema)),
    ]


def _try(ask: Callable[[], list[T]]) -> list[T]:
    """Ask what not every dialect can say."""
    try:
        return ask()
    except (NotImplementedError, sa.exc.NoSuchTableError):
        return []
