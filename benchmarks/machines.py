"""The case `cluster`: a lake read by workers of a Dask cluster, each held to one core; and a leader that is killed."""

import hashlib
import http.client
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil
import psycopg
from tests.servers.dask import DaskProcesses

from benchmarks import lake_data
from benchmarks.cluster import CACHE, Cluster
from benchmarks.figures import Figure, spread
from benchmarks.service import Service

_ROWS = 100_000_000
_PEOPLE = 1_000
_COMPARED = 25
"""People whose packages are compared."""
_PATIENCE_S = 1800.0
_FASTER = 1.7
_MIB = 1 << 20
_READS = 4
"""Into so many the lake is divided, about."""
_TAKEN_OVER_S = 8.0
_CONNECTIONS = 8


def machines(cluster: Cluster, runs: int) -> list[Figure]:
    """One worker, then two, for the same people; `--scale` makes the lake smaller, and below a tenth fewer people."""
    folder, people = lake_data.build(int(_ROWS * cluster.scale)), max(_COMPARED, int(_PEOPLE * min(1.0, 10 * cluster.scale)))
    one = [_measure(cluster, folder, people, workers=1) for _ in range(runs)]
    two = [_measure(cluster, folder, people, workers=2) for _ in range(runs)]
    if len({run.packages for run in one + two}) > 1:
        raise RuntimeError("packages differ with the number of workers")
    times = tuple(alone.seconds / both.seconds for alone, both in zip(one, two, strict=True))
    case = f"lake of {int(_ROWS * cluster.scale):,} rows on a Dask cluster, {people:,} people, each worker on one core"
    rival = f"one worker {_said(one)}, two {_said(two)}"
    faster = Figure(
        case=case,
        name="two workers, times as fast as one",
        value=sorted(times)[len(times) // 2],
        unit="",
        target=_FASTER,
        is_less_better=False,
        rival=rival,
        runs=times,
    )
    taken = [_take_over(cluster, folder) for _ in range(runs)]
    over = Figure(
        case=case,
        name="kill -9 of the leader until another works",
        value=sorted(taken)[len(taken) // 2],
        unit="s",
        target=_TAKEN_OVER_S,
        runs=tuple(taken),
    )
    return [faster, over]


class _Run(NamedTuple):
    """How long the work took, and the CPU time of workers and of all else meanwhile: what does not fit on the cores waits."""

    seconds: float
    workers_cpu_s: float
    rest_cpu_s: float
    packages: str


def _said(runs: list[_Run]) -> str:
    """Return the times of runs, and whose CPU time it was in the last one."""
    last = runs[-1]
    return f"{spread([run.seconds for run in runs], 's')} (CPU: workers {last.workers_cpu_s:.1f} s, the rest {last.rest_cpu_s:.1f} s)"


def _cpu_s(pids: list[int]) -> float:
    """Return the CPU time of processes and of all that they have started, as far as that still runs."""
    total = 0.0
    for each in [each for pid in pids for each in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True))]:
        with suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            total += times.user + times.system
    return total


def _tenant(folder: Path) -> dict[str, object]:
    people = {"connector": "sql", "url": f"sqlite:///{folder}/people.db", "table": "people", "id": "object_id", "upn": "upn"}
    files = list((folder / "lake").glob("*.parquet"))
    # As it is, the lake is one read, which one worker does.
    mib = max(1, sum(path.stat().st_size for path in files) // _READS // _MIB)
    lake = {"connector": "lake", "url": f"file://{folder}/lake/*.parquet", "match": {"user_id": "upn"}, "partition_mib": mib}
    return {"directory": people, "sources": {"activity": lake}}


def _database(cluster: Cluster) -> str:
    name = f"store_{time.time_ns()}"
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return cluster.url.rpartition("/")[0] + f"/{name}"


def _is_ready(service: Service) -> bool:
    connection = http.client.HTTPConnection(service.address.removeprefix("http://"), timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


def _await_ready(service: Service) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not _is_ready(service):
        if time.monotonic() > deadline:
            raise RuntimeError("the service does not get ready")
        time.sleep(0.02)


def _measure(cluster: Cluster, lake: Path, people: int, *, workers: int) -> _Run:
    """Return what it takes from the moment that workers are there until every package is complete, and what is in the packages."""
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        dask = DaskProcesses(Path(folder))
        whole = {"store": _database(cluster), "engine": "dask", "dask": dask.settings}
        try:
            for core in range(workers):
                dask.start_worker(threads=2, wrapper=("taskset", "-c", str(core)))
            with Service(_tenant(lake), whole=whole) as service:
                ids = _submit(service, people)
                while not all("Waiting to connect" in dask.log(f"worker-{number}") for number in range(workers)):
                    time.sleep(0.1)  # they have imported everything, and wait for a scheduler
                dask.start_scheduler()
                _await_ready(service)
                at_work = [worker.pid for worker in dask.workers]
                began, before, all_before = time.perf_counter(), _cpu_s(at_work), _cpu_s([os.getpid()])
                connection = service.connect()
                while connection.count("?$filter=status%20eq%20%27complete%27") < len(ids):
                    time.sleep(0.05)
                seconds, own = time.perf_counter() - began, _cpu_s(at_work) - before
                rest = _cpu_s([os.getpid()]) - all_before - own  # everything is started by this process
                return _Run(seconds, own, rest, _digest([service.folder / "exports" / each for each in ids[:_COMPARED]]))
        finally:
            dask.stop()


def _submit(service: Service, people: int) -> list[str]:
    connections = [service.connect() for _ in range(_CONNECTIONS)]

    def submit(first: int) -> list[tuple[int, str]]:
        return [(number, connections[first].submit(lake_data.upn(number))) for number in range(first, people, _CONNECTIONS)]

    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        found = [each for some in pool.map(submit, range(_CONNECTIONS)) for each in some]
    return [operation_id for _, operation_id in sorted(found)]


def _digest(packages: list[Path]) -> str:
    """Return what is equal where the same records lie in the same parts."""
    digest = hashlib.sha256()
    for package in packages:
        lines = (line for line in (package / "manifest-sha256.txt").read_text(encoding="utf-8").splitlines() if "  data/" in line)
        digest.update("\n".join(sorted(lines)).encode() + b"\n\n")
    return digest.hexdigest()


def _take_over(cluster: Cluster, lake: Path) -> float:
    """Return how long it takes from the end of the leader until the one that stood by has a worker."""
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        dask = DaskProcesses(Path(folder))
        whole = {"store": _database(cluster), "engine": "dask", "dask": dask.settings}
        try:
            dask.start_scheduler()
            dask.start_worker()
            with Service(_tenant(lake), whole=whole) as leader:
                _await_ready(leader)
                twin = leader.twin()
                try:
                    began = time.perf_counter()
                    leader.kill()
                    twin.listen()
                    _await_ready(twin)
                    return time.perf_counter() - began
                finally:
                    twin.kill()
        finally:
            dask.stop()
