"""What every part of the store in memory rests on: the rows, the audit trail, and operations as callers see them."""

from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec

from rightful.audit import record as records
from rightful.audit.checkpoint import ChainCheckpoint
from rightful.audit.record import FIRST_HASH, NOBODY, Action, Actor, AuditRecord, Target
from rightful.clock import Clock, from_microseconds
from rightful.ids import OperationId, TenantId
from rightful.operation import progress
from rightful.operation.model import GIVEN_UP, Approval, ApprovalState, DataPolicyOperation, OperationStatus, Written
from rightful.store.values import EVENTS, ChainEntry, Entry, EntryState, EventKind, ListQuery, Retention, SourceOutcome
from rightful.testing import memory_listing
from rightful.testing.memory_store.announcing import Outgoing
from rightful.testing.memory_store.rows import OperationRow, ReadRow, ReceiptRow, key_of

_LIES_THERE = frozenset({EntryState.STAGED, EntryState.DONE, EntryState.SUPERSEDED})


class Looking(Outgoing):
    """Holds the rows; finds operations and tells how far they are."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._operations: dict[OperationId, OperationRow] = {}
        self._open: dict[OperationId, OperationRow] = {}
        """Those that have not ended, in the order of their numbers."""
        self._repeats: dict[tuple[str, str], OperationId] = {}
        self._chains: dict[TenantId, list[ChainEntry]] = {}
        self._checkpoints: dict[TenantId, ChainCheckpoint] = {}
        self._receipts: dict[tuple[TenantId, OperationId], ReceiptRow] = {}
        self._retentions: dict[TenantId, Retention] = {}
        self._last_seq = 0

    def _of(self, tenant_id: TenantId, operation_id: OperationId) -> OperationRow | None:
        """Return an operation of a tenant; an intent is none."""
        row = self._operations.get(operation_id)
        return row if row is not None and row.status is not None and row.intent.tenant_id == tenant_id else None

    def _ended(self, row: OperationRow) -> None:
        self._open.pop(row.intent.operation_id, None)

    def _reopened(self, row: OperationRow) -> None:
        self._open[row.intent.operation_id] = row
        self._open = dict(sorted(self._open.items(), key=lambda item: item[1].seq))

    # -- operations ---------------------------------------------------------------------------------------------------
    def get(self, tenant_id: TenantId, operation_id: OperationId) -> DataPolicyOperation | None:
        """Return an operation with its sources' progress."""
        with self._guard:
            row = self._of(tenant_id, operation_id)
            if row is None:
                return None
            found = msgspec.structs.replace(self._shown(row), sources=row.sources())
            if row.status is not OperationStatus.FAILED or row.intent.prefix.endswith(".zip/"):
                return found
            there = [entry for entry in row.entries.values() if entry.state in _LIES_THERE and (entry.source_name or entry.number)]
            if not there:
                return found
            left = Written(entries=len(there), size_bytes=sum(entry.size_bytes for entry in there), prefix=row.intent.prefix)
            return msgspec.structs.replace(found, left=left)

    def ended(self, operation_ids: Collection[OperationId]) -> frozenset[OperationId]:
        """Return which of these operations have ended, or are not known."""
        with self._guard:
            return frozenset(operation_ids).difference(name for name, row in self._open.items() if row.status is not None)

    def _shown(self, row: OperationRow) -> DataPolicyOperation:
        assert row.status is not None
        intent, (retry_after_s, left_s) = row.intent, self._left(row)
        approval = None
        if row.approval is not None and row.approval_until is not None:
            approval = Approval(state=row.approval, digest=row.approval_digest, until=row.approval_until, decided_by=row.approval_by)
        return DataPolicyOperation(
            operation_id=intent.operation_id,
            tenant_id=intent.tenant_id,
            subject_id=intent.subject_id,
            subject_kind=intent.subject_kind,
            caller_key=intent.caller_key,
            is_by_application=intent.is_by_application,
            container_key=intent.container_key,
            status=row.status,
            submitted_at=intent.submitted_at,
            received_at=row.received_at,
            extension=row.extension,
            completed_at=None if row.completed_at is None else from_microseconds(row.completed_at),
            storage_location=intent.storage_location,
            prefix=intent.prefix,
            language=intent.language,
            recipient=intent.recipient,
            key_file=intent.key_file,
            since=intent.since,
            progress_percent=row.progress,
            failure=row.failure,
            waiting_for=row.waiting_for,
            approval=approval,
            package=row.package,
            retry_after_s=retry_after_s,
            left_s=left_s,
        )

    def _left(self, row: OperationRow) -> tuple[int, float | None]:
        if not row.is_open:
            return 0, None
        if row.approval is ApprovalState.WAITING:
            return progress.LARGEST_RETRY_AFTER_S, None
        if row.started_at is None:
            waiting = (
                each.seq
                for each in self._open.values()
                if each.status is OperationStatus.NOT_STARTED and each.approval is not ApprovalState.WAITING
            )
            return progress.retry_after_s(None, 0.0, row.seq - next(waiting, row.seq)), None
        now = self._now()
        left_s = None
        if row.progress_at is not None:
            before = row.progress_from or 0.0
            has_two = row.progress > before
            began = (row.progress_from_at if has_two else row.started_at) or 0
            pace = progress.Pace(
                made=row.progress - (before if has_two else 0.0),
                in_s=(row.progress_at - began) / 1e6,
                since_s=(now - row.progress_at) / 1e6,
            )
            left_s = progress.left_s(row.progress, pace)
        return progress.retry_after_s(left_s, (now - row.started_at) / 1e6), left_s

    def _listed(self) -> list[DataPolicyOperation]:
        return [self._shown(row) for row in self._operations.values() if row.status is not None]

    def list(self, query: ListQuery) -> tuple[DataPolicyOperation, ...]:
        """Return operations, without their sources."""
        with self._guard:
            return tuple(memory_listing.page(self._listed(), query))

    def count(self, query: ListQuery) -> int:
        """Count what a query finds."""
        with self._guard:
            return len(memory_listing.found(self._listed(), query))

    def unanswered(
        self, tenant_id: TenantId, *, received_from: datetime, received_to: datetime, limit: int
    ) -> tuple[DataPolicyOperation, ...]:
        """Return what is not answered of what was received within a time."""
        with self._guard:
            own = [each for each in self._listed() if each.tenant_id == tenant_id]
            found = [
                each
                for each in own
                if each.status is not OperationStatus.COMPLETE
                and each.received_at is not None
                and received_from <= each.received_at <= received_to
                and not (
                    each.status is OperationStatus.FAILED
                    and (
                        _is_given_up(each)
                        or any(
                            later.subject_id == each.subject_id and later.submitted_at > each.submitted_at and not _is_given_up(later)
                            for later in own
                        )
                    )
                )
            ]
            return tuple(sorted(found, key=lambda each: (each.received_at, each.operation_id))[:limit])

    def entries(self, operation_id: OperationId, source_name: str | None = None, partition: int | None = None) -> tuple[Entry, ...]:
        """Return entries, ordered by source, partition, number and revision."""
        with self._guard:
            row = self._operations.get(operation_id)
            if row is None:
                return ()
            wanted = sorted(row.entries.items())
            return tuple(
                entry
                for (source, number, _, _), entry in wanted
                if (source_name is None or source == source_name) and (partition is None or number == partition)
            )

    def first_entries(self, operation_ids: Collection[OperationId]) -> tuple[Entry, ...]:
        """Return the entries of packages themselves, operation by operation."""
        with self._guard:
            return tuple(entry for operation_id in sorted(set(operation_ids)) for entry in self.entries(operation_id, "", 0))

    def outcomes(self, operation_id: OperationId) -> tuple[SourceOutcome, ...]:
        """Return what is known of each read."""
        with self._guard:
            row = self._operations.get(operation_id)
            reads: list[ReadRow] = [] if row is None else row.reads
            return tuple(read.outcome() for read in sorted(reads, key=lambda each: (each.position, each.partition)))

    def waiting_since(self, operation_id: OperationId) -> datetime | None:
        """Return since when an operation waits for somebody."""
        with self._guard:
            row = self._operations.get(operation_id)
            return None if row is None or row.waiting_since is None else from_microseconds(row.waiting_since)

    def _put_entries(self, row: OperationRow, entries: Sequence[Entry]) -> None:
        for entry in entries:
            row.entries[key_of(entry)] = entry

    # -- audit --------------------------------------------------------------------------------------------------------
    def _record(self, action: Action, outcome: str, row: OperationRow, by: Actor = NOBODY) -> None:
        made = records.record(
            by,
            tenant_id=row.intent.tenant_id,
            time_us=self._now(),
            action=action,
            outcome=outcome,
            target=Target.OPERATION,
            target_id=row.intent.operation_id,
            subject_id=row.intent.subject_id,
        )
        self._append([made])
        if (kind := EVENTS.get(action)) is not None:
            self._announce(kind, row, outcome if kind is EventKind.FAILED else "")

    def _append(self, found: Sequence[AuditRecord]) -> None:
        """Append records, all or none."""
        made: dict[TenantId, list[ChainEntry]] = {}
        for value in found:
            chain = made.setdefault(value.tenant_id, self._chains.get(value.tenant_id, [])[-1:])
            seq, before = (chain[-1].seq, chain[-1].hash) if chain else (0, FIRST_HASH)
            canonical = records.encode(msgspec.structs.replace(value, seq=seq + 1))
            chain.append(ChainEntry(seq=seq + 1, canonical=canonical.decode(), hash=records.link(before, canonical)))
        for tenant_id, chain in made.items():
            kept = self._chains.setdefault(tenant_id, [])
            kept += chain[1 if kept else 0 :]

    def record(self, records: Sequence[AuditRecord]) -> None:
        """Append records to the chains of their tenants."""
        with self._guard:
            self._append(records)

    def chain(self, tenant_id: TenantId, *, after_seq: int = 0, limit: int = 1000) -> Sequence[ChainEntry]:
        """Return entries of a tenant's chain."""
        with self._guard:
            chain = self._chains.get(tenant_id, [])
            gone = chain[0].seq - 1 if chain else 0
            return chain[max(0, after_seq - gone) :][:limit]

    def add_chain_checkpoint(self, checkpoint: ChainCheckpoint) -> None:
        """Keep the latest signed checkpoint of a chain."""
        with self._guard:
            last = self._checkpoints.get(checkpoint.tenant_id)
            if last is None or last.seq < checkpoint.seq:
                self._checkpoints[checkpoint.tenant_id] = checkpoint

    def last_chain_checkpoint(self, tenant_id: TenantId) -> ChainCheckpoint | None:
        """Return the checkpoint of the latest record that has one."""
        with self._guard:
            return self._checkpoints.get(tenant_id)

    def check(self) -> None:
        """Do nothing: memory can always be written."""

    def close(self) -> None:
        """Do nothing: what is kept stays, for whoever opens it next."""


def _is_given_up(operation: DataPolicyOperation) -> bool:
    return operation.failure is not None and operation.failure.code in GIVEN_UP
