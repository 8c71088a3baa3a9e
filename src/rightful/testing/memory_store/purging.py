"""What was kept long enough, in memory."""

import msgspec

from rightful.audit import record as records
from rightful.audit.record import NOBODY, OK, Action, Actor, Target
from rightful.audit.start import ChainStart
from rightful.clock import from_microseconds, to_microseconds
from rightful.ids import OperationId, TenantId
from rightful.operation.model import OperationStatus
from rightful.store.purging import MOST_ENTRIES
from rightful.store.values import Purged, PurgeLimits, Retention
from rightful.testing.memory_store.looking import Looking
from rightful.testing.memory_store.rows import OperationRow, ReceiptRow

_ENDED = frozenset({OperationStatus.COMPLETE, OperationStatus.FAILED})


class Purging(Looking):
    """Erases what was kept long enough."""

    def purge_operations(self, limits: PurgeLimits, *, limit: int, by: Actor = NOBODY) -> Purged:
        """Erase operations that ended long enough ago."""
        with self._guard:
            found = self._purgeable(limits)[:limit]
            left, number = MOST_ENTRIES, 0
            for row in found:
                erased = list(row.entries)[:left]
                for key in erased:
                    del row.entries[key]
                    row.removal = True
                left -= len(erased)
                if left <= 0:
                    break
                self._purge(row, limits)
                number += 1
            if number:
                self._record_purge(limits.tenant_id, Target.OPERATIONS, number, by)
            return Purged(number=number, is_more=left <= 0 or len(found) == limit)

    def _purgeable(self, limits: PurgeLimits) -> list[OperationRow]:
        before = 0 if limits.operations_before is None else to_microseconds(limits.operations_before)
        compared = {row.intent.since for row in self._operations.values() if row.status not in _ENDED}
        found = [
            row
            for row in self._operations.values()
            if row.intent.tenant_id == limits.tenant_id
            and row.status in _ENDED
            and row.completed_at is not None
            and row.completed_at < before
            and (row.status is OperationStatus.COMPLETE or (row.received_at is not None and row.received_at < limits.received_before))
            and row.intent.operation_id not in compared
        ]
        return sorted(found, key=lambda row: (row.completed_at, row.intent.submitted_at, row.intent.operation_id))

    def _purge(self, row: OperationRow, limits: PurgeLimits) -> None:
        operation_id, completed_at = row.intent.operation_id, row.completed_at or 0
        is_kept = limits.receipts_before is None or completed_at >= to_microseconds(limits.receipts_before)
        if row.status is OperationStatus.COMPLETE and row.package is not None and row.package.receipt_sha256 and is_kept:
            key = (row.intent.tenant_id, operation_id)
            self._receipts[key] = ReceiptRow(row.intent.subject_id, row.package.receipt_sha256, completed_at, row.seq)
        del self._operations[operation_id]
        self._events = {seq: each for seq, each in self._events.items() if each[0].operation_id != operation_id}
        self._repeats = {key: named for key, named in self._repeats.items() if named != operation_id}

    def purge_receipts(self, limits: PurgeLimits, *, limit: int, by: Actor = NOBODY) -> int:
        """Erase receipts of operations that are gone and ended long enough ago."""
        if limits.receipts_before is None:
            return 0
        before = to_microseconds(limits.receipts_before)
        with self._guard:
            own = [(receipt.completed_at, key) for key, receipt in self._receipts.items() if key[0] == limits.tenant_id]
            found = sorted(each for each in own if each[0] < before)[:limit]
            for _, key in found:
                del self._receipts[key]
            if found:
                self._record_purge(limits.tenant_id, Target.RECEIPTS, len(found), by)
            return len(found)

    def put_chain_start(self, start: ChainStart, by: Actor = NOBODY) -> bool:
        """Let a chain begin later, and record it there."""
        with self._guard:
            before = self._retentions.get(start.tenant_id, Retention())
            if before.start is not None and before.start.seq >= start.seq:
                return False
            self._retentions[start.tenant_id] = msgspec.structs.replace(before, start=start)
            self._record_purge(start.tenant_id, Target.AUDIT_RECORDS, start.cut, by, target_id=str(start.seq))
            return True

    def purge_records(self, start: ChainStart, *, limit: int) -> int:
        """Erase records that stand before the start of their chain."""
        with self._guard:
            chain = self._chains.get(start.tenant_id, [])
            number = sum(entry.seq <= start.seq for entry in chain[:limit])
            del chain[:number]
            return number

    def put_purged(self, tenant_id: TenantId) -> None:
        """Put down that nothing is left now that was kept long enough."""
        with self._guard:
            before = self._retentions.get(tenant_id, Retention())
            now = from_microseconds(self._now())
            self._retentions[tenant_id] = msgspec.structs.replace(before, purged_at=max(before.purged_at or now, now))

    def retention(self, tenant_id: TenantId) -> Retention:
        """Return what is known of purges."""
        with self._guard:
            found = self._retentions.get(tenant_id, Retention())
            line = "" if found.start is None else msgspec.json.encode(found.start).decode()
            return msgspec.structs.replace(found, line=line)

    def _receipt_rows(self, tenant_id: TenantId, subject_id: str) -> list[tuple[int, int, OperationId, str]]:
        """Return the receipts of a person's operations that are gone."""
        return [
            (receipt.completed_at, receipt.seq, operation_id, receipt.receipt_sha256)
            for (whose, operation_id), receipt in self._receipts.items()
            if (whose, receipt.subject_id) == (tenant_id, subject_id)
        ]

    def _record_purge(self, tenant_id: TenantId, target: Target, number: int, by: Actor, target_id: str = "") -> None:
        made = records.record(
            by, tenant_id=tenant_id, time_us=self._now(), action=Action.PURGE, outcome=OK, target=target, target_id=target_id
        )
        self._append([msgspec.structs.replace(made, count=number)])
