"""Walks and reads a folder's tree without ever leaving it.

Every step goes from an open folder to a name in it, and follows no symbolic link, so that nothing outside is read even while somebody
moves things about. Paths may be longer than the system takes in one call, trees deeper than files may be open at once: of the folders on
the way down the lowest 64 are held open, the others are found again by `..` and known by their device and inode.
"""

import errno
import os
import stat
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rightful.connectors.file_tree import ENDLESS, Patience, TreeFile, TreeSkip, changed

_OPEN_FOLDERS = 64
_READ_BYTES = 128 << 10
"""Memory of this size is used again by the allocator; chunks of 1 MiB are mapped and faulted in each time, for 0.25 s of CPU a GiB."""
FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_STEP = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""O_NONBLOCK: a pipe that took the file's place must not hold us up."""

_DOWN = frozenset(
    {
        *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.ENOTCONN, errno.ENODEV, errno.ESHUTDOWN, errno.ENOLINK),
        *(errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH),
        *(errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.EKEYEXPIRED),
    }
)
_REASONS = {
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EIO: "input/output error",
    errno.ELOOP: "symbolic link, not followed",
    errno.ENOTDIR: "not a folder",
}
_KINDS = {
    stat.S_IFLNK: "symbolic link, not followed",
    stat.S_IFIFO: "named pipe, not a regular file",
    stat.S_IFSOCK: "socket, not a regular file",
    stat.S_IFCHR: "device, not a regular file",
    stat.S_IFBLK: "device, not a regular file",
}


@dataclass(slots=True)
class _Folder:
    """A folder on the way from the root to where the walk is."""

    fd: int
    """-1 while it is not open."""
    identity: tuple[int, int]
    prefix: str
    names: list[str]
    """Still to be visited, the next one last."""
    after: Sequence[bytes]
    """The cursor's segments below this folder; empty where everything here comes after it."""


def reason_of(error: OSError) -> str:
    """Say in a few words, without a path, why something could not be read."""
    return _REASONS.get(error.errno or 0) or os.strerror(error.errno or errno.EIO).lower()


def reason_of_kind(mode: int) -> str:
    """Say what something is that is no regular file."""
    return _KINDS.get(stat.S_IFMT(mode), "not a regular file")


def is_down(error: OSError) -> bool:
    """Say whether an error tells of the whole source or of this process, not of one file: worth another try."""
    return error.errno in _DOWN


def open_folder(base: int, segments: Sequence[str]) -> int:
    """Open a folder below an open one, to list it; raises `OSError`, ELOOP or ENOTDIR where a segment is no real folder.

    On a file system that ignores case or normal form a folder of another spelling is another one's: not found.
    """
    folder = os.dup(base)
    for number, segment in enumerate(segments, 1):
        try:
            if not is_exact(folder, segment):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            child = os.open(segment, FOLDER_FLAGS if number == len(segments) else _STEP, dir_fd=folder)
            # O_DIRECTORY together with O_NOFOLLOW answers ENOTDIR for a link too.
        except NotADirectoryError as error:
            mode = os.stat(segment, dir_fd=folder, follow_symlinks=False).st_mode
            raise OSError(errno.ELOOP if stat.S_ISLNK(mode) else errno.ENOTDIR, error.strerror) from error
        finally:
            os.close(folder)
        folder = child
    return folder


def listing(folder: int) -> list[str]:
    """Return the names in an open folder."""
    return os.listdir(folder)


def is_exact(folder: int, name: str) -> bool:
    """Say whether a name that can be opened is the one in the folder's listing, which is read only where there is doubt."""
    other = name.swapcase()
    if name.isascii() and other == name:
        return True
    try:
        if name.isascii() and not os.path.samestat(
            os.stat(other, dir_fd=folder, follow_symlinks=False), os.stat(name, dir_fd=folder, follow_symlinks=False)
        ):
            return True
    except FileNotFoundError:
        return True
    return name in os.listdir(folder)


def walk(
    folder: int, *, after: Sequence[bytes] = (), is_wanted: Callable[[str, bool], bool], patience: Patience = ENDLESS
) -> Generator[TreeFile | TreeSkip]:
    """Yield what lies in a folder and below, sorted by `file_tree.order`, strictly after a cursor.

    Args:
        folder: descriptor, opened for listing; closed when the walk ends.
        after: segments of the path to go on after.
        is_wanted: whether a path (and whether it is a folder) is to be visited at all.
        patience: when it is over, the walk ends.

    Raises:
        OSError: for which `is_down` holds, or ESTALE where a folder was moved away during the walk: start again.
    """
    way = [_Folder(folder, (0, 0), "", [], after)]
    try:
        way[0].identity = identity(os.fstat(folder))
        way[0].names = _names(folder, after)
        while way and not patience.is_over():
            if way[-1].names:
                yield from _visit(way, way[-1].names.pop(), is_wanted)
            else:
                _leave(way)
    finally:
        for step in way:
            if step.fd >= 0:
                os.close(step.fd)


def _visit(way: list[_Folder], name: str, is_wanted: Callable[[str, bool], bool]) -> Iterator[TreeFile | TreeSkip]:
    here = way[-1]
    path = here.prefix + name
    is_on_cursor = bool(here.after) and os.fsencode(name) == here.after[0]
    is_on_way = is_on_cursor and len(here.after) > 1
    try:
        found = os.stat(name, dir_fd=here.fd, follow_symlinks=False)
        is_folder = stat.S_ISDIR(found.st_mode)
        if not is_wanted(path, is_folder) or (is_on_cursor and not is_folder and (stat.S_ISREG(found.st_mode) or not is_on_way)):
            return
        if is_folder:
            _enter(way, name, here.after[1:] if is_on_cursor else ())
        else:
            yield _inspect(here.fd, name, path, found.st_mode)
    except FileNotFoundError:
        return  # deleted a moment ago: no longer there, as if it had been deleted before
    except OSError as error:
        if is_down(error):
            raise
        if not is_on_cursor or is_on_way:
            yield TreeSkip(path, reason_of(error))


def _inspect(folder: int, name: str, path: str, mode: int) -> TreeFile | TreeSkip:
    if not stat.S_ISREG(mode):
        return TreeSkip(path, reason_of_kind(mode))
    fd = os.open(name, FILE_FLAGS, dir_fd=folder)
    try:
        found = os.fstat(fd)
    finally:
        os.close(fd)
    if not stat.S_ISREG(found.st_mode):
        return TreeSkip(path, reason_of_kind(found.st_mode))
    return TreeFile(path, found.st_size, found.st_mtime_ns, _stamp(found), mode=stat.S_IMODE(found.st_mode))


def _enter(way: list[_Folder], name: str, after: Sequence[bytes]) -> None:
    here = way[-1]
    fd = os.open(name, FOLDER_FLAGS, dir_fd=here.fd)
    try:
        below = _Folder(fd, identity(os.fstat(fd)), f"{here.prefix}{name}/", _names(fd, after), after)
    except OSError:
        os.close(fd)
        raise
    way.append(below)
    if len(way) > _OPEN_FOLDERS and way[-_OPEN_FOLDERS - 1].fd >= 0:
        os.close(way[-_OPEN_FOLDERS - 1].fd)
        way[-_OPEN_FOLDERS - 1].fd = -1


def _leave(way: list[_Folder]) -> None:
    left = way.pop()
    try:
        if way and way[-1].fd < 0:
            fd = os.open("..", FOLDER_FLAGS, dir_fd=left.fd)
            if identity(os.fstat(fd)) != way[-1].identity:
                os.close(fd)
                raise OSError(errno.ESTALE, "a folder was moved while it was read")
            way[-1].fd = fd
    finally:
        os.close(left.fd)


def _names(fd: int, after: Sequence[bytes]) -> list[str]:
    names = os.listdir(fd)
    if after:
        names = [name for name in names if os.fsencode(name) >= after[0]]
    names.sort(key=os.fsencode, reverse=True)
    return names


def identity(found: os.stat_result) -> tuple[int, int]:
    """Return what a file or folder is known by: its device and inode."""
    return found.st_dev, found.st_ino


def _stamp(found: os.stat_result) -> tuple[int, ...]:
    # Anybody can set st_mtime back, as `rsync --times` does, but nobody st_ctime. It moves with the mode, the owner and the number of
    # links too: then the file is looked at and read once more, and nothing is lost.
    return (*identity(found), found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def read_file(base: int, segments: Sequence[str], expected: TreeFile) -> Iterator[bytes]:
    """Yield a file's content, exactly `expected.size_bytes`, in chunks of at most 128 KiB.

    Raises `ItemChanged` where another file lies there now, or it changed before or after; `OSError` as it happens.
    """
    fd = open_file(base, segments)
    try:
        _compare(fd, expected)
        left = expected.size_bytes
        while left:
            chunk = os.read(fd, min(left, _READ_BYTES))
            if not chunk:
                raise changed()
            left -= len(chunk)
            yield chunk
        _compare(fd, expected)
    finally:
        os.close(fd)


def look(base: int, segments: Sequence[str], path: str) -> TreeFile | TreeSkip | None:
    """Look at one file again: as it is now, None where it is gone. `path` is what the result is called.

    Raises `OSError` where `is_down` holds.
    """
    try:
        with _parent(base, segments) as folder:
            return _inspect(folder, segments[-1], path, os.stat(segments[-1], dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return None
    except OSError as error:
        if is_down(error):
            raise
        return TreeSkip(path, reason_of(error))


@contextmanager
def _parent(base: int, segments: Sequence[str]) -> Iterator[int]:
    """Hold the folder of a file open."""
    folder = os.dup(base)
    try:
        for segment in segments[:-1]:
            child = os.open(segment, _STEP, dir_fd=folder)
            os.close(folder)
            folder = child
        yield folder
    finally:
        os.close(folder)


def open_file(base: int, segments: Sequence[str]) -> int:
    """Open a file below an open folder, to read it; raises `ItemChanged` where none that may be read lies there any more."""
    try:
        with _parent(base, segments) as folder:
            return os.open(segments[-1], FILE_FLAGS, dir_fd=folder)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.EISDIR}:
            raise changed() from error
        raise


def _compare(fd: int, expected: TreeFile) -> None:
    if _stamp(os.fstat(fd)) != expected.stamp:
        raise changed()
