"""The engine keeps going: through faults of the work and of the store, and though one tenant's systems hang."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.engines.world import OWNER, PATIENCE_S, Refusing, do

from rightful.engines.embedded import EmbeddedEngine
from rightful.ids import OperationId
from rightful.store.deaths import SUSPECTED
from rightful.store.sqlite import SqliteStore
from rightful.store.values import FinishSet, ReadSet
from rightful.testing.clock import ManualClock
from rightful.testing.store_cases import accept, claim_reads, scan


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


@pytest.mark.parametrize("is_end", [False, True], ids=["reads", "ends"])
def test_what_was_lost_with_the_service_several_times_is_done_with_nothing_beside_it(
    store: SqliteStore, clock: ManualClock, *, is_end: bool
) -> None:
    for number in range(20):
        accept(store, number, "a")
    if is_end:
        do(store, claim_reads(store, OWNER))
    for _ in range(SUSPECTED):
        assert (claim := store.claim(OWNER, lease_s=60, limit=100)) is not None
        assert len(claim.operations) == 20
        store.release_all(has_died=True)
    for number in range(20, 26):
        accept(store, number, f"b{number}")
    guard, ended = threading.Lock(), threading.Event()
    running: set[int] = set()
    sets: list[int] = []
    beside: list[int] = []
    left = 26

    def work(claim: ReadSet | FinishSet) -> None:
        nonlocal left
        with guard:
            running.add(threading.get_ident())
        if claim.is_suspected:
            assert isinstance(claim, FinishSet) is is_end
            sets.append(len(claim.operations))
            time.sleep(0.01)  # others would begin now
            beside.append(len(running))
        do(store, claim)
        with guard:
            running.discard(threading.get_ident())
            left -= len(claim.operations) if isinstance(claim, FinishSet) else 0
            if not left:
                ended.set()

    run(store, clock, work, ended)
    assert sum(sets) == 20
    assert sets[:3] == [1, 2, 4]
    assert sorted(sets[3:]) == [5, 8]  # which two threads may have claimed beside each other, of which one waits
    assert set(beside) == {1}


def test_service_that_starts_after_a_death_counts_it_and_after_a_stop_does_not(store: SqliteStore, clock: ManualClock) -> None:
    accept(store, 1, "a")
    found: list[int] = []

    def live(*, until_it_dies: bool) -> None:
        came = threading.Event()

        def work(claim: ReadSet | FinishSet) -> None:
            assert isinstance(claim, ReadSet)
            if not came.is_set():
                found.append(claim.reads[0].deaths.times)
            came.set()
            store.retry(claim.reads, owner=OWNER, at=clock.now() + timedelta(seconds=60), is_failure=False)

        run(store, clock, work, came)
        clock.advance(60)
        if until_it_dies:
            claim_reads(store)

    for dies in (True, True, False, False):
        live(until_it_dies=dies)
    assert found == [0, 1, 2, 2]


def test_suspect_that_is_put_off_while_the_store_fails_is_not_taken_for_tried(tmp_path: Path, clock: ManualClock) -> None:
    store = Refusing(tmp_path / "store.db", clock)
    for number, source in enumerate(("first", "a", "b")):
        accept(store, number, source)
    for _ in range(SUSPECTED):
        first, *_ = [claim_reads(store, OWNER) for _ in range(3)]
        store.retry(first.reads, owner=OWNER, at=clock.now())
        store.release_all(has_died=True)
    store.was_given_back.clear()
    store.refuses_left = 1
    deaths: dict[str, int] = {}

    def work(claim: ReadSet | FinishSet) -> None:
        if isinstance(claim, ReadSet):
            deaths[claim.source_name] = claim.reads[0].deaths.times
            if claim.source_name == "first":  # one suspect waits for it, and has the other one put off
                assert store.was_given_back.wait(PATIENCE_S)
        do(store, claim)

    run(store, clock, work, store.was_given_back)
    clock.advance(3600)
    while (claim := store.claim(OWNER, lease_s=60, limit=100)) is not None:
        work(claim)
    store.close()
    assert deaths == {"first": 0, "a": SUSPECTED, "b": SUSPECTED}
