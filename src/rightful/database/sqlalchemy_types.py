"""What SQLAlchemy's inspector says of columns: how their values travel, and what they are compared with."""

import uuid
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
import sqlalchemy as sa

from rightful.database.identifying import Form
from rightful.database.sqlalchemy_moments import select
from rightful.database.sqlalchemy_sql import SqlalchemyDialect
from rightful.database.table import TableColumn
from rightful.package.schema import Column, ColumnKind

_BY_PYTHON: Mapping[type, ColumnKind] = {
    bool: ColumnKind.BOOL,
    int: ColumnKind.INT,
    float: ColumnKind.FLOAT,
    Decimal: ColumnKind.DECIMAL,
    str: ColumnKind.TEXT,
    bytes: ColumnKind.BYTES,
    date: ColumnKind.DATE,
    datetime: ColumnKind.TIMESTAMP,
    time: ColumnKind.TIME,
    uuid.UUID: ColumnKind.UUID,
    list: ColumnKind.JSON,
    dict: ColumnKind.JSON,
}
_ARROW: Mapping[ColumnKind, Any] = {
    ColumnKind.BOOL: pa.bool_(),
    ColumnKind.INT: pa.int64(),
    ColumnKind.FLOAT: pa.float64(),
    ColumnKind.BYTES: pa.binary(),
}
_ZONED = frozenset({"DATETIMEOFFSET", "TIMESTAMPTZ"})
_MONEY = frozenset({"MONEY", "SMALLMONEY"})
_WIDE = frozenset({"HUGEINT", "UHUGEINT", "VARINT", "BIGNUM", "INT128"})
_NESTED = frozenset({"STRUCT", "MAP", "UNION"})
_LARGE_IS_ORDERED = frozenset({"sqlite", "postgresql", "mysql", "mariadb", "duckdb"})
"""Where texts of any length can be ordered and compared."""
_PRESENCE = "CASE WHEN {} IS NULL THEN 0 ELSE 1 END"
_UNINDEXED = "({} + 0)"
"""A number without its index: Firebird 5 loses rows of a range by it that begins at the smallest number there is."""
_ORDERED = frozenset({ColumnKind.JSON, ColumnKind.BYTES})
_LONG_TEXTS: Mapping[str, sa.types.TypeEngine[Any]] = {"oracle": sa.String(4000), "mssql": sa.UnicodeText()}


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What the inspector says of a column."""

    name: str
    quoted: str
    type: Any
    has_nulls: bool
    is_indexed: bool


def column_of(said: Said, dialect: SqlalchemyDialect) -> TableColumn:
    """Make a column of what the inspector says."""
    declared = _declared(said.type, dialect)
    kind = _kind(said.type, declared.upper())
    changes = _shape(said.type, kind or ColumnKind.TEXT, declared, dialect)
    if kind is None or isinstance(said.type, sa.JSON):  # a type without a counterpart: the text that the database itself makes of it
        long = _LONG_TEXTS.get(dialect.name, sa.Text())
        changes |= {"select": dialect.cast("{}", long), "order": _PRESENCE, "join_type": None, "is_direct": False, "key_type": ""}
    return TableColumn(
        column=Column(name=said.name, kind=kind or ColumnKind.TEXT, source_type=declared),
        has_nulls=said.has_nulls,
        is_indexed=said.is_indexed,
        quoted=said.quoted,
        **changes,
    )


def _declared(type_: Any, dialect: SqlalchemyDialect) -> str:
    try:
        return dialect.type(type_)
    except sa.exc.SQLAlchemyError:
        return type(type_).__name__


def _kind(type_: Any, declared: str) -> ColumnKind | None:  # noqa: PLR0911 -- a table of types
    name = str(getattr(type_, "__visit_name__", "")).upper()
    if isinstance(type_, sa.JSON) or name in _NESTED:
        return ColumnKind.JSON
    if name in _ZONED or (isinstance(type_, sa.DateTime) and any(getattr(type_, each, False) for each in ("timezone", "local_timezone"))):
        return ColumnKind.TIMESTAMP_TZ
    if declared in _WIDE or name in _MONEY or (isinstance(type_, sa.Numeric) and not isinstance(type_, sa.Float)):
        return ColumnKind.DECIMAL
    if isinstance(type_, sa.Float):
        return ColumnKind.FLOAT
    if isinstance(type_, sa.Uuid):
        return ColumnKind.UUID
    if isinstance(type_, sa.Time) and getattr(type_, "timezone", False):
        return None
    try:
        python = type_.python_type
    except NotImplementedError:
        return None
    return None if python is timedelta else _BY_PYTHON.get(python)


def _shape(type_: Any, kind: ColumnKind, declared: str, dialect: SqlalchemyDialect) -> dict[str, Any]:
    """Return what is not the same for all columns."""
    standing: dict[str, Any] = {
        "arrow": _ARROW.get(kind, pa.string()),
        "join_type": None if kind is ColumnKind.JSON else declared.lower(),
        "order": _PRESENCE if kind in _ORDERED else "{}",
        "is_direct": False,
        "is_compound": isinstance(type_, sa.ARRAY),
        "compare": dialect.text("{}"),
    }
    if kind is ColumnKind.INT:
        is_unsigned = getattr(type_, "unsigned", False) or "UNSIGNED" in declared.upper() or declared.upper().startswith("UBIG")
        standing |= {"form": Form.INTEGER, "is_direct": True, "key_type": "int", "join_type": "number"}
        standing |= {"order": _UNINDEXED} if dialect.name == "firebird" else {}
        standing |= {"arrow": pa.uint64(), "form": Form.UNSIGNED} if is_unsigned else {}
    elif kind is ColumnKind.DECIMAL:
        precision, scale = getattr(type_, "precision", None), getattr(type_, "scale", None)
        fits = f"{precision},{scale or 0}" if precision else ""
        standing |= {"form": Form.DECIMAL, "type_name": fits, "is_direct": True, "key_type": "decimal", "keys_as_text": True}
        standing |= {"join_type": "number"}
    elif kind is ColumnKind.UUID:
        standing |= {"form": Form.UUID, "is_direct": True, "key_type": "uuid", "keys_as_text": True, "join_type": "uuid"}
    elif kind is ColumnKind.TEXT:
        standing |= _text(type_, dialect)
    elif kind is ColumnKind.FLOAT:
        standing |= {"join_type": "float"}
    if kind in {ColumnKind.DATE, ColumnKind.TIME, ColumnKind.TIMESTAMP, ColumnKind.TIMESTAMP_TZ, ColumnKind.BYTES, ColumnKind.BOOL}:
        standing |= {"text": "{}", "select": select(dialect.name, kind)}  # its text is written by us, where it is asked for
    return standing


def _text(type_: Any, dialect: SqlalchemyDialect) -> dict[str, Any]:
    is_padded = isinstance(type_, sa.CHAR | sa.NCHAR)
    is_wide = isinstance(type_, sa.Unicode | sa.UnicodeText | sa.NCHAR)
    is_large = isinstance(type_, sa.Text) and dialect.name not in _LARGE_IS_ORDERED
    collation = getattr(type_, "collation", None) or ""
    shown: dict[str, Any] = {
        "form": Form.PADDED if is_padded else Form.TEXT,
        "type_name": ("nchar" if is_wide else "char") if is_padded else "unicode" if is_wide else "",
        "is_exact": bool(dialect.exact),
        "is_direct": True,
        "text": "{}",
        "compare": dialect.text("{}") if is_large else "{}",
        "lookup": dialect.write(sa.collate(sa.literal_column("{}"), collation)) if collation and not is_large else "",
        "order": _PRESENCE if is_large else dialect.exact or "{}",
        "key_type": "" if is_large else "text",
        "join_type": None if is_large else f"text {collation}".strip(),
        "is_loose": not dialect.exact,
    }
    return shown
