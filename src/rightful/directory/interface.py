"""The contract of a directory: who a data subject is, and under which identifiers they are known."""

from collections.abc import Collection, Iterator, Sequence
from typing import Protocol, runtime_checkable

from rightful.ids import SubjectId
from rightful.subject.model import DataSubject, IdentifiedSubject, Reached

AMBIGUOUS_CODE = "SubjectAmbiguous"
"""The code of the `SourceRefused` that says that several people answer to one key."""


class Directory(Protocol):
    """Finds people of one tenant. Safe to call from any thread. Raises `SourceUnavailable` or `SourceRefused` (source name `directory`)."""

    def check(self) -> None:
        """Raise `SourceError` where the directory cannot be read as configured."""
        ...

    def find_user(self, key: str) -> DataSubject | None:
        """Find a user by object id, or by user principal name where the key has an `@` (GRAPH-11). UPNs compare without case."""
        ...

    def find_inbound_profile(self, user_id: str) -> DataSubject | None:
        """Find an inbound shared user profile by its user id (GRAPH-22)."""
        ...

    def list_inbound_profiles(self) -> tuple[DataSubject, ...]:
        """Return all inbound shared user profiles, by user id."""
        ...

    def identify(self, subjects: Sequence[DataSubject], further: Sequence[Sequence[Reached]] = ()) -> tuple[IdentifiedSubject | None, ...]:
        """Return each subject with all its identifiers (the closure over `more`), in the order given; None where it is gone.

        `further` is what else was found of each, elsewhere: it is judged as the directory's own is, and leads further as that does.

        One query for each table and round, however many subjects there are. Refuses (`AMBIGUOUS_CODE`) where one of them shares a user
        principal name with somebody else, letter case apart: nothing tells their data apart.
        """
        ...

    def subjects(self, ids: Sequence[SubjectId]) -> tuple[DataSubject | None, ...]:
        """Return users by object id, in the order given, in one query."""
        ...

    def close(self) -> None:
        """Release connections; the directory is not used afterwards."""
        ...


@runtime_checkable
class KnowsIdentifiers(Protocol):
    """The ability to show which identifiers there are: for finding out what a system's columns hold, not for a request."""

    def known(self, limit: int) -> dict[str, frozenset[str]]:
        """Return values of each kind, out of at most `limit` rows of each table; as they stand there."""
        ...

    def columns(self) -> dict[str, tuple[str, ...]]:
        """Return the names of the columns that each kind is found in."""
        ...


Everybody = Iterator[tuple[str, Sequence[str]]]
"""(kind, values of it as they stand there), piece by piece; a value may come more than once, and be empty."""


@runtime_checkable
class ListsEverybody(Protocol):
    """The ability to list the identifiers of all people: to tell whether a text names somebody else, not for a request."""

    def everybody(self, kinds: Collection[str]) -> Everybody | None:
        """Yield all identifiers of these kinds, inbound profiles' too; no more than a piece is in memory. None where it cannot be told."""
        ...


@runtime_checkable
class MayBeStale(Protocol):
    """The ability to go on with what was read before, where what is there now is not usable: for whoever watches the service."""

    def is_stale(self) -> bool:
        """Say whether what is answered is older than what lies there."""
        ...


@runtime_checkable
class FindsAmbiguity(Protocol):
    """The ability to look for people who cannot be told apart, over the whole directory: for `rightful doctor`, not for a request."""

    def ambiguous_names(self) -> int:
        """Return how many user principal names, letter case apart, belong to several people: `identify` refuses these."""
        ...
