"""Reads tables and views of SQLite, PostgreSQL, MySQL and MariaDB databases, for a set of subjects in one query."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import ClassVar, cast

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from rightful.connectors.interface import (
    KEY_COLUMN,
    MATCH_PREFIX,
    SUBJECT_COLUMN,
    Amount,
    Cursor,
    Estimate,
    Item,
    MatchColumn,
    Moment,
    Partition,
    ReadHeader,
    Rows,
)
from rightful.connectors.sql_chain import Chain, follow
from rightful.connectors.sql_settings import SqlSettings, key_names, problems
from rightful.connectors.time_window import ALWAYS, Window, WindowSettings, resolve
from rightful.database.describing import describe
from rightful.database.identifying import fill
from rightful.database.interface import Database, Snapshot
from rightful.database.opening import identity, open_database
from rightful.database.query import Hidden, Query, Target, Wanted, Within
from rightful.database.table import Table, TableColumn
from rightful.database.targets import gone_over, roots, tables
from rightful.errors import SourceRefused, SourceUnavailable
from rightful.ids import SubjectId, TenantId
from rightful.setting_problem import SettingProblem
from rightful.subject.matching import FOLDED_KINDS
from rightful.subject.model import DataSubject, IdentifiedSubject

_WORTH_SHARING = 50_000
"""Rows of a table below which going over it costs less than to wait for company."""
_OWNERS_S = 60.0
"""How long it may take to count whose identifiers are."""
_NOBODY = DataSubject(tenant_id=TenantId(""), subject_id=SubjectId(""))
_PER_MEMBER = len('"":,')
_PER_LINE = len("{}\n") - len(",")
_SEVERAL = 2
_HIDDEN = Hidden(subject=SUBJECT_COLUMN, key=KEY_COLUMN, match_prefix=MATCH_PREFIX)


class SqlConnector:
    """Reads one table or view; see `connectors.interface.Connector`."""

    Settings: ClassVar[type[msgspec.Struct]] = SqlSettings

    def __init__(self, source_name: str, settings: msgspec.Struct, *, siblings: Mapping[str, msgspec.Struct], folder: Path) -> None:
        self._source_name = source_name
        self._settings = cast("SqlSettings", settings)
        link = follow(source_name, cast("Mapping[str, SqlSettings]", {**siblings, source_name: settings}), folder)
        self._database: Database = open_database(
            self._settings.url, folder=folder, source_name=source_name, stream_s=self._settings.timeout_s
        )
        self._chain = Chain(link, self._database)
        self._identity = identity(self._settings.url, folder)
        self._goes_over: bool | None = None
        self._built: tuple[tuple[Table, ...], dict[bool, tuple[Query, ReadHeader]], Window] | None = None

    @staticmethod
    def problems(
        source_name: str, settings: SqlSettings, *, siblings: Mapping[str, msgspec.Struct | None], folder: Path
    ) -> Iterator[SettingProblem]:
        """Yield what the configuration alone shows; see `connectors.registry.FindsProblems`."""
        return problems(source_name, settings, cast("Mapping[str, SqlSettings | None]", siblings), folder=folder)

    @staticmethod
    def found_by(settings: SqlSettings, match: Mapping[str, str]) -> SqlSettings:
        """Search by other columns; see `connectors.registry.FindsBy`."""
        folded = tuple(column for column, kind in match.items() if kind in FOLDED_KINDS)
        return msgspec.structs.replace(settings, match=dict(match), via={}, caseless=folded, window=WindowSettings())

    def check(self) -> None:
        """Look at tables and columns, and have the database look at the query."""
        self._database.forget()
        target = self._target(self._window_now())
        wanted = self._wanted(target.table, is_resumed=False)
        unreadable = [column.name for column in wanted.columns if not column.is_readable]
        if unreadable:
            raise self._chain.refused(
                f"this account may not read column {unreadable[0]!r} of {target.table.name!r}",
                "GRANT SELECT on it, or leave it out with `exclude`",
            )
        self._database.verify(self._database.build_lookup(target, wanted))

    def plan(self, subjects: Sequence[IdentifiedSubject]) -> tuple[Partition, ...]:
        """Return one partition: the table is read in one query."""
        del subjects
        window = self._window_now()
        target = self._target(window)
        self._goes_over = any(self._is_large(table) for table in gone_over(target))
        rows = self._average_rows(target)
        width = self._database.statistics(target.table).row_bytes
        spec = msgspec.json.encode(window).decode()
        return (Partition(number=0, spec=spec, rows=rows, size_bytes=None if rows is None or width is None else rows * width),)

    @property
    def is_scan(self) -> bool | None:
        """Whether a read goes over a whole table that is large, as it was planned last; None where none was planned yet."""
        return self._goes_over

    def read(
        self, partition: Partition, subjects: Sequence[IdentifiedSubject], cursor: Cursor | None = None
    ) -> Iterator[ReadHeader | Item]:
        """Yield the header, then batches in order of subject and key."""
        return self.read_at(None, partition, subjects, cursor)

    @property
    def system(self) -> str:
        """The database; see `connectors.interface.Holding`."""
        return self._identity

    def hold(self, limit_s: float) -> Snapshot | None:
        """Keep a snapshot of the database."""
        return self._database.snapshot(limit_s)

    def read_at(
        self, moment: Moment | None, partition: Partition, subjects: Sequence[IdentifiedSubject], cursor: Cursor | None = None
    ) -> Iterator[ReadHeader | Item]:
        """Read as `read` does, what a snapshot of this database sees."""
        window = msgspec.json.decode(partition.spec, type=Window) if partition.spec else ALWAYS  # of earlier versions
        query, header = self._query(window, is_resumed=cursor is not None)
        # A scan for many that dies starts again, for all of them at once. Each by itself, behind its last part, would be as many scans.
        if self._goes_over is None:  # it was planned before a restart
            self.plan(subjects)
        is_one_pass = bool(self._goes_over) and len(subjects) > 1
        yield msgspec.structs.replace(header, has_key=False) if is_one_pass else header
        values = [fill(slot, subjects) for slot in query.slots]
        names = [_HIDDEN.key_part(number) for number in range(len(query.key))]
        is_proven = not names or self._target(window).table.is_unique(frozenset(key.name for key in query.key))
        last: tuple[object, ...] | None = None
        for batch in self._database.stream(query, values, _parts(cursor), snapshot=moment):
            if not is_proven or any(batch.column(name).null_count for name in names):
                last = self._check_key(batch, names, last)
            if is_one_pass:
                yield Rows(batch.select([name for name in batch.schema.names if name not in names]))
            else:
                yield Rows(batch if len(names) < _SEVERAL else _with_struct(batch, names))

    def estimate(self, subjects: Sequence[IdentifiedSubject], *, limit_s: float) -> tuple[Estimate, ...]:
        """Count by the index; where there is none and it takes too long, ask the planner, or take the table's average."""
        target = self._target(self._window_now())
        query = self._database.build_count(target)
        values = [fill(slot, subjects) for slot in query.slots]
        widths = self._database.widths(target.table)
        visible = [column.name for column in target.table.columns if column.name not in self._settings.exclude]
        width = sum(widths[name] + len(name) + _PER_MEMBER for name in visible) + _PER_LINE if widths.keys() >= set(visible) else None
        counted = self._database.count(query, values, limit_s=limit_s)
        if counted is not None:
            return tuple(_estimate(counted.get(index, 0), width, is_exact=query.is_exact) for index in range(len(subjects)))
        guessed = None
        if len(subjects) == 1:
            with suppress(SourceRefused):  # a type that the planner cannot be asked about so: that is no reason to say nothing
                guessed = self._database.guess(target, query, values)
        return (_estimate(self._average_rows(target) if guessed is None else guessed, width, is_exact=False),) * len(subjects)

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds that the chain is matched by."""
        return self._chain.kinds

    def owners(self, kind: str, columns: Sequence[str], values: Sequence[str]) -> list[int]:
        """Count in one query, from the rows that hold the values up to those that name people; see `connectors.interface.Attributing`."""
        held = self._chain.holding(kind, columns, is_ascii=all(map(str.isascii, values)), is_single=len(values) == 1)
        query = self._database.build_owners(held, self._chain.resolve())
        probes = [IdentifiedSubject(subject=_NOBODY, identifiers={kind: (value,)}) for value in values]
        counted = self._database.count(query, [fill(slot, probes) for slot in query.slots], limit_s=_OWNERS_S)
        if counted is None:
            raise SourceUnavailable(
                f"source {self._source_name!r}: counting who shares an identifier in {self._settings.table!r}"
                f" takes longer than {_OWNERS_S:.0f} s",
                source_name=self._source_name,
                hint="give its columns in `identifiers` an index, and the columns that `via` leads to",
            )
        return [counted.get(index, 0) for index in range(len(values))]

    def advice(self) -> tuple[str, ...]:
        """Name the indexes that columns in lower case lack by now, over the whole chain."""
        self._database.forget()
        found = (self._database.missing_index(table, column) for table, column in self._chain.compared_in_lower_case())
        return tuple(dict.fromkeys(filter(None, found)))

    def excess(self) -> tuple[str, ...]:
        """Ask for each table of the chain."""
        waiting, found = [self._target()], dict[str, None]()
        while waiting:
            target = waiting.pop()
            found |= dict.fromkeys(self._database.excess(target.table))
            waiting += [via.parent for via in target.via]
        return tuple(found)

    def close(self) -> None:
        """Release the database."""
        self._database.close()

    # -- what is read -------------------------------------------------------------------------------------------------
    def _window_now(self) -> Window:
        return resolve(self._settings.window, datetime.now(UTC))

    def _target(self, window: Window = ALWAYS) -> Target:
        target = self._chain.resolve()
        column = target.table.find(self._settings.time)
        if window.is_open or column is None:
            return target
        sql = self._database.within(column, window.since, window.until)
        if sql is None:
            raise self._chain.refused(
                f"column {column.name!r} of {target.table.name!r} ({column.column.source_type}) holds no dates or moments:"
                " no window can be applied",
                "name another column, or a view that has one, or leave window out",
            )
        return msgspec.structs.replace(target, within=Within(sql, window.said(column.sql)))

    def _query(self, window: Window, *, is_resumed: bool) -> tuple[Query, ReadHeader]:
        target = self._target(window)
        looked_up = tables(target)
        built = self._built
        if (
            built is None
            or built[2] != window
            or len(built[0]) != len(looked_up)
            or any(a is not b for a, b in zip(built[0], looked_up, strict=True))
        ):
            self._built = built = looked_up, {}, window
        if is_resumed not in built[1]:
            wanted = self._wanted(target.table, is_resumed=is_resumed)
            query = self._database.build(target, wanted)
            names = tuple(key.name for key in wanted.key)
            header = ReadHeader(
                columns=query.columns,
                match=tuple(
                    MatchColumn(batch_column=matched.output, identifier_kind=matched.kind, is_number=matched.is_number, over=matched.over)
                    for matched in query.match
                ),
                searched=describe(target, names),
                left_out=window.left_out(self._settings.time),
                in_subject_order=True,
                has_key=bool(query.key),
                key=names if {column.name for column in query.columns}.issuperset(names) else (),
            )
            built[1][is_resumed] = query, header
        return built[1][is_resumed]

    def _wanted(self, table: Table, *, is_resumed: bool) -> Wanted:
        columns = tuple(column for column in table.columns if column.name not in self._settings.exclude)
        if not columns:
            raise self._chain.refused(f"`exclude` leaves no column of {table.name!r}", "leave the source out instead")
        return Wanted(columns=columns, key=self._key(table), is_resumed=is_resumed, hidden=_HIDDEN)

    def _key(self, table: Table) -> tuple[TableColumn, ...]:
        """Return the columns to order by: as configured, or the primary key."""
        names = key_names(self._settings)
        columns = tuple(column for column in map(table.find, names or table.primary_key) if column is not None)
        unusable = [column for column in columns if not column.key_type]
        is_kept = table.is_unique(frozenset(column.name for column in columns)) and not any(column.has_nulls for column in columns)
        if not names:
            return columns if is_kept and not unusable else ()
        if unusable:
            raise self._chain.refused(
                f"column {unusable[0].name!r} of {table.name!r} cannot be the key", "use a column of integers or texts"
            )
        if not table.is_view and not is_kept:
            raise self._chain.refused(
                f"{_said(names)} of {table.name!r} cannot be the key: the database does not keep it unique and without NULL",
                "name the primary key or a unique column, or leave `key` out",
            )
        return columns

    def _check_key(self, batch: pa.RecordBatch, names: Sequence[str], last: tuple[object, ...] | None) -> tuple[object, ...]:
        """Refuse a key of a view that is not one: a read could not go on after it without losing rows."""
        parts = [batch.column(name) for name in (SUBJECT_COLUMN, *names)]
        same = reduce(pc.and_, [pc.equal(part[1:], part[:-1]) for part in parts])
        if any(part.null_count for part in parts) or pc.any(same).as_py() or last == tuple(part[0].as_py() for part in parts):
            raise self._chain.refused(
                f"{_said(key_names(self._settings))} of {self._settings.table!r} cannot be the key: it is NULL, or the same in two rows",
                "name a unique column, or leave `key` out",
            )
        return tuple(part[-1].as_py() for part in parts)

    def _is_large(self, table: Table) -> bool:
        rows = self._database.statistics(table).rows
        return rows is not None and rows >= _WORTH_SHARING

    def _average_rows(self, target: Target) -> int | None:
        """Return how many rows somebody has who has any: rows over the number of different people, of each way to them."""
        rows = self._database.statistics(target.table).rows
        people = [self._people(found, column) for found, column in roots(target)]
        if rows is None or not all(people):
            return None
        return max(1, round(sum(rows / count for count in people if count)))

    def _people(self, target: Target, column: str) -> float | None:
        return self._database.statistics(target.table).distinct.get(column)


def _said(names: Sequence[str]) -> str:
    return f"column {names[0]!r}" if len(names) == 1 else f"what columns {', '.join(map(repr, names))} are together"


def _parts(cursor: Cursor | None) -> tuple[int | str | bytes, ...]:
    """Return the cursor's value for each column of the key."""
    if cursor is None:
        return ()
    return cursor.after if isinstance(cursor.after, tuple) else (cursor.after,)


def _with_struct(batch: pa.RecordBatch, names: Sequence[str]) -> pa.RecordBatch:
    """Bring the columns of a key together; nothing is copied."""
    key = pa.StructArray.from_arrays([batch.column(name) for name in names], [str(number) for number in range(len(names))])
    kept = [name for name in batch.schema.names if name not in names]
    return pa.RecordBatch.from_arrays([*(batch.column(name) for name in kept), key], [*kept, KEY_COLUMN])


def _estimate(rows: int | None, row_bytes: float | None, *, is_exact: bool) -> Estimate:
    if rows is None:
        return Estimate()
    size = 0 if not rows else None if row_bytes is None else round(rows * row_bytes)
    return Estimate(rows=Amount(rows, is_exact=is_exact), size_bytes=None if size is None else Amount(size, is_exact=not rows and is_exact))
