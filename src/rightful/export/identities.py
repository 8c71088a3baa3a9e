"""Who the operations at hand are about: identifiers, found once for a set and kept while they are needed."""

import threading
from collections import OrderedDict
from collections.abc import Sequence

from rightful.directory.interface import Directory
from rightful.ids import OperationId
from rightful.store.interface import ClaimedOperation
from rightful.subject.model import DataSubject, IdentifiedSubject, SubjectKind

_KEPT = 10_000


class Identities:
    """Finds the subjects of operations with all their identifiers; keeps them in memory, never anywhere else.

    Reads of one operation that run side by side ask the directory once. Kept values are forgotten when the operation ends.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[OperationId, IdentifiedSubject] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, operations: Sequence[ClaimedOperation], directory: Directory) -> tuple[IdentifiedSubject | None, ...]:
        """Return each operation's subject, None where the directory no longer knows it. Raises `SourceError`."""
        with self._lock:
            missing = [operation for operation in operations if operation.operation_id not in self._kept]
            if missing:
                self._find(missing, directory)
            return tuple(self._kept.get(operation.operation_id) for operation in operations)

    def _find(self, operations: Sequence[ClaimedOperation], directory: Directory) -> None:
        subjects = _look_up(operations, directory)
        known = [(operation.operation_id, subject) for operation, subject in zip(operations, subjects, strict=True) if subject is not None]
        identified = directory.identify([subject for _, subject in known])
        for (operation_id, _), subject in zip(known, identified, strict=True):
            if subject is not None:
                self._kept[operation_id] = subject
        while len(self._kept) > max(_KEPT, len(operations)):
            self._kept.popitem(last=False)

    def forget(self, operation_id: OperationId) -> None:
        """Drop what is kept for an operation."""
        with self._lock:
            self._kept.pop(operation_id, None)


def _look_up(operations: Sequence[ClaimedOperation], directory: Directory) -> list[DataSubject | None]:
    users = [operation.subject_id for operation in operations if operation.subject_kind is SubjectKind.USER]
    found = iter(directory.subjects(users)) if users else iter(())
    return [
        next(found) if operation.subject_kind is SubjectKind.USER else directory.find_inbound_profile(operation.subject_id)
        for operation in operations
    ]
