"""What is kept of operations to compare later ones with. A part of the suite that every store must pass (store_suite)."""

from datetime import timedelta

import msgspec

from rightful.audit.record import OK, Action, Actor
from rightful.ids import OperationId
from rightful.store.interface import Store
from rightful.store.values import Completion, FinishSet, NewRead
from rightful.testing.clock import ManualClock
from rightful.testing.store_cases import LEASE_S, OTHER_TENANT, OWNER, TENANT, TOTALS, accept, claim_reads, done, intent, recorded


def _complete(store: Store, number: int, sealed: bytes | None = b"kept") -> OperationId:
    operation_id = accept(store, number, "a")
    store.checkpoint([done(claim_reads(store).reads[0])], owner=OWNER)
    claim = store.claim(OWNER, lease_s=LEASE_S, limit=1)
    assert isinstance(claim, FinishSet)
    store.complete([Completion(operation=claim.operations[0], package=TOTALS, sealed_fingerprints=sealed)], owner=OWNER)
    return operation_id


def _compare(store: Store, number: int, since: OperationId) -> OperationId:
    wanted = msgspec.structs.replace(intent(number), since=since)
    store.begin(wanted)
    store.promote(wanted.operation_id, [NewRead(source_name="a")], [])
    return wanted.operation_id


class FingerprintSuite:
    """What is kept of operations to compare later ones with."""

    def test_what_is_kept_of_a_complete_operation_is_its_tenants(self, store: Store) -> None:
        kept, other = _complete(store, 1), _complete(store, 2, None)
        running = accept(store, 3, "a")
        assert store.fingerprints(TENANT, kept) == b"kept"
        assert [store.fingerprints(OTHER_TENANT, kept), store.fingerprints(TENANT, other), store.fingerprints(TENANT, running)] == [
            None
        ] * 3

    def test_operation_says_which_one_it_is_compared_with(self, store: Store) -> None:
        first = _complete(store, 1)
        wanted = msgspec.structs.replace(intent(2), since=first)
        store.begin(wanted)
        assert [each.since for each in store.intents()] == [first]
        store.promote(wanted.operation_id, [NewRead(source_name="a")], [])
        found = store.get(TENANT, wanted.operation_id)
        assert found is not None
        assert found.since == first
        claim = claim_reads(store)
        assert [each.since for each in claim.operations] == [first]
        store.checkpoint([done(claim.reads[0])], owner=OWNER)
        ending = store.claim(OWNER, lease_s=LEASE_S, limit=1)
        assert isinstance(ending, FinishSet)
        assert [each.since for each in ending.operations] == [first]

    def test_what_is_kept_goes_on_request_and_that_is_recorded(self, store: Store) -> None:
        first = _complete(store, 1)
        by = Actor(object_id="o", app_id="a", address="", request_id="r", client_request_id="")
        assert store.forget_fingerprints(OTHER_TENANT, first, by) is None
        assert store.forget_fingerprints(TENANT, first, by) is True
        assert store.fingerprints(TENANT, first) is None
        assert store.forget_fingerprints(TENANT, first, by) is None
        found = [each for each in recorded(store) if each.action is Action.FORGET_FINGERPRINTS]
        assert [(each.outcome, each.target_id, each.object_id) for each in found] == [(OK, first, "o")]

    def test_what_is_kept_goes_when_its_time_is_up(self, store: Store, clock: ManualClock) -> None:
        first = _complete(store, 1)
        clock.advance(60.0)
        second = _complete(store, 2)
        assert store.forget_old_fingerprints(OTHER_TENANT, clock.now() + timedelta(days=1)) == 0
        assert store.forget_old_fingerprints(TENANT, clock.now() - timedelta(seconds=30)) == 1
        assert [store.fingerprints(TENANT, each) for each in (first, second)] == [None, b"kept"]

    def test_what_an_operation_is_compared_with_stays_until_it_has_ended(self, store: Store, clock: ManualClock) -> None:
        first = _complete(store, 1)
        _compare(store, 2, first)
        assert store.forget_fingerprints(TENANT, first) is False
        assert store.forget_old_fingerprints(TENANT, clock.now() + timedelta(days=1)) == 0
        store.checkpoint([done(claim_reads(store).reads[0])], owner=OWNER)
        ending = store.claim(OWNER, lease_s=LEASE_S, limit=1)
        assert isinstance(ending, FinishSet)
        store.complete([Completion(operation=ending.operations[0], package=TOTALS)], owner=OWNER)
        assert store.forget_old_fingerprints(TENANT, clock.now() + timedelta(days=1)) == 1

    def test_use_of_files_is_told_by_where_their_operation_stands(self, store: Store) -> None:
        first = _complete(store, 1)
        running = accept(store, 2, "a")
        found = [store.fingerprint_use(each) for each in (first, running, OperationId("unknown"))]
        assert [each and (each.tenant_id, each.is_ended, each.is_complete, each.is_kept) for each in found] == [
            (TENANT, True, True, True),
            (TENANT, False, False, False),
            None,
        ]
