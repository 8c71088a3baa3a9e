"""What is handed to an upload comes in order and is bounded; whatever is closed or dropped meanwhile ends, in silence."""

import asyncio
import gc
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress

import pytest

from rightful.errors import StorageError, StorageUnavailable
from rightful.leash import NO_LEASH
from rightful.storage.exchanges import Body, Exchanges


@pytest.fixture
def exchanges() -> Iterator[Exchanges]:
    one = Exchanges()
    yield one
    one.close()


def test_chunks_come_in_order_and_few_of_them_wait(exchanges: Exchanges) -> None:
    made, taken, ahead = 0, list[bytes](), list[int]()

    def chunks() -> Iterator[bytes]:
        nonlocal made
        for number in range(50):
            made += 1
            yield b"%d" % number

    async def put(body: Body) -> None:
        async for chunk in body:
            taken.append(chunk)
            await asyncio.sleep(0.001)
            ahead.append(made - len(taken))

    exchanges.upload(put, chunks(), NO_LEASH)
    assert taken == [b"%d" % number for number in range(50)]
    assert 1 < max(ahead) <= 5


def test_chunk_that_is_asked_for_and_never_awaited_is_dropped_in_silence() -> None:
    loop = asyncio.new_event_loop()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        Body(loop).__anext__()
        gc.collect()
    loop.close()
    assert said == []


@pytest.mark.parametrize("seed", range(20))
def test_upload_ends_when_all_is_closed_at_any_moment(seed: int) -> None:
    exchanges, outcome, begun = Exchanges(), list[StorageError](), threading.Event()

    def endless() -> Iterator[bytes]:
        while True:
            begun.set()
            yield b"x"

    async def put(body: Body) -> None:
        async for _ in body:
            await asyncio.sleep(0)

    def upload() -> None:
        try:
            exchanges.upload(put, endless(), NO_LEASH)
        except StorageError as error:
            outcome.append(error)

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        thread = threading.Thread(target=upload)
        thread.start()
        assert begun.wait(20)
        time.sleep(seed * 0.0003)
        exchanges.close()
        thread.join(20)
        gc.collect()
    assert not thread.is_alive()
    assert [type(error) for error in outcome] == [StorageUnavailable]
    assert said == []


def test_what_a_library_begins_while_all_is_closed_ends_too() -> None:
    exchanges, begun = Exchanges(), list[asyncio.Task[bool]]()

    async def ask() -> None:
        loop = asyncio.get_running_loop()

        def begin_late() -> None:
            if asyncio.all_tasks():
                loop.call_soon(begin_late)
            else:  # all that was asked has been ended, and the loop has not
                begun.append(loop.create_task(asyncio.Event().wait()))

        loop.call_soon(begin_late)
        await asyncio.sleep(60)

    def asking() -> None:
        with suppress(StorageUnavailable):
            exchanges.ask(ask, NO_LEASH)

    asked = threading.Thread(target=asking)
    asked.start()
    while exchanges._loop is None or not asyncio.all_tasks(exchanges._loop):
        time.sleep(0.001)
    exchanges.close()
    asked.join()
    assert [task.cancelled() for task in begun] == [True]
