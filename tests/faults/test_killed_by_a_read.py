"""A service that one person's data kills, each time that it is read: it ends as failed, and nobody else's export does."""

import os
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.faults import checker
from tests.faults.ground import quick_folder
from tests.faults.served import Client, Crowd, Serving, SmallCompany, running, until
from tests.faults.set_clock import SetClock, compile_into
from tests.servers.postgres import PostgresServer

from rightful.store.deaths import ALONE, LONGEST_PAUSE_S, SUSPECTED

_CONNECTOR = '''
import os
import signal

import msgspec

from rightful.connectors.interface import MatchColumn, Partition, ReadHeader
from rightful.package.schema import Column, ColumnKind


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Data that kills whoever reads that of one person."""

    whose: str


class Connector:
    Settings = Settings

    def __init__(self, source_name, settings, *, siblings, folder):
        self._whose, self._folder = settings.whose, folder

    def check(self): ...
    def close(self): ...

    def plan(self, subjects):
        return (Partition(number=0),)

    def read(self, partition, subjects, cursor=None):
        match = (MatchColumn(batch_column="mail", identifier_kind="upn"),)
        yield ReadHeader(columns=(Column(name="mail", kind=ColumnKind.TEXT),), match=match, searched="all")
        if any(self._whose in subject.values("upn") for subject in subjects):
            with open(self._folder / "deaths", "a") as file:
                file.write("x")
            os.kill(os.getpid(), signal.SIGKILL)
'''
_PEOPLE = 12
_GUILTY = 5
_SEARCHED = 4
"""So often it may die beside others, after those deaths that make suspects: of twelve that are looked through by 1, 2, 4."""
_ENDS_S = 120.0


def _site(folder: Path) -> Path:
    """Make a folder with a connector of somebody else's, as an installer does."""
    info = folder / "site" / "deadly-1.dist-info"
    info.mkdir(parents=True)
    (folder / "site" / "deadly.py").write_text(_CONNECTOR, encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: deadly\nVersion: 1\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[rightful.connectors]\ndeadly = deadly:Connector\n", encoding="utf-8")
    return folder / "site"


def _with_deadly_source(tenant: dict[str, Any]) -> None:
    tenant["sources"] = {"deadly": {"connector": "deadly", "whose": f"u{_GUILTY}@x.example", "product": "Product"}, **tenant["sources"]}


def _deaths(folder: Path) -> int:
    path = folder / "deaths"
    return len(path.read_text(encoding="ascii")) if path.exists() else 0


@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_read_that_kills_the_service_each_time_is_given_up_and_everybody_else_is_served(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    store = "sqlite:///var/store.db"
    if kind == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        store = server.own_database()
    with quick_folder() as folder:
        company = SmallCompany(folder, _PEOPLE, change=_with_deadly_source)
        clock = SetClock(company, compile_into(tmp_path))
        path = f"{_site(folder)}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        service = Serving(company, "service", store, environ={**clock.environ, "PYTHONPATH": path})
        crowd = Crowd(company, [service])
        starts = 1
        with running(service), closing(Client(company)) as client:
            service.await_ready()
            with crowd.asking(list(company.people), over_s=0.1):
                deadline = time.monotonic() + _ENDS_S
                while len(crowd.accepted) < _PEOPLE or crowd.open:
                    if service.keep_running():
                        starts += 1
                        until(lambda: service.is_ready() or not service.is_running, _ENDS_S, "the service is ready, or dead again")
                        clock.set(starts * LONGEST_PAUSE_S)  # it has noted its death, and what waits for that waits no longer than this
                    assert time.monotonic() < deadline, f"after {_deaths(folder)} deaths something runs for ever: {crowd.open}"
                    time.sleep(0.05)
            (guilty,) = (each for each, who in crowd.accepted.items() if who == list(company.people)[_GUILTY])
            reply = client.ask(service.port, "GET", f"/v1.0/dataPolicyOperations/{guilty}")
            assert (reply.body["status"], reply.body["failureReason"]["code"]) == ("failed", "ServiceDied")
            assert service.stop() == 0
        deaths = _deaths(folder)
        assert SUSPECTED + ALONE <= deaths <= SUSPECTED + ALONE + _SEARCHED
        assert starts == deaths + 1
        held = (
            checker.look_into_sqlite(folder / "var" / "store.db")
            if kind == "sqlite"
            else checker.look_into_postgres(server.url(store.rpartition("/")[2]))
        )
        assert {row["id"]: row["status"] for row in held.operations} == {
            each: "failed" if each == guilty else "complete" for each in crowd.accepted
        }
