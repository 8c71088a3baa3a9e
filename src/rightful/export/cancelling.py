"""What is done beside the store when an operation is cancelled: sending stops at once, and what was written is deleted where it may be."""

import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import lru_cache
from typing import cast
from weakref import WeakValueDictionary

import structlog

from rightful.errors import ExportError, Refusal, StorageError, StorageRefused, StorageUnavailable
from rightful.export import layout
from rightful.export.recipients import sealed_for
from rightful.export.records import PACKAGE, Sealed
from rightful.export.runtime import TenantRuntime
from rightful.faults import describe
from rightful.ids import OperationId, TenantId
from rightful.leash import Leash
from rightful.package import request_info
from rightful.sealing import Sealer
from rightful.storage.interface import Leashed, Removing, Storage
from rightful.storage.pieces import PiecesBeside, joining
from rightful.storage.registry import Storages
from rightful.storage.sealing import SealingStorage
from rightful.store.interface import Store
from rightful.store.values import ClaimedOperation, Entry, EntryState, StoreFault

_log = structlog.get_logger(__name__)

_THREADS = 2
_BATCH = 64
_QUIET_S = 2.0
"""How long what is being sent may take to end before it is deleted."""
_AGAIN_S = 10.0
_STOP_S = 2.0
_MAY_LIE_THERE = frozenset({EntryState.STAGED, EntryState.DONE, EntryState.SUPERSEDED})


class Leashes:
    """A leash for each operation that something is sent for; it is gone with whoever sends. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._leashes: WeakValueDictionary[OperationId, Leash] = WeakValueDictionary()

    def of(self, operation_id: OperationId) -> Leash:
        """Return the operation's leash."""
        with self._lock:
            leash = self._leashes.get(operation_id)
            if leash is None or leash.is_pulled:  # pulled: it was cancelled, and resumed since
                leash = self._leashes[operation_id] = Leash()
            return leash

    def pull(self, operation_id: OperationId) -> Leash | None:
        """End what is sent for an operation; return its leash, None where nothing is sent."""
        with self._lock:
            leash = self._leashes.get(operation_id)
        if leash is not None:
            leash.pull()
        return leash

    def held(self) -> frozenset[OperationId]:
        """Return the operations that something is sent for."""
        with self._lock:
            return frozenset(self._leashes)


def leashed(storage: Storage, leash: Leash) -> Storage:
    """Return a storage location on a leash, where it can be on one."""
    return cast("Leashed", storage).on(leash) if _can_be_leashed(type(storage)) else storage


@lru_cache(maxsize=64)
def _can_be_leashed(kind: type[Storage]) -> bool:
    """Say it once of each kind: to look whether something has a protocol's methods takes some 20 µs."""
    return issubclass(kind, Leashed)


class Remover:
    """Deletes what cancelled operations had written, in threads of its own.

    It is asked before an operation is cancelled, since that erases the signature, and works after that. RequestInfo.json stays, which marks
    the place. What cannot be deleted stays, and the store says how much that is. An entry that was not found counts as deleted only when
    it can no longer arrive: nobody works on the operation any more, and over a network some seconds have passed since.
    """

    def __init__(self, store: Store, storages: Storages, sealer: Sealer, tenants: Mapping[TenantId, TenantRuntime]) -> None:
        self._store = store
        self._storages = storages
        self._sealer = sealer
        self._tenants = tenants
        self.again_s = _AGAIN_S
        """When what may yet arrive is looked for again: a request that was cut off may still be carried out."""
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="removing")
        self._later = ThreadPoolExecutor(1, thread_name_prefix="removing-again")  # in turn: all wait equally long
        self._lock = threading.Lock()
        self._first: set[Future[None]] = set()
        self._further: set[Future[None]] = set()
        """Tries that are being made or wait for their turn: those that were asked for, and those after them."""
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Begin nothing more, and wait a little for what is being deleted; again, when the storage locations are closed."""
        self._stopping.set()
        for pool in (self._pool, self._later):
            pool.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            begun = (*self._first, *self._further)
        wait(begun, _STOP_S)

    def look(self, operation_id: OperationId) -> ClaimedOperation | None:
        """Return what has to be known of an operation that is about to be cancelled; None where there will be nothing to delete."""
        return self._store.working_on(operation_id)

    def remove(self, operation: ClaimedOperation, leash: Leash | None) -> None:
        """Delete soon what a cancelled operation had written."""
        if not self._stopping.is_set():
            self._note(self._pool.submit(self._try, operation, leash), self._first)

    def rest(self) -> None:
        """Return when nothing is being deleted that was asked for until now; what is looked for again later is not waited for."""
        with self._lock:
            asked = tuple(self._first)
        wait(asked)

    def _note(self, begun: Future[None], tries: set[Future[None]]) -> None:
        with self._lock:
            tries.difference_update([each for each in tries if each.done()])
            tries.add(begun)

    def _again(self, operation: ClaimedOperation, leash: Leash | None, at_s: float, *, was_quiet: bool) -> None:
        if not self._stopping.wait(max(0.0, at_s - time.monotonic())):
            self._try(operation, leash, is_again=True, was_quiet=was_quiet)

    def _try(self, operation: ClaimedOperation, leash: Leash | None, *, is_again: bool = False, was_quiet: bool = False) -> None:
        try:
            is_quiet = leash is None or leash.wait(_QUIET_S)
            may_arrive = self._remove(operation, is_quiet=is_quiet, is_again=is_again, was_quiet=was_quiet)
            if may_arrive and not self._stopping.is_set():
                at_s = time.monotonic() + self.again_s
                self._note(self._later.submit(self._again, operation, leash, at_s, was_quiet=is_quiet), self._further)
        except (ExportError, StoreFault) as error:
            _log.warning("what a cancelled operation had written stays", operation_id=operation.operation_id, error=describe(error))
        except Exception as error:  # noqa: BLE001 - nobody waits for this thread
            _log.error("what a cancelled operation had written stays", operation_id=operation.operation_id, error=describe(error))

    def _remove(self, operation: ClaimedOperation, *, is_quiet: bool, is_again: bool, was_quiet: bool) -> bool:
        """Delete what lies there; return whether something was not found that may yet arrive."""
        tenant = self._tenants.get(operation.tenant_id)
        if tenant is None:
            return False
        sealed = Sealed(self._sealer, operation.tenant_id, operation.operation_id)
        location = self._storages.open(sealed.open_location(operation.sealed_location), tenant.policy)
        file = layout.zip_path(operation.prefix)
        pieces = joining(location) if file else None
        if file and not isinstance(pieces, PiecesBeside):  # they are no entries: the storage location drops them
            return False
        entries = self._store.entries(operation.operation_id)
        written = [each for each in entries if each.state in _MAY_LIE_THERE and not _is_mark(each, sealed)]
        if not isinstance(location, Removing) or not written or not self._store.begin_removal(operation.operation_id):
            return False
        is_final = is_quiet and (was_quiet or not location.properties.is_remote)
        removal = _Removal(self._store, operation.operation_id, is_final=is_final, was_touched=is_again or bool(file))
        if isinstance(pieces, PiecesBeside):  # they are deleted together: an error does not say that none was
            with removal.ending():
                pieces.drop(file)
                location.remove(file)
                for entry in written:
                    removal.note(entry, was_there=False)
            return removal.kept > 0
        storage = sealed_for(operation, location, lambda: entries, sealed)
        with removal.ending():
            for entry in written:
                if self._stopping.is_set():
                    break
                if not entry.sealed:  # an earlier version closed the package, and its path is unknown: it stays
                    continue
                with removal.trying(location):
                    was_there = location.remove(operation.prefix + _name(storage, sealed.open_entry(entry.sealed).path))
                removal.note(entry, was_there=was_there)
        return removal.kept > 0


class _Removal:
    """Puts down what is deleted of one operation, some entries at a time."""

    def __init__(self, store: Store, operation_id: OperationId, *, is_final: bool, was_touched: bool) -> None:
        self._store = store
        self._operation_id = operation_id
        self._is_final = is_final
        self._was_touched = was_touched
        self._removed: list[Entry] = []
        self._count = 0
        self.kept = 0
        """Entries that were not found and may yet arrive."""

    @contextmanager
    def trying(self, location: Storage) -> Iterator[None]:
        """Take it that something is deleted in the block, unless what it raises says that nothing was."""
        before, self._was_touched = self._was_touched, True
        try:
            yield
        except StorageError as error:
            self._was_touched = before or not _is_untouched(error, location)
            raise

    def note(self, entry: Entry, *, was_there: bool) -> None:
        """Put down that an entry does not lie there, unless it may yet arrive."""
        if entry.state is EntryState.STAGED and not was_there and not self._is_final:
            self.kept += 1
            return
        self._removed.append(entry)
        if len(self._removed) >= _BATCH:
            self._forget()

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Put down, at the end of the block, what is left to be; where nothing was deleted for certain, that it was begun is taken back."""
        try:
            yield
        finally:
            if self._removed:
                self._forget()
            if not self._was_touched:
                self._store.begin_removal(self._operation_id, is_begun=False)
        _log.info(
            "what a cancelled operation had written is deleted", operation_id=self._operation_id, entries=self._count, not_found=self.kept
        )

    def _forget(self) -> None:
        self._store.forget_entries(self._removed)
        self._count += len(self._removed)
        self._removed = []


def _is_untouched(error: StorageError, location: Storage) -> bool:
    """Whether nothing was deleted for certain. A folder may have failed after its entry was gone."""
    if isinstance(error, StorageUnavailable):
        return location.properties.is_remote and not error.may_have_arrived
    return isinstance(error, StorageRefused) and error.refusal is not Refusal.OTHER


def _is_mark(entry: Entry, sealed: Sealed) -> bool:
    return entry.source_name == PACKAGE and bool(entry.sealed) and sealed.open_entry(entry.sealed).path == request_info.PATH


def _name(storage: Storage, path: str) -> str:
    return storage.name_of(path) if isinstance(storage, SealingStorage) else path
