"""Calls that wait for the network, made side by side."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class SideBySide:
    """So many calls at once, of all threads that use this together."""

    def __init__(self, most: int) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="puts")

    def map(self, call: Callable[[T], R], values: Sequence[T], *, is_remote: Callable[[T], bool]) -> list[R]:
        """Call for each value; return the results in the values' order once all calls have ended, or raise what the first of them raised.

        Calls for values that are not remote, and a single one, are made by this thread.
        """
        if len(values) == 1 or not any(map(is_remote, values)):
            return [call(value) for value in values]
        begun = {number: self._pool.submit(call, value) for number, value in enumerate(values) if is_remote(value)}
        try:
            own = {number: call(value) for number, value in enumerate(values) if number not in begun}
        finally:
            wait(begun.values())
        return [begun[number].result() if number in begun else own[number] for number in range(len(values))]
