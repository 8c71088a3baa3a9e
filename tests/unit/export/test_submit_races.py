"""Requests that repeat each other, side by side and after faults: one operation, nothing stuck, nothing left behind."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.unit.export.scripted import PEOPLE, ROWS_HEADER, Scripted, yields
from tests.unit.export.world import TENANT, World

from rightful.clock import SystemClock
from rightful.config.model import StorageSettings
from rightful.errors import InvalidRequest, StorageUnavailable, Throttled
from rightful.ids import OperationId
from rightful.operation.model import DataPolicyOperation, OperationStatus
from rightful.package.verify import PackageState
from rightful.storage.interface import Storage
from rightful.storage.registry import Storages
from rightful.store.sqlite import SqliteStore
from rightful.store.values import Entry, NewApproval, NewRead, StoreFault
from rightful.testing.blob_simulator import BlobSimulator, Break, Fault

PATIENCE_S = 20


def eventually(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


class _FullAtPromote(SqliteStore):
    """Cannot be written at `promote`, and `drop` neither, as long as `is_full`."""

    is_full = False

    def promote(
        self, operation_id: OperationId, reads: Sequence[NewRead], entries: Sequence[Entry], *, approval: NewApproval | None = None
    ) -> DataPolicyOperation | None:
        self._refuse()
        return super().promote(operation_id, reads, entries, approval=approval)

    def drop(self, operation_id: OperationId) -> None:
        self._refuse()
        super().drop(operation_id)

    def _refuse(self) -> None:
        if self.is_full:
            raise StoreFault("the store cannot be written: database or disk is full")


def world_of(folder: Path, *, queued: int = 100, store_type: type[SqliteStore] = SqliteStore, storages: type[Storages] = Storages) -> World:
    sources = {"orders": Scripted(yields(ROWS_HEADER))}
    return World(folder, PEOPLE, sources, queued=queued, store_type=store_type, storages_type=storages)


def test_equal_requests_side_by_side_are_one_operation(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    start = threading.Barrier(8)

    def submit(number: int) -> OperationId:
        start.wait(10)
        return world.submit(str(1 + number % 2), client_request_id="c", idempotency_key=f"k{number % 2}").operation_id

    world.clock.sleep = SystemClock().sleep  # type: ignore[method-assign] # those that wait for each other must really wait
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(submit, range(8)))
    assert len(set(ids)) == 2
    assert len(set(ids[::2])) == 1
    assert sorted(path.name for path in world.exports.iterdir()) == sorted(set(ids))
    assert world.store.intents() == ()


def test_request_that_the_store_could_not_keep_is_taken_up_by_the_next_equal_one(tmp_path: Path) -> None:
    world = world_of(tmp_path, store_type=_FullAtPromote)
    assert isinstance(world.store, _FullAtPromote)
    world.store.is_full = True
    with pytest.raises(StoreFault):
        world.submit("1")
    assert len(world.store.intents()) == 1
    world.store.is_full = False
    operation = world.submit("1")
    assert world.store.intents() == ()
    assert [path.name for path in world.exports.iterdir()] == [operation.operation_id]  # the same that was begun
    world.run()
    assert world.verify(operation).state is PackageState.WHOLE


class _Broken(Storages):
    """Raises at `open` what it should not, or what it may."""

    error: Exception | None = None

    def open(self, location_text: str, policy: object) -> Storage:
        if self.error is not None:
            raise self.error
        return super().open(location_text, policy)  # type: ignore[arg-type] # as given


@pytest.mark.parametrize(
    ("error", "raised"), [(ValueError("a fault of the program"), ValueError), (StorageUnavailable("it does not answer"), InvalidRequest)]
)
def test_request_that_breaks_off_leaves_no_intent(tmp_path: Path, error: Exception, raised: type[Exception]) -> None:
    world = world_of(tmp_path, storages=_Broken)
    assert isinstance(world.storages, _Broken)
    world.storages.error = error
    with pytest.raises(raised):
        world.submit("1")
    assert world.store.intents() == ()
    world.storages.error = None
    assert world.submit("1").status is OperationStatus.NOT_STARTED


def test_repeated_request_gets_its_operation_though_the_queue_is_full(tmp_path: Path) -> None:
    world = world_of(tmp_path, queued=1)
    first = world.submit("1", idempotency_key="k")
    assert world.submit("1", idempotency_key="k").operation_id == first.operation_id
    with pytest.raises(Throttled):
        world.submit("2")
    assert (world.store.intents(), world.store.count_open(TENANT)) == ((), 1)
    world.run()
    assert world.submit("2").status is OperationStatus.NOT_STARTED


def test_intent_whose_location_does_not_answer_does_not_hold_up_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rightful.export.service._SETTLE_S", 0.2)  # else it would take five seconds to see
    answers = threading.Semaphore(len(PEOPLE))

    class Silent(Storages):
        """Answers no more often than it may."""

        def open(self, location_text: str, policy: object) -> Storage:
            assert answers.acquire(timeout=PATIENCE_S)
            return super().open(location_text, policy)  # type: ignore[arg-type] # as given

    world = world_of(tmp_path, store_type=_FullAtPromote, storages=Silent)
    assert isinstance(world.store, _FullAtPromote)
    world.store.is_full = True
    for each in PEOPLE:
        with pytest.raises(StoreFault):
            world.submit(each)
    world.stop()
    answers.release()  # to one of the two
    world.start()
    eventually(lambda: len(world.store.intents()) == 1, "the other one is settled")
    answers.release()
    eventually(lambda: not world.store.intents(), "what answers late is settled too")
    assert world.store.count_open(TENANT) == len(PEOPLE)


@pytest.mark.parametrize("fault", [Fault.status(503, "ServerBusy"), Fault.broken(Break.ANSWER_LOST)], ids=["busy", "answer lost"])
def test_storage_location_that_fails_for_a_moment_is_tried_again_before_the_answer(tmp_path: Path, fault: Fault) -> None:
    with BlobSimulator() as simulator:
        world = World(tmp_path, PEOPLE, {"orders": Scripted(yields(ROWS_HEADER))}, storage=StorageSettings(allow=(simulator.host,)))
        simulator.fail(fault, times=2)
        operation = world.submit("1", simulator.sas_url("container", "c", expires_in_s=1 << 30))
        assert list(simulator.blobs("container")) == [f"{operation.operation_id}/RequestInfo.json"]
        world.run()
        assert world.get(operation).status is OperationStatus.COMPLETE
        world.stop()


def test_sas_that_expires_too_soon_is_refused_and_repeats_what_it_was_accepted_for(tmp_path: Path) -> None:
    with BlobSimulator() as simulator:
        world = World(tmp_path, PEOPLE, {"orders": Scripted(yields(ROWS_HEADER))}, storage=StorageSettings(allow=(simulator.host,)))
        sas = simulator.sas_url("container", "c", expires_in_s=3600)
        world.clock.advance((SystemClock().now() - world.clock.now()).total_seconds() + 3600 - 360)
        accepted = world.submit("1", sas).operation_id
        world.clock.advance(120)
        with pytest.raises(InvalidRequest, match="expires too soon") as refused:
            world.submit("2", sas)
        assert (refused.value.code, world.store.intents()) == ("StorageLocationInvalid", ())
        assert list(simulator.blobs("container")) == [f"{accepted}/RequestInfo.json"]
        assert world.submit("1", sas).operation_id == accepted
        world.stop()
