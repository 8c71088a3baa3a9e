"""What other threads have to say, until the one that it is for looks."""

import queue
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Inbox(Generic[T]):
    """Put into from any thread, taken out of by one."""

    def __init__(self, wake: Callable[[], None]) -> None:
        """`wake` is called when there is something."""
        self._wake = wake
        self._items: queue.SimpleQueue[T] = queue.SimpleQueue()

    def put(self, item: T) -> None:
        """Leave something; returns at once."""
        self._items.put(item)
        self._wake()

    def take(self) -> Iterator[T]:
        """Yield what was left, and what is while that is looked at."""
        while True:
            try:
                item = self._items.get_nowait()
            except queue.Empty:
                return
            yield item
