"""Which files this process has open."""

import errno
from pathlib import Path


def open_below(folder: Path) -> int:
    """Count open files and folders in a folder, named or not: others come and go with whatever else the process does, or an earlier test left."""
    return sum(_is_below(descriptor, f"{folder}/") for descriptor in Path("/proc/self/fd").iterdir())


def _is_below(descriptor: Path, folder: str) -> bool:
    try:
        return f"{descriptor.readlink()}/".startswith(folder)
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG  # too deep to be named; one that is not there any more is none
