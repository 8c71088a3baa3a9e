"""Syncs that meet become one: a thread leads for all that wait."""

import errno
import os
import resource
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from rightful.storage.durable import PendingFile, has_syncfs, make_durable
from rightful.storage.local_errors import FolderFault
from rightful.uninterrupted import uninterrupted

MOST_PENDING = 1024
"""Where the process may open `MANY_FILES` or more: with as many again in a sync that is under way, for several roots."""
MANY_FILES = 16 * MOST_PENDING
_FEWEST_PENDING = 256
"""Else: with as many again, and one for each thread, far below the usual limit of 1,024 descriptors."""


def most_pending() -> int:
    """Return how many files may wait at once, each of them open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_PENDING if soft == resource.RLIM_INFINITY or soft >= MANY_FILES else _FEWEST_PENDING


class _Turn:
    """A thread that waits until every file up to a number is durable, or until it is the one to lead."""

    __slots__ = ("end", "lock")

    def __init__(self, end: int) -> None:
        self.end = end
        self.lock = threading.Lock()
        self.lock.acquire()


@dataclass(slots=True)
class _Taken:
    """A file whose name was taken by another content."""

    number: int
    thread: int
    is_reported: bool = False


class GroupSync:
    """Files below one root that wait for durability and their names. Safe to use from any thread.

    A sync covers every file added before it began. After one has failed all later calls fail alike: the kernel forgets what it could
    not write, so a second try could only pretend.
    """

    def __init__(self, root_fd: int) -> None:
        self._root_fd = root_fd
        self._has_syncfs = has_syncfs(root_fd)
        self._changed = threading.Condition()
        self._most_pending = most_pending()
        self._pending: list[PendingFile] = []
        self._waiting: set[tuple[str, ...]] = set()
        self._last_number = 0
        self._done_number = 0
        self._is_led = False
        self._waiting_for_sync: list[_Turn] = []
        self._taken: list[_Taken] = []
        self._failure: OSError | None = None

    def raise_if_failed(self) -> None:
        """Raise the `FolderFault` by which this object is of no use any more, if it is."""
        if self._failure is not None:
            raise FolderFault(self._failure)

    @property
    def has_failed(self) -> bool:
        """Whether this object is of no use any more."""
        return self._failure is not None

    def is_waiting(self, segments: tuple[str, ...]) -> bool:
        """Say whether a file waits for this name."""
        return segments in self._waiting

    def add(self, entry: PendingFile) -> None:
        """Take a file over, also where this raises `FolderFault`."""
        with self._changed:
            if self._failure is not None:
                self.drop([entry])
                self.raise_if_failed()
            self._last_number += 1
            entry.number = self._last_number
            self._pending.append(entry)
            self._waiting.add(entry.segments)
            is_full = len(self._pending) >= self._most_pending
        if is_full:
            self.flush()

    def sync(self) -> bool:
        """Make all files added so far durable and visible; return False where the name of one was taken by something else.

        That is told to every sync that covers the file, to the next one of all, and to the next one of the thread that added it.
        """
        with self._changed:
            start = self._done_number
        end = self.flush()
        own = threading.get_ident()
        with self._changed:
            met = [taken for taken in self._taken if taken.thread == own or not taken.is_reported or start < taken.number <= end]
            for taken in met:
                taken.is_reported = True
            self._taken = [taken for taken in self._taken if taken.thread != own]
        return not met

    def flush(self) -> int:
        """Make all files added so far durable, or wait until another thread has; return the number of the last one.

        Raises:
            FolderFault: at least one of them is lost.
        """
        return uninterrupted(self._flush)

    def _flush(self) -> int:
        with self._changed:
            end = self._last_number
            if self._is_over(end):
                return end
            turn = _Turn(end) if self._is_led else None
            if turn is not None:
                self._waiting_for_sync.append(turn)
            self._is_led = True
        if turn is not None:
            turn.lock.acquire()
        with self._changed:
            if self._is_over(end):
                return end
            batch, self._pending = self._pending, []
            upto = self._last_number
        self._lead(batch, upto)
        return end

    def _is_over(self, end: int) -> bool:
        self.raise_if_failed()
        return self._done_number >= end

    def _lead(self, batch: list[PendingFile], upto: int) -> None:
        taken: list[PendingFile] = []
        failure: OSError | None = OSError(errno.EINTR, os.strerror(errno.EINTR))
        try:
            taken = make_durable(batch, self._root_fd, has_syncfs=self._has_syncfs)
            failure = None
        except OSError as error:
            failure = OSError(error.errno, error.strerror)  # without a traceback, which would keep this object alive, and its root open
            raise FolderFault(error) from error
        finally:
            self.drop(batch)
            with self._changed:
                self._failure = failure
                self._taken += [_Taken(entry.number, entry.thread) for entry in taken]
                self._waiting.difference_update(entry.segments for entry in batch)
                self._done_number = upto
                self._pass_on()

    def _pass_on(self) -> None:
        """Let the first one lead whose files are not durable yet, then wake those whose files are; after a failure, all."""
        waiting = self._waiting_for_sync
        self._waiting_for_sync = [turn for turn in waiting if turn.end > self._done_number and self._failure is None]
        self._is_led = bool(self._waiting_for_sync)
        if self._is_led:
            self._waiting_for_sync.pop(0).lock.release()
        for turn in waiting:
            if turn.end <= self._done_number or self._failure is not None:
                turn.lock.release()
        self._changed.notify_all()

    def drop(self, entries: Iterable[PendingFile]) -> None:
        """Close files; what has no name vanishes."""
        for entry in entries:
            if entry.hidden:
                with suppress(OSError):
                    os.unlink(entry.hidden, dir_fd=self._root_fd)
            with suppress(OSError):  # what it had to say, the sync has said
                os.close(entry.fd)

    def close(self) -> None:
        """Drop what was not synced, and close the root."""
        with self._changed:
            while self._is_led:
                self._changed.wait()
            self._failure = self._failure or OSError(errno.EBADF, os.strerror(errno.EBADF))
            dropped, self._pending = self._pending, []
            self.drop(dropped)
            if self._root_fd >= 0:
                os.close(self._root_fd)
                self._root_fd = -1
