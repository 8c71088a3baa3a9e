"""Each worker that comes is looked at before it is sent work: by its version, then by what is on its machine."""

from collections.abc import Callable

import msgspec
import pytest
from structlog.testing import capture_logs
from tests.unit.engines.test_both import task

from rightful import __version__
from rightful.age import message
from rightful.age.keys import Identity
from rightful.engines.cluster import Member, Sent
from rightful.engines.roster import Roster
from rightful.engines.task import End, Outcome, unseal

PATHS = ("/srv/drive", "/srv/lake")
FINE = Outcome(end=End.DONE)


class Asked:
    """What a worker was sent, until the test lets it answer."""

    def __init__(self, sealed: bytes, on_end: Callable[[bytes | None], None]) -> None:
        self.sealed = sealed
        self.is_dropped = False
        self._on_end = on_end

    def drop(self) -> None:
        self.is_dropped = True

    def answer(self, outcome: Outcome | bytes | None) -> None:
        self._on_end(msgspec.msgpack.encode(outcome) if isinstance(outcome, Outcome) else outcome)


class Scripted:
    """A cluster of whom the test says; nobody answers by itself."""

    def __init__(self) -> None:
        self.there: list[Member] | None = []
        self.asked: list[Asked] = []

    def start(self, on_change: Callable[[], None]) -> None: ...

    def members(self) -> tuple[Member, ...] | None:
        return None if self.there is None else tuple(self.there)

    def send(self, sealed: bytes, to: Member, on_end: Callable[[bytes | None], None]) -> Sent:
        del to
        self.asked.append(Asked(sealed, on_end))
        return self.asked[-1]

    def differences(self) -> list[str]:
        return []

    def close(self) -> None: ...


class Scene:
    def __init__(self) -> None:
        self.cluster = Scripted()
        self.now_s = 0.0
        self.wakes = 0
        self.roster = Roster(self.cluster, lambda: task(None), PATHS, self._wake, lambda: self.now_s)

    def _wake(self) -> None:
        self.wakes += 1

    def come(self, version: str = __version__) -> tuple[Member, Identity]:
        identity = message.new_identity()
        assert self.cluster.there is not None
        member = Member(address=f"w{len(self.cluster.there)}", recipient=identity.recipient, threads=2, version=version)
        self.cluster.there.append(member)
        return member, identity


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_worker_is_usable_when_it_has_what_the_sources_need(scene: Scene) -> None:
    member, identity = scene.come()
    assert not scene.roster.look()
    (asked,) = scene.cluster.asked
    sent = unseal(asked.sealed, identity)
    assert (sent.claim, sent.paths) == (None, PATHS)
    assert not scene.roster.look()
    assert len(scene.cluster.asked) == 1  # it is asked once
    asked.answer(FINE)
    assert scene.wakes == 1
    assert scene.roster.look()
    assert scene.roster.usable == (member,)
    assert asked.is_dropped
    assert not scene.roster.look()


@pytest.mark.parametrize(
    "said", [Outcome(end=End.DONE, missing=(1,)), Outcome(end=End.REFUSED, detail="KeyError"), b"\xff no outcome"], ids=str
)
def test_worker_that_lacks_something_is_named_and_asked_again_later(scene: Scene, said: Outcome | bytes) -> None:
    member, _ = scene.come()
    scene.roster.look()
    scene.cluster.asked[0].answer(said)
    with capture_logs() as logs:
        assert not scene.roster.look()
    assert [(log["log_level"], log["worker"]) for log in logs] == [("error", member.address)]
    assert logs[0]["missing"] == [PATHS[number] for number in getattr(said, "missing", ())]
    scene.now_s = 29.0
    scene.roster.look()
    assert len(scene.cluster.asked) == 1
    scene.now_s = 30.0
    scene.roster.look()
    scene.cluster.asked[1].answer(FINE)
    assert scene.roster.look()
    assert scene.roster.usable == (member,)


def test_worker_that_says_nothing_is_asked_again_later_without_a_word(scene: Scene) -> None:
    scene.come()
    scene.roster.look()
    scene.cluster.asked[0].answer(None)
    with capture_logs() as logs:
        assert not scene.roster.look()
        scene.now_s = 30.0
        scene.roster.look()
    assert not logs
    assert len(scene.cluster.asked) == 2


def test_worker_of_another_version_is_asked_nothing_and_named_once(scene: Scene) -> None:
    scene.come("0.0.1")
    with capture_logs() as logs:
        assert not scene.roster.look()
        assert not scene.roster.look()
    assert [log["version"] for log in logs] == ["0.0.1"]
    assert not scene.cluster.asked


def test_worker_that_is_gone_is_dead_only_where_somebody_can_say_who_is_there(scene: Scene) -> None:
    member, _ = scene.come()
    scene.roster.look()
    scene.cluster.asked[0].answer(FINE)
    scene.roster.look()
    there, scene.cluster.there = scene.cluster.there, None
    assert scene.roster.look()
    assert scene.roster.usable == ()
    assert not scene.roster.is_dead(member)
    scene.cluster.there = there
    scene.roster.look()
    assert not scene.roster.usable  # it is looked at anew
    scene.cluster.there = []
    scene.roster.look()
    assert scene.roster.is_dead(member)
    scene.cluster.asked[1].answer(FINE)  # too late
    assert not scene.roster.look()
    assert scene.roster.usable == ()


def test_worker_that_says_what_it_was_not_asked_is_no_hindrance_to_others(scene: Scene) -> None:
    strange, _ = scene.come()
    fine, _ = scene.come()
    scene.roster.look()
    scene.cluster.asked[0].answer(Outcome(end=End.DONE, missing=(1, 2, -1, 1 << 40)))
    scene.cluster.asked[1].answer(FINE)
    with capture_logs() as logs:
        assert scene.roster.look()
    assert scene.roster.usable == (fine,)
    assert [(log["worker"], log["missing"]) for log in logs if log["log_level"] == "error"] == [(strange.address, [PATHS[1]])]
