"""CSV files (RFC 4180), parsed by Arrow, with what it lets pass refused.

Arrow reads `"a"b` as `ab`, and a quote that is never closed as one long value that swallows the rows behind it. So that no row goes missing
unseen, the quotes are checked beside it: each opens right behind a delimiter or the end of a line, and closes right before one.
"""

import codecs
import csv
import io
import re
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.csv as pacsv

from rightful.connectors.lake_settings import CsvSettings
from rightful.connectors.lake_text import LINE, PIECE_BYTES, BrokenLine, Values

_ROW = re.compile(r"Row #([0-9]+)")
_WIDTH = re.compile(r"Expected ([0-9]+) columns, got ([0-9]+)")
_HEADER_BYTES = 256 << 10
_BLOCK_BYTES = 4 << 20
"""Arrow needs some fifty times as much at its peak. A row must fit into two blocks."""
_PAIR = b"\xff"
"""Stands for two quotes in a row: one in a value, or all of an empty value. No byte of UTF-8."""


class CsvReader:
    """Reads CSV files; an unquoted empty value is NULL, a quoted one an empty text."""

    unit = "row"
    verbatim = False

    def __init__(self, settings: CsvSettings) -> None:
        self._settings = settings

    def columns(self, stream: BinaryIO, hive: Collection[str]) -> list[str]:
        """Read the first line, and nothing behind it."""
        del hive
        if self._settings.columns:
            return list(self._settings.columns)
        columns = self._header(stream.read(_HEADER_BYTES))
        twice = {name for name in columns if columns.count(name) > 1}
        if twice:
            raise BrokenLine("row 1", f"names the column {min(twice)!r} twice")
        if "" in columns:
            raise BrokenLine("row 1", "names a column with nothing")
        return columns

    def frames(self, stream: BinaryIO, columns: Sequence[str], looked_for: Values) -> Generator[pl.DataFrame]:
        """Parse block by block."""
        del looked_for
        row = self._first_row
        with self._explained(lambda: row):
            for batch in self._open(stream, columns):
                frame = pl.from_arrow(batch)
                assert isinstance(frame, pl.DataFrame)
                yield frame.with_row_index(LINE, row)
                row += batch.num_rows

    def text_of(self, column: str, values: pl.Series) -> pl.Series:
        """Return values as they are."""
        del column
        return values

    def _header(self, data: bytes) -> list[str]:
        """Parse the first row, alone: Arrow would want all of a block, and a second row that fits into it."""
        encoding = self._settings.encoding
        try:
            text = codecs.getincrementaldecoder(encoding)("replace").decode(data).removeprefix("\ufeff")
            lines = io.StringIO(text, newline="")
            row = next(
                csv.reader(
                    lines,
                    delimiter=self._settings.delimiter,
                    quoting=csv.QUOTE_MINIMAL if self._settings.quote else csv.QUOTE_NONE,
                    strict=True,
                ),
                [],
            )
        except (ValueError, csv.Error):
            row = ["\ufffd"]
        if any("\ufffd" in name for name in row):
            raise BrokenLine("row 1", f"holds no names in {encoding}")
        if not row:
            raise BrokenLine("row 1", "is not there: the file is empty")
        if len(data) == _HEADER_BYTES and not lines.read(1):
            raise BrokenLine("row 1", f"is longer than {_HEADER_BYTES >> 10} KiB")
        return row

    @property
    def _first_row(self) -> int:
        return 1 if self._settings.columns else 2

    def _open(self, stream: BinaryIO, columns: Sequence[str]) -> pacsv.CSVStreamingReader:
        return pacsv.open_csv(
            pa.PythonFile(_Checked(stream, self._settings), "r"),
            pacsv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES, column_names=list(self._settings.columns) or None),
            pacsv.ParseOptions(
                delimiter=self._settings.delimiter,
                quote_char='"' if self._settings.quote else False,
                newlines_in_values=True,
                ignore_empty_lines=False,
            ),
            pacsv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.large_string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )

    @contextmanager
    def _explained(self, row: Callable[[], int]) -> Iterator[None]:
        """Turn what Arrow says of a row, value and all, into what may be said."""
        try:
            yield
        except pa.ArrowInvalid as error:
            said = str(error)
            number, width = _ROW.search(said), _WIDTH.search(said)
            where = f"row {number[1]}" if number else f"row {row()} or a later one"
            if width:
                raise BrokenLine(where, f"has {width[2]} values, not {width[1]}") from None
            if "straddling" in said:
                raise BrokenLine(where, f"is longer than {_BLOCK_BYTES >> 20} MiB") from None
            if "Empty CSV" in said:
                raise BrokenLine("row 1", "is not there: the file is empty") from None
            raise BrokenLine(where, "is not UTF-8" if "UTF8" in said else "cannot be read") from None


class _Checked(io.RawIOBase):
    """A file's bytes in UTF-8, with a newline at the end; raises `BrokenLine` for a quote where none may stand."""

    def __init__(self, stream: BinaryIO, settings: CsvSettings) -> None:
        super().__init__()
        self._stream = stream
        self._encoding = settings.encoding
        self._decoder = None if codecs.lookup(settings.encoding).name == "utf-8" else codecs.getincrementaldecoder(settings.encoding)()
        self._is_quoting = settings.quote
        delimiter = settings.delimiter.encode()
        self._edges = frozenset((b"\n", b"\r", delimiter))
        self._before_quote = self._edges | {_PAIR}
        edge = rb"[^\r\n\xff%b]" % re.escape(delimiter)
        self._stray_pair = re.compile(rb"%b\xff|\xff%b" % (edge, edge))
        self._left = b""
        """What was read and not yet asked for."""
        self._line = 1
        self._is_begun = self._is_ended = False
        self._is_inside = False
        """Whether what comes next stands in quotes."""
        self._last = b"\n"
        """The last byte before it."""
        self._held = b""
        """A quote whose meaning the next byte decides."""

    def readable(self) -> bool:
        """Say yes."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return as many bytes as are asked for, fewer at the end alone: Arrow takes what one call gives for a block."""
        pieces, found = [self._left], len(self._left)
        while found < size and not self._is_ended:
            piece = self._next(min(size - found, PIECE_BYTES))
            pieces.append(piece)
            found += len(piece)
        text = b"".join(pieces)
        self._left = text[size:]
        return text[:size]

    def _next(self, size: int) -> bytes:
        found = self._stream.read(size)
        self._is_ended = not found
        text = self._decoded(found)
        if self._is_ended and (self._last + self._held + text)[-1:] not in {b"\n", b"\r"}:
            text += b"\n"
        self._check(text)
        return text

    def _decoded(self, found: bytes) -> bytes:
        if self._decoder:
            try:
                found = self._decoder.decode(found, final=not found).encode()
            except ValueError:
                raise BrokenLine(f"line {self._line} or a later one", f"is not {self._encoding}") from None
        if found and not self._is_begun:
            self._is_begun = True
            return found.removeprefix(codecs.BOM_UTF8)
        return found

    def _check(self, text: bytes) -> None:
        if self._is_quoting and (self._held or self._last == _PAIR or b'"' in text):
            self._check_quotes((self._held + text).replace(b'""', _PAIR))
        else:
            self._last = text[-1:] or self._last
        self._line += text.count(b"\n")
        if self._is_ended and self._is_inside:
            raise BrokenLine("the last line", "ends within a quoted value")

    def _check_quotes(self, text: bytes) -> None:
        self._held = b'"' if text.endswith(b'"') else b""
        pieces = text.removesuffix(b'"').split(b'"')
        last = pieces[-1][-1:]
        opening, closing = (1, 1) if self._is_inside else (0, 2)
        if not self._is_inside:
            pieces[0] = self._last + pieces[0]
        if not (
            all(piece[:1] in self._edges for piece in set(pieces[closing::2]))
            and all(piece[-1:] in self._before_quote for piece in set(pieces[opening:-1:2]))
            and not ((_PAIR in text or self._last == _PAIR) and any(map(self._stray_pair.search, pieces[opening::2])))
        ):
            raise BrokenLine(f"line {self._line + self._lines_before_fault(pieces)}", "has a quote where none may stand")
        self._last = last or self._last
        self._is_inside ^= len(pieces) % 2 == 0

    def _lines_before_fault(self, pieces: list[bytes]) -> int:
        lines = 0 if self._is_inside else -pieces[0][:1].count(b"\n")  # of the block before
        is_inside = self._is_inside
        for before, after in pairwise([*pieces, b"\n"]):
            stray = None if is_inside else self._stray_pair.search(before)
            if stray:
                return lines + before.count(b"\n", 0, stray.start())
            lines += before.count(b"\n")
            if after[:1] not in self._edges if is_inside else before[-1:] not in self._before_quote:
                break
            is_inside = not is_inside
        return lines
