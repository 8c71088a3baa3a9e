"""Calls that wait for the network, made side by side."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import TypeVar, cast

T = TypeVar("T")
R = TypeVar("R")


class SideBySide:
    """So many calls at once for each who uses this: nobody waits for the silent storage locations of others."""

    def __init__(self, most: int) -> None:
        self._most = most

    def map(self, call: Callable[[T], R], values: Sequence[T], *, is_remote: Callable[[T], bool]) -> list[R]:
        """Call for each value; return the results in the values' order once all calls have ended, or raise what one of them raised.

        Then calls that were not begun are not made. Calls for values that are not remote, and a single one, are made by this thread.
        """
        are_remote = [len(values) > 1 and is_remote(value) for value in values]
        remote, own = (deque(number for number, each in enumerate(are_remote) if each is kind) for kind in (True, False))
        results: list[R | None] = [None] * len(values)

        def work(numbers: deque[int]) -> None:
            """Make calls until none is left; a thread takes several in turn, since to hand each over would cost more than some calls."""
            try:
                while numbers:
                    try:
                        number = numbers.popleft()
                    except IndexError:
                        return  # another thread was faster
                    results[number] = call(values[number])
            except BaseException:
                remote.clear()
                raise

        threads = min(self._most, len(remote))
        if not threads:
            work(own)
            return cast("list[R]", results)
        begun: list[Future[None]] = []
        with ThreadPoolExecutor(threads, thread_name_prefix="puts") as pool:
            with suppress(RuntimeError):  # the system gives no more threads: it is slower with fewer, and goes on
                begun += (pool.submit(copy_context().run, work, remote) for _ in range(threads))
            work(own)
            if len(begun) < threads:
                work(remote)
        for ended in begun:
            ended.result()
        return cast("list[R]", results)
