"""Data policy operations, as plain values."""

import enum
from datetime import datetime

import msgspec

from rightful.ids import OperationId, SubjectId, TenantId
from rightful.operation.deadline import Deadline, Extension
from rightful.subject.model import SubjectKind

SUBMIT_AGAIN = "submit the request again, with a new Idempotency-Key if you send one"
"""What to do about an operation that has ended and is of no use: its own key goes on naming it (ADR 0044)."""


class OperationStatus(enum.StrEnum):
    """Where an operation stands; the rules are in `operation.status`."""

    NOT_STARTED = "not_started"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"


class SourceState(enum.StrEnum):
    """What became of one source in one operation; exactly one when the operation has ended."""

    PENDING = "pending"
    RUNNING = "running"
    EXPORTED = "exported"
    EMPTY = "empty"
    """Searched, and nothing was there."""
    SKIPPED = "skipped"
    """Not searched, for a reason that the operator's policy allows; no policy does yet."""
    FAILED = "failed"


GIVEN_UP = frozenset({"cancelled", "rejected"})
"""The codes of what somebody decided not to be answered by this operation."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why an operation failed, or what it waits for."""

    code: str
    """Stable: `SourceUnavailable`, `StorageRefused`, `cancelled`, …"""
    message: str
    """Without personal data or secrets."""
    source_name: str = ""


class SourceProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far one source is."""

    source_name: str
    state: SourceState
    rows: int = 0
    files: int = 0
    size_bytes: int = 0
    skipped: int = 0
    """Items that could not be read and stand in the ledger."""
    duration_s: float = 0.0


class PackageTotals(msgspec.Struct, frozen=True, kw_only=True):
    """What a complete package holds."""

    prefix: str
    entries: int
    size_bytes: int
    manifest_sha256: str
    receipt_sha256: str = ""
    """Empty for packages that were made before there were receipts."""


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation that has failed left in its storage location."""

    prefix: str
    entries: int
    """Beside RequestInfo.json; one whose put gave no answer is counted, too."""
    size_bytes: int


class ApprovalState(enum.StrEnum):
    """What became of the wish for a second administrator's approval."""

    WAITING = "waiting"
    GIVEN = "given"
    NOT_GIVEN = "not_given"
    """Rejected, or the operation ended while it waited."""


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """A second administrator's approval, without which no source is read."""

    state: ApprovalState
    digest: str
    """Keyed, of what is approved: subject, container, and sources as they were configured at the submit."""
    until: datetime
    """When the wait ends, and the operation with it."""
    decided_by: str = ""
    """The key of who approved or rejected; empty before."""


class AskedBy(enum.StrEnum):
    """Who asked for an export, as the person is told: nobody else's name."""

    SUBJECT = "subject"
    """The person themselves."""
    ORGANIZATION = "organization"
    """Somebody of the organization, or one of its applications."""


class DataPolicyOperation(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted export request."""

    operation_id: OperationId
    tenant_id: TenantId
    subject_id: SubjectId
    subject_kind: SubjectKind
    caller_key: str
    """Who asked: a stable key of tenant and caller, without names."""
    is_by_application: bool = True
    """Whether an application asked, without a person; so too where it is not known."""
    container_key: str = ""
    """Names the container, or the account, without the signature."""
    status: OperationStatus
    submitted_at: datetime
    received_at: datetime | None = None
    """When the person's request was received; None: when it was submitted."""
    extension: Extension | None = None
    """That the time to answer it was extended."""
    deadline: Deadline | None = None
    """By when it has to be answered, as the tenant's settings say; None where they name no regulation, and in the store."""
    completed_at: datetime | None = None
    storage_location: str
    """As the caller gave it, without its query string (GRAPH-34)."""
    prefix: str
    """Where the package lies in the container, with a `/` at the end; empty for the root."""
    language: str = ""
    """Of the package, one of `language.OFFERED`: as the request, the directory or the tenant says; empty where none does."""
    recipient: str = ""
    """The public key of age that the package is sealed to; empty where it is not sealed."""
    key_file: bytes | None = None
    """The secret half of that key, sealed by a passphrase, where one opens the package."""
    since: OperationId | None = None
    """The earlier operation that this one is the difference to; None where it brings all there is."""
    progress_percent: float = 0.0
    """0.0 to 100.0; 100.0 only when complete; never falls but by a resume."""
    failure: Failure | None = None
    waiting_for: Failure | None = None
    """Set while the operation waits for somebody: one that runs for a storage location that refuses for a curable reason, one that has not
    started for its approval."""
    approval: Approval | None = None
    """None where none was asked for."""
    package: PackageTotals | None = None
    left: Written | None = None
    """Of one that has failed, where there is something. Left out by lists, and for ZIP files, whose pieces nobody sees."""
    sources: tuple[SourceProgress, ...] = ()
    """In the configuration's order. Left empty by lists."""
    retry_after_s: int = 0
    """An honest estimate of the time left, 1 to 60 (GRAPH-35); 0 for an operation that has ended."""

    left_s: float | None = None
    """How many seconds are left, as far as can be told; None before there is anything to tell it by, and for one that has ended."""

    @property
    def is_ended(self) -> bool:
        """Whether the operation has come to its end."""
        return self.status in {OperationStatus.COMPLETE, OperationStatus.FAILED}
