"""Parts as Parquet, each column in the type that carries all its values; where none does, the text that the lines have."""

import base64
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from rightful.errors import PackageError
from rightful.package.cells import cells
from rightful.package.forms.written_cells import NULL, text_of, written_rows
from rightful.package.schema import Column, ColumnKind

_DOCUMENTS = frozenset({ColumnKind.JSON, ColumnKind.NESTED})
_DIGITS = re.compile(r"(?:numeric|decimal\d*)\((\d+), ?(\d+)\)", re.IGNORECASE)
_MOST_DIGITS = 38
"""Of a decimal that readers of Parquet know."""

_Texts = list[str | None]
_Convert = Callable[[_Texts], pa.Array]
_encode = msgspec.json.Encoder().encode


def write_parquet(columns: Sequence[Column], lines: bytes) -> bytes:
    """Return a part as a Parquet file with one row group.

    A column's metadata have its kind (`rightful:kind`). A column of strings holds what the lines have: a text, a uuid, a JSON document,
    a decimal of no declared size, and whatever else has a value in this part that no type of Parquet carries.
    """
    rows = list(written_rows(columns, lines))
    arrays = [_array(column, [row[number] for row in rows]) for number, column in enumerate(columns)]
    fields = [
        pa.field(column.name, array.type, metadata={"rightful:kind": column.kind.value})
        for column, array in zip(columns, arrays, strict=True)
    ]
    written = io.BytesIO()
    pq.write_table(pa.table(arrays, schema=pa.schema(fields)), written, compression="zstd")
    return written.getvalue()


def _array(column: Column, values: list[bytes]) -> pa.Array:
    texts: _Texts = [None if value == NULL else _text(column, value) for value in values]
    plain = Column(name=column.name, kind=column.kind)
    for convert in _converters(column):
        try:
            array = convert(texts)
            written = cells(plain, array)
        except (pa.ArrowException, ArithmeticError, ValueError, PackageError):
            continue
        if [_encode(cell) for cell in written] == values:
            return array
    return pa.array(texts, pa.string())


def _text(column: Column, value: bytes) -> str:
    return value.decode() if column.kind in _DOCUMENTS or not value.startswith(b'"') else text_of(value)


def _converters(column: Column) -> Iterator[_Convert]:
    """Yield what may make an array of a column's texts: the first whose values are written as the texts are counts."""
    if column.kind is ColumnKind.DECIMAL:
        declared = _DIGITS.fullmatch(column.source_type)
        if declared and int(declared[1]) <= _MOST_DIGITS and int(declared[2]) <= int(declared[1]):
            yield _from(Decimal, pa.decimal128(int(declared[1]), int(declared[2])))
        return
    yield from _CONVERTERS.get(column.kind, ())


def _from(parse: Callable[[str], object], type_: pa.DataType) -> _Convert:
    return lambda texts: pa.array([None if text is None else parse(text) for text in texts], type_)


def _cast(*types: pa.DataType) -> tuple[_Convert, ...]:
    return tuple(partial(_cast_to, type_=type_) for type_ in types)


def _cast_to(texts: _Texts, *, type_: pa.DataType) -> pa.Array:
    return pa.array(texts, pa.string()).cast(type_)


_CONVERTERS: Mapping[ColumnKind, tuple[_Convert, ...]] = {
    ColumnKind.BOOL: (_from(lambda text: text == "true", pa.bool_()),),
    ColumnKind.INT: (_from(int, pa.int64()), _from(int, pa.uint64())),
    ColumnKind.FLOAT: (_from(float, pa.float64()),),
    ColumnKind.DATE: _cast(pa.date32()),
    ColumnKind.TIMESTAMP: _cast(pa.timestamp("us"), pa.timestamp("ns")),
    ColumnKind.TIMESTAMP_TZ: _cast(pa.timestamp("us", "UTC"), pa.timestamp("ns", "UTC")),
    ColumnKind.TIME: _cast(pa.time64("us"), pa.time64("ns")),
    ColumnKind.BYTES: (_from(base64.b64decode, pa.binary()),),
}
"""Of the other kinds Parquet has no type that every reader knows."""
