"""Erases what was kept long enough, a few rows at a time, and puts down what is left of it: receipts, and the start of an audit chain.

Whoever writes meanwhile waits for one such transaction at most. Each is whole by itself: after a kill the next one goes on.
"""

import json
from collections.abc import Callable, Mapping

import msgspec

from rightful.audit import start as starts
from rightful.audit.record import NOBODY, OK, Action, Actor, Target, record
from rightful.audit.start import ChainStart
from rightful.clock import to_microseconds
from rightful.ids import OperationId, TenantId
from rightful.operation.model import OperationStatus, PackageTotals
from rightful.store import audit_chain, rows
from rightful.store.connection import Connection, Row
from rightful.store.records import Records
from rightful.store.values import Purgeable, Purged, PurgeKind, PurgeLimits, Retention

MOST_ENTRIES = 2000
"""Entries that are erased in one transaction: one that has failed may have left many."""


class Purging(Records):
    """Erases what was kept long enough."""

    def purge_operations(self, limits: PurgeLimits, *, limit: int, by: Actor = NOBODY) -> Purged:
        """Erase operations that ended long enough ago, the earliest first."""

        def task(connection: Connection) -> Purged:
            found = connection.rows(self._sql["purge_candidates"], {**operation_parameters(limits), "most": limit})
            left, gone = MOST_ENTRIES, []
            for row in found:
                left -= self._purge_entries(connection, OperationId(row["id"]), left)
                if left <= 0:
                    break
                self._purge_operation(connection, limits, row)
                gone.append(row["id"])
            if gone:
                connection.run(self._sql["purge_events"], {"tenant_id": limits.tenant_id, "ids": json.dumps(gone)})
                self._record_purge(connection, limits.tenant_id, Target.OPERATIONS, len(gone), by)
            return Purged(number=len(gone), is_more=left <= 0 or len(found) == limit)

        return self._file.write(task, limits.tenant_id)

    def _purge_entries(self, connection: Connection, operation_id: OperationId, most: int) -> int:
        """Erase entries of an operation, at most so many; from the first one on it cannot be resumed any more."""
        erased = connection.run(self._sql["purge_entries"], {"operation_id": operation_id, "most": most})
        if erased:
            connection.run(self._sql["begin_removal"], {"id": operation_id, "removal": 1})
        return erased

    def _purge_operation(self, connection: Connection, limits: PurgeLimits, row: Row) -> None:
        whose = {"operation_id": row["id"]}
        digest = "" if row["package"] is None else msgspec.json.decode(row["package"], type=PackageTotals).receipt_sha256
        is_kept = limits.receipts_before is None or row["completed_at"] >= to_microseconds(limits.receipts_before)
        if row["status"] == OperationStatus.COMPLETE and digest and is_kept:
            receipt = {
                "tenant_id": limits.tenant_id,
                "subject_id": row["subject_id"],
                "receipt_sha256": digest,
                "completed_at": row["completed_at"],
                "operation_seq": row["seq"],
                **whose,
            }
            connection.run(self._sql["keep_receipt"], receipt)
        for name in ("purge_reads", "purge_repeat_keys", "purge_operation"):
            connection.run(self._sql[name], whose)

    def purge_receipts(self, limits: PurgeLimits, *, limit: int, by: Actor = NOBODY) -> int:
        """Erase receipts of operations that are gone and ended long enough ago."""
        if limits.receipts_before is None:
            return 0
        parameters = {**receipt_parameters(limits), "most": limit}

        def task(connection: Connection) -> int:
            number = connection.run(self._sql["purge_receipts"], parameters)
            if number:
                self._record_purge(connection, limits.tenant_id, Target.RECEIPTS, number, by)
            return number

        return self._file.write(task, limits.tenant_id)

    def put_chain_start(self, start: ChainStart, by: Actor = NOBODY) -> bool:
        """Let a chain begin later, and record it there."""
        parameters = {"tenant_id": start.tenant_id, "seq": start.seq, "start": starts.encode(start).decode()}

        def task(connection: Connection) -> bool:
            is_put = bool(connection.run(self._sql["put_start"], parameters))
            if is_put:
                self._record_purge(connection, start.tenant_id, Target.AUDIT_RECORDS, start.cut, by, target_id=str(start.seq))
            return is_put

        return self._file.write(task, start.tenant_id or None)

    def purge_records(self, start: ChainStart, *, limit: int) -> int:
        """Erase records, and checkpoints of them, that stand before the start of their chain."""
        parameters = {"tenant_id": start.tenant_id, "up_to": start.seq, "most": limit}

        def task(connection: Connection) -> int:
            return sum(connection.run(self._sql[name], parameters) for name in ("purge_records", "purge_checkpoints"))

        return self._file.write(task, start.tenant_id or None)

    def put_purged(self, tenant_id: TenantId) -> None:
        """Put down that nothing is left now that was kept long enough."""
        parameters = {"tenant_id": tenant_id, "at": self._now()}

        def task(connection: Connection) -> None:
            connection.run(self._sql["put_purged"], parameters)

        self._file.write(task, tenant_id or None)
        self._file.erase()

    def retention(self, tenant_id: TenantId) -> Retention:
        """Return what is known of purges of a tenant's."""
        row = self._file.read(lambda connection: self._one(connection, "retention", tenant_id=tenant_id), tenant_id or None)
        return Retention() if row is None else rows.retention(row)

    def _record_purge(  # noqa: PLR0917 - private, what the record says
        self, connection: Connection, tenant_id: TenantId, target: Target, number: int, by: Actor, target_id: str = ""
    ) -> None:
        made = record(by, tenant_id=tenant_id, time_us=self._now(), action=Action.PURGE, outcome=OK, target=target, target_id=target_id)
        audit_chain.append(connection, self._sql, (msgspec.structs.replace(made, count=number),))


def operation_parameters(limits: PurgeLimits) -> dict[str, object]:
    """Return what the statements about operations ask for; where none is to be purged, they find none."""
    before = 0 if limits.operations_before is None else to_microseconds(limits.operations_before)
    return {"tenant_id": limits.tenant_id, "before": before, "received_before": to_microseconds(limits.received_before)}


def receipt_parameters(limits: PurgeLimits) -> dict[str, object]:
    """Return what the statements about receipts ask for; where none is to be purged, they find none."""
    before = 0 if limits.receipts_before is None else to_microseconds(limits.receipts_before)
    return {"tenant_id": limits.tenant_id, "before": before}


def purgeable(one: Callable[[str, Mapping[str, object]], Row], limits: PurgeLimits) -> tuple[Purgeable, ...]:
    """Return how many operations and receipts would be purged; `one` returns the row that a statement finds, by its name."""
    asked = (
        (PurgeKind.OPERATIONS, "purgeable_operations", operation_parameters(limits)),
        (PurgeKind.RECEIPTS, "purgeable_receipts", receipt_parameters(limits)),
    )
    return tuple(rows.purgeable(kind, one(name, parameters)) for kind, name, parameters in asked)
