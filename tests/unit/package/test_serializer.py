import datetime as dt
import subprocess
import sys
import uuid
from collections.abc import Sequence
from decimal import Decimal

import polars as pl
import pyarrow as pa
import pytest

from rightful.errors import PackageError
from rightful.package.schema import Column, ColumnKind
from rightful.package.serializer import Serializer, kind_of, parse_line

K = ColumnKind


def written(kind: ColumnKind, array: pa.Array, *, bulk_rows: int) -> list[str]:
    batch = pa.RecordBatch.from_arrays([array], ["v"])
    lines = Serializer([Column(name="v", kind=kind)], bulk_rows=bulk_rows).lines(batch).decode().split("\n")
    assert lines.pop() == ""
    return [line.removeprefix('{"v":').removesuffix("}") for line in lines]


def integers(type_: pa.DataType, *values: int | None) -> pa.Array:
    return pa.array(values, pa.int32() if type_.bit_width == 32 else pa.int64()).view(type_)


FORMS: dict[str, tuple[ColumnKind, pa.Array, list[str]]] = {
    "bool": (K.BOOL, pa.array([True, False, None]), ["true", "false", "null"]),
    "int": (K.INT, pa.array([-(2**63), 2**63 - 1]), ["-9223372036854775808", "9223372036854775807"]),
    "uint64": (K.INT, pa.array([2**64 - 1], pa.uint64()), ["18446744073709551615"]),
    "duration": (K.INT, pa.array([dt.timedelta(hours=1), None]), ["3600000000", "null"]),
    "float": (K.FLOAT, pa.array([0.1, -0.0, 1.0, 1e16, 1e15, 1e-7]), ["0.1", "-0.0", "1.0", "1e+16", "1000000000000000.0", "1e-7"]),
    "float extremes": (K.FLOAT, pa.array([5e-324, 1.7976931348623157e308, -1e22]), ["5e-324", "1.7976931348623157e+308", "-1e+22"]),
    "no numbers": (K.FLOAT, pa.array([float("nan"), float("inf"), float("-inf"), 1e17]), ['"NaN"', '"Infinity"', '"-Infinity"', "1e+17"]),
    "float32 as the double it is": (K.FLOAT, pa.array([0.1, 0.5], pa.float32()), ["0.10000000149011612", "0.5"]),
    "decimal": (K.DECIMAL, pa.array([Decimal("1.50"), Decimal("-0.05")], pa.decimal128(10, 2)), ['"1.50"', '"-0.05"']),
    "decimal near zero": (K.DECIMAL, pa.array([Decimal("1E-10")], pa.decimal128(20, 10)), ['"0.0000000001"']),
    "decimal of 76 digits": (K.DECIMAL, pa.array([Decimal("9" * 76)], pa.decimal256(76, 0)), [f'"{"9" * 76}"']),
    "decimal text": (
        K.DECIMAL,
        pa.array(["12.3400", "nan", "inf", "-inf", "NaN", "1E+3"]),
        ['"12.3400"', '"NaN"', '"Infinity"', '"-Infinity"', '"NaN"', '"1E+3"'],
    ),
    "decimal text of the ADBC driver": (
        K.DECIMAL,
        pa.ExtensionArray.from_storage(pa.opaque(pa.string(), "numeric", "PostgreSQL"), pa.array(["1", "nan"])),
        ['"1"', '"NaN"'],
    ),
    "text": (
        K.TEXT,
        pa.array(["", None, 'a"\\/\n', "\x00\x1f\x7f", "é\u2028😀"]),
        ['""', "null", '"a\\"\\\\/\\n"', '"\\u0000\\u001f\x7f"', '"é\u2028😀"'],
    ),
    "date": (K.DATE, integers(pa.date32(), 0, -719_162, 2_932_896, None), ['"1970-01-01"', '"0001-01-01"', '"9999-12-31"', "null"]),
    "years beyond four digits": (
        K.DATE,
        integers(pa.date32(), 6_666_406, -719_163, -2_440_550),
        ['"+20222-01-01"', '"0000-12-31"', '"-4712-01-01"'],
    ),
    "first and last date": (
        K.DATE,
        integers(pa.date32(), -(2**31), -2_147_472_692, -2_147_472_691, 2**31 - 1),
        ['"-5877641-06-23"', '"-5877611-06-21"', '"-5877611-06-22"', '"+5881580-07-11"'],
    ),
    "instant": (
        K.TIMESTAMP_TZ,
        integers(pa.timestamp("us", "UTC"), 1_577_934_245_000_006, -1),
        ['"2020-01-02T03:04:05.000006Z"', '"1969-12-31T23:59:59.999999Z"'],
    ),
    "instant of another zone": (K.TIMESTAMP_TZ, integers(pa.timestamp("s", "Asia/Tokyo"), 0), ['"1970-01-01T00:00:00.000000Z"']),
    "naive": (K.TIMESTAMP, integers(pa.timestamp("us"), 1_577_934_245_000_006, None), ['"2020-01-02T03:04:05.000006"', "null"]),
    "nanoseconds": (
        K.TIMESTAMP,
        integers(pa.timestamp("ns"), 1, 1000),
        ['"1970-01-01T00:00:00.000000001"', '"1970-01-01T00:00:00.000001"'],
    ),
    "milliseconds": (
        K.TIMESTAMP,
        integers(pa.timestamp("ms"), 1, -62_135_596_800_001),
        ['"1970-01-01T00:00:00.001000"', '"0000-12-31T23:59:59.999000"'],
    ),
    "first and last microsecond": (
        K.TIMESTAMP_TZ,
        integers(pa.timestamp("us", "UTC"), -(2**63), -9_222_425_352_054_775_809, -9_222_425_352_054_775_808, 2**63 - 1),
        [
            '"-290308-12-21T19:59:05.224192Z"',
            '"-290278-12-22T19:59:05.224191Z"',
            '"-290278-12-22T19:59:05.224192Z"',
            '"+294247-01-10T04:00:54.775807Z"',
        ],
    ),
    "moments in a list": (
        K.NESTED,
        pa.array([[-(2**63)]], pa.list_(pa.timestamp("us"))),
        ['["-290308-12-21T19:59:05.224192"]'],
    ),
    "timestamp text": (K.TIMESTAMP, pa.array(["infinity", "2020-01-02T03:04:05.000006"]), ['"infinity"', '"2020-01-02T03:04:05.000006"']),
    "time": (K.TIME, integers(pa.time64("us"), 1, 86_399_999_999), ['"00:00:00.000001"', '"23:59:59.999999"']),
    "end of the day": (K.TIME, integers(pa.time64("us"), 86_400_000_000, None), ['"24:00:00.000000"', "null"]),
    "time of nanoseconds": (K.TIME, integers(pa.time64("ns"), 1, 2000), ['"00:00:00.000000001"', '"00:00:00.000002"']),
    "time of seconds": (K.TIME, integers(pa.time32("s"), 3661), ['"01:01:01.000000"']),
    "uuid": (K.UUID, pa.array([bytes(range(16)), None], pa.binary(16)), ['"00010203-0405-0607-0809-0a0b0c0d0e0f"', "null"]),
    "uuid text": (K.UUID, pa.array(["00010203-0405-0607-0809-0A0B0C0D0E0F"]), ['"00010203-0405-0607-0809-0a0b0c0d0e0f"']),
    "bytes": (K.BYTES, pa.array([b"\x00\xff", b"", None]), ['"AP8="', '""', "null"]),
    "long bytes": (K.BYTES, pa.array([b"\xfb" * 60]), [f'"{"+/v7" * 20}"']),
    "json": (K.JSON, pa.array(['{"a": null}', "null", None, '"x"', "1.50", "[ ]"]), ['{"a": null}', "null", "null", '"x"', "1.50", "[ ]"]),
    "json on several lines": (K.JSON, pa.array(['{\n  "a":\r\n 1}']), ['{   "a":   1}']),
    "json that strict readers refuse": (K.JSON, pa.array(['"\\ud800"', "[" * 2000 + "]" * 2000]), ['"\\ud800"', "[" * 2000 + "]" * 2000]),
    "list": (K.NESTED, pa.array([["a", None], [], None], pa.list_(pa.string())), ['["a",null]', "[]", "null"]),
    "map": (K.NESTED, pa.array([[("a", 1), ("b", None)], []], pa.map_(pa.string(), pa.int8())), ['[["a",1],["b",null]]', "[]"]),
    "struct": (K.NESTED, pa.array([{"a": 1, "b": [b"\x01"]}, None]), ['{"a":1,"b":["AQ=="]}', "null"]),
    "struct with two members of one name": (
        K.NESTED,
        pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]),
        ['[["a",1],["a",2]]'],
    ),
    "leaves in their own forms": (
        K.NESTED,
        pa.array(
            [{"t": 0, "f": float("nan"), "d": Decimal("1.50"), "n": None, "c": "x"}],
            pa.struct(
                [("t", pa.timestamp("us", "UTC")), ("f", pa.float64()), ("d", pa.decimal128(5, 2)), ("n", pa.null()), ("c", pa.string())]
            ),
        ),
        ['{"t":"1970-01-01T00:00:00.000000Z","f":"NaN","d":"1.50","n":null,"c":"x"}'],
    ),
    "no values at all": (K.DATE, pa.nulls(2), ["null", "null"]),
}


@pytest.mark.parametrize("bulk_rows", [10**9, 1], ids=["value for value", "vectorised"])
@pytest.mark.parametrize("case", FORMS.values(), ids=FORMS.keys())
def test_each_kind_has_one_written_form(case: tuple[ColumnKind, pa.Array, list[str]], bulk_rows: int) -> None:
    kind, array, lines = case
    assert written(kind, array, bulk_rows=bulk_rows) == lines


WRAPPED = {
    "dates": (
        K.DATE,
        integers(pa.date32(), -2_147_472_692, -2_147_472_691, 2_145_042_905, -2_440_550, None),
        ['"infinity"', '"-infinity"', '"+5874897-12-31"', '"-4712-01-01"', "null"],
    ),
    "instants": (
        K.TIMESTAMP_TZ,
        integers(
            pa.timestamp("us", "UTC"),
            -9_222_425_352_054_775_809,
            -9_222_425_352_054_775_808,
            -9_222_426_057_709_551_617,
            -210_863_520_000_000_000,
            None,
        ),
        ['"infinity"', '"-infinity"', '"+294276-12-31T23:59:59.999999Z"', '"-4712-01-01T00:00:00.000000Z"', "null"],
    ),
    "naive": (
        K.TIMESTAMP,
        integers(pa.timestamp("us"), -9_222_425_352_054_775_809, 0),
        ['"infinity"', '"1970-01-01T00:00:00.000000"'],
    ),
}


@pytest.mark.parametrize("bulk_rows", [10**9, 1], ids=["value for value", "vectorised"])
@pytest.mark.parametrize("case", WRAPPED.values(), ids=WRAPPED.keys())
def test_what_wrapped_around_on_its_way_from_postgres_is_turned_back(case: tuple[ColumnKind, pa.Array, list[str]], bulk_rows: int) -> None:
    kind, array, lines = case
    column = Column(name="a", kind=kind, is_wrapped=True)
    batch = pa.RecordBatch.from_arrays([array], ["a"])
    assert Serializer([column], bulk_rows=bulk_rows).lines(batch).decode().splitlines() == [f'{{"a":{line}}}' for line in lines]


def two_columns(rows: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [pa.array(range(rows), pa.int32()), pa.array(["x"] * rows), pa.array(range(rows), pa.int64()), pa.array(['{"n": 1}'] * rows)],
        ["\x1fsubject", "b", "a", "j"],
    )


COLUMNS = (Column(name="a", kind=K.INT), Column(name="j", kind=K.JSON), Column(name="b", kind=K.TEXT))


def test_hidden_columns_are_left_out_and_the_header_gives_the_order() -> None:
    assert Serializer(COLUMNS).lines(two_columns(1)) == b'{"a":0,"j":{"n": 1},"b":"x"}\n'


@pytest.mark.parametrize("rows", [0, 1, 199, 200, 1000])
def test_a_batch_of_any_length_has_a_line_for_each_row(rows: int) -> None:
    expected = b"".join(b'{"a":%d,"j":{"n": 1},"b":"x"}\n' % row for row in range(rows))
    assert Serializer(COLUMNS).lines(two_columns(rows)) == expected


def test_a_dataset_without_visible_columns_keeps_its_rows() -> None:
    assert Serializer(()).lines_by(two_columns(3), (1, 2)) == [b"{}\n", b"{}\n{}\n"]


def test_a_batch_longer_than_a_slice_is_cut_by_subject_all_the_same() -> None:
    counts = (0, 1, 8190, 1, 0, 9000, 2808)
    pieces = Serializer(COLUMNS).lines_by(two_columns(sum(counts)), counts)

    assert [piece.count(b"\n") for piece in pieces] == list(counts)
    assert b"".join(pieces) == Serializer(COLUMNS, bulk_rows=10**9).lines(two_columns(sum(counts)))


def test_small_batches_never_load_polars() -> None:
    program = (
        "import sys, pyarrow as pa\n"
        "from rightful.package.schema import Column, ColumnKind\n"
        "from rightful.package.serializer import Serializer\n"
        "batch = pa.RecordBatch.from_arrays([pa.array([1])], ['a'])\n"
        "assert Serializer([Column(name='a', kind=ColumnKind.INT)]).lines(batch) == b'{\"a\":1}\\n'\n"
        "assert 'polars' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_counts_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(ValueError, match="add up"):
        Serializer(COLUMNS).lines_by(two_columns(3), (1, 1))


def test_a_panic_in_polars_sends_the_batch_down_the_other_path(capfd: pytest.CaptureFixture[str]) -> None:
    def panic(_columns: Sequence[Column], _arrays: Sequence[pa.Array]) -> pa.LargeStringArray:
        return pl.from_arrow(pa.array([Decimal(1)], pa.decimal256(76, 0)))

    with pytest.raises(BaseException) as caught:  # noqa: PT011 -- what kind of thing it is, is the point
        panic((), ())
    assert not isinstance(caught.value, Exception)
    assert Serializer(COLUMNS, bulk_rows=1, bulk=panic).lines(two_columns(2)) == Serializer(COLUMNS).lines(two_columns(2))
    capfd.readouterr()  # polars prints its stack


def test_an_interrupt_is_not_taken_for_a_panic() -> None:
    def interrupt(_columns: Sequence[Column], _arrays: Sequence[pa.Array]) -> pa.LargeStringArray:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Serializer(COLUMNS, bulk_rows=1, bulk=interrupt).lines(two_columns(2))


@pytest.mark.parametrize("bulk_rows", [10**9, 1], ids=["value for value", "vectorised"])
@pytest.mark.parametrize("text", ["", "{", '{"a":1},"b":{}', "1 2", "NaN", "'x'", "1,2", "}{", "\ufeff1"])
def test_a_text_that_is_no_json_document_is_refused_without_being_named(text: str, bulk_rows: int) -> None:
    with pytest.raises(PackageError, match="no JSON document") as caught:
        written(K.JSON, pa.array(["1", text]), bulk_rows=bulk_rows)
    assert caught.value.code == "ValueNotJson"
    assert "'v'" in caught.value.message


@pytest.mark.parametrize("bulk_rows", [10**9, 1], ids=["value for value", "vectorised"])
@pytest.mark.parametrize(
    ("kind", "array"),
    [
        (K.INT, pa.array(["1"])),
        (K.TEXT, pa.array([1])),
        (K.UUID, pa.array([b"\x00"], pa.binary(1))),
        (K.TIMESTAMP, pa.array([0], pa.timestamp("us", "UTC"))),
    ],
)
def test_a_column_that_cannot_be_of_its_kind_is_refused(kind: ColumnKind, array: pa.Array, bulk_rows: int) -> None:
    with pytest.raises(PackageError, match=f"of kind {kind} came as"):
        written(kind, array, bulk_rows=bulk_rows)


def test_a_missing_column_is_refused() -> None:
    with pytest.raises(PackageError, match="'a' is missing"):
        Serializer(COLUMNS).lines(pa.RecordBatch.from_arrays([pa.array(["x"])], ["b"]))


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(PackageError, match="same name"):
        Serializer((COLUMNS[0], COLUMNS[0]))


def test_a_type_without_a_written_form_has_no_kind() -> None:
    with pytest.raises(ValueError, match="month_day_nano_interval"):
        kind_of(pa.field("a", pa.month_day_nano_interval()))


READ_BACK: list[tuple[ColumnKind, bytes, object]] = [
    (K.BOOL, b"true", True),
    (K.INT, b"18446744073709551615", 2**64 - 1),
    (K.FLOAT, b'"NaN"', "nan"),
    (K.DECIMAL, b'"12.3400"', Decimal("12.3400")),
    (K.DATE, b'"2020-01-02"', dt.date(2020, 1, 2)),
    (K.DATE, b'"+20222-01-01"', "+20222-01-01"),
    (K.TIMESTAMP, b'"2020-01-02T03:04:05.000006"', dt.datetime(2020, 1, 2, 3, 4, 5, 6)),  # noqa: DTZ001 -- naive is the point
    (K.TIMESTAMP_TZ, b'"2020-01-02T03:04:05.000006Z"', dt.datetime(2020, 1, 2, 3, 4, 5, 6, dt.UTC)),
    (K.TIMESTAMP_TZ, b'"2020-01-02T03:04:05.000006007Z"', "2020-01-02T03:04:05.000006007Z"),
    (K.TIMESTAMP_TZ, b'"infinity"', "infinity"),
    (K.TIME, b'"03:04:05.000006"', dt.time(3, 4, 5, 6)),
    (K.TIME, b'"24:00:00.000000"', "24:00:00.000000"),
    (K.UUID, b'"00010203-0405-0607-0809-0a0b0c0d0e0f"', uuid.UUID(bytes=bytes(range(16)))),
    (K.BYTES, b'"AP8="', b"\x00\xff"),
    (K.TEXT, b'"null"', "null"),
    (K.JSON, b' {"a" : "\\ud800"} ', '{"a" : "\\ud800"}'),
    (K.NESTED, b'[["a",1]]', [["a", 1]]),
    (K.TEXT, b"null", None),
]


@pytest.mark.parametrize(("kind", "json", "value"), READ_BACK, ids=[f"{kind} {json.decode()}" for kind, json, _ in READ_BACK])
def test_a_written_value_is_read_back(kind: ColumnKind, json: bytes, value: object) -> None:
    found = parse_line([Column(name="v", kind=kind)], b'{"v":' + json + b"}\n")[0]
    assert (type(found), found) == (type(value), value) if value != "nan" else str(found) == "nan"


@pytest.mark.parametrize("line", [b"", b"[1]", b'{"v":1', b'{"w":1}', b'{"v":1,"w":2}', b"\xff", b'"{"', b"[{]"])
def test_a_line_that_is_none_of_ours_is_refused(line: bytes) -> None:
    with pytest.raises(PackageError):
        parse_line([Column(name="v", kind=K.INT)], line)
