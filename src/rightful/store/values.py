"""What crosses the seam of the store: plain values, sealed where they are personal."""

import enum
from collections.abc import Mapping
from datetime import datetime
from typing import TypeAlias

import msgspec

from rightful.audit.record import NOBODY, Action, Actor
from rightful.audit.start import ChainStart
from rightful.ids import OperationId, SubjectId, TenantId
from rightful.operation.model import Failure, PackageTotals
from rightful.package.receipt import PreviousReceipt
from rightful.store.deaths import Deaths
from rightful.store.listing import NEWEST_FIRST, Filter, Key, Place
from rightful.subject.model import SubjectKind


class StoreFault(OSError):
    """The store cannot be read or written now (a full disk, mostly): nothing of the call counts. No source or location is at fault."""


class RepeatKey(msgspec.Struct, frozen=True):
    """What names a request of one caller: an equal one names the same request (GRAPH-15)."""

    text: str
    """`client-request-id:…` or `idempotency-key:…`."""
    valid_s: float
    """For how long after the operation has ended."""
    is_binding: bool = False
    """Whether it names its operation however that ended, also while there is a newer one of the same request (ADR 0044)."""


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
    language: str = ""
    """Of the package; empty where nobody says."""
    recipient: str = ""
    """The public key of age that the package is sealed to; empty where it is not sealed."""
    key_file: bytes | None = None
    """The secret half of that key, sealed by a passphrase, where one opens the package."""
    submitted_at: datetime
    received_at: datetime | None = None
    """When the person's request was received; None: when it is submitted."""
    since: OperationId | None = None
    """The earlier operation that it is to be the difference to."""
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
    deaths: Deaths = Deaths()
    """Of the service, while it was read."""
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
    caller_key: str = ""
    """Who asked (`Caller.key`)."""
    storage_location: str
    sealed_location: bytes
    prefix: str
    language: str = ""
    """Of the package; empty where nobody says."""
    recipient: str = ""
    """The public key of age that the package is sealed to; empty where it is not sealed."""
    key_file: bytes | None = None
    """The secret half of that key, sealed by a passphrase, where one opens the package."""
    submitted_at: datetime
    attempt: int
    """The fencing token of a finishing claim; 0 in a set of reads."""
    deaths: Deaths = Deaths()
    """Of the service, while its package was finished; none in a set of reads."""
    since: OperationId | None = None
    """The earlier operation that it is the difference to."""
    previous_receipt: PreviousReceipt | None = None
    """Of a finishing claim: the same in each attempt."""


class ReadSet(msgspec.Struct, frozen=True, kw_only=True):
    """Reads that share a scan key: same tenant, source, partition and cursor."""

    tenant_id: TenantId
    source_name: str
    partition: int
    reads: tuple[ClaimedRead, ...]
    operations: tuple[ClaimedOperation, ...]
    """The operation of each read, in the reads' order."""

    @property
    def is_suspected(self) -> bool:
        """Whether one of these reads may be what kills the service."""
        return any(read.deaths.are_suspicious for read in self.reads)


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

    @property
    def is_suspected(self) -> bool:
        """Whether the end of one of these packages may be what kills the service."""
        return any(operation.deaths.are_suspicious for operation in self.operations)


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
    as_staged: int = 0
    """How many of these, from the first on, are DONE as they were staged: first revisions of which nothing but the state is another one."""
    copied_rows: int = 0
    """Of the rows of those that are DONE: how many are there in another form, too, and count there."""

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
    sealed_fingerprints: bytes | None = None
    """What is kept to compare later operations with: the secret of its fingerprints, and where they lie."""


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


class FingerprintUse(msgspec.Struct, frozen=True, kw_only=True):
    """Why the fingerprints of an operation are there."""

    tenant_id: TenantId
    is_ended: bool
    is_complete: bool
    completed_at: datetime | None
    is_kept: bool
    """Whether later operations can be compared with it."""


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


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """What was copied."""

    place: str
    """Host and database."""
    rows: dict[str, int]
    """By table."""
    open_operations: int
    fingerprints: int
    """How many files lay beside the store and were copied."""


class StoreCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What one look at a store found."""

    name: str
    ok: bool
    detail: str
    hint: str = ""


class EventKind(enum.StrEnum):
    """What became of an operation, as webhooks are told."""

    SUBMITTED = "submitted"
    APPROVED = "approved"
    REJECTED = "rejected"
    WAITING = "waiting"
    """It began to wait for its storage location."""
    RESUMED = "resumed"
    EXTENDED = "extended"
    """The time to answer the request."""
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


EVENTS: Mapping[Action, EventKind] = {
    Action.SUBMIT: EventKind.SUBMITTED,
    Action.APPROVE: EventKind.APPROVED,
    Action.REJECT: EventKind.REJECTED,
    Action.RESUME: EventKind.RESUMED,
    Action.EXTEND: EventKind.EXTENDED,
    Action.COMPLETE: EventKind.COMPLETED,
    Action.FAIL: EventKind.FAILED,
    Action.CANCEL: EventKind.CANCELLED,
}
"""What is recorded of an operation and told too; a failure with its code."""

Announcing: TypeAlias = Mapping[TenantId, tuple[tuple[str, frozenset[EventKind]], ...]]
"""The endpoints of each tenant that has any, and what each is told."""


class OutgoingEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that one endpoint is to be told."""

    seq: int
    event_id: str
    endpoint: str
    tenant_id: TenantId
    operation_id: OperationId
    kind: EventKind
    code: str
    """Why it failed, or what it waits for; empty for the other kinds."""
    happened_us: int
    """Microseconds since 1970."""
    attempts: int
    """How often it was posted and not taken."""


class PurgeKind(enum.StrEnum):
    """What is purged once it was kept long enough."""

    OPERATIONS = "operations"
    RECEIPTS = "receipts"
    """The digests of receipts of operations that are gone."""
    AUDIT_RECORDS = "auditRecords"


class PurgeLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What of a tenant's was kept long enough."""

    tenant_id: TenantId
    operations_before: datetime | None
    """What ended before; None: none."""
    receipts_before: datetime | None
    """Of what ended before; None: none."""
    received_before: datetime
    """What failed only where it was received before: later ones may have to be answered still."""


class Purged(msgspec.Struct, frozen=True, kw_only=True):
    """What one transaction erased."""

    number: int
    is_more: bool
    """Whether to go on."""


class Purgeable(msgspec.Struct, frozen=True, kw_only=True):
    """What would be purged now."""

    kind: PurgeKind
    number: int
    oldest: datetime | None = None
    newest: datetime | None = None


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of purges of a tenant's."""

    purged_at: datetime | None = None
    """When nothing more was found that was kept long enough; None: never."""
    start: ChainStart | None = None
    """From where its audit chain goes on, where records of it were purged. Who signed it is not looked at."""
    line: str = ""
    """The same as it lies there, also where it cannot be read."""
