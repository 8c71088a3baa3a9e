"""Rows of the store's tables as values, and back."""

from datetime import datetime
from typing import Any

import msgspec

from rightful.audit import start as starts
from rightful.audit.record import Actor
from rightful.audit.start import ChainStart
from rightful.clock import from_microseconds
from rightful.ids import OperationId, SubjectId, TenantId
from rightful.operation.deadline import Extension
from rightful.operation.model import (
    Approval,
    ApprovalState,
    DataPolicyOperation,
    Failure,
    OperationStatus,
    PackageTotals,
    SourceProgress,
    SourceState,
)
from rightful.package.receipt import PreviousReceipt
from rightful.store.connection import Row
from rightful.store.deaths import Deaths, deaths_of
from rightful.store.values import (
    BoundOperation,
    ClaimedOperation,
    ClaimedRead,
    Entry,
    EntryState,
    EventKind,
    Intent,
    OutgoingEvent,
    Purgeable,
    PurgeKind,
    Retention,
    SourceOutcome,
)
from rightful.subject.model import SubjectKind


def to_json(value: msgspec.Struct | None) -> str | None:
    """Return a value as JSON text, None as None."""
    return None if value is None else msgspec.json.encode(value).decode()


def _failure(text: str | None) -> Failure | None:
    return None if text is None else msgspec.json.decode(text, type=Failure)


def _approval(row: Row) -> Approval | None:
    if row["approval"] is None:
        return None
    return Approval(
        state=ApprovalState(row["approval"]),
        digest=row["approval_digest"],
        until=from_microseconds(row["approval_until"]),
        decided_by=row["approval_by"] or "",
    )


def bound(row: Row) -> BoundOperation:
    """Make what an operation's approval is bound to of its row."""
    return BoundOperation(
        operation_id=OperationId(row["id"]),
        tenant_id=TenantId(row["tenant_id"]),
        subject_id=SubjectId(row["subject_id"]),
        subject_kind=SubjectKind(row["subject_kind"]),
        container_key=row["container_key"],
        digest=row["approval_digest"],
    )


def _since(row: Row) -> OperationId | None:
    return None if row["since"] is None else OperationId(row["since"])


def moment(value: int | None) -> datetime | None:
    """Return a moment of its microseconds, None of none."""
    return None if value is None else from_microseconds(value)


def whose(row: Row) -> tuple[TenantId, SubjectId]:
    """Return the tenant and the subject of an operation's row."""
    return TenantId(row["tenant_id"]), SubjectId(row["subject_id"])


def operation(
    row: Row, sources: tuple[SourceProgress, ...] = (), retry_after_s: int = 0, left_s: float | None = None
) -> DataPolicyOperation:
    """Make an operation of its row."""
    return DataPolicyOperation(
        operation_id=OperationId(row["id"]),
        tenant_id=TenantId(row["tenant_id"]),
        subject_id=SubjectId(row["subject_id"]),
        subject_kind=SubjectKind(row["subject_kind"]),
        caller_key=row["caller_key"],
        is_by_application=bool(row["by_application"]),
        container_key=row["container_key"],
        status=OperationStatus(row["status"]),
        submitted_at=from_microseconds(row["submitted_at"]),
        received_at=moment(row["received_at"]),
        extension=None if row["extension"] is None else msgspec.json.decode(row["extension"], type=Extension),
        completed_at=moment(row["completed_at"]),
        storage_location=row["storage_location"],
        prefix=row["prefix"],
        language=row["language"],
        recipient=row["recipient"],
        key_file=row["key_file"],
        since=_since(row),
        progress_percent=float(row["progress"]),
        failure=_failure(row["failure"]),
        waiting_for=_failure(row["waiting_for"]),
        approval=_approval(row),
        package=None if row["package"] is None else msgspec.json.decode(row["package"], type=PackageTotals),
        sources=sources,
        retry_after_s=retry_after_s,
        left_s=left_s,
    )


def _source_state(row: Row) -> SourceState:
    if row["failed"]:
        return SourceState.FAILED
    if row["open"]:
        return SourceState.RUNNING if row["attempts"] and not row["held"] else SourceState.PENDING
    return SourceState.EXPORTED if row["rows"] or row["files"] or row["skipped"] else SourceState.EMPTY


def source(row: Row) -> SourceProgress:
    """Make a source's progress of its summed row."""
    return SourceProgress(
        source_name=row["source_name"],
        state=_source_state(row),
        rows=row["rows"],
        files=row["files"],
        size_bytes=row["size_bytes"],
        skipped=row["skipped"],
        duration_s=row["duration_s"],
    )


def intent(row: Row) -> Intent:
    """Make an intent of its row."""
    return Intent(
        operation_id=OperationId(row["id"]),
        tenant_id=TenantId(row["tenant_id"]),
        subject_id=SubjectId(row["subject_id"]),
        subject_kind=SubjectKind(row["subject_kind"]),
        caller_key=row["caller_key"],
        is_by_application=bool(row["by_application"]),
        container_key=row["container_key"],
        request_digest=row["request_digest"],
        correlation_id=row["correlation_id"],
        storage_location=row["storage_location"],
        sealed_location=row["sealed_location"],
        prefix=row["prefix"],
        language=row["language"],
        recipient=row["recipient"],
        key_file=row["key_file"],
        submitted_at=from_microseconds(row["submitted_at"]),
        received_at=moment(row["received_at"]),
        since=_since(row),
        actor=actor(row["actor"]),
    )


def actor(text: str) -> Actor:
    """Make who submitted an operation of its column."""
    return msgspec.json.decode(text, type=Actor)


def claimed_operation(row: Row) -> ClaimedOperation:
    """Make a claimed operation of its row."""
    return ClaimedOperation(
        operation_id=OperationId(row["id"]),
        tenant_id=TenantId(row["tenant_id"]),
        subject_id=SubjectId(row["subject_id"]),
        subject_kind=SubjectKind(row["subject_kind"]),
        caller_key=row["caller_key"],
        storage_location=row["storage_location"],
        sealed_location=row["sealed_location"],
        prefix=row["prefix"],
        language=row["language"],
        recipient=row["recipient"],
        key_file=row["key_file"],
        submitted_at=from_microseconds(row["submitted_at"]),
        attempt=row["attempt"],
        deaths=_deaths(row),
        since=_since(row),
        previous_receipt=msgspec.json.decode(row["receipt_before"], type=PreviousReceipt) if row["receipt_before"] else None,
    )


def _deaths(row: Row) -> Deaths:
    return deaths_of(row["deaths"], row["first_death_at"], row["last_death_at"])


def claimed_read(row: Row) -> ClaimedRead:
    """Make a claimed read of its row."""
    return ClaimedRead(
        operation_id=OperationId(row["operation_id"]),
        source_name=row["source_name"],
        partition=row["partition"],
        spec_digest=row["spec_digest"],
        sealed_spec=row["sealed_spec"],
        attempt=row["attempt"],
        failures=row["failures"],
        deaths=_deaths(row),
        next_part=row["next_part"],
        sealed_cursor=row["sealed_cursor"],
        rows=row["rows"],
        files=row["files"],
        size_bytes=row["size_bytes"],
        skipped=row["skipped"],
        sealed_outcome=row["sealed_outcome"],
    )


def entry(row: Row) -> Entry:
    """Make an entry of its row."""
    return Entry(
        operation_id=OperationId(row["operation_id"]),
        source_name=row["source_name"],
        partition=row["partition"],
        number=row["number"],
        revision=row["revision"],
        state=EntryState(row["state"]),
        sha256=row["sha256"],
        size_bytes=row["size_bytes"],
        rows=row["rows"],
        sealed=row["sealed"],
    )


def entry_parameters(value: Entry) -> dict[str, Any]:
    """Return an entry as parameters of `put_entry`."""
    return {
        "operation_id": value.operation_id,
        "source_name": value.source_name,
        "partition": value.partition,
        "number": value.number,
        "revision": value.revision,
        "state": value.state.value,
        "sha256": value.sha256,
        "size_bytes": value.size_bytes,
        "rows": value.rows,
        "sealed": value.sealed,
    }


def outcome(row: Row) -> SourceOutcome:
    """Make the outcome of a read of its row."""
    return SourceOutcome(
        source_name=row["source_name"],
        partition=row["partition"],
        is_done=bool(row["is_done"]),
        rows=row["rows"],
        files=row["files"],
        size_bytes=row["size_bytes"],
        skipped=row["skipped"],
        attempts=row["attempts"],
        duration_s=row["duration_s"],
        sealed_outcome=row["sealed_outcome"],
    )


def outgoing_event(row: Row) -> OutgoingEvent:
    """Make an event of its row."""
    return OutgoingEvent(
        seq=row["seq"],
        event_id=row["event_id"],
        endpoint=row["endpoint"],
        tenant_id=TenantId(row["tenant_id"]),
        operation_id=OperationId(row["operation_id"]),
        kind=EventKind(row["kind"]),
        code=row["code"],
        happened_us=row["happened_at"],
        attempts=row["attempts"],
    )


def purgeable(kind: PurgeKind, row: Row) -> Purgeable:
    """Make what would be purged of its count."""
    return Purgeable(kind=kind, number=row["number"], oldest=moment(row["oldest"]), newest=moment(row["newest"]))


def retention(row: Row) -> Retention:
    """Make what is known of purges of its row."""
    return Retention(purged_at=moment(row["purged_at"]), start=_start(row["start"]), line=row["start"] or "")


def _start(line: str | None) -> ChainStart | None:
    try:
        return None if line is None else starts.decode(line)
    except msgspec.MsgspecError:
        return None
