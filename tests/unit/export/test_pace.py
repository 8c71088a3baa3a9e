"""How long a read will take, by those before it."""

import pytest

from rightful.export.pace import Pace

GB = 1_000_000_000


def test_a_source_that_was_never_read_is_as_fast_as_is_assumed() -> None:
    pace = Pace()
    assert pace.seconds("a", size_bytes=GB, files=0) == pytest.approx(20, rel=0.1)
    assert pace.seconds("a", size_bytes=0, files=20_000) == pytest.approx(10, rel=0.1)
    assert 0 < pace.seconds("a", size_bytes=0, files=0) < 0.2


def test_what_was_measured_counts_and_the_latest_the_most() -> None:
    pace = Pace()
    pace.note("slow", size_bytes=GB, files=0, seconds=200.0)
    assert pace.seconds("slow", size_bytes=GB // 2, files=0) == pytest.approx(100, rel=0.01)
    assert pace.seconds("other", size_bytes=GB, files=0) == pytest.approx(20, rel=0.1)
    for _ in range(10):
        pace.note("slow", size_bytes=GB, files=0, seconds=10.0)
    assert pace.seconds("slow", size_bytes=GB, files=0) == pytest.approx(10, rel=0.3)


def test_small_reads_say_nothing_of_large_ones() -> None:
    pace = Pace()
    pace.note("a", size_bytes=5_000, files=1, seconds=5.0)
    assert pace.seconds("a", size_bytes=GB, files=0) == pytest.approx(20, rel=0.1)
