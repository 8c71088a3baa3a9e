"""What becomes of reads, and of operations while they run. A part of the suite that every store must pass (store_suite)."""

from datetime import timedelta

import msgspec
import pytest

from rightful.ids import OperationId
from rightful.operation.model import Failure, OperationStatus
from rightful.store.interface import Store
from rightful.store.values import Checkpoint, Entry, EntryState, FinishSet, NewRead, ReadSet
from rightful.testing.clock import ManualClock
from rightful.testing.store_cases import LEASE_S, OTHER_TENANT, OWNER, TENANT, accept, claim_reads, done, intent, part


class DeliveringSuite:
    """What becomes of reads, and of operations while they run."""

    def test_staged_entry_becomes_done_and_is_kept_for_whoever_resumes(self, store: Store) -> None:
        operation_id = accept(store, 1, "a", "b")
        claim = claim_reads(store)
        read = claim.reads[0]
        assert store.stage([part(read, 0, EntryState.STAGED), part(read, 1, EntryState.STAGED)], owner=OWNER, reads=claim.reads) == ()
        store.checkpoint(
            [Checkpoint(read=read, next_part=1, sealed_cursor=b"k", rows=1, entries=(part(read, 0, EntryState.DONE),))], owner=OWNER
        )
        assert [(entry.number, entry.state) for entry in store.entries(operation_id, "a", 0)] == [
            (0, EntryState.DONE),
            (1, EntryState.STAGED),
        ]
        assert store.entries(operation_id, "b") == ()

    def test_entries_count_as_they_were_staged(self, store: Store) -> None:
        operation_id = accept(store, 1, "a", "b")
        claim = claim_reads(store)
        read, other = claim.reads[0], claim_reads(store).reads[0]
        staged = [part(read, number, EntryState.STAGED, f"{number}") for number in (0, 1, 2, 4, 5)]
        revised = msgspec.structs.replace(staged[1], revision=1)
        assert store.stage([*staged, revised, part(other, 1, EntryState.STAGED)], owner=OWNER, reads=[read, other]) == ()
        counted = [part(read, number, EntryState.DONE, f"{number}") for number in (0, 1, 4, 7, 8)]
        skipped = part(read, 9, EntryState.SKIPPED)
        checkpoint = Checkpoint(read=read, next_part=1, entries=(*counted, skipped), as_staged=len(counted))
        assert store.checkpoint([checkpoint], owner=OWNER) == ()
        assert checkpoint.was_put
        assert checkpoint.is_ahead
        left = [staged[2], staged[4], revised]
        assert store.entries(operation_id, "a", 0) == tuple(
            sorted([*counted, skipped, *left], key=lambda each: (each.number, each.revision))
        )
        assert store.entries(operation_id, "b", 0) == (part(other, 1, EntryState.STAGED),)

    def test_first_entries_are_those_of_packages_themselves(self, store: Store) -> None:
        ids = [intent(number).operation_id for number in (1, 2, 3)]
        for number, operation_id in enumerate(ids, 1):
            assert store.begin(intent(number)) is None
            first = Entry(operation_id=operation_id, source_name="", partition=0, number=0, state=EntryState.DONE, sealed=b"sealed")
            assert store.promote(operation_id, [NewRead(source_name="a")], [first]) is not None
        while (claim := store.claim(OWNER, lease_s=60, limit=10)) is not None:
            assert isinstance(claim, ReadSet)
            store.stage([part(read, 0, EntryState.STAGED) for read in claim.reads], owner=OWNER, reads=claim.reads)
        asked = [ids[2], ids[0], OperationId("nobody's"), ids[2]]
        assert store.first_entries(asked) == tuple(entry for each in sorted({*asked}) for entry in store.entries(each, "", 0))
        assert {entry.operation_id for entry in store.first_entries(asked)} == {ids[0], ids[2]}
        assert store.first_entries([]) == ()

    def test_many_reads_come_further_at_once_and_the_lost_one_does_not(self, store: Store) -> None:
        ids = [accept(store, number, "a", subject=f"subject-{number}") for number in range(1, 72)]
        reads = sorted(claim_reads(store).reads, key=lambda read: ids.index(read.operation_id))
        lost, unheld = reads[2], reads[5]
        held = [part(read, number, EntryState.STAGED) for read in reads if read is not unheld for number in (0, 1)]
        assert store.stage([*held, part(unheld, 0, EntryState.STAGED)], owner=OWNER, reads=reads) == ()
        stale = msgspec.structs.replace(lost, attempt=lost.attempt + 1)
        checkpoints = [
            Checkpoint(
                read=stale if read is lost else read,
                next_part=2,
                rows=7,
                is_done=read is not reads[0],
                entries=tuple(part(read, number, EntryState.DONE) for number in (0, 1)),
                as_staged=2,
            )
            for read in reads
        ]
        assert store.checkpoint(checkpoints, owner=OWNER) == (lost.operation_id,)
        for read in reads:
            state = EntryState.STAGED if read is lost else EntryState.DONE
            assert [(each.number, each.state) for each in store.entries(read.operation_id, "a")] == [(0, state), (1, state)]
            [outcome] = store.outcomes(read.operation_id)
            assert (outcome.rows, outcome.is_done) == ((0, False) if read is lost else (7, read is not reads[0]))
            operation = store.get(TENANT, read.operation_id)
            assert operation is not None
            assert (operation.progress_percent == 98.0) == (read not in {lost, reads[0]})
        over = [stale, *reads[3:]]
        assert set(store.stage([part(lost, 2, EntryState.STAGED)], owner=OWNER, reads=over)) == {read.operation_id for read in over}
        assert len(store.entries(lost.operation_id, "a")) == 2

    def test_split_makes_reads_of_the_other_partitions_once(self, store: Store) -> None:
        operation_id = accept(store, 1, "lake")
        claim = claim_reads(store)
        partitions = [
            NewRead(source_name="lake", partition=number, spec_digest=f"s{number}", sealed_spec=b"%d" % number, estimated_rows=10)
            for number in range(3)
        ]
        assert store.split(claim.reads, partitions, owner=OWNER) == ()
        assert store.split(claim.reads, partitions, owner=OWNER) == ()
        others = [claim_reads(store), claim_reads(store)]
        reads = [read for each in others for read in each.reads]
        assert [(read.partition, read.spec_digest, read.sealed_spec) for read in reads] == [(1, "s1", b"1"), (2, "s2", b"2")]
        for each in (claim, *others):
            assert store.claim(OWNER, lease_s=LEASE_S, limit=1) is None
            store.checkpoint([done(each.reads[0])], owner=OWNER)
        assert isinstance(store.claim(OWNER, lease_s=LEASE_S, limit=1), FinishSet)
        assert [outcome.partition for outcome in store.outcomes(operation_id)] == [0, 1, 2]

    def test_what_a_subject_has_counts_more_than_the_average_whichever_is_known_first(self, store: Store) -> None:
        first, second = accept(store, 1, "a", "b"), accept(store, 2, "a", "b")
        partitions = [NewRead(source_name="a", partition=n, spec_digest=f"s{n}", sealed_spec=b"x", estimated_rows=7) for n in range(4)]
        claim = store.claim(OWNER, lease_s=LEASE_S, limit=10)
        assert isinstance(claim, ReadSet)
        store.estimate(first, "a", rows=1000, size_bytes=None)
        for _ in range(2):
            store.split(claim.reads, partitions, owner=OWNER)
        store.estimate(second, "a", rows=1000, size_bytes=None)
        for operation_id in (first, second):
            store.estimate(operation_id, "b", rows=0, size_bytes=0)
            store.estimate(operation_id, "nothing", rows=1, size_bytes=1)
        for read in claim.reads:
            store.checkpoint([Checkpoint(read=read, next_part=0, rows=100)], owner=OWNER)
        found = [store.get(TENANT, operation_id) for operation_id in (first, second)]
        assert [each and each.progress_percent for each in found] == [9.8, 9.8]  # a hundred of a thousand rows

    def test_time_left_is_reckoned_from_the_last_checkpoint(self, store: Store, clock: ManualClock) -> None:
        operation_id = accept(store, 1, "a")
        [read] = claim_reads(store).reads
        store.estimate(operation_id, "a", rows=1000, size_bytes=None)
        clock.advance(10)
        before = store.get(TENANT, operation_id)
        store.checkpoint([Checkpoint(read=read, next_part=0, rows=250)], owner=OWNER)
        at_once = store.get(TENANT, operation_id)
        clock.advance(5)
        later = store.get(TENANT, operation_id)
        assert before is not None
        assert at_once is not None
        assert later is not None
        assert (before.left_s, before.retry_after_s) == (None, 10)
        assert at_once.left_s == pytest.approx(30.8, abs=0.5)
        assert later.left_s == pytest.approx(25.8, abs=0.5)
        assert later.retry_after_s in {26, 27}
        store.release_all()
        clock.advance(1000)
        store.release_all()  # the service was down: that says nothing of the pace
        [read] = claim_reads(store).reads
        store.checkpoint([Checkpoint(read=read, next_part=0, rows=250)], owner=OWNER)
        unknown = store.get(TENANT, operation_id)
        clock.advance(10)
        store.checkpoint([Checkpoint(read=read, next_part=0, rows=500)], owner=OWNER)
        again = store.get(TENANT, operation_id)
        assert unknown is not None
        assert again is not None
        assert unknown.left_s is None
        assert again.left_s == pytest.approx(20.8, abs=0.5)

    def test_progress_never_falls(self, store: Store) -> None:
        operation_id = accept(store, 1, "a")
        claim = claim_reads(store)
        read = claim.reads[0]
        store.split(claim.reads, [NewRead(source_name="a", estimated_rows=100)], owner=OWNER)
        seen = [0.0]
        for rows in (10, 50, 20, 80):
            store.checkpoint([Checkpoint(read=read, next_part=0, rows=rows)], owner=OWNER)
            operation = store.get(TENANT, operation_id)
            assert operation is not None
            seen.append(operation.progress_percent)
        assert seen == sorted(seen)
        assert 60 < seen[-1] < 100

    def test_retry_waits_counts_and_comes_back(self, store: Store, clock: ManualClock) -> None:
        accept(store, 1, "a")
        claim = claim_reads(store)
        store.retry(claim.reads, owner=OWNER, at=clock.now() + timedelta(seconds=10))
        assert store.claim(OWNER, lease_s=LEASE_S, limit=1) is None
        clock.advance(10)
        again = claim_reads(store)
        assert (again.reads[0].failures, again.reads[0].attempt) == (1, 2)

    def test_retry_that_is_no_failure_is_not_counted(self, store: Store, clock: ManualClock) -> None:
        accept(store, 1, "a")
        store.retry(claim_reads(store).reads, owner=OWNER, at=clock.now(), is_failure=False)
        again = claim_reads(store)
        assert (again.reads[0].failures, again.reads[0].attempt) == (0, 2)
        [outcome] = store.outcomes(again.reads[0].operation_id)
        assert outcome.attempts == 1

    def test_reads_given_back_in_groups_are_claimed_so_until_a_resume(self, store: Store, clock: ManualClock) -> None:
        ids = [accept(store, number, "a") for number in range(4)]
        claim = claim_reads(store)
        store.retry(claim.reads[0:3:2], owner=OWNER, at=clock.now(), group=7)
        store.retry(claim.reads[1:2], owner=OWNER, at=clock.now(), group=8)
        store.retry(claim.reads[3:], owner=OWNER, at=clock.now())
        accept(store, 4, "a")
        claims = [claim_reads(store) for _ in range(3)]
        assert [[read.operation_id for read in each.reads] for each in claims[:2]] == [[ids[0], ids[2]], [ids[1]]]
        assert [read.failures for each in claims for read in each.reads] == [0, 0, 0, 1, 0]
        store.retry(claims[0].reads, owner=OWNER, at=clock.now())
        assert [read.failures for read in claim_reads(store).reads] == [1, 1]
        for operation_id in ids[:2]:
            store.fail(operation_id, Failure(code="x", message="x"))
            store.resume(TENANT, operation_id, sealed_location=b"new")
        assert len(claim_reads(store).reads) == 2

    def test_waiting_is_said_and_is_no_failure(self, store: Store, clock: ManualClock) -> None:
        operation_id = accept(store, 1, "a")
        waits = Failure(code="StorageRefused", message="the SAS has expired")
        claim = claim_reads(store)
        store.retry(claim.reads, owner=OWNER, at=clock.now(), waiting_for=waits)
        operation = store.get(TENANT, operation_id)
        assert operation is not None
        assert (operation.status, operation.waiting_for) == (OperationStatus.RUNNING, waits)
        since = store.waiting_since(operation_id)
        clock.advance(5)
        again = claim_reads(store)
        assert again.reads[0].failures == 0
        store.retry(again.reads, owner=OWNER, at=clock.now(), waiting_for=waits)
        assert store.waiting_since(operation_id) == since
        read = claim_reads(store).reads[0]
        store.checkpoint([Checkpoint(read=read, next_part=1)], owner=OWNER)  # nothing was put: the wait goes on
        assert store.waiting_since(operation_id) == since
        store.checkpoint([Checkpoint(read=read, next_part=1, entries=(part(read, 0, EntryState.DONE),))], owner=OWNER)
        assert store.waiting_since(operation_id) is None

    def test_failures_are_counted_until_an_entry_is_put_that_no_attempt_put_before(self, store: Store, clock: ManualClock) -> None:
        accept(store, 1, "a")

        def fail_after(*entries: EntryState, revision: int = 0) -> int:
            read = claim_reads(store).reads[0]
            put = tuple(msgspec.structs.replace(part(read, 0, state), revision=revision) for state in entries)
            store.checkpoint([Checkpoint(read=read, next_part=1, entries=put)], owner=OWNER)
            store.retry([read], owner=OWNER, at=clock.now())
            failures = claim_reads(store).reads[0].failures
            store.release_all()
            return failures

        assert fail_after() == 1
        assert fail_after() == 2
        assert fail_after(EntryState.DONE, revision=1) == 3
        assert fail_after(EntryState.DONE) == 1

    def test_tenants_to_be_passed_over_are(self, store: Store) -> None:
        accept(store, 1, "a")
        accept(store, 2, "a", tenant_id=OTHER_TENANT)
        claim = store.claim(OWNER, lease_s=LEASE_S, limit=10, passing_over=frozenset({TENANT}))
        assert isinstance(claim, ReadSet)
        assert claim.tenant_id == OTHER_TENANT
        store.checkpoint([done(read) for read in claim.reads], owner=OWNER)
        assert store.claim(OWNER, lease_s=LEASE_S, limit=10, passing_over=frozenset({TENANT, OTHER_TENANT})) is None
        assert isinstance(store.claim(OWNER, lease_s=LEASE_S, limit=10, passing_over=frozenset({TENANT})), FinishSet)
