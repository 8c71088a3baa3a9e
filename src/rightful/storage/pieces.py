"""Joining pieces where the storage location has no way of its own: they lie beside the entry that they are for until it is whole."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from rightful.errors import EntryConflict, Refusal, StorageRefused
from rightful.operation.model import SUBMIT_AGAIN
from rightful.storage.interface import Deleting, Joining, Listing, Put, Reading, Storage

PIECES = ".pieces"
"""What the folder's name has more than the entry's: who looks into the location sees that it is not finished."""


class _Open(Storage, Reading, Listing, Deleting, Protocol):
    """A storage location that hides nothing from us."""


class PiecesBeside:
    """The ability `Joining` of a storage location that can be read, listed and cleaned. An entry takes twice its room while it is made."""

    def __init__(self, storage: _Open) -> None:
        self._storage = storage

    def put_piece(self, path: str, name: str, chunks: Sequence[bytes]) -> Put:
        """Put a piece as an entry of its own. Where it lies there already, an answer was lost: that says nothing of the entry it is for."""
        self._storage.put(f"{path}{PIECES}/{name}", chunks, size_bytes=sum(len(chunk) for chunk in chunks))
        return Put.WRITTEN

    def join(self, path: str, names: Sequence[str], *, size_bytes: int) -> Put:
        """Copy the pieces into one entry; they are deleted once it is durable."""
        self._storage.sync()
        outcome = self._find(path, size_bytes)
        if outcome is None:
            outcome = self._storage.put(path, self._content(path, names), size_bytes=size_bytes)
            self._storage.sync()
        self._storage.delete(f"{path}{PIECES}")
        return outcome

    def drop(self, path: str) -> None:
        """Delete what lies there for an entry that is not to be made."""
        self._storage.delete(f"{path}{PIECES}")

    def _find(self, path: str, size_bytes: int) -> Put | None:
        """Look for the entry: an earlier attempt may have made it, and deleted its pieces."""
        for found, found_bytes in self._storage.list(path):
            if found == path and found_bytes != size_bytes:
                raise EntryConflict("something else lies at an entry's path", hint="use a storage location that is empty")
            return Put.ALREADY_THERE if found == path else None  # the path itself is the first one that starts with it
        return None

    def _content(self, path: str, names: Sequence[str]) -> Iterator[bytes]:
        for name in names:
            try:
                yield from self._storage.read(f"{path}{PIECES}/{name}")
            except FileNotFoundError:
                raise StorageRefused(
                    "a piece of the package is gone from the storage location",
                    refusal=Refusal.OTHER,
                    hint=f"somebody deleted what lay in the package's {PIECES} folder: {SUBMIT_AGAIN}",
                ) from None


def joining(storage: Storage) -> Joining:
    """Return what joins pieces in a storage location.

    Raises:
        StorageRefused: it cannot be done there.
    """
    if isinstance(storage, Joining):
        return storage
    if isinstance(storage, Reading) and isinstance(storage, Listing) and isinstance(storage, Deleting):
        return PiecesBeside(storage)
    raise StorageRefused(
        "the storage location cannot hold a package as one ZIP file",
        refusal=Refusal.UNSUPPORTED,
        hint="use another one, or set export.layout: folder",
    )
