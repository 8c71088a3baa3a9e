"""Hands chunks to somebody who takes them in another thread, a few at a time."""

import queue
import threading
from collections.abc import Callable, Iterator

from rightful.errors import StorageUnavailable

Take = Callable[[Iterator[bytes]], object]
_HELD = 4


class _Ended(Exception):
    """The chunks ended early: what takes them is to give up."""


def feed_all(take: Take, chunks: Iterator[bytes]) -> None:
    """Call `take` in a thread of its own with an iterator of all the chunks, which are made in this one.

    What the chunks raise passes unchanged, once `take` has given up: its iterator raises then. What `take` raises passes too.
    """
    taker = _Taker(take)
    try:
        taker.start()
    except RuntimeError as error:
        raise StorageUnavailable(
            "the system gives no thread to write to the storage account with", hint="raise the limit of tasks", was_asked=False
        ) from error
    try:
        for chunk in chunks:
            if not taker.hand(chunk):
                break
    except BaseException:
        taker.end(is_broken=True)
        raise
    taker.end(is_broken=False)
    if taker.raised is not None:
        raise taker.raised


class _Taker(threading.Thread):
    def __init__(self, take: Take) -> None:
        super().__init__(name="feeding", daemon=True)
        self.raised: BaseException | None = None
        self._take = take
        self._held: queue.Queue[bytes | None] = queue.Queue(_HELD)
        self._is_broken = False

    def run(self) -> None:
        try:
            self._take(self._chunks())
        except BaseException as error:  # noqa: BLE001 - a library's panic too; it is raised again where it is waited for
            self.raised = error

    def hand(self, chunk: bytes | None) -> bool:
        """Wait for room; return whether somebody still takes."""
        while self.is_alive():
            try:
                self._held.put(chunk, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def end(self, *, is_broken: bool) -> None:
        """Say that there is nothing more, and wait."""
        self._is_broken = is_broken
        self.hand(None)
        self.join()

    def _chunks(self) -> Iterator[bytes]:
        while (chunk := self._held.get()) is not None:
            yield chunk
        if self._is_broken:
            raise _Ended
