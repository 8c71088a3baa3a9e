"""Cancelling what is being sent: it ends within two seconds, nobody else's does, and what was written is deleted where it may be."""

import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.export.scripted import PEOPLE, ROWS_HEADER, Scripted, batch, yields
from tests.unit.export.world import TENANT, World

from rightful.clock import SystemClock
from rightful.config.model import ExportSettings, StorageSettings
from rightful.errors import Conflict
from rightful.ids import OperationId
from rightful.operation.model import DataPolicyOperation, OperationStatus, Written
from rightful.store.sqlite import SqliteStore
from rightful.store.values import ClaimedOperation, ClaimedRead, Entry
from rightful.testing.blob_simulator import BlobSimulator, Break, Fault

MAIL = "ann@contoso.example"


@pytest.fixture
def simulator() -> Iterator[BlobSimulator]:
    with BlobSimulator() as one:
        yield one


def world_of(folder: Path, simulator: BlobSimulator, *, rows: int = 1, export: ExportSettings | None = None) -> World:
    source = Scripted(yields(ROWS_HEADER, *(batch((number, MAIL, 0)) for number in range(rows))))
    allowed = StorageSettings(allow=(simulator.host,))
    world = World(folder, PEOPLE, {"orders": source}, storage=allowed, export=export)
    world.clock.advance((SystemClock().now() - world.clock.now()) / timedelta(seconds=1))  # the simulator's SAS know the real time
    return world


def wait(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    until_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.01)


def names(simulator: BlobSimulator, operation: DataPolicyOperation) -> set[str]:
    return {path.removeprefix(operation.prefix) for path in simulator.blobs("container") if path.startswith(operation.prefix)}


def asked(simulator: BlobSimulator, name: str) -> int:
    return sum(name in request.path for request in simulator.requests)


@pytest.mark.parametrize("name", ["part-", "manifest-sha256"], ids=["in a read", "while it is finished"])
def test_put_to_a_storage_that_hangs_ends_long_before_its_answer_is_waited_for_no_more(
    tmp_path: Path, simulator: BlobSimulator, name: str
) -> None:
    world = world_of(tmp_path, simulator)
    operation = world.submit("1", simulator.sas_url("container", "c"))
    simulator.fail(Fault(breaks=Break.TIMEOUT), path=name, times=1 << 60)
    if name != "part-":
        assert world.step()
    working = threading.Thread(target=world.step)
    working.start()
    wait(lambda: asked(simulator, name) > 0)
    world.service.cancel(TENANT, operation.operation_id)
    wait(lambda: not working.is_alive())
    asked_before = len(simulator.requests)
    world.run(patience_s=120)
    assert len(simulator.requests) == asked_before  # nothing more is sent
    ended = world.get(operation)
    assert ended.failure is not None
    assert (ended.failure.code, ended.waiting_for) == ("cancelled", None)
    assert ended.left is not None
    assert ended.left.entries >= 1  # it is not known whether it arrived


def test_others_of_the_same_set_and_host_go_on(tmp_path: Path, simulator: BlobSimulator) -> None:
    world = world_of(tmp_path, simulator)
    first, second = (world.submit(person, simulator.sas_url("container", "c")) for person in ("1", "2"))
    simulator.fail(Fault(breaks=Break.TIMEOUT), path=f"{first.prefix}data", times=1 << 60)
    working = threading.Thread(target=world.step)
    working.start()
    wait(lambda: asked(simulator, f"{first.prefix}data") > 0)
    world.service.cancel(TENANT, first.operation_id)
    wait(lambda: not working.is_alive())
    assert world.get(second).waiting_for is None
    world.run()
    assert world.get(second).status is OperationStatus.COMPLETE


def cancelled_half_way(world: World, simulator: BlobSimulator, permissions: str) -> DataPolicyOperation:
    operation = world.submit("1", simulator.sas_url("container", permissions))
    assert world.step()
    assert len(names(simulator, operation)) > 1
    world.service.cancel(TENANT, operation.operation_id)
    return operation


def test_what_was_written_is_deleted_where_the_sas_allows_it(tmp_path: Path, simulator: BlobSimulator) -> None:
    world = world_of(tmp_path, simulator)
    operation = cancelled_half_way(world, simulator, "cd")
    wait(lambda: names(simulator, operation) == {"RequestInfo.json"})
    wait(lambda: world.get(operation).left is None)
    with pytest.raises(Conflict, match="was deleted"):
        world.service.resume(TENANT, operation.operation_id, simulator.sas_url("container", "cd"))
    again = world.submit("1", simulator.sas_url("container", "cd"))
    world.run(patience_s=60)
    assert world.get(again).status is OperationStatus.COMPLETE


def test_what_was_written_is_told_where_it_cannot_be_deleted_and_a_resume_goes_on_with_it(tmp_path: Path, simulator: BlobSimulator) -> None:
    world = world_of(tmp_path, simulator)
    operation = cancelled_half_way(world, simulator, "c")
    world.service.remover.stop()
    left = world.get(operation).left
    parts = names(simulator, operation) - {"RequestInfo.json"}
    size = sum(len(simulator.blobs("container")[operation.prefix + name]) for name in parts)
    assert left == Written(prefix=operation.prefix, entries=len(parts), size_bytes=size)
    world.service.resume(TENANT, operation.operation_id, simulator.sas_url("container", "c"))
    world.run(patience_s=60)
    assert world.get(operation).status is OperationStatus.COMPLETE
    assert world.get(operation).left is None


def test_deleting_that_is_refused_half_way_leaves_what_is_told(tmp_path: Path, simulator: BlobSimulator) -> None:
    world = world_of(tmp_path, simulator)
    operation = world.submit("1", simulator.sas_url("container", "cd"))
    assert world.step()
    parts = names(simulator, operation) - {"RequestInfo.json"}
    simulator.fail(Fault.status(403, "AuthorizationFailure"), path="part-", times=1 << 60)
    world.service.cancel(TENANT, operation.operation_id)
    world.service.remover.stop()
    assert names(simulator, operation) - {"RequestInfo.json"} >= {name for name in parts if "part-" in name}
    left = world.get(operation).left
    assert left is not None
    assert left.entries == len(names(simulator, operation)) - 1


def test_what_was_written_to_a_folder_is_deleted_and_no_folder_is_left_empty(tmp_path: Path) -> None:
    source = Scripted(yields(ROWS_HEADER, batch((1, MAIL, 0))))
    world = World(tmp_path, PEOPLE, {"orders": source})
    operation = world.submit("1")
    assert world.step()
    assert list(world.package(operation).rglob("part-*"))
    world.service.cancel(TENANT, operation.operation_id)
    wait(lambda: [path.name for path in world.package(operation).rglob("*")] == ["RequestInfo.json"])
    wait(lambda: world.get(operation).left is None)


def test_read_of_one_that_is_cancelled_is_broken_off_at_its_next_item(tmp_path: Path, simulator: BlobSimulator) -> None:
    taken: list[int] = []

    def script(_subjects: object, _cursor: object) -> Iterator[object]:
        yield ROWS_HEADER
        for number in range(100):
            taken.append(number)
            if number == 3:
                world.service.cancel(TENANT, operation.operation_id)
            yield batch((number, MAIL, 0))

    world = World(tmp_path, PEOPLE, {"orders": Scripted(script)}, storage=StorageSettings(allow=(simulator.host,)))  # type: ignore[arg-type]
    world.clock.advance((SystemClock().now() - world.clock.now()) / timedelta(seconds=1))
    operation = world.submit("1", simulator.sas_url("container", "c"))
    assert world.step()
    assert taken == [0, 1, 2, 3]


class _CancelsWhileStaging(SqliteStore):
    """Somebody cancels when entries have been put down, and the worker takes its time until it puts them."""

    cancel: Callable[[], None] | None = None
    takes_s = 0.0

    def stage(
        self, entries: Sequence[Entry], *, owner: str, reads: Sequence[ClaimedRead] = (), finishing: Sequence[ClaimedOperation] = ()
    ) -> tuple[OperationId, ...]:
        lost = super().stage(entries, owner=owner, reads=reads, finishing=finishing)
        if self.cancel is not None:
            cancel, self.cancel = self.cancel, None
            cancel()
            time.sleep(self.takes_s)
        return lost


def cancelled_while_staged(folder: Path, *, takes_s: float, after_steps: int = 0) -> tuple[World, DataPolicyOperation]:
    world = World(folder, PEOPLE, {"orders": Scripted(yields(ROWS_HEADER, batch((1, MAIL, 0))))}, store_type=_CancelsWhileStaging)
    assert isinstance(world.store, _CancelsWhileStaging)
    operation = world.submit("1")
    for _ in range(after_steps):
        assert world.step()
    world.store.cancel = lambda: world.service.cancel(TENANT, operation.operation_id)
    world.store.takes_s = takes_s
    world.service.remover.again_s = 0.1
    assert world.step()
    return world, operation


@pytest.mark.parametrize("after_steps", [0, 1], ids=["in a read", "while it is finished"])
@pytest.mark.parametrize("takes_s", [0.5, 2.5], ids=["soon", "later"])
def test_what_a_worker_was_about_to_write_to_a_folder_is_deleted_too(tmp_path: Path, takes_s: float, after_steps: int) -> None:
    world, operation = cancelled_while_staged(tmp_path, takes_s=takes_s, after_steps=after_steps)
    wait(lambda: world.get(operation).left is None)
    assert [path.name for path in world.package(operation).rglob("*")] == ["RequestInfo.json"]


def test_what_arrives_after_it_was_cut_off_is_told_and_deleted(tmp_path: Path, simulator: BlobSimulator) -> None:
    world = world_of(tmp_path, simulator)
    sas = simulator.sas_url("container", "cd")
    operation = world.submit("1", sas)
    world.service.remover.again_s = 1.0
    simulator.fail(Fault(breaks=Break.TIMEOUT), path="part-")
    working = threading.Thread(target=world.step)
    working.start()
    wait(lambda: asked(simulator, "part-") > 0)
    path = next(request.path for request in simulator.requests if "part-" in request.path)
    world.service.cancel(TENANT, operation.operation_id)
    working.join(10.0)
    wait(lambda: sum(request.path == path for request in simulator.requests) > 1)  # it was looked for, and not found
    assert world.get(operation).left is not None
    base, _, query = sas.partition("?")
    name = path[path.index(operation.prefix) :].partition("?")[0]
    late = urllib.request.Request(f"{base}/{name}?{query}", data=b"late", method="PUT", headers={"x-ms-blob-type": "BlockBlob"})
    with urllib.request.urlopen(late) as answer:
        assert answer.status == 201
    assert simulator.blobs("container")[name] == b"late"
    wait(lambda: world.get(operation).left is None)
    assert names(simulator, operation) == {"RequestInfo.json"}


@pytest.mark.parametrize("fault", [Fault.status(503, "ServerBusy"), Fault.status(403, "AuthorizationFailure")], ids=["down", "refused"])
def test_where_nothing_could_be_deleted_a_resume_goes_on(tmp_path: Path, simulator: BlobSimulator, fault: Fault) -> None:
    world = world_of(tmp_path, simulator)
    operation = world.submit("1", simulator.sas_url("container", "cd"))
    assert world.step()
    simulator.fail_from_now(fault)
    asked_before = len(simulator.requests)
    world.service.cancel(TENANT, operation.operation_id)
    wait(lambda: len(simulator.requests) > asked_before)
    world.service.remover.stop()
    assert world.get(operation).left is not None
    simulator.recover()
    world.service.resume(TENANT, operation.operation_id, simulator.sas_url("container", "cd"))
    world.run(patience_s=60)
    assert world.get(operation).status is OperationStatus.COMPLETE


def test_deletion_that_may_have_arrived_makes_a_resume_impossible(tmp_path: Path, simulator: BlobSimulator) -> None:
    world = world_of(tmp_path, simulator)
    operation = world.submit("1", simulator.sas_url("container", "cd"))
    assert world.step()
    simulator.fail_from_now(Fault.broken(Break.ANSWER_LOST))
    asked_before = len(simulator.requests)
    world.service.cancel(TENANT, operation.operation_id)
    wait(lambda: len(simulator.requests) > asked_before)
    world.service.remover.stop()
    with pytest.raises(Conflict, match="was deleted"):
        world.service.resume(TENANT, operation.operation_id, simulator.sas_url("container", "cd"))


def test_stop_is_not_held_up_by_a_deletion_that_gets_no_answer(tmp_path: Path, simulator: BlobSimulator) -> None:
    world = world_of(tmp_path, simulator)
    operation = world.submit("1", simulator.sas_url("container", "cd"))
    assert world.step()
    simulator.fail_from_now(Fault.broken(Break.TIMEOUT))
    asked_before = len(simulator.requests)
    world.service.cancel(TENANT, operation.operation_id)
    wait(lambda: len(simulator.requests) > asked_before)
    world.service.stop()
