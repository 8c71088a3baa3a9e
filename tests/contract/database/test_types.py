"""Every type's values arrive as they are in the database."""

import math
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from tests.contract.database.world import World, connector, header, make, rows, settings, values

from rightful.connectors.interface import Cursor, Rows
from rightful.database.sqlite_rows import json_of
from rightful.errors import SourceRefused, SourceUnavailable
from rightful.package.schema import Column, ColumnKind
from rightful.package.serializer import Serializer
from rightful.testing.connector_suite import identified

ANN = identified(name=("ann",))


def _batch(world: World) -> pa.RecordBatch:
    source = connector(world, source=settings(world, "t", match={"n": "name"}))
    source.check()
    [batch] = [item.batch for item in source.read(source.plan(())[0], [ANN]) if isinstance(item, Rows)]
    return batch


_POSTGRES_TYPES = """
CREATE TYPE mood AS ENUM ('sad', 'it''s "ok"');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN mail AS varchar(50) CHECK (VALUE LIKE '%@%');
CREATE DOMAIN short_mail AS mail CHECK (length(VALUE) < 20);
CREATE DOMAIN amount AS numeric(12,3);
CREATE DOMAIN many AS int[];
"""

# column, type, literal, kind, Arrow type, value in the batch
_POSTGRES = [
    ("bool", "boolean", "true", ColumnKind.BOOL, pa.bool_(), True),
    ("int2", "smallint", "-32768", ColumnKind.INT, pa.int16(), -32768),
    ("int4", "integer", "2147483647", ColumnKind.INT, pa.int32(), 2147483647),
    ("int8", "bigint", "-9223372036854775808", ColumnKind.INT, pa.int64(), -(2**63)),
    ("oid", "oid", "4294967295", ColumnKind.INT, pa.int64(), 4294967295),
    ("float4", "real", "'0.1'", ColumnKind.FLOAT, pa.float32(), pa.scalar(0.1, pa.float32()).as_py()),
    ("float8", "double precision", "'1e-300'", ColumnKind.FLOAT, pa.float64(), 1e-300),
    ("numeric", "numeric(40,20)", "'12345678901234567890.12345678901234567890'", ColumnKind.DECIMAL, pa.string(), "12345678901234567890.12345678901234567890"),
    ("scale", "numeric(10,2)", "'1.50'", ColumnKind.DECIMAL, pa.string(), "1.50"),
    ("numeric_nan", "numeric", "'NaN'", ColumnKind.DECIMAL, pa.string(), "NaN"),
    ("numeric_inf", "numeric", "'-Infinity'", ColumnKind.DECIMAL, pa.string(), "-Infinity"),
    ("text", "text", "E'a\\n\"\\\\日本'", ColumnKind.TEXT, pa.string(), 'a\n"\\日本'),
    ("empty", "text", "''", ColumnKind.TEXT, pa.string(), ""),
    ("varchar", "character varying(9)", "'x '", ColumnKind.TEXT, pa.string(), "x "),
    ("padded", "character(5)", "'ab'", ColumnKind.TEXT, pa.string(), "ab   "),
    ("internal", "name", "'ab'", ColumnKind.TEXT, pa.string(), "ab"),
    ("char", '"char"', "'x'", ColumnKind.TEXT, pa.string(), "x"),
    ("bytea", "bytea", "'\\x00ff27'", ColumnKind.BYTES, pa.binary(), b"\x00\xff'"),
    ("uuid", "uuid", "'A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11'", ColumnKind.UUID, pa.string(), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("json", "json", "'{\"b\":  1.10, \"a\": [9007199254740993]}'", ColumnKind.JSON, pa.string(), '{"b":  1.10, "a": [9007199254740993]}'),
    ("jsonb", "jsonb", "'{\"b\":1.10,\"a\":[9007199254740993]}'", ColumnKind.JSON, pa.string(), '{"a": [9007199254740993], "b": 1.10}'),
    ("date", "date", "'2020-02-29'", ColumnKind.DATE, pa.date32(), 18321),
    ("date_bc", "date", "'0044-03-15 BC'", ColumnKind.DATE, pa.date32(), -735160),
    ("date_inf", "date", "'infinity'", ColumnKind.DATE, pa.date32(), -2147472692),
    ("date_minus_inf", "date", "'-infinity'", ColumnKind.DATE, pa.date32(), -2147472691),
    ("time", "time without time zone", "'23:59:59.999999'", ColumnKind.TIME, pa.time64("us"), 86399999999),
    ("midnight", "time without time zone", "'24:00'", ColumnKind.TIME, pa.time64("us"), 86400000000),
    ("ts", "timestamp without time zone", "'2020-02-29 12:34:56.789012'", ColumnKind.TIMESTAMP, pa.timestamp("us"), 1582979696789012),
    ("ts_inf", "timestamp without time zone", "'infinity'", ColumnKind.TIMESTAMP, pa.timestamp("us"), -9222425352054775809),
    ("tstz", "timestamp with time zone", "'2020-02-29 12:34:56.789012+05:30'", ColumnKind.TIMESTAMP_TZ, pa.timestamp("us", "UTC"), 1582959896789012),
    ("tstz_minus_inf", "timestamp with time zone", "'-infinity'", ColumnKind.TIMESTAMP_TZ, pa.timestamp("us", "UTC"), -9222425352054775808),
    ("tstz_far", "timestamp with time zone", "'294276-12-31 00:00Z'", ColumnKind.TIMESTAMP_TZ, pa.timestamp("us", "UTC"), -9222426144109551616),
    ("timetz", "time with time zone", "'12:00:00+05:30'", ColumnKind.TEXT, pa.string(), "12:00:00+05:30"),
    ("interval", "interval", "'1 year -3 days 04:05:06.7'", ColumnKind.TEXT, pa.string(), "1 year -3 days +04:05:06.7"),
    ("money", "money", "'12.34'", ColumnKind.TEXT, pa.string(), "$12.34"),
    ("ints", "integer[]", "'{{1,2},{3,NULL}}'", ColumnKind.TEXT, pa.string(), "{{1,2},{3,NULL}}"),
    ("texts", "text[]", "ARRAY['a,b', 'c\"d', NULL]", ColumnKind.TEXT, pa.string(), '{"a,b","c\\"d",NULL}'),
    ("stamps", "timestamp with time zone[]", "ARRAY['2020-02-29 12:00+05:30'::timestamptz]", ColumnKind.TEXT, pa.string(), '{"2020-02-29 06:30:00+00"}'),
    ("mood", "mood", "'it''s \"ok\"'", ColumnKind.TEXT, pa.string(), 'it\'s "ok"'),
    ("pair", "pair", "ROW(1, 'x y')", ColumnKind.TEXT, pa.string(), '(1,"x y")'),
    ("inet", "inet", "'10.0.0.1/8'", ColumnKind.TEXT, pa.string(), "10.0.0.1/8"),
    ("macaddr", "macaddr", "'08:00:2b:01:02:03'", ColumnKind.TEXT, pa.string(), "08:00:2b:01:02:03"),
    ("range", "int4range", "'[1,5]'", ColumnKind.TEXT, pa.string(), "[1,6)"),
    ("tstzrange", "tstzrange", "'[2020-01-01 00:00+01,)'", ColumnKind.TEXT, pa.string(), '["2019-12-31 23:00:00+00",)'),
    ("bit", "bit(3)", "B'101'", ColumnKind.TEXT, pa.string(), "101"),
    ("xml", "xml", "'<a>1</a>'", ColumnKind.TEXT, pa.string(), "<a>1</a>"),
    ("point", "point", "'(1.5,2)'", ColumnKind.TEXT, pa.string(), "(1.5,2)"),
    ("mail", "short_mail", "'a@b.example'", ColumnKind.TEXT, pa.string(), "a@b.example"),
    ("amount", "amount", "'1.5'", ColumnKind.DECIMAL, pa.string(), "1.500"),
    ("many", "many", "'{1,2}'", ColumnKind.TEXT, pa.string(), "{1,2}"),
    ("none", "integer", "NULL", ColumnKind.INT, pa.int32(), None),
    ("no_array", "text[]", "NULL", ColumnKind.TEXT, pa.string(), None),
]  # fmt: skip


_MOMENTS = {ColumnKind.DATE, ColumnKind.TIMESTAMP, ColumnKind.TIMESTAMP_TZ}
_WRITTEN = {
    "int8": -(2**63), "numeric": "12345678901234567890.12345678901234567890", "numeric_nan": "NaN", "bytea": "AP8n", "date_inf": "infinity",
    "ts_inf": "infinity", "tstz_minus_inf": "-infinity", "tstz_far": "+294276-12-31T00:00:00.000000Z", "midnight": "24:00:00.000000",
    "uuid": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "date_bc": "-0043-03-15", "no_array": None, "empty": "",
}  # fmt: skip
"""Some of them as the package has them: what the serializer makes of the integers that ADBC wraps around."""


def _stored(array: pa.Array) -> Any:
    """Return the one value of a column, moments as the integer that Arrow holds."""
    if pa.types.is_date32(array.type):
        return array.view(pa.int32())[0].as_py()
    if pa.types.is_timestamp(array.type) or pa.types.is_time64(array.type):
        return array.view(pa.int64())[0].as_py()
    return array[0].as_py()


@pytest.mark.postgres
def test_postgres_types_arrive_without_loss(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    world = make("postgres", request, tmp_path)
    columns = ", ".join(f"{name}_ {type_}" for name, type_, *_ in _POSTGRES)
    literals = ", ".join(literal for _, _, literal, *_ in _POSTGRES)
    world.execute(f"{_POSTGRES_TYPES} CREATE TABLE t (n text, {columns}); INSERT INTO t VALUES ('ann', {literals})")
    batch = _batch(world)
    found = header(connector(world, source=settings(world, "t", match={"n": "name"})))
    expected = [
        Column(name=f"{name}_", kind=kind, source_type=type_, is_wrapped=kind in _MOMENTS) for name, type_, _, kind, _, _ in _POSTGRES
    ]
    assert list(found.columns[1:]) == expected
    for name, _, _, _, arrow, value in _POSTGRES:
        array = batch.column(f"{name}_")
        assert array.type == arrow, name
        assert _stored(array) == value, name
    written = msgspec.json.decode(Serializer(found.columns).lines(batch))
    assert {name: written[f"{name}_"] for name in _WRITTEN} == _WRITTEN


@pytest.mark.postgres
def test_floats_that_are_no_numbers_arrive(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    world = make("postgres", request, tmp_path)
    world.execute("CREATE TABLE t (n text, a float8, b float4); INSERT INTO t VALUES ('ann', 'NaN', '-Infinity')")
    batch = _batch(world)
    assert math.isnan(batch.column("a")[0].as_py())
    assert batch.column("b")[0].as_py() == -math.inf


@pytest.mark.postgres
def test_texts_do_not_depend_on_the_accounts_settings(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    world = make("postgres", request, tmp_path)
    database = world.url.rpartition("/")[2]
    world.execute(
        f"CREATE TABLE t (n text, a tstzrange, b interval, c bytea[]); INSERT INTO t VALUES ('ann', '[2020-01-01 00:00Z,)', '1 day', ARRAY['\\x00'::bytea]);"
        f"ALTER DATABASE {database} SET timezone = 'Asia/Tokyo'; ALTER DATABASE {database} SET datestyle = 'German';"
        f"ALTER DATABASE {database} SET intervalstyle = 'sql_standard'; ALTER DATABASE {database} SET bytea_output = 'escape'"
    )
    batch = _batch(world)
    assert [batch.column(name)[0].as_py() for name in "abc"] == ['["2020-01-01 00:00:00+00",)', "1 day", '{"\\\\x00"}']


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("type_", "found_by", "not_by"),
    [
        ("uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "abc"),
        ("smallint", "7", "70000"),
        ("inet", "10.0.0.1/8", "10.0.0.1"),
        ("date", "2020-01-01", "1.1.2020"),
        ("character(12)", "ann", "an"),
        ("citext", "Ann", "ann"),
        ("mood", "sad", "unknown"),
        ("amount", "1.5", "1.51"),
        ("double precision", "0.5", "0.50"),
        ('varchar(20) COLLATE "loose"', "Ann", "ann"),
    ],
)
def test_columns_of_any_type_are_matched_by_the_text_of_their_values(
    request: pytest.FixtureRequest, tmp_path: Path, type_: str, found_by: str, not_by: str
) -> None:
    world = make("postgres", request, tmp_path)
    extension = "CREATE EXTENSION citext;" if type_ == "citext" else ""
    world.execute(
        f"{_POSTGRES_TYPES} {extension} CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
        f"CREATE TABLE t (n {type_}); CREATE INDEX t_n ON t (n); INSERT INTO t VALUES ('{found_by}'), (NULL)"
    )
    source = connector(world, source=settings(world, "t", match={"n": "name"}))
    source.check()
    people = [identified(name=(found_by,)), identified(name=(not_by,)), identified(name=(not_by, found_by, found_by.upper()))]
    assert [len(found) for found in rows(source, people)] == [1, 0, 1]


@pytest.mark.postgres
def test_citext_finds_a_mail_in_any_case_once(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    world = make("postgres", request, tmp_path)
    world.execute(
        "CREATE EXTENSION citext; CREATE TABLE t (id int PRIMARY KEY, n citext); INSERT INTO t VALUES (1, 'ANN@C.example'), (2, 'ann@c.example')"
    )
    source = connector(world, source=settings(world, "t", match={"n": "mail"}))
    assert values(source, [identified(mail=("Ann@C.example", "ann@c.example"))]) == [[1, 2]]


# -- SQLite ---------------------------------------------------------------------------------------------------------------
def _sqlite(request: pytest.FixtureRequest, tmp_path: Path, statements: str) -> World:
    world = make("sqlite", request, tmp_path)
    world.execute(statements)
    return world


def test_sqlite_columns_are_what_their_values_are(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    world = _sqlite(
        request,
        tmp_path,
        "CREATE TABLE t (n TEXT, i INTEGER, r REAL, d DATE, b BOOLEAN, m DECIMAL(10,2), x BLOB, j JSON, u, none INTEGER, s VARCHAR(5) NOT NULL DEFAULT '');"
        "INSERT INTO t VALUES ('ann', 9223372036854775807, 1, '2020-01-01', 1, 'USD 1.50', x'00ff', '{\"a\": 1}', 'é', NULL, 'a')",
    )
    batch = _batch(world)
    kinds = {
        column.name: (column.kind, column.source_type)
        for column in header(connector(world, source=settings(world, "t", match={"n": "name"}))).columns
    }
    assert kinds == {
        "n": (ColumnKind.TEXT, "TEXT"),
        "i": (ColumnKind.INT, "INTEGER"),
        "r": (ColumnKind.FLOAT, "REAL"),
        "d": (ColumnKind.TEXT, "DATE"),
        "b": (ColumnKind.INT, "BOOLEAN"),
        "m": (ColumnKind.TEXT, "DECIMAL(10,2)"),
        "x": (ColumnKind.BYTES, "BLOB"),
        "j": (ColumnKind.TEXT, "JSON"),
        "u": (ColumnKind.TEXT, ""),
        "none": (ColumnKind.INT, "INTEGER"),
        "s": (ColumnKind.TEXT, "VARCHAR(5)"),
    }
    assert batch.to_pylist()[0] | {"\x1fsubject": 0} == {
        "n": "ann", "i": 2**63 - 1, "r": 1.0, "d": "2020-01-01", "b": 1, "m": "USD 1.50", "x": b"\x00\xff", "j": '{"a": 1}', "u": "é", "none": None,
        "s": "a", "\x1fsubject": 0,
    }  # fmt: skip


def test_sqlite_column_of_several_kinds_is_json_wherever_its_rows_are(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    mixed = "(1, 'ann', 1), (2, 'ann', 'one'), (3, 'ann', 0.1), (4, 'ann', x'00ff'), (5, 'ann', NULL), (6, 'ann', 9e999), (7, 'ann', '1\"'), (8, 'bob', 5)"
    world = _sqlite(request, tmp_path, f"CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT, v); INSERT INTO t VALUES {mixed}")
    source = connector(world, source=settings(world, "t", match={"n": "name"}))
    found = values(source, [ANN, identified(name=("bob",))], "v")
    assert found == [["1", '"one"', "0.1", '{"base64":"AP8="}', None, '{"number":"Infinity"}', '"1\\""'], ["5"]]
    assert header(source).columns[2].kind is ColumnKind.JSON
    assert [row["v"] for row in rows(source, [ANN], Cursor(3))[0]] == found[0][3:]


@pytest.mark.parametrize("value", [0, -(2**63), 1.5, 1e300, 5e-324, "a", "", '"', "\x00é", b"", b"\xff\x00"])
def test_values_of_several_kinds_stay_apart_as_json(value: float | str | bytes) -> None:
    decoded = msgspec.json.decode(json_of(value))
    assert decoded == ({"base64": msgspec.to_builtins(value)} if isinstance(value, bytes) else value)
    assert isinstance(value, bytes) or type(decoded) is type(value)


def test_sqlite_value_of_another_kind_written_meanwhile_is_seen_the_next_time(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    world = _sqlite(request, tmp_path, "CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT, v INTEGER); INSERT INTO t VALUES (1, 'ann', 1)")
    source = connector(world, source=settings(world, "t", match={"n": "name"}))
    assert values(source, [ANN], "v") == [[1]]
    world.execute("INSERT INTO t VALUES (2, 'ann', 'two')")
    with pytest.raises(SourceUnavailable):
        values(source, [ANN])
    assert values(source, [ANN], "v") == [["1", '"two"']]


def test_sqlite_text_that_is_no_text_is_refused(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    world = _sqlite(request, tmp_path, "CREATE TABLE t (n TEXT, v TEXT); INSERT INTO t VALUES ('ann', CAST(x'ff41' AS TEXT))")
    source = connector(world, source=settings(world, "t", match={"n": "name"}))
    with pytest.raises(SourceRefused, match="UTF-8"):
        rows(source, [ANN])


@pytest.mark.parametrize("declared", ["INTEGER", "NUMERIC", "TEXT", "BLOB", "REAL", "TEXT COLLATE NOCASE", "VARCHAR(9) COLLATE RTRIM", ""])
@pytest.mark.parametrize("is_indexed", [False, True], ids=["plain", "indexed"])
def test_sqlite_matches_the_text_of_values_whatever_the_column_declares(
    request: pytest.FixtureRequest, tmp_path: Path, declared: str, *, is_indexed: bool
) -> None:
    index = "CREATE INDEX t_n ON t (n);" if is_indexed else ""
    world = _sqlite(
        request,
        tmp_path,
        f"CREATE TABLE t (id INTEGER PRIMARY KEY, n {declared}); {index} INSERT INTO t VALUES (1, 42), (2, 'Ann'), (3, NULL), (4, '')",
    )
    source = connector(world, source=settings(world, "t", match={"n": "name"}))
    people = [identified(name=(value,)) for value in ("42", "042", "Ann", "ann", "42.0", "4")]
    is_real = declared == "REAL"
    assert values(source, people) == [[] if is_real else [1], [], [2], [], [1] if is_real else [], []]


@pytest.mark.parametrize("is_indexed", [False, True], ids=["plain", "indexed"])
def test_sqlite_nocase_column_finds_a_mail_in_any_case_once(request: pytest.FixtureRequest, tmp_path: Path, *, is_indexed: bool) -> None:
    index = "CREATE INDEX t_n ON t (n); CREATE INDEX t_o ON t (o);" if is_indexed else ""
    world = _sqlite(
        request,
        tmp_path,
        f"CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT COLLATE NOCASE, o TEXT COLLATE NOCASE); {index}"
        "INSERT INTO t VALUES (1, 'ANN@C.example', 'x'), (2, 'ann@c.example', 'Ann@c.example'), (3, 'x@c.example', 'aNN@c.example')",
    )
    source = connector(world, source=settings(world, "t", match={"n": "mail", "o": "mail"}))
    assert values(source, [identified(mail=("Ann@C.example", "ann@c.example"))]) == [[1, 2, 3]]


@pytest.mark.parametrize("is_indexed", [False, True], ids=["plain", "indexed"])
def test_sqlite_rtrim_column_finds_a_row_once_by_an_identifier_that_ends_in_a_blank(
    request: pytest.FixtureRequest, tmp_path: Path, *, is_indexed: bool
) -> None:
    index = "CREATE INDEX t_n ON t (n); CREATE INDEX t_o ON t (o);" if is_indexed else ""
    world = _sqlite(
        request,
        tmp_path,
        f"CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT COLLATE RTRIM, o TEXT COLLATE RTRIM); {index}"
        "INSERT INTO t VALUES (1, 'ann@c.example', NULL), (2, 'ann@c.example ', 'ann@c.example'), (3, NULL, 'ann@c.example')",
    )
    source = connector(world, source=settings(world, "t", match={"n": "mail", "o": "mail"}))
    assert values(source, [identified(mail=("ann@c.example ",)), identified(mail=("ann@c.example",))]) == [[1, 2, 3], [1, 2, 3]]
