"""How operations end, and go on after that. A part of the suite that every store must pass (store_suite)."""

from datetime import timedelta

from rightful.audit.record import Action
from rightful.ids import OperationId
from rightful.operation.model import Failure, OperationStatus, SourceState, Written
from rightful.operation.status import Event, after
from rightful.store.interface import Store
from rightful.store.values import Completion, Entry, EntryState, FinishSet
from rightful.testing.clock import ManualClock
from rightful.testing.store_cases import (
    CANCELLED,
    LEASE_S,
    OTHER_TENANT,
    OWNER,
    TENANT,
    TOTALS,
    accept,
    claim_reads,
    complete_all,
    done,
    finishing,
    part,
    recorded,
)


class EndingSuite:
    """How operations end, and go on after that."""

    def test_ends_of_a_group_are_put_down_whole_and_nothing_of_the_lost_ones(self, store: Store) -> None:
        tenants = [TENANT, OTHER_TENANT]
        for number in range(1, 15):
            accept(store, number, "a", tenant_id=tenants[number % 2])
        for reads in [claim_reads(store).reads for _ in tenants]:
            store.checkpoint([done(read, entries=(part(read, 0, EntryState.DONE),)) for read in reads], owner=OWNER)
        claims = [store.claim(OWNER, lease_s=LEASE_S, limit=10) for _ in tenants]
        group = [operation for claim in claims if isinstance(claim, FinishSet) for operation in claim.operations]
        assert len(group) == 14
        lost = {group[1].operation_id, group[13].operation_id}
        for operation_id in lost:
            assert store.fail(operation_id, CANCELLED)
        assert set(store.complete([Completion(operation=each, package=TOTALS) for each in group], owner=OWNER)) == lost
        for each in group:
            operation = store.get(each.tenant_id, each.operation_id)
            assert operation is not None
            assert operation.status is (OperationStatus.FAILED if each.operation_id in lost else OperationStatus.COMPLETE)
            assert len(store.entries(each.operation_id)) == (each.operation_id in lost)
        for tenant_id in tenants:
            ended = [each.operation_id for each in group if each.tenant_id == tenant_id and each.operation_id not in lost]
            assert [each.target_id for each in recorded(store, tenant_id) if each.action is Action.COMPLETE] == ended

    def test_who_lost_a_read_cannot_fail_its_operation(self, store: Store) -> None:
        operation_id = accept(store, 1, "a")
        failure = Failure(code="SourceRefused", message="the source refuses", source_name="a")
        old = claim_reads(store).reads[0]
        store.release_all()
        new = claim_reads(store).reads[0]
        assert not store.fail(operation_id, failure, owner=OWNER, claimed=old)
        assert not store.fail(operation_id, failure, owner="owner-2", claimed=new)
        assert store.fail(operation_id, failure, owner=OWNER, claimed=new)

    def test_who_lost_the_finishing_can_neither_stage_nor_fail(self, store: Store) -> None:
        operation_id = accept(store, 1, "a")
        self._finish_reads(store)
        finishes = []
        for _ in range(2):
            store.release_all()
            finish = store.claim(OWNER, lease_s=LEASE_S, limit=1)
            assert isinstance(finish, FinishSet)
            finishes.append(finish.operations[0])
        old, new = finishes
        entry = Entry(operation_id=operation_id, source_name="", partition=1, number=0, state=EntryState.STAGED)
        assert store.stage([entry], owner=OWNER, finishing=[old]) == (operation_id,)
        assert store.entries(operation_id) == ()
        assert not store.fail(operation_id, Failure(code="x", message="x"), owner=OWNER, claimed=old)
        assert store.stage([entry], owner=OWNER, finishing=[new]) == ()
        assert store.entries(operation_id) == (entry,)
        assert store.fail(operation_id, Failure(code="x", message="x"), owner=OWNER, claimed=new)

    def test_source_that_is_not_to_blame_does_not_count_as_failed(self, store: Store, clock: ManualClock) -> None:
        operation_id = accept(store, 1, "a", "b")
        store.retry(claim_reads(store).reads, owner=OWNER, at=clock.now() + timedelta(hours=1))
        store.fail(operation_id, Failure(code="SourceRefused", message="the source refuses", source_name="b"))
        operation = store.get(TENANT, operation_id)
        assert operation is not None
        assert [source.state for source in operation.sources] == [SourceState.PENDING, SourceState.FAILED]

    def test_failed_operation_is_claimed_no_more_and_resumes_where_it_was(self, store: Store) -> None:
        operation_id = accept(store, 1, "a", "b")
        first = claim_reads(store)
        store.checkpoint([done(first.reads[0], rows=2)], owner=OWNER)
        second = claim_reads(store)
        failure = Failure(code="SourceUnavailable", message="source 'b' does not answer", source_name="b")
        assert store.fail(operation_id, failure)
        assert not store.fail(operation_id, failure)
        assert store.checkpoint([done(second.reads[0])], owner=OWNER) == (operation_id,)
        operation = store.get(TENANT, operation_id)
        assert operation is not None
        assert (operation.status, operation.failure) == (OperationStatus.FAILED, failure)
        assert [source.state for source in operation.sources] == [SourceState.EXPORTED, SourceState.FAILED]
        assert store.claim(OWNER, lease_s=LEASE_S, limit=1) is None
        resumed = store.resume(TENANT, operation_id, sealed_location=b"new")
        assert resumed is not None
        assert (resumed.status, resumed.failure, resumed.completed_at) == (OperationStatus.RUNNING, None, None)
        assert store.resume(TENANT, operation_id, sealed_location=b"new") is None
        again = claim_reads(store)
        assert (again.source_name, again.operations[0].sealed_location) == ("b", b"new")

    def test_failed_operation_does_not_resume_beside_a_newer_one_of_the_same_request(self, store: Store) -> None:
        operation_id = accept(store, 1, "a", subject="s")
        store.fail(operation_id, Failure(code="x", message="x"))
        accept(store, 2, "a", subject="s")
        assert store.resume(TENANT, operation_id, sealed_location=b"new") is None

    def test_status_changes_as_the_table_says_and_not_otherwise(self, store: Store) -> None:
        number = 0
        for status in OperationStatus:
            for event in Event:
                number += 1
                operation_id = accept(store, number, "a")
                self._lead_to(store, operation_id, status)
                match event:
                    case Event.START:
                        store.claim(OWNER, lease_s=LEASE_S, limit=1)
                    case Event.COMPLETE if status is OperationStatus.RUNNING:
                        store.release_all()
                        complete_all(store)
                    case Event.COMPLETE:
                        assert store.complete([Completion(operation=finishing(number), package=TOTALS)], owner=OWNER) == (operation_id,)
                    case Event.RESUME:
                        store.resume(TENANT, operation_id, sealed_location=b"new")
                    case Event.FAIL | Event.CANCEL:
                        store.fail(operation_id, Failure(code="x", message="x"))
                operation = store.get(TENANT, operation_id)
                assert operation is not None
                assert operation.status is (after(status, event) or status), (status, event)
                store.fail(operation_id, Failure(code="x", message="x"))  # out of the way of the next one

    def _lead_to(self, store: Store, operation_id: OperationId, status: OperationStatus) -> None:
        if status in {OperationStatus.RUNNING, OperationStatus.COMPLETE}:
            read = claim_reads(store).reads[0]
            if status is OperationStatus.COMPLETE:
                store.checkpoint([done(read)], owner=OWNER)
                complete_all(store)
        elif status is OperationStatus.FAILED:
            store.fail(operation_id, Failure(code="x", message="x"))

    def test_operation_that_could_not_be_finished_is_claimed_again_later(self, store: Store, clock: ManualClock) -> None:
        accept(store, 1, "a")
        self._finish_reads(store)
        finish = store.claim(OWNER, lease_s=LEASE_S, limit=1)
        assert isinstance(finish, FinishSet)
        store.retry_finish(finish.operations[0], owner=OWNER, at=clock.now() + timedelta(seconds=9))
        clock.advance(9)
        again = store.claim(OWNER, lease_s=LEASE_S, limit=1)
        assert isinstance(again, FinishSet)
        assert again.operations[0].attempt == finish.operations[0].attempt + 1

    def _finish_reads(self, store: Store) -> None:
        claim = claim_reads(store)
        store.checkpoint([done(read) for read in claim.reads], owner=OWNER)

    def test_who_cancels_learns_what_work_knows_while_the_operation_has_not_ended(self, store: Store) -> None:
        operation_id = accept(store, 1, "a")
        found = store.working_on(operation_id)
        assert found is not None
        assert (found.operation_id, found.sealed_location, found.prefix, found.attempt) == (operation_id, b"sealed", "1/", 0)
        assert store.fail(operation_id, CANCELLED)
        assert store.working_on(operation_id) is None

    def test_what_a_failed_operation_left_is_told_until_it_is_deleted(self, store: Store) -> None:
        operation_id = accept(store, 1, "a")
        read = claim_reads(store).reads[0]
        entries = [part(read, number, state) for number, state in enumerate((EntryState.DONE, EntryState.STAGED, EntryState.VOID))]
        assert store.stage(entries, owner=OWNER, reads=[read]) == ()
        running = store.get(TENANT, operation_id)
        assert running is not None
        assert running.left is None
        assert not store.begin_removal(operation_id)
        assert store.fail(operation_id, CANCELLED)
        failed = store.get(TENANT, operation_id)
        assert failed is not None
        assert failed.left == Written(prefix="1/", entries=2, size_bytes=20)
        assert store.begin_removal(operation_id)
        assert store.resume(TENANT, operation_id, sealed_location=b"new") is None
        store.forget_entries(entries[:1])
        store.forget_entries(entries[:1])
        less = store.get(TENANT, operation_id)
        assert less is not None
        assert less.left == Written(prefix="1/", entries=1, size_bytes=10)
        store.forget_entries(entries)
        nothing = store.get(TENANT, operation_id)
        assert nothing is not None
        assert nothing.left is None
        assert store.begin_removal(operation_id, is_begun=False)
        assert store.resume(TENANT, operation_id, sealed_location=b"new") is not None
