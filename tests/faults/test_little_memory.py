"""A service that has hardly more memory than it needs when it is idle, and is asked for exports of large values.

The limit is the kernel's (RLIMIT_DATA): whatever asks for more gets none, at any line of Python, Rust or C. Small exports go on or end;
nothing is lost, nothing runs for ever, and with memory again all is complete.
"""

import resource
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.faults import checker
from tests.faults.ground import quick_folder
from tests.faults.served import Client, Crowd, Serving, SmallCompany, running, size, until

pytestmark = pytest.mark.timeout(size(180, 1800))

_MIB = 1 << 20
_LARGE = 3
"""So many of the people have large values, the others small ones."""
_PEOPLE = 8
_ENOUGH_S = 60.0
SPARES = size([40], [0, 1, 2, 4, 8, 12, 16, 24, 32, 40, 64, 96, 128])


def _data_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:"))


def _few_attempts(tenant: dict[str, Any]) -> None:
    tenant["export"]["attempts"] = 4


@pytest.mark.parametrize("spare_mib", SPARES)
def test_export_of_large_values_with_little_memory_ends_and_is_complete_with_more(spare_mib: int) -> None:
    with quick_folder() as folder:
        company = SmallCompany(folder, _PEOPLE, note_bytes=lambda number: 8 * _MIB if number < _LARGE else 60, change=_few_attempts)
        service = Serving(company, "service", "sqlite:///var/store.db")
        crowd = Crowd(company, [service])
        with running(service), closing(Client(company)) as client:
            service.await_ready()
            everybody = list(company.people)
            crowd.submit(client, everybody[-1], key="before")  # so that all is loaded that is needed for it
            crowd.settle(_ENOUGH_S)
            limit = _data_bytes(service.pid) + spare_mib * _MIB
            resource.prlimit(service.pid, resource.RLIMIT_DATA, (limit, resource.RLIM_INFINITY))
            with crowd.asking(everybody, over_s=0.2, clients=2):
                deadline = time.monotonic() + _ENOUGH_S
                while len(crowd.accepted) <= _PEOPLE or crowd.open:
                    service.keep_running()  # it may have ended: then it is as after kill -9, and the next one has more
                    assert time.monotonic() < deadline, f"something runs for ever: {crowd.open}"
                    time.sleep(0.05)
            with suppress(ProcessLookupError):
                resource.prlimit(service.pid, resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            service.keep_running()
            service.await_ready()
            crowd.resume_failed(_ENOUGH_S)
            until(lambda: not service.files_left_open(), 10, "every file is closed")
            assert service.stop() == 0
        held = checker.look_into_sqlite(folder / "var" / "store.db")
        assert {row["status"] for row in held.operations} == {"complete"}
        assert crowd.verdict(held) == []
