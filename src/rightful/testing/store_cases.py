"""What the suites for stores work with: intents, claims, checkpoints of one invented tenant or two."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from rightful.audit.record import NOBODY, Action, AuditRecord, Target, decode, record
from rightful.clock import to_microseconds
from rightful.ids import OperationId, SubjectId, TenantId
from rightful.operation.model import Failure, PackageTotals
from rightful.store.interface import Store
from rightful.store.values import (
    Checkpoint,
    ClaimedOperation,
    ClaimedRead,
    Completion,
    Entry,
    EntryState,
    FinishSet,
    Intent,
    NewRead,
    ReadSet,
    RepeatKey,
    Scan,
)
from rightful.subject.model import SubjectKind

TENANT = TenantId("11111111-1111-1111-1111-111111111111")
OTHER_TENANT = TenantId("22222222-2222-2222-2222-222222222222")
START = datetime(2026, 1, 31, 12, tzinfo=UTC)
OWNER = "owner-1"
LEASE_S = 30.0
KEY_VALID_S = 3600.0
BOTH = (SubjectKind.USER, SubjectKind.INBOUND_PROFILE)
TOTALS = PackageTotals(prefix="", entries=1, size_bytes=1, manifest_sha256="")
CANCELLED = Failure(code="cancelled", message="cancelled")


def intent(number: int, *, tenant_id: TenantId = TENANT, subject: str = "", container: str = "c", keys: tuple[str, ...] = ()) -> Intent:
    """Make an intent whose operation id ends in the number."""
    return Intent(
        operation_id=OperationId(f"00000000-0000-0000-0000-{number:012}"),
        tenant_id=tenant_id,
        subject_id=SubjectId(subject or f"subject-{number}"),
        subject_kind=SubjectKind.USER,
        caller_key="caller",
        container_key=container,
        repeat_keys=tuple(RepeatKey(key, KEY_VALID_S) for key in keys),
        request_digest=f"{subject or number}/{container}",
        correlation_id=f"correlation-{number}",
        storage_location="MyStorageAccount",
        sealed_location=b"sealed",
        prefix=f"{number}/",
        language="ja",
        recipient="age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gq",
        key_file=b"sealed",
        submitted_at=START + timedelta(seconds=number),
    )


def accept(store: Store, number: int, *sources: str, tenant_id: TenantId = TENANT, subject: str = "", container: str = "c") -> OperationId:
    """Begin and promote an operation with reads of these sources."""
    wanted = intent(number, tenant_id=tenant_id, subject=subject, container=container)
    assert store.begin(wanted) is None
    assert store.promote(wanted.operation_id, [NewRead(source_name=name) for name in sources], []) is not None
    return wanted.operation_id


def finishing(number: int) -> ClaimedOperation:
    """Make what the first claim for finishing would give of an operation; whoever shows it may hold no such claim."""
    known = intent(number)
    return ClaimedOperation(
        operation_id=known.operation_id,
        tenant_id=known.tenant_id,
        subject_id=known.subject_id,
        subject_kind=known.subject_kind,
        storage_location=known.storage_location,
        sealed_location=known.sealed_location,
        prefix=known.prefix,
        language=known.language,
        recipient=known.recipient,
        key_file=known.key_file,
        submitted_at=known.submitted_at,
        attempt=1,
    )


def scan(*, limit: int = 100, tenant_id: TenantId = TENANT) -> Scan:
    """Make a source `lake` whose reads gather for two seconds."""
    return Scan(tenant_id=tenant_id, source_name="lake", window_s=2.0, limit=limit)


def claim_reads(store: Store, owner: str = OWNER, limit: int = 100, scans: Sequence[Scan] = ()) -> ReadSet:
    """Claim and expect reads."""
    claim = store.claim(owner, lease_s=LEASE_S, limit=limit, scans=scans)
    assert isinstance(claim, ReadSet)
    return claim


def done(read: ClaimedRead, *, rows: int = 0, entries: tuple[Entry, ...] = ()) -> Checkpoint:
    """Make the last checkpoint of a read."""
    return Checkpoint(read=read, next_part=len(entries), rows=rows, is_done=True, entries=entries)


def part(read: ClaimedRead, number: int, state: EntryState, sha256: str = "ab") -> Entry:
    """Make an entry of a read."""
    return Entry(
        operation_id=read.operation_id,
        source_name=read.source_name,
        partition=read.partition,
        number=number,
        state=state,
        sha256=sha256,
        size_bytes=10,
        rows=1,
        sealed=b"path",
    )


def audit_record(tenant_id: TenantId, target_id: str) -> AuditRecord:
    """Make a record of a call that named something."""
    return record(
        NOBODY,
        tenant_id=tenant_id,
        time_us=to_microseconds(START),
        action=Action.CALL,
        outcome="BadRequest",
        target=Target.SERVICE,
        target_id=target_id,
    )


def recorded(store: Store, tenant_id: TenantId = TENANT) -> list[AuditRecord]:
    """Return the records of a chain."""
    return [decode(entry.canonical) for entry in store.chain(tenant_id)]


def complete_all(store: Store) -> None:
    """Do all work there is, finding nothing."""
    while (claim := store.claim(OWNER, lease_s=LEASE_S, limit=100)) is not None:
        if isinstance(claim, FinishSet):
            store.complete([Completion(operation=operation, package=TOTALS) for operation in claim.operations], owner=OWNER)
        else:
            store.checkpoint([done(read) for read in claim.reads], owner=OWNER)
