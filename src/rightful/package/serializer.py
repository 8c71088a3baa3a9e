"""The one serializer: Arrow batches to JSON lines, and a line back to its values.

Every record in every package is written here, so that a timestamp, a decimal or a NULL looks the same whichever source it came from, and a
package's bytes depend on its data alone. docs/reference/package-values.md says how each kind of value is written.

Two paths give the same bytes: value for value (`cells.py`) where a batch is small, and vectorised (`bulk.py`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, pairwise

import msgspec
import pyarrow as pa

from rightful.errors import ExportError, PackageError
from rightful.package.cells import cells, kind_of_type, plain
from rightful.package.json_text import split_members
from rightful.package.schema import Column, ColumnKind
from rightful.package.values import parse_value

BulkEncoder = Callable[[Sequence[Column], Sequence[pa.Array]], pa.LargeStringArray]

_BULK_ROWS = 200
"""From this many rows on the vectorised path is faster (measured: it costs 0.5 ms before the first row)."""

_SLICE_ROWS = 8_192
"""Rows given to polars at once: it needs several times a slice's text (whole batches of 8 MiB: 35 MiB more at the peak, and no faster)."""

_encoder = msgspec.json.Encoder()


def kind_of(field: pa.Field) -> ColumnKind:
    """Return the kind that a column of a Parquet file (or any Arrow schema) is written as.

    `arrow.json` counts as text: nothing ever checked that it holds JSON, and text is lossless either way. Durations are integers in
    the unit that `str(field.type)` names.

    Raises:
        ValueError: intervals and unions have no written form.
    """
    return kind_of_type(field.type)


def parse_line(columns: Sequence[Column], line: bytes) -> list[object]:
    """Read a line back: one Python value for each column.

    What Python's own type cannot hold exactly (infinity, years outside 1 to 9999, nanoseconds, 24:00:00) is the written text. A JSON
    column gives its document's text, a nested one what JSON makes of it.

    Raises:
        PackageError: the line is no JSON object with exactly these columns.
    """
    try:
        members = split_members(line.decode())
    except ValueError as error:
        raise PackageError("a line is no JSON object", code="LineInvalid") from error
    if members.keys() != {column.name for column in columns}:
        raise PackageError("a line does not have the columns of its schema", code="LineInvalid")
    return [parse_value(column.kind, members[column.name]) for column in columns]


class Serializer:
    """Writes batches of one dataset; columns are found in a batch by name, hidden and unnamed ones are left out."""

    def __init__(self, columns: Sequence[Column], *, bulk_rows: int = _BULK_ROWS, bulk: BulkEncoder | None = None) -> None:
        """`bulk_rows` and `bulk` are for tests: which path is taken never shows in the bytes."""
        self._columns = tuple(columns)
        self._names = [column.name for column in self._columns]
        self._bulk_rows = bulk_rows
        self._bulk = bulk
        if len(set(self._names)) < len(self._names):
            raise PackageError("two columns have the same name", code="ColumnTypeUnexpected", hint="Exclude one of them.")

    def lines(self, batch: pa.RecordBatch) -> bytes:
        """Return a line for each row: UTF-8, keys in the columns' order, each ended by a newline.

        Raises:
            PackageError: a column is missing or holds what its kind cannot be; the connector is wrong.
        """
        return self.lines_by(batch, (batch.num_rows,))[0]

    def lines_by(self, batch: pa.RecordBatch, counts: Sequence[int]) -> list[bytes]:
        """Return the lines of so many rows, then of so many, and so on: a batch whose rows lie subject by subject, cut by subject.

        One call costs what `lines` of the whole batch costs; `counts` add up to the batch's rows.
        """
        bounds = list(pairwise(accumulate(counts, initial=0)))
        if sum(counts) != batch.num_rows:
            raise ValueError("the counts must add up to the rows of the batch")
        if not self._columns:
            return [b"{}\n" * count for count in counts]
        arrays = [plain(find_column(batch, name)) for name in self._names]
        if batch.num_rows >= self._bulk_rows and (slices := self._try_bulk(arrays, batch.num_rows)) is not None:
            return _cut(slices[0], bounds) if len(slices) == 1 else [b"".join(_pieces(slices, start, end)) for start, end in bounds]
        rows = self._rows(arrays)
        return [_encoder.encode_lines(rows[start:end]) for start, end in bounds]

    def _rows(self, arrays: Sequence[pa.Array]) -> list[dict[str, object]]:
        values = [cells(column, array) for column, array in zip(self._columns, arrays, strict=True)]
        names = self._names
        return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]

    def _try_bulk(self, arrays: Sequence[pa.Array], rows: int) -> list[pa.LargeStringArray] | None:
        """Return the lines in slices of `_SLICE_ROWS`, None where the other path must decide."""
        try:
            encode = self._bulk or _load_bulk()
            starts = range(0, rows, _SLICE_ROWS)
            return [encode(self._columns, [array.slice(start, _SLICE_ROWS) for array in arrays]) for start in starts]
        except ExportError:
            raise
        except Exception:  # noqa: BLE001 -- whatever polars refuses the other path writes, or says what is wrong with it
            return None
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # a panic in polars derives from BaseException, and so does Ctrl-C
                raise
            return None


def find_column(batch: pa.RecordBatch, name: str) -> pa.Array:
    """Return a column by name; raises `PackageError` where it is not there, or there twice."""
    index = batch.schema.get_field_index(name)
    if index < 0:
        raise PackageError(
            f"column {name!r} is missing from a batch, or there twice",
            code="ColumnTypeUnexpected",
            hint="Report this: the connector's header does not describe its batches.",
        )
    return batch.column(index)


def _load_bulk() -> BulkEncoder:
    from rightful.package.bulk import encode_lines  # noqa: PLC0415 -- polars takes 0.2 to 0.5 s to import, and small exports never need it

    return encode_lines


def _cut(lines: pa.LargeStringArray, bounds: Iterable[tuple[int, int]]) -> list[bytes]:
    """Return the text of the lines from each row to another, cut by the array's own offsets."""
    _, offsets, text = lines.buffers()
    places, whole = memoryview(offsets).cast("q")[lines.offset :], memoryview(text)
    return [bytes(whole[places[start] : places[end]]) for start, end in bounds]


def _pieces(slices: Sequence[pa.LargeStringArray], start: int, end: int) -> Iterator[memoryview]:
    """Yield the text of the lines from one row to another, cut by the arrays' own offsets."""
    while start < end:
        number, first = divmod(start, _SLICE_ROWS)
        lines = slices[number]
        last = min(end - number * _SLICE_ROWS, len(lines))
        _, offsets, text = lines.buffers()
        bounds = memoryview(offsets).cast("q")[lines.offset :]
        yield memoryview(text)[bounds[first] : bounds[last]]
        start = (number + 1) * _SLICE_ROWS
