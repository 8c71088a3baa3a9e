"""The contract of a place where a directory keeps people: a table, a file, a branch of an LDAP server.

A place has named columns, and a row holds one value for each. Somebody with several values in a column has several rows.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

from rightful.subject.model import IdentifiedSubject

SOURCE_NAME = "directory"

Row = tuple[str, ...]
"""Values of the wanted columns; empty where there is none."""
Key = tuple[str, str]
"""Kind and value of an identifier."""


class Lookup(Protocol):
    """Finds rows by identifiers, however many subjects there are, or goes over all rows."""

    def find(self, subjects: Sequence[IdentifiedSubject], *, caseless: bool = False) -> list[list[Row]]:
        """Return the rows of each subject, in an order that depends on their values alone.

        Args:
            subjects: who is looked for; only their identifiers count.
            caseless: whether letter case is of no meaning in the first match column, for all letters; may be slower.
        """
        ...

    def trace(self, subjects: Sequence[IdentifiedSubject]) -> list[list[tuple[Row, Key]]]:
        """Do as `find`, and say by which identifier each row was found."""
        ...

    def list(self) -> list[Row]:
        """Return all rows, sorted; for a lookup without match columns."""
        ...

    def every(self) -> Iterator[Sequence[Sequence[str]]]:
        """Yield all rows, piece by piece and in any order, as a sequence of values for each column; for a lookup without match columns.

        No more than a piece is in memory, however many rows there are.
        """
        ...

    def some(self, limit: int) -> Sequence[Row]:
        """Return some `limit` rows, whichever these are; for a lookup without match columns."""
        ...

    def check(self) -> None:
        """Raise `SourceError` where it cannot be done."""
        ...


class Sharing(Protocol):
    """Says to how many people an identifier belongs."""

    def count(self, kind: str, columns: Sequence[str], values: Sequence[str], *, is_given: bool = False) -> list[int]:
        """Return to how many people each value belongs that any of the columns may hold; a row that is nobody's may be anybody's.

        Args:
            kind: of the values.
            columns: that may hold them.
            values: of identifiers.
            is_given: whether the place gave them itself, and is at fault where it does not find one of them.
        """
        ...


class Place(Protocol):
    """Where rows are. Building one, or a lookup in it, asks nothing."""

    @property
    def name(self) -> str:
        """What stands before a column's name where somebody is told where an identifier was found."""
        ...

    def lookup(self, match: Sequence[tuple[str, str]], columns: Sequence[str]) -> Lookup:
        """Return a lookup of these columns, by (column, kind of identifier in it)."""
        ...

    def sharing(self, owners: Mapping[str, Collection[str]]) -> Sharing:
        """Take {column that tells people apart: kinds of identifiers in it}; of several columns each combination of values is somebody."""
        ...
