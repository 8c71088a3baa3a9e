"""Runs a polars query in a thread of its own, and hands its rows over.

`LazyFrame.collect_batches` is not used: where polars panics, and a damaged page is enough, it ends as if all had been read (polars 2.1.0).
"""

import threading
from collections.abc import Generator

import polars as pl

MAX_ROWS = 1 << 14


def batches(query: pl.LazyFrame) -> Generator[pl.DataFrame]:
    """Yield the rows of a query in their order, in frames of at most `MAX_ROWS`; none is empty.

    Raises what polars raises, be it a panic (a `BaseException`). Closing the generator stops the query.
    """
    handover = _Handover()
    thread = threading.Thread(target=_run, args=(query, handover), name="lake scan", daemon=True)
    thread.start()
    try:
        while (found := handover.take()) is not None:
            if isinstance(found, BaseException):
                raise found
            yield found
    finally:
        handover.give_up()
        thread.join()


def exhaust(query: pl.LazyFrame) -> None:
    """Run a query to its end, and drop its rows. Raises what polars raises."""
    query.sink_batches(lambda _: None)


def _run(query: pl.LazyFrame, handover: "_Handover") -> None:
    try:
        query.sink_batches(handover.put, chunk_size=MAX_ROWS)
    except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001  # raised again, in the thread that reads
        handover.put(error)
    else:
        handover.put(None)


class _Handover:
    """A place for one frame, and at last for the end: None, or what the query raised."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[pl.DataFrame | BaseException | None] = []
        self._is_given_up = False

    def put(self, found: pl.DataFrame | BaseException | None) -> bool:
        """Wait for the place to be free; True where nobody takes anything any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_given_up or not self._waiting)
            self._waiting.append(found)
            self._changed.notify_all()
            return self._is_given_up

    def take(self) -> pl.DataFrame | BaseException | None:
        """Wait for what comes next."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting)
            self._changed.notify_all()
            return self._waiting.pop()

    def give_up(self) -> None:
        """Let the query end."""
        with self._changed:
            self._is_given_up = True
            self._waiting.clear()
            self._changed.notify_all()
