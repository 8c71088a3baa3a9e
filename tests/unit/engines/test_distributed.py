"""The engine on many machines: workers come and go, lack something, are of another version; the scheduler is lost."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs
from tests.unit.engines.test_both import task
from tests.unit.engines.world import OWNER, PATIENCE_S, do

from rightful.age import message
from rightful.age.keys import Identity
from rightful.engines.cluster import Member
from rightful.engines.distributed import DistributedEngine
from rightful.engines.task import End, Outcome, Task, seal, unseal
from rightful.operation.model import OperationStatus
from rightful.store.sqlite import SqliteStore
from rightful.store.values import FinishSet, ReadSet
from rightful.testing.clock import ManualClock
from rightful.testing.memory_cluster import MemoryCluster
from rightful.testing.store_cases import TENANT, accept

SECRET = b"hunter2 of a worker's configuration"


class Worker:
    """Does what a test says, and keeps what it was sent."""

    def __init__(self, cluster: MemoryCluster, work: Callable[[ReadSet | FinishSet], None], **more: Any) -> None:
        self.identity: Identity = message.new_identity()
        self.tasks: list[Task] = []
        self.missing: tuple[int, ...] = ()
        self._work = work
        self.member: Member = cluster.join(self._deal, recipient=self.identity.recipient, **more)

    @property
    def claims(self) -> list[ReadSet | FinishSet]:
        return [task.claim for task in self.tasks if task.claim is not None]

    def _deal(self, sealed: bytes) -> bytes:
        task = unseal(sealed, self.identity)
        self.tasks.append(task)
        if task.claim is None:
            return msgspec.msgpack.encode(Outcome(end=End.DONE, missing=self.missing))
        try:
            self._work(task.claim)
        except _Stopped:
            return msgspec.msgpack.encode(Outcome(end=End.STOPPED))
        except OSError as error:
            return msgspec.msgpack.encode(Outcome(end=End.FAULT, detail=type(error).__name__))
        return msgspec.msgpack.encode(Outcome(end=End.DONE))


class _Stopped(Exception):
    pass


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "store.db", clock)
    yield store
    store.close()


@pytest.fixture
def cluster() -> MemoryCluster:
    return MemoryCluster()


@pytest.fixture
def start(store: SqliteStore, cluster: MemoryCluster, clock: ManualClock) -> Iterator[Callable[..., DistributedEngine]]:
    engines: list[DistributedEngine] = []

    def start(**more: Any) -> DistributedEngine:
        engines.append(DistributedEngine(store, cluster, task, owner=OWNER, clock=clock, **more))
        engines[-1].start()
        return engines[-1]

    yield start
    for engine in engines:
        engine.stop()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_complete(store: SqliteStore, operation_id: Any) -> bool:
    operation = store.get(TENANT, operation_id)
    assert operation is not None
    return operation.status is OperationStatus.COMPLETE


def test_work_of_a_worker_that_goes_is_done_by_another_under_a_new_attempt(
    store: SqliteStore, cluster: MemoryCluster, start: Callable[..., DistributedEngine]
) -> None:
    operation_id = accept(store, 1, "a")
    hangs, is_held = threading.Event(), threading.Event()

    def hang(claim: ReadSet | FinishSet) -> None:
        is_held.set()
        assert hangs.wait(PATIENCE_S)
        do(store, claim)  # too late: it is fenced

    first = Worker(cluster, hang)
    start()
    assert is_held.wait(PATIENCE_S)
    second = Worker(cluster, lambda claim: do(store, claim))
    cluster.leave(first.member)
    until(lambda: is_complete(store, operation_id))
    hangs.set()
    (lost,), (read, *_) = first.claims, second.claims
    assert isinstance(lost, ReadSet)
    assert isinstance(read, ReadSet)
    assert (lost.reads[0].attempt, read.reads[0].attempt, read.reads[0].failures) == (1, 2, 0)


def test_scheduler_that_is_lost_costs_nothing_but_time(
    store: SqliteStore, cluster: MemoryCluster, start: Callable[..., DistributedEngine]
) -> None:
    operation_id = accept(store, 1, "a")
    hangs, is_held = threading.Event(), threading.Event()

    def work(claim: ReadSet | FinishSet) -> None:
        if not is_held.is_set():
            is_held.set()
            assert hangs.wait(PATIENCE_S)
        do(store, claim)

    worker = Worker(cluster, work)
    engine = start()
    assert is_held.wait(PATIENCE_S)
    assert engine.is_alive()
    cluster.lose()
    until(lambda: not engine.is_alive())
    cluster.lose(is_there=True)
    until(engine.is_alive)
    until(lambda: is_complete(store, operation_id))
    hangs.set()
    assert [type(claim) for claim in worker.claims] == [ReadSet, ReadSet, FinishSet]


def test_work_that_a_worker_stops_is_no_failure_of_its_own(
    store: SqliteStore, cluster: MemoryCluster, start: Callable[..., DistributedEngine]
) -> None:
    operation_id = accept(store, 1, "a")
    stopped: list[object] = []

    def work(claim: ReadSet | FinishSet) -> None:
        if len(stopped) < 2:
            stopped.append(claim)
            raise _Stopped
        do(store, claim)

    worker = Worker(cluster, work)
    start()
    until(lambda: is_complete(store, operation_id))
    third = worker.claims[2]
    assert isinstance(third, ReadSet)
    assert third.reads[0].failures == 0


def test_worker_that_lacks_something_gets_no_work_and_that_is_said(
    store: SqliteStore, cluster: MemoryCluster, start: Callable[..., DistributedEngine]
) -> None:
    lacking = Worker(cluster, lambda claim: do(store, claim))
    lacking.missing = (1,)
    with capture_logs() as logs:
        engine = start(paths=("/srv/there", "/srv/not-there"))
        until(lambda: any("gets no work" in str(entry["event"]) for entry in logs))
        assert not engine.is_alive()
        operation_id = accept(store, 1, "a")
        other = Worker(cluster, lambda claim: do(store, claim))
        until(lambda: is_complete(store, operation_id))
    assert lacking.claims == []
    assert len(other.claims) == 2
    assert [entry["missing"] for entry in logs if "missing" in entry] == [["/srv/not-there"]]


def test_worker_that_can_do_nothing_does_not_get_everything(
    store: SqliteStore, cluster: MemoryCluster, start: Callable[..., DistributedEngine]
) -> None:
    def fault(_claim: ReadSet | FinishSet) -> None:
        raise OSError("it does not reach the database")

    broken = Worker(cluster, fault, threads=8)
    good = Worker(cluster, lambda claim: do(store, claim), threads=1)
    with capture_logs() as logs:
        engine = start()
        until(lambda: any(each.get("workers") == 2 for each in logs))
        operations = [accept(store, number, f"source-{number}") for number in range(1, 31)]
        engine.submit(operations[0])
        until(lambda: sum(is_complete(store, each) for each in operations) >= 20)
    assert len(broken.claims) <= 8  # what it had threads for until it said so first
    assert len(good.claims) > 20


def test_workers_that_all_fail_get_work_again_at_once(
    store: SqliteStore, cluster: MemoryCluster, clock: ManualClock, start: Callable[..., DistributedEngine]
) -> None:
    operation_id = accept(store, 1, "a")
    tries: list[object] = []

    def work(claim: ReadSet | FinishSet) -> None:
        if len(tries) < 4:
            tries.append(claim)
            raise OSError("the database is restarted")
        do(store, claim)

    workers = [Worker(cluster, work) for _ in range(2)]
    with capture_logs():
        start()
        deadline = time.monotonic() + PATIENCE_S
        while not is_complete(store, operation_id):
            assert time.monotonic() < deadline
            clock.advance(0.5)  # until what was given back may be tried again
            time.sleep(0.01)
    assert all(worker.claims for worker in workers)


def test_worker_of_another_version_gets_no_work(
    store: SqliteStore, cluster: MemoryCluster, start: Callable[..., DistributedEngine]
) -> None:
    old = Worker(cluster, lambda claim: do(store, claim), version="0.0.1")
    own = Worker(cluster, lambda claim: do(store, claim))
    operation_id = accept(store, 1, "a")
    with capture_logs() as logs:
        start()
        until(lambda: is_complete(store, operation_id))
    assert old.tasks == []
    assert len(own.claims) == 2
    assert any(entry.get("version") == "0.0.1" for entry in logs)


def test_no_more_is_leased_than_workers_have_threads(
    store: SqliteStore, cluster: MemoryCluster, start: Callable[..., DistributedEngine]
) -> None:
    for number in range(9):
        accept(store, number, f"source-{number}")
    hangs = threading.Event()

    def work(claim: ReadSet | FinishSet) -> None:
        assert hangs.wait(PATIENCE_S)
        do(store, claim)

    small, large = Worker(cluster, work, threads=1), Worker(cluster, work, threads=3)
    start()
    until(lambda: len(small.claims) + len(large.claims) == 4)
    time.sleep(0.6)  # longer than the store is asked each
    assert (len(small.claims), len(large.claims)) == (1, 3)
    hangs.set()


def test_what_belongs_together_is_done_in_one_place(
    store: SqliteStore, cluster: MemoryCluster, start: Callable[..., DistributedEngine]
) -> None:
    operations = [accept(store, number, "table", "view", f"lake-{number}") for number in range(6)]
    workers = [Worker(cluster, lambda claim: do(store, claim)) for _ in range(3)]
    start(together=lambda claim: None if claim.source_name.startswith("lake") else "one database")
    until(lambda: all(is_complete(store, each) for each in operations))
    homes = {
        number
        for number, worker in enumerate(workers)
        for claim in worker.claims
        if isinstance(claim, ReadSet) and claim.source_name in {"table", "view"}
    }
    assert len(homes) == 1


def test_nothing_that_is_sent_can_be_read_on_the_way(store: SqliteStore, cluster: MemoryCluster, clock: ManualClock) -> None:
    operation_id = accept(store, 1, "a-telling-name")

    def secret_task(claim: ReadSet | FinishSet | None) -> Task:
        return msgspec.structs.replace(task(claim), config=SECRET)

    worker = Worker(cluster, lambda claim: do(store, claim))
    engine = DistributedEngine(store, cluster, secret_task, owner=OWNER, clock=clock)
    engine.start()
    try:
        until(lambda: is_complete(store, operation_id))
    finally:
        engine.stop()
    assert {task.config for task in worker.tasks} == {SECRET}
    assert len(cluster.sent) == 3
    for _, sealed in cluster.sent:
        for telling in (SECRET, b"a-telling-name", operation_id.encode(), OWNER.encode()):
            assert telling not in sealed


@pytest.mark.parametrize(
    "harm", [lambda sealed: sealed[:-1], lambda sealed: sealed[:-20] + bytes(20), lambda _sealed: b"", lambda sealed: sealed * 2]
)
def test_task_that_was_changed_or_is_for_another_cannot_be_opened(harm: Callable[[bytes], bytes]) -> None:
    identity = message.new_identity()
    sealed = seal(task(None), identity.recipient)
    assert unseal(sealed, identity) == task(None)
    with pytest.raises(ValueError, match=r"it|its"):
        unseal(harm(sealed), identity)
    with pytest.raises(ValueError, match="another key"):
        unseal(sealed, message.new_identity())
    assert sealed != seal(task(None), identity.recipient)
