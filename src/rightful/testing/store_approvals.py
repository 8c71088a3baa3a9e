"""What every store must do with operations that wait for an approval: `ApprovalSuite` is subclassed beside `StoreSuite`."""

from datetime import timedelta

from rightful.audit.record import OK, Action, Actor, decode
from rightful.ids import OperationId
from rightful.operation.model import ApprovalState, Failure, OperationStatus, SourceState
from rightful.store.interface import Store
from rightful.store.values import BoundOperation, NewApproval, NewRead
from rightful.testing.clock import ManualClock
from rightful.testing.store_cases import LEASE_S, OTHER_TENANT, OWNER, START, TENANT, accept, claim_reads, intent

WAITS_S = 3600.0
WISH = NewApproval(
    digest="d1", until=START + timedelta(seconds=WAITS_S), waiting_for=Failure(code="approvalRequired", message="somebody must approve")
)
REJECTED = Failure(code="rejected", message="rejected")


def accept_waiting(store: Store, number: int, *sources: str, subject: str = "") -> OperationId:
    """Begin and promote an operation that waits for its approval."""
    wanted = intent(number, subject=subject)
    assert store.begin(wanted) is None
    promoted = store.promote(wanted.operation_id, [NewRead(source_name=name) for name in sources], [], approval=WISH)
    assert promoted is not None
    assert (promoted.status, promoted.waiting_for) == (OperationStatus.NOT_STARTED, WISH.waiting_for)
    return wanted.operation_id


class ApprovalSuite:
    """Subclasses provide fixtures `clock` (a ManualClock at START) and `store` (empty, with that clock)."""

    def test_operation_that_waits_for_approval_is_passed_over_by_claims(self, store: Store) -> None:
        waiting = accept_waiting(store, 1, "a", "b")
        other = accept(store, 2, "a")
        assert claim_reads(store).operations[0].operation_id == other
        assert store.claim(OWNER, lease_s=LEASE_S, limit=9) is None
        operation = store.get(TENANT, waiting)
        assert operation is not None
        assert operation.approval is not None
        assert (operation.approval.state, operation.approval.digest, operation.approval.until) == (
            ApprovalState.WAITING,
            "d1",
            WISH.until,
        )
        assert [source.state for source in operation.sources] == [SourceState.PENDING] * 2
        assert (operation.is_by_application, operation.retry_after_s) == (True, 60)

    def test_operation_that_waits_holds_up_nobodys_estimate(self, store: Store) -> None:
        accept_waiting(store, 1, "a")
        for number in range(2, 500):
            store.begin(intent(number))
            store.drop(intent(number).operation_id)
        last = store.get(TENANT, accept(store, 500, "a"))
        assert last is not None
        assert last.retry_after_s == 1

    def test_approved_operation_is_claimed_like_any_other(self, store: Store) -> None:
        operation_id = accept_waiting(store, 1, "a")
        approved = store.decide(TENANT, operation_id, decider_key="second", refusal=None)
        assert approved is not None
        assert approved.approval is not None
        assert (approved.status, approved.waiting_for) == (OperationStatus.NOT_STARTED, None)
        assert (approved.approval.state, approved.approval.decided_by) == (ApprovalState.GIVEN, "second")
        assert claim_reads(store).operations[0].operation_id == operation_id
        assert store.decide(TENANT, operation_id, decider_key="third", refusal=None) is None
        assert store.decide(TENANT, operation_id, decider_key="third", refusal=REJECTED) is None

    def test_rejected_operation_has_failed_and_stays_so(self, store: Store) -> None:
        operation_id = accept_waiting(store, 1, "a")
        rejected = store.decide(TENANT, operation_id, decider_key="second", refusal=REJECTED)
        assert rejected is not None
        assert rejected.approval is not None
        assert (rejected.status, rejected.failure, rejected.waiting_for) == (OperationStatus.FAILED, REJECTED, None)
        assert (rejected.approval.state, rejected.approval.decided_by) == (ApprovalState.NOT_GIVEN, "second")
        assert rejected.completed_at == START
        assert store.decide(TENANT, operation_id, decider_key="third", refusal=None) is None
        assert store.resume(TENANT, operation_id, sealed_location=b"new") is None
        assert store.claim(OWNER, lease_s=LEASE_S, limit=9) is None

    def test_another_tenants_operation_cannot_be_decided(self, store: Store) -> None:
        operation_id = accept_waiting(store, 1, "a")
        assert store.decide(OTHER_TENANT, operation_id, decider_key="second", refusal=None) is None
        assert store.decide(OTHER_TENANT, operation_id, decider_key="second", refusal=REJECTED) is None
        assert store.claim(OWNER, lease_s=LEASE_S, limit=9) is None

    def test_operation_that_needs_no_approval_cannot_be_decided(self, store: Store) -> None:
        operation_id = accept(store, 1, "a")
        assert store.decide(TENANT, operation_id, decider_key="second", refusal=None) is None
        assert store.decide(TENANT, operation_id, decider_key="second", refusal=REJECTED) is None
        assert claim_reads(store).operations[0].operation_id == operation_id

    def test_wait_for_approval_ends_with_the_first_claim_after_its_time(self, store: Store, clock: ManualClock) -> None:
        waiting, approved = accept_waiting(store, 1, "a"), accept_waiting(store, 2, "a")
        store.decide(TENANT, approved, decider_key="second", refusal=None)
        clock.advance(WAITS_S - 1)
        assert claim_reads(store).operations[0].operation_id == approved
        clock.advance(1)
        assert store.decide(TENANT, waiting, decider_key="second", refusal=None) is None
        assert store.claim(OWNER, lease_s=LEASE_S, limit=9) is None
        ended = store.get(TENANT, waiting)
        assert ended is not None
        assert ended.failure is not None
        assert (ended.status, ended.failure.code, ended.waiting_for) == (OperationStatus.FAILED, "approvalExpired", None)
        assert store.resume(TENANT, waiting, sealed_location=b"new") is None

    def test_decisions_are_recorded_in_their_transactions(self, store: Store, clock: ManualClock) -> None:
        for number in range(1, 4):
            accept_waiting(store, number, "a")
        by = Actor(object_id="second", app_id="portal", address="192.0.2.1")
        store.decide(TENANT, intent(1).operation_id, decider_key="second", refusal=None, by=by)
        store.decide(TENANT, intent(2).operation_id, decider_key="second", refusal=REJECTED, by=by)
        clock.advance(WAITS_S)
        store.claim(OWNER, lease_s=LEASE_S, limit=9)
        found = [decode(entry.canonical) for entry in store.chain(TENANT, after_seq=3)]
        assert [(each.action, each.outcome, each.object_id, each.target_id, each.subject_id) for each in found] == [
            (Action.APPROVE, OK, "second", intent(1).operation_id, "subject-1"),
            (Action.REJECT, OK, "second", intent(2).operation_id, "subject-2"),
            (Action.FAIL, "approvalExpired", "", intent(3).operation_id, "subject-3"),
        ]
        assert store.decide(TENANT, intent(3).operation_id, decider_key="second", refusal=None, by=by) is None
        assert len(store.chain(TENANT)) == 6

    def test_operation_cancelled_while_it_waits_stays_failed(self, store: Store) -> None:
        operation_id = accept_waiting(store, 1, "a")
        assert store.fail(operation_id, Failure(code="cancelled", message="cancelled"))
        assert store.resume(TENANT, operation_id, sealed_location=b"new") is None
        assert store.decide(TENANT, operation_id, decider_key="second", refusal=None) is None
        assert store.claim(OWNER, lease_s=LEASE_S, limit=9) is None

    def test_request_repeats_the_operation_that_waits(self, store: Store) -> None:
        operation_id = accept_waiting(store, 1, "a", subject="s")
        repeat = store.begin(intent(2, subject="s"))
        assert repeat is not None
        assert (repeat.operation_id, repeat.is_pending) == (operation_id, False)

    def test_new_location_does_not_end_the_wait_and_is_the_one_that_counts(self, store: Store) -> None:
        operation_id = accept_waiting(store, 1, "a")
        resumed = store.resume(TENANT, operation_id, sealed_location=b"new")
        assert resumed is not None
        assert (resumed.status, resumed.waiting_for) == (OperationStatus.NOT_STARTED, WISH.waiting_for)
        assert store.claim(OWNER, lease_s=LEASE_S, limit=9) is None
        store.decide(TENANT, operation_id, decider_key="second", refusal=None)
        assert claim_reads(store).operations[0].sealed_location == b"new"

    def test_approved_operation_that_failed_resumes(self, store: Store) -> None:
        operation_id = accept_waiting(store, 1, "a")
        store.decide(TENANT, operation_id, decider_key="second", refusal=None)
        store.fail(operation_id, Failure(code="x", message="x"))
        resumed = store.resume(TENANT, operation_id, sealed_location=b"new")
        assert resumed is not None
        assert resumed.status is OperationStatus.RUNNING
        assert claim_reads(store).operations[0].operation_id == operation_id

    def test_operations_that_are_bound_are_told_until_they_end(self, store: Store) -> None:
        accept(store, 1, "a")
        waiting, approved = accept_waiting(store, 2, "a"), accept_waiting(store, 3, "a")
        store.decide(TENANT, approved, decider_key="second", refusal=None)
        known = intent(2)
        assert store.bound()[0] == BoundOperation(
            operation_id=waiting,
            tenant_id=TENANT,
            subject_id=known.subject_id,
            subject_kind=known.subject_kind,
            container_key=known.container_key,
            digest="d1",
        )
        assert [each.operation_id for each in store.bound()] == [waiting, approved]
        store.fail(waiting, REJECTED)
        store.fail(approved, REJECTED)
        assert store.bound() == ()
