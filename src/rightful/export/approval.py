"""Four eyes: where a tenant asks for it, no source is read before a second administrator has approved the export.

What is approved is a digest over the subject, the container and the sources (with the directory, which says by which identifiers they are
searched), as they were configured when the export was submitted. Where any of it is another one later, the approval counts for nothing:
at the start of the service, which alone reads the configuration, such operations end and have to be submitted anew.
"""

from collections.abc import Mapping
from datetime import timedelta

import msgspec
import structlog

from rightful.audit.record import NOBODY, Actor
from rightful.clock import Clock
from rightful.errors import Conflict, Forbidden
from rightful.export.runtime import TenantRuntime
from rightful.identity import permissions
from rightful.identity.model import Caller
from rightful.ids import TenantId
from rightful.operation.model import SUBMIT_AGAIN, ApprovalState, DataPolicyOperation, Failure, OperationStatus
from rightful.sealing import Sealer
from rightful.storage.location import account_url
from rightful.store.interface import Store
from rightful.store.values import BoundOperation, Intent, NewApproval

_log = structlog.get_logger(__name__)

_REJECTED = Failure(code="rejected", message="a second administrator rejected the export")
_CHANGED = Failure(
    code="requestChanged",
    message=f"the tenant's sources, directory or storage account changed since the export was submitted; {SUBMIT_AGAIN}",
)
_AGAIN = f"{SUBMIT_AGAIN}, and have it approved"


class Approvals:
    """Decides what needs an approval, and whether one counts."""

    def __init__(self, store: Store, sealer: Sealer, clock: Clock) -> None:
        self._store = store
        self._sealer = sealer
        self._clock = clock

    def wish(self, intent: Intent, tenant: TenantRuntime) -> NewApproval | None:
        """Return the approval that an operation needs, None where it needs none."""
        settings = tenant.config.export
        if settings.approval != "required":
            return None
        until = self._clock.now() + timedelta(hours=settings.approval_h)
        message = f"a second administrator must approve the export, until {until:%Y-%m-%dT%H:%M:%SZ}"
        return NewApproval(digest=self._digest(intent, tenant), until=until, waiting_for=Failure(code="approvalRequired", message=message))

    def end_changed(self, tenants: Mapping[TenantId, TenantRuntime]) -> None:
        """End the operations whose approval, wished for or given, is for something else than what they would do now."""
        for bound in self._store.bound():
            tenant = tenants.get(bound.tenant_id)
            if tenant is not None and not self._is_same(bound, bound.digest, tenant) and self._store.fail(bound.operation_id, _CHANGED):
                _log.warning("operation failed", operation_id=bound.operation_id, code=_CHANGED.code)

    def decide(
        self, operation: DataPolicyOperation, caller: Caller, tenant: TenantRuntime, *, is_approved: bool, by: Actor = NOBODY
    ) -> DataPolicyOperation:
        """Let a second administrator approve or reject; saying the same again changes nothing but the audit trail.

        Raises:
            Forbidden: the caller is no person, or who asked for the export.
            Conflict: the operation waits for no approval (any more).
        """
        if not permissions.may_decide(caller, requester_key=operation.caller_key, is_by_application=operation.is_by_application):
            raise Forbidden(
                "Insufficient privileges to complete the operation",
                hint="approving and rejecting takes a person's token, of somebody else than who asked for the export",
            )
        approval = operation.approval
        wanted = (ApprovalState.GIVEN, False) if is_approved else (ApprovalState.NOT_GIVEN, True)
        is_failed = operation.status is OperationStatus.FAILED
        if approval is not None and approval.decided_by == caller.key and (approval.state, is_failed) == wanted:
            return operation
        if approval is None or approval.state is not ApprovalState.WAITING:
            raise _not_waiting()
        if not self._is_same(operation, approval.digest, tenant):
            self._store.fail(operation.operation_id, _CHANGED)
            raise Conflict("the operation is not what was submitted any more", hint=_AGAIN)
        refusal = None if is_approved else _REJECTED
        decided = self._store.decide(operation.tenant_id, operation.operation_id, decider_key=caller.key, refusal=refusal, by=by)
        if decided is None:
            raise _not_waiting()
        return decided

    def check_resume(self, operation: DataPolicyOperation, tenant: TenantRuntime) -> None:
        """Refuse to lead an operation on that was not approved as it would run now; one that still waits may be given a new location."""
        approval = operation.approval
        if approval is None and tenant.config.export.approval != "required":
            return
        if approval is None or approval.state is ApprovalState.NOT_GIVEN or not self._is_same(operation, approval.digest, tenant):
            raise Conflict("the operation has no approval that counts for what it would do now", hint=_AGAIN)

    def _is_same(self, bound: BoundOperation | DataPolicyOperation, digest: str, tenant: TenantRuntime) -> bool:
        return tenant.config.export.approval != "required" or self._digest(bound, tenant) == digest

    def _digest(self, bound: Intent | BoundOperation | DataPolicyOperation, tenant: TenantRuntime) -> str:
        config, key = tenant.config, bound.container_key
        place = (key, account_url(key, tenant.policy))
        what = (bound.subject_kind, bound.subject_id, place, _given(config.directory), _given(config.sources))
        # Keyed: settings hold passwords.
        return self._sealer.digest(b"approval" + msgspec.json.encode(what, enc_hook=str, order="deterministic"))


def _given(value: object) -> object:
    """Return settings without those at their defaults: a version that brings new ones changes nothing that was approved."""
    if isinstance(value, msgspec.Struct):
        found = ((field, getattr(value, field.name)) for field in msgspec.structs.fields(value))
        return {field.name: _given(each) for field, each in found if each != _default(field)}
    if isinstance(value, Mapping):
        return {key: _given(each) for key, each in value.items()}
    return [_given(each) for each in value] if isinstance(value, list | tuple) else value


def _default(field: msgspec.structs.FieldInfo) -> object:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _not_waiting() -> Conflict:
    return Conflict(
        "the operation waits for no approval", hint="look at its status: it may have been decided, cancelled or ended meanwhile"
    )
