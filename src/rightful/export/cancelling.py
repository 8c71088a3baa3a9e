"""What is done beside the store when an operation is cancelled: sending stops at once, and what was written is deleted where it may be."""

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from weakref import WeakValueDictionary

import structlog

from rightful.errors import ExportError
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
    return storage.on(leash) if isinstance(storage, Leashed) else storage


class Remover:
    """Deletes what cancelled operations had written, in threads of its own.

    It is asked before an operation is cancelled, since that erases the signature, and works after that. RequestInfo.json stays, which marks
    the place. What cannot be deleted stays, and the store says how much that is.
    """

    def __init__(self, store: Store, storages: Storages, sealer: Sealer, tenants: Mapping[TenantId, TenantRuntime]) -> None:
        self._store = store
        self._storages = storages
        self._sealer = sealer
        self._tenants = tenants
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="removing")
        self._is_stopping = False

    def stop(self) -> None:
        """Begin nothing more, and wait for what is being deleted."""
        self._is_stopping = True
        self._pool.shutdown(cancel_futures=True)

    def look(self, operation_id: OperationId) -> ClaimedOperation | None:
        """Return what has to be known of an operation that is about to be cancelled; None where there will be nothing to delete."""
        return self._store.working_on(operation_id)

    def remove(self, operation: ClaimedOperation, leash: Leash | None) -> None:
        """Delete soon what a cancelled operation had written."""
        if not self._is_stopping:
            self._pool.submit(self._try, operation, leash)

    def _try(self, operation: ClaimedOperation, leash: Leash | None) -> None:
        try:
            if leash is not None:
                leash.wait(_QUIET_S)
            self._remove(operation)
        except (ExportError, StoreFault) as error:
            _log.warning("what a cancelled operation had written stays", operation_id=operation.operation_id, error=describe(error))
        except Exception as error:  # noqa: BLE001 - nobody waits for this thread
            _log.error("what a cancelled operation had written stays", operation_id=operation.operation_id, error=describe(error))

    def _remove(self, operation: ClaimedOperation) -> None:
        tenant = self._tenants.get(operation.tenant_id)
        if tenant is None:
            return
        sealed = Sealed(self._sealer, operation.tenant_id, operation.operation_id)
        location = self._storages.open(sealed.open_location(operation.sealed_location), tenant.policy)
        file = layout.zip_path(operation.prefix)
        pieces = joining(location) if file else None
        if file and not isinstance(pieces, PiecesBeside):  # they are no entries: the storage location drops them
            return
        entries = self._store.entries(operation.operation_id)
        written = [each for each in entries if each.state in _MAY_LIE_THERE and not _is_mark(each, sealed)]
        if not isinstance(location, Removing) or not written or not self._store.begin_removal(operation.operation_id):
            return
        if isinstance(pieces, PiecesBeside):
            pieces.drop(file)
            location.remove(file)
            self._store.forget_entries(written)
            return
        storage = sealed_for(operation, location, lambda: entries, sealed)
        removed: list[Entry] = []
        try:
            for entry in written:
                if self._is_stopping:
                    break
                location.remove(operation.prefix + _name(storage, sealed.open_entry(entry.sealed).path))
                removed.append(entry)
                if len(removed) >= _BATCH:
                    self._store.forget_entries(removed)
                    removed = []
        finally:
            if removed:
                self._store.forget_entries(removed)
        _log.info("what a cancelled operation had written is deleted", operation_id=operation.operation_id, entries=len(written))


def _is_mark(entry: Entry, sealed: Sealed) -> bool:
    return entry.source_name == PACKAGE and sealed.open_entry(entry.sealed).path == request_info.PATH


def _name(storage: Storage, path: str) -> str:
    return storage.name_of(path) if isinstance(storage, SealingStorage) else path
