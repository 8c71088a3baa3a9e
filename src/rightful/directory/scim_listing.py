"""All resources of one kind, read and kept for a while: for SCIM servers that do not filter by what people are looked up by."""

import threading
import time
from collections.abc import Generator, Iterator, Sequence

import msgspec

from rightful.directory.entries import Entries, Found
from rightful.directory.scim_resources import Resources
from rightful.errors import SourceRefused
from rightful.subject.matching import normalise


class _Listing(msgspec.Struct, frozen=True):
    """What was read, and where in it a value is."""

    everything: list[Found]
    places: dict[tuple[str, str], list[int]]
    ends_at: float


class ListedResources(Entries):
    """Resources that are looked through here; the server is asked for all of them when what is kept is too old."""

    def __init__(self, resources: Resources, attributes: Sequence[str], *, age_s: float) -> None:
        """Take all attributes that are ever asked for."""
        super().__init__(resources.name, resources.owner)
        self.advice = resources.advice
        self._resources = resources
        self._attributes = tuple(attributes)
        self._age_s = age_s
        self._lock = threading.Lock()
        self._kept: _Listing | None = None

    def all(self, attributes: Sequence[str]) -> Generator[Found]:
        """Yield what is kept of everybody."""
        del attributes  # all are kept
        yield from (found for found in self._listing().everything if not self.owner or found.values[self.owner])

    def having(self, pairs: Sequence[tuple[str, str]], attributes: Sequence[str]) -> Iterator[Found]:
        """Look the values up, letter case apart."""
        del attributes
        listing = self._listing()
        for attribute, value in pairs:
            for place in listing.places.get((attribute, _key(value)), ()):
                yield listing.everything[place]

    def refused(self, message: str, hint: str) -> SourceRefused:
        """Say what is wrong with the server."""
        return self._resources.refused(message, hint)

    def _listing(self) -> _Listing:
        with self._lock:  # whoever comes meanwhile waits for the same answer
            if self._kept is None or time.monotonic() >= self._kept.ends_at:
                self._kept = None  # the old one and the new one would be twice the memory
                self._kept = self._read()
            return self._kept

    def _read(self) -> _Listing:
        ends_at = time.monotonic() + self._age_s
        everything: list[Found] = []
        places: dict[tuple[str, str], list[int]] = {}
        for found in self._resources.everything(self._attributes):
            for attribute, values in found.values.items():
                for key in {_key(value) for value in values}:
                    places.setdefault((attribute, key), []).append(len(everything))
            everything.append(found)
        return _Listing(everything, places, ends_at)


def _key(value: str) -> str:
    """Return what is the same for all values that are the same in any kind."""
    return normalise("mail", value)
