"""The state machine of an operation: one table, (state, event) -> state.

An operation is accepted as NOT_STARTED, and may have to wait there for a second administrator's approval. It runs when the first of its
reads is claimed, and ends COMPLETE or FAILED. COMPLETE is final. Only an explicit resume leads from FAILED back to RUNNING. A storage
location that refuses half way for a curable reason does not change the status: the operation stays RUNNING and says what it waits for.
"""

import enum

from rightful.operation.model import OperationStatus as Status


class Event(enum.StrEnum):
    """What can happen to an operation."""

    START = "start"
    COMPLETE = "complete"
    FAIL = "fail"
    CANCEL = "cancel"
    RESUME = "resume"


TRANSITIONS: dict[tuple[Status, Event], Status] = {
    (Status.NOT_STARTED, Event.START): Status.RUNNING,
    (Status.NOT_STARTED, Event.FAIL): Status.FAILED,
    (Status.NOT_STARTED, Event.CANCEL): Status.FAILED,
    (Status.RUNNING, Event.COMPLETE): Status.COMPLETE,
    (Status.RUNNING, Event.FAIL): Status.FAILED,
    (Status.RUNNING, Event.CANCEL): Status.FAILED,
    (Status.FAILED, Event.RESUME): Status.RUNNING,
}


def after(status: Status, event: Event) -> Status | None:
    """Return the status that the event leads to, or None where it is not allowed."""
    return TRANSITIONS.get((status, event))


def diagram() -> str:
    """Return the table as a Mermaid state diagram, for the docs."""
    lines = ["stateDiagram-v2", f"    [*] --> {Status.NOT_STARTED}"]
    lines += [f"    {state} --> {target}: {event}" for (state, event), target in TRANSITIONS.items()]
    lines += [f"    {Status.COMPLETE} --> [*]", f"    {Status.FAILED} --> [*]"]
    return "\n".join(lines) + "\n"
