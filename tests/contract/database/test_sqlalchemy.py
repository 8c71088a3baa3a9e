"""What is read through SQLAlchemy: types, collations that find too much, errors that say nothing personal, and what is left behind."""

import logging
import math
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.contract.database.world import DUCKDB, FIREBIRD, TWICE, World, connector, header, make, rows, settings, values
from tests.servers.postgres import PASSWORD, PostgresServer

from rightful.connectors.interface import Cursor, Rows, estimate
from rightful.errors import SourceError, SourceRefused, SourceUnavailable
from rightful.package.serializer import Serializer
from rightful.sources.survey import connector_of, look_at_database
from rightful.testing.connector_suite import identified

ANN = identified(name=("ann",), mail=("ann@c.example",))
POSTGRES = next(each for each in TWICE if each.id == "alchemy-postgres")


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return make(request.param, request, tmp_path)


on = pytest.mark.parametrize


def _written(world: World, columns: str, literals: str) -> dict[str, Any]:
    world.execute(f"CREATE TABLE t (n varchar(9), {columns}); INSERT INTO t VALUES ('ann', {literals})")
    source = connector(world, source=settings(world, "t", match={"n": "name"}))
    source.check()
    [batch] = [item.batch for item in source.read(source.plan(())[0], [ANN]) if isinstance(item, Rows)]
    written: dict[str, Any] = msgspec.json.decode(Serializer(header(source).columns).lines(batch))
    return written


_DUCKDB: list[tuple[str, str, Any]] = [
    ("bigint", "9007199254740993", 9007199254740993),
    ("ubigint", "18446744073709551615", 2**64 - 1),
    ("hugeint", "170141183460469231731687303715884105727", str(2**127 - 1)),
    ("decimal(38,10)", "'1234567890123456789012345678.0000000001'", "1234567890123456789012345678.0000000001"),
    ("double", "0.1", 0.1),
    ("double", "'nan'", "NaN"),
    ("double", "'-infinity'", "-Infinity"),
    ("boolean", "true", True),
    ("varchar", "'日本😀''\"\\'", "日本😀'\"\\"),
    ("blob", "'\\x00\\xFF'::blob", "AP8="),
    ("date", "'9999-12-31'", "9999-12-31"),
    ("timestamp", "'2026-03-29 02:30:00.000001'", "2026-03-29T02:30:00.000001"),
    ("timestamptz", "'2026-03-29 02:30:00+02'", "2026-03-29T00:30:00.000000Z"),
    ("date", "'infinity'", "infinity"),
    ("date", "'0044-03-15 (BC)'", "-0043-03-15"),
    ("date", "'20222-01-01'", "+20222-01-01"),
    ("timestamp", "'-infinity'", "-infinity"),
    ("timestamp", "'0044-03-15 (BC) 10:00:00'", "-0043-03-15T10:00:00.000000"),
    ("timestamptz", "'infinity'", "infinity"),
    ("timestamptz", "'20222-01-01 00:00:00.5+00'", "+20222-01-01T00:00:00.500000Z"),
    ("timestamp_ns", "'2026-03-29 02:30:00.123456789'", "2026-03-29T02:30:00.123456789"),
    ("timestamp_s", "'2026-03-29 02:30:00'", "2026-03-29T02:30:00.000000"),
    ("time", "'23:59:59.999999'", "23:59:59.999999"),
    ("time", "'24:00:00'", "24:00:00.000000"),
    ("timetz", "'10:00:00+02'", "10:00:00+02"),
    ("interval", "interval 14 month + interval 3 second", "1 year 2 months 00:00:03"),
    ("uuid", "'A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("json", '\'{"b":  1.10, "a": [9007199254740993]}\'', {"b": 1.10, "a": [9007199254740993]}),
    ("decimal(5,2)[]", "[1.10, null]", ["1.10", None]),
    ("struct(a int, b varchar)", "{'a': 1, 'b': 'x'}", {"a": 1, "b": "x"}),
    ("map(int, varchar)", "map {1: 'x'}", [[1, "x"]]),
    ("int", "null", None),
]


@on("world", [DUCKDB], indirect=True)
def test_duckdbs_types_arrive_without_loss(world: World) -> None:
    columns = ", ".join(f"c{number} {type_}" for number, (type_, _, _) in enumerate(_DUCKDB))
    written = _written(world, columns, ", ".join(literal for _, literal, _ in _DUCKDB))
    for number, (type_, _, value) in enumerate(_DUCKDB):
        assert written[f"c{number}"] == value, type_


_FIREBIRD: list[tuple[str, str, Any]] = [
    ("bigint", "9007199254740993", 9007199254740993),
    ("int128", "170141183460469231731687303715884105727", str(2**127 - 1)),
    ("numeric(18,4)", "1.5", "1.5000"),
    ("decfloat(34)", "1.234567890123456789012345678901234", "1.234567890123456789012345678901234"),
    ("double precision", "1e-300", 1e-300),
    ("boolean", "true", True),
    ("char(6)", "'ab'", "ab    "),
    ("varchar(40) character set win1252", "'é€'", "é€"),
    ("blob sub_type text character set utf8", "'long ✓'", "long ✓"),
    ("blob sub_type binary", "x'00ff'", "AP8="),
    ("date", "'2020-02-29'", "2020-02-29"),
    ("timestamp", "'2026-03-29 02:30:00.0001'", "2026-03-29T02:30:00.000100"),
    ("timestamp with time zone", "'2026-03-29 02:30:00 +02:00'", "2026-03-29T00:30:00.000000Z"),
    ("time", "'23:59:59.9999'", "23:59:59.999900"),
    ("int", "null", None),
]


@on("world", [FIREBIRD], indirect=True)
def test_firebirds_types_arrive_without_loss(world: World) -> None:
    columns = ", ".join(f"c{number} {type_}" for number, (type_, _, _) in enumerate(_FIREBIRD))
    written = _written(world, columns, ", ".join(literal for _, literal, _ in _FIREBIRD))
    for number, (type_, _, value) in enumerate(_FIREBIRD):
        assert written[f"c{number}"] == value, type_


_POSTGRES: list[tuple[str, str, Any]] = [
    ("date", "'infinity'", "infinity"),
    ("date", "'0044-03-15 BC'", "-0043-03-15"),
    ("timestamp", "'-infinity'", "-infinity"),
    ("timestamp", "'20222-01-01 00:00:00.000001'", "+20222-01-01T00:00:00.000001"),
    ("timestamptz", "'2026-03-29 02:30:00+02'", "2026-03-29T00:30:00.000000Z"),
    ("timestamptz", "'infinity'", "infinity"),
    ("time", "'24:00:00'", "24:00:00.000000"),
    ("timetz", "'10:00:00+02'", "10:00:00+02"),
]


@on("world", [POSTGRES], indirect=True)
def test_moments_that_python_has_no_type_for_arrive_from_postgresql(world: World) -> None:
    columns = ", ".join(f"c{number} {type_}" for number, (type_, _, _) in enumerate(_POSTGRES))
    written = _written(world, columns, ", ".join(literal for _, literal, _ in _POSTGRES))
    for number, (type_, _, value) in enumerate(_POSTGRES):
        assert written[f"c{number}"] == value, type_


@on("world", [POSTGRES], indirect=True)
def test_a_value_that_no_rule_knows_is_refused_and_not_shown(world: World) -> None:
    world.execute(
        "CREATE TABLE t (id int PRIMARY KEY, n text, r int4range[], s int4range); INSERT INTO t VALUES (1, 'ann', '{\"[77,88)\"}', '[1,2)')"
    )
    error = _raised(lambda: rows(connector(world, source=settings(world, "t", match={"n": "name"})), [ANN]))
    assert isinstance(error, SourceRefused)
    assert "psycopg.types.range.Range" in str(error)
    assert "exclude" in error.hint
    assert "77" not in f"{error}{error.hint}"
    assert rows(connector(world, source=settings(world, "t", match={"n": "name"}, exclude=("r",))), [ANN])[0][0]["s"] == "[1,2)"


_SPELT = ["ann", "ANN", "änn", "ann ", "ann  ", "an", "annn"]


@on("world", [FIREBIRD], indirect=True)
@on("is_indexed", [False, True])
@on("type_", ["varchar(20) COLLATE UNICODE_CI", "varchar(20) COLLATE UNICODE_CI_AI", "char(20) COLLATE UNICODE_CI_AI", "varchar(20)"])
def test_a_collation_that_finds_somebody_else_gives_nobody_elses_rows(world: World, type_: str, *, is_indexed: bool) -> None:
    content = ", ".join(f"({number}, '{value}', '{value}')" for number, value in enumerate(_SPELT))
    world.execute(f"CREATE TABLE t (id int PRIMARY KEY, n {type_}, m {type_}); INSERT INTO t VALUES {content}, (90, NULL, '')")
    if is_indexed:
        world.execute("CREATE INDEX t_n ON t (n)")
    source = connector(world, source=settings(world, "t", match={"n": "name", "m": "name"}))
    people = [identified(name=("ann",)), identified(name=("ANN", "ann")), identified(name=("änn",)), identified(name=("An", "anx"))]
    assert values(source, people) == [[0, 3, 4], [0, 1, 3, 4], [2], []], "blanks at the end are no part of an identifier"
    lines = connector(world, lines=settings(world, "t", via={"t": {"id": "id"}}), t=settings(world, "t", match={"n": "name"}))
    assert values(lines, people) == [[0, 3, 4], [0, 1, 3, 4], [2], []]
    counted = estimate(source, [people[2]], limit_s=30.0)[0].rows
    assert counted is not None
    assert not counted.is_exact


@on("world", [FIREBIRD], indirect=True)
def test_mails_in_any_case_are_found_once_by_a_collation_that_ignores_it(world: World) -> None:
    world.execute(
        "CREATE TABLE t (n varchar(90) COLLATE UNICODE_CI); INSERT INTO t VALUES ('ANN@C.example'), ('Ann@c.example'), ('ann@c.example'), ('ann@c.example')"
    )
    source = connector(world, source=settings(world, "t", match={"n": "mail"}))
    person = identified(mail=("Ann@C.example", "ann@c.example", "ANN@C.EXAMPLE"))
    assert sorted(values(source, [person], "n")[0]) == ["ANN@C.example", "Ann@c.example", "ann@c.example", "ann@c.example"]


@on("world", [FIREBIRD], indirect=True)
def test_a_table_that_would_hide_somebodys_rows_is_not_gone_over(world: World) -> None:
    world.execute(
        "CREATE TABLE p (id int PRIMARY KEY, k int, n varchar(20) COLLATE UNICODE_CI); INSERT INTO p VALUES (1, 7, 'ANN'), (2, 7, 'ann');"
        "CREATE TABLE t (id int PRIMARY KEY, k int); INSERT INTO t VALUES (1, 7)"
    )
    source = connector(world, t=settings(world, "t", via={"p": {"k": "k"}}), p=settings(world, "p", match={"n": "name"}))
    error = _raised(lambda: values(source, [ANN]))
    assert isinstance(error, SourceRefused)
    assert "not unique" in str(error)


@on("world", [FIREBIRD], indirect=True)
def test_a_read_goes_on_after_a_text_only_where_no_other_is_equal_to_it(world: World) -> None:
    world.execute(
        "CREATE TABLE t (a varchar(20) NOT NULL COLLATE UNICODE_CI, b int NOT NULL, n varchar(9), PRIMARY KEY (a, b));"
        "INSERT INTO t VALUES ('b', 2, 'ann'), ('B', 1, 'ann'), ('A', 3, 'ann'), ('ä', 1, 'ann'), ('a', 2, 'ann');"
        "CREATE TABLE u (a varchar(20) NOT NULL UNIQUE COLLATE UNICODE_CI, b int NOT NULL, n varchar(9));"
        "INSERT INTO u VALUES ('b', 2, 'ann'), ('A', 3, 'ann'), ('ä', 1, 'ann'), ('Z', 2, 'ann')"
    )
    tied = connector(world, source=settings(world, "t", match={"n": "name"}))
    assert len(rows(tied, [ANN])[0]) == 5
    assert not header(tied).has_key
    source = connector(world, source=settings(world, "u", match={"n": "name"}, key="a"))
    whole = [row["a"] for row in rows(source, [ANN])[0]]
    assert len(whole) == 4
    for number, last in enumerate(whole):
        assert [row["a"] for row in rows(source, [ANN], Cursor(last))[0]] == whole[number + 1 :]


def _raised(use: Callable[[], object]) -> SourceError:
    with pytest.raises(SourceError) as caught:
        use()
    told = f"{caught.value} {caught.value.hint} {caught.value.__cause__}"
    assert PASSWORD not in told
    assert "127.0.0.1" not in told
    return caught.value


@on("world", [POSTGRES], indirect=True)
@on(
    ("change", "said"),
    [
        (lambda url: url.replace("//postgres:", "//postgres:x"), "does not let us in"),
        (lambda url: url + "_missing", "does not let us in"),
        (lambda url: url.replace("127.0.0.1:", "127.0.0.1:1"), "does not answer"),
    ],
    ids=["password", "database", "port"],
)
def test_errors_and_logs_hold_no_password(world: World, caplog: pytest.LogCaptureFixture, change: Callable[[str], str], said: str) -> None:
    caplog.set_level(logging.INFO)
    world.execute("CREATE TABLE t (id int PRIMARY KEY, n text)")
    given = settings(msgspec.structs.replace(world, url=change(world.url)), "t", match={"n": "name"})
    error = _raised(lambda: rows(connector(world, source=given), [ANN]))
    assert said in str(error)
    assert error.hint
    assert PASSWORD not in caplog.text


@on("world", [POSTGRES], indirect=True)
def test_a_query_that_fails_shows_no_value(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world.execute(
        "CREATE TABLE m (id int, n text); INSERT INTO m VALUES (1, 'hunter7@c.example'); CREATE VIEW t AS SELECT n, n::int AS i FROM m"
    )
    error = _raised(
        lambda: rows(connector(world, source=settings(world, "t", match={"n": "mail"})), [identified(mail=("hunter7@c.example",))])
    )
    assert isinstance(error, SourceRefused)
    assert "22P02" in str(error)
    assert "hunter7" not in f"{error}{error.hint}{caplog.text}"


@on("world", [POSTGRES], indirect=True)
def test_a_connection_that_breaks_half_way_is_unavailable_and_the_read_goes_on(world: World) -> None:
    world.execute(
        "CREATE TABLE t (id int PRIMARY KEY, n text, c text); INSERT INTO t SELECT i, 'ann', repeat('x', 1000) FROM generate_series(1, 20000) i"
    )
    source = connector(world, source=settings(world, "t", match={"n": "name"}))
    read = source.read(source.plan(())[0], [ANN])
    next(read)
    first = next(read)
    assert isinstance(first, Rows)
    assert first.batch.nbytes < 8 << 20
    world.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()")
    assert isinstance(_raised(lambda: list(read)), SourceUnavailable)
    last = first.batch.column("id")[-1].as_py()
    assert [row["id"] for row in rows(source, [ANN], Cursor(last))[0]] == list(range(last + 1, 20001)), "on a new connection"


@on("world", [POSTGRES], indirect=True)
def test_a_moment_is_kept_nothing_is_written_and_no_query_left_behind(world: World, postgres: PostgresServer) -> None:
    database = world.url.rpartition("/")[2]
    world.execute(
        "CREATE TABLE t (id int PRIMARY KEY, n text, c text); INSERT INTO t SELECT i, 'ann', repeat('x', 1000) FROM generate_series(1, 20000) i"
    )
    source = connector(world, source=settings(world, "t", match={"n": "name"}))
    moment = source.hold(60.0)
    assert moment is not None
    world.execute("DELETE FROM t WHERE id > 5")
    seen = source.read_at(moment, source.plan(())[0], [ANN])
    assert sum(item.batch.num_rows for item in seen if isinstance(item, Rows)) == 20000
    moment.close()
    assert values(source, [ANN]) == [[1, 2, 3, 4, 5]]
    world.execute("INSERT INTO t SELECT i, 'ann', repeat('x', 1000) FROM generate_series(6, 20000) i")
    given_up = source.read(source.plan(())[0], [ANN])
    next(given_up)
    next(given_up)
    given_up.close()  # type: ignore[attr-defined]  # a generator
    running = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()"
    until = time.monotonic() + 60
    while postgres.execute(running, database) != [(0,)]:
        assert time.monotonic() < until, "a query is still running"
        time.sleep(0.05)
    world.execute(
        "CREATE FUNCTION sly() RETURNS int LANGUAGE sql VOLATILE AS $$ INSERT INTO t VALUES (99999, 'ann', ''); SELECT 1 $$; CREATE VIEW v AS SELECT n, sly() AS s FROM t"
    )
    assert "25006" in str(_raised(lambda: rows(connector(world, source=settings(world, "v", match={"n": "name"})), [ANN])))


@on("world", [DUCKDB, FIREBIRD, *TWICE], indirect=True)
def test_a_connection_serves_one_thread_after_another(world: World) -> None:
    world.execute("CREATE TABLE t (id bigint PRIMARY KEY, n varchar(9)); INSERT INTO t VALUES (1, 'ann'), (2, 'ann')")
    source = connector(world, source=settings(world, "t", match={"n": "name"}))
    assert values(source, [ANN]) == [[1, 2]]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: values(source, [ANN]), range(8))) == [[[1, 2]]] * 8
    assert values(source, [ANN]) == [[1, 2]]


@on("world", [POSTGRES], indirect=True)
def test_kept_connections_that_died_are_replaced_without_an_error(world: World) -> None:
    world.execute("CREATE TABLE t (id int PRIMARY KEY, n text); INSERT INTO t VALUES (1, 'ann')")
    source = connector(world, source=settings(world, "t", match={"n": "name"}))
    assert values(source, [ANN]) == [[1]]
    world.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()")
    assert values(source, [ANN]) == [[1]]


@on("world", [DUCKDB, *TWICE[:1]], indirect=True)
def test_what_takes_too_long_is_broken_off(world: World) -> None:
    world.execute("CREATE TABLE u (id bigint PRIMARY KEY, n varchar(9))")
    endless = (
        "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 100000000000) SELECT max(i) AS id, 'ann' AS n FROM r"
    )
    world.execute(f"CREATE VIEW t AS {endless}")
    source = connector(world, source=settings(world, "t", match={"n": "name"}, timeout_s=1))
    begun = time.monotonic()
    error = _raised(lambda: rows(source, [ANN]))
    assert isinstance(error, SourceUnavailable)
    assert "longer than it may" in str(error)
    assert time.monotonic() - begun < 30


@on("world", [DUCKDB], indirect=True)
def test_a_duckdb_file_is_locked_only_while_it_is_read(world: World) -> None:
    world.execute("CREATE TABLE t (id int PRIMARY KEY, n varchar); INSERT INTO t SELECT i, 'ann' FROM range(20000) r(i)")
    source = connector(world, source=settings(world, "t", match={"n": "name"}))
    assert len(values(source, [ANN])[0]) == 20000
    path = world.folder / "test.duckdb"
    write = f"import duckdb; c = duckdb.connect({str(path)!r}); c.execute('DELETE FROM t WHERE id > 1')"
    subprocess.run([sys.executable, "-c", write], check=True, timeout=60)
    assert values(source, [ANN]) == [[0, 1]]
    held = subprocess.Popen(
        [sys.executable, "-c", f"{write}; print('held', flush=True); input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert held.stdin is not None
    assert held.stdout is not None
    try:
        assert held.stdout.readline() == b"held\n"
        assert isinstance(_raised(lambda: values(source, [ANN])), SourceUnavailable)
    finally:
        held.communicate(b"\n", timeout=60)
    assert values(source, [ANN]) == [[0, 1]]


@on("world", [TWICE[0]], indirect=True)
def test_a_file_is_not_written_to_nor_made(world: World) -> None:
    world.execute("CREATE TABLE t (id integer PRIMARY KEY, n text)")
    source = connector(world, source=settings(world, "t", match={"n": "name"}))
    assert values(source, [ANN]) == [[]]
    connection = source._database._take()  # type: ignore[attr-defined]  # it is one of SQLAlchemy's
    with pytest.raises(Exception, match="readonly") as refused:
        connection.rows("DELETE FROM t", {}, 1.0)
    assert isinstance(refused.value.__cause__, sqlite3.OperationalError)
    connection.close()


@on("world", [FIREBIRD], indirect=True)
def test_a_database_is_looked_at_and_proposed(world: World) -> None:
    world.execute(
        "CREATE TABLE people (id int PRIMARY KEY, mail varchar(80) UNIQUE); INSERT INTO people VALUES (1, 'ann@c.example'), (2, 'ben@c.example');"
        'CREATE TABLE "Odd.one" (id int PRIMARY KEY, owner int REFERENCES people (id), b blob); INSERT INTO "Odd.one" VALUES (7, 1, x\'00\')'
    )
    assert connector_of(world.url, world.folder) == "sql"
    odd, people = sorted(look_at_database(world.url, world.folder, "source", ()), key=lambda found: found.name.lower())
    assert people.samples["mail"] == ["ann@c.example", "ben@c.example"]
    assert odd.name == '"Odd.one"'
    assert odd.links == (("people", {"owner": "id"}),)
    assert odd.key == people.key == ("id",)


@on("world", [DUCKDB], indirect=True)
def test_floats_that_are_no_numbers_and_rows_that_are_equal_arrive(world: World) -> None:
    world.execute(
        "CREATE TABLE t (n varchar, f double); INSERT INTO t VALUES ('ann', 'nan'), ('ann', 'nan'), ('ann', 'infinity'), ('ann', 0), ('ann', 0)"
    )
    found = values(connector(world, source=settings(world, "t", match={"n": "name"})), [ANN], "f")[0]
    assert sum(map(math.isnan, found)) == 2
    assert sorted(value for value in found if not math.isnan(value)) == [0.0, 0.0, math.inf]
