"""`$filter` of the list of operations, read into a tree (OData 4.0 part 2, 5.1.1; GRAPH-31). Pure.

    filter     = conjunction *( "or" conjunction )
    conjunction = term *( "and" term )
    term       = "not" term-of-not / "(" filter ")" / comparison
    comparison = property ( "eq" / "ne" / "gt" / "ge" / "lt" / "le" ) literal / property "in" "(" literal *( "," literal ) ")"

`not` binds closer than `eq`, so what it negates stands in parentheses. Keywords and properties count without regard to case, as
everywhere here. Text and depth are bounded. Whatever cannot be read is refused, and the message says where.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

from rightful.errors import InvalidRequest
from rightful.graph import escapes
from rightful.graph.bodies import STATUS_WORDS
from rightful.ids import SubjectId, spellings
from rightful.operation.model import OperationStatus
from rightful.store.listing import (
    STATUS_ORDER,
    All,
    Any,
    Comparator,
    Field,
    Filter,
    Not,
    StatusIn,
    SubjectCompared,
    SubjectIn,
    TimeCompared,
    Unended,
)

MAX_CHARS = 2048
MAX_DEPTH = 16

PROPERTIES = {
    "status": Field.STATUS,
    "userid": Field.SUBJECT,
    "submitteddatetime": Field.SUBMITTED,
    "completeddatetime": Field.COMPLETED,
}
"""What can be compared and ordered by, in lower case."""
PROPERTY_NAMES = "status, userId, submittedDateTime and completedDateTime"

_OPERATORS = {
    "eq": Comparator.EQUAL,
    "gt": Comparator.GREATER,
    "ge": Comparator.GREATER_OR_EQUAL,
    "lt": Comparator.LESS,
    "le": Comparator.LESS_OR_EQUAL,
}
_NEVER = Any(())
_TOKEN = re.compile(r"(?P<text>(?:[A-Za-z_][A-Za-z0-9_.]*)?'(?:[^']|'')*')|(?P<mark>[(),])|(?P<word>[^\s(),']+)")
_SPACE = re.compile(r"\s*")
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:T([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:\.([0-9]{1,12}))?(Z|[+-][0-9]{2}:[0-9]{2}))?", re.IGNORECASE
)
_STATUS_TYPE = "microsoft.graph.datapolicyoperationstatus"
_RANKS = {STATUS_WORDS[status]: rank for rank, status in enumerate(STATUS_ORDER)} | {"unknownFutureValue": len(STATUS_ORDER)}  # GRAPH-03


class _Token(msgspec.Struct, frozen=True):
    kind: str
    """`text`, `mark`, `word`, or `end`."""
    text: str
    at: int
    """Position of its first character, from 1."""

    @property
    def word(self) -> str:
        """The keyword or mark that it is, in lower case; "" for a text."""
        return self.text.lower() if self.kind in {"word", "mark"} else ""

    @property
    def shown(self) -> str:
        """What the caller reads of it; a text may name a person, and is not repeated."""
        return {"end": "its end", "text": "a text", "mark": f"'{self.text}'"}.get(self.kind) or escapes.name(self.text, "something else")


def _wrong(token: _Token, message: str, hint: str = "") -> InvalidRequest:
    return InvalidRequest(f"$filter, character {token.at}: {message}", hint=hint, target="$filter")


def _tokens(text: str) -> list[_Token]:
    if len(text) > MAX_CHARS:
        raise InvalidRequest(f"$filter is longer than {MAX_CHARS} characters", hint="ask in several requests", target="$filter")
    found: list[_Token] = []
    at = _SPACE.match(text).end()  # type: ignore[union-attr]  # it matches nothing too
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise _wrong(_Token("end", "", at + 1), "this text does not end", "a quote inside a text is written twice")
        found.append(_Token(token.lastgroup or "", token.group(), at + 1))
        at = _SPACE.match(text, token.end()).end()  # type: ignore[union-attr]  # likewise
    return [*found, _Token("end", "", len(text) + 1)]


def _string(token: _Token) -> str | None:
    """Return what a text says, None for null."""
    if token.word == "null":
        return None
    if token.kind != "text" or not token.text.startswith("'"):
        raise _wrong(token, f"userId is compared with a 'text', found {token.shown}", "put the value in single quotes")
    return token.text[1:-1].replace("''", "'")


def _rank(token: _Token) -> int | None:
    """Return which of the enumeration's members a literal is (GRAPH-03), None for null."""
    if token.word == "null":
        return None
    type_, quote, rest = token.text.partition("'")
    name = rest[:-1]
    if token.kind != "text" or not quote or type_.lower() not in {"", _STATUS_TYPE} or name not in _RANKS:
        names = ", ".join(f"'{word}'" for word in _RANKS)
        raise _wrong(token, f"status is compared with one of {names}, in this spelling")
    return _RANKS[name]


def _moment(token: _Token) -> tuple[datetime, bool] | None:
    """Return the moment that a literal says, cut to microseconds, and whether something was cut off; None for null."""
    if token.word == "null":
        return None
    hint = "write it without quotes, for instance 2026-01-31T09:00:00Z; a + is sent as %2B"
    found = _MOMENT.fullmatch(token.text) if token.kind == "word" else None
    if found is None:
        raise _wrong(token, f"a date and time with its zone is compared with, found {token.shown}", hint)
    day, time, fraction, zone = found.groups()
    digits = (fraction or "").ljust(6, "0")
    try:
        at = datetime.fromisoformat(f"{day}T{time or '00:00'}{(zone or 'Z').upper()}").astimezone(UTC)
    except (ValueError, OverflowError):
        raise _wrong(token, "there is no such date and time", hint) from None
    return at + timedelta(microseconds=int(digits[:6])), bool(digits[6:].strip("0"))


def _compare_status(comparator: Comparator, token: _Token) -> Filter:
    rank = _rank(token)
    if rank is None:
        return _NEVER
    holds: dict[Comparator, Callable[[int], bool]] = {
        Comparator.EQUAL: lambda each: each == rank,
        Comparator.GREATER: lambda each: each > rank,
        Comparator.GREATER_OR_EQUAL: lambda each: each >= rank,
        Comparator.LESS: lambda each: each < rank,
        Comparator.LESS_OR_EQUAL: lambda each: each <= rank,
    }
    return StatusIn(tuple(status for each, status in enumerate(STATUS_ORDER) if holds[comparator](each)))


def _compare_subject(comparator: Comparator, token: _Token) -> Filter:
    text = _string(token)
    if text is None:
        return _NEVER
    if comparator is Comparator.EQUAL:
        return SubjectIn(tuple(map(SubjectId, spellings(text))))
    return SubjectCompared(comparator, text)


def _compare_time(field: Field, comparator: Comparator, token: _Token) -> Filter:
    moment = _moment(token)
    if moment is None:
        return Unended() if field is Field.COMPLETED and comparator is Comparator.EQUAL else _NEVER
    at, is_cut = moment
    if is_cut:  # ours are whole microseconds: none equals it, and what comes before or after it is told by the one below
        if comparator is Comparator.EQUAL:
            return _NEVER
        is_after = comparator in {Comparator.GREATER, Comparator.GREATER_OR_EQUAL}
        comparator = Comparator.GREATER if is_after else Comparator.LESS_OR_EQUAL
    return TimeCompared(field, comparator, at)


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0

    def whole(self) -> Filter:
        found = self._alternatives(0)
        if self._next.kind != "end":
            raise _wrong(self._next, f"'and' or 'or' is missing before {self._next.shown}")
        return found

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._next
        self._at += token.kind != "end"
        return token

    def _takes(self, word: str) -> bool:
        found = self._next.word == word
        self._at += found
        return found

    def _alternatives(self, depth: int) -> Filter:
        terms = [self._conjunction(depth)]
        while self._takes("or"):
            terms.append(self._conjunction(depth))
        return terms[0] if len(terms) == 1 else Any(tuple(terms))

    def _conjunction(self, depth: int) -> Filter:
        terms = [self._term(depth)]
        while self._takes("and"):
            terms.append(self._term(depth))
        return terms[0] if len(terms) == 1 else All(tuple(terms))

    def _term(self, depth: int) -> Filter:
        token = self._next
        if depth > MAX_DEPTH:
            raise _wrong(token, f"nested deeper than {MAX_DEPTH}")
        if self._takes("not"):
            if self._next.word not in {"(", "not"}:
                raise _wrong(
                    token, "'not' stands before parentheses, since it binds closer than a comparison", "write not (status eq 'failed')"
                )
            return Not(self._term(depth + 1))
        if self._takes("("):
            found = self._alternatives(depth + 1)
            if not self._takes(")"):
                raise _wrong(self._next, f"')' is missing for the '(' at character {token.at}")
            return found
        return self._comparison()

    def _comparison(self) -> Filter:
        name, operator = self._take(), self._take()
        if name.kind == "word" and operator.word == "(":
            raise _wrong(name, f"the function {escapes.name(name.text)} is not supported")
        field = PROPERTIES.get(name.word)
        if field is None:
            raise _wrong(name, f"a comparison begins with one of {PROPERTY_NAMES}, found {name.shown}")
        if operator.word == "in":
            return self._membership(field)
        if operator.word == "ne":
            return Not(self._compared(field, Comparator.EQUAL))
        comparator = _OPERATORS.get(operator.word)
        if comparator is None:
            raise _wrong(operator, f"eq, ne, gt, ge, lt, le or in is missing, found {operator.shown}")
        return self._compared(field, comparator)

    def _compared(self, field: Field, comparator: Comparator) -> Filter:
        match field:
            case Field.STATUS:
                return _compare_status(comparator, self._take())
            case Field.SUBJECT:
                return _compare_subject(comparator, self._take())
            case _:
                return _compare_time(field, comparator, self._take())

    def _membership(self, field: Field) -> Filter:
        if not self._takes("("):
            raise _wrong(self._next, f"'in' is followed by values in parentheses, found {self._next.shown}")
        terms = [self._compared(field, Comparator.EQUAL)]
        while self._takes(","):
            terms.append(self._compared(field, Comparator.EQUAL))
        if not self._takes(")"):
            raise _wrong(self._next, f"',' or ')' is missing before {self._next.shown}")
        if all(isinstance(term, SubjectIn) for term in terms):
            return SubjectIn(tuple(name for term in terms if isinstance(term, SubjectIn) for name in term.subject_ids))
        if all(isinstance(term, StatusIn) for term in terms):
            found: set[OperationStatus] = {status for term in terms if isinstance(term, StatusIn) for status in term.statuses}
            return StatusIn(tuple(status for status in STATUS_ORDER if status in found))
        return Any(tuple(terms))


def parse(text: str) -> Filter:
    """Read `$filter`; raises `InvalidRequest`, whose message says what is wrong and at which character."""
    return _Parser(text).whole()
