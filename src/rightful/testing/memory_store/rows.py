"""What the store in memory keeps of an operation and of a read, as other stores keep rows."""

from dataclasses import dataclass, field
from datetime import datetime

from rightful.ids import OperationId, SubjectId
from rightful.operation.deadline import Extension
from rightful.operation.model import ApprovalState, Failure, OperationStatus, PackageTotals, SourceProgress, SourceState
from rightful.package.receipt import PreviousReceipt
from rightful.store.deaths import Deaths, deaths_of
from rightful.store.values import ClaimedOperation, ClaimedRead, Entry, Intent, SourceOutcome

EntryKey = tuple[str, int, int, int]
"""Source, partition, number, revision."""


@dataclass(slots=True)
class ReadRow:
    """A read."""

    operation_id: OperationId
    source_name: str
    partition: int
    position: int
    operation_seq: int
    spec_digest: str
    sealed_spec: bytes
    estimated_rows: int | None
    estimated_bytes: int | None
    state: str = "pending"
    """`pending`, `leased`, `held` or `done`."""
    owner: str | None = None
    lease_until: int = 0
    attempt: int = 0
    failures: int = 0
    deaths: int = 0
    first_death_at: int = 0
    last_death_at: int = 0
    given_back: int = 0
    not_before: int = 0
    alone: int = 0
    next_part: int = 0
    sealed_cursor: bytes | None = None
    rows: int = 0
    files: int = 0
    size_bytes: int = 0
    skipped: int = 0
    earlier_s: float = 0.0
    duration_s: float = 0.0
    sealed_outcome: bytes | None = None
    own_estimate: bool = False

    @property
    def is_ready(self) -> bool:
        """Whether it may be claimed now."""
        return self.state == "pending" and not self.not_before

    def give_back(self) -> None:
        """End its lease, and count the time that it took."""
        self.state, self.owner = "pending", None
        self.earlier_s, self.duration_s = self.earlier_s + self.duration_s, 0.0

    def hold(self, *, is_to_blame: bool) -> None:
        """Keep it from being claimed."""
        self.give_back()
        self.state, self.failures = "held", int(is_to_blame)

    def let_go(self) -> None:
        """Let it be claimed again, as if nothing had failed."""
        self.state, self.failures, self.deaths, self.not_before, self.alone = "pending", 0, 0, 0, 0

    def claimed(self) -> ClaimedRead:
        """Return it as it is claimed."""
        return ClaimedRead(
            operation_id=self.operation_id,
            source_name=self.source_name,
            partition=self.partition,
            spec_digest=self.spec_digest,
            sealed_spec=self.sealed_spec,
            attempt=self.attempt,
            failures=self.failures,
            deaths=deaths_of(self.deaths, self.first_death_at, self.last_death_at),
            next_part=self.next_part,
            sealed_cursor=self.sealed_cursor,
            rows=self.rows,
            files=self.files,
            size_bytes=self.size_bytes,
            skipped=self.skipped,
            sealed_outcome=self.sealed_outcome,
        )

    def outcome(self) -> SourceOutcome:
        """Return what the ledger needs of it."""
        return SourceOutcome(
            source_name=self.source_name,
            partition=self.partition,
            is_done=self.state == "done",
            rows=self.rows,
            files=self.files,
            size_bytes=self.size_bytes,
            skipped=self.skipped,
            attempts=self.attempt - self.given_back,
            duration_s=self.earlier_s + self.duration_s,
            sealed_outcome=self.sealed_outcome,
        )


@dataclass(slots=True)
class OperationRow:
    """An operation, or the intent that it was made of (without a status)."""

    seq: int
    intent: Intent
    sealed_location: bytes | None
    status: OperationStatus | None = None
    received_at: datetime | None = None
    reads: list[ReadRow] = field(default_factory=list)
    entries: dict[EntryKey, Entry] = field(default_factory=dict)
    open_reads: int = 0
    owner: str | None = None
    lease_until: int = 0
    attempt: int = 0
    deaths: int = 0
    first_death_at: int = 0
    last_death_at: int = 0
    not_before: int = 0
    started_at: int | None = None
    completed_at: int | None = None
    progress: float = 0.0
    progress_from: float | None = None
    progress_from_at: int | None = None
    progress_at: int | None = None
    failure: Failure | None = None
    waiting_for: Failure | None = None
    waiting_since: int | None = None
    approval: ApprovalState | None = None
    approval_digest: str = ""
    approval_until: datetime | None = None
    approval_by: str = ""
    extension: Extension | None = None
    package: PackageTotals | None = None
    receipt_before: PreviousReceipt | None = None
    is_receipt_settled: bool = False
    sealed_fingerprints: bytes | None = None
    removal: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it is an operation that has not ended."""
        return self.status in {OperationStatus.NOT_STARTED, OperationStatus.RUNNING}

    def end(self, status: OperationStatus, now: int, failure: Failure | None = None) -> None:
        """End it: nobody works on it, and its location is erased."""
        self.status, self.completed_at, self.failure = status, now, failure
        self.sealed_location, self.owner, self.waiting_for, self.waiting_since = None, None, None, None

    def claimed(self, *, attempt: int = 0, previous_receipt: PreviousReceipt | None = None) -> ClaimedOperation:
        """Return what work on it needs to know."""
        intent = self.intent
        return ClaimedOperation(
            operation_id=intent.operation_id,
            tenant_id=intent.tenant_id,
            subject_id=intent.subject_id,
            subject_kind=intent.subject_kind,
            caller_key=intent.caller_key,
            storage_location=intent.storage_location,
            sealed_location=self.sealed_location or b"",
            prefix=intent.prefix,
            language=intent.language,
            recipient=intent.recipient,
            key_file=intent.key_file,
            submitted_at=intent.submitted_at,
            attempt=attempt,
            deaths=deaths_of(self.deaths, self.first_death_at, self.last_death_at) if attempt else Deaths(),
            since=intent.since,
            previous_receipt=previous_receipt,
        )

    def sources(self) -> tuple[SourceProgress, ...]:
        """Return how far it is, source by source."""
        found: dict[str, list[ReadRow]] = {}
        for read in sorted(self.reads, key=lambda each: each.position):
            found.setdefault(read.source_name, []).append(read)
        return tuple(
            SourceProgress(
                source_name=name,
                state=_state(reads),
                rows=sum(read.rows for read in reads),
                files=sum(read.files for read in reads),
                size_bytes=sum(read.size_bytes for read in reads),
                skipped=sum(read.skipped for read in reads),
                duration_s=sum(read.earlier_s + read.duration_s for read in reads),
            )
            for name, reads in found.items()
        )


def _state(reads: list[ReadRow]) -> SourceState:
    held = [read for read in reads if read.state == "held"]
    if any(read.failures for read in held):
        return SourceState.FAILED
    if any(read.state != "done" for read in reads):
        return SourceState.RUNNING if any(read.attempt for read in reads) and not held else SourceState.PENDING
    return SourceState.EXPORTED if any(read.rows or read.files or read.skipped for read in reads) else SourceState.EMPTY


def key_of(entry: Entry) -> EntryKey:
    """Return what names an entry within its operation."""
    return entry.source_name, entry.partition, entry.number, entry.revision


@dataclass(slots=True)
class ReceiptRow:
    """What is left of an operation that is gone."""

    subject_id: SubjectId
    receipt_sha256: str
    completed_at: int
    seq: int
