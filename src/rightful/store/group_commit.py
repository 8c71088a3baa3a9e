"""Many writers, one transaction: whoever comes first commits for all who wait."""

import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar, cast

from rightful.ids import TenantId
from rightful.store.connection import Connection
from rightful.uninterrupted import uninterrupted

T = TypeVar("T")


class Writer(Protocol):
    """The one connection that writes, and how its transactions begin and end."""

    @property
    def faults(self) -> tuple[type[Exception], ...]:
        """What it raises where a transaction cannot be begun, gone on with or committed."""
        ...

    @property
    def connection(self) -> Connection:
        """What tasks run on, within a transaction."""
        ...

    def begin(self) -> None:
        """Begin a transaction that no other writer has at the same time."""
        ...

    def begin_job(self, tenant_id: TenantId | None) -> None:
        """Begin a part of it that can be undone alone, for one tenant or for all."""
        ...

    def undo_job(self) -> None:
        """Undo what the part did so far."""
        ...

    def end_job(self) -> None:
        """End the part."""
        ...

    def commit(self) -> None:
        """Make all of it durable; what this raises was not committed."""
        ...

    def undo(self) -> None:
        """Undo all of it, as far as that is still to be done; raises none of `faults`."""
        ...


class _Job(Generic[T]):
    __slots__ = ("error", "is_done", "result", "task", "tenant_id", "turn")

    def __init__(self, task: Callable[[Connection], T], tenant_id: TenantId | None) -> None:
        self.task = task
        self.tenant_id = tenant_id
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

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._guard = threading.Lock()
        self._is_led = False
        self._waiting: list[_Job[object]] = []

    def run(self, task: Callable[[Connection], T], tenant_id: TenantId | None = None) -> T:
        """Run a task in a transaction; what it did is durable when this returns. What it raises is raised here.

        Whoever is interrupted meanwhile does not know what became of the task.
        """
        return uninterrupted(lambda: self._run(_Job(task, tenant_id)))

    def _run(self, job: _Job[T]) -> T:
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
            self._writer.begin()
            for job in group:
                self._run_alone(job)
            self._writer.commit()
        except BaseException as error:
            for job in group:  # first of all: whatever follows, nobody may take this for a commit
                job.error = job.error or error
            self._writer.undo()
            if not isinstance(error, self._writer.faults):
                raise
        finally:
            for job in group:
                job.is_done = True

    def _run_alone(self, job: _Job[object]) -> None:
        self._writer.begin_job(job.tenant_id)
        try:
            job.result = job.task(self._writer.connection)
        except Exception as error:  # noqa: BLE001 - handed to the caller who brought the task
            job.error = error
            self._writer.undo_job()
        self._writer.end_job()
