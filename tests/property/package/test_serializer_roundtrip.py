"""The serializer over everything that Arrow can bring: both paths give the same bytes, and a line read back gives the values."""

import datetime as dt
import math
import re
import struct
import uuid
from decimal import Decimal
from itertools import pairwise

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.package.hard_columns import KINDS, batches

from rightful.package.schema import Column, ColumnKind
from rightful.package.serializer import Serializer, kind_of, parse_line

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
K = ColumnKind


@given(batches(wrapped=True))
@settings(max_examples=400, deadline=None)
def test_any_batch_is_written_alike_by_both_paths(made: tuple[list[Column], pa.RecordBatch]) -> None:
    columns, batch = made
    by_value = Serializer(columns, bulk_rows=10**9).lines(batch)

    assert Serializer(columns, bulk_rows=1).lines(batch) == by_value
    assert by_value.count(b"\n") == batch.num_rows


@given(batches())
@settings(max_examples=400, deadline=None)
def test_a_line_read_back_gives_the_values(made: tuple[list[Column], pa.RecordBatch]) -> None:
    columns, batch = made
    for number, line in enumerate(Serializer(columns).lines(batch).splitlines(keepends=True)):
        for position, value in enumerate(parse_line(columns, line)):
            array = batch.column(position).slice(number, 1)
            assert comparable(columns[position].kind, array.type, value) == comparable(
                columns[position].kind, array.type, source_value(array)
            )


@given(st.sampled_from(sorted(KINDS)))
def test_a_schema_names_the_kind_of_its_columns(name: str) -> None:
    kind_, _, build = KINDS[name]
    known_by_the_connector_only = {
        "decimal_text": K.TEXT,
        "uuid_text": K.TEXT,
        "uuid_bytes": K.BYTES,
        "json": K.TEXT,
        "json_extension": K.TEXT,
    }

    assert kind_of(pa.field("a", build([]).type)) is known_by_the_connector_only.get(name, kind_)


@given(batches(), st.data())
@settings(max_examples=100, deadline=None)
def test_lines_cut_by_counts_are_the_same_lines(made: tuple[list[Column], pa.RecordBatch], data: st.DataObject) -> None:
    columns, batch = made
    cuts = sorted(data.draw(st.lists(st.integers(0, batch.num_rows), max_size=3)))
    bounds = [0, *cuts, batch.num_rows]
    counts = [end - start for start, end in pairwise(bounds)]
    for serializer in (Serializer(columns, bulk_rows=10**9), Serializer(columns, bulk_rows=1)):
        pieces = serializer.lines_by(batch, counts)
        assert [piece.count(b"\n") for piece in pieces] == counts
        assert b"".join(pieces) == serializer.lines(batch)


def source_value(array: pa.Array) -> object:
    """What Arrow itself says the only value of an array is; dates and times as the integers they are."""
    type_ = array.type
    if pa.types.is_temporal(type_):
        return array.view(pa.int64() if type_.bit_width == 64 else pa.int32())[0].as_py()
    if isinstance(type_, pa.BaseExtensionType):
        return array.storage[0].as_py()
    return array[0].as_py()


def comparable(kind_: ColumnKind, type_: pa.DataType, value: object) -> object:  # noqa: PLR0911 -- one for each kind
    """One form for what was read back and what the source holds, in which no difference between two values gets lost."""
    match kind_, value:
        case _, None:
            return None
        case K.FLOAT, float():
            return "NaN" if math.isnan(value) else struct.pack("d", value)
        case K.DECIMAL, str() | Decimal():
            return format(Decimal(value), "f")
        case K.JSON, str():
            text = value.strip(" \t\r\n").replace("\n", " ").replace("\r", " ")
            return None if text == "null" else text
        case K.UUID, _:
            return uuid.UUID(bytes=value) if isinstance(value, bytes) else uuid.UUID(str(value))
        case K.NESTED, _:
            return as_lists(value)
        case K.DATE | K.TIMESTAMP | K.TIMESTAMP_TZ | K.TIME, str() | dt.date() | dt.time():
            return to_integer(type_, value if isinstance(value, str) else value.isoformat())
        case _:
            return type(value), value


def as_lists(value: object) -> object:
    if isinstance(value, dict):
        return {name: as_lists(member) for name, member in value.items()}
    return [as_lists(member) for member in value] if isinstance(value, list | tuple) else value


WRITTEN = re.compile(r"(?:([+-]?\d{4,})-(\d\d)-(\d\d))?T?(?:(\d\d):(\d\d):(\d\d)(?:\.(\d{6}|\d{9}))?)?(?:Z|\+00:00)?")


def to_integer(type_: pa.DataType, text: str) -> tuple[type, int]:
    """Count days, or units since 1970 or midnight, from a written form: the way back, by another way."""
    found = WRITTEN.fullmatch(text)
    assert found, text
    days = 0
    if found[1]:
        cycles, year = divmod(int(found[1]) - 1, 400)
        days = dt.date(year + 1, int(found[2]), int(found[3])).toordinal() - EPOCH.toordinal() + 146_097 * cycles
    if pa.types.is_date32(type_):
        return int, days
    seconds = days * 86_400 + sum(int(found[4 + place] or 0) * weight for place, weight in enumerate((3600, 60, 1)))
    nanos = seconds * 10**9 + int((found[7] or "").ljust(9, "0"))
    per_unit = 10**6 if pa.types.is_date64(type_) else {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[type_.unit]
    assert nanos % per_unit == 0
    return int, nanos // per_unit
