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
from rightful.store.postgres import PostgresStore
from rightful.store.sql_store import SqlStore
from rightful.store.sqlite import SqliteStore
from rightful.store.values import Checkpoint, Completion, FinishSet, ReadSet
from rightful.testing.store_cases import accept

OPERATIONS = 2_000
_SOURCES = tuple(f"things{number}" for number in range(5))
_OWNER = "benchmark"
_PATIENCE_S = 600.0
_TARGETS_MS = {"SQLite": 3.0, "PostgreSQL": 6.0}


def engine(cluster: Cluster, runs: int) -> list[Figure]:
    """From claim to complete; all queued, and one at a time; on both kinds of store."""
    operations = max(50, int(OPERATIONS * min(1.0, cluster.scale)))
    alone = max(10, operations // 20)
    return [
        median_of(
            case,
            f"CPU of engine and store, on {kind}",
            [_cost(cluster, kind, count, at_once=at_once) for _ in range(runs)],
            "ms",
            target=target,
        )
        for case, count, at_once in (
            (f"{operations:,} operations, 5 empty reads each", operations, True),
            ("one operation at a time, 5 empty reads", alone, False),
        )
        for kind, target in _TARGETS_MS.items()
    ]


def _cost(cluster: Cluster, kind: str, operations: int, *, at_once: bool) -> float:
    """Return the milliseconds of this process's CPU for each operation; the database server's own is apart."""
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="engine-", dir=CACHE) as folder:
        store = _store(cluster, kind, Path(folder))
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


def _store(cluster: Cluster, kind: str, folder: Path) -> SqlStore:
    if kind == "SQLite":
        return SqliteStore(folder / "store.db", SystemClock())
    return PostgresStore(cluster.own_database(), SystemClock())
