"""Who the operations at hand are about: identifiers, found once for a set and kept while they are needed."""

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping, Sequence

from rightful.directory.interface import Directory
from rightful.ids import OperationId, TenantId
from rightful.store.values import ClaimedOperation
from rightful.subject.model import DataSubject, IdentifiedSubject, SubjectKind

_KEPT = 10_000


class Identities:
    """Finds the subjects of operations with all their identifiers; keeps them in memory, never anywhere else.

    Reads of one operation that run side by side ask the directory once: calls for one tenant wait for each other, calls for several
    tenants do not. Kept values are forgotten when the operation ends.
    """

    def __init__(self, *, most: int = _KEPT, also: Callable[[OperationId], object] = lambda _: None) -> None:
        """Keep those of `most` operations, the latest; `also` forgets what else is kept for one."""
        self._also = also
        self._most = most
        self._kept: OrderedDict[OperationId, IdentifiedSubject] = OrderedDict()
        self._lock = threading.Lock()
        self._asking: defaultdict[TenantId, threading.Lock] = defaultdict(threading.Lock)

    def of(self, operations: Sequence[ClaimedOperation], directory: Directory) -> tuple[IdentifiedSubject | None, ...]:
        """Return the subject of each operation of one tenant, None where the directory no longer knows it. Raises `SourceError`."""
        if not operations:
            return ()
        with self._lock:
            asking = self._asking[operations[0].tenant_id]
        with asking:
            found = self._known(operations)
            missing = [operation for operation in operations if operation.operation_id not in found]
            if missing:
                found |= _find(missing, directory)
                self._keep(found)
        return tuple(found.get(operation.operation_id) for operation in operations)

    def forget(self, operation_id: OperationId) -> None:
        """Drop what is kept for an operation."""
        with self._lock:
            self._kept.pop(operation_id, None)
        self._also(operation_id)

    def held(self) -> frozenset[OperationId]:
        """Return the operations that something is kept for."""
        with self._lock:
            return frozenset(self._kept)

    def _known(self, operations: Sequence[ClaimedOperation]) -> dict[OperationId, IdentifiedSubject]:
        with self._lock:
            ids = (operation.operation_id for operation in operations)
            return {operation_id: self._kept[operation_id] for operation_id in ids if operation_id in self._kept}

    def _keep(self, found: Mapping[OperationId, IdentifiedSubject]) -> None:
        with self._lock:
            self._kept.update(found)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)


def _find(operations: Sequence[ClaimedOperation], directory: Directory) -> dict[OperationId, IdentifiedSubject]:
    subjects = _look_up(operations, directory)
    known = [(operation.operation_id, subject) for operation, subject in zip(operations, subjects, strict=True) if subject is not None]
    identified = directory.identify([subject for _, subject in known])
    return {operation_id: subject for (operation_id, _), subject in zip(known, identified, strict=True) if subject is not None}


def _look_up(operations: Sequence[ClaimedOperation], directory: Directory) -> list[DataSubject | None]:
    users = [operation.subject_id for operation in operations if operation.subject_kind is SubjectKind.USER]
    found = iter(directory.subjects(users)) if users else iter(())
    return [
        next(found) if operation.subject_kind is SubjectKind.USER else directory.find_inbound_profile(operation.subject_id)
        for operation in operations
    ]
