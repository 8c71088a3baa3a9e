"""Sources that identifiers of people are found in: rows that are searched by what is known, and say more of whose they are."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from typing import NamedTuple

import pyarrow as pa

from rightful.config.model import SourceConfig
from rightful.connectors.interface import SUBJECT_COLUMN, Attributing, Connector, MatchColumn, Partition, ReadHeader, Rows
from rightful.database.kept import Kept
from rightful.directory.people import names_in
from rightful.errors import SourceError, SourceRefused
from rightful.export.check import foreign_data
from rightful.ids import SubjectId, TenantId
from rightful.package.cells import cells, plain
from rightful.package.schema import Column, ColumnKind
from rightful.package.serializer import find_column
from rightful.subject.matching import matches, normalise
from rightful.subject.model import DataSubject, IdentifiedSubject, Reached

_READABLE = frozenset({ColumnKind.TEXT, ColumnKind.INT, ColumnKind.UUID})
_NOBODY = DataSubject(tenant_id=TenantId(""), subject_id=SubjectId(""))

_PLANNED_S = 10.0
_MOST = 100_000
"""Values of one person, out of one source, that are held in memory: as many as `limits.identifiers` can allow."""
_SEVERAL = 5
"""So many times as much is held of all who are looked up together; where it is more, fewer are."""

_Row = tuple[str | None, ...]
_Proof = tuple[str, str, tuple[str, ...]]
"""Kind and value of the identifier that a row was found by, and the sources that it was reached over."""


class _Found(NamedTuple):
    """A row: its subject, what proves it, the values of the named columns."""

    subject: int
    proof: "_Proof"
    row: _Row
    is_in_order: bool
    """Whether all rows of a subject come before the first of the next one."""


class _Owners:
    """Whose one value is."""

    def __init__(self) -> None:
        self._named: set[tuple[str, str]] = set()
        self._nobodys = 0

    def add(self, named: set[tuple[str, str]]) -> None:
        """Take a row: of one that names several, each counts (a message has a sender and a recipient); of one that names nobody, itself."""
        self._named |= named
        self._nobodys += not named

    @property
    def count(self) -> int:
        """How many there are so far."""
        return len(self._named) + self._nobodys


class GivingSource:
    """See `directory.widened.Giver`."""

    def __init__(
        self, source: SourceConfig, match: Mapping[str, str], connector: Connector, by_kind: Mapping[str, Connector], *, most: int = _MOST
    ) -> None:
        """Take a source whose rows are found by `match`, its connector, and for each kind that it gives one that finds rows by that.

        Where rows are reached over other sources, there are none of the latter: the connector itself can tell whose rows are. Of one
        person `most` values are held.
        """
        self._name = source.name
        self._match = dict(match)
        self._columns = {kind: names_in(named) for kind, named in source.identifiers.items()}
        self._connector = connector
        self._by_kind = dict(by_kind)
        self._most = most
        self._plans = Kept[tuple[Partition, ...]](_PLANNED_S)

    @property
    def asked_by(self) -> frozenset[str]:
        """Kinds of the identifiers that people are found by."""
        return self._connector.kinds if isinstance(self._connector, Attributing) else frozenset(self._match.values())

    @property
    def gives(self) -> frozenset[str]:
        """Kinds that are found there."""
        return frozenset(self._columns)

    def look(self, subjects: Sequence[IdentifiedSubject]) -> list[list[Reached]]:
        """Read the rows of the subjects, each proven to be theirs, and keep nothing but the identifiers in them."""
        pairs = [(kind, column) for kind, columns in self._columns.items() for column in columns]
        names = list(dict.fromkeys(column for _, column in pairs))
        found: list[dict[tuple[str, str], tuple[str, str, str, tuple[str, ...]]]] = [{} for _ in subjects]
        held = 0
        for index, proof, row, _ in self._rows(self._connector, subjects, names):
            values = dict(zip(names, row, strict=True))
            held -= len(found[index])
            for kind, column in pairs:
                value = values[column]
                if value is not None:
                    before = found[index].get((kind, value))
                    new = (column, *proof)
                    found[index][kind, value] = new if before is None else min(before, new)
            held += len(found[index])
            if len(found[index]) > self._most:
                raise self._too_many(self._most, "somebody")
            if len(subjects) > 1 and held > _SEVERAL * self._most:  # each of fewer may have no more than is held of one
                raise self._too_many(_SEVERAL * self._most, f"{len(subjects)} people")
        return [
            [
                Reached(kind=kind, value=value, place=f"{self._name}.{column}", from_kind=from_kind, from_value=from_value, over=over)
                for (kind, value), (column, from_kind, from_value, over) in sorted(each.items())
            ]
            for each in found
        ]

    def people(self, kind: str, values: Sequence[str], *, most: int) -> list[int]:
        """Search by the values themselves; a row that is nobody's may be anybody's."""
        if isinstance(self._connector, Attributing) and not self._by_kind:
            return self._connector.owners(kind, self._columns[kind], values)
        owners = [_Owners() for _ in values]
        left = list(range(len(values)))
        while left:
            left = self._count(kind, values, owners, left, most)
        return [each.count for each in owners]

    def _count(self, kind: str, values: Sequence[str], owners: "Sequence[_Owners]", places: list[int], most: int) -> list[int]:
        """Count the owners of the values in some places; return those that are still to be counted, after one that belongs to too many."""
        probes = [IdentifiedSubject(subject=_NOBODY, identifiers={kind: (values[place],)}) for place in places]
        many: set[int] = set()
        with closing(self._rows(self._by_kind[kind], probes, list(self._match))) as rows:
            for found in rows:
                if found.subject in many:
                    continue
                each = owners[places[found.subject]]
                named = {
                    (of, normalise(of, text)) for of, text in zip(self._match.values(), found.row, strict=True) if text and text.strip()
                }
                each.add(named)
                if each.count > most:
                    many.add(found.subject)
                    if found.is_in_order:  # all its further rows would come before the next value's first
                        return places[found.subject + 1 :]
                    if len(many) == len(places):
                        break
        return []

    def close(self) -> None:
        """Release the connectors."""
        for connector in (self._connector, *self._by_kind.values()):
            connector.close()

    def _too_many(self, most: int, whose: str) -> SourceRefused:
        return SourceRefused(
            f"source {self._name!r} has more than {most:,} identifiers of {whose}",
            source_name=self._name,
            hint="name columns in `identifiers` that hold what tells people apart, not what tells rows apart",
        )

    def _rows(self, connector: Connector, subjects: Sequence[IdentifiedSubject], names: Sequence[str]) -> "Generator[_Found, None, None]":
        """Yield what each row says."""
        try:
            yield from self._read(connector, subjects, names)
        except SourceError:
            self._plans.forget()  # what was planned may be gone
            raise

    def _read(self, connector: Connector, subjects: Sequence[IdentifiedSubject], names: Sequence[str]) -> "Generator[_Found, None, None]":
        partitions = self._planned(connector, subjects)
        for partition in partitions:
            items = iter(connector.read(partition, subjects))
            header = next(items)
            assert isinstance(header, ReadHeader)
            kinds = self._kinds(header, names)
            for item in items:
                if isinstance(item, Rows):
                    columns = [_texts(item.batch, name, kinds[name]) for name in names]
                    proofs = self._proofs(item.batch, header.match, subjects)
                    for index, proof, *row in zip(item.batch.column(SUBJECT_COLUMN).to_pylist(), proofs, *columns, strict=True):
                        yield _Found(index, proof, tuple(row), header.in_subject_order and len(partitions) == 1)

    def _planned(self, connector: Connector, subjects: Sequence[IdentifiedSubject]) -> tuple[Partition, ...]:
        """Plan once for the rounds that follow each other at once: a plan may list a whole lake. What changed since then a read notices."""
        return self._plans.get(str(id(connector)), lambda: connector.plan(subjects))

    def _kinds(self, header: ReadHeader, names: Sequence[str]) -> dict[str, ColumnKind]:
        kinds = {column.name: column.kind for column in header.columns}
        for name in names:
            if kinds.get(name) not in _READABLE:
                what = "has no column" if name not in kinds else "has no text, number or UUID in column"
                raise SourceRefused(
                    f"source {self._name!r} {what} {name!r}, which `identifiers` needs",
                    source_name=self._name,
                    hint="name columns that are read (not in `exclude`) and hold one identifier each",
                )
        return kinds

    def _proofs(self, batch: pa.RecordBatch, match: Sequence[MatchColumn], subjects: Sequence[IdentifiedSubject]) -> Iterator[_Proof]:
        """Yield which identifier of its subject each row holds, by code that shares nothing with the query (DESIGN rule 2)."""
        columns = [(each.identifier_kind, find_column(batch, each.batch_column).to_pylist(), each.is_number, each.over) for each in match]
        for place, index in enumerate(batch.column(SUBJECT_COLUMN).to_pylist()):
            proof = next(
                (
                    (kind, identifier, over)
                    for kind, values, is_number, over in columns
                    for identifier in subjects[index].values(kind)
                    if matches(kind, values[place], (identifier,), is_number=is_number)
                ),
                None,
            )
            if proof is None:
                raise foreign_data(self._name)
            yield proof


def _texts(batch: pa.RecordBatch, name: str, kind: ColumnKind) -> list[str | None]:
    written = cells(Column(name=name, kind=kind), plain(find_column(batch, name)))
    return [None if value is None else str(value) for value in written]
