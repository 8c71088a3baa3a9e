"""What is measured, one function a case; each returns its figures."""

import hashlib
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import psycopg

from benchmarks.blobs import big, files
from benchmarks.cluster import CACHE, Cluster
from benchmarks.engine import engine
from benchmarks.estimates import estimates
from benchmarks.figures import PEER, Figure, median_of, spread
from benchmarks.growth import linear
from benchmarks.held import held
from benchmarks.lakes import lakes
from benchmarks.leaks import leaks
from benchmarks.machines import machines
from benchmarks.mailboxes import mailboxes
from benchmarks.packages import checks, zipped
from benchmarks.pages import pages
from benchmarks.queues import many, queue
from benchmarks.service import Service, subjects_config
from benchmarks.soak import soak
from benchmarks.wire import wire
from benchmarks.yardstick import Figures, measure

T = TypeVar("T")
SMALL, LARGE = "user4242@example.com", "large@example.com"
SMALL_ROWS, LARGE_ROWS = 51, 500_001
SORTED_GROUP_ROWS = 1_000


def small(cluster: Cluster, runs: int) -> list[Figure]:
    """One person of 51 rows, again and again, from submit to complete over HTTP."""
    walls, costs = [], []
    with Service(subjects_config(cluster.url)) as service:
        connection = service.connect()
        for turn in range(5 + runs):
            before, began = service.cpu_s(), time.perf_counter()
            operation = connection.follow(connection.submit(SMALL))
            wall = time.perf_counter() - began
            _expect_rows(operation["sources"], SMALL_ROWS)
            if turn >= 5:  # the first ones warm everything up
                walls.append(1000 * wall)
                costs.append(service.cpu_s() - before)
        connection.close()
    yardstick = [1000 * _yardstick(cluster, SMALL, SMALL_ROWS)["wall_s"] for _ in range(5)]
    return [
        median_of(
            "51 rows", "submit to complete", walls, "ms", target=60, rival=f"yardstick {spread(yardstick, 'ms')}; {PEER} 800 to 1,400 ms"
        ),
        # psutil counts in hundredths of a second: only the mean of all runs tells.
        Figure(
            case="51 rows", name="CPU of the service", value=1000 * statistics.mean(costs), unit="ms", target=20, rival=f"{PEER} 900 ms"
        ),
    ]


def large(cluster: Cluster, runs: int) -> list[Figure]:
    """One person of 500,001 rows beside the yardstick, in turn."""
    walls, costs, yardsticks, ratios = [], [], [], []
    with Service(subjects_config(cluster.url)) as service:
        connection = service.connect()
        connection.follow(connection.submit(SMALL))
        for _ in range(runs):
            yardstick = _yardstick(cluster, LARGE, LARGE_ROWS)
            before, began = service.cpu_s(), time.perf_counter()
            operation = connection.follow(connection.submit(LARGE))
            wall = time.perf_counter() - began
            _expect_rows(operation["sources"], LARGE_ROWS)
            walls.append(wall)
            costs.append(service.cpu_s() - before)
            yardsticks.append(yardstick)
            ratios.append(wall / yardstick["wall_s"])
        peak = service.peak_rss_mib()
        connection.close()
    rival = spread([figures["wall_s"] for figures in yardsticks], "s")
    cpu = spread([figures["cpu_s"] for figures in yardsticks], "s")
    memory = max(figures["peak_rss_mib"] for figures in yardsticks)
    case = "500,001 rows"
    return [
        median_of(case, "share of the yardstick's wall time, pair by pair", ratios, "", target=0.35, rival=f"yardstick {rival}"),
        median_of(case, "submit to complete", walls, "s", rival=f"{PEER} 116 s"),
        median_of(case, "CPU of the service", costs, "s", rival=f"yardstick {cpu}; {PEER} 147 s"),
        Figure(
            case=case,
            name="peak memory of the service",
            value=peak,
            unit="MiB",
            target=200,
            rival=f"yardstick {memory:.0f} MiB; {PEER} 2,690 MB",
        ),
    ]


def lake(_cluster: Cluster | None, runs: int) -> list[Figure]:
    """One person's rows out of the sample company's two million, beside polars counting them, in turn; then out of sorted files."""
    from rightful.sample import company as sample  # noqa: PLC0415 - heavy, and needed here only

    company = sample.build(CACHE / "company", listen="127.0.0.1:0")
    upn, activity = company.person("ann").upn, company.systems / "activity"
    found, times = _read_lake(company.folder, activity, upn, runs)
    case, counts, collects = f"lake, {found:,} of 2,000,000 rows", times["count"], times["collect"]
    figures = [
        median_of(
            case,
            "read and package, as a share of counting",
            _ratios(times["read"], counts),
            "",
            target=1.3,
            rival=f"polars, counting (reads one column of ten): {spread(counts, 'ms')}",
        ),
        median_of(
            case,
            "read and package, as a share of collecting",
            _ratios(times["read"], collects),
            "",
            rival=f"polars, collecting the same rows: {spread(collects, 'ms')}",
        ),
        median_of(case, "submit to complete", times["wall"], "ms"),
    ]
    found, in_order = _read_lake(company.folder, _sorted_by_person(activity), upn, runs)
    case, counts, collects = "the same lake, each file sorted by person", in_order["count"], in_order["collect"]
    return [
        *figures,
        median_of(case, "read and package", in_order["read"], "ms", rival=f"not sorted: {spread(times['read'], 'ms')}"),
        median_of(
            case,
            "read and package, as a share of counting",
            _ratios(in_order["read"], counts),
            "",
            rival=f"polars, counting: {spread(counts, 'ms')}",
        ),
        median_of(
            case,
            "read and package, as a share of collecting",
            _ratios(in_order["read"], collects),
            "",
            rival=f"polars, collecting the same rows: {spread(collects, 'ms')}",
        ),
    ]


def _read_lake(company: Path, activity: Path, upn: str, runs: int) -> tuple[int, dict[str, list[float]]]:
    """Return how many rows a person has, and the milliseconds of counting, collecting, reading and of a whole request, in turn."""
    import polars as pl  # noqa: PLC0415 - heavy, and needed here only

    rows = pl.scan_parquet(sorted(activity.rglob("*.parquet"))).filter(pl.col("user_id") == upn)
    times: dict[str, list[float]] = {name: [] for name in ("count", "collect", "read", "wall")}
    with Service(_lake_config(company, activity)) as service:
        connection = service.connect()
        for turn in range(3 + runs):
            counted, found = _timed(lambda: int(rows.select(pl.len()).collect().item()))
            collected, _ = _timed(rows.collect)
            wall, operation = _timed(lambda: connection.follow(connection.submit(upn), pause_s=0.002))
            _expect_rows(operation["sources"], found)
            if turn >= 3:  # the first ones warm everything up
                for name, took_s in (
                    ("count", counted),
                    ("collect", collected),
                    ("wall", wall),
                    ("read", operation["sources"][0]["seconds"]),
                ):
                    times[name].append(1000 * took_s)
        connection.close()
    return found, times


def _sorted_by_person(activity: Path) -> Path:
    """Return a copy of a lake, written once, whose files are sorted by person, in small row groups."""
    import polars as pl  # noqa: PLC0415 - heavy, and needed here only

    files = sorted(activity.rglob("*.parquet"))
    state = repr([(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files])
    copy = CACHE / f"lake-sorted-{hashlib.sha256(state.encode()).hexdigest()[:12]}"
    if not copy.exists():
        half = copy.with_suffix(".half")
        shutil.rmtree(half, ignore_errors=True)
        for file in files:
            target = half / file.relative_to(activity)
            target.parent.mkdir(parents=True, exist_ok=True)
            pl.read_parquet(file).sort("user_id", maintain_order=True).write_parquet(target, row_group_size=SORTED_GROUP_ROWS)
        half.rename(copy)
    return copy


def help_text(_cluster: Cluster | None, runs: int) -> list[Figure]:
    """The time until `rightful --help` has ended."""
    program = Path(sys.executable).parent / "rightful"
    walls = []
    for _ in range(1 + runs):
        began = time.perf_counter()
        subprocess.run([program, "--help"], check=True, stdout=subprocess.DEVNULL)
        walls.append(1000 * (time.perf_counter() - began))
    return [median_of("rightful --help", "wall", walls[1:], "ms", target=150)]


CASES: dict[str, tuple[Callable[[Cluster, int], list[Figure]], int]] = {
    "small": (small, 40),
    "large": (large, 3),
    "queue": (queue, 3),
    "many": (many, 1),
    "linear": (linear, 1),
    "estimates": (estimates, 5),
    "lake": (lake, 15),
    "lakes": (lakes, 1),
    "cluster": (machines, 1),
    "mailbox": (mailboxes, 1),
    "files": (files, 3),
    "big": (big, 2),
    "leak": (leaks, 3),
    "verify": (checks, 5),
    "zip": (zipped, 3),
    "wire": (wire, 3),
    "pages": (pages, 3),
    "held": (held, 1),
    "engine": (engine, 3),
    "soak": (soak, 1),
    "help": (help_text, 15),
}
"""Name to function and the number of runs."""
NEEDS_CLUSTER = frozenset({"small", "large", "queue", "many", "linear", "estimates", "engine", "cluster", "leak"})
ONLY_NAMED = frozenset({"cluster", "soak"})
"""Those that take a quarter of an hour or more each: they run where they are asked for."""
HAS_RIVALS = frozenset({"files", "big"})
"""Those that are compared with programs which have to be fetched."""


def _yardstick(cluster: Cluster, mail: str, rows: int) -> Figures:
    figures = measure(cluster.url, mail, CACHE / "yardstick")
    if figures["rows"] != rows:
        raise RuntimeError(f"the yardstick found {figures['rows']} rows, not {rows}")
    return figures


def _expect_rows(sources: Sequence[dict[str, int]], rows: int) -> None:
    found = sum(source["rows"] for source in sources)
    if found != rows:
        raise RuntimeError(f"the package holds {found} rows, not {rows}")


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter()
    found = work()
    return time.perf_counter() - began, found


def _ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [one / other for one, other in zip(ours, theirs, strict=True)]


def _lake_config(folder: Path, activity: Path) -> dict[str, object]:
    return {
        "directory": {
            "connector": "sql",
            "url": f"sqlite:///{folder}/systems/people.db",
            "table": "people",
            "id": "object_id",
            "upn": "upn",
        },
        "sources": {
            "activity": {
                "connector": "lake",
                "url": f"file://{activity}/**/*.parquet",
                "match": {"user_id": "upn"},
                "time": "ts",
            }
        },
    }


def settle(cluster: Cluster) -> None:
    """Read the tables once, so that no case pays for a cold cache."""
    with psycopg.connect(cluster.url) as connection:
        for table in ("users", "orders", "logins", "messages"):
            connection.execute(f"SELECT count(t::text) FROM {table} t WHERE id % 64 = 0")
