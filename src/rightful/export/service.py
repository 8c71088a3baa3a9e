"""The service: what the surfaces may ask (`export.interface`)."""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait

import structlog

from rightful.audit.record import NOBODY, REPEATED, Action, Actor, Target
from rightful.clock import Clock
from rightful.config.model import Config
from rightful.engines.interface import Engine
from rightful.engines.pressure import Pressure
from rightful.errors import Conflict, InvalidRequest, NotFound
from rightful.export.approval import Approvals
from rightful.export.audit_trail import AuditTrail
from rightful.export.cancelling import Remover
from rightful.export.deadlines import Deadlines, DeadlineWatch
from rightful.export.interface import Note, SubmitRequest, Unready
from rightful.export.preview import Preview, preview
from rightful.export.readiness import Readiness
from rightful.export.records import Sealed
from rightful.export.runtime import TenantRuntime
from rightful.export.submit import LEAST_VALID_S, Submitter
from rightful.export.work import Work
from rightful.faults import describe
from rightful.identity.model import Caller
from rightful.ids import OperationId, TenantId
from rightful.meters import Meters
from rightful.operation.model import SUBMIT_AGAIN, DataPolicyOperation, Failure
from rightful.sealing import Sealer
from rightful.storage.location import parse_location
from rightful.storage.registry import Storages
from rightful.store.interface import Store
from rightful.store.values import Intent, ListQuery
from rightful.subject.model import DataSubject, SubjectKind
from rightful.traces import Traces

_log = structlog.get_logger(__name__)

_SETTLERS = 8
_SETTLE_S = 5.0
"""How long a start waits for the storage locations of requests that a stop cut short."""

_CANCELLED = Failure(code="cancelled", message="the operation was cancelled")


class Service:
    """Answers the surfaces; see `export.interface.Exports` for what each method promises."""

    def __init__(
        self,
        *,
        config: Config,
        tenants: Mapping[TenantId, TenantRuntime],
        store: Store,
        storages: Storages,
        engine: Engine,
        work: Work,
        trail: AuditTrail,
        clock: Clock,
        meters: Meters | None = None,
        traces: Traces | None = None,
        pressure: Pressure | None = None,
    ) -> None:
        self._pressure = pressure or Pressure(clock.monotonic)
        self._traces = traces or Traces()
        self._tenants = tenants
        self._store = store
        self._storages = storages
        self._engine = engine
        self._work = work
        self._clock = clock
        self._sealer = Sealer(config.seal_key)
        self._settling = ThreadPoolExecutor(_SETTLERS, thread_name_prefix="settle")
        self.remover = Remover(store, storages, self._sealer, tenants)
        """Deletes what cancelled operations had written; ended with the service."""
        self._readiness = Readiness(store, engine, clock)
        self._trail = trail
        self._approvals = Approvals(store, self._sealer, clock)
        self._deadlines = Deadlines({tenant_id: tenant.config for tenant_id, tenant in tenants.items()}, store, clock)
        self.watch = DeadlineWatch(self._deadlines, clock, meters or Meters())
        """Has to be started."""
        self._submitter = Submitter(
            store=store,
            storages=storages,
            sealer=self._sealer,
            clock=clock,
            trail=self._trail,
            approvals=self._approvals,
            fingerprints=work.fingerprints,
            deadlines=self._deadlines,
        )

    def start(self) -> None:
        """Settle intents that a stop left behind, then begin to work; work left by an earlier run goes on.

        Intents whose storage locations don't answer at once are settled while the service works; equal requests wait for them.
        """
        settled = [self._settling.submit(self._settle, intent) for intent in self._store.intents()]
        wait(settled, timeout=_SETTLE_S)
        self._approvals.end_changed(self._tenants)
        self._engine.start()

    def _settle(self, intent: Intent) -> None:
        try:
            tenant = self._tenants.get(intent.tenant_id)
            if tenant is None:
                self._store.drop(intent.operation_id)
            else:
                self._submitter.settle(intent, tenant)
        except Exception as error:  # noqa: BLE001 - the intent stays, for the next equal request or the next start
            _log.error("a request that was never answered could not be settled", operation_id=intent.operation_id, error=describe(error))
            return
        if self._store.get(intent.tenant_id, intent.operation_id) is None:
            _log.warning("a request that was never answered is dropped", operation_id=intent.operation_id)

    def stop(self) -> None:
        """Let what runs come to its next checkpoint, then release everything.

        Who still waits for a silent storage location, to submit or to settle, waits no longer: its intent is settled at the next start.
        """
        self._readiness.stop()
        self.watch.stop()
        self._settling.shutdown(wait=False, cancel_futures=True)
        self._submitter.stop()
        self._work.stop()
        self._engine.stop()
        self._work.estimator.join()
        self.remover.stop()
        self._storages.close()
        self.remover.stop()  # what it still waited for is cut off
        self.settle_no_more()
        for tenant in self._tenants.values():
            tenant.close()
        self._trail.stop()
        self._store.close()

    def settle_no_more(self) -> None:
        """Return when none of the intents that a stop left behind is being settled any more, nor will be until the next start."""
        self._settling.shutdown()

    def unready(self) -> Unready | None:
        """Say why no work can be taken now."""
        return self._readiness.unready()

    def find_user(self, tenant_id: TenantId, key: str) -> DataSubject | None:
        """Find a user by object id or user principal name."""
        return self._tenants[tenant_id].directory.find_user(key)

    def find_inbound_profile(self, tenant_id: TenantId, user_id: str) -> DataSubject | None:
        """Find an inbound shared user profile."""
        return self._tenants[tenant_id].directory.find_inbound_profile(user_id)

    def list_inbound_profiles(self, tenant_id: TenantId) -> tuple[DataSubject, ...]:
        """Return all inbound shared user profiles of a tenant."""
        return self._tenants[tenant_id].directory.list_inbound_profiles()

    def submit(self, request: SubmitRequest) -> DataPolicyOperation:
        """Accept an export."""
        began_s = time.perf_counter()
        operation, has_work = self._submitter.submit(request, self._tenants[request.subject.tenant_id])
        if has_work:
            self._pressure.note()
            elapsed_s = time.perf_counter() - began_s
            self._traces.submitted(operation.operation_id, operation.tenant_id, elapsed_s=elapsed_s, place=request.place)
            self._engine.submit(operation.operation_id)
        return operation

    def preview(self, subject: DataSubject) -> Preview:
        """Look at what an export would find."""
        return preview(subject, self._tenants[subject.tenant_id], self._work.pace)

    def get(self, tenant_id: TenantId, operation_id: OperationId, visible: frozenset[SubjectKind]) -> DataPolicyOperation | None:
        """Return an operation that this caller may see."""
        operation = self._store.get(tenant_id, operation_id)
        return self._deadlines.told(operation) if operation is not None and operation.subject_kind in visible else None

    def list(self, query: ListQuery) -> tuple[DataPolicyOperation, ...]:
        """Return operations without their sources."""
        return tuple(map(self._deadlines.told, self._store.list(query)))

    def count(self, query: ListQuery) -> int:
        """Count operations."""
        return self._store.count(query)

    def cancel(self, tenant_id: TenantId, operation_id: OperationId, by: Actor = NOBODY) -> None:
        """End an operation as cancelled."""
        if self._store.get(tenant_id, operation_id) is None:
            raise _unknown()
        written = self.remover.look(operation_id)
        if not self._store.fail(operation_id, _CANCELLED, by=by):
            raise Conflict("the operation has ended", hint="only an operation that has not ended can be cancelled")
        delay = self._engine.cancel(operation_id)
        leash = self._work.cancel(operation_id) or delay
        if written is not None:
            self.remover.remove(written, leash)

    def resume(
        self, tenant_id: TenantId, operation_id: OperationId, storage_location: str | None, by: Actor = NOBODY
    ) -> DataPolicyOperation:
        """Lead a failed or waiting operation back to running."""
        operation = self._store.get(tenant_id, operation_id)
        if operation is None:
            raise _unknown()
        tenant = self._tenants[tenant_id]
        self._approvals.check_resume(operation, tenant)
        named = operation.storage_location if operation.storage_location in tenant.policy.accounts else None
        location = parse_location(storage_location or named, tenant.policy, now=self._clock.now(), needed_s=LEAST_VALID_S)
        if location.display != operation.storage_location:
            raise InvalidRequest(
                "the storage location names another container than the operation began with",
                code="StorageLocationInvalid",
                hint="give a SAS URL of the same container",
                target="storageLocation",
            )
        sealed = Sealed(self._sealer, tenant_id, operation_id).location(location.text)
        resumed = self._store.resume(tenant_id, operation_id, sealed_location=sealed, by=by)
        if resumed is None:
            raise Conflict(
                "the operation is neither failed nor waiting, a newer one of the same request has not ended,"
                " or what it had written was deleted when it was cancelled",
                hint=f"look at its status; a complete operation needs no resume. Else {SUBMIT_AGAIN}",
            )
        self._engine.submit(operation_id)
        return resumed

    def decide(self, caller: Caller, operation_id: OperationId, *, is_approved: bool, by: Actor = NOBODY) -> DataPolicyOperation:
        """Approve an operation that waits for a second administrator, or reject it."""
        operation = self._store.get(caller.tenant_id, operation_id)
        if operation is None:
            raise _unknown()
        decided = self._approvals.decide(operation, caller, self._tenants[caller.tenant_id], is_approved=is_approved, by=by)
        if decided is operation:  # said before: the store has nothing to record it with
            self._trail.note(
                Note(
                    actor=by,
                    tenant_id=operation.tenant_id,
                    action=Action.APPROVE if is_approved else Action.REJECT,
                    outcome=REPEATED,
                    target=Target.OPERATION,
                    target_id=operation_id,
                    subject_id=operation.subject_id,
                )
            )
        if is_approved:
            self._engine.submit(operation_id)
        return decided

    def extend(self, tenant_id: TenantId, operation_id: OperationId, reason: str, by: Actor = NOBODY) -> DataPolicyOperation:
        """Extend the time to answer a request."""
        operation = self._store.get(tenant_id, operation_id)
        if operation is None:
            raise _unknown()
        extended = self._store.extend(tenant_id, operation_id, self._deadlines.extension(operation, reason), by)
        if extended is None:
            raise Conflict("the operation is complete, or its time was extended before", hint="`rightful requests show` says which")
        return self._deadlines.told(extended)

    def forget(self, tenant_id: TenantId, operation_id: OperationId, by: Actor = NOBODY) -> None:
        """Erase what is kept of an operation to compare later ones with."""
        if self._store.get(tenant_id, operation_id) is None:
            raise _unknown()
        if self._store.forget_fingerprints(tenant_id, operation_id, by) is False:
            raise Conflict("an export that has not ended is compared with this one", hint="wait for its end, or cancel it")
        self._work.keeper.wake()

    def note(self, note: Note) -> None:
        """Record what a caller looked at or was refused."""
        self._trail.note(note)

    def note_unauthenticated(self, address: str, code: str) -> None:
        """Count a call that proved no caller."""
        self._trail.count_unauthenticated(address, code)


def _unknown() -> NotFound:
    return NotFound("there is no such operation")
