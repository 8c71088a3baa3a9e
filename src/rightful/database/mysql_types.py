"""MySQL's and MariaDB's types: how their values travel into Arrow, and what they are compared with."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
import pyarrow as pa

from rightful.database.identifying import Form
from rightful.database.mysql_sql import AS_TEXT, UNFOLDED
from rightful.database.table import TableColumn
from rightful.package.schema import Column, ColumnKind

_NAME = re.compile(r"[a-z0-9_]+")
_PLAIN_COLLATION = re.compile(r"[a-z0-9]+_(general|unicode|unicode_520|uca1400|0900|swedish|bin)(_nopad)?(_a[is])?_ci")
"""Collations that ignore case and have no language's own rules, by which letters can be equal in lower case and yet differ."""
_ONE_TO_ONE = frozenset(
    {"ascii", "latin1", "latin2", "latin5", "latin7", "cp1250", "cp1251", "cp1256", "cp1257", "koi8r", "koi8u"}
    | {"utf8", "utf8mb3", "utf8mb4", "ucs2", "utf16", "utf16le", "utf32"}
)
"""Character sets in which each letter has one code: those of East Asia have some letters twice, of which a conversion knows one."""
_SORTED_CHARACTERS = 1_000
"""What is longer is put in order by its hash: the server looks at the first bytes of a value only."""
_INTEGERS: Mapping[str, tuple[pa.DataType, pa.DataType]] = {
    "tinyint": (pa.int8(), pa.uint8()),
    "smallint": (pa.int16(), pa.uint16()),
    "mediumint": (pa.int32(), pa.uint32()),
    "int": (pa.int32(), pa.uint32()),
    "bigint": (pa.int64(), pa.uint64()),
    "year": (pa.int16(), pa.int16()),
}
_TEXTS = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"})
_BYTES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector"})
_SHAPES = frozenset(
    {"geometry", "point", "linestring", "polygon", "geometrycollection", "geomcollection"}
    | {"multipoint", "multilinestring", "multipolygon"}
)
_SHORTEST = "TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM {}))"
"""A number with no more digits than it needs, as identifiers are searched for."""
_MOMENT = "DATE_FORMAT({}, '%Y-%m-%dT%H:%i:%s.%f')"


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalogue says of a column."""

    name: str
    type: str
    """`varchar`."""
    declared: str
    """`varchar(80)`."""
    has_nulls: bool
    charset: str
    collation: str
    characters: int
    is_indexed: bool
    is_json: bool
    in_view: bool


def column_of(said: Said) -> TableColumn:
    """Make a column of what the catalogue says."""
    changes = _shape(said)
    kind = changes.pop("kind")
    text = changes.get("text") or AS_TEXT
    is_sorted = said.characters <= _SORTED_CHARACTERS and kind is not ColumnKind.JSON and said.type not in _SHAPES
    binary = "{}" if kind is ColumnKind.BYTES else f"CAST({text} AS BINARY)"
    standing: dict[str, Any] = {
        "order": binary if is_sorted else f"SHA2({binary}, 256)",
        "key_type": kind.value if is_sorted and kind is not ColumnKind.FLOAT else "",
        "keys_as_text": kind not in {ColumnKind.INT, ColumnKind.TEXT, ColumnKind.BYTES},
    }
    if not (said.is_indexed or said.in_view):
        changes.pop("lookup", None)
    return TableColumn(
        column=Column(name=said.name, kind=kind, source_type=said.declared),
        has_nulls=said.has_nulls,
        is_indexed=said.is_indexed and bool(changes.get("lookup")),
        quoted=quote(said.name),
        **standing | changes,
    )


def quote(name: str) -> str:
    """Quote an identifier, whatever `sql_mode` says."""
    return "`" + name.replace("`", "``") + "`"


def _shape(said: Said) -> dict[str, Any]:  # noqa: PLR0911 -- a table of types
    """Return what is not the same for all columns."""
    if said.type in _INTEGERS:
        return _integer(said)
    if said.type == "decimal":
        return _decimal(said)
    if said.type in {"float", "double"}:
        # A float is sent with six digits, a double with as many as it needs.
        arrow = pa.float32() if said.type == "float" else pa.float64()
        number = "CAST({} AS DOUBLE)"
        return {
            "kind": ColumnKind.FLOAT,
            "arrow": arrow,
            "select": number,
            "text": AS_TEXT.format(number),
            "is_direct": False,
            "join_type": "float",
        }
    if said.type in _BYTES or said.type in _SHAPES:
        is_shape = said.type in _SHAPES  # as they are stored: four bytes of SRID, then WKB; texts of theirs lose digits
        return {
            "kind": ColumnKind.BYTES, "arrow": pa.binary(), "select": "CAST({} AS BINARY)" if is_shape else "{}", "is_direct": False,
            "join_type": None if is_shape else "bytes", "lookup": "" if is_shape else "{}",
        }  # fmt: skip
    if said.type in {"date", "datetime", "timestamp"}:
        return _moment(said)
    if said.is_json or said.type == "json":
        return {"kind": ColumnKind.JSON, "arrow": pa.string(), "select": AS_TEXT, "is_direct": False, "join_type": None}
    if said.type in _TEXTS:
        return _text(said)
    if said.type == "uuid":
        lookup = "CAST(CONVERT({} USING utf8mb4) AS UUID)"
        return {"kind": ColumnKind.UUID, "arrow": pa.string(), "select": AS_TEXT, "form": Form.UUID, "lookup": lookup, "join_type": "uuid"}
    if said.type == "bit":
        digits = said.declared.removeprefix("bit(").removesuffix(")")
        width = int(digits) if digits.isdigit() else 1
        text = AS_TEXT.format(f"LPAD(BIN({{}} + 0), {width}, '0')")
        return {"kind": ColumnKind.TEXT, "arrow": pa.string(), "select": text, "text": text, "join_type": said.declared}
    # Times of up to 838 hours, which no time of day holds, network addresses, and what comes with later versions: their texts.
    return {"kind": ColumnKind.TEXT, "arrow": pa.string(), "select": AS_TEXT, "join_type": said.type}


def _integer(said: Said) -> dict[str, Any]:
    is_unsigned = "unsigned" in said.declared
    number = "CAST({} AS UNSIGNED)" if is_unsigned else "CAST({} AS SIGNED)"
    return {
        "kind": ColumnKind.INT,
        "arrow": _INTEGERS[said.type][is_unsigned],
        "order": "{}",
        "text": AS_TEXT.format(number),  # without the zeros of ZEROFILL
        "form": Form.UNSIGNED if is_unsigned else Form.INTEGER,
        "lookup": number.format("CONVERT({} USING utf8mb4)"),
        "join_type": "number",
    }


def _decimal(said: Said) -> dict[str, Any]:
    bare = said.declared.partition(")")[0] + ")"
    number = f"CAST({{}} AS {bare})"
    text = AS_TEXT.format(number)
    has_fraction = "," in bare and not bare.endswith(",0)")
    return {
        "kind": ColumnKind.DECIMAL,
        "arrow": pa.string(),
        "select": text,
        "text": text,
        "compare": _SHORTEST.format(text) if has_fraction else text,
        "form": Form.DECIMAL,
        "lookup": number.format("CONVERT({} USING utf8mb4)"),
        "join_type": "number",
    }


def _moment(said: Said) -> dict[str, Any]:
    """Take dates and times as texts in the form of a package: there may be a month 0, a day 0, and all zeros."""
    kind = {"date": ColumnKind.DATE, "datetime": ColumnKind.TIMESTAMP, "timestamp": ColumnKind.TIMESTAMP_TZ}[said.type]
    select = AS_TEXT if kind is ColumnKind.DATE else _MOMENT if kind is ColumnKind.TIMESTAMP else f"CONCAT({_MOMENT}, 'Z')"
    return {"kind": kind, "arrow": pa.string(), "select": select, "is_direct": False, "join_type": said.type}


def _text(said: Said) -> dict[str, Any]:
    is_plain = bool(_NAME.fullmatch(said.charset) and _NAME.fullmatch(said.collation))
    is_caseless = bool(_PLAIN_COLLATION.fullmatch(said.collation))
    lookup = f"CONVERT({UNFOLDED} USING {said.charset}) COLLATE {said.collation}"
    return {
        "kind": ColumnKind.TEXT,
        "arrow": pa.string(),
        "form": Form.FOLDED if is_caseless else Form.TEXT,
        "is_caseless": is_caseless,
        "lookup": lookup if is_plain and said.charset in _ONE_TO_ONE and said.type not in {"enum", "set"} else "",
        "join_type": f"{said.declared if said.type in {'enum', 'set'} else 'text'} {said.collation}",
        "is_loose": not said.collation.endswith(("_nopad_bin", "_0900_bin")),
    }
