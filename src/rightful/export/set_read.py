"""One pass over one partition of a source, for all the subjects that wait for it."""

from array import array
from collections.abc import Callable, Iterator, Sequence

import msgspec
import pyarrow as pa

from rightful.clock import Clock
from rightful.config.model import ExportSettings, SourceConfig
from rightful.connectors.interface import (
    KEY_COLUMN,
    Connector,
    Cursor,
    FileItem,
    Holding,
    Item,
    Partition,
    ReadHeader,
    Rows,
    SkippedItem,
)
from rightful.errors import PackageError, SourceRefused
from rightful.export.batches import Gathering, Runs, Slice, by_subject, runs
from rightful.export.check import SetCheck, check_rows, foreign_data
from rightful.export.drafting import Drafting, Marks
from rightful.export.files import FileSender
from rightful.export.going_on import goes_on, key_names, moments_with, refused_of, searched_for, searched_kinds
from rightful.export.hours import Hours
from rightful.export.letting_go import let_go
from rightful.export.moments import Share
from rightful.export.outbox import Outbox
from rightful.export.records import ReadRecord
from rightful.export.spool import Spool, SpoolFull
from rightful.export.subject_read import SubjectRead
from rightful.export.watch import Watch
from rightful.export.withholding import Amounts, Withholding, amounts, cut, pick
from rightful.package.filled import filled_of, has_value
from rightful.package.parts import Part, PartCutter
from rightful.package.redacting import Counts, Plan, plan
from rightful.package.schema import TAKING
from rightful.package.serializer import Serializer, find_column
from rightful.subject.model import IdentifiedSubject

_MIB = 1 << 20
_SPOOL_BYTES = 32 * _MIB
_GATHERED_BYTES = 8 * _MIB
_SLICE_ROWS = 4096


class SetRead:
    """Reads a partition once, and delivers to each subject what is theirs."""

    def __init__(
        self,
        source: SourceConfig,
        connector: Connector,
        partition: Partition,
        states: Sequence[SubjectRead],
        *,
        outbox: Outbox,
        settings: ExportSettings,
        clock: Clock,
        pause: Callable[[], None],
        share: Share,
        watch: Watch,
    ) -> None:
        """Take at least one read that is alive, and the moment that they are of.

        `pause` is called between items and raises where the pass must be broken off.
        """
        self._share = share
        self._watch = watch
        self._source = source
        self._connector = connector
        self._partition = partition
        self._states = states
        self._drafting = Drafting(source, partition.number, settings)
        self._outbox = outbox
        self._part_bytes = settings.part_mib * _MIB
        self._forms = settings.formats
        self._has_viewer = settings.viewer == "on"
        self._time_column = source.label.time if source.label is not None else ""
        self._clock = clock
        self._pause = pause
        self._header = ReadHeader()
        self._set_check = SetCheck((), (), source_name=source.name)
        self._serializer = Serializer(())
        self._plan = Plan(columns=())
        self._withholding = Withholding(self._plan, states)
        self._filled = filled_of((), frozenset())
        self._hours = Hours(())
        self._cutters: dict[int, PartCutter] = {}
        self._seen = [0 for _ in states]
        """How many rows of each subject were given."""
        self._spool = Spool(_SPOOL_BYTES, most_bytes=settings.spool_mib * _MIB)
        self._gathering = Gathering(_GATHERED_BYTES)
        self._files = FileSender(source, outbox)

    def run(self) -> None:
        """Read to the end, deliver everything and put down that the reads are done.

        Raises:
            SourceError: the connector's own, or one that says what is wrong with what it gave.
        """
        header, items = self._open()
        first = self._states[0]
        if not goes_on(first, header, self._plan, self._forms) or not first.track(key_names(header, self._plan)):
            let_go(items)
            first.start_again()
            header, items = self._open()
        try:
            self._begin(header)
            for item in items:
                self._pause()
                self._let_go()
                if not any(state.is_alive for state in self._states):
                    return
                self._take(item)
            self._take_ordered(self._gathering.rest())
            self._finish_cutters()
            if self._is_spooled:
                self._empty_spool()
        finally:
            self._spool.close()
            let_go(items)
        if not self._is_spooled:
            for state in self._states:
                self._finish(state)
        self._outbox.deliver()

    def _let_go(self) -> None:
        """Drop the reads of operations that were cancelled: the store would say so at their next checkpoint."""
        for state in self._states:
            if state.leash.is_pulled:
                state.is_alive = False

    @property
    def _is_spooled(self) -> bool:
        return len(self._states) > 1 and not self._header.in_subject_order

    def _open(self) -> tuple[ReadHeader, Iterator[ReadHeader | Item]]:
        """Begin to read after the cursor, if any: a read that has one is claimed alone."""
        items = self._read([state.subject for state in self._states], self._states[0].cursor)
        header = next(items, None)
        if isinstance(header, ReadHeader):
            try:
                self._plan = plan(header.columns, self._source.redact, source_name=self._source.name)
            except SourceRefused:
                let_go(items)
                raise
            return header, items
        let_go(items)
        raise connector_fault(self._source.name, "did not begin with what it searched")

    def _read(self, subjects: Sequence[IdentifiedSubject], cursor: Cursor | None) -> Iterator[ReadHeader | Item]:
        if self._share.held is None or not isinstance(self._connector, Holding):
            return self._connector.read(self._partition, subjects, cursor)
        return self._connector.read_at(self._share.held.moment, self._partition, subjects, cursor)

    def _begin(self, header: ReadHeader) -> None:
        self._header = header
        self._seen = [state.seen if state.cursor is not None else 0 for state in self._states]
        self._set_check = SetCheck(header.match, [state.subject for state in self._states], source_name=self._source.name)
        self._files.template = header.searched
        self._serializer = Serializer(self._plan.columns)
        self._withholding = Withholding(self._plan, self._states)
        self._drafting.begin(self._plan.columns)
        labelled = frozenset(self._source.label.columns if self._source.label is not None else ())
        self._filled = filled_of(tuple(column for column in self._plan.columns if column.redaction not in TAKING), labelled)
        self._hours = Hours(self._plan.columns, named=self._time_column, is_wanted=self._has_viewer and not self._is_spooled)
        checks = self._watch.begin(header, self._plan)
        now = self._clock.now()
        kinds = searched_kinds(header)
        names = key_names(header, self._plan)
        for state, check in zip(self._states, checks, strict=True):
            state.track(names)
            state.record = ReadRecord(
                columns=self._plan.columns,
                forms=self._forms,
                redacted=self._withholding.begin(state),
                filled=state.record.filled if state.cursor is not None else (),
                leaks=check,
                searched=header.searched,
                left_out=header.left_out,
                identifiers={kind: len(state.subject.values(kind)) for kind in kinds},
                refused=refused_of(state.subject, kinds),
                searched_for=searched_for(state, header, self._plan),
                key=names,
                fingerprints=None if state.tracker is None else state.tracker.count,
                seen=state.record.seen if state.cursor is not None else None,
                moments=moments_with(state.record.moments, self._share.taken_at),
                started_at=state.record.started_at or now,
            )

    def _take(self, item: ReadHeader | Item) -> None:
        match item:
            case Rows(batch=batch):
                if self._is_spooled:
                    self._take_ordered(self._gathering.add(batch))
                    return
                for piece in _slices(batch):
                    self._take_rows(*by_subject(piece))
            case FileItem():
                if (state := self._state(item.subject)).is_alive:
                    self._files.send(state, item)
            case SkippedItem():
                if (state := self._state(item.subject)).is_alive:
                    self._files.skip(state, item)
            case ReadHeader():
                raise connector_fault(self._source.name, "began twice")

    def _take_ordered(self, batches: Iterator[pa.RecordBatch]) -> None:
        for batch in batches:
            for piece in _slices(batch):
                self._take_rows(piece, runs(piece))

    def _take_rows(self, ordered: pa.RecordBatch, counts: Runs) -> None:
        if not self._header.match:
            raise SourceRefused(
                f"source {self._source.name!r} gives rows without saying what they were matched by",
                source_name=self._source.name,
                code="ForeignData",
                hint="the connector must name its match columns",
            )
        for subject, _ in counts:
            self._state(subject)
        self._check(ordered, counts)
        start = 0
        lines, withheld = self._lines(ordered, counts)
        self._hours.look(ordered)
        for (subject, count), piece in zip(counts, lines, strict=True):
            if self._states[subject].is_alive:
                self._keep(subject, piece, Slice(ordered, start, count), cut(withheld, start, count) if withheld else ())
            start += count
        self._watch.go_on(counts)

    def _check(self, batch: pa.RecordBatch, counts: Sequence[tuple[int, int]]) -> None:
        """Let nothing be kept that cannot be shown to be its subject's; those that are dropped get nothing anyway."""
        if len(counts) > 1:
            for subject in self._set_check.suspects(batch):
                self._outbox.set_aside(self._states[subject], foreign_data(self._source.name))
            return
        state = self._states[counts[0][0]]
        if state.is_alive:
            try:
                check_rows(batch, self._header.match, state.subject, source_name=self._source.name)
            except SourceRefused as error:
                if len(self._states) == 1:
                    raise
                self._outbox.set_aside(state, error)

    def _lines(self, batch: pa.RecordBatch, counts: Sequence[tuple[int, int]]) -> tuple[Sequence[bytes], tuple[Counts, ...]]:
        """Return each subject's lines, and what was withheld row by row; whose values have no written form is set aside."""
        try:
            return self._written(batch, counts)
        except PackageError:
            if len(self._states) == 1:
                raise
        pieces: list[bytes] = []
        withheld: tuple[Counts, ...] = tuple(array("I") for _ in self._plan.ruled)
        start = 0
        for subject, count in counts:
            try:
                [piece], numbers = self._written(batch.slice(start, count), [(subject, count)])
            except PackageError as error:
                piece, numbers = b"", tuple(array("I", bytes(4 * count)) for _ in withheld)
                self._outbox.set_aside(self._states[subject], error)
            pieces.append(piece)
            for whole, number in zip(withheld, numbers, strict=True):
                whole.extend(number)
            start += count
        return pieces, withheld

    def _written(self, batch: pa.RecordBatch, counts: Sequence[tuple[int, int]]) -> tuple[Sequence[bytes], tuple[Counts, ...]]:
        redacted, withheld = self._withholding.apply(batch, counts)
        for subject, error in self._watch.look(redacted, counts).items():
            self._outbox.give_up(self._states[subject], error)
        return self._serializer.lines_by(redacted, [count for _, count in counts]), withheld

    def _state(self, subject: object) -> SubjectRead:
        if isinstance(subject, int) and 0 <= subject < len(self._states):  # a NULL in a batch is no int
            return self._states[subject]
        raise connector_fault(self._source.name, "gave something of a subject that it was not asked for")

    def _keep(self, subject: int, piece: bytes, rows: Slice, withheld: tuple[Counts, ...]) -> None:
        self._note_filled(self._states[subject], piece, rows)
        before = self._seen[subject]
        self._seen[subject] += rows.count
        tracker = self._states[subject].tracker
        kept = None if tracker is None else tracker.lines(piece)
        if kept is not None:
            piece, withheld = kept.content, pick(withheld, kept.rows)
        self._watch.keep(subject, rows.count, None if kept is None else kept.rows)
        if self._is_spooled:
            try:
                self._spool.append(subject, piece)
            except SpoolFull:
                # Refused and not to be tried again as it is: the set is cut, down to single reads, which need no spool.
                raise SourceRefused(
                    f"source {self._source.name!r} has more on {len(self._states)} people than `export.spool_mib` lets gather at once",
                    source_name=self._source.name,
                ) from None
            if withheld:
                self._states[subject].count_withheld(amounts(withheld))  # such a read has no cursor: it counts anew from the beginning
            return
        self._withholding.hold(subject, withheld)
        if kept is None:  # else they are looked for in the lines that are left
            self._hours.hold(subject, rows.start, rows.count)
        if subject not in self._cutters:
            self._finish_cutters()  # the rows of the subjects before this one are all there
            self._cutters[subject] = PartCutter(self._part_bytes)
        keys = rows.cut().column(KEY_COLUMN) if self._header.has_key else None
        for part in self._cutters[subject].feed(piece, keys if kept is None else Marks(keys, kept, before)):
            self._add(subject, part, self._withholding.take(subject, part.rows))

    def _note_filled(self, state: SubjectRead, piece: bytes, rows: Slice) -> None:
        """Look at all rows, those that a difference leaves out too; what a rule takes away as a whole is there all the same."""
        if state.record.filled is not None:
            known = frozenset(state.record.filled)
            left = [column for column in self._plan.taken if column.name not in known]
            taken = [column.name for column in left if has_value(column.kind, find_column(rows.cut(), column.name))]
            state.note_filled(self._filled.look(piece, known, rows.is_null).union(taken))

    def _finish_cutters(self) -> None:
        for subject, cutter in self._cutters.items():
            last = cutter.finish()
            if last is not None:
                self._add(subject, last, self._withholding.take(subject, last.rows))
        self._cutters.clear()

    def _empty_spool(self) -> None:
        for subject, state in enumerate(self._states):
            for part in _cut(self._spool.take(subject), self._part_bytes):
                self._add(subject, part)
            self._finish(state)

    def _finish(self, state: SubjectRead) -> None:
        state.record = msgspec.structs.replace(state.record, ended_at=self._clock.now())
        self._outbox.finish(state)

    def _add(self, subject: int, part: Part, withheld: Amounts = ()) -> None:
        drafts = self._drafting.drafts(
            self._states[subject],
            part,
            withheld=withheld,
            looked_at=self._watch.looked_at(subject, part.rows),
            hours=self._hours.take(subject, part.rows),
        )
        self._outbox.add(self._states[subject], *drafts)


def connector_fault(source_name: str, what: str) -> SourceRefused:
    """Say what a connector did that its contract forbids."""
    return SourceRefused(
        f"the connector of source {source_name!r} {what}",
        source_name=source_name,
        code="ConnectorFault",
        hint="this is a fault of the connector: tell whoever made it",
    )


def _slices(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Yield a batch in slices, so that its text, several times its size, is never in memory at once."""
    return (batch.slice(start, _SLICE_ROWS) for start in range(0, batch.num_rows, _SLICE_ROWS))


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
