"""The cases `queue` and `many`: people of 51 rows in four tables, all asked for at once."""

import json
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import msgspec

from benchmarks.cluster import CACHE, USERS, Cluster
from benchmarks.figures import PEER, Figure, median_of, spread
from benchmarks.service import Service, subjects_config

ROWS = 51
QUEUED, MANY = 1_000, 10_000
_CONNECTIONS = 8
_WARM_RUNS, _WARM_S = 10, 1.0
"""What comes before measuring a queue: a service that has been up for a moment has its libraries loaded and its connections open."""


class Queued(msgspec.Struct, frozen=True, kw_only=True):
    """What it took to export so many people."""

    seconds: float
    """From the first submit to the last completion."""
    cpu_s: float
    peak_rss_mib: float


def queue(cluster: Cluster, runs: int) -> list[Figure]:
    """1,000 people, asked for over 8 connections as fast as the service takes them."""
    return _figures(QUEUED, [export(cluster, QUEUED) for _ in range(runs)], target=6_000, rival=f"{PEER} 105 (50 people)")


def many(cluster: Cluster, runs: int) -> list[Figure]:
    """10,000 people, beside a plain script, in turn."""
    people = max(20, int(MANY * cluster.scale))
    scripts, own = [], []
    for _ in range(runs):
        scripts.append(60 * people / _script(cluster, people))
        own.append(export(cluster, people))
    rival = f"a plain script, files alone: {spread(scripts, '')}; {PEER} 105 (50 people)"
    return _figures(people, own, target=12_000, rival=rival)


def export(cluster: Cluster, people: int) -> Queued:
    """Export the first so many people with a service of its own."""
    with Service(subjects_config(cluster.url)) as service:
        connection = service.connect()
        warm = f"user{int(USERS * cluster.scale)}@example.com"
        for _ in range(_WARM_RUNS):
            connection.follow(connection.submit(warm))
        time.sleep(_WARM_S)
        before, began = service.cpu_s(), time.time()
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            submitted = [
                one for share in pool.map(lambda place: _submit_share(service, place, people), range(_CONNECTIONS)) for one in share
            ]
        connection.close()
        connection = service.connect()  # the service has hung up where it heard nothing for a while
        operations = [connection.follow(operation_id, pause_s=0.02 if people < QUEUED else 0.1) for operation_id in submitted]
        last = max(datetime.fromisoformat(operation["completedDateTime"]).timestamp() for operation in operations)
        took = Queued(seconds=last - began, cpu_s=service.cpu_s() - before, peak_rss_mib=service.peak_rss_mib())
        connection.close()
    if any(sum(source["rows"] for source in operation["sources"]) != ROWS for operation in operations):
        raise RuntimeError(f"a package does not hold {ROWS} rows")
    return took


def _figures(people: int, runs: list[Queued], *, target: float, rival: str) -> list[Figure]:
    case = f"{people:,} people queued"
    rates = tuple(60 * people / run.seconds for run in runs)
    return [
        Figure(
            case=case,
            name="exports a minute",
            value=statistics.median(rates),
            unit="",
            target=target,
            is_less_better=False,
            rival=rival,
            runs=rates,
        ),
        median_of(case, "CPU of the service, each", [1000 * run.cpu_s / people for run in runs], "ms"),
        Figure(case=case, name="peak memory of the service", value=max(run.peak_rss_mib for run in runs), unit="MiB"),
    ]


def _submit_share(service: Service, place: int, people: int) -> list[str]:
    connection = service.connect()
    submitted = [connection.submit(f"user{number + 1}@example.com") for number in range(place, people, _CONNECTIONS)]
    connection.close()
    return submitted


def _script(cluster: Cluster, people: int) -> float:
    """Return the seconds that the yardstick takes for the same people, one after the other."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.yardstick",
        cluster.url,
        "user{}@example.com",
        str(CACHE / "yardstick"),
        f"--people={people}",
    ]
    found = subprocess.run(command, check=True, capture_output=True, cwd=Path(__file__).parent.parent)
    figures = json.loads(found.stdout)
    if figures["rows"] != ROWS * people:
        raise RuntimeError(f"the yardstick found {figures['rows']} rows, not {ROWS * people}")
    return float(figures["wall_s"])
