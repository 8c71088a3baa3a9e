"""Real services, and the databases that they read and keep their store in, killed every few seconds while many ask for exports.

Each request is accepted once and each operation ends once; the checker looks when all have ended. `make soak` asks ten times as often.
"""

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from tests.faults import checker
from tests.faults.ground import quick_folder
from tests.faults.served import Crowd, Serving, SmallCompany, running, size, until
from tests.servers.postgres import PostgresServer

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(size(180, 3600))]

OPERATIONS = size(200, 2000)
OVER_S = size(8, 100)
EACH_S = 1.2
_SETTLED_S = 90.0
_ROW_S = 0.002


class Victim:
    """What is killed and started again, on and on, in a thread of its own."""

    def __init__(self, hurt: Callable[[random.Random], None], seed: int) -> None:
        self._hurt = hurt
        self._chance = random.Random(seed)
        self._is_over = threading.Event()
        self.times = 0
        """How often it was killed."""
        self.failure: BaseException | None = None

    @contextmanager
    def hurting(self) -> Iterator[None]:
        """Kill it while the block lasts; afterwards it runs."""
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            thread.join()
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            while not self._is_over.wait(self._chance.uniform(0.5, 1.5) * EACH_S):
                self._hurt(self._chance)
                self.times += 1
        except BaseException as error:  # noqa: BLE001 - raised in the end
            self.failure = error


def _kill_server(server: PostgresServer, chance: random.Random) -> None:
    """Kill it, or stop it at once as `pg_ctl stop -m immediate` does; it is away for a while."""
    if chance.random() < 0.5:
        server.kill()
    else:
        server.abort()
    time.sleep(chance.uniform(0, 0.5))
    server.start()


def _kill_service(services: list[Serving], chance: random.Random) -> None:
    """Kill the one that leads, or any; sometimes it is killed again before it has begun to work."""
    leaders = [each for each in services if each.is_ready()]
    doomed = chance.choice(leaders if leaders and chance.random() < 0.7 else services)
    doomed.kill()
    doomed.start()
    if chance.random() < 0.2:
        time.sleep(chance.uniform(0, 1))
        doomed.kill()
        doomed.start()


def _live(folder: Path, server: PostgresServer, what: str, store: str) -> list[str]:
    """Let everybody's export be asked for while something is killed; return what is wrong in the end."""
    database = "" if what == "store" else server.own_database()
    company = SmallCompany(folder, OPERATIONS, database=database, row_s=_ROW_S)
    services = [Serving(company, f"service{number}", store) for number in range(3 if what == "services" else 1)]
    hurt = (lambda chance: _kill_service(services, chance)) if what == "services" else (lambda chance: _kill_server(server, chance))
    crowd, victim = Crowd(company, services), Victim(hurt, seed=len(what))
    with running(*services):
        until(lambda: any(each.is_ready() for each in services), 60, "a service is ready")
        with crowd.asking(list(company.people), over_s=OVER_S), victim.hurting():
            time.sleep(OVER_S)
            until(lambda: victim.times > 1 or victim.failure is not None, _SETTLED_S, "it was killed twice")
        assert len(crowd.accepted) == OPERATIONS
        crowd.settle(_SETTLED_S)
        crowd.resume_failed(_SETTLED_S)
        for each in services:
            assert each.is_running, "nobody ended it"
        open_files = frozenset[str]().union(*(each.files_left_open() for each in services))
        for each in sorted(services, key=Serving.is_ready):  # those that stand by first: else one would be about to take over
            assert each.stop() == 0
    held = (
        checker.look_into_sqlite(folder / "var" / "store.db")
        if store.startswith("sqlite:")
        else checker.look_into_postgres(_everybodys(server, store))
    )
    assert {row["status"] for row in held.operations} == {"complete"}
    return crowd.verdict(held, open_files=open_files)


def _everybodys(server: PostgresServer, url: str) -> str:
    """Return a database's address for an account that sees the rows of all tenants."""
    return server.url(url.rpartition("/")[2])


@pytest.mark.parametrize("what", ["source", "store", "services"])
def test_killed_every_few_seconds_each_is_accepted_once_and_ends_once(postgres: PostgresServer, what: str) -> None:
    store = "sqlite:///var/store.db" if what == "source" else postgres.own_database()
    with quick_folder() as folder:
        assert _live(folder, postgres, what, store) == []


def test_leader_that_stood_still_goes_on_beside_the_one_that_took_over_and_writes_nothing(postgres: PostgresServer) -> None:
    number = size(60, 200)
    with quick_folder() as folder:
        store = postgres.own_database()
        company = SmallCompany(folder, number, database=postgres.own_database(), row_s=0.01)
        services = first, second = [Serving(company, name, store) for name in ("first", "second")]
        crowd = Crowd(company, services)
        with running(first):
            first.await_ready()
            with running(second):
                with crowd.asking(list(company.people), over_s=1.0):
                    with _held(company.database, "plain_rows"):  # one of its sources: what has begun ends no sooner
                        until(lambda: len(crowd.accepted) == number, 60, "all are accepted")
                        first.signal(signal.SIGSTOP)
                    assert len(crowd.open) == number, "it is at work"
                    until(second.is_ready, 60, "the other one has taken over")
                    first.signal(signal.SIGCONT)
                crowd.settle(_SETTLED_S)
                delivered = _look(company.exports)
                until(lambda: "the lead is lost" in first.log.read_text(encoding="utf-8"), 30, "it has noticed")
                time.sleep(1.0)  # whatever it still had in hand
                assert not first.is_ready()
                assert second.is_ready()
                assert _look(company.exports) == delivered
                open_files = first.files_left_open() | second.files_left_open()
                assert first.stop() == 0  # the one that stands by: else it would be about to take over
                assert second.stop() == 0
        url = _everybodys(postgres, store)
        assert postgres.execute("SELECT term FROM rightful.lead", url.rpartition("/")[2]) == [(2,)]
        held = checker.look_into_postgres(url)
        assert {row["status"] for row in held.operations} == {"complete"}
        assert crowd.verdict(held, open_files=open_files) == []


@contextmanager
def _held(url: str, table: str) -> Iterator[None]:
    """Let nobody read a table while the block lasts."""
    with psycopg.connect(url) as connection:
        connection.execute(f"LOCK TABLE {table}".encode())
        yield


def _look(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Return what lies in a folder, and what changes where somebody writes there."""
    found = {str(path.relative_to(folder)): path.stat() for path in folder.rglob("*")}
    return {path: (stat.st_ino, stat.st_size, stat.st_mtime_ns) for path, stat in found.items()}
