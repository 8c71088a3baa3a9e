"""Blocking calls are bounded: one too many is refused before it has begun."""

import asyncio
import threading

import pytest

from rightful.graph.errors import ServiceUnavailable
from rightful.graph.threads import Threads


def test_call_over_the_limit_is_refused_and_the_others_are_made() -> None:
    gate = threading.Event()
    made: list[int] = []

    def call(number: int) -> int:
        gate.wait(10)
        made.append(number)
        return number

    async def ask() -> None:
        threads = Threads("test", threads=2, waiting=1)
        begun = [asyncio.create_task(threads.run(call, number)) for number in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(ServiceUnavailable):
            await threads.run(call, 3)
        gate.set()
        assert await asyncio.gather(*begun) == [0, 1, 2]
        assert await threads.run(call, number=4) == 4
        threads.close()

    asyncio.run(ask())
    assert sorted(made) == [0, 1, 2, 4]
