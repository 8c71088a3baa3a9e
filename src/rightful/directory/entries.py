"""Entries with named attributes, each of several values, as places: what servers of directories have in common.

A server compares more loosely than we do, and some more strictly. It finds; whose an entry is, is decided here, by its values.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import islice

import msgspec

from rightful.directory.people import OWN_KINDS
from rightful.directory.place import Key, Row
from rightful.errors import SourceRefused
from rightful.subject.matching import FOLDED_KINDS, is_usable, normalise
from rightful.subject.model import IdentifiedSubject

_SAMPLED = 20
_PIECE = 1_000
"""Rows at a time, of all of them."""
_LOOKED_THROUGH = 1_000
"""Entries in which one with an attribute is looked for that those have not."""


class Found(msgspec.Struct, frozen=True):
    """An entry, in texts."""

    name: str | bytes
    """What tells it from all others."""
    values: dict[str, list[str]]
    """By attribute, as the settings write it."""


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """What to do, by what is wrong."""

    no_entry: str
    no_owner: str
    no_attribute: str
    not_found: str


class Entries(ABC):
    """Entries of a server; see `directory.place.Place`."""

    advice: Advice

    def __init__(self, name: str, owner: str) -> None:
        """Take the attribute that each entry must have to be somebody, where there is one."""
        self.name = name
        self.owner = owner

    @abstractmethod
    def all(self, attributes: Sequence[str]) -> Generator[Found]:
        """Yield every entry that is somebody."""

    @abstractmethod
    def having(self, pairs: Sequence[tuple[str, str]], attributes: Sequence[str]) -> Iterable[Found]:
        """Yield each entry that has one of these (attribute, value), once or more often, and others too."""

    @abstractmethod
    def refused(self, message: str, hint: str) -> SourceRefused:
        """Say what is wrong with the server."""

    def lookup(self, match: Sequence[tuple[str, str]], columns: Sequence[str]) -> "EntryLookup":
        """Look up by searches."""
        return EntryLookup(self, match, columns)

    def sharing(self, owners: Mapping[str, Collection[str]]) -> "EntrySharing":
        """Count by searches."""
        return EntrySharing(self, owners)

    def by(self, match: Sequence[tuple[str, str]], values: Mapping[str, Iterable[str]], attributes: Sequence[str]) -> list[Found]:
        """Return each entry once that may have one of the values of a kind."""
        pairs = list(dict.fromkeys((attribute, value) for attribute, kind in match for value in values.get(kind, ())))
        found: dict[str | bytes, Found] = {}
        for entry in self.having(pairs, list(dict.fromkeys([*attributes, *(attribute for attribute, _ in match)]))) if pairs else ():
            found.setdefault(entry.name, entry)
        return list(found.values())


class EntryLookup:
    """Finds entries; see `directory.place.Lookup`. An entry with several values of an attribute is several rows."""

    def __init__(self, place: Entries, match: Sequence[tuple[str, str]], columns: Sequence[str]) -> None:
        self._place = place
        self._match = tuple(match)
        self._columns = tuple(columns)

    def find(self, subjects: Sequence[IdentifiedSubject], *, caseless: bool = False) -> list[list[Row]]:
        """Return rows; letter case is always of no meaning where it is of none in the kind."""
        del caseless
        return [[row for row, _ in rows] for rows in self.trace(subjects)]

    def trace(self, subjects: Sequence[IdentifiedSubject]) -> list[list[tuple[Row, Key]]]:
        """Return rows, each with what it was found by."""
        asked = self._asked(subjects)
        found: list[list[tuple[Row, Key]]] = [[] for _ in subjects]
        for entry in self._place.by(self._match, asked, self._columns):
            owners: dict[int, Key] = {}
            for attribute, kind in self._match:
                for value in entry.values[attribute]:
                    for index, identifier in asked[kind].get(normalise(kind, value), ()):
                        owners.setdefault(index, (kind, identifier))
            for index, key in owners.items():
                found[index] += [(row, key) for row in self._rows(entry)]
        for rows in found:
            rows.sort()
        return found

    def _asked(self, subjects: Sequence[IdentifiedSubject]) -> dict[str, dict[str, "list[tuple[int, str]]"]]:
        """Return who asks for which value of a kind."""
        asked: dict[str, dict[str, list[tuple[int, str]]]] = {kind: {} for _, kind in self._match}
        for index, subject in enumerate(subjects):
            for kind, values in asked.items():
                for value in subject.values(kind):
                    if is_usable(kind, value):
                        values.setdefault(normalise(kind, value), []).append((index, value))
        return asked

    def list(self) -> list[Row]:
        """Return the rows of all entries."""
        return sorted(row for entry in self._place.all(self._columns) for row in self._rows(entry))

    def every(self) -> Iterator[Sequence[Sequence[str]]]:
        """Yield the rows of all entries as they come, column by column; see `directory.place.Lookup`."""
        with closing(self._place.all(self._columns)) as entries:
            rows = (row for entry in entries for row in self._rows(entry))
            while piece := list(islice(rows, _PIECE)):
                yield list(zip(*piece, strict=True))

    def some(self, limit: int) -> Sequence[Row]:
        """Return the rows of the first entries."""
        with closing(self._place.all(self._columns)) as entries:
            return list(islice((row for entry in entries for row in self._rows(entry)), limit))

    def check(self) -> None:
        """Look at a few entries, and have the server find one of them by each attribute."""
        with closing(self._place.all([*self._columns, *(attribute for attribute, _ in self._match)])) as entries:
            sample = list(islice(entries, _SAMPLED))
            sample += self._holders(sample, islice(entries, _LOOKED_THROUGH - _SAMPLED))
        if not sample:
            raise self._place.refused("shows no entry that the filter is true of", self._place.advice.no_entry)
        for attribute, kind in self._match:
            self._check_attribute(attribute, kind, sample)

    def _holders(self, sample: Sequence[Found], others: Iterable[Found]) -> Iterator[Found]:
        """Yield entries that have what none of the sample has."""
        lacking = {pair for pair in self._match if not any(map(partial(_has, pair), sample))}
        for entry in others if lacking else ():
            if had := {pair for pair in lacking if _has(pair, entry)}:
                yield entry
                lacking -= had
            if not lacking:
                return

    def _check_attribute(self, attribute: str, kind: str, sample: Sequence[Found]) -> None:
        pairs = [(entry, value) for entry in sample for value in entry.values[attribute] if is_usable(kind, value)]
        if not pairs:
            if attribute == self._place.owner or kind == "upn":
                raise self._place.refused(
                    f"shows no attribute {attribute!r} of the first {len(sample)} entries", self._place.advice.no_attribute
                )
            return
        entry, value = pairs[0]
        asked = "".join(map(_swapped, value)) if kind in FOLDED_KINDS else value
        if all(found.name != entry.name for found in self._place.by([(attribute, kind)], {kind: [asked]}, [])):
            raise self._place.refused(
                f"does not find an entry by its own {attribute!r}" + (", letter case apart" if kind in FOLDED_KINDS else ""),
                self._place.advice.not_found,
            )

    def _rows(self, entry: Found) -> Iterator[Row]:
        if self._place.owner and not entry.values.get(self._place.owner, [""]):
            raise self._place.refused(f"shows an entry without {self._place.owner!r}", self._place.advice.no_owner)
        columns = [entry.values[name] or [""] for name in self._columns]
        for place in range(max(map(len, columns), default=0)):
            yield tuple(values[min(place, len(values) - 1)] for values in columns)


def _has(pair: tuple[str, str], entry: Found) -> bool:
    attribute, kind = pair
    return any(is_usable(kind, value) for value in entry.values[attribute])


def _swapped(letter: str) -> str:
    return letter.swapcase() if letter.isascii() else letter  # of ß it would be SS


class EntrySharing:
    """Counts people by their entries; see `directory.place.Sharing`."""

    def __init__(self, place: Entries, owners: Mapping[str, Collection[str]]) -> None:
        self._place = place
        self._owners = {attribute: tuple(kinds) for attribute, kinds in owners.items()}

    def count(self, kind: str, columns: Sequence[str], values: Sequence[str], *, is_given: bool = False) -> list[int]:
        """Count different owners, of whom an entry may have several; one that names none is somebody of its own.

        A server that shows an attribute and cannot be searched by it finds nobody, and not who else has a value: that is an error.
        """
        people: dict[str, set[object]] = {normalise(kind, value): set() for value in values}
        match = [(column, kind) for column in columns]
        for entry in self._place.by(match, {kind: values}, list(self._owners)):
            owners = list(self._owners_of(entry))
            for column in columns:
                for value in entry.values[column]:
                    if (held := people.get(normalise(kind, value))) is not None:
                        held.update(owners)
        counts = [len(people[normalise(kind, value)]) for value in values]
        if is_given and 0 in counts:
            named = ", ".join(map(repr, columns))
            raise self._place.refused(
                f"does not find an entry by its own {named}, so that nobody knows who else has it", self._place.advice.not_found
            )
        return counts

    def _owners_of(self, entry: Found) -> Iterator[object]:
        """Yield whose an entry is: several object ids or names are several people, several of anything else may be one person's."""
        named: list[list[object]] = []
        for attribute, kinds in self._owners.items():
            kind = "upn" if FOLDED_KINDS.issuperset(kinds) else kinds[0]
            texts = sorted({normalise(kind, value) for value in entry.values[attribute]})
            named.append(list(texts) if OWN_KINDS.issuperset(kinds) else [tuple(texts)])
        if not any(any(values) for values in named):
            yield entry.name
            return
        for place in range(max(map(len, named))):
            yield tuple(values[min(place, len(values) - 1)] if values else "" for values in named)
