"""What a lake's folders, footers and window say need not be read is not read: it is spoiled here, and nobody notices.

A read that does look there is refused, which each of these tests shows too.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contract.connectors.test_files_in_object_stores import in_s3
from tests.servers.s3 import S3Server

from rightful.connectors.interface import ReadHeader
from rightful.connectors.lake import LakeConnector, LakeSettings
from rightful.connectors.time_window import Window, WindowSettings, resolve
from rightful.errors import ConfigurationError, SourceRefused
from rightful.testing.connector_suite import ANN, collect, identified, read_all

START = datetime(2026, 1, 1, tzinfo=UTC)


def connect(root: Path, url: str = "**/*.parquet", *, match: dict[str, str] | None = None, **options: Any) -> LakeConnector:
    settings = LakeSettings(url=f"file://{root}/{url}", match=match or {"user_id": "k"}, **options)
    return LakeConnector("activity", settings, siblings={}, folder=Path("/"))


def rows_of(connector: LakeConnector, *values: str) -> Sequence[Mapping[str, object]]:
    return collect(connector, [identified(k=values or ("a",))])[0].rows


def spoil(path: Path, *, keep: set[int]) -> None:
    """Overwrite the pages of all row groups but some; the footer stays."""
    footer = pq.read_metadata(path)
    data = bytearray(path.read_bytes())
    for number in set(range(footer.num_row_groups)) - keep:
        for column in range(footer.num_columns):
            chunk = footer.row_group(number).column(column)
            start = min(offset for offset in (chunk.data_page_offset, chunk.dictionary_page_offset) if offset)
            data[start : start + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    path.write_bytes(data)


def people(count: int, each: int = 10) -> pl.DataFrame:
    """Rows sorted by person, and by time."""
    return pl.DataFrame(
        {
            "user_id": [f"u{n // each:04}" for n in range(count)],
            "n": range(count),
            "ts": [START + timedelta(hours=n) for n in range(count)],
        }
    )


# -- who ------------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["text", "int"])
@pytest.mark.parametrize("count", [1, 2, 8])
def test_row_groups_of_others_are_not_read_where_files_are_sorted_by_person(tmp_path: Path, kind: str, count: int) -> None:
    frame = people(1000)
    if kind == "int":
        frame = frame.with_columns(pl.col("user_id").str.slice(1).cast(pl.Int64))
    frame.write_parquet(tmp_path / "a.parquet", row_group_size=100)
    spoil(tmp_path / "a.parquet", keep={2})
    wanted = [f"{20 + n}" if kind == "int" else f"u{20 + n:04}" for n in range(count)]
    found = collect(connect(tmp_path), [identified(k=(value,)) for value in wanted])
    assert [len(each.rows) for each in found] == [10] * count
    with pytest.raises(SourceRefused, match=r"'a\.parquet' is damaged"):
        rows_of(connect(tmp_path), "30" if kind == "int" else "u0030")


def test_a_second_match_column_prunes_too(tmp_path: Path) -> None:
    people(1000).with_columns(other="user_id").write_parquet(tmp_path / "a.parquet", row_group_size=100)
    spoil(tmp_path / "a.parquet", keep={2, 7})
    connector = connect(tmp_path, match={"user_id": "k", "other": "mail"})
    assert len(collect(connector, [identified(k=("u0020",), mail=("u0075",))])[0].rows) == 20


def test_files_of_others_are_not_read_where_folders_are_named_after_people(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"user_id={name}").mkdir()
        people(100).drop("user_id").write_parquet(tmp_path / f"user_id={name}/x.parquet")
    spoil(tmp_path / "user_id=b/x.parquet", keep=set())
    assert len(rows_of(connect(tmp_path), "a")) == 100
    with pytest.raises(SourceRefused, match=r"'user_id=…/x\.parquet' is damaged"):
        rows_of(connect(tmp_path), "b")


def test_columns_that_are_excluded_are_not_read(tmp_path: Path) -> None:
    people(100).write_parquet(tmp_path / "a.parquet")
    footer = pq.read_metadata(tmp_path / "a.parquet").row_group(0).column(1)
    data = bytearray((tmp_path / "a.parquet").read_bytes())
    data[footer.data_page_offset : footer.data_page_offset + 50] = b"\xff" * 50
    (tmp_path / "a.parquet").write_bytes(data)
    assert len(rows_of(connect(tmp_path, exclude=("n",)), "u0001")) == 10
    with pytest.raises(SourceRefused):
        rows_of(connect(tmp_path), "u0001")


def test_pruning_reaches_object_stores(s3_server: S3Server, tmp_path: Path) -> None:
    people(1000).write_parquet(tmp_path / "a.parquet", row_group_size=100)
    spoil(tmp_path / "a.parquet", keep={2})
    place = in_s3(s3_server)
    place.write({"lake/a.parquet": (tmp_path / "a.parquet").read_bytes()})
    lake = LakeSettings(
        url=f"{place.url}/lake/*",
        access=place.access,
        match={"user_id": "k"},
        time="ts",
        window=WindowSettings(since="2026-01-09T08:00:00Z"),
    )
    connector = LakeConnector("activity", lake, siblings={}, folder=Path("/"))
    assert len(rows_of(connector, "u0020")) == 10


# -- when -----------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", [pl.Datetime("us", "UTC"), pl.Datetime("ms"), pl.Datetime("ns", "Europe/Berlin"), pl.Date], ids=str)
def test_row_groups_outside_of_the_window_are_not_read(tmp_path: Path, dtype: Any) -> None:
    frame = people(2400, each=1).with_columns(user_id=pl.lit("a"))
    moments = frame["ts"].dt.convert_time_zone("Europe/Berlin") if "Berlin" in str(dtype) else frame["ts"]
    frame.with_columns(moments.cast(dtype)).write_parquet(tmp_path / "a.parquet", row_group_size=240)  # ten days each
    spoil(tmp_path / "a.parquet", keep={2, 3})
    window = WindowSettings(since="2026-01-21", until="2026-02-10")
    found = [row["n"] for row in rows_of(connect(tmp_path, time="ts", window=window), "a")]
    assert found == list(range(480, 960))
    with pytest.raises(SourceRefused):
        rows_of(connect(tmp_path), "a")


def test_rows_without_a_time_are_delivered(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user_id": ["a"] * 3, "n": [1, 2, 3], "ts": [START, None, START + timedelta(days=9)]})
    frame.write_parquet(tmp_path / "1.parquet")
    frame.drop("ts").write_parquet(tmp_path / "2.parquet")
    connector = connect(tmp_path, time="ts", window=WindowSettings(until="2026-01-02"))
    assert [row["n"] for row in rows_of(connector)] == [1, 2, 1, 2, 3]
    assert [row["n"] for row in rows_of(connect(tmp_path, time="ts"))] == [1, 2, 3, 1, 2, 3]


def test_an_excluded_column_still_says_when(tmp_path: Path) -> None:
    people(48, each=48).write_parquet(tmp_path / "a.parquet")
    connector = connect(tmp_path, time="ts", exclude=("ts",), window=WindowSettings(since="2026-01-02"))
    assert [set(row) for row in rows_of(connector, "u0000")] == [{"user_id", "n"}] * 24


def test_folders_named_after_other_days_are_not_even_looked_into(tmp_path: Path) -> None:
    for day in ("2025-12-31", "2026-01-01", "2026-01-02", "__HIVE_DEFAULT_PARTITION__"):
        (tmp_path / f"day={day}").mkdir()
        pl.DataFrame({"user_id": ["a"], "n": [1]}).write_parquet(tmp_path / f"day={day}/x.parquet")
    (tmp_path / "day=2025-12-31/x.parquet").write_bytes(b"nothing")
    connector = connect(tmp_path, time="day", window=WindowSettings(since="2026-01-01T12:00:00Z", until="2026-01-02"))
    connector.check()
    assert [row["day"] for row in rows_of(connector)] == ["2026-01-01", None]
    outside = connect(tmp_path, time="day", url="day=2025*/*.parquet", window=WindowSettings(since="2026-01-01"))
    outside.check()
    assert rows_of(outside) == ()
    with pytest.raises(SourceRefused):
        rows_of(connect(tmp_path, time="day"))


def test_a_folder_that_says_no_day_is_refused(tmp_path: Path) -> None:
    (tmp_path / "day=monday").mkdir()
    pl.DataFrame({"user_id": ["a"]}).write_parquet(tmp_path / "day=monday/x.parquet")
    with pytest.raises(SourceRefused, match="no day behind it"):
        connect(tmp_path, time="day", window=WindowSettings(days=1)).check()
    connect(tmp_path, time="day").check()


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_text_has_windows_where_its_time_has_a_type(tmp_path: Path, kind: str) -> None:
    times = ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00+02:00", "2026-01-03T00:00:00Z", None]
    if kind == "csv":
        (tmp_path / "a").write_text("user_id,ts\n" + "".join(f"a,{time or ''}\n" for time in times))
    else:
        (tmp_path / "a").write_text("".join(json.dumps({"user_id": "a", "ts": time}) + "\n" for time in times))
    options: dict[str, Any] = {"time": "ts", "window": WindowSettings(since="2026-01-01T22:00:00Z", until="2026-01-03"), "format": kind}
    connector = connect(tmp_path, "*", types={"ts": "timestamp_tz"}, **options)
    assert [row["ts"] for row in rows_of(connector)] == [datetime(2026, 1, 1, 22, tzinfo=UTC), None]
    with pytest.raises(SourceRefused, match="by which no window can be applied"):
        rows_of(connect(tmp_path, "*", **options))


def test_the_ledger_is_told_of_the_window(tmp_path: Path) -> None:
    people(10).write_parquet(tmp_path / "a.parquet")

    def searched(**options: Any) -> str:
        connector = connect(tmp_path, match={"user_id": "k"}, **options)
        return read_all(connector, connector.plan(())[0], [ANN.subject])[0].searched

    assert searched(time="ts") == "**/*.parquet where user_id in {k}"
    window = WindowSettings(since="2026-01-01", until="2026-02-01T01:00:00+01:00")
    assert searched(time="ts", window=window) == (
        "**/*.parquet where (user_id in {k}) and ts since 2026-01-01T00:00:00Z until 2026-02-01T00:00:00Z, or none"
    )


def test_days_are_counted_when_a_read_is_planned(tmp_path: Path) -> None:
    now = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
    assert resolve(WindowSettings(days=2), now) == Window(datetime(2026, 2, 27, tzinfo=UTC), None)
    people(48, each=48).write_parquet(tmp_path / "a.parquet")
    [partition] = connect(tmp_path, time="ts", window=WindowSettings(since="2026-01-02")).plan(())
    later = connect(tmp_path, time="ts", window=WindowSettings(since="2026-01-03"))
    _, [item] = read_all(later, partition, [identified(k=("u0000",))])
    assert item.batch.num_rows == 24  # type: ignore[union-attr]
    (tmp_path / "a.parquet").unlink()
    people(60, each=60).write_parquet(tmp_path / "b.parquet")
    header, [item] = read_all(later, partition, [identified(k=("u0000",))])  # listed anew, and within the same window
    assert isinstance(header, ReadHeader)
    assert "since 2026-01-02" in header.searched
    assert item.batch.num_rows == 36  # type: ignore[union-attr]


def test_an_estimate_counts_within_the_window(tmp_path: Path) -> None:
    people(48, each=48).write_parquet(tmp_path / "a.parquet")
    [estimate] = connect(tmp_path, time="ts", window=WindowSettings(since="2026-01-02")).estimate([identified(k=("u0000",))], limit_s=30)
    assert estimate.rows is not None
    assert estimate.rows.count == 24


@given(
    hours=st.lists(st.none() | st.integers(0, 200), min_size=1, max_size=30),
    since=st.none() | st.integers(0, 200),
    until=st.none() | st.integers(0, 200),
    is_date=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_a_window_is_what_sqlite_makes_of_it(
    tmp_path_factory: pytest.TempPathFactory, hours: list[int | None], since: int | None, until: int | None, *, is_date: bool
) -> None:
    tmp_path = tmp_path_factory.mktemp("window")
    times = [None if hour is None else START + timedelta(hours=hour) for hour in hours]
    frame = pl.DataFrame({"user_id": ["a"] * len(hours), "n": range(len(hours)), "ts": pl.Series(times, dtype=pl.Datetime("us", "UTC"))})
    frame.with_columns(pl.col("ts").cast(pl.Date) if is_date else pl.col("ts")).write_parquet(tmp_path / "a.parquet", row_group_size=3)
    limits = [None if hour is None else START + timedelta(hours=hour) for hour in (since, until)]
    if limits[0] and limits[1] and limits[0] >= limits[1]:
        limits[1] = None
    low, high = (limit.isoformat() if limit else None for limit in limits)
    options = WindowSettings(since=low or "", until=high or "")
    found = [row["n"] for row in rows_of(connect(tmp_path, time="ts", window=options))]
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE t (n, first, last)")  # of a day any moment will do
        day = [None if t is None else (t.date(), t.date()) for t in times]
        for n, (time, both) in enumerate(zip(times, day, strict=True)):
            span = (None, None) if time is None or both is None else _span(both[0]) if is_date else (time.isoformat(), time.isoformat())
            database.execute("INSERT INTO t VALUES (?, ?, ?)", (n, *span))
        query = "SELECT n FROM t WHERE first IS NULL OR ((?1 IS NULL OR last >= ?1) AND (?2 IS NULL OR first < ?2)) ORDER BY n"
        expected = [n for (n,) in database.execute(query, (low, high))]
    database.close()
    assert found == expected


def _span(day: date) -> tuple[str, str]:
    return f"{day}T00:00:00+00:00", f"{day}T23:59:59+00:00"


@pytest.mark.parametrize(
    "options",
    [
        {"window": WindowSettings(days=1)},
        {"time": "ts", "window": WindowSettings(days=1, since="2026-01-01")},
        {"time": "ts", "window": WindowSettings(since="yesterday")},
        {"time": "ts", "window": WindowSettings(since="0001-01-01")},
        {"time": "ts", "window": WindowSettings(until="2026-01-01T00:00:00.5")},
        {"time": "ts", "window": WindowSettings(since="2026-01-01", until="2026-01-01")},
    ],
    ids=repr,
)
def test_windows_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        LakeConnector("x", LakeSettings(url="x", match={"a": "b"}, **options), siblings={}, folder=Path("/"))
