"""Recording what changes nothing: reads and refusals, gathered for a moment and written together; and calls that proved no caller, counted.

What changes an operation is recorded by the store in the same transaction (store.interface). A read or a refusal has no transaction, and
an fsync for each would make polling as dear as submitting. So they wait in memory for FLUSH_S at most, and the first after a quiet moment
for GATHER_S: who kills the service, or the machine, loses that much of them and nothing else. Alike ones that wait together (same caller,
address, action, target and outcome) become one record with their count and the first of their request ids, so that a client that polls in a
tight loop does not fill the disk.
"""

import itertools
import threading
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import msgspec
import structlog

from rightful.audit.record import NOBODY, OK, REPEATED, SERVICE_CHAIN, Action, AuditRecord, Target, record
from rightful.clock import Clock, to_microseconds
from rightful.config.model import Config
from rightful.export.checkpointing import Checkpoints, checkpoint_key
from rightful.export.interface import Note
from rightful.faults import describe
from rightful.ids import is_guid
from rightful.sealing import Sealer
from rightful.store.interface import Store
from rightful.store.values import StoreFault

FLUSH_S = 0.25
"""How long a read or a refusal may wait to be written, after others were."""
GATHER_S = 0.02
"""How long the first one after a quiet moment waits for more."""
SIGN_S = 60.0
"""How long calls that proved no caller are counted before their record is written, and how long a chain grows before it is signed."""
_MOST_REFUSED = 100
"""Different things that a caller was refused within REFUSED_S; what it was refused beyond is recorded without what it asked for."""
REFUSED_S = 1.0
_MOST_IDS = 20
"""Request ids that a record names."""
_IDLE_S = 1.0
"""How often it is looked whether it is time to sign, while nothing is noted."""
_TOGETHER = 500
"""Notes in one transaction: submits wait for it."""
_MOST_WAITING = 50_000
"""Notes that may wait while the store cannot be written; then calls are refused: nobody looks unrecorded."""

_DONE = frozenset({OK, REPEATED})

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Gathered:
    """Alike notes: a record of the first, how many they are, and the first of their request ids."""

    first: AuditRecord
    request_ids: list[str]
    count: int = 1

    def add(self, request_ids: Iterable[str], count: int = 1) -> None:
        self.count += count
        self.request_ids += itertools.islice(request_ids, max(0, _MOST_IDS - len(self.request_ids)))

    def record(self) -> AuditRecord:
        if self.count == 1:
            return self.first
        return msgspec.structs.replace(self.first, request_id=" ".join(self.request_ids), count=self.count)


@dataclass(slots=True)
class _Unproven:
    """Calls that proved no caller, and were refused alike."""

    address: str
    """Where the first came from."""
    count: int = 0


class AuditTrail:
    """Gathers notes and writes them; has the chains signed. Safe to use from any thread."""

    def __init__(self, store: Store, sealer: Sealer, clock: Clock, checkpoints: Checkpoints) -> None:
        self._store = store
        self._sealer = sealer
        self._clock = clock
        self._checkpoints = checkpoints
        self._guard = threading.Lock()
        self._waiting: dict[Hashable, _Gathered] = {}
        self._refused: dict[Hashable, int] = {}
        self._refused_s = clock.monotonic()
        self._unproven: dict[str, _Unproven] = {}
        self._noted = threading.Event()
        self._flushed_s = clock.monotonic()
        """When notes were written last."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, and sign; afterwards nothing is written any more."""
        self._stopping.set()
        self._noted.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._work(is_due=True)

    def note(self, note: Note) -> None:
        """Take a note; see `export.interface.Exports.note`."""
        by, key = note.actor, _key(note)
        with self._guard:
            if note.outcome not in _DONE and key not in self._waiting and self._is_much_refused(note):
                note = msgspec.structs.replace(note, target_id="", subject_id="")
                key = _key(note)
            if key in self._waiting:
                self._waiting[key].add([by.request_id])
                return
            if len(self._waiting) >= _MOST_WAITING:
                raise StoreFault("the audit trail cannot be written, and no more may wait for it")
            made = record(
                by,
                tenant_id=note.tenant_id,
                time_us=to_microseconds(self._clock.now()),
                action=note.action,
                outcome=note.outcome,
                target=note.target,
                target_id=self._named(note.target_id),
                subject_id=note.subject_id,
            )
            self._waiting[key] = _Gathered(made, [by.request_id])
        self._noted.set()

    def _is_much_refused(self, note: Note) -> bool:
        """Count what a caller was refused lately, and say whether it is too much to name each thing."""
        now_s = self._clock.monotonic()
        if now_s - self._refused_s >= REFUSED_S:
            self._refused, self._refused_s = {}, now_s
        caller = (note.tenant_id, note.actor.object_id, note.actor.app_id)
        self._refused[caller] = self._refused.get(caller, 0) + 1
        return self._refused[caller] > _MOST_REFUSED

    def count_unauthenticated(self, address: str, code: str) -> None:
        """Count a call that proved no caller, by the code of what it was answered: whoever floods the service must not fill its disk."""
        with self._guard:
            self._unproven.setdefault(code, _Unproven(address)).count += 1

    def flush(self, *, with_counts: bool = False) -> None:
        """Write the notes that wait, and the count of calls that proved no caller; what cannot be written goes on waiting."""
        with self._guard:
            waiting, self._waiting = self._waiting, {}
            unproven: dict[str, _Unproven] = {}
            if with_counts:
                unproven, self._unproven = self._unproven, {}
        found = [gathered.record() for gathered in waiting.values()]
        found += [self._counted(code, calls) for code, calls in unproven.items()]
        if not found:
            return
        written = 0
        try:
            while written < len(found):
                self._write(found[written : written + _TOGETHER])
                written += _TOGETHER
        except StoreFault as error:
            _log.error("the audit trail cannot be written now", waiting=len(found) - written, error=describe(error))
            self._put_back(dict(list(waiting.items())[written:]), dict(list(unproven.items())[max(0, written - len(waiting)) :]))

    def _write(self, found: list[AuditRecord]) -> None:
        try:
            self._store.record(found)
        except StoreFault:
            raise
        except Exception as error:  # noqa: BLE001 - one record that no store can take must not take the others with it
            if len(found) == 1:
                _log.error(
                    "an audit record cannot be written, ever", action=found[0].action, outcome=found[0].outcome, error=describe(error)
                )
                return
            for each in found:
                self._write([each])

    def _counted(self, code: str, calls: _Unproven) -> AuditRecord:
        made = record(
            msgspec.structs.replace(NOBODY, address=calls.address),
            tenant_id=SERVICE_CHAIN,
            time_us=to_microseconds(self._clock.now()),
            action=Action.AUTHENTICATE,
            outcome=code,
            target=Target.SERVICE,
        )
        return msgspec.structs.replace(made, count=calls.count)

    def _put_back(self, waiting: dict[Hashable, _Gathered], unproven: dict[str, _Unproven]) -> None:
        with self._guard:
            for key, later in self._waiting.items():
                if key in waiting:
                    waiting[key].add(later.request_ids, later.count)
                else:
                    waiting[key] = later
            for code, calls in self._unproven.items():
                unproven.setdefault(code, _Unproven(calls.address)).count += calls.count
            self._waiting, self._unproven = waiting, unproven

    def _named(self, target_id: str) -> str:
        """Return a target's name as it may be recorded: a user principal name is personal, and may be of somebody who is not there."""
        if not target_id or is_guid(target_id.lower()):
            return target_id
        return f"digest:{self._sealer.digest(target_id.encode('utf-8', 'surrogatepass'))}"

    def _run(self) -> None:
        signed_s = self._clock.monotonic()
        while not self._stopping.is_set():
            if self._noted.wait(_IDLE_S):
                self._stopping.wait(max(GATHER_S, self._flushed_s + FLUSH_S - self._clock.monotonic()))
            now_s = self._clock.monotonic()
            is_due = now_s - signed_s >= SIGN_S
            signed_s = now_s if is_due else signed_s
            self._work(is_due=is_due)

    def _work(self, *, is_due: bool) -> None:
        try:
            self._write_waiting(with_counts=is_due)
            self._checkpoints.read(self._write_in_time)
            if is_due:
                self._checkpoints.sign(self._write_in_time)
        except Exception as error:  # noqa: BLE001 - the outermost loop of the thread: whatever happens, the next second is recorded
            _log.error("the audit trail failed", error=describe(error))

    def _write_in_time(self) -> None:
        """Write what has waited for long enough, while chains are read: there may be many, and long ones."""
        if self._noted.is_set() and self._clock.monotonic() >= self._flushed_s + FLUSH_S:
            self._write_waiting()

    def _write_waiting(self, *, with_counts: bool = False) -> None:
        if self._noted.is_set():
            self._noted.clear()
            self._flushed_s = self._clock.monotonic()
        self.flush(with_counts=with_counts)


def _key(note: Note) -> Hashable:
    by = note.actor
    return note.tenant_id, by.object_id, by.app_id, by.address, note.action, note.outcome, note.target_id, note.subject_id


def build(config: Config, store: Store, clock: Clock) -> AuditTrail:
    """Make the trail of a service."""
    chains = (SERVICE_CHAIN, *(tenant.id for tenant in config.tenants))
    checkpoints = Checkpoints(store, checkpoint_key(config), clock, chains, earlier_keys=config.audit.earlier_keys)
    return AuditTrail(store, Sealer(config.seal_key), clock, checkpoints)
