"""Accepting a request: look for what it repeats, commit an intent, mark the storage location, promote the intent (DESIGN rule 9)."""

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

import msgspec

from rightful import language
from rightful.audit.record import REPEATED, Action, Target
from rightful.clock import Clock
from rightful.errors import Conflict, ExportError, InvalidRequest, StorageError, StorageUnavailable, Throttled, no_thread
from rightful.export import layout
from rightful.export.approval import Approvals
from rightful.export.audit_trail import AuditTrail
from rightful.export.deadlines import Deadlines
from rightful.export.fingerprints import Fingerprints, not_kept, parse_since
from rightful.export.interface import Note, SubmitRequest
from rightful.export.mark import Mark
from rightful.export.recipients import Recipients, SealedTo, sealing_of
from rightful.export.records import PACKAGE, SECRET_BYTES, EntryRecord, Sealed
from rightful.export.runtime import TenantRuntime
from rightful.export.stopping import Stopping
from rightful.identity.model import CallerKind
from rightful.ids import OperationId, new_operation_id
from rightful.operation.model import SUBMIT_AGAIN, DataPolicyOperation, OperationStatus
from rightful.package import request_info
from rightful.sealing import Sealer
from rightful.storage.interface import Marking
from rightful.storage.location import AccountLocation, Location, find_location, parse_location
from rightful.storage.registry import Storages, probe_error
from rightful.store.interface import Store
from rightful.store.values import Entry, EntryState, Intent, NewRead, Repeat, RepeatKey

_WAIT_S = 0.02
_LONGEST_WAIT_S = 20.0
"""How long a request waits for an equal one: a little longer than a storage location may take to answer."""
_BUSY_RETRY_S = 5
_IDEMPOTENCY_S = 24 * 3600.0
_RESEND_S = 3600.0
"""How long after the end a client that lost the answer may send a request again; some put one id on all their requests for ever."""
_KEPT_S = 24 * 3600.0
"""How long an intent waits for a container that it may have marked, and that does not answer."""
LEAST_VALID_S = 300.0
"""How long a SAS must be valid when its export is accepted: what is short of that would most likely end half way."""


class Submitter:
    """Accepts requests for one service."""

    def __init__(
        self,
        *,
        store: Store,
        storages: Storages,
        sealer: Sealer,
        clock: Clock,
        trail: AuditTrail,
        approvals: Approvals,
        fingerprints: Fingerprints,
        deadlines: Deadlines,
    ) -> None:
        self._store = store
        self._storages = storages
        self._sealer = sealer
        self._clock = clock
        self._trail = trail
        self._approvals = approvals
        self._fingerprints = fingerprints
        self._deadlines = deadlines
        self._recipients = Recipients()
        self._trying: set[OperationId] = set()
        self._lock = threading.Lock()
        self._is_stopping = False

    def stop(self) -> None:
        """Leave intents, from now on, whose storage location does not answer: the next start settles them."""
        self._is_stopping = True

    def submit(self, request: SubmitRequest, tenant: TenantRuntime) -> tuple[DataPolicyOperation, bool]:
        """Return the accepted operation, and whether there is work for it now that was not before; the storage location is marked.

        An operation that waits for its storage location goes on with the location of a request that repeats it.

        Raises:
            InvalidRequest: the storage location can't be used; nothing is left behind.
            Throttled: too much is queued, or an equal request is still being tried.
            Conflict: the idempotency key came with another request before, or what the request repeats has another language, since
                or recipient.
            ServiceUnavailable: the system gives no thread to try the storage location in; nothing is left behind.
        """
        location = find_location(request.storage_location, tenant.policy)
        # What repeats an operation only names its location, which may have expired meanwhile: a refusal is for what would be new.
        refusal = self._judge(request, tenant)
        sealed_to = SealedTo()
        received_at: datetime | None = None
        try:
            received_at = self._deadlines.of_tenant(tenant.config.id).received_at(request.received, self._clock.now())
            sealed_to = self._recipients.choose(request, tenant.config.export)
        except InvalidRequest as error:
            refusal = refusal or error
        waited_s = 0.0
        while True:
            intent = self._intent(request, tenant, location, sealed_to, received_at)
            with self._try(intent.operation_id):
                repeat = self._store.begin(intent, may_be_new=refusal is None)
                if repeat is None:
                    if refusal is not None:
                        raise refusal
                    self._check_queue(intent, tenant)
                    return self._mark(intent, tenant, is_new=True), True
            operation = self._repeated(intent, repeat)
            if operation is not None:
                _check_same(operation, request, received_at)
                self._recipients.check_same(operation, request)
                self._note_repeat(operation, request)
                renewed = self._renew(operation, request, tenant)
                return renewed or operation, renewed is not None
            # An equal request is trying the storage location right now: it becomes an operation or vanishes. Where nobody tries, the
            # store failed it half way, and this one takes it up.
            if self._settle_left(repeat.operation_id, tenant):
                continue
            if waited_s >= _LONGEST_WAIT_S:
                raise Throttled("an equal request is still being tried on its storage location", retry_after_s=_BUSY_RETRY_S)
            self._clock.sleep(_WAIT_S)
            waited_s += _WAIT_S

    def _note_repeat(self, operation: DataPolicyOperation, request: SubmitRequest) -> None:
        self._trail.note(
            Note(
                actor=request.actor,
                tenant_id=request.caller.tenant_id,
                action=Action.SUBMIT,
                outcome=REPEATED,
                target=Target.OPERATION,
                target_id=operation.operation_id,
                subject_id=operation.subject_id,
            )
        )

    def settle(self, intent: Intent, tenant: TenantRuntime) -> None:
        """Try an intent again that nobody tries now; it becomes an operation, or vanishes where its storage location refuses.

        Raises `StoreFault`: then it is still there. So it is where its container may be marked for it and does not answer.
        """
        # Whatever it is, nobody waits for the answer any more. The next equal request is told.
        with suppress(ExportError):
            self._settle(intent, tenant)

    def _settle_left(self, operation_id: OperationId, tenant: TenantRuntime) -> bool:
        """Settle an intent that nobody tries, False where somebody does; raises `Throttled` where it cannot be settled now."""
        if operation_id in self._trying:
            return False
        left = next((intent for intent in self._store.intents() if intent.operation_id == operation_id), None)
        return left is None or self._settle(left, tenant)

    def _settle(self, intent: Intent, tenant: TenantRuntime) -> bool:
        with self._try(intent.operation_id) as is_free:
            if is_free:
                with suppress(InvalidRequest):
                    self._mark(intent, tenant, is_new=False)
            return is_free

    @contextmanager
    def _try(self, operation_id: OperationId) -> Iterator[bool]:
        """Say for as long as the block lasts that an intent is being tried here; give False where it is already."""
        with self._lock:
            is_free = operation_id not in self._trying
            self._trying.add(operation_id)
        try:
            yield is_free
        finally:
            if is_free:
                self._trying.discard(operation_id)

    def _renew(self, operation: DataPolicyOperation, request: SubmitRequest, tenant: TenantRuntime) -> DataPolicyOperation | None:
        """Let an operation that waits go on with the storage location that this request brings, if that lasts."""
        if operation.waiting_for is None:
            return None
        try:
            location = parse_location(request.storage_location, tenant.policy, now=self._clock.now(), needed_s=LEAST_VALID_S)
        except InvalidRequest:
            return None
        if operation.status is OperationStatus.NOT_STARTED and isinstance(location, AccountLocation):
            return None  # it waits for its approval, and a named account has nothing that a request could renew
        sealed = Sealed(self._sealer, tenant.config.id, operation.operation_id).location(location.text)
        return self._store.resume(tenant.config.id, operation.operation_id, sealed_location=sealed, by=request.actor)

    def _judge(self, request: SubmitRequest, tenant: TenantRuntime) -> InvalidRequest | None:
        """Return why the request would not do for a new operation."""
        try:
            if request.since is not None:
                self._fingerprints.check(request.since, request.subject)
            parse_location(request.storage_location, tenant.policy, now=self._clock.now(), needed_s=LEAST_VALID_S)
        except InvalidRequest as error:
            return error
        return None

    def _check_queue(self, intent: Intent, tenant: TenantRuntime) -> None:
        """Refuse an intent for which there is no room; one that repeats an operation needs none, so this comes after."""
        most = tenant.config.limits.queued
        if self._store.count_open(tenant.config.id) > most:
            self._store.drop(intent.operation_id)
            raise Throttled("too many operations of this tenant have not ended", retry_after_s=_BUSY_RETRY_S, hint="submit again later")

    def _intent(
        self, request: SubmitRequest, tenant: TenantRuntime, location: Location, sealed_to: SealedTo, received_at: datetime | None
    ) -> Intent:
        operation_id = new_operation_id()
        subject = request.subject
        digest = hashlib.sha256(f"{subject.kind}\n{subject.subject_id}\n{location.container_key}".encode()).hexdigest()
        keys = []
        if request.idempotency_key:
            # One request, whatever became of it: who wants another sends another key.
            keys.append(RepeatKey(f"idempotency-key:{request.idempotency_key}", _IDEMPOTENCY_S, is_binding=True))
        elif request.client_request_id:
            # Clients send one correlation id with many calls: it names a repeat only with the same request, without a key (ADR 0044).
            since = f"since {parse_since(request.since)}" if request.since is not None else ""
            wish = ":".join(filter(None, (digest, request.language, since, request.recipient)))
            keys.append(RepeatKey(f"client-request-id:{wish}:{request.client_request_id}", _RESEND_S))
        form = "folder" if sealed_to.recipient else tenant.config.export.layout  # ADR 0048: sealed entries are never packed
        return Intent(
            operation_id=operation_id,
            tenant_id=tenant.config.id,
            subject_id=subject.subject_id,
            subject_kind=subject.kind,
            caller_key=request.caller.key,
            is_by_application=request.caller.kind is not CallerKind.DELEGATED,
            container_key=location.container_key,
            repeat_keys=tuple(keys),
            request_digest=digest,
            correlation_id=request.client_request_id or operation_id,
            storage_location=location.display,
            sealed_location=Sealed(self._sealer, tenant.config.id, operation_id).location(location.text),
            prefix=layout.prefix_of(operation_id, form, is_at_root=tenant.policy.checks == "strict"),
            language=request.language or language.prefer(subject.language) or language.lookup(tenant.config.export.language),
            recipient=sealed_to.recipient,
            key_file=sealed_to.key_file,
            submitted_at=self._clock.now(),
            received_at=received_at,
            since=parse_since(request.since),
            actor=msgspec.structs.replace(request.actor, request_id=operation_id),  # GRAPH-12: as the answer carries it
        )

    def _repeated(self, intent: Intent, repeat: Repeat) -> DataPolicyOperation | None:
        if repeat.request_digest != intent.request_digest:
            raise Conflict(
                "the Idempotency-Key came with another request before",
                code="IdempotencyKeyReused",
                hint="use a new key for each different request",
            )
        return None if repeat.is_pending else self._store.get(intent.tenant_id, repeat.operation_id)

    def _mark(self, intent: Intent, tenant: TenantRuntime, *, is_new: bool) -> DataPolicyOperation:
        """Write the final RequestInfo.json and promote the intent; a refusal drops it."""
        sealed = Sealed(self._sealer, intent.tenant_id, intent.operation_id)
        content = request_info.request_info(
            operation_id=intent.operation_id,
            subject_id=intent.subject_id,
            correlation_id=intent.correlation_id,
            submitted_at=intent.submitted_at,
        )
        mark: Mark | None = None
        try:
            secret = self._secret(intent)
            storage = self._storages.open(sealed.open_location(intent.sealed_location), tenant.policy)
            mark = Mark(storage, self._clock, layout.request_info_path(intent.prefix), content, may_be_ours=not is_new)
            if is_new and layout.zip_path(intent.prefix):
                mark.try_pieces(layout.zip_path(intent.prefix))
            is_append = layout.is_at_root(intent.prefix) and isinstance(storage, Marking)
            is_ours = mark.append(intent.operation_id) if is_append else mark.put()
        except StorageError as error:
            if isinstance(error, StorageUnavailable) and self._is_stopping:
                raise Stopping("the service stops") from error
            if mark is not None and mark.may_be_ours and self._is_kept(intent, error, is_new=is_new):
                # The container may be marked now, for this intent: the next equal request, or the next start, takes it up.
                raise Throttled("the storage location did not answer", retry_after_s=_BUSY_RETRY_S, hint="submit again") from error
            self._store.drop(intent.operation_id)
            if isinstance(error, StorageUnavailable) and not error.was_asked:
                raise no_thread() from error
            raise probe_error(error, tenant.policy) from error
        except Exception:
            self._store.drop(intent.operation_id)
            raise
        if not is_ours:
            self._store.drop(intent.operation_id)
            raise _already_used()
        entry = Entry(
            operation_id=intent.operation_id,
            source_name=PACKAGE,
            partition=0,
            number=0,
            state=EntryState.DONE,
            sha256=hashlib.sha256(mark.content).hexdigest(),
            size_bytes=len(mark.content),
            sealed=sealed.entry(
                EntryRecord(
                    key=request_info.PATH,
                    path=request_info.PATH,
                    content=mark.content if layout.zip_path(intent.prefix) else b"",
                    secret=secret,
                    shown_by=sealed.new_shown_by(intent.subject_id),
                    sealing=sealing_of(intent),
                )
            ),
        )
        reads = [NewRead(source_name=source.name) for source in tenant.config.sources]
        operation = self._store.promote(intent.operation_id, reads, [entry], approval=self._approvals.wish(intent, tenant))
        if operation is None:  # somebody was faster
            raise Throttled("the request could not be kept", retry_after_s=1)
        return operation

    def _secret(self, intent: Intent) -> bytes:
        """Return the operation's secret, a new one; for a difference the earlier package's, so that the same has the same hash."""
        if intent.since is None:
            return os.urandom(SECRET_BYTES)
        kept = self._fingerprints.kept(intent.tenant_id, intent.since)
        if kept is None:
            raise not_kept()
        return kept.secret

    def _is_kept(self, intent: Intent, error: StorageError, *, is_new: bool) -> bool:
        """Whether an intent that may have marked its container is to be tried again; with a prefix of its own no mark is in the way."""
        is_young = (self._clock.now() - intent.submitted_at).total_seconds() < _KEPT_S
        return layout.is_at_root(intent.prefix) and is_young and (is_new or isinstance(error, StorageUnavailable))


def _check_same(operation: DataPolicyOperation, request: SubmitRequest, received_at: datetime | None) -> None:
    """Refuse what the package of the operation which the request repeats won't be: the difference to another one, in another language."""
    if parse_since(request.since) != operation.since or (request.since is not None and operation.since is None):
        raise Conflict(
            "the export that this request repeats was submitted with another since, or without one",
            hint=f"wait for its end, or cancel that export, then {SUBMIT_AGAIN}",
        )
    if received_at is not None and received_at != operation.received_at:
        raise Conflict(
            "the export that this request repeats was submitted with another receivedDateTime, or without one",
            hint=f"leave it out, or cancel that export and {SUBMIT_AGAIN}",
        )
    if request.language and request.language != operation.language:
        raise Conflict(
            "the export that this request repeats was submitted with another language",
            hint=f"leave language out, or cancel that export and {SUBMIT_AGAIN}",
        )


def _already_used() -> InvalidRequest:
    return InvalidRequest(
        "the storage location has been used for an export before",
        code="StorageLocationAlreadyUsed",
        hint="give a container that has no RequestInfo.json",
        target="storageLocation",
    )
