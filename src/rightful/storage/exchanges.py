"""Asks an object store in an event loop of its own, so that somebody else can break off what is asked: a call that waits cannot be.

What is broken off is dropped by the library, with its connection: nothing more of it is sent.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from contextlib import suppress
from typing import Any, TypeVar

import uvloop

from rightful.errors import Refusal, StorageRefused, StorageUnavailable
from rightful.leash import Leash

T = TypeVar("T")

_HELD = 4
"""Chunks that wait for whoever takes them."""
_GIVE_UP_S = 1.0
"""How long an upload has to tell the store that it is given up."""


class Exchanges:
    """The loop, in a thread that begins with the first request. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def ask(self, make: Callable[[], Awaitable[T]], leash: Leash, *, within_s: float | None = None) -> T:
        """Return what an awaitable gives, which is made in the loop; what it raises is raised.

        Raises:
            StorageRefused: the leash was pulled.
            StorageUnavailable: all is closed meanwhile, or it took longer than it was given.
        """
        if leash.is_pulled:
            raise _cancelled()
        asked = self._begin(make)
        with leash.holding(_Asked(asked)):
            wait((asked,), within_s)
            if not asked.done():
                asked.cancel()
            return _result(asked, leash)

    def upload(self, put: Callable[["Body"], Awaitable[object]], chunks: Iterator[bytes], leash: Leash) -> None:
        """Hand chunks, which are made in this thread, to a put as it takes them; what it raises is raised.

        What the chunks raise passes unchanged, once the put has given up: its body raises then, by which it can tell the store.

        Raises:
            StorageRefused: the leash was pulled.
            StorageUnavailable: all is closed meanwhile.
        """
        if leash.is_pulled:
            raise _cancelled()
        with self._lock:
            body = Body(self._running())
        asked = self._begin(lambda: put(body))
        pulled = _Pulled()
        with leash.holding(pulled):
            try:
                if all(body.hand(chunk, asked, pulled.future) for chunk in chunks):
                    body.hand(None, asked, pulled.future)
            except BaseException:
                body.break_off()
                pulled.wait_for(asked)
                raise
            if not pulled.wait_for(asked, or_at_once=True):
                body.break_off()
                pulled.wait_for(asked)
                raise _cancelled()
            _result(asked, leash)

    def close(self) -> None:
        """End all that is asked, with `StorageUnavailable`; nothing is asked afterwards."""
        with self._lock:
            self._is_closed = True
            loop, thread, self._loop = self._loop, self._thread, None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def _begin(self, make: Callable[[], Awaitable[T]]) -> "Future[T]":
        async def asking() -> T:
            return await make()

        with self._lock:  # so that who closes ends it too
            loop = self._running()
            return asyncio.run_coroutine_threadsafe(asking(), loop)

    def _running(self) -> asyncio.AbstractEventLoop:
        """Return the loop; who calls has the lock."""
        if self._is_closed:
            raise _closed()
        if self._loop is None:
            loop = uvloop.new_event_loop()  # a request costs half as much as with asyncio's own
            self._thread = threading.Thread(target=_run, args=(loop,), name="asking-a-bucket", daemon=True)
            try:
                self._thread.start()
            except RuntimeError as error:
                loop.close()
                raise StorageUnavailable(
                    "the system gives no thread to ask the storage account with", hint="raise the limit of tasks", was_asked=False
                ) from error
            self._loop = loop
        return self._loop


class Body:
    """What is uploaded, chunk by chunk, as the loop takes it; one thread hands it in."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._held: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._has_no_room: Future[object] | None = None
        """Of the chunk that was handed in last: there is room for another when this is done."""
        self._is_broken = False

    def __aiter__(self) -> "Body":
        return self

    def __anext__(self) -> "_Taking":
        return _Taking(self)

    async def take(self) -> bytes:
        """Return the next chunk once there is one."""
        chunk = None if self._is_broken else await self._held.get()
        if self._is_broken:
            raise _Ended
        if self._has_no_room is not None:
            _settle(self._has_no_room)
            self._has_no_room = None
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    def hand(self, chunk: bytes | None, asked: "Future[object]", pulled: "Future[object]") -> bool:
        """Wait for room, None being the end; return whether somebody still takes."""
        if asked.done() or pulled.done():
            return False
        has_room: Future[object] = Future()
        try:
            self._loop.call_soon_threadsafe(self._hold, chunk, has_room)
        except RuntimeError:  # all is closed
            return False
        wait((has_room, asked, pulled), return_when=FIRST_COMPLETED)
        return has_room.done() or not has_room.cancel()

    def _hold(self, chunk: bytes | None, has_room: "Future[object]") -> None:
        self._held.put_nowait(chunk)
        if self._held.qsize() < _HELD:
            _settle(has_room)
        else:
            self._has_no_room = has_room

    def break_off(self) -> None:
        """Have whoever takes give up."""
        self._is_broken = True
        with suppress(RuntimeError):  # all is closed
            self._loop.call_soon_threadsafe(self._held.put_nowait, None)


def _settle(future: "Future[object]") -> None:
    """Tell that it is done, unless nobody waits for it any more."""
    if future.set_running_or_notify_cancel():
        future.set_result(None)


class _Taking:
    """The next chunk, which begins to be taken when it is awaited: what is closed first drops it, which a coroutine would complain of."""

    def __init__(self, body: Body) -> None:
        self._body = body

    def __await__(self) -> Generator[Any, None, bytes]:
        return self._body.take().__await__()


class _Ended(Exception):
    """The chunks ended early: what takes them is to give up."""


class _Asked:
    """Drops what is asked; see `leash.Abortable`."""

    def __init__(self, asked: "Future[Any]") -> None:
        self._asked = asked

    def abort(self) -> None:
        """Drop it."""
        self._asked.cancel()


class _Pulled:
    """Tells that the leash was pulled; see `leash.Abortable`."""

    def __init__(self) -> None:
        self.future: Future[object] = Future()

    def abort(self) -> None:
        """Tell it."""
        if not self.future.done():
            self.future.set_result(None)

    def wait_for(self, asked: "Future[object]", *, or_at_once: bool = False) -> bool:
        """Wait for what is asked; once it was pulled a little longer, until that is dropped. With `or_at_once` no longer: False then."""
        wait((asked, self.future), return_when=FIRST_COMPLETED)
        if not or_at_once:
            wait((asked,), _GIVE_UP_S)
            asked.cancel()
        return asked.done()


def _result(asked: "Future[T]", leash: Leash) -> T:
    try:
        return asked.result()
    except CancelledError:
        raise (_cancelled() if leash.is_pulled else _closed()) from None


def _run(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.run_until_complete(_cancel_all())  # what the library, in threads of its own, began after all was ended


async def _cancel_all() -> None:
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


def _cancelled() -> StorageRefused:
    return StorageRefused("what is sent to the storage account was cancelled", refusal=Refusal.OTHER)


def _closed() -> StorageUnavailable:
    return StorageUnavailable("the storage account did not answer in time", hint="it is tried again", may_have_arrived=True)
