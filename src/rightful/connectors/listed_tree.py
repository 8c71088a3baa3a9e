"""Walks a tree that is listed one folder after another."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

from rightful.connectors.file_tree import ENDLESS, IsWanted, Patience, TreeFile, TreeFolder, TreeSkip, order
from rightful.connectors.sorted_listing import SortedListing

Listing = SortedListing[TreeFile | TreeSkip | TreeFolder]
_DEEPEST = 200
"""Folders one in another: each holds the rest of its listing, up to 1 MiB of it in memory."""

ListFolder = Callable[[str], Iterable[TreeFile | TreeSkip | TreeFolder]]
"""Lists what lies in a folder, in any order. Takes a path below the folder that is walked, "" for itself, and gives paths alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedWalk:
    """A walk; see `file_tree.Visit.walk` for what it promises.

    What `list_folder` raises for the first folder goes on; a folder below that is gone was deleted meanwhile, one that raises another
    `OSError` is skipped.
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
                elif found is not None and order(found.path) > list(self.after):
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

    def _asked_for(self, path: str) -> Iterator[TreeFile | TreeSkip | TreeFolder]:
        for item in self.list_folder(path):
            if self.patience.is_over():
                return
            if self.is_wanted(item.path, isinstance(item, TreeFolder)) and not _is_before(item, self.after):
                yield item


def _is_before(item: TreeFile | TreeSkip | TreeFolder, after: Sequence[bytes]) -> bool:
    """Say whether something, with all that is in it, comes before a cursor or is it."""
    if not after:
        return False
    segments = order(item.path)
    if isinstance(item, TreeFolder) and list(after[: len(segments)]) == segments:
        return False  # the cursor is in it, or it is the cursor: a folder that could not be listed
    return segments <= list(after)
