"""Working gives way while many requests are accepted, and goes on all the same."""

import threading
import time
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from rightful.clock import SystemClock
from rightful.engines.embedded import EmbeddedEngine
from rightful.engines.pressure import Pressure
from rightful.store.sqlite import SqliteStore
from rightful.store.values import FinishSet, ReadSet
from rightful.testing.clock import ManualClock
from rightful.testing.store_cases import accept


def test_pressure_is_high_while_many_are_accepted_and_a_moment_longer() -> None:
    clock = ManualClock()
    pressure = Pressure(clock.monotonic)
    assert not pressure.is_high()
    for _ in range(19):
        pressure.note()
    assert not pressure.is_high()
    pressure.note()
    assert pressure.is_high()
    clock.advance(0.25)
    assert pressure.is_high()
    clock.advance(0.25)
    assert not pressure.is_high()


@given(st.lists(st.floats(0.02, 5), max_size=60))
def test_who_asks_as_often_as_limits_allow_by_default_is_no_pressure(pauses: list[float]) -> None:
    clock = ManualClock()
    pressure = Pressure(clock.monotonic)
    for pause_s in pauses:
        clock.advance(pause_s)
        pressure.note()
        assert not pressure.is_high()  # 50 a second at most


def test_work_that_gives_way_is_done_little_by_little_and_whole(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db", SystemClock())
    ids = [accept(store, number, "orders") for number in range(150)]
    seen: list[tuple[float, int]] = []
    done = threading.Event()

    def work(claim: ReadSet | FinishSet) -> None:
        assert isinstance(claim, ReadSet)
        seen.append((time.monotonic(), len(claim.reads)))
        time.sleep(0.05)
        if sum(size for _, size in seen) >= len(ids):
            done.set()

    engine = EmbeddedEngine(store, work, gives_way=lambda: True)
    engine.start()
    try:
        assert done.wait(20)
    finally:
        engine.stop()
        store.close()
    assert [size for _, size in seen] == [64, 64, 22]
    pauses = [later - earlier for (earlier, _), (later, _) in pairwise(seen)]
    assert all(pause_s >= 0.19 for pause_s in pauses)  # what the work takes, and three times that


def test_long_work_keeps_nobody_waiting_while_it_gives_way(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db", SystemClock())
    for number in range(100):
        accept(store, number, "orders")
    begun: list[float] = []
    second, over = threading.Event(), threading.Event()

    def work(_claim: ReadSet | FinishSet) -> None:
        begun.append(time.monotonic())
        if len(begun) > 1:
            second.set()
        over.wait(20)

    engine = EmbeddedEngine(store, work, gives_way=lambda: True)
    engine.start()
    try:
        assert second.wait(20)
    finally:
        over.set()
        engine.stop()
        store.close()
    assert begun[1] - begun[0] >= 0.45
