"""Runs a claimed set of reads: one pass over a source for all the subjects that wait for it."""

import hashlib
import threading
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from rightful.clock import Clock
from rightful.config.model import ExportSettings, SourceConfig
from rightful.connectors.interface import (
    KEY_COLUMN,
    SUBJECT_COLUMN,
    Connector,
    Cursor,
    FileItem,
    Partition,
    ReadHeader,
    Rows,
    SkippedItem,
)
from rightful.errors import ExportError, SourceError, SourceRefused, StorageError
from rightful.export.check import check_rows
from rightful.export.files import FileSender
from rightful.export.identities import Identities
from rightful.export.outbox import Draft, Outbox, SubjectRead
from rightful.export.records import ReadRecord, Sealed
from rightful.export.runtime import TenantRuntime
from rightful.export.spool import Spool
from rightful.export.stopping import Stopping
from rightful.export.trouble import Trouble
from rightful.operation.model import Failure
from rightful.package import paths
from rightful.package.parts import Part, PartCutter
from rightful.package.serializer import Serializer
from rightful.sealing import Sealer
from rightful.storage.registry import Storages
from rightful.store.interface import ClaimedOperation, ClaimedRead, NewRead, ReadSet, Store

_MIB = 1 << 20
_GROUP_BYTES = 8 * _MIB
_SPOOL_BYTES = 32 * _MIB
_SLICE_ROWS = 4096
_WORTH_AN_ESTIMATE = 5_000
"""Rows below which a read is over before anybody could look at its progress."""


class ReadRunner:
    """Runs sets of reads; several side by side, each in a thread of its own."""

    def __init__(
        self,
        *,
        store: Store,
        storages: Storages,
        sealer: Sealer,
        clock: Clock,
        identities: Identities,
        trouble: Trouble,
        owner: str,
        stopping: threading.Event,
    ) -> None:
        self._store = store
        self._storages = storages
        self._sealer = sealer
        self._clock = clock
        self._identities = identities
        self._trouble = trouble
        self._owner = owner
        self._stopping = stopping

    def run(self, claim: ReadSet, tenant: TenantRuntime) -> None:
        """Read for every operation of the set; what goes wrong is put down, nothing is raised but `Stopping` and faults of the store."""
        settings = tenant.config.export
        found = tenant.source(claim.source_name)
        if found is None:
            for operation in claim.operations:
                self._trouble.fail(operation, _unconfigured(claim.source_name))
            return
        source, connector = found
        states: list[SubjectRead] = []
        try:
            states = self._open(claim, tenant)
            if states:
                _SetRead(self, source, connector, states, settings).run(self._partition(claim, states, connector))
        except SourceError as error:
            self._give_back(claim, states, error, settings)
        except Stopping:
            raise
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - a connector may be anybody's code: its operations fail, the service goes on
            self._give_back(claim, states, error, settings)

    def _give_back(self, claim: ReadSet, states: Sequence[SubjectRead], error: BaseException, settings: ExportSettings) -> None:
        pairs: list[tuple[ClaimedOperation, ClaimedRead]] = [(state.operation, state.read) for state in states if state.is_alive]
        if not states:
            pairs = list(zip(claim.operations, claim.reads, strict=True))
        self._trouble.source([operation for operation, _ in pairs], [read for _, read in pairs], error, settings)

    def _open(self, claim: ReadSet, tenant: TenantRuntime) -> list[SubjectRead]:
        """Find the subjects and open the storage locations; operations for which that fails are dealt with and left out."""
        states: list[SubjectRead] = []
        subjects = self._identities.of(claim.operations, tenant.directory)
        for operation, read, subject in zip(claim.operations, claim.reads, subjects, strict=True):
            sealed = Sealed(self._sealer, operation.tenant_id, operation.operation_id)
            if subject is None:
                self._trouble.fail(operation, _GONE)
                continue
            try:
                storage = self._storages.open(sealed.open_location(operation.sealed_location), tenant.policy)
            except StorageError as error:
                self._trouble.storage_of_read(operation, read, error, tenant.config.export)
                continue
            except ExportError as error:
                self._trouble.fail(operation, Failure(code=error.code, message=error.message))
                continue
            known = self._store.entries(operation.operation_id, read.source_name, read.partition) if read.attempt > 1 else ()
            states.append(
                SubjectRead(
                    operation=operation,
                    read=read,
                    subject=subject,
                    storage=storage,
                    sealed=sealed,
                    starts_again=read.sealed_cursor is None,
                    entries=known,
                )
            )
        return states

    def _partition(self, claim: ReadSet, states: list[SubjectRead], connector: Connector) -> Partition:
        """Return the partition to read; the first read of a source plans it and makes reads of the other partitions."""
        spec = claim.reads[0].spec
        if claim.partition or spec:
            return Partition(number=claim.partition, spec=spec)
        partitions = connector.plan([state.subject for state in states])
        first = partitions[0]
        if len(partitions) > 1 or (first.rows or 0) >= _WORTH_AN_ESTIMATE or (first.size_bytes or 0) >= _MIB:
            reads = [
                NewRead(
                    source_name=claim.source_name,
                    partition=each.number,
                    spec=each.spec,
                    estimated_rows=each.rows,
                    estimated_bytes=each.size_bytes,
                )
                for each in partitions
            ]
            lost = self._store.split([state.read for state in states], reads, owner=self._owner)
            for state in states:
                state.is_alive = state.operation.operation_id not in lost
        return first

    def raise_if_stopping(self) -> None:
        """Raise `Stopping` where the service stops."""
        if self._stopping.is_set():
            raise Stopping("the service stops")

    def outbox(self, settings: ExportSettings) -> Outbox:
        """Return an outbox for one set."""
        return Outbox(self._store, self._trouble, settings, clock=self._clock, owner=self._owner, group_bytes=_GROUP_BYTES)

    @property
    def clock(self) -> Clock:
        """The clock that reads are timed by."""
        return self._clock


class _SetRead:
    """One pass over one partition of a source."""

    def __init__(
        self, runner: ReadRunner, source: SourceConfig, connector: Connector, states: Sequence[SubjectRead], settings: ExportSettings
    ) -> None:
        self._runner = runner
        self._source = source
        self._connector = connector
        self._states = states
        self._settings = settings
        self._outbox = runner.outbox(settings)
        self._header = ReadHeader()
        self._serializer = Serializer(())
        self._cutters: dict[int, PartCutter] = {}
        self._spool = Spool(_SPOOL_BYTES)
        self._files = FileSender(source, self._outbox)

    def run(self, partition: Partition) -> None:
        """Read to the end, deliver everything and put down that the reads are done."""
        started_at, started = self._runner.clock.now(), self._runner.clock.monotonic()
        cursor = self._cursor()
        items = self._connector.read(partition, [state.subject for state in self._states], cursor)
        try:
            for item in items:
                self._runner.raise_if_stopping()
                if not any(state.is_alive for state in self._states):
                    return
                self._take(item, partition)
            self._finish_cutters(partition)
            self._empty_spool(partition)
        finally:
            self._spool.close()
            close = getattr(items, "close", None)
            if close is not None:
                close()
        for state in self._states:
            state.record = ReadRecord(
                columns=self._header.columns,
                searched=self._header.searched,
                identifiers={kind: len(values) for kind, values in state.subject.identifiers.items()},
                started_at=started_at,
                ended_at=self._runner.clock.now(),
            )
        self._outbox.deliver(finished=self._states, duration_s=self._runner.clock.monotonic() - started)

    def _cursor(self) -> Cursor | None:
        first = self._states[0]
        return None if first.read.sealed_cursor is None else first.sealed.open_cursor(first.read.sealed_cursor)

    def _take(self, item: ReadHeader | Rows | FileItem | SkippedItem, partition: Partition) -> None:
        match item:
            case ReadHeader():
                self._header = item
                self._files.template = item.searched
                self._serializer = Serializer(item.columns)
            case Rows(batch=batch):
                # In slices, so that the text of a batch, several times its size, is never in memory at once.
                for start in range(0, batch.num_rows, _SLICE_ROWS):
                    self._take_rows(batch.slice(start, _SLICE_ROWS), partition)
            case FileItem():
                self._files.send(self._states[item.subject], item)
            case SkippedItem():
                self._files.skip(self._states[item.subject], item)

    def _take_rows(self, batch: pa.RecordBatch, partition: Partition) -> None:
        if not self._header.match:
            raise SourceRefused(
                f"source {self._source.name!r} gives rows without saying what they were matched by",
                source_name=self._source.name,
                code="ForeignData",
                hint="the connector must name its match columns",
            )
        ordered, counts = _by_subject(batch)
        pieces = self._serializer.lines_by(ordered, [count for _, count in counts])
        start = 0
        for (subject, count), piece in zip(counts, pieces, strict=True):
            rows, state = ordered.slice(start, count), self._states[subject]
            start += count
            check_rows(rows, self._header.match, state.subject, source_name=self._source.name)
            if state.is_alive:
                self._keep(subject, piece, rows, partition)

    def _keep(self, subject: int, piece: bytes, rows: pa.RecordBatch, partition: Partition) -> None:
        if len(self._states) > 1 and not self._header.in_subject_order:
            self._spool.append(subject, piece)
            return
        if subject not in self._cutters:
            self._finish_cutters(partition)  # the rows of the subjects before this one are all there
            self._cutters[subject] = PartCutter(self._settings.part_mib * _MIB)
        keys = rows.column(KEY_COLUMN) if self._header.has_key else None
        for part in self._cutters[subject].feed(piece, keys):
            self._add(self._states[subject], part, partition)

    def _finish_cutters(self, partition: Partition) -> None:
        for subject, cutter in self._cutters.items():
            last = cutter.finish()
            if last is not None:
                self._add(self._states[subject], last, partition)
        self._cutters.clear()

    def _empty_spool(self, partition: Partition) -> None:
        for subject, state in enumerate(self._states):
            for part in _cut(self._spool.take(subject), self._settings.part_mib * _MIB):
                self._add(state, part, partition)

    def _add(self, state: SubjectRead, part: Part, partition: Partition) -> None:
        digest = hashlib.sha256()
        for piece in part.content:
            digest.update(piece)
        number = state.next_part
        state.next_part += 1
        # Part numbers and cursors go together: an entry's checkpoint says both where to go on and what number comes next.
        cursor = Cursor(part.last_key) if isinstance(part.last_key, int | str | bytes) else None
        draft = Draft(
            path=paths.part_path(self._source.product, self._source.name, partition.number, number),
            content=part.content,
            sha256=digest.hexdigest(),
            size_bytes=part.size_bytes,
            rows=part.rows,
            cursor=cursor,
        )
        self._outbox.add(state, draft)


def _by_subject(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, list[tuple[int, int]]]:
    """Return the batch ordered by subject, each subject's rows in their order, and (subject, number of rows) of each."""
    subjects = batch.column(SUBJECT_COLUMN)
    if pc.count_distinct(subjects).as_py() == 1:
        return batch, [(subjects[0].as_py(), batch.num_rows)]
    ordered = batch.take(pc.array_sort_indices(subjects))  # a stable sort
    runs = pc.value_counts(ordered.column(SUBJECT_COLUMN)).to_pylist()
    return ordered, [(run["values"], run["counts"]) for run in runs]


def _cut(pieces: Iterator[bytes], limit_bytes: int) -> Iterator[Part]:
    """Cut pieces that end anywhere into parts."""
    cutter = PartCutter(limit_bytes)
    rest = b""
    for piece in pieces:
        whole = rest + piece
        end = whole.rfind(b"\n") + 1
        rest = whole[end:]
        if end:
            yield from cutter.feed(whole[:end], None)
    last = cutter.finish()
    if last is not None:
        yield last


def _unconfigured(source_name: str) -> Failure:
    return Failure(
        code="ConfigurationInvalid",
        message=f"source {source_name!r} is no longer in the configuration; put it back and resume, or submit the request again",
        source_name=source_name,
    )


_GONE = Failure(code="SubjectGone", message="the subject is no longer in the directory; submit the request again where that is wrong")
