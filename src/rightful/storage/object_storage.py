"""A bucket of S3 or Google Cloud Storage as a storage location, by obstore with its own retries off.

How: what is small is one put that creates or does nothing (S3: `If-None-Match: *`, Google: `x-goog-if-generation-match: 0`). What is large
goes up in blocks under a name of its own below `.rightful/`, and is copied to its place by the store itself, on the same condition: obstore
cannot state that for an upload in blocks. An upload that breaks is aborted; what a killed process left below `.rightful/` is deleted by a
later one. So an entry is visible whole or not at all, and nothing is ever replaced.
"""

import copy
import math
import secrets
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self, TypeVar

import obstore
from obstore.exceptions import BaseError

from rightful.clock import Clock, SystemClock
from rightful.errors import Refusal, StorageError, StorageRefused, StorageUnavailable
from rightful.leash import NO_LEASH, Leash
from rightful.storage.body import exactly
from rightful.storage.entry_path import split_entry_path
from rightful.storage.exchanges import Body, Exchanges
from rightful.storage.interface import Properties, Put
from rightful.storage.joined import Joined
from rightful.storage.object_account import AccountAccess, Bucket
from rightful.storage.object_errors import ABSENT, conflict, status_of, translate
from rightful.storage.object_opening import open_store

if TYPE_CHECKING:  # it exists for type checkers alone
    from obstore import ObjectMeta

T = TypeVar("T")

_MIB = 1 << 20
_SMALL_BYTES = 16 * _MIB
"""Up to here an entry is in memory while it is put."""
_BLOCK_BYTES = 16 * _MIB
"""S3 takes 10,000 of them, and copies 5 GiB at once."""
_BLOCKS_AT_ONCE = 2
_CHUNK_BYTES = _MIB
_PAGE = 1000
_HIDDEN = ".rightful"
_LEFT_AFTER = timedelta(days=3)
"""No upload takes so long."""
_TIDY_EACH_S = 86_400.0
_REMOVE_S = 2.5
"""How long each of two requests may take that delete an entry: who stops must not wait longer for them."""
_DELETE_S = 0.5
"""How long what was cancelled may take to delete what it left below `.rightful/`; a later process deletes it else."""
_LARGEST = {"s3": 5 << 30, "gs": 5 << 40}
_FAULTS = (BaseError, OSError, ValueError)
_UNREADABLE = frozenset({401, 403})
_BEYOND_ITS_END = 416


class ObjectStorage:
    """Entries below a prefix of one bucket; safe to use from any thread.

    Also has the abilities `Reading`, `ReadingAt`, `Listing`, `Deleting`, `Removing`, `Leashed` and `Hurrying`.
    """

    def __init__(self, bucket: Bucket, access: AccountAccess, *, timeout_s: float = 0.0, clock: Clock | None = None) -> None:
        """Open it; no request is made. Raises `StorageRefused` where what is configured cannot be."""
        self._bucket = bucket
        self._access = access
        self._store = open_store(bucket, access, timeout_s)
        self._clock = clock or SystemClock()
        self._tidying = _Daily()
        self._exchanges = Exchanges()
        self._leash: Leash = NO_LEASH
        there = access.endpoint or bucket.scheme
        self._properties = Properties(max_entry_bytes=_LARGEST[bucket.scheme], is_remote=True, origin=f"{there}/{bucket.name}")

    def __repr__(self) -> str:
        return f"ObjectStorage({self._bucket.scheme}://{self._bucket.name}/{self._bucket.prefix})"

    @property
    def properties(self) -> Properties:
        """What the store can do."""
        return self._properties

    def within(self, seconds: float) -> Self:
        """Return the same location for requests that take no longer."""
        hurried = type(self)(self._bucket, self._access, timeout_s=seconds, clock=self._clock)
        hurried._exchanges = self._exchanges  # noqa: SLF001 - its own class's
        return hurried

    def on(self, leash: Leash) -> Self:
        """Return the same location for requests that end when the leash is pulled."""
        bound = copy.copy(self)
        bound._leash = leash  # noqa: SLF001 - its own class's
        return bound

    def put(self, path: str, chunks: Iterable[bytes], *, size_bytes: int) -> Put:
        """Create an entry; compare with what lies at the path, if anything does and may be read."""
        key = self._key(path)
        checked = exactly(chunks, size_bytes)
        if size_bytes <= _SMALL_BYTES:
            return self._put_small(key, b"".join(checked))
        try:
            there = self._size(key)
        except FileNotFoundError:
            there = None
        if there is not None:
            return self._compare(key, checked, there, size_bytes)
        return self._put_large(key, checked, size_bytes)

    def sync(self) -> None:
        """Do nothing: what a store says it has, it has."""

    def close(self) -> None:
        """End what is asked and can be broken off; connections end with the last who uses them."""
        self._exchanges.close()

    def read(self, path: str) -> Iterator[bytes]:
        """Yield an entry's content in chunks of at most 1 MiB."""
        yield from self._content(self._key(path))

    def read_at(self, path: str, start: int, length: int) -> bytes:
        """Return a part of an entry."""
        try:
            return obstore.get_range(self._store, self._key(path), start=start, length=length).to_bytes()
        except FileNotFoundError:
            raise FileNotFoundError("there is no such entry") from None
        except _FAULTS as error:
            if status_of(error) == _BEYOND_ITS_END:
                return b""
            raise translate(error) from None

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield (path, size in bytes) of every entry, sorted by path, as stores list them."""
        folder = prefix.rpartition("/")[0]
        for meta in self._list(f"{self._bucket.prefix}{folder}"):
            path = meta["path"][len(self._bucket.prefix) :]
            if path.startswith(prefix) and not path.startswith(f"{_HIDDEN}/"):
                yield path, meta["size"]

    def delete(self, folder: str) -> None:
        """Delete what lies below a folder, a page at a time."""
        split_entry_path(folder)
        self._delete(meta["path"] for meta in self._list(f"{self._bucket.prefix}{folder}"))

    def remove(self, path: str) -> bool:
        """Delete an entry. A store does not say whether there was one, so it is asked before; False where that may not be known."""
        key = self._key(path)
        try:
            was_there = self._size(key, within_s=_REMOVE_S) is not None
        except FileNotFoundError:
            was_there = False
        try:
            self._ask(obstore.delete, obstore.delete_async, key, within_s=_REMOVE_S)
        except FileNotFoundError:
            return False
        except _FAULTS as error:
            raise translate(error) from None
        return was_there

    def check(self) -> datetime:
        """Put an entry of its own, try to replace it, read it, list it and delete it; return when it was put, by the store's clock.

        Raises:
            StorageRefused: a right is missing, or the store replaces what is there.
            StorageUnavailable: it does not answer.
        """
        folder = f"{_HIDDEN}/check-{secrets.token_hex(8)}"
        path = f"{folder}/entry"
        self._put_small(self._key(path), b"one")
        try:
            try:
                obstore.put(self._store, self._key(path), b"two", mode="create", use_multipart=False)
            except ABSENT:
                pass
            except _FAULTS as error:
                raise translate(error) from None
            if b"".join(self.read(path)) != b"one":
                raise StorageRefused(
                    "the storage account's store replaces what is there, though it is asked not to",
                    refusal=Refusal.UNSUPPORTED,
                    hint="use a store that knows If-None-Match",
                )
            listed = next(self._list(f"{self._bucket.prefix}{folder}"), None)
            if listed is None:
                raise StorageRefused(
                    "the storage account's store does not list what is there", refusal=Refusal.UNSUPPORTED, hint="use another store"
                )
            return listed["last_modified"]
        finally:
            self.delete(folder)

    # -- entries ------------------------------------------------------------------------------------------------------
    def _key(self, path: str) -> str:
        split_entry_path(path)
        return f"{self._bucket.prefix}{path}"

    def _put_small(self, key: str, content: bytes) -> Put:
        try:
            self._ask(obstore.put, obstore.put_async, key, content, mode="create", use_multipart=False)
        except ABSENT:
            return self._compare(key, iter([content] if content else []), self._size_there(key), len(content))
        except _FAULTS as error:
            raise translate(error) from None
        return Put.WRITTEN

    def _put_large(self, key: str, chunks: Iterator[bytes], size_bytes: int) -> Put:
        self._tidy()
        hidden = f"{self._bucket.prefix}{_HIDDEN}/{secrets.token_hex(16)}"
        try:
            self._upload(hidden, chunks)
            return self._copy(hidden, key, size_bytes)
        finally:
            leash, within_s = (NO_LEASH, _DELETE_S) if self._leash.is_pulled else (self._leash, None)
            with suppress(*_FAULTS, StorageError):
                self._exchanges.ask(lambda: obstore.delete_async(self._store, hidden), leash, within_s=within_s)

    def _copy(self, hidden: str, key: str, size_bytes: int) -> Put:
        try:
            self._ask(obstore.copy, obstore.copy_async, hidden, key, overwrite=False)
        except ABSENT:
            if self._size_there(key) not in {None, size_bytes}:
                raise conflict() from None
            return Put.ALREADY_THERE
        except _FAULTS as error:
            raise translate(error) from None
        return Put.WRITTEN

    def _upload(self, key: str, chunks: Iterator[bytes]) -> None:
        """Upload in blocks."""

        async def put(body: Body) -> None:
            try:
                await obstore.put_async(
                    self._store, key, body, use_multipart=True, chunk_size=_BLOCK_BYTES, max_concurrency=_BLOCKS_AT_ONCE
                )
            except _FAULTS as error:
                raise translate(error) from None

        self._exchanges.upload(put, chunks, self._leash)

    def _compare(self, key: str, chunks: Iterator[bytes], there_bytes: int | None, size_bytes: int) -> Put:
        """Compare content with what is there; where that may not be read, its being there is all that is known."""
        if there_bytes is None:
            return Put.ALREADY_THERE
        if there_bytes != size_bytes:
            raise conflict()
        found = Joined(self._content(key))
        for chunk in chunks:  # what they raise is theirs
            try:
                taken = found.take(len(chunk))
            except StorageRefused as error:
                if error.refusal is not Refusal.PERMISSION:
                    raise
                return Put.ALREADY_THERE
            except FileNotFoundError:
                raise StorageUnavailable(
                    "an entry of the storage account was there and is gone", hint="look who else deletes there"
                ) from None
            if taken != chunk:
                raise conflict()
        return Put.ALREADY_THERE

    def _size(self, key: str, *, within_s: float | None = None) -> int | None:
        """Return an entry's size, None where it may not be known; raises `FileNotFoundError` where there is none."""
        try:
            return self._ask(obstore.head, obstore.head_async, key, within_s=within_s)["size"]
        except FileNotFoundError:
            raise FileNotFoundError("there is no such entry") from None
        except _FAULTS as error:
            if status_of(error) in _UNREADABLE:
                return None
            raise translate(error) from None

    def _size_there(self, key: str) -> int | None:
        """Return the size of an entry that the store says is there. S3 answers alike while another put of it is under way."""
        try:
            return self._size(key)
        except FileNotFoundError:
            raise StorageUnavailable(
                "the storage account says that an entry is there, and has none", hint="it is tried again", may_have_arrived=True
            ) from None

    def _content(self, key: str) -> Iterator[bytes]:
        try:
            for buffer in self._buffers(key):
                view = memoryview(buffer)
                yield from (bytes(view[at : at + _CHUNK_BYTES]) for at in range(0, len(view), _CHUNK_BYTES))
        except FileNotFoundError:
            raise FileNotFoundError("there is no such entry") from None
        except _FAULTS as error:
            raise translate(error) from None

    def _buffers(self, key: str) -> Iterator[bytes]:
        if self._leash is NO_LEASH:
            yield from obstore.get(self._store, key).stream(min_chunk_size=_CHUNK_BYTES)
            return
        stream = self._exchanges.ask(lambda: obstore.get_async(self._store, key), self._leash).stream(min_chunk_size=_CHUNK_BYTES)
        while (buffer := self._exchanges.ask(lambda: anext(stream, None), self._leash)) is not None:
            yield buffer

    def _ask(
        self, at_once: Callable[..., T], later: Callable[..., Awaitable[T]], *given: object, within_s: float | None = None, **more: object
    ) -> T:
        """Ask the store; on a leash, or where somebody waits, so that it can be broken off."""
        if self._leash is NO_LEASH and within_s is None:
            return at_once(self._store, *given, **more)
        return self._exchanges.ask(lambda: later(self._store, *given, **more), self._leash, within_s=within_s)

    def _list(self, prefix: str) -> "Iterator[ObjectMeta]":
        try:
            for page in obstore.list(self._store, prefix.strip("/") or None, chunk_size=_PAGE):
                yield from page
        except _FAULTS as error:
            raise translate(error) from None

    def _delete(self, keys: Iterator[str]) -> None:
        while several := [key for _, key in zip(range(_PAGE), keys, strict=False)]:
            try:
                obstore.delete(self._store, several)
            except FileNotFoundError:
                continue
            except _FAULTS as error:
                raise translate(error) from None

    def _tidy(self) -> None:
        """Delete what processes that were killed left, once a day."""
        if not self._tidying.is_due(self._clock.monotonic()):
            return
        until = self._clock.now() - _LEFT_AFTER
        with suppress(StorageError):  # who may not list leaves it to others, and a put of an entry does not fail for it
            self._delete(meta["path"] for meta in self._list(f"{self._bucket.prefix}{_HIDDEN}") if meta["last_modified"] < until)


class _Daily:
    """Says once a day that it is time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_s = -math.inf

    def is_due(self, now_s: float) -> bool:
        """Say whether it is, by a clock's `monotonic`; whoever is told so does it."""
        with self._lock:
            if now_s - self._last_s < _TIDY_EACH_S:
                return False
            self._last_s = now_s
            return True
