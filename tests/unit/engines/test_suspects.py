"""What kills every worker that comes to it ends as failed; what only ran beside it, or dies now and then, does not."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from tests.unit.engines.test_both import task
from tests.unit.engines.test_distributed import Worker, is_complete, until
from tests.unit.engines.world import OWNER, PATIENCE_S, do
from tests.unit.export.test_retaining import config

from rightful import distributing
from rightful.config.model import ExportSettings
from rightful.engines.distributed import DistributedEngine
from rightful.engines.suspects import LOST, Suspects
from rightful.ids import OperationId
from rightful.operation.model import Failure, OperationStatus
from rightful.store.sqlite import SqliteStore
from rightful.store.values import FinishSet, ReadSet
from rightful.testing.clock import ManualClock
from rightful.testing.memory_cluster import MemoryCluster
from rightful.testing.memory_store import MemoryStore
from rightful.testing.store_cases import START, TENANT, accept, claim_reads

ATTEMPTS = 3
Claim = ReadSet | FinishSet


class Mortals:
    """Workers that die of what a test says, with all that they do; another comes for each."""

    def __init__(self, store: SqliteStore, is_deadly: Callable[[Claim], bool], workers: int = 2) -> None:
        self.cluster = MemoryCluster()
        self.deaths: list[Claim] = []
        self._store = store
        self._is_deadly = is_deadly
        for _ in range(workers):
            self._join()

    def _join(self) -> None:
        worker: Worker

        def work(claim: Claim) -> None:
            if not self._is_deadly(claim):
                do(self._store, claim)
                return
            self.deaths.append(claim)
            self._join()
            self.cluster.leave(worker.member)

        worker = Worker(self.cluster, work)


@contextmanager
def engine_on(mortals: Mortals, store: SqliteStore, clock: ManualClock, folder: Path) -> Iterator[DistributedEngine]:
    kept = config(folder)
    tenant = msgspec.structs.replace(kept.tenants[0], export=ExportSettings(attempts=ATTEMPTS, retry_s=0.0))
    blame = distributing.blaming(msgspec.structs.replace(kept, tenants=(tenant,)), store, clock, OWNER)
    engine = DistributedEngine(store, mortals.cluster, task, owner=OWNER, clock=clock, blame=blame)
    engine.start()
    try:
        yield engine
    finally:
        engine.stop()


def failure(store: SqliteStore, operation_id: OperationId) -> Failure | None:
    operation = store.get(TENANT, operation_id)
    assert operation is not None
    return operation.failure if operation.status is OperationStatus.FAILED else None


def names(claim: Claim) -> Sequence[OperationId]:
    return [operation.operation_id for operation in claim.operations]


def test_read_that_kills_each_worker_fails_after_so_many_and_takes_nobody_with_it(
    store: SqliteStore, clock: ManualClock, tmp_path: Path
) -> None:
    deadly = accept(store, 1, "poison")
    others = [accept(store, 2 + number, f"source-{number}") for number in range(12)]
    mortals = Mortals(store, lambda claim: isinstance(claim, ReadSet) and deadly in names(claim))
    with engine_on(mortals, store, clock, tmp_path):
        until(lambda: failure(store, deadly) is not None)
        until(lambda: all(is_complete(store, each) for each in others))
    found = failure(store, deadly)
    assert found is not None
    assert (found.code, found.source_name) == (distributing.DIED_CODE, "poison")
    assert len(mortals.deaths) == LOST + ATTEMPTS


def test_one_of_a_set_is_found_and_the_others_are_complete(store: SqliteStore, clock: ManualClock, tmp_path: Path) -> None:
    operations = [accept(store, 1 + number, "lake") for number in range(40)]
    deadly = operations[17]
    mortals = Mortals(store, lambda claim: isinstance(claim, ReadSet) and deadly in names(claim))
    with engine_on(mortals, store, clock, tmp_path):
        until(lambda: failure(store, deadly) is not None)
        until(lambda: all(is_complete(store, each) for each in operations if each != deadly))
    assert len(mortals.deaths) <= LOST + ATTEMPTS + 3  # 40, 10, 3, 1


def test_package_whose_end_kills_each_worker_fails_and_the_others_do_not(store: SqliteStore, clock: ManualClock, tmp_path: Path) -> None:
    operations = [accept(store, 1 + number, "a") for number in range(6)]
    deadly = operations[2]
    mortals = Mortals(store, lambda claim: isinstance(claim, FinishSet) and deadly in names(claim))
    with engine_on(mortals, store, clock, tmp_path):
        until(lambda: failure(store, deadly) is not None)
        until(lambda: all(is_complete(store, each) for each in operations if each != deadly))
    found = failure(store, deadly)
    assert found is not None
    assert found.code == distributing.DIED_CODE


@pytest.mark.parametrize("deaths", [1, LOST, LOST + ATTEMPTS - 1])
def test_what_dies_a_few_times_is_done_in_the_end(store: SqliteStore, clock: ManualClock, tmp_path: Path, deaths: int) -> None:
    operation_id = accept(store, 1, "a")
    tries = count()
    mortals = Mortals(store, lambda claim: isinstance(claim, ReadSet) and next(tries) < deaths, workers=1)
    with engine_on(mortals, store, clock, tmp_path):
        until(lambda: is_complete(store, operation_id))
    assert len(mortals.deaths) == deaths


def test_what_is_suspected_shares_a_worker_with_nothing(store: SqliteStore, clock: ManualClock, tmp_path: Path) -> None:
    deadly = accept(store, 1, "poison")
    for number in range(30):
        accept(store, 2 + number, f"source-{number}")
    guard, running, beside = threading.Lock(), 0, list[int]()

    def is_deadly(claim: Claim) -> bool:
        nonlocal running
        with guard:
            running += 1
        try:
            if deadly not in names(claim) or not isinstance(claim, ReadSet):
                return threading.Event().wait(0.02)  # False
            if len(beside) < LOST:
                until(lambda: running > 1)
            threading.Event().wait(0.1)
            with guard:
                beside.append(running - 1)
            return True
        finally:
            with guard:
                running -= 1

    mortals = Mortals(store, is_deadly, workers=1)
    with engine_on(mortals, store, clock, tmp_path):
        until(lambda: failure(store, deadly) is not None)
    assert beside[LOST:] == [0] * ATTEMPTS


def test_scheduler_that_is_lost_makes_nobody_suspect(store: SqliteStore, clock: ManualClock, tmp_path: Path) -> None:
    operation_id = accept(store, 1, "a")
    held = [threading.Event() for _ in range(LOST + 2)]
    tries, end = count(), threading.Event()

    def hang(claim: Claim) -> bool:
        if isinstance(claim, ReadSet) and (number := next(tries)) < len(held):
            held[number].set()
            assert end.wait(PATIENCE_S)
        return False

    mortals = Mortals(store, hang, workers=4)
    with capture_logs() as logs, engine_on(mortals, store, clock, tmp_path) as engine:
        for each in held:
            assert each.wait(PATIENCE_S)
            mortals.cluster.lose()
            until(lambda: not engine.is_alive())
            mortals.cluster.lose(is_there=True)
        until(lambda: is_complete(store, operation_id))
        end.set()
    assert not [each for each in logs if "alone" in each["event"]]


@given(lost=st.integers(0, 5))
def test_count_of_each_is_its_own(lost: int) -> None:
    store = MemoryStore(ManualClock(START))
    accept(store, 1, "a")
    accept(store, 2, "b")
    first, second = claim_reads(store), claim_reads(store)
    suspects = Suspects()
    for _ in range(lost):
        suspects.note_lost(first)
    suspects.note_lost(second)
    assert suspects.times(first) == lost
    assert suspects.is_one(first) == (lost >= LOST)
    assert suspects.times(second) == 1
    suspects.clear(second)
    assert (suspects.times(first), suspects.times(second)) == (lost, 0)
