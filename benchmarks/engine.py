"""The case `engine`: what the engine and the store take for an operation with five reads that find nothing, package and HTTP apart."""

import tempfile
import threading
import time
from pathlib import Path

from benchmarks.cluster import CACHE, Cluster
from benchmarks.figures import Figure, median_of
from rightful.clock import SystemClock
from rightful.engines.embedded import EmbeddedEngine
from rightful.operation.model import PackageTotals
from rightful.store.sqlite import SqliteStore
from rightful.store.values import Checkpoint, Completion, FinishSet, ReadSet
from rightful.testing.store_cases import accept

OPERATIONS = 2_000
_SOURCES = tuple(f"things{number}" for number in range(5))
_OWNER = "benchmark"
_PATIENCE_S = 600.0


def engine(cluster: Cluster, runs: int) -> list[Figure]:
    """From claim to complete; all queued, and one at a time."""
    operations = max(50, int(OPERATIONS * min(1.0, cluster.scale)))
    alone = max(10, operations // 20)
    return [
        median_of(
            f"{operations:,} operations, 5 empty reads each",
            "CPU of engine and store, each",
            [_cost(operations) for _ in range(runs)],
            "ms",
            target=3,
        ),
        median_of(
            "one operation at a time, 5 empty reads",
            "CPU of engine and store",
            [_cost(alone, at_once=False) for _ in range(runs)],
            "ms",
            target=3,
        ),
    ]


def _cost(operations: int, *, at_once: bool = True) -> float:
    """Return the milliseconds of CPU of each operation."""
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="engine-", dir=CACHE) as folder:
        store = SqliteStore(Path(folder) / "store.db", SystemClock())
        totals = PackageTotals(prefix="", entries=1, size_bytes=1, manifest_sha256="")
        done = threading.Semaphore(0)

        def work(claim: ReadSet | FinishSet) -> None:
            if isinstance(claim, ReadSet):
                store.checkpoint([Checkpoint(read=read, next_part=0, is_done=True) for read in claim.reads], owner=_OWNER)
                return
            store.complete([Completion(operation=operation, package=totals) for operation in claim.operations], owner=_OWNER)
            for _ in claim.operations:
                done.release()

        def wait(number: int) -> None:
            for _ in range(number):
                if not done.acquire(timeout=_PATIENCE_S):
                    raise RuntimeError("an operation did not end")

        running = EmbeddedEngine(store, work, owner=_OWNER)
        spent = 0.0
        if at_once:
            for number in range(operations):
                accept(store, number, *_SOURCES)
            before = time.process_time()
            running.start()
            wait(operations)
            spent = time.process_time() - before
        else:
            running.start()
            for number in range(operations):
                operation_id = accept(store, number, *_SOURCES)
                before = time.process_time()
                running.submit(operation_id)
                wait(1)
                spent += time.process_time() - before
        running.stop()
        store.close()
    return 1000 * spent / operations
