"""What is PostgreSQL's own in queries and in its catalogue."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import pyarrow as pa

from rightful.database.dialect import Pair, compares_exactly
from rightful.database.identifying import DOTTED, UNCERTAIN, Form, Slot
from rightful.database.naming import quote
from rightful.database.table import Table, TableColumn
from rightful.package.schema import Column, ColumnKind
from rightful.subject.matching import FOLDED_KINDS

AFTER_SETTING = "rightful.after"
_C_TEXT = '{}::text COLLATE "C"'
_LETTERS, _STANDING_IN = "".join(UNCERTAIN), "".join(UNCERTAIN.values())

CATALOGUE = """
SELECT json_build_object(
  'name', quote_ident(s.nspname) || '.' || quote_ident(c.relname),
  'is_view', c.relkind IN ('v', 'm', 'f'),
  'attributes', c.relnatts,
  'is_unicode', getdatabaseencoding() = 'UTF8',
  'columns', (
    SELECT coalesce(json_agg(json_build_object(
      'name', a.attname,
      'type', format_type(a.atttypid, a.atttypmod),
      'base', b.base,
      'base_name', b.base_name,
      'is_domain', b.is_domain,
      'is_compound', b.is_compound,
      'not_null', a.attnotnull,
      'indexed', EXISTS (
        SELECT 1 FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
        WHERE i.indrelid = c.oid AND i.indkey[0] = a.attnum AND i.indisvalid AND i.indpred IS NULL AND m.amname IN ('btree', 'hash')),
      'lower_indexed', EXISTS (
        SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indkey[0] = 0 AND i.indisvalid AND i.indpred IS NULL
        AND pg_get_indexdef(i.indexrelid, 1, true) =
          format(CASE a.atttypid WHEN 'text'::regtype THEN 'lower(%I)' ELSE 'lower(%I::text)' END, a.attname)),
      'deterministic', coalesce(l.collisdeterministic, true),
      'collation', CASE WHEN l.collname <> 'default' THEN
        (SELECT quote_ident(w.nspname) || '.' || quote_ident(l.collname) FROM pg_namespace w WHERE w.oid = l.collnamespace) ELSE '' END,
      'is_turkic', CASE WHEN l.collname <> 'default' THEN l.collname ~* '^(tr|az)([-_]|$)' ELSE lower('I') <> 'i' END,
      'readable', has_column_privilege(c.oid, a.attnum, 'SELECT')) ORDER BY a.attnum), '[]')
    FROM pg_attribute a
    LEFT JOIN pg_collation l ON l.oid = a.attcollation
    CROSS JOIN LATERAL (
      WITH RECURSIVE d AS (
        SELECT t.oid, t.typname, t.typnamespace, t.typtype, t.typcategory, t.typbasetype, 0 AS depth FROM pg_type t WHERE t.oid = a.atttypid
        UNION ALL
        SELECT t.oid, t.typname, t.typnamespace, t.typtype, t.typcategory, t.typbasetype, d.depth + 1
        FROM d JOIN pg_type t ON t.oid = d.typbasetype
        WHERE d.typtype = 'd')
      SELECT CASE WHEN d.typnamespace = 'pg_catalog'::regnamespace OR d.typname = 'citext' THEN d.typname ELSE '' END AS base,
        format_type(d.oid, -1) AS base_name, d.depth > 0 AS is_domain, d.typtype = 'c' OR d.typcategory = 'A' AS is_compound
      FROM d WHERE d.typtype <> 'd') b
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  'unique', (
    SELECT coalesce(json_agg(json_build_object('primary', i.indisprimary, 'columns', (
      SELECT json_agg(a.attname ORDER BY k.n) FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, n)
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum WHERE k.n <= i.indnkeyatts)) ORDER BY i.indexrelid), '[]')
    FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
      AND (c.relkind = 'p' OR NOT EXISTS (SELECT 1 FROM pg_inherits h WHERE h.inhparent = c.oid))))::text
FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
WHERE c.oid = to_regclass($1::text) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""
"""One row with all that `table_of` needs; $1 is the quoted name.

An index holds the rows of one table, while a SELECT brings those of tables that inherit from it too: nothing is unique in them together
(https://www.postgresql.org/docs/current/ddl-inherit.html, caveats). Only partitions share what their table promises.
"""

EXCESS = """
SELECT p FROM (
  SELECT 0 AS n, 'everything: it is a superuser' AS p FROM pg_roles WHERE rolname = current_user AND rolsuper
  UNION ALL
  SELECT u.n, u.p FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) WITH ORDINALITY u(p, n)
  WHERE has_table_privilege($1::text::regclass, u.p) AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = current_user AND rolsuper)
) found ORDER BY n
"""
"""What the account may do with a table beside reading it; $1 is the quoted name."""

NAMES = """
SELECT CASE WHEN pg_table_is_visible(c.oid) THEN c.relname ELSE s.nspname || '.' || c.relname END
FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND s.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND $1::text = ''
  AND has_table_privilege(c.oid, 'SELECT') LIMIT 1000
"""

STATISTICS = """
SELECT json_build_object('rows', greatest(c.reltuples, -1)::bigint, 'columns', (
  SELECT coalesce(json_object_agg(p.attname, json_build_array(p.n_distinct, p.avg_width)), '{}')
  FROM pg_stats p JOIN pg_namespace s ON s.nspname = p.schemaname AND s.oid = c.relnamespace WHERE p.tablename = c.relname))::text
FROM pg_class c WHERE c.oid = to_regclass($1::text)
"""

LINKS = """
SELECT c.conname, CASE WHEN pg_table_is_visible(r.oid) THEN r.relname ELSE s.nspname || '.' || r.relname END, a.attname, b.attname
FROM pg_constraint c JOIN pg_class r ON r.oid = c.confrelid JOIN pg_namespace s ON s.oid = r.relnamespace
CROSS JOIN LATERAL unnest(c.conkey, c.confkey) WITH ORDINALITY k(here, there, n)
JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.here JOIN pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = k.there
WHERE c.contype = 'f' AND c.conrelid = to_regclass($1::text) ORDER BY c.conname, k.n
"""
ATTRIBUTES = "(SELECT relnatts FROM pg_catalog.pg_class WHERE oid = to_regclass({}::text))"
"""How many columns a table has, dropped ones too, so that each new one makes them more; `{}` stands for the quoted name."""

WIDTHS = """
SELECT coalesce(json_object_agg(p.attname, json_build_array(p.avg_width, p.null_frac)), '{}')::text, max(c.reltuples)::bigint
FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace JOIN pg_stats p ON p.schemaname = s.nspname AND p.tablename = c.relname
WHERE c.oid = to_regclass($1::text)
"""


class _Type(NamedTuple):
    """How a type of PostgreSQL travels and is compared."""

    kind: ColumnKind
    arrow: pa.DataType
    select: str = "{}"
    order: str = _C_TEXT
    form: Form = Form.TEXT
    compared: str = ""
    is_exact: bool = True
    is_direct: bool = False
    key_type: str = "text"


# Infinite dates and timestamps come as the largest and smallest integers, shifted to 1970 by ADBC and wrapped around: infinity is
# -2147472692 (date32) or -9222425352054775809 (timestamp[us]), -infinity one more than that; everything below them is a value after
# 294246 that wrapped likewise. No value of PostgreSQL's comes near them otherwise. The serializer knows these numbers, for
# columns that say so (`Column.is_wrapped`).
_TYPES: Mapping[str, _Type] = {
    "bool": _Type(ColumnKind.BOOL, pa.bool_()),
    "int2": _Type(ColumnKind.INT, pa.int16(), order="{}", form=Form.INTEGER, compared="bigint", is_direct=True, key_type="bigint"),
    "int4": _Type(ColumnKind.INT, pa.int32(), order="{}", form=Form.INTEGER, compared="bigint", is_direct=True, key_type="bigint"),
    "int8": _Type(ColumnKind.INT, pa.int64(), order="{}", form=Form.INTEGER, compared="bigint", is_direct=True, key_type="bigint"),
    "oid": _Type(ColumnKind.INT, pa.int64(), "{}::int8", "{}::int8", Form.INTEGER, "bigint", is_direct=True, key_type="bigint"),
    "float4": _Type(ColumnKind.FLOAT, pa.float32()),
    "float8": _Type(ColumnKind.FLOAT, pa.float64()),
    # Text costs the client less than ADBC's own reading of numerics (0.8 against 1.3 µs a row), and its digits are the same.
    "numeric": _Type(ColumnKind.DECIMAL, pa.string(), "{}::text", form=Form.DECIMAL, compared="numeric", is_direct=True),
    "text": _Type(ColumnKind.TEXT, pa.string(), compared="text", is_direct=True),
    "varchar": _Type(ColumnKind.TEXT, pa.string(), compared="text", is_direct=True),
    "name": _Type(ColumnKind.TEXT, pa.string(), compared="text", is_direct=True),
    # Cast to text it would lose the blanks at its end, which are its value here.
    "bpchar": _Type(ColumnKind.TEXT, pa.string(), form=Form.PADDED, compared="bpchar", is_direct=True, key_type="bpchar::text"),
    "citext": _Type(ColumnKind.TEXT, pa.string(), "{}::text", form=Form.FOLDED, is_exact=False, is_direct=True),
    "date": _Type(ColumnKind.DATE, pa.date32()),
    "time": _Type(ColumnKind.TIME, pa.time64("us")),
    "timestamp": _Type(ColumnKind.TIMESTAMP, pa.timestamp("us")),
    "timestamptz": _Type(ColumnKind.TIMESTAMP_TZ, pa.timestamp("us", tz="UTC")),
    "uuid": _Type(ColumnKind.UUID, pa.string(), "{}::text", form=Form.UUID, compared="uuid", is_direct=True),
    "bytea": _Type(ColumnKind.BYTES, pa.binary(), order="{}", key_type="bytea"),
    "json": _Type(ColumnKind.JSON, pa.string(), "{}::text"),
    "jsonb": _Type(ColumnKind.JSON, pa.string(), "{}::text"),
}
_JOIN_TYPES: Mapping[str, str] = {
    **dict.fromkeys(("int2", "int4", "int8", "numeric"), "number"),
    **dict.fromkeys(("float4", "float8"), "float"),
    **dict.fromkeys(("text", "varchar", "name"), "text"),
}
"""Types that compare exactly with each other; every other one does with itself only. A number that meets a float is rounded before, and
a text that meets a char(n) or citext is compared as that."""
_WRAPPED = frozenset({ColumnKind.DATE, ColumnKind.TIMESTAMP, ColumnKind.TIMESTAMP_TZ})
_AS_TEXT = _Type(ColumnKind.TEXT, pa.string(), "{}::text", is_direct=True)
"""Everything else: arrays, money, enums, addresses, ranges, intervals, records … ADBC loses some of them or fails on them."""


class _CatalogueColumn(msgspec.Struct, frozen=True):
    name: str
    type: str
    base: str
    base_name: str
    is_domain: bool
    is_compound: bool
    not_null: bool
    indexed: bool
    lower_indexed: bool
    deterministic: bool
    collation: str | None
    """Quoted; empty: the database's."""
    is_turkic: bool
    """Whether its lower case of I is an i without a dot."""
    readable: bool


class _CatalogueKey(msgspec.Struct, frozen=True):
    primary: bool
    columns: tuple[str, ...] | None


class _Catalogue(msgspec.Struct, frozen=True):
    name: str
    is_view: bool
    attributes: int
    is_unicode: bool
    columns: tuple[_CatalogueColumn, ...]
    unique: tuple[_CatalogueKey, ...]


def table_of(name: str, catalogue: str) -> Table:
    """Make a table of what the catalogue says (the JSON of `CATALOGUE`)."""
    said = msgspec.json.decode(catalogue, type=_Catalogue)
    keys = [key for key in said.unique if key.columns]
    required = {column.name for column in said.columns if column.not_null}
    return Table(
        name=name,
        sql=said.name,
        columns=tuple(_column(column, is_unicode=said.is_unicode) for column in said.columns),
        primary_key=next((key.columns for key in keys if key.primary and key.columns), ()),
        unique=tuple(frozenset(key.columns) for key in keys if key.columns and required.issuperset(key.columns)),
        is_view=said.is_view,
        attributes=said.attributes,
    )


def _column(said: _CatalogueColumn, *, is_unicode: bool) -> TableColumn:
    found = _TYPES.get(said.base, _AS_TEXT)
    is_native = bool(found.compared) or said.base == "citext"
    cast = (
        f"({{}})::{'pg_catalog.' + quote(said.base) if said.base != 'citext' else said.base_name}" if said.is_domain and said.base else "{}"
    )
    return TableColumn(
        column=Column(name=said.name, kind=found.kind, source_type=said.type, is_wrapped=found.kind in _WRAPPED),
        arrow=found.arrow,
        select=found.select.format(cast) if said.is_domain else found.select,
        order=found.order,
        compare="{}" if is_native else "{}::text",
        form=found.form,
        type_name=said.base_name if said.base == "citext" else found.compared or "text",
        is_exact=found.is_exact and said.deterministic,
        is_direct=found.is_direct,
        join_type=_JOIN_TYPES.get(said.base, said.base_name) if said.deterministic else None,
        is_loose=said.base == "citext",
        key_type=found.key_type,
        # As text char(n) has lost its blanks, and so must the cursor have: 'ab' comes before E'ab\tc', 'ab    ' after it.
        keys_as_text=found.form is Form.PADDED or (found.key_type == "text" and not pa.types.is_string(found.arrow)),
        has_nulls=not said.not_null,
        is_indexed=said.indexed and is_native,
        is_lower_indexed=said.lower_indexed and not said.is_turkic,
        folded=_folded(said, is_unicode=is_unicode),
        lookup="" if said.is_turkic else _lookup(said, is_unicode=is_unicode),
        is_compound=said.is_compound,
        is_readable=said.readable,
    )


def _folded(said: _CatalogueColumn, *, is_unicode: bool) -> str:
    """Return what puts a mail in lower case, alike in every locale; nothing is searched in a text whose collation is not deterministic."""
    text, letters, small = _C_TEXT, "I", "i"
    if is_unicode:
        text, letters, small = "replace({}, '{}', '{}')".format(_C_TEXT, *DOTTED), f"I{_LETTERS}", f"i{_STANDING_IN}"
    collation = said.collation or 'pg_catalog."default"'
    return f"lower(translate({text}, '{letters}', '{small}') COLLATE {collation}) COLLATE \"C\""


def _lookup(said: _CatalogueColumn, *, is_unicode: bool) -> str:
    """Return what a column is compared with as its index has it: by lower(), or by citext, which does the same.

    What is folded alike is found equal by these too, so they find all that is wanted; and more, since they judge the letters of `UNCERTAIN`
    as the locale does.
    """
    value = f"translate({{}}, '{_STANDING_IN}', '{_LETTERS}')" if is_unicode else "{}"
    if said.base == "citext":
        return f"({value})::{said.base_name}"
    return f"lower({value} COLLATE {said.collation})" if said.collation else f"lower({value})"


_WRITTEN: Mapping[ColumnKind, float] = {
    ColumnKind.BOOL: 5,
    ColumnKind.FLOAT: 17,
    ColumnKind.DATE: 12,
    ColumnKind.TIME: 17,
    ColumnKind.TIMESTAMP: 28,
    ColumnKind.TIMESTAMP_TZ: 29,
    ColumnKind.UUID: 38,
}
"""Bytes of a value of each kind that is always as long; a TIME and a FLOAT at most."""
_QUOTES = 2
_NULL = len("null")
_SHORT = 126
"""A stored text has one byte before it, or four where it is longer than this."""


def width_of(column: TableColumn, stored: float, nulls: float, rows: int) -> float:
    """Return how many bytes a column's values take as they are written, on average.

    Args:
        column: whose values.
        stored: what they take in the table on average, NULL apart (pg_stats.avg_width).
        nulls: the share of NULL.
        rows: of the table; keys are about as long as that number.
    """
    content = max(0.0, stored - (1 if stored <= _SHORT else 4))
    match column.column.kind:
        case ColumnKind.INT:
            written = float(len(str(rows)))
        case ColumnKind.DECIMAL:
            written = 2 * content + _QUOTES  # four digits in two bytes, a sign and a point
        case ColumnKind.BYTES:
            written = content * 4 / 3 + _QUOTES
        case ColumnKind.JSON:
            written = content
        case kind:
            written = _WRITTEN.get(kind, content + _QUOTES)
    return written * (1 - nulls) + _NULL * nulls


class PostgresDialect:
    """Queries for PostgreSQL: slots are read from settings of the transaction, or are parameters."""

    values_are = "AS"
    kept = ""
    has_row_values = True
    is_coarse = False

    def __init__(self, *, bound: bool) -> None:
        self._bound = bound

    def values(self, number: int, slot: Slot) -> str:
        """Return the slot's pairs; casting the values, not the column, leaves a plain index of use."""
        if self._bound:
            indexes, values = f"${2 * number + 1}::text", f"${2 * number + 2}::text"
        else:
            indexes, values = (f"current_setting('{name}')" for name in setting_names(number))
        type_name = "text" if _is_folded(slot) else slot.type_name
        return f"SELECT n, v FROM unnest({indexes}::int4[], {values}::{type_name}[]) u(n, v)"  # noqa: S608 -- type names of the catalogue

    def text(self, expression: str) -> str:
        """Cast to text."""
        return f"{expression}::text"

    def apart(self, text: str) -> str:
        """Collate by bytes; a cast to text, trim and lower keep a column's collation."""
        return f'{text} COLLATE "C"'

    def equal(self, column: TableColumn, expression: str, value: str, slot: Slot) -> str:
        """Compare in the column's type, and as text where that is not exact; mails in lower case, so that each row has one value."""
        if _is_folded(slot):
            exactly = f"{column.folded.format(expression)} = {value}"
            return f"{column.compare.format(expression)} = {column.lookup.format(value)} AND {exactly}" if column.lookup else exactly
        plain = f"{column.compare.format(expression)} = {value}"
        if compares_exactly(column, slot):
            return plain
        return f"{plain} AND {_C_TEXT.format(expression)} = {_C_TEXT.format(value)}"

    def joined(self, column: TableColumn, expression: str, value: str) -> str:
        """Compare as they are: what may be joined compares exactly."""
        del column
        return f"{expression} = {value}"

    def source(self, relation: str, table: Table, joined: Sequence[TableColumn], condition: str) -> str:
        """Join; the planner knows best."""
        del joined
        return f"{relation} f JOIN {table.sql} t ON {condition}"

    def absent(self, relation: str, pairs: Sequence[Pair], slot: Slot | None) -> str:
        """An anti join."""
        conditions = (
            self.joined(column, expression, f"g.{value}") if slot is None else self.equal(column, expression, f"g.{value}", slot)
            for column, expression, value in pairs
        )
        condition = " AND ".join(conditions)
        return f"NOT EXISTS (SELECT 1 FROM {relation} g WHERE g.n = f.n AND {condition})"  # noqa: S608 -- names made here

    def after(self, number: int, key: TableColumn) -> str:
        """Read the cursor from the transaction's setting."""
        return f"current_setting('{AFTER_SETTING}{number}')::{key.key_type}"


def _is_folded(slot: Slot) -> bool:
    return slot.form is Form.FOLDED and slot.kind in FOLDED_KINDS


def setting_names(number: int) -> tuple[str, str]:
    """Return the names of the settings that carry a slot's subject indexes and values."""
    return f"rightful.n{number}", f"rightful.v{number}"


def array_literal(values: Sequence[str]) -> str:
    """Write a text array as PostgreSQL reads it."""
    escaped = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in escaped) + "}"
