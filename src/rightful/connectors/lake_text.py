"""Text files of rows, CSV and JSON lines: opened, uncompressed and read in blocks, and the types that the settings state.

A value is text, or a JSON document, until a type is stated for its column. Only rows that are somebody's are converted; one of them that
does not hold what is stated is refused, by file, line and column.
"""

import codecs
import io
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import BinaryIO, Protocol, cast

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from rightful.connectors.lake_batches import gathered
from rightful.connectors.lake_faults import LakeFaults
from rightful.connectors.lake_files import LakeFile, LakePlace
from rightful.connectors.lake_hunt import Hunt, Meter, Schema
from rightful.connectors.lake_settings import decimal_of
from rightful.errors import SourceError

BLOCK_BYTES = 8 << 20
"""The longest line that there may be."""
PIECE_BYTES = 1 << 20
"""How much of a file is read at a time: of the shortest lines and values, some fifty times as much memory is needed."""
LINE = "\x1fline"
"""The number of each row's line, or of the row."""

_COMPRESSED = {".gz": "gzip", ".zst": "zstd"}
_TYPES: dict[str, tuple[pa.DataType, pl.DataType]] = {
    "text": (pa.large_string(), pl.String()),
    "int": (pa.int64(), pl.Int64()),
    "float": (pa.float64(), pl.Float64()),
    "bool": (pa.bool_(), pl.Boolean()),
    "date": (pa.date32(), pl.Date()),
    "timestamp": (pa.timestamp("us"), pl.Datetime("us")),
    "timestamp_tz": (pa.timestamp("us", "UTC"), pl.Datetime("us", "UTC")),
}
_SAMPLED_BYTES = 256 << 10


class BrokenLine(Exception):
    """A line that is none of this kind of file."""

    def __init__(self, where: str, what: str) -> None:
        """`where` is `line 7` or `row 7`; `what` says nothing of what stands there."""
        super().__init__(f"{where} {what}")


Values = Mapping[str, pl.Series] | None
"""Values of columns, of which a row must have one, or may be left out by a reader; None: all rows."""


class TextReader(Protocol):
    """Reads one kind of text. Raises `BrokenLine`, `OSError` and what Arrow raises."""

    verbatim: bool
    unit: str
    """What LINE counts: `line`, or `row`."""

    def columns(self, stream: BinaryIO, hive: Collection[str]) -> list[str]:
        """Return a file's columns, from its beginning; `hive` are the names of those that stand in its folders' names."""
        ...

    def frames(self, stream: BinaryIO, columns: Sequence[str], looked_for: Values) -> Generator[pl.DataFrame]:
        """Yield rows in order, all columns as text, with LINE; a frame for each block, even if it is empty."""
        ...

    def text_of(self, column: str, values: pl.Series) -> pl.Series:
        """Return values as a type is read from; raises `ValueError` where they are no single values."""
        ...


def types_of(word: str) -> tuple[pa.DataType, pl.DataType]:
    """Return the types that a word stands for in Arrow and polars."""
    digits = decimal_of(word)
    return (pa.decimal128(*digits), pl.Decimal(*digits)) if digits else _TYPES[word]


class TextFormat:
    """Reads text files one by one, in blocks."""

    def __init__(self, place: LakePlace, faults: LakeFaults, reader: TextReader, types: Mapping[str, str]) -> None:
        self._place = place
        self._faults = faults
        self._reader = reader
        self._words = types
        self._types = {column: types_of(word) for column, word in types.items()}
        self.verbatim = reader.verbatim

    def folder_type(self, name: str, file: LakeFile) -> pl.DataType:
        """Return text: folders' names say no type."""
        del name, file
        return pl.String()

    def schema(self, file: LakeFile) -> Schema:
        """Read a file's beginning."""
        with self._explained(file), closing(self._open(file)) as stream:
            columns = self._reader.columns(stream, file.folders)
        return {column: self._types[column][1] if column in self._types else pl.String() for column in columns}

    def head(self, file: LakeFile, types: Schema, names: Sequence[str], count: int) -> pl.DataFrame:
        """Read the first block."""
        here = [name for name in names if name in types]
        with self._explained(file), closing(self._open(file)) as stream:
            with closing(self._reader.frames(stream, list(types), None)) as frames:
                first = next(frames, pl.DataFrame(schema=dict.fromkeys([*here, LINE], pl.String)))
            return self._typed(first.head(count)).select(here)

    def find(self, files: Sequence[LakeFile], hunt: Hunt) -> Generator[pl.DataFrame]:
        """Read file after file; what is found is gathered across files."""
        with closing(self._found(files, hunt)) as found:
            yield from gathered(found)

    def _found(self, files: Sequence[LakeFile], hunt: Hunt) -> Generator[pl.DataFrame]:
        for file in files:
            with (
                self._explained(file),
                closing(self._open(file, hunt.meter)) as stream,
                closing(self._reader.frames(stream, list(hunt.types), hunt.values)) as frames,
            ):
                for frame in frames:
                    mine = frame.lazy().pipe(hunt.matching).collect()
                    if mine.height:
                        yield hunt.rows(self._typed(_alone(mine)).lazy(), {"": file}).collect()
                    if hunt.meter and hunt.meter.is_over():
                        return

    def _open(self, file: LakeFile, meter: Meter | None = None) -> BinaryIO:
        stream = self._place.open(file)
        if meter:
            stream = cast("BinaryIO", _Metered(stream, meter))
        codec = next((codec for ending, codec in _COMPRESSED.items() if file.path.endswith(ending)), "")
        return pa.CompressedInputStream(pa.PythonFile(stream, "r"), codec) if codec else stream

    def _typed(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Read the columns that types are stated for as these."""
        for column in self._types.keys() & frame.columns:
            arrow, dtype = self._types[column]
            try:
                series = self._converted(column, frame[column], arrow, dtype)
            except (pa.lib.ArrowException, ValueError):
                raise BrokenLine(self._line(frame, column, arrow, dtype), f"holds no {self._words[column]} in column {column!r}") from None
            frame = frame.with_columns(series.alias(column))
        return frame

    def _converted(self, column: str, values: pl.Series, arrow: pa.DataType, dtype: pl.DataType) -> pl.Series:
        texts = self._reader.text_of(column, values).to_arrow(compat_level=pl.CompatLevel.oldest())
        return pl.Series(column, pl.from_arrow(pc.cast(texts, arrow)), dtype=dtype)

    def _line(self, frame: pl.DataFrame, column: str, arrow: pa.DataType, dtype: pl.DataType) -> str:
        for number in range(frame.height):
            try:
                self._converted(column, frame[column][number : number + 1], arrow, dtype)
            except (pa.lib.ArrowException, ValueError):
                return f"{self._reader.unit} {frame[LINE][number]}"
        raise AssertionError("a column fails, and none of its values")

    @contextmanager
    def _explained(self, file: LakeFile) -> Iterator[None]:
        """Turn what a reader raises into what is said of a file. The texts of libraries are kept out: they hold values."""
        try:
            yield
        except SourceError:
            raise
        except BrokenLine as broken:
            raise self._fault(file, str(broken), "correct the line, or take the file away") from None
        except PermissionError:
            raise self._faults.refused(
                f"{self._faults.shown(file)} may not be read", "give the service's user the right to read it"
            ) from None
        except (pa.lib.ArrowException, pl.exceptions.PolarsError, OSError, UnicodeError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise self._faults.unavailable(
                    f"{self._faults.shown(file)} cannot be read now", "see that what it lies on is well"
                ) from None
            raise self._fault(file, f"it is damaged ({type(error).__name__})", "restore it, or take it away") from None

    def _fault(self, file: LakeFile, what: str, hint: str) -> SourceError:
        if not self._place.is_unchanged([file]):
            return self._faults.changed()
        return self._faults.refused(f"{self._faults.shown(file)}: {what}", hint)


def _alone(rows: pl.DataFrame) -> pl.DataFrame:
    """Copy rows out of the block that they were found in: polars' texts are views, of which a single one keeps all of it in memory."""
    copied = pl.from_arrow(rows.to_arrow(compat_level=pl.CompatLevel.oldest()))
    assert isinstance(copied, pl.DataFrame)
    return copied


class _Metered(io.RawIOBase):
    """A stream whose bytes are counted."""

    def __init__(self, stream: BinaryIO, meter: Meter) -> None:
        super().__init__()
        self._stream = stream
        self._meter = meter

    def readable(self) -> bool:
        """Say yes."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read a piece."""
        piece = self._stream.read(size)
        self._meter.read_bytes += len(piece)
        return piece

    def close(self) -> None:
        """Close what is read."""
        self._stream.close()
        super().close()


def blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Yield a stream in pieces, without a byte order mark."""
    piece = stream.read(PIECE_BYTES).removeprefix(codecs.BOM_UTF8)
    while piece:
        yield piece
        piece = stream.read(PIECE_BYTES)


def joined(pieces: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    """Yield whole lines in blocks, each with the number of its first line; raises `BrokenLine` for a line that is too long."""
    held, size, line = list[bytes](), 0, 1
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        block = b"".join(held)
        end = block.rfind(b"\n") + 1
        if end:
            yield block[:end], line
            line += block.count(b"\n", 0, end)
            held, size = [block[end:]], size - end
        elif size >= BLOCK_BYTES:
            raise BrokenLine(f"line {line}", f"is longer than {BLOCK_BYTES >> 20} MiB")
    if size:
        yield b"".join(held), line


def beginning(stream: BinaryIO) -> bytes:
    """Return the first whole lines, one at least, of a stream, without a byte order mark."""
    found = b""
    while piece := stream.read(_SAMPLED_BYTES):
        found += piece
        if b"\n" in piece or len(found) > BLOCK_BYTES:
            return found[: found.rfind(b"\n") + 1].removeprefix(codecs.BOM_UTF8)
    return found.removeprefix(codecs.BOM_UTF8)
