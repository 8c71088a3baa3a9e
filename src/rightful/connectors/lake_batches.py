"""Runs a polars query in a thread of its own, and hands its rows over in frames that are bounded by bytes.

`LazyFrame.collect_batches` is not used: where polars panics, and a damaged page is enough, it ends as if all had been read (polars 2.1.0).
And it gathers a number of rows, however large they are; here what they hold is measured as they come.
"""

import threading
from collections.abc import Generator, Iterable, Iterator

import polars as pl

MAX_ROWS = 1 << 15
"""A frame of more rows makes nothing that comes after it cheaper."""
MAX_BYTES = 7 << 20
"""A little less than the 8 MiB of `rightful.connectors.interface`: Arrow's forms are somewhat larger than polars'."""


def batches(query: pl.LazyFrame) -> Generator[pl.DataFrame]:
    """Yield the rows of a query in their order, in frames of at most `MAX_ROWS` and about `MAX_BYTES` (or one row); none is empty.

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


def gathered(pieces: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Yield the rows of frames of one schema, in their order, in frames that are bounded as those of `batches` are."""
    gathering = _Gathering()
    for piece in pieces:
        yield from gathering.add(piece)
    yield from gathering.flush()


def exhaust(query: pl.LazyFrame) -> None:
    """Run a query to its end, and drop its rows. Raises what polars raises."""
    query.sink_batches(lambda _: None)


def _run(query: pl.LazyFrame, handover: "_Handover") -> None:
    gathering = _Gathering()
    try:
        query.sink_batches(lambda piece: any(map(handover.put, gathering.add(piece))))
        for frame in gathering.flush():
            handover.put(frame)
    except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001  # raised again, in the thread that reads
        handover.put(error)
    else:
        handover.put(None)


class _Gathering:
    """Makes frames out of the pieces that polars finds, one for each row group that has something: often a few rows each."""

    def __init__(self) -> None:
        self._held: list[pl.DataFrame] = []
        self._rows = 0
        self._bytes = 0

    def add(self, piece: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """Take a piece; yield what is full by then."""
        size = int(piece.estimated_size())
        if self._rows + piece.height > MAX_ROWS or self._bytes + size > MAX_BYTES:
            yield from self.flush()
        parts = max(-(-piece.height // MAX_ROWS), -(-size // MAX_BYTES))
        if parts > 1:
            yield from piece.iter_slices(-(-piece.height // parts))
        else:
            self._held.append(piece)
            self._rows += piece.height
            self._bytes += size

    def flush(self) -> Iterator[pl.DataFrame]:
        """Yield what is held."""
        if self._held:
            held, self._held, self._rows, self._bytes = self._held, [], 0, 0
            yield pl.concat(held)


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
