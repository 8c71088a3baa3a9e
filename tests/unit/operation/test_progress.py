"""Progress and Retry-After are honest and bounded."""

from hypothesis import given
from hypothesis import strategies as st

from rightful.operation.progress import ReadProgress, percent, retry_after_s


def test_nothing_known_is_nothing_done() -> None:
    assert percent([]) == 0.0
    assert percent([ReadProgress(is_done=False)]) == 0.0


def test_all_done_leaves_room_for_finishing() -> None:
    assert percent([ReadProgress(is_done=True, rows=10), ReadProgress(is_done=True)]) == 98.0


def test_share_follows_the_rows() -> None:
    reads = [ReadProgress(is_done=False, rows=250, estimated_rows=1000), ReadProgress(is_done=True, rows=1000)]
    assert percent(reads) == 61.2


def test_retry_after_follows_the_rate_so_far() -> None:
    assert retry_after_s(50.0, 20.0) == 20
    assert retry_after_s(10.0, 2.0) == 18
    assert retry_after_s(99.0, 0.5) == 1
    assert retry_after_s(1.0, 100.0) == 60


def test_operation_in_a_queue_waits_for_those_before_it() -> None:
    assert retry_after_s(0.0, 0.0, ahead=1000) == 10


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


@given(st.floats(0, 100), st.floats(0, 1e9), st.integers(0, 10**6))
def test_retry_after_is_between_1_and_60(progress_percent: float, running_s: float, ahead: int) -> None:
    assert 1 <= retry_after_s(progress_percent, running_s, ahead) <= 60
