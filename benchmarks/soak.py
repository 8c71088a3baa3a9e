"""The case `soak`: a quarter of an hour of submits, polls and lists, and how memory, open files and disk grow meanwhile, by the hour.

`--scale 0.1` takes a minute and a half. What grows by design is counted apart: the store keeps each operation.
"""

import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import psutil

from benchmarks import load
from benchmarks.cluster import CACHE, Cluster
from benchmarks.figures import Figure
from benchmarks.held import tenant
from benchmarks.service import ACCOUNT, Service

MINUTES = 15.0
PEOPLE = 2_000
_SAMPLE_S = 2.0
_SUBMITS_A_SECOND = 4
_POLLERS = 20
_WARM = 0.3
"""Of the time: what fills caches and opens connections."""


@dataclass(frozen=True)
class Sample:
    """What the service held at a moment."""

    at_s: float
    rss_mib: float
    files: int
    threads: int
    spare_mib: float
    """In the store's write-ahead log and in the folder of temporary files."""
    store_mib: float


def soak(cluster: Cluster, _runs: int) -> list[Figure]:
    """Keep the service at work, and look at it."""
    seconds = max(12.0, 60 * MINUTES * min(1.0, cluster.scale))
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="soak-", dir=CACHE) as folder, Service(tenant(Path(folder), PEOPLE)) as service:
        samples, submitted = _work(service, seconds)
    warm = [sample for sample in samples if sample.at_s > _WARM * seconds]
    hours = (warm[-1].at_s - warm[0].at_s) / 3600
    case = f"{seconds / 60:.3g} minutes of {_SUBMITS_A_SECOND} submits and {_POLLERS} polls a second"
    share = hours * slope([(each.at_s, each.rss_mib) for each in warm]) / warm[0].rss_mib
    return [
        Figure(case=case, name="memory, growth after the warm-up", value=100 * share, unit="%", target=5),
        Figure(case=case, name="memory, slope", value=slope([(each.at_s, each.rss_mib) for each in warm]), unit="MiB an hour"),
        Figure(case=case, name="memory at the end", value=warm[-1].rss_mib, unit="MiB"),
        Figure(case=case, name="open files, growth", value=hours * slope([(each.at_s, each.files) for each in warm]), unit="", target=3),
        Figure(case=case, name="threads, growth", value=hours * slope([(each.at_s, each.threads) for each in warm]), unit="", target=3),
        Figure(
            case=case,
            name="write-ahead log and temporary files, growth",
            value=hours * slope([(each.at_s, each.spare_mib) for each in warm]),
            unit="MiB",
            target=8,
        ),
        Figure(
            case=case,
            name="the store, for each operation",
            value=1024 * (warm[-1].store_mib - samples[0].store_mib) / max(1, submitted),
            unit="KiB",
        ),
    ]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return by how much something grows in an hour: the line with the least squares."""
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return 3600 * sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def _work(service: Service, seconds: float) -> tuple[list[Sample], int]:
    process, began = psutil.Process(service.pid), time.monotonic()
    over = threading.Event()
    submitted: list[str] = []

    def submit() -> None:
        connection = service.connect()
        while not over.wait(1 / _SUBMITS_A_SECOND):
            submitted.append(connection.submit(f"user{len(submitted) % PEOPLE}@example.com", ACCOUNT))
            if len(submitted) % 20 == 0:
                connection.count("")
        connection.close()

    def poll() -> None:
        while len(submitted) < _POLLERS and not over.wait(0.1):
            pass
        paths = cycle(submitted[:_POLLERS])
        polls = (load.request("GET", f"/v1.0/dataPolicyOperations/{each}", token=service.token()) for each in paths)
        load.poll(service.address, polls, pollers=_POLLERS, seconds=max(1.0, seconds - 5))

    threads = [threading.Thread(target=each) for each in (submit, poll)]
    for thread in threads:
        thread.start()
    samples = []
    while time.monotonic() - began < seconds:
        samples.append(_sample(process, service.folder, time.monotonic() - began))
        time.sleep(_SAMPLE_S)
    over.set()
    for thread in threads:
        thread.join()
    return samples, len(submitted)


def _sample(process: psutil.Process, folder: Path, at_s: float) -> Sample:
    files = [path for path in folder.glob("rightful.db*") if path.is_file()]
    log = sum(path.stat().st_size for path in files if path.name.endswith(("-wal", "-shm")))
    store = sum(path.stat().st_size for path in files) - log
    deleted = sum(_size(Path(file)) for file in Path(f"/proc/{process.pid}/fd").iterdir() if _is_deleted(file))
    return Sample(at_s, process.memory_info().rss / 2**20, process.num_fds(), process.num_threads(), (log + deleted) / 2**20, store / 2**20)


def _is_deleted(file: Path) -> bool:
    try:
        return str(file.readlink()).endswith(" (deleted)")
    except OSError:  # closed meanwhile
        return False


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
