"""Trying again."""

import pytest

from rightful.errors import Refusal, StorageRefused, StorageUnavailable
from rightful.storage.interface import Put
from rightful.storage.retrying import RetryingStorage
from rightful.testing.clock import ManualClock
from rightful.testing.memory_storage import MemoryStorage


def make(inner: MemoryStorage, *, attempts: int = 3, jitter: float = 1.0) -> tuple[RetryingStorage, ManualClock]:
    clock = ManualClock()
    return RetryingStorage(inner, clock, attempts=attempts, first_wait_s=1.0, jitter=lambda: jitter), clock


def test_outage_is_waited_out() -> None:
    inner = MemoryStorage()
    inner.fail_put(1)
    inner.fail_put(2)
    storage, clock = make(inner)
    assert storage.put("a", [b"x"], size_bytes=1) is Put.WRITTEN
    assert clock.monotonic() == 1.0 + 2.0


def test_half_of_the_wait_is_random() -> None:
    inner = MemoryStorage()
    inner.fail_put(1)
    storage, clock = make(inner, jitter=0.0)
    storage.put("a", [b"x"], size_bytes=1)
    assert clock.monotonic() == 0.5


def test_wait_that_was_asked_for_is_honoured() -> None:
    inner = MemoryStorage()
    inner.fail_put(1, StorageUnavailable("busy", retry_after_s=17.0))
    storage, clock = make(inner)
    storage.put("a", [b"x"], size_bytes=1)
    assert clock.monotonic() == 17.0


def test_wait_that_is_too_long_is_left_to_the_caller() -> None:
    inner = MemoryStorage()
    inner.fail_put(1, StorageUnavailable("busy", retry_after_s=600.0))
    storage, clock = make(inner)
    with pytest.raises(StorageUnavailable):
        storage.put("a", [b"x"], size_bytes=1)
    assert clock.monotonic() == 0.0


def test_tries_end() -> None:
    inner = MemoryStorage()
    for number in range(1, 9):
        inner.fail_put(number)
    storage, _ = make(inner)
    with pytest.raises(StorageUnavailable):
        storage.put("a", [b"x"], size_bytes=1)
    assert inner.puts == 3


def test_iterator_is_tried_once() -> None:
    inner = MemoryStorage()
    inner.fail_put(1)
    storage, _ = make(inner)
    with pytest.raises(StorageUnavailable):
        storage.put("a", iter([b"x"]), size_bytes=1)
    assert inner.puts == 1


def test_refusal_is_not_tried_again() -> None:
    inner = MemoryStorage()
    inner.fail_put(1, StorageRefused("no", refusal=Refusal.PERMISSION))
    storage, _ = make(inner)
    with pytest.raises(StorageRefused):
        storage.put("a", [b"x"], size_bytes=1)
    assert inner.puts == 1


def test_lost_answer_shows_as_already_there() -> None:
    inner = MemoryStorage()
    inner.lose_answer(1)
    storage, _ = make(inner)
    assert storage.put("a", [b"x"], size_bytes=1) is Put.ALREADY_THERE
    inner.sync()
    assert inner.entries == {"a": b"x"}


def test_no_try_begins_when_patience_is_over() -> None:
    inner = MemoryStorage()
    for number in range(1, 9):
        inner.fail_put(number)
    clock = ManualClock()
    storage = RetryingStorage(inner, clock, attempts=9, first_wait_s=1.0, patience_s=4.0, jitter=lambda: 1.0)
    with pytest.raises(StorageUnavailable):
        storage.put("a", [b"x"], size_bytes=1)
    assert (inner.puts, clock.monotonic()) == (3, 1.0 + 2.0)
