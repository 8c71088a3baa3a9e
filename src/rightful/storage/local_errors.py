"""What an error of the operating system means for a local folder."""

import errno
import os

from rightful.errors import EntryConflict, Refusal, StorageError, StorageRefused, StorageUnavailable

_REFUSALS = {
    errno.ENOSPC: (Refusal.FULL, "make room on that file system"),
    errno.EDQUOT: (Refusal.FULL, "raise the quota of the service's user there"),
    errno.EFBIG: (Refusal.UNSUPPORTED, "use a file system that takes files of this size"),
    errno.EACCES: (Refusal.PERMISSION, "let the service's user write there"),
    errno.EPERM: (Refusal.PERMISSION, "let the service's user write there; the file system must have hard links"),
    errno.EROFS: (Refusal.PERMISSION, "mount that file system for writing"),
    errno.ENOENT: (Refusal.MISSING, "make the folder"),
    errno.ENOTDIR: (Refusal.MISSING, "make it a folder"),
    errno.EEXIST: (Refusal.MISSING, "make it a folder"),
    errno.EXDEV: (Refusal.UNSUPPORTED, "no other file system may be mounted below the folder"),
    errno.ENAMETOOLONG: (Refusal.UNSUPPORTED, "use a file system that takes names of 255 bytes"),
    errno.EOPNOTSUPP: (Refusal.UNSUPPORTED, "use a file system that has hard links"),
}

_AGAIN = frozenset(
    {errno.EIO, errno.EAGAIN, errno.EINTR, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
    | {errno.ENOBUFS, errno.EBUSY, errno.ESTALE, errno.ETIMEDOUT}
    | {errno.EBADF}  # closed meanwhile: the service stops
)


class FolderFault(Exception):
    """Carries an `OSError` of the folder's to where it is translated; one of a chunk iterator's is not ours to translate."""

    def __init__(self, cause: OSError) -> None:
        super().__init__()
        self.cause = cause


def translate(cause: OSError) -> StorageError:
    """Return what an error means. Whoever asked for the export reads it: neither the folder nor an entry in it is named."""
    number = cause.errno or 0
    what = f"the storage account's folder could not be used: {os.strerror(number) if number else 'unknown error'}"
    if number in _AGAIN:
        return StorageUnavailable(what, hint="it is tried again; check the disk and the limit of open files")
    refusal, hint = _REFUSALS.get(number, (Refusal.OTHER, "see the system's log"))
    return StorageRefused(what, refusal=refusal, hint=hint)


def conflict() -> EntryConflict:
    """Return the error of a path where something else lies."""
    return EntryConflict("something else lies at an entry's path in the storage account's folder", hint="look who else writes there")
