"""What every store must put down for webhooks, with each change, and how it lets go of it."""

from datetime import timedelta

from rightful.audit.record import NOBODY
from rightful.operation.deadline import Extension, Reason
from rightful.operation.model import Failure
from rightful.store.interface import Store
from rightful.store.values import EventKind, OutgoingEvent
from rightful.testing.clock import ManualClock
from rightful.testing.store_cases import CANCELLED, OTHER_TENANT, OWNER, START, TENANT, accept, claim_reads, complete_all

ALL = frozenset(EventKind)
BROKEN = Failure(code="SourceRefused", message="broken", source_name="a")
WAITS = Failure(code="StorageRefused", message="expired")


def due(store: Store, endpoint: str = "one") -> tuple[OutgoingEvent, ...]:
    """Return what an endpoint of TENANT is to be told."""
    return store.outgoing(TENANT, endpoint, limit=100)


def kinds(store: Store, endpoint: str = "one") -> list[tuple[EventKind, str]]:
    """Return what an endpoint is to be told, and with which code."""
    return [(event.kind, event.code) for event in due(store, endpoint)]


class EventSuite:
    """Subclasses provide fixtures `clock` (a ManualClock at START) and `store` (empty, with that clock)."""

    def test_each_change_is_told_to_who_asked_for_it(self, store: Store) -> None:
        store.announce({TENANT: (("one", ALL), ("two", frozenset({EventKind.FAILED})))})
        first = accept(store, 1, "a")
        accept(store, 9, "a", tenant_id=OTHER_TENANT)
        complete_all(store)
        second = accept(store, 2, "a")
        assert store.extend(TENANT, second, Extension(at=START, reason=Reason.NUMBER)) is not None
        assert store.fail(second, BROKEN)
        assert store.resume(TENANT, second, sealed_location=b"new") is not None
        assert store.fail(second, CANCELLED, by=NOBODY)
        found = due(store)
        assert [(event.operation_id, event.kind, event.code) for event in found] == [
            (first, EventKind.SUBMITTED, ""),
            (first, EventKind.COMPLETED, ""),
            (second, EventKind.SUBMITTED, ""),
            (second, EventKind.EXTENDED, ""),
            (second, EventKind.FAILED, "SourceRefused"),
            (second, EventKind.RESUMED, ""),
            (second, EventKind.CANCELLED, ""),
        ]
        assert [event.operation_id for event in due(store, "two")] == [second]
        assert due(store, "two")[0].event_id == found[4].event_id
        assert len({event.event_id for event in found}) == len(found)

    def test_endpoint_of_the_same_name_is_told_nothing_of_another_tenant(self, store: Store) -> None:
        store.announce({TENANT: (("one", ALL),), OTHER_TENANT: (("one", ALL),)})
        own, theirs = accept(store, 1, "a"), accept(store, 9, "a", tenant_id=OTHER_TENANT)
        found = {tenant_id: store.outgoing(tenant_id, "one", limit=100) for tenant_id in (TENANT, OTHER_TENANT)}
        assert {tenant_id: [(event.tenant_id, event.operation_id) for event in events] for tenant_id, events in found.items()} == {
            TENANT: [(TENANT, own)],
            OTHER_TENANT: [(OTHER_TENANT, theirs)],
        }

    def test_wait_is_told_when_it_begins_and_not_again(self, store: Store, clock: ManualClock) -> None:
        store.announce({TENANT: (("one", frozenset({EventKind.WAITING})),)})
        accept(store, 1, "a")
        for _ in range(3):
            read = claim_reads(store).reads[0]
            store.retry([read], owner=OWNER, at=clock.now() + timedelta(seconds=1), waiting_for=WAITS)
            clock.advance(5)
        assert kinds(store) == [(EventKind.WAITING, "StorageRefused")]

    def test_nothing_is_put_down_where_nobody_is_told(self, store: Store) -> None:
        accept(store, 1, "a")
        complete_all(store)
        assert due(store) == ()

    def test_event_is_due_until_it_was_taken_and_later_after_each_try(self, store: Store, clock: ManualClock) -> None:
        store.announce({TENANT: (("one", ALL),)})
        accept(store, 1, "a")
        accept(store, 2, "a")
        first, second = due(store)
        store.put_off_event(first, at=clock.now() + timedelta(seconds=10))
        assert due(store) == (second,)
        store.forget_event(second)
        assert due(store) == ()
        clock.advance(10)
        (again,) = due(store)
        assert (again.event_id, again.attempts) == (first.event_id, 1)
        store.forget_event(again)
        assert due(store) == ()

    def test_event_that_is_let_go_of_twice_takes_no_other_with_it(self, store: Store, clock: ManualClock) -> None:
        store.announce({TENANT: (("one", ALL),)})
        accept(store, 1, "a")
        (first,) = due(store)
        store.put_off_event(first, at=clock.now())
        store.put_off_event(first, at=clock.now() + timedelta(seconds=10))
        (again,) = due(store)
        assert again.attempts == 1
        store.forget_event(again)
        accept(store, 2, "a")
        (second,) = due(store)
        store.forget_event(again)
        store.put_off_event(first, at=clock.now() + timedelta(seconds=10))
        assert due(store) == (second,)

    def test_events_of_endpoints_that_are_gone_are_dropped(self, store: Store) -> None:
        store.announce({TENANT: (("one", ALL), ("two", ALL))})
        accept(store, 1, "a")
        store.keep_events({"two"})
        assert (len(due(store, "one")), len(due(store, "two"))) == (0, 1)
