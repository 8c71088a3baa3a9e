"""Who works on what. A part of the suite that every store must pass (store_suite)."""

from datetime import timedelta

from rightful.ids import OperationId
from rightful.operation.model import Failure, OperationStatus, PackageTotals, SourceState
from rightful.store.interface import Store
from rightful.store.values import (
    Checkpoint,
    Completion,
    EntryState,
    FinishSet,
    NewRead,
)
from rightful.testing.clock import ManualClock
from rightful.testing.store_cases import LEASE_S, OTHER_TENANT, OWNER, TENANT, accept, claim_reads, done, part, scan


class ClaimingSuite:
    """Who works on what."""

    def test_claim_takes_reads_that_share_a_source_oldest_first(self, store: Store) -> None:
        ids = [accept(store, number, "orders", "messages") for number in range(3)]
        claim = claim_reads(store, limit=2)
        assert (claim.source_name, claim.partition, claim.tenant_id) == ("orders", 0, TENANT)
        assert [read.operation_id for read in claim.reads] == ids[:2]
        assert [operation.operation_id for operation in claim.operations] == ids[:2]
        assert {read.attempt for read in claim.reads} == {1}
        second, third = claim_reads(store), claim_reads(store)
        claimed = {
            (second.source_name, *[read.operation_id for read in second.reads]),
            (third.source_name, *[read.operation_id for read in third.reads]),
        }
        assert claimed == {("messages", *ids), ("orders", ids[2])}
        assert store.claim(OWNER, lease_s=LEASE_S, limit=10) is None
        operation = store.get(TENANT, ids[0])
        assert operation is not None
        assert operation.status is OperationStatus.RUNNING

    def test_tenants_take_turns_and_never_share_a_set(self, store: Store) -> None:
        for number in range(4):
            accept(store, number, "a")
        accept(store, 9, "a", tenant_id=OTHER_TENANT)
        tenants = [claim_reads(store, limit=2).tenant_id for _ in range(3)]
        assert tenants == [TENANT, OTHER_TENANT, TENANT]

    def test_scan_begins_at_once_where_nothing_else_waits(self, store: Store) -> None:
        accept(store, 0, "lake")
        assert len(claim_reads(store, scans=[scan()]).reads) == 1

    def test_scan_waits_for_company_while_its_source_is_read_then_takes_all(self, store: Store, clock: ManualClock) -> None:
        accept(store, 0, "lake")
        claim_reads(store, scans=[scan()])
        ids = [accept(store, number, "lake") for number in range(1, 5)]
        assert store.claim(OWNER, lease_s=LEASE_S, limit=2, scans=[scan()]) is None
        clock.advance(10.0)  # `accept` dates each a little later
        assert [read.operation_id for read in claim_reads(store, limit=2, scans=[scan()]).reads] == ids

    def test_scan_begins_when_the_one_before_it_is_over(self, store: Store) -> None:
        accept(store, 0, "lake")
        first = claim_reads(store, scans=[scan()])
        accept(store, 1, "lake")
        store.checkpoint([done(first.reads[0])], owner=OWNER)
        while isinstance(claim := store.claim(OWNER, lease_s=LEASE_S, limit=2, scans=[scan()]), FinishSet):
            pass
        assert claim is not None
        assert claim.source_name == "lake"

    def test_other_work_goes_before_a_scan_that_gathers_whosever_it_is(self, store: Store) -> None:
        accept(store, 0, "lake", "orders")
        accept(store, 1, "orders", tenant_id=OTHER_TENANT)
        claims = [claim_reads(store, scans=[scan()]) for _ in range(3)]
        assert [(claim.tenant_id, claim.source_name) for claim in claims] in (
            [(TENANT, "orders"), (OTHER_TENANT, "orders"), (TENANT, "lake")],
            [(OTHER_TENANT, "orders"), (TENANT, "orders"), (TENANT, "lake")],
        )

    def test_scan_is_shared_by_no_more_than_its_limit_and_by_one_tenant(self, store: Store, clock: ManualClock) -> None:
        for number in range(4):
            accept(store, number, "lake")
        accept(store, 9, "lake", tenant_id=OTHER_TENANT)
        clock.advance(20.0)
        both = [scan(limit=3), scan(limit=3, tenant_id=OTHER_TENANT)]
        claims = [claim_reads(store, scans=both) for _ in range(3)]
        assert [(claim.tenant_id, len(claim.reads)) for claim in claims] == [(TENANT, 3), (OTHER_TENANT, 1), (TENANT, 1)]
        assert all({operation.tenant_id for operation in claim.operations} == {claim.tenant_id} for claim in claims)

    def test_partitions_of_a_planned_scan_wait_for_nobody(self, store: Store) -> None:
        accept(store, 0, "lake")
        first = claim_reads(store, scans=[scan()])
        parts = [NewRead(source_name="lake", partition=number, spec_digest=f"d{number}", sealed_spec=b"x") for number in range(3)]
        store.split(first.reads, parts, owner=OWNER)
        assert [claim_reads(store, scans=[scan()]).partition for _ in range(2)] == [1, 2]

    def test_reads_with_different_cursors_are_claimed_alone(self, store: Store) -> None:
        for number in range(3):
            accept(store, number, "a")
        claim = claim_reads(store)
        store.checkpoint([Checkpoint(read=claim.reads[0], next_part=1, sealed_cursor=b"somewhere", rows=5)], owner=OWNER)
        store.release_all()
        first, second = claim_reads(store), claim_reads(store)
        assert [len(first.reads), len(second.reads)] == [1, 2]
        assert (first.reads[0].sealed_cursor, first.reads[0].next_part, first.reads[0].rows) == (b"somewhere", 1, 5)

    def test_finished_operations_come_first_and_are_completed_once(self, store: Store) -> None:
        operation_id = accept(store, 1, "a")
        accept(store, 2, "b")
        claim = claim_reads(store)
        store.checkpoint([done(claim.reads[0], rows=3)], owner=OWNER)
        finish = store.claim(OWNER, lease_s=LEASE_S, limit=10)
        assert isinstance(finish, FinishSet)
        assert [operation.operation_id for operation in finish.operations] == [operation_id]
        completion = Completion(
            operation=finish.operations[0], package=PackageTotals(prefix="1/", entries=9, size_bytes=99, manifest_sha256="cd")
        )
        assert store.complete([completion], owner=OWNER) == ()
        assert store.complete([completion], owner=OWNER) == (operation_id,)
        operation = store.get(TENANT, operation_id)
        assert operation is not None
        assert (operation.status, operation.progress_percent, operation.retry_after_s) == (OperationStatus.COMPLETE, 100.0, 0)
        assert operation.completed_at is not None
        assert operation.package == completion.package
        assert [(source.source_name, source.state, source.rows) for source in operation.sources] == [("a", SourceState.EXPORTED, 3)]
        assert store.entries(operation_id) == ()

    def test_lease_that_ran_out_is_claimed_again_and_the_first_owner_is_fenced(self, store: Store, clock: ManualClock) -> None:
        operation_id = accept(store, 1, "a")
        lost = claim_reads(store)
        clock.advance(LEASE_S + 1)
        taken = claim_reads(store, owner="owner-2")
        assert taken.reads[0].attempt == 2
        entry = part(lost.reads[0], 0, EntryState.STAGED)
        assert store.stage([entry], owner=OWNER, reads=lost.reads) == (operation_id,)
        assert store.checkpoint([done(lost.reads[0], rows=7)], owner=OWNER) == (operation_id,)
        assert store.entries(operation_id) == ()
        assert store.checkpoint([done(taken.reads[0], rows=8)], owner="owner-2") == ()

    def test_same_owner_with_an_older_attempt_is_fenced_too(self, store: Store) -> None:
        operation_id = accept(store, 1, "a")
        old = claim_reads(store)
        store.release_all(OWNER)
        claim_reads(store)
        assert store.checkpoint([done(old.reads[0])], owner=OWNER) == (operation_id,)

    def test_what_has_ended_is_told_of_those_that_are_asked_for(self, store: Store) -> None:
        running, failed, complete = accept(store, 1, "a"), accept(store, 2, "a"), accept(store, 3, "a")
        strange = OperationId("00000000-0000-4000-8000-00000000dead")
        asked = [running, failed, complete, strange]
        assert store.ended(asked) == {strange}
        assert store.fail(failed, Failure(code="x", message="y"))
        reads = {read.operation_id: read for read in claim_reads(store).reads}
        store.checkpoint([done(reads[complete])], owner=OWNER)
        finishing = store.claim(OWNER, lease_s=LEASE_S, limit=10)
        assert isinstance(finishing, FinishSet)
        totals = PackageTotals(prefix="", entries=1, size_bytes=1, manifest_sha256="")
        store.complete([Completion(operation=each, package=totals) for each in finishing.operations], owner=OWNER)
        assert store.ended(asked) == {failed, complete, strange}
        assert store.ended([running]) == store.ended([]) == frozenset()

    def test_clock_that_is_set_back_lets_nothing_wait_longer(self, store: Store, clock: ManualClock) -> None:
        accept(store, 1, "a")
        claim = claim_reads(store)
        store.retry(claim.reads, owner=OWNER, at=clock.now() + timedelta(seconds=10))
        clock.set(-3600.0)
        assert store.claim(OWNER, lease_s=LEASE_S, limit=10) is None
        clock.advance(11.0)
        again = claim_reads(store)
        store.checkpoint([done(again.reads[0])], owner=OWNER)
        finish = store.claim(OWNER, lease_s=LEASE_S, limit=10)
        assert isinstance(finish, FinishSet)
        store.retry_finish(finish.operations[0], owner=OWNER, at=clock.now() + timedelta(seconds=10))
        clock.set(86_400.0)
        clock.set(-2 * 86_400.0)
        assert store.claim(OWNER, lease_s=LEASE_S, limit=10) is None
        clock.advance(11.0)
        assert isinstance(store.claim(OWNER, lease_s=LEASE_S, limit=10), FinishSet)

    def test_heartbeat_keeps_a_lease(self, store: Store, clock: ManualClock) -> None:
        accept(store, 1, "a")
        claim_reads(store)
        clock.advance(LEASE_S - 1)
        store.heartbeat(OWNER, lease_s=LEASE_S)
        clock.advance(LEASE_S - 1)
        assert store.claim("owner-2", lease_s=LEASE_S, limit=1) is None
