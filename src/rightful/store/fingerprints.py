"""What is kept of complete operations to compare later ones with, sealed; fingerprints themselves lie in files (`fingerprint_folder`)."""

from datetime import datetime

from rightful.audit.record import NOBODY, OK, Action, Actor
from rightful.clock import from_microseconds, to_microseconds
from rightful.ids import OperationId, TenantId
from rightful.operation.model import OperationStatus
from rightful.store import rows
from rightful.store.connection import Connection
from rightful.store.records import Records
from rightful.store.values import FingerprintUse

_ENDED = frozenset({OperationStatus.COMPLETE, OperationStatus.FAILED})


class Fingerprints(Records):
    """Gives it out and erases it."""

    def fingerprints(self, tenant_id: TenantId, operation_id: OperationId) -> bytes | None:
        """Return what is kept of a complete operation."""
        row = self._file.read(lambda connection: self._one(connection, "fingerprints", id=operation_id, tenant_id=tenant_id), tenant_id)
        return None if row is None else row["sealed_fingerprints"]

    def forget_fingerprints(self, tenant_id: TenantId, operation_id: OperationId, by: Actor = NOBODY) -> bool | None:
        """Erase what is kept of an operation, and record it."""

        def task(connection: Connection) -> bool | None:
            if self._one(connection, "compared_with", id=operation_id) is not None:
                return False
            forgotten = self._one(connection, "forget_fingerprints", id=operation_id, tenant_id=tenant_id)
            if forgotten is None:
                return None
            self._record(connection, Action.FORGET_FINGERPRINTS, OK, operation_id, rows.whose(forgotten), by=by)
            return True

        return self._file.write(task, tenant_id)

    def forget_old_fingerprints(self, tenant_id: TenantId, before: datetime) -> int:
        """Erase what is kept of operations that ended before."""
        parameters = {"tenant_id": tenant_id, "before": to_microseconds(before)}
        return self._file.write(lambda connection: connection.run(self._sql["forget_old_fingerprints"], parameters), tenant_id)

    def fingerprint_use(self, operation_id: OperationId) -> FingerprintUse | None:
        """Say why there may be files with fingerprints of an operation."""
        row = self._file.read(lambda connection: self._one(connection, "fingerprint_use", id=operation_id))
        if row is None:
            return None
        return FingerprintUse(
            tenant_id=TenantId(row["tenant_id"]),
            is_ended=row["status"] in _ENDED,
            is_complete=row["status"] == OperationStatus.COMPLETE,
            completed_at=None if row["completed_at"] is None else from_microseconds(row["completed_at"]),
            is_kept=bool(row["is_kept"]),
        )
