"""The suite that every store must pass: subclass `StoreSuite` and `ApprovalSuite` (store_approvals), and give it a `store` fixture."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from rightful.audit.checkpoint import CheckpointKey
from rightful.audit.record import FIRST_HASH, NOBODY, OK, SERVICE_CHAIN, Action, Actor, AuditRecord, Target, decode, link, record
from rightful.clock import to_microseconds
from rightful.ids import OperationId, SubjectId, TenantId
from rightful.operation.model import Failure, OperationStatus, PackageTotals, SourceState
from rightful.operation.status import Event, after
from rightful.store.interface import Store
from rightful.store.listing import (
    All,
    Any,
    Comparator,
    Field,
    Key,
    Not,
    StatusIn,
    SubjectIn,
    TimeCompared,
    Unended,
    order,
    place,
)
from rightful.store.values import (
    ChainHead,
    Checkpoint,
    ClaimedOperation,
    ClaimedRead,
    Completion,
    Entry,
    EntryState,
    FinishSet,
    Intent,
    ListQuery,
    NewRead,
    ReadSet,
    RepeatKey,
    Scan,
)
from rightful.subject.model import SubjectKind
from rightful.testing.clock import ManualClock

TENANT = TenantId("11111111-1111-1111-1111-111111111111")
OTHER_TENANT = TenantId("22222222-2222-2222-2222-222222222222")
START = datetime(2026, 1, 31, 12, tzinfo=UTC)
OWNER = "owner-1"
LEASE_S = 30.0
KEY_VALID_S = 3600.0
BOTH = (SubjectKind.USER, SubjectKind.INBOUND_PROFILE)
TOTALS = PackageTotals(prefix="", entries=1, size_bytes=1, manifest_sha256="")
CANCELLED = Failure(code="cancelled", message="cancelled")


def intent(number: int, *, tenant_id: TenantId = TENANT, subject: str = "", container: str = "c", keys: tuple[str, ...] = ()) -> Intent:
    """Make an intent whose operation id ends in the number."""
    return Intent(
        operation_id=OperationId(f"00000000-0000-0000-0000-{number:012}"),
        tenant_id=tenant_id,
        subject_id=SubjectId(subject or f"subject-{number}"),
        subject_kind=SubjectKind.USER,
        caller_key="caller",
        container_key=container,
        repeat_keys=tuple(RepeatKey(key, KEY_VALID_S) for key in keys),
        request_digest=f"{subject or number}/{container}",
        correlation_id=f"correlation-{number}",
        storage_location="MyStorageAccount",
        sealed_location=b"sealed",
        prefix=f"{number}/",
        submitted_at=START + timedelta(seconds=number),
    )


def accept(store: Store, number: int, *sources: str, tenant_id: TenantId = TENANT, subject: str = "", container: str = "c") -> OperationId:
    """Begin and promote an operation with reads of these sources."""
    wanted = intent(number, tenant_id=tenant_id, subject=subject, container=container)
    assert store.begin(wanted) is None
    assert store.promote(wanted.operation_id, [NewRead(source_name=name) for name in sources], []) is not None
    return wanted.operation_id


def finishing(number: int) -> ClaimedOperation:
    """Make what the first claim for finishing would give of an operation; whoever shows it may hold no such claim."""
    known = intent(number)
    return ClaimedOperation(
        operation_id=known.operation_id,
        tenant_id=known.tenant_id,
        subject_id=known.subject_id,
        subject_kind=known.subject_kind,
        storage_location=known.storage_location,
        sealed_location=known.sealed_location,
        prefix=known.prefix,
        submitted_at=known.submitted_at,
        attempt=1,
    )


def scan(*, limit: int = 100, tenant_id: TenantId = TENANT) -> Scan:
    """Make a source `lake` whose reads gather for two seconds."""
    return Scan(tenant_id=tenant_id, source_name="lake", window_s=2.0, limit=limit)


def claim_reads(store: Store, owner: str = OWNER, limit: int = 100, scans: Sequence[Scan] = ()) -> ReadSet:
    """Claim and expect reads."""
    claim = store.claim(owner, lease_s=LEASE_S, limit=limit, scans=scans)
    assert isinstance(claim, ReadSet)
    return claim


def done(read: ClaimedRead, *, rows: int = 0, entries: tuple[Entry, ...] = ()) -> Checkpoint:
    """Make the last checkpoint of a read."""
    return Checkpoint(read=read, next_part=len(entries), rows=rows, is_done=True, entries=entries)


def part(read: ClaimedRead, number: int, state: EntryState, sha256: str = "ab") -> Entry:
    """Make an entry of a read."""
    return Entry(
        operation_id=read.operation_id,
        source_name=read.source_name,
        partition=read.partition,
        number=number,
        state=state,
        sha256=sha256,
        size_bytes=10,
        rows=1,
        sealed=b"path",
    )


def audit_record(tenant_id: TenantId, target_id: str) -> AuditRecord:
    """Make a record of a call that named something."""
    return record(
        NOBODY,
        tenant_id=tenant_id,
        time_us=to_microseconds(START),
        action=Action.CALL,
        outcome="BadRequest",
        target=Target.SERVICE,
        target_id=target_id,
    )


def recorded(store: Store, tenant_id: TenantId = TENANT) -> list[AuditRecord]:
    """Return the records of a chain."""
    return [decode(entry.canonical) for entry in store.chain(tenant_id)]


class StoreSuite:
    """Subclasses provide fixtures `clock` (a ManualClock at START) and `store` (empty, with that clock)."""

    # -- submit

    def test_intent_is_invisible_until_it_is_promoted(self, store: Store) -> None:
        wanted = intent(1)
        assert store.begin(wanted) is None
        assert store.get(TENANT, wanted.operation_id) is None
        assert store.list(ListQuery(tenant_id=TENANT, subject_kinds=BOTH)) == ()
        assert store.intents() == (msgspec.structs.replace(wanted, repeat_keys=()),)
        operation = store.promote(wanted.operation_id, [NewRead(source_name="orders")], [])
        assert operation is not None
        assert (operation.status, operation.progress_percent, operation.storage_location) == (
            OperationStatus.NOT_STARTED,
            0.0,
            "MyStorageAccount",
        )
        assert store.intents() == ()

    def test_dropped_intent_leaves_nothing_and_can_come_again(self, store: Store) -> None:
        first = intent(1, subject="s", keys=("idempotency-key:k",))
        store.begin(first)
        store.drop(first.operation_id)
        assert store.promote(first.operation_id, [], []) is None
        assert store.begin(intent(2, subject="s", keys=("idempotency-key:k",))) is None

    def test_drop_does_nothing_to_an_operation(self, store: Store) -> None:
        operation_id = accept(store, 1, "orders")
        store.drop(operation_id)
        assert store.get(TENANT, operation_id) is not None

    def test_same_caller_subject_and_container_repeats_until_the_operation_has_ended(self, store: Store) -> None:
        first = intent(1, subject="s")
        store.begin(first)
        pending = store.begin(intent(2, subject="s"))
        assert pending is not None
        assert (pending.operation_id, pending.is_pending) == (first.operation_id, True)
        store.promote(first.operation_id, [NewRead(source_name="a")], [])
        repeat = store.begin(intent(3, subject="s"))
        assert repeat is not None
        assert (repeat.operation_id, repeat.is_pending) == (first.operation_id, False)
        store.fail(first.operation_id, CANCELLED)
        assert store.begin(intent(4, subject="s")) is None

    def test_another_container_or_subject_is_another_request(self, store: Store) -> None:
        accept(store, 1, "a", subject="s")
        assert store.begin(intent(2, subject="t")) is None
        assert store.begin(intent(3, subject="s", container="d")) is None

    def test_equal_key_repeats_even_a_complete_operation_but_not_a_failed_one(self, store: Store) -> None:
        wanted = intent(1, subject="s", keys=("idempotency-key:k",))
        store.begin(wanted)
        store.promote(wanted.operation_id, [NewRead(source_name="a")], [])
        self._complete_all(store)
        repeat = store.begin(intent(2, subject="s", keys=("idempotency-key:k",)))
        assert repeat is not None
        assert (repeat.operation_id, repeat.request_digest) == (wanted.operation_id, wanted.request_digest)
        failed = intent(3, subject="u", keys=("idempotency-key:l",))
        store.begin(failed)
        store.promote(failed.operation_id, [NewRead(source_name="a")], [])
        store.fail(failed.operation_id, Failure(code="x", message="x"))
        assert store.begin(intent(4, subject="u", keys=("idempotency-key:l",))) is None

    def test_key_of_what_was_complete_long_ago_names_nothing(self, store: Store, clock: ManualClock) -> None:
        store.begin(intent(1, subject="s", keys=("idempotency-key:k",)))
        store.promote(intent(1).operation_id, [NewRead(source_name="a")], [])
        clock.advance(2 * KEY_VALID_S)  # while it runs, its age does not count
        assert store.begin(intent(2, subject="s", keys=("idempotency-key:k",))) is not None
        self._complete_all(store)
        clock.advance(KEY_VALID_S)
        assert store.begin(intent(3, subject="s", keys=("idempotency-key:k",))) is not None
        clock.advance(1)
        assert store.begin(intent(4, subject="s", keys=("idempotency-key:k",))) is None

    def test_user_and_inbound_profile_of_one_id_are_two_subjects(self, store: Store) -> None:
        accept(store, 1, "a", subject="s")
        assert store.begin(msgspec.structs.replace(intent(2, subject="s"), subject_kind=SubjectKind.INBOUND_PROFILE)) is None

    def test_request_that_joins_an_operation_names_it_by_its_own_key_from_then_on(self, store: Store) -> None:
        first = intent(1, subject="s")
        store.begin(first)
        store.promote(first.operation_id, [NewRead(source_name="a")], [])
        assert store.begin(intent(2, subject="s", keys=("idempotency-key:k",))) is not None
        self._complete_all(store)
        repeat = store.begin(intent(3, subject="s", keys=("idempotency-key:k",)))
        assert repeat is not None
        assert repeat.operation_id == first.operation_id
        assert store.begin(intent(4, subject="s", keys=("idempotency-key:l",))) is None

    def test_key_of_another_request_goes_on_naming_that_one(self, store: Store) -> None:
        for number, subject in ((1, "s"), (2, "t")):
            store.begin(intent(number, subject=subject, keys=(f"idempotency-key:{subject}",)))
            store.promote(intent(number).operation_id, [NewRead(source_name="a")], [])
        repeat = store.begin(intent(3, subject="t", keys=("idempotency-key:s",)))
        assert repeat is not None
        assert repeat.operation_id == intent(1).operation_id
        assert repeat.request_digest != intent(3, subject="t").request_digest
        again = store.begin(intent(4, subject="t", keys=("client-request-id:c", "idempotency-key:s")))
        assert again is not None
        assert again.operation_id == intent(1).operation_id

    def test_count_open_counts_what_has_not_ended_of_one_tenant(self, store: Store) -> None:
        assert store.count_open(TENANT) == 0
        begun, *accepted = [accept(store, number, "a") for number in range(5)]
        store.begin(intent(9))
        assert store.count_open(TENANT) == 6
        store.drop(intent(9).operation_id)
        store.drop(intent(9).operation_id)
        assert store.count_open(TENANT) == 5
        assert store.fail(begun, CANCELLED)
        assert not store.fail(begun, CANCELLED)
        assert store.count_open(TENANT) == 4
        assert store.resume(TENANT, begun, sealed_location=b"sealed") is not None
        assert store.count_open(TENANT) == 5
        for operation_id in accepted:
            store.fail(operation_id, CANCELLED)
        assert store.count_open(TENANT) == 1
        assert store.count_open(OTHER_TENANT) == 0

    # -- look

    def test_another_tenants_operation_is_not_there(self, store: Store) -> None:
        operation_id = accept(store, 1, "a")
        assert store.get(OTHER_TENANT, operation_id) is None
        assert store.resume(OTHER_TENANT, operation_id, sealed_location=b"x") is None

    def test_list_filters_orders_and_goes_on_after_one(self, store: Store) -> None:
        ids = [accept(store, number, "a", subject=f"s{number % 2}", container=str(number)) for number in range(6)]
        accept(store, 9, "a", tenant_id=OTHER_TENANT)
        query = ListQuery(tenant_id=TENANT, subject_kinds=BOTH, limit=4)
        first = store.list(query)
        assert [each.operation_id for each in first] == ids[::-1][:4]
        after = place(first[-1], query.order)
        assert [each.operation_id for each in store.list(msgspec.structs.replace(query, after=after))] == ids[::-1][4:]
        assert [each.operation_id for each in store.list(msgspec.structs.replace(query, after=after, skip=1))] == ids[::-1][5:]
        rising = msgspec.structs.replace(query, order=order(Key(Field.SUBMITTED)), where=SubjectIn((SubjectId("s1"), SubjectId("s9"))))
        assert [each.operation_id for each in store.list(rising)] == ids[1::2]
        assert store.count(msgspec.structs.replace(rising, limit=1, after=after)) == 3
        store.fail(ids[0], Failure(code="x", message="x"))
        for where in (
            StatusIn((OperationStatus.FAILED,)),
            Not(Unended()),
            TimeCompared(Field.COMPLETED, Comparator.GREATER_OR_EQUAL, START),
            All((Any((StatusIn(()), SubjectIn((SubjectId("s0"),)))), Not(StatusIn((OperationStatus.NOT_STARTED,))))),
        ):
            assert [each.operation_id for each in store.list(msgspec.structs.replace(query, where=where))] == [ids[0]]
        by_end = msgspec.structs.replace(query, order=order(Key(Field.COMPLETED, descending=True)), limit=1)
        assert [each.operation_id for each in store.list(by_end)] == [ids[0]]
        assert store.count(msgspec.structs.replace(query, subject_kinds=())) == 0
        assert store.list(msgspec.structs.replace(query, subject_kinds=())) == ()
        assert store.list(msgspec.structs.replace(query, subject_kinds=(SubjectKind.INBOUND_PROFILE,))) == ()

    # -- work

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

    def test_heartbeat_keeps_a_lease(self, store: Store, clock: ManualClock) -> None:
        accept(store, 1, "a")
        claim_reads(store)
        clock.advance(LEASE_S - 1)
        store.heartbeat(OWNER, lease_s=LEASE_S)
        clock.advance(LEASE_S - 1)
        assert store.claim("owner-2", lease_s=LEASE_S, limit=1) is None

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

    def test_reads_given_back_to_be_read_alone_are_claimed_one_by_one_until_a_resume(self, store: Store, clock: ManualClock) -> None:
        ids = [accept(store, number, "a") for number in range(3)]
        claim = claim_reads(store)
        store.retry(claim.reads[:2], owner=OWNER, at=clock.now(), alone=True)
        store.retry(claim.reads[2:], owner=OWNER, at=clock.now())
        accept(store, 4, "a")
        claims = [claim_reads(store) for _ in range(3)]
        assert [len(each.reads) for each in claims] == [1, 1, 2]
        assert [read.failures for each in claims for read in each.reads] == [0, 0, 1, 0]
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
                        self._complete_all(store)
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
                self._complete_all(store)
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

    def _complete_all(self, store: Store) -> None:
        while (claim := store.claim(OWNER, lease_s=LEASE_S, limit=100)) is not None:
            if isinstance(claim, FinishSet):
                store.complete([Completion(operation=operation, package=TOTALS) for operation in claim.operations], owner=OWNER)
            else:
                store.checkpoint([done(read) for read in claim.reads], owner=OWNER)

    # -- audit

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
        assert store.chain_head(TenantId("33333333-3333-3333-3333-333333333333")) is None
        for tenant_id, targets in ((TENANT, ["1", "4"]), (OTHER_TENANT, ["2"]), (SERVICE_CHAIN, ["3"])):
            entries = store.chain(tenant_id)
            previous = FIRST_HASH
            for number, entry in enumerate(entries, 1):
                previous = link(previous, entry.canonical.encode())
                assert (entry.seq, entry.hash) == (number, previous)
            assert store.chain_head(tenant_id) == ChainHead(tenant_id=tenant_id, seq=len(entries), hash=previous)
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
