"""How long an entry is, where a storage location may be listed: a SAS may let us list and not read."""

from rightful.errors import Refusal, StorageRefused
from rightful.storage.interface import Listing, Storage


def listed_bytes(storage: Storage, path: str) -> int | None:
    """Return the size of the entry at a path, None where it may not be known; raises `FileNotFoundError` where there is none."""
    if not isinstance(storage, Listing):
        return None
    try:
        for found, size_bytes in storage.list(path):
            if found == path:
                return size_bytes
            break  # the path itself is the first one that starts with it
    except StorageRefused as error:
        if error.refusal is not Refusal.PERMISSION:
            raise
        return None
    raise FileNotFoundError("there is no such entry")
