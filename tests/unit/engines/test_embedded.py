"""The engine keeps going: through faults of the work and of the store, and though one tenant's systems hang."""

import threading
import time
from collections.abc import Callable

from tests.unit.engines.world import OWNER, PATIENCE_S, do

from rightful.engines.embedded import EmbeddedEngine
from rightful.ids import OperationId
from rightful.store.sqlite import SqliteStore
from rightful.store.values import FinishSet, ReadSet
from rightful.testing.clock import ManualClock
from rightful.testing.store_cases import accept, scan


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
