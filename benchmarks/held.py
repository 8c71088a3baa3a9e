"""The case `held`: what must hold under load, each figure with what it must be.

10,000 people of whom five tables hold nothing are asked for at once, the service is killed in the middle and started again; while their
exports run, another tenant asks for ten, and a thousand pollers ask once a second. Then an empty store beside one with 100,000 operations
that have ended.
"""

import json
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from benchmarks import load
from benchmarks.beside import serving
from benchmarks.cluster import CACHE, Cluster
from benchmarks.ended import fill
from benchmarks.figures import Figure
from benchmarks.load import Load
from benchmarks.service import ACCOUNT, Service, configure, mint_token
from rightful.ids import TenantId

PEOPLE, FEW, POLLERS, ENDED = 10_000, 10, 1_000, 100_000
REQUESTS = 3_000
"""Of each kind, beside a store that is full; a tenth as many lists."""
OTHER = TenantId("44444444-4444-4444-8444-444444444444")
SOURCES = 5
_CONNECTIONS = 64
_POLL_S = 15.0
_RUNNING_S = 60.0


@dataclass
class Held:
    """What came of the first part."""

    queued_s: float = 0.0
    lost: int = 0
    restart_s: float = 0.0
    submit_cpu_s: float = 0.0
    """Of the service until all were accepted; exports run meanwhile."""
    few_s: list[float] = field(default_factory=list)
    polls: Load = field(default_factory=Load)
    open_while_polled: int = 0
    cpu_ms: float = 0.0
    seconds: float = 0.0


def held(cluster: Cluster, _runs: int) -> list[Figure]:
    """Queue, kill, share and poll; then look at a full store."""
    people = max(60, int(PEOPLE * cluster.scale))
    pollers = max(20, int(POLLERS * min(1.0, cluster.scale * 4)))
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="held-", dir=CACHE) as folder:
        found = queue(Path(folder), people, pollers)
    case = f"{people:,} people queued, {SOURCES} empty tables"
    return [
        Figure(case=case, name="accepted, a kill in the middle included", value=found.queued_s, unit="s", target=30.0 * people / PEOPLE),
        Figure(case=case, name="CPU of the service until then, each", value=1000 * found.submit_cpu_s / people, unit="ms"),
        Figure(case=case, name="accepted and lost", value=found.lost, unit="", target=0),
        Figure(case=case, name="kill -9 until the first answer", value=found.restart_s, unit="s", target=3),
        Figure(case=case, name=f"{FEW} of another tenant behind them: the first starts after", value=found.few_s[0], unit="s", target=1),
        Figure(case=case, name=f"{FEW} of another tenant behind them: any of them starts after at most", value=found.few_s[-1], unit="s"),
        Figure(case=case, name=f"{pollers:,} pollers at 1 Hz meanwhile, p99", value=found.polls.p99_ms, unit="ms", target=100),
        Figure(case=case, name="not yet ended when they stopped", value=found.open_while_polled, unit=""),
        Figure(case=case, name="CPU of an operation, package included", value=found.cpu_ms, unit="ms"),
        Figure(case=case, name="exports a minute", value=60 * people / found.seconds, unit=""),
        *ended(max(2_000, int(ENDED * cluster.scale)), max(300, int(REQUESTS * min(1.0, 2 * cluster.scale)))),
    ]


def tenant(folder: Path, people: int) -> dict[str, Any]:
    """Make a directory of people and tables that hold nothing of them; return what a configuration says of both."""
    path = folder / "people.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE people (id TEXT PRIMARY KEY, upn TEXT)")
        database.execute("CREATE UNIQUE INDEX people_upn ON people (upn)")
        database.executemany(
            "INSERT INTO people VALUES (?, ?)", ((f"{number:08d}", f"user{number}@example.com") for number in range(people))
        )
        for number in range(SOURCES):
            database.execute(f"CREATE TABLE things{number} (id INTEGER PRIMARY KEY, upn TEXT, what TEXT)")
            database.execute(f"CREATE INDEX things{number}_upn ON things{number} (upn)")
            database.execute(f"INSERT INTO things{number} VALUES (1, 'somebody.else@example.com', 'a')")
        database.commit()
    url = f"sqlite:///{path}"
    sources = {
        f"things{number}": {"connector": "sql", "url": url, "table": f"things{number}", "match": {"upn": "upn"}, "key": "id"}
        for number in range(SOURCES)
    }
    return {"directory": {"connector": "sql", "url": url, "table": "people", "id": "id", "upn": "upn"}, "sources": sources}


def submits(token: str, first: int, last: int) -> Iterator[bytes]:
    """Yield requests for exports of people, one each."""
    body = json.dumps({"storageLocation": ACCOUNT}).encode()
    for number in range(first, last):
        yield load.request("POST", f"/v1.0/users/user{number}@example.com/exportPersonalData", token=token, body=body, key=f"held-{number}")


def queue(folder: Path, people: int, pollers: int) -> Held:
    """Do the first part."""
    found = Held()
    with Service(tenant(folder, people), also={"id": OTHER, "name": "Other"}, connections=pollers + 200) as service:
        _warm(service, people)
        began = time.perf_counter()
        accepted = _accept(service, people, found)
        found.queued_s = time.perf_counter() - began
        before = service.cpu_s()
        found.few_s = _start_after(service)
        polls = cycle([load.request("GET", f"/v1.0/dataPolicyOperations/{each}", token=service.token()) for each in accepted[-500:]])
        found.polls = load.poll(service.address, polls, pollers=pollers, seconds=_POLL_S)
        _expect({200}, found.polls)
        found.open_while_polled = people - _count(service, "complete")
        deadline = time.monotonic() + _RUNNING_S + people / 5
        while (done := _count(service, "complete")) < people and time.monotonic() < deadline:
            time.sleep(0.5)
        found.seconds = time.perf_counter() - began
        found.cpu_ms = 1000 * (service.cpu_s() - before) / people
        there = load.run(
            service.address, (load.request("GET", f"/v1.0/dataPolicyOperations/{each}", token=service.token()) for each in accepted)
        )
        found.lost = len(accepted) - there.answers[200]
        packages = sum((each / "receipt.json").exists() for each in (service.folder / "exports").iterdir())
        # What was accepted and never answered, when the kill came, is an operation too: submitted again it was found, or made anew.
        if done != people or packages != people + FEW or _count(service, "failed"):
            raise RuntimeError(f"{people} were asked for: {done} are complete, {packages} packages are whole")
    return found


def _warm(service: Service, people: int) -> None:
    """Have what a service does first be done, by the other tenant."""
    connection = service.connect(OTHER)
    connection.preview(f"user{people - 1}@example.com")
    connection.close()


def _accept(service: Service, people: int, found: Held) -> list[str]:
    """Submit all, kill the service when half are accepted, start it again; return the ids that were answered."""
    first = Load()

    def kill() -> None:
        while first.answers[202] < people // 2:
            time.sleep(0.001)
        found.submit_cpu_s = service.cpu_s() - before
        service.kill()

    before = service.cpu_s()
    killing = threading.Thread(target=kill)
    killing.start()
    token = service.token()
    load.run(service.address, submits(token, 0, people), connections=_CONNECTIONS, load=first)
    killing.join()
    began = time.perf_counter()
    service.start()
    connection = service.connect()
    connection.operation(first.locations[-1])
    connection.close()
    found.restart_s = time.perf_counter() - began
    # Whoever was not answered asks again, and some who were: their key finds the same operation.
    answered, before = len(first.locations), service.cpu_s()
    second = load.run(service.address, submits(token, max(0, answered - 4 * _CONNECTIONS), people), connections=_CONNECTIONS)
    found.submit_cpu_s += service.cpu_s() - before
    _expect({202}, first)
    _expect({202}, second)
    return list(dict.fromkeys([*first.locations, *second.locations]))


def _start_after(service: Service) -> list[float]:
    """Submit some for the other tenant, all at once; return how long it takes until something is done for each, the shortest first."""

    def start_after(number: int) -> float:
        connection = service.connect(OTHER)
        began = time.perf_counter()
        operation_id = connection.submit(f"user{number}@example.com")
        while connection.operation(operation_id)["status"] == "notStarted":
            if time.perf_counter() - began > _RUNNING_S:
                return float("inf")
            time.sleep(0.005)
        after_s = time.perf_counter() - began
        connection.close()
        return after_s

    with ThreadPoolExecutor(FEW) as pool:
        return sorted(pool.map(start_after, range(FEW)))


def _count(service: Service, status: str) -> int:
    connection = service.connect()
    found = connection.count(f"?$filter=status%20eq%20'{status}'")
    connection.close()
    return found


def _expect(statuses: set[int], answered: Load) -> None:
    if set(answered.answers) - statuses:
        raise RuntimeError(f"answered {dict(answered.answers)}")


def ended(operations: int, requests: int) -> list[Figure]:
    """Look, poll and submit in an empty store and in a full one, in turn; CPU of the service for each request counts."""
    costs: dict[str, dict[bool, list[float]]] = {name: {False: [], True: []} for name in ("list", "poll", "submit")}
    for is_full in (False, True, False, True):
        with tempfile.TemporaryDirectory(prefix="ended-", dir=CACHE) as temporary:
            folder = Path(temporary)
            config = configure(folder, tenant(folder, 200 + requests))
            token = mint_token(folder)
            if is_full:
                fill(folder / "rightful.db", operations)
            with serving("benchmarks.wire_server", "ours", config) as server:
                first = load.run(server.address, submits(token, 0, 200))
                _expect({202}, first)
                polled = [load.request("GET", f"/v1.0/dataPolicyOperations/{each}", token=token) for each in first.locations]
                listed = [load.request("GET", "/v1.0/dataPolicyOperations?$top=100", token=token)]
                for name, asked in (
                    ("list", islice(cycle(listed), requests // 10)),
                    ("poll", islice(cycle(polled), requests)),
                    ("submit", submits(token, 200, 200 + requests)),
                ):
                    before = server.cpu_s()
                    answered = load.run(server.address, asked, connections=16)
                    _expect({200, 202}, answered)
                    costs[name][is_full].append(1e6 * (server.cpu_s() - before) / answered.answers.total())
    case = f"{operations:,} operations that have ended"
    return [
        Figure(
            case=case,
            name=f"{name}, CPU beside an empty store",
            value=min(cost[True]) / min(cost[False]),
            unit="",
            target=1.3,
            rival=f"empty {min(cost[False]):.0f} µs, full {min(cost[True]):.0f} µs",
        )
        for name, cost in costs.items()
    ]
