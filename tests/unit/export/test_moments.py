"""How many moments are held, and who waits for whom."""

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.unit.export.world import TENANT, World

from rightful.connectors.interface import Connector, ReadHeader
from rightful.export.moments import Moments, Share
from rightful.ids import OperationId, SubjectId
from rightful.store.values import ClaimedOperation, StoreFault
from rightful.subject.model import SubjectKind
from rightful.testing.memory_connector import MemoryConnector


class _Moment:
    def __init__(self, *, is_shared: bool = True) -> None:
        self.is_shared = is_shared
        self.is_lost = False
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


class _Holder(MemoryConnector):
    """Counts the moments that it was asked for."""

    def __init__(self, *, is_shared: bool = True) -> None:
        super().__init__()
        self.system = "one"
        self.is_shared = is_shared
        self.held: list[_Moment] = []

    def hold(self, limit_s: float) -> _Moment:
        del limit_s
        self.held.append(_Moment(is_shared=self.is_shared))
        return self.held[-1]

    def read_at(self, moment: object, *rest: object) -> Iterator[object]:
        raise NotImplementedError


@pytest.fixture
def holder() -> _Holder:
    return _Holder()


@pytest.fixture
def world(tmp_path: Path, holder: _Holder) -> World:
    sources: Mapping[str, Connector] = {"a": holder, "b": holder}
    return World(tmp_path, {}, sources)


class _Asking:
    def __init__(self, world: World) -> None:
        self.moments = Moments(world.clock)
        self._world = world

    def submitted(self, name: str) -> ClaimedOperation:
        """Return an operation that is submitted a second after everything before."""
        self._world.clock.advance(1)
        return ClaimedOperation(
            operation_id=OperationId(name),
            tenant_id=TENANT,
            subject_id=SubjectId("1"),
            subject_kind=SubjectKind.USER,
            storage_location="x",
            sealed_location=b"",
            prefix=name,
            submitted_at=self._world.clock.now(),
            attempt=1,
        )

    def share(self, source: str, *operations: ClaimedOperation) -> list[Share]:
        return self.moments.share(operations, source, self._world.tenants[TENANT])


def test_so_many_moments_are_held_and_no_more_until_one_is_idle(world: World, holder: _Holder) -> None:
    asking = _Asking(world)
    operations = [asking.submitted(f"o{number}") for number in range(9)]
    shares = []
    for number in range(8):
        world.clock.advance(1)
        [share] = asking.share("a", asking.submitted(f"n{number}"))
        shares.append(share)
    assert not any(share.is_later for share in shares)
    [share] = asking.share("a", asking.submitted("late"))
    assert share.is_later
    assert len(holder.held) == 8
    asking.moments.give_back(shares[0], (), "a")
    [share] = asking.share("a", asking.submitted("late"))
    assert share.is_later
    world.clock.advance(60)
    [share] = asking.share("a", asking.submitted("late"))
    assert not share.is_later
    assert [moment.is_closed for moment in holder.held] == [True] + [False] * 8
    assert {len(some.numbers) for some in asking.share("b", *operations)} == {9}


def test_operations_that_were_there_before_share_one_and_it_ends_with_the_last(world: World, holder: _Holder) -> None:
    asking = _Asking(world)
    first, second = asking.submitted("first"), asking.submitted("second")
    [share] = asking.share("a", first)
    [other] = asking.share("a", second)
    third = asking.submitted("third")
    old, new = asking.share("b", first, second, third)
    assert (old.numbers, new.numbers, len(holder.held)) == ([0, 1], [2], 2)
    assert share.held is other.held is old.held
    for each in (share, other):
        asking.moments.give_back(each, ["first", "second"], "a")  # type: ignore[list-item]  # ids are texts
    asking.moments.give_back(old, [OperationId("first")], "b")
    closed = [[moment.is_closed for moment in holder.held]]
    asking.moments.forget(OperationId("second"))
    closed.append([moment.is_closed for moment in holder.held])
    assert closed == [[False, False], [True, False]]


def test_a_moment_that_one_connection_sees_is_read_at_by_one_at_a_time(world: World, holder: _Holder) -> None:
    holder.is_shared = False
    asking = _Asking(world)
    first = asking.submitted("first")
    [share], [other] = asking.share("a", first), asking.share("b", first)
    held = share.held
    assert held is not None
    assert other.held is held
    heard: list[bool] = []

    def read_too() -> None:
        with held.turn(0.05) as is_ours:
            heard.append(is_ours)

    with held.turn() as is_ours:
        reader = threading.Thread(target=read_too)
        reader.start()
        reader.join()
    read_too()
    assert (is_ours, heard) == (True, [False, True])


class _ReadOnce(_Holder):
    """Reads nothing; from a moment on it meets a store that is down."""

    is_down = False

    def read_at(self, moment: object, *rest: object) -> Iterator[object]:
        del moment, rest
        if self.is_down:
            raise StoreFault("the store cannot be written")
        yield ReadHeader()


def test_a_fault_of_the_store_leaves_no_moment_in_use(tmp_path: Path) -> None:
    holder = _ReadOnce()
    world = World(tmp_path, {"1": {"upn": ("ann",)}, "2": {"upn": ("ben",)}}, {"a": holder, "b": holder})
    world.submit("1")
    assert world.step()  # of source a
    world.clock.advance(1)
    world.submit("2")
    holder.is_down = True
    with pytest.raises(StoreFault):
        world.step()  # of source b, for both, each at a moment of its own
    world.work.stop()
    assert [moment.is_closed for moment in holder.held] == [True, True]
