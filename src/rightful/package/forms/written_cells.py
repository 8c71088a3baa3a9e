"""A part's lines taken apart: each value as it is written there."""

import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

import msgspec

from rightful.package.json_text import split_members
from rightful.package.schema import Column

NULL = b"null"

_SLICE_ROWS = 2_048
"""Taken apart at once: a row taken apart needs ten times its line's memory and more."""

_T = TypeVar("_T")

_decode_text = msgspec.json.Decoder(str).decode
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def written_lines(content: Iterable[bytes]) -> Iterator[bytes]:
    """Yield each line of pieces of whole lines, without its end."""
    return (line[:-1] for piece in content for line in io.BytesIO(piece))


def written_rows(columns: Sequence[Column], lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield each line's values in the columns' order, as JSON: `null`, `12`, `"a"`, `{"b":[1.50]}`."""
    names = [column.name for column in columns]
    for line in lines:
        members = _members(line)
        yield [members[name] for name in names]


def slices(rows: Iterable[_T]) -> Iterator[list[_T]]:
    """Yield rows as lists of a bounded length, none of them empty."""
    iterator = iter(rows)
    return iter(lambda: list(islice(iterator, _SLICE_ROWS)), [])


def text_of(value: bytes) -> str:
    """Return the text of a JSON string."""
    return _decode_text(value)


def _members(line: bytes) -> dict[str, bytes]:
    try:
        return {name: bytes(value) for name, value in _decode_members(line).items()}
    except (msgspec.DecodeError, RecursionError):  # a document of the source that msgspec refuses and the grammar allows
        return {name: value.encode() for name, value in split_members(line.decode()).items()}
