"""Issuers are asked one question at a time, and callers wait for it neither for long nor in any number."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rightful.errors import IssuerUnavailable, RequestError, ServiceUnavailable, Unauthenticated
from rightful.graph.asking import Asking
from rightful.identity.jwks import PublicKey
from rightful.identity.model import Algorithm


class SilentKeys:
    """Keys of an issuer that answers when it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.are_known = False
        self.answer = threading.Event()

    def known(self, kid: str, algorithm: Algorithm) -> PublicKey | None:
        """Know nothing."""

    def must_ask(self, kid: str, algorithm: Algorithm) -> bool:  # noqa: ARG002 - the contract's
        return True

    def ask(self) -> None:
        self.asked += 1
        self.answer.wait(20)


@contextmanager
def asking(*keys: SilentKeys, wait_s: float = 20, waiting: int = 1000) -> Iterator[Asking]:
    made = Asking(wait_s=wait_s, waiting=waiting)
    try:
        yield made
    finally:
        for item in keys:
            item.answer.set()
        made.close()


def test_one_question_at_a_time_and_one_issuer_does_not_wait_for_another() -> None:
    silent, quick = SilentKeys(), SilentKeys()
    quick.answer.set()

    async def work(asked: Asking) -> None:
        waiting = [asyncio.create_task(asked.ask(silent)) for _ in range(100)]
        await asyncio.sleep(0)
        for _ in range(3):
            await asked.ask(quick)
        assert not any(task.done() for task in waiting)
        silent.answer.set()
        await asyncio.gather(*waiting)
        await asked.ask(silent)

    with asking(silent) as asked:
        asyncio.run(work(asked))
    assert (silent.asked, quick.asked) == (2, 3)


@pytest.mark.parametrize(("are_known", "expected"), [(True, Unauthenticated), (False, IssuerUnavailable)])
def test_nobody_waits_for_long(*, are_known: bool, expected: type[RequestError]) -> None:
    silent = SilentKeys()
    silent.are_known = are_known
    with asking(silent, wait_s=0.05) as asked, pytest.raises(expected, match="key"):
        asyncio.run(asked.ask(silent))


def test_one_too_many_is_refused_and_the_others_get_their_answer() -> None:
    silent = SilentKeys()

    async def work(asked: Asking) -> None:
        waiting = [asyncio.create_task(asked.ask(silent)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(ServiceUnavailable):
            await asked.ask(silent)
        silent.answer.set()
        await asyncio.gather(*waiting)

    with asking(silent, waiting=3) as asked:
        asyncio.run(work(asked))


def test_caller_that_goes_away_takes_the_answer_from_nobody() -> None:
    silent = SilentKeys()

    async def work(asked: Asking) -> None:
        first, second = (asyncio.create_task(asked.ask(silent)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        assert not second.done()
        with pytest.raises(ServiceUnavailable, match="stopping"):  # nothing was done for it
            await first
        silent.answer.set()
        await second

    with asking(silent) as asked:
        asyncio.run(work(asked))
    assert silent.asked == 1
