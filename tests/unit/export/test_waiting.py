"""How often a storage location that refuses for a curable reason is tried."""

import shutil
from itertools import pairwise
from pathlib import Path

from tests.unit.export.world import World

from rightful.operation.model import OperationStatus
from rightful.testing.memory_connector import MemoryConnector

PEOPLE = {"1": {"upn": ("ann@contoso.example",)}}


def test_location_that_refuses_is_tried_soon_then_less_often_for_three_days(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"drive": MemoryConnector(files={"ann@contoso.example": {"a.txt": b"a"}})})
    operation = world.submit("ann@contoso.example")
    shutil.rmtree(world.exports)
    world.exports.write_bytes(b"")  # what is missing alone is made anew on some file systems
    tries: list[float] = []
    while world.clock.monotonic() < 200:
        if world.step():
            tries.append(world.clock.monotonic())
        world.clock.advance(1.0)
    gaps = [later - earlier for earlier, later in pairwise(tries)]
    assert gaps == sorted(gaps)
    assert (gaps[0], gaps[-1]) == (2.0, 30.0)
    waiting = world.get(operation)
    assert (waiting.status, waiting.waiting_for is not None) == (OperationStatus.RUNNING, True)
    world.clock.advance(72 * 3600)
    assert world.step()
    ended = world.get(operation)
    assert (ended.status, ended.failure and ended.failure.code) == (OperationStatus.FAILED, "StorageRefused")
