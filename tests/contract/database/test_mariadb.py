"""What is MariaDB's own: collations, types, how it is reached, and what its errors mean."""

import tempfile
import time
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.contract.database.world import World, connector, header, make, rows, settings, values
from tests.servers.mariadb import PASSWORD, MariadbServer

from rightful import certificate
from rightful.connectors.interface import Rows
from rightful.database.mysql_address import parse
from rightful.database.mysql_sql import FOLDED
from rightful.database.mysql_types import _ONE_TO_ONE
from rightful.errors import ConfigurationError, SourceError, SourceRefused, SourceUnavailable
from rightful.package.serializer import Serializer
from rightful.subject.matching import normalise
from rightful.testing.connector_suite import identified

pytestmark = pytest.mark.mariadb
ANN = identified(name=("ann",), mail=("ann@c.example",))


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return make("mariadb-ci", request, tmp_path)


_SPELT = ["ann@c.example", "ANN@C.example", "änn@c.example", "ann@c.example ", "ann@c.example\t", "\uff41nn@c.example", "anñ@c.example"]


@pytest.mark.parametrize("is_indexed", [False, True], ids=["plain", "indexed"])
@pytest.mark.parametrize(
    "type_",
    [
        "varchar(50)",
        "varchar(50) CHARACTER SET latin1",
        "varchar(50) COLLATE utf8mb4_unicode_ci",
        "varchar(50) COLLATE utf8mb4_turkish_ci",
        "varchar(50) CHARACTER SET cp932",
        "varchar(50) COLLATE utf8mb4_bin",
        "varbinary(80)",
        "longtext",
    ],
)
def test_who_is_meant_does_not_depend_on_the_collation(world: World, type_: str, *, is_indexed: bool) -> None:
    is_wide = "latin1" not in type_ and "cp932" not in type_
    spelt = [value for value in _SPELT if is_wide or value.isascii()]
    content = ", ".join(f"({number}, '{value}')" for number, value in enumerate(spelt))
    world.execute(f"CREATE TABLE t (id int PRIMARY KEY, n {type_}); INSERT INTO t VALUES {content}, (90, NULL), (91, '')")
    if is_indexed:
        world.execute("CREATE INDEX t_n ON t (n(40))")
    by_name = connector(world, source=settings(world, "t", match={"n": "name"}))
    people = [identified(name=(value,)) for value in ("ann@c.example", "ANN@C.example", "änn@c.example")]
    assert values(by_name, people) == [[0], [1], [2] if is_wide else []]
    by_mail = connector(world, source=settings(world, "t", match={"n": "mail"}, caseless=("n",)))
    mails = values(by_mail, [identified(mail=(value,)) for value in ("Ann@C.example", "ÄNN@c.example")])
    assert mails == [[0, 1], [2] if is_wide else []]


def test_a_collation_that_ignores_case_finds_mails_in_any_case_once_by_its_index(world: World) -> None:
    world.execute(
        "CREATE TABLE t (id int PRIMARY KEY, n varchar(90), o varchar(90)); CREATE INDEX t_n ON t (n); CREATE INDEX t_o ON t (o);"
        "INSERT INTO t VALUES (1, 'ANN@C.example', 'x'), (2, 'ann@c.example', 'Ann@c.example'), (3, 'x@c.example', 'aNN@c.example'), (4, 'änn@c.example', 'y')"
    )
    source = connector(world, source=settings(world, "t", match={"n": "mail", "o": "mail"}))
    assert values(source, [identified(mail=("Ann@C.example", "ann@c.example", "ÄNN@C.example"))]) == [[1, 2, 3, 4]]
    assert values(source, [identified(mail=("Ann@C.example", "ann@c.example"))]) == [[1, 2, 3]]


def test_an_index_serves_and_one_that_is_missing_is_named(world: World, mariadb: MariadbServer) -> None:
    world.execute("CREATE TABLE t (id int PRIMARY KEY, n varchar(90), o varchar(90)); CREATE INDEX t_n ON t (n)")
    world.execute("INSERT INTO t SELECT seq, concat('user', seq, '@c.example'), 'x' FROM seq_1_to_5000; ANALYZE TABLE t")
    source = connector(world, source=settings(world, "t", match={"n": "mail"}))
    database = source._database
    query = database.build_count(source._target())
    plan = mariadb.execute(f"SET @rightful_v0 = '[[0,\"user7@c.example\"]]'; EXPLAIN {query.sql}", world.url.rpartition("/")[2])
    assert "t_n" in {row[5] for row in plan if row[2] == "t"}
    other = connector(world, source=settings(world, "t", match={"o": "mail"}, caseless=("o",)))
    [statement] = other.advice()
    world.execute(statement)
    other._database.forget()
    assert other.advice() == ()


def test_letters_are_folded_as_the_independent_check_folds_them(mariadb: MariadbServer) -> None:
    letters = "".join(chr(code) for code in range(0x80, 0x1_E944) if unicodedata.category(chr(code)) in {"Lu", "Lt", "Ll", "Nl", "So"})
    table = ", ".join(f"('{letter}')" for letter in letters)
    database = mariadb.create_database()
    folded = mariadb.execute(
        f"CREATE TABLE l (c varchar(9)); INSERT INTO l VALUES {table}; SELECT c, {FOLDED.format('c')} FROM l", database
    )
    assert len(folded) == len(letters)
    by_form: dict[bytes, set[str]] = {}
    for letter, form in folded:
        by_form.setdefault(form if isinstance(form, bytes) else form.encode(), set()).add(normalise("mail", f"x{letter}"))
    assert [letters for letters in by_form.values() if len(letters) > 1] == []
    assert len(by_form) < len(letters) - 500, "letters were folded"


def test_character_sets_that_count_as_one_to_one_are(mariadb: MariadbServer) -> None:
    database = mariadb.create_database()
    for charset in sorted(_ONE_TO_ONE - {"utf8", "utf8mb3", "utf8mb4", "ucs2", "utf16", "utf16le", "utf32"}):
        last = 127 if charset == "ascii" else 255
        there = f"CHAR(seq USING {charset})"
        wide = f"CONVERT({there} USING utf8mb4)"
        sql = f"SELECT seq FROM seq_1_to_{last} WHERE {wide} <> '?' AND BINARY CONVERT({wide} USING {charset}) <> BINARY {there}"
        assert mariadb.execute(sql, database) == [], charset


def test_identifiers_of_any_length_are_found(world: World) -> None:
    long, longer = "x" * 254 + "é", "Y" * 3000
    world.execute(
        f"CREATE TABLE t (id int PRIMARY KEY, n longtext); INSERT INTO t VALUES (1, '{long}'), (2, '{longer}'), (3, '{longer[:-1]}')"
    )
    source = connector(world, source=settings(world, "t", match={"n": "name"}))
    by_mail = connector(world, source=settings(world, "t", match={"n": "mail"}, caseless=("n",)))
    people = [identified(name=(value,), mail=(value,)) for value in (long, longer)]
    assert values(source, people) == [[1], [2]]
    assert values(by_mail, people) == [[1], [2]]


# column, type, literal, what the package has
_TYPES: list[tuple[str, str, str, Any]] = [
    ("tiny", "tinyint(1)", "-128", -128),
    ("unsigned_tiny", "tinyint unsigned", "255", 255),
    ("medium", "mediumint unsigned", "16777215", 16777215),
    ("big", "bigint", "-9223372036854775808", -(2**63)),
    ("unsigned_big", "bigint unsigned", "18446744073709551615", 2**64 - 1),
    ("zeros", "int(7) zerofill", "42", 42),
    ("year", "year", "2026", 2026),
    ("amount", "decimal(65,30)", "12345678901234567890123456789012345.000000000000000000000000000001", "12345678901234567890123456789012345.000000000000000000000000000001"),
    ("padded_amount", "decimal(9,2) zerofill", "1.5", "1.50"),
    ("single", "float", "0.1", 0.10000000149011612),
    ("double", "double", "1e-300", 1e-300),
    ("third", "double", "1.0/3e0", 1 / 3),
    ("text", "varchar(90)", "'a\n\"\\日本😀'", 'a\n"\\日本😀'),
    ("western", "varchar(9) character set latin1", "'é€'", "é€"),
    ("fixed", "char(5)", "'ab'", "ab"),
    ("empty", "longtext", "''", ""),
    ("mood", "enum('sad','it''s \"ok\"')", "'it''s \"ok\"'", 'it\'s "ok"'),
    ("several", "set('a','b','c')", "'a,c'", "a,c"),
    ("raw", "varbinary(9)", "x'00ff27'", "AP8n"),
    ("filled", "binary(4)", "x'01'", "AQAAAA=="),
    ("blob", "longblob", "x'ff'", "/w=="),
    ("bits", "bit(10)", "b'0000000101'", "0000000101"),
    ("all_bits", "bit(64)", "b'" + "1" * 64 + "'", "1" * 64),
    ("date", "date", "'2020-02-29'", "2020-02-29"),
    ("zero_date", "date", "'0000-00-00'", "0000-00-00"),
    ("some_month", "date", "'2020-00-00'", "2020-00-00"),
    ("moment", "datetime(6)", "'9999-12-31 23:59:59.999999'", "9999-12-31T23:59:59.999999"),
    ("seconds", "datetime", "'2020-01-02 03:04:05'", "2020-01-02T03:04:05.000000"),
    ("no_moment", "datetime", "'0000-00-00 00:00:00'", "0000-00-00T00:00:00.000000"),
    ("instant", "timestamp(3)", "'2020-01-02 03:04:05.006'", "2020-01-02T03:04:05.006000Z"),
    ("time", "time(6)", "'-838:59:59.999999'", "-838:59:59.999999"),
    ("document", "json", "'{\"b\":  1.10, \"a\": [9007199254740993]}'", {"b": 1.10, "a": [9007199254740993]}),
    ("uuid", "uuid", "'A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("network", "inet6", "'2001:db8::ff'", "2001:db8::ff"),
    ("place", "point", "ST_GeomFromText('POINT(0.1 2)', 4326)", None),
    ("none", "int", "NULL", None),
]  # fmt: skip


def test_types_arrive_without_loss(world: World, mariadb: MariadbServer) -> None:
    columns = ", ".join(f"{name}_ {type_}{' NULL' if type_.startswith('timestamp') else ''}" for name, type_, *_ in _TYPES)
    literals = ", ".join(literal for _, _, literal, _ in _TYPES)
    name = world.url.rpartition("/")[2]
    mariadb.execute(f"SET time_zone = '+00:00'; CREATE TABLE t (n varchar(9), {columns}); INSERT INTO t VALUES ('ann', {literals})", name)
    source = connector(world, source=settings(world, "t", match={"n": "name"}))
    source.check()
    [batch] = [item.batch for item in source.read(source.plan(())[0], [ANN]) if isinstance(item, Rows)]
    lines = Serializer(header(source).columns)
    written = msgspec.json.decode(lines.lines(batch))
    for column, _, _, value in _TYPES:
        if column != "place":
            assert written[f"{column}_"] == value, column
    assert b'{"b":  1.10, "a": [9007199254740993]}' in lines.lines(batch), "as it stands"
    assert len(written["place_"]) == 36, "SRID and WKB"


def test_numbers_beyond_63_bits_are_found(world: World) -> None:
    world.execute(
        "CREATE TABLE t (id bigint unsigned PRIMARY KEY, n bigint unsigned, key (n)); INSERT INTO t VALUES (1, 18446744073709551615), (18446744073709551615, 7)"
    )
    source = connector(world, source=settings(world, "t", match={"n": "number"}))
    people = [identified(number=(value,)) for value in ("18446744073709551615", "18446744073709551616", "7", "7.2", "-1")]
    assert values(source, people) == [[1], [], [2**64 - 1], [], []]


def _raised(use: Callable[[], object]) -> SourceError:
    with pytest.raises(SourceError) as caught:
        use()
    told = f"{caught.value} {caught.value.hint} {caught.value.__cause__}"
    assert PASSWORD not in told
    assert "127.0.0.1" not in told
    return caught.value


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda url: url.replace("//reader:", "//reader:x"), "password"),
        (lambda url: url.replace("//reader:", "//nobody:"), "password"),
        (lambda url: url + "_missing", "no such database"),
        (lambda url: url + "?tls=verify", "does not encrypt"),
        (lambda url: url + "?ca=/nonexistent.pem", "cannot be used"),
    ],
    ids=["password", "account", "database", "tls", "ca"],
)
def test_a_server_that_does_not_let_us_in_is_refused(world: World, change: Callable[[str], str], said: str) -> None:
    world.execute("CREATE TABLE t (id int PRIMARY KEY, n varchar(9))")
    given = settings(World(world.engine, change(world.url), world.execute, world.folder), "t", match={"n": "name"})
    error = _raised(lambda: rows(connector(world, source=given), [ANN]))
    assert isinstance(error, SourceRefused)
    assert said in str(error)
    assert error.hint


def test_a_server_that_does_not_answer_is_unavailable(world: World, mariadb: MariadbServer) -> None:
    world.execute("CREATE TABLE t (id int PRIMARY KEY, n varchar(9)); INSERT INTO t VALUES (1, 'ann')")
    source = connector(world, source=settings(world, "t", match={"n": "name"}))
    assert values(source, [ANN]) == [[1]]
    mariadb.stop()
    try:
        assert isinstance(_raised(lambda: values(source, [ANN])), SourceUnavailable)
    finally:
        mariadb.start()
    assert values(source, [ANN]) == [[1]]
    mariadb.stop()
    mariadb.start()
    assert values(source, [ANN]) == [[1]], "kept connections that died are replaced without an error"


def test_columns_that_the_account_may_not_read_are_not_left_out_in_silence(world: World, mariadb: MariadbServer) -> None:
    database = world.url.rpartition("/")[2]
    world.execute(
        "CREATE TABLE t (id int PRIMARY KEY, n varchar(9), secret int); INSERT INTO t VALUES (1, 'ann', 2);"
        f"CREATE USER part_{database} IDENTIFIED BY 'x'; GRANT SELECT (id, n) ON t TO part_{database}"
    )
    given = settings(
        World(world.engine, mariadb.url(database, user=f"part_{database}", password="x"), world.execute, world.folder),
        "t",
        match={"n": "name"},
    )
    source = connector(world, source=given)
    for use in (source.check, lambda: rows(source, [ANN])):
        error = _raised(use)
        assert isinstance(error, SourceRefused)
        assert "may not read" in str(error)
        assert "GRANT" in error.hint


def test_a_read_sees_one_moment_writes_nothing_and_leaves_no_query_behind(world: World, mariadb: MariadbServer) -> None:
    database = world.url.rpartition("/")[2]
    world.execute(
        "CREATE TABLE t (id int PRIMARY KEY, n varchar(9), c longtext); INSERT INTO t SELECT seq, 'ann', repeat('x', 1000) FROM seq_1_to_20000"
    )
    source = connector(world, source=settings(world, "t", match={"n": "name"}))
    read = source.read(source.plan(())[0], [ANN])
    next(read)
    first = next(read)
    assert isinstance(first, Rows)
    assert first.batch.nbytes < 8 << 20
    world.execute("DELETE FROM t WHERE id > 15000; INSERT INTO t VALUES (90000, 'ann', 'x')")
    assert first.batch.num_rows + sum(item.batch.num_rows for item in read if isinstance(item, Rows)) == 20000
    given_up = source.read(source.plan(())[0], [ANN])
    next(given_up)
    next(given_up)
    given_up.close()  # type: ignore[attr-defined]  # a generator
    for _ in range(200):
        if mariadb.execute("SELECT count(*) FROM information_schema.PROCESSLIST WHERE USER = 'reader' AND COMMAND = 'Query'", database) == [
            (0,)
        ]:
            break
        time.sleep(0.05)
    else:
        pytest.fail("a query is still running")
    mariadb.execute(f"CREATE FUNCTION {database}.sly() RETURNS int BEGIN INSERT INTO t VALUES (99999, 'ann', ''); RETURN 1; END", database)
    world.execute("CREATE VIEW v AS SELECT n, sly() AS s FROM t")
    assert "1792" in str(_raised(lambda: rows(connector(world, source=settings(world, "v", match={"n": "name"})), [ANN])))


def test_only_the_server_that_is_meant_is_talked_to(world: World, mariadb: MariadbServer) -> None:
    world.execute("CREATE TABLE t (id int PRIMARY KEY, n varchar(9)); INSERT INTO t VALUES (1, 'ann')")
    made = certificate.make(datetime.now(UTC), ("localhost",))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # the server is another user
        for file, content in (("ca", made.ca), ("chain", made.chain), ("key", made.key)):
            (folder / file).write_bytes(content)
        by_name = world.url.replace("127.0.0.1", "localhost")
        mariadb.stop()
        mariadb.start(f"--ssl-cert={folder / 'chain'}", f"--ssl-key={folder / 'key'}")
        try:
            for url, is_right in (
                (f"{by_name}?ca={folder / 'ca'}", True),
                (f"{by_name}?tls=verify", False),  # whose authority nobody knows
                (f"{world.url}?ca={folder / 'ca'}", False),  # which is another host's
            ):
                given = settings(World(world.engine, url, world.execute, world.folder), "t", match={"n": "name"})
                source = connector(world, source=given)
                if is_right:
                    assert values(source, [ANN]) == [[1]]
                else:
                    assert "certificate" in str(_raised(lambda source=source: values(source, [ANN])))  # type: ignore[misc]
        finally:
            mariadb.stop()
            mariadb.start()


@pytest.mark.parametrize(
    ("url", "is_encrypted"),
    [
        ("mysql://u:p@127.0.0.1/d", False),
        ("mysql://u:p@db.contoso.example/d", True),
        ("mariadb://u:p@db.contoso.example/d?tls=off", False),
        ("mysql://u:p@localhost/d?tls=verify", True),
        ("mysql://u:p@localhost/d?ca=x.pem", True),
        ("mysql://u@/d?socket=/run/db.sock", False),
    ],
)
def test_a_connection_to_another_machine_is_encrypted_unless_said_otherwise(url: str, *, is_encrypted: bool) -> None:
    address = parse(url)
    assert address.is_encrypted is is_encrypted
    assert "p@" not in repr(address)


@pytest.mark.parametrize(
    "url",
    ["mysql://h/d", "mysql://u:secret@h", "mysql://u:secret@h/d/e", "mysql://u:secret@h/d?tls=no", "mysql://u:secret@h/d?ssl=1", "mysql://u:secret@h:x/d", "mysql://u:secret@h/d#x", "mysql://u:secret@h/d?tls=off&ca=x.pem", "mysql://u:secret@h/d?key=x.pem&tls=off", "mysql://u:secret@h/d?key=x.pem", "mysql://u:secret@localhost/d?key=x.pem&ca=y.pem"],
)  # fmt: skip
def test_addresses_that_cannot_be_are_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse(url)
    assert "secret" not in f"{refused.value}{refused.value.hint}"
