"""Where a package is read from: a folder, or a storage location."""

import errno
import os
import stat
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from rightful.errors import PackageError

_CHUNK_BYTES = 1024 * 1024
_UNFOLLOWED = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


class PackageReader(Protocol):
    """One package, looked at and never changed. Both methods may be called from several threads at once."""

    def list(self) -> Iterator[tuple[str, int]]:
        """Yield (path below the package's root, size in bytes) of everything that lies there, in any order."""
        ...

    def read(self, path: str) -> Iterator[bytes]:
        """Yield an entry's content; raises `OSError` where it can't be read, `StorageError` where the location can't."""
        ...


@runtime_checkable
class Looking(Protocol):
    """The ability to show entries as they lie in memory, for who does not keep what it is shown."""

    def look(self, path: str) -> Iterator[bytes | memoryview]:
        """Yield the same as `PackageReader.read`, and raise the same."""
        ...


class FolderReader:
    """A package in a local folder. No symbolic link below the folder is followed, whoever puts one there and when."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._kept: tuple[Sequence[str], int] | None = None
        """The folder that was opened last: the next entry mostly lies in it, too."""
        if not folder.is_dir():
            raise PackageError(f"{folder} is no folder", hint="give the folder that RequestInfo.json lies in")

    def list(self) -> Iterator[tuple[str, int]]:
        """Yield every file; what is neither file nor folder (a link, a socket) comes as an entry, and can't be read."""
        waiting: list[tuple[str, ...]] = [()]
        while waiting:
            segments = waiting.pop()
            try:
                found = self._scan(segments)
            except OSError as error:
                where = "/".join(segments) or "."
                raise PackageError(f"{where!r} in the package can't be listed: {error.strerror}", hint="check who may read it") from error
            for name, size_bytes in found:
                if size_bytes is None:
                    waiting.append((*segments, name))
                else:
                    yield "/".join((*segments, name)), size_bytes

    def _scan(self, segments: tuple[str, ...]) -> Sequence[tuple[str, int | None]]:
        """Return (name, size) of what lies in a folder; the size of a folder is None."""
        descriptor = self._open_folder(segments)
        try:
            with os.scandir(descriptor) as found:
                return [
                    (item.name, None if item.is_dir(follow_symlinks=False) else item.stat(follow_symlinks=False).st_size) for item in found
                ]
        finally:
            os.close(descriptor)

    def read(self, path: str) -> Iterator[bytes]:
        """Yield a file in chunks of at most 1 MiB."""
        descriptor = self._open(path)
        try:
            while chunk := os.read(descriptor, _CHUNK_BYTES):
                yield chunk
        finally:
            os.close(descriptor)

    def _open(self, path: str) -> int:
        *folders, name = path.split("/")
        if any(segment in {"", ".", ".."} for segment in (*folders, name)):
            raise FileNotFoundError(errno.ENOENT, "no path below a folder")
        parent = self._take_folder(folders)
        try:
            descriptor = os.open(name, _UNFOLLOWED | os.O_NONBLOCK, dir_fd=parent)
        finally:
            os.close(parent)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "not a regular file")
        return descriptor

    def _take_folder(self, segments: Sequence[str]) -> int:
        """Open a folder, or the one that was opened last once more; whoever takes it closes it."""
        with self._lock:
            if self._kept is not None and self._kept[0] == segments:
                return os.dup(self._kept[1])
        descriptor = self._open_folder(segments)
        with self._lock:
            self._let_go()
            self._kept = segments, os.dup(descriptor)
        return descriptor

    def _let_go(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            os.close(kept[1])

    def __del__(self) -> None:
        """Close what is kept open."""
        if hasattr(self, "_kept"):
            self._let_go()

    def _open_folder(self, segments: Sequence[str]) -> int:
        """Open segment by segment, so that no link leads out of the package."""
        parent = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for segment in segments:
            try:
                inner = os.open(segment, _UNFOLLOWED | os.O_DIRECTORY, dir_fd=parent)
            finally:
                os.close(parent)
            parent = inner
        return parent


class ReadableStorage(Protocol):
    """What is needed of a storage location: `storage.interface`'s Reading and Listing together."""

    def read(self, path: str) -> Iterator[bytes]:
        """Yield an entry's content."""
        ...

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield (path, size in bytes) of every entry whose path starts with the prefix."""
        ...


class ReadableInParts(ReadableStorage, Protocol):
    """The same, and `ReadingAt`."""

    def read_at(self, path: str, start: int, length: int) -> bytes:
        """Return a part of an entry."""
        ...


class StorageReader:
    """A package in a storage location that lets us read and list."""

    def __init__(self, storage: ReadableStorage, prefix: str) -> None:
        self._storage = storage
        self._prefix = prefix if not prefix or prefix.endswith("/") else f"{prefix}/"

    def list(self) -> Iterator[tuple[str, int]]:
        """Yield every entry under the prefix."""
        for path, size_bytes in self._storage.list(self._prefix):
            yield path.removeprefix(self._prefix), size_bytes

    def read(self, path: str) -> Iterator[bytes]:
        """Yield an entry's content."""
        return self._storage.read(self._prefix + path)
