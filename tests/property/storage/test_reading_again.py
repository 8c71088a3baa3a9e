"""What is read and listed again after a break is what lies there, and nothing of it twice."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightful.errors import StorageUnavailable
from rightful.storage.retrying import RetryingReading
from rightful.testing.clock import ManualClock
from rightful.testing.memory_storage import MemoryStorage

CONTENT = bytes(range(251)) * 40_000
"""More than two of the parts that it is asked for in."""
PATHS = [f"p/{number:02}" for number in range(12)]


class Breaking(MemoryStorage):
    """Gives chunks, and breaks off after so many bytes or entries, once for each figure."""

    def __init__(self, breaks: list[int]) -> None:
        super().__init__()
        self.breaks = breaks

    def read(self, path: str) -> Iterator[bytes]:
        """Yield an entry's content in chunks that break where they are said to."""
        content = b"".join(super().read(path))
        if not self.breaks:
            yield content
            return
        yield content[: self.breaks.pop(0)]
        raise StorageUnavailable("broken off")

    def read_at(self, path: str, start: int, length: int) -> bytes:
        """Return a part of an entry, or nothing."""
        if self.breaks:
            self.breaks.pop(0)
            raise StorageUnavailable("no answer")
        return self.entries[path][start : start + length]

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield so many entries."""
        after = self.breaks.pop(0) if self.breaks else len(PATHS)
        yield from [*super().list(prefix)][:after]
        if after < len(PATHS):
            raise StorageUnavailable("broken off")


@given(st.integers(0, len(CONTENT)), st.lists(st.integers(0, len(CONTENT)), max_size=5))
def test_content_is_whole_after_breaks(size_bytes: int, breaks: list[int]) -> None:
    storage = Breaking(breaks)
    storage.entries = {"p": CONTENT[:size_bytes]}
    chunks = list(RetryingReading(storage, ManualClock()).read("p"))
    assert b"".join(chunks) == CONTENT[:size_bytes]


@given(st.lists(st.integers(0, len(PATHS) - 1), max_size=4))
def test_listing_is_whole_after_breaks(breaks: list[int]) -> None:
    storage = Breaking(breaks)
    storage.entries = dict.fromkeys(PATHS, b"x")
    assert list(RetryingReading(storage, ManualClock()).list("p/")) == [(path, 1) for path in PATHS]


def test_what_never_comes_is_said_in_the_end() -> None:
    storage = Breaking([3] * 100)
    storage.entries = dict.fromkeys(PATHS, b"x")
    clock = ManualClock()
    reading = RetryingReading(storage, clock)
    for look in (lambda: list(reading.read(PATHS[0])), lambda: list(reading.list("p/")), lambda: reading.read_at(PATHS[0], 0, 1)):
        with pytest.raises(StorageUnavailable):
            look()
    assert 0 < clock.monotonic() < 60


def test_listing_whose_last_entry_is_gone_is_said() -> None:
    storage = Breaking([3])
    storage.entries = dict.fromkeys(PATHS, b"x")
    found = RetryingReading(storage, ManualClock()).list("p/")
    assert [next(found) for _ in range(3)][-1] == (PATHS[2], 1)
    del storage.entries[PATHS[2]]
    with pytest.raises(StorageUnavailable, match="deleted while"):
        next(found)


def test_entry_that_is_not_there_is_no_outage() -> None:
    clock = ManualClock()
    with pytest.raises(FileNotFoundError):
        next(RetryingReading(MemoryStorage(), clock).read("none"))
    assert clock.monotonic() == 0
