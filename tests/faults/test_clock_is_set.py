"""The machine's clock is set while operations run and wait: an hour back, a day forward, and back again.

The time of day that the service sees is another one (`set_clock`); durations pass as ever. What waits for another try
goes on soon, whatever the clock says; each operation ends once, and the audit trail is whole.
"""

import time
from pathlib import Path

import pytest
from tests.faults import checker
from tests.faults.ground import quick_folder
from tests.faults.served import Crowd, Serving, SmallCompany, running, size
from tests.faults.set_clock import SetClock, compile_into
from tests.servers.postgres import PostgresServer

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(size(180, 3600))]

_HOUR_S, _DAY_S = 3600, 86_400
_SOON_S = 40.0
"""A wait for another try is at most 300 s, and what has been tried for some seconds waits for some seconds more."""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_into(tmp_path_factory.mktemp("clock"))


@pytest.mark.parametrize("store", ["sqlite", "server"])
def test_clock_that_is_set_back_and_forward_holds_up_nothing_and_loses_nothing(postgres: PostgresServer, library: Path, store: str) -> None:
    url = "sqlite:///var/store.db" if store == "sqlite" else postgres.own_database()
    number = size(30, 600)
    with quick_folder() as folder:
        company = SmallCompany(folder, number, database=postgres.own_database(), row_s=0.002)
        clock = SetClock(company, library)
        service = Serving(company, "service", url, environ=clock.environ)
        crowd = Crowd(company, [service])
        with running(service):
            service.await_ready()
            with crowd.asking(list(company.people), over_s=5.0):
                for ahead_s in (-_HOUR_S, _DAY_S, _DAY_S - _HOUR_S, 0):
                    time.sleep(1.0)
                    if store == "sqlite":
                        postgres.kill()  # what is being read then waits for another try
                        time.sleep(0.4)
                    clock.set(ahead_s)
                    if store == "sqlite":
                        postgres.start()
            begun = time.monotonic()
            crowd.settle(_SOON_S)
            print(f"all had ended {time.monotonic() - begun:.1f} s after the last request")  # noqa: T201 - shown where the test fails
            crowd.resume_failed(_SOON_S)
            open_files = service.files_left_open()
            verified = service.command("audit", "verify")
            assert verified.returncode == 0, verified.stdout + verified.stderr
            assert service.stop() == 0
        held = (
            checker.look_into_sqlite(folder / "var" / "store.db")
            if store == "sqlite"
            else checker.look_into_postgres(postgres.url(url.rpartition("/")[2]))
        )
        assert {row["status"] for row in held.operations} == {"complete"}
        assert crowd.verdict(held, open_files=open_files) == []
