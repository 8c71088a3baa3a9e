"""Blocking calls, made from the event loop by a bounded number of threads, in turns between those who ask."""

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, ParamSpec, TypeVar

from rightful.graph.errors import ServiceUnavailable

_P = ParamSpec("_P")
_T = TypeVar("_T")


class _Call(Generic[_T]):
    __slots__ = ("asker", "function", "future")

    def __init__(self, asker: str, function: Callable[[], _T], future: "asyncio.Future[_T]") -> None:
        self.asker = asker
        self.function = function
        self.future = future

    def make(self) -> None:
        """Make it, in this thread."""
        result, error = None, None
        try:
            result = self.function()
        except BaseException as caught:  # noqa: BLE001 - handed to the task that waits for it
            error = caught
        self._tell(self._end, result, error)

    def drop(self) -> None:
        """Let whoever waits for it wait no longer."""
        self._tell(self.future.cancel)

    def _tell(self, function: Callable[..., object], *args: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self.future.get_loop().call_soon_threadsafe(function, *args)

    def _end(self, result: Any, error: BaseException | None) -> None:
        if self.future.cancelled():
            return
        if error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)


class Threads:
    """So many threads, and so many calls that may wait for one; a call more is refused before it has begun.

    Who asks (a tenant) takes turns with the others, and never has more than three quarters of the threads nor half of the waiting places:
    however many calls one makes, and however long they take, the others' are made. Where there is only one, it has all.
    """

    def __init__(self, name: str, *, threads: int, waiting: int, askers: int = 1) -> None:
        self._name = name
        self._most_threads = threads
        self._most_waiting = threads + waiting
        self._share = threads if askers == 1 else max(1, threads * 3 // 4)
        self._waiting_share = self._most_waiting if askers == 1 else self._most_waiting // 2
        self._calls = 0
        self._calls_of: Counter[str] = Counter()
        """Those that wait or are being made; touched by the event loop alone, as `_calls`."""
        self._guard = threading.Lock()
        """Over everything below."""
        self._queues: dict[str, deque[_Call[Any]]] = {}  # the first's turn is next
        self._made: Counter[str] = Counter()
        self._threads = 0
        self._idle = 0
        """Threads that nobody has woken."""
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._is_closed = False

    async def run(self, asker: str, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Call a function in a thread; raises what it raises, or `ServiceUnavailable` where too many wait already."""
        if self._calls >= self._most_waiting or self._calls_of[asker] >= self._waiting_share:
            raise ServiceUnavailable("Too many requests are being worked on", hint="try again later")
        future: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._calls += 1
        self._calls_of[asker] += 1
        try:
            self._enqueue(_Call(asker, partial(function, *args, **kwargs), future))
            return await future
        finally:
            self._calls -= 1
            self._calls_of[asker] -= 1

    def _enqueue(self, call: _Call[Any]) -> None:
        with self._guard:
            if self._is_closed:
                raise ServiceUnavailable("The service is stopping", hint="try again later")
            self._queues.setdefault(call.asker, deque()).append(call)
            if self._idle:
                self._idle -= 1
                self._wake.put(None)
            elif self._threads < self._most_threads:
                self._start(call)

    def _start(self, call: _Call[Any]) -> None:
        """Start a thread; where there can't be another, the call waits for one of those there are. Under the guard."""
        try:
            threading.Thread(target=self._work, name=f"{self._name}-{self._threads + 1}").start()
        except RuntimeError:  # the system gives no more threads
            if not self._threads:
                del self._queues[call.asker]  # nothing else waits where there is no thread
                raise ServiceUnavailable("The system gives the service no thread to work in", hint="try again later") from None
        else:
            self._threads += 1

    def _work(self) -> None:
        while True:
            call = self._next()
            if call is None:
                self._wake.get()
                if self._is_closed:
                    return
                continue
            if not call.future.cancelled():
                call.make()
            with self._guard:
                self._made[call.asker] -= 1

    def _next(self) -> _Call[Any] | None:
        """Take the first call of whoever's turn it is; None where nobody's is."""
        with self._guard:
            asker = next((asker for asker in self._queues if self._made[asker] < self._share), None)
            if asker is None:
                self._idle += 1
                return None
            queue = self._queues.pop(asker)
            call = queue.popleft()
            if queue:
                self._queues[asker] = queue  # behind the others
            self._made[asker] += 1
            return call

    def close(self) -> None:
        """Begin no more calls, and drop each thread when its call has ended; what it waits for is for others to end."""
        with self._guard:
            self._is_closed = True
            left = [call for queue in self._queues.values() for call in queue]
            self._queues.clear()
        for call in left:
            call.drop()
        for _ in range(self._threads):
            self._wake.put(None)
