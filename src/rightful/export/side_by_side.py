"""Calls that wait for the network, made side by side."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

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
        remote = [number for number, value in enumerate(values) if is_remote(value)]
        if len(values) == 1 or not remote:
            return [call(value) for value in values]
        with ThreadPoolExecutor(min(self._most, len(remote)), thread_name_prefix="puts") as pool:
            begun = {number: pool.submit(call, values[number]) for number in remote}
            try:
                own = {number: call(value) for number, value in enumerate(values) if number not in begun}
                for ended in wait(begun.values(), return_when=FIRST_EXCEPTION).done:
                    ended.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return [begun[number].result() if number in begun else own[number] for number in range(len(values))]
