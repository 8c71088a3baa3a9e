"""The SQLite store against the suite of all stores, and what it promises besides."""

import os
import random
import re
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
from tests.contract.sql_store import SharedCommits

from rightful.errors import ConfigurationError
from rightful.graph import options
from rightful.operation.model import Failure
from rightful.store import listing_sql, queries
from rightful.store.audit_file import AuditFile
from rightful.store.listing import place
from rightful.store.sqlite import SqliteStore
from rightful.store.sqlite_connection import SqliteConnection
from rightful.store.sqlite_file import SqliteFile
from rightful.store.values import Completion, FinishSet, ListQuery, NewRead, StoreFault
from rightful.testing.clock import ManualClock
from rightful.testing.store_approvals import ApprovalSuite
from rightful.testing.store_cases import BOTH, OWNER, START, TENANT, TOTALS, accept, done, intent
from rightful.testing.store_suite import StoreSuite


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "store.db", clock)
    yield store
    store.close()


class TestSqliteStore(StoreSuite, ApprovalSuite, SharedCommits):
    pass


def test_everything_is_there_after_reopening(tmp_path: Path) -> None:
    clock = ManualClock(START)
    store = SqliteStore(tmp_path / "store.db", clock)
    operation_id = accept(store, 1, "a", "b")
    store.begin(intent(2))
    store.close()
    again = SqliteStore(tmp_path / "store.db", clock)
    operation = again.get(TENANT, operation_id)
    assert operation is not None
    assert [source.source_name for source in operation.sources] == ["a", "b"]
    assert [each.operation_id for each in again.intents()] == [intent(2).operation_id]
    again.close()


def test_check_writes_what_changes_nothing_and_fails_where_nothing_can_be_written(tmp_path: Path, store: SqliteStore) -> None:
    wal = tmp_path / "store.db-wal"
    before = wal.stat().st_size
    store.check()
    assert wal.stat().st_size > before
    assert isinstance(store._file, SqliteFile)
    store._file._writer.run("PRAGMA query_only = ON")  # as on a file system that was mounted again, read-only
    with pytest.raises(StoreFault):
        store.check()


@pytest.mark.usefixtures("store")
def test_second_service_on_the_same_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"another service works on the store store\.db"):
        SqliteStore(tmp_path / "store.db", ManualClock())


def test_others_on_the_machine_cannot_read_what_a_store_writes(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = SqliteStore(tmp_path / "var" / "store.db", ManualClock(START))
        accept(store, 1, "a")
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "var", *(tmp_path / "var").iterdir())}
        store.close()
    finally:
        os.umask(before)
    assert {"store.db", "store.db-wal", "store.db-shm", "var"} <= modes.keys()
    assert {name for name, mode in modes.items() if mode & 0o077} == set()


def test_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "store.db", ManualClock()).close()
    with sqlite3.connect(tmp_path / "store.db") as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(ConfigurationError, match="newer version"):
        SqliteStore(tmp_path / "store.db", ManualClock())


@pytest.mark.parametrize("place", ["file/store.db", "file/below/store.db", "store.db"])
def test_place_where_no_file_can_be_made_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "store.db.lock").mkdir()
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        SqliteStore(tmp_path / place, ManualClock())


def test_file_that_was_refused_is_left_to_others(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    SqliteStore(path, ManualClock()).close()
    with closing(sqlite3.connect(path)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute("PRAGMA user_version = 999")
    with pytest.raises(ConfigurationError, match="newer version"):
        SqliteStore(path, ManualClock())
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    SqliteStore(path, ManualClock()).close()


def test_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"not a database, but somebody's file" * 100)
    with pytest.raises(ConfigurationError, match="is not a SQLite file"):
        SqliteStore(path, ManualClock())
    assert path.read_bytes().startswith(b"not a database")


@pytest.mark.parametrize(
    ("asked", "index", "is_sorted"),
    [
        ("", "operation_listed (tenant_id=?)", True),
        ("$orderby=submittedDateTime", "operation_listed (tenant_id=?)", True),
        ("$filter=userId eq 'x'", "operation_of_subject (tenant_id=? AND subject_id=?)", True),
        ("$filter=userId eq 'aaaaaaaa-1111-1111-1111-111111111111'", "operation_of_subject (tenant_id=? AND subject_id=?)", False),
        ("$filter=userId eq 'x' and status eq 'running'", "operation_of_subject (tenant_id=? AND subject_id=?)", True),
        ("$filter=status eq 'running'", "operation_by_status (tenant_id=? AND status_rank=?)", True),
        ("$filter=status in ('notStarted','running')", "operation_by_status (tenant_id=? AND status_rank=?)", False),
        ("$filter=status eq 'failed' and submittedDateTime ge 2026-01-01", "operation_by_status (tenant_id=? AND status_rank=?", True),
        ("$filter=userId in ('x','y') and submittedDateTime ge 2026-01-01", "operation_of_subject (tenant_id=? AND subject_id=?", False),
        ("$filter=status in ('complete','failed')", "operation_listed (tenant_id=?)", True),
        ("$filter=submittedDateTime ge 2026-01-01", "operation_listed (tenant_id=? AND submitted_at>?", True),
        ("$filter=completedDateTime ge 2026-01-01&$orderby=completedDateTime", "operation_by_end (tenant_id=? AND completed_key>?", True),
        ("$orderby=userId", "operation_of_subject (tenant_id=?)", True),
        ("$orderby=status desc", "operation_by_status (tenant_id=?)", True),
    ],
)
def test_list_looks_into_an_index_for_the_usual_questions(
    store: SqliteStore, tmp_path: Path, asked: str, index: str, *, is_sorted: bool
) -> None:
    # `is_sorted`: the index gives the list's order too, so that a page reads no more rows than it shows.
    found = options.parse_options(quote(asked, safe="=&$").encode(), is_beta=False, properties=frozenset())
    query = ListQuery(tenant_id=TENANT, subject_kinds=BOTH, where=found.where, order=found.order)
    operation_id = accept(store, 1, "a")
    operation = store.get(TENANT, operation_id)
    assert operation is not None
    connection = SqliteConnection(tmp_path / "store.db", busy_s=0)
    for after in (None, place(operation, found.order)):
        statement, values = listing_sql.page(msgspec.structs.replace(query, after=after))
        plan = " ".join(row["detail"] for row in connection.rows(f"EXPLAIN QUERY PLAN {statement}", values))
        assert f"INDEX {index if after is None else index.rstrip(')')}" in plan
        assert ("TEMP B-TREE" not in plan) == is_sorted, plan
    connection.close()


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("free_expired_reads", "read_leased"),
        ("free_expired_operations", "operation_leased"),
        ("wake_reads", "read_waiting"),
        ("wake_operations", "operation_retried"),
        ("next_tenant_to_finish", "operation_finishable"),
        ("finishable", "operation_finishable"),
        ("next_tenant", "read_"),  # either begins with the tenant
        ("first_pending", "read_pending"),
        ("same_scan", "read_scan"),
        ("waiting_for_scan", "read_leased_scan (tenant_id=? AND source_name=?)"),
        ("end_unapproved", "operation_unapproved"),
        ("first_waiting", "operation_queued"),
        ("intents", "operation_intent"),
        ("bound", "operation_bound"),
    ],
)
def test_claim_looks_at_no_more_rows_than_it_takes(tmp_path: Path, name: str, index: str) -> None:
    statement = queries.load()[name]
    parameters = dict.fromkeys(re.findall(r":(\w+)", statement), 1)
    connection = SqliteConnection(tmp_path / "store.db", busy_s=0)
    plan = " ".join(row["detail"] for row in connection.rows(f"EXPLAIN QUERY PLAN {statement}", parameters))
    connection.close()
    assert f"INDEX {index}" in plan
    assert "TEMP B-TREE" not in plan


def test_sealed_locations_that_are_erased_are_in_no_file_of_the_store(tmp_path: Path, store: SqliteStore) -> None:
    # DESIGN rule 6; in pages that were split, in free pages and in the write-ahead log too
    chance = random.Random(1)
    marks = {number: b"LOCATION%08d" % number for number in range(250)}

    def sealed(number: int) -> bytes:
        return marks[number] + chance.randbytes(chance.randint(60, 500))

    def seen() -> set[int]:
        content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        return {number for number, mark in marks.items() if mark in content}

    for number in marks:
        assert store.begin(msgspec.structs.replace(intent(number), sealed_location=sealed(number))) is None
    dropped, failed, completed, resumed, left = (list(range(first, 250, 5)) for first in range(5))
    for number in dropped:
        store.drop(intent(number).operation_id)
    for number in (*failed, *completed, *resumed, *left):
        store.promote(intent(number).operation_id, [NewRead(source_name="a")], [])
    for number in (*failed, *resumed):
        store.fail(intent(number).operation_id, Failure(code="x", message="x" * number))
    for number in resumed:
        assert store.resume(TENANT, intent(number).operation_id, sealed_location=b"another, longer one" * 40) is not None
    ending = {intent(number).operation_id for number in completed}
    while (claim := store.claim(OWNER, lease_s=30, limit=50)) is not None:
        if isinstance(claim, FinishSet):
            store.complete([Completion(operation=operation, package=TOTALS) for operation in claim.operations], owner=OWNER)
        else:
            store.checkpoint([done(read) for read in claim.reads if read.operation_id in ending], owner=OWNER)
    assert len(seen()) > len(left)
    store.heartbeat(OWNER, lease_s=30)
    assert seen() == set(left)
    store.close()
    assert seen() == set(left)


def test_file_is_not_called_rewritten_while_somebody_reads_it(store: SqliteStore, tmp_path: Path) -> None:
    accept(store, 1, "a")
    (path,) = tmp_path.rglob("*.db")
    with closing(SqliteConnection(path, busy_s=0)) as reader:
        reader.run("BEGIN")
        reader.run("SELECT count(*) FROM operation")
        with pytest.raises(StoreFault, match="somebody reads it"):
            store._file.rewrite()
    store._file.rewrite()


def test_tenant_of_another_type_ends_no_list_of_chains(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        connection.execute("CREATE TABLE audit (tenant_id, seq, record, hash)")
        connection.execute("CREATE TABLE audit_checkpoint (tenant_id, seq, line)")
        connection.execute("INSERT INTO audit VALUES (x'41', 1, 'x', x'00'), ('b', 1, 'x', x'00')")
        assert len(AuditFile(connection).tenants()) == 2
