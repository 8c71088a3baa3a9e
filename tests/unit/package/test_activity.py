"""When records are from: counted from the lines that a package has, the same however they come."""

from datetime import UTC, datetime
from functools import reduce
from operator import add

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightful.package.activity import Activity, activity_of, activity_of_files, activity_of_hours, column_of, hours_of, moment_column
from rightful.package.schema import Column, ColumnKind
from rightful.package.serializer import Serializer

ID = Column(name="id", kind=ColumnKind.INT)
BORN = Column(name="born", kind=ColumnKind.DATE)
AT = Column(name="at", kind=ColumnKind.TIMESTAMP_TZ)
LATER = Column(name="later", kind=ColumnKind.TIMESTAMP)
DOCUMENT = Column(name="document", kind=ColumnKind.JSON)


def lines(*values: object, name: str = "at") -> bytes:
    return b"".join(msgspec.json.encode({"id": 1, name: value}) + b"\n" for value in values)


@pytest.mark.parametrize(
    ("columns", "chosen"),
    [
        ((ID, BORN, AT, LATER), "at"),
        ((ID, LATER, AT), "later"),
        ((ID, BORN), "born"),
        ((ID,), None),
        ((Column(name="at", kind=ColumnKind.TIMESTAMP, redaction="hash"), BORN), "born"),
        ((Column(name='a "time"', kind=ColumnKind.TIMESTAMP),), None),
        ((Column(name="Zeit ä東", kind=ColumnKind.TIMESTAMP),), "Zeit ä東"),
    ],
)
def test_column_with_a_time_comes_before_one_with_a_date(columns: tuple[Column, ...], chosen: str | None) -> None:
    column = column_of(columns, ())
    assert (column.name if column else None) == chosen


def test_records_are_counted_by_month_weekday_and_hour() -> None:
    content = lines("2024-02-29T23:59:59.000001Z", "2024-02-01T00:00:00.000000Z", "2023-12-31T05:00:00.000000Z")
    activity = activity_of((ID, AT), (content,))
    assert activity is not None
    assert activity.months == {"2023-12": 1, "2024-02": 2}
    assert list(activity.months) == ["2023-12", "2024-02"]
    assert activity.weekdays == (0, 0, 0, 2, 0, 0, 1)
    assert {hour: number for hour, number in enumerate(activity.hours) if number} == {0: 1, 5: 1, 23: 1}


def test_dates_have_no_hours() -> None:
    activity = activity_of((BORN,), (lines("1990-05-17", name="born"),))
    assert activity is not None
    assert activity.months == {"1990-05": 1}
    assert activity.hours == ()


@pytest.mark.parametrize(
    "value", [None, "infinity", "-infinity", "20222-01-01T00:00:00.000000Z", "0001-01-01T00:00:00Z", "2023-02-30", "9999-12-31"]
)
def test_what_is_no_moment_of_a_life_is_not_counted(value: str | None) -> None:
    activity = activity_of((AT,), (lines(value),))
    assert activity is not None
    assert activity.months == {}
    assert sum(activity.weekdays) == sum(activity.hours) == 0


CREATED = Column(name="created", kind=ColumnKind.TEXT)
NOTE = Column(name="note", kind=ColumnKind.TEXT)
WITH_TEXTS = (ID, NOTE, CREATED, BORN)


def rows(*several: tuple[object, object]) -> bytes:
    return b"".join(
        msgspec.json.encode({"id": 1, "note": note, "created": created, "born": "1990-05-17"}) + b"\n" for note, created in several
    )


@pytest.mark.parametrize(
    ("first", "second", "hours", "is_utc"),
    [
        ("2024-02-29T23:59:59.000001Z", "2024-02-29T22:00:00Z", {22: 1, 23: 1}, True),
        ("2024-02-29 23:59:59", "", {23: 1}, False),
        ("2024-02-29T08:00:00+09:00", None, {8: 1}, False),
        ("2024-02-29 08:00:00 UTC", "2024-02-29T09:30Z", {8: 1, 9: 1}, True),
        ("2024-02-29T08:00:00Z", "2024-02-29T09:30+01:00", {8: 1, 9: 1}, False),
    ],
)
def test_texts_that_are_all_times_are_counted(first: str, second: str | None, hours: dict[int, int], *, is_utc: bool) -> None:
    activity = activity_of(WITH_TEXTS, (rows((None, first)), rows(("2024", second))))
    assert activity is not None
    assert activity.column == "created"
    assert activity.months == {"2024-02": sum(hours.values())}
    assert {hour: number for hour, number in enumerate(activity.hours) if number} == hours
    assert activity.is_utc is is_utc


@pytest.mark.parametrize(
    "other", ["soon", "2024-02-30T", "2024-13-01T00:00:00Z", "20240229", " 2024-02-29T00:00:00Z", "2024-02-29T08:00:00+09:00x"]
)
def test_one_text_that_is_no_time_makes_the_column_none(other: str) -> None:
    activity = activity_of(WITH_TEXTS, (rows((None, "2024-02-29T00:00:00Z"), (None, other)),))
    assert activity is not None
    assert activity.column == "born"


def test_texts_that_are_dates_come_after_dates() -> None:
    content = rows((None, "2024-02-29"))
    assert [column.name for fields in (WITH_TEXTS, WITH_TEXTS[:3]) if (column := column_of(fields, (content,)))] == ["born", "created"]
    activity = activity_of(WITH_TEXTS[:3], (content,))
    assert activity is not None
    assert activity.hours == ()


def test_column_that_the_operator_names_counts_where_it_can() -> None:
    content = rows(("2020-01-01T05:00:00Z", "2024-02-29T00:00:00Z"), ("later", None))
    named = activity_of(WITH_TEXTS, (content,), named="note")
    assert named is not None
    assert (named.column, named.months) == ("note", {"2020-01": 1})
    assert activity_of(WITH_TEXTS, (content,), named="missing") is None
    assert activity_of(WITH_TEXTS, (content,), named="id") is None


def test_column_whose_first_rows_are_empty_is_none() -> None:
    assert activity_of((ID, CREATED), (rows(*[(None, None)] * 25, (None, "2024-02-29T00:00:00Z")),)) is None


def test_time_within_a_document_is_not_taken_for_the_columns() -> None:
    line = b'{"document":{"at":"1999-01-01T00:00:00Z","a":[{"at":"1998-01-01T00:00:00Z"}]},"at":"2024-03-01T10:00:00.000000Z"}\n'
    activity = activity_of((DOCUMENT, AT), (line,))
    assert activity is not None
    assert activity.months == {"2024-03": 1}


def test_document_that_is_too_deep_leaves_a_count_of_texts_out_and_no_other() -> None:
    deep = b'{"document":' + b"[" * 100_000 + b"]" * 100_000 + b',"at":"2024-03-01T10:00:00.000000Z"}\n'
    lines = b'{"document":"\\ud800","at":null}\n' + deep + b'{"document":1,"at":"2024-04-01T10:00:00.000000Z"}\n'
    activity = activity_of((DOCUMENT, AT), (lines,))
    assert activity is not None
    assert activity.months == {"2024-03": 1, "2024-04": 1}
    assert activity_of((DOCUMENT, Column(name="at", kind=ColumnKind.TEXT)), (lines,)) is None


_FIRST, _LAST = datetime.fromisoformat("1850-01-01"), datetime.fromisoformat("2250-01-01")
MOMENTS = st.lists(st.none() | st.datetimes(_FIRST, _LAST).map(lambda at: at.isoformat() + "Z"))


@given(st.lists(MOMENTS, min_size=1, max_size=5), st.integers(1, 4))
def test_count_does_not_depend_on_where_parts_and_pieces_end(parts: list[list[str | None]], together: int) -> None:
    contents = [[lines(*part[at : at + together]) for at in range(0, len(part), together)] for part in parts]
    each = [activity_of((ID, AT), content) for content in contents]
    whole = activity_of((ID, AT), (b"".join(b"".join(content) for content in contents),))
    assert reduce(add, [activity for activity in each if activity]) == whole
    assert whole is not None
    assert sum(whole.months.values()) == sum(whole.weekdays) == sum(whole.hours)
    assert sum(whole.months.values()) == sum(value is not None and "1900" <= value < "2200" for part in parts for value in part)


TEXTS = st.sampled_from(["\\", '"at":"2024-01-01T00', ',"at":"', '{"at"', "x", '":"', "\n"])


@given(MOMENTS, TEXTS)
def test_count_is_the_same_with_documents_and_without(moments: list[str | None], text: str) -> None:
    columns = (Column(name="text", kind=ColumnKind.TEXT), AT)
    content = b"".join(msgspec.json.encode({"text": text, "at": moment}) + b"\n" for moment in moments)
    assert activity_of(columns, (content,)) == activity_of((*columns, DOCUMENT), (content,))


def test_name_that_ends_like_the_columns_is_not_taken_for_it() -> None:
    line = msgspec.json.encode({'x"at': "1999-01-01T00:00:00Z", "at": "2024-03-01T10:00:00.000000Z"}) + b"\n"
    activity = activity_of((Column(name='x"at', kind=ColumnKind.TEXT), AT), (line,))
    assert activity is not None
    assert activity.months == {"2024-03": 1}


@given(st.builds(lambda values: activity_of((AT,), (lines(*values),)), MOMENTS))
def test_count_is_kept_as_it_is(activity: Activity) -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(activity), type=Activity) == activity


def test_files_are_counted_by_their_last_change_in_utc() -> None:
    moment = datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC)
    activity = activity_of_files([int(moment.timestamp()) * 10**9 + 999_999_999, 2**63 - 1, -(2**63), 10**25])
    assert activity is not None
    assert activity.months == {"2024-02": 1}
    assert activity.hours[23] == 1
    assert activity_of_files([]) is None


_INTEGERS = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.integers(-3 * 10**9, 8 * 10**9))


@given(
    values=st.lists(_INTEGERS, max_size=40),
    unit=st.sampled_from(["s", "ms", "us"]),
    is_utc=st.booleans(),
    is_wrapped=st.booleans(),
    times=st.sampled_from([1, 10**3, 10**6]),
)
def test_hours_of_values_count_like_their_lines(*, values: list[int | None], unit: str, is_utc: bool, is_wrapped: bool, times: int) -> None:
    within = [None if value is None else value * times for value in values]
    array = pa.array([value if value is None or abs(value) < 2**63 else None for value in within], pa.int64())
    moments = array.view(pa.timestamp(unit, "UTC" if is_utc else None))
    column = Column(name="at", kind=ColumnKind.TIMESTAMP_TZ if is_utc else ColumnKind.TIMESTAMP, is_wrapped=is_wrapped)
    content = Serializer((column,)).lines(pa.RecordBatch.from_arrays([moments], names=["at"]))
    hours = hours_of(moments)
    assert hours is not None
    assert activity_of_hours(column, hours) == activity_of((column,), (content,))


def test_hours_are_of_the_column_that_is_counted_where_it_holds_moments() -> None:
    assert moment_column((ID, BORN, LATER, AT)) == LATER
    assert moment_column((ID, LATER, AT), named="at") == AT
    assert moment_column(WITH_TEXTS, named="created") is None
    assert moment_column((ID, BORN)) is None
    assert hours_of(pa.array(["2024-02-29T00:00:00Z"])) is None
    assert hours_of(pa.array([0], pa.timestamp("ns"))) is None
