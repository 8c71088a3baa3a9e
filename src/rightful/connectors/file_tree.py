"""The seam beneath `files`: a tree of files somewhere, seen one folder of a person's at a time.

Rules:
* A `Visit` is one look at the tree. It belongs to one thread, and what it found can be read (`read`, `look`) after it has ended, from any
  thread, as long as its tree is not closed.
* What lies outside the root, or is reached through a symbolic link below it, is never given.
* `SourceUnavailable` and `SourceRefused` are raised where the source as a whole is at fault; `OSError` where one file or folder is.
* A file that is not what was found raises `ItemChanged`; a file's content is exactly `size_bytes` long, in chunks of at most 1 MiB.
"""

import errno
import math
import os
import time
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


class Patience:
    """How long walks may ask for more, from now on."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._begun = time.monotonic()
        self.ran_out = False
        """Whether something was left out for it."""

    @property
    def left_s(self) -> float | None:
        """How much of it is left; None where it has no end."""
        return None if math.isinf(self._limit_s) else max(0.05, self._begun + self._limit_s - time.monotonic())

    def is_over(self, *, share: float = 1.0) -> bool:
        """Say whether a share of it is over; asked where there is something to be left out."""
        over = time.monotonic() - self._begun >= self._limit_s * share
        self.ran_out |= over
        return over


ENDLESS = Patience(math.inf)


class Visit(Protocol):
    """One look at a tree."""

    def walk(
        self, folder: Sequence[str], *, after: Sequence[bytes], is_wanted: IsWanted, patience: Patience = ENDLESS
    ) -> Generator[TreeFile | TreeSkip]:
        """Yield what lies in a folder below the root, sorted by `order`, strictly after a cursor.

        Where the patience is over it asks for no more, and yields what it knows by then. Raises `FileNotFoundError` before the first one
        where there is no such folder, another `OSError` where it cannot be read.
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
