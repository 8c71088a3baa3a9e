"""Trees that are listed one folder after another, and the walk through one."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from rightful.connectors.file_tree import ENDLESS, IsWanted, Patience, TreeFile, TreeFolder, TreeSkip, order
from rightful.connectors.sorted_listing import SortedListing

Listed = TreeFile | TreeSkip | TreeFolder
Listing = SortedListing[Listed]
_DEEPEST = 200
"""Folders one in another: each holds the rest of its listing, up to 1 MiB of it in memory."""

ListFolder = Callable[[str], Iterable[Listed]]
"""Lists what lies in a folder, in any order. Takes a path below the folder that is walked, "" for itself, and gives paths alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedWalk:
    """A walk; see `file_tree.Visit.walk` for what it promises.

    What `list_folder` raises for the first folder goes on; a folder below that is gone was deleted meanwhile, one that raises another
    `OSError` is skipped. So is what stands where the cursor's way leads through and is no folder that can be listed: all that comes after
    the cursor in it is missing.
    """

    list_folder: ListFolder
    source_name: str
    after: Sequence[bytes]
    is_wanted: IsWanted
    patience: Patience = ENDLESS

    def __iter__(self) -> Generator[TreeFile | TreeSkip]:
        """Walk."""
        way = [self._list("")]
        try:
            while way:
                item = next(way[-1], None)
                if item is None:
                    way.pop().close()
                    continue
                found = self._enter(item.path, len(way)) if isinstance(item, TreeFolder) else item
                if isinstance(found, SortedListing):
                    way.append(found)
                elif found is not None and (order(found.path) > list(self.after) or _is_in_the_way(found, self.after)):
                    yield found
        finally:
            for left in way:
                left.close()

    def _enter(self, path: str, depth: int) -> Listing | TreeSkip | None:
        if depth == _DEEPEST:
            return TreeSkip(path, "folders are nested too deeply")
        try:
            return self._list(path) if not self.patience.is_over() else None
        except FileNotFoundError:
            return None
        except OSError as error:
            return TreeSkip(path, (error.strerror or "cannot be read").lower())

    def _list(self, path: str) -> Listing:
        return SortedListing(self._asked_for(path), self.source_name, is_once=True)

    def _asked_for(self, path: str) -> Iterator[Listed]:
        for item in self.list_folder(path):
            if self.patience.is_over():
                return
            if self.is_wanted(item.path, isinstance(item, TreeFolder)) and not _is_before(item, self.after):
                yield item


def _is_before(item: Listed, after: Sequence[bytes]) -> bool:
    """Say whether something, with all that is in it, comes before a cursor or is it."""
    if not after:
        return False
    segments = order(item.path)
    if isinstance(item, TreeFolder) and list(after[: len(segments)]) == segments:
        return False  # the cursor is in it, or it is the cursor: a folder that could not be listed
    return segments <= list(after) and not _is_in_the_way(item, after)


def _is_in_the_way(item: Listed, after: Sequence[bytes]) -> bool:
    """Say whether something that is skipped stands where there was a folder, with the cursor in it."""
    segments = order(item.path)
    return isinstance(item, TreeSkip) and len(segments) < len(after) and list(after[: len(segments)]) == segments


class ListedTree(ABC):
    """A tree on a server that lists one folder at a time, and looks at one thing at a time. Paths are the bytes of their segments."""

    def __init__(self, source_name: str) -> None:
        self._source_name = source_name

    @abstractmethod
    def _list(self, segments: Sequence[bytes], patience: Patience, prefix: str = "") -> Generator[Listed]:
        """List a folder, in the server's order, each name after the prefix; raises `OSError` where that cannot be done."""

    @abstractmethod
    def _look_at(self, segments: Sequence[bytes], path: str) -> Listed:
        """Say what lies at a path, which is called so; raises `OSError`: `FileNotFoundError` where nothing does."""

    def walk(
        self, folder: Sequence[str], *, after: Sequence[bytes], is_wanted: IsWanted, patience: Patience = ENDLESS
    ) -> Generator[TreeFile | TreeSkip]:
        """Yield what lies in a folder."""
        here = order("/".join(folder))
        for depth, name in enumerate(here):
            if not self._is_exact(here[:depth], name, patience):
                raise FileNotFoundError

        def list_folder(path: str) -> Iterator[Listed]:
            return self._list([*here, *(order(path) if path else [])], patience, f"{path}/" if path else "")

        yield from ListedWalk(list_folder=list_folder, source_name=self._source_name, after=after, is_wanted=is_wanted, patience=patience)

    def look(self, folder: Sequence[str], found: TreeFile) -> TreeFile | TreeSkip | None:
        """Look at a file again."""
        try:
            now = self._look_at(order("/".join((*folder, found.path))), found.path)
        except FileNotFoundError:
            return None
        except OSError as error:
            return TreeSkip(found.path, error.strerror or "cannot be read")
        return TreeSkip(found.path, "not a regular file") if isinstance(now, TreeFolder) else now

    def _is_empty(self) -> bool:
        with closing(self._list((), ENDLESS)) as listed:
            return next(listed, None) is None

    def _is_exact(self, folder: Sequence[bytes], name: bytes, patience: Patience) -> bool:
        """Say whether a person's folder is called so: where the server ignores letter case or normal form, another's is found by it too."""
        text = name.decode(errors="replace")
        other = text.swapcase()
        if text.isascii() and (other == text or not self._is_there([*folder, other.encode()])):
            return True
        with closing(self._list(folder, patience)) as listed:
            return any(order(item.path)[-1] == name for item in listed)

    def _is_there(self, segments: Sequence[bytes]) -> bool:
        try:
            self._look_at(segments, "")
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return True


def unnameable(prefix: str, name: str) -> TreeSkip:
    """Say that a listing has what can be no name."""
    return TreeSkip(prefix + (name.replace("/", "%2F").replace("\0", "%00") or "%00"), "its name cannot be a file's")
