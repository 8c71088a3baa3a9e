"""What was kept as long as the settings say is purged, once a day; the audit chain is whole before, meanwhile and after."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import structlog
from tests.unit.export.world import NoSettings

from rightful.audit import start as starts
from rightful.audit.chain import ChainCheck, ChainReport
from rightful.audit.checkpoint import CheckpointKey
from rightful.audit.record import SERVICE_CHAIN, Action
from rightful.config.model import (
    Config,
    DeadlineSettings,
    DirectoryConfig,
    IdentitySettings,
    IssuerSettings,
    RetentionSettings,
    TenantConfig,
)
from rightful.export import retaining
from rightful.export.checkpointing import Checkpoints, checkpoint_key
from rightful.export.purger import Purger
from rightful.export.retaining import Purge
from rightful.ids import TenantId
from rightful.operation.model import Failure
from rightful.store.interface import Store
from rightful.store.sqlite import SqliteStore
from rightful.store.values import PurgeKind
from rightful.testing.clock import ManualClock
from rightful.testing.memory_store import MemoryStore
from rightful.testing.store_cases import TENANT, accept, audit_record, complete_all, recorded

DAY_S = 86_400.0
KEPT = RetentionSettings(operations_days=100, receipts_days=200, audit_days=150)


def config(folder: Path, retention: RetentionSettings = KEPT, regulation: str = "none") -> Config:
    tenant = TenantConfig(
        id=TENANT,
        name="Contoso",
        identity=IdentitySettings(issuers=(IssuerSettings(issuer="local", audience=("api://rightful",)),)),
        deadlines=DeadlineSettings(regulation=regulation),
        retention=retention,
        directory=DirectoryConfig(connector="memory", settings=NoSettings()),
        sources=(),
    )
    return Config(folder=folder, seal_key=bytes(32), tenants=(tenant,))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["sqlite", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore(clock)
        return
    opened = SqliteStore(tmp_path / "store.db", clock)
    yield opened
    opened.close()


def key(settings: Config) -> CheckpointKey:
    return checkpoint_key(settings)


def purge(settings: Config, store: Store, clock: ManualClock) -> Purge:
    return Purge(store, key(settings), clock)


def sign(settings: Config, store: Store, clock: ManualClock, tenant_id: TenantId = TENANT) -> None:
    checkpoints = Checkpoints(store, key(settings), clock, [tenant_id])
    checkpoints.read()
    checkpoints.sign()


def verified(settings: Config, store: Store, tenant_id: TenantId = TENANT) -> ChainReport:
    start = store.retention(tenant_id).start
    assert start is None or starts.is_signed(start, {key(settings).public})
    last = store.last_chain_checkpoint(tenant_id)
    check = ChainCheck(tenant_id, [last] if last else [], start)
    for entry in store.chain(tenant_id, after_seq=start.seq if start else -(2**63), limit=10_000):
        check.add(entry.seq, entry.canonical, entry.hash)
    return check.report()


def lived(settings: Config, store: Store, clock: ManualClock, days: int = 300) -> None:
    """Let an operation end every ten days."""
    for number in range(1, days // 10 + 1):
        accept(store, number, "a")
        complete_all(store)
        clock.advance(10 * DAY_S)
        sign(settings, store, clock)


def test_each_kind_goes_when_its_time_is_up(tmp_path: Path, store: Store, clock: ManualClock) -> None:
    settings = config(tmp_path)
    lived(settings, store, clock)
    before = verified(settings, store)
    purged = purge(settings, store, clock).tenant(settings.tenants[0])
    # 30 ended 300, 290, … 10 days ago; two records each, some seconds later for each
    assert purged == {PurgeKind.OPERATIONS: 20, PurgeKind.RECEIPTS: 0, PurgeKind.AUDIT_RECORDS: 30}
    after = verified(settings, store)
    assert (before.findings, after.findings) == ((), ())
    assert after.start is not None
    assert (after.start.seq, after.start.cut, after.start.days) == (30, 30, 150)
    assert after.start.newest_us <= after.start.time_us - 150 * int(DAY_S) * 1_000_000
    assert after.records == before.records - 30 + 2  # and two that say so
    assert [(each.target.value, each.count) for each in recorded(store)[-2:]] == [("operations", 20), ("auditRecords", 30)]
    assert store.retention(TENANT).purged_at == clock.now()
    assert purge(settings, store, clock).tenant(settings.tenants[0]) == dict.fromkeys(PurgeKind, 0)


def test_nothing_goes_where_nothing_is_set(tmp_path: Path, store: Store, clock: ManualClock) -> None:
    settings = config(tmp_path, RetentionSettings())
    lived(settings, store, clock)
    before = store.chain(TENANT, limit=1000)
    purger = Purger(settings, store, clock)
    purger.look()
    assert store.chain(TENANT, limit=1000) == before
    assert store.retention(TENANT).purged_at is None


def test_chain_goes_on_being_cut_and_signed(tmp_path: Path, store: Store, clock: ManualClock) -> None:
    settings = config(tmp_path)
    lived(settings, store, clock)
    running = Checkpoints(store, key(settings), clock, [TENANT])
    running.read()
    with structlog.testing.capture_logs() as logs:
        for number in range(100, 120):
            purge(settings, store, clock).tenant(settings.tenants[0])
            accept(store, number, "a")
            complete_all(store)
            clock.advance(10 * DAY_S)
            running.read()
            running.sign()
            assert verified(settings, store).findings == ()
    assert [each for each in logs if each["log_level"] == "error"] == []
    found = verified(settings, store)
    assert found.start is not None
    assert found.start.seq > 60
    assert found.start.cut < found.start.seq
    assert found.signed == found.head


def test_reader_that_stands_before_what_goes_begins_anew_and_blames_nobody(tmp_path: Path, store: Store, clock: ManualClock) -> None:
    settings = config(tmp_path)
    store.record([audit_record(TENANT, f"x{number}") for number in range(25_000)])
    checkpoints = Checkpoints(store, key(settings), clock, [TENANT])
    checkpoints.read()  # 20,000 of them
    clock.advance(200 * DAY_S)
    store.record([audit_record(TENANT, "y")])
    sign(settings, store, clock)
    while store.last_chain_checkpoint(TENANT) is None:
        sign(settings, store, clock)
    assert purge(settings, store, clock).chain(TENANT, 150) > 20_000
    with structlog.testing.capture_logs() as logs:
        checkpoints.read()
        checkpoints.sign()
    assert [each for each in logs if each["log_level"] == "error"] == []


def test_what_is_not_signed_or_does_not_stand_is_not_cut(tmp_path: Path, store: Store, clock: ManualClock) -> None:
    settings = config(tmp_path)
    for number in range(1, 5):
        accept(store, number, "a")
    complete_all(store)
    clock.advance(300 * DAY_S)
    own = purge(settings, store, clock)
    assert own.chain(TENANT, 150) == 0  # no checkpoint
    (entry,) = store.chain(TENANT, after_seq=3, limit=1)
    store.add_chain_checkpoint(CheckpointKey(bytes(31) + b"x").sign(tenant_id=TENANT, seq=4, hash_=entry.hash, time_us=1))
    assert own.chain(TENANT, 150) == 0  # a stranger's
    store.add_chain_checkpoint(key(settings).sign(tenant_id=TENANT, seq=5, hash_=bytes(32), time_us=1))
    with structlog.testing.capture_logs() as logs:
        assert own.chain(TENANT, 150) == 0  # of another chain
    assert any("tampered" in each["event"] for each in logs)
    assert store.retention(TENANT).start is None


def test_start_of_a_stranger_is_not_gone_by(tmp_path: Path, store: Store, clock: ManualClock) -> None:
    settings = config(tmp_path)
    lived(settings, store, clock, 100)
    (entry,) = store.chain(TENANT, after_seq=9, limit=1)
    stranger = CheckpointKey(bytes(31) + b"x")
    store.put_chain_start(starts.sign(stranger, tenant_id=TENANT, seq=10, hash_=entry.hash, cut=10, newest_us=1, time_us=2, days=30))
    clock.advance(300 * DAY_S)
    with structlog.testing.capture_logs() as logs:
        assert purge(settings, store, clock).chain(TENANT, 150) == 0
    assert any("signed by no key that is trusted" in each["event"] for each in logs)
    assert store.chain(TENANT)[0].seq == 1


def test_record_whose_time_lies_ahead_holds_back_those_after_it(tmp_path: Path, store: Store, clock: ManualClock) -> None:
    settings = config(tmp_path)
    accept(store, 1, "a")
    ahead = msgspec.structs.replace(audit_record(TENANT, "x"), time_us=audit_record(TENANT, "x").time_us + 10**15)
    store.record([ahead, audit_record(TENANT, "y")])
    clock.advance(300 * DAY_S)
    store.record([audit_record(TENANT, "z")])
    sign(settings, store, clock)
    assert purge(settings, store, clock).chain(TENANT, 150) == 1


def test_failed_operations_stay_as_long_as_the_regulation_may_want_an_answer(tmp_path: Path, store: Store, clock: ManualClock) -> None:
    settings = config(tmp_path, RetentionSettings(operations_days=30), "gdpr")
    operation_id = accept(store, 1, "a")
    store.fail(operation_id, Failure(code="x", message="x"))
    for _ in range(3):  # three months with the extension
        clock.advance(31 * DAY_S)
        purge(settings, store, clock).tenant(settings.tenants[0])
        assert store.get(TENANT, operation_id) is not None
    clock.advance(40 * DAY_S)
    purge(settings, store, clock).tenant(settings.tenants[0])
    assert store.get(TENANT, operation_id) is None


def test_service_purges_once_a_day(tmp_path: Path, store: Store, clock: ManualClock) -> None:
    settings = config(tmp_path)
    lived(settings, store, clock, 100)
    purger = Purger(settings, store, clock)
    purger.look()
    first = store.retention(TENANT).purged_at
    clock.advance(DAY_S / 2)
    purger.look()
    assert store.retention(TENANT).purged_at == first
    clock.advance(DAY_S / 2)
    purger.look()
    assert store.retention(TENANT).purged_at == clock.now()
    assert store.retention(SERVICE_CHAIN).purged_at == clock.now()


@pytest.mark.parametrize("has_purged", [True, False])
def test_clock_that_jumps_ahead_by_years_purges_nothing_until_somebody_says_that_it_is_right(
    tmp_path: Path, store: Store, clock: ManualClock, *, has_purged: bool
) -> None:
    settings = config(tmp_path)
    lived(settings, store, clock, 50)
    purger = Purger(settings, store, clock)
    if has_purged:
        purger.look()
    clock.advance(3650 * DAY_S)
    purger = Purger(settings, store, clock) if not has_purged else purger
    if not has_purged:
        purger.start()
        purger.stop()
    accept(store, 99, "a")  # recorded with the time that is wrong
    with structlog.testing.capture_logs() as logs:
        purger.look()
    assert any("clock is far ahead" in each["event"] for each in logs)
    assert all(each.action is not Action.PURGE for each in recorded(store))
    assert sum(purge(settings, store, clock).tenant(settings.tenants[0]).values()) > 0  # by hand


def test_clock_that_was_ahead_and_is_right_again_is_gone_by(tmp_path: Path, store: Store, clock: ManualClock) -> None:
    settings = config(tmp_path)
    store.put_purged(TENANT)
    clock.advance(20 * DAY_S)
    Purger(settings, store, clock).look()
    latest = clock.now()
    clock.advance(-20 * DAY_S)
    with structlog.testing.capture_logs() as logs:
        for _ in range(50):
            Purger(settings, store, clock).look()
            clock.advance(DAY_S)
    assert logs == []
    assert store.retention(TENANT).purged_at == clock.now() - timedelta(days=1) > latest


def test_records_of_no_tenant_are_kept_as_long_as_any_tenants(tmp_path: Path) -> None:
    tenant = config(tmp_path).tenants[0]
    longer = msgspec.structs.replace(tenant, retention=RetentionSettings(audit_days=300))
    unset = msgspec.structs.replace(tenant, retention=RetentionSettings())
    assert retaining.service_days([tenant, longer]) == 300
    assert retaining.service_days([tenant, unset]) == 0
    assert retaining.service_days([]) == 0
