"""A directory that finds further identifiers of people in the organization's sources, not in its own places alone."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import msgspec

from rightful.directory.closure import Known, Limits, admit, too_many_rounds
from rightful.directory.interface import Directory, Everybody, FindsAmbiguity, KnowsIdentifiers, ListsEverybody, MayBeStale
from rightful.ids import SubjectId
from rightful.subject.model import DataSubject, IdentifiedSubject, Reached, Refused


class Giver(Protocol):
    """Where rows of people hold further identifiers of theirs. Raises `SourceError`."""

    @property
    def asked_by(self) -> frozenset[str]:
        """Kinds of the identifiers that people are found by."""
        ...

    @property
    def gives(self) -> frozenset[str]:
        """Kinds that are found there."""
        ...

    def look(self, subjects: Sequence[IdentifiedSubject]) -> list[list[Reached]]:
        """Return what each subject's rows hold, each value once, in an order that depends on the values alone."""
        ...

    def people(self, kind: str, values: Sequence[str], *, most: int) -> list[int]:
        """Return to how many people each value belongs; where they are more than `most`, any number above it."""
        ...

    def close(self) -> None:
        """Release what it holds."""
        ...


class WidenedDirectory:
    """Finds people in a directory, and more identifiers of theirs in givers; see `directory.interface.Directory`.

    What a giver gives leads further in the directory's own places and in every giver, round after round, and is refused where it says
    too little or belongs to too many, as the directory's own are.
    """

    def __init__(self, directory: Directory, givers: Sequence[Giver], limits: Limits) -> None:
        self._directory = directory
        self._givers = tuple(givers)
        self._limits = limits

    def check(self) -> None:
        """Look at the directory alone: sources are checked as sources."""
        self._directory.check()

    def find_user(self, key: str) -> DataSubject | None:
        """Find a user in the directory."""
        return self._directory.find_user(key)

    def find_inbound_profile(self, user_id: str) -> DataSubject | None:
        """Find a profile in the directory."""
        return self._directory.find_inbound_profile(user_id)

    def list_inbound_profiles(self) -> tuple[DataSubject, ...]:
        """Return those of the directory."""
        return self._directory.list_inbound_profiles()

    def subjects(self, ids: Sequence[SubjectId]) -> tuple[DataSubject | None, ...]:
        """Find users in the directory."""
        return self._directory.subjects(ids)

    def identify(self, subjects: Sequence[DataSubject], further: Sequence[Sequence[Reached]] = ()) -> tuple[IdentifiedSubject | None, ...]:
        """Ask the directory, then the givers, then the directory again with what they gave, until nothing is new."""
        gathered = [list(each) for each in further] or [[] for _ in subjects]
        refused: list[dict[Refused, None]] = [{} for _ in subjects]
        asked: list[dict[str, set[str]]] = [{} for _ in subjects]
        for number in range(1, self._limits.rounds + 2):  # the last one must find nothing
            found = self._directory.identify(subjects, gathered)
            fresh = [None if person is None else _fresh(person, before) for person, before in zip(found, asked, strict=True)]
            new = self._look(number, found, fresh, refused)
            if not any(new):
                return tuple(
                    None if person is None else msgspec.structs.replace(person, refused=(*person.refused, *more))
                    for person, more in zip(found, refused, strict=True)
                )
            for several, more in zip(gathered, new, strict=True):
                several.extend(more)
        raise too_many_rounds(self._limits)

    def everybody(self, kinds: Collection[str]) -> Everybody | None:
        """List what the directory has; what sources give is theirs to know. See `directory.interface.ListsEverybody`."""
        return self._directory.everybody(kinds) if isinstance(self._directory, ListsEverybody) else None

    def known(self, limit: int) -> dict[str, frozenset[str]]:
        """Return what the directory knows; see `directory.interface.KnowsIdentifiers`."""
        return self._directory.known(limit) if isinstance(self._directory, KnowsIdentifiers) else {}

    def columns(self) -> dict[str, tuple[str, ...]]:
        """Name the directory's own; see `directory.interface.KnowsIdentifiers`."""
        return self._directory.columns() if isinstance(self._directory, KnowsIdentifiers) else {}

    def is_stale(self) -> bool:
        """Ask the directory; see `directory.interface.MayBeStale`."""
        return isinstance(self._directory, MayBeStale) and self._directory.is_stale()

    def ambiguous_names(self) -> int:
        """Ask the directory; see `directory.interface.FindsAmbiguity`."""
        return self._directory.ambiguous_names() if isinstance(self._directory, FindsAmbiguity) else 0

    def close(self) -> None:
        """Release directory and givers."""
        self._directory.close()
        for giver in self._givers:
            giver.close()

    def _look(
        self,
        number: int,
        people: Sequence[IdentifiedSubject | None],
        fresh: Sequence[IdentifiedSubject | None],
        refused: Sequence[dict[Refused, None]],
    ) -> list[list[Reached]]:
        """Return what is new to each of the people."""
        known = [None if person is None else _known(person, self._limits) for person in people]
        reached: list[tuple[Known, Reached]] = []
        for giver in self._givers:
            places = [place for place, probe in enumerate(fresh) if probe is not None and not giver.asked_by.isdisjoint(probe.identifiers)]
            probes = [probe for place in places if (probe := fresh[place]) is not None]
            for place, several in zip(places, giver.look(probes) if probes else (), strict=True):
                person = known[place]
                assert person is not None
                reached += [(person, msgspec.structs.replace(each, round=number)) for each in several]
        admit(reached, self._sharing, self._limits)
        for person, before in zip(known, refused, strict=True):
            before.update(dict.fromkeys(person.identified().refused if person is not None else ()))
        return [list(person.since_known()) if person is not None else [] for person in known]

    def _sharing(self, kind: str, values: Sequence[str]) -> Sequence[int]:
        counts = [giver.people(kind, values, most=self._limits.shared_by) for giver in self._givers if kind in giver.gives]
        return [max(several) for several in zip(*counts, strict=True)]


def _fresh(person: IdentifiedSubject, asked: dict[str, set[str]]) -> IdentifiedSubject:
    """Return the person with the identifiers that no giver was asked for yet; they count as asked for from now on."""
    new: dict[str, tuple[str, ...]] = {}
    for kind, values in person.identifiers.items():
        before = asked.setdefault(kind, set())
        if more := tuple(value for value in values if value not in before):
            new[kind] = more
            before.update(more)
    return IdentifiedSubject(subject=person.subject, identifiers=new)


def _known(person: IdentifiedSubject, limits: Limits) -> Known:
    known = Known(person.subject, limits)
    identifiers: Mapping[str, Sequence[str]] = person.identifiers
    known.remember(identifiers)
    return known
