"""A connector whose content and faults are scripted: for tests of what stands above connectors."""

import threading
from collections.abc import Iterator, Mapping, Sequence

import msgspec
import pyarrow as pa

from rightful.clock import Clock, SystemClock
from rightful.connectors.interface import (
    KEY_COLUMN,
    SUBJECT_COLUMN,
    Amount,
    Cursor,
    Estimate,
    FileItem,
    Item,
    MatchColumn,
    Partition,
    ReadHeader,
    Rows,
    SkippedItem,
)
from rightful.errors import SourceRefused, SourceUnavailable
from rightful.package.schema import Column, ColumnKind
from rightful.subject.matching import is_usable
from rightful.subject.model import IdentifiedSubject

_ARROW = {
    ColumnKind.BOOL: pa.bool_(),
    ColumnKind.INT: pa.int64(),
    ColumnKind.FLOAT: pa.float64(),
    ColumnKind.TIMESTAMP: pa.timestamp("us"),
    ColumnKind.TIMESTAMP_TZ: pa.timestamp("us", "UTC"),
    ColumnKind.DATE: pa.date32(),
    ColumnKind.TIME: pa.time64("us"),
    ColumnKind.BYTES: pa.binary(),
}


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """What goes wrong, and how often."""

    down: int = 0
    """So many reads (and checks) fail at once with `SourceUnavailable`, then the source answers."""
    plan_down: int = 0
    """So many plans fail with `SourceUnavailable`."""
    is_refused: bool = False
    """Every check, plan and read fails with `SourceRefused`."""
    dies_after: int | None = None
    """A read breaks with `SourceUnavailable` once it has yielded so many items."""
    deaths: int = 1
    """How many reads break in that way."""
    delay_s: float = 0.0
    """Passes (on the clock) before each item."""
    unreadable: frozenset[str] = frozenset()
    """Paths of files that come as `SkippedItem`."""
    broken: Mapping[str, OSError] = {}
    """Paths of files that are listed, and raise this when their content is read."""


class Asked(msgspec.Struct, frozen=True):
    """A read that was asked for."""

    partition: int
    subjects: tuple[str, ...]
    """Object ids, in order."""
    cursor: Cursor | None


class MemoryConnector:
    """Holds rows or files, finds them by exact identifiers, and fails as its `Faults` say.

    Args:
        source_name: named in errors.
        columns: visible columns; none for a source of files.
        match: visible column -> identifier kind; several columns: either.
        rows: values by column name. Partition n of N holds every N-th row, from the n-th on.
        key: a visible column of unique int or str values; rows then come ordered by it and a cursor works.
        files: identifier of `file_kind` -> path -> content.
        file_kind: the kind by which files are found.
        batch_rows: rows in a batch.
    """

    def __init__(
        self,
        source_name: str = "memory",
        *,
        columns: Sequence[Column] = (),
        match: Mapping[str, str] | None = None,
        rows: Sequence[Mapping[str, object]] = (),
        key: str | None = None,
        files: Mapping[str, Mapping[str, bytes]] | None = None,
        file_kind: str = "upn",
        partitions: int = 1,
        batch_rows: int = 100,
        faults: Faults | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.source_name = source_name
        self.asked: list[Asked] = []
        self._columns = tuple(columns)
        self._match = dict(match or {})
        self._rows = sorted(rows, key=lambda row: row[key]) if key else list(rows)  # type: ignore[arg-type,return-value]  # a key's values compare
        self._key = key
        self._files = {name: dict(tree) for name, tree in (files or {}).items()}
        self._file_kind = file_kind
        self._partitions = partitions
        self._batch_rows = batch_rows
        self._faults = faults or Faults()
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._left = {"down": self._faults.down, "plan_down": self._faults.plan_down, "deaths": self._faults.deaths}

    def check(self) -> None:
        """Fail as scripted."""
        self._fail("down")

    def plan(self, subjects: Sequence[IdentifiedSubject]) -> tuple[Partition, ...]:
        """Return the partitions; the estimate is the mean over the subjects given."""
        self._fail("plan_down")
        numbers = range(self._partitions)
        found = [sum(len(self._found(number, subject)) for subject in subjects) for number in numbers]
        return tuple(Partition(number=n, spec=f"{n}", rows=found[n] // max(1, len(subjects))) for n in numbers)

    def read(
        self, partition: Partition, subjects: Sequence[IdentifiedSubject], cursor: Cursor | None = None
    ) -> Iterator[ReadHeader | Item]:
        """Yield subject after subject."""
        with self._lock:
            self.asked.append(Asked(partition.number, tuple(subject.subject.subject_id for subject in subjects), cursor))
        self._fail("down")
        yield ReadHeader(
            columns=self._columns,
            match=tuple(MatchColumn(batch_column=column, identifier_kind=kind) for column, kind in self._match.items()),
            searched="memory" if self._columns else f"{{{self._file_kind}}}/",
            has_key=self._key is not None,
            key=() if self._key is None else (self._key,),
        )
        for count, item in enumerate(self._items(partition, subjects, cursor)):
            if count == self._faults.dies_after and self._take("deaths"):
                raise SourceUnavailable("the connection broke", source_name=self.source_name)
            if self._faults.delay_s:
                self._clock.sleep(self._faults.delay_s)
            yield item

    def estimate(self, subjects: Sequence[IdentifiedSubject], *, limit_s: float) -> tuple[Estimate, ...]:
        """Count; fails as a plan does."""
        del limit_s
        self._fail("plan_down")
        return tuple(self._estimate(subject) for subject in subjects)

    def close(self) -> None:
        """Do nothing."""

    def _items(self, partition: Partition, subjects: Sequence[IdentifiedSubject], cursor: Cursor | None) -> Iterator[Item]:
        for index, subject in enumerate(subjects):
            yield from self._batches(index, self._found(partition.number, subject), cursor)
            if partition.number == 0:
                yield from self._tree(index, subject, cursor)

    def _found(self, number: int, subject: IdentifiedSubject) -> list[Mapping[str, object]]:
        wanted = [(column, [value for value in subject.values(kind) if is_usable(kind, value)]) for column, kind in self._match.items()]
        rows = self._rows[number :: self._partitions]
        return [row for row in rows if any(row.get(column) is not None and str(row[column]) in values for column, values in wanted)]

    def _estimate(self, subject: IdentifiedSubject) -> Estimate:
        if self._columns:
            return Estimate(rows=Amount(sum(len(self._found(number, subject)) for number in range(self._partitions)), is_exact=True))
        files = [item.size_bytes for item in self._tree(0, subject, None) if isinstance(item, FileItem)]
        return Estimate(files=Amount(len(files), is_exact=True), size_bytes=Amount(sum(files), is_exact=True))

    def _batches(self, index: int, rows: list[Mapping[str, object]], cursor: Cursor | None) -> Iterator[Rows]:
        if cursor and self._key:
            rows = [row for row in rows if row[self._key] > cursor.after]  # type: ignore[operator]  # key and cursor are of one type
        for start in range(0, len(rows), self._batch_rows):
            yield Rows(self._batch(index, rows[start : start + self._batch_rows]))

    def _batch(self, index: int, rows: list[Mapping[str, object]]) -> pa.RecordBatch:
        arrays = [pa.array([row.get(c.name) for row in rows], _ARROW.get(c.kind, pa.string())) for c in self._columns]
        names = [column.name for column in self._columns]
        arrays.append(pa.array([index] * len(rows), pa.int32()))
        names.append(SUBJECT_COLUMN)
        if self._key:
            arrays.append(arrays[names.index(self._key)])
            names.append(KEY_COLUMN)
        return pa.RecordBatch.from_arrays(arrays, names=names)

    def _tree(self, index: int, subject: IdentifiedSubject, cursor: Cursor | None) -> Iterator[Item]:
        for root in subject.values(self._file_kind):
            tree = self._files.get(root, {}) if is_usable(self._file_kind, root) else {}
            for path in sorted(tree, key=_order):
                if cursor and _order(path) <= _order(str(cursor.after)):
                    continue
                if path in self._faults.unreadable:
                    yield SkippedItem(subject=index, path=path, reason="permission denied")
                else:
                    yield self._file(index, root, path, tree[path])

    def _file(self, index: int, root: str, path: str, content: bytes) -> FileItem:
        def read() -> Iterator[bytes]:
            if path in self._faults.broken:
                raise self._faults.broken[path]
            for start in range(0, len(content), 1 << 20):
                yield content[start : start + (1 << 20)]

        return FileItem(subject=index, root=root, path=path, size_bytes=len(content), open=read)

    def _fail(self, fault: str) -> None:
        if self._faults.is_refused:
            raise SourceRefused("access was refused", source_name=self.source_name, hint="grant the right to read")
        if self._take(fault):
            raise SourceUnavailable("the source does not answer", source_name=self.source_name)

    def _take(self, fault: str) -> bool:
        with self._lock:
            self._left[fault] -= 1
            return self._left[fault] >= 0


def _order(path: str) -> list[bytes]:
    return [segment.encode("utf-8", "surrogateescape") for segment in path.split("/")]
