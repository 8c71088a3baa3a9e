"""The seam beneath `files`: a tree of files somewhere, seen one folder of a person's at a time.

Rules:
* A `Visit` is one look at the tree. It belongs to one thread, and what it found can be read (`read`, `look`) after it has ended, from any
  thread, as long as its tree is not closed.
* What lies outside the root, or is reached through a symbolic link below it, is never given.
* `SourceUnavailable` and `SourceRefused` are raised where the source as a whole is at fault; `OSError` where one file or folder is.
* A file that is not what was found raises `ItemChanged`; a file's content is exactly `size_bytes` long, in chunks of at most 1 MiB.
"""

import errno
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from rightful.connectors.interface import ItemChanged

CHUNK_BYTES = 1 << 20

IsWanted = Callable[[str, bool], bool]
"""Whether a path below the person's folder (and whether it is a folder) is to be visited at all."""


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A regular file that can be opened."""

    path: str
    """Below the folder that was walked."""
    size_bytes: int
    modified_ns: int | None
    stamp: tuple[int | str, ...]
    """What is another one where the file is another one, or changed."""
    mode: int | None = None
    """Permission bits, where the source has them."""
    etag: str = ""


@dataclass(frozen=True, slots=True)
class TreeSkip:
    """Something that cannot be read; a folder stands for all that is in it."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class TreeFolder:
    """A folder, in a listing."""

    path: str


class Visit(Protocol):
    """One look at a tree."""

    def walk(self, folder: Sequence[str], *, after: Sequence[bytes], is_wanted: IsWanted) -> Generator[TreeFile | TreeSkip]:
        """Yield what lies in a folder below the root, sorted by `order`, strictly after a cursor.

        Raises `FileNotFoundError` before the first one where there is no such folder, another `OSError` where it cannot be read.
        """
        ...

    def read(self, folder: Sequence[str], found: TreeFile) -> Iterator[bytes]:
        """Yield a file's content."""
        ...

    def look(self, folder: Sequence[str], found: TreeFile) -> TreeFile | TreeSkip | None:
        """Look at a file again: as it is now, None where it is gone."""
        ...


class FileTree(Protocol):
    """A tree of files, reached in some way."""

    def visit(self) -> AbstractContextManager[Visit]:
        """Begin a look; raises `SourceError` where the root is not there, may not be read, or is empty and should not be."""
        ...

    def close(self) -> None:
        """Release what is held."""
        ...


def order(path: str) -> list[bytes]:
    """Return what paths are sorted by: the bytes of their segments."""
    return [os.fsencode(segment) for segment in path.split("/")]


def changed() -> ItemChanged:
    """Return the error for a file that is not what was found."""
    return ItemChanged(errno.EAGAIN, "the file changed while it was read")


def walk_listings(
    list_folder: Callable[[str], Sequence[TreeFile | TreeSkip | TreeFolder]], *, after: Sequence[bytes], is_wanted: IsWanted
) -> Iterator[TreeFile | TreeSkip]:
    """Walk a tree by listing one folder after another.

    `list_folder` takes a path below the walked folder, "" for itself, and returns what lies in it with paths alike. What it raises for the
    first one goes on; a folder below that is gone was deleted meanwhile, one that raises another `OSError` is skipped.
    """
    waiting: list[TreeFile | TreeSkip | TreeFolder] = _last_first(list_folder(""))
    while waiting:
        item = waiting.pop()
        segments = order(item.path)
        if not is_wanted(item.path, isinstance(item, TreeFolder)) or _is_before(item, segments, after):
            continue
        if not isinstance(item, TreeFolder):
            yield item
            continue
        try:
            waiting += _last_first(list_folder(item.path))
        except FileNotFoundError:
            continue
        except OSError as error:
            if segments > list(after):
                yield TreeSkip(item.path, (error.strerror or "cannot be read").lower())


def _last_first(found: Sequence[TreeFile | TreeSkip | TreeFolder]) -> list[TreeFile | TreeSkip | TreeFolder]:
    return sorted(found, key=lambda item: order(item.path), reverse=True)


def _is_before(item: TreeFile | TreeSkip | TreeFolder, segments: Sequence[bytes], after: Sequence[bytes]) -> bool:
    """Say whether something, with all that is in it, comes before a cursor or is it."""
    if not after:
        return False
    if isinstance(item, TreeFolder) and list(after[: len(segments)]) == segments:
        return False  # the cursor is in it, or it is the cursor: a folder that could not be listed
    return list(segments) <= list(after)
