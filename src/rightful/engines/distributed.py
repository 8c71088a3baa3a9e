"""The engine on many machines: it claims as the one in this process does, and has workers deal with the claims.

Theory of operation:
* One thread claims, sends, and takes what comes back. It sends no more than the workers have threads, so that nothing leased waits in a
  queue that knows nothing of tenants and their turns.
* A claim goes to the worker that has least to do; reads that are better done in one place (`together`) to the same one while it is there.
* A worker writes to the store itself, by this engine's owner and term, and fenced as any writer: a claim that was given back writes
  nothing any more, wherever it may still be running.
* A worker that is gone, or a scheduler that is, has dealt with nothing as far as is known here: claims are given back at once, as no
  failure of theirs, and done from their last checkpoint by somebody else.
"""

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec
import structlog

from rightful import __version__
from rightful.clock import Clock, SystemClock
from rightful.engines import leases
from rightful.engines.cluster import Cluster, Member, Sent
from rightful.engines.counted import count
from rightful.engines.leases import FAULT_PAUSE_S, GIVING_WAY_SIZE, IDLE_S, LEASE_S, SET_SIZE
from rightful.engines.resting import LOOK_AGAIN_S, Rest
from rightful.engines.task import End, Outcome, Task, seal
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
_AGAIN_S = 30.0
"""When a worker is looked at again that lacks something."""
_QUIET_S = 1.5
"""So long after a cancel every worker has looked whether its operations have ended (`worksite`), and sends nothing for this one."""


@dataclass(slots=True)
class _Running:
    claim: ReadSet | FinishSet
    member: Member
    began: float
    sent: Sent | None = None


@dataclass(slots=True)
class _Looked:
    """What is known of a worker that came."""

    is_usable: bool = False
    again_at: float = 0.0
    sent: Sent | None = field(default=None, repr=False)


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
        meters: Meters | None = None,
    ) -> None:
        """Send what `describe_task` makes of a claim. Workers have to have all `paths` on their machine, else they get none.

        While it `gives_way`, little is claimed at a time, and seldom.
        """
        self._store = store
        self._cluster = cluster
        self._describe_task = describe_task
        self._owner = owner
        self._clock = clock or SystemClock()
        self._scans = scans
        self._together = together
        self._gives_way = gives_way
        self._meters = meters or Meters()
        self._paths = tuple(paths)
        self._rest = Rest()
        self._turns = Turns(1, tenants)
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._ended: queue.SimpleQueue[tuple[int, bytes | None]] = queue.SimpleQueue()
        self._looks: queue.SimpleQueue[tuple[Member, bytes | None]] = queue.SimpleQueue()
        self._number = 0
        self._running: dict[int, _Running] = {}
        self._known: dict[Member, _Looked] = {}
        self._usable: tuple[Member, ...] = ()
        self._homes: dict[Hashable, Member] = {}
        self._strangers: set[Member] = set()
        self._abandoned: list[tuple[ReadSet | FinishSet, datetime, bool]] = []
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
        return is_running and bool(self._usable)

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
        while self._usable and self._turns.free > 0 and not self._stopping.is_set():
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
            self._send(claim)
            self._take_back()

    def _send(self, claim: ReadSet | FinishSet) -> None:
        self._number += 1
        number, member = self._number, self._choose(claim)
        self._running[number] = running = _Running(claim, member, time.monotonic())
        self._turns.take(claim.tenant_id)

        def on_end(said: bytes | None) -> None:
            self._ended.put((number, said))
            self._woken.set()

        try:
            running.sent = self._cluster.send(seal(self._describe_task(claim), member.recipient), member, on_end)
        except BaseException:
            self._forget(number)
            self._abandon(claim, after_s=FAULT_PAUSE_S, is_failure=True)
            raise

    def _choose(self, claim: ReadSet | FinishSet) -> Member:
        """Return who has least to do, for as many threads as it has; or who has done before what belongs together."""
        held = Counter(running.member for running in self._running.values())

        def load(member: Member) -> tuple[float, str]:
            return held[member] / member.threads, member.address

        key = self._together(claim) if isinstance(claim, ReadSet) else None
        if key is None:
            return min(self._usable, key=load)
        home = self._homes.get(key)
        if home is None:
            lodgers = Counter(self._homes.values())
            home = self._homes[key] = min(self._usable, key=lambda member: (lodgers[member], *load(member)))
        return home

    def _take_back(self) -> None:
        while True:
            try:
                number, said = self._ended.get_nowait()
            except queue.Empty:
                return
            outcome = _read(said)
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

    def _forget(self, number: int) -> _Running | None:
        running = self._running.pop(number, None)
        if running is not None:
            self._turns.give_back(running.claim.tenant_id)
            if running.sent is not None:
                running.sent.drop()
        return running

    def _abandon(self, claim: ReadSet | FinishSet, *, after_s: float = 0.0, is_failure: bool = False) -> None:
        self._abandoned.append((claim, self._clock.now() + timedelta(seconds=after_s), is_failure))
        self._woken.set()

    def _give_back(self) -> None:
        """Give back what was not dealt with: the leases would be extended for ever, as those of everything that runs."""
        while self._abandoned:
            claim, at, is_failure = self._abandoned[-1]
            leases.give_back(self._store, claim, owner=self._owner, at=at, is_failure=is_failure)
            self._abandoned.pop()

    # -- who is there -------------------------------------------------------------------------------------------------
    def _look_at_members(self) -> None:
        members = self._cluster.members() or ()
        there = [member for member in members if member.version == __version__]
        self._note_strangers({member for member in members if member.version != __version__})
        for member in self._known.keys() - set(there):
            del self._known[member]
            _log.warning("a worker is gone", worker=member.address)
        self._take_looks()
        now = time.monotonic()
        for member in there:
            looked = self._known.setdefault(member, _Looked())
            if not looked.is_usable and looked.sent is None and now >= looked.again_at:
                self._look_at(member, looked)
        usable = tuple(member for member in there if self._known[member].is_usable)
        if usable != self._usable:
            self._usable = usable
            self._turns.resize(sum(member.threads for member in usable))
            _log.info("workers that can be sent work", workers=len(usable), threads=sum(member.threads for member in usable))
        self._homes = {key: member for key, member in self._homes.items() if member in usable}
        for number in [number for number, running in self._running.items() if running.member not in usable]:
            if (lost := self._forget(number)) is not None:
                self._abandon(lost.claim)

    def _note_strangers(self, strangers: set[Member]) -> None:
        for member in strangers - self._strangers:
            _log.error("a worker of another version gets no work", worker=member.address, version=member.version, own=__version__)
        self._strangers = strangers

    def _look_at(self, member: Member, looked: _Looked) -> None:
        """Ask a worker whether it has what the sources need that lie on its machine."""

        def on_end(said: bytes | None) -> None:
            self._looks.put((member, said))
            self._woken.set()

        looked.again_at = time.monotonic() + _AGAIN_S
        task = msgspec.structs.replace(self._describe_task(None), paths=self._paths)
        looked.sent = self._cluster.send(seal(task, member.recipient), member, on_end)

    def _take_looks(self) -> None:
        while True:
            try:
                member, said = self._looks.get_nowait()
            except queue.Empty:
                return
            looked = self._known.get(member)
            if looked is None:
                continue
            if looked.sent is not None:
                looked.sent.drop()
            looked.sent = None
            outcome = _read(said)
            looked.is_usable = outcome is not None and outcome.end is End.DONE and not outcome.missing
            if outcome is not None and not looked.is_usable:
                missing = [self._paths[number] for number in outcome.missing]
                _log.error("a worker gets no work", worker=member.address, end=outcome.end, missing=missing, error=outcome.detail)


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


def _read(said: bytes | None) -> Outcome | None:
    """Return what a worker says; None where it says nothing, or nothing that can be understood."""
    try:
        return None if said is None else msgspec.msgpack.decode(said, type=Outcome)
    except msgspec.MsgspecError:
        return Outcome(end=End.FAULT, detail="the answer is not understood")
