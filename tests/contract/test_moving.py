"""A SQLite store copied to PostgreSQL: whole, or not at all; and no two that a service works on."""

import signal
import threading
import time
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from tests.servers.postgres import PostgresServer

from rightful.audit.checkpoint import ChainCheckpoint
from rightful.audit.record import Action, decode
from rightful.clock import SystemClock
from rightful.errors import ConfigurationError
from rightful.ids import OperationId, TenantId
from rightful.operation.model import Failure, OperationStatus
from rightful.store.fingerprint_folder import FingerprintFolder
from rightful.store.interface import Store
from rightful.store.moving import TABLES, move
from rightful.store.postgres import PostgresStore
from rightful.store.postgres_connection import Address, PostgresConnection
from rightful.store.sqlite import SqliteStore
from rightful.store.sqlite_connection import SqliteConnection
from rightful.store.sqlite_file import lock_alone
from rightful.store.sqlite_moved import note_path
from rightful.store.values import EntryState, EventKind, FinishSet, ListQuery, StoreFault
from rightful.testing.clock import ManualClock
from rightful.testing.store_cases import (
    BOTH,
    LEASE_S,
    OTHER_TENANT,
    OWNER,
    START,
    TENANT,
    accept,
    audit_record,
    claim_reads,
    complete_all,
    done,
    intent,
    part,
    recorded,
)

pytestmark = pytest.mark.postgres

MADE = msgspec.structs.replace(audit_record(TenantId(""), ""), action=Action.MIGRATE_STORE)


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.own_database()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "old" / "rightful.db"


def fill(store: Store) -> None:
    """Leave operations in every state: complete, failed, in the middle of a read, to be finished, not begun, an intent."""
    store.announce({TENANT: (("one", frozenset(EventKind)),)})
    accept(store, 1, "a", "b")
    complete_all(store)
    accept(store, 2, "a", tenant_id=OTHER_TENANT)
    complete_all(store)
    store.fail(accept(store, 3, "a"), Failure(code="x", message="ü\n'\\", source_name="a"))
    accept(store, 4, "a")
    (read,) = claim_reads(store).reads
    store.checkpoint([done(read, rows=3, entries=(part(read, 0, EntryState.DONE),))], owner=OWNER)
    accept(store, 5, "a")
    finish = store.claim(OWNER, lease_s=LEASE_S, limit=1)
    assert isinstance(finish, FinishSet)
    (read,) = claim_reads(store).reads
    store.stage([part(read, number, EntryState.STAGED) for number in range(3)], owner=OWNER, reads=[read])
    store.begin(intent(6, keys=("idempotency-key:k",)))
    store.add_chain_checkpoint(ChainCheckpoint(tenant_id=TENANT, seq=1, time_us=0, hash="", key="", signature=""))


def test_everything_is_in_the_copy_and_what_was_open_goes_on(path: Path, url: str, tmp_path: Path) -> None:
    clock = ManualClock(START)
    with closing(SqliteStore(path, clock)) as store:
        fill(store)
        chain = store.chain(TENANT)
        listed = store.list(ListQuery(tenant_id=TENANT, subject_kinds=BOTH))
        intents, open_ = store.intents(), store.count_open(TENANT)
    before = path.read_bytes()
    moved = move(path, url, tmp_path / "new" / "rightful.db", MADE)
    assert path.read_bytes() == before
    assert set(moved.rows) == set(TABLES)
    assert (moved.rows["operation"], moved.rows["audit"], moved.open_operations) == (6, len(chain) + 2, 3)
    with closing(PostgresStore(url, clock)) as copy:
        assert copy.chain(TENANT) == chain
        assert copy.list(ListQuery(tenant_id=TENANT, subject_kinds=BOTH)) == listed
        assert (copy.intents(), copy.count_open(TENANT)) == (intents, open_)
        assert [decode(entry.canonical).action for entry in copy.chain(TenantId(""))] == [Action.MIGRATE_STORE]
        copy.release_all()
        assert copy.begin(intent(6, keys=("idempotency-key:k",))) is not None
        complete_all(copy)
        for number in (4, 5):
            operation = copy.get(TENANT, intent(number).operation_id)
            assert operation is not None
            assert operation.status is OperationStatus.COMPLETE
        later = copy.get(TENANT, accept(copy, 7, "a"))
        assert later is not None
        assert [record.action for record in recorded(copy)][-1] is Action.SUBMIT


def test_claims_of_before_are_fenced_in_the_copy(path: Path, url: str, tmp_path: Path) -> None:
    clock = ManualClock(START)
    with closing(SqliteStore(path, clock)) as store:
        accept(store, 1, "a")
        (old,) = claim_reads(store).reads
    move(path, url, tmp_path / "rightful.db", MADE)
    with closing(PostgresStore(url, clock)) as copy:
        copy.release_all()
        (new,) = claim_reads(copy).reads
        assert new.attempt == old.attempt + 1
        assert copy.checkpoint([done(old)], owner=OWNER) == (old.operation_id,)
        assert copy.checkpoint([done(new)], owner=OWNER) == ()


def test_no_service_starts_on_the_file_that_was_copied_until_somebody_says_so(path: Path, url: str) -> None:
    SqliteStore(path, SystemClock()).close()
    move(path, url, path, MADE)
    with pytest.raises(ConfigurationError, match=r"was copied to 127\.0\.0\.1/test_") as caught:
        SqliteStore(path, SystemClock())
    assert caught.value.code == "StoreMoved"
    path.with_name("rightful.db.moved").unlink()
    SqliteStore(path, SystemClock()).close()


def test_copy_into_a_database_that_has_a_store_is_refused_and_changes_nothing(path: Path, url: str) -> None:
    clock = ManualClock(START)
    with closing(PostgresStore(url, clock)) as there:
        accept(there, 1, "a")
    with closing(SqliteStore(path, clock)) as store:
        accept(store, 2, "a")
    with pytest.raises(ConfigurationError, match="holds a store already"):
        move(path, url, path, MADE)
    SqliteStore(path, clock).close()
    with closing(PostgresStore(url, clock)) as there:
        assert there.count_open(TENANT) == 1


@pytest.mark.parametrize("who", ["sqlite", "postgres"])
def test_copy_is_refused_while_a_service_works(path: Path, url: str, who: str) -> None:
    SqliteStore(path, SystemClock()).close()
    with (
        closing(SqliteStore(path, SystemClock()) if who == "sqlite" else PostgresStore(url, SystemClock())),
        pytest.raises(ConfigurationError, match="another service works"),
    ):
        move(path, url, path, MADE)
    SqliteStore(path, SystemClock()).close()


def test_row_that_postgres_cannot_hold_undoes_the_whole_copy(path: Path, url: str) -> None:
    clock = ManualClock(START)
    with closing(SqliteStore(path, clock)) as store:
        accept(store, 1, "a")
        store.begin(intent(2, subject="a\0b"))
    with pytest.raises(StoreFault, match="a row of operation cannot be held by PostgreSQL"):
        move(path, url, path, MADE)
    SqliteStore(path, clock).close()  # it is still the one
    with closing(PostgresStore(url, clock)) as empty:
        assert empty.count_open(TENANT) == 0
        assert empty.chain(TenantId("")) == []


def test_value_that_came_out_differently_undoes_the_whole_copy(path: Path, url: str) -> None:
    clock = ManualClock(START)
    with closing(SqliteStore(path, clock)) as store:
        accept(store, 1, "a")
    PostgresStore(url, clock).close()
    with closing(PostgresConnection(Address(url))) as connection:
        connection.script(
            "CREATE FUNCTION altered() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.position := 7; RETURN NEW; END $$;"
            "CREATE TRIGGER altered BEFORE INSERT ON read FOR EACH ROW EXECUTE FUNCTION altered()"
        )
    with pytest.raises(StoreFault, match="row 1 of read is not in the copy as it was"):
        move(path, url, path, MADE)
    SqliteStore(path, clock).close()
    with closing(PostgresStore(url, clock)) as empty:
        assert empty.count_open(TENANT) == 0


def test_interrupt_while_it_copies_leaves_the_note_and_nobody_else_gets_the_file_meanwhile(path: Path, url: str) -> None:
    clock = ManualClock(START)
    with closing(SqliteStore(path, clock)) as store:
        accept(store, 1, "a")
    path.with_name("rightful.db.lock").unlink()
    PostgresStore(url, clock).close()
    with closing(PostgresConnection(Address(url))) as connection:
        connection.script(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1); RETURN NEW; END $$;"
            "CREATE TRIGGER slow BEFORE INSERT ON read FOR EACH ROW EXECUTE FUNCTION slow()"
        )
    refused: list[str] = []

    def interrupt() -> None:
        while not note_path(path).exists():
            time.sleep(0.01)
        time.sleep(0.3)
        try:
            lock_alone(path)
        except ConfigurationError as error:
            refused.append(error.message)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=interrupt)
    try:
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            move(path, url, path, MADE)
    finally:
        thread.join()
        signal.signal(signal.SIGINT, before)
    assert refused == ["another service works on the store rightful.db"]
    with closing(PostgresStore(url, clock)) as copy:
        assert copy.count_open(TENANT) == 1
    for _ in range(2):  # also after it was tried again
        with pytest.raises(ConfigurationError, match="was copied to"):
            SqliteStore(path, clock)
        with pytest.raises(ConfigurationError, match="holds a store already"):
            move(path, url, path, MADE)


def test_note_of_a_copy_that_was_undone_is_replaced_by_the_next(path: Path, url: str) -> None:
    SqliteStore(path, SystemClock()).close()
    note_path(path).write_text("elsewhere\n")
    move(path, url, path, MADE)
    assert note_path(path).read_text().startswith("127.0.0.1/test_")


@pytest.mark.parametrize("version", [3, 999])
def test_file_of_another_version_is_refused(path: Path, url: str, version: int) -> None:
    SqliteStore(path, SystemClock()).close()
    with closing(SqliteConnection(path, busy_s=1)) as connection:
        connection.run(f"PRAGMA user_version = {version}")
    with pytest.raises(ConfigurationError, match="version of Rightful"):
        move(path, url, path, MADE)


def test_files_beside_the_store_are_copied_to_where_they_are_looked_for(path: Path, url: str, tmp_path: Path) -> None:
    SqliteStore(path, SystemClock()).close()
    log = FingerprintFolder(path).log(OperationId("00000000-0000-0000-0000-000000000001"), "a", 0)
    log.add(b"x" * 16)
    log.sync()
    moved = move(path, url, tmp_path / "new" / "rightful.db", MADE)
    assert moved.fingerprints == 1
    new = FingerprintFolder(tmp_path / "new" / "rightful.db").path
    assert [each.read_bytes() for each in new.rglob("*") if each.is_file()] == [b"x" * 16]
