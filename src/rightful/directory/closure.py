"""The identifiers of a person, gathered round after round, each with how it was found.

An identifier that says too little is none: what is empty or too short, and what belongs to more people than the limit. It is put down as
refused, it is never searched for, and nothing is looked up by it: a mailbox that forty people use leads to thirty-nine others.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, TypeVar

import msgspec

from rightful.directory.place import SOURCE_NAME
from rightful.errors import SourceRefused
from rightful.subject.matching import is_usable
from rightful.subject.model import DataSubject, IdentifiedSubject, Reached, Refused, Weakness

_HINT = "check `more` of the directory and `identifiers` of sources: a value that many people share connects them all"


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far the search for identifiers goes."""

    rounds: Annotated[int, msgspec.Meta(ge=1, le=100)] = 8
    """How often what was found leads further; who is not through by then is refused, never cut."""
    identifiers: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1_000
    """How many identifiers somebody may have; who has more is refused, never cut."""
    shared_by: Annotated[int, msgspec.Meta(ge=1)] = 2
    """How many people may have an identifier in common; one that more of them have is not searched for, and the ledger says so."""


class Known:
    """What is known of one person so far, and what of it is new since it was last asked for."""

    def __init__(self, subject: DataSubject, limits: Limits) -> None:
        self.subject = subject
        self._limits = limits
        self._values: dict[str, dict[str, None]] = {}
        self._fresh: dict[str, list[str]] = {}
        self._reached: list[Reached] = []
        self._refused: dict[tuple[str, str, str], Refused] = {}

    def is_new(self, found: Reached) -> bool:
        """Say whether it is an identifier that is not known yet; puts down what is none."""
        if is_usable(found.kind, found.value):
            return found.value not in self._values.get(found.kind, ())
        self.refuse(found, Weakness.SHORT if found.value.strip() else Weakness.EMPTY)
        return False

    def remember(self, identifiers: Mapping[str, Sequence[str]]) -> None:
        """Take what was found before: it is not new, and leads nowhere by itself."""
        for kind, values in identifiers.items():
            self._values[kind] = dict.fromkeys(values)

    def since_known(self) -> tuple[Reached, ...]:
        """Return what was taken, without what was remembered."""
        return tuple(self._reached)

    def take(self, found: Reached) -> None:
        """Add an identifier that is new; what came twice is added once."""
        values = self._values.setdefault(found.kind, {})
        if found.value in values:
            return
        values[found.value] = None
        self._fresh.setdefault(found.kind, []).append(found.value)
        self._reached.append(found)
        if len(self._reached) > self._limits.identifiers:
            raise SourceRefused(f"somebody has more than {self._limits.identifiers} identifiers", source_name=SOURCE_NAME, hint=_HINT)

    def refuse(self, found: Reached, weakness: Weakness, people: int = 0) -> None:
        """Put down that something is no identifier."""
        value = found.value.strip()
        self._refused.setdefault(
            (found.kind, found.place, value),
            Refused(kind=found.kind, place=found.place, weakness=weakness, value=value, people=people),
        )

    def values(self, kind: str) -> tuple[str, ...]:
        """Return what is known of a kind."""
        return tuple(self._values.get(kind, ()))

    def fresh(self, kinds: frozenset[str]) -> dict[str, tuple[str, ...]]:
        """Return what is new of these kinds; it is new only once."""
        fresh, self._fresh = self._fresh, {}
        return {kind: tuple(values) for kind, values in fresh.items() if kind in kinds}

    def identified(self) -> IdentifiedSubject:
        """Return all that is known."""
        return IdentifiedSubject(
            subject=self.subject,
            identifiers={kind: tuple(values) for kind, values in self._values.items() if values},
            reached=tuple(self._reached),
            refused=tuple(self._refused.values()),
        )


Sharing = Callable[[str, Sequence[str]], Sequence[int]]
"""Says of values of a kind how many people have each; 0 or 1 where nobody else has."""

M = TypeVar("M")


def admit(found: Iterable[tuple[Known, Reached]], sharing: Sharing, limits: Limits) -> None:
    """Take what is new and strong enough, for many people at once; each kind is asked about once."""
    fresh = [(known, each) for known, each in found if known.is_new(each)]
    people: dict[tuple[str, str], int] = {}
    for kind in dict.fromkeys(each.kind for _, each in fresh):
        values = list(dict.fromkeys(each.value for _, each in fresh if each.kind == kind))
        people.update(zip([(kind, value) for value in values], sharing(kind, values), strict=True))
    for known, each in fresh:
        if (count := people[each.kind, each.value]) > limits.shared_by:
            known.refuse(each, Weakness.SHARED, count)
        else:
            known.take(each)


def close_over(
    people: Sequence[Known],
    further: Sequence[M],
    kinds: frozenset[str],
    look: Callable[[M, int, Sequence[dict[str, tuple[str, ...]]]], None],
    limits: Limits,
) -> None:
    """Look up what is new, until nothing is; each of `further` is asked once a round, by `look`.

    Args:
        people: who is known so far.
        further: where more identifiers are.
        kinds: of identifiers that lead further.
        look: takes one of `further`, the round's number, and each person's new identifiers.
        limits: how far to go.
    """
    for number in range(1, limits.rounds + 2):  # the last one must find nothing
        fresh = [known.fresh(kinds) for known in people]
        if not any(fresh):
            return
        for each in further:
            look(each, number, fresh)
    if any(known.fresh(kinds) for known in people):
        raise too_many_rounds(limits)


def too_many_rounds(limits: Limits) -> SourceRefused:
    """Say that the search did not come to an end."""
    return SourceRefused(
        f"identifiers lead to further identifiers for more than {limits.rounds} rounds", source_name=SOURCE_NAME, hint=_HINT
    )
