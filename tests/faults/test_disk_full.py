"""A disk that is full: the store's, and the storage location's. What cannot be written now is written once there is room."""

import ctypes
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.faults import checker
from tests.faults.ground import LOCAL, Ground, beside_main
from tests.faults.scenario import Data

from rightful.config.model import ExportSettings
from rightful.errors import InvalidRequest, Throttled
from rightful.store.values import StoreFault

_ROOM = 6 << 20


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    """Mount a file system in memory with little room."""
    disk = folder / "disk"
    disk.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", str(disk).encode(), b"tmpfs", 0, f"size={_ROOM}".encode()) != 0:
        pytest.skip(f"no file system can be mounted here: {os.strerror(ctypes.get_errno())}")
    try:
        yield disk
    finally:
        libc.umount2(str(disk).encode(), 2)


def _fill(disk: Path, *, leaving: int) -> Path:
    """Let a file of somebody else's take all the room but a little."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 12))
    os.truncate(filler, max(0, filler.stat().st_size - leaving))
    return filler


@pytest.mark.parametrize("leaving", [0, 4 << 10, 12 << 10, 40 << 10, 120 << 10])
def test_disk_of_store_and_folder_that_is_full_for_a_while_loses_nothing(tmp_path: Path, leaving: int) -> None:
    with _small_disk(tmp_path) as disk:
        (disk / "ground").mkdir()
        data = Data(random.Random(8), 2)
        settings = ExportSettings(retry_s=1.0, attempts=9, leak_check="off", viewer="off")
        ground = Ground(disk / "ground", data.people, data.sources, export=settings)

        met: list[str] = []

        def live() -> None:
            life = ground.begin(lambda _number, _name: None)
            life.start()
            ground.accepted[life.submit("0", LOCAL, "key-0")] = "0"
            filler = _fill(disk, leaving=leaving)
            for _ in range(8):
                with suppress(StoreFault, InvalidRequest, Throttled):
                    ground.accepted[life.submit("1", LOCAL, "key-1")] = "1"
                try:
                    life.step()
                except StoreFault:
                    met.append("store")
                met.extend(cause.code for each in ground.accepted if (cause := life.get(each).waiting_for) is not None)
                ground.clock.advance(40.0)
                for operation_id in ground.accepted:
                    ground.poll(operation_id)
            filler.unlink()
            ground.clock.advance(90.0)
            ground.accepted[life.submit("1", LOCAL, "key-1")] = "1"
            for operation_id in ground.accepted:
                ground.asked["resume"].perhaps[operation_id] += 9
            for _ in range(60):
                while life.step():
                    pass
                ground.clock.advance(30.0)
                for operation_id in ground.accepted:
                    ground.poll(operation_id)
            ground.close()

        beside_main(live)
        assert met, "the disk was full"
        ground.may_leave_marks = True
        evidence = ground.evidence()
        assert checker.check(evidence) == []
        assert {row["status"] for row in evidence.held.operations} == {"complete"}
