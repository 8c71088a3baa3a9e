"""A local folder as a storage location: entries appear whole, under their names, only once they are durable.

How: content goes to an unnamed file (O_TMPFILE), which vanishes with the process whatever happens. `sync` makes the content of all
pending files durable, then links each under its name, then makes the folders durable. So a name never leads to torn content, neither
after kill -9 nor after a power cut, and nothing is left behind. Where the file system has no unnamed files, hidden locked ones take
their place, and those of a dead process are removed at the next start.
"""

import errno
import fcntl
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from rightful.storage.beneath import list_files, open_file, open_folder, read_chunks
from rightful.storage.body import exactly
from rightful.storage.durable import PendingFile
from rightful.storage.entry_path import split_entry_path
from rightful.storage.group_sync import GroupSync
from rightful.storage.interface import Properties, Put
from rightful.storage.local_errors import FolderFault, conflict, translate

Item = TypeVar("Item")

_HIDDEN = ".rightful-"
_PROPERTIES = Properties(max_entry_bytes=1 << 62)
_MOST_PIECES = 16
"""Chunks that are written by one call: far fewer than any system takes (IOV_MAX)."""
_ROOT = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NO_UNNAMED_FILES = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL})


class LocalStorage:
    """Entries below one folder, which is made where it is missing. Safe to use from any thread and from several processes.

    Also has the abilities to read, list, delete and remove. Once a sync has failed, every later put and sync fails (`is_broken`).
    """

    def __init__(self, root: Path, *, unnamed_files: bool = True) -> None:
        self._root = root
        self._unnamed_files = unnamed_files and hasattr(os, "O_TMPFILE") and Path("/proc/self/fd").is_dir()
        self._opening = threading.Lock()
        self._root_fd = -1
        self._group: GroupSync | None = None

    def __repr__(self) -> str:
        return f"LocalStorage({str(self._root)!r})"

    @property
    def properties(self) -> Properties:
        """What a folder can do."""
        return _PROPERTIES

    @property
    def is_broken(self) -> bool:
        """Whether a sync has failed: the object is of no use any more, a new one starts afresh."""
        return self._group is not None and self._group.has_failed

    def put(self, path: str, chunks: Iterable[bytes], *, size_bytes: int) -> Put:
        """Write an entry, which becomes visible with the next `sync`; compare with what lies at the path, if anything does."""
        segments = split_entry_path(path)
        try:
            group = self._group or self._open_root()
            group.raise_if_failed()
            if group.is_waiting(segments):
                group.flush()
            is_new = self._is_free(path)
            entry = self._create(segments) if is_new else self._open_there(segments)
            try:
                if is_new and isinstance(chunks, tuple) and len(chunks) <= _MOST_PIECES:
                    _write_at_once(entry.fd, chunks, size_bytes)
                elif is_new:
                    _write(entry.fd, exactly(chunks, size_bytes))
                else:
                    self._compare(entry.fd, exactly(chunks, size_bytes), size_bytes)
            except BaseException:
                group.drop([entry])
                raise
            group.add(entry)  # one that was there too: it need not be durable yet
        except FolderFault as fault:
            raise translate(fault.cause) from fault.cause
        return Put.WRITTEN if is_new else Put.ALREADY_THERE

    def sync(self) -> None:
        """Make all entries put so far durable and visible, those of other threads too; calls that meet share one sync.

        Raises `EntryConflict` where another process has put another content under the name of one of them meanwhile.
        """
        try:
            if self._group is not None and not self._group.sync():
                raise conflict()
        except FolderFault as fault:
            raise translate(fault.cause) from fault.cause

    def close(self) -> None:
        """Drop what was not synced."""
        if self._group is not None:
            self._group.close()
            self._root_fd = -1

    def __del__(self) -> None:
        """Close when nobody uses it any more: a descriptor that is closed earlier may be another folder's by the next call."""
        self.close()

    def read(self, path: str) -> Iterator[bytes]:
        """Yield an entry's content in chunks of at most 1 MiB."""
        segments = split_entry_path(path)
        try:
            root_fd = os.open(self._root, _ROOT)
            try:
                fd = open_file(root_fd, segments)
            finally:
                os.close(root_fd)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise FileNotFoundError("there is no such entry") from None
        except OSError as error:
            raise translate(error) from error
        try:
            yield from _translated(read_chunks(fd))
        finally:
            os.close(fd)

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield (path, size in bytes) of visible entries, sorted by path; links and other special files are left out."""
        base = prefix.rpartition("/")[0]
        try:
            base_fd = self._open_folder(base)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise translate(error) from error
        try:
            for path, size in _translated(list_files(base_fd, f"{base}/" if base else "")):
                if path.startswith(prefix) and not path.startswith(_HIDDEN):
                    yield path, size
        finally:
            os.close(base_fd)

    def delete(self, folder: str) -> None:
        """Delete a folder and what is in it; no link is followed."""
        *parents, name = split_entry_path(folder)
        try:
            parent_fd = self._open_folder("/".join(parents))
            try:
                shutil.rmtree(name, dir_fd=parent_fd)
                os.fsync(parent_fd)
            finally:
                os.close(parent_fd)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise translate(error) from error

    def remove(self, path: str) -> bool:
        """Delete an entry, and the folders above it that are empty then, but for the first; False where there is none."""
        *parents, name = split_entry_path(path)
        try:
            self._take_away(os.unlink, "/".join(parents), name)
            while len(parents) > 1:
                *above, folder = parents
                with suppress(OSError):  # something is left in it
                    self._take_away(os.rmdir, "/".join(above), folder)
                parents = above
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise translate(error) from error
        return True

    def _take_away(self, take: Callable[..., None], folder: str, name: str) -> None:
        folder_fd = self._open_folder(folder)
        try:
            take(name, dir_fd=folder_fd)
            os.fsync(folder_fd)
        finally:
            os.close(folder_fd)

    # -- one entry ----------------------------------------------------------------------------------------------------
    def _is_free(self, path: str) -> bool:
        try:
            os.stat(path, dir_fd=self._root_fd, follow_symlinks=False)
        except FileNotFoundError:
            return True
        except NotADirectoryError:
            raise conflict() from None
        except OSError as error:
            raise FolderFault(error) from error
        return False

    def _open_there(self, segments: tuple[str, ...]) -> PendingFile:
        try:
            return PendingFile(segments, open_file(self._root_fd, segments), is_named=True)
        except OSError:  # a folder, a link, something else: no entry
            raise conflict() from None

    def _compare(self, fd: int, chunks: Iterable[bytes], size_bytes: int) -> None:
        if os.fstat(fd).st_size != size_bytes:
            raise conflict()
        offset = 0
        for chunk in chunks:
            if not _equals(fd, offset, chunk):
                raise conflict()
            offset += len(chunk)

    def _create(self, segments: tuple[str, ...]) -> PendingFile:
        try:
            if self._unnamed_files:
                try:
                    return PendingFile(segments, os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600, dir_fd=self._root_fd))
                except OSError as error:
                    if error.errno not in _NO_UNNAMED_FILES:
                        raise
                    self._unnamed_files = False
            return self._create_hidden(segments)
        except OSError as error:
            raise FolderFault(error) from error

    def _create_hidden(self, segments: tuple[str, ...]) -> PendingFile:
        """Make a hidden file whose lock says that its process lives; a starting process may have removed it before it was locked."""
        while True:
            hidden = f"{_HIDDEN}{secrets.token_hex(12)}"
            fd = os.open(hidden, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600, dir_fd=self._root_fd)
            fcntl.flock(fd, fcntl.LOCK_EX)
            if os.fstat(fd).st_nlink:
                return PendingFile(segments, fd, hidden=hidden)
            os.close(fd)

    # -- the root -----------------------------------------------------------------------------------------------------
    def _open_root(self) -> GroupSync:
        with self._opening:
            if self._group is None:
                try:
                    self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
                    self._root_fd = os.open(self._root, _ROOT)
                    _remove_hidden(self._root_fd)
                except OSError as error:
                    raise FolderFault(error) from error
                self._group = GroupSync(self._root_fd)
            return self._group

    def _open_folder(self, path: str) -> int:
        """Open a folder below the root for reading; the caller closes it."""
        fd = os.open(self._root, _ROOT)
        for name in split_entry_path(path) if path else ():
            try:
                below_fd = open_folder(name, fd)
            finally:
                os.close(fd)
            fd = below_fd
        return fd


def _write(fd: int, chunks: Iterable[bytes]) -> None:
    for chunk in chunks:
        try:
            written = os.write(fd, chunk)
            while written < len(chunk):
                written += os.write(fd, memoryview(chunk)[written:])
        except OSError as error:
            raise FolderFault(error) from error


def _write_at_once(fd: int, chunks: tuple[bytes, ...], size_bytes: int) -> None:
    """Write chunks that are all there by one call, where the system takes them in one."""
    if sum(map(len, chunks)) != size_bytes:
        raise ValueError(f"the chunks have {sum(map(len, chunks))} bytes, {size_bytes} were promised")
    try:
        written = os.writev(fd, chunks)
    except OSError as error:
        raise FolderFault(error) from error
    if written < size_bytes:
        _write(fd, (b"".join(chunks)[written:],))


def _equals(fd: int, offset: int, chunk: bytes) -> bool:
    try:
        return os.pread(fd, len(chunk), offset) == chunk
    except OSError as error:
        raise FolderFault(error) from error


def _translated(items: Iterator[Item]) -> Iterator[Item]:
    try:
        yield from items
    except OSError as error:
        raise translate(error) from error


def _remove_hidden(root_fd: int) -> None:
    """Remove hidden files of processes that have ended: nobody holds their locks."""
    with os.scandir(root_fd) as found:
        names = [entry.name for entry in found if entry.name.startswith(_HIDDEN) and entry.is_file(follow_symlinks=False)]
    for name in names:
        with suppress(OSError):
            fd = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=root_fd)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(name, dir_fd=root_fd)
            finally:
                os.close(fd)
