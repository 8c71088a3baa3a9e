"""A query's rows come whole, in order and in bounded frames, or an error does."""

import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.io.plugins import register_io_source

from rightful.connectors.lake_batches import MAX_BYTES, MAX_ROWS, batches, exhaust

SHAPES = {
    "many small": (3000, 10, 40),
    "wide rows, small groups": (300, 200_000, 20),
    "wide rows, one group": (300, 200_000, 300),
    "long groups": (100_000, 4, 60_000),
    "larger than a frame": (4, MAX_BYTES + 1, 2),
}


@pytest.mark.parametrize(("rows", "width", "group"), SHAPES.values(), ids=list(SHAPES))
def test_rows_come_in_order_in_bounded_frames(tmp_path: Path, rows: int, width: int, group: int) -> None:
    frame = pl.DataFrame({"n": range(rows), "text": ["x" * width] * rows})
    frame.write_parquet(tmp_path / "a.parquet", row_group_size=group)
    found = list(batches(pl.scan_parquet(tmp_path / "a.parquet")))
    assert pl.concat(found).equals(frame)
    assert all(0 < each.height <= MAX_ROWS for each in found)
    assert all(each.estimated_size() <= MAX_BYTES or each.height == 1 for each in found)
    least = max(rows / MAX_ROWS, rows * width / MAX_BYTES)
    assert len(found) <= 3 * least + 1, "what is small is gathered"


def test_nothing_found_is_no_frame(tmp_path: Path) -> None:
    pl.DataFrame({"n": range(100)}).write_parquet(tmp_path / "a.parquet", row_group_size=10)
    assert list(batches(pl.scan_parquet(tmp_path / "a.parquet").filter(pl.col("n") > 100))) == []


def twins() -> pl.Expr:
    """An expression that polars 2.1.0 panics over."""
    return pl.lit(None).cast(pl.Struct([pl.Field("a", pl.Int8), pl.Field("a", pl.Int8)])).alias("twins")


def test_a_panic_is_no_end(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pl.DataFrame({"n": range(100)}).write_parquet(tmp_path / "a.parquet", row_group_size=10)
    query = pl.scan_parquet(tmp_path / "a.parquet").select("n", twins())
    for run in (lambda: list(batches(query)), lambda: exhaust(query)):
        with pytest.raises(pl.exceptions.PanicException):
            run()
    assert "panicked" in capfd.readouterr().err


def source(frames: Iterator[pl.DataFrame]) -> pl.LazyFrame:
    def read(*_: Any) -> Iterator[pl.DataFrame]:
        yield from frames

    return register_io_source(read, schema={"text": pl.String})


def test_an_error_in_the_middle_is_raised() -> None:
    def frames() -> Iterator[pl.DataFrame]:
        for _ in range(20):
            yield pl.DataFrame({"text": ["x" * MAX_BYTES]})
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        list(batches(source(frames())))


def test_a_query_does_not_run_far_ahead_and_stops_when_closed() -> None:
    made = 0

    def frames() -> Iterator[pl.DataFrame]:
        nonlocal made
        for _ in range(500):
            made += 1
            yield pl.DataFrame({"text": ["x" * (1 << 20)] * 4})

    before = threading.active_count()
    found = batches(source(frames()))
    assert len(list(islice(found, 2))) == 2
    time.sleep(0.2)
    assert made < 100
    found.close()
    assert threading.active_count() <= before
    was = made
    time.sleep(0.1)
    assert made == was
