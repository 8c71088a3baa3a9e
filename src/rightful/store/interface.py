"""The contract of a store: what survives a kill, and who may work on what.

Theory of operation:
* A submit commits an *intent*, invisible to everyone, then marks the storage location, then promotes the intent to an operation
  with one read for each source. An intent is unique over caller, subject and container; a refusal drops it.
* Work is claimed as a *set* of reads that share a scan key (tenant, source, partition, cursor), so that one pass over a source can
  answer many operations. Each read of the set is leased and fenced by itself: a write for it counts only while its (owner, attempt)
  are still the ones that claimed it. Later comers drop out without harm; their reads are named in what the write returns.
* Before an entry is put, the store holds its path and digest (`stage`); after it, the checkpoint. So whoever resumes knows for each
  entry in the storage location whose it is.
* An operation that needs approval is promoted with its reads held back: no claim finds them until `decide` lets them go. It ends by itself
  when its time is up.
* When no read of an operation is left, the operation can be claimed for finishing.
* What was kept long enough is purged, a few at a time; each call erases what it says, or nothing.
* What changes an operation for good (submit, cancel, resume, its end) is recorded in the tenant's audit chain in the same transaction, by
  the store itself; what others have to record is appended by `record`.
* The store never sees personal data or secrets in the clear: plans, paths, cursors, outcomes and locations come sealed, as bytes.

Every method is one transaction, durable when it returns, and may be called from any thread. A store raises `ConfigurationError` when it
cannot be opened, `StoreFault` when it cannot be read or written.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from rightful.audit.checkpoint import ChainCheckpoint
from rightful.audit.record import NOBODY, Actor, AuditRecord
from rightful.audit.start import ChainStart
from rightful.ids import OperationId, TenantId
from rightful.operation.deadline import Extension
from rightful.operation.model import DataPolicyOperation, Failure
from rightful.store.values import (
    Announcing,
    BoundOperation,
    ChainEntry,
    Checkpoint,
    ClaimedOperation,
    ClaimedRead,
    Completion,
    Entry,
    FingerprintUse,
    FinishSet,
    Intent,
    ListQuery,
    NewApproval,
    NewRead,
    OutgoingEvent,
    Purged,
    PurgeLimits,
    ReadSet,
    Repeat,
    Retention,
    Scan,
    SourceOutcome,
)


class Store(Protocol):
    """Keeps operations and hands out work."""

    # -- submit -------------------------------------------------------------------------------------------------------
    def begin(self, intent: Intent, *, may_be_new: bool = True) -> Repeat | None:
        """Commit an intent; or return the earlier request it repeats, and commit nothing. What may not be new is never committed.

        It repeats one with an equal repeat key of the same caller, or with the same caller, subject and container that has not ended.
        Where it is the same request, its repeat keys name the earlier one too from now on.
        """
        ...

    def promote(
        self, operation_id: OperationId, reads: Sequence[NewRead], entries: Sequence[Entry], *, approval: NewApproval | None = None
    ) -> DataPolicyOperation | None:
        """Make an intent a visible operation with these reads and DONE entries, and record it; None where the intent is gone.

        With `approval` no read is claimed before it is given.
        """
        ...

    def count_open(self, tenant_id: TenantId) -> int:
        """Return how many operations and intents of a tenant have not ended; takes as long with a hundred thousand as with none."""
        ...

    def drop(self, operation_id: OperationId) -> None:
        """Delete an intent; nothing happens where there is none."""
        ...

    def intents(self) -> tuple[Intent, ...]:
        """Return the intents that were never promoted, oldest first (for the start of the service)."""
        ...

    # -- approval -----------------------------------------------------------------------------------------------------
    def decide(
        self, tenant_id: TenantId, operation_id: OperationId, *, decider_key: str, refusal: Failure | None, by: Actor = NOBODY
    ) -> DataPolicyOperation | None:
        """Give the approval that an operation waits for, or end it as failed with `refusal`; recorded. None where it does not wait."""
        ...

    def bound(self) -> tuple[BoundOperation, ...]:
        """Return the operations that have not ended and wait for an approval or were given one (for the start of the service)."""
        ...

    # -- deadlines ----------------------------------------------------------------------------------------------------
    def extend(
        self, tenant_id: TenantId, operation_id: OperationId, extension: Extension, by: Actor = NOBODY
    ) -> DataPolicyOperation | None:
        """Put down that the time to answer a request was extended, and record it; None where it was before, or is complete."""
        ...

    def unanswered(
        self, tenant_id: TenantId, *, received_from: datetime, received_to: datetime, limit: int
    ) -> tuple[DataPolicyOperation, ...]:
        """Return what is not answered of what was received within a time, the earliest first, without its sources.

        Not answered is what has not ended, and what has failed where there is no later operation of the same subject. What was cancelled or
        rejected is given up: it is not unanswered, and does not count as a later operation.
        """
        ...

    # -- look ---------------------------------------------------------------------------------------------------------
    def get(self, tenant_id: TenantId, operation_id: OperationId) -> DataPolicyOperation | None:
        """Return an operation with its sources' progress."""
        ...

    def ended(self, operation_ids: Collection[OperationId]) -> frozenset[OperationId]:
        """Return which of these operations have ended, or are not known; asked often, of thousands."""
        ...

    def list(self, query: ListQuery) -> tuple[DataPolicyOperation, ...]:
        """Return operations, without their sources."""
        ...

    def count(self, query: ListQuery) -> int:
        """Return how many operations a query finds, wherever its page begins and ends."""
        ...

    # -- work ---------------------------------------------------------------------------------------------------------
    def claim(
        self,
        owner: str,
        *,
        lease_s: float,
        limit: int,
        passing_over: Collection[TenantId] = (),
        scans: Collection[Scan] = (),
        suspects: int | None = None,
    ) -> ReadSet | FinishSet | None:
        """Lease work: operations to finish first, else a set of at most `limit` reads that share a scan key.

        A scan takes more reads together. Its first read is left for the window, so that others can join; where nothing else waits, and
        the source is not being read, it begins at once.

        What may be what kills the service (`deaths`) is never in a set with other work, and no more of it than `suspects`.

        Oldest operations first; tenants in turn, but for those to be passed over. Reads that wait for a later try are passed over too.
        The first claim starts the operation. Operations whose time to be approved is over are ended on the way.
        """
        ...

    def heartbeat(self, owner: str, *, lease_s: float) -> None:
        """Extend every lease that the owner holds; what was erased before is gone from every file of the store afterwards."""
        ...

    def release_all(self, owner: str | None = None, *, has_died: bool = False) -> None:
        """End leases of an owner (None: all, for the start of a service that is alone on its store).

        Whose owner has died, as one that stops has not, may be what it died of: that is counted (`deaths`), and the only one that it
        held is tried again after a pause.
        """
        ...

    def split(self, reads: Sequence[ClaimedRead], partitions: Sequence[NewRead], *, owner: str) -> tuple[OperationId, ...]:
        """Set what planning found: estimates and spec of partition 0 (the claimed reads), and new reads for the others. Idempotent."""
        ...

    def estimate(self, operation_id: OperationId, source_name: str, *, rows: int | None, size_bytes: int | None) -> None:
        """Put down how much the subject has in a source, for progress: over the reads of it that are not done. Numbers only."""
        ...

    def stage(
        self, entries: Sequence[Entry], *, owner: str, reads: Sequence[ClaimedRead] = (), finishing: Sequence[ClaimedOperation] = ()
    ) -> tuple[OperationId, ...]:
        """Put down entries before they are put; return the operations that are no longer ours (nothing is put down for those)."""
        ...

    def entries(self, operation_id: OperationId, source_name: str | None = None, partition: int | None = None) -> tuple[Entry, ...]:
        """Return the entries of an operation (of one source, of one partition), ordered by source, partition, number and revision."""
        ...

    def first_entries(self, operation_ids: Collection[OperationId]) -> tuple[Entry, ...]:
        """Return the entries that belong to the package itself (partition 0) of each of these operations that is known."""
        ...

    def checkpoint(self, checkpoints: Sequence[Checkpoint], *, owner: str) -> tuple[OperationId, ...]:
        """Put down how far reads are, each once; return the operations whose reads are no longer ours (unchanged). Progress never falls.

        What brings an entry further than earlier attempts came sets the count of failures back; what was put ends the wait for somebody.
        """
        ...

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
        """Give reads back to be tried not before `at`; with `waiting_for` the operation says what it waits for and it is no failure.

        Without `is_failure` it counts as no attempt: nothing was read of it.

        With a number for `group` they are claimed with those of that group only from now on, until their operations are resumed; that is no
        failure either.
        """
        ...

    def outcomes(self, operation_id: OperationId) -> tuple[SourceOutcome, ...]:
        """Return what is known of each read of an operation, by source and partition."""
        ...

    def retry_finish(
        self, operation: ClaimedOperation, *, owner: str, at: datetime, waiting_for: Failure | None = None, is_failure: bool = True
    ) -> None:
        """Give an operation back whose package could not be finished now.

        Without `is_failure` it was not tried.
        """
        ...

    def complete(self, completions: Sequence[Completion], *, owner: str) -> tuple[OperationId, ...]:
        """End operations and record it: status complete; sealed location, entries and plans erased. Returns those no longer ours."""
        ...

    def fail(
        self,
        operation_id: OperationId,
        failure: Failure,
        *,
        owner: str = "",
        claimed: ClaimedRead | ClaimedOperation | None = None,
        by: Actor | None = None,
    ) -> bool:
        """End an operation as failed and record it: location erased, reads kept for a resume. False where it had ended already.

        With `by` somebody cancels it, and that is recorded. With `claimed` only while that read, or that finishing of the operation, is
        still the owner's: who came too late fails nothing.
        """
        ...

    def resume(
        self, tenant_id: TenantId, operation_id: OperationId, *, sealed_location: bytes, by: Actor = NOBODY
    ) -> DataPolicyOperation | None:
        """Lead a failed (or waiting) operation back to running with this location and record it; None where it is in neither state.

        One that waits for its approval goes on waiting, with this location. One whose approval was not given stays failed.
        """
        ...

    def working_on(self, operation_id: OperationId) -> ClaimedOperation | None:
        """Return what work on an operation knows of it, location and all; None for one that has ended."""
        ...

    def begin_removal(self, operation_id: OperationId, *, is_begun: bool = True) -> bool:
        """Put down that what a failed operation has written is being deleted: it can't be resumed. False where it has not failed.

        Who has deleted nothing for certain takes that back: it is not begun.
        """
        ...

    def forget_entries(self, entries: Sequence[Entry]) -> None:
        """Put down that entries of a failed operation are deleted; nothing happens for those that are not there."""
        ...

    # -- fingerprints -------------------------------------------------------------------------------------------------
    def fingerprints(self, tenant_id: TenantId, operation_id: OperationId) -> bytes | None:
        """Return what is kept of a complete operation to compare later ones with; None where nothing is."""
        ...

    def forget_fingerprints(self, tenant_id: TenantId, operation_id: OperationId, by: Actor = NOBODY) -> bool | None:
        """Erase that and record it; False where an operation that has not ended is compared with it, None where nothing is kept."""
        ...

    def forget_old_fingerprints(self, tenant_id: TenantId, before: datetime) -> int:
        """Erase it of all operations that ended before, but for those that one is being compared with; return of how many."""
        ...

    def fingerprint_use(self, operation_id: OperationId) -> FingerprintUse | None:
        """Say why files with fingerprints of an operation may be there; None for an operation that is not known."""
        ...

    # -- retention ----------------------------------------------------------------------------------------------------
    def purge_operations(self, limits: PurgeLimits, *, limit: int, by: Actor = NOBODY) -> Purged:
        """Erase operations of a tenant that ended long enough ago, with all that belongs to them, and record how many: at most `limit`.

        None that an open one is compared with, and of those that failed none that may have to be answered still. A receipt whose own time
        is not over is kept: later ones of the same person go on from it. Of one that left many entries it takes several calls; from the
        first on it cannot be resumed.
        """
        ...

    def purge_receipts(self, limits: PurgeLimits, *, limit: int, by: Actor = NOBODY) -> int:
        """Erase receipts that were kept of such operations, at most `limit`, and record how many; return that."""
        ...

    def put_chain_start(self, start: ChainStart, by: Actor = NOBODY) -> bool:
        """Let a chain begin after the record that a start names, and record it in that chain; False where it begins later already.

        Records before it are no part of the chain from then on, and may be erased.
        """
        ...

    def purge_records(self, start: ChainStart, *, limit: int) -> int:
        """Erase at most `limit` records before the start of their chain, and as many checkpoints of such; return how many of both."""
        ...

    def put_purged(self, tenant_id: TenantId) -> None:
        """Put down that nothing of a tenant is left now that was kept long enough; what was erased is gone from every file afterwards.

        Where the clock went back since that was put down last, it stays at the later moment.
        """
        ...

    def retention(self, tenant_id: TenantId) -> Retention:
        """Return what is known of purges of a tenant's, or of the chain of what belongs to none."""
        ...

    # -- webhooks -----------------------------------------------------------------------------------------------------
    def announce(self, announcing: Announcing) -> None:
        """Put down from now on, in the transaction of each change, what these endpoints are to be told of it."""
        ...

    def outgoing(self, tenant_id: TenantId, endpoint: str, *, limit: int) -> tuple[OutgoingEvent, ...]:
        """Return what one of a tenant's endpoints is to be told now, the oldest first."""
        ...

    def forget_event(self, event: OutgoingEvent) -> None:
        """Drop what an endpoint was told, or is not to be told any more; again, it does nothing."""
        ...

    def put_off_event(self, event: OutgoingEvent, *, at: datetime) -> None:
        """Count a try that was not taken; the next one is not before a time. Again, for the same try, it does nothing."""
        ...

    def keep_events(self, endpoints: Collection[str]) -> None:
        """Drop what is for any other endpoint."""
        ...

    def waiting_since(self, operation_id: OperationId) -> datetime | None:
        """Return since when an operation waits for somebody, None where it does not."""
        ...

    def check(self) -> None:
        """Write something that changes nothing, durably; raises `StoreFault` where nothing can be written now."""
        ...

    # -- audit --------------------------------------------------------------------------------------------------------
    def record(self, records: Sequence[AuditRecord]) -> None:
        """Append records to the chains of their tenants, in this order, all or none."""
        ...

    def chain(self, tenant_id: TenantId, *, after_seq: int = 0, limit: int = 1000) -> Sequence[ChainEntry]:
        """Return entries of a tenant's chain, in order. Some before its start may still be there."""
        ...

    def add_chain_checkpoint(self, checkpoint: ChainCheckpoint) -> None:
        """Keep a signed checkpoint of a chain; nothing happens where there is one for this record."""
        ...

    def last_chain_checkpoint(self, tenant_id: TenantId) -> ChainCheckpoint | None:
        """Return the checkpoint of the latest record that has one."""
        ...

    def close(self) -> None:
        """Close; everything that was returned before is durable."""
        ...
