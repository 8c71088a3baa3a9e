"""The PostgreSQL store against the suite of all stores, and what it promises besides."""

import re
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import psycopg
import pytest
from structlog.testing import capture_logs
from tests.contract.sql_store import SharedCommits
from tests.servers.postgres import PostgresServer
from tests.servers.unnoticed import Unnoticed

from rightful.audit.chain import ChainCheck
from rightful.audit.checkpoint import ChainCheckpoint
from rightful.errors import ConfigurationError
from rightful.ids import OperationId, SubjectId, TenantId
from rightful.store.connection import Connection, ConstraintBroken, Unstorable
from rightful.store.listing import Comparator, Field, Filter, Key, SubjectCompared, SubjectIn, order
from rightful.store.postgres import PostgresStore
from rightful.store.postgres_connection import Address
from rightful.store.postgres_database import PostgresDatabase, Waiting, open_database
from rightful.store.postgres_migrating import Script, scripts
from rightful.store.postgres_place import PostgresPlace
from rightful.store.postgres_writer import connect_to_lead
from rightful.store.resealing import Resealing
from rightful.store.sql_store import SqlStore
from rightful.store.sqlite import SqliteStore
from rightful.store.values import EntryState, EventKind, ListQuery, NewRead, StoreFault
from rightful.testing.clock import ManualClock
from rightful.testing.store_approvals import ApprovalSuite
from rightful.testing.store_cases import BOTH, OTHER_TENANT, OWNER, START, TENANT, accept, audit_record, claim_reads, done, intent, part
from rightful.testing.store_suite import StoreSuite

pytestmark = pytest.mark.postgres


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.own_database()


@pytest.fixture
def store(url: str, clock: ManualClock) -> Iterator[PostgresStore]:
    store = PostgresStore(url, clock)
    yield store
    store.close()


class TestPostgresStore(StoreSuite, ApprovalSuite, SharedCommits):
    pass


def database(store: SqlStore) -> PostgresDatabase:
    assert isinstance(store._file, PostgresDatabase)
    return store._file


def session(store: SqlStore) -> int:
    return database(store)._writer.connection.backend


def test_everything_is_there_after_reopening(url: str, clock: ManualClock) -> None:
    store = PostgresStore(url, clock)
    operation_id = accept(store, 1, "a", "b")
    store.begin(intent(2))
    store.close()
    with closing(PostgresStore(url, clock)) as again:
        operation = again.get(TENANT, operation_id)
        assert operation is not None
        assert [source.source_name for source in operation.sources] == ["a", "b"]
        assert [each.operation_id for each in again.intents()] == [intent(2).operation_id]


def test_schema_has_the_columns_and_indexes_that_sqlite_has(store: PostgresStore, tmp_path: Path, clock: ManualClock) -> None:
    with closing(SqliteStore(tmp_path / "store.db", clock)) as sqlite:
        columns = sqlite._file.read(
            lambda connection: connection.rows(
                "SELECT m.name AS table_name, c.name AS column_name FROM sqlite_master m, pragma_table_xinfo(m.name) c WHERE m.type = 'table'"
            )
        )
        indexes = sqlite._file.read(lambda connection: connection.rows("SELECT name FROM sqlite_master WHERE type = 'index' AND sql <> ''"))
    found = database(store).read(
        lambda connection: connection.rows(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'rightful' "
            "AND table_name NOT IN ('lead', 'schema_step')"
        )
    )
    assert {tuple(row.values()) for row in found} == {tuple(row.values()) for row in columns}
    there = database(store).read(lambda connection: connection.rows("SELECT indexname FROM pg_indexes WHERE schemaname = 'rightful'"))
    assert {row["name"] for row in indexes} <= {row["indexname"] for row in there}


def test_text_compares_byte_by_byte(store: PostgresStore) -> None:
    found = database(store).read(
        lambda connection: connection.rows(
            "SELECT table_name, column_name FROM information_schema.columns "
            "WHERE table_schema = 'rightful' AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'"
        )
    )
    assert found == []


# -- who sees what --------------------------------------------------------------------------------------------------------
TABLES = (
    "operation",
    "repeat_key",
    "read",
    "entry",
    "audit",
    "audit_checkpoint",
    "open_operations",
    "outgoing_event",
    "receipt",
    "retention",
)


def fill(store: PostgresStore) -> None:
    store.announce(dict.fromkeys((TENANT, OTHER_TENANT), (("one", frozenset(EventKind)),)))
    for number, tenant_id in ((1, TENANT), (2, OTHER_TENANT)):
        wanted = msgspec.structs.replace(intent(number, tenant_id=tenant_id, keys=(f"k{number}",)), caller_key=f"caller-{number}")
        store.begin(wanted)
        store.promote(wanted.operation_id, [NewRead(source_name="a")], [])
        claim = claim_reads(store)
        store.stage([part(claim.reads[0], 0, EntryState.STAGED)], owner=OWNER, reads=claim.reads)
        store.add_chain_checkpoint(ChainCheckpoint(tenant_id=tenant_id, seq=1, time_us=0, hash="", key="", signature=""))
        store.put_purged(tenant_id)
        receipt = {
            "tenant_id": tenant_id,
            "operation_id": "o",
            "subject_id": "s",
            "receipt_sha256": "ab",
            "completed_at": 1,
            "operation_seq": 1,
        }
        database(store).write(lambda connection, receipt=receipt: connection.run(store._sql["keep_receipt"], receipt), tenant_id)  # type: ignore[misc]  # a loop's own


def counts(store: PostgresStore, tenant_id: TenantId | None) -> dict[str, int]:
    file = database(store)
    return {
        table: file.read(lambda connection, table=table: connection.rows(f"SELECT count(*) AS n FROM {table}"), tenant_id)[0]["n"]  # type: ignore[misc]  # a loop's own
        for table in TABLES
    }


def test_statement_without_a_tenant_sees_nothing_of_another_one(store: PostgresStore) -> None:
    fill(store)
    assert set(counts(store, None).values()) == {2}
    assert set(counts(store, TENANT).values()) == {1}
    assert set(counts(store, TenantId("33333333-3333-3333-3333-333333333333")).values()) == {0}
    assert set(counts(store, TenantId("")).values()) == {0}


def test_statement_without_a_tenant_changes_nothing_of_another_one(store: PostgresStore) -> None:
    fill(store)
    file = database(store)
    assert file.write(lambda connection: connection.run("UPDATE operation SET prefix = 'changed'"), TENANT) == 1
    assert file.write(lambda connection: connection.run("UPDATE entry SET sha256 = 'changed'"), TENANT) == 1
    with pytest.raises(StoreFault, match="row-level security"):
        file.write(lambda connection: connection.run("UPDATE read SET tenant_id = :other", {"other": OTHER_TENANT}), TENANT)
    assert file.write(lambda connection: connection.run("UPDATE operation SET prefix = 'again'")) == 2  # the next task sees all again


def test_connection_that_says_nothing_sees_nothing(postgres: PostgresServer, store: PostgresStore, url: str) -> None:
    fill(store)
    with psycopg.connect(url) as connection:
        for table in TABLES:
            assert connection.execute(f"SELECT count(*) FROM rightful.{table}".encode()).fetchone() == (0,)
    rules = "SELECT count(*) FROM pg_class WHERE relnamespace = 'rightful'::regnamespace AND relrowsecurity AND relforcerowsecurity"
    assert postgres.execute(rules, database(store)._address.parameters["dbname"]) == [(len(TABLES),)]


def test_audit_records_cannot_be_changed_deleted_or_emptied(store: PostgresStore) -> None:
    fill(store)
    file = database(store)
    for statement in ("UPDATE audit SET record = 'x'", "DELETE FROM audit", "TRUNCATE audit", "UPDATE audit SET seq = 0"):
        with pytest.raises(ConstraintBroken, match="only appended"):
            file.write(lambda connection, statement=statement: connection.run(statement))  # type: ignore[misc]  # a loop's own
    assert len(store.chain(TENANT)) == 1


# -- who leads ------------------------------------------------------------------------------------------------------------
def test_second_service_on_the_same_database_is_refused(store: PostgresStore, url: str) -> None:
    assert store.count_open(TENANT) == 0
    with pytest.raises(ConfigurationError, match=r"another service works on the store 127\.0\.0\.1/test_"):
        PostgresStore(url, ManualClock())


@pytest.fixture
def unnoticed_url(postgres: PostgresServer, url: str) -> Iterator[str]:
    """The same database, by a way by which the server does not notice that a connection is closed."""
    with closing(Unnoticed(postgres.port)) as way:
        yield url.replace(f":{postgres.port}/", f":{way.port}/")


def test_store_that_is_closed_can_be_opened_before_the_server_has_noticed(unnoticed_url: str, clock: ManualClock) -> None:
    for number in range(5):
        with closing(PostgresStore(unnoticed_url, clock)) as store:
            accept(store, number, "a")
            assert store.count_open(TENANT) == number + 1


def test_opening_that_failed_leaves_the_lead_to_the_next(unnoticed_url: str, clock: ManualClock) -> None:
    broken = Script(9001, is_post=False, text="SELECT nothing_of_the_kind()")
    for _ in range(3):
        with pytest.raises(ConfigurationError, match="cannot be opened"):
            open_database(Address(unnoticed_url), known=(*FIRST, broken))
        PostgresStore(unnoticed_url, clock).close()


def test_looking_at_a_place_leaves_the_lead_to_the_next(unnoticed_url: str, clock: ManualClock) -> None:
    place = PostgresPlace(unnoticed_url)
    for _ in range(3):
        PostgresStore(unnoticed_url, clock).close()
        assert "led by" not in place.examine()
        PostgresStore(unnoticed_url, clock).close()
        with place.kept_free() as is_free:
            assert is_free


def test_store_that_is_closed_writes_nothing_and_does_not_lead_again(url: str, clock: ManualClock) -> None:
    store = PostgresStore(url, clock)
    store.close()
    with pytest.raises(StoreFault, match="it is closed"):
        accept(store, 1, "a")
    store.close()
    with closing(PostgresStore(url, clock)) as again:
        assert again.count_open(TENANT) == 0


def test_transaction_that_is_under_way_at_the_close_is_undone_before_another_leads(url: str, clock: ManualClock) -> None:
    store = PostgresStore(url, clock)
    accept(store, 1, "a")
    file = database(store)

    def interrupted(connection: Connection) -> None:
        connection.run("UPDATE operation SET prefix = 'changed'")
        file._writer.close()
        connection.run("UPDATE operation SET prefix = 'later'")

    with pytest.raises(StoreFault, match="cannot be written"):
        file.write(interrupted)
    store.close()
    place = PostgresPlace(url)
    deadline = time.monotonic() + 60
    while (taken := place.open_if_free()) is None:  # until the server has noticed
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with closing(SqlStore(taken, clock)):
        found = taken.read(lambda connection: connection.rows("SELECT prefix FROM operation"))
        assert [row["prefix"] for row in found if row["prefix"] in {"changed", "later"}] == []


def test_close_of_a_connection_that_is_lost_raises_nothing(postgres: PostgresServer, url: str, clock: ManualClock) -> None:
    store = PostgresStore(url, clock)
    postgres.execute(f"SELECT pg_terminate_backend({session(store)}, 60000)")
    store.close()
    PostgresStore(url, clock).close()


def test_place_that_is_free_is_kept_so(url: str, clock: ManualClock) -> None:
    PostgresStore(url, clock).close()
    place = PostgresPlace(url)
    with place.kept_free() as is_free:
        assert is_free
        assert place.open_if_free() is None
        place.stop_waiting()
    with closing(PostgresStore(url, clock)), place.kept_free() as is_free:
        assert not is_free


def test_leader_whose_connection_is_ended_goes_on_where_nobody_else_led(postgres: PostgresServer, store: PostgresStore) -> None:
    accept(store, 1, "a")
    postgres.execute(f"SELECT pg_terminate_backend({session(store)})")
    accept(store, 2, "a")
    assert store.count_open(TENANT) == 2
    assert not database(store).lost.is_set()


def test_leader_writes_nothing_once_another_has_led(postgres: PostgresServer, store: PostgresStore, url: str, clock: ManualClock) -> None:
    operation_id = accept(store, 1, "a")
    claim = claim_reads(store)
    database(store)._closing.set()  # as a process that stands still says nothing
    database(store)._renewing.join()
    postgres.execute("UPDATE rightful.lead SET renewed_at = now() - interval '1 minute'", database(store)._address.parameters["dbname"])
    place = PostgresPlace(url)
    deadline = time.monotonic() + 60
    while (taken := place.open_if_free()) is None:  # once its connection has been quiet for a while
        assert time.monotonic() < deadline
        time.sleep(0.5)
    with closing(SqlStore(taken, clock)) as other:
        with pytest.raises(StoreFault, match="another service leads"):
            store.checkpoint([done(read) for read in claim.reads], owner=OWNER)
        with pytest.raises(StoreFault, match="another service leads"):
            accept(store, 2, "a")
        assert database(store).lost.is_set()
        assert other.count_open(TENANT) == 1
        assert not any(outcome.is_done for outcome in other.outcomes(operation_id))
    with pytest.raises(StoreFault, match="another service leads"):  # nor when that one is gone
        accept(store, 3, "a")


def test_leader_that_says_something_keeps_the_lead(store: PostgresStore, url: str) -> None:
    accept(store, 1, "a")
    place = PostgresPlace(url)
    assert place.open_if_free() is None
    accept(store, 2, "a")
    place.stop_waiting()


def test_who_appends_beside_the_service_waits_for_its_transaction(store: PostgresStore, url: str) -> None:
    operation_id = accept(store, 1, "a")
    place = PostgresPlace(url)
    threads = [
        threading.Thread(target=place.append, args=(operation_id, lambda tenant_id, _subject: audit_record(tenant_id, "beside")))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for number in range(2, 12):
        accept(store, number, "a")
    for thread in threads:
        thread.join()
    with place.open_audit() as trail:
        assert trail.tenants() == (TENANT,)
        entries = list(trail.chain(TENANT))
    assert [entry.seq for entry in entries] == list(range(1, 15))
    check = ChainCheck(TENANT)
    for entry in entries:
        check.add(entry.seq, entry.canonical, entry.hash)
    assert check.report().findings == ()


def test_trail_that_is_read_slowly_is_not_ended_by_the_server(store: PostgresStore, url: str) -> None:
    accept(store, 1, "a")
    with PostgresPlace(url).open_audit() as trail:
        assert trail._connection.rows("SELECT current_setting('idle_in_transaction_session_timeout') AS limit_")[0]["limit_"] == "0"


def test_sealed_values_are_read_by_pages_and_no_statement_goes_on_while_they_are_written(store: PostgresStore, url: str) -> None:
    accept(store, 1, "a")
    (read,) = claim_reads(store).reads
    store.stage([part(read, 0, EntryState.STAGED)], owner=OWNER, reads=[read])
    store.close()
    place = PostgresPlace(url)
    with closing(psycopg.connect(url, autocommit=True)) as connection, closing(Resealing(place.open())) as resealing:
        connection.execute("SET search_path = rightful; SET rightful.tenant = '*'")
        connection.execute(
            "CREATE TEMPORARY TABLE more AS SELECT entry.*, g FROM entry, generate_series(1, 1199) AS g;"
            "UPDATE more SET number = number + g, sealed = convert_to(g || repeat('x', 40000), 'UTF8');"
            "ALTER TABLE more DROP COLUMN g; INSERT INTO entry SELECT * FROM more"
        )
        active: list[int] = []
        seen: list[bytes] = []

        def reseal(name: str, value: bytes, _tenant_id: TenantId, _operation_id: OperationId) -> bytes:
            if name != "sealed":
                return value
            if not seen:
                time.sleep(0.2)
                query = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND datname = current_database() AND pid <> pg_backend_pid()"
                active.extend(connection.execute(query).fetchone() or ())
            seen.append(value[:10])
            return b"new" if value.startswith(b"1199x") else value

        assert resealing.reseal(reseal) == 1
        assert active == [0]
        assert len(set(seen)) == len(seen) == 1200
        assert connection.execute("SELECT count(*), count(*) FILTER (WHERE sealed = 'new') FROM entry").fetchone() == (1200, 1)


# -- what is lost ---------------------------------------------------------------------------------------------------------
def test_commit_whose_answer_is_lost_is_neither_done_twice_nor_called_undone(store: PostgresStore, postgres: PostgresServer) -> None:
    accept(store, 1, "a")
    writer = database(store)._writer
    connection = writer.connection
    real = connection.script

    def lose_the_answer(text: str) -> list[tuple[object, ...]]:
        if text != "COMMIT":
            return real(text)
        real(text)
        connection.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    connection.script = lose_the_answer  # type: ignore[method-assign]  # the network, at the worst moment
    accept(store, 2, "a")
    assert store.count_open(TENANT) == 2
    assert len(store.chain(TENANT)) == 2
    del postgres


def test_commit_that_never_arrived_is_told_as_not_done(store: PostgresStore, postgres: PostgresServer) -> None:
    wanted = intent(1)
    connection = database(store)._writer.connection
    real = connection.script

    def lose_the_question(text: str) -> list[tuple[object, ...]]:
        if text == "COMMIT":
            postgres.execute(f"SELECT pg_terminate_backend({connection.backend})")
        return real(text)

    connection.script = lose_the_question  # type: ignore[method-assign]  # likewise
    with pytest.raises(StoreFault):
        store.begin(wanted)
    assert store.intents() == ()
    assert store.begin(wanted) is None
    assert len(store.intents()) == 1


@pytest.mark.parametrize("is_killed", [False, True])
def test_server_that_comes_back_finds_the_store_going_on(postgres: PostgresServer, store: PostgresStore, *, is_killed: bool) -> None:
    accept(store, 1, "a")
    assert store.count_open(TENANT) == 1
    if is_killed:
        postgres.kill()
    else:
        postgres.stop()
    try:
        with pytest.raises(StoreFault, match="cannot be read"):
            store.count_open(TENANT)
        with pytest.raises(StoreFault, match="cannot be written"):
            store.check()
    finally:
        postgres.start()
    accept(store, 2, "a")
    assert store.count_open(TENANT) == 2
    assert not database(store).lost.is_set()


@pytest.mark.parametrize("end", ["", "?sslmode=nonsense", "?connect_timeout=1", "?nothing=1"])
def test_password_is_in_no_error(postgres: PostgresServer, end: str) -> None:
    for url in (
        postgres.url("missing", password="secret-word"),
        f"postgresql://someone:secret-word@127.0.0.1:1/x{end}",
        f"postgresql://someone:secret-word@127.0.0.1:x/x{end}",
        f"postgresql://someone:secret-word@[::1/x{end}",
    ):
        with pytest.raises(ConfigurationError) as caught:
            PostgresStore(url, ManualClock())
        text = "".join(traceback.format_exception(caught.value)) + caught.value.hint
        assert "secret-word" not in text.replace(url, ""), text


def test_value_that_postgres_cannot_hold_is_refused_alone(store: PostgresStore) -> None:
    with pytest.raises(Unstorable):
        store.begin(intent(1, subject="a\0b"))
    accept(store, 2, "a")


# -- migrations -----------------------------------------------------------------------------------------------------------
FIRST = scripts()
ADDS = Script(9001, is_post=False, text="ALTER TABLE operation ADD COLUMN added BIGINT NOT NULL DEFAULT 0")
REMOVES = Script(9001, is_post=True, text="ALTER TABLE operation DROP COLUMN added")


def wait_until_no_session_is_left(postgres: PostgresServer, address: Address) -> None:
    deadline = time.monotonic() + 60
    while postgres.execute(f"SELECT 1 FROM pg_stat_activity WHERE datname = '{address.parameters['dbname']}'"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_old_code_goes_on_beside_new_code_until_it_is_gone(postgres: PostgresServer, url: str, clock: ManualClock) -> None:
    address = Address(url)
    old = Waiting(address, FIRST)
    PostgresStore(url, clock).close()
    held = connect_to_lead(address, FIRST)  # an old service that stands by
    with closing(open_database(address, known=(*FIRST, ADDS, REMOVES))) as new:
        assert columns(new) == {"added"}  # `pre` was run, `post` was not
        accept(SqlStore(new, clock), 1, "a")
    with closing(PostgresStore(url, clock)) as again:  # the old one leads again
        accept(again, 2, "a")
    held.close()
    old.close()
    wait_until_no_session_is_left(postgres, address)  # closed is what the server has noticed
    with closing(open_database(address, known=(*FIRST, ADDS, REMOVES))) as new:
        assert columns(new) == set()
        assert SqlStore(new, clock).count_open(TENANT) == 2
    with pytest.raises(ConfigurationError, match="newer version"):
        PostgresStore(url, clock)


def test_script_that_fails_leaves_the_database_as_it_was(url: str, clock: ManualClock) -> None:
    PostgresStore(url, clock).close()
    broken = Script(9001, is_post=False, text="ALTER TABLE operation ADD COLUMN added BIGINT; SELECT nothing_of_the_kind()")
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        open_database(Address(url), known=(*FIRST, broken))
    with closing(PostgresStore(url, clock)) as store:
        assert columns(database(store)) == set()


def columns(file: PostgresDatabase) -> set[str]:
    statement = "SELECT column_name AS name FROM information_schema.columns WHERE table_name = 'operation' AND column_name = 'added'"
    return {row["name"] for row in file.read(lambda connection: connection.rows(statement))}


def test_scripts_are_in_their_order_and_none_is_twice() -> None:
    found = [(script.step, script.is_post) for script in scripts()]
    assert found == sorted(set(found))
    assert found[0] == (1, False)


def test_look_at_a_store_finds_it_in_order_then_what_was_done_to_it(postgres: PostgresServer, store: PostgresStore, url: str) -> None:
    place = PostgresPlace(url)
    fill(store)
    assert {found.name: found.detail for found in place.look() if not found.ok} == {}
    name = database(store)._address.parameters["dbname"]
    postgres.execute("UPDATE rightful.open_operations SET number = 9; ALTER TABLE rightful.entry DISABLE ROW LEVEL SECURITY", name)
    postgres.execute("UPDATE rightful.operation SET open_reads = 7", name)
    assert [found.name for found in place.look() if not found.ok] == ["rules of rows", "reads", "open operations"]


def test_look_at_what_is_no_store_says_so(url: str) -> None:
    assert [(found.name, found.ok) for found in PostgresPlace(url).look()] == [("server", True), ("schema", False)]


def test_examination_says_what_is_there_and_refuses_a_superuser(postgres: PostgresServer, store: PostgresStore, url: str) -> None:
    assert store.count_open(TENANT) == 0
    assert "led by" in PostgresPlace(url).examine()
    above = PostgresPlace(postgres.url(database(store)._address.parameters["dbname"]))
    with pytest.raises(ConfigurationError, match="superuser"):
        above.examine()
    assert "will be made" in PostgresPlace(postgres.own_database()).examine()


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (SubjectIn((SubjectId("ab\0"), SubjectId("ab"))), ["ab"]),
        (SubjectIn((SubjectId("ab\0"),)), []),
        (SubjectCompared(Comparator.EQUAL, "ab\0"), []),
        (SubjectCompared(Comparator.LESS, "ab\0c"), ["aa", "ab"]),
        (SubjectCompared(Comparator.LESS_OR_EQUAL, "ab\0c"), ["aa", "ab"]),
        (SubjectCompared(Comparator.GREATER, "ab\0c"), ["abc"]),
        (SubjectCompared(Comparator.GREATER_OR_EQUAL, "ab\0c"), ["abc"]),
    ],
)
def test_list_compares_with_a_text_that_no_row_can_have(store: PostgresStore, where: Filter, found: list[str]) -> None:
    for number, subject in enumerate(("aa", "ab", "abc")):
        accept(store, number, subject=subject)
    listed = store.list(ListQuery(tenant_id=TENANT, subject_kinds=BOTH, where=where, order=order(Key(Field.SUBJECT))))
    assert [operation.subject_id for operation in listed] == found


@pytest.mark.parametrize(("ahead_s", "told"), [(400.0, "ahead of"), (-86_400.0, "behind"), (200.0, "")])
def test_clock_far_from_the_servers_is_told_once_and_to_doctor(store: PostgresStore, url: str, ahead_s: float, told: str) -> None:
    held = database(store)
    held._closing.set()  # it looks when it is told to, here
    held._renewing.join()
    held._wall = lambda: time.time() + ahead_s
    with capture_logs() as logs:
        store.check()
        store.check()
    place = PostgresPlace(url, wall=held._wall)
    if not told:
        assert logs == []
        assert place.examine()
        return
    (said,) = logs
    assert re.match(rf"this machine's clock is \d+ s {told} that of", said["event"])
    with pytest.raises(ConfigurationError, match="this machine's clock is"):
        place.examine()
