"""A disk that is full: the store's, the storage location's, that of temporary files. What cannot be written now is written once there is room."""

import ctypes
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.faults import checker
from tests.faults.ground import LOCAL, Ground, beside_main, quick_folder
from tests.faults.scenario import Data
from tests.faults.served import Crowd, Serving, SmallCompany, running
from tests.servers.postgres import PostgresServer

from rightful.config.model import ExportSettings
from rightful.errors import InvalidRequest, Throttled
from rightful.store.values import StoreFault

_ROOM = 6 << 20


@contextmanager
def _mounted(disk: Path) -> Iterator[None]:
    """Mount a file system in memory with little room on a folder."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", str(disk).encode(), b"tmpfs", 0, f"size={_ROOM}".encode()) != 0:
        pytest.skip(f"no file system can be mounted here: {os.strerror(ctypes.get_errno())}")
    try:
        yield
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
    disk = tmp_path / "disk"
    disk.mkdir()
    with _mounted(disk):
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


@pytest.mark.postgres
@pytest.mark.timeout(180)
def test_disk_of_temporary_files_that_is_full_stops_nothing(postgres: PostgresServer) -> None:
    def settings(tenant: dict[str, Any]) -> None:
        tenant["export"]["attempts"] = 3

    with quick_folder() as folder:
        company = SmallCompany(
            folder, 6, database=postgres.own_database(), row_s=0.03, note_bytes=lambda _number: 2 << 20, change=settings
        )  # twice what a shared read holds in memory
        with _mounted(company.temporary):
            service = Serving(company, "service", "sqlite:///var/store.db")
            crowd = Crowd(company, [service])
            with running(service):
                service.await_ready()
                with crowd.asking(list(company.people), over_s=0.0):
                    pass
                service.kill()  # so that the next one finds them all at once
                _fill(company.temporary, leaving=0)
                service.start()
                crowd.settle(60)
                assert os.statvfs(company.temporary).f_bavail == 0
                (company.temporary / "filler").unlink()
                open_files = service.files_left_open()
                assert service.stop() == 0
            held = checker.look_into_sqlite(folder / "var" / "store.db")
            assert {row["status"] for row in held.operations} == {"complete"}
            assert crowd.verdict(held, open_files=open_files) == []
