"""What goes wrong is told apart: worth another try or not, what to do, and no password or value in any message."""

import socket
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.contract.database.world import DUCKDB, ENGINES, World, connector, make, rows, settings, values
from tests.servers.postgres import PASSWORD, PostgresServer

from rightful.connectors.interface import Cursor, Rows
from rightful.connectors.sql import SqlConnector
from rightful.connectors.sql_settings import SqlSettings
from rightful.database import sqlite
from rightful.database.identifying import SlotValues
from rightful.database.query import Wanted
from rightful.errors import ConfigurationError, SourceError, SourceRefused, SourceUnavailable
from rightful.testing.connector_suite import identified

ANN = identified(name=("ann-value",), mail=("ann-value@c.example",))
_TABLE = "CREATE TABLE t (id bigint PRIMARY KEY, n text); INSERT INTO t VALUES (1, 'ann-value')"


@pytest.fixture(params=[*ENGINES, DUCKDB])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return make(request.param, request, tmp_path)


@pytest.fixture
def real(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return make("postgres", request, tmp_path)


def _source(world: World, url: str = "", **changed: Any) -> SqlConnector:
    given: dict[str, Any] = {"url": url or world.url, "table": "t", "match": {"n": "name"}, **changed}
    return connector(world, source=SqlSettings(**given))


def _raised(use: Callable[[], object]) -> SourceError:
    with pytest.raises(SourceError) as caught:
        use()
    error = caught.value
    told = f"{error} {error.hint} {error.__cause__}"
    assert error.source_name == "source"
    assert PASSWORD not in told
    assert "ann-value" not in told
    assert error.__suppress_context__ or error.__context__ is None, "a traceback would show the driver's own words"
    return error


@pytest.mark.parametrize(
    ("changed", "said", "hint"),
    [
        ({"table": "tt"}, "no table or view 'tt'", "did you mean 't'"),
        ({"table": "T.t"}, "no table or view", ""),
        ({"match": {"nn": "name"}}, "no column 'nn'", "did you mean 'n'"),
        ({"exclude": ("idd",)}, "no column 'idd'", "did you mean 'id'"),
        ({"time": "at"}, "no column 'at'", "there are: id, n"),
        ({"exclude": ("id", "n")}, "leaves no column", "leave the source out"),
    ],
    ids=["table", "schema", "match", "exclude", "time", "nothing_left"],
)
def test_wrong_name_is_refused_with_what_was_meant(world: World, changed: dict[str, Any], said: str, hint: str) -> None:
    world.execute(_TABLE)
    source = _source(world, **changed)
    for use in (source.check, lambda: rows(source, [ANN])):
        error = _raised(use)
        assert isinstance(error, SourceRefused)
        assert said in str(error)
        assert hint in error.hint


def test_table_dropped_meanwhile_is_refused(world: World) -> None:
    world.execute(_TABLE)
    source = _source(world)
    assert values(source, [ANN]) == [[1]]
    world.execute("DROP TABLE t")
    assert isinstance(_raised(lambda: rows(source, [ANN])), SourceRefused)


def test_sqlite_file_that_is_missing_or_something_else_is_refused(tmp_path: Path) -> None:
    world = World("sqlite", "", lambda _: None, tmp_path)
    missing = _raised(lambda: rows(_source(world, "sqlite:///missing.db"), [ANN]))
    assert "no such file" in str(missing)
    assert str(tmp_path) not in f"{missing}{missing.hint}"  # what callers are told too
    (tmp_path / "other.db").write_text("this is no database, whatever its name says" * 100)
    error = _raised(lambda: rows(_source(world, "sqlite:///other.db"), [ANN]))
    assert isinstance(error, SourceRefused)
    assert "not an SQLite database" in str(error)
    assert str(tmp_path) not in f"{error}{error.hint}"
    assert not (tmp_path / "missing.db").exists()


def test_sqlite_is_never_written(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    world = make("sqlite", request, tmp_path)
    world.execute(_TABLE)
    before = (tmp_path / "test.db").read_bytes()
    assert values(_source(world), [ANN]) == [[1]]
    assert (tmp_path / "test.db").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["test.db"]


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda url: url.replace(PASSWORD, "wrong-" + PASSWORD), "password"),
        (lambda url: url.replace("//postgres:", "//nobody:"), "password"),
        (lambda url: url + "_missing", "no such database"),
        (lambda url: url.replace("127.0.0.1:", "127.0.0.1:x"), "address"),
    ],
    ids=["password", "account", "database", "port"],
)
def test_postgres_that_does_not_let_us_in_is_refused(real: World, change: Callable[[str], str], said: str) -> None:
    real.execute(_TABLE)
    error = _raised(lambda: rows(_source(real, change(real.url)), [ANN]))
    assert isinstance(error, SourceRefused)
    assert said in str(error)
    assert error.hint
    assert "127.0.0.1" not in f"{error}{error.hint}"


@pytest.mark.postgres
def test_postgres_that_does_not_answer_is_unavailable(real: World) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        error = _raised(lambda: rows(_source(real, f"postgresql://a:{PASSWORD}@127.0.0.1:{probe.getsockname()[1]}/x"), [ANN]))
    assert isinstance(error, SourceUnavailable)
    assert "127.0.0.1" not in f"{error}{error.hint}"


@pytest.mark.postgres
def test_postgres_that_takes_us_and_says_nothing_is_unavailable_after_a_while(real: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://a:b@127.0.0.1:{silent.getsockname()[1]}/x?connect_timeout=2"
        assert isinstance(_raised(lambda: rows(_source(real, url), [ANN])), SourceUnavailable)


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_host_that_no_name_service_knows_is_told_as_that(tmp_path: Path, scheme: str) -> None:
    url = f"{scheme}://a:{PASSWORD}@nowhere.invalid/x"  # RFC 6761 6.4: there is no such name anywhere
    source = SqlConnector("source", SqlSettings(url=url, table="t", match={"n": "name"}), siblings={}, folder=tmp_path)
    with closing(source):
        error = _raised(source.check)
    assert isinstance(error, SourceUnavailable)
    assert "the name of its host is not known" in str(error)
    assert "nowhere" not in f"{error}{error.hint}"


@pytest.mark.postgres
def test_account_without_rights_is_refused_and_told_what_to_grant(real: World) -> None:
    database = real.url.rpartition("/")[2]
    role = f"role_{database}"
    real.execute(f"{_TABLE}; CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    source = _source(real, real.url.replace("//postgres:", f"//{role}:"))
    for use in (source.check, lambda: rows(source, [ANN])):
        error = _raised(use)
        assert isinstance(error, SourceRefused)
        assert "may not read" in str(error)
        assert "GRANT" in error.hint
    real.execute(f"GRANT SELECT (n) ON t TO {role}")
    assert "column 'id'" in str(_raised(source.check))
    partial = _source(real, real.url.replace("//postgres:", f"//{role}:"), exclude=("id",))
    real.execute(f"GRANT SELECT (n) ON t TO {role}; ALTER TABLE t DROP CONSTRAINT t_pkey")
    partial.check()
    assert values(partial, [ANN], "n") == [["ann-value"]]


@pytest.mark.postgres
def test_rows_that_a_policy_hides_are_not_left_out_in_silence(real: World) -> None:
    role = f"role_{real.url.rpartition('/')[2]}"
    real.execute(
        f"{_TABLE}; CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'; GRANT SELECT ON t TO {role};"
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY part ON t USING (id > 1)"
    )
    source = _source(real, real.url.replace("//postgres:", f"//{role}:"))
    for use in (source.check, lambda: rows(source, [ANN])):
        error = _raised(use)
        assert isinstance(error, SourceRefused)
        assert "BYPASSRLS" in error.hint
    real.execute(f"ALTER ROLE {role} BYPASSRLS")
    assert values(source, [ANN]) == [[1]]


@pytest.mark.postgres
def test_join_of_different_types_is_refused(real: World) -> None:
    real.execute(f"{_TABLE}; CREATE TABLE c (id int PRIMARY KEY, t_id text)")
    source = connector(real, "source", source=settings(real, "c", via={"t": {"t_id": "id"}}), t=settings(real, "t", match={"n": "name"}))
    error = _raised(source.check)
    assert isinstance(error, SourceRefused)
    assert "different types" in str(error)


@pytest.mark.postgres
@pytest.mark.parametrize("type_", ["text[]", "pair", "many"])
def test_match_column_that_no_identifier_can_equal_is_refused(real: World, type_: str) -> None:
    real.execute(
        f"CREATE TYPE pair AS (a int, b text); CREATE DOMAIN many AS text[]; CREATE TABLE t (id int PRIMARY KEY, n {type_}, m text)"
    )
    source = _source(real, match={"m": "name", "n": "name"})
    for use in (source.check, lambda: rows(source, [ANN])):
        error = _raised(use)
        assert isinstance(error, SourceRefused)
        assert "'n'" in str(error)
        assert "several values" in str(error)
        assert "view" in error.hint
    assert rows(_source(real, match={"m": "name"}), [ANN]) == [[]], "as a column that is read it is welcome"


@pytest.mark.postgres
def test_error_in_a_view_does_not_show_values(real: World) -> None:
    real.execute(f"{_TABLE}; CREATE VIEW v AS SELECT n, n::int AS broken FROM t")
    error = _raised(lambda: rows(_source(real, table="v"), [ANN]))
    assert isinstance(error, SourceRefused)
    assert "22P02" in str(error)


@pytest.mark.postgres
def test_reads_go_on_after_the_server_was_restarted(real: World, postgres: PostgresServer) -> None:
    real.execute(_TABLE)
    source = _source(real)
    reads = [source.read(source.plan(())[0], [ANN]) for _ in range(3)]
    for read in reads:
        next(read)
        next(read)
    for read in reads:
        list(read)  # three connections are idle now
    postgres.stop()
    try:
        assert isinstance(_raised(lambda: values(source, [ANN])), SourceUnavailable)
    finally:
        postgres.start()
    assert values(source, [ANN]) == [[1]]
    postgres.stop()
    postgres.start()
    assert values(source, [ANN]) == [[1]], "kept connections that died are replaced without an error"


@pytest.mark.postgres
def test_server_that_goes_down_while_it_sends_is_unavailable(real: World, postgres: PostgresServer) -> None:
    real.execute("CREATE TABLE t AS SELECT g AS id, 'ann-value' AS n, repeat('x', 1000) AS c FROM generate_series(1, 100000) g")
    source = _source(real)
    read = source.read(source.plan(())[0], [ANN])
    next(read)
    first = next(read)
    assert isinstance(first, Rows)
    assert first.batch.nbytes < 8 << 20
    postgres.stop()
    try:
        assert isinstance(_raised(lambda: list(read)), SourceUnavailable)
    finally:
        postgres.start()


@pytest.mark.postgres
def test_read_that_is_given_up_leaves_no_query_behind(real: World) -> None:
    real.execute("CREATE TABLE t AS SELECT g AS id, 'ann-value' AS n, repeat('x', 1000) AS c FROM generate_series(1, 50000) g")
    source = _source(real)
    for _ in range(5):
        read = source.read(source.plan(())[0], [ANN])
        next(read)
        next(read)
        read.close()  # type: ignore[attr-defined]  # a generator
    deadline = time.monotonic() + 60
    while real.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'rightful' AND state <> 'idle'") != [(0,)]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.postgres
def test_a_read_sees_one_moment_and_writes_nothing(real: World) -> None:
    real.execute("CREATE TABLE t AS SELECT g AS id, 'ann-value' AS n, repeat('x', 1000) AS c FROM generate_series(1, 30000) g")
    source = _source(real)
    read = source.read(source.plan(())[0], [ANN])
    next(read)
    first = next(read)
    assert isinstance(first, Rows)
    real.execute("DELETE FROM t WHERE id > 20000; INSERT INTO t SELECT 100000 + g, 'ann-value', '' FROM generate_series(1, 10) g")
    seen = first.batch.num_rows + sum(item.batch.num_rows for item in read if isinstance(item, Rows))
    assert seen == 30000
    real.execute(
        "CREATE FUNCTION sly() RETURNS int LANGUAGE sql AS $$ INSERT INTO t VALUES (1, 'x', 'x') RETURNING 1 $$; CREATE VIEW v AS SELECT n, sly() FROM t"
    )
    assert "25006" in str(_raised(lambda: rows(_source(real, table="v"), [ANN])))


def test_read_that_takes_longer_than_it_may_is_ended_and_goes_on_where_it_was(world: World) -> None:
    filled = "WITH RECURSIVE g(g) AS (SELECT 1 UNION ALL SELECT g + 1 FROM g WHERE g < 30000)"
    content = f"'{'x' * 1000}'"
    world.execute(f"CREATE TABLE t (id bigint PRIMARY KEY, n text, c {'longtext' if world.is_mariadb else 'text'})")
    world.execute(f"INSERT INTO t {filled} SELECT g, 'ann-value', {content} FROM g")
    source = _source(world, timeout_s=4)  # time enough for the first rows on a busy machine
    read = source.read(source.plan(())[0], [ANN])
    next(read)
    first = next(read)
    assert isinstance(first, Rows)
    time.sleep(4.3)  # whoever writes the rows away takes its time
    error = _raised(lambda: list(read))
    assert isinstance(error, SourceUnavailable)
    assert "took longer than it may" in str(error)
    assert "timeout_s" in error.hint
    last = first.batch.column("id")[-1].as_py()
    rest = rows(_source(world), [ANN], Cursor(last))[0]
    assert [row["id"] for row in rest] == list(range(last + 1, 30001))


def test_no_question_to_sqlite_takes_longer_than_it_may(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    world = make("sqlite", request, tmp_path)
    world.execute(
        f"{_TABLE}; CREATE VIEW endless AS WITH RECURSIVE g(n) AS (SELECT 'x' UNION ALL SELECT n FROM g) SELECT n, n AS id FROM g"
    )
    source = _source(world, timeout_s=2)
    database, target = source._database, source._target()
    query = database.build_lookup(target, Wanted(columns=target.table.columns))
    endless = msgspec.structs.replace(query, sql=query.sql.replace('"main"."t"', '"endless"'))
    view = msgspec.structs.replace(target.table, sql='"endless"', order="{}.n")
    assert endless.sql != query.sql
    for ask in (
        lambda: database.table("endless"),
        lambda: database.rows(endless, [SlotValues([0], ["ann-value"])]),
        lambda: database.statistics(view),
    ):
        error = _raised(ask)
        assert isinstance(error, SourceUnavailable)
        assert "took longer than it may" in str(error)
    assert values(source, [ANN]) == [[1]], "the limit of one question is not the next one's"


def test_sqlite_file_is_opened_for_reading_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "t.db")) as writer:
        writer.executescript(_TABLE)
    with closing(sqlite.connect(tmp_path / "t.db")) as reader:
        assert reader.execute("SELECT count(*) FROM t").fetchone() == (1,)
        for statement in (
            "INSERT INTO t VALUES (2, 'x')",
            "DELETE FROM t",
            "CREATE TABLE u (a)",
            "DROP TABLE t",
            "PRAGMA user_version = 5",
        ):
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                reader.execute(statement)


def test_settings_that_cannot_work_are_refused_before_anything_is_opened(tmp_path: Path) -> None:
    def build(**sources: SqlSettings) -> None:
        SqlConnector("a", sources["a"], siblings=sources, folder=tmp_path)

    one = "sqlite:///one.db"
    with pytest.raises(ConfigurationError, match="whose a row is"):
        build(a=SqlSettings(url=one, table="t"))
    with pytest.raises(ConfigurationError, match="which columns belong together"):
        build(a=SqlSettings(url=one, table="t", via={"b": {}}))
    via_b = SqlSettings(url=one, table="t", via={"b": {"x": "y"}})
    with pytest.raises(ConfigurationError, match="no source") as unknown:
        build(a=via_b, bb=SqlSettings(url=one, table="u", match={"n": "name"}))
    assert "bb" in unknown.value.hint
    with pytest.raises(ConfigurationError, match="another url") as elsewhere:
        build(a=via_b, b=SqlSettings(url="postgresql://u:secret@h/d", table="u", match={"n": "name"}))
    assert "secret" not in f"{elsewhere.value}{elsewhere.value.hint}"
    with pytest.raises(ConfigurationError, match="circle"):
        build(a=via_b, b=SqlSettings(url=one, table="u", via={"a": {"x": "y"}}))
    with pytest.raises(ConfigurationError, match="circle") as far:
        build(a=via_b, b=SqlSettings(url=one, table="u", via={"c": {"x": "y"}}), c=SqlSettings(url=one, table="w", via={"b": {"x": "y"}}))
    assert "'b'" in str(far.value)
    with pytest.raises(ConfigurationError, match="'oracle' is not installed") as missing:
        build(a=SqlSettings(url="oracle://u:secret@h/d", table="u", match={"n": "name"}))
    assert "secret" not in f"{missing.value}{missing.value.hint}"
