"""How operations come to be and are seen. A part of the suite that every store must pass (store_suite)."""

import msgspec

from rightful.ids import SubjectId
from rightful.operation.model import Failure, OperationStatus
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
    FinishSet,
    Intent,
    ListQuery,
    NewRead,
    RepeatKey,
)
from rightful.subject.model import SubjectKind
from rightful.testing.clock import ManualClock
from rightful.testing.store_cases import (
    BOTH,
    CANCELLED,
    KEY_VALID_S,
    LEASE_S,
    OTHER_TENANT,
    OWNER,
    START,
    TENANT,
    accept,
    claim_reads,
    complete_all,
    done,
    intent,
)


class SubmittingSuite:
    """How operations come to be and are seen."""

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

    def test_language_is_kept_with_the_operation_until_its_package_is_finished(self, store: Store) -> None:
        wanted = msgspec.structs.replace(intent(1), language="zh-Hans")
        store.begin(wanted)
        assert [each.language for each in store.intents()] == ["zh-Hans"]
        promoted = store.promote(wanted.operation_id, [NewRead(source_name="orders")], [])
        claim = claim_reads(store)
        store.checkpoint([done(claim.reads[0])], owner=OWNER)
        last = store.claim(OWNER, lease_s=LEASE_S, limit=1)
        assert isinstance(last, FinishSet)
        seen = (promoted, store.get(TENANT, wanted.operation_id), *claim.operations, *last.operations)
        assert [each and each.language for each in seen] == ["zh-Hans"] * 4

    def test_recipient_is_kept_with_the_operation_until_its_package_is_finished(self, store: Store) -> None:
        wanted = intent(1)
        store.begin(wanted)
        promoted = store.promote(wanted.operation_id, [NewRead(source_name="orders")], [])
        claim = claim_reads(store)
        store.checkpoint([done(claim.reads[0])], owner=OWNER)
        last = store.claim(OWNER, lease_s=LEASE_S, limit=1)
        assert isinstance(last, FinishSet)
        seen = (promoted, store.get(TENANT, wanted.operation_id), *claim.operations, *last.operations)
        assert [each and (each.recipient, each.key_file) for each in seen] == [(wanted.recipient, wanted.key_file)] * 4

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

    def test_what_may_not_be_new_finds_what_it_repeats_and_commits_nothing(self, store: Store) -> None:
        assert store.begin(intent(1, subject="s"), may_be_new=False) is None
        assert (store.intents(), store.count_open(TENANT)) == ((), 0)
        accept(store, 2, "a", subject="s")
        repeat = store.begin(intent(3, subject="s", keys=("idempotency-key:k",)), may_be_new=False)
        assert repeat is not None
        assert repeat.operation_id == intent(2).operation_id
        complete_all(store)
        assert store.begin(intent(4, subject="s", keys=("idempotency-key:k",))) is not None

    def test_another_container_or_subject_is_another_request(self, store: Store) -> None:
        accept(store, 1, "a", subject="s")
        assert store.begin(intent(2, subject="t")) is None
        assert store.begin(intent(3, subject="s", container="d")) is None

    def test_equal_key_repeats_even_a_complete_operation_but_not_a_failed_one(self, store: Store) -> None:
        wanted = intent(1, subject="s", keys=("idempotency-key:k",))
        store.begin(wanted)
        store.promote(wanted.operation_id, [NewRead(source_name="a")], [])
        complete_all(store)
        repeat = store.begin(intent(2, subject="s", keys=("idempotency-key:k",)))
        assert repeat is not None
        assert (repeat.operation_id, repeat.request_digest) == (wanted.operation_id, wanted.request_digest)
        failed = intent(3, subject="u", keys=("idempotency-key:l",))
        store.begin(failed)
        store.promote(failed.operation_id, [NewRead(source_name="a")], [])
        store.fail(failed.operation_id, Failure(code="x", message="x"))
        assert store.begin(intent(4, subject="u", keys=("idempotency-key:l",))) is None

    def test_key_that_names_what_failed_does_so_for_its_time(self, store: Store, clock: ManualClock) -> None:
        def again(number: int) -> Intent:
            return msgspec.structs.replace(intent(number, subject="s"), repeat_keys=(RepeatKey("k", KEY_VALID_S, is_binding=True),))

        store.begin(again(1))
        store.promote(intent(1).operation_id, [NewRead(source_name="a")], [])
        store.fail(intent(1).operation_id, CANCELLED)
        clock.advance(KEY_VALID_S)
        repeat = store.begin(again(2))
        assert repeat is not None
        assert (repeat.operation_id, repeat.is_pending) == (intent(1).operation_id, False)
        clock.advance(1)
        assert store.begin(again(3)) is None

    def test_binding_key_names_what_ended_though_a_newer_one_of_the_request_is_open(self, store: Store) -> None:
        # GRAPH-15: other keys give way to what has not ended
        for number, is_binding in ((1, True), (3, False)):
            old, newer = (intent(each, subject=f"s{number}") for each in (number, number + 1))
            named = msgspec.structs.replace(old, repeat_keys=(RepeatKey(f"k{number}", KEY_VALID_S, is_binding=is_binding),))
            store.begin(named)
            store.promote(old.operation_id, [NewRead(source_name="a")], [])
            complete_all(store)
            assert store.begin(newer) is None
            repeat = store.begin(msgspec.structs.replace(named, operation_id=intent(9).operation_id))
            assert repeat is not None
            assert repeat.operation_id == (old if is_binding else newer).operation_id
            store.promote(newer.operation_id, [NewRead(source_name="a")], [])
            complete_all(store)
            after = store.begin(msgspec.structs.replace(named, operation_id=intent(9).operation_id))
            assert after is not None
            assert after.operation_id == old.operation_id

    def test_key_of_what_was_complete_long_ago_names_nothing(self, store: Store, clock: ManualClock) -> None:
        store.begin(intent(1, subject="s", keys=("idempotency-key:k",)))
        store.promote(intent(1).operation_id, [NewRead(source_name="a")], [])
        clock.advance(2 * KEY_VALID_S)  # while it runs, its age does not count
        assert store.begin(intent(2, subject="s", keys=("idempotency-key:k",))) is not None
        complete_all(store)
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
        complete_all(store)
        repeat = store.begin(intent(3, subject="s", keys=("idempotency-key:k",)))
        assert repeat is not None
        assert repeat.operation_id == first.operation_id
        assert store.begin(intent(4, subject="s", keys=("idempotency-key:l",))) is None

    def test_key_of_another_request_goes_on_naming_that_one(self, store: Store) -> None:
        def named(number: int, subject: str, key: str, *others: RepeatKey) -> Intent:
            keys = (*others, RepeatKey(key, KEY_VALID_S, is_binding=True))
            return msgspec.structs.replace(intent(number, subject=subject), repeat_keys=keys)

        for number, subject in ((1, "s"), (2, "t")):
            store.begin(named(number, subject, subject))
            store.promote(intent(number).operation_id, [NewRead(source_name="a")], [])
        repeat = store.begin(named(3, "t", "s"))
        assert repeat is not None
        assert repeat.operation_id == intent(1).operation_id
        assert repeat.request_digest != intent(3, subject="t").request_digest
        again = store.begin(named(4, "t", "s", RepeatKey("c", KEY_VALID_S)))
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
