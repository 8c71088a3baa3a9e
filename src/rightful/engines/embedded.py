"""The engine in this process: a few threads that claim work and do it side by side."""

import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog

from rightful.engines.interface import Work
from rightful.ids import OperationId
from rightful.store.interface import Store

T = TypeVar("T")
R = TypeVar("R")
_log = structlog.get_logger(__name__)

_SET_SIZE = 256
_LEASE_S = 60.0
_IDLE_S = 0.5
_FAULT_PAUSE_S = 1.0


class EmbeddedEngine:
    """Runs work in threads of this process.

    The store belongs to this process alone, so leases of an earlier run are ended at start. Memory is bounded by the number of
    threads: each holds at most a part, a batch and a group of small entries.
    """

    def __init__(self, store: Store, work: Work, *, owner: str = "", threads: int = 4) -> None:
        self._store = store
        self._work = work
        self._owner = owner or new_owner()
        self._threads = threads
        self._stopping = threading.Event()
        self._woken = threading.Condition()
        self._wakes = 0
        self._running: list[threading.Thread] = []

    def start(self) -> None:
        """End old leases and begin to claim."""
        self._store.release_all()
        self._running = [threading.Thread(target=self._claim_forever, name=f"reads-{number}") for number in range(self._threads)]
        self._running.append(threading.Thread(target=self._keep_leases, name="leases"))
        for thread in self._running:
            thread.start()

    def stop(self) -> None:
        """Claim no more; return when what runs has come to its next checkpoint and is given back."""
        self._stopping.set()
        self._wake()
        for thread in self._running:
            thread.join()
        self._running = []
        self._store.release_all(self._owner)

    def submit(self, operation_id: OperationId) -> None:
        """Wake the threads: there is new work."""
        del operation_id  # the store knows what is next
        self._wake()

    def cancel(self, operation_id: OperationId) -> None:
        """Do nothing: the store takes the leases of a cancelled operation away, and its reads drop out at their next write."""

    def map(self, function: Callable[[T], R], values: Iterable[T]) -> Iterator[R]:
        """Call a function on each value, side by side, results in order."""
        with ThreadPoolExecutor(self._threads) as pool:
            yield from pool.map(function, values)

    def _wake(self) -> None:
        with self._woken:
            self._wakes += 1
            self._woken.notify_all()

    def _claim_forever(self) -> None:
        seen = -1
        while not self._stopping.is_set():
            with self._woken:
                if seen == self._wakes:
                    self._woken.wait(_IDLE_S)
                seen = self._wakes
            try:
                self._claim_until_empty()
            except Exception:  # noqa: BLE001 - see below
                # The outermost loop of a thread: a fault of the program or a full disk under the store must not end the service. Leases
                # that are held go back when they run out.
                _log.exception("work stopped by an unforeseen error")
                self._stopping.wait(_FAULT_PAUSE_S)

    def _claim_until_empty(self) -> None:
        while not self._stopping.is_set():
            claim = self._store.claim(self._owner, lease_s=_LEASE_S, limit=_SET_SIZE)
            if claim is None:
                return
            self._work(claim)

    def _keep_leases(self) -> None:
        while not self._stopping.wait(_LEASE_S / 4):
            try:
                self._store.heartbeat(self._owner, lease_s=_LEASE_S)
            except OSError:
                _log.exception("leases could not be extended")


def new_owner() -> str:
    """Make a name for one run of one process."""
    return uuid.uuid4().hex
