"""Sorts what was listed, however much it is, in bounded memory: what is too much to be held is written out in sorted runs, then merged."""

import heapq
import os
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import msgspec

from rightful.connectors.file_tree import TreeFile, TreeFolder, TreeSkip
from rightful.errors import SourceUnavailable
from rightful.scratch import Scratch

_HELD = 2_000
"""So many are about 1 MiB."""
_BUFFER_BYTES = 16 << 10
"""Of each run while they are merged."""
_LENGTH_BYTES = 4

Listed = TypeVar("Listed", bound=TreeFile | TreeSkip | TreeFolder)


class SortedListing(Iterator[Listed]):
    """What was listed, sorted by `file_tree.order`; equal paths stay in the order in which they came. Close it."""

    def __init__(self, listed: Iterable[Listed], source_name: str, *, held: int = _HELD, is_once: bool = False) -> None:
        """Take all of it in, holding so many. Where a path should come once, one that is the same again is left out.

        Raises what iterating over it raises, or `SourceUnavailable` where there is no room for it.
        """
        self._scratch = Scratch()
        self._source_name = source_name
        self._is_once = is_once
        self._last: Listed | None = None
        try:
            self._sorted = heapq.merge(*self._runs(listed, held), key=_sorted_by)
        except BaseException:
            self.close()
            raise

    def __next__(self) -> Listed:
        """Return the next one."""
        while True:
            item, last = next(self._sorted), self._last
            if not (self._is_once and last is not None and item.path == last.path):
                self._last = item
                return item
            if item != last:
                raise SourceUnavailable(
                    "a folder's listing has one name for two things", source_name=self._source_name, hint="it is tried again"
                )

    def close(self) -> None:
        """Forget what is left."""
        self._scratch.close()

    def _runs(self, listed: Iterable[Listed], most: int) -> list[Iterable[Listed]]:
        places: list[tuple[int, int]] = []
        held: list[Listed] = []
        for item in listed:
            if len(held) == most:
                held.sort(key=_sorted_by)
                try:
                    places.append(self._scratch.append(b"".join(map(_packed, held))))
                except OSError as error:
                    raise SourceUnavailable(
                        f"a folder's listing cannot be put down for a while: {error.strerror}",
                        source_name=self._source_name,
                        hint="make room where the system keeps temporary files (TMPDIR)",
                    ) from error
                held.clear()
            held.append(item)
        held.sort(key=_sorted_by)
        return [*(_unpacked(self._scratch.read(*place, chunk_bytes=_BUFFER_BYTES)) for place in places), held]


def _sorted_by(item: TreeFile | TreeSkip | TreeFolder) -> bytes:
    # Compares as the list of segments does, since no name has a NUL in it.
    return os.fsencode(item.path).replace(b"/", b"\0")


def _packed(item: TreeFile | TreeSkip | TreeFolder) -> bytes:
    match item:
        case TreeFile():
            rest: tuple[object, ...] = (item.size_bytes, item.modified_ns, item.stamp, item.mode, item.etag)
        case TreeSkip():
            rest = (item.reason,)
        case TreeFolder():
            rest = ()
    data = msgspec.msgpack.encode((os.fsencode(item.path), *rest))
    return len(data).to_bytes(_LENGTH_BYTES, "big") + data


def _unpacked(chunks: Iterable[bytes]) -> Iterator[Any]:
    data = b""
    for chunk in chunks:
        data, at = data + chunk, 0
        while (start := at + _LENGTH_BYTES) <= len(data) and (end := start + int.from_bytes(data[at:start], "big")) <= len(data):
            yield _item(*msgspec.msgpack.decode(data[start:end]))
            at = end
        data = data[at:]


def _item(path: bytes, *rest: Any) -> TreeFile | TreeSkip | TreeFolder:
    name = os.fsdecode(path)
    match rest:
        case (size_bytes, modified_ns, stamp, mode, etag):
            return TreeFile(name, size_bytes, modified_ns, tuple(stamp), mode=mode, etag=etag)
        case (reason,):
            return TreeSkip(name, reason)
        case _:
            return TreeFolder(name)
