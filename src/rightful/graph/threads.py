"""Blocking calls, made from the event loop by a bounded number of threads."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from rightful.graph.errors import ServiceUnavailable

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Threads:
    """So many threads, and so many calls that may wait for one; a call more is refused before it has begun.

    `loop.run_in_executor` on threads of our own: anyio's limiter costs half as much again for a call of some microseconds.
    """

    def __init__(self, name: str, *, threads: int, waiting: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._most = threads + waiting
        self._calls = 0

    async def run(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Call a function in a thread; raises what it raises, or `ServiceUnavailable` where too many wait already."""
        if self._calls >= self._most:
            raise ServiceUnavailable("Too many requests are being worked on", hint="try again later")
        self._calls += 1
        try:
            if kwargs:
                return await asyncio.get_running_loop().run_in_executor(self._executor, lambda: function(*args, **kwargs))
            return await asyncio.get_running_loop().run_in_executor(self._executor, function, *args)
        finally:
            self._calls -= 1

    def close(self) -> None:
        """Begin no more calls, and drop each thread when its call has ended; what it waits for is for others to end."""
        self._executor.shutdown(wait=False, cancel_futures=True)
