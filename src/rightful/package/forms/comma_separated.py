"""Parts as CSV (RFC 4180) that spreadsheets open, and run nothing of.

A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula, and one that guesses another separator begins cells where
we have none. So an apostrophe stands before such a beginning, wherever a spreadsheet may see one; numbers are left alone.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from rightful.package.forms.written_cells import NULL, slices, text_of, written_lines, written_rows
from rightful.package.schema import Column, ColumnKind

_BYTE_ORDER_MARK = "\ufeff"
"""Without it spreadsheets take UTF-8 for something older."""

_SEPARATORS = r";|\t\n\x0b\x0c\r\x85\u2028\u2029"
_SEPARATOR = re.compile(f"[{_SEPARATORS}]")
_BEGINS = rf"(\A|[{_SEPARATORS}])"
_UNSEEN = r"""(?:[^\S\t\n\x0b\x0c\r\x85\u2028\u2029]|[\u200b-\u200f\u2060\ufeff"])*"""
_FOLLOWS = rf"(?='*{_UNSEEN}[=+\-@\uff0b\uff0d\uff1d\uff20])"
_FORMULA = re.compile(_BEGINS + _FOLLOWS)
_ESCAPED = re.compile(f"{_BEGINS}'{_FOLLOWS}")
_PLAIN = re.compile(r"-?[0-9][0-9.]*(?:[eE][+-]?[0-9]+)?|[0-9:.]+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|NaN|Infinity")
_SPECIAL = re.compile(r'[",\r\n]')


def write_csv(columns: Sequence[Column], content: Sequence[bytes]) -> Iterator[bytes]:
    """Yield a part as CSV, in pieces: a header, then a row for each line, each ended by CR LF, in UTF-8 with a byte order mark.

    NULL is an empty cell, the empty text is `""`, and so is NULL where it is all of a row: readers skip empty lines. A text always has
    quotation marks, and is what `unescape` makes of its cell.
    """
    null = "" if len(columns) > 1 else _quoted("")
    cells = [_CELLS.get(column.kind, _literal) for column in columns]
    yield (_BYTE_ORDER_MARK + ",".join(_quoted(escape(column.name)) for column in columns) + "\r\n").encode()
    rows = (
        ",".join(null if value == NULL else cell(value) for cell, value in zip(cells, row, strict=True)) + "\r\n"
        for row in written_rows(columns, written_lines(content))
    )
    for some in slices(rows):
        yield "".join(some).encode()


def escape(text: str) -> str:
    """Return a text with an apostrophe wherever a formula might begin."""
    if text[:1].isalnum() and not _SEPARATOR.search(text):  # nearly always, and five times faster
        return text
    return _FORMULA.sub(r"\1'", text)


def unescape(text: str) -> str:
    """Return the text that was escaped."""
    return _ESCAPED.sub(r"\1", text)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _literal(value: bytes) -> str:
    """Write a number or a truth value as it stands, and so a text that looks like a number, a time or a UUID; any other as a text."""
    text = value.decode()
    if not text.startswith('"'):
        return text
    return text[1:-1] if _PLAIN.fullmatch(text, 1, len(text) - 1) else _text(value)


def _text(value: bytes) -> str:
    return _quoted(escape(text_of(value)))


def _document(value: bytes) -> str:
    text = escape(value.decode())
    return _quoted(text) if _SPECIAL.search(text) else text


_CELLS: Mapping[ColumnKind, Callable[[bytes], str]] = {
    **dict.fromkeys((ColumnKind.TEXT, ColumnKind.BYTES, ColumnKind.DATE, ColumnKind.TIMESTAMP, ColumnKind.TIMESTAMP_TZ), _text),
    ColumnKind.JSON: _document,
    ColumnKind.NESTED: _document,
}

ESCAPED_KINDS = frozenset({*_CELLS, ColumnKind.TIME, ColumnKind.UUID, ColumnKind.DECIMAL})
"""Kinds whose cells are escaped."""
