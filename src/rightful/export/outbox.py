"""How entries get from memory into their storage locations, so that a kill at any moment loses nothing and repeats nothing.

For a group of entries, of one operation or of many: put their paths and digests down (stage), put them, sync, put the checkpoint down.
Small entries of many operations share each of these steps.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from rightful.clock import Clock
from rightful.config.model import ExportSettings
from rightful.errors import EntryConflict, ExportError, SourceRefused, StorageError, StorageUnavailable
from rightful.export.known import MARKER, Known, Standing
from rightful.export.placing import Draft, Placed, gone, is_known, look, place, skip_key
from rightful.export.putting import Putter, Try, Unput, hashed, sync_each
from rightful.export.records import EntryRecord
from rightful.export.side_by_side import SideBySide
from rightful.export.subject_read import SubjectRead
from rightful.export.trouble import Trouble
from rightful.export.zipping import ZipStorage
from rightful.ids import OperationId
from rightful.leash import working
from rightful.operation.model import SUBMIT_AGAIN
from rightful.storage.interface import Put
from rightful.store.interface import Store
from rightful.store.values import Checkpoint, Entry, EntryState

_GROUP_ENTRIES = 1024
"""Enough for the parts and shards of a set by an index (`engines.embedded`), so that its reads are put down once, with their ends."""

_Became = Callable[[], Entry]
"""A placed entry as the store keeps it then."""


class Outbox:
    """Collects drafts of a set of reads and delivers them in groups; drops the reads whose lease or storage location is lost."""

    def __init__(
        self,
        store: Store,
        trouble: Trouble,
        settings: ExportSettings,
        *,
        clock: Clock,
        owner: str,
        group_bytes: int,
        side_by_side: SideBySide,
    ) -> None:
        """Begin with the reads: their durations count from now."""
        self._store = store
        self._clock = clock
        self._trouble = trouble
        self._settings = settings
        self._owner = owner
        self._group_bytes = group_bytes
        self._side_by_side = side_by_side
        self._started = clock.monotonic()
        self._drafts: list[tuple[SubjectRead, Draft]] = []
        self._skips: list[tuple[SubjectRead, Entry]] = []
        self._finished: list[SubjectRead] = []
        self._held = 0
        self._putter = Putter(clock)

    def add(self, state: SubjectRead, *drafts: Draft) -> None:
        """Take drafts that one checkpoint is to make count; delivers what is held when it is enough for a group."""
        self._drafts += ((state, draft) for draft in drafts)
        self._held += sum(draft.size_bytes for draft in drafts)
        if self._held >= self._group_bytes or len(self._drafts) >= _GROUP_ENTRIES:
            self.deliver()

    def skip(self, state: SubjectRead, origin: bytes, reason: str) -> None:
        """Take an item that could not be read; it is put down with the next checkpoint."""
        state.miss(origin)
        key = skip_key(origin)
        if state.skip(key, reason):
            return
        known = state.meet(key)
        record = EntryRecord(key=key, origin=origin, reason=reason)
        entry = Entry(
            operation_id=state.operation.operation_id,
            source_name=state.read.source_name,
            partition=state.read.partition,
            number=known[-1].entry.number if known else state.take_number(),
            state=EntryState.SKIPPED,
            sealed=state.sealed.entry(record),
        )
        self._skips.append((state, entry))

    def pass_over(self, state: SubjectRead, origin: bytes) -> None:
        """Note a file that is there and need not be delivered; that it was skipped before counts no more."""
        key = skip_key(origin)
        number = state.replace_skip(key)
        if number is not None:
            record = EntryRecord(key=key, origin=origin)
            entry = Entry(
                operation_id=state.operation.operation_id,
                source_name=state.read.source_name,
                partition=state.read.partition,
                number=number,
                state=EntryState.VOID,
                sealed=state.sealed.entry(record),
            )
            self._skips.append((state, entry))
        state.unskip(key)

    def finish(self, state: SubjectRead) -> None:
        """Let a read be done with the next group."""
        self._finished.append(state)

    def set_aside(self, state: SubjectRead, error: ExportError) -> None:
        """Give up what one of a set asked for: its own data may be at fault, so it is read alone, and the others go on."""
        if state.is_alive:
            state.is_alive = False
            self._trouble.source([state.operation], [state.read], error, self._settings, is_shared=True)

    def give_up(self, state: SubjectRead, error: SourceRefused) -> None:
        """Fail what one of a set asked for: reading it alone would show the same. Of it nothing more is put, the others go on."""
        self._give_up(state, error)

    def deliver(self) -> None:
        """Stage, put, sync and put the checkpoint down for all that is held."""
        self._putter = Putter(self._clock)
        with working(state.leash for state in (*(state for state, _ in self._drafts), *self._finished)):
            placed = [each for state, draft in self._drafts for each in self._try_place(state, draft)]
            self._drafts, self._held = [], 0
            self._stage(placed)
            self._put(placed, lambda each: self._put_one(each, each.draft.content))
            finished, self._finished = self._finished, []
            self._checkpoint(placed, finished)

    def put_once(self, state: SubjectRead, path: str, size_bytes: int, chunks: Iterator[bytes], draft: Callable[[str], Draft]) -> bool:
        """Deliver one entry while it is read for the only time: it is put down when its digest is known, before its last chunk leaves.

        False where the digest has to be known first: an earlier attempt may have put it, or something lies at its path. What the chunks
        raise is raised. Path and size are those of the draft, which is made of the digest.
        """
        self.deliver()
        if not state.is_alive:
            return True
        if is_known(state, path):
            return False
        placed: list[Placed] = []

        def stage(sha256: str) -> None:
            placed.extend(self._try_place(state, draft(sha256)))
            self._stage(placed)
            if not state.is_alive:
                raise _Lost

        with state.leash.working():
            try:
                tried = self._putter.attempt(state.operation, state.storage, path, hashed(chunks, stage), size_bytes=size_bytes)
            except _Lost:
                return True
            if placed:
                self._put(placed, lambda each: self._judge(each, tried))
                self._checkpoint(placed, ())
            elif tried.error is None or isinstance(tried.error, EntryConflict):
                return False
            elif isinstance(tried.error, StorageError):
                self._give_up(state, tried.error)
            else:
                raise tried.error
        return True

    def put_large(self, state: SubjectRead, draft: Draft, chunks: Iterator[bytes]) -> None:
        """Deliver one entry that is read a second time; its digest is known already. What the chunks raise is raised."""
        self.deliver()
        with state.leash.working():
            placed = list(self._try_place(state, draft))
            self._stage(placed)
            try:
                self._put(placed, lambda each: self._put_one(each, chunks))
            except BaseException:
                if any(each.is_new for each in placed):
                    state.give_number_back()
                raise
            self._checkpoint(placed, ())

    def _try_place(self, state: SubjectRead, draft: Draft) -> Iterator[Placed]:
        """Yield the draft's place; nothing where the read is lost or gets lost by it."""
        with self._given_up(state):
            if state.is_alive:
                yield place(state, draft, self._probe)

    def _stage(self, placed: Sequence[Placed]) -> None:
        new = [each for each in placed if not each.is_there]
        if not new:
            return
        entries = [each.staged() for each in new]
        reads = list({id(each.owner): each.owner.read for each in new}.values())
        self._drop(self._store.stage(entries, owner=self._owner, reads=reads), [each.owner for each in new])

    def _put(self, placed: Sequence[Placed], put_one: Callable[[Placed], Unput | None]) -> None:
        """Put and sync what is not there yet."""
        new = [each for each in placed if not each.is_there and each.owner.is_alive]
        failed: dict[SubjectRead, StorageError] = {}

        def put(each: Placed) -> _Became | None:
            """Return what became of the entry: None where it may have arrived, or not."""
            if each.owner in failed:
                return each.void if each.standing is None else None
            unput = put_one(each)
            if unput is None:
                return each.arrived if each.owner.storage.properties.is_remote else None
            failed.setdefault(each.owner, unput.error)
            if isinstance(unput.error, EntryConflict):
                return each.taken
            return each.void if unput.is_untouched else None

        became = self._side_by_side.map(put, new, is_remote=lambda each: each.owner.storage.properties.is_remote)
        if failed:
            self._settle([(each, then) for each, then in zip(new, became, strict=True) if each.owner in failed])
            for state, error in failed.items():
                self._give_up(state, error)
        self._sync([each.owner for each in new])

    def _settle(self, became: Sequence[tuple[Placed, _Became | None]]) -> None:
        """Put down what became of entries whose read is about to be given up: whoever resumes need not wonder."""
        known = [then() for _, then in became if then is not None]
        if known:
            self._store.stage(known, owner=self._owner, reads=list({each.owner: each.owner.read for each, _ in became}.values()))

    def _put_one(self, each: Placed, chunks: Sequence[bytes] | Iterator[bytes]) -> Unput | None:
        state, draft = each.owner, each.draft
        return self._judge(each, self._putter.attempt(state.operation, state.storage, each.path, chunks, size_bytes=draft.size_bytes))

    def _judge(self, each: Placed, tried: Try) -> Unput | None:
        state, draft = each.owner, each.draft
        return self._putter.judge(
            tried,
            state.operation,
            state.storage,
            each.path,
            size_bytes=draft.size_bytes,
            sha256=draft.sha256,
            may_be_there=each.may_be_there,
            may_be_marker=each.may_be_marker,
        )

    def _sync(self, states: Sequence[SubjectRead]) -> None:
        failed = sync_each((state.storage for state in states if state.is_alive), self._side_by_side)
        for state in states:
            if id(state.storage) in failed:
                self._give_up(state, failed[id(state.storage)])

    def _give_up(self, state: SubjectRead, error: StorageError | SourceRefused) -> None:
        if not state.is_alive:
            return
        state.is_alive = False
        if isinstance(error, StorageError):
            self._trouble.storage_of_read(state.operation, state.read, error, self._settings)
        else:
            self._trouble.source([state.operation], [state.read], error, self._settings, is_shared=False)

    def _checkpoint(self, placed: Sequence[Placed], finished: Sequence[SubjectRead]) -> None:
        changed: defaultdict[SubjectRead, _Changed] = defaultdict(_Changed)
        for each in placed:
            if each.owner.is_alive:
                _count(each, changed[each.owner])
        for state, entry in self._skips:
            if state.is_alive:
                changed[state].others.append(entry)
        self._skips = []
        for state in finished:
            left = self._gone(state)
            if state.is_alive:
                state.keep_unmet_skips()
                changed[state].others += left
        done = set(finished)
        _sync_fingerprints(changed, done)
        checkpoints = [self._checkpoint_of(state, each, is_done=state in done) for state, each in changed.items()]
        if checkpoints:
            self._drop(self._store.checkpoint(checkpoints, owner=self._owner), list(changed))
        for state, checkpoint in zip(changed, checkpoints, strict=True):
            state.has_come_so_far(checkpoint)

    def _checkpoint_of(self, state: SubjectRead, changed: "_Changed", *, is_done: bool) -> Checkpoint:
        return Checkpoint(
            read=state.read,
            next_part=state.next_part,
            sealed_cursor=None if state.cursor is None else state.sealed.cursor(state.cursor),
            rows=state.rows,
            files=state.files,
            size_bytes=state.size_bytes,
            skipped=state.skipped,
            is_done=is_done,
            duration_s=self._clock.monotonic() - self._started,
            sealed_outcome=state.sealed_record(),
            entries=(*changed.as_staged, *changed.others),
            as_staged=len(changed.as_staged),
            copied_rows=changed.copied_rows,
        )

    def _probe(self, state: SubjectRead, known: Known) -> Known:
        """Put the marker where a staged entry may lie, or may yet land, only if nothing does; return what lies there then."""
        down = self._putter.down(state.operation, state.storage)
        if down is not None:
            raise down
        marking = known.marking()
        self._note(state, marking)
        tried = self._putter.attempt(state.operation, state.storage, known.record.path, (MARKER,), size_bytes=len(MARKER))
        if tried.error is not None:
            if not tried.may_have_arrived:
                self._note(state, known)
            raise tried.error
        state.storage.sync()
        if tried.outcome is Put.WRITTEN:
            found = known.arrived(as_marker=True)
        else:
            is_first = known.standing is Standing.STAGED and not tried.may_have_arrived
            found = self._already_there(state, marking, is_first=is_first)
        self._note(state, found)
        return found

    def _already_there(self, state: SubjectRead, marking: Known, *, is_first: bool) -> Known:
        """Return what kept the marker out: the entry, or a marker that was put before, unless this was the first."""
        try:
            found = look(state, marking)
        except FileNotFoundError:
            raise StorageUnavailable("the storage location says that an entry is there, and has none", hint="it is tried again") from None
        if found is not None:
            return found
        if is_first:
            return marking.arrived()
        raise SourceRefused(
            f"source {marking.entry.source_name!r} changed while its export was interrupted, and it cannot be told which content arrived "
            "in the storage location",
            source_name=marking.entry.source_name,
            code="EntryUnknown",
            hint=SUBMIT_AGAIN,
        )

    def _note(self, state: SubjectRead, known: Known) -> None:
        """Put down where an entry stands; raises `_Lost` where the read is no longer ours, and with it what lies there."""
        self._drop(self._store.stage([state.note(known)], owner=self._owner, reads=[state.read]), [state])
        if not state.is_alive:
            raise _Lost

    def _gone(self, state: SubjectRead) -> list[Entry]:
        with self._given_up(state):
            if state.is_alive:
                return gone(state, self._probe)
        return []

    @contextmanager
    def _given_up(self, state: SubjectRead) -> Iterator[None]:
        """Give a read up where what is done for it in the block shows that it cannot go on."""
        try:
            yield
        except (StorageError, SourceRefused) as error:
            self._give_up(state, error)
        except _Lost:
            pass

    def _drop(self, lost: Sequence[OperationId], states: Sequence[SubjectRead]) -> None:
        for state in states:
            if state.operation.operation_id in lost:
                state.is_alive = False


class _Changed(msgspec.Struct):
    """What changed of a read's entries since its last checkpoint."""

    as_staged: list[Entry] = []
    """First revisions that count now, as they were staged."""
    others: list[Entry] = []
    copied_rows: int = 0


class _Lost(Exception):
    """The lease of a read is somebody else's: nothing more may be put for it."""


def _sync_fingerprints(states: Iterable[SubjectRead], done: Collection[SubjectRead]) -> None:
    """Make durable what checkpoints are about to rely on: of a read that is done, all that was put down."""
    for state in states:
        if state.tracker is not None:
            state.tracker.sync()
            if state in done:
                state.count_fingerprints(state.tracker.count)


def _count(each: Placed, changed: _Changed) -> None:
    """Count an entry that is durable, and note what changed by it."""
    state, draft = each.owner, each.draft
    state.rows += 0 if draft.is_copy else draft.rows
    state.count_withheld(draft.withheld)
    state.count_looked_at(draft.looked_at)
    if draft.origin:
        state.files += 1
        if state.skipped:
            state.unskip(skip_key(draft.origin))
    state.size_bytes += 0 if draft.is_shard else draft.size_bytes
    state.cursor = draft.cursor
    if draft.fingerprints is not None:
        state.count_fingerprints(draft.fingerprints)
    if draft.seen is not None:
        state.count_seen(draft.seen)
    changed.others += each.superseded_entries()
    if each.standing is Standing.DONE:
        return
    changed.copied_rows += draft.rows if draft.is_copy else 0
    if isinstance(state.storage, ZipStorage):
        changed.others.append(each.done(state.storage.take(state.operation.prefix + each.path)))
    else:
        (changed.as_staged if each.counts_as_staged else changed.others).append(each.done())
