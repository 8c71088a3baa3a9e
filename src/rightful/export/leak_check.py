"""The check, in the stream, that nothing names other people where the operator has not said so (`export.leak_check`).

Each row's owner was proven before (`export.check`). Here everything else in it is looked through, just before it is written, for what names
somebody else in the directory. A finding withholds the part that it would have been in, and with it manifest, receipt and `complete`.
"""

import threading
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

import msgspec
import pyarrow as pa

from rightful.clock import Clock
from rightful.config.model import SourceConfig
from rightful.connectors.interface import MATCH_PREFIX, ReadHeader
from rightful.errors import LEAK_FOUND_CODE, SourceRefused
from rightful.export.everybody import Everybody, Listed
from rightful.export.runtime import TenantRuntime
from rightful.export.subject_read import SubjectRead
from rightful.ids import TenantId
from rightful.package.leaks import Finding, LeakSearch, Way
from rightful.package.ledger import LeakCheck, LeakMode
from rightful.package.name_index import NameIndex, build
from rightful.package.redacting import Plan
from rightful.package.schema import ColumnKind
from rightful.spelling import did_you_mean
from rightful.subject.model import IdentifiedSubject

_CLEARED = frozenset({"others", "hash", "drop"})
"""Rules after which a column names nobody else."""
_BLOCK = 4096
_FIRST = 64
_ONE_IN = 8
_PICKED = tuple(row for row in range(_BLOCK) if row < _FIRST or (row * 0x9E3779B1 >> 16) % _ONE_IN == 0)
"""Of each 4,096 rows of somebody those that a sample has: the first ones, and others spread by a hash of their number."""

_MOST_TOLD = 5
"""Columns that an error names."""


def sampled(start: int, rows: int) -> Iterator[int]:
    """Yield which of the rows from a number on a sample has, counted from there; of the same rows it has the same, however they are cut."""
    block, end = start - start % _BLOCK, start + rows
    while block < end:
        for place in range(bisect_left(_PICKED, start - block), bisect_left(_PICKED, end - block)):
            yield block + _PICKED[place] - start
        block += _BLOCK


def _sample_of(start: int, rows: int) -> Sequence[int]:
    """Return what `sampled` yields: all of somebody's first rows, which are the only ones that most people have."""
    return range(rows) if start + rows <= _FIRST else list(sampled(start, rows))


def search(planned: Plan, index: NameIndex, listed: Listed, aside: "Aside", subjects: Sequence[IdentifiedSubject]) -> LeakSearch:
    """Make a search of rows as they are delivered, each of one of the subjects."""
    called = {column.name: kinds for column in planned.columns if (kinds := listed.kinds_called(column.name))}
    identifiers = [subject.identifiers for subject in subjects]
    return LeakSearch(
        planned.columns, index, identifiers, aside=aside.columns, parts_aside=aside.parts, called=called, members=listed.members
    )


class Watches:
    """Makes a watch for each pass over a source, and knows who there is in each tenant."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._everybody: dict[TenantId, Everybody] = {}
        self._lock = threading.Lock()

    def __call__(self, source: SourceConfig, tenant: TenantRuntime, states: Sequence[SubjectRead]) -> "LeakWatch":
        """Make one; raises `SourceError` where the directory does not say who there is."""
        settings = tenant.config.export
        with self._lock:
            if tenant.config.id not in self._everybody:
                self._everybody[tenant.config.id] = Everybody(tenant.directory, settings.leak_kinds, self._clock)
            everybody = self._everybody[tenant.config.id]
        return LeakWatch(source, settings.leak_check, everybody.listed(), states)


class LeakWatch:
    """See `export.watch.Watch`."""

    def __init__(self, source: SourceConfig, mode: LeakMode, listed: Listed, states: Sequence[SubjectRead]) -> None:
        """Take who there is. A directory that does not tell is made up for by the subjects of the pass."""
        self._source = source
        self._mode = mode
        self._listed = listed
        self._states = states
        self._search: LeakSearch | None = None
        self._given: dict[int, int] = {}
        """How many rows of each subject are over, those before a cursor included."""
        self._picked: dict[int, Sequence[int]] = {}
        """Which of the present rows of each subject are looked through, where that is a sample."""
        self._waiting: dict[int, bytearray] = {}
        """Whether rows that are in no part yet were looked through, one after the other."""

    def begin(self, header: ReadHeader, planned: Plan) -> tuple[LeakCheck | None, ...]:
        """Begin a pass."""
        aside = Aside.of(self._source, header, planned)
        self._given = {number: state.seen if state.cursor is not None else 0 for number, state in enumerate(self._states)}
        if not header.columns:
            return (None,) * len(self._states)
        index = self._listed.index or self._index()
        self._search = search(planned, index, self._listed, aside, [state.subject for state in self._states])
        check = LeakCheck(
            mode=self._mode,
            kinds=index.counts(is_weak=False),
            weak=index.counts(is_weak=True),
            people=index.people,
            is_everybody=index.is_everybody,
            listed_at=self._listed.at,
            third_parties=aside.names(),
        )
        return tuple(check if state.cursor is None else check.after(state.record.leaks) for state in self._states)

    def look(self, batch: pa.RecordBatch, counts: Sequence[tuple[int, int]]) -> dict[int, SourceRefused]:
        """Look through rows that are about to be written; return the error of each subject among whose rows others are named.

        They are the next ones of each subject until `go_on` says that they are over.
        """
        if self._search is None:
            return {}
        found: dict[int, list[Finding]] = {}
        for finding in self._sample(self._search, batch, counts) if self._mode == "sample" else self._search.find(batch, counts):
            found.setdefault(finding.owner, []).append(finding)
        return {subject: self._error(subject, several, counts) for subject, several in found.items()}

    def _sample(self, search: LeakSearch, batch: pa.RecordBatch, counts: Sequence[tuple[int, int]]) -> Iterator[Finding]:
        """Yield what a sample of rows finds, and of columns with few distinct values in it what all of them do: these cost little."""
        taken = [(subject, _sample_of(self._given[subject], rows)) for subject, rows in counts]
        self._picked.update(taken)
        if sum(len(picked) for _, picked in taken) == batch.num_rows:
            yield from search.find(batch, counts)
            return
        starts = accumulate((rows for _, rows in counts), initial=0)
        places = [start + place for start, (_, picked) in zip(starts, taken, strict=False) for place in picked]
        some = batch.take(pa.array(places, pa.int64()))
        whole = search.repetitive(some)
        rest = [column for column in search.columns if column not in whole]
        if search.is_clear((some, rest), (batch, whole)):
            return
        for finding in search.find(some, [(subject, len(picked)) for subject, picked in taken if picked], columns=rest) if places else ():
            yield msgspec.structs.replace(finding, row=places[finding.row])
        yield from search.find(batch, counts, columns=whole) if whole else ()

    def keep(self, subject: int, rows: int, kept: Sequence[int] | None) -> None:
        """Take note which rows go into parts."""
        if self._mode == "sample":
            picked = self._picked[subject]
            flags = bytearray(b"\1" * rows) if len(picked) == rows else bytearray(rows)
            for place in picked if len(picked) < rows else ():
                flags[place] = 1
            self._waiting.setdefault(subject, bytearray()).extend(flags if kept is None else bytes(flags[place] for place in kept))

    def go_on(self, counts: Sequence[tuple[int, int]]) -> None:
        """Take note that so many rows of each subject are over."""
        for subject, rows in counts:
            self._given[subject] += rows

    def looked_at(self, subject: int, rows: int) -> int:
        """Return how many of the next rows that were kept were looked through."""
        if self._mode == "full":
            return rows
        waiting = self._waiting[subject]
        looked_at = waiting.count(1, 0, rows)
        del waiting[:rows]
        return looked_at

    def _index(self) -> NameIndex:
        people = [state.subject for state in self._states]
        return build(((kind, person.values(kind)) for person in people for kind in self._listed.kinds), is_everybody=False)

    def _error(self, subject: int, found: Sequence[Finding], counts: Sequence[tuple[int, int]]) -> SourceRefused:
        numbers = [number for owner, rows in counts for number in range(self._given[owner] + 1, self._given[owner] + 1 + rows)]
        partition = self._states[subject].read.partition
        places = [
            f"column {each.column!r} ({each.kind}, in {each.rows} {'row' if each.rows == 1 else 'rows'}, the first is row "
            f"{numbers[each.row]} of partition {partition})"
            for each in found[:_MOST_TOLD]
        ]
        more = f" and {len(found) - _MOST_TOLD} more" if len(found) > _MOST_TOLD else ""
        return SourceRefused(
            f"source {self._source.name!r} has what names somebody else: {', '.join(places)}{more}; nothing of that was written",
            source_name=self._source.name,
            code=LEAK_FOUND_CODE,
            hint="declare columns that rightly name others in the source's `third_parties` or `redact`, or correct its match; "
            "restart the service, which reads its configuration when it starts; then resume",
        )


class Aside(msgspec.Struct, frozen=True, kw_only=True):
    """What rightly names others, and is not looked into."""

    columns: frozenset[str]
    parts: Mapping[str, tuple[Way, ...]]
    """Of JSON columns the ways to members that are not."""
    cleared: frozenset[str] = frozenset()
    """Of the columns those that a rule or the other check has cleared."""

    @classmethod
    def of(cls, source: SourceConfig, header: ReadHeader, planned: Plan) -> "Aside":
        """Take what the operator, the connector and the rules say. Of several columns that a row may be matched by, the others name others.

        Raises `SourceRefused` where `third_parties` names what is not there.
        """
        kinds = {column.name: column.kind for column in header.columns}
        columns: set[str] = set(header.third_parties)
        parts: dict[str, list[Way]] = {}
        for name in source.third_parties:
            column, _, way = name.partition("/")
            if name in kinds:
                columns.add(name)
            elif way and kinds.get(column) is ColumnKind.JSON:
                parts.setdefault(column, []).append(tuple(way.split("/")))
            elif header.columns:
                raise SourceRefused(
                    f"source {source.name!r} has no column {column!r}, which `third_parties` names, or none of JSON",
                    source_name=source.name,
                    code="ConfigurationInvalid",
                    hint=did_you_mean(name, kinds) or "write COLUMN, or of a column of JSON COLUMN/MEMBER",
                    concerns_everybody=True,
                )
        matched = [match.batch_column.removeprefix(MATCH_PREFIX) for match in header.match]
        for name in matched if len(matched) > 1 else ():
            columns.add(name)
            if name.startswith("/"):  # a JSON pointer, into the record that such a source has
                for column in (column for column, kind in kinds.items() if kind is ColumnKind.JSON):
                    parts.setdefault(column, []).append(tuple(name[1:].replace("~1", "/").replace("~0", "~").split("/")))
        cleared = {each.column.name for each in planned.ruled if each.rule in _CLEARED}
        cleared |= set(matched if len(matched) == 1 else ())  # proven to be the owner's
        return cls(
            columns=frozenset(columns | cleared) & kinds.keys(),
            parts={column: tuple(ways) for column, ways in parts.items()},
            cleared=frozenset(cleared),
        )

    def names(self) -> tuple[str, ...]:
        """Return what is not looked into, in words of the configuration."""
        ways = {f"{column}/{'/'.join(way)}" for column, several in self.parts.items() for way in several}
        return tuple(sorted(self.columns - self.cleared | ways))
