"""What is recorded. A part of the suite that every store must pass (store_suite)."""

import msgspec
import pytest

from rightful.audit.checkpoint import CheckpointKey
from rightful.audit.record import FIRST_HASH, OK, SERVICE_CHAIN, Action, Actor, Target, link
from rightful.ids import TenantId
from rightful.operation.model import Failure
from rightful.store.interface import Store
from rightful.store.values import (
    Completion,
    FinishSet,
    NewRead,
)
from rightful.testing.store_cases import (
    LEASE_S,
    OTHER_TENANT,
    OWNER,
    TENANT,
    TOTALS,
    accept,
    audit_record,
    claim_reads,
    done,
    finishing,
    intent,
    recorded,
)


class AuditingSuite:
    """What is recorded."""

    def test_what_changes_an_operation_is_recorded_with_it(self, store: Store) -> None:
        by = Actor(object_id="o", app_id="a", address="192.0.2.7", request_id="r", client_request_id="c")
        wanted = msgspec.structs.replace(intent(1), actor=by)
        store.begin(wanted)
        assert recorded(store) == []  # an intent is nothing yet
        store.promote(wanted.operation_id, [NewRead(source_name="a")], [])
        failure = Failure(code="SourceRefused", message="no", source_name="a")
        read = claim_reads(store).reads[0]
        store.fail(wanted.operation_id, failure, owner=OWNER, claimed=read)
        store.resume(TENANT, wanted.operation_id, sealed_location=b"sealed", by=by)
        store.checkpoint([done(claim_reads(store).reads[0])], owner=OWNER)
        claim = store.claim(OWNER, lease_s=LEASE_S, limit=1)
        assert isinstance(claim, FinishSet)
        store.complete([Completion(operation=claim.operations[0], package=TOTALS)], owner=OWNER)
        cancelled = accept(store, 2, "a")
        store.fail(cancelled, Failure(code="cancelled", message="no"), by=by)
        found = recorded(store)
        assert [(each.seq, each.action, each.outcome, each.target_id) for each in found] == [
            (1, Action.SUBMIT, OK, wanted.operation_id),
            (2, Action.FAIL, "SourceRefused", wanted.operation_id),
            (3, Action.RESUME, OK, wanted.operation_id),
            (4, Action.COMPLETE, OK, wanted.operation_id),
            (5, Action.SUBMIT, OK, cancelled),
            (6, Action.CANCEL, OK, cancelled),
        ]
        assert [each.object_id for each in found] == ["o", "", "o", "", "", "o"]
        assert {(each.tenant_id, each.target, each.count) for each in found} == {(TENANT, Target.OPERATION, 1)}
        assert [each.subject_id for each in found] == ["subject-1"] * 4 + ["subject-2"] * 2
        assert (found[0].app_id, found[0].address, found[0].request_id, found[0].client_request_id) == ("a", "192.0.2.7", "r", "c")

    def test_what_changes_nothing_is_not_recorded(self, store: Store) -> None:
        operation_id = accept(store, 1, "a")
        failure = Failure(code="cancelled", message="no")
        assert store.resume(TENANT, operation_id, sealed_location=b"") is None
        assert store.promote(operation_id, [], []) is None
        assert store.complete([Completion(operation=finishing(1), package=TOTALS)], owner=OWNER)
        assert store.fail(operation_id, failure)
        assert not store.fail(operation_id, failure)
        assert [each.action for each in recorded(store)] == [Action.SUBMIT, Action.FAIL]

    def test_each_tenant_has_a_chain_of_its_own(self, store: Store) -> None:
        accept(store, 1, "a")
        accept(store, 2, "a", tenant_id=OTHER_TENANT)
        one = audit_record(TENANT, "1")
        store.record([one, audit_record(OTHER_TENANT, "2"), audit_record(SERVICE_CHAIN, "3"), audit_record(TENANT, "4")])
        assert store.chain(TenantId("33333333-3333-3333-3333-333333333333")) == []
        for tenant_id, targets in ((TENANT, ["1", "4"]), (OTHER_TENANT, ["2"]), (SERVICE_CHAIN, ["3"])):
            entries = store.chain(tenant_id)
            previous = FIRST_HASH
            for number, entry in enumerate(entries, 1):
                previous = link(previous, entry.canonical.encode())
                assert (entry.seq, entry.hash) == (number, previous)
            assert [each.target_id for each in recorded(store, tenant_id)][-len(targets) :] == targets
            assert {each.tenant_id for each in recorded(store, tenant_id)} == {tenant_id}
        assert [entry.seq for entry in store.chain(TENANT, after_seq=1, limit=1)] == [2]

    def test_records_are_appended_all_or_none(self, store: Store) -> None:
        unwritable = audit_record(TENANT, "\ud800")  # no UTF-8 can say it
        with pytest.raises(UnicodeEncodeError):
            store.record([audit_record(TENANT, "1"), unwritable])
        store.record([audit_record(TENANT, "2")])
        assert [(each.seq, each.target_id) for each in recorded(store)] == [(1, "2")]

    def test_checkpoints_of_a_chain_are_kept(self, store: Store) -> None:
        key = CheckpointKey(bytes(32))
        first, second, other = (
            key.sign(tenant_id=tenant_id, seq=seq, hash_=bytes(32), time_us=seq)
            for tenant_id, seq in ((TENANT, 9), (TENANT, 10), (OTHER_TENANT, 11))
        )
        assert store.last_chain_checkpoint(TENANT) is None
        for checkpoint in (second, first, other):
            store.add_chain_checkpoint(checkpoint)
        store.add_chain_checkpoint(msgspec.structs.replace(second, time_us=5))  # there is one for this record
        assert store.last_chain_checkpoint(TENANT) == second
