"""Sources that identifiers of people are found in: rows that are searched by what is known, and say more of whose they are."""

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from rightful.config.model import SourceConfig
from rightful.connectors.interface import SUBJECT_COLUMN, Connector, MatchColumn, ReadHeader, Rows
from rightful.directory.people import names_in
from rightful.errors import SourceRefused
from rightful.export.check import foreign_data
from rightful.ids import SubjectId, TenantId
from rightful.package.cells import cells, plain
from rightful.package.schema import Column, ColumnKind
from rightful.package.serializer import find_column
from rightful.subject.matching import matches, normalise
from rightful.subject.model import DataSubject, IdentifiedSubject, Reached

_READABLE = frozenset({ColumnKind.TEXT, ColumnKind.INT, ColumnKind.UUID})
_NOBODY = DataSubject(tenant_id=TenantId(""), subject_id=SubjectId(""))

_Row = tuple[str | None, ...]


class GivingSource:
    """See `directory.widened.Giver`."""

    def __init__(self, source: SourceConfig, match: Mapping[str, str], connector: Connector, by_kind: Mapping[str, Connector]) -> None:
        """Take a source whose rows are found by `match`, its connector, and for each kind that it gives one that finds rows by that."""
        self._name = source.name
        self._match = dict(match)
        self._columns = {kind: names_in(named) for kind, named in source.identifiers.items()}
        self._connector = connector
        self._by_kind = dict(by_kind)

    @property
    def asked_by(self) -> frozenset[str]:
        """Kinds of the identifiers that people are found by."""
        return frozenset(self._match.values())

    @property
    def gives(self) -> frozenset[str]:
        """Kinds that are found there."""
        return frozenset(self._columns)

    def look(self, subjects: Sequence[IdentifiedSubject]) -> list[list[Reached]]:
        """Read the rows of the subjects, each proven to be theirs, and keep nothing but the identifiers in them."""
        pairs = [(kind, column) for kind, columns in self._columns.items() for column in columns]
        names = list(dict.fromkeys(column for _, column in pairs))
        found: list[dict[tuple[str, str], tuple[str, str, str]]] = [{} for _ in subjects]
        for index, proof, row in self._rows(self._connector, subjects, names):
            values = dict(zip(names, row, strict=True))
            for kind, column in pairs:
                value = values[column]
                if value is not None:
                    before = found[index].get((kind, value))
                    new = (column, *proof)
                    found[index][kind, value] = new if before is None else min(before, new)
        return [
            [
                Reached(kind=kind, value=value, place=f"{self._name}.{column}", from_kind=from_kind, from_value=from_value)
                for (kind, value), (column, from_kind, from_value) in sorted(each.items())
            ]
            for each in found
        ]

    def people(self, kind: str, values: Sequence[str], *, most: int) -> list[int]:
        """Search by the values themselves; a row that is nobody's may be anybody's."""
        probes = [IdentifiedSubject(subject=_NOBODY, identifiers={kind: (value,)}) for value in values]
        owners: list[set[tuple[str, str]]] = [set() for _ in values]
        nobodys = [0] * len(values)
        for index, _, row in self._rows(self._by_kind[kind], probes, list(self._match)):
            named = {(of, normalise(of, value)) for of, value in zip(self._match.values(), row, strict=True) if value and value.strip()}
            if not named:
                nobodys[index] += 1
            elif len(owners[index]) <= most:
                owners[index] |= named  # of a row that names several, each: a message has a sender and a recipient
        return [len(several) + more for several, more in zip(owners, nobodys, strict=True)]

    def close(self) -> None:
        """Release the connectors."""
        for connector in (self._connector, *self._by_kind.values()):
            connector.close()

    def _rows(
        self, connector: Connector, subjects: Sequence[IdentifiedSubject], names: Sequence[str]
    ) -> Iterator[tuple[int, tuple[str, str], _Row]]:
        """Yield (subject, identifier that proves it, values of the named columns) of each row."""
        for partition in connector.plan(subjects):
            items = iter(connector.read(partition, subjects))
            header = next(items)
            assert isinstance(header, ReadHeader)
            kinds = self._kinds(header, names)
            for item in items:
                if isinstance(item, Rows):
                    columns = [_texts(item.batch, name, kinds[name]) for name in names]
                    proofs = self._proofs(item.batch, header.match, subjects)
                    for index, proof, *row in zip(item.batch.column(SUBJECT_COLUMN).to_pylist(), proofs, *columns, strict=True):
                        yield index, proof, tuple(row)

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

    def _proofs(
        self, batch: pa.RecordBatch, match: Sequence[MatchColumn], subjects: Sequence[IdentifiedSubject]
    ) -> Iterator[tuple[str, str]]:
        """Yield which identifier of its subject each row holds, by code that shares nothing with the query (DESIGN rule 2)."""
        columns = [(each.identifier_kind, find_column(batch, each.batch_column).to_pylist()) for each in match]
        for place, index in enumerate(batch.column(SUBJECT_COLUMN).to_pylist()):
            proof = next(
                (
                    (kind, identifier)
                    for kind, values in columns
                    for identifier in subjects[index].values(kind)
                    if matches(kind, values[place], (identifier,))
                ),
                None,
            )
            if proof is None:
                raise foreign_data(self._name)
            yield proof


def _texts(batch: pa.RecordBatch, name: str, kind: ColumnKind) -> list[str | None]:
    written = cells(Column(name=name, kind=kind), plain(find_column(batch, name)))
    return [None if value is None else str(value) for value in written]
