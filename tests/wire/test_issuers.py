"""Issuers that are slow or do not answer, as callers notice them."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from tests.wire.world import Later, World, world

from rightful.identity.keys import REFETCH_S
from rightful.testing.issuer import SimulatedIssuer

OPERATIONS = "/v1.0/dataPolicyOperations"


@pytest.fixture
def clock() -> Later:
    return Later()


@pytest.fixture
def opened(clock: Later) -> Iterator[World]:
    with world(clock=clock) as made:
        yield made


def invented(issuer: SimulatedIssuer, number: int) -> str:
    return issuer.sign(issuer.claims(), kid=f"invented-{number}")


def wait_until_asked(issuer: SimulatedIssuer, count: int) -> None:
    deadline = time.monotonic() + 20
    while len(issuer.requests) < count:
        assert time.monotonic() < deadline
        time.sleep(0.005)


async def strangers(opened: World, issuer: SimulatedIssuer, count: int) -> list[asyncio.Task[int]]:
    """Send so many tokens with unknown keys; returns once the issuer was asked, and says nothing."""
    asked = len(issuer.requests)
    issuer.answering.clear()

    async def send(number: int) -> int:
        return (await opened.client.get(OPERATIONS, invented(issuer, number))).status

    tasks = [asyncio.create_task(send(number)) for number in range(count)]
    await asyncio.to_thread(wait_until_asked, issuer, asked + 1)
    return tasks


def test_issuer_that_does_not_answer_holds_up_no_other(opened: World) -> None:
    slow, quick = opened.other_issuer, opened.issuer

    async def work() -> set[int]:
        waiting = await strangers(opened, slow, 100)
        for number in range(20):  # the first of them asks its own issuer
            assert (await opened.client.get(OPERATIONS, quick.token(uti=str(number)))).status == 200
        assert not any(task.done() for task in waiting)
        slow.answering.set()
        return set(await asyncio.gather(*waiting))

    assert opened.client.run(work()) == {401}
    assert (slow.requests, quick.requests) == (["/keys"], ["/keys"])


def test_known_keys_count_while_their_issuer_does_not_answer_about_others(opened: World, clock: Later) -> None:
    issuer = opened.issuer
    assert opened.get(OPERATIONS).status == 200

    async def work() -> set[int]:
        clock.ahead_s = REFETCH_S
        waiting = await strangers(opened, issuer, 20)
        for number in range(20):
            assert (await opened.client.get(OPERATIONS, issuer.token(uti=str(number)))).status == 200
        assert not any(task.done() for task in waiting)
        issuer.answering.set()
        return set(await asyncio.gather(*waiting))

    assert opened.client.run(work()) == {401}
    assert issuer.requests == ["/keys", "/keys"]
