"""Files of JSON lines: each line an object. What stands behind a name is kept as it is written, digit for digit.

Which columns there are, the first lines say; what a later line has besides is kept too, in the column REST. Every line is looked into for
the match columns alone, which takes a fraction of the time; only the lines that are somebody's are taken apart. Two members of one name are
refused where they are seen: of match columns in any line, of others in the first lines and in somebody's.
"""

import json
import re
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from operator import attrgetter
from typing import Any, BinaryIO

import msgspec
import polars as pl

from rightful.connectors.lake_text import LINE, BrokenLine, Values, beginning, blocks, joined
from rightful.package.json_text import NameTwice, split_members

REST = "_rest"
"""The column of what a line has besides, as an object."""

_SAMPLED_LINES = 1000
_MOST_COLUMNS = 1000
_FIELD = "f{}"
_Numbered = tuple[int, bytes]


class JsonLinesReader:
    """Reads JSON lines. Values are documents; those of match columns, which are texts and integers, are texts."""

    unit = "line"
    verbatim = True

    def __init__(self, match: Collection[str], stated: Collection[str], exclude: Collection[str]) -> None:
        self._match = tuple(match)
        self._names = {column: _Name(column) for column in match}
        self._stated = tuple(stated)
        self._exclude = frozenset(exclude)

    def columns(self, stream: BinaryIO, hive: Collection[str]) -> list[str]:
        """Read the first lines."""
        lines = islice(_lines((beginning(stream), 1)), _SAMPLED_LINES)
        found: dict[str, None] = {}
        is_empty = True
        for number, line in lines:
            found |= dict.fromkeys(_members(number, line))
            is_empty = False
        if len(found) > _MOST_COLUMNS:  # names that are values, as in {"ann": 1}: then no line says which columns there are
            found = {name: None for name in found if name in self._match}
        if found.keys() & set(self._match) or is_empty or set(hive) & set(self._match):
            # One that comes later must not be missed; what a folder's name says counts for the whole file.
            found |= dict.fromkeys(column for column in self._match if column not in hive)
        found |= dict.fromkeys(self._stated)
        found.pop(REST, None)
        return [*(name for name in found if name and "\0" not in name), REST]  # polars gives other names, or panics

    def frames(self, stream: BinaryIO, columns: Sequence[str], looked_for: Values) -> Generator[pl.DataFrame]:
        """Look into each line, and take those apart that have a value that is looked for; the last column is REST."""
        for block in joined(blocks(stream)):
            lines = _lines(block) if looked_for is None else self._hits(block, looked_for)
            rows = [self._row(number, line, columns) for number, line in lines]
            types = {LINE: pl.UInt32()} | dict.fromkeys(columns, pl.String())
            yield pl.DataFrame(dict(zip(types, zip(*rows, strict=True), strict=True)) if rows else None, schema=types)

    def text_of(self, column: str, values: pl.Series) -> pl.Series:
        """Return what a document says where it is one value; a text without its quotes."""
        return pl.Series(column, [None if value is None else _plain(value) for value in values.to_list()], dtype=pl.String())

    # -- lines ----------------------------------------------------------------------------------------------------------
    def _hits(self, block: tuple[bytes, int], values: Mapping[str, pl.Series]) -> Iterable[_Numbered]:
        lines = list(_lines(block))
        found = self._decoded(block[0], lines, tuple(values))
        hits: set[int] = set()
        for place, wanted in enumerate(values.values()):
            name, sought = _FIELD.format(place), _sought(wanted)
            hits.update(number for number, each in enumerate(found) if getattr(each, name) in sought)
        return [lines[number] for number in sorted(hits)]

    def _decoded(self, block: bytes, lines: Sequence[_Numbered], columns: tuple[str, ...]) -> Sequence[Any]:
        """Return what each line has in the match columns."""
        kind = _struct(columns)
        try:
            if not block.isascii():
                block.decode()
            found: list[Any] = msgspec.json.Decoder(kind).decode_lines(block)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            found = []
        # An object over two lines, and two objects on one, would make the numbers agree and shift what lies between: a line that begins
        # and ends with a brace is whole, since nothing that may follow a brace begins an object.
        if len(found) == len(lines) and all(line.startswith(b"{") and line.endswith(b"}") for _, line in lines):
            for place, column in enumerate(columns):
                values = list(map(attrgetter(_FIELD.format(place)), found))
                if self._names[column].count(block) != len(values) - values.count(msgspec.UNSET):
                    _refuse_twice(self._names[column], lines)
            return found
        return [
            kind(*(self._match_value(number, column, members.get(column)) for column in columns)) for number, members in _taken_apart(lines)
        ]

    def _match_value(self, number: int, column: str, document: str | None) -> str | int | None:
        if document is not None and document.startswith('"') and "\\" not in document:
            return document[1:-1]
        with suppress(ValueError, RecursionError):
            value = None if document is None else json.loads(document)
            if value is None or (isinstance(value, str | int) and not isinstance(value, bool)):
                return value
        raise BrokenLine(f"line {number}", f"has neither a text nor an integer in column {column!r}")

    def _row(self, number: int, line: bytes, columns: Sequence[str]) -> list[str | int | None]:
        members = _members(number, line)
        for column in self._match:
            if column in members:
                value = self._match_value(number, column, members[column])
                members[column] = None if value is None else str(value)
        row = [members.pop(column, None) for column in columns[:-1]]
        rest = [f"{json.dumps(name, ensure_ascii=False)}:{document}" for name, document in members.items() if name not in self._exclude]
        return [number, *row, f"{{{','.join(rest)}}}" if rest else None]


def _struct(columns: Sequence[str]) -> Callable[..., Any]:
    names = [_FIELD.format(place) for place in range(len(columns))]
    fields: list[Any] = [(name, str | int | msgspec.UnsetType | None, msgspec.UNSET) for name in names]
    return msgspec.defstruct("Line", fields, rename=dict(zip(names, columns, strict=True)), gc=False)


class _Name:
    """The name of a member, however it is written."""

    def __init__(self, name: str) -> None:
        self._plain = msgspec.json.encode(name)
        self._any = re.compile(b'"' + b"".join(map(_spellings, name)) + b'"')
        self._escape = b"\\u" if self._plain[1:-1] == name.encode() and "/" not in name else b"\\"

    def count(self, text: bytes) -> int:
        """Return how often it stands in a text: as a name, anywhere in an object, or as a value."""
        return len(self._any.findall(text)) if self._escape in text else text.count(self._plain)


def _spellings(character: str) -> bytes:
    units = character.encode("utf-16-be")
    escape = b"".join(b"\\\\u%04x" % int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2))
    written = {character.encode(), b"\\" + character.encode(), msgspec.json.encode(character)[1:-1]}
    return b"(?:%b|(?i:%b))" % (b"|".join(map(re.escape, sorted(written))), escape)


def _refuse_twice(name: _Name, lines: Sequence[_Numbered]) -> None:
    """Refuse a line in which a name stands twice, unless it does so further in."""
    for number, line in lines:
        if name.count(line) > 1:
            _members(number, line)


def _sought(values: pl.Series) -> set[str | int]:
    texts = set(values.to_list())
    return texts | {int(text) for text in texts if text.removeprefix("-").isdecimal() and str(int(text)) == text}


def _lines(block: tuple[bytes, int]) -> Iterable[_Numbered]:
    """Yield the lines that are not blank, with their numbers."""
    text, first = block
    return ((number, line) for number, each in enumerate(text.split(b"\n"), first) if (line := each.strip(b" \t\r")))


def _taken_apart(lines: Iterable[_Numbered]) -> Iterable[tuple[int, dict[str, Any]]]:
    return ((number, _members(number, line)) for number, line in lines)


def _members(number: int, line: bytes) -> dict[str, Any]:
    try:
        return dict(split_members(line.decode()))
    except NameTwice:
        raise BrokenLine(f"line {number}", "has two members of one name") from None
    except ValueError:
        raise BrokenLine(f"line {number}", "is no JSON object") from None


def _plain(document: str) -> str | None:
    value = json.loads(document)
    if isinstance(value, dict | list):
        raise ValueError("no single value")  # noqa: TRY004 - of many documents one is wrong, not the program
    return value if value is None or isinstance(value, str) else document
