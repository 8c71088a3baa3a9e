"""A tree of local folders, for `files`: its root, and what it means when that is not there.

Below the root `tree` walks and reads. Needs Linux (`O_PATH`, descriptors of folders).
"""

import errno
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from rightful.connectors import tree
from rightful.connectors.file_tree import ENDLESS, IsWanted, Patience, TreeFile, TreeSkip
from rightful.errors import SourceError, SourceRefused, SourceUnavailable


class LocalTree:
    """A folder with all that is in it; nothing outside, no symbolic link, no special file."""

    def __init__(self, source_name: str, root: Path, *, allow_empty: bool) -> None:
        self._source_name = source_name
        self._root = root
        self._allow_empty = allow_empty

    @contextmanager
    def visit(self) -> Iterator["LocalVisit"]:
        """Hold the root open."""
        root = self._open_root()
        try:
            yield LocalVisit(self, root)
        finally:
            os.close(root)

    def close(self) -> None:
        """Do nothing: no descriptor outlives a visit or a file's reading."""

    @contextmanager
    def base(self, expected: tuple[int, int]) -> Iterator[int]:
        """Hold the root open for one file. What an outage does is the source's fault; any other `OSError` inside is the file's."""
        try:
            base = os.open(self._root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise self._unopened(error) from error
        try:
            if tree.identity(os.fstat(base)) != expected:
                # A mount that went away leaves the folder that it was mounted on: there every file is missing.
                raise self.away("another folder has taken the root's place")
            yield base
        except OSError as error:
            if tree.is_down(error):
                raise self.unavailable(error) from error
            raise
        finally:
            os.close(base)

    def _open_root(self) -> int:
        try:
            root = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            is_empty = self._is_empty(root)
        except OSError as error:
            raise self._unopened(error) from error
        if is_empty and not self._allow_empty:
            os.close(root)
            raise self.away("the root folder is empty", hint="mount its file system, or set allow_empty: true")
        return root

    @staticmethod
    def _is_empty(root: int) -> bool:
        try:
            os.stat(".", dir_fd=root)  # fails without the right to enter the folder
            with os.scandir(root) as entries:
                return next(entries, None) is None
        except OSError:
            os.close(root)
            raise

    def _unopened(self, error: OSError) -> SourceError:
        """Translate what opening the root raised."""
        if isinstance(error, PermissionError):
            return SourceRefused(
                "the root folder may not be listed", source_name=self._source_name, hint="give the service's user the right to read it"
            )
        if isinstance(error, NotADirectoryError):
            return SourceRefused("the root is not a folder", source_name=self._source_name, hint="correct url or path")
        return self.unavailable(error)

    def unavailable(self, error: OSError) -> SourceUnavailable:
        """Return the error for a root that does not answer."""
        return self.away(f"the folder cannot be read: {tree.reason_of(error)}")

    def away(self, message: str, *, hint: str = "see that its file system is mounted") -> SourceUnavailable:
        """Return the error for a tree that is not what it was, or not there."""
        return SourceUnavailable(message, source_name=self._source_name, hint=hint)


class LocalVisit:
    """One look at a local tree. `folder`, `walk`: only while it lasts."""

    def __init__(self, owner: LocalTree, root: int) -> None:
        self._owner = owner
        self._root = root
        self._identity = tree.identity(os.fstat(root))

    def folder(self, segments: Sequence[str]) -> int:
        """Open a folder below the root, to list it.

        Raises `FileNotFoundError` where there is none of that name, another `OSError` where it cannot be read.
        """
        try:
            return tree.open_folder(self._root, segments)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise FileNotFoundError(errno.ENOENT, "no folder can have that name") from error
            if tree.is_down(error):
                raise self._owner.unavailable(error) from error
            raise OSError(error.errno, tree.reason_of(error)) from error

    def base(self) -> AbstractContextManager[int]:
        """Hold the root open once more, also after this look has ended: for `LocalTree.base`."""
        return self._owner.base(self._identity)

    def unavailable(self, error: OSError) -> SourceUnavailable:
        """Return the error for a tree that does not answer."""
        return self._owner.unavailable(error)

    def rewritten(self) -> SourceUnavailable:
        """Return the error for a file whose content became another one while it was read."""
        return self._owner.away("a file was written anew while it was read", hint="it is tried again")

    def walk(
        self, folder: Sequence[str], *, after: Sequence[bytes], is_wanted: IsWanted, patience: Patience = ENDLESS
    ) -> Generator[TreeFile | TreeSkip]:
        """Yield what lies in a folder."""
        fd = self.folder(folder)
        try:
            yield from tree.walk(fd, after=after, is_wanted=is_wanted, patience=patience)
        except OSError as error:
            raise self._owner.unavailable(error) from error  # what concerns one file alone, the walk has told as skipped

    def read(self, folder: Sequence[str], found: TreeFile) -> Iterator[bytes]:
        """Yield a file's content."""
        with self.base() as base:
            yield from tree.read_file(base, [*folder, *found.path.split("/")], found)

    def look(self, folder: Sequence[str], found: TreeFile) -> TreeFile | TreeSkip | None:
        """Look at a file again."""
        with self.base() as base:
            return tree.look(base, [*folder, *found.path.split("/")], found.path)
