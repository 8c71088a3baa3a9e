"""Entries go to a storage location across the network side by side, and fail side by side."""

import threading
import time
from pathlib import Path

import pytest
from tests.unit.export.scripted import FILES_HEADER, PEOPLE, Scripted, file, yields
from tests.unit.export.world import World
from tests.unit.no_threads import no_more_threads

from rightful.config.model import StorageSettings
from rightful.export.side_by_side import SideBySide
from rightful.export.stopping import Stopping
from rightful.operation.model import OperationStatus
from rightful.testing.blob_simulator import BlobSimulator, Fault

FILES = 8


class _Meeting(BlobSimulator):
    """Answers no request for a file before so many are there at once."""

    def __init__(self) -> None:
        self.met = threading.Barrier(FILES)
        super().__init__()

    def take_fault(self, path: str) -> Fault | None:
        if path.endswith(".txt") and "/data/" in path:
            self.met.wait(30)
        return super().take_fault(path)


def world_of(folder: Path, simulator: BlobSimulator) -> World:
    drive = Scripted(yields(FILES_HEADER, *(file(f"{number}.txt", b"%d" % number) for number in range(FILES))))
    return World(folder, PEOPLE, {"drive": drive}, storage=StorageSettings(allow=(simulator.host,)))


def test_files_of_one_person_are_under_way_together(tmp_path: Path) -> None:
    with _Meeting() as simulator:
        world = world_of(tmp_path, simulator)
        operation = world.submit("1", simulator.sas_url("container", "c", expires_in_s=1 << 30))
        world.run()
        assert world.get(operation).status is OperationStatus.COMPLETE
        assert not simulator.met.broken
        world.stop()


def test_location_that_refuses_all_of_them_is_waited_for_once(tmp_path: Path) -> None:
    with BlobSimulator() as simulator:
        world = world_of(tmp_path, simulator)
        operation = world.submit("1", simulator.sas_url("container", "c", expires_in_s=1 << 30))
        simulator.fail(Fault.status(403, "AuthorizationFailure"), times=FILES, path="/data/")
        assert world.step()
        waiting = world.get(operation)
        assert (waiting.status, waiting.waiting_for is not None) == (OperationStatus.RUNNING, True)
        world.run()
        assert world.get(operation).status is OperationStatus.COMPLETE
        assert sum("/data/" in path for path in simulator.blobs("container")) == FILES
        world.stop()


def test_results_come_in_order_and_an_error_only_when_all_have_ended() -> None:
    ended: list[int] = []
    release = threading.Event()
    begun = threading.Barrier(3)

    def call(value: int) -> int:
        if value < 3:
            begun.wait(30)
        if value == 1:
            raise ValueError(f"{value}")
        if value == 2:
            release.wait(30)
        ended.append(value)
        return value

    side_by_side = SideBySide(4)
    assert side_by_side.map(call, [5, 4, 3], is_remote=lambda value: value != 4) == [5, 4, 3]
    threading.Timer(0.05, release.set).start()
    with pytest.raises(ValueError, match="1"):
        side_by_side.map(call, [0, 1, 2], is_remote=lambda _value: True)
    assert sorted(ended) == [0, 2, 3, 4, 5]


def test_silent_locations_of_one_claim_are_in_nobody_else_s_way() -> None:
    side_by_side = SideBySide(2)
    silent = threading.Event()
    waiting = threading.Thread(target=side_by_side.map, args=(lambda _value: silent.wait(30), range(8)), kwargs={"is_remote": bool})
    waiting.start()
    try:
        assert side_by_side.map(lambda value: value, [1, 2], is_remote=lambda _value: True) == [1, 2]
        assert waiting.is_alive()
    finally:
        silent.set()
        waiting.join()


def test_calls_that_were_not_begun_are_not_made_after_an_error() -> None:
    begun: list[int] = []
    stopping = threading.Event()

    def call(value: int) -> None:
        begun.append(value)
        stopping.wait(30)
        time.sleep(0.05)
        raise Stopping("the service stops")

    threading.Timer(0.05, stopping.set).start()
    with pytest.raises(Stopping):
        SideBySide(4).map(call, range(256), is_remote=lambda _value: True)
    assert len(begun) < 128


def test_calls_are_made_all_the_same_where_the_system_gives_no_threads() -> None:
    with no_more_threads():
        found = SideBySide(4).map(lambda number: number + 1, range(20), is_remote=lambda number: number % 3 > 0)
    assert found == list(range(1, 21))
