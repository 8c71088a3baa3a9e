"""What is sent on a leash ends when that is pulled, and who waits learns when nothing is sent any more."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import pytest

from rightful.leash import NO_LEASH, Leash, working

LONG_S = 60.0
SOON_S = 20.0
"""Far less than that: who is not told waits for all of it."""


class Sent:
    """Something that is being sent."""

    def __init__(self) -> None:
        self.aborted = 0

    def abort(self) -> None:
        self.aborted += 1


def test_what_is_sent_is_aborted_when_it_is_pulled_and_what_begins_later_at_once() -> None:
    leash, first, ended, late = Leash(), Sent(), Sent(), Sent()
    with leash.holding(ended):
        pass
    with leash.holding(first):
        leash.pull()
        assert leash.is_pulled
        with leash.holding(late):
            assert (first.aborted, ended.aborted, late.aborted) == (1, 0, 1)


BUSY: dict[str, Callable[[Leash], AbstractContextManager[None]]] = {
    "sends": lambda leash: leash.holding(Sent()),
    "works": lambda leash: leash.working(),
    "works for several": lambda leash: working([leash, Leash(), leash, NO_LEASH]),
}


@pytest.mark.parametrize("busy", BUSY.values(), ids=BUSY)
def test_who_waits_is_told_when_it_is_over_and_not_before(busy: Callable[[Leash], AbstractContextManager[None]]) -> None:
    leash, may_end = Leash(), threading.Event()

    def work() -> None:
        with busy(leash), busy(leash):
            is_begun.set()
            assert may_end.wait(LONG_S)

    is_begun = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        worker = pool.submit(work)
        assert is_begun.wait(SOON_S)
        assert not leash.wait(0.01)
        waiting = pool.submit(leash.wait, LONG_S)
        began = time.monotonic()
        may_end.set()
        worker.result(SOON_S)
        assert waiting.result(LONG_S + SOON_S)
        assert time.monotonic() - began < SOON_S, "nobody told it"
    assert leash.wait(0.0)


def test_work_for_several_that_fails_ends_for_each() -> None:
    leashes = [Leash(), Leash()]
    with pytest.raises(ValueError, match="no"), working(leashes):
        raise ValueError("no")
    assert all(leash.wait(0.0) for leash in leashes)
