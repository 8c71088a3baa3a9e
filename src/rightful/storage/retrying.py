"""Trying again where a storage location does not answer."""

import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from rightful.clock import Clock
from rightful.errors import StorageUnavailable
from rightful.storage.interface import Joining, Listing, Marking, Put, Reading, ReadingAt, Storage

T = TypeVar("T")

_ATTEMPTS = 5
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0
_PART_BYTES = 4 << 20
_CHUNK_BYTES = 1 << 20


class Readable(Reading, ReadingAt, Listing, Protocol):
    """A storage that lets us look at all that lies there."""


class _Retrying:
    """Calls that are tried again on `StorageUnavailable`, after a wait that doubles and is never shorter than was asked for.

    Where the service asks for a wait of more than half a minute the error passes, for the caller to come back later; so it does where a
    try would begin later than `patience_s` after the first.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        attempts: int = _ATTEMPTS,
        first_wait_s: float = _FIRST_WAIT_S,
        patience_s: float = math.inf,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._attempts = attempts
        self._first_wait_s = first_wait_s
        self._patience_s = patience_s
        self._jitter = jitter
        self.tries = 0
        """How many the last call took; of use to who has this object alone."""
        self.may_have_arrived = False
        """Whether a try of the last call failed that may have been carried out."""

    def _try(self, call: Callable[[], T], attempts: int) -> T:
        self.may_have_arrived = False
        last_begin = self._clock.monotonic() + self._patience_s
        attempt = 0
        while True:
            self.tries = attempt + 1
            try:
                return call()
            except StorageUnavailable as error:
                self.may_have_arrived |= error.may_have_arrived
                wait_s = self._wait_s(attempt, error)
                if attempt + 1 == attempts or wait_s is None or self._clock.monotonic() + wait_s > last_begin:
                    raise
            self._clock.sleep(wait_s)
            attempt += 1

    def _wait(self, attempt: int, attempts: int, error: StorageUnavailable) -> None:
        """Wait before what failed is tried in another way; raises the error where that was the last try, or the wait would be too long."""
        wait_s = self._wait_s(attempt, error)
        if attempt + 1 == attempts or wait_s is None:
            raise error
        self._clock.sleep(wait_s)

    def _wait_s(self, attempt: int, error: StorageUnavailable) -> float | None:
        """Return how long to wait, None where it would be too long. Half of a wait is random, so that threads don't come back at once."""
        backoff_s = min(self._first_wait_s * 2**attempt, _LONGEST_WAIT_S) * (0.5 + self._jitter() / 2)
        wait_s = max(backoff_s, error.retry_after_s or 0.0)
        return wait_s if wait_s <= _LONGEST_WAIT_S else None


class RetryingStorage(_Retrying):
    """The puts of a storage, tried again.

    Only chunks that can be iterated again (a `Sequence`) are tried again; an iterator is tried once. After a try whose answer was lost
    the next one may find the entry: `ALREADY_THERE`, and whoever knows its digest knows whose it is. `sync` is the storage's own, and
    never repeated: after a failed one there is nothing left to sync.
    """

    def __init__(
        self,
        inner: Storage,
        clock: Clock,
        *,
        attempts: int = _ATTEMPTS,
        first_wait_s: float = _FIRST_WAIT_S,
        patience_s: float = math.inf,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(clock, attempts=attempts, first_wait_s=first_wait_s, patience_s=patience_s, jitter=jitter)
        self._inner = inner

    def put(self, path: str, chunks: Iterable[bytes], *, size_bytes: int) -> Put:
        """Create an entry, in several tries where needed."""
        attempts = self._attempts if isinstance(chunks, Sequence) else 1
        return self._try(lambda: self._inner.put(path, chunks, size_bytes=size_bytes), attempts)

    def put_append(self, path: str, content: bytes) -> Put:
        """Create an append blob, in several tries where needed; only of a storage that is `Marking`."""
        marking = self._inner
        assert isinstance(marking, Marking)
        return self._try(lambda: marking.put_append(path, content), self._attempts)

    def append(self, path: str, content: bytes, *, at: int) -> Put:
        """Append to an append blob, in several tries where needed; only of a storage that is `Marking`."""
        marking = self._inner
        assert isinstance(marking, Marking)
        return self._try(lambda: marking.append(path, content, at=at), self._attempts)


class RetryingJoining(_Retrying):
    """The ability `Joining`, tried again: a piece may be put twice, and an entry that is there after a lost answer may be this one."""

    def __init__(self, inner: Joining, clock: Clock, *, attempts: int = _ATTEMPTS, patience_s: float = math.inf) -> None:
        super().__init__(clock, attempts=attempts, patience_s=patience_s)
        self._inner = inner

    def put_piece(self, path: str, name: str, chunks: Sequence[bytes]) -> Put:
        """Put a piece, in several tries where needed."""
        return self._try(lambda: self._inner.put_piece(path, name, chunks), self._attempts)

    def join(self, path: str, names: Sequence[str], *, size_bytes: int) -> Put:
        """Join pieces, in several tries where needed."""
        return self._try(lambda: self._inner.join(path, names, size_bytes=size_bytes), self._attempts)


class RetryingReading(_Retrying):
    """The abilities of a `Readable`, tried again. It may be used from several threads; `tries` is then anybody's."""

    def __init__(self, inner: Readable, clock: Clock, *, attempts: int = _ATTEMPTS, first_wait_s: float = _FIRST_WAIT_S) -> None:
        super().__init__(clock, attempts=attempts, first_wait_s=first_wait_s)
        self._inner = inner

    def read(self, path: str) -> Iterator[bytes]:
        """Yield an entry's content; what an answer that broke off did not give is asked for in parts."""
        read_bytes = 0
        try:
            for chunk in self._inner.read(path):
                read_bytes += len(chunk)
                yield chunk
        except StorageUnavailable as error:
            self._wait(0, self._attempts, error)
        else:
            return
        while part := self.read_at(path, read_bytes, _PART_BYTES):
            read_bytes += len(part)
            yield from (part[at : at + _CHUNK_BYTES] for at in range(0, len(part), _CHUNK_BYTES))
            if len(part) < _PART_BYTES:
                return

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield every entry; a listing that broke off goes on after the entry that it gave last, if that is there still."""
        last = ""
        attempt = 0
        while True:
            is_told = last != ""
            try:
                for path, size_bytes in self._inner.list(prefix):
                    if is_told:
                        is_told = path != last
                        continue
                    last, attempt = path, 0
                    yield path, size_bytes
            except StorageUnavailable as error:
                self._wait(attempt, self._attempts, error)
                attempt += 1
                continue
            if is_told:
                raise StorageUnavailable("a storage location's entries were deleted while they were listed", hint="look who deletes there")
            return

    def read_at(self, path: str, start: int, length: int) -> bytes:
        """Return a part of an entry, in several tries where needed."""
        return self._try(lambda: self._inner.read_at(path, start, length), self._attempts)
