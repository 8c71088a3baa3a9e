"""Many writers, one transaction: whoever comes first commits for all who wait."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar, cast

import apsw

from rightful.store.connection import Connection
from rightful.uninterrupted import uninterrupted

T = TypeVar("T")


class _Job(Generic[T]):
    __slots__ = ("error", "is_done", "result", "task", "turn")

    def __init__(self, task: Callable[[Connection], T]) -> None:
        self.task = task
        self.turn = threading.Lock()
        """Held until the job is done, or its thread is the one to commit."""
        self.turn.acquire()
        self.is_done = False
        self.result: T | None = None
        self.error: BaseException | None = None


class GroupCommit:
    """Runs tasks on one connection; those that wait together share one commit, and so one fsync.

    A task that raises is undone alone; the others of its group are committed. Tasks run in the order in which they came. Each job is woken
    once, by a lock of its own, and the next group begins before the last one is woken: with one lock for all, each of them would first
    have to get it.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._guard = threading.Lock()
        self._is_led = False
        self._waiting: list[_Job[object]] = []

    def run(self, task: Callable[[Connection], T]) -> T:
        """Run a task in a transaction; what it did is durable when this returns. What it raises is raised here.

        Whoever is interrupted meanwhile does not know what became of the task.
        """
        return uninterrupted(lambda: self._run(task))

    def _run(self, task: Callable[[Connection], T]) -> T:
        job = _Job(task)
        with self._guard:
            self._waiting.append(cast("_Job[object]", job))
            leads, self._is_led = not self._is_led, True
        if not leads:
            job.turn.acquire()
        if not job.is_done:
            self._lead()
        if job.error is not None:
            raise job.error
        return cast("T", job.result)

    def _lead(self) -> None:
        """Commit for all who wait now, then let the first of those who came meanwhile lead."""
        group: list[_Job[object]] = []
        try:
            with self._guard:
                group, self._waiting = self._waiting, []
            self._commit(group)
        finally:
            with self._guard:
                following = self._waiting[0] if self._waiting else None
                self._is_led = following is not None
                if following is not None:
                    following.turn.release()
            for job in group:
                job.turn.release()

    def _commit(self, group: list[_Job[object]]) -> None:
        try:
            self._connection.run("BEGIN IMMEDIATE")
            for job in group:
                self._run_in_savepoint(job)
            self._connection.run("COMMIT")
        except BaseException as error:
            for job in group:  # first of all: whatever follows, nobody may take this for a commit
                job.error = job.error or error
            with suppress(apsw.Error):
                if self._connection.is_in_transaction:
                    self._connection.run("ROLLBACK")
            if not isinstance(error, apsw.Error):
                raise
        finally:
            for job in group:
                job.is_done = True

    def _run_in_savepoint(self, job: _Job[object]) -> None:
        self._connection.run("SAVEPOINT job")
        try:
            job.result = job.task(self._connection)
        except Exception as error:  # noqa: BLE001 - handed to the caller who brought the task
            job.error = error
            self._connection.run("ROLLBACK TO job")
        self._connection.run("RELEASE job")
