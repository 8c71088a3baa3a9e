"""Filters and orders of lists as SQL: the text is made of literals of this module alone, every value is a parameter. Pure."""

from collections.abc import Iterator
from typing import assert_never

import msgspec

from rightful.clock import to_microseconds
from rightful.operation.model import OperationStatus
from rightful.store.listing import (
    NOT_YET,
    STATUS_ORDER,
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
)
from rightful.store.values import ListQuery

# None of them is ever NULL, so that what is compared is true or false. Migration 0003 has the two that are computed.
_COLUMNS = {
    Field.SUBJECT: "subject_id",
    Field.STATUS: "status_rank",
    Field.SUBMITTED: "submitted_at",
    Field.COMPLETED: "completed_key",
    Field.ID: "id",
}
_OPEN = frozenset({OperationStatus.NOT_STARTED, OperationStatus.RUNNING})

Values = list[object]


class Hints(msgspec.Struct, frozen=True):
    """How a database is told which index to take."""

    is_told: bool
    """Whether it has to be: it has no statistics, and would rather read the list in order than the few that match."""
    has_zero: bool
    """Whether its texts can hold the zero character: where not, none of them does, and it takes no such text to compare with."""


SQLITE = Hints(is_told=True, has_zero=True)
POSTGRES = Hints(is_told=False, has_zero=False)


def selection(query: ListQuery, hints: Hints = SQLITE) -> tuple[str, Values]:
    """Return `FROM … WHERE …` for what a query finds, wherever its page begins, and the values of its parameters."""
    writer = _Writer(query.where, hints)
    return writer.selection(query), writer.values


def page(query: ListQuery, hints: Hints = SQLITE) -> tuple[str, Values]:
    """Return the statement that reads one page of what a query finds, and the values of its parameters."""
    writer = _Writer(query.where, hints)
    text = writer.selection(query)
    if query.after is not None:
        text += f" AND {writer.after(query.order, query.after)}"
    keys = ", ".join(f"{writer.columns[key.field]} {'DESC' if key.descending else 'ASC'}" for key in query.order)
    return f"SELECT * {text} ORDER BY {keys} LIMIT ? OFFSET ?", [*writer.values, query.limit, query.skip]


def _marks(values: tuple[object, ...]) -> str:
    return ",".join("?" * len(values))


def _conjunction(term: Filter) -> Iterator[Filter]:
    if isinstance(term, All):
        for each in term.terms:
            yield from _conjunction(each)
    else:
        yield term


def _looked_up(where: Filter | None) -> frozenset[Field]:
    """Return what may be looked up in an index.

    One value has its rows in the list's order; those of several are sorted.
    """
    terms = list(_conjunction(where)) if where is not None else []
    for term in terms:
        if isinstance(term, SubjectIn):
            return frozenset({Field.SUBJECT}) if len(term.subject_ids) > 1 else frozenset({Field.SUBJECT, Field.SUBMITTED, Field.ID})
    for term in terms:
        if isinstance(term, StatusIn) and _OPEN.issuperset(term.statuses):
            return frozenset({Field.STATUS}) if len(term.statuses) > 1 else frozenset({Field.STATUS, Field.SUBMITTED, Field.ID})
    return frozenset(_COLUMNS)


class _Writer:
    """Writes conditions, and gathers their values in the same order."""

    def __init__(self, where: Filter | None, hints: Hints) -> None:
        self.values: Values = []
        self._hints = hints
        looked_up = _looked_up(where) if hints.is_told else frozenset(_COLUMNS)
        # `+` before a column: SQLite does not look for an index of it.
        self.columns = {field: name if field in looked_up else f"+{name}" for field, name in _COLUMNS.items()}

    def selection(self, query: ListQuery) -> str:
        self.values += [query.tenant_id, *(kind.value for kind in query.subject_kinds)]
        kinds = _marks(query.subject_kinds)
        text = f"FROM operation WHERE tenant_id = ? AND status <> 'intent' AND subject_kind IN ({kinds})"
        return text if query.where is None else f"{text} AND {self._condition(query.where)}"

    def after(self, keys: tuple[Key, ...], place: Place) -> str:
        """Return the condition for what comes after a place."""
        if len({key.descending for key in keys}) == 1:
            self.values += map(self._held, place)
            columns = ", ".join(self.columns[key.field] for key in keys)
            return f"({columns}) {'<' if keys[0].descending else '>'} ({_marks(place)})"
        (first, *rest), (value, *others) = keys, place
        column, compare = self.columns[first.field], "<" if first.descending else ">"
        self.values += [self._held(value)] * 2
        return f"({column} {compare}= ? AND ({column} {compare} ? OR {self.after(tuple(rest), tuple(others))}))"

    def _held(self, value: int | str) -> int | str:
        """Return a value of a place, which no row of ours has where it holds a zero."""
        return value if self._hints.has_zero or isinstance(value, int) else value.partition("\0")[0]

    def _condition(self, term: Filter) -> str:  # noqa: PLR0911 - one for each kind of term
        match term:
            case StatusIn(statuses=statuses):
                return self._in(Field.STATUS, tuple(STATUS_ORDER.index(status) for status in statuses))
            case SubjectIn(subject_ids=subject_ids):
                return self._in(Field.SUBJECT, tuple(each for each in subject_ids if self._hints.has_zero or "\0" not in each))
            case SubjectCompared():
                return self._compared(term)
            case TimeCompared():
                return self._time(term)
            case Unended():
                return self._in(Field.COMPLETED, (NOT_YET,))
            case Not(term=inner):
                return f"NOT ({self._condition(inner)})"
            case All(terms=terms):
                return "(" + " AND ".join([self._condition(each) for each in terms] or ["1 = 1"]) + ")"
            case Any(terms=terms):
                return "(" + " OR ".join([self._condition(each) for each in terms] or ["1 = 0"]) + ")"
            case _:  # pragma: no cover - the type checker sees that there is no other
                assert_never(term)

    def _compared(self, term: SubjectCompared) -> str:
        text, is_cut, _ = term.text.partition("\0")
        if self._hints.has_zero or not is_cut:
            self.values.append(term.text)
            return f"{self.columns[Field.SUBJECT]} {term.comparator} ?"
        if term.comparator is Comparator.EQUAL:
            return "1 = 0"
        # What begins with the text and has no zero after it comes before it only where it ends there.
        self.values.append(text)
        is_before = term.comparator in {Comparator.LESS, Comparator.LESS_OR_EQUAL}
        return f"{self.columns[Field.SUBJECT]} {'<=' if is_before else '>'} ?"

    def _in(self, field: Field, found: tuple[object, ...]) -> str:
        if not found:
            return "1 = 0"
        self.values += found
        # One value by `=`: SQLite then reads an index in the list's order, which it does not for IN.
        if len(found) != 1:
            return f"{self.columns[field]} IN ({_marks(found)})"
        # A status narrows more than a span of time does, which SQLite would otherwise prefer where it has two ends.
        is_rare = field is Field.STATUS and self._hints.is_told
        return f"likelihood({self.columns[field]} = ?, 0.001)" if is_rare else f"{self.columns[field]} = ?"

    def _time(self, term: TimeCompared) -> str:
        column = self.columns[term.field]
        self.values.append(to_microseconds(term.at))
        if term.field is Field.COMPLETED and term.comparator in {Comparator.LESS, Comparator.LESS_OR_EQUAL}:
            self.values.append(NOT_YET)
            return f"({column} {term.comparator} ? AND {column} > ?)"
        return f"{column} {term.comparator} ?"
