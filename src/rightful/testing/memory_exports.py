"""The service behind the wire, in memory: good enough to test a client of the wire with."""

import threading
from collections.abc import Iterable
from datetime import timedelta
from urllib.parse import urlsplit

import msgspec

from rightful.audit.record import NOBODY, Action, Actor
from rightful.clock import Clock, SystemClock
from rightful.connectors.interface import Amount, Estimate
from rightful.errors import Conflict, Forbidden, InvalidRequest, NotFound
from rightful.export.interface import Note, SubmitRequest, Unready
from rightful.export.preview import Preview, SourcePreview
from rightful.identity.model import Caller, CallerKind
from rightful.identity.permissions import may_decide
from rightful.ids import OperationId, TenantId, new_operation_id
from rightful.language import prefer
from rightful.operation.deadline import Extension, Reason
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
from rightful.operation.status import Event, after
from rightful.store.values import ListQuery
from rightful.subject.model import DataSubject, IdentifiedSubject, Reached, Refused, SubjectKind, Weakness
from rightful.testing import memory_listing

_BUSY_S = 7


class MemoryExports:
    """Implements `export.interface.Exports` over a fixed list of subjects; nothing is exported, operations are moved on by the test.

    A storage location is a bare account name of `accounts`, or an https URL whose path is one segment and whose query has a `sig`.
    `refusals` maps a container (the URL without its query) to the error that its probe meets.
    """

    def __init__(self, subjects: Iterable[DataSubject], *, accounts: Iterable[str] = (), clock: Clock | None = None) -> None:
        self._subjects = tuple(subjects)
        self._accounts = frozenset(accounts)
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self.operations: dict[OperationId, DataPolicyOperation] = {}
        self.submitted: list[SubmitRequest] = []
        self.resumed: list[tuple[OperationId, str | None]] = []
        self.refusals: dict[str, InvalidRequest] = {}
        self.unready_for: Unready | None = None
        self.notes: list[Note] = []
        self.changed_by: list[tuple[Action, OperationId, Actor]] = []
        """What the store of a real service would have recorded itself."""
        self.unauthenticated: list[tuple[str, str]] = []
        """Their addresses and codes."""

    # -- what the wire asks -------------------------------------------------------------------------------------------
    def unready(self) -> Unready | None:
        """Say what the test set."""
        return self.unready_for

    def find_user(self, tenant_id: TenantId, key: str) -> DataSubject | None:
        """Find a user by object id or user principal name."""
        for subject in self._of(tenant_id, SubjectKind.USER):
            if key == subject.subject_id or ("@" in key and key.casefold() == subject.user_principal_name.casefold()):
                return subject
        return None

    def find_inbound_profile(self, tenant_id: TenantId, user_id: str) -> DataSubject | None:
        """Find an inbound shared user profile."""
        return next((subject for subject in self.list_inbound_profiles(tenant_id) if subject.subject_id == user_id), None)

    def list_inbound_profiles(self, tenant_id: TenantId) -> tuple[DataSubject, ...]:
        """Return all inbound shared user profiles of a tenant."""
        return tuple(self._of(tenant_id, SubjectKind.INBOUND_PROFILE))

    def submit(self, request: SubmitRequest) -> DataPolicyOperation:
        """Accept an export, or return the operation that the request repeats."""
        location = self._check_location(request.storage_location)
        with self._lock:
            self.submitted.append(request)
            for operation in self.operations.values():
                if self._is_repeated(operation, request, location):
                    return operation
            return self._add(request, location)

    def preview(self, subject: DataSubject) -> Preview:
        """Return a preview of two sources, one of which does not answer."""
        reached = (
            Reached(kind="id", value=subject.subject_id, place="people.id"),
            Reached(
                kind="device_id",
                value="d1",
                place="devices.id",
                round=1,
                from_kind="id",
                from_value=subject.subject_id,
                over=("orders", "customers"),
            ),
        )
        shared = Refused(kind="mail", place="people.mail", weakness=Weakness.SHARED, value="support@contoso.example", people=40)
        identified = IdentifiedSubject(subject=subject, identifiers={"id": (subject.subject_id,)}, reached=reached, refused=(shared,))
        amounts = Estimate(rows=Amount(3, is_exact=True), size_bytes=Amount(300))
        orders = SourcePreview(
            source_name="orders",
            connector="sql",
            product="Shop",
            searched="SELECT …",
            kinds=("id",),
            identifiers=1,
            estimate=amounts,
            seconds=0.1,
            columns=2,
            unlabelled=("note",),
            unstated=("retention",),
        )
        down = Failure(code="SourceUnavailable", message="it does not answer", source_name="mails")
        mails = SourcePreview(source_name="mails", connector="http", product="Mail", problem=down)
        return Preview(subject=identified, unstated=("contact",), sources=(orders, mails))

    def get(self, tenant_id: TenantId, operation_id: OperationId, visible: frozenset[SubjectKind]) -> DataPolicyOperation | None:
        """Return an operation, None where there is none that this caller may see."""
        operation = self.operations.get(operation_id)
        is_seen = operation is not None and operation.tenant_id == tenant_id and operation.subject_kind in visible
        return operation if is_seen else None

    def list(self, query: ListQuery) -> tuple[DataPolicyOperation, ...]:
        """Return operations without their sources."""
        page = memory_listing.page(self.operations.values(), query)
        return tuple(msgspec.structs.replace(operation, sources=()) for operation in page)

    def count(self, query: ListQuery) -> int:
        """Count operations."""
        return len(memory_listing.found(self.operations.values(), query))

    def cancel(self, tenant_id: TenantId, operation_id: OperationId, by: Actor = NOBODY) -> None:
        """End an operation as failed with code `cancelled`."""
        failure = Failure(code="cancelled", message="The operation was cancelled")
        self._move(tenant_id, operation_id, Event.CANCEL, failure=failure, completed_at=self._clock.now(), retry_after_s=0)
        self.changed_by.append((Action.CANCEL, operation_id, by))

    def resume(
        self, tenant_id: TenantId, operation_id: OperationId, storage_location: str | None, by: Actor = NOBODY
    ) -> DataPolicyOperation:
        """Lead a failed operation back to running."""
        if storage_location is not None:
            self._check_location(storage_location)
        resumed = self._move(tenant_id, operation_id, Event.RESUME, failure=None, completed_at=None, retry_after_s=_BUSY_S)
        self.resumed.append((operation_id, storage_location))
        self.changed_by.append((Action.RESUME, operation_id, by))
        return resumed

    def decide(self, caller: Caller, operation_id: OperationId, *, is_approved: bool, by: Actor = NOBODY) -> DataPolicyOperation:
        """Approve or reject an operation that waits for it."""
        with self._lock:
            operation = self.operations.get(operation_id)
            if operation is None or operation.tenant_id != caller.tenant_id:
                raise NotFound("There is no such operation")
            if not may_decide(caller, requester_key=operation.caller_key, is_by_application=operation.is_by_application):
                raise Forbidden("Insufficient privileges to complete the operation")
            if operation.approval is None or operation.approval.state is not ApprovalState.WAITING:
                raise Conflict("The operation waits for no approval")
            state = ApprovalState.GIVEN if is_approved else ApprovalState.NOT_GIVEN
            decided = msgspec.structs.replace(operation.approval, state=state, decided_by=caller.key)
            operation = self.operations[operation_id] = msgspec.structs.replace(operation, approval=decided, waiting_for=None)
        if not is_approved:
            self.fail(operation_id, Failure(code="rejected", message="A second administrator rejected the export"))
        self.changed_by.append((Action.APPROVE if is_approved else Action.REJECT, operation_id, by))
        return self.operations[operation_id]

    def extend(self, tenant_id: TenantId, operation_id: OperationId, reason: str, by: Actor = NOBODY) -> DataPolicyOperation:
        """Put down that the time to answer was extended, whatever the regulation."""
        operation = self.operations.get(operation_id)
        if operation is None or operation.tenant_id != tenant_id:
            raise NotFound("There is no such operation")
        if operation.extension is not None or operation.status is OperationStatus.COMPLETE:
            raise Conflict("The time to answer was extended before, or the operation is complete")
        if reason not in set(Reason):
            raise InvalidRequest("reason is none of the regulation's", target="reason")
        extended = msgspec.structs.replace(operation, extension=Extension(at=self._clock.now(), reason=Reason(reason)))
        self.put(extended)
        self.changed_by.append((Action.EXTEND, operation_id, by))
        return extended

    def forget(self, tenant_id: TenantId, operation_id: OperationId, by: Actor = NOBODY) -> None:
        """Note that what is kept of an operation was to be erased."""
        operation = self.operations.get(operation_id)
        if operation is None or operation.tenant_id != tenant_id:
            raise NotFound("There is no such operation")
        if any(other.since == operation_id and not other.is_ended for other in self.operations.values()):
            raise Conflict("An export that has not ended is compared with this one")
        self.changed_by.append((Action.FORGET_FINGERPRINTS, operation_id, by))

    def note(self, note: Note) -> None:
        """Record what a caller looked at or was refused."""
        self.notes.append(note)

    def note_unauthenticated(self, address: str, code: str) -> None:
        """Count a call that proved no caller."""
        self.unauthenticated.append((address, code))

    # -- what a test does ---------------------------------------------------------------------------------------------
    def put(self, operation: DataPolicyOperation) -> None:
        """Put an operation in its place as it is."""
        with self._lock:
            self.operations[operation.operation_id] = operation

    def run(self, operation_id: OperationId, progress_percent: float = 50.0) -> None:
        """Let an operation be running."""
        operation = self.operations[operation_id]
        source = SourceProgress(source_name="shop", state=SourceState.RUNNING, rows=3)
        running = {"status": OperationStatus.RUNNING, "progress_percent": progress_percent, "sources": (source,), "left_s": float(_BUSY_S)}
        self.put(msgspec.structs.replace(operation, **running))

    def complete(self, operation_id: OperationId) -> None:
        """Let an operation be complete."""
        operation = self.operations[operation_id]
        ended = {"status": OperationStatus.COMPLETE, "progress_percent": 100.0, "completed_at": self._clock.now(), "retry_after_s": 0}
        source = SourceProgress(source_name="shop", state=SourceState.EXPORTED, rows=51, size_bytes=4096, duration_s=0.25)
        package = PackageTotals(prefix=operation.prefix, entries=9, size_bytes=8192, manifest_sha256="ab" * 32)
        self.put(msgspec.structs.replace(operation, **ended, sources=(source,), package=package))

    def hold(self, operation_id: OperationId) -> None:
        """Let an operation wait for its approval."""
        until = self._clock.now() + timedelta(hours=72)
        approval = Approval(state=ApprovalState.WAITING, digest="", until=until)
        waiting_for = Failure(code="approvalRequired", message="A second administrator must approve the export")
        self.put(msgspec.structs.replace(self.operations[operation_id], approval=approval, waiting_for=waiting_for))

    def fail(self, operation_id: OperationId, failure: Failure) -> None:
        """Let an operation be failed."""
        operation = self.operations[operation_id]
        ended = {"status": OperationStatus.FAILED, "failure": failure, "completed_at": self._clock.now(), "retry_after_s": 0}
        self.put(msgspec.structs.replace(operation, **ended))

    # -- inside -------------------------------------------------------------------------------------------------------
    def _of(self, tenant_id: TenantId, kind: SubjectKind) -> Iterable[DataSubject]:
        return (subject for subject in self._subjects if subject.tenant_id == tenant_id and subject.kind is kind)

    def _check_location(self, value: object) -> str:
        if not isinstance(value, str) or not value:
            raise InvalidRequest("storageLocation is missing", code="StorageLocationInvalid", target="storageLocation")
        if value in self._accounts:
            return value
        parts = urlsplit(value)
        if parts.scheme != "https" or not parts.hostname:
            raise InvalidRequest("storageLocation is no https URL", code="StorageLocationInvalid", target="storageLocation")
        if parts.path.strip("/").count("/") or not parts.path.strip("/"):
            raise InvalidRequest("the path is no container", code="StorageLocationNotAzureBlob", target="storageLocation")
        if "sig=" not in parts.query:
            raise InvalidRequest("no SAS", code="SharedAccessSignatureTokenInvalid", target="storageLocation")
        container = value.partition("?")[0]
        if container in self.refusals:
            raise self.refusals[container]
        return container

    def _check_since(self, request: SubmitRequest) -> OperationId | None:
        if request.since is None:
            return None
        earlier = self.operations.get(OperationId(str(request.since)))
        whose = (request.caller.tenant_id, request.subject.subject_id, OperationStatus.COMPLETE)
        if earlier is None or (earlier.tenant_id, earlier.subject_id, earlier.status) != whose:
            raise InvalidRequest("since does not name a complete export of this person", code="SinceUnknown", target="since")
        return earlier.operation_id

    @staticmethod
    def _is_repeated(operation: DataPolicyOperation, request: SubmitRequest, location: str) -> bool:
        same = (request.caller.key, request.subject.subject_id, location)
        return not operation.is_ended and same == (operation.caller_key, operation.subject_id, operation.storage_location)

    def _add(self, request: SubmitRequest, location: str) -> DataPolicyOperation:
        operation_id = new_operation_id()
        latest = max((operation.submitted_at for operation in self.operations.values()), default=None)
        now = self._clock.now()
        operation = DataPolicyOperation(
            operation_id=operation_id,
            tenant_id=request.caller.tenant_id,
            subject_id=request.subject.subject_id,
            subject_kind=request.subject.kind,
            caller_key=request.caller.key,
            is_by_application=request.caller.kind is CallerKind.APPLICATION,
            status=OperationStatus.NOT_STARTED,
            submitted_at=now if latest is None or latest < now else latest + timedelta(microseconds=1),
            storage_location=location,
            prefix=f"{operation_id}/",
            language=request.language or prefer(request.subject.language),
            since=self._check_since(request),
            recipient=request.recipient or request.subject.recipient,
            key_file=b"sealed" if request.passphrase else None,
            retry_after_s=_BUSY_S,
        )
        self.operations[operation_id] = operation
        self.changed_by.append((Action.SUBMIT, operation_id, request.actor))
        return operation

    def _move(self, tenant_id: TenantId, operation_id: OperationId, event: Event, **changes: object) -> DataPolicyOperation:
        with self._lock:
            operation = self.operations.get(operation_id)
            if operation is None or operation.tenant_id != tenant_id:
                raise NotFound("There is no such operation")
            status = after(operation.status, event)
            if status is None:
                raise Conflict(f"The operation is {operation.status.value.replace('_', ' ')}")
            moved = msgspec.structs.replace(operation, status=status, **changes)
            self.operations[operation_id] = moved
            return moved
