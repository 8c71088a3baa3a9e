"""Runs a claimed set of reads: one pass over a source for all the subjects that wait for it."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from functools import partial

from rightful import traces
from rightful.clock import Clock
from rightful.config.model import ExportSettings, SourceConfig
from rightful.connectors.interface import Connector, Partition
from rightful.errors import ExportError, OperationError, SourceUnavailable, StorageError
from rightful.export import zipping
from rightful.export.calls import Calls
from rightful.export.cancelling import Leashes, leashed
from rightful.export.estimating import Estimator
from rightful.export.fingerprints import Fingerprints
from rightful.export.first_entries import FirstEntries
from rightful.export.identities import Identities
from rightful.export.moments import Moments, Share
from rightful.export.outbox import Outbox
from rightful.export.pace import Pace
from rightful.export.recipients import sealed_for
from rightful.export.records import Sealed, SealedPlans
from rightful.export.runtime import TenantRuntime
from rightful.export.set_read import SetRead, connector_fault
from rightful.export.side_by_side import SideBySide
from rightful.export.stopping import Stopping
from rightful.export.subject_read import SubjectRead
from rightful.export.trouble import Trouble, failure_of
from rightful.export.watch import Unwatched, Watch
from rightful.ids import OperationId
from rightful.operation.model import SUBMIT_AGAIN, Failure
from rightful.package.viewer.shards import call_of
from rightful.sealing import Sealer
from rightful.storage.registry import Storages
from rightful.store.interface import Store
from rightful.store.values import ClaimedOperation, ClaimedRead, Entry, ReadSet, StoreFault

_MIB = 1 << 20
_GROUP_BYTES = 8 * _MIB
_FEW = 4
"""Operations in a set whose progress is worth an estimate of its own: a large set is many small ones."""
_LATER_S = 5.0
"""When a read is tried again whose turn it was not."""
_WORTH_AN_ESTIMATE = 5_000
"""Rows below which a read is over before anybody could look at its progress."""


class ReadRunner:
    """Runs sets of reads; several side by side, each in a thread of its own."""

    def __init__(
        self,
        *,
        store: Store,
        storages: Storages,
        sealer: Sealer,
        clock: Clock,
        identities: Identities,
        trouble: Trouble,
        pace: Pace,
        moments: Moments,
        estimator: Estimator,
        fingerprints: Fingerprints,
        leashes: Leashes,
        calls: Calls,
        owner: str,
        side_by_side: SideBySide,
        stopping: threading.Event,
    ) -> None:
        self._store = store
        self._storages = storages
        self._sealer = sealer
        self._clock = clock
        self._identities = identities
        self._trouble = trouble
        self._pace = pace
        self._moments = moments
        self._estimator = estimator
        self._fingerprints = fingerprints
        self._leashes = leashes
        self._calls = calls
        self._owner = owner
        self._side_by_side = side_by_side
        self._stopping = stopping
        self._making = threading.Lock()
        self._watches: Callable[[SourceConfig, TenantRuntime, Sequence[SubjectRead]], Watch] | None = None

    def run(self, claim: ReadSet, tenant: TenantRuntime) -> None:
        """Read for every operation of the set; what goes wrong is put down, nothing is raised but `Stopping` and `StoreFault`."""
        settings = tenant.config.export
        states: list[SubjectRead] = []
        alive: list[SubjectRead] = []
        shares: list[Share] = []
        partition = Partition(number=0)
        with self._giving_back(claim, states, settings):
            source, connector = tenant.source(claim.source_name)
            states += self._open(claim, source, tenant)
            for state in states if len(states) <= _FEW else ():
                self._estimator.ask(state.operation.operation_id, state.subject, tenant)
            if states:
                partition = self._partition(claim, states, connector)
            alive = [state for state in states if state.is_alive]
            if alive:
                shares = self._moments.share([state.operation for state in alive], claim.source_name, tenant)
        try:
            while shares:
                share = shares.pop(0)
                some = [alive[number] for number in share.numbers]
                with self._giving_back(claim, some, settings):
                    self._run_share(claim, share, some, partition, tenant)
        finally:
            for unread in shares:
                self._moments.give_back(unread, (), claim.source_name)

    def _run_share(self, claim: ReadSet, share: Share, states: Sequence[SubjectRead], partition: Partition, tenant: TenantRuntime) -> None:
        """Read at the moment that these reads are of, when it is their turn."""
        done: list[OperationId] = []
        try:
            with share.held.turn() if share.held is not None else nullcontext(not share.is_later) as is_ours:
                if is_ours:
                    self._read(claim, share, states, partition, tenant)
                    done += [state.operation.operation_id for state in states if state.is_alive]
                else:
                    at = self._clock.now() + timedelta(seconds=_LATER_S)
                    self._store.retry([state.read for state in states], owner=self._owner, at=at, is_failure=False)
        finally:
            self._moments.give_back(share, done, claim.source_name)

    def _read(self, claim: ReadSet, share: Share, states: Sequence[SubjectRead], partition: Partition, tenant: TenantRuntime) -> None:
        source, connector = tenant.source(claim.source_name)
        settings = tenant.config.export
        before = _put(states)
        began_s = self._clock.monotonic()
        SetRead(
            source,
            connector,
            partition,
            states,
            outbox=Outbox(
                self._store,
                self._trouble,
                settings,
                clock=self._clock,
                owner=self._owner,
                group_bytes=_GROUP_BYTES,
                side_by_side=self._side_by_side,
            ),
            settings=settings,
            clock=self._clock,
            pause=self._raise_if_stopping,
            share=share,
            watch=self._watch(source, tenant, states),
        ).run()
        (files, size_bytes), seconds = _put(states), self._clock.monotonic() - began_s
        name = (claim.tenant_id, claim.source_name)
        self._pace.note(name, size_bytes=size_bytes - before[1], files=files - before[0], seconds=seconds)

    def _watch(self, source: SourceConfig, tenant: TenantRuntime, states: Sequence[SubjectRead]) -> Watch:
        if tenant.config.export.leak_check == "off":
            return Unwatched(states)
        with self._making:
            if self._watches is None:
                from rightful.export.leak_check import Watches  # noqa: PLC0415 - with polars, which takes 0.2 to 0.5 s to import

                self._watches = Watches(self._clock)
        return self._watches(source, tenant, states)

    @contextmanager
    def _giving_back(self, claim: ReadSet, states: Sequence[SubjectRead], settings: ExportSettings) -> Iterator[None]:
        """Give these reads back where something goes wrong with them, those of the whole claim where there are none yet."""
        try:
            yield
        except (Stopping, StoreFault, KeyboardInterrupt, SystemExit):
            raise
        except SourceUnavailable as error:
            self._raise_if_stopping()  # it was interrupted: no attempt of the read's
            self._give_back(claim, states, error, settings)
        except BaseException as error:  # noqa: BLE001 - a connector may be anybody's code, and a panic in Rust is no Exception
            self._give_back(claim, states, error, settings)

    def _give_back(self, claim: ReadSet, states: Sequence[SubjectRead], error: BaseException, settings: ExportSettings) -> None:
        pairs: list[tuple[ClaimedOperation, ClaimedRead]] = [(state.operation, state.read) for state in states if state.is_alive]
        if not states:
            pairs = list(zip(claim.operations, claim.reads, strict=True))
        is_shared = len(states or claim.reads) > 1  # those too that were lost or given up before
        self._trouble.source([operation for operation, _ in pairs], [read for _, read in pairs], error, settings, is_shared=is_shared)

    def _open(self, claim: ReadSet, source: SourceConfig, tenant: TenantRuntime) -> list[SubjectRead]:
        """Find the subjects and open the storage locations; operations for which that fails are dealt with and left out."""
        states: list[SubjectRead] = []
        hashes = "hash" in source.redact.values()
        settings = SealedPlans(self._sealer, claim.tenant_id).under(source)
        bases = self._fingerprints.bases()
        first = FirstEntries(self._store, [operation.operation_id for operation in claim.operations])
        subjects = self._identities.of(claim.operations, tenant.directory)
        for operation, read, subject in zip(claim.operations, claim.reads, subjects, strict=True):
            sealed = Sealed(self._sealer, operation.tenant_id, operation.operation_id)
            if subject is None:
                self._trouble.fail(operation, _GONE, read)
                continue
            try:
                opened = self._storages.open(sealed.open_location(operation.sealed_location), tenant.policy)
                leash = self._leashes.of(operation.operation_id)
                location = leashed(opened, leash)
                packed = zipping.opened(location, operation.prefix, self._clock)
                storage = sealed_for(operation, packed, partial(first.of, operation.operation_id), sealed)
                is_followed = operation.since is not None or tenant.config.export.compare_days > 0
                secret = _secret(first.of(operation.operation_id), sealed) if hashes or is_followed else b""
                tracker = self._fingerprints.tracker(operation, read, secret, bases) if is_followed else None
            except StorageError as error:
                self._trouble.storage_of_read(operation, read, error, tenant.config.export)
                continue
            except ExportError as error:
                self._trouble.fail(operation, failure_of(error), read)
                continue
            known = self._store.entries(operation.operation_id, read.source_name, read.partition) if read.attempt > 1 else ()
            states.append(
                SubjectRead(
                    operation=operation,
                    read=read,
                    subject=subject,
                    storage=storage,
                    sealed=sealed,
                    entries=known,
                    secret=secret,
                    call=partial(self._call, operation.operation_id, sealed, first),
                    tracker=tracker,
                    leash=leash,
                    settings=settings,
                )
            )
        return states

    def _call(self, operation_id: OperationId, sealed: Sealed, first: FirstEntries) -> str:
        return self._calls.of(operation_id, lambda: call_of(sealed.shown_by(first.of(operation_id))))

    def _partition(self, claim: ReadSet, states: list[SubjectRead], connector: Connector) -> Partition:
        """Return the partition to read; the first read of a source plans it and makes reads of the other partitions."""
        plans = SealedPlans(self._sealer, claim.tenant_id)
        if claim.reads[0].spec_digest:
            return plans.partition(claim.reads[0])
        with traces.plan():
            partitions = connector.plan([state.subject for state in states])
        if not partitions:
            raise connector_fault(claim.source_name, "planned no partition")
        first = partitions[0]
        if len(partitions) > 1 or (first.rows or 0) >= _WORTH_AN_ESTIMATE or (first.size_bytes or 0) >= _MIB:
            reads = [plans.read(claim.source_name, each) for each in partitions]
            lost = self._store.split([state.read for state in states], reads, owner=self._owner)
            for state in states:
                state.is_alive = state.operation.operation_id not in lost
        return first

    def _raise_if_stopping(self) -> None:
        if self._stopping.is_set():
            raise Stopping("the service stops")


def _secret(first: Sequence[Entry], sealed: Sealed) -> bytes:
    """Return the secret of an operation, which its package's hashes and fingerprints are made with."""
    secret = sealed.secret(first)
    if not secret:
        raise OperationError("the operation was accepted by a version that could not hash", code="CheckpointLost", hint=SUBMIT_AGAIN)
    return secret


def _put(states: Sequence[SubjectRead]) -> tuple[int, int]:
    """Return how many files and bytes were put for reads."""
    return sum(state.files for state in states), sum(state.size_bytes for state in states)


_GONE = Failure(code="SubjectGone", message=f"the subject is no longer in the directory; where that is wrong, {SUBMIT_AGAIN}")
