"""The hours of rows reach the shards that show these rows, however batches and parts are cut."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from rightful.export.hours import MANY, Hours
from rightful.package.activity import hours_of
from rightful.package.schema import Column, ColumnKind

AT = Column(name="at", kind=ColumnKind.TIMESTAMP_TZ)
HOUR_US = 3_600_000_000


def batch(first: int, rows: int) -> pa.RecordBatch:
    moments = [number * HOUR_US for number in range(first, first + rows)]
    return pa.RecordBatch.from_pydict({"at": pa.array(moments, pa.timestamp("us", "UTC"))})


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 300)), min_size=1, max_size=6), st.data())
def test_each_shard_gets_those_of_its_rows(batches: list[tuple[int, int]], data: st.DataObject) -> None:
    hours, total = Hours((AT,)), 0
    known: list[bool] = []
    for others, rows in batches:  # in each, somebody else's rows come first
        hours.look(batch(total - others, others + rows))
        hours.hold(7, others, rows)
        known += [others + rows >= MANY or total > 0] * rows
        total += rows
    given_out = 0
    while given_out < total:
        part = data.draw(st.integers(1, total - given_out))
        of_part, end = hours.take(7, part), given_out + part
        is_known = all(known[given_out:end])
        while given_out < end:
            shard = data.draw(st.integers(1, end - given_out))
            found = of_part.next(shard)
            assert (found is not None) == (is_known and shard >= MANY)
            if found is not None:
                assert found.equals(hours_of(batch(given_out, shard).column(0)))
            given_out += shard


def test_nothing_is_kept_where_lines_are_looked_through() -> None:
    for hours in (Hours((AT,), is_wanted=False), Hours((Column(name="at", kind=ColumnKind.TEXT),)), Hours((AT,), named="other")):
        hours.look(pa.RecordBatch.from_pydict({"at": pa.array(["x"] * 500)}))
        hours.hold(0, 0, 500)
        assert hours.take(0, 500).next(500) is None
