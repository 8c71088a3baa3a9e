"""Whatever a database holds, in any type of its own: each form of a package gives back that value, judged by the database itself."""

import base64
import ipaddress
import json
import re
import sqlite3
import struct
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from psycopg import sql
from tests.contract.database import read_back, world
from tests.contract.database.read_back import Texts
from tests.property.package.hard_columns import JSON_TEXTS, TEXTS
from tests.servers.mariadb import MariadbServer

from rightful.package.forms import Form
from rightful.package.schema import Column, ColumnKind
from rightful.testing.connector_suite import identified

ANN = identified(name=("ann",))
EXAMPLES = 15
Literals = st.SearchStrategy[str]


def one(*literals: str) -> Literals:
    return st.sampled_from(literals)


def bits(size: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (size - 1)), 2 ** (size - 1) - 1)


def joined(parts: Literals, before: str = "{", after: str = "}", *, most: int = 3) -> Literals:
    return st.lists(parts, max_size=most).map(lambda each: before + ",".join(each) + after)


def quoted(text: str) -> str:
    """Write an element of an array, or a member of a record, of PostgreSQL's."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def number(value: float | str) -> str:
    return str(value).replace("inf", "Infinity")


TEXT = TEXTS.map(lambda text: text.replace("\0", ""))
FLOAT = st.floats().map(number)
FLOAT4 = st.floats(width=32).map(number)
FINITE = st.floats(allow_nan=False).map(number)
DECIMAL = st.decimals(allow_nan=False, allow_infinity=False, places=3).map(lambda value: format(value, "f")) | one(
    "NaN", "Infinity", "-Infinity", "0.00", "-0.10", "9" * 60 + "." + "1" * 40, "1e-30"
)
DATE = st.dates().map(str) | one("infinity", "-infinity", "4713-11-24 BC", "0001-12-31 BC", "5874897-12-31", "10000-01-01")
TIME = st.times().map(str) | one("24:00", "00:00:00.000001")
NAIVE = st.datetimes().map(str) | one("infinity", "-infinity", "4713-11-24 00:00 BC", "294276-12-31 23:59:59.999999", "10000-01-01 00:00")
ZONE = st.integers(-(15 * 3600 + 3599), 15 * 3600 + 3599).map(
    lambda s: f"{'-' if s < 0 else '+'}{abs(s) // 3600:02}:{abs(s) // 60 % 60:02}:{abs(s) % 60:02}"
)
INSTANT = st.tuples(st.datetimes(), ZONE).map(lambda pair: f"{pair[0]}{pair[1]}") | NAIVE
UUID = st.uuids().map(str)
BYTES = st.binary(max_size=20).map(lambda raw: "\\x" + raw.hex())
ADDRESS = st.tuples(st.ip_addresses(), st.integers(0, 32)).map(lambda pair: f"{pair[0].__class__(int(pair[0]))}/{pair[1]}")
NETWORK = ADDRESS.map(lambda address: str(ipaddress.ip_network(address, strict=False)))
INTERVAL = st.tuples(bits(32), bits(32), st.integers(-2_000_000_000, 2_000_000_000), st.integers(0, 59), st.integers(0, 59_999_999)).map(
    lambda of: f"{of[0]} months {of[1]} days {of[2]}:{of[3]:02}:{of[4] // 1_000_000:02}.{of[4] % 1_000_000:06}"
)
POINT = st.tuples(FINITE, FINITE).map(lambda pair: f"({pair[0]},{pair[1]})")
# What jsonb refuses: escapes of NUL and of lone surrogates, numbers beyond its own.
JSONB = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
).map(json.dumps)


def range_of(bound: Literals, key: Any) -> Literals:
    """Write a range between two bounds in their order, or without one of them."""
    ends = st.tuples(bound, bound).map(lambda pair: sorted(pair, key=key)).map(lambda pair: f"[{pair[0]},{pair[1]}]")
    return ends | bound.map(lambda low: f"({low},)") | bound.map(lambda high: f"(,{high})") | one("empty", "(,)")


WHOLE = st.integers(-(10**6), 10**6).map(str)
DAY = st.dates().map(str)
MOMENT = st.datetimes().map(lambda moment: f'"{moment}"')
SCALE = st.decimals(-1000, 1000, places=2).map(str)
WORD = st.text(alphabet="abc\u00e9\u65e5 ':&\\", min_size=1, max_size=5)
LEXEME = WORD.map(lambda word: "'" + word.replace("\\", "\\\\").replace("'", "''") + "'")

POSTGRES: dict[str, tuple[str, Literals]] = {
    "bool": ("boolean", one("true", "false")),
    "int2": ("smallint", bits(16).map(str)),
    "int4": ("integer", bits(32).map(str)),
    "int8": ("bigint", bits(64).map(str)),
    "oid": ("oid", st.integers(0, 2**32 - 1).map(str)),
    "float4": ("real", FLOAT4),
    "float8": ("double precision", FLOAT),
    "numeric": ("numeric", DECIMAL),
    "scaled": ("numeric(12,3)", st.decimals(-(10**8), 10**8, places=3).map(str) | one("NaN")),
    "negative": ("numeric(5,-2)", st.integers(-99_999, 99_999).map(str)),
    "money": ("money", bits(64).map(lambda cents: f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02}")),
    "text": ("text", TEXT),
    "varchar": ("varchar(12)", TEXT.map(lambda text: text[:12])),
    "bpchar": ("character(12)", TEXT.map(lambda text: text[:12])),
    "name": ("name", TEXT.map(lambda text: text[:9])),
    "char": ('"char"', one("x", "", "'", "\\")),
    "citext": ("citext", TEXT),
    "bytea": ("bytea", BYTES),
    "uuid": ("uuid", UUID),
    "json": ("json", JSON_TEXTS),
    "jsonb": ("jsonb", JSONB),
    "date": ("date", DATE),
    "time": ("time", TIME),
    "timetz": ("timetz", st.tuples(TIME, ZONE).map("".join)),
    "timestamp": ("timestamp", NAIVE),
    "seconds": ("timestamp(0)", st.datetimes(max_value=datetime.fromisoformat("9999-01-01")).map(str)),
    "timestamptz": ("timestamptz", INSTANT),
    "interval": ("interval", INTERVAL | one("0", "-1 mons +3 days -04:05:06.7")),
    "ints": ("int[]", joined(bits(32).map(str) | one("NULL")) | one("[2:3]={1,2}", "{{1,2},{3,NULL}}", "{{{1},{2}},{{3},{4}}}", "[0:1][5:5]={{1},{2}}")),
    "texts": ("text[]", joined(TEXT.map(quoted) | one("NULL", '""', '"NULL"'))),
    "floats": ("float8[]", joined(FLOAT)),
    "decimals": ("numeric[]", joined(DECIMAL)),
    "bools": ("boolean[]", one("{t,f,NULL}", "{}")),
    "blobs": ("bytea[]", joined(BYTES.map(quoted))),
    "ids": ("uuid[]", joined(UUID)),
    "days": ("date[]", joined(DATE.map(quoted))),
    "moments": ("timestamptz[]", joined(INSTANT.map(quoted))),
    "spans": ("interval[]", joined(INTERVAL.map(quoted))),
    "documents": ("jsonb[]", joined(JSONB.map(quoted))),
    "mood": ("mood", one("sad", "it's \"ok\"", "\u65e5\u672c")),
    "moods": ("mood[]", one('{sad,"it\'s \\"ok\\"",NULL}', "{}")),
    "pair": ("pair", st.tuples(bits(32), TEXT).map(lambda pair: f"({pair[0]},{quoted(pair[1])})") | one("(,)", '(1,"")')),
    "pairs": ("pair[]", st.lists(TEXT, max_size=2).map(lambda texts: "{" + ",".join(quoted(f"(1,{quoted(text)})") for text in texts) + "}")),
    "mail": ("short_mail", one("a@b.example", "\u00e9@b.example")),
    "amount": ("amount", st.decimals(-(10**8), 10**8, places=3).map(str)),
    "many": ("many", joined(bits(32).map(str))),
    "inet": ("inet", ADDRESS),
    "cidr": ("cidr", NETWORK),
    "macaddr": ("macaddr", st.binary(min_size=6, max_size=6).map(lambda raw: raw.hex(":"))),
    "macaddr8": ("macaddr8", st.binary(min_size=8, max_size=8).map(lambda raw: raw.hex(":"))),
    "bit": ("bit(9)", st.integers(0, 511).map(lambda value: f"{value:09b}")),
    "varbit": ("varbit", st.text(alphabet="01", max_size=70)),
    "tsvector": ("tsvector", st.lists(LEXEME, max_size=3).map(" ".join) | one("'a':1A,3B 'b c':2")),
    "tsquery": ("tsquery", joined(LEXEME, "", "", most=1) | one("'a' & !'b' | 'c' <-> 'd'", "'a':AB*", "")),
    "jsonpath": ("jsonpath", one("$.a[*] ? (@.b > 1)", 'strict $."x y"', 'lax $[last] ? (@ like_regex "^a" flag "i")', '$."\u65e5"')),
    "pg_lsn": ("pg_lsn", st.tuples(bits(31).map(abs), bits(31).map(abs)).map(lambda pair: f"{pair[0]:X}/{pair[1]:X}")),
    "point": ("point", POINT),
    "line": ("line", FINITE.map(lambda value: f"{{1,{value},-0.1}}")),
    "lseg": ("lseg", st.tuples(POINT, POINT).map(lambda pair: f"[{pair[0]},{pair[1]}]")),
    "box": ("box", st.tuples(POINT, POINT).map(",".join)),
    "path": ("path", joined(POINT, "[", "]").filter(lambda path: path != "[]") | joined(POINT, "(", ")").filter(lambda path: path != "()")),
    "polygon": ("polygon", joined(POINT, "(", ")").filter(lambda path: path != "()")),
    "circle": ("circle", st.tuples(POINT, st.floats(0, 1e300).map(str)).map(lambda pair: f"<{pair[0]},{pair[1]}>")),
    "int4range": ("int4range", range_of(WHOLE, int)),
    "int8range": ("int8range", range_of(WHOLE, int)),
    "numrange": ("numrange", range_of(SCALE, float)),
    "daterange": ("daterange", range_of(DAY, str) | one("[-infinity,infinity]")),
    "tsrange": ("tsrange", range_of(MOMENT, str)),
    "tstzrange": ("tstzrange", range_of(MOMENT, str)),
    "int4multirange": ("int4multirange", joined(range_of(WHOLE, int))),
    "nummultirange": ("nummultirange", joined(range_of(SCALE, float))),
    "tstzmultirange": ("tstzmultirange", joined(range_of(MOMENT, str))),
    "ranges": ("daterange[]", joined(range_of(DAY, str).map(quoted))),
    "hstore": ("hstore", joined(st.tuples(TEXT, TEXT.map(quoted) | one("NULL")).map(lambda pair: f"{quoted(pair[0])}=>{pair[1]}"), "", "")),
    "ltree": ("ltree", one("a.b.c", "")),
    "xml": ("xml", one("<a>1</a>", '<?xml version="1.0" encoding="UTF-8"?><a b="c">\u00e9</a>', "a &amp; b", "<a/> <b/>\n", "")),
    "xid8": ("xid8", st.integers(0, 2**63).map(str)),
    "tid": ("tid", one("(1,2)")),
    "snapshot": ("pg_snapshot", one("10:20:10,14,15")),
    "regclass": ("regclass", one("pg_class", "t")),
    "regtype": ("regtype", one("integer", "mood")),
    "vector": ("int2vector", one("1 2 3", "")),
}  # fmt: skip
_MADE = """
CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION ltree;
CREATE TYPE mood AS ENUM ('sad', 'it''s "ok"', '\u65e5\u672c');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN mail AS varchar(50) CHECK (VALUE LIKE '%@%');
CREATE DOMAIN short_mail AS mail CHECK (length(VALUE) < 20);
CREATE DOMAIN amount AS numeric(12,3);
CREATE DOMAIN many AS int[];
"""
_SAID_LOST = {
    "json": "CASE WHEN btrim({0}::text, E' \\t\\n\\r') <> 'null' THEN translate(btrim({0}::text, E' \\t\\n\\r'), E'\\n\\r', '  ')::json END",
    "jsonb": "nullif({0}, 'null')",
}
"""What the schema says that no form carries."""
_FAR = re.compile(r"([+-]?)(\d{4,})-(\d\d-\d\d)(?:T([0-9:.]+)(Z?))?")


def of_postgres(kind: ColumnKind, text: str) -> str:
    """Write a value of a package as PostgreSQL reads it."""
    if kind is ColumnKind.BYTES:
        return "\\x" + base64.b64decode(text).hex()
    found = _FAR.fullmatch(text) if kind in {ColumnKind.DATE, ColumnKind.TIMESTAMP, ColumnKind.TIMESTAMP_TZ} else None
    if found is None:
        return text
    year = int(found[1] + found[2])
    time = f" {found[4]}{'+00' if found[5] else ''}" if found[4] else ""
    return f"{year if year > 0 else 1 - year:04}-{found[3]}{time}{' BC' if year <= 0 else ''}"


def rows_of(types: dict[str, Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Some rows; NULL is among the values of each type."""
    return st.lists(st.fixed_dictionaries({name: st.none() | values for name, (_, values) in types.items()}), min_size=1, max_size=4)


@pytest.mark.postgres
@pytest.mark.timeout(300)
def test_every_type_of_postgresql_comes_back_from_every_form(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    made = world.make("postgres", request, tmp_path)
    columns = ", ".join(f"{name}_ {type_}" for name, (type_, _) in POSTGRES.items())
    made.execute(f"{_MADE} CREATE TABLE t (id int PRIMARY KEY, n text DEFAULT 'ann', {columns})")
    made.execute(f"CREATE TABLE back (form text, id int, {', '.join(f'{name}_ text' for name in POSTGRES)})")
    source = world.connector(made, source=world.settings(made, "t", match={"n": "name"}, key="id"))
    header = world.header(source).columns
    values = ", ".join(f"%s::text::{type_}" for type_, _ in POSTGRES.values())
    equal = ", ".join(
        f"CASE WHEN NOT record_image_eq(ROW({_SAID_LOST.get(name, '{0}').format(f't.{name}_')}), ROW(back.{name}_::{type_})) THEN '{name}' END"
        for name, (type_, _) in POSTGRES.items()
    )
    judged = f"SELECT form, id, array_remove(ARRAY[{equal}], NULL) FROM t JOIN back USING (id)"

    with psycopg.connect(made.url, autocommit=True) as connection:

        @given(rows_of(POSTGRES))
        @settings(max_examples=EXAMPLES, deadline=None, phases=[Phase.generate], report_multiple_bugs=False)
        def check(rows: list[dict[str, Any]]) -> None:
            connection.execute("TRUNCATE t, back")
            insert = f"INSERT INTO t (id, {', '.join(f'{name}_' for name in POSTGRES)}) VALUES (%s, {values})"
            for key, row in enumerate(rows):
                connection.execute(insert.encode(), [key, *(row[name] for name in POSTGRES)])
            found = read_back.forms(header, read_back.lines_of(source, header, ANN))
            assert found.keys() == set(Form)
            for form, read in found.items():
                for texts in read:
                    again = [None if text is None else of_postgres(column.kind, text) for column, text in zip(header, texts, strict=True)]
                    named = dict(zip((column.name for column in header), again, strict=True))
                    back = [form.value, named["id"], *(named[f"{name}_"] for name in POSTGRES)]
                    connection.execute(sql.SQL("INSERT INTO back VALUES ({})").format(sql.SQL(", ").join(map(sql.Literal, back))))
            verdicts = connection.execute(judged.encode()).fetchall()
            assert len(verdicts) == len(Form) * len(rows)
            assert [verdict for verdict in verdicts if verdict[2]] == []

        check()
        # The judge itself: what differs in the least is found.
        connection.execute("UPDATE back SET float8_ = '1', interval_ = '1 mon', point_ = '(1,2)'")
        connection.execute("UPDATE t SET float8_ = '1.0000000000000002', interval_ = '30 days', point_ = '(1,2.0000000000000004)'")
        assert all({"float8", "interval", "point"} <= set(names) for _, _, names in connection.execute(judged.encode()).fetchall())


# -- MariaDB, for MySQL ---------------------------------------------------------------------------------------------------
PLAIN = TEXT.filter(lambda text: len(text) <= 12)
MARIADB: dict[str, tuple[str, Any]] = {
    "tiny": ("tinyint", bits(8)),
    "unsigned_tiny": ("tinyint unsigned", st.integers(0, 255)),
    "small": ("smallint", bits(16)),
    "medium": ("mediumint unsigned", st.integers(0, 2**24 - 1)),
    "int": ("int", bits(32)),
    "big": ("bigint", bits(64)),
    "unsigned_big": ("bigint unsigned", st.integers(0, 2**64 - 1)),
    "year": ("year", st.integers(1901, 2155) | st.just(0)),
    "decimal": ("decimal(65,30)", st.integers(-(10**64), 10**64).map(lambda n: f"{'-' if n < 0 else ''}{abs(n) // 10**30}.{abs(n) % 10**30:030}")),
    "float": ("float", st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False)),
    "double": ("double", st.floats(allow_nan=False, allow_infinity=False)),
    "varchar": ("varchar(12)", PLAIN),
    "western": ("varchar(12) character set latin1", one("", "é€", "ÿ ", "a")),
    "char": ("char(12)", PLAIN.map(lambda text: text.rstrip(" "))),
    "longtext": ("longtext", TEXTS),
    "enum": ("enum('sad','it''s \"ok\"','日本')", one("sad", "it's \"ok\"", "日本")),
    "set": ("set('a','b','c')", one("", "a", "a,c", "a,b,c")),
    "varbinary": ("varbinary(20)", st.binary(max_size=20)),
    "binary": ("binary(4)", st.binary(min_size=4, max_size=4)),
    "blob": ("longblob", st.binary(max_size=20)),
    "bits": ("bit(10)", st.integers(0, 1023)),
    "all_bits": ("bit(64)", st.integers(0, 2**64 - 1)),
    "date": ("date", st.dates().map(str) | one("0000-00-00", "2020-00-00", "2020-02-00")),
    "datetime": ("datetime(6)", st.datetimes().map(str) | one("0000-00-00 00:00:00")),
    "seconds": ("datetime", st.datetimes().map(lambda moment: str(moment.replace(microsecond=0)))),
    "timestamp": ("timestamp(6) NULL", st.datetimes(*map(datetime.fromisoformat, ("1970-01-02", "2038-01-18"))).map(str)),
    "time": ("time(6)", st.integers(-3_020_399, 3_020_399).map(lambda s: f"{'-' if s < 0 else ''}{abs(s) // 3600:02}:{abs(s) // 60 % 60:02}:{abs(s) % 60:02}.000001")),
    "json": ("json", JSONB),
    "uuid": ("uuid", st.uuids(version=4).map(str)),
    "inet4": ("inet4", st.ip_addresses(v=4).map(str)),
    "inet6": ("inet6", st.ip_addresses(v=6).map(lambda address: str(ipaddress.IPv6Address(int(address))))),
    "point": ("point", st.tuples(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9)).map(lambda pair: struct.pack("<IBIdd", 4326, 1, 1, *pair))),
    "line": ("linestring", st.tuples(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9)).map(lambda pair: struct.pack("<IBIIdddd", 0, 1, 2, 2, *pair, *pair))),
}  # fmt: skip
_OF_BITS = ("bits", "all_bits")


def of_mariadb(column: Column, name: str, text: str | None) -> Any:
    """Give a value of a package as MariaDB takes it."""
    if text is None:
        return None
    if column.kind is ColumnKind.BYTES:
        return base64.b64decode(text)
    if name in _OF_BITS:
        return int(text, 2)
    if column.kind is ColumnKind.INT:
        return int(text)
    return text.removesuffix("Z") if column.kind is ColumnKind.TIMESTAMP_TZ else text


@pytest.mark.mariadb
@pytest.mark.timeout(300)
def test_every_type_of_mariadb_comes_back_from_every_form(request: pytest.FixtureRequest, tmp_path: Path, mariadb: MariadbServer) -> None:
    made = world.make("mariadb", request, tmp_path)
    database = made.url.rpartition("/")[2]
    columns = ", ".join(f"{name}_ {type_}" for name, (type_, _) in MARIADB.items())
    mariadb.execute(
        f"CREATE TABLE t (id int PRIMARY KEY, n varchar(9) DEFAULT 'ann', {columns}); CREATE TABLE back (form varchar(9), id int, {columns})",
        database,
    )
    source = world.connector(made, source=world.settings(made, "t", match={"n": "name"}, key="id"))
    header = {column.name: column for column in world.header(source).columns}
    equal = ", ".join(f"IF({_image(name, 't')} <=> {_image(name, 'back')}, NULL, '{name}')" for name in MARIADB)
    judged = f"SELECT back.form, back.id, CONCAT_WS(',', {equal}) FROM t JOIN back ON t.id = back.id"

    with closing(mariadb.connect(database)) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("SET time_zone = '+00:00'")

        @given(rows_of(MARIADB))
        @settings(max_examples=EXAMPLES, deadline=None, phases=[Phase.generate], report_multiple_bugs=False)
        def check(rows: list[dict[str, Any]]) -> None:
            cursor.execute("DELETE FROM t")
            cursor.execute("DELETE FROM back")
            for key, row in enumerate(rows):
                _insert(cursor, "t", {"id": key} | {f"{name}_": value for name, value in row.items()})
            columns = list(header.values())
            found = read_back.forms(columns, read_back.lines_of(source, columns, ANN))
            for form, read in found.items():
                for texts in read:
                    named = dict(zip(header, texts, strict=True))
                    back = {f"{name}_": of_mariadb(header[f"{name}_"], name, named[f"{name}_"]) for name in MARIADB}
                    _insert(cursor, "back", {"form": form.value, "id": named["id"], **back})
            cursor.execute(judged)
            verdicts = cursor.fetchall()
            assert len(verdicts) == len(Form) * len(rows)
            assert [verdict for verdict in verdicts if verdict[2]] == []

        check()


def _image(name: str, table: str) -> str:
    """Return what tells two values apart: numbers by themselves, all else by its bytes; what the schema says that is lost apart."""
    value = f"{table}.{name}_"
    if name == "json":
        return f"NULLIF(CAST({value} AS BINARY), 'null')"
    return value if name in {"float", "double", "decimal"} or name in _OF_BITS else f"HEX({value})"


def _insert(cursor: Any, table: str, row: dict[str, Any]) -> None:
    cursor.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})", list(row.values()))


# -- SQLite ---------------------------------------------------------------------------------------------------------------
SQLITE: dict[str, tuple[str, Any]] = {
    "integer": ("INTEGER", bits(64)),
    "real": ("REAL", st.floats(allow_nan=False)),
    "text": ("TEXT", TEXTS),
    "blob": ("BLOB", st.binary(max_size=20)),
    "number": ("NUMERIC", st.integers(-(10**6), 10**6)),
    "date": ("DATE", st.dates().map(str)),
    "flag": ("BOOLEAN", st.integers(0, 1)),
    "any": ("", bits(64) | st.floats(allow_nan=False) | TEXTS | one("Infinity", '{"base64":"AA=="}', "null") | st.binary(max_size=9)),
}


def of_sqlite(kind: ColumnKind, text: str | None) -> Any:
    """Give a value of a package as SQLite has it."""
    if text is None or kind is ColumnKind.TEXT:
        return text
    if kind is ColumnKind.JSON:
        value = json.loads(text)
        if isinstance(value, dict):
            return base64.b64decode(value["base64"]) if "base64" in value else float(value["number"])
        return value
    return base64.b64decode(text) if kind is ColumnKind.BYTES else float(text) if kind is ColumnKind.FLOAT else int(text)


def images(values: Sequence[Any]) -> list[Any]:
    return [(type(value), struct.pack("d", value) if isinstance(value, float) else value) for value in values]


def test_every_value_of_sqlite_comes_back_from_every_form(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    made = world.make("sqlite", request, tmp_path)
    columns = ", ".join(f"{name}_ {type_}" for name, (type_, _) in SQLITE.items())
    made.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT DEFAULT 'ann', {columns})")
    names = [f"{name}_" for name in SQLITE]

    @given(rows_of(SQLITE))
    @settings(max_examples=60, deadline=None)
    def check(rows: list[dict[str, Any]]) -> None:
        with closing(sqlite3.connect(tmp_path / "test.db")) as connection, connection:
            connection.execute("DELETE FROM t")
            for row in rows:
                connection.execute(
                    f"INSERT INTO t ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})", [row[name] for name in SQLITE]
                )
            stored = connection.execute(f"SELECT {', '.join(names)} FROM t ORDER BY id").fetchall()
        source = world.connector(made, source=world.settings(made, "t", match={"n": "name"}, key="id"))
        header = world.header(source).columns
        found: dict[Form, Texts] = read_back.forms(header, read_back.lines_of(source, header, ANN))
        source.close()
        for form, read in found.items():
            values = [[of_sqlite(column.kind, text) for column, text in zip(header, row, strict=True)][2:] for row in read]
            assert [images(row) for row in values] == [images(row) for row in stored], form

    check()
