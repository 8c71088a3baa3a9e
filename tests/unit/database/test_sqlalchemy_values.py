"""Values that drivers give, and what becomes of them."""

import ipaddress
import math
import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as some

from rightful.database.sqlalchemy_values import Misfit, array_of, duration
from rightful.package.schema import ColumnKind

K = ColumnKind
_ARROW = {K.INT: pa.int64(), K.FLOAT: pa.float64(), K.BOOL: pa.bool_(), K.BYTES: pa.binary()}
_NAIVE = datetime(2026, 3, 29, 2, 30)  # noqa: DTZ001 -- an hour that Berlin does not have


def _of(kind: ColumnKind, value: object) -> Any:
    return array_of([None, value], kind, _ARROW.get(kind, pa.string())).to_pylist()[1]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (K.INT, 2**53 + 1, 2**53 + 1),
        (K.INT, -(2**63), -(2**63)),
        (K.INT, Decimal(9007199254740993), 9007199254740993),
        (K.BOOL, 1, True),
        (K.BOOL, False, False),
        (K.FLOAT, Decimal("0.1"), 0.1),
        (K.FLOAT, 3, 3.0),
        (K.DECIMAL, Decimal("1E+3"), "1000"),
        (K.DECIMAL, Decimal("0.10"), "0.10"),
        (K.DECIMAL, 2**70, str(2**70)),
        (K.DECIMAL, Decimal("NaN"), "NaN"),
        (K.DECIMAL, 0.1, "0.1"),
        (K.TEXT, "", ""),
        (K.TEXT, ipaddress.ip_interface("10.0.0.1/8"), "10.0.0.1/8"),
        (K.TEXT, timedelta(days=1, seconds=3, microseconds=400), "P1DT3.0004S"),
        (K.DATE, date(1, 1, 1), "0001-01-01"),
        (K.TIMESTAMP, _NAIVE, "2026-03-29T02:30:00.000000"),
        (K.TIMESTAMP, "2020-01-01 00:00:00", "2020-01-01T00:00:00.000000"),
        (K.TIMESTAMP, "0000-00-00 00:00:00", "0000-00-00T00:00:00.000000"),
        (K.TIMESTAMP, "2026-W13-7", "2026-W13-7"),
        (K.TIMESTAMP, "2026-03-29T02:30:00.123456789", "2026-03-29T02:30:00.123456789"),
        (K.TIMESTAMP, "2026-03-29T02:30:00.1234567", "2026-03-29T02:30:00.123456700"),
        (K.TIMESTAMP, "2026-03-29T02:30:00.1000000", "2026-03-29T02:30:00.100000"),
        (K.TIMESTAMP, " 2026-03-29 02:30:00.100000000", "2026-03-29T02:30:00.100000"),
        (K.TIMESTAMP, "-4712-01-01 00:00:00.000000000", "-4711-01-01T00:00:00.000000"),
        (K.TIMESTAMP, "infinity", "infinity"),
        (K.TIMESTAMP_TZ, "2026-03-29 02:30:00.1234567 +05:30", "2026-03-28T21:00:00.123456700Z"),
        (K.TIMESTAMP_TZ, "2026-03-29 02:30:00 -02:00", "2026-03-29T04:30:00.000000Z"),
        (K.TIMESTAMP_TZ, "2026-03-29 02:30:00.000000000Z", "2026-03-29T02:30:00.000000Z"),
        (K.TIMESTAMP_TZ, "0001-01-01 00:30:00 +05:30", "0001-01-01 00:30:00 +05:30"),
        (K.TIME, "-838:59:59", "-838:59:59.000000"),
        (K.TIME, "24:00:00", "24:00:00.000000"),
        (K.TIMESTAMP_TZ, datetime(2020, 1, 1, 1, tzinfo=timezone(timedelta(hours=2))), "2019-12-31T23:00:00.000000Z"),
        (K.TIME, time(1, 2, 3, 4), "01:02:03.000004"),
        (K.TIME, -timedelta(hours=838, minutes=59, seconds=59), "-838:59:59.000000"),
        (K.UUID, uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (K.BYTES, memoryview(b"\x00\xff"), b"\x00\xff"),
        (K.JSON, '{"b":  1.10}', '{"b":  1.10}'),
        (K.JSON, [Decimal("1.10"), b"\xff", math.nan, date(2020, 1, 1), {"a": (1,)}], '["1.10","/w==","NaN","2020-01-01",{"a":[1]}]'),
        (K.JSON, {1: "a"}, '[[1,"a"]]'),
    ],
)
def test_each_kind_holds_its_values_without_loss(kind: ColumnKind, value: object, expected: object) -> None:
    found = _of(kind, value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (K.INT, 2**63),
        (K.INT, True),
        (K.INT, "7"),
        (K.INT, 7.5),
        (K.INT, Decimal("7.5")),
        (K.BOOL, 2),
        (K.BOOL, "true"),
        (K.FLOAT, Decimal("0.12345678901234567890")),
        (K.DECIMAL, "1.5"),
        (K.TEXT, 7),
        (K.TEXT, b"secret"),
        (K.TEXT, Fraction(1, 3)),
        (K.DATE, _NAIVE),
        (K.TIMESTAMP, _NAIVE.replace(tzinfo=UTC)),
        (K.TIMESTAMP_TZ, _NAIVE),
        (K.TIME, 7),
        (K.UUID, object()),
        (K.BYTES, "secret"),
        (K.JSON, "{secret"),
        (K.JSON, [Fraction(1, 3)]),
        (K.JSON, {"a": {object()}}),
    ],
)
def test_what_a_kind_cannot_hold_is_refused_without_being_shown(kind: ColumnKind, value: object) -> None:
    with pytest.raises(Misfit) as refused:
        _of(kind, value)
    assert "secret" not in str(refused.value)


@given(some.timedeltas())
def test_time_spans_can_be_read_back(span: timedelta) -> None:
    assert msgspec.convert(duration(span), timedelta) == span


@given(
    some.recursive(
        some.none()
        | some.booleans()
        | some.integers(-(2**63), 2**64 - 1)
        | some.floats(allow_nan=False, allow_infinity=False)
        | some.text(),
        lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
    )
)
def test_nested_values_are_json_that_says_the_same(value: object) -> None:
    assert msgspec.json.decode(_of(K.JSON, [value])) == [value]
