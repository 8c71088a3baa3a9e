"""Blocking calls are bounded: one too many is refused before it has begun."""

import asyncio
import random
import threading
import time
from collections import Counter

import pytest
from tests.unit.no_threads import no_more_threads

from rightful.errors import ServiceUnavailable, Throttled
from rightful.graph.threads import Place, Threads
from rightful.testing.clock import ManualClock


def test_call_over_the_limit_is_refused_and_the_others_are_made() -> None:
    gate = threading.Event()
    made: list[int] = []

    def call(number: int) -> int:
        gate.wait(60)
        made.append(number)
        return number

    async def ask() -> None:
        threads = Threads("test", threads=2, waiting=1)
        begun = [asyncio.create_task(threads.run("a", call, number)) for number in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Throttled):
            await threads.run("a", call, 3)
        gate.set()
        assert await asyncio.gather(*begun) == [0, 1, 2]
        assert await threads.run("a", call, number=4) == 4
        threads.close()

    asyncio.run(ask())
    assert sorted(made) == [0, 1, 2, 4]


def test_calls_of_one_do_not_hold_up_those_of_another() -> None:
    gate = threading.Event()

    async def ask() -> None:
        threads = Threads("test", threads=4, waiting=8, askers=2)
        held = [asyncio.create_task(threads.run("flood", gate.wait, 60)) for _ in range(6)]
        await asyncio.sleep(0)
        with pytest.raises(Throttled):  # half of the places
            await threads.run("flood", gate.wait, 60)
        assert [await threads.run("other", int, number) for number in range(3)] == [0, 1, 2]
        assert not gate.is_set()
        gate.set()
        assert await asyncio.gather(*held) == [True] * 6
        threads.close()

    asyncio.run(ask())


async def spin() -> None:
    """Let the threads come to rest: what they may take they have taken."""
    for _ in range(20):
        await asyncio.sleep(0.005)


def test_several_who_flood_leave_threads_and_places_to_the_others() -> None:
    gate = threading.Event()

    async def ask() -> None:
        threads = Threads("test", threads=32, waiting=400, askers=5)
        held: list[asyncio.Task[bool]] = []
        for flood in "abcd":
            held += [asyncio.create_task(threads.run(flood, gate.wait, 60)) for _ in range(400)]
            await spin()
        assert sum(task.done() and isinstance(task.exception(), Throttled) for task in held) > 1200
        assert [await threads.run("other", int, number) for number in range(5)] == [0, 1, 2, 3, 4]
        assert not gate.is_set()
        gate.set()
        assert False not in await asyncio.gather(*held, return_exceptions=True), "nobody of those who flood had come to an end"
        threads.close()

    asyncio.run(ask())


@pytest.mark.parametrize("times", [0.5, 3.0])
def test_slow_place_leaves_threads_and_places_to_calls_for_others(times: float) -> None:
    gate = threading.Event()

    async def ask(askers: int) -> None:
        gate.clear()
        threads = Threads("test", threads=16, waiting=100, askers=askers)
        held: list[asyncio.Task[bool]] = []
        for slow in ("slow", "slower"):
            held += [asyncio.create_task(threads.run_at("a", Place(slow, times), gate.wait, 60)) for _ in range(100)]
            await spin()
        assert [await threads.run_at("a", Place("quick", times), int, number) for number in range(5)] == [0, 1, 2, 3, 4]
        assert await threads.run("a", int, 6) == 6
        gate.set()
        await asyncio.gather(*held, return_exceptions=True)
        threads.close()

    asyncio.run(ask(1))
    asyncio.run(ask(2))


@pytest.mark.parametrize(("askers", "times", "most"), [(1, 0.5, 16), (1, 3.0, 36), (3, 0.5, 11), (3, 3.0, 24)])
def test_place_has_its_share_of_the_threads_that_whoever_asks_may_have(askers: int, times: float, most: int) -> None:
    gate = threading.Event()
    begun: list[int] = []
    all_begun = threading.Event()

    def hold(number: int) -> None:
        begun.append(number)
        if len(begun) == most:
            all_begun.set()
        gate.wait(60)

    async def ask() -> None:
        threads = Threads("test", threads=48, waiting=400, askers=askers)
        held = [asyncio.create_task(threads.run_at("a", Place("slow", times), hold, number)) for number in range(60)]
        assert await asyncio.to_thread(all_begun.wait, 60)
        await spin()
        assert len(begun) == most
        gate.set()
        await asyncio.gather(*held)
        threads.close()

    asyncio.run(ask())


def test_call_that_waits_for_too_long_is_refused_and_never_made() -> None:
    clock = ManualClock()
    begun, gate = threading.Event(), threading.Event()
    made: list[int] = []

    def hold() -> bool:
        begun.set()
        return gate.wait(60)

    async def ask() -> None:
        threads = Threads("test", threads=1, waiting=2, longest_wait_s=1.2, monotonic=clock.monotonic)
        held = asyncio.create_task(threads.run("a", hold))
        assert await asyncio.to_thread(begun.wait, 60)
        late = [asyncio.create_task(threads.run("a", made.append, number)) for number in range(2)]
        await asyncio.sleep(0)
        for waited_s, retry_after_s in ((0.5, 1), (1.1, 2)):
            clock.advance(waited_s - clock.monotonic())
            with pytest.raises(Throttled) as full:
                await threads.run("a", made.append, 2)
            assert full.value.retry_after_s == retry_after_s  # as long as those who wait have waited
        clock.advance(0.2)
        told = await asyncio.gather(*late, return_exceptions=True)
        assert [error.retry_after_s for error in told if isinstance(error, Throttled)] == [2, 2]
        gate.set()
        assert await held
        await threads.run("a", made.append, 3)
        threads.close()

    asyncio.run(ask())
    assert made == [3]


def test_every_call_is_made_however_many_ask_for_whatever_places() -> None:
    chance = random.Random(5)
    places = [Place("x", 0.5), Place("y", 3.0), Place("z", 0.5), Place("z", 3.0)]
    running: Counter[tuple[str, Place]] = Counter()
    guard = threading.Lock()

    def call(asker: str, place: Place) -> None:
        with guard:
            running[asker, place] += 1
            assert sum(running.values()) <= 7
        time.sleep(chance.random() / 2000)
        with guard:
            running[asker, place] -= 1

    async def ask() -> None:
        threads = Threads("test", threads=7, waiting=100_000, askers=3)
        calls = [(chance.choice("abc"), chance.choice(places)) for _ in range(3000)]
        await asyncio.wait_for(asyncio.gather(*(threads.run_at(*key, call, *key) for key in calls)), 60)
        threads.close()

    asyncio.run(ask())
    assert not any(running.values())


def test_who_asks_takes_turns() -> None:
    gate = threading.Event()
    made: list[str] = []

    async def ask() -> None:
        threads = Threads("test", threads=1, waiting=100, askers=2)
        held = asyncio.create_task(threads.run("held", gate.wait, 60))
        tasks = [asyncio.create_task(threads.run(asker, made.append, asker)) for asker in "aaaaabbb"]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(held, *tasks)
        threads.close()

    asyncio.run(ask())
    assert "".join(made) == "abababaa"


def test_calls_that_meet_are_made_side_by_side_and_errors_come_back() -> None:
    together = threading.Barrier(8)

    async def ask() -> None:
        threads = Threads("test", threads=8, waiting=0)
        for _ in range(50):  # no call may wait for a thread that another call has taken
            await asyncio.gather(*(threads.run("a", together.wait, 60) for _ in range(8)))
        with pytest.raises(ValueError, match="invalid literal"):
            await threads.run("a", int, "x")
        threads.close()
        with pytest.raises(ServiceUnavailable):
            await threads.run("a", int)

    asyncio.run(ask())


def test_call_that_waits_when_it_is_closed_is_never_made() -> None:
    begun, gate = threading.Event(), threading.Event()
    made: list[int] = []

    def hold() -> bool:
        begun.set()
        return gate.wait(60)

    async def ask() -> None:
        threads = Threads("test", threads=1, waiting=10)
        held = asyncio.create_task(threads.run("a", hold))
        waiting = asyncio.create_task(threads.run("a", made.append, 1))
        given_up = asyncio.create_task(threads.run("a", made.append, 2))
        await asyncio.sleep(0)
        assert begun.wait(60)
        given_up.cancel()
        with pytest.raises(ServiceUnavailable, match="stopping"):
            await given_up
        threads.close()
        with pytest.raises(ServiceUnavailable, match="stopping"):
            await waiting
        gate.set()
        assert await held

    asyncio.run(ask())
    assert made == []


def test_who_gives_up_learns_whether_the_call_was_begun() -> None:
    begun, gate = threading.Event(), threading.Event()

    def hold() -> bool:
        begun.set()
        return gate.wait(60)

    async def ask() -> None:
        threads = Threads("test", threads=1, waiting=10)
        held = asyncio.create_task(threads.run("a", hold))
        await asyncio.sleep(0)
        assert begun.wait(60)
        held.cancel()
        with pytest.raises(asyncio.CancelledError):
            await held
        gate.set()
        threads.close()

    asyncio.run(ask())


def test_call_waits_for_another_thread_where_the_system_gives_no_more() -> None:
    gate = threading.Event()

    async def ask() -> None:
        threads = Threads("test", threads=2, waiting=8)
        with no_more_threads(), pytest.raises(ServiceUnavailable, match="no thread"):
            await threads.run("a", int, 1)
        held = asyncio.create_task(threads.run("a", gate.wait, 60))
        await asyncio.sleep(0)
        with no_more_threads():
            waiting = asyncio.create_task(threads.run("a", int, 2))
            await asyncio.sleep(0)
        gate.set()
        assert (await held, await waiting) == (True, 2)
        threads.close()

    asyncio.run(ask())
