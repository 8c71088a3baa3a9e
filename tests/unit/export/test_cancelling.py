"""Cancelling at any moment: the operation ends once, its signature is erased, and nothing more is written for it (GRAPH-33)."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.export.scripted import PEOPLE, ROWS_HEADER, Scripted, batch, yields
from tests.unit.export.world import OWNER, TENANT, World

from rightful.clock import SystemClock
from rightful.config.model import StorageSettings
from rightful.connectors.interface import Cursor, Item, ReadHeader
from rightful.errors import Conflict, NotFound
from rightful.ids import OperationId
from rightful.operation.model import DataPolicyOperation, OperationStatus
from rightful.store.sqlite import SqliteStore
from rightful.store.values import ClaimedOperation, ClaimedRead, Entry, FinishSet, NewApproval, NewRead, ReadSet
from rightful.subject.model import IdentifiedSubject
from rightful.testing.blob_simulator import BlobSimulator

MAIL = "ann@contoso.example"


def world_of(folder: Path, simulator: BlobSimulator, source: Scripted | None = None, store_type: type[SqliteStore] = SqliteStore) -> World:
    source = source or Scripted(yields(ROWS_HEADER, batch((1, MAIL, 0))))
    world = World(folder, PEOPLE, {"orders": source}, storage=StorageSettings(allow=(simulator.host,)), store_type=store_type)
    world.clock.advance((SystemClock().now() - world.clock.now()) / timedelta(seconds=1))  # the simulator's SAS know the real time
    return world


def sas(simulator: BlobSimulator) -> str:
    return simulator.sas_url("container", "c", expires_in_s=86_400)


def sealed(world: World, operation_id: OperationId) -> object:
    return world.store._file.read(
        lambda connection: connection.rows("SELECT sealed_location FROM operation WHERE id = ?", (operation_id,))[0]["sealed_location"]
    )


def is_cancelled(world: World, operation: DataPolicyOperation, written: set[str], simulator: BlobSimulator) -> None:
    """Check that it has ended so, that nothing goes on, and that the next equal request is a new one."""
    world.run(patience_s=120)
    ended = world.get(operation)
    assert ended.failure is not None
    assert (ended.status, ended.failure.code, ended.waiting_for) == (OperationStatus.FAILED, "cancelled", None)
    assert sealed(world, operation.operation_id) is None
    assert names(simulator, operation) == written
    with pytest.raises(Conflict):
        world.service.cancel(TENANT, operation.operation_id)
    again = world.submit("1", sas(simulator))
    assert again.operation_id != operation.operation_id
    world.run(patience_s=60)
    assert world.get(again).status is OperationStatus.COMPLETE
    with pytest.raises(Conflict):
        world.service.cancel(TENANT, again.operation_id)


def names(simulator: BlobSimulator, operation: DataPolicyOperation) -> set[str]:
    return {path.removeprefix(operation.prefix) for path in simulator.blobs("container") if path.startswith(operation.prefix)}


@pytest.fixture
def simulator() -> Iterator[BlobSimulator]:
    with BlobSimulator() as one:
        yield one


def test_before_it_has_begun(tmp_path: Path, simulator: BlobSimulator) -> None:
    world = world_of(tmp_path, simulator)
    operation = world.submit("1", sas(simulator))
    world.service.cancel(TENANT, operation.operation_id)
    is_cancelled(world, operation, {"RequestInfo.json"}, simulator)


def test_while_a_read_is_claimed(tmp_path: Path, simulator: BlobSimulator) -> None:
    world = world_of(tmp_path, simulator)
    operation = world.submit("1", sas(simulator))
    claim = world.store.claim(OWNER, lease_s=60, limit=10)
    assert isinstance(claim, ReadSet)
    world.service.cancel(TENANT, operation.operation_id)
    world.work(claim)
    is_cancelled(world, operation, {"RequestInfo.json"}, simulator)


def test_in_the_middle_of_a_read(tmp_path: Path, simulator: BlobSimulator) -> None:
    cancel: list[Callable[[], None]] = []

    def script(_subjects: Sequence[IdentifiedSubject], _cursor: Cursor | None) -> Iterator[ReadHeader | Item]:
        yield ROWS_HEADER
        yield batch((1, MAIL, 0))
        if cancel:
            cancel.pop()()
        yield batch((2, MAIL, 0))

    world = world_of(tmp_path, simulator, Scripted(script))
    operation = world.submit("1", sas(simulator))
    cancel.append(lambda: world.service.cancel(TENANT, operation.operation_id))
    assert world.step()
    assert not cancel
    is_cancelled(world, operation, {"RequestInfo.json"}, simulator)


def test_while_it_waits_for_its_storage_location(tmp_path: Path, simulator: BlobSimulator) -> None:
    world = world_of(tmp_path, simulator)
    operation = world.submit("1", sas(simulator))
    simulator.revoke()
    assert world.step()
    assert world.get(operation).waiting_for is not None
    world.service.cancel(TENANT, operation.operation_id)
    is_cancelled(world, operation, {"RequestInfo.json"}, simulator)


def test_while_its_package_is_claimed_to_be_finished(tmp_path: Path, simulator: BlobSimulator) -> None:
    world = world_of(tmp_path, simulator)
    operation = world.submit("1", sas(simulator))
    assert world.step()
    claim = world.store.claim(OWNER, lease_s=60, limit=10)
    assert isinstance(claim, FinishSet)
    written = names(simulator, operation)
    world.service.cancel(TENANT, operation.operation_id)
    world.work(claim)
    is_cancelled(world, operation, written, simulator)


class _CancelsWhileFinishing(SqliteStore):
    """Somebody cancels when the entries of the end have been put down, before they are put."""

    cancel: Callable[[], None] | None = None

    def stage(
        self, entries: Sequence[Entry], *, owner: str, reads: Sequence[ClaimedRead] = (), finishing: Sequence[ClaimedOperation] = ()
    ) -> tuple[OperationId, ...]:
        lost = super().stage(entries, owner=owner, reads=reads, finishing=finishing)
        if finishing and self.cancel is not None:
            cancel, self.cancel = self.cancel, None
            cancel()
        return lost


def test_while_the_end_of_its_package_is_written(tmp_path: Path, simulator: BlobSimulator) -> None:
    world = world_of(tmp_path, simulator, store_type=_CancelsWhileFinishing)
    assert isinstance(world.store, _CancelsWhileFinishing)
    operation = world.submit("1", sas(simulator))
    cancelled = threading.Event()

    def cancel() -> None:
        world.service.cancel(TENANT, operation.operation_id)
        cancelled.set()

    world.store.cancel = cancel
    while world.step():
        pass
    assert cancelled.is_set()
    is_cancelled(world, operation, names(simulator, operation), simulator)


class _Gated(SqliteStore):
    """An intent is promoted when the test lets it be."""

    def __init__(self, path: Path, clock: SystemClock) -> None:
        super().__init__(path, clock)
        self.reached = threading.Event()
        self.gate = threading.Event()

    def promote(
        self, operation_id: OperationId, reads: Sequence[NewRead], entries: Sequence[Entry], *, approval: NewApproval | None = None
    ) -> DataPolicyOperation | None:
        self.reached.set()
        assert self.gate.wait(20)
        return super().promote(operation_id, reads, entries, approval=approval)


def test_intent_that_nobody_was_told_of_is_not_there_and_can_be_cancelled_once_it_is(tmp_path: Path, simulator: BlobSimulator) -> None:
    world = world_of(tmp_path, simulator, store_type=_Gated)
    assert isinstance(world.store, _Gated)
    with ThreadPoolExecutor(1) as pool:
        submitting = pool.submit(world.submit, "1", sas(simulator))
        assert world.store.reached.wait(20)
        (intent,) = world.store.intents()
        with pytest.raises(NotFound):
            world.service.cancel(TENANT, intent.operation_id)
        world.store.gate.set()
        operation = submitting.result(20)
    assert operation.operation_id == intent.operation_id
    world.service.cancel(TENANT, operation.operation_id)
    is_cancelled(world, operation, {"RequestInfo.json"}, simulator)
