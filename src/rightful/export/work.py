"""The work that an engine does for the service: claimed reads, and packages to finish."""

import threading
from collections.abc import Mapping, Sequence

import structlog

from rightful.clock import Clock
from rightful.config.model import Config
from rightful.export.calls import Calls
from rightful.export.cancelling import Leashes
from rightful.export.estimating import Estimator
from rightful.export.fingerprints import Fingerprints
from rightful.export.finish import Finisher
from rightful.export.identities import Identities
from rightful.export.keeping import Keeper
from rightful.export.moments import Moments
from rightful.export.pace import Pace
from rightful.export.receipts import receipt_key
from rightful.export.run import ReadRunner
from rightful.export.runtime import TenantRuntime
from rightful.export.side_by_side import SideBySide
from rightful.export.stopping import Stopping, StoppingClock
from rightful.export.trouble import Trouble
from rightful.ids import OperationId, TenantId
from rightful.leash import Leash
from rightful.operation.model import SUBMIT_AGAIN, Failure
from rightful.sealing import Sealer
from rightful.storage.registry import Storages
from rightful.store.fingerprint_folder import FingerprintFolder
from rightful.store.interface import Store
from rightful.store.values import ClaimedOperation, ClaimedRead, FinishSet, ReadSet
from rightful.traces import Step, Traces

_log = structlog.get_logger(__name__)

_PUTS = 16
"""How many requests of one claim wait for storage locations at the same time."""

_UNCONFIGURED = Failure(
    code="ConfigurationInvalid", message=f"the tenant is no longer in the configuration; put it back and resume, or {SUBMIT_AGAIN}"
)


class Work:
    """What the engine calls: runs claimed reads and finishes packages, of every tenant."""

    def __init__(
        self,
        *,
        config: Config,
        tenants: Mapping[TenantId, TenantRuntime],
        store: Store,
        storages: Storages,
        clock: Clock,
        owner: str,
        traces: Traces | None = None,
    ) -> None:
        self._traces = traces or Traces()
        sealer = Sealer(config.seal_key)
        self._moments = Moments(clock)
        self._calls = Calls()
        self._identities = Identities(also=self._forget)
        self.estimator = Estimator(store)
        """Has to be started."""
        self.pace = Pace()
        """What the reads of this process teach about how long the next ones take."""
        self._stopping = threading.Event()
        clock = StoppingClock(clock, self._stopping)
        self._tenants = tenants
        trouble = Trouble(store, clock, self._identities, owner)
        self._trouble = trouble
        side_by_side = SideBySide(_PUTS)
        folder = FingerprintFolder(config.store_path)
        self.fingerprints = Fingerprints(store, sealer, folder)
        self.keeper = Keeper(store, folder, tenants, clock)
        """Has to be started."""
        self._leashes = Leashes()
        self._reads = ReadRunner(
            store=store,
            storages=storages,
            sealer=sealer,
            clock=clock,
            identities=self._identities,
            trouble=trouble,
            pace=self.pace,
            estimator=self.estimator,
            moments=self._moments,
            fingerprints=self.fingerprints,
            leashes=self._leashes,
            calls=self._calls,
            owner=owner,
            side_by_side=side_by_side,
            stopping=self._stopping,
        )
        self._finisher = Finisher(
            store=store,
            storages=storages,
            sealer=sealer,
            clock=clock,
            identities=self._identities,
            trouble=trouble,
            fingerprints=self.fingerprints,
            leashes=self._leashes,
            owner=owner,
            side_by_side=side_by_side,
            keys={tenant.id: receipt_key(config, tenant) for tenant in config.tenants},
        )

    def _forget(self, operation_id: OperationId) -> None:
        self._moments.forget(operation_id)
        self._calls.forget(operation_id)

    def __call__(self, claim: ReadSet | FinishSet) -> None:
        """Deal with one claim."""
        try:
            self.deal(claim)
        except Stopping:
            _log.info("work is given back: the service stops")

    def deal(self, claim: ReadSet | FinishSet) -> None:
        """Deal with one claim; raises `Stopping` where it was stopped before it had."""
        tenant = self._tenants.get(claim.tenant_id)
        if tenant is None:
            claimed: Sequence[ClaimedRead | ClaimedOperation] = claim.reads if isinstance(claim, ReadSet) else claim.operations
            for operation, each in zip(claim.operations, claimed, strict=True):
                self._trouble.fail(operation, _UNCONFIGURED, each)
            return
        claim = self._trouble.without_deadly(claim)
        if not claim.operations:
            return
        if isinstance(claim, FinishSet):
            with self._traces.claimed("finish", _steps_of(claim), tenant_id=claim.tenant_id):
                self._finisher.run(claim, tenant)
        else:
            with self._traces.claimed("read", _steps_of(claim), tenant_id=claim.tenant_id, source=claim.source_name):
                self._reads.run(claim, tenant)

    def sending(self) -> frozenset[OperationId]:
        """Return the operations that something is sent for here."""
        return self._leashes.held()

    def held(self) -> frozenset[OperationId]:
        """Return those, and the operations that something is kept for."""
        return self.sending() | self._identities.held()

    def stop(self) -> None:
        """Let reads come to their next checkpoint; nothing waits for a storage location or an API any more."""
        self._stopping.set()
        self.estimator.stop()
        self.keeper.stop()
        self._moments.end()
        for tenant in self._tenants.values():
            tenant.interrupt()

    def cancel(self, operation_id: OperationId) -> Leash | None:
        """End at once what is being sent for an operation that was cancelled; returns who sends, until that has ended."""
        self.forget(operation_id)
        return self._leashes.pull(operation_id)

    def forget(self, operation_id: OperationId) -> None:
        """Drop what is kept of an operation that has ended."""
        self._identities.forget(operation_id)


def _steps_of(claim: ReadSet | FinishSet) -> list[Step]:
    if isinstance(claim, FinishSet):
        return [Step(operation_id=each.operation_id, attempt=each.attempt) for each in claim.operations]
    return [Step(operation_id=each.operation_id, attempt=each.attempt, partition=each.partition) for each in claim.reads]
