"""Search of rows that are about to be delivered for what names other people than their owner.

It goes over the values that the serializer gets, after redaction, a few thousand rows at once: texts, UUIDs, the texts in JSON, in lists
and in structs, bytes of a UUID's length. A GUID and an address are found wherever they stand in a text, any other name where it is a whole
one, and a weak one in columns and members alone that are called what names of its kind are called; in these, numbers are looked into too.

Nothing of this is shared with the queries that found the rows, nor with the check that each row is its owner's: that one looks at match
columns, this one at all others.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from rightful.package.cells import plain
from rightful.package.leak_cells import FEW_BYTES, Called, Cells, Way, of_column, series, without
from rightful.package.leak_forms import of_few, of_many
from rightful.package.name_index import NameIndex
from rightful.package.schema import Column, ColumnKind
from rightful.package.serializer import find_column

__all__ = ["Called", "Finding", "LeakSearch", "Way"]

_FLAT = frozenset({ColumnKind.TEXT, ColumnKind.UUID})
_SEARCHED = _FLAT | {ColumnKind.JSON, ColumnKind.NESTED, ColumnKind.BYTES}
_NUMBERS = frozenset({ColumnKind.INT, ColumnKind.DECIMAL, ColumnKind.FLOAT})
_ONE_VALUE_IN = 8
"""A column repeats itself where no more of its values are distinct."""

_FEW_HITS = 64
_FEW_PER_BYTE = 4
"""Texts whose owners are looked up one by one are so many times fewer than the bytes that are looked into one by one."""

_Place = tuple[str, tuple[str, ...]]
"""A column, and the kinds of names that it or a member of it is called like."""

_NOBODY = Called((), lambda _: ())


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Names of others in one column of one owner's rows."""

    owner: int
    column: str
    kind: str
    row: int
    """The first one, in the batch."""
    rows: int
    """How many, in the batch."""


class LeakSearch:
    """Looks into batches of one source, whose rows belong to several owners."""

    def __init__(
        self,
        columns: Sequence[Column],
        index: NameIndex,
        identifiers: Sequence[Mapping[str, Sequence[str]]],
        *,
        aside: Collection[str] = (),
        parts_aside: Mapping[str, Sequence[Way]] | None = None,
        called: Mapping[str, Collection[str]] | None = None,
        members: Called = _NOBODY,
        few_bytes: int = FEW_BYTES,
    ) -> None:
        """Take the columns as they are delivered, and what names each owner.

        Args:
            columns: of the batches.
            index: everybody's names.
            identifiers: of each owner, by kind; none of these is ever found.
            aside: columns that rightly name others.
            parts_aside: {column of JSON: ways to members that do}; a way goes through lists, into each element.
            called: {column: kinds} of those that are called what names of these kinds are called.
            members: the same of members, in JSON and in structs.
            few_bytes: for tests; what is few, and so looked at one by one, never shows in what is found.
        """
        self._index = index
        self._few_bytes = few_bytes
        self._called = called or {}
        self._members = members if index.counts(is_weak=True) else _NOBODY
        self._parts_aside = parts_aside or {}
        self.columns = tuple(
            column
            for column in columns
            if column.name not in aside and (column.kind in _SEARCHED or (column.kind in _NUMBERS and column.name in self._called))
        )
        self._has_numbers = bool(self._members or self._called)
        self._own = index.own(identifiers)
        self._only = self._own["hash"].implode() if len(identifiers) == 1 else None

    def repetitive(self, batch: pa.RecordBatch) -> tuple[Column, ...]:
        """Return the columns with few distinct values in these rows, so that all of them are soon looked at."""
        return tuple(
            column
            for column in self.columns
            if column.kind in _FLAT | _NUMBERS
            and pc.count_distinct(plain(find_column(batch, column.name)), mode="all").as_py() * _ONE_VALUE_IN <= batch.num_rows
        )

    def is_clear(self, *several: tuple[pa.RecordBatch, Sequence[Column]]) -> bool:
        """Whether nothing in these columns of batches names anybody, with one owner nobody else: to ask of all at once costs least."""
        cells = [self._cells(column, plain(find_column(batch, column.name))) for batch, columns in several for column in columns]
        texts = [(kinds, texts) for each in cells for (_, kinds), (texts, _) in each.items()]
        return not texts or self._index.is_empty or not self._hits(texts).height

    def find(self, batch: pa.RecordBatch, counts: Sequence[tuple[int, int]], *, columns: Sequence[Column] | None = None) -> list[Finding]:
        """Return what names others in a batch.

        Args:
            batch: rows that lie owner by owner.
            counts: (number of the owner, how many rows), in the rows' order.
            columns: those of the search that are looked into; None: all.
        """
        cells: dict[_Place, Cells] = {}
        for column in self.columns if columns is None else columns:
            cells |= self._cells(column, plain(find_column(batch, column.name)))
        if not cells or self._index.is_empty:
            return []
        hits = self._hits([(kinds, texts) for (_, kinds), (texts, _) in cells.items()])
        if not hits.height:
            return []
        found = self._others(hits, cells, counts)
        if any(each.column in self._parts_aside for each in found):
            # Rare enough to look again, without what rightly names others.
            for column in self.columns:
                if column.name in self._parts_aside:
                    cells = {place: each for place, each in cells.items() if place[0] != column.name}
                    cells |= self._cells(column, self._rest(batch, column.name))
            found = self._others(hits, cells, counts)
        return found

    def _cells(self, column: Column, values: pa.Array) -> dict[_Place, Cells]:
        """Return the texts of a column, by the kinds that they are called like."""
        of_column_itself = tuple(self._called.get(column.name, ()))
        found: dict[_Place, list[Cells]] = {}
        for kinds, cells in of_column(column, values, self._members, few_bytes=self._few_bytes):
            if len(cells[0]):
                found.setdefault((column.name, tuple(sorted({*of_column_itself, *kinds}))), []).append(cells)
        return {place: _together(several) for place, several in found.items()}

    def _rest(self, batch: pa.RecordBatch, name: str) -> pa.Array:
        """Return a column of JSON but for what rightly names others."""
        documents = plain(find_column(batch, name)).to_pylist()
        ways = self._parts_aside[name]
        return pa.array([None if text is None else without(text, ways) for text in documents], pa.large_string())

    def _hits(self, several: Sequence[tuple[Sequence[str], pa.Array]]) -> pl.DataFrame:
        """Return (text, hash, kind, is_weak) of texts that are or hold a name, weak ones where they are called like any.

        Where there is one owner, none of its own.
        """
        distinct = [(kinds, pc.unique(texts)) for kinds, texts in several]
        found = [
            self._index.named(self._forms([texts for kinds, texts in distinct if bool(kinds) is is_called]), with_weak=is_called)
            for is_called in {bool(kinds) for kinds, _ in distinct}
        ]
        hits = pl.concat(found) if len(found) != 1 else found[0]
        if self._only is None or not hits.height:
            return hits
        if hits.height <= _FEW_HITS:
            return hits.filter(pl.Series([(0, hashed) not in self._own_pairs for hashed in hits["hash"]], dtype=pl.Boolean))
        return hits.filter(~hits["hash"].is_in(self._only))

    def _forms(self, distinct: Sequence[pa.Array]) -> pl.DataFrame:
        """Return (text, form) of all that may be names in some texts."""
        texts = pa.concat_arrays(distinct)
        if texts.nbytes <= self._few_bytes:
            return of_few(texts.to_pylist(), has_numbers=self._has_numbers)
        return of_many(series(texts), has_numbers=self._has_numbers)

    def _others(self, hits: pl.DataFrame, cells: Mapping[_Place, Cells], counts: Sequence[tuple[int, int]]) -> list[Finding]:
        """Find the cells of hits, leave out what is their owner's own or too weak for its column, and sum the rest up."""
        owner_of = [owner for owner, rows in counts for _ in range(rows)]
        if sum(len(texts) for texts, _ in cells.values()) * _FEW_PER_BYTE <= self._few_bytes:
            return self._others_one_by_one(hits, cells, owner_of)
        owners = pl.Series(owner_of, dtype=pl.Int32)
        found: list[pl.DataFrame] = []
        for (name, kinds), (texts, rows) in cells.items():
            # A name may be of several kinds: of those that count, it is said to be of the first.
            meant = hits.filter(~pl.col("is_weak") | pl.col("kind").is_in(kinds)).unique(
                ["text", "hash"], keep="first", maintain_order=True
            )
            frame = pl.DataFrame({"text": series(texts), "row": series(rows)}).join(meant, on="text")
            owned = frame.with_columns(owners.gather(frame["row"]).alias("owner"))
            others = owned.join(self._own, on=["owner", "hash"], how="anti")
            found.append(others.select("owner", pl.lit(name).alias("column"), "kind", "row"))
        together = pl.concat(found).group_by("owner", "column", "kind")
        summed = together.agg(pl.col("row").min(), pl.col("row").n_unique().alias("rows"))
        return sorted((Finding(**each) for each in summed.iter_rows(named=True)), key=_in_order)

    def _others_one_by_one(self, hits: pl.DataFrame, cells: Mapping[_Place, Cells], owner_of: Sequence[int]) -> list[Finding]:
        """Return the same of a few cells, where the joins of polars take longer than all of them."""
        by_text: dict[str, list[tuple[int, str, bool]]] = {}
        for text, hashed, kind, is_weak in hits.iter_rows():
            by_text.setdefault(text, []).append((hashed, kind, is_weak))
        found: dict[tuple[int, str, str], set[int]] = {}
        for (name, kinds), (texts, rows) in cells.items():
            for text, row in zip(texts.to_pylist(), rows.to_pylist(), strict=True):
                first: dict[int, str] = {}
                for hashed, kind, is_weak in by_text.get(text, ()):
                    if not is_weak or kind in kinds:
                        first.setdefault(hashed, kind)
                for hashed, kind in first.items():
                    if (owner_of[row], hashed) not in self._own_pairs:
                        found.setdefault((owner_of[row], name, kind), set()).add(row)
        findings = (
            Finding(owner=owner, column=name, kind=kind, row=min(rows), rows=len(rows)) for (owner, name, kind), rows in found.items()
        )
        return sorted(findings, key=_in_order)

    @cached_property
    def _own_pairs(self) -> frozenset[tuple[int, int]]:
        """(number of the owner, hash) of all that names an owner."""
        return frozenset(self._own.select("owner", "hash").iter_rows())


def _in_order(finding: Finding) -> tuple[int, str, str]:
    return finding.row, finding.column, finding.kind


def _together(several: Sequence[Cells]) -> Cells:
    if len(several) == 1:
        return several[0]
    return pa.concat_arrays([texts for texts, _ in several]), pa.concat_arrays([rows for _, rows in several])
