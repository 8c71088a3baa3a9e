"""Operations say by when they have to be answered; the time is extended once, and the service warns."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from tests.unit.export.world import TENANT, VISIBLE, World

from rightful.audit.record import Actor
from rightful.config.model import DeadlineSettings
from rightful.errors import Conflict, InvalidRequest, NotFound
from rightful.export.deadlines import DeadlineWatch
from rightful.ids import OperationId
from rightful.operation.deadline import Reason
from rightful.operation.model import DataPolicyOperation
from rightful.store.values import ListQuery
from rightful.testing.memory_connector import MemoryConnector

PEOPLE = {f"p{number}": {"id": (f"p{number}",)} for number in range(4)}
GDPR = DeadlineSettings(regulation="gdpr", time_zone="Europe/Berlin", holidays=("12-25",))


class Counts:
    def __init__(self) -> None:
        self.found: list[tuple[str, int, int]] = []

    def due(self, tenant_id: str, *, soon: int, over: int) -> None:
        self.found.append((tenant_id, soon, over))


def make(folder: Path, settings: DeadlineSettings = GDPR) -> World:
    return World(folder, PEOPLE, {"shop": MemoryConnector("shop", match={"id": "id"})}, deadlines=settings)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make(tmp_path)


def due_on(operation: DataPolicyOperation) -> date | None:
    return None if operation.deadline is None else operation.deadline.due_on


def test_operation_says_by_when_it_has_to_be_answered(world: World) -> None:
    operation = world.submit("p0", received=datetime(2026, 1, 15, 23, 30, tzinfo=UTC))
    assert due_on(world.get(operation)) == date(2026, 2, 16)  # the 16th in Berlin
    listed = world.service.list(ListQuery(tenant_id=TENANT, subject_kinds=tuple(VISIBLE)))
    assert [due_on(each) for each in listed] == [date(2026, 2, 16)]


def test_without_a_regulation_nothing_is_said_and_nothing_extended(tmp_path: Path) -> None:
    world = make(tmp_path, DeadlineSettings())
    operation = world.submit("p0")
    assert world.get(operation).deadline is None
    with pytest.raises(Conflict, match="no regulation is set"):
        world.service.extend(TENANT, operation.operation_id, "complexity")


def test_day_of_receipt_is_one_of_the_controller(world: World) -> None:
    operation = world.submit("p0", received=date(2026, 1, 16))
    assert world.get(operation).received_at == datetime(2026, 1, 15, 23, tzinfo=UTC)
    assert due_on(world.get(operation)) == date(2026, 2, 16)


@pytest.mark.parametrize("days", [-1, 3 * 366])
def test_receipt_that_cannot_be_is_refused_and_leaves_nothing_behind(world: World, days: int) -> None:
    with pytest.raises(InvalidRequest, match="receivedDateTime lies in the future, or more than two years back") as refused:
        world.submit("p0", received=world.clock.now() - timedelta(days=days))
    assert refused.value.target == "receivedDateTime"
    assert world.store.intents() == ()
    assert world.store.count_open(TENANT) == 0


def test_receipt_a_little_ahead_of_this_clock_is_now(world: World) -> None:
    operation = world.submit("p0", received=world.clock.now() + timedelta(minutes=2))
    assert world.get(operation).received_at == operation.submitted_at


def test_repeat_with_another_receipt_is_refused_the_same_or_none_is_not(world: World) -> None:
    received = world.clock.now() - timedelta(days=3)
    first = world.submit("p0", received=received)
    assert world.submit("p0", received=received).operation_id == first.operation_id
    assert world.submit("p0").operation_id == first.operation_id
    with pytest.raises(Conflict, match="another receivedDateTime"):
        world.submit("p0", received=received - timedelta(days=1))


def test_time_is_extended_once_for_a_reason_of_the_regulation(world: World) -> None:
    operation = world.submit("p0", received=date(2026, 1, 16))
    by = Actor(object_id="o")
    with pytest.raises(InvalidRequest, match="none for which GDPR"):
        world.service.extend(TENANT, operation.operation_id, "other", by)
    extended = world.service.extend(TENANT, operation.operation_id, "number", by)
    assert due_on(extended) == date(2026, 4, 16) == due_on(world.get(operation))
    found = world.get(operation).deadline
    assert found is not None
    assert found.extension is not None
    assert (found.extension.reason, found.extension.at) == (Reason.NUMBER, world.clock.now())
    with pytest.raises(Conflict, match="was extended before"):
        world.service.extend(TENANT, operation.operation_id, "number", by)
    assert ['"extend","ok","o"' in each.canonical for each in world.store.chain(TENANT)].count(True) == 1


def test_time_under_pipeda_is_extended_for_what_it_names_alone(tmp_path: Path) -> None:
    world = make(tmp_path, DeadlineSettings(regulation="pipeda"))
    for number, reason in enumerate((Reason.INTERFERENCE, Reason.CONSULTATION, Reason.CONVERSION)):
        operation = world.submit(f"p{number}", received=date(2026, 1, 16))
        for other in (Reason.COMPLEXITY, Reason.NUMBER, Reason.OTHER):
            with pytest.raises(InvalidRequest, match="none for which PIPEDA") as refused:
                world.service.extend(TENANT, operation.operation_id, other)
            assert refused.value.hint == "send one of interference, consultation, conversion"
        assert due_on(world.service.extend(TENANT, operation.operation_id, reason)) == date(2026, 3, 17)


def test_time_that_is_over_or_of_what_is_complete_is_not_extended(world: World) -> None:
    late = world.submit("p0", received=world.clock.now() - timedelta(days=60))
    with pytest.raises(Conflict, match="is over"):
        world.service.extend(TENANT, late.operation_id, "number")
    done = world.submit("p1")
    world.run()
    with pytest.raises(Conflict, match="complete"):
        world.service.extend(TENANT, done.operation_id, "number")
    with pytest.raises(NotFound):
        world.service.extend(TENANT, OperationId("00000000-0000-0000-0000-000000000000"), "number")


def test_service_counts_what_is_near_its_last_day_and_past_it(world: World) -> None:
    now = world.clock.now()
    for name, days in (("p0", 60), ("p1", 27), ("p2", 3)):
        world.submit(name, received=now - timedelta(days=days))
    cancelled = world.submit("p3", received=now - timedelta(days=60))
    world.service.cancel(TENANT, cancelled.operation_id)
    counts = Counts()
    watch = DeadlineWatch(world.service._deadlines, world.clock, counts)
    watch.look()
    world.run()
    watch.look()
    assert counts.found == [(TENANT, 1, 1), (TENANT, 0, 0)]


def test_warnings_name_the_operation_and_its_last_day(world: World) -> None:
    operation = world.submit("p0", received=world.clock.now() - timedelta(days=60))
    watch = DeadlineWatch(world.service._deadlines, world.clock, Counts())
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            watch.look()
        world.clock.advance(86_400.0)
        watch.look()
    told = [(entry["event"], entry["operation_id"]) for entry in logs if entry["log_level"] == "warning"]
    assert told == [("a request is not answered in time", operation.operation_id)] * 2
