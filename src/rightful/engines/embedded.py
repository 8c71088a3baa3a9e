"""The engine in this process: a few threads that claim work and do it side by side."""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import structlog

from rightful.clock import Clock, SystemClock
from rightful.engines import leases
from rightful.engines.company import Company
from rightful.engines.interface import Work
from rightful.engines.leases import FAULT_PAUSE_S, GIVING_WAY_SIZE, IDLE_S, LEASE_S, SET_SIZE, new_owner
from rightful.engines.resting import LOOK_AGAIN_S, Rest
from rightful.engines.turns import Turns
from rightful.faults import describe
from rightful.ids import OperationId
from rightful.store.interface import Store
from rightful.store.values import FinishSet, ReadSet, Scan, StoreFault

T = TypeVar("T")
R = TypeVar("R")
_log = structlog.get_logger(__name__)

_STOP_S = 5.0
"""How long work may take to come to its next checkpoint when the service stops; what a slow or silent system holds longer is cut off."""


@dataclass(frozen=True, slots=True)
class _Left:
    """A claim that was not dealt with."""

    claim: ReadSet | FinishSet
    at: datetime
    """When it is tried again, at the earliest."""
    is_failure: bool
    """Whether it was tried."""


class EmbeddedEngine:
    """Runs work in threads of this process.

    The store belongs to this process alone, so leases of an earlier run are ended at start. Memory is bounded by the number of
    threads: each holds at most a part, a batch and a group of small entries.
    """

    def __init__(
        self,
        store: Store,
        work: Work,
        *,
        owner: str = "",
        threads: int = 4,
        tenants: int = 1,
        clock: Clock | None = None,
        scans: Callable[[], Collection[Scan]] = tuple,
        gives_way: Callable[[], bool] = lambda: False,
    ) -> None:
        """Use `threads` threads, and a few more where several tenants share them; reads of what are `scans` by then wait for company.

        While it `gives_way`, little is claimed at a time, and seldom.
        """
        self._store = store
        self._work = work
        self._owner = owner or new_owner()
        self._clock = clock or SystemClock()
        self._scans = scans
        self._gives_way = gives_way
        self._rest = Rest()
        self._turns = Turns(threads, tenants)
        self._taking = threading.Lock()
        # One claim after the other where tenants share the threads, else each would see the same ones free. Alone, claims share commits.
        self._claiming = threading.Lock() if tenants > 1 else nullcontext()
        self._stopping = threading.Event()
        self._woken = threading.Condition()
        self._wakes = 0
        self._running: list[threading.Thread] = []
        self._abandoned: deque[_Left] = deque()
        self._company = Company(self._stopping.is_set)

    def start(self) -> None:
        """End old leases and begin to claim. Who held them has died: one that stops gives them back."""
        self._store.release_all(has_died=True)
        names = [f"reads-{number}" for number in range(self._turns.threads)]
        self._running = [threading.Thread(target=self._claim_forever, name=name, daemon=True) for name in names]
        self._running.append(
            threading.Thread(target=leases.keep, args=(self._store, self._owner, self._stopping), name="leases", daemon=True)
        )
        for thread in self._running:
            thread.start()

    def stop(self) -> None:
        """Claim no more; return when what runs has come to its next checkpoint, or has had its time, and is given back."""
        self._stopping.set()
        self._wake()
        deadline = time.monotonic() + _STOP_S
        for thread in self._running:
            thread.join(max(0.0, deadline - time.monotonic()))
        held = sum(thread.is_alive() for thread in self._running)
        if held:
            # As after kill -9: what was not put down is done again, and what these threads may still say comes too late to count.
            _log.warning("work that does not come to a checkpoint is cut off", threads=held)
        self._running = []
        try:
            self._store.release_all(self._owner)
        except StoreFault as error:  # the next start ends them
            _log.error("leases could not be given back", error=describe(error))

    def is_alive(self) -> bool:
        """Say whether every thread runs."""
        return bool(self._running) and not self._stopping.is_set() and all(thread.is_alive() for thread in self._running)

    def submit(self, operation_id: OperationId) -> None:
        """Wake the threads: there is new work."""
        del operation_id  # the store knows what is next
        self._wake()

    def cancel(self, operation_id: OperationId) -> None:
        """Do nothing: the store takes the leases of a cancelled operation away, and its reads drop out at their next write."""

    def map(self, function: Callable[[T], R], values: Iterable[T]) -> Iterator[R]:
        """Call a function on each value, side by side, results in order."""
        with ThreadPoolExecutor(self._turns.threads) as pool:
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
                    self._woken.wait(IDLE_S)
                seen = self._wakes
            try:
                self._claim_until_empty()
            except BaseException as error:  # noqa: BLE001 - see below
                # The outermost loop of a thread: neither a full disk under the store nor a fault of the program (a panic of a library in
                # Rust is no Exception) may end it.
                _log.error("work stopped by an unforeseen error", error=describe(error))
                self._stopping.wait(FAULT_PAUSE_S)

    def _claim_until_empty(self) -> None:
        while not self._stopping.is_set():
            self._give_back_abandoned()
            gives_way = self._gives_way()
            if gives_way and not self._may_begin():
                self._stopping.wait(LOOK_AGAIN_S)
                continue
            if not self._company.join():
                return
            try:
                claim = self._claim(GIVING_WAY_SIZE if gives_way else SET_SIZE)
                if claim is None:
                    self._company.call_back()
                    return
                self._deal(claim)
            finally:
                self._company.leave()

    def _deal(self, claim: ReadSet | FinishSet) -> None:
        began = time.monotonic()
        wait_s = 0.0
        try:
            if claim.is_suspected:
                wait_s = self._deal_alone(claim)
            else:
                self._company.call_back()
                self._work(claim)
        except BaseException:
            self._abandon(claim, after_s=FAULT_PAUSE_S, is_failure=True)
            raise
        finally:
            now = time.monotonic()
            with self._taking:
                self._turns.give_back(claim.tenant_id)
                self._rest.note(began, now)
        if wait_s:
            # Where the store fails, it is given back later, as not tried all the same: a try would forget what the service died of.
            self._abandon(claim, after_s=wait_s, is_failure=False)
            self._give_back_abandoned()

    def _deal_alone(self, claim: ReadSet | FinishSet) -> float:
        """Deal with what may kill the process while nothing else is being done; where that cannot be now, return in how many seconds."""
        wait_s = self._company.send_away()
        if wait_s:
            return wait_s
        what = {"source": claim.source_name} if isinstance(claim, ReadSet) else {}
        others = self._company.others()
        _log.warning("what the service may have died of is tried", operations=len(claim.operations), beside=others, **what)
        self._work(claim)
        self._company.survived()
        return 0.0

    def _may_begin(self) -> bool:
        """Say whether the rest is over that work takes while it gives way; then the next one begins."""
        with self._taking:
            return self._rest.is_over(time.monotonic())

    def _claim(self, limit: int) -> ReadSet | FinishSet | None:
        with self._claiming:
            with self._taking:
                passing_over = self._turns.passing_over()
            claim = self._store.claim(
                self._owner,
                lease_s=LEASE_S,
                limit=limit,
                passing_over=passing_over,
                scans=self._scans(),
                suspects=self._company.together,
            )
            if claim is not None:
                with self._taking:
                    self._turns.take(claim.tenant_id)
            return claim

    def _abandon(self, claim: ReadSet | FinishSet, *, after_s: float, is_failure: bool) -> None:
        self._abandoned.append(_Left(claim, self._clock.now() + timedelta(seconds=after_s), is_failure))

    def _give_back_abandoned(self) -> None:
        """Give back what was not dealt with: the leases would be extended for ever, as those of everything that runs."""
        while self._abandoned:
            try:
                left = self._abandoned.popleft()
            except IndexError:  # another thread was faster
                return
            try:
                leases.give_back(self._store, left.claim, owner=self._owner, at=left.at, is_failure=left.is_failure)
            except BaseException:
                self._abandoned.append(left)
                raise
