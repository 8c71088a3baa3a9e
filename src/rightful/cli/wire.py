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


class LeftLine(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation that has failed left in its storage location."""

    prefix: str = ""
    entries: int = 0
    size_bytes: int = msgspec.field(name="bytes", default=0)


class ApprovalLine(msgspec.Struct, frozen=True, kw_only=True):
    """A second administrator's approval."""

    state: str = ""
    until: str = ""
    requested_by: str = msgspec.field(name="requestedBy", default="")
    decided_by: str | None = msgspec.field(name="decidedBy", default=None)


class DeadlineLine(msgspec.Struct, frozen=True, kw_only=True):
    """By when a request has to be answered."""

    regulation: str = ""
    received_at: str = msgspec.field(name="receivedDateTime", default="")
    due_on: str = msgspec.field(name="dueDate", default="")
    due_at: str = msgspec.field(name="dueDateTime", default="")
    extendable_to: str | None = msgspec.field(name="extendableTo", default=None)
    extended_at: str | None = msgspec.field(name="extendedDateTime", default=None)
    reason: str | None = msgspec.field(name="extensionReason", default=None)


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """A data policy operation as the service shows it (GRAPH-02)."""

    id: str
    status: str
    progress: float = 0.0
    left_s: float | None = msgspec.field(name="secondsLeft", default=None)
    subject_id: str = msgspec.field(name="userId", default="")
    since: str | None = None
    submitted_at: str = msgspec.field(name="submittedDateTime", default="")
    completed_at: str | None = msgspec.field(name="completedDateTime", default=None)
    storage_location: str | None = msgspec.field(name="storageLocation", default=None)
    language: str | None = None
    sealed_to: str | None = msgspec.field(name="sealedTo", default=None)
    failure: Reason | None = msgspec.field(name="failureReason", default=None)
    waiting_for: Reason | None = msgspec.field(name="waitingFor", default=None)
    approval: ApprovalLine | None = None
    deadline: DeadlineLine | None = None
    sources: tuple[SourceLine, ...] = ()
    package: PackageLine | None = None
    left: LeftLine | None = None

    @property
    def is_ended(self) -> bool:
        """Whether it will not change by itself any more."""
        return self.status in ENDED


class IdentifierLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An identifier, and how it was reached or why it is refused."""

    kind: str
    value: str = ""
    place: str = ""
    over: tuple[str, ...] = ()
    round: int = 0
    from_kind: str = msgspec.field(name="fromKind", default="")
    from_value: str = msgspec.field(name="fromValue", default="")
    reason: str = ""
    people: int = 0


class RedactedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A column that a rule withholds, or others' names in it."""

    name: str
    rule: str


class PreviewLine(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one source before it is read."""

    name: str
    connector: str = ""
    kinds: tuple[str, ...] = ()
    identifiers: int = 0
    rows: int | None = None
    files: int | None = None
    size_bytes: int | None = msgspec.field(name="bytes", default=None)
    is_exact: bool = msgspec.field(name="isExact", default=False)
    duration_s: float | None = msgspec.field(name="seconds", default=None)
    columns: int = 0
    redacted: tuple[RedactedLine, ...] = msgspec.field(name="redactedColumns", default=())
    unlabelled: tuple[str, ...] = msgspec.field(name="unlabelledColumns", default=())
    unstated: tuple[str, ...] = ()
    problem: Reason | None = None


class PreviewOf(msgspec.Struct, frozen=True, kw_only=True):
    """What an export would find."""

    subject_id: str = msgspec.field(name="userId", default="")
    rows: int = 0
    files: int = 0
    size_bytes: int = msgspec.field(name="bytes", default=0)
    is_exact: bool = msgspec.field(name="isExact", default=False)
    duration_s: float = msgspec.field(name="seconds", default=0.0)
    identifiers: tuple[IdentifierLine, ...] = ()
    refused: tuple[IdentifierLine, ...] = msgspec.field(name="refusedIdentifiers", default=())
    unstated: tuple[str, ...] = ()
    sources: tuple[PreviewLine, ...] = ()


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
