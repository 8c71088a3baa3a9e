"""Who there is in a tenant's directory: listed when somebody first asks, and again now and then, as keyed hashes alone."""

import re
import threading
from collections.abc import Collection, Mapping
from datetime import datetime

import msgspec
import structlog

from rightful.clock import Clock, SystemClock
from rightful.directory.interface import Directory, KnowsIdentifiers, ListsEverybody
from rightful.errors import SourceError
from rightful.package.leaks import Called
from rightful.package.name_index import NameIndex, build

_log = structlog.get_logger(__name__)

_AGE_S = 600.0
"""How old a list may be before it is made anew: who came since then is not known."""
_SHARE = 20.0
"""A list that takes long is kept for so many times that: listing is no more than a twentieth of the work."""


_SAYS_NOTHING = frozenset({"id", "name", "key", "number", "no"})
"""Names of columns that many a column has."""
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+|[^\W\d_A-Za-z]+")


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A list, and when it was begun."""

    index: NameIndex | None
    """None where the directory does not tell who there is."""
    at: datetime
    until_s: float
    """On the clock: when it is made anew."""
    kinds: tuple[str, ...] = ()
    """Of the identifiers that name one person."""
    called: Mapping[str, tuple[str, ...]] = {}
    """What the directory's columns of each kind are called."""

    def kinds_called(self, column: str) -> list[str]:
        """Return the kinds whose names a column holds, by what it is called: `manager_employee_no` for the directory's `employee_no`."""
        words = _words(column)
        return [
            kind
            for kind in self.kinds
            if any(name and words[-len(name) :] == name and "_".join(name) not in _SAYS_NOTHING for name in self._names(kind))
        ]

    @property
    def members(self) -> Called:
        """What says the same of members of documents."""
        names = [name for kind in self.kinds for name in self._names(kind) if "_".join(name) not in _SAYS_NOTHING]
        return Called(names, self.kinds_called)

    def _names(self, kind: str) -> list[list[str]]:
        return [_words(name) for name in (kind, *self.called.get(kind, ()))]


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORDS.findall(name)]


def some_of(directory: Directory, kinds: Collection[str], most: int) -> Listed:
    """List some people alone, out of `most` rows of each table: for a look at a source, not for an export."""
    found = directory.known(most) if isinstance(directory, KnowsIdentifiers) else {}
    called = directory.columns() if isinstance(directory, KnowsIdentifiers) else {}
    wanted = tuple(dict.fromkeys(("id", *kinds)))
    index = build(((kind, sorted(found.get(kind, ()))) for kind in wanted), is_everybody=False)
    return Listed(index=index, at=SystemClock().now(), until_s=0.0, kinds=wanted, called=called)


class Everybody:
    """Knows everybody of one tenant; used from any thread. One thread lists, others go on with what was listed before."""

    def __init__(self, directory: Directory, kinds: Collection[str], clock: Clock | None = None) -> None:
        """Take the kinds of identifiers that name one person."""
        self._directory = directory
        self._kinds = tuple(dict.fromkeys(("id", *kinds)))
        self._clock = clock or SystemClock()
        self._listed: Listed | None = None
        self._listing = threading.Lock()

    def listed(self) -> Listed:
        """Return who there is; raises `SourceError` where that was never known and the directory does not say."""
        listed = self._listed
        if listed is not None and self._clock.monotonic() < listed.until_s:
            return listed
        if not self._listing.acquire(blocking=listed is None):
            assert listed is not None
            return listed
        try:
            if self._listed is not listed:  # somebody else was quicker
                assert self._listed is not None
                return self._listed
            self._listed = listed = self._list()
        except SourceError as error:
            if listed is None:
                raise
            self._listed = listed = msgspec.structs.replace(listed, until_s=self._clock.monotonic() + _AGE_S)
            _log.warning(
                "directory not listed again; who was listed before is known", reason=error.message, listed_at=listed.at.isoformat()
            )
        finally:
            self._listing.release()
        return listed

    def _list(self) -> Listed:
        at, began_s = self._clock.now(), self._clock.monotonic()
        found = self._directory.everybody(self._kinds) if isinstance(self._directory, ListsEverybody) else None
        index = None if found is None else build(found)
        now_s = self._clock.monotonic()
        if index is not None and not index.is_everybody:
            _log.warning("the directory has more people than the check for others' identifiers can know", known=index.people)
        called = self._directory.columns() if isinstance(self._directory, KnowsIdentifiers) else {}
        until_s = now_s + max(_AGE_S, _SHARE * (now_s - began_s))
        return Listed(index=index, at=at, until_s=until_s, kinds=self._kinds, called=called)
