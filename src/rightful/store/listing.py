"""Which operations to list, and in which order: values that each store turns into its own language. Pure.

A filter is true or false of an operation, never unknown: a comparison with a moment that has not come is false, and its negation true
(OData 4.0 part 2, 5.1.1.1). An order is total: it ends with the operation's id, so that a place in it names where a page ends.
"""

import enum
from datetime import datetime
from typing import TypeAlias

import msgspec

from rightful.clock import to_microseconds
from rightful.ids import SubjectId
from rightful.operation.model import DataPolicyOperation, OperationStatus

STATUS_ORDER = (OperationStatus.NOT_STARTED, OperationStatus.RUNNING, OperationStatus.COMPLETE, OperationStatus.FAILED)
"""How statuses compare: as the members of Graph's enumeration do (GRAPH-03)."""

NOT_YET = -(10**18)
"""Stands for the end of an operation that has not ended: before every moment, so that those come first where times rise."""


class Field(enum.StrEnum):
    """What operations can be ordered by."""

    SUBJECT = "subject"
    STATUS = "status"
    SUBMITTED = "submitted"
    COMPLETED = "completed"
    ID = "id"


class Comparator(enum.StrEnum):
    """How a value is compared; "not equal" is the negation of "equal"."""

    EQUAL = "="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    LESS = "<"
    LESS_OR_EQUAL = "<="


class StatusIn(msgspec.Struct, frozen=True, tag=True):
    """The status is one of these; false where there is none."""

    statuses: tuple[OperationStatus, ...]


class SubjectIn(msgspec.Struct, frozen=True, tag=True):
    """The subject's id is one of these, letter by letter."""

    subject_ids: tuple[SubjectId, ...]


class SubjectCompared(msgspec.Struct, frozen=True, tag=True):
    """The subject's id comes before or after a text, by code points."""

    comparator: Comparator
    text: str


class TimeCompared(msgspec.Struct, frozen=True, tag=True):
    """SUBMITTED or COMPLETED, compared with a moment; false where COMPLETED has not come."""

    field: Field
    comparator: Comparator
    at: datetime


class Unended(msgspec.Struct, frozen=True, tag=True):
    """The operation has not ended."""


class Not(msgspec.Struct, frozen=True, tag=True):
    """What it holds is false."""

    term: "Filter"


class All(msgspec.Struct, frozen=True, tag=True):
    """Each of these is true; so it is where there are none."""

    terms: tuple["Filter", ...]


class Any(msgspec.Struct, frozen=True, tag=True):
    """One of these is true; false where there are none."""

    terms: tuple["Filter", ...]


Filter: TypeAlias = StatusIn | SubjectIn | SubjectCompared | TimeCompared | Unended | Not | All | Any


class Key(msgspec.Struct, frozen=True):
    """One key of an order."""

    field: Field
    descending: bool = False


Place: TypeAlias = tuple[int | str, ...]
"""What an operation has for each key of an order, as plain values that compare as the order does."""


def order(*keys: Key) -> tuple[Key, ...]:
    """Return a total order that begins with these keys; those that are added run in the direction of the last."""
    present = {key.field for key in keys}
    descending = keys[-1].descending
    return (*keys, *(Key(field, descending) for field in (Field.SUBMITTED, Field.ID) if field not in present))


NEWEST_FIRST = order(Key(Field.SUBMITTED, descending=True))


def value(operation: DataPolicyOperation, field: Field) -> int | str:
    """Return what an operation has for a key."""
    match field:
        case Field.SUBJECT:
            return operation.subject_id
        case Field.STATUS:
            return STATUS_ORDER.index(operation.status)
        case Field.SUBMITTED:
            return to_microseconds(operation.submitted_at)
        case Field.COMPLETED:
            return NOT_YET if operation.completed_at is None else to_microseconds(operation.completed_at)
        case Field.ID:
            return operation.operation_id


def place(operation: DataPolicyOperation, keys: tuple[Key, ...]) -> Place:
    """Return where an operation stands in an order."""
    return tuple(value(operation, key.field) for key in keys)
