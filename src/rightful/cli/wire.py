"""What the service answers, as values: the names of the wire stop here."""

import msgspec

ENDED = frozenset({"complete", "failed"})


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why an operation failed, or what it waits for."""

    code: str = ""
    message: str = ""
    source: str | None = None

    def __str__(self) -> str:
        """Write it on one line."""
        return f"{f'{self.source}: ' if self.source else ''}{self.message} [{self.code}]"


class SourceLine(msgspec.Struct, frozen=True, kw_only=True):
    """How far one source is."""

    name: str
    state: str
    rows: int = 0
    files: int = 0
    size_bytes: int = msgspec.field(name="bytes", default=0)
    skipped: int = 0
    duration_s: float = msgspec.field(name="seconds", default=0.0)


class PackageLine(msgspec.Struct, frozen=True, kw_only=True):
    """What a complete package holds."""

    prefix: str = ""
    entries: int = 0
    size_bytes: int = msgspec.field(name="bytes", default=0)
    manifest_sha256: str = msgspec.field(name="manifestSha256", default="")


class ApprovalLine(msgspec.Struct, frozen=True, kw_only=True):
    """A second administrator's approval."""

    state: str = ""
    until: str = ""
    requested_by: str = msgspec.field(name="requestedBy", default="")
    decided_by: str | None = msgspec.field(name="decidedBy", default=None)


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """A data policy operation as the service shows it (GRAPH-02)."""

    id: str
    status: str
    progress: float = 0.0
    subject_id: str = msgspec.field(name="userId", default="")
    submitted_at: str = msgspec.field(name="submittedDateTime", default="")
    completed_at: str | None = msgspec.field(name="completedDateTime", default=None)
    storage_location: str | None = msgspec.field(name="storageLocation", default=None)
    failure: Reason | None = msgspec.field(name="failureReason", default=None)
    waiting_for: Reason | None = msgspec.field(name="waitingFor", default=None)
    approval: ApprovalLine | None = None
    sources: tuple[SourceLine, ...] = ()
    package: PackageLine | None = None

    @property
    def is_ended(self) -> bool:
        """Whether it will not change by itself any more."""
        return self.status in ENDED


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page of operations (GRAPH-31)."""

    value: tuple[Operation, ...]
    next_link: str = msgspec.field(name="@odata.nextLink", default="")


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """The inside of an error (GRAPH-40)."""

    code: str = ""
    message: str = ""


class ErrorEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """An error (GRAPH-40)."""

    error: ErrorBody
