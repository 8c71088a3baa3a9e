"""Cutting a stream of lines into parts.

A part takes as many whole lines as fit. Where it ends depends on the lines alone, never on how they were fed: whoever resumes after a
part's last line makes the same parts again.
"""

from collections.abc import Iterator
from typing import Protocol

import msgspec


class Keys(Protocol):
    """One key for each line of a feed: a sequence, or an Arrow array (whose elements give their value by `as_py`)."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> object: ...


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Lines that make one entry."""

    content: tuple[bytes, ...]
    """The lines, in pieces of any size; nothing is copied to join them."""
    rows: int
    size_bytes: int
    last_key: object
    """The key of the last line; None where the feed that brought it had none."""

    def __repr__(self) -> str:
        """Leave content and key out: a repr may end up in a log."""
        return f"Part(rows={self.rows}, size_bytes={self.size_bytes})"


class PartCutter:
    """Cuts one ordered stream of lines; holds at most `limit_bytes` and what was fed last."""

    def __init__(self, limit_bytes: int, *, counts_rows: bool = True) -> None:
        """Begin a stream.

        Args:
            limit_bytes: no part is larger, except one that is a single longer line.
            counts_rows: whether the parts say how many lines they have, which takes longer than all else; without, no keys are given.
        """
        if limit_bytes < 1:
            raise ValueError("a part must have room for a byte")
        self._limit = limit_bytes
        self._counts_rows = counts_rows
        self._pieces: list[bytes] = []
        self._size = 0
        self._rows = 0
        self._key: object = None

    def feed(self, lines: bytes, keys: Keys | None = None) -> Iterator[Part]:
        """Take more lines (each ended by a newline) and yield the parts that are full; exhaust the iterator before the next call.

        Args:
            lines: any number of whole lines.
            keys: one for each line of this feed.
        """
        if lines and not lines.endswith(b"\n"):
            raise ValueError("a feed must end with a whole line")
        position = row = 0
        while position < len(lines):
            end = self._end(lines, position)
            if end > position:
                is_all = position == 0 and end == len(lines)
                rows = len(keys) if is_all and keys is not None else self._count(lines, position, end)
                row += rows
                self._take(lines[position:end], rows, None if keys is None else _value(keys[row - 1]))
                position = end
            if position < len(lines):
                yield self._cut()

    def _count(self, lines: bytes, position: int, end: int) -> int:
        return lines.count(b"\n", position, end) if self._counts_rows else 0

    def finish(self) -> Part | None:
        """Return what is left as the last part, None where nothing is."""
        return self._cut() if self._pieces else None

    def _end(self, lines: bytes, position: int) -> int:
        """Return where the lines end that still fit into the part, `position` where none does."""
        room = max(self._limit - self._size, 0)  # a single longer line leaves less than none
        if len(lines) - position <= room:
            return len(lines)
        end = lines.rfind(b"\n", position, position + room) + 1
        if end == 0 and self._size == 0:
            end = lines.index(b"\n", position + room) + 1
        return end or position

    def _take(self, piece: bytes, rows: int, key: object) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        self._rows += rows
        self._key = key

    def _cut(self) -> Part:
        part = Part(content=tuple(self._pieces), rows=self._rows, size_bytes=self._size, last_key=self._key)
        self._pieces = []
        self._size = self._rows = 0
        self._key = None
        return part


def _value(key: object) -> object:
    """Return an Arrow scalar's value: the scalar itself would keep its whole array alive."""
    as_py = getattr(key, "as_py", None)
    return key if as_py is None else as_py()
