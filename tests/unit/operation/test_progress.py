"""Progress and Retry-After are honest and bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightful.operation.progress import Pace, ReadProgress, left_s, percent, retry_after_s


def test_nothing_known_is_nothing_done() -> None:
    assert percent([]) == 0.0
    assert percent([ReadProgress(is_done=False)]) == 0.0


def test_all_done_leaves_room_for_finishing() -> None:
    assert percent([ReadProgress(is_done=True, rows=10), ReadProgress(is_done=True)]) == 98.0


def test_share_follows_the_rows() -> None:
    reads = [ReadProgress(is_done=False, rows=250, estimated_rows=1000), ReadProgress(is_done=True, rows=1000)]
    assert percent(reads) == 61.2


def test_retry_after_follows_the_rate_so_far() -> None:
    assert retry_after_s(left_s(50.0, Pace(made=50.0, in_s=20.0)), 20.0) == 20
    assert retry_after_s(left_s(10.0, Pace(made=10.0, in_s=2.0)), 2.0) == 18
    assert retry_after_s(left_s(99.0, Pace(made=99.0, in_s=0.5)), 0.5) == 1
    assert retry_after_s(left_s(1.0, Pace(made=1.0, in_s=100.0)), 100.0) == 60


def test_what_is_left_is_reckoned_from_the_last_step() -> None:
    assert left_s(10.0, Pace(made=10.0, in_s=10.0)) == pytest.approx(90.0)
    assert left_s(10.0, Pace(made=10.0, in_s=10.0, since_s=9.0)) == pytest.approx(81.0)
    assert left_s(0.0, Pace(made=0.0, in_s=10.0)) is None


def test_what_comes_before_the_first_step_says_nothing_of_the_pace() -> None:
    assert left_s(20.0, Pace(made=10.0, in_s=10.0)) == pytest.approx(80.0)


def test_where_the_next_step_is_late_so_is_the_end() -> None:
    waits = [left_s(50.0, Pace(made=50.0, in_s=10.0, since_s=since)) or 0.0 for since in (0.0, 2.0, 4.0, 8.0, 16.0, 100.0)]
    assert waits[0] == 10.0
    assert waits[-1] >= 100.0
    assert min(waits) >= 5.0


def test_a_read_of_which_nothing_is_known_keeps_progress_from_running_ahead() -> None:
    small = [ReadProgress(is_done=True, rows=10)] * 11
    assert percent([*small, ReadProgress(is_done=False)]) < 5.0
    assert percent([*small, ReadProgress(is_done=False, rows=400_000)]) == pytest.approx(49, abs=1)
    assert percent([*small, ReadProgress(is_done=False, rows=400_000, estimated_rows=500_000)]) == pytest.approx(78.4, abs=1)


def test_operation_in_a_queue_waits_for_those_before_it() -> None:
    assert retry_after_s(None, 0.0, ahead=1000) == 10


_reads = st.lists(
    st.builds(
        ReadProgress,
        is_done=st.booleans(),
        rows=st.integers(0, 10**9),
        estimated_rows=st.none() | st.integers(0, 10**9),
        size_bytes=st.integers(0, 10**12),
        estimated_bytes=st.none() | st.integers(0, 10**12),
    ),
    max_size=8,
)


@given(_reads)
def test_percent_is_between_0_and_98(reads: list[ReadProgress]) -> None:
    assert 0.0 <= percent(reads) <= 98.0


_paces = st.builds(Pace, made=st.floats(0, 100), in_s=st.floats(0, 1e9), since_s=st.floats(0, 1e9))


@given(st.floats(0, 100), _paces, st.floats(0, 1e9), st.integers(0, 10**6))
def test_retry_after_is_between_1_and_60(progress_percent: float, pace: Pace, running_s: float, ahead: int) -> None:
    assert 1 <= retry_after_s(left_s(progress_percent, pace), running_s, ahead) <= 60
