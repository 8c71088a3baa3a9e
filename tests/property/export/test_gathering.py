"""Gathering changes the order of subjects alone: each one's rows come as they came, whatever the batches were."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from rightful.connectors.interface import SUBJECT_COLUMN
from rightful.export.batches import Gathering, by_subject, runs

_batches = st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=6), max_size=12)


def _batch(subjects: list[int], first: int, *, is_wide: bool = False) -> pa.RecordBatch:
    numbers = pa.array(range(first, first + len(subjects)), pa.int64() if is_wide else pa.int32())
    return pa.record_batch({SUBJECT_COLUMN: pa.array(subjects, pa.int32()), "number": numbers})


def _rows(batch: pa.RecordBatch) -> list[tuple[int, int]]:
    return list(zip(batch.column(SUBJECT_COLUMN).to_pylist(), batch.column("number").to_pylist(), strict=True))


@given(_batches, st.sampled_from([1, 40, 1 << 20]), st.integers(2, 20))
def test_each_subjects_rows_come_as_they_came(batches: list[list[int]], most_bytes: int, widen_each: int) -> None:
    gathering, first, given_rows = Gathering(most_bytes), 0, []
    found: list[pa.RecordBatch] = []
    for number, subjects in enumerate(batches):
        batch = _batch(subjects, first, is_wide=number % widen_each == 0)
        given_rows += _rows(batch)
        first += len(subjects)
        found += gathering.add(batch)
    found += gathering.rest()
    assert list(gathering.rest()) == []
    rows = [row for batch in found for row in _rows(batch)]
    for subject in range(5):
        assert [row for row in rows if row[0] == subject] == [row for row in given_rows if row[0] == subject]
    for batch in found:
        assert [subject for subject, count in runs(batch) for _ in range(count)] == sorted(subject for subject, _ in _rows(batch))
    if most_bytes == 1:
        assert len(found) == len(batches)


def test_batches_are_gathered_until_they_are_enough() -> None:
    gathering = Gathering(1 << 20)
    batches = [_batch([1, 0], first) for first in range(0, 20, 2)]
    assert [each for batch in batches for each in gathering.add(batch)] == []
    [whole] = gathering.rest()
    assert _rows(whole) == [(subject, number) for subject in (0, 1) for number in range(1 - subject, 20, 2)]


def test_what_cannot_be_put_in_order_goes_on_where_each_batch_is_of_one_subject() -> None:
    gathering = Gathering(1 << 20)
    texts = pa.array(["so long that it lies in a buffer of its own", "b"], pa.string_view())
    batches = [pa.record_batch({SUBJECT_COLUMN: pa.array([subject] * 2, pa.int32()), "number": texts}) for subject in (4, 2)]
    assert [each for batch in batches for each in gathering.add(batch)] == []
    assert list(gathering.rest()) == batches


def test_a_batch_of_one_subject_is_left_as_it_is() -> None:
    batch = _batch([3, 3], 0)
    assert by_subject(batch) == (batch, [(3, 2)])
    assert by_subject(_batch([3, 1, 3], 0))[1] == [(1, 1), (3, 2)]
