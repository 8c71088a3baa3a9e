"""What the service records, and how what changes nothing is gathered."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from tests.unit.export.world import CALLER, TENANT, World, stopped_worlds

from rightful.audit.checkpoint import CheckpointKey
from rightful.audit.record import NOBODY, REPEATED, SERVICE_CHAIN, Action, Actor, AuditRecord, Target, decode, link
from rightful.errors import InvalidRequest
from rightful.export import audit_trail
from rightful.export.audit_trail import AuditTrail
from rightful.export.checkpointing import Checkpoints
from rightful.export.interface import Note
from rightful.ids import TenantId
from rightful.sealing import Sealer
from rightful.store.sql_store import SqlStore
from rightful.store.sqlite import SqliteStore
from rightful.store.values import ChainEntry, StoreFault
from rightful.testing.clock import ManualClock
from rightful.testing.memory_connector import MemoryConnector

__all__ = ["stopped_worlds"]

ANN = "aaaaaaaa-0000-4000-8000-000000000001"
BY = Actor(object_id="o", app_id="a", address="192.0.2.7", request_id="r1", client_request_id="c1")


class Broken(SqliteStore):
    good = -1
    """How many calls still go well; -1: all."""

    def record(self, records: object) -> None:
        if not self.good:
            raise StoreFault("no room")
        self.good -= 1
        super().record(records)  # type: ignore[arg-type]


def note(target_id: str = ANN, *, by: Actor = BY, outcome: str = "ok", tenant_id: TenantId = TENANT) -> Note:
    return Note(
        actor=by,
        tenant_id=tenant_id,
        action=Action.READ_OPERATION,
        outcome=outcome,
        target=Target.OPERATION,
        target_id=target_id,
        subject_id="s",
    )


def recorded(store: SqlStore, tenant_id: TenantId = TENANT) -> list[AuditRecord]:
    return [decode(entry.canonical) for entry in store.chain(tenant_id, limit=1_000_000)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, {"ann": {"mail": ("ann@contoso.example",)}}, {"orders": MemoryConnector("orders")}, store_type=Broken)


@pytest.fixture
def trail(world: World) -> AuditTrail:
    return world.trail


def test_life_of_an_operation_is_in_the_chain(world: World) -> None:
    operation = world.submit("ann", actor=BY)
    world.submit("ann", actor=msgspec.structs.replace(BY, request_id="r2"))
    world.service.cancel(TENANT, operation.operation_id, BY)
    world.service.resume(TENANT, operation.operation_id, None, BY)
    world.run()
    world.trail.flush()
    found = recorded(world.store)
    assert [(each.action, each.outcome, each.request_id) for each in found] == [
        (Action.SUBMIT, "ok", operation.operation_id),
        (Action.CANCEL, "ok", "r1"),
        (Action.RESUME, "ok", "r1"),
        (Action.COMPLETE, "ok", ""),
        (Action.SUBMIT, REPEATED, "r2"),
    ]
    assert {(each.subject_id, each.target_id) for each in found} == {("ann", operation.operation_id)}
    assert [each.address for each in found] == ["192.0.2.7"] * 3 + ["", "192.0.2.7"]


def test_submit_that_a_stop_cut_short_keeps_its_actor(world: World) -> None:
    class Killed(BaseException):
        pass

    class Dying(SqliteStore):
        def promote(self, *_args: object, **_more: object) -> None:
            raise Killed

    world.stop()
    world.start(Dying)
    with pytest.raises(Killed):
        world.submit("ann", actor=BY)
    world.stop()
    world.start()  # settles it
    (found,) = recorded(world.store)
    assert (found.action, found.object_id, found.address, found.client_request_id) == (Action.SUBMIT, "o", "192.0.2.7", "c1")


def test_refused_submit_leaves_nothing_until_the_surface_notes_it(world: World) -> None:
    with pytest.raises(InvalidRequest):
        world.submit("ann", "Nowhere", actor=BY)
    assert recorded(world.store) == []


def test_alike_notes_become_one_record_with_a_count(trail: AuditTrail, world: World) -> None:
    for number in range(5):
        trail.note(note(by=msgspec.structs.replace(BY, request_id=f"r{number}")))
    trail.note(note(outcome="BadRequest"))
    trail.note(note(by=msgspec.structs.replace(BY, address="192.0.2.8")))
    assert recorded(world.store) == []
    trail.flush()
    found = recorded(world.store)
    assert [(each.count, each.request_id, each.outcome, each.address) for each in found] == [
        (5, "r0 r1 r2 r3 r4", "ok", "192.0.2.7"),
        (1, "r1", "BadRequest", "192.0.2.7"),
        (1, "r1", "ok", "192.0.2.8"),
    ]
    trail.flush()
    assert len(recorded(world.store)) == 3


def test_record_names_as_many_requests_as_have_room(trail: AuditTrail, world: World) -> None:
    assert isinstance(world.store, Broken)
    world.store.good = 0
    for number in range(12):
        trail.note(note(by=msgspec.structs.replace(BY, request_id=f"r{number}")))
    trail.flush()
    for number in range(12, 30):
        trail.note(note(by=msgspec.structs.replace(BY, request_id=f"r{number}")))
    world.store.good = -1
    trail.flush()
    (found,) = recorded(world.store)
    assert (found.count, found.request_id.split()) == (30, [f"r{number}" for number in range(20)])


def test_what_may_be_a_name_is_recorded_as_a_keyed_digest(trail: AuditTrail, world: World) -> None:
    for name in ("ann@contoso.example", "zoe@contoso.example", "SECRETSIGNATURE", ANN.upper(), ""):
        trail.note(note(name))
    trail.flush()
    first, second, third, guid, none = (each.target_id for each in recorded(world.store))
    assert guid == ANN.upper()
    assert none == ""
    assert len({first, second, third}) == 3
    assert all(each.startswith("digest:") and len(each) == 7 + 32 for each in (first, second, third))
    other_key = audit_trail.build(msgspec.structs.replace(world.config, seal_key=bytes(31) + b"x"), world.store, world.clock)
    other_key.note(note("ann@contoso.example"))
    other_key.flush()
    assert recorded(world.store)[-1].target_id != first


def test_calls_that_prove_no_caller_become_one_record_of_the_service(trail: AuditTrail, world: World) -> None:
    for number in range(1000):
        trail.count_unauthenticated(f"192.0.2.{number % 200}", "InvalidAuthenticationToken")
    trail.count_unauthenticated("192.0.2.7", "Authorization_RequestDenied")
    trail.flush()
    assert recorded(world.store, SERVICE_CHAIN) == []
    trail.flush(with_counts=True)
    trail.flush(with_counts=True)
    found, personal = recorded(world.store, SERVICE_CHAIN)
    assert (personal.outcome, personal.count, personal.address) == ("Authorization_RequestDenied", 1, "192.0.2.7")
    assert (found.action, found.outcome, found.count, found.address) == (
        Action.AUTHENTICATE,
        "InvalidAuthenticationToken",
        1000,
        "192.0.2.0",
    )


def test_what_cannot_be_written_waits_and_too_much_is_refused(trail: AuditTrail, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_trail, "_MOST_WAITING", 3)
    assert isinstance(world.store, Broken)
    world.store.good = 0
    trail.note(note("1"))
    trail.note(note("2"))
    trail.note(note("2"))
    trail.count_unauthenticated("192.0.2.9", "InvalidAuthenticationToken")
    trail.flush(with_counts=True)
    trail.note(note("2"))
    trail.note(note("3"))
    with pytest.raises(StoreFault):
        trail.note(note("4"))
    trail.count_unauthenticated("192.0.2.9", "InvalidAuthenticationToken")
    world.store.good = -1
    trail.flush(with_counts=True)
    assert [each.count for each in recorded(world.store)] == [1, 3, 1]
    assert [each.count for each in recorded(world.store, SERVICE_CHAIN)] == [2]
    trail.note(note("4"))


def test_many_notes_are_written_in_several_transactions_and_none_twice(
    trail: AuditTrail, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_trail, "_TOGETHER", 2)
    assert isinstance(world.store, Broken)
    world.store.good = 1
    for number in (1, 2, 3, 4, 4, 5):
        trail.note(note(str(number)))
    trail.flush()
    assert len(recorded(world.store)) == 2
    world.store.good = -1
    trail.flush()
    assert [each.count for each in recorded(world.store)] == [1, 1, 1, 2, 1]


def test_a_flood_of_refusals_does_not_fill_the_disk_and_reads_are_all_named(
    trail: AuditTrail, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_trail, "_MOST_REFUSED", 3)
    for number in range(20):
        trail.note(note(f"0000000{number:02}", outcome="Request_ResourceNotFound"))
        trail.note(note(f"1000000{number:02}"))
    trail.note(note(outcome="Request_ResourceNotFound", by=msgspec.structs.replace(BY, object_id="somebody else")))
    trail.flush()
    found = recorded(world.store)
    refused = [(each.count, bool(each.target_id), each.object_id) for each in found if each.outcome != "ok"]
    assert sorted(refused) == [(1, True, "o")] * 3 + [(1, True, "somebody else"), (17, False, "o")]
    assert len([each for each in found if each.outcome == "ok" and each.target_id]) == 20
    trail.note(note("00000098", outcome="Request_ResourceNotFound"))
    world.clock.advance(audit_trail.REFUSED_S)
    trail.note(note("00000099", outcome="Request_ResourceNotFound"))
    trail.flush()
    assert [bool(each.target_id) for each in recorded(world.store)][-2:] == [False, True]


def test_note_that_cannot_be_written_does_not_take_others_with_it(trail: AuditTrail, world: World) -> None:
    for number in range(3):
        trail.note(note(f"0000000{number}"))
    trail.note(msgspec.structs.replace(note(), subject_id="\ud800"))  # no UTF-8 can say it
    trail.note(note("00000009"))
    trail.flush()
    trail.flush()
    assert len(recorded(world.store)) == 4


def test_started_trail_writes_by_itself_and_a_stop_writes_the_rest(trail: AuditTrail, world: World) -> None:
    store = world.store
    trail.start()
    trail.note(note("1"))
    until_s = time.monotonic() + 20
    while not recorded(store):  # some 20 ms on a machine that has nothing else to do
        assert time.monotonic() < until_s
        time.sleep(0.005)
    trail.note(note("2"))
    trail.count_unauthenticated("", "InvalidAuthenticationToken")
    trail.stop()
    assert len(recorded(store)) == 2
    assert len(recorded(store, SERVICE_CHAIN)) == 1


class Slow(SqliteStore):
    """Takes its time to give a page of a chain; meanwhile somebody looks at something."""

    page_s = 0.1
    trail: AuditTrail | None = None
    clock: ManualClock
    noted_s: float | None = None
    waited_s: list[float]

    def chain(self, tenant_id: TenantId, *, after_seq: int = 0, limit: int = 1000) -> Sequence[ChainEntry]:
        if self.trail is not None:
            if self.noted_s is None:
                self.trail.note(note())
                self.noted_s = self.clock.monotonic()
            self.clock.advance(self.page_s)
        return super().chain(tenant_id, after_seq=after_seq, limit=limit)

    def record(self, records: Sequence[AuditRecord]) -> None:
        super().record(records)
        if self.noted_s is not None:
            self.waited_s.append(self.clock.monotonic() - self.noted_s)
            self.noted_s = None


@pytest.mark.parametrize(("chains", "length"), [(50, 1), (1, 20_000)], ids=["many chains", "a long one"])
def test_notes_do_not_wait_until_chains_were_read(world: World, chains: int, length: int) -> None:
    world.stop()
    world.start(Slow)
    store = world.store
    assert isinstance(store, Slow)
    tenants = [TENANT, *(TenantId(f"22222222-2222-2222-2222-{number:012}") for number in range(1, chains))]
    for tenant_id in tenants:
        store.record([msgspec.structs.replace(record_of(0, step), tenant_id=tenant_id) for step in range(length)])
    store.clock, store.waited_s = world.clock, []
    store.trail = AuditTrail(store, Sealer(bytes(32)), world.clock, Checkpoints(store, CheckpointKey(bytes(32)), world.clock, tenants))
    store.trail.stop()  # as each of its rounds: it writes, reads on in each chain, and signs
    store.trail = None
    assert len(store.waited_s) > 3  # all through the round
    assert max(store.waited_s) <= audit_trail.FLUSH_S + Slow.page_s
    assert all(store.last_chain_checkpoint(tenant_id) for tenant_id in tenants)


def test_32_threads_make_one_chain_without_gaps_or_forks(world: World) -> None:
    begun = threading.Barrier(32)

    def work(number: int) -> None:
        begun.wait()
        for step in range(4):
            world.trail.note(note(f"{number}-{step}"))
            if step % 2 == 0:
                world.trail.flush()
            world.store.record([record_of(number, step)])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    world.trail.flush()
    previous = bytes(32)
    entries = world.store.chain(TENANT, limit=10_000)
    for number, entry in enumerate(entries, 1):
        previous = link(previous, entry.canonical.encode())
        assert (entry.seq, entry.hash) == (number, previous)
    assert len(entries) == 32 * 4 * 2
    assert CALLER.tenant_id == TENANT


def record_of(number: int, step: int) -> AuditRecord:
    return AuditRecord(
        tenant_id=TENANT,
        time_us=step,
        action=Action.CALL,
        outcome="ok",
        object_id=NOBODY.object_id,
        app_id="",
        address="",
        request_id="",
        client_request_id="",
        target=Target.SERVICE,
        target_id=f"{number}/{step}",
        subject_id="",
    )
