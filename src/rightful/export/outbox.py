"""How entries get from memory into their storage locations, so that a kill at any moment loses nothing and repeats nothing.

For a group of entries, of one operation or of many: put their paths and digests down (stage), put them, sync, put the checkpoint down.
Small entries of many operations share each of these steps.
"""

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence

from rightful.clock import Clock
from rightful.config.model import ExportSettings
from rightful.errors import EntryConflict, SourceRefused, StorageError
from rightful.export.placing import Draft, Placed, gone, place, skip_key
from rightful.export.putting import Putter
from rightful.export.records import EntryRecord
from rightful.export.side_by_side import SideBySide
from rightful.export.subject_read import SubjectRead
from rightful.export.trouble import Trouble
from rightful.ids import OperationId
from rightful.store.interface import Checkpoint, Entry, EntryState, Store

_GROUP_ENTRIES = 256


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
        self._giving_up = threading.Lock()
        self._started = clock.monotonic()
        self._drafts: list[tuple[SubjectRead, Draft]] = []
        self._skips: list[tuple[SubjectRead, Entry]] = []
        self._held = 0

    def add(self, state: SubjectRead, draft: Draft) -> None:
        """Take a draft; delivers what is held when it is enough for a group."""
        self._drafts.append((state, draft))
        self._held += draft.size_bytes
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

    def deliver(self, *, finished: Sequence[SubjectRead] = ()) -> None:
        """Stage, put, sync and put the checkpoint down for all that is held; `finished` reads are done with it."""
        placed = [each for state, draft in self._drafts for each in self._try_place(state, draft)]
        self._drafts, self._held = [], 0
        self._stage(placed)
        self._put(placed)
        self._checkpoint(placed, finished)

    def put_large(self, state: SubjectRead, draft: Draft, chunks: Iterator[bytes]) -> None:
        """Deliver one entry whose content is not held in memory; its digest is known already. What the chunks raise is raised."""
        self.deliver()
        placed = list(self._try_place(state, draft))
        self._stage(placed)
        try:
            self._put(placed, chunks)
        except BaseException:
            if any(each.is_new for each in placed):
                state.give_number_back()
            raise
        self._checkpoint(placed, ())

    def _try_place(self, state: SubjectRead, draft: Draft) -> Iterator[Placed]:
        """Yield the draft's place; nothing where the read is lost or gets lost by it."""
        if state.is_alive:
            try:
                yield place(state, draft)
            except (StorageError, SourceRefused) as error:
                self._give_up(state, error)

    def _stage(self, placed: Sequence[Placed]) -> None:
        new = [each for each in placed if not each.is_there]
        if not new:
            return
        entries = [each.entry(EntryState.STAGED) for each in new]
        reads = list({id(each.owner): each.owner.read for each in new}.values())
        self._drop(self._store.stage(entries, owner=self._owner, reads=reads), [each.owner for each in new])

    def _put(self, placed: Sequence[Placed], chunks: Iterator[bytes] | None = None) -> None:
        """Put and sync what is not there yet: from the drafts' own content, or one from these chunks."""
        new = [each for each in placed if not each.is_there]
        putter = Putter(self._clock)

        def put(each: Placed) -> None:
            self._put_one(putter, each, each.draft.content if chunks is None else chunks)

        self._side_by_side.map(put, new, is_remote=lambda each: each.owner.storage.properties.is_remote)
        self._sync([each.owner for each in new])

    def _put_one(self, putter: Putter, each: Placed, chunks: Sequence[bytes] | Iterator[bytes]) -> None:
        state, draft = each.owner, each.draft
        if not state.is_alive:
            return
        try:
            putter.put(
                state.operation,
                state.storage,
                each.path,
                chunks,
                size_bytes=draft.size_bytes,
                sha256=draft.sha256,
                may_be_there=each.may_be_there,
            )
        except StorageError as error:
            if isinstance(error, EntryConflict):
                # Who resumes must not take what lies there for what was staged.
                self._store.stage([each.entry(EntryState.STAGED, sha256="")], owner=self._owner, reads=[state.read])
            self._give_up(state, error)

    def _sync(self, states: Sequence[SubjectRead]) -> None:
        by_storage: dict[int, list[SubjectRead]] = defaultdict(list)
        for state in states:
            if state.is_alive:
                by_storage[id(state.storage)].append(state)
        for alike in by_storage.values():
            try:
                alike[0].storage.sync()
            except StorageError as error:
                for state in alike:
                    self._give_up(state, error)

    def _give_up(self, state: SubjectRead, error: StorageError | SourceRefused) -> None:
        with self._giving_up:
            if not state.is_alive:
                return
            state.is_alive = False
        if isinstance(error, StorageError):
            self._trouble.storage_of_read(state.operation, state.read, error, self._settings)
        else:
            self._trouble.source([state.operation], [state.read], error, self._settings)

    def _checkpoint(self, placed: Sequence[Placed], finished: Sequence[SubjectRead]) -> None:
        entries: dict[SubjectRead, list[Entry]] = {}
        for each in placed:
            if each.owner.is_alive:
                entries.setdefault(each.owner, []).extend(_now_done(each))
        for state, entry in self._skips:
            if state.is_alive:
                entries.setdefault(state, []).append(entry)
        self._skips = []
        for state in finished:
            left = self._gone(state)
            if state.is_alive:
                state.keep_unmet_skips()
                entries.setdefault(state, []).extend(left)
        done = set(finished)
        checkpoints = [self._checkpoint_of(state, new, is_done=state in done) for state, new in entries.items()]
        if checkpoints:
            self._drop(self._store.checkpoint(checkpoints, owner=self._owner), list(entries))
        for state, checkpoint in zip(entries, checkpoints, strict=True):
            state.has_come_so_far(checkpoint)

    def _checkpoint_of(self, state: SubjectRead, entries: Sequence[Entry], *, is_done: bool) -> Checkpoint:
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
            sealed_outcome=state.sealed.read(state.record),
            entries=tuple(entries),
        )

    def _gone(self, state: SubjectRead) -> list[Entry]:
        if state.is_alive:
            try:
                return gone(state)
            except (StorageError, SourceRefused) as error:
                self._give_up(state, error)
        return []

    def _drop(self, lost: Sequence[OperationId], states: Sequence[SubjectRead]) -> None:
        for state in states:
            if state.operation.operation_id in lost:
                state.is_alive = False


def _now_done(each: Placed) -> Iterator[Entry]:
    """Count an entry that is durable, and yield what changed by it."""
    state, draft = each.owner, each.draft
    state.rows += draft.rows
    if draft.origin:
        state.files += 1
        state.unskip(skip_key(draft.origin))
    state.size_bytes += draft.size_bytes
    state.cursor = draft.cursor
    if not each.is_there:
        yield each.entry(EntryState.DONE)
    yield from each.superseded_entries()
