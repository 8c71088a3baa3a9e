"""The hours that rows are of, from the batches that they come in, until the shards that show them are made.

They are the same as in the lines (`package.activity`), where to look for them takes thirty times as long: of a person's many rows that is
worth to keep four bytes of each.
"""

from collections import defaultdict, deque
from collections.abc import Sequence

import pyarrow as pa

from rightful.package.activity import hours_of, moment_column
from rightful.package.schema import Column
from rightful.package.serializer import find_column

_Held = tuple[int, pa.Array | None]
"""How many rows, and their hours; None where they are too few to be worth it."""

MANY = 64
"""Rows whose hours are sooner made of values than of lines."""


class Hours:
    """Keeps the hours of the rows of a pass that are in no part yet."""

    def __init__(self, columns: Sequence[Column], *, named: str = "", is_wanted: bool = True) -> None:
        """Take the columns as they are delivered, and the one that the operator says it is."""
        self._column = moment_column(columns, named=named) if is_wanted else None
        self._batch: pa.Array | None = None
        self._waiting: dict[int, deque[_Held]] = defaultdict(deque)

    def look(self, batch: pa.RecordBatch) -> None:
        """Take the batch that the next rows are of."""
        is_many = batch.num_rows >= MANY or any(self._waiting.values())
        self._batch = hours_of(find_column(batch, self._column.name)) if self._column is not None and is_many else None

    def hold(self, subject: int, start: int, rows: int) -> None:
        """Take note that these rows of the batch go to parts of a subject."""
        if self._column is not None:
            self._waiting[subject].append((rows, None if self._batch is None else self._batch.slice(start, rows)))

    def take(self, subject: int, rows: int) -> "OfPart":
        """Return the hours of a subject's next rows, which make a part."""
        found: list[pa.Array | None] = []
        waiting = self._waiting[subject] if self._column is not None else deque[_Held]()
        while rows and waiting:
            count, hours = waiting.popleft()
            if count > rows:
                waiting.appendleft((count - rows, None if hours is None else hours.slice(rows)))
                count, hours = rows, None if hours is None else hours.slice(0, rows)
            found.append(hours)
            rows -= count
        if not waiting:
            self._waiting.pop(subject, None)
        return OfPart(self._column, found)


class OfPart:
    """The hours of the rows of one part."""

    def __init__(self, column: Column | None, found: Sequence[pa.Array | None]) -> None:
        """Take them piece by piece; None: they are not known."""
        self.column = column
        whole = [each for each in found if each is not None]
        self._hours = pa.concat_arrays(whole) if whole and len(whole) == len(found) else None

    def next(self, rows: int) -> pa.Array | None:
        """Return those of the next rows, which make a shard; None where they are better looked for in its lines."""
        if self._hours is None:
            return None
        taken, self._hours = self._hours.slice(0, rows), self._hours.slice(rows)
        return taken if rows >= MANY else None
