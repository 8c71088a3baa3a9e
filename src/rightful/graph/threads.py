"""Blocking calls, made from the event loop by a bounded number of threads, in turns between those who ask."""

import asyncio
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, ParamSpec, TypeVar

from rightful.errors import RequestError, Throttled, no_thread
from rightful.graph.errors import stopping

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Place:
    """What calls may have to wait for, outside the service."""

    name: str
    times: float
    """It gets more while it has less than so many times what it leaves to other places."""


_NOWHERE = Place("", math.inf)

_Key = tuple[str, Place]
"""Who asks, and the place that the call may have to wait for."""

_LONGEST_WAIT_S = 20.0
"""How long a call waits for a thread; whoever asked is told to come again."""
_SWEEP_S = 0.5


class _Call(Generic[_T]):
    __slots__ = ("function", "future", "is_begun", "key", "since_s")

    def __init__(self, key: _Key, function: Callable[[], _T], future: "asyncio.Future[_T]", *, since_s: float) -> None:
        self.key = key
        self.function = function
        self.future = future
        self.is_begun = False
        """Whether a thread has taken it."""
        self.since_s = since_s

    def make(self) -> None:
        """Make it, in this thread."""
        result, error = None, None
        try:
            result = self.function()
        except BaseException as caught:  # noqa: BLE001 - handed to the task that waits for it
            error = caught
        self._tell(result, error)

    def refuse(self, error: RequestError) -> None:
        """Let whoever waits for it wait no longer: it is never made."""
        self._tell(None, error)

    def _tell(self, result: Any, error: BaseException | None) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self.future.get_loop().call_soon_threadsafe(self._end, result, error)

    def _end(self, result: Any, error: BaseException | None) -> None:
        if self.future.cancelled():
            return
        if error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)


class _Shares:
    """What is had of so many, by those who ask and by the places that they wait for.

    Who has some gets more while that is less than so many times what is free (dynamic thresholds: Choudhury and Hahne, 1998), an eighth
    apart, which is for those who have none. So one has most, the next has much of what it leaves, and there is some for quite a number.
    Of what one who asks may have, the same holds for places, each with its own times; the last of it is for one that has none.
    """

    def __init__(self, most: int, *, times: int) -> None:
        self._most = most
        self._kept = max(1, most // 8)
        self._times = times
        """0: there is only one who asks, and may have all."""
        self._had = 0
        self._of: Counter[str] = Counter()
        self._at: Counter[_Key] = Counter()

    def room(self, asker: str) -> int:
        """Return how many more this one may have."""
        free, had = self._most - self._had, self._of[asker]
        if not self._times or not had:
            return free
        left = self._times * (free - self._kept) - had
        return -(-left // (self._times + 1))  # rounded up: each one more leaves so many times less, and is one more that is had

    def may_take(self, key: _Key, room: int) -> bool:
        """Say whether one more may be had for this place."""
        had, place = self._at[key], key[1]
        if not had or place is _NOWHERE:
            return room > 0
        return room > 1 and had < place.times * room

    def take(self, key: _Key) -> None:
        """Note that one more is had."""
        self._had += 1
        self._of[key[0]] += 1
        self._at[key] += 1

    def give_back(self, key: _Key) -> None:
        """Note that it is had no more."""
        self._had -= 1
        self._of[key[0]] -= 1
        self._at[key] -= 1
        if not self._at[key]:
            del self._at[key]
            if not self._of[key[0]]:
                del self._of[key[0]]


class Threads:
    """So many threads, and so many calls that may wait for one, for a while; a call more is refused before it has begun.

    Who asks (a tenant) takes turns with the others, and neither threads nor waiting places are all had by a few: however many calls one
    makes, and however long they take, the others' are made. Of one who asks, the same holds for the places that calls may wait for.
    """

    def __init__(
        self,
        name: str,
        *,
        threads: int,
        waiting: int,
        askers: int = 1,
        longest_wait_s: float = _LONGEST_WAIT_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._longest_wait_s = longest_wait_s
        self._monotonic = monotonic
        self._most_threads = threads
        self._calls = _Shares(threads + waiting, times=1 if askers > 1 else 0)
        """Those that wait or are being made; touched by the event loop alone."""
        self._guard = threading.Lock()
        """Over everything below."""
        self._made = _Shares(threads, times=3 if askers > 1 else 0)
        self._queues: dict[str, dict[Place, deque[_Call[Any]]]] = {}  # whose turn is next comes first, and so do places
        self._threads = 0
        self._idle = 0
        """Threads that nobody has woken."""
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._is_sweeping = False
        self._is_closed = False

    async def run(self, asker: str, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Call a function in a thread; raises what it raises, or `Throttled` where too many wait already, or it waited for too long.

        Who is cancelled while the call is made learns so (`CancelledError`): it may be done all the same. If it still waits for a thread it
        is never made, and what is raised says so (`ServiceUnavailable`).
        """
        return await self._run((asker, _NOWHERE), partial(function, *args, **kwargs))

    async def run_at(self, asker: str, place: Place, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Call a function that may have to wait for a place outside: if that keeps it waiting, calls for other places go on."""
        return await self._run((asker, place), partial(function, *args, **kwargs))

    async def _run(self, key: _Key, function: Callable[[], _T]) -> _T:
        if not self._calls.may_take(key, self._calls.room(key[0])):
            raise self._refusal(key)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_T] = loop.create_future()
        call = _Call(key, function, future, since_s=self._monotonic())
        self._calls.take(key)
        try:
            self._enqueue(call)
            if not self._is_sweeping:
                self._is_sweeping = True
                loop.call_later(_SWEEP_S, self._sweep, loop)
            return await future
        except asyncio.CancelledError:
            with self._guard:
                if call.is_begun:
                    raise
            raise stopping() from None  # its future is cancelled, so that no thread makes it
        finally:
            self._calls.give_back(key)

    def _refusal(self, key: _Key) -> Throttled:
        """Say when to come again: after as long as those who wait have waited."""
        now_s = self._monotonic()
        with self._guard:
            oldest_s = min((queue[0].since_s for queue in self._waiting_with(key)), default=now_s)
        return self._too_many(now_s - oldest_s)

    def _too_many(self, waited_s: float) -> Throttled:
        retry_after_s = max(1, math.ceil(min(waited_s, self._longest_wait_s)))
        return Throttled("Too many requests are being worked on", retry_after_s=retry_after_s, hint="wait for Retry-After")

    def _waiting_with(self, key: _Key) -> Iterator[deque[_Call[Any]]]:
        asker, place = key
        for other, places in self._queues.items():
            yield from (queue for name, queue in places.items() if other != asker or place in (_NOWHERE, name))

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Refuse the calls that have waited for too long."""
        oldest_s = self._monotonic() - self._longest_wait_s
        late: list[_Call[Any]] = []
        with self._guard:
            for asker, places in list(self._queues.items()):
                for place, queue in list(places.items()):
                    while queue and queue[0].since_s < oldest_s:
                        late.append(queue.popleft())
                    self._keep(asker, place, queue)
            self._is_sweeping = bool(self._queues)
        for call in late:
            call.refuse(self._too_many(self._longest_wait_s))
        if self._is_sweeping:
            loop.call_later(_SWEEP_S, self._sweep, loop)

    def _keep(self, asker: str, place: Place, queue: deque[_Call[Any]]) -> None:
        """Forget a queue that is empty; under the guard."""
        if not queue:
            del self._queues[asker][place]
            if not self._queues[asker]:
                del self._queues[asker]

    def _enqueue(self, call: _Call[Any]) -> None:
        asker, place = call.key
        with self._guard:
            if self._is_closed:
                raise stopping()
            queue = self._queues.setdefault(asker, {}).setdefault(place, deque())
            queue.append(call)
            self._rouse()
            if not self._threads:
                queue.pop()
                self._keep(asker, place, queue)
                raise no_thread()

    def _rouse(self) -> None:
        """Wake a thread, or start one; where there can't be another, calls wait for one of those there are. Under the guard."""
        if self._idle:
            self._idle -= 1
            self._wake.put(None)
        elif self._threads < self._most_threads:
            with suppress(RuntimeError):  # the system gives no more threads
                threading.Thread(target=self._work, name=f"{self._name}-{self._threads + 1}").start()
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
                self._made.give_back(call.key)

    def _next(self) -> _Call[Any] | None:
        """Take the first call of whoever's turn it is; None where nobody's is."""
        with self._guard:
            key = next(self._turns(), None)
            if key is None:
                self._idle += 1
                return None
            asker, place = key
            places = self._queues.pop(asker)
            queue = places.pop(place)
            call = queue.popleft()
            call.is_begun = True
            if queue:
                places[place] = queue  # behind the others, as below
            if places:
                self._queues[asker] = places
            self._made.take(key)
            if self._idle and self._queues:  # what ended may have made room for more than this
                self._rouse()
            return call

    def _turns(self) -> Iterator[_Key]:
        for asker, places in self._queues.items():
            if (room := self._made.room(asker)) > 0:
                yield from ((asker, place) for place in places if self._made.may_take((asker, place), room))

    def close(self) -> None:
        """Begin no more calls, and drop each thread when its call has ended; what it waits for is for others to end."""
        with self._guard:
            self._is_closed = True
            left = [call for places in self._queues.values() for queue in places.values() for call in queue]
            self._queues.clear()
        for call in left:
            call.refuse(stopping())
        for _ in range(self._threads):
            self._wake.put(None)
