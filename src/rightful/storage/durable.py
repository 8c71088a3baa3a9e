"""The order in which pending files become durable and visible: content, names, folders."""

import ctypes
import errno
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from rightful.storage.beneath import FolderWalk, has_equal_content, open_file

_SYNC_EACH = 16
"""Up to so many files or folders are synced one by one: one syncfs also writes whatever else waits on the file system."""

_SYNCFS_TYPES = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "bcachefs", "tmpfs", "overlay"})
"""Where syncfs(2) means what it says. FUSE and network file systems may answer it without telling the other side."""

_SYNC_FILE_RANGE_WRITE = 2
_NO_RANGES = frozenset({errno.ENOSYS, errno.ESPIPE, errno.EINVAL, errno.EOPNOTSUPP})


@dataclass(slots=True)
class PendingFile:
    """A file that waits for its name; or one that had it already (`is_named`), whose durability is not known."""

    segments: tuple[str, ...]
    fd: int
    is_named: bool = False
    hidden: str = ""
    """Its name in the root until then, where the file system has no unnamed files."""
    number: int = 0
    """Counts the files of one `GroupSync` in the order of their coming."""
    thread: int = field(default_factory=threading.get_ident)
    """Who put it."""


def make_durable(batch: list[PendingFile], root_fd: int, *, has_syncfs: bool) -> list[PendingFile]:
    """Make files durable and visible; return those whose name was taken by something else.

    Raises:
        OSError: some of them may be visible, none may be called durable, and what was not synced cannot be synced later.
    """
    if has_syncfs and len(batch) > _SYNC_EACH:
        sync_file_system(root_fd)
    else:
        if len(batch) > 1:
            begin_writing(entry.fd for entry in batch)
        for entry in batch:
            os.fdatasync(entry.fd)
    batch = sorted(batch, key=lambda entry: entry.segments[:-1])
    is_wide = has_syncfs and len({entry.segments[:-1] for entry in batch}) > _SYNC_EACH
    walk = FolderWalk(root_fd, fsync=not is_wide)
    try:
        taken = [entry for entry in batch if not _name(entry, walk, root_fd)]
        walk.finish()
    except BaseException:
        walk.abandon()
        raise
    if is_wide:
        sync_file_system(root_fd)
    return taken


def _name(entry: PendingFile, walk: FolderWalk, root_fd: int) -> bool:
    """Link a file under its name; return False where something else lies there."""
    *parents, name = entry.segments
    try:
        folder_fd = walk.enter(parents)
    except NotADirectoryError:  # a file or a link lies where a folder should be
        return False
    try:
        if entry.hidden:
            os.link(entry.hidden, name, src_dir_fd=root_fd, dst_dir_fd=folder_fd, follow_symlinks=False)
        elif not entry.is_named:
            # Without a folder's descriptor CPython calls link(2), which follows no link and so refuses this one.
            os.link(f"/proc/self/fd/{entry.fd}", name, dst_dir_fd=folder_fd, follow_symlinks=True)
    except FileExistsError:
        if not _holds(folder_fd, name, entry.fd):
            return False
        walk.touch(whole_path=True)
    else:
        walk.touch(whole_path=entry.is_named)
    return True


def _holds(folder_fd: int, name: str, fd: int) -> bool:
    """Say whether a name leads to a regular file of the same content, and make that durable."""
    try:
        found_fd = open_file(folder_fd, (name,))
    except OSError:
        return False
    try:
        os.fdatasync(found_fd)
        return has_equal_content(found_fd, fd)
    finally:
        os.close(found_fd)


def sync_file_system(fd: int) -> None:
    """Write everything that waits on the file system of an open file."""
    if ctypes.CDLL(None, use_errno=True).syncfs(fd) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def begin_writing(fds: Iterable[int]) -> None:
    """Have the kernel begin to write what files hold, all at once: the first one's fdatasync then commits for all, not each for itself.

    It makes nothing durable by itself. Where the system or a file knows no such call, nothing is done.
    """
    begin = getattr(ctypes.CDLL(None, use_errno=True), "sync_file_range", None)  # sync_file_range(2), of Linux
    if begin is None:
        return
    for fd in fds:
        if begin(fd, ctypes.c_int64(0), ctypes.c_int64(0), _SYNC_FILE_RANGE_WRITE) != 0:
            number = ctypes.get_errno()
            if number not in _NO_RANGES:
                raise OSError(number, os.strerror(number))


def has_syncfs(fd: int) -> bool:
    """Say whether syncfs(2) is there and can be relied on for an open file's file system."""
    device = os.fstat(fd).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:  # noqa: PTH123 - a path of the kernel's
            types = {line.partition(" - ")[2].split(" ", 1)[0] for line in mounts if line.split(" ", 3)[2] == wanted}
        return bool(types) and types <= _SYNCFS_TYPES and hasattr(ctypes.CDLL(None), "syncfs")
    except OSError:
        return False
