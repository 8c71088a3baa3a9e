"""From Arrow columns to cells: what msgspec encodes, value for value, into the written form.

This is the path for small and for nested batches, and the reference that the vectorised path (`bulk.py`) must equal byte for byte.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from rightful.errors import PackageError
from rightful.package.json_text import are_documents
from rightful.package.schema import Column, ColumnKind
from rightful.package.values import (
    float_cell,
    format_bytes,
    format_date,
    format_decimal,
    format_time,
    format_timestamp,
    format_uuid,
    format_wrapped_date,
    format_wrapped_timestamp,
)

Cell = object
_UUID_BYTES = 16
_types = pa.types


def kind_of_type(type_: pa.DataType) -> ColumnKind:
    """Return the kind that an Arrow type's values are written as; raises `ValueError` for intervals and unions, which have none."""
    if isinstance(type_, pa.UuidType):
        return ColumnKind.UUID
    if isinstance(type_, pa.OpaqueType) and type_.type_name == "numeric":
        return ColumnKind.DECIMAL
    if isinstance(type_, pa.BaseExtensionType):
        return kind_of_type(type_.storage_type)
    if _types.is_dictionary(type_) or _types.is_run_end_encoded(type_):
        return kind_of_type(type_.value_type)
    for kind, tests in _KINDS:
        if any(test(type_) for test in tests):
            return kind
    raise ValueError(f"there is no written form for {type_}")


def plain(array: pa.Array) -> pa.Array:
    """Take off what only changes how values are stored: extension types, dictionaries, run ends."""
    while True:
        if isinstance(array.type, pa.BaseExtensionType):
            array = array.storage
        elif _types.is_dictionary(array.type):
            array = array.dictionary_decode()
        elif _types.is_run_end_encoded(array.type):
            array = pc.run_end_decode(array)
        else:
            return array


def cells(column: Column, array: pa.Array) -> Sequence[Cell]:
    """Return a cell for each value of a plain array.

    Raises:
        PackageError: the array cannot hold values of the column's kind, or a JSON column holds a text that is no JSON document: the
            connector named the wrong kind.
    """
    if _types.is_null(array.type):
        return [None] * len(array)
    if not fits(column.kind, array.type):
        raise PackageError(
            f"column {column.name!r} of kind {column.kind} came as {array.type}",
            code="ColumnTypeUnexpected",
            hint="Report this: the connector names a kind that its values do not have.",
        )
    if column.kind is ColumnKind.JSON:
        return _json_cells(column, array)
    if column.kind is ColumnKind.NESTED:
        return _nested_cells(column, array)
    if is_textual(array.type):
        convert = _TEXT_FORMS.get(column.kind)
        values = array.to_pylist()
        return values if convert is None else _each(convert, values)
    if column.is_wrapped and column.kind in _WRAPPED_WRITERS:
        return _WRAPPED_WRITERS[column.kind](array)
    return _WRITERS[column.kind](array)


def fits(kind: ColumnKind, type_: pa.DataType) -> bool:
    """Say whether a plain type can hold values of a kind."""
    if is_textual(type_):
        return kind in _AS_TEXT
    if kind is ColumnKind.UUID:
        return bool(_types.is_fixed_size_binary(type_) and type_.byte_width == _UUID_BYTES)
    try:
        return kind_of_type(type_) is kind
    except ValueError:
        return False


def is_textual(type_: pa.DataType) -> bool:
    """Say whether a type holds text, in any layout."""
    return bool(_types.is_string(type_) or _types.is_large_string(type_) or _types.is_string_view(type_))


def _one_line_json(column: Column, texts: Sequence[str | None]) -> Sequence[str | None]:
    """Return JSON documents on one line each; white space between tokens is the only place where a line can end inside one."""
    check_json(column, texts)
    return [text if text is None else text.replace("\n", " ").replace("\r", " ") for text in texts]


def check_json(column: Column, texts: Sequence[str | None]) -> None:
    """Raise `PackageError` where a text is not exactly one JSON document: written as it is, it would break its line."""
    if not are_documents(text for text in texts if text is not None):
        raise PackageError(
            f"column {column.name!r} holds a text that is no JSON document",
            code="ValueNotJson",
            hint="Exclude the column, or have the source give it as text.",
        )


def _each(convert: Callable[..., Cell], values: Sequence[object]) -> list[Cell]:
    return [None if value is None else convert(value) for value in values]


def _json_cells(column: Column, array: pa.Array) -> list[Cell]:
    return [None if text is None else msgspec.Raw(text.encode()) for text in _one_line_json(column, array.to_pylist())]


def _float_cells(array: pa.Array) -> list[Cell]:
    return _each(float_cell, array.to_pylist())  # Python's floats are doubles: a float32 becomes the double it equals


def _integer_cells(array: pa.Array) -> list[Cell]:
    if _types.is_duration(array.type):
        array = array.view(pa.int64())
    values: list[Cell] = array.to_pylist()
    return values


def _decimal_cells(array: pa.Array) -> list[Cell]:
    return [None if value is None else format(value, "f") for value in array.to_pylist()]


def _dates(form: Callable[[int], str]) -> Callable[[pa.Array], list[Cell]]:
    """Return a writer of dates."""

    def write(array: pa.Array) -> list[Cell]:
        if _types.is_date64(array.type):
            return [None if value is None else form(value // 86_400_000) for value in array.view(pa.int64()).to_pylist()]
        return _each(form, array.view(pa.int32()).to_pylist())

    return write


def _moments(form: Callable[[int, str, str], str], zone: str) -> Callable[[pa.Array], list[Cell]]:
    """Return a writer of timestamps; whatever a zone's name, Arrow counts in UTC."""

    def write(array: pa.Array) -> list[Cell]:
        unit = array.type.unit
        return [None if value is None else form(value, unit, zone) for value in array.view(pa.int64()).to_pylist()]

    return write


def _time_cells(array: pa.Array) -> list[Cell]:
    unit = array.type.unit
    integers = array.view(pa.int32() if _types.is_time32(array.type) else pa.int64())
    return [None if value is None else format_time(value, unit) for value in integers.to_pylist()]


def _uuid_cells(array: pa.Array) -> list[Cell]:
    return _each(format_uuid, array.to_pylist())


def _bytes_cells(array: pa.Array) -> list[Cell]:
    return _each(format_bytes, array.to_pylist())


def _plain_cells(array: pa.Array) -> list[Cell]:
    values: list[Cell] = array.to_pylist()
    return values


def _nested_cells(column: Column, array: pa.Array) -> Sequence[Cell]:
    """Go down the type; leaves are written as columns of their kind are."""
    type_ = array.type
    valid = array.is_valid().to_pylist()
    if _types.is_struct(type_):
        names = [type_.field(index).name for index in range(type_.num_fields)]
        members = [_inner_cells(column, array.field(index)) for index in range(type_.num_fields)]
        rows = zip(*members, strict=True) if members else [()] * len(array)
        shape = dict if len(set(names)) == len(names) else list  # an object would lose one of two members of the same name
        return [shape(zip(names, row, strict=True)) if there else None for there, row in zip(valid, rows, strict=True)]
    bounds = _bounds(array)
    if _types.is_map(type_):
        low, high = _span(bounds)
        pairs = list(zip(*(_inner_cells(column, side.slice(low, high - low)) for side in (array.keys, array.items)), strict=True))
        return [pairs[start - low : end - low] if there else None for there, (start, end) in zip(valid, bounds, strict=True)]
    low, high = _span(bounds)
    inner = _inner_cells(column, array.values.slice(low, high - low))
    return [inner[start - low : end - low] if there else None for there, (start, end) in zip(valid, bounds, strict=True)]


def _inner_cells(column: Column, array: pa.Array) -> Sequence[Cell]:
    kind = kind_of_type(array.type)
    return cells(Column(name=column.name, kind=kind), plain(array))


def _bounds(array: pa.Array) -> list[tuple[int, int]]:
    """Return where each list starts and ends among the values of the whole (unsliced) child array."""
    type_ = array.type
    if _types.is_fixed_size_list(type_):
        size = type_.list_size
        return [(size * (array.offset + row), size * (array.offset + row + 1)) for row in range(len(array))]
    offsets = array.offsets.to_pylist()
    if _types.is_list_view(type_) or _types.is_large_list_view(type_):
        sizes = array.sizes.to_pylist()
        return [
            (start, start + size) if there else (0, 0)
            for start, size, there in zip(offsets, sizes, array.is_valid().to_pylist(), strict=True)
        ]
    return list(pairwise(offsets))


def _span(bounds: list[tuple[int, int]]) -> tuple[int, int]:
    used = [(start, end) for start, end in bounds if end > start]
    return (min(start for start, _ in used), max(end for _, end in used)) if used else (0, 0)


_KINDS: tuple[tuple[ColumnKind, tuple[Callable[[pa.DataType], bool], ...]], ...] = (
    (ColumnKind.TEXT, (is_textual, _types.is_null)),
    (ColumnKind.INT, (_types.is_integer, _types.is_duration)),
    (ColumnKind.BOOL, (_types.is_boolean,)),
    (ColumnKind.FLOAT, (_types.is_floating,)),
    (ColumnKind.DECIMAL, (_types.is_decimal,)),
    (ColumnKind.TIMESTAMP_TZ, (lambda type_: _types.is_timestamp(type_) and type_.tz is not None,)),
    (ColumnKind.TIMESTAMP, (_types.is_timestamp,)),
    (ColumnKind.DATE, (_types.is_date,)),
    (ColumnKind.TIME, (_types.is_time,)),
    (ColumnKind.BYTES, (_types.is_binary, _types.is_large_binary, _types.is_binary_view, _types.is_fixed_size_binary)),
    (ColumnKind.NESTED, (_types.is_struct, _types.is_map, _types.is_list, _types.is_large_list, _types.is_fixed_size_list)),
    (ColumnKind.NESTED, (_types.is_list_view, _types.is_large_list_view)),
)

_WRITERS: Mapping[ColumnKind, Callable[[pa.Array], list[Cell]]] = {
    ColumnKind.BOOL: _plain_cells,
    ColumnKind.INT: _integer_cells,
    ColumnKind.FLOAT: _float_cells,
    ColumnKind.DECIMAL: _decimal_cells,
    ColumnKind.DATE: _dates(format_date),
    ColumnKind.TIMESTAMP: _moments(format_timestamp, ""),
    ColumnKind.TIMESTAMP_TZ: _moments(format_timestamp, "Z"),
    ColumnKind.TIME: _time_cells,
    ColumnKind.UUID: _uuid_cells,
    ColumnKind.BYTES: _bytes_cells,
}

_WRAPPED_WRITERS: Mapping[ColumnKind, Callable[[pa.Array], list[Cell]]] = {
    ColumnKind.DATE: _dates(format_wrapped_date),
    ColumnKind.TIMESTAMP: _moments(format_wrapped_timestamp, ""),
    ColumnKind.TIMESTAMP_TZ: _moments(format_wrapped_timestamp, "Z"),
}

_AS_TEXT = frozenset(
    {
        ColumnKind.TEXT,
        ColumnKind.JSON,
        ColumnKind.DECIMAL,
        ColumnKind.UUID,
        ColumnKind.DATE,
        ColumnKind.TIMESTAMP,
        ColumnKind.TIMESTAMP_TZ,
        ColumnKind.TIME,
    }
)
"""Kinds whose values a source may give as text; dates and times must then be in the written form already."""

_TEXT_FORMS: Mapping[ColumnKind, Callable[[str], str]] = {ColumnKind.DECIMAL: format_decimal, ColumnKind.UUID: str.lower}
