"""A store that is damaged, foreign or too new is refused with the way out and left as it is; copies of it are whole."""

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from rightful.audit.record import Action, Actor, decode
from rightful.errors import ConfigurationError
from rightful.operation.model import OperationStatus
from rightful.store import queries, sqlite_copying, sqlite_state
from rightful.store.sqlite import SqliteStore
from rightful.store.sqlite_examining import examine
from rightful.store.values import StoreCheck
from rightful.testing.clock import ManualClock
from rightful.testing.store_cases import CANCELLED, OWNER, START, TENANT, accept, claim_reads, complete_all, intent

BY = Actor(object_id="os:1000")
NEWEST = len(queries.migrations())


def filled(folder: Path) -> Path:
    """Return a store that was closed, with some operations in each state."""
    path = folder / "store.db"
    store = SqliteStore(path, ManualClock(START))
    accept(store, 1, "a")
    complete_all(store)
    assert store.fail(accept(store, 2, "a"), CANCELLED)
    accept(store, 3, "a")
    claim_reads(store)
    accept(store, 4, "a", "b")
    assert store.begin(intent(5)) is None
    for number in range(10, 60):
        accept(store, number, "a", "b", "c")
    store.close()
    return path


def truncate(size: int) -> Callable[[Path], None]:
    return lambda path: os.truncate(path, size)


def set_version(version: int) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA user_version = {version}")
            connection.commit()

    return change


def replace_by_another(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE notes (text)")
        connection.commit()


def drop_a_table(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE repeat_key")
        connection.commit()


def overwrite(offset: int, content: bytes) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(offset)
            file.write(content)

    return change


def lose_all_but_the_log(path: Path) -> None:
    path.unlink()
    path.with_name(f"{path.name}-wal").write_bytes(b"log")


DAMAGES: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "empty": (truncate(0), "StoreDamaged", "is empty"),
    "cut off within the head": (truncate(50), "StoreDamaged", "is cut off"),
    "cut off after the first page": (truncate(4096), "StoreDamaged", "is cut off"),
    "cut off a byte before its end": (lambda path: os.truncate(path, path.stat().st_size - 1), "StoreDamaged", "is cut off"),
    "no SQLite file": (overwrite(0, b"#!/bin/sh\necho hello\n"), "StoreDamaged", "is not a SQLite file"),
    "pages overwritten": (overwrite(4096 * 2, os.urandom(4096 * 4)), "StoreDamaged", "is damaged"),
    "zeros in the middle": (overwrite(4096 * 3, bytes(4096 * 2)), "StoreDamaged", "is damaged"),
    "of a newer version": (set_version(NEWEST + 1), "StoreTooNew", "newer version"),
    "of a much newer version": (set_version(2_000_000_000), "StoreTooNew", "newer version"),
    "another database": (replace_by_another, "StoreDamaged", "something else"),
    "a table is gone": (drop_a_table, "StoreDamaged", "lacks tables"),
    "gone, its log is there": (lose_all_but_the_log, "StoreDamaged", "is gone"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_no_whole_store_is_refused_with_the_way_out_and_left_as_it_is(tmp_path: Path, damage: str) -> None:
    change, code, words = DAMAGES[damage]
    path = filled(tmp_path)
    change(path)
    before = path.read_bytes() if path.exists() else None
    with pytest.raises(ConfigurationError, match=words) as refused:
        SqliteStore(path, ManualClock(START))
    assert refused.value.code == code
    assert "restore" in refused.value.hint or "another file" in refused.value.hint
    assert (path.read_bytes() if path.exists() else None) == before
    found = list(examine(path))
    assert [each for each in found if not each.ok]
    assert all(each.hint for each in found if not each.ok)
    with pytest.raises(ConfigurationError):
        sqlite_copying.restore(tmp_path / "other" / "store.db", path, now=START, by=BY, is_replacing=False)
    assert not (tmp_path / "other" / "store.db").exists()


def test_flips_anywhere_are_refused_or_harm_nothing_that_is_read(tmp_path: Path) -> None:
    path = filled(tmp_path)
    whole = path.read_bytes()
    refused = 0
    for offset in range(101, len(whole), max(1, len(whole) // 60)):
        damaged = bytearray(whole)
        damaged[offset] ^= 0xFF
        path.write_bytes(damaged)
        try:
            store = SqliteStore(path, ManualClock(START))
        except ConfigurationError:
            refused += 1
            continue
        assert store.count_open(TENANT) >= 0  # it is never taken for an empty one
        store.close()
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT count(*) FROM operation").fetchone()[0] == 55
    assert refused


def test_start_that_was_killed_while_it_made_the_store_is_done_again(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    (tmp_path / ".store.db.new").write_bytes(b"half of it")
    SqliteStore(path, ManualClock(START)).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(each.name for each in tmp_path.iterdir() if "new" in each.name) == []


def of(path: Path) -> dict[str, StoreCheck]:
    return {each.name: each for each in examine(path)}


def test_store_in_order_is_said_to_be_so_with_and_without_a_service(tmp_path: Path) -> None:
    path = filled(tmp_path)
    before = path.read_bytes()
    found = of(path)
    assert [each for each in found.values() if not each.ok] == []
    assert path.read_bytes() == before
    assert "1 were left" in found["leases"].detail
    store = SqliteStore(path, ManualClock(START))
    accept(store, 7, "a")
    live = of(path)
    assert [each for each in live.values() if not each.ok] == []
    assert "a service works on it" in live["file"].detail
    store.close()


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("UPDATE operation SET sealed_location = x'00' WHERE status = 'failed'", "signatures"),
        ("UPDATE operation SET open_reads = 9 WHERE status = 'not_started'", "reads"),
        ("UPDATE open_operations SET number = 9", "open operations"),
        ("DELETE FROM operation WHERE status = 'complete'", "references"),
    ],
)
def test_what_does_not_agree_is_named(tmp_path: Path, statement: str, name: str) -> None:
    path = filled(tmp_path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()
    assert [each.name for each in examine(path) if not each.ok] == [name]


def test_backup_of_a_store_at_work_is_whole_private_and_in_one_file(tmp_path: Path) -> None:
    path, target = filled(tmp_path), tmp_path / "backups" / "one.db"
    target.parent.mkdir()
    store = SqliteStore(path, ManualClock(START))
    stopping = threading.Event()

    def work() -> None:
        number = 100
        while not stopping.is_set():
            accept(store, number, "a")
            number += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        copied = sqlite_copying.backup(path, target)
    finally:
        stopping.set()
        thread.join()
    store.close()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [each.name for each in target.parent.iterdir()] == ["one.db"]
    with closing(sqlite3.connect(target)) as connection:
        assert connection.execute("SELECT count(*) FROM operation WHERE status <> 'intent'").fetchone()[0] == copied.operations >= 54
        assert connection.execute(
            "SELECT count(*) FROM read r WHERE NOT EXISTS (SELECT 1 FROM operation WHERE id = r.operation_id)"
        ).fetchone() == (0,)
    with pytest.raises(ConfigurationError, match="is there already"):
        sqlite_copying.backup(path, target)


def test_backup_into_a_folder_that_is_not_there_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        sqlite_copying.backup(filled(tmp_path), tmp_path / "none" / "one.db")


def restored(tmp_path: Path, *, is_replacing: bool = False) -> tuple[Path, sqlite_copying.Restored]:
    path, target = filled(tmp_path), tmp_path / "one.db"
    sqlite_copying.backup(path, target)
    if not is_replacing:
        path.unlink()
    return path, sqlite_copying.restore(path, target, now=START, by=BY, is_replacing=is_replacing)


def test_restored_store_does_nothing_twice(tmp_path: Path) -> None:
    path, done = restored(tmp_path)
    assert (len(done.ended), done.dropped, done.aside) == (52, 1, None)
    store = SqliteStore(path, ManualClock(START))
    assert store.claim(OWNER, lease_s=60, limit=100) is None
    assert store.intents() == ()
    assert store.count_open(TENANT) == 0
    for operation_id in done.ended:
        operation = store.get(TENANT, operation_id)
        assert operation is not None
        assert operation.failure is not None
        assert (operation.status, operation.failure.code) == (OperationStatus.FAILED, "storeRestored")
    records = [decode(entry.canonical) for entry in store.chain(TENANT)]
    assert [each.action for each in records[-53:]] == [Action.FAIL] * 52 + [Action.RESTORE_STORE]
    assert {each.object_id for each in records[-53:]} == {"os:1000"}
    assert [decode(entry.canonical).action for entry in store.chain("")] == [Action.RESTORE_STORE]  # type: ignore[arg-type]
    resumed = store.resume(TENANT, done.ended[0], sealed_location=b"new")
    assert resumed is not None
    store.close()
    assert [each for each in examine(path) if not each.ok] == []
    with closing(sqlite3.connect(path)) as connection:
        open_ones = "SELECT count(*) FROM operation WHERE sealed_location IS NOT NULL AND id <> ?"
        assert connection.execute(open_ones, (done.ended[0],)).fetchone() == (0,)


def test_store_that_is_there_is_replaced_only_on_demand_and_kept_aside(tmp_path: Path) -> None:
    path, target = filled(tmp_path), tmp_path / "one.db"
    sqlite_copying.backup(path, target)
    store = SqliteStore(path, ManualClock(START))
    later = accept(store, 999, "a")
    with pytest.raises(ConfigurationError, match="another service works on"):
        sqlite_copying.restore(path, target, now=START, by=BY, is_replacing=True)
    store.close()
    with pytest.raises(ConfigurationError, match="there is a store"):
        sqlite_copying.restore(path, target, now=START, by=BY, is_replacing=False)
    done = sqlite_copying.restore(path, target, now=START, by=BY, is_replacing=True)
    assert done.aside is not None
    aside = SqliteStore(done.aside, ManualClock(START))
    assert aside.get(TENANT, later) is not None
    aside.close()
    again = SqliteStore(path, ManualClock(START))
    assert again.get(TENANT, later) is None
    again.close()


def test_damaged_store_is_replaced_and_kept_aside_as_it_is(tmp_path: Path) -> None:
    path, target = filled(tmp_path), tmp_path / "one.db"
    sqlite_copying.backup(path, target)
    overwrite(0, b"x" * 5000)(path)
    before = path.read_bytes()
    done = sqlite_copying.restore(path, target, now=START, by=BY, is_replacing=True)
    assert done.aside is not None
    assert done.aside.read_bytes() == before
    SqliteStore(path, ManualClock(START)).close()


KILLED = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from rightful.audit.record import Actor
from rightful.store import sqlite_copying

path, source, left = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])

def count(event, arguments):
    global left
    if event in ("os.rename", "os.link", "os.remove"):
        left -= 1
        if left < 0:
            os._exit(9)

sys.addaudithook(count)
sqlite_copying.restore(path, source, now=datetime.now(UTC), by=Actor(object_id="os:1000"), is_replacing=True)
"""
"""Replaces a store, and is gone before it changes one name more than so many."""


@pytest.mark.parametrize("state", ["closed", "log alone", "damaged"])
def test_restore_that_is_killed_leaves_the_old_store_or_the_new_one_or_what_is_refused(tmp_path: Path, state: str) -> None:
    for steps in range(30):
        folder = tmp_path / str(steps)
        folder.mkdir()
        path, source = filled(folder), folder / "one.db"
        sqlite_copying.backup(path, source)
        store = SqliteStore(path, ManualClock(START))
        later = accept(store, 999, "a")
        log = sqlite_state.beside(path)[0]
        content = log.read_bytes()
        store.close()
        if state != "closed":
            log.write_bytes(content)
        if state == "log alone":
            path.unlink()
        if state == "damaged":
            overwrite(0, b"x" * 5000)(path)
        command = [sys.executable, "-c", KILLED, str(path), str(source), str(steps)]
        ended = subprocess.run(command, check=False).returncode
        assert ended in {0, 9}
        refused = ""
        try:
            SqliteStore(path, ManualClock(START)).close()
        except ConfigurationError as error:
            refused = error.code
        if refused:
            assert (ended, refused) == (9, "StoreDamaged")
            sqlite_copying.restore(path, source, now=START, by=BY, is_replacing=True)
        found = SqliteStore(path, ManualClock(START))
        is_old = found.get(TENANT, later) is not None
        is_new = any(decode(entry.canonical).action is Action.RESTORE_STORE for entry in found.chain(TENANT))
        found.close()
        assert is_old != is_new
        if not ended:
            assert is_new
            return
    raise AssertionError("it never got to its end")


def test_backup_of_an_older_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    source, path = tmp_path / "old.db", tmp_path / "store.db"
    with closing(sqlite3.connect(source, isolation_level=None)) as connection:
        for script in queries.migrations()[:9]:
            connection.executescript(script)
        connection.execute("PRAGMA user_version = 9")
    sqlite_copying.restore(path, source, now=START, by=BY, is_replacing=False)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (NEWEST,)


def test_state_of_a_file_is_told_without_a_lock(tmp_path: Path) -> None:
    path = filled(tmp_path)
    assert sqlite_state.check_file(path) is True
    assert sqlite_state.check_file(tmp_path / "none.db") is False
