"""Lists of operations by plain Python: what every store's own language must agree with."""

import operator
from collections.abc import Callable, Iterable
from functools import cmp_to_key
from typing import Any as AnyType
from typing import assert_never

from rightful.operation.model import DataPolicyOperation
from rightful.store.listing import (
    All,
    Any,
    Comparator,
    Field,
    Filter,
    Key,
    Not,
    Place,
    StatusIn,
    SubjectCompared,
    SubjectIn,
    TimeCompared,
    Unended,
    place,
)
from rightful.store.values import ListQuery

_COMPARE: dict[Comparator, Callable[[AnyType, AnyType], bool]] = {
    Comparator.EQUAL: operator.eq,
    Comparator.GREATER: operator.gt,
    Comparator.GREATER_OR_EQUAL: operator.ge,
    Comparator.LESS: operator.lt,
    Comparator.LESS_OR_EQUAL: operator.le,
}


def matches(term: Filter, operation: DataPolicyOperation) -> bool:  # noqa: PLR0911 - one for each kind of term
    """Say whether a filter is true of an operation."""
    match term:
        case StatusIn(statuses=statuses):
            return operation.status in statuses
        case SubjectIn(subject_ids=subject_ids):
            return operation.subject_id in subject_ids
        case SubjectCompared(comparator=comparator, text=text):
            return _COMPARE[comparator](operation.subject_id, text)
        case TimeCompared(field=field, comparator=comparator, at=at):
            moment = operation.completed_at if field is Field.COMPLETED else operation.submitted_at
            return moment is not None and _COMPARE[comparator](moment, at)
        case Unended():
            return operation.completed_at is None
        case Not(term=inner):
            return not matches(inner, operation)
        case All(terms=terms):
            return all(matches(each, operation) for each in terms)
        case Any(terms=terms):
            return any(matches(each, operation) for each in terms)
        case _:  # pragma: no cover - the type checker sees that there is no other
            assert_never(term)


def found(operations: Iterable[DataPolicyOperation], query: ListQuery) -> list[DataPolicyOperation]:
    """Return what a query finds, in its order, wherever its page begins."""
    listed = [
        operation
        for operation in operations
        if operation.tenant_id == query.tenant_id
        and operation.subject_kind in query.subject_kinds
        and (query.where is None or matches(query.where, operation))
    ]

    def compare(one: DataPolicyOperation, other: DataPolicyOperation) -> int:
        return _compare(query.order, place(one, query.order), place(other, query.order))

    return sorted(listed, key=cmp_to_key(compare))


def page(operations: Iterable[DataPolicyOperation], query: ListQuery) -> list[DataPolicyOperation]:
    """Return the page that a query asks for."""
    listed = found(operations, query)
    if query.after is not None:
        start = query.after
        listed = [operation for operation in listed if _compare(query.order, place(operation, query.order), start) > 0]
    return listed[query.skip : query.skip + query.limit]


def _compare(keys: tuple[Key, ...], one: Place, other: Place) -> int:
    for key, mine, theirs in zip(keys, one, other, strict=True):
        if mine != theirs:
            return 1 if operator.gt(mine, theirs) is not key.descending else -1
    return 0
