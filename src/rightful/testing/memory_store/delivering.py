"""What becomes of reads and of operations, in memory."""

from collections.abc import Collection, Sequence
from datetime import datetime

from rightful.audit.record import NOBODY, OK, Action, Actor
from rightful.clock import to_microseconds
from rightful.ids import OperationId, TenantId
from rightful.operation import progress
from rightful.operation.model import ApprovalState, DataPolicyOperation, Failure, OperationStatus
from rightful.store.values import (
    Checkpoint,
    ClaimedOperation,
    ClaimedRead,
    Completion,
    Entry,
    EventKind,
    FingerprintUse,
    NewRead,
)
from rightful.testing.memory_store.rows import OperationRow, ReadRow, key_of
from rightful.testing.memory_store.submitting import Submitting


class Delivering(Submitting):
    """Keeps what was delivered; whoever has lost a lease changes nothing."""

    def _our_read(self, claimed: ClaimedRead, owner: str) -> ReadRow | None:
        """Return the row of a read that is still leased to this owner, at this attempt."""
        row = self._operations.get(claimed.operation_id)
        for read in row.reads if row is not None else ():
            if (read.source_name, read.partition) == (claimed.source_name, claimed.partition):
                return read if (read.state, read.owner, read.attempt) == ("leased", owner, claimed.attempt) else None
        return None

    def _our_finishing(self, claimed: ClaimedOperation, owner: str) -> OperationRow | None:
        row = self._operations.get(claimed.operation_id)
        is_ours = row is not None and (row.status, row.owner, row.attempt) == (OperationStatus.RUNNING, owner, claimed.attempt)
        return row if is_ours else None

    def split(self, reads: Sequence[ClaimedRead], partitions: Sequence[NewRead], *, owner: str) -> tuple[OperationId, ...]:
        """Put down what planning found for each of the claimed reads."""
        with self._guard:
            return tuple(read.operation_id for read in reads if not self._split(read, partitions, owner))

    def _split(self, claimed: ClaimedRead, partitions: Sequence[NewRead], owner: str) -> bool:
        read, first = self._our_read(claimed, owner), partitions[0]
        if read is None:
            return False
        share = len(partitions) if not read.spec_digest else 1
        if read.own_estimate:
            read.estimated_rows = None if read.estimated_rows is None else read.estimated_rows // share
            read.estimated_bytes = None if read.estimated_bytes is None else read.estimated_bytes // share
        else:
            read.estimated_rows, read.estimated_bytes = first.estimated_rows, first.estimated_bytes
        read.spec_digest, read.sealed_spec = first.spec_digest, first.sealed_spec
        row = self._operations[claimed.operation_id]
        for each in partitions[1:]:
            if self._add_read(row, each, read.position):
                row.open_reads += 1
                if read.own_estimate:
                    row.reads[-1].estimated_rows, row.reads[-1].estimated_bytes = read.estimated_rows, read.estimated_bytes
        return True

    def estimate(self, operation_id: OperationId, source_name: str, *, rows: int | None, size_bytes: int | None) -> None:
        """Put down how much a subject has, shared out over the partitions."""
        with self._guard:
            row = self._operations.get(operation_id)
            own = [read for read in row.reads if read.source_name == source_name] if row is not None else []
            for read in own:
                if read.state != "done":
                    read.own_estimate = True
                    read.estimated_rows = None if rows is None else rows // len(own)
                    read.estimated_bytes = None if size_bytes is None else size_bytes // len(own)

    def stage(
        self, entries: Sequence[Entry], *, owner: str, reads: Sequence[ClaimedRead] = (), finishing: Sequence[ClaimedOperation] = ()
    ) -> tuple[OperationId, ...]:
        """Put down entries before they are put."""
        with self._guard:
            lost = {each.operation_id for each in reads if self._our_read(each, owner) is None}
            lost |= {each.operation_id for each in finishing if self._our_finishing(each, owner) is None}
            for entry in entries:
                if entry.operation_id not in lost:
                    self._put_entries(self._operations[entry.operation_id], [entry])
            return tuple(lost)

    def checkpoint(self, checkpoints: Sequence[Checkpoint], *, owner: str) -> tuple[OperationId, ...]:
        """Put down how far reads are."""
        with self._guard:
            return tuple(each.read.operation_id for each in checkpoints if not self._checkpoint(each, owner))

    def _checkpoint(self, checkpoint: Checkpoint, owner: str) -> bool:
        read = self._our_read(checkpoint.read, owner)
        if read is None:
            return False
        row, now = self._operations[read.operation_id], self._now()
        read.next_part, read.sealed_cursor, read.duration_s = checkpoint.next_part, checkpoint.sealed_cursor, checkpoint.duration_s
        if checkpoint.is_done:
            read.rows, read.files = checkpoint.rows, checkpoint.files
            read.size_bytes, read.skipped = checkpoint.size_bytes, checkpoint.skipped
            read.state, read.owner = "done", None
            row.open_reads -= 1
        else:
            read.rows, read.files = max(read.rows, checkpoint.rows), max(read.files, checkpoint.files)
            read.size_bytes, read.skipped = max(read.size_bytes, checkpoint.size_bytes), max(read.skipped, checkpoint.skipped)
        if checkpoint.sealed_outcome is not None:
            read.sealed_outcome = checkpoint.sealed_outcome
        if checkpoint.is_ahead or checkpoint.is_done:
            read.failures = read.deaths = 0
        self._put_entries(row, checkpoint.entries)
        self._advance(row, now)
        if checkpoint.was_put:
            row.waiting_for, row.waiting_since = None, None
        return True

    def _advance(self, row: OperationRow, now: int) -> None:
        """Let the progress rise to what its reads say; it never falls."""
        percent = progress.percent(
            [
                progress.ReadProgress(
                    is_done=read.state == "done",
                    rows=read.rows,
                    estimated_rows=read.estimated_rows,
                    size_bytes=read.size_bytes,
                    estimated_bytes=read.estimated_bytes,
                )
                for read in row.reads
            ]
        )
        if percent > row.progress:
            row.progress_at = now
        if not row.progress_from and percent > 0:
            row.progress_from, row.progress_from_at = percent, now
        row.progress = max(row.progress, percent)

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
        """Give reads back for a later try."""
        with self._guard:
            for claimed in reads:
                read = self._our_read(claimed, owner)
                if read is None:
                    continue
                read.give_back()
                read.not_before = to_microseconds(at)
                read.failures += is_failure and waiting_for is None and not group
                read.given_back += not is_failure
                read.deaths = 0 if is_failure else read.deaths
                read.alone = group or read.alone
                self._wait_for(self._operations[claimed.operation_id], waiting_for)

    def _wait_for(self, row: OperationRow, waiting_for: Failure | None) -> None:
        if waiting_for is not None and row.status is OperationStatus.RUNNING:
            row.waiting_for = waiting_for
            if row.waiting_since is None:
                row.waiting_since = self._now()
                self._announce(EventKind.WAITING, row, waiting_for.code)

    def retry_finish(
        self, operation: ClaimedOperation, *, owner: str, at: datetime, waiting_for: Failure | None = None, is_failure: bool = True
    ) -> None:
        """Give an operation back that could not be finished now."""
        with self._guard:
            row = self._our_finishing(operation, owner)
            if row is not None:
                row.owner, row.not_before = None, to_microseconds(at)
                row.deaths = 0 if is_failure else row.deaths
                self._wait_for(row, waiting_for)

    def complete(self, completions: Sequence[Completion], *, owner: str) -> tuple[OperationId, ...]:
        """End operations as complete."""
        with self._guard:
            return tuple(each.operation.operation_id for each in completions if not self._complete(each, owner))

    def _complete(self, completion: Completion, owner: str) -> bool:
        row = self._our_finishing(completion.operation, owner)
        if row is None:
            return False
        row.end(OperationStatus.COMPLETE, self._now())
        row.progress, row.package, row.sealed_fingerprints = 100.0, completion.package, completion.sealed_fingerprints
        row.entries = {}
        for read in row.reads:
            read.sealed_spec, read.sealed_outcome, read.sealed_cursor = b"", None, None
        self._ended(row)
        self._record(Action.COMPLETE, OK, row)
        return True

    def fail(
        self,
        operation_id: OperationId,
        failure: Failure,
        *,
        owner: str = "",
        claimed: ClaimedRead | ClaimedOperation | None = None,
        by: Actor | None = None,
    ) -> bool:
        """End an operation as failed."""
        with self._guard:
            row = self._operations.get(operation_id)
            if row is None or not row.is_open or not self._may_fail(claimed, owner):
                return False
            row.end(OperationStatus.FAILED, self._now(), failure)
            if row.approval is ApprovalState.WAITING:
                row.approval = ApprovalState.NOT_GIVEN
            for read in row.reads:
                if read.state != "done":
                    read.hold(is_to_blame=read.source_name == failure.source_name)
            self._ended(row)
            self._record(*((Action.FAIL, failure.code) if by is None else (Action.CANCEL, OK)), row, by or NOBODY)
            return True

    def _may_fail(self, claimed: ClaimedRead | ClaimedOperation | None, owner: str) -> bool:
        match claimed:
            case None:
                return True
            case ClaimedRead():
                return self._our_read(claimed, owner) is not None
            case ClaimedOperation():
                return self._our_finishing(claimed, owner) is not None

    def working_on(self, operation_id: OperationId) -> ClaimedOperation | None:
        """Return what work on an operation knows of it."""
        with self._guard:
            row = self._open.get(operation_id)
            return None if row is None else row.claimed()

    def begin_removal(self, operation_id: OperationId, *, is_begun: bool = True) -> bool:
        """Put down that what a failed operation has written is being deleted, or take that back."""
        with self._guard:
            row = self._operations.get(operation_id)
            if row is None or row.status is not OperationStatus.FAILED:
                return False
            row.removal = is_begun
            return True

    def forget_entries(self, entries: Sequence[Entry]) -> None:
        """Put down that entries are deleted."""
        with self._guard:
            for entry in entries:
                row = self._operations.get(entry.operation_id)
                if row is not None:
                    row.entries.pop(key_of(entry), None)

    def resume(
        self, tenant_id: TenantId, operation_id: OperationId, *, sealed_location: bytes, by: Actor = NOBODY
    ) -> DataPolicyOperation | None:
        """Lead a failed or waiting operation back to running."""
        with self._guard:
            row = self._of(tenant_id, operation_id)
            if row is None:
                return None
            is_waiting = row.status is OperationStatus.NOT_STARTED and row.approval is ApprovalState.WAITING
            if not is_waiting and not self._reopen(row):
                return None
            row.sealed_location = sealed_location
            self._record(Action.RESUME, OK, row, by)
            return self.get(tenant_id, operation_id)

    def _reopen(self, row: OperationRow) -> bool:
        is_stuck = row.status is OperationStatus.FAILED or (row.status is OperationStatus.RUNNING and row.waiting_for is not None)
        if not is_stuck or row.approval is ApprovalState.NOT_GIVEN or row.removal:
            return False
        newer = self._find_open(row.intent)
        if newer is not None and newer is not row:
            return False
        now = self._now()
        row.status, row.completed_at, row.failure, row.waiting_for, row.waiting_since = OperationStatus.RUNNING, None, None, None, None
        row.not_before, row.deaths, row.started_at = 0, 0, now
        row.progress_from, row.progress_from_at, row.progress_at = row.progress, now, None
        for read in row.reads:
            if read.state in {"held", "pending"}:
                read.let_go()
        self._reopened(row)
        return True

    # -- fingerprints -------------------------------------------------------------------------------------------------
    def fingerprints(self, tenant_id: TenantId, operation_id: OperationId) -> bytes | None:
        """Return what is kept of a complete operation."""
        with self._guard:
            row = self._of(tenant_id, operation_id)
            return row.sealed_fingerprints if row is not None and row.status is OperationStatus.COMPLETE else None

    def _compared(self) -> Collection[OperationId | None]:
        return {row.intent.since for row in self._unended()}

    def forget_fingerprints(self, tenant_id: TenantId, operation_id: OperationId, by: Actor = NOBODY) -> bool | None:
        """Erase what is kept of an operation, and record it."""
        with self._guard:
            if operation_id in self._compared():
                return False
            row = self._of(tenant_id, operation_id)
            if row is None or row.sealed_fingerprints is None:
                return None
            row.sealed_fingerprints = None
            self._record(Action.FORGET_FINGERPRINTS, OK, row, by)
            return True

    def forget_old_fingerprints(self, tenant_id: TenantId, before: datetime) -> int:
        """Erase what is kept of operations that ended before."""
        with self._guard:
            compared = self._compared()
            old = [
                row
                for row in self._operations.values()
                if row.sealed_fingerprints is not None
                and row.intent.tenant_id == tenant_id
                and row.completed_at is not None
                and row.completed_at < to_microseconds(before)
                and row.intent.operation_id not in compared
            ]
            for row in old:
                row.sealed_fingerprints = None
            return len(old)

    def fingerprint_use(self, operation_id: OperationId) -> FingerprintUse | None:
        """Say why there may be files with fingerprints of an operation."""
        with self._guard:
            row = self._operations.get(operation_id)
            if row is None:
                return None
            shown = None if row.status is None else self._shown(row)
            return FingerprintUse(
                tenant_id=row.intent.tenant_id,
                is_ended=shown is not None and shown.is_ended,
                is_complete=row.status is OperationStatus.COMPLETE,
                completed_at=None if shown is None else shown.completed_at,
                is_kept=row.sealed_fingerprints is not None,
            )
