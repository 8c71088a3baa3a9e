"""What is purged once it was kept long enough. A part of the suite that every store must pass (store_suite)."""

from datetime import datetime, timedelta

import msgspec

from rightful.audit import start as starts
from rightful.audit.chain import ChainCheck
from rightful.audit.checkpoint import CheckpointKey
from rightful.audit.record import OK, Action, Actor, Target
from rightful.audit.start import ChainStart
from rightful.ids import OperationId
from rightful.operation.model import Failure
from rightful.store.interface import Store
from rightful.store.values import Completion, EntryState, EventKind, FinishSet, ListQuery, Purged, PurgeLimits
from rightful.testing.clock import ManualClock
from rightful.testing.store_cases import (
    BOTH,
    LEASE_S,
    OTHER_TENANT,
    OWNER,
    TENANT,
    TOTALS,
    accept,
    claim_reads,
    done,
    intent,
    part,
    recorded,
)

_KEY = CheckpointKey(bytes(32))
_BY = Actor(object_id="os:1")


def _finish(store: Store) -> FinishSet:
    """Read all there is, and claim what is to be finished."""
    store.checkpoint([done(read) for read in claim_reads(store).reads], owner=OWNER)
    claim = store.claim(OWNER, lease_s=LEASE_S, limit=1)
    assert isinstance(claim, FinishSet)
    return claim


def _complete(store: Store, number: int, *, subject: str = "", digest: str = "", container: str = "c") -> OperationId:
    operation_id = accept(store, number, "a", subject=subject, container=container)
    package = msgspec.structs.replace(TOTALS, receipt_sha256=digest)
    store.complete([Completion(operation=each, package=package) for each in _finish(store).operations], owner=OWNER)
    return operation_id


def _limits(now: datetime, *, receipts_before: datetime | None = None, received_before: datetime | None = None) -> PurgeLimits:
    return PurgeLimits(
        tenant_id=TENANT, operations_before=now, receipts_before=receipts_before, received_before=received_before or now + timedelta(days=1)
    )


def _start(store: Store, seq: int, *, cut: int | None = None) -> ChainStart:
    (entry,) = store.chain(TENANT, after_seq=seq - 1, limit=1)
    return starts.sign(_KEY, tenant_id=TENANT, seq=seq, hash_=entry.hash, cut=seq if cut is None else cut, newest_us=1, time_us=2, days=30)


def _purges(store: Store) -> list[tuple[Target, int, str]]:
    return [(each.target, each.count, each.target_id) for each in recorded(store) if each.action is Action.PURGE]


class PurgingSuite:
    """What was kept long enough goes, and nothing else."""

    def test_operations_that_ended_long_ago_go_with_all_that_belongs_to_them(self, store: Store, clock: ManualClock) -> None:
        first, second = _complete(store, 1), accept(store, 2, "a")
        claim = claim_reads(store)
        store.stage([part(claim.reads[0], 0, EntryState.STAGED)], owner=OWNER, reads=claim.reads)
        store.fail(second, Failure(code="x", message="x"))
        clock.advance(60.0)
        late, open_ = _complete(store, 3), accept(store, 4, "a")
        purged = store.purge_operations(_limits(clock.now() - timedelta(seconds=30)), limit=10, by=_BY)
        assert (purged.number, purged.is_more) == (2, False)
        assert [store.get(TENANT, each) is None for each in (first, second, late, open_)] == [True, True, False, False]
        listed = store.list(ListQuery(tenant_id=TENANT, subject_kinds=BOTH))
        assert {each.operation_id for each in listed} == {late, open_}
        assert store.entries(second) == ()
        assert store.outcomes(first) == ()
        assert store.fingerprint_use(first) is None
        assert store.count_open(TENANT) == 1
        assert _purges(store) == [(Target.OPERATIONS, 2, "")]
        made = next(each for each in recorded(store) if each.action is Action.PURGE)
        assert (made.outcome, made.object_id, made.subject_id) == (OK, "os:1", "")

    def test_events_that_nobody_took_go_with_their_operation_and_no_others(self, store: Store, clock: ManualClock) -> None:
        store.announce({each: (("one", frozenset(EventKind)), ("two", frozenset(EventKind))) for each in (TENANT, OTHER_TENANT)})
        gone, other = _complete(store, 1), accept(store, 2, "a", tenant_id=OTHER_TENANT)
        store.fail(other, Failure(code="x", message="x"))
        clock.advance(60.0)
        late, open_ = _complete(store, 3), accept(store, 4, "a")
        endpoints = [(tenant_id, name) for tenant_id in (TENANT, OTHER_TENANT) for name in ("one", "two")]

        def told() -> list[set[OperationId]]:
            return [{event.operation_id for event in store.outgoing(*each, limit=100)} for each in endpoints]

        assert told() == [{gone, late, open_}, {gone, late, open_}, {other}, {other}]
        held = store.outgoing(TENANT, "one", limit=1)
        assert store.purge_operations(_limits(clock.now() - timedelta(seconds=30)), limit=10).number == 1
        assert told() == [{late, open_}, {late, open_}, {other}, {other}]
        assert [event.operation_id for event in held] == [gone]
        store.put_off_event(held[0], at=clock.now())  # whoever was posting it is not disturbed
        store.forget_event(held[0])
        assert told() == [{late, open_}, {late, open_}, {other}, {other}]

    def test_purge_takes_a_few_at_a_time_the_earliest_first(self, store: Store, clock: ManualClock) -> None:
        ids = []
        for number in range(1, 6):
            ids.append(_complete(store, number))
            clock.advance(1.0)
        limits = _limits(clock.now())
        assert [store.purge_operations(limits, limit=2).is_more for _ in range(3)] == [True, True, False]
        assert [store.get(TENANT, each) for each in ids] == [None] * 5
        assert store.purge_operations(limits, limit=2).number == 0
        assert _purges(store) == [(Target.OPERATIONS, number, "") for number in (2, 2, 1)]

    def test_nothing_goes_of_other_tenants_and_nothing_where_no_time_is_set(self, store: Store, clock: ManualClock) -> None:
        other = accept(store, 1, "a", tenant_id=OTHER_TENANT)
        store.fail(other, Failure(code="x", message="x"))
        own = _complete(store, 2)
        clock.advance(60.0)
        unset = PurgeLimits(tenant_id=TENANT, operations_before=None, receipts_before=None, received_before=clock.now())
        assert store.purge_operations(unset, limit=10).number == 0
        assert store.purge_receipts(unset, limit=10) == 0
        assert store.get(TENANT, own) is not None
        assert store.purge_operations(_limits(clock.now()), limit=10).number == 1
        assert store.get(OTHER_TENANT, other) is not None
        assert [each for each in recorded(store, OTHER_TENANT) if each.action is Action.PURGE] == []

    def test_what_failed_stays_while_it_may_have_to_be_answered(self, store: Store, clock: ManualClock) -> None:
        failed, complete = accept(store, 1, "a"), _complete_other(store, 2)
        store.fail(failed, Failure(code="x", message="x"))
        clock.advance(3600.0)
        received_before = intent(1).submitted_at
        assert store.purge_operations(_limits(clock.now(), received_before=received_before), limit=10).number == 1
        assert [store.get(TENANT, each) is None for each in (failed, complete)] == [False, True]
        later = received_before + timedelta(seconds=1)
        assert store.purge_operations(_limits(clock.now(), received_before=later), limit=10).number == 1

    def test_what_an_open_operation_is_compared_with_stays_until_that_has_ended(self, store: Store, clock: ManualClock) -> None:
        first = _complete(store, 1)
        wanted = msgspec.structs.replace(intent(2), since=first)
        store.begin(wanted)
        clock.advance(60.0)
        assert store.purge_operations(_limits(clock.now()), limit=10).number == 0
        store.drop(wanted.operation_id)
        assert store.purge_operations(_limits(clock.now()), limit=10).number == 1

    def test_request_that_was_purged_is_a_new_one(self, store: Store, clock: ManualClock) -> None:
        wanted = intent(1, keys=("k",))
        assert store.begin(wanted) is None
        store.promote(wanted.operation_id, [], [])
        store.fail(wanted.operation_id, Failure(code="x", message="x"))
        clock.advance(60.0)
        store.purge_operations(_limits(clock.now()), limit=10)
        again = msgspec.structs.replace(intent(2, keys=("k",)), subject_id=wanted.subject_id, request_digest=wanted.request_digest)
        assert store.begin(again) is None

    def test_receipt_goes_on_from_one_whose_operation_is_gone(self, store: Store, clock: ManualClock) -> None:
        first = _complete(store, 1, subject="s", digest="aa")
        clock.advance(60.0)
        second = _complete(store, 2, subject="s", digest="bb")
        clock.advance(60.0)
        store.purge_operations(_limits(clock.now()), limit=10)
        assert [store.get(TENANT, each) for each in (first, second)] == [None, None]
        accept(store, 3, "a", subject="s")
        before = _finish(store).operations[0].previous_receipt
        assert before is not None
        assert (before.operation_id, before.receipt_sha256) == (second, "bb")

    def test_receipts_go_when_their_own_time_is_up(self, store: Store, clock: ManualClock) -> None:
        _complete(store, 1, subject="s", digest="aa")
        clock.advance(60.0)
        _complete(store, 2, subject="t", digest="bb")
        store.purge_operations(_limits(clock.now() + timedelta(seconds=1)), limit=10)
        limits = _limits(clock.now(), receipts_before=clock.now() - timedelta(seconds=30))
        assert store.purge_receipts(limits, limit=10, by=_BY) == 1
        assert store.purge_receipts(limits, limit=10, by=_BY) == 0
        assert _purges(store)[-1] == (Target.RECEIPTS, 1, "")
        accept(store, 3, "a", subject="s")
        assert _finish(store).operations[0].previous_receipt is None
        # Of an operation whose receipt's own time is up too, none is kept.
        store.fail(intent(3).operation_id, Failure(code="x", message="x"))
        _complete(store, 4, subject="u", digest="cc")
        clock.advance(60.0)
        store.purge_operations(_limits(clock.now(), receipts_before=clock.now()), limit=10)
        assert store.purge_receipts(_limits(clock.now(), receipts_before=clock.now()), limit=10) == 1  # of "t" alone

    def test_operation_that_left_many_entries_goes_in_several_calls_and_is_not_resumed_meanwhile(
        self, store: Store, clock: ManualClock
    ) -> None:
        operation_id = accept(store, 1, "a")
        claim = claim_reads(store)
        for first in range(0, 4500, 500):
            store.stage([part(claim.reads[0], first + n, EntryState.STAGED) for n in range(500)], owner=OWNER, reads=claim.reads)
        store.fail(operation_id, Failure(code="x", message="x"))
        clock.advance(60.0)
        calls: list[Purged] = []
        while not calls or calls[-1].is_more:
            calls.append(store.purge_operations(_limits(clock.now()), limit=10))
            if calls[-1].is_more:
                assert store.resume(TENANT, operation_id, sealed_location=b"x") is None
        assert [each.number for each in calls] == [0, 0, 1]
        assert store.get(TENANT, operation_id) is None

    def test_chain_begins_after_what_was_purged_and_goes_on(self, store: Store, clock: ManualClock) -> None:
        for number in range(1, 5):
            _complete(store, number)
        length = len(store.chain(TENANT))
        start = _start(store, 5)
        assert store.put_chain_start(start, _BY)
        assert _purges(store) == [(Target.AUDIT_RECORDS, 5, "5")]
        assert [store.purge_records(start, limit=3) for _ in range(3)] == [3, 2, 0]
        assert [entry.seq for entry in store.chain(TENANT, after_seq=-(2**63))] == list(range(6, length + 2))
        assert [entry.seq for entry in store.chain(TENANT, after_seq=7, limit=2)] == [8, 9]
        accept(store, 9, "a")
        check = ChainCheck(TENANT, start=start)
        for entry in store.chain(TENANT, after_seq=start.seq):
            check.add(entry.seq, entry.canonical, entry.hash)
        assert (check.report().findings, check.report().head) == ((), length + 2)
        assert store.retention(TENANT).start == start
        clock.advance(1.0)

    def test_start_of_a_chain_never_goes_back(self, store: Store) -> None:
        for number in range(1, 5):
            _complete(store, number)
        later, earlier = _start(store, 6), _start(store, 3)
        assert store.put_chain_start(later)
        assert not store.put_chain_start(earlier)
        assert not store.put_chain_start(later)
        assert store.retention(TENANT).start == later
        assert len(_purges(store)) == 1

    def test_checkpoints_of_records_that_are_gone_go_too(self, store: Store) -> None:
        for number in range(1, 5):
            _complete(store, number)
        for seq in (2, 7):
            (entry,) = store.chain(TENANT, after_seq=seq - 1, limit=1)
            store.add_chain_checkpoint(_KEY.sign(tenant_id=TENANT, seq=seq, hash_=entry.hash, time_us=1))
        start = _start(store, 4)
        store.put_chain_start(start)
        while store.purge_records(start, limit=2):
            pass
        last = store.last_chain_checkpoint(TENANT)
        assert last is not None
        assert last.seq == 7

    def test_when_it_was_purged_is_kept(self, store: Store, clock: ManualClock) -> None:
        assert store.retention(TENANT).purged_at is None
        store.put_purged(TENANT)
        clock.advance(60.0)
        store.put_purged(TENANT)
        assert store.retention(TENANT).purged_at == clock.now()
        latest = clock.now()
        clock.advance(-3600.0)
        store.put_purged(TENANT)
        assert store.retention(TENANT).purged_at == latest
        clock.advance(3600.0)
        assert store.retention(OTHER_TENANT).purged_at is None
        _complete(store, 1)
        store.put_chain_start(_start(store, 1))
        found = store.retention(TENANT)
        assert (found.purged_at, found.start is None, starts.decode(found.line) == found.start) == (clock.now(), False, True)


def _complete_other(store: Store, number: int) -> OperationId:
    """Complete an operation while another one waits in the same source."""
    operation_id = accept(store, number, "b")
    claim = store.claim(OWNER, lease_s=LEASE_S, limit=1)
    while not isinstance(claim, FinishSet):
        assert claim is not None
        if claim.source_name == "b":
            store.checkpoint([done(read) for read in claim.reads], owner=OWNER)
        claim = store.claim(OWNER, lease_s=LEASE_S, limit=1)
    store.complete([Completion(operation=each, package=TOTALS) for each in claim.operations], owner=OWNER)
    return operation_id
