"""Putting entries, and knowing afterwards that what lies at their paths is ours."""

import hashlib
from collections.abc import Callable, Iterable, Iterator

import msgspec

from rightful import traces
from rightful.clock import Clock
from rightful.errors import EntryConflict, Refusal, StorageError, StorageRefused, StorageUnavailable
from rightful.export.side_by_side import SideBySide
from rightful.export.stopping import Stopping
from rightful.export.zipping import ZipStorage
from rightful.storage.interface import Put, Reading, Storage
from rightful.storage.lengths import listed_bytes
from rightful.storage.retrying import RetryingStorage
from rightful.store.values import ClaimedOperation

_ATTEMPTS = 3
"""Tries of one put before its operation waits for the storage location."""


class Unput(msgspec.Struct, frozen=True):
    """An entry that could not be put."""

    error: StorageError
    is_untouched: bool
    """Whether nothing of ours lies at its path for certain."""


class Try(msgspec.Struct, frozen=True):
    """What came of trying to put an entry, several times where needed."""

    outcome: Put | None = None
    error: StorageError | Stopping | None = None
    """What went wrong in the end, where there is no outcome."""
    may_have_arrived: bool = False
    """Whether a try that gave no answer may have been carried out: then `ALREADY_THERE` may be that."""


class Putter:
    """Puts the entries of one group, of many operations. A host that did not answer is not asked again for the rest of the group."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._down: dict[str, StorageUnavailable] = {}

    def put(
        self,
        operation: ClaimedOperation,
        storage: Storage,
        path: str,
        chunks: Iterable[bytes],
        *,
        size_bytes: int,
        sha256: str,
        may_be_there: bool,
        may_be_marker: bool = False,
    ) -> Unput | None:
        """Put an entry of an operation, at a path below its prefix; return what went wrong, if anything did.

        Args:
            operation: whose entry it is.
            storage: its storage location.
            path: without the prefix.
            chunks: a sequence is tried again, an iterator is not.
            size_bytes: of the chunks together.
            sha256: of the chunks together.
            may_be_there: whether the store holds that an earlier attempt began to put the same.
            may_be_marker: whether it holds that one may have put the marker there.

        The errors are those of `Storage.put`, and `EntryConflict` where something lies there that nobody of us put, or where that cannot
        be told. What the chunks raise is raised.
        """
        tried = self.attempt(operation, storage, path, chunks, size_bytes=size_bytes)
        return self.judge(
            tried, operation, storage, path, size_bytes=size_bytes, sha256=sha256, may_be_there=may_be_there, may_be_marker=may_be_marker
        )

    def judge(
        self,
        tried: Try,
        operation: ClaimedOperation,
        storage: Storage,
        path: str,
        *,
        size_bytes: int,
        sha256: str,
        may_be_there: bool,
        may_be_marker: bool = False,
    ) -> Unput | None:
        """Say of a try what `put` says of one."""
        if isinstance(tried.error, StorageError):
            return Unput(tried.error, is_untouched=not (tried.may_have_arrived or may_be_there or may_be_marker))
        if tried.error is not None:
            raise tried.error
        guess = (may_be_there or tried.may_have_arrived) and not may_be_marker
        try:
            if tried.outcome is Put.ALREADY_THERE and not _is_ours(storage, operation.prefix + path, sha256, size_bytes, guess=guess):
                raise EntryConflict("something else lies at the path of an entry", hint="use a storage location that is empty")
        except StorageError as error:
            self._note_down(operation, storage, error)
            return Unput(error, is_untouched=False)
        return None

    def attempt(self, operation: ClaimedOperation, storage: Storage, path: str, chunks: Iterable[bytes], *, size_bytes: int) -> Try:
        """Try to put something at a path below an operation's prefix, and say no more than what came of it."""
        down = self.down(operation, storage)
        if down is not None:
            return Try(error=down)
        retrying = RetryingStorage(storage, self._clock, attempts=1 if isinstance(storage, ZipStorage) else _ATTEMPTS)
        try:
            with traces.put(operation.operation_id, size_bytes):
                outcome = retrying.put(operation.prefix + path, chunks, size_bytes=size_bytes)
        except (StorageError, Stopping) as error:
            self._note_down(operation, storage, error)
            return Try(error=error, may_have_arrived=retrying.may_have_arrived or _is_open(error))
        return Try(outcome=outcome, may_have_arrived=retrying.may_have_arrived)

    def down(self, operation: ClaimedOperation, storage: Storage) -> StorageUnavailable | None:
        """Return how an operation's storage location failed to answer to this group, None where it did not."""
        return self._down.get(_host(operation, storage))

    def _note_down(self, operation: ClaimedOperation, storage: Storage, error: Exception) -> None:
        if isinstance(error, StorageUnavailable):
            self._down[_host(operation, storage)] = error


def _host(operation: ClaimedOperation, storage: Storage) -> str:
    return storage.properties.origin or operation.storage_location


def _is_open(error: StorageError | Stopping) -> bool:
    """Whether it cannot be told from an answer what lies at the path."""
    if isinstance(error, StorageRefused):
        return error.refusal is Refusal.OTHER
    return isinstance(error, EntryConflict)


def _is_ours(storage: Storage, path: str, sha256: str, size_bytes: int, *, guess: bool) -> bool:
    """Say whether what lies at a path has this content; where it cannot be read, the guess counts, unless its length is another."""
    try:
        found = read_digest(storage, path)
        if found is None:
            return guess and listed_bytes(storage, path) in {None, size_bytes}
    except FileNotFoundError:
        if storage.properties.is_remote:
            raise StorageUnavailable("the storage location says that an entry is there, and has none", hint="it is tried again") from None
        return True  # put, not synced yet: the storage itself has compared them
    return found == sha256


def sync_each(storages: Iterable[Storage], side_by_side: SideBySide) -> dict[int, StorageError]:
    """Sync storages, each once; return what went wrong, by the storage's `id`."""
    distinct = list({id(storage): storage for storage in storages}.values())
    failed: dict[int, StorageError] = {}
    files = [storage for storage in distinct if isinstance(storage, ZipStorage)]
    flushed = side_by_side.map(_flush, files, is_remote=lambda file: file.location.properties.is_remote)
    failed |= {id(file): error for file, error in zip(files, flushed, strict=True) if error is not None}
    # Of many files in one folder, the folder is synced once.
    locations = {id(each): each.location if isinstance(each, ZipStorage) else each for each in distinct if id(each) not in failed}
    for location in {id(each): each for each in locations.values()}.values():
        try:
            location.sync()
        except StorageError as error:
            _forget_frames(error)  # they hold what failed, and this call, which holds the error: all that would wait for the collector
            failed |= {number: error for number, each in locations.items() if each is location}
    return failed


def _forget_frames(error: BaseException) -> None:
    """Forget in which calls an error was raised, and those that it came of."""
    todo: list[BaseException | None] = [error]
    while todo:
        if (each := todo.pop()) is not None and each.__traceback__ is not None:
            each.__traceback__ = None
            todo += [each.__cause__, each.__context__]


def _flush(file: ZipStorage) -> StorageError | None:
    try:
        file.flush()
    except StorageError as error:
        return error
    return None


def hashed(chunks: Iterable[bytes], tell: Callable[[str], None]) -> Iterator[bytes]:
    """Yield chunks, and tell the SHA-256 of all of them before the last one leaves: until then nobody can see the entry."""
    digest = hashlib.sha256()
    held = b""
    for chunk in chunks:
        if not chunk:
            continue
        if held:
            yield held
        digest.update(chunk)
        held = chunk
    tell(digest.hexdigest())
    yield held


def read_digest(storage: Storage, path: str) -> str | None:
    """Return the SHA-256 of what lies at a path, None where it may not be read; raises `FileNotFoundError` where there is nothing."""
    if not isinstance(storage, Reading):
        return None
    digest = hashlib.sha256()
    try:
        for chunk in storage.read(path):
            digest.update(chunk)
    except StorageRefused as error:
        if error.refusal is not Refusal.PERMISSION:
            raise
        return None
    return digest.hexdigest()
