"""What every engine promises, of the one in this process and of the one on many machines."""

import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import msgspec
import pytest
from structlog.testing import capture_logs
from tests.unit.engines.world import OWNER, PATIENCE_S, do

from rightful import __version__
from rightful.age import message
from rightful.engines.distributed import DistributedEngine
from rightful.engines.embedded import EmbeddedEngine
from rightful.engines.interface import Engine
from rightful.engines.task import End, Outcome, Task, unseal
from rightful.faults import describe
from rightful.operation.model import OperationStatus
from rightful.store.sqlite import SqliteStore
from rightful.store.values import FinishSet, ReadSet, StoreFault
from rightful.testing.clock import ManualClock
from rightful.testing.memory_cluster import MemoryCluster
from rightful.testing.store_cases import OTHER_TENANT, TENANT, accept

Work = Callable[[ReadSet | FinishSet], None]


class Make(Protocol):
    def __call__(self, work: Work, *, tenants: int = 1) -> Engine: ...


def task(claim: ReadSet | FinishSet | None) -> Task:
    return Task(
        version=__version__,
        owner=OWNER,
        term=1,
        config=b"",
        reads=claim if isinstance(claim, ReadSet) else None,
        finish=claim if isinstance(claim, FinishSet) else None,
    )


def on_cluster(store: SqliteStore, work: Work, clock: ManualClock, **more: Any) -> Engine:
    cluster, identity = MemoryCluster(), message.new_identity()

    def deal(sealed: bytes) -> bytes:
        claim = unseal(sealed, identity).claim
        try:
            if claim is not None:
                work(claim)
        except BaseException as error:  # noqa: BLE001 - as a worker does
            return msgspec.msgpack.encode(Outcome(end=End.FAULT, detail=describe(error)))
        return msgspec.msgpack.encode(Outcome(end=End.DONE))

    engine = DistributedEngine(store, cluster, task, owner=OWNER, clock=clock, **more)
    cluster.join(deal, recipient=identity.recipient, threads=2)
    cluster.join(deal, recipient=identity.recipient, threads=4)
    return engine


@pytest.fixture(params=["embedded", "distributed"])
def make(request: pytest.FixtureRequest, store: SqliteStore, clock: ManualClock) -> Iterator[Make]:
    made: list[Engine] = []

    def make(work: Work, *, tenants: int = 1) -> Engine:
        if request.param == "embedded":
            made.append(EmbeddedEngine(store, work, owner=OWNER, clock=clock, tenants=tenants))
        else:
            made.append(on_cluster(store, work, clock, tenants=tenants))
        return made[-1]

    yield make
    for engine in made:
        engine.stop()


class _Panic(BaseException):
    pass


@pytest.mark.parametrize("error", [ValueError("ann"), StoreFault("the disk is full"), _Panic("ann")], ids=repr)
@pytest.mark.parametrize("kind", [ReadSet, FinishSet])
def test_work_that_breaks_off_is_given_back_and_done_again(
    make: Make, store: SqliteStore, error: BaseException, kind: type[ReadSet | FinishSet]
) -> None:
    operation_id = accept(store, 1, "a")
    broken: list[ReadSet | FinishSet] = []
    complete = threading.Event()

    def work(claim: ReadSet | FinishSet) -> None:
        if isinstance(claim, kind) and not broken:
            broken.append(claim)
            raise error
        do(store, claim)
        if isinstance(claim, FinishSet):
            complete.set()

    with capture_logs() as logs:
        engine = make(work)
        engine.start()
        assert complete.wait(PATIENCE_S)
        engine.stop()
    operation = store.get(TENANT, operation_id)
    assert operation is not None
    assert operation.status is OperationStatus.COMPLETE
    if isinstance(engine, EmbeddedEngine):
        assert any("unforeseen error" in str(entry["event"]) and "test_both.py" in str(entry) for entry in logs)
    assert "ann" not in str(logs)


def test_tenant_whose_systems_hang_does_not_keep_another_waiting(make: Make, store: SqliteStore) -> None:
    for number in range(12):
        accept(store, number, f"source-{number}")  # sets of their own: each would take a thread
    other = accept(store, 99, "b", tenant_id=OTHER_TENANT)
    hanging, complete = threading.Event(), threading.Event()

    def work(claim: ReadSet | FinishSet) -> None:
        if claim.tenant_id == TENANT:
            assert hanging.wait(PATIENCE_S)
        do(store, claim)
        if claim.tenant_id == OTHER_TENANT and isinstance(claim, FinishSet):
            hanging.set()
            complete.set()

    make(work, tenants=2).start()
    assert complete.wait(PATIENCE_S)
    operation = store.get(OTHER_TENANT, other)
    assert operation is not None
    assert operation.status is OperationStatus.COMPLETE


def test_stop_gives_leases_back(make: Make, store: SqliteStore) -> None:
    accept(store, 1, "a")
    claimed = threading.Event()
    engine = make(lambda _claim: claimed.set())
    engine.start()
    assert claimed.wait(PATIENCE_S)
    engine.stop()
    again = store.claim("another", lease_s=60, limit=10)
    assert isinstance(again, ReadSet)
    assert again.reads[0].attempt == 2 if isinstance(engine, EmbeddedEngine) else again.reads[0].attempt >= 2


def test_leases_of_an_earlier_run_are_ended_at_start(make: Make, store: SqliteStore) -> None:
    accept(store, 1, "a")
    assert store.claim("earlier", lease_s=6000, limit=10) is not None
    complete = threading.Event()

    def work(claim: ReadSet | FinishSet) -> None:
        do(store, claim)
        if isinstance(claim, FinishSet):
            complete.set()

    make(work).start()
    assert complete.wait(PATIENCE_S)


def test_engine_is_alive_from_its_start_to_its_stop(make: Make, store: SqliteStore) -> None:
    engine = make(lambda claim: do(store, claim))
    assert not engine.is_alive()
    engine.start()
    waited = threading.Event()
    for _ in range(200):
        if engine.is_alive():
            break
        waited.wait(0.05)
    assert engine.is_alive()
    engine.stop()
    assert not engine.is_alive()


def test_map_gives_results_in_the_order_of_the_values(make: Make) -> None:
    assert list(make(lambda _claim: None).map(abs, [-3, 2, -1])) == [3, 2, 1]
