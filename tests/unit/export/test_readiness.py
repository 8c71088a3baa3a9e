"""The service says when it cannot take work, and asking costs it next to nothing."""

import threading
from pathlib import Path

from tests.unit.export.world import World

from rightful.export.interface import Unready
from rightful.export.readiness import Readiness
from rightful.store.sqlite import SqliteStore
from rightful.store.values import StoreFault

PATIENCE_S = 20


class Asked(SqliteStore):
    """Counts who asks, and answers as the test says."""

    asked = 0
    is_full = False

    def check(self) -> None:
        self.asked += 1
        if self.is_full:
            raise StoreFault("the store cannot be written: database or disk is full")
        super().check()


class Silent(SqliteStore):
    """Does not answer until it may."""

    def check(self) -> None:
        self.has_begun.set()
        assert self.may_go_on.wait(PATIENCE_S)

    has_begun: threading.Event
    may_go_on: threading.Event


def test_ready_until_the_engine_ends_and_until_the_service_stops(tmp_path: Path) -> None:
    world = World(tmp_path, {}, {})
    assert world.service.unready() is None
    world.engine.alive = False
    assert world.service.unready() is Unready.ENGINE
    world.engine.alive = True
    world.service.stop()
    assert world.service.unready() is Unready.STOPPING


def test_store_that_is_full_is_unready_and_ready_again_when_there_is_room(tmp_path: Path) -> None:
    world = World(tmp_path, {}, {}, store_type=Asked)
    assert isinstance(world.store, Asked)
    assert world.service.unready() is None
    world.store.is_full = True
    assert world.service.unready() is None  # asked a moment ago
    world.clock.advance(1)
    assert world.service.unready() is Unready.STORE
    world.store.is_full = False
    world.clock.advance(1)
    assert world.service.unready() is None


def test_whoever_asks_all_the_time_has_the_store_asked_once_a_second(tmp_path: Path) -> None:
    world = World(tmp_path, {}, {}, store_type=Asked)
    for _ in range(3):
        for _ in range(100):
            world.service.unready()
        world.clock.advance(1)
    assert isinstance(world.store, Asked)
    assert world.store.asked == 3


def test_store_that_does_not_answer_holds_one_thread_and_is_unready_after_a_while(tmp_path: Path) -> None:
    world = World(tmp_path, {}, {}, store_type=Silent)
    store = world.store
    assert isinstance(store, Silent)
    store.has_begun, store.may_go_on = threading.Event(), threading.Event()
    readiness = Readiness(store, world.engine, world.clock)  # type: ignore[arg-type] # map is not used
    thread = threading.Thread(target=readiness.unready)
    thread.start()
    try:
        assert store.has_begun.wait(PATIENCE_S)
        assert readiness.unready() is None
        world.clock.advance(5)
        assert readiness.unready() is Unready.STORE
    finally:
        store.may_go_on.set()
        thread.join(PATIENCE_S)
    assert readiness.unready() is None
