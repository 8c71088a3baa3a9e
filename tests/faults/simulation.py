"""A deterministic simulation of store, engine and storage: one thread, one seed, one order of steps.

The store is the real one in memory, which passes the suite of all stores. Workers, clients, a service that restarts and a poller are
generators that give way after each call of store or storage; a scheduler draws who goes next. So every order of their calls can come,
also those that two processes make on one store. It draws faults too: a worker is killed between two calls, stopped and continued after
its leases ran out (SIGSTOP, SIGCONT), the location does not answer or loses its answer, the source is down, the clock jumps. What has
ended is purged meanwhile, after some seconds instead of years.

Workers go by the engine's rules (`export.outbox`, `export.finish`): what is put is staged before, synced after, and only then put down as
done; who has lost a lease changes nothing. The real engine runs in `scenario`; here its rules are tried some thousand times as often.
"""

import hashlib
import random
from collections.abc import Generator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
from tests.faults.checker import Accepted, Asked, Evidence, Held, Person, Poll, check, complete
from tests.faults.purged import Left, Purge
from tests.faults.trail import Row

from rightful.audit.record import Actor
from rightful.audit.start import ChainStart
from rightful.clock import to_microseconds
from rightful.ids import OperationId, SubjectId, TenantId
from rightful.operation.model import Failure, OperationStatus, PackageTotals
from rightful.store.values import (
    Checkpoint,
    ClaimedOperation,
    ClaimedRead,
    Completion,
    Entry,
    EntryState,
    FinishSet,
    Intent,
    NewRead,
    PurgeLimits,
    ReadSet,
    RepeatKey,
)
from rightful.subject.model import SubjectKind
from rightful.testing.memory_store import MemoryStore

TENANT = TenantId("11111111-1111-1111-1111-111111111111")
SECRET = b"the signature of a SAS"
_START = datetime(2026, 1, 31, 12, tzinfo=UTC)
_LEASE_S = 30.0
_TRIES = 3
"""Of a source that is down."""
_SOURCES = {"orders": (1, 3), "files": (2, 2)}
"""By name: partitions, and parts in each."""
_MOST_STEPS = 6_000
_ANSWER_S, _LEAST_ANSWER_S = 600.0, 400
"""How long a request that failed is kept, since it may have to be answered still; and how long at the least, from its record on."""
_SECOND_US = 1_000_000
_UNAVAILABLE = Failure(code="StorageUnavailable", message="the storage location does not answer")
_DOWN = Failure(code="SourceUnavailable", message="the source does not answer", source_name="orders")
_CONFLICT = Failure(code="EntryConflict", message="something else lies at the path of an entry")
_CANCELLED = Failure(code="cancelled", message="the operation was cancelled")

Steps = Generator[None, None, None]


class SimulatedClock:
    """A clock that the scheduler moves."""

    def __init__(self) -> None:
        self._now = _START
        self.monotonic_s = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self.monotonic_s

    def sleep(self, duration_s: float) -> None:
        self.advance(duration_s)

    def advance(self, duration_s: float) -> None:
        self._now += timedelta(seconds=duration_s)
        self.monotonic_s += duration_s


class Container:
    """A storage location in memory: create only; what is put counts once it is synced, and what was not goes with whoever put it."""

    def __init__(self) -> None:
        self.entries: dict[str, bytes] = {}
        self._pending: dict[str, dict[str, bytes]] = {}

    def put(self, who: str, path: str, content: bytes) -> bool:
        """Put an entry; False where one lies there."""
        pending = self._pending.setdefault(who, {})
        if path in self.entries or path in pending:
            return False
        pending[path] = content
        return True

    def sync(self, who: str) -> None:
        """Make what somebody put count; where another was faster, that one's stays."""
        for path, content in self._pending.pop(who, {}).items():
            self.entries.setdefault(path, content)

    def lose(self, who: str) -> None:
        """Let what somebody put and did not sync be gone."""
        self._pending.pop(who, None)


class Unavailable(Exception):
    """The location gave no answer."""


def content_of(subject_id: str, source: str, partition: int, number: int) -> bytes:
    """Return what a part holds."""
    return f"only-of-{subject_id}- {source} {partition} {number}".encode()


def path_of(source: str, partition: int, number: int) -> str:
    """Return where it lies."""
    return f"data/Product/{source}/part-{partition:05}-{number:05}"


class Worker:
    """One process of the engine. A mutant overrides one of its steps."""

    def __init__(self, sim: "Simulation", owner: str) -> None:
        self.sim = sim
        self.store = sim.store
        self.owner = owner

    def run(self) -> Steps:
        """Work for ever."""
        while True:
            claim = self.store.claim(self.owner, lease_s=_LEASE_S, limit=self.sim.chance.choice((1, 100)))
            yield
            if isinstance(claim, ReadSet):
                yield from self.read(claim)
            elif isinstance(claim, FinishSet):
                for operation in claim.operations:
                    yield from self.finish(operation)

    # -- reads ----------------------------------------------------------------------------------------------------------
    def read(self, claim: ReadSet) -> Steps:
        """Read for each operation of a set, in the order of the reads."""
        partitions, parts = _SOURCES[claim.source_name]
        if not claim.reads[0].spec_digest and partitions > 1:
            specs = [NewRead(source_name=claim.source_name, partition=number, spec_digest="d") for number in range(partitions)]
            lost = set(self.store.split(claim.reads, specs, owner=self.owner))
            yield
        else:
            lost = set()
        for read, operation in zip(claim.reads, claim.operations, strict=True):
            if read.operation_id not in lost:
                yield from self.read_one(read, operation, parts)

    def read_one(self, read: ClaimedRead, operation: ClaimedOperation, parts: int) -> Steps:
        """Read for one operation, part by part."""
        if self.sim.fails(self.sim.source_fails):
            yield from self.meet_source(read)
            return
        known = {entry.number for entry in self.store.entries(read.operation_id, read.source_name, read.partition)}
        for number in range(read.next_part, parts):
            try:
                is_ours = yield from self.deliver(read, operation, number, parts, may_be_there=number in known)
            except Unavailable:
                at = self.sim.clock.now() + timedelta(seconds=2)
                self.store.retry([read], owner=self.owner, at=at, waiting_for=_UNAVAILABLE)
                yield
                return
            if not is_ours:
                return

    def meet_source(self, read: ClaimedRead) -> Steps:
        """Try again later, a few times."""
        if read.failures >= _TRIES - 1:
            self.store.fail(read.operation_id, _DOWN, owner=self.owner, claimed=read)
        else:
            self.store.retry([read], owner=self.owner, at=self.sim.clock.now() + timedelta(seconds=1))
        yield

    def deliver(
        self, read: ClaimedRead, operation: ClaimedOperation, number: int, parts: int, *, may_be_there: bool
    ) -> Generator[None, None, bool]:
        """Stage, put, sync and put down one part; return whether the read is still ours."""
        content = self.content(read, operation, number)
        entry = self.entry(read, number, content, EntryState.STAGED)
        lost = self.stage(entry, read)
        yield
        if lost:
            return False
        path = operation.prefix + path_of(read.source_name, read.partition, number)
        was_put = yield from self.put(path, content)
        if not was_put and not may_be_there and self.sim.container.entries.get(path) != content:
            self.store.fail(read.operation_id, _CONFLICT, owner=self.owner, claimed=read)
            yield
            return False
        yield from self.sync()
        lost = self.checkpoint(read, number, parts, msgspec.structs.replace(entry, state=EntryState.DONE))
        yield
        return not lost

    def content(self, read: ClaimedRead, operation: ClaimedOperation, number: int) -> bytes:
        return content_of(operation.subject_id, read.source_name, read.partition, number)

    def entry(self, read: ClaimedRead, number: int, content: bytes, state: EntryState) -> Entry:
        return Entry(
            operation_id=read.operation_id,
            source_name=read.source_name,
            partition=read.partition,
            number=number,
            state=state,
            sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            rows=1,
        )

    def stage(self, entry: Entry, read: ClaimedRead) -> tuple[OperationId, ...]:
        lost = self.store.stage([entry], owner=self.owner, reads=[read])
        if not lost:
            self.sim.note_staged(read, entry.number)
        return lost

    def checkpoint(self, read: ClaimedRead, number: int, parts: int, entry: Entry) -> tuple[OperationId, ...]:
        is_done = number + 1 == parts
        made = Checkpoint(
            read=read,
            next_part=number + 1,
            sealed_cursor=b"cursor",
            rows=1000 * (number + 1),
            size_bytes=100 * (number + 1),
            is_done=is_done,
            entries=(entry,),
        )
        lost = self.store.checkpoint([made], owner=self.owner)
        if not lost:
            self.sim.note_durable(read, number)
        return lost

    def put(self, path: str, content: bytes) -> Generator[None, None, bool]:
        """Put an entry; return whether it was new. The location may give no answer, whether it did it or not."""
        if self.sim.fails(0.03):
            yield
            raise Unavailable
        was_put = self.sim.container.put(self.owner, path, content)
        yield
        if self.sim.fails(0.02):
            self.sim.container.sync(self.owner)  # carried out, for all that is known
            raise Unavailable
        return was_put

    def sync(self) -> Steps:
        self.sim.container.sync(self.owner)
        yield

    # -- finishing ------------------------------------------------------------------------------------------------------
    def finish(self, operation: ClaimedOperation) -> Steps:
        """Write the manifest and end the operation."""
        entries = [entry for entry in self.store.entries(operation.operation_id) if entry.source_name]
        yield
        manifest = "".join(
            f"{entry.sha256}  {path_of(entry.source_name, entry.partition, entry.number)}\n"
            for entry in entries
            if entry.state is EntryState.DONE
        ).encode()
        closing = Entry(operation_id=operation.operation_id, source_name="", partition=1, number=1, state=EntryState.STAGED)
        lost = self.store.stage([closing], owner=self.owner, finishing=[operation])
        yield
        if lost:
            return
        try:
            yield from self.put(operation.prefix + "manifest-sha256.txt", manifest)
        except Unavailable:
            at = self.sim.clock.now() + timedelta(seconds=2)
            self.store.retry_finish(operation, owner=self.owner, at=at, waiting_for=_UNAVAILABLE)
            yield
            return
        yield from self.sync()
        totals = PackageTotals(prefix=operation.prefix, entries=len(entries), size_bytes=1, manifest_sha256="m", receipt_sha256="r")
        self.store.complete([Completion(operation=operation, package=totals)], owner=self.owner)
        yield


class Simulation:
    """Everything that happens on one store, from one seed."""

    store_type: type[MemoryStore] = MemoryStore
    worker_type: type[Worker] = Worker
    container_type: type[Container] = Container

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.clock = SimulatedClock()
        self.store = self.store_type(self.clock)
        self.container = self.container_type()
        self.is_calm = False
        self.steps = 0
        self.trace: list[str] = []
        self.accepted: dict[str, str] = {}
        self.asked = {action: Asked() for action in ("cancel", "resume")}
        self.polls: list[Poll] = []
        self.wrong: list[str] = []
        self._durable: set[tuple[str, str, int, int]] = set()
        self._owner_of: dict[int, str] = {}
        self._answers = 0
        self._owners = 0
        self.source_fails = self.chance.choice((0.01, 0.4))
        self._people = [f"{number}" for number in range(self.chance.choice((2, 3, 4)))]
        self._actors: dict[str, Steps] = {}
        self._stopped: dict[str, int] = {}
        """Until which step an actor is stopped."""
        for number, subject in enumerate(self._people):
            self._actors[f"client-{number}"] = self._client(subject, number)
        for number in range(self.chance.choice((1, 2, 3))):
            self._actors[f"worker-{number}"] = self._new_worker(number)
        self._actors["poller"] = self._poller()
        self._actors["beat"] = self._beat()
        self._kept_s = tuple(self.chance.choice(each) for each in ((0, 0, 5, 40), (0, 60, 200), (0, 30, 100)))
        """How long operations, receipts and records are kept; 0: for ever."""
        self.purges: list[Purge] = []
        self._archive: list[Row] = []
        self._actors["purger"] = self._purger()

    def fails(self, probability: float) -> bool:
        """Draw whether something goes wrong now."""
        return not self.is_calm and self.chance.random() < probability

    def note_durable(self, read: ClaimedRead, number: int) -> None:
        """Keep that a part is put down as done."""
        self._durable.add((read.operation_id, read.source_name, read.partition, number))

    def note_staged(self, read: ClaimedRead, number: int) -> None:
        """See that nothing is begun again that is put down as done."""
        if (read.operation_id, read.source_name, read.partition, number) in self._durable:
            self.wrong.append(f"part {number} of {read.source_name} is sent again after its checkpoint")

    # -- actors -----------------------------------------------------------------------------------------------------------
    def _new_worker(self, number: int) -> Steps:
        self._owners += 1
        self._owner_of[number] = f"owner-{self._owners}"
        return self.worker_type(self, self._owner_of[number]).run()

    def _client(self, subject: str, number: int) -> Steps:
        """Ask for an export until there is an answer, sometimes by two requests at once; cancel it, resume it."""
        operation_id = ""
        while not operation_id:
            self._answers += 1
            intent = self._intent(subject, number, self._answers)
            repeat = self.store.begin(intent)
            yield
            if repeat is None:
                if self.fails(0.1):
                    continue  # the service is killed here; the client sends it again, and the intent is settled then
                operation_id = yield from self._promote(intent)
            elif not repeat.is_pending:
                operation_id = repeat.operation_id
            else:
                left = [each for each in self.store.intents() if each.operation_id == repeat.operation_id]
                yield
                for each in left:
                    operation_id = yield from self._promote(each)
        self.accepted[operation_id] = subject
        while True:
            yield
            if self.fails(0.04):
                self._cancel(operation_id)
            found = self.store.get(TENANT, OperationId(operation_id))
            yield
            if found is not None and found.status is OperationStatus.FAILED and self.chance.random() < 0.05:
                self._resume(operation_id)

    def _promote(self, intent: Intent) -> Generator[None, None, str]:
        self.container.put("service", f"{intent.prefix}RequestInfo.json", b"mark")
        self.container.sync("service")
        yield
        reads = [NewRead(source_name=name) for name in _SOURCES]
        made = self.store.promote(intent.operation_id, reads, [])
        yield
        return intent.operation_id if made is not None else ""

    def _intent(self, subject: str, number: int, attempt: int) -> Intent:
        operation_id = OperationId(f"00000000-0000-0000-{number:04}-{attempt:012}")
        return Intent(
            operation_id=operation_id,
            tenant_id=TENANT,
            subject_id=SubjectId(subject),
            subject_kind=SubjectKind.USER,
            caller_key="caller",
            container_key="c",
            repeat_keys=(RepeatKey(f"key-{number}", 86_400.0, is_binding=True),),
            request_digest=subject,
            correlation_id=operation_id,
            storage_location="Local",
            sealed_location=b"sealed",
            prefix=f"{operation_id}/",
            submitted_at=self.clock.now(),
        )

    def _cancel(self, operation_id: str) -> None:
        if self.store.fail(OperationId(operation_id), _CANCELLED, by=Actor(object_id="somebody")):
            self.asked["cancel"].certain[operation_id] += 1

    def _resume(self, operation_id: str) -> None:
        resumed = self.store.resume(TENANT, OperationId(operation_id), sealed_location=b"sealed", by=Actor(object_id="somebody"))
        if resumed is not None:
            self.asked["resume"].certain[operation_id] += 1
            self.polls.append(Poll(operation_id, "resume"))

    def _poller(self) -> Steps:
        while True:
            for operation_id in list(self.accepted):
                self.poll(operation_id)
                yield
            yield

    def poll(self, operation_id: str) -> OperationStatus | None:
        """Look at an operation, and keep what was told."""
        found = self.store.get(TENANT, OperationId(operation_id))
        if found is None:  # lost, or purged: the checker knows
            return None
        cause = "" if found.failure is None else found.failure.code
        status = "notStarted" if found.status is OperationStatus.NOT_STARTED else found.status.value
        self.polls.append(Poll(operation_id, status, found.progress_percent, cause))
        return found.status

    def _beat(self) -> Steps:
        """Extend the leases of the workers that live."""
        while True:
            for number, owner in list(self._owner_of.items()):
                if f"worker-{number}" not in self._stopped:
                    self.store.heartbeat(owner, lease_s=_LEASE_S)
                yield

    def _purger(self) -> Steps:
        """Purge now and then; some purges are killed."""
        while True:
            yield
            if self.chance.random() < 0.4:
                for _ in self._purge():
                    yield
                    if self.fails(0.1):
                        break

    def _purge(self) -> Steps:
        """Purge in the order of `export.retaining`, by the moment that it begins at."""
        now, limit = self.clock.now(), self.chance.choice((1, 50))
        operations_s, receipts_s, audit_s = self._kept_s
        self._archive += self._chain(self._archive[-1][1] if self._archive else 0)
        self.purges.append(
            Purge(
                at_us=to_microseconds(now),
                operations_us=operations_s * _SECOND_US,
                receipts_us=receipts_s * _SECOND_US,
                audit_us=audit_s * _SECOND_US,
                answer_us=_LEAST_ANSWER_S * _SECOND_US,
            )
        )
        limits = PurgeLimits(
            tenant_id=TENANT,
            operations_before=now - timedelta(seconds=operations_s) if operations_s else None,
            receipts_before=now - timedelta(seconds=receipts_s) if receipts_s else None,
            received_before=now - timedelta(seconds=_ANSWER_S),
        )
        while self.store.purge_receipts(limits, limit=limit):
            yield
        while operations_s and self.store.purge_operations(limits, limit=limit).is_more:
            yield
        start = self._start(now, audit_s)
        if start is not None:
            self.store.put_chain_start(start)
            yield
        start = self.store.retention(TENANT).start
        while start is not None and self.store.purge_records(start, limit=limit):
            yield
        self.store.put_purged(TENANT)

    def _start(self, now: datetime, kept_s: int) -> ChainStart | None:
        """Return the start that the chain is to have: after the records that are old enough, but for the last one."""
        before = self.store.retention(TENANT).start
        rows, start, before_us = self._chain(before.seq if before else 0), None, to_microseconds(now) - kept_s * _SECOND_US
        for cut, (_, seq, canonical, hash_) in enumerate(rows[:-1] if kept_s else (), 1):
            newest_us = msgspec.json.decode(canonical)[3]
            if newest_us >= before_us:
                break
            start = ChainStart(
                tenant_id=TENANT,
                seq=seq,
                hash=hash_.hex(),
                cut=cut,
                newest_us=newest_us,
                time_us=to_microseconds(now),
                days=1,
                key="",
                signature="",
            )
        return start

    def _chain(self, after: int) -> list[Row]:
        return [(TENANT, each.seq, each.canonical, each.hash) for each in self.store.chain(TENANT, after_seq=after, limit=1 << 30)]

    # -- the scheduler ------------------------------------------------------------------------------------------------------
    def run(self) -> list[str]:
        """Let everything happen; then, in calm, let it end. Return what is wrong."""
        troubled = self.chance.choice((60, 200, 400))
        while self.steps < _MOST_STEPS:
            if self.steps == troubled:
                self.is_calm = True
                self._stopped.clear()
            self._disturb()
            self._step()
            if self.is_calm and self.steps % 20 == 0:
                self.clock.advance(5.0)
                if len(self.accepted) == len(self._people) and all(self._has_ended(each) for each in self.accepted):
                    break
        self.clock.advance(self.chance.choice((0.0, 50.0, 900.0)))
        for _ in self._purge():
            pass
        self.purges[-1] = replace(self.purges[-1], is_whole=True)
        return self._check()

    def _step(self) -> None:
        names = [name for name in self._actors if self._stopped.get(name, 0) <= self.steps]
        name = self.chance.choice(names)
        self._stopped.pop(name, None)
        self.steps += 1
        self.trace.append(name)
        next(self._actors[name])

    def _disturb(self) -> None:
        if self.is_calm:
            return
        draw = self.chance.random()
        if draw < 0.01:  # kill -9 of a worker; another one takes its place, under another name
            number = self.chance.choice([int(name[7:]) for name in self._actors if name.startswith("worker-")])
            self.container.lose(self._owner_of[number])
            self._actors[f"worker-{number}"] = self._new_worker(number)
            self._stopped.pop(f"worker-{number}", None)
        elif draw < 0.02:  # SIGSTOP, for so long that every lease runs out; SIGCONT
            number = self.chance.choice([int(name[7:]) for name in self._actors if name.startswith("worker-")])
            self._stopped[f"worker-{number}"] = self.steps + 40
            self.clock.advance(2 * _LEASE_S)
        elif draw < 0.05:
            self.clock.advance(self.chance.choice((0.5, 5.0, 40.0)))
        else:
            self.clock.advance(0.01)

    def _has_ended(self, operation_id: str) -> bool:
        found = self.store.get(TENANT, OperationId(operation_id))
        return found is None or found.is_ended  # purged, or lost: the checker knows

    # -- what is true -------------------------------------------------------------------------------------------------------
    def _check(self) -> list[str]:
        for operation_id in self.accepted:
            self.poll(operation_id)
        evidence = Evidence(
            people={each: Person(each, f"only-of-{each}-", {}, {}) for each in self._people},
            held=self._held(),
            accepted=[Accepted(operation_id, subject, None) for operation_id, subject in self.accepted.items()],
            polls=self.polls,
            asked=self.asked,
            secrets=(SECRET,),
            purges=self.purges,
            archive=self._archive,
        )
        found = check(evidence)
        for operation_id in complete(evidence):
            found += self._package(operation_id, self.accepted.get(operation_id, ""))
        return [*self.wrong, *found]

    def _package(self, operation_id: str, subject: str) -> list[str]:
        wanted = {
            f"{operation_id}/{path_of(source, partition, number)}": content_of(subject, source, partition, number)
            for source, (partitions, parts) in _SOURCES.items()
            for partition in range(partitions)
            for number in range(parts)
        }
        lies = {path: content for path, content in self.container.entries.items() if path.startswith(f"{operation_id}/")}
        manifest = lies.pop(f"{operation_id}/manifest-sha256.txt", b"").decode()
        lies.pop(f"{operation_id}/RequestInfo.json", None)
        found = [f"{path} is {'too many' if path in lies else 'missing'}" for path in lies.keys() ^ wanted.keys()]
        found += [f"{path} is another" for path in lies.keys() & wanted.keys() if lies[path] != wanted[path]]
        lines = {f"{operation_id}/{line.partition('  ')[2]}": line.partition("  ")[0] for line in manifest.splitlines()}
        digests = {path: hashlib.sha256(content).hexdigest() for path, content in lies.items()}
        return found if lines == digests else [*found, f"the manifest of {operation_id} is not what lies there"]

    def _held(self) -> Held:
        rows = list(self.store._operations.values())
        operations = [
            {
                "id": row.intent.operation_id,
                "status": "intent" if row.status is None else "open" if row.is_open else row.status.value,
                "owner": row.owner,
                "has_location": row.sealed_location is not None,
                "failure": None if row.failure is None else msgspec.json.encode(row.failure).decode(),
            }
            for row in rows
        ]
        ended = [row for row in rows if row.status is not None and not row.is_open]
        return Held(
            operations=operations,
            leased=sum(read.state == "leased" for row in rows for read in row.reads),
            open_reads_of_ended=sum(read.state in {"pending", "leased"} for row in ended for read in row.reads),
            entries_of_complete=sum(len(row.entries) for row in ended if row.status is OperationStatus.COMPLETE),
            audit=self._chain(0),
            raw=b"",
            left=self._left(),
        )

    def _left(self) -> Left:
        start = self.store.retention(TENANT)
        named = {*self.store._repeats.values(), *(each[0].operation_id for each in self.store._events.values())}
        return Left(
            receipts=frozenset(operation_id for _, operation_id in self.store._receipts),
            starts={TENANT: start.line} if start.line else {},
            orphans=len(named - self.store._operations.keys()),
        )


def simulation_of(changes: Mapping[str, type]) -> type[Simulation]:
    """Make a simulation with other parts."""
    return type("Mutated", (Simulation,), dict(changes))
