"""What every store must know of when requests were received, and of the time to answer them."""

from datetime import timedelta

import msgspec
import pytest

from rightful.audit.record import OK, Action, Actor
from rightful.ids import OperationId
from rightful.operation.deadline import Extension, Reason
from rightful.operation.model import GIVEN_UP, Failure, OperationStatus
from rightful.store.interface import Store
from rightful.store.values import NewRead
from rightful.testing.store_cases import CANCELLED, OTHER_TENANT, START, TENANT, accept, complete_all, intent, recorded

BROKEN = Failure(code="SourceRefused", message="broken", source_name="a")
EXTENSION = Extension(at=START, reason=Reason.COMPLEXITY)


def accept_received(store: Store, number: int, *, days_ago: int) -> OperationId:
    """Begin and promote an operation whose request was received some days before."""
    wanted = msgspec.structs.replace(intent(number), received_at=START - timedelta(days=days_ago))
    assert store.begin(wanted) is None
    assert [each.received_at for each in store.intents()] == [wanted.received_at]
    assert store.promote(wanted.operation_id, [NewRead(source_name="a")], []) is not None
    return wanted.operation_id


def unanswered(store: Store, *, days_ago: int, limit: int = 100) -> list[OperationId]:
    """Return the ids of what was received so many days ago or before, and is not answered."""
    to = START - timedelta(days=days_ago)
    found = store.unanswered(TENANT, received_from=START - timedelta(days=800), received_to=to, limit=limit)
    return [each.operation_id for each in found]


class DeadlineSuite:
    """Subclasses provide fixtures `clock` (a ManualClock at START) and `store` (empty, with that clock)."""

    def test_operation_says_when_its_request_was_received(self, store: Store) -> None:
        early, now = accept_received(store, 1, days_ago=10), accept(store, 2, "a")
        found = [store.get(TENANT, operation_id) for operation_id in (early, now)]
        assert [each and each.received_at for each in found] == [START - timedelta(days=10), START + timedelta(seconds=2)]
        assert [each and each.extension for each in found] == [None, None]

    def test_time_is_extended_once_and_recorded(self, store: Store) -> None:
        operation_id = accept(store, 1, "a")
        by = Actor(object_id="o", app_id="a")
        assert store.extend(OTHER_TENANT, operation_id, EXTENSION, by) is None
        extended = store.extend(TENANT, operation_id, EXTENSION, by)
        assert extended is not None
        assert extended.extension == EXTENSION
        assert store.extend(TENANT, operation_id, EXTENSION, by) is None
        found = [each for each in recorded(store) if each.action is Action.EXTEND]
        assert [(each.outcome, each.object_id, each.target_id) for each in found] == [(OK, "o", operation_id)]

    def test_time_of_a_complete_operation_is_not_extended_that_of_a_failed_one_is(self, store: Store) -> None:
        complete = accept(store, 1, "a")
        complete_all(store)
        failed = accept(store, 2, "a")
        assert store.fail(failed, CANCELLED)
        assert store.extend(TENANT, complete, EXTENSION) is None
        extended = store.extend(TENANT, failed, EXTENSION)
        assert extended is not None
        assert extended.status is OperationStatus.FAILED

    def test_unanswered_is_what_has_not_ended_the_earliest_first(self, store: Store) -> None:
        young, old, older = (accept_received(store, number, days_ago=ago) for number, ago in ((1, 5), (2, 25), (3, 40)))
        assert unanswered(store, days_ago=0) == [older, old, young]
        assert unanswered(store, days_ago=20) == [older, old]
        assert unanswered(store, days_ago=20, limit=1) == [older]
        assert store.unanswered(OTHER_TENANT, received_from=START - timedelta(days=99), received_to=START, limit=9) == ()
        complete_all(store)
        assert unanswered(store, days_ago=0) == []

    @pytest.mark.parametrize("is_repeated", [False, True])
    def test_what_failed_is_unanswered_until_it_is_asked_for_again(self, store: Store, is_repeated: bool) -> None:  # noqa: FBT001 - a case
        failed = accept_received(store, 1, days_ago=30)
        assert store.fail(failed, BROKEN)
        if is_repeated:
            accept(store, 2, "a", subject="subject-1")
        assert unanswered(store, days_ago=20) == ([] if is_repeated else [failed])

    def test_what_was_given_up_is_not_unanswered_and_takes_up_no_room(self, store: Store) -> None:
        for number, code in enumerate(sorted(GIVEN_UP), start=1):
            assert store.fail(accept_received(store, number, days_ago=60), Failure(code=code, message=code))
        waiting = accept_received(store, 9, days_ago=30)
        assert unanswered(store, days_ago=20, limit=1) == [waiting]
        assert unanswered(store, days_ago=20) == [waiting]

    @pytest.mark.parametrize("code", sorted(GIVEN_UP))
    def test_what_was_given_up_later_takes_no_other_ones_place(self, store: Store, code: str) -> None:
        failed = accept_received(store, 1, days_ago=30)
        assert store.fail(failed, BROKEN)
        later = accept(store, 2, "a", subject="subject-1")
        assert unanswered(store, days_ago=20) == []
        assert store.fail(later, Failure(code=code, message=code))
        assert unanswered(store, days_ago=20) == [failed]
