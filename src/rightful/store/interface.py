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
* What changes an operation for good (submit, cancel, resume, its end) is recorded in the tenant's audit chain in the same transaction, by
  the store itself; what others have to record is appended by `record`.
* The store never sees personal data or secrets in the clear: plans, paths, cursors, outcomes and locations come sealed, as bytes.

Every method is one transaction, durable when it returns, and may be called from any thread. A store raises `ConfigurationError` when it
cannot be opened, `StoreFault` when it cannot be read or written.
"""

import enum
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from rightful.audit.checkpoint import ChainCheckpoint
from rightful.audit.record import NOBODY, Actor, AuditRecord
from rightful.ids import OperationId, SubjectId, TenantId
from rightful.operation.model import DataPolicyOperation, Failure, PackageTotals
from rightful.store.listing import NEWEST_FIRST, Filter, Key, Place
from rightful.subject.model import SubjectKind


class StoreFault(OSError):
    """The store cannot be read or written now (a full disk, mostly): nothing of the call counts. No source or location is at fault."""


class RepeatKey(msgspec.Struct, frozen=True):
    """What names a request of one caller: an equal one names the same request (GRAPH-15)."""

    text: str
    """`client-request-id:…` or `idempotency-key:…`."""
    valid_s: float
    """For how long after the operation is complete."""


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was authorized and is about to be tried on its storage location."""

    operation_id: OperationId
    tenant_id: TenantId
    subject_id: SubjectId
    subject_kind: SubjectKind
    caller_key: str
    is_by_application: bool = True
    """Whether an application asks, without a person."""
    container_key: str
    """Names the container without the signature: equal for two SAS URLs of one container."""
    repeat_keys: tuple[RepeatKey, ...] = ()
    request_digest: str = ""
    """Of subject and container: a repeat key that comes with another request is refused by the caller of the store."""
    correlation_id: str
    """The caller's client-request-id, or the operation's id: stands in RequestInfo.json."""
    storage_location: str
    sealed_location: bytes
    prefix: str
    submitted_at: datetime
    actor: Actor = NOBODY
    """Who submits, for the record that `promote` makes."""


class Repeat(msgspec.Struct, frozen=True, kw_only=True):
    """An earlier request that this one repeats."""

    operation_id: OperationId
    is_pending: bool
    """Still an intent: wait for it, it will become an operation or vanish."""
    request_digest: str


class NewApproval(msgspec.Struct, frozen=True, kw_only=True):
    """The approval that an operation waits for from the start; `waiting_for` is what it says meanwhile."""

    digest: str
    until: datetime
    waiting_for: Failure


class BoundOperation(msgspec.Struct, frozen=True, kw_only=True):
    """An operation that has not ended, and what its approval is bound to."""

    operation_id: OperationId
    tenant_id: TenantId
    subject_id: SubjectId
    subject_kind: SubjectKind
    container_key: str
    digest: str


class NewRead(msgspec.Struct, frozen=True, kw_only=True):
    """A read to be made for an operation. The order of reads at `promote` is the order of the sources in the configuration."""

    source_name: str
    partition: int = 0
    spec_digest: str = ""
    """Keyed, of the connector's spec: reads of one scan have the same. Empty for a source that has not been planned yet (its partition 0
    plans it)."""
    sealed_spec: bytes = b""
    """The connector's own, for one tenant; it may name folders or files, which may name people."""
    estimated_rows: int | None = None
    estimated_bytes: int | None = None


class ClaimedRead(msgspec.Struct, frozen=True, kw_only=True):
    """One read of one operation, leased."""

    operation_id: OperationId
    source_name: str
    partition: int
    spec_digest: str
    sealed_spec: bytes
    attempt: int
    """1, 2, 3, …: the fencing token together with the owner."""
    failures: int
    """How often it failed for a reason worth another try."""
    next_part: int
    """The number of the next part to write."""
    sealed_cursor: bytes | None
    rows: int
    files: int
    size_bytes: int
    skipped: int
    """Counts so far, of earlier attempts."""
    sealed_outcome: bytes | None
    """What earlier attempts put down with their last checkpoint."""


class ClaimedOperation(msgspec.Struct, frozen=True, kw_only=True):
    """What work on an operation needs to know of it."""

    operation_id: OperationId
    tenant_id: TenantId
    subject_id: SubjectId
    subject_kind: SubjectKind
    storage_location: str
    sealed_location: bytes
    prefix: str
    submitted_at: datetime
    attempt: int
    """The fencing token of a finishing claim; 0 in a set of reads."""


class ReadSet(msgspec.Struct, frozen=True, kw_only=True):
    """Reads that share a scan key: same tenant, source, partition and cursor."""

    tenant_id: TenantId
    source_name: str
    partition: int
    reads: tuple[ClaimedRead, ...]
    operations: tuple[ClaimedOperation, ...]
    """The operation of each read, in the reads' order."""


class Scan(msgspec.Struct, frozen=True, kw_only=True):
    """A source whose reads cost about the same for many as for one, so that it pays to wait for company."""

    tenant_id: TenantId
    source_name: str
    window_s: float
    """How long the first one waits for others."""
    limit: int
    """How many reads make a set."""


class FinishSet(msgspec.Struct, frozen=True, kw_only=True):
    """Operations of one tenant whose reads are all done."""

    tenant_id: TenantId
    operations: tuple[ClaimedOperation, ...]


class EntryState(enum.StrEnum):
    """How far an entry is."""

    STAGED = "staged"
    DONE = "done"
    SUPERSEDED = "superseded"
    """In the storage location, replaced by a later revision because the source changed."""
    VOID = "void"
    """Was staged, and certainly never got into the storage location."""
    SKIPPED = "skipped"
    """An item that could not be read: no entry in the package, a line in the ledger."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a package, or one skipped item."""

    operation_id: OperationId
    source_name: str
    """Empty for entries of the package itself (RequestInfo.json)."""
    partition: int
    number: int
    """The part's number in its partition; with source, partition and revision the entry's key."""
    revision: int = 0
    state: EntryState
    sha256: str = ""
    size_bytes: int = 0
    rows: int = 0
    sealed: bytes = b""
    """Path, origin and reason, sealed: they may be personal."""


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """How far a read is, after its entries were put and synced."""

    read: ClaimedRead
    next_part: int
    sealed_cursor: bytes | None = None
    rows: int = 0
    """Of the whole read so far."""
    files: int = 0
    size_bytes: int = 0
    skipped: int = 0
    is_done: bool = False
    duration_s: float = 0.0
    """What this attempt has taken so far; the store adds it to earlier attempts' when the attempt ends."""
    sealed_outcome: bytes | None = None
    """Schema, what was searched, times; kept with the read."""
    entries: tuple[Entry, ...] = ()
    """Entries that are now DONE, SUPERSEDED or SKIPPED and were not before."""

    @property
    def was_put(self) -> bool:
        """Whether the storage location took something."""
        return any(entry.state is EntryState.DONE for entry in self.entries)

    @property
    def is_ahead(self) -> bool:
        """Whether it is further than earlier attempts came: a new revision of what they put is not."""
        return any(entry.state is EntryState.DONE and not entry.revision for entry in self.entries)


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """An operation whose package is whole and synced."""

    operation: ClaimedOperation
    package: PackageTotals


class SourceOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the store knows of one read when its operation is finished, for the ledger."""

    source_name: str
    partition: int
    is_done: bool
    rows: int
    files: int
    size_bytes: int
    skipped: int
    attempts: int
    duration_s: float
    sealed_outcome: bytes | None


class ListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which operations of a tenant to list."""

    tenant_id: TenantId
    subject_kinds: tuple[SubjectKind, ...]
    """What the caller may see."""
    where: Filter | None = None
    """Which of those; all where there is none."""
    order: tuple[Key, ...] = NEWEST_FIRST
    """Total: made by `listing.order`."""
    after: Place | None = None
    """Go on after this place of that order."""
    skip: int = 0
    """Leave out as many from there."""
    limit: int = 100


class ChainEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A record as it lies in its chain."""

    seq: int
    canonical: str
    hash: bytes


class ChainHead(msgspec.Struct, frozen=True, kw_only=True):
    """How far a chain goes."""

    tenant_id: TenantId
    seq: int
    hash: bytes


class Store(Protocol):
    """Keeps operations and hands out work."""

    # -- submit -------------------------------------------------------------------------------------------------------
    def begin(self, intent: Intent) -> Repeat | None:
        """Commit an intent; or return the earlier request it repeats, and commit nothing.

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

    # -- look ---------------------------------------------------------------------------------------------------------
    def get(self, tenant_id: TenantId, operation_id: OperationId) -> DataPolicyOperation | None:
        """Return an operation with its sources' progress."""
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
    ) -> ReadSet | FinishSet | None:
        """Lease work: operations to finish first, else a set of at most `limit` reads that share a scan key.

        A scan takes more reads together. Its first read is left for the window, so that others can join; where nothing else waits, and
        the source is not being read, it begins at once.

        Oldest operations first; tenants in turn, but for those to be passed over. Reads that wait for a later try are passed over too.
        The first claim starts the operation. Operations whose time to be approved is over are ended on the way.
        """
        ...

    def heartbeat(self, owner: str, *, lease_s: float) -> None:
        """Extend every lease that the owner holds; what was erased before is gone from every file of the store afterwards."""
        ...

    def release_all(self, owner: str | None = None) -> None:
        """End leases of an owner (None: all, for the start of a service that is alone on its store)."""
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

    def checkpoint(self, checkpoints: Sequence[Checkpoint], *, owner: str) -> tuple[OperationId, ...]:
        """Put down how far reads are; return the operations whose reads are no longer ours (unchanged). Progress never falls.

        What brings an entry further than earlier attempts came sets the count of failures back; what was put ends the wait for somebody.
        """
        ...

    def retry(
        self, reads: Sequence[ClaimedRead], *, owner: str, at: datetime, waiting_for: Failure | None = None, alone: bool = False
    ) -> None:
        """Give reads back to be tried not before `at`; with `waiting_for` the operation says what it waits for and it is no failure.

        With `alone` each is claimed without others from now on, until its operation is resumed.
        """
        ...

    def outcomes(self, operation_id: OperationId) -> tuple[SourceOutcome, ...]:
        """Return what is known of each read of an operation, by source and partition."""
        ...

    def retry_finish(self, operation: ClaimedOperation, *, owner: str, at: datetime, waiting_for: Failure | None = None) -> None:
        """Give an operation back whose package could not be finished now."""
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
        """Return entries of a tenant's chain, in order."""
        ...

    def chain_head(self, tenant_id: TenantId) -> ChainHead | None:
        """Return how far a tenant's chain goes, None where nothing is recorded."""
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
