"""How honest `left_s` and Retry-After are while a long export runs: within 30 % after its first tenth (GRAPH-35)."""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import msgspec
import pytest
from tests.unit.export.scripted import COLUMNS, PEOPLE
from tests.unit.export.world import TENANT, World

from rightful.connectors.interface import Connector, Estimate
from rightful.export.estimating import AFTER_S, Estimator
from rightful.operation.model import DataPolicyOperation, OperationStatus
from rightful.subject.model import IdentifiedSubject
from rightful.testing.memory_connector import Faults, MemoryConnector

MAIL = "ann@contoso.example"
MIB = 1 << 20


class Polled(msgspec.Struct, frozen=True):
    at_s: float
    left_s: float | None
    retry_after_s: int


class Watched:
    """The world's clock, as connectors have it: each time one waits, the operation is polled."""

    def __init__(self) -> None:
        self.world: World | None = None
        self.operation: DataPolicyOperation | None = None
        self.polls: list[Polled] = []
        self.is_estimated = False

    def now(self) -> datetime:
        assert self.world is not None
        return self.world.clock.now()

    def monotonic(self) -> float:
        assert self.world is not None
        return self.world.clock.monotonic()

    def sleep(self, duration_s: float) -> None:
        assert self.world is not None
        assert self.operation is not None
        self.world.clock.advance(duration_s)
        if not self.is_estimated and self.world.clock.monotonic() >= AFTER_S:
            self.is_estimated = True
            [subject] = self.world.directory.identify(self.world.directory.subjects([self.operation.subject_id]))  # type: ignore[arg-type]  # there
            assert subject is not None
            self.world.work.estimator.estimate(self.operation.operation_id, subject, self.world.tenants[TENANT])
        found = self.world.get(self.operation)
        self.polls.append(Polled(self.world.clock.monotonic(), found.left_s, found.retry_after_s))


def watched(tmp_path: Path, sources: Sequence[tuple[str, MemoryConnector]], clock: Watched) -> World:
    named: dict[str, Connector] = dict(sources)
    world = clock.world = World(tmp_path, PEOPLE, named)
    clock.operation = world.submit("1")
    return world


def files(clock: Watched, count: int, delay_s: float) -> MemoryConnector:
    content = b"x" * MIB
    return MemoryConnector("files", files={MAIL: {f"{n:03}": content for n in range(count)}}, faults=Faults(delay_s=delay_s), clock=clock)


def rows(clock: Watched, count: int, delay_s: float) -> MemoryConnector:
    found = [{"id": n, "mail": MAIL} for n in range(count)]
    return MemoryConnector("rows", columns=COLUMNS, match={"mail": "mail"}, rows=found, faults=Faults(delay_s=delay_s), clock=clock)


SCENES: dict[str, Callable[[Watched], list[tuple[str, MemoryConnector]]]] = {
    "one source": lambda clock: [("files", files(clock, 100, 1.0))],
    "small ones first": lambda clock: [*((f"s{n}", rows(clock, 20, 0.01)) for n in range(8)), ("files", files(clock, 100, 1.0))],
    "slow to begin": lambda clock: [("s", rows(clock, 100, 1.0)), ("files", files(clock, 250, 0.1))],
    "two large ones": lambda clock: [("one", files(clock, 60, 0.5)), ("two", files(clock, 60, 0.5))],
    "a small one last": lambda clock: [("files", files(clock, 100, 0.3)), ("rows", rows(clock, 300, 0.05))],
}


@pytest.mark.parametrize("scene", SCENES)
def test_time_left_is_within_30_percent_after_the_first_tenth(tmp_path: Path, scene: str) -> None:
    clock = Watched()
    world = watched(tmp_path, SCENES[scene](clock), clock)
    while world.step():
        pass
    assert clock.operation is not None
    assert world.get(clock.operation).status is OperationStatus.COMPLETE
    total_s = world.clock.monotonic()
    wrong = []
    for poll in clock.polls:
        if poll.at_s < total_s / 10:
            continue
        actual = total_s - poll.at_s
        if (
            poll.left_s is None
            or abs(poll.at_s + poll.left_s - total_s) > 0.3 * total_s
            or (actual > 0.3 * total_s and abs(poll.retry_after_s - min(60.0, actual)) > max(1.0, 0.3 * actual))
        ):
            wrong.append((poll, actual))
    assert wrong == [], f"of {len(clock.polls)} polls in {total_s} s"


def test_an_estimate_that_cannot_be_had_harms_nothing(tmp_path: Path) -> None:
    clock = Watched()
    world = watched(tmp_path, [("down", MemoryConnector("down", columns=COLUMNS, faults=Faults(is_refused=True)))], clock)
    assert clock.operation is not None
    [subject] = world.directory.identify([world.directory.find_user("1")])  # type: ignore[list-item]  # there
    assert subject is not None
    world.work.estimator.estimate(clock.operation.operation_id, subject, world.tenants[TENANT])
    assert world.get(clock.operation).progress_percent == 0.0


def test_an_estimator_takes_nothing_before_it_is_started_and_stops(tmp_path: Path) -> None:
    clock = Watched()
    world = watched(tmp_path, [("files", files(clock, 3, 0.0))], clock)
    assert clock.operation is not None
    [subject] = world.directory.identify([world.directory.find_user("1")])  # type: ignore[list-item]  # there
    assert subject is not None
    estimator = Estimator(world.store)
    estimator.ask(clock.operation.operation_id, subject, world.tenants[TENANT])
    assert estimator._wishes.empty()
    estimator.start()
    estimator.ask(clock.operation.operation_id, subject, world.tenants[TENANT])
    estimator.ask(clock.operation.operation_id, subject, world.tenants[TENANT])
    assert estimator._wishes.qsize() <= 1
    estimator.stop()
    estimator.join()
    assert estimator._thread is not None
    assert not estimator._thread.is_alive()


def test_a_connector_that_heeds_no_limit_does_not_hold_up_the_end(tmp_path: Path) -> None:
    begun, gate = threading.Event(), threading.Event()

    class Heedless(MemoryConnector):
        def estimate(self, subjects: Sequence[IdentifiedSubject], *, limit_s: float) -> tuple[Estimate, ...]:
            begun.set()
            gate.wait(10)
            return super().estimate(subjects, limit_s=limit_s)

    clock = Watched()
    world = watched(tmp_path, [("heedless", Heedless("heedless", columns=COLUMNS))], clock)
    assert clock.operation is not None
    [subject] = world.directory.identify([world.directory.find_user("1")])  # type: ignore[list-item]  # there
    assert subject is not None
    estimator = Estimator(world.store)
    estimator.start()
    estimator.ask(clock.operation.operation_id, subject, world.tenants[TENANT])
    assert begun.wait(10)
    estimator.stop()
    estimator.join(0.05)
    assert estimator._thread is not None
    assert estimator._thread.is_alive()
    gate.set()
    estimator.join(10)
    assert not estimator._thread.is_alive()
