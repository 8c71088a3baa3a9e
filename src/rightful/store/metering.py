"""A store that counts what it is told: everything that becomes of an operation goes through it, once it is durable."""

from collections.abc import Sequence
from datetime import datetime

from rightful.audit.record import NOBODY, Actor
from rightful.audit.start import ChainStart
from rightful.clock import Clock
from rightful.errors import LEAK_FOUND_CODE
from rightful.ids import OperationId, TenantId
from rightful.meters import Backlog, Meters
from rightful.operation.model import DataPolicyOperation, Failure, OperationStatus
from rightful.store.sql_store import SqlStore
from rightful.store.transactions import Transactions
from rightful.store.values import (
    Checkpoint,
    ClaimedOperation,
    ClaimedRead,
    Completion,
    Entry,
    EntryState,
    NewApproval,
    NewRead,
    Purged,
    PurgeKind,
    PurgeLimits,
)


class MeteredStore(SqlStore):
    """Does what the store does, and counts what came of it."""

    def __init__(self, file: Transactions, clock: Clock, meters: Meters) -> None:
        super().__init__(file, clock)
        self._meters = meters
        meters.watch(self.backlog)

    def promote(
        self, operation_id: OperationId, reads: Sequence[NewRead], entries: Sequence[Entry], *, approval: NewApproval | None = None
    ) -> DataPolicyOperation | None:
        """Count what was accepted."""
        operation = super().promote(operation_id, reads, entries, approval=approval)
        if operation is not None:
            self._meters.accepted()
        return operation

    def decide(
        self, tenant_id: TenantId, operation_id: OperationId, *, decider_key: str, refusal: Failure | None, by: Actor = NOBODY
    ) -> DataPolicyOperation | None:
        """Count what was refused."""
        operation = super().decide(tenant_id, operation_id, decider_key=decider_key, refusal=refusal, by=by)
        if operation is not None and refusal is not None:
            self._meters.ended(OperationStatus.FAILED, refusal.code)
        return operation

    def checkpoint(self, checkpoints: Sequence[Checkpoint], *, owner: str) -> tuple[OperationId, ...]:
        """Count what was written."""
        lost = super().checkpoint(checkpoints, owner=owner)
        for each in checkpoints:
            if each.read.operation_id not in lost:
                self._count(each)
        return lost

    def _count(self, checkpoint: Checkpoint) -> None:
        source_name, entries = checkpoint.read.source_name, checkpoint.entries
        done = [entry for entry in entries if entry.state is EntryState.DONE]
        if done:
            rows, size_bytes = sum(entry.rows for entry in done) - checkpoint.copied_rows, sum(entry.size_bytes for entry in done)
            self._meters.written(source_name, entries=len(done), rows=rows, size_bytes=size_bytes)
        skipped = sum(entry.state is EntryState.SKIPPED for entry in entries)
        if skipped:
            self._meters.skipped(source_name, skipped)

    def retry(
        self,
        reads: Sequence[ClaimedRead],
        *,
        owner: str,
        at: datetime,
        waiting_for: Failure | None = None,
        group: int = 0,
        is_failure: bool = True,
    ) -> None:
        """Count what is tried again."""
        super().retry(reads, owner=owner, at=at, waiting_for=waiting_for, group=group, is_failure=is_failure)
        for read in reads:
            if waiting_for is not None:
                self._meters.waited(waiting_for.code)
            elif is_failure:
                self._meters.retried(read.source_name)

    def retry_finish(
        self, operation: ClaimedOperation, *, owner: str, at: datetime, waiting_for: Failure | None = None, is_failure: bool = True
    ) -> None:
        """Count what waits."""
        super().retry_finish(operation, owner=owner, at=at, waiting_for=waiting_for, is_failure=is_failure)
        if waiting_for is not None:
            self._meters.waited(waiting_for.code)

    def complete(self, completions: Sequence[Completion], *, owner: str) -> tuple[OperationId, ...]:
        """Count what is complete."""
        lost = super().complete(completions, owner=owner)
        for each in completions:
            if each.operation.operation_id not in lost:
                self._meters.ended(OperationStatus.COMPLETE)
                self._meters.packaged(each.package.entries, each.package.size_bytes)
        return lost

    def fail(
        self,
        operation_id: OperationId,
        failure: Failure,
        *,
        owner: str = "",
        claimed: ClaimedRead | ClaimedOperation | None = None,
        by: Actor | None = None,
    ) -> bool:
        """Count what failed."""
        has_failed = super().fail(operation_id, failure, owner=owner, claimed=claimed, by=by)
        if has_failed:
            self._meters.ended(OperationStatus.FAILED, failure.code)
            if failure.code == LEAK_FOUND_CODE:
                self._meters.leak_found(failure.source_name)
        return has_failed

    def purge_operations(self, limits: PurgeLimits, *, limit: int, by: Actor = NOBODY) -> Purged:
        """Count what was purged."""
        purged = super().purge_operations(limits, limit=limit, by=by)
        self._meters.purged(PurgeKind.OPERATIONS.value, purged.number)
        return purged

    def purge_receipts(self, limits: PurgeLimits, *, limit: int, by: Actor = NOBODY) -> int:
        """Count what was purged."""
        number = super().purge_receipts(limits, limit=limit, by=by)
        self._meters.purged(PurgeKind.RECEIPTS.value, number)
        return number

    def put_chain_start(self, start: ChainStart, by: Actor = NOBODY) -> bool:
        """Count what is purged."""
        is_put = super().put_chain_start(start, by)
        self._meters.purged(PurgeKind.AUDIT_RECORDS.value, start.cut if is_put else 0)
        return is_put

    def backlog(self) -> Backlog:
        """Return how much has not ended."""
        rows = self._file.read(lambda connection: connection.rows(self._sql["backlog"]))
        numbers = {row["what"]: row["number"] for row in rows}
        return Backlog(
            open_by_tenant={row["tenant_id"]: row["number"] for row in rows if row["what"] == "open"},
            not_started=numbers["not_started"],
            reads={state: numbers[state] for state in ("pending", "waiting", "leased")},
            recorded_by_tenant={row["tenant_id"]: row["number"] for row in rows if row["what"] == "recorded"},
        )
