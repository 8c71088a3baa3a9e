"""The engine keeps going: through faults of the work and of the store, and though one tenant's systems hang."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from rightful.engines.embedded import EmbeddedEngine
from rightful.ids import OperationId
from rightful.operation.model import OperationStatus, PackageTotals
from rightful.store.sqlite import SqliteStore
from rightful.store.values import Checkpoint, Completion, FinishSet, ReadSet, StoreFault
from rightful.testing.clock import ManualClock
from rightful.testing.store_cases import OTHER_TENANT, START, TENANT, accept, scan

OWNER = "engine"
PATIENCE_S = 20


class _Passing(SqliteStore):
    """Lets a moment pass when work was given back: enough for it to be tried again, far less than a lease."""

    def __init__(self, path: Path, clock: ManualClock) -> None:
        super().__init__(path, clock)
        self._manual = clock

    def retry(self, *args: Any, **more: Any) -> None:
        super().retry(*args, **more)
        self._manual.advance(2)

    def retry_finish(self, *args: Any, **more: Any) -> None:
        super().retry_finish(*args, **more)
        self._manual.advance(2)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[SqliteStore]:
    store = _Passing(tmp_path / "store.db", clock)
    yield store
    store.close()


def do(store: SqliteStore, claim: ReadSet | FinishSet) -> None:
    """Do the work of a claim, as if nothing were ever found."""
    if isinstance(claim, ReadSet):
        store.checkpoint([Checkpoint(read=read, next_part=0, is_done=True) for read in claim.reads], owner=OWNER)
    else:
        totals = PackageTotals(prefix="", entries=1, size_bytes=1, manifest_sha256="")
        store.complete([Completion(operation=operation, package=totals) for operation in claim.operations], owner=OWNER)


def run(
    store: SqliteStore, clock: ManualClock, work: Callable[[ReadSet | FinishSet], None], until: threading.Event, *, tenants: int = 1
) -> None:
    """Run an engine until the event."""
    engine = EmbeddedEngine(store, work, owner=OWNER, tenants=tenants, clock=clock)
    engine.start()
    try:
        assert until.wait(PATIENCE_S)
    finally:
        engine.stop()


class _Panic(BaseException):
    pass


@pytest.mark.parametrize("error", [ValueError("ann"), StoreFault("the disk is full"), _Panic("ann")], ids=repr)
@pytest.mark.parametrize("kind", [ReadSet, FinishSet])
def test_work_that_breaks_off_is_given_back_and_done_again(
    store: SqliteStore, clock: ManualClock, error: BaseException, kind: type[ReadSet | FinishSet]
) -> None:
    operation_id = accept(store, 1, "a")
    broken: list[ReadSet | FinishSet] = []
    complete = threading.Event()

    def work(claim: ReadSet | FinishSet) -> None:
        if isinstance(claim, kind) and not broken:
            broken.append(claim)
            raise error
        do(store, claim)
        if isinstance(claim, FinishSet):
            complete.set()

    with capture_logs() as logs:
        run(store, clock, work, complete)
    operation = store.get(TENANT, operation_id)
    assert operation is not None
    assert operation.status is OperationStatus.COMPLETE
    assert any("unforeseen error" in str(entry["event"]) and "test_embedded.py" in str(entry) for entry in logs)
    assert "ann" not in str(logs)


def test_tenant_whose_systems_hang_does_not_keep_another_waiting(store: SqliteStore, clock: ManualClock) -> None:
    for number in range(8):
        accept(store, number, f"source-{number}")  # sets of their own: each would take a thread
    other = accept(store, 99, "b", tenant_id=OTHER_TENANT)
    hanging, complete = threading.Event(), threading.Event()

    def work(claim: ReadSet | FinishSet) -> None:
        if claim.tenant_id == TENANT:
            assert hanging.wait(PATIENCE_S)
        do(store, claim)
        if claim.tenant_id == OTHER_TENANT and isinstance(claim, FinishSet):
            hanging.set()
            complete.set()

    run(store, clock, work, complete, tenants=2)
    operation = store.get(OTHER_TENANT, other)
    assert operation is not None
    assert operation.status is OperationStatus.COMPLETE


def test_stop_gives_leases_back(store: SqliteStore, clock: ManualClock) -> None:
    accept(store, 1, "a")
    claimed = threading.Event()
    run(store, clock, lambda _claim: claimed.set(), claimed)
    again = store.claim("another", lease_s=60, limit=10)
    assert isinstance(again, ReadSet)
    assert again.reads[0].attempt == 2


def test_reads_of_a_scan_that_come_while_it_runs_are_done_together(store: SqliteStore, clock: ManualClock) -> None:
    accept(store, 0, "lake")
    sets: list[int] = []
    is_reading, may_go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work(claim: ReadSet | FinishSet) -> None:
        if isinstance(claim, ReadSet):
            sets.append(len(claim.reads))
            is_reading.set()
            assert may_go_on.wait(PATIENCE_S)
        do(store, claim)
        if sum(sets) == 6 and len(sets) > 1:
            ended.set()

    engine = EmbeddedEngine(store, work, owner=OWNER, clock=clock, scans=lambda: [scan()])
    engine.start()
    try:
        assert is_reading.wait(PATIENCE_S)
        for number in range(1, 6):
            accept(store, number, "lake")
            engine.submit(OperationId(str(number)))
        time.sleep(0.1)  # other threads look, and leave them
        may_go_on.set()
        assert ended.wait(PATIENCE_S)
    finally:
        engine.stop()
    assert sets == [1, 5]
