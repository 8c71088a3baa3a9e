"""A storage location in memory, with faults on order."""

import threading
from collections.abc import Iterable, Iterator

from rightful.errors import EntryConflict, StorageError, StorageUnavailable
from rightful.storage.body import exactly
from rightful.storage.entry_path import split_entry_path
from rightful.storage.interface import Properties, Put


class MemoryStorage:
    """Keeps entries in a dictionary. What is put becomes visible with `sync`.

    Puts are numbered 1, 2, 3, … as they begin. Faults are ordered before or while the storage is used, from any thread.
    """

    properties = Properties(max_entry_bytes=1 << 40)

    def __init__(self) -> None:
        self.entries: dict[str, bytes] = {}
        """What is visible and durable."""
        self.puts = 0
        """How many were begun."""
        self._pending: dict[str, bytes] = {}
        self._lock = threading.RLock()
        self._faults: dict[int, StorageError] = {}
        self._lost: dict[int, StorageError] = {}

    # -- faults -------------------------------------------------------------------------------------------------------
    def fail_put(self, number: int, error: StorageError | None = None) -> None:
        """Let a put fail, with `StorageUnavailable` unless said otherwise; nothing is written."""
        self._faults[number] = error or StorageUnavailable("the storage location does not answer")

    def lose_answer(self, number: int) -> None:
        """Let a put write, and fail all the same, as when the answer is lost on its way."""
        self._lost[number] = StorageUnavailable("the answer was lost")

    # -- the contract -------------------------------------------------------------------------------------------------
    def put(self, path: str, chunks: Iterable[bytes], *, size_bytes: int) -> Put:
        """Create an entry."""
        split_entry_path(path)
        with self._lock:
            self.puts += 1
            number = self.puts
            if number in self._faults:
                raise self._faults[number]
        content = b"".join(exactly(chunks, size_bytes))
        there = self._find(path)
        if there is not None and there != content:
            raise EntryConflict("something else lies at an entry's path")
        with self._lock:
            outcome = Put.WRITTEN if self._find(path) is None else Put.ALREADY_THERE
            if outcome is Put.WRITTEN:
                self._pending[path] = content
        if number in self._lost:
            raise self._lost[number]
        return outcome

    def put_append(self, path: str, content: bytes) -> Put:
        """Create an append blob; what lies there already is not compared, for it may have grown."""
        with self._lock:
            if self._find(path) is not None:
                return Put.ALREADY_THERE
        outcome = self.put(path, [content], size_bytes=len(content))
        self.sync()
        return outcome

    def append(self, path: str, content: bytes, *, at: int) -> Put:
        """Append to an entry that has this length."""
        with self._lock:
            if len(self.entries.get(path, b"")) != at:
                return Put.ALREADY_THERE
            self.entries[path] = self.entries.get(path, b"") + content
            return Put.WRITTEN

    def sync(self) -> None:
        """Make everything visible."""
        with self._lock:
            self.entries |= self._pending
            self._pending.clear()

    def close(self) -> None:
        """Do nothing: the entries stay, for the test to look at."""

    def read(self, path: str) -> Iterator[bytes]:
        """Yield an entry's content."""
        if path not in self.entries:
            raise FileNotFoundError("there is no such entry")
        yield self.entries[path]

    def read_at(self, path: str, start: int, length: int) -> bytes:
        """Return a part of an entry."""
        return b"".join(self.read(path))[start : start + length]

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield (path, size in bytes), sorted by path."""
        with self._lock:
            found = sorted((path, len(content)) for path, content in self.entries.items() if path.startswith(prefix))
        yield from found

    def delete(self, folder: str) -> None:
        """Delete what lies below a folder."""
        with self._lock:
            self.entries = {path: content for path, content in self.entries.items() if not path.startswith(f"{folder}/")}

    def _find(self, path: str) -> bytes | None:
        with self._lock:
            return self._pending.get(path, self.entries.get(path))
