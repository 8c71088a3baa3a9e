"""The engine on many machines: it claims as the one in this process does, and has workers deal with the claims.

Theory of operation:
* One thread claims, sends, and takes what comes back. It sends no more than the workers have threads, so that nothing leased waits in a
  queue that knows nothing of tenants and their turns.
* A claim goes to the worker that has least to do; reads that are better done in one place (`together`) to the same one while it is there
  (`choosing`). Nothing is sent to a worker before it was looked at (`roster`).
* A worker writes to the store itself, by this engine's owner and term, and fenced as any writer: a claim that was given back writes
  nothing any more, wherever it may still be running.
* A worker that is gone, or a scheduler that is, has dealt with nothing as far as is known here: claims are given back at once, as no
  failure of theirs, and done from their last checkpoint by somebody else.
* What was lost with several workers may be what kills them (`suspects`). It is sent to a worker that does nothing else meanwhile; if that
  one dies too, it is to blame, and this is a failure of its own.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec
import structlog

from rightful.clock import Clock, SystemClock
from rightful.engines import leases
from rightful.engines.choosing import Choosing
from rightful.engines.cluster import Cluster, Member, Sent
from rightful.engines.counted import count
from rightful.engines.inbox import Inbox
from rightful.engines.leases import FAULT_PAUSE_S, GIVING_WAY_SIZE, IDLE_S, LEASE_S, SET_SIZE
from rightful.engines.resting import LOOK_AGAIN_S, Rest
from rightful.engines.roster import Roster
from rightful.engines.suspects import LOST, Suspects
from rightful.engines.task import End, Task, read_outcome, seal
from rightful.engines.turns import Turns
from rightful.faults import describe
from rightful.ids import OperationId
from rightful.leash import Leash
from rightful.meters import Meters
from rightful.store.interface import Store
from rightful.store.values import FinishSet, ReadSet, Scan, StoreFault

T = TypeVar("T")
R = TypeVar("R")
_log = structlog.get_logger(__name__)

_STOP_S = 5.0
_QUIET_S = 1.5
"""So long after a cancel every worker has looked whether its operations have ended (`worksite`), and sends nothing for this one."""
_FINISHED_ALONE = 5
"""So many workers may die of finishing one package."""


@dataclass(slots=True)
class _Running:
    claim: ReadSet | FinishSet
    member: Member
    began: float
    is_alone: bool = False
    sent: Sent | None = None


@dataclass(frozen=True, slots=True)
class _Left:
    """A claim that was not dealt with."""

    claim: ReadSet | FinishSet
    at: datetime
    is_failure: bool
    is_to_blame: bool


class DistributedEngine:
    """Has workers of a cluster deal with claims."""

    def __init__(
        self,
        store: Store,
        cluster: Cluster,
        describe_task: Callable[[ReadSet | FinishSet | None], Task],
        *,
        owner: str,
        tenants: int = 1,
        paths: Sequence[str] = (),
        clock: Clock | None = None,
        scans: Callable[[], Collection[Scan]] = tuple,
        together: Callable[[ReadSet], Hashable | None] = lambda _claim: None,
        gives_way: Callable[[], bool] = lambda: False,
        blame: Callable[[ReadSet | FinishSet], None] | None = None,
        meters: Meters | None = None,
    ) -> None:
        """Send what `describe_task` makes of a claim. Workers have to have all `paths` on their machine, else they get none.

        What kills workers is given to `blame`, which puts down what becomes of it; where that raises `StoreFault`, it is called again.
        While it `gives_way`, little is claimed at a time, and seldom.
        """
        self._store = store
        self._cluster = cluster
        self._describe_task = describe_task
        self._owner = owner
        self._clock = clock or SystemClock()
        self._scans = scans
        self._gives_way = gives_way
        self._blame = blame
        self._meters = meters or Meters()
        self._rest = Rest()
        self._turns = Turns(1, tenants)
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._ended: Inbox[tuple[int, bytes | None]] = Inbox(self._woken.set)
        self._number = 0
        self._running: dict[int, _Running] = {}
        self._roster = Roster(cluster, lambda: describe_task(None), paths, self._woken.set)
        self._choosing = Choosing(together)
        self._suspects = Suspects()
        self._waiting: deque[ReadSet | FinishSet] = deque()
        """Claims that wait for a worker of their own."""
        self._reserved: Member | None = None
        """Who gets nothing but the first of those."""
        self._abandoned: list[_Left] = []
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """End old leases, and begin to look for workers and to claim."""
        self._store.release_all()
        self._cluster.start(self._woken.set)
        self._threads = [
            threading.Thread(target=self._run, name="claims", daemon=True),
            threading.Thread(target=leases.keep, args=(self._store, self._owner, self._stopping), name="leases", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Claim no more, and give back what runs: workers find that at their next checkpoint, and drop it."""
        self._stopping.set()
        self._woken.set()
        deadline = time.monotonic() + _STOP_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._threads = []
        try:
            self._store.release_all(self._owner)
        except StoreFault as error:  # the next start ends them
            _log.error("leases could not be given back", error=describe(error))
        for running in self._running.values():
            if running.sent is not None:
                running.sent.drop()
        self._cluster.close()

    def is_alive(self) -> bool:
        """Say whether there is a worker to claim for, and the threads run that do."""
        is_running = bool(self._threads) and not self._stopping.is_set() and all(thread.is_alive() for thread in self._threads)
        return is_running and bool(self._roster.usable)

    def submit(self, operation_id: OperationId) -> None:
        """Look at once: there is new work."""
        del operation_id  # the store knows what is next
        self._woken.set()

    def cancel(self, operation_id: OperationId) -> Leash:
        """Do nothing: each worker asks the store, all the time, which of its operations have ended. Return how long that may take."""
        del operation_id
        return _Delay(time.monotonic() + _QUIET_S, self._stopping)

    def map(self, function: Callable[[T], R], values: Iterable[T]) -> Iterator[R]:
        """Call a function on each value, side by side, results in order; here, since workers run nothing but claims."""
        with ThreadPoolExecutor(self._turns.threads) as pool:
            yield from pool.map(function, values)

    # -- the thread that claims ---------------------------------------------------------------------------------------
    def _run(self) -> None:
        while not self._stopping.is_set():
            self._woken.wait(IDLE_S)
            self._woken.clear()
            try:
                self._turn()
            except BaseException as error:  # noqa: BLE001 - the outermost loop of a thread, as in `embedded`
                _log.error("work stopped by an unforeseen error", error=describe(error))
                self._stopping.wait(FAULT_PAUSE_S)

    def _turn(self) -> None:
        self._look_at_members()
        self._take_back()
        self._give_back()
        self._send_alone()
        self._fit()
        while self._open and self._turns.free > 0 and not self._stopping.is_set():
            gives_way = self._gives_way()
            if gives_way and not self._rest.is_over(time.monotonic()):
                self._stopping.wait(LOOK_AGAIN_S)
                self._woken.set()
                return
            claim = self._store.claim(
                self._owner,
                lease_s=LEASE_S,
                limit=GIVING_WAY_SIZE if gives_way else SET_SIZE,
                passing_over=self._turns.passing_over(),
                scans=self._scans(),
            )
            if claim is None:
                return
            self._turns.take(claim.tenant_id)
            if self._suspects.is_one(claim) or (self._reserved is not None and self._choosing.home(claim) == self._reserved):
                self._hold(claim)
            else:
                self._send(claim, self._choose(claim, self._open))
            self._take_back()

    @property
    def _open(self) -> tuple[Member, ...]:
        return self._choosing.able(tuple(member for member in self._roster.usable if member != self._reserved))

    def _fit(self) -> None:
        self._turns.resize(sum(each.threads for each in self._open) + (self._reserved is not None))

    def _hold(self, claim: ReadSet | FinishSet) -> None:
        """Keep a claim until a worker does nothing else; packages one by one."""
        parts: list[ReadSet | FinishSet] = [claim]
        if isinstance(claim, FinishSet):
            parts = [msgspec.structs.replace(claim, operations=(operation,)) for operation in claim.operations]
        for _ in parts[1:]:
            self._turns.take(claim.tenant_id)
        self._waiting += parts
        self._send_alone()

    def _send_alone(self) -> None:
        if any(running.is_alone for running in self._running.values()):
            return
        if self._reserved not in self._roster.usable or not self._waiting:
            usable = self._roster.usable
            self._reserve(self._choose(self._waiting[0], usable) if self._waiting and usable else None)
        if self._reserved is not None and all(running.member != self._reserved for running in self._running.values()):
            claim = self._waiting.popleft()
            _log.warning("what was lost with several workers is done by one alone", worker=self._reserved.address)
            self._send(claim, self._reserved, is_alone=True)

    def _reserve(self, member: Member | None) -> None:
        self._reserved = member
        self._fit()

    def _send(self, claim: ReadSet | FinishSet, member: Member, *, is_alone: bool = False) -> None:
        self._number += 1
        number = self._number
        self._running[number] = running = _Running(claim, member, time.monotonic(), is_alone)

        try:
            sealed = seal(self._describe_task(claim), member.recipient)
            running.sent = self._cluster.send(sealed, member, lambda said: self._ended.put((number, said)))
        except BaseException:
            self._forget(number)
            self._abandon(claim, after_s=FAULT_PAUSE_S, is_failure=True)
            raise

    def _choose(self, claim: ReadSet | FinishSet, among: tuple[Member, ...]) -> Member:
        return self._choosing.choose(claim, among, (running.member for running in self._running.values()))

    def _look_at_members(self) -> None:
        if self._roster.look():
            self._reserve(self._reserved if self._reserved in self._roster.usable else None)
        self._choosing.keep(self._roster.usable)
        for number in [number for number, running in self._running.items() if running.member not in self._roster.usable]:
            if (lost := self._forget(number)) is not None:
                self._note_lost(lost, is_dead=self._roster.is_dead(lost.member))

    def _take_back(self) -> None:
        for number, said in self._ended.take():
            outcome = read_outcome(said)
            for counted in () if outcome is None else outcome.counted:
                count(counted, self._meters)
            running = self._forget(number)
            if running is None:
                continue
            self._rest.note(running.began, time.monotonic())
            if outcome is None or outcome.end is End.STOPPED:
                self._abandon(running.claim)
            elif outcome.end is not End.DONE:
                _log.error("work stopped by an unforeseen error", worker=running.member.address, end=outcome.end, error=outcome.detail)
                self._abandon(running.claim, after_s=FAULT_PAUSE_S, is_failure=True)
                self._choosing.note_end(running.member, is_fault=True)
            else:
                self._suspects.clear(running.claim)
                self._choosing.note_end(running.member, is_fault=False)

    def _forget(self, number: int) -> _Running | None:
        running = self._running.pop(number, None)
        if running is not None:
            self._turns.give_back(running.claim.tenant_id)
            if running.sent is not None:
                running.sent.drop()
            if running.is_alone:
                self._reserve(None)
        return running

    def _abandon(self, claim: ReadSet | FinishSet, *, after_s: float = 0.0, is_failure: bool = False, is_to_blame: bool = False) -> None:
        self._abandoned.append(_Left(claim, self._clock.now() + timedelta(seconds=after_s), is_failure, is_to_blame))
        self._woken.set()

    def _give_back(self) -> None:
        """Give back what was not dealt with: the leases would be extended for ever, as those of everything that runs."""
        while self._abandoned:
            left = self._abandoned[-1]
            if left.is_to_blame and self._blame is not None:
                self._blame(left.claim)
            else:
                leases.give_back(self._store, left.claim, owner=self._owner, at=left.at, is_failure=left.is_failure)
            self._abandoned.pop()

    def _note_lost(self, lost: _Running, *, is_dead: bool) -> None:
        """Note that a worker, or the scheduler, is gone with a claim."""
        if not is_dead:
            self._abandon(lost.claim)
            return
        self._suspects.note_lost(lost.claim)
        is_to_blame = lost.is_alone and (isinstance(lost.claim, ReadSet) or self._suspects.times(lost.claim) >= LOST + _FINISHED_ALONE)
        self._abandon(lost.claim, after_s=FAULT_PAUSE_S if lost.is_alone else 0.0, is_to_blame=is_to_blame)


class _Delay(Leash):
    """Says that nothing is sent any more once a time has passed."""

    def __init__(self, until: float, stopping: threading.Event) -> None:
        super().__init__()
        self._until = until
        self._is_over = stopping

    def wait(self, timeout_s: float) -> bool:
        """Wait for that; False where it takes longer than this."""
        left_s = max(0.0, self._until - time.monotonic())
        self._is_over.wait(min(left_s, timeout_s))
        return left_s <= timeout_s
