"""Batches of rows of many subjects: gathered, ordered and cut by subject."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from rightful.connectors.interface import SUBJECT_COLUMN
from rightful.package.serializer import find_column

Runs = list[tuple[int, int]]
"""(subject, how many rows) of rows that lie subject by subject."""


class Gathering:
    """Gathers batches until they are worth ordering.

    A file of a lake has a row or two of each of thousands of people, and much of what is done costs as much for one row as for ten.
    """

    def __init__(self, most_bytes: int) -> None:
        """Hold batches of so many bytes together; while they are put in order, twice as much is needed besides."""
        self._most_bytes = most_bytes
        self._held: list[pa.RecordBatch] = []
        self._bytes = 0

    def add(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """Take a batch; yield what is enough by then, ordered by subject, each subject's rows in the order in which they came."""
        if self._held and self._held[0].schema != batch.schema:
            yield from self.rest()
        self._held.append(batch)
        self._bytes += batch.nbytes
        if self._bytes >= self._most_bytes:
            yield from self.rest()

    def rest(self) -> Iterator[pa.RecordBatch]:
        """Yield what is left, ordered in the same way."""
        held, self._held, self._bytes = self._held, [], 0
        ordered = _joined(held)
        held.clear()
        yield from ordered


class Slice(msgspec.Struct, frozen=True):
    """One subject's rows of a batch, cut out only where they are looked at: a batch of a shared scan is of thousands of people."""

    batch: pa.RecordBatch
    start: int
    count: int

    def cut(self) -> pa.RecordBatch:
        """Return them alone."""
        return self.batch.slice(self.start, self.count)

    def is_null(self, column: str) -> bool:
        """Whether a column has no value in them."""
        values = find_column(self.batch, column)
        return self.count == int(values.slice(self.start, self.count).null_count)


def by_subject(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, Runs]:
    """Return the batch ordered by subject, each subject's rows in their order, and how many there are of each."""
    subjects = batch.column(SUBJECT_COLUMN)
    if not subjects.null_count and pc.count_distinct(subjects).as_py() == 1:
        return batch, [(subjects[0].as_py(), batch.num_rows)]
    ordered = _ordered(batch)
    return ordered, runs(ordered)


def runs(ordered: pa.RecordBatch) -> Runs:
    """Return how many rows there are of each subject, of rows that are ordered by subject."""
    found = pc.value_counts(ordered.column(SUBJECT_COLUMN))
    return list(zip(*(each.to_pylist() for each in found.flatten()), strict=True))


def _joined(batches: Sequence[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """Return batches as one, ordered by subject; or each by itself, where they have a type that Arrow can't join or put in order."""
    if len(batches) > 1:
        with suppress(pa.ArrowNotImplementedError):
            return [_ordered(each) for each in pa.Table.from_batches(batches).combine_chunks().to_batches()]
    return [by_subject(each)[0] for each in batches]


def _ordered(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.take(pc.array_sort_indices(batch.column(SUBJECT_COLUMN)))  # a stable sort
