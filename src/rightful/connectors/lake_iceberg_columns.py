"""Columns of an Iceberg table, found in its files by their ids: names, places and types may be others there than in the table."""

from collections.abc import Mapping, Sequence

import msgspec
import polars as pl
import pyarrow as pa
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.schema import Schema as IcebergSchema
from pyiceberg.table.name_mapping import MappedField, NameMapping
from pyiceberg.types import IcebergType, ListType, MapType, NestedField, StructType

from rightful.connectors.lake_types import common_type

_ID = b"PARQUET:field_id"


class Unmapped(Exception):
    """A file's columns cannot be told; the text says why."""


class Column(msgspec.Struct, frozen=True):
    """A column of a file."""

    name: str
    """What the table calls it."""
    source: str
    """What the file calls it; empty where it has one value, which the file does not hold."""
    read: pl.Expr
    """Its values as the table has them; a type that is narrower than the table's stays."""


def columns_of(
    file: pa.Schema,
    found: Mapping[str, pl.DataType],
    table: IcebergSchema,
    names: NameMapping | None,
    constants: Mapping[int, object],
) -> list[Column]:
    """Return the table's columns that a file has, in the table's order; raises `Unmapped`.

    `constants` are values of the file's partition, by the ids of the columns: files of tables that were Hive's do not
    hold these columns, and every row has the value (Iceberg's specification, "Column Projection").
    """
    ids = _ids(list(file), names.root if names else None)
    if not ids and len(file):
        raise Unmapped("has columns without ids, and the table has no schema.name-mapping.default that would tell them")
    stated = pl.DataFrame(pa.table(schema_to_pyarrow(table, include_field_ids=False).empty_table())).schema
    columns = []
    for field in table.fields:
        if field.field_id not in ids and field.field_id in constants:
            columns.append(
                Column(field.name, "", pl.lit(constants[field.field_id]).cast(stated[field.name], strict=True).alias(field.name))
            )
        elif _is_there(field, ids):
            columns.append(_column(field, ids, found, stated[field.name], names))
    return columns


def _column(
    field: NestedField, ids: Mapping[int, pa.Field], found: Mapping[str, pl.DataType], stated: pl.DataType, names: NameMapping | None
) -> Column:
    source = ids[field.field_id]
    have, column = found[source.name], pl.col(source.name)
    if field.field_type.is_primitive:
        return Column(field.name, source.name, _promoted(column, have, stated).alias(field.name))
    mapped = _mapped(names.root, source.name) if names else None
    read = (
        column
        if have == stated and _is_same(source.type, field.field_type, mapped)
        else _nested(column, source.type, field.field_type, stated, mapped)
    )
    return Column(field.name, source.name, read.alias(field.name))


def _promoted(column: pl.Expr, found: pl.DataType, stated: pl.DataType) -> pl.Expr:
    """Return a column as it is where the lake widens it by itself. Times in Spark's old form (INT96) get the zone that the table says."""
    if isinstance(found, pl.Datetime) and isinstance(stated, pl.Datetime) and found.time_unit == "ns" != stated.time_unit:
        return column.cast(pl.Datetime("us")).dt.replace_time_zone(stated.time_zone)
    return column if common_type(found, stated) is not None else column.cast(stated, strict=True)


def _ids(fields: Sequence[pa.Field], mapped: Sequence[MappedField] | None) -> dict[int, pa.Field]:
    """Return fields by their ids: those in the file, or where it has none those that the table gives to their names."""
    written = {int(field.metadata[_ID]): field for field in fields if field.metadata and _ID in field.metadata}
    if written or mapped is None:
        return written
    known = {name: each.field_id for each in mapped for name in each.names}
    return {number: field for field in fields if (number := known.get(field.name)) is not None}


def _mapped(mapped: Sequence[MappedField] | None, name: str) -> Sequence[MappedField] | None:
    return next((each.fields for each in mapped or () if name in each.names), None)


def _is_there(field: NestedField, ids: Mapping[int, pa.Field]) -> bool:
    """Say whether a file has a column; one that it does not have is null, if the table does not say what it is instead."""
    if field.field_id not in ids and field.initial_default is not None:
        raise Unmapped(f"lacks column {field.name!r}, for which the table has a default that is not read")
    return field.field_id in ids


def _is_same(found: pa.DataType, wanted: IcebergType, mapped: Sequence[MappedField] | None) -> bool:
    """Say whether a nested type's fields are the same ones, in one order and with one name each."""
    if isinstance(wanted, StructType):
        ids = _ids(list(found), mapped)
        return len(found) == len(wanted.fields) == len(ids) and all(
            field.field_id in ids
            and ids[field.field_id].name == field.name == found.field(number).name
            and _is_same(ids[field.field_id].type, field.field_type, _mapped(mapped, field.name))
            for number, field in enumerate(wanted.fields)
        )
    if isinstance(wanted, ListType):
        return _is_same(found.value_type, wanted.element_type, _mapped(mapped, "element"))
    if isinstance(wanted, MapType):
        key = _is_same(found.key_type, wanted.key_type, _mapped(mapped, "key"))
        return key and _is_same(found.item_type, wanted.value_type, _mapped(mapped, "value"))
    return True


def _nested(column: pl.Expr, found: pa.DataType, wanted: IcebergType, stated: pl.DataType, mapped: Sequence[MappedField] | None) -> pl.Expr:
    """Build a nested value anew, of the fields and types that the table has."""
    if isinstance(wanted, StructType) and isinstance(stated, pl.Struct):
        ids = _ids(list(found), mapped)
        types = {field.name: field.dtype for field in stated.fields}
        fields = [
            _field(column, ids[field.field_id] if _is_there(field, ids) else None, field, _typed(types[field.name]), mapped).alias(
                field.name
            )
            for field in wanted.fields
        ]
        return pl.when(column.is_not_null()).then(pl.struct(fields))
    if isinstance(wanted, ListType) and isinstance(stated, pl.List):
        inner = _nested(pl.element(), found.value_type, wanted.element_type, _typed(stated.inner), _mapped(mapped, "element"))
        return pl.when(column.is_not_null()).then(column.list.eval(inner))
    if not _is_same(found, wanted, mapped):  # a cast would find fields by their names
        raise Unmapped("has a map with other fields than the table's now has")
    return column.cast(stated, strict=True)


def _field(
    column: pl.Expr, source: pa.Field | None, field: NestedField, stated: pl.DataType, mapped: Sequence[MappedField] | None
) -> pl.Expr:
    if source is None:
        return pl.lit(None, dtype=stated)
    return _nested(column.struct.field(source.name), source.type, field.field_type, stated, _mapped(mapped, source.name))


def _typed(dtype: object) -> pl.DataType:
    assert isinstance(dtype, pl.DataType)  # polars' types name a class here too; those of a schema never are one
    return dtype
