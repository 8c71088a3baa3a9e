"""Containers in memory that storage locations of the fault tests stand for."""

from collections.abc import Iterable, Sequence

from rightful.errors import StorageError
from rightful.storage.interface import Put
from rightful.testing.memory_storage import MemoryStorage


class Container(MemoryStorage):
    """A container in memory that can be away."""

    error: StorageError | None = None
    """What every put meets."""

    def put(self, path: str, chunks: Iterable[bytes], *, size_bytes: int) -> Put:
        """Create an entry, if it is not away."""
        if self.error is not None:
            raise self.error
        return super().put(path, chunks, size_bytes=size_bytes)


class JoiningContainer(Container):
    """One that joins pieces by itself, as a blob service does."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: dict[tuple[str, str], bytes] = {}

    def put_piece(self, path: str, name: str, chunks: Sequence[bytes]) -> Put:
        """Keep a piece."""
        self._pieces[path, name] = b"".join(chunks)
        return Put.WRITTEN

    def join(self, path: str, names: Sequence[str], *, size_bytes: int) -> Put:
        """Make an entry of pieces."""
        if path in self.entries:
            return Put.ALREADY_THERE
        outcome = self.put(path, [self._pieces[path, name] for name in names], size_bytes=size_bytes)
        self.sync()
        return outcome
