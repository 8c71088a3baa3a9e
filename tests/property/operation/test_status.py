"""The status machine, driven by random events."""

from hypothesis import given
from hypothesis import strategies as st

from rightful.operation.model import OperationStatus
from rightful.operation.status import TRANSITIONS, Event, after

_events = st.lists(st.sampled_from(Event), max_size=40)


@given(_events)
def test_only_a_resume_leaves_failed_and_nothing_leaves_complete(events: list[Event]) -> None:
    status = OperationStatus.NOT_STARTED
    for event in events:
        target = after(status, event)
        if target is None:
            continue
        assert status is not OperationStatus.COMPLETE
        assert status is not OperationStatus.FAILED or event is Event.RESUME
        assert target is not OperationStatus.NOT_STARTED
        status = target


def test_every_state_can_come_to_an_end() -> None:
    for status in OperationStatus:
        targets = {target for (source, _), target in TRANSITIONS.items() if source is status}
        assert targets or status is OperationStatus.COMPLETE
