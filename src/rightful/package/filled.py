"""Which columns hold anything: what is NULL, or empty, in all of somebody's records is no data that is held on them.

Looked for in lines as they are written, until each column that somebody speaks of was met with a value: as a rule in the first line.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property, lru_cache

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from rightful.package.cells import is_textual, plain
from rightful.package.schema import Column, ColumnKind

_DOCUMENTS = (ColumnKind.JSON, ColumnKind.NESTED)
_EMPTY = rb'\s*(?:null\s*[,}]|""|\[\s*\]|\{\s*\})'
"""NULL, an empty text, list or object, after the colon."""
_IS_EMPTY = re.compile(rb'\s*(?:null|""|\[\s*\]|\{\s*\})\s*')
_DOCUMENT = r'^\s*(null|""|\[\s*\]|\{\s*\})?\s*$'
_MANY_BYTES = 64 * 1024
"""Lines in which it takes less to ask whether a column is NULL throughout than to look for its values."""
_PLAIN = re.compile(r"\w(?:[\w -]*\w)?")
"""Names that stand before a colon, in quotes, nowhere but as a member's."""


class Filled:
    """Looks for values in a dataset's columns, line by line."""

    def __init__(self, columns: Sequence[Column], labelled: Collection[str]) -> None:
        """Take the columns as they are delivered, and those that a label speaks of one by one: of the others one with a value is enough."""
        has_documents = any(column.kind in _DOCUMENTS for column in columns)
        self._labelled = tuple(_Column(column.name, has_documents=has_documents) for column in columns if column.name in labelled)
        self._others = tuple(_Column(column.name, has_documents=has_documents) for column in columns if column.name not in labelled)
        self._other_names = frozenset(column.name for column in self._others)

    def look(self, lines: bytes, known: frozenset[str], is_null: Callable[[str], bool] = lambda _: False) -> frozenset[str]:
        """Return those that are known to hold something, and those that do in these lines; `is_null` says of which there is no value."""
        left = [column for column in self._labelled if column.name not in known]
        if left and len(lines) >= _MANY_BYTES:
            left = [column for column in left if not is_null(column.name)]
        found = [column.name for column in left if column.has_value(lines)]
        if not known & self._other_names:
            found += next(([column.name] for column in self._others if column.has_value(lines)), [])
        return known.union(found) if found else known


@lru_cache(maxsize=256)
def filled_of(columns: tuple[Column, ...], labelled: frozenset[str]) -> Filled:
    """Return what looks so; the same for the same columns, since each read of a person begins with it."""
    return Filled(columns, labelled)


def has_value(kind: ColumnKind, values: pa.Array) -> bool:
    """Say the same of a column as its source gives it, where a rule lets nothing of it be seen in lines."""
    values = plain(values).drop_null()
    if kind is ColumnKind.JSON and is_textual(values.type):
        filled = pc.invert(pc.match_substring_regex(values, _DOCUMENT))
    elif is_textual(values.type) or pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type):
        filled = pc.greater(pc.binary_length(values), 0)
    elif pa.types.is_list(values.type) or pa.types.is_large_list(values.type) or pa.types.is_map(values.type):
        filled = pc.greater(pc.list_value_length(values), 0)
    else:
        return len(values) > 0
    return pc.any(filled).as_py() is True


class _Column:
    def __init__(self, name: str, *, has_documents: bool) -> None:
        self.name = name
        self._is_plain = not has_documents and _PLAIN.fullmatch(name) is not None

    @cached_property
    def _value(self) -> re.Pattern[bytes]:
        return re.compile(re.escape(msgspec.json.encode(self.name)) + rb":(?!" + _EMPTY + rb")")

    def has_value(self, lines: bytes) -> bool:
        """Say whether a line has a value here. What looks like one may stand in a document: then its line is read."""
        if self._is_plain:
            return self._value.search(lines) is not None
        return any(_is_filled(line, self.name) for line in self._likely(lines))

    def _likely(self, lines: bytes) -> Iterator[bytes]:
        found = self._value.search(lines)
        while found is not None:
            start, end = lines.rfind(b"\n", 0, found.start()) + 1, lines.find(b"\n", found.end())
            end = len(lines) if end < 0 else end
            yield lines[start:end]
            found = self._value.search(lines, end)


def _is_filled(line: bytes, name: str) -> bool:
    try:
        value = msgspec.json.decode(line, type=dict[str, msgspec.Raw]).get(name)
    except (msgspec.DecodeError, RecursionError):
        return True  # deeper than can be read: something is there
    return value is not None and _IS_EMPTY.fullmatch(bytes(value)) is None
