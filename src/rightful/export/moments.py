"""Which moment of a database is read for whom: what is read for one operation from all tables of a database is of one moment.

The first read of a database for an operation has it hold a moment (`connectors.interface.Holding`); the operation's other reads of that
database are of the same one. Operations share a moment that came after they were submitted. It is let go when nobody has anything left to
read at it, and after `export.snapshot_s` in any case: a database keeps old rows for it. What an operation reads after that, or after a
restart, is of a later moment, and its ledger says so.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import msgspec

from rightful.clock import Clock
from rightful.connectors.interface import Holding, Moment
from rightful.export.runtime import TenantRuntime
from rightful.ids import OperationId, TenantId
from rightful.store.values import ClaimedOperation

_MOST = 8
"""How many moments of one database are held for a tenant: each takes a connection."""
_IDLE_S = 30.0
"""A moment that nobody has read at for so long makes room for another: its operations wait for something else."""
_TURN_S = 5.0


class Held:
    """A moment, and whose reads it is held for."""

    def __init__(self, moment: Moment, taken_at: datetime) -> None:
        self.moment = moment
        self.taken_at = taken_at
        self.left: dict[OperationId, set[str]] = {}
        """The sources that are still to be read, for each operation."""
        self.users = 0
        self.used_s = 0.0
        self.is_over = False
        self.timer: threading.Timer | None = None
        self._turn = threading.Lock()

    @property
    def is_usable(self) -> bool:
        """Whether further reads may be of this moment."""
        return not (self.is_over or self.moment.is_lost)

    @contextmanager
    def turn(self, patience_s: float = _TURN_S) -> Iterator[bool]:
        """Wait for those before us where one may read at a time, for a few seconds; say whether it is our turn."""
        if self.moment.is_shared:
            yield True
            return
        is_ours = self._turn.acquire(timeout=patience_s)
        try:
            yield is_ours
        finally:
            if is_ours:
                self._turn.release()


class Share(msgspec.Struct, frozen=True):
    """Reads of one source that are of one moment."""

    numbers: list[int]
    """Which of the operations."""
    taken_at: datetime | None = None
    """Before the moment; what was committed by then is in it. None: the source cannot tell."""
    held: Held | None = None
    """None: the read is of a moment of its own."""
    is_later: bool = False
    """Whether as many moments as may be are held already: to be tried again in a moment."""


class Moments:
    """Holds moments for every tenant; used from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._systems: dict[tuple[TenantId, str], _System] = {}
        self._lock = threading.Lock()

    def share(self, operations: Sequence[ClaimedOperation], source_name: str, tenant: TenantRuntime) -> list[Share]:
        """Return what reads of a source for these operations have to be of, together all of them. Each share is to be given back.

        Raises `SourceError` where the database cannot be asked.
        """
        everybody = list(range(len(operations)))
        connector = tenant.connectors[source_name]
        if not isinstance(connector, Holding):
            return [Share(everybody)]
        beside = tenant.of_one_system(connector.system)
        limit_s = tenant.config.export.snapshot_s
        if len(beside) == 1 or not limit_s:
            return [Share(everybody, self._clock.now())]
        with self._lock:
            system = self._systems.setdefault((tenant.config.id, connector.system), _System(self._clock))
        return system.share(operations, connector, beside, limit_s)

    def give_back(self, share: Share, done: Sequence[OperationId], source_name: str) -> None:
        """End the use of a moment by a source's reads, those of `done` for good."""
        if share.held is None:
            return
        for system in self._all():
            system.give_back(share.held, done, source_name)

    def forget(self, operation_id: OperationId) -> None:
        """Hold nothing for an operation any more: it has ended."""
        for system in self._all():
            system.forget(operation_id)

    def end(self) -> None:
        """Let go of everything, as soon as nobody reads at it."""
        for system in self._all():
            system.end()

    def _all(self) -> "list[_System]":
        with self._lock:
            return list(self._systems.values())


class _System:
    """The moments of one database that are held for one tenant, oldest first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: list[Held] = []
        self._lock = threading.Lock()
        self._holding = threading.Lock()
        """Reads of an operation that begin side by side hold one moment. Nobody else waits for a database that takes its time."""

    def share(self, operations: Sequence[ClaimedOperation], connector: Holding, beside: frozenset[str], limit_s: float) -> list[Share]:
        with self._holding:
            numbers = self._known(operations, beside)
            fresh = numbers.pop(None, [])
            shares = [Share(some, held.taken_at, held) for held, some in numbers.items() if held is not None]
            if fresh:
                try:
                    shares.append(self._hold(fresh, [operations[number].operation_id for number in fresh], connector, beside, limit_s))
                except BaseException:
                    for share in shares:
                        self.give_back(share.held, (), "")
                    raise
        return shares

    def _known(self, operations: Sequence[ClaimedOperation], beside: frozenset[str]) -> dict[Held | None, list[int]]:
        """Return which operations can be read for at moments that are held, and begin to use these."""
        numbers: dict[Held | None, list[int]] = {}
        with self._lock:
            self._tidy()
            for number, operation in enumerate(operations):
                held = self._of(operation)
                if held is not None:
                    held.left.setdefault(operation.operation_id, set(beside))
                numbers.setdefault(held, []).append(number)
            for held in numbers:
                if held is not None:
                    held.users += 1
        return numbers

    def give_back(self, held: Held | None, done: Sequence[OperationId], source_name: str) -> None:
        with self._lock:
            if held is None or held not in self._held:
                return
            held.users -= 1
            held.used_s = self._clock.monotonic()
            for operation_id in done:
                left = held.left.get(operation_id, set())
                left.discard(source_name)
                if not left:
                    held.left.pop(operation_id, None)
            self._tidy()

    def forget(self, operation_id: OperationId) -> None:
        with self._lock:
            for held in self._held:
                held.left.pop(operation_id, None)
            self._tidy()

    def end(self) -> None:
        with self._lock:
            for held in self._held:
                held.is_over = True
            self._tidy()

    def _of(self, operation: ClaimedOperation) -> Held | None:
        """Return the moment that an operation is bound to, else the latest that came after it was submitted."""
        usable = [held for held in self._held if held.is_usable]
        bound = next((held for held in usable if operation.operation_id in held.left), None)
        return bound or next((held for held in reversed(usable) if held.taken_at >= operation.submitted_at), None)

    def _hold(self, numbers: list[int], ids: list[OperationId], connector: Holding, beside: frozenset[str], limit_s: float) -> Share:
        with self._lock:
            if len(self._held) >= _MOST and not self._make_room():
                return Share(numbers, is_later=True)
        taken_at = self._clock.now()
        moment = connector.hold(limit_s)
        if moment is None:
            return Share(numbers, taken_at)
        held = Held(moment, taken_at)
        held.users = 1
        held.left = {operation_id: set(beside) for operation_id in ids}
        held.timer = threading.Timer(limit_s, self._expire, (held,))
        held.timer.daemon = True
        held.timer.start()
        with self._lock:
            self._held.append(held)
        return Share(numbers, taken_at, held)

    def _make_room(self) -> bool:
        until_s = self._clock.monotonic() - _IDLE_S
        idle = next((held for held in self._held if not held.users and held.used_s <= until_s), None)
        if idle is not None:
            idle.is_over = True
            self._tidy()
        return idle is not None

    def _expire(self, held: Held) -> None:
        with self._lock:
            held.is_over = True
            self._tidy()

    def _tidy(self) -> None:
        """Close what nobody uses, and nobody is going to."""
        for held in [held for held in self._held if not held.users and not (held.left and held.is_usable)]:
            self._held.remove(held)
            if held.timer is not None:
                held.timer.cancel()
            held.moment.close()
