"""A connector that finds other people's data than it was asked for: what stands above it must notice."""

from collections.abc import Iterator, Sequence

from rightful.connectors.interface import Connector, Cursor, Item, Partition, ReadHeader
from rightful.subject.model import IdentifiedSubject


class MistakenConnector:
    """Reads by a real connector, and mistakes everybody of a set for the next one; somebody alone for one of others."""

    def __init__(self, inner: Connector, *others: IdentifiedSubject) -> None:
        """Take the connector, which is closed with this one, and for whom somebody alone is mistaken: the first who is another."""
        self._inner = inner
        self._others = others

    def check(self) -> None:
        """Pass on."""
        self._inner.check()

    def plan(self, subjects: Sequence[IdentifiedSubject]) -> tuple[Partition, ...]:
        """Pass on."""
        return self._inner.plan(subjects)

    def read(
        self, partition: Partition, subjects: Sequence[IdentifiedSubject], cursor: Cursor | None = None
    ) -> Iterator[ReadHeader | Item]:
        """Read for others; what is found is said to be the subjects'."""
        taken = [*subjects[1:], subjects[0]] if len(subjects) > 1 else [self._another(subject) for subject in subjects]
        yield from self._inner.read(partition, taken, cursor)

    def close(self) -> None:
        """Pass on."""
        self._inner.close()

    def _another(self, subject: IdentifiedSubject) -> IdentifiedSubject:
        return next(other for other in self._others if other.identifiers != subject.identifiers)
