"""Intents, and the operations that they become."""

from collections.abc import Iterable, Sequence

from rightful.audit.record import NOBODY, OK, Action, Actor
from rightful.ids import OperationId, TenantId
from rightful.operation.deadline import Extension
from rightful.operation.model import ApprovalState, DataPolicyOperation, Failure, OperationStatus
from rightful.store.values import BoundOperation, Entry, Intent, NewApproval, NewRead, Repeat, RepeatKey
from rightful.testing.memory_store.looking import Looking
from rightful.testing.memory_store.rows import OperationRow, ReadRow


class Submitting(Looking):
    """Accepts requests."""

    def begin(self, intent: Intent, *, may_be_new: bool = True) -> Repeat | None:
        """Commit an intent, or return the request it repeats."""
        with self._guard:
            found = self._find_repeat(intent)
            if found is not None:
                if found.intent.request_digest == intent.request_digest:
                    self._add_repeat_keys(intent, found.intent.operation_id)
                return Repeat(
                    operation_id=found.intent.operation_id,
                    is_pending=found.status is None,
                    request_digest=found.intent.request_digest,
                )
            if may_be_new:
                if intent.operation_id in self._operations:
                    raise ValueError("the operation is there already")
                self._last_seq += 1
                self._operations[intent.operation_id] = OperationRow(self._last_seq, intent, intent.sealed_location)
                self._add_repeat_keys(intent, intent.operation_id)
            return None

    def _add_repeat_keys(self, intent: Intent, operation_id: OperationId) -> None:
        for key in intent.repeat_keys:
            if self._find_named(intent, key) is None:
                self._repeats[intent.caller_key, key.text] = operation_id

    def _find_repeat(self, intent: Intent) -> OperationRow | None:
        binding = (key for key in intent.repeat_keys if key.is_binding)
        others = (key for key in intent.repeat_keys if not key.is_binding)
        return self._find_first(intent, binding) or self._find_open(intent) or self._find_first(intent, others)

    def _find_first(self, intent: Intent, keys: Iterable[RepeatKey]) -> OperationRow | None:
        return next((found for key in keys if (found := self._find_named(intent, key)) is not None), None)

    def _find_named(self, intent: Intent, key: RepeatKey) -> OperationRow | None:
        named = self._repeats.get((intent.caller_key, key.text))
        row = None if named is None else self._operations.get(named)
        if row is None or (row.status is OperationStatus.FAILED and not key.is_binding):
            return None
        is_over = row.completed_at is not None and row.completed_at < self._now() - int(key.valid_s * 1e6)
        return None if is_over else row

    def _find_open(self, intent: Intent) -> OperationRow | None:
        wanted = _unique(intent)
        return next((row for row in self._unended() if _unique(row.intent) == wanted), None)

    def _unended(self) -> Iterable[OperationRow]:
        return (row for row in self._operations.values() if row.status is None or row.is_open)

    def promote(
        self, operation_id: OperationId, reads: Sequence[NewRead], entries: Sequence[Entry], *, approval: NewApproval | None = None
    ) -> DataPolicyOperation | None:
        """Make an intent a visible operation."""
        with self._guard:
            row = self._operations.get(operation_id)
            if row is None or row.status is not None:
                return None
            row.status, row.open_reads = OperationStatus.NOT_STARTED, len(reads)
            row.received_at = row.intent.received_at or row.intent.submitted_at
            self._reopened(row)
            for position, read in enumerate(reads):
                self._add_read(row, read, position)
            if approval is not None:
                row.approval, row.approval_digest, row.approval_until = ApprovalState.WAITING, approval.digest, approval.until
                row.waiting_for, row.waiting_since = approval.waiting_for, self._now()
                for each in row.reads:
                    each.hold(is_to_blame=False)
            self._put_entries(row, entries)
            self._record(Action.SUBMIT, OK, row, row.intent.actor)
            return self.get(row.intent.tenant_id, operation_id)

    @staticmethod
    def _add_read(row: OperationRow, read: NewRead, position: int) -> bool:
        if any((each.source_name, each.partition) == (read.source_name, read.partition) for each in row.reads):
            return False
        made = ReadRow(
            operation_id=row.intent.operation_id,
            source_name=read.source_name,
            partition=read.partition,
            position=position,
            operation_seq=row.seq,
            spec_digest=read.spec_digest,
            sealed_spec=read.sealed_spec,
            estimated_rows=read.estimated_rows,
            estimated_bytes=read.estimated_bytes,
        )
        row.reads.append(made)
        return True

    def drop(self, operation_id: OperationId) -> None:
        """Delete an intent."""
        with self._guard:
            row = self._operations.get(operation_id)
            if row is not None and row.status is None:
                del self._operations[operation_id]
                self._repeats = {key: named for key, named in self._repeats.items() if named != operation_id}

    def intents(self) -> tuple[Intent, ...]:
        """Return the intents that were never promoted."""
        with self._guard:
            return tuple(row.intent for row in self._operations.values() if row.status is None)

    def count_open(self, tenant_id: TenantId) -> int:
        """Return how many operations and intents have not ended."""
        with self._guard:
            return sum(row.intent.tenant_id == tenant_id for row in self._unended())

    def decide(
        self, tenant_id: TenantId, operation_id: OperationId, *, decider_key: str, refusal: Failure | None, by: Actor = NOBODY
    ) -> DataPolicyOperation | None:
        """Give the approval that an operation waits for, or end it."""
        with self._guard:
            row, now = self._of(tenant_id, operation_id), self._clock.now()
            if row is None or row.status is not OperationStatus.NOT_STARTED or row.approval is not ApprovalState.WAITING:
                return None
            if refusal is None and (row.approval_until is None or row.approval_until <= now):
                return None
            row.approval_by = decider_key
            if refusal is None:
                row.approval, row.waiting_for, row.waiting_since = ApprovalState.GIVEN, None, None
                for read in row.reads:
                    read.let_go()
            else:
                row.approval = ApprovalState.NOT_GIVEN
                row.end(OperationStatus.FAILED, self._now(), refusal)
                self._ended(row)
            self._record(Action.APPROVE if refusal is None else Action.REJECT, OK, row, by)
            return self.get(tenant_id, operation_id)

    def bound(self) -> tuple[BoundOperation, ...]:
        """Return the operations that have not ended and have to do with an approval."""
        with self._guard:
            return tuple(
                BoundOperation(
                    operation_id=row.intent.operation_id,
                    tenant_id=row.intent.tenant_id,
                    subject_id=row.intent.subject_id,
                    subject_kind=row.intent.subject_kind,
                    container_key=row.intent.container_key,
                    digest=row.approval_digest,
                )
                for row in self._open.values()
                if row.approval in {ApprovalState.WAITING, ApprovalState.GIVEN}
            )

    def extend(
        self, tenant_id: TenantId, operation_id: OperationId, extension: Extension, by: Actor = NOBODY
    ) -> DataPolicyOperation | None:
        """Put down that the time to answer a request was extended."""
        with self._guard:
            row = self._of(tenant_id, operation_id)
            if row is None or row.extension is not None or row.status is OperationStatus.COMPLETE:
                return None
            row.extension = extension
            self._record(Action.EXTEND, OK, row, by)
            return self.get(tenant_id, operation_id)


def _unique(intent: Intent) -> tuple[str, ...]:
    return intent.tenant_id, intent.caller_key, intent.subject_id, intent.subject_kind, intent.container_key
