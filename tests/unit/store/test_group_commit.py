"""Tasks that wait together share a commit: what fails for one or for all is told to whom it concerns, and nobody else."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest
from tests.unit.interrupting import interrupted, interrupted_everywhere

from rightful.store.connection import Connection, ConstraintBroken
from rightful.store.group_commit import GroupCommit
from rightful.store.sqlite_connection import SqliteConnection
from rightful.store.sqlite_file import SqliteWriter

PATIENCE_S = 20
Task = Callable[[Connection], object]


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[SqliteConnection]:
    connection = SqliteConnection(tmp_path / "x.db", busy_s=0)
    connection.run("PRAGMA foreign_keys = ON")
    connection.run("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
    connection.run("CREATE TABLE child (parent INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)")
    yield connection
    connection.close()


def together(commits: GroupCommit, *tasks: Task) -> list[object]:
    """Run tasks in one group: they come while an earlier one is being committed. Return what each returned or raised."""
    held, began = threading.Event(), threading.Event()
    outcomes: list[object] = [None] * len(tasks)

    def hold(_connection: Connection) -> None:
        began.set()
        held.wait(2 * PATIENCE_S)

    def run(number: int) -> None:
        try:
            outcomes[number] = commits.run(tasks[number])
        except Exception as error:  # noqa: BLE001 - it is the outcome
            outcomes[number] = error

    threads = [threading.Thread(target=commits.run, args=(hold,))]
    threads[0].start()
    assert began.wait(PATIENCE_S)
    threads += [threading.Thread(target=run, args=(number,)) for number in range(len(tasks))]
    for thread in threads[1:]:
        thread.start()
    deadline = time.monotonic() + PATIENCE_S
    while len(commits._waiting) < len(tasks):  # nothing else tells that all have come
        assert time.monotonic() < deadline
        time.sleep(0.001)
    held.set()
    for thread in threads:
        thread.join()
    return outcomes


def insert(number: int) -> Task:
    return lambda connection: connection.run("INSERT INTO parent VALUES (?)", (number,))


def parents(connection: Connection) -> list[int]:
    return [row["id"] for row in connection.rows("SELECT id FROM parent ORDER BY id")]


def test_task_that_raises_is_undone_alone(connection: SqliteConnection) -> None:
    def fail(connection: Connection) -> None:
        insert(2)(connection)
        raise ValueError("no")

    first, second, third = together(GroupCommit(SqliteWriter(connection)), insert(1), fail, insert(3))
    assert (first, third) == (1, 1)
    assert isinstance(second, ValueError)
    assert parents(connection) == [1, 3]


def test_commit_that_fails_is_told_to_everyone_and_the_next_one_works(connection: SqliteConnection) -> None:
    def orphan(connection: Connection) -> None:
        connection.run("INSERT INTO child VALUES (99)")  # noticed by COMMIT

    commits = GroupCommit(SqliteWriter(connection))
    assert [type(outcome) for outcome in together(commits, insert(1), orphan, insert(3))] == [ConstraintBroken] * 3
    assert parents(connection) == []
    assert commits.run(insert(4)) == 1
    assert parents(connection) == [4]


def test_full_disk_fails_all_of_its_group_that_it_undid(connection: SqliteConnection) -> None:
    connection.run("PRAGMA max_page_count = 8")
    connection.run("CREATE TABLE big (content BLOB)")

    def fill(connection: Connection) -> None:
        connection.run("INSERT INTO big VALUES (zeroblob(1000000))")

    commits = GroupCommit(SqliteWriter(connection))
    first, second, third = together(commits, insert(1), fill, insert(3))
    assert isinstance(second, apsw.FullError)
    kept = [number for number, outcome in ((1, first), (3, third)) if outcome == 1]
    assert parents(connection) == kept
    assert commits.run(insert(4)) == 1


def test_connection_that_cannot_even_roll_back_commits_for_nobody(connection: SqliteConnection) -> None:
    def close(_connection: Connection) -> None:
        connection.close()

    outcomes = together(GroupCommit(SqliteWriter(connection)), insert(1), close, insert(3))
    assert all(isinstance(outcome, apsw.Error) for outcome in outcomes), outcomes


def test_waiting_thread_that_is_interrupted_leaves_nobody_waiting(connection: SqliteConnection) -> None:
    commits, held, began = GroupCommit(SqliteWriter(connection)), threading.Event(), threading.Event()

    def hold(_connection: Connection) -> None:
        began.set()
        held.wait(PATIENCE_S)

    leader = threading.Thread(target=commits.run, args=(hold,))
    leader.start()
    assert began.wait(PATIENCE_S)
    with interrupted(lambda: bool(commits._waiting), held.set), pytest.raises(KeyboardInterrupt):
        commits.run(insert(1))
    leader.join(PATIENCE_S)
    following = threading.Thread(target=commits.run, args=(insert(2),), daemon=True)
    following.start()
    following.join(PATIENCE_S)
    assert parents(connection) == [1, 2]


def test_thread_that_is_interrupted_at_any_line_leaves_nobody_waiting(connection: SqliteConnection) -> None:
    commits, ids = GroupCommit(SqliteWriter(connection)), itertools.count(1)
    for number in interrupted_everywhere(lambda: commits.run(insert(next(ids)))):
        following = threading.Thread(target=commits.run, args=(insert(-number),), daemon=True)
        following.start()
        following.join(PATIENCE_S)
        assert not following.is_alive(), f"everyone waits after an interrupt before line {number}"
    assert number > 2
    assert set(range(-number, 0)) < set(parents(connection))
