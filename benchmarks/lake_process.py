"""What the lake's benchmark measures, each run a process of its own: `python -m benchmarks.lake_process ours|polars FOLDER PEOPLE`.

ours     Operations of so many people are accepted first, then the engine is started: what is measured is reading for those who wait
         together, from the engine's start until every part is durable and checkpointed, and until every package is finished.
polars   Collects the same rows, and does nothing with them.

Prints its figures as JSON.
"""

import json
import re
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from benchmarks import lake_data
from benchmarks.service import ACCOUNT, TENANT, configure
from benchmarks.wire_server import RestingEngine
from rightful.allocation import collect_less, return_memory_soon
from rightful.clock import SystemClock
from rightful.config.load import load
from rightful.engines.embedded import EmbeddedEngine
from rightful.engines.leases import new_owner
from rightful.export import audit_trail, runtime
from rightful.export.interface import SubmitRequest
from rightful.export.service import Service
from rightful.export.work import Work
from rightful.identity.model import Caller, CallerKind
from rightful.storage.registry import Storages
from rightful.store.sqlite import SqliteStore
from rightful.store.values import FinishSet, ReadSet

_CALLER = Caller(tenant_id=TENANT, kind=CallerKind.APPLICATION, object_id="bench", app_id="bench", permissions=frozenset())


@dataclass
class _ReadsFirst:
    """Does reads as they are claimed, and keeps finishing for later: the two are measured apart."""

    work: Work
    expected: int
    """How many reads there are, of all operations and partitions."""
    finishes: list[FinishSet] = field(default_factory=list)
    passes: int = 0
    all_read: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _done: int = 0

    def __call__(self, claim: ReadSet | FinishSet) -> None:
        if isinstance(claim, FinishSet):
            with self._lock:
                self.finishes.append(claim)
                self._done += len(claim.operations)
                if self._done >= self.expected:
                    self.all_read.set()
            return
        self.work(claim)
        with self._lock:
            self.passes += 1


def _ours(folder: Path, people: int) -> dict[str, float]:
    return_memory_soon()
    import_module("rightful.package.bulk")  # as the service does when it starts; polars has its own loaded too
    place = Path(tempfile.mkdtemp(prefix="run-", dir=folder))  # whoever started this removes it, when all is measured
    config = load(configure(place, _tenant(folder)), {})
    clock, owner = SystemClock(), new_owner()
    tenants, storages = runtime.build(config), Storages()
    store = SqliteStore(config.store_path, clock)
    work = Work(config=config, tenants=tenants, store=store, storages=storages, clock=clock, owner=owner)
    trail = audit_trail.build(config, store, clock)
    resting = RestingEngine()
    service = Service(config=config, tenants=tenants, store=store, storages=storages, engine=resting, work=work, trail=trail, clock=clock)
    trail.start()
    collect_less()  # as the service does, too
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: _submit(service, number), range(people)))
    measured = _ReadsFirst(work, people)
    engine = EmbeddedEngine(store, measured, owner=owner, clock=clock, scans=runtime.scans(tenants))
    before_mib = _peak_rss_mib()
    spent, began = time.process_time(), time.perf_counter()
    engine.start()
    measured.all_read.wait()
    read_s, read_cpu_s = time.perf_counter() - began, time.process_time() - spent
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, measured.finishes))
    whole_s, whole_cpu_s = time.perf_counter() - began, time.process_time() - spent
    engine.stop()
    service.stop()
    peak_mib = _peak_rss_mib()  # before the parts are looked at, which is no work of the service's
    rows = size_bytes = 0
    for part in place.glob("exports/*/data/**/*.jsonl"):
        content = part.read_bytes()
        rows += content.count(b"\n")
        size_bytes += len(content)
    return {
        "rows": rows,
        "bytes": size_bytes,
        "passes": measured.passes,
        "read_s": read_s,
        "read_cpu_s": read_cpu_s,
        "whole_s": whole_s,
        "whole_cpu_s": whole_cpu_s,
        "accepted_rss_mib": before_mib,
        "peak_rss_mib": peak_mib,
    }


def _submit(service: Service, number: int) -> None:
    subject = service.find_user(TENANT, lake_data.upn(number))
    assert subject is not None
    service.submit(SubmitRequest(caller=_CALLER, subject=subject, storage_location=ACCOUNT))


def _tenant(folder: Path) -> dict[str, object]:
    people = {"connector": "sql", "url": f"sqlite:///{folder}/people.db", "table": "people", "id": "object_id", "upn": "upn"}
    lake = {"connector": "lake", "url": f"file://{folder}/lake/*.parquet", "match": {"user_id": "upn"}}
    return {"directory": people, "sources": {"activity": lake}}


def _polars(folder: Path, people: int) -> dict[str, float]:
    import polars as pl  # noqa: PLC0415 - heavy, and needed here only

    wanted = [lake_data.upn(number) for number in range(people)]
    column = pl.col("user_id")
    spent, began = time.process_time(), time.perf_counter()
    rows = pl.scan_parquet(sorted((folder / "lake").glob("*.parquet")))
    found = rows.filter(column == wanted[0] if people == 1 else column.is_in(wanted)).collect(engine="streaming")
    return {
        "rows": found.height,
        "read_s": time.perf_counter() - began,
        "read_cpu_s": time.process_time() - spent,
        "peak_rss_mib": _peak_rss_mib(),
    }


def _peak_rss_mib() -> float:
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text(encoding="ascii"))
    return int(found.group(1)) / 1024 if found else 0.0


if __name__ == "__main__":
    _, what, folder, people = sys.argv
    json.dump((_ours if what == "ours" else _polars)(Path(folder).absolute(), int(people)), sys.stdout)
