"""Files and folders below a root, by names that never lead out of it: no symbolic link is followed on the way."""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""Not blocking: a named pipe must not hold us up."""
_READ_BYTES = 1 << 20


def open_folder(name: str | os.PathLike[str], parent_fd: int | None = None) -> int:
    """Open a folder; the caller closes it."""
    return os.open(name, _FOLDER, dir_fd=parent_fd)


def open_file(root_fd: int, segments: Sequence[str]) -> int:
    """Open a regular file for reading; the caller closes it. Raises `OSError`; what is no regular file is `IsADirectoryError`."""
    *parents, name = segments
    folder_fd = os.dup(root_fd)
    try:
        for parent in parents:
            below_fd = open_folder(parent, folder_fd)
            os.close(folder_fd)
            folder_fd = below_fd
        fd = os.open(name, _FILE, dir_fd=folder_fd)
    finally:
        os.close(folder_fd)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise IsADirectoryError("no regular file")
    return fd


def read_chunks(fd: int) -> Iterator[bytes]:
    """Yield a file's content from its start, in chunks of at most 1 MiB; leaves it open and its position unchanged."""
    offset = 0
    while chunk := os.pread(fd, _READ_BYTES, offset):
        offset += len(chunk)
        yield chunk


def has_equal_content(one_fd: int, other_fd: int) -> bool:
    """Say whether two files hold the same bytes."""
    if os.fstat(one_fd).st_size != os.fstat(other_fd).st_size:
        return False
    return all(one == other for one, other in zip(read_chunks(one_fd), read_chunks(other_fd), strict=False))


def list_files(folder_fd: int, path: str = "") -> Iterator[tuple[str, int]]:
    """Yield (path, size) of the regular files below a folder, sorted by whole path: `a-b` before `a/b` before `a0`."""
    with os.scandir(folder_fd) as found:
        members = sorted((f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name, entry) for entry in found)
        sizes = [-1 if name.endswith("/") else _size(entry) for name, entry in members]
    for (name, _), size in zip(members, sizes, strict=True):
        if not name.endswith("/"):
            if size >= 0:
                yield f"{path}{name}", size
            continue
        below_fd = open_folder(name[:-1], folder_fd)
        try:
            yield from list_files(below_fd, f"{path}{name}")
        finally:
            os.close(below_fd)


def _size(entry: os.DirEntry[str]) -> int:
    """Return the size of a regular file, -1 of anything else."""
    return entry.stat(follow_symlinks=False).st_size if entry.is_file(follow_symlinks=False) else -1


@dataclass(slots=True)
class _Step:
    name: str
    fd: int
    is_changed: bool = False
    is_new: bool = False
    """Whether the walk has made it: nothing is in it that is not the walk's own."""


class FolderWalk:
    """Walks folders below a root in sorted order, makes those that are missing, and holds only the current path open.

    With `fsync` each changed folder is made durable when it is left; without, whoever walks does so for all of them.
    """

    def __init__(self, root_fd: int, *, fsync: bool) -> None:
        self._steps = [_Step("", os.dup(root_fd))]
        self._fsync = fsync

    def enter(self, parents: Sequence[str]) -> int:
        """Go to a folder, and return its descriptor, which the walk closes."""
        depth = 0
        while depth < len(parents) and depth + 1 < len(self._steps) and self._steps[depth + 1].name == parents[depth]:
            depth += 1
        self._leave(depth + 1)
        for name in parents[depth:]:
            self._steps.append(self._open(name))
        return self._steps[-1].fd

    def touch(self, *, whole_path: bool = False) -> None:
        """Note that the current folder has a new entry (`whole_path`: perhaps each one on the way to it)."""
        for step in self._steps if whole_path else self._steps[-1:]:
            step.is_changed = True

    def finish(self) -> None:
        """Leave all folders."""
        self._leave(0)

    def abandon(self) -> None:
        """Leave all folders without making anything durable."""
        self._fsync = False
        self._leave(0)

    def _open(self, name: str) -> _Step:
        parent = self._steps[-1]
        if not parent.is_new:
            with suppress(FileNotFoundError):
                return _Step(name, open_folder(name, parent.fd))
        is_new = False
        with suppress(FileExistsError):  # made by somebody else, just now
            os.mkdir(name, 0o700, dir_fd=parent.fd)
            is_new = True
        parent.is_changed = True
        return _Step(name, open_folder(name, parent.fd), is_new=is_new)

    def _leave(self, depth: int) -> None:
        while len(self._steps) > depth:
            step = self._steps.pop()
            try:
                if step.is_changed and self._fsync:
                    os.fsync(step.fd)
            finally:
                os.close(step.fd)
