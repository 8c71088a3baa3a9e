"""kill -9 at each step of a purge, on each store; and clocks that jump: nothing is lost before its time, and the audit chain is always whole."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from tests.faults.ground import STORES, TENANT, beside_main, quick_folder
from tests.unit.export.world import NoSettings

from rightful.audit import start as starts
from rightful.audit.chain import ChainCheck, ChainReport
from rightful.audit.record import Action, decode
from rightful.config.model import Config, DirectoryConfig, IdentitySettings, IssuerSettings, RetentionSettings, TenantConfig
from rightful.export.checkpointing import Checkpoints, checkpoint_key
from rightful.export.purger import Purger
from rightful.export.retaining import Purge
from rightful.operation.model import Failure
from rightful.store.interface import Store
from rightful.store.values import EntryState
from rightful.testing.clock import ManualClock
from rightful.testing.failpoints import PURGE_FAILPOINTS, Failpoints, Killed, Script, failing_store, kill_at, kill_when
from rightful.testing.store_cases import OWNER, accept, audit_record, claim_reads, complete_all, part

_DAY_S = 86_400.0
_ENDED, _KEPT = 130, 3
_RETENTION = RetentionSettings(operations_days=100, receipts_days=200, audit_days=150)
_EVERYWHERE = [pytest.param(store, marks=pytest.mark.postgres if store == "postgres" else ()) for store in STORES]


def _config(folder: Path) -> Config:
    tenant = TenantConfig(
        id=TENANT,
        name="Contoso",
        identity=IdentitySettings(issuers=(IssuerSettings(issuer="local", audience=("api://rightful",)),)),
        retention=_RETENTION,
        directory=DirectoryConfig(connector="memory", settings=NoSettings()),
        sources=(),
    )
    return Config(folder=folder, seal_key=bytes(32), tenants=(tenant,))


class Ground:
    """A store with much that is old and some that is not, that outlives who works on it."""

    def __init__(self, folder: Path, store: str) -> None:
        self.kind = STORES[store]
        self.folder = folder
        self.clock = ManualClock()
        self.config = _config(folder)
        self.tenant = self.config.tenants[0]
        self.key = checkpoint_key(self.config)
        with self.opened() as opened:
            self._fill(opened)

    @property
    def kept(self) -> set[str]:
        return {f"00000000-0000-0000-0000-{number:012}" for number in range(_ENDED + 1, _ENDED + 1 + _KEPT)}

    def _fill(self, store: Store) -> None:
        for number in range(1, _ENDED):
            accept(store, number, "a", tenant_id=TENANT)
        complete_all(store)
        failed = accept(store, _ENDED, "a", tenant_id=TENANT)
        claim = claim_reads(store)
        for first in range(0, 4500, 900):
            store.stage([part(claim.reads[0], first + n, EntryState.STAGED) for n in range(900)], owner=OWNER, reads=claim.reads)
        store.fail(failed, Failure(code="x", message="x"))
        store.record([audit_record(TENANT, str(number)) for number in range(2500)])
        self.clock.advance(300 * _DAY_S)
        for number in range(_ENDED + 1, _ENDED + 1 + _KEPT):
            accept(store, number, "a", tenant_id=TENANT)
        complete_all(store)
        self.sign(store)

    def opened(self, script: Script | None = None) -> "_Opened":
        return _Opened(self, script)

    def sign(self, store: Store) -> None:
        checkpoints = Checkpoints(store, self.key, self.clock, [TENANT])
        checkpoints.read()
        checkpoints.sign()

    def purge(self, script: Script | None = None) -> list[str] | None:
        """Live through a purge; return its steps, None where it was killed."""
        is_done = False
        with self.opened(script) as store:
            Purge(store, self.key, self.clock).tenant(self.tenant)
            is_done = True
        return self.trace if is_done else None

    trace: list[str]

    def verified(self, store: Store) -> ChainReport:
        start = store.retention(TENANT).start
        assert start is None or starts.is_signed(start, {self.key.public})
        last = store.last_chain_checkpoint(TENANT)
        check = ChainCheck(TENANT, [last] if last else [], start)
        for entry in _chain(store, start.seq if start else 0):
            check.add(*entry)
        return check.report()

    def wrong(self) -> list[str]:
        """Say what is wrong in between: whatever was killed, the chain fits, and nothing is gone before its time."""
        with self.opened() as store:
            report = self.verified(store)
            found = [f"{each.kind} {each.first}-{each.last}" for each in report.findings]
            found += [f"{each} is gone" for each in self.kept if store.get(TENANT, each) is None]  # type: ignore[arg-type]  # ids
            with structlog.testing.capture_logs() as logs:
                self.sign(store)
            found += [each["event"] for each in logs if each["log_level"] == "error"]
        return found


class _Opened:
    def __init__(self, ground: Ground, script: Script | None) -> None:
        self._ground = ground
        self._points = Failpoints(script) if script else Failpoints()

    def __enter__(self) -> Store:
        self._really = self._ground.kind.open(self._ground.folder, self._ground.clock)
        return failing_store(self._really, self._points)

    def __exit__(self, kind: object, error: object, _trace: object) -> bool:
        self._ground.trace = self._points.trace
        if isinstance(error, Killed):
            self._ground.kind.crash(self._ground.folder, self._really)
            return True
        self._really.close()
        return False


def _chain(store: Store, after: int) -> Iterator[tuple[int, str, bytes]]:
    while page := store.chain(TENANT, after_seq=after, limit=1000):
        for entry in page:
            yield entry.seq, entry.canonical, entry.hash
        after = page[-1].seq


def _ends(ground: Ground) -> list[str]:
    """Say what is wrong after the last purge: all that was old is gone, once, and is recorded."""
    found = ground.wrong()
    with ground.opened() as store:
        records = [decode(text) for _, text, _ in _chain(store, 0)]
        start = store.retention(TENANT).start
        numbers = {
            target: sum(each.count for each in records if each.action is Action.PURGE and each.target.value == target)
            for target in ("operations", "auditRecords")
        }
        if numbers["operations"] != _ENDED:
            found.append(f"{numbers['operations']} operations are recorded as purged")
        if start is None or numbers["auditRecords"] != start.seq or records[0].seq != start.seq + 1:
            found.append(f"{numbers['auditRecords']} records are recorded as purged, and the chain begins with {records[0].seq}")
        found += [f"operation {n} is there" for n in range(1, _ENDED + 1) if store.get(TENANT, _id(n)) is not None]  # type: ignore[arg-type]
        if store.retention(TENANT).purged_at != ground.clock.now():
            found.append("it is not put down that it was purged")
    return found


def _id(number: int) -> str:
    return f"00000000-0000-0000-0000-{number:012}"


@pytest.mark.parametrize("store", _EVERYWHERE)
def test_killed_at_each_step_of_a_purge_the_next_one_goes_on(store: str) -> None:
    def live() -> list[str]:
        with quick_folder() as folder:
            (folder / "whole").mkdir()
            whole = Ground(folder / "whole", store)
            trace = whole.purge()
            assert trace is not None
            assert set(trace) == set(PURGE_FAILPOINTS)
            found = [f"undisturbed: {each}" for each in _ends(whole)]
            (folder / "killed").mkdir()
            ground = Ground(folder / "killed", store)
            for number in range(1, len(trace) + 1):  # each life gets a little further than the one before
                if ground.purge(kill_at(number)) is not None:
                    break
                found += [f"killed at step {number} ({trace[number - 1]}): {each}" for each in ground.wrong()]
            ground.purge()
            return found + _ends(ground)

    assert beside_main(live) == []


@pytest.mark.parametrize("name", PURGE_FAILPOINTS)
def test_killed_there_by_its_name(name: str) -> None:
    def live() -> list[str]:
        with quick_folder() as folder:
            ground = Ground(folder, "sqlite")
            assert ground.purge(kill_when(name)) is None
            found = ground.wrong()
            ground.purge()
            return found + _ends(ground)

    assert beside_main(live) == []


@pytest.mark.parametrize("store", _EVERYWHERE)
@pytest.mark.parametrize("years", [-10, 1, 10])
def test_clock_that_jumps_while_the_service_works_purges_nothing_and_harms_no_chain(store: str, years: int) -> None:
    def live() -> list[str]:
        with quick_folder() as folder:
            ground = Ground(folder, store)
            ground.purge()
            with ground.opened() as opened, structlog.testing.capture_logs() as logs:
                purger = Purger(ground.config, opened, ground.clock)
                purger.look()
                ground.clock.advance(years * 365 * _DAY_S)
                accept(opened, 900, "a", tenant_id=TENANT)  # what happens meanwhile is recorded by the clock as it is
                purger.look()
                ground.sign(opened)
                ground.clock.advance(-years * 365 * _DAY_S)
                purger.look()
                ground.sign(opened)
            found = ground.wrong()
            told = any("clock is far ahead" in each["event"] for each in logs)
            return found + ([f"told: {told}"] if told != (years > 0) else [])

    assert beside_main(live) == []


@pytest.mark.parametrize("years", [-10, 10])
def test_clock_that_jumps_changes_no_lease_into_two(years: int) -> None:
    """A lease that a jump ends is taken by the next claim, and who had it writes nothing any more."""

    def live() -> list[str]:
        with quick_folder() as folder:
            ground = Ground(folder, "sqlite")
            with ground.opened() as store:
                operation_id = accept(store, 901, "a", tenant_id=TENANT)
                first = claim_reads(store, owner="one")
                ground.clock.advance(years * 365 * _DAY_S)
                second = store.claim("two", lease_s=60, limit=10)
                lost = store.stage([part(first.reads[0], 0, EntryState.STAGED)], owner="one", reads=first.reads)
                found = [] if (second is not None) == (years > 0) else [f"claimed: {second is not None}"]
                found += [] if (operation_id in lost) == (years > 0) else [f"lost: {lost}"]
                if years < 0:  # the lease holds until its owner is gone
                    store.release_all("one")
                    found += [] if store.claim("two", lease_s=60, limit=10) is not None else ["never claimed again"]
            return found

    assert beside_main(live) == []
