"""Parts as Parquet, each column in the type that carries all its values; where none does, the text that the lines have."""

import base64
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import time
from decimal import Decimal
from functools import partial

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from rightful.errors import PackageError
from rightful.package.cells import cells
from rightful.package.forms.written_cells import NULL, slices, text_of, written_lines, written_rows
from rightful.package.schema import Column, ColumnKind

_DOCUMENTS = frozenset({ColumnKind.JSON, ColumnKind.NESTED})
_DIGITS = re.compile(r"(?:numeric|decimal\d*)\((\d+), ?(\d+)\)", re.IGNORECASE)
_MOST_DIGITS = 38
"""Of a decimal that readers of Parquet know."""

_Texts = list[str | None]
_Convert = Callable[[_Texts], pa.Array]
_encode = msgspec.json.Encoder().encode


def write_parquet(columns: Sequence[Column], content: Sequence[bytes]) -> Iterator[bytes]:
    """Yield a part as a Parquet file with one row group.

    A column's metadata have its kind (`rightful:kind`). A column of strings holds what the lines have: a text, a uuid, a JSON document,
    a decimal of no declared size, and whatever else has a value in this part that no type of Parquet carries.
    """
    arrays = _arrays(columns, content)
    fields = [
        pa.field(column.name, array.type, metadata={"rightful:kind": column.kind.value})
        for column, array in zip(columns, arrays, strict=True)
    ]
    written = io.BytesIO()
    pq.write_table(pa.table(arrays, schema=pa.schema(fields)), written, compression="zstd")
    yield written.getvalue()


def _arrays(columns: Sequence[Column], content: Sequence[bytes]) -> list[pa.ChunkedArray]:
    """Return the columns, each in the first type that carries all its values: those that refuse one are read again for the next."""
    converters = [[*_converters(column), _as_written] for column in columns]
    arrays: dict[int, pa.ChunkedArray] = {}
    while pending := [number for number in range(len(columns)) if number not in arrays]:
        chunks = {number: [converters[number][0]([])] for number in pending}
        for rows in slices(written_rows([columns[number] for number in pending], written_lines(content))):
            for place, number in enumerate(pending):
                if number not in chunks:
                    continue
                chunk = _array(columns[number], [row[place] for row in rows], converters[number][0])
                if chunk is None:
                    del chunks[number], converters[number][0]
                else:
                    chunks[number].append(chunk)
        arrays |= {number: pa.chunked_array(some) for number, some in chunks.items()}
    return [arrays[number] for number in range(len(columns))]


def _array(column: Column, values: list[bytes], convert: _Convert) -> pa.Array | None:
    """Return the values as a converter makes them; None where it cannot carry one of them."""
    texts: _Texts = [None if value == NULL else _text(column, value) for value in values]
    if convert is _as_written:
        return convert(texts)
    try:
        array = convert(texts)
        written = cells(Column(name=column.name, kind=column.kind), array)
    except (pa.ArrowException, ArithmeticError, ValueError, PackageError):
        return None
    return array if [_encode(cell) for cell in written] == values else None


def _as_written(texts: _Texts) -> pa.Array:
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
    ColumnKind.TIME: (_from(time.fromisoformat, pa.time64("us")),),
    ColumnKind.BYTES: (_from(base64.b64decode, pa.binary()),),
}
"""Of the other kinds Parquet has no type that every reader knows."""
