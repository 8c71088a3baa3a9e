"""How entries get from memory into their storage locations, so that a kill at any moment loses nothing and repeats nothing.

For a group of entries, of one operation or of many: put their paths and digests down (stage), put them, sync, put the checkpoint down.
Small entries of many operations share each of these steps.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence

import msgspec

from rightful.clock import Clock
from rightful.config.model import ExportSettings
from rightful.connectors.interface import Cursor
from rightful.errors import EntryConflict, SourceRefused, StorageError
from rightful.export.records import EntryRecord, ReadRecord, Sealed
from rightful.export.trouble import Trouble
from rightful.ids import OperationId
from rightful.package import paths
from rightful.storage.interface import Reading, Storage
from rightful.storage.retrying import RetryingStorage
from rightful.store.interface import Checkpoint, ClaimedOperation, ClaimedRead, Entry, EntryState, Store
from rightful.subject.model import IdentifiedSubject

_GROUP_ENTRIES = 256
PUT_ATTEMPTS = 3
"""Tries of one put before its operation waits for the storage location."""

NOTHING = "-"
"""What supersedes an entry that its source no longer has."""


class Draft(msgspec.Struct, kw_only=True, frozen=True):
    """An entry about to be put."""

    path: str
    """Its path in the package, as long as nothing else lies there."""
    content: tuple[bytes, ...]
    sha256: str
    size_bytes: int
    rows: int = 0
    origin: bytes = b""
    """The file's own path in its source; empty for a part of records."""
    cursor: Cursor | None = None
    """Where the read can go on once this entry is durable."""


class _Known(msgspec.Struct, frozen=True):
    """An entry that an earlier attempt put down, opened."""

    entry: Entry
    record: EntryRecord


class SubjectRead:
    """One read of one operation while it runs: what earlier attempts left, what was found so far."""

    def __init__(
        self,
        *,
        operation: ClaimedOperation,
        read: ClaimedRead,
        subject: IdentifiedSubject,
        storage: Storage,
        sealed: Sealed,
        starts_again: bool,
        entries: Sequence[Entry],
    ) -> None:
        self.operation = operation
        self.read = read
        self.subject = subject
        self.storage = storage
        self.sealed = sealed
        self.is_alive = True
        self.record = ReadRecord()
        self.cursor: Cursor | None = None
        # A read that starts again from its beginning counts anew; one that goes on adds to what earlier attempts counted.
        self.next_part = 0 if starts_again else read.next_part
        self.rows = 0 if starts_again else read.rows
        self.files = 0 if starts_again else read.files
        self.size_bytes = 0 if starts_again else read.size_bytes
        self.skipped = 0 if starts_again else read.skipped
        self.starts_again = starts_again
        self._free_number = max((entry.number + 1 for entry in entries), default=0)
        self._known: dict[str, list[_Known]] = defaultdict(list)
        self._paths: dict[bytes, str] = {}
        self._met: set[str] = set()
        for entry in entries:
            record = sealed.open_entry(entry.sealed)
            self._known[record.key].append(_Known(entry, record))
            if record.path and record.origin:
                self._paths[record.origin] = record.key

    def known(self, key: str) -> list[_Known]:
        """Return what earlier attempts put down under a key, oldest revision first."""
        self._met.add(key)
        return self._known.get(key, [])

    def known_paths(self) -> Iterator[str]:
        """Yield the paths of entries that earlier attempts put down."""
        return (known.record.path for several in self._known.values() for known in several if known.record.path)

    def path_of(self, origin: bytes) -> str | None:
        """Return the path that an earlier attempt gave a file of the source."""
        return self._paths.get(origin)

    def unmet(self) -> Iterator[_Known]:
        """Yield what earlier attempts put down and this one did not come to, though it should have."""
        states = {EntryState.STAGED, EntryState.DONE} if self.starts_again else {EntryState.STAGED}
        for key, several in self._known.items():
            if key not in self._met:
                yield from (known for known in several if known.entry.state in states)

    def take_number(self) -> int:
        """Return a number that no entry of this read has."""
        self._free_number += 1
        return self._free_number - 1


class _Placed(msgspec.Struct, kw_only=True):
    """A draft with its place: number, revision and path."""

    owner: SubjectRead
    draft: Draft
    number: int
    revision: int
    path: str
    is_there: bool
    superseded: tuple[_Known, ...]

    def entry(self, state: EntryState) -> Entry:
        """Return it as the store keeps it."""
        draft = self.draft
        record = EntryRecord(key=draft.path, path=self.path, origin=draft.origin)
        return Entry(
            operation_id=self.owner.operation.operation_id,
            source_name=self.owner.read.source_name,
            partition=self.owner.read.partition,
            number=self.number,
            revision=self.revision,
            state=state,
            sha256=draft.sha256,
            size_bytes=draft.size_bytes,
            rows=draft.rows,
            sealed=self.owner.sealed.entry(record),
        )


class Outbox:
    """Collects drafts and delivers them in groups; drops the reads whose lease or storage location is lost."""

    def __init__(self, store: Store, trouble: Trouble, settings: ExportSettings, *, clock: Clock, owner: str, group_bytes: int) -> None:
        self._store = store
        self._clock = clock
        self._trouble = trouble
        self._settings = settings
        self._owner = owner
        self._group_bytes = group_bytes
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
        key = f"skipped:{origin.hex()}"
        known = state.known(key)
        # A read that goes on has counted what an earlier attempt skipped.
        state.skipped += not known or state.starts_again
        entry = Entry(
            operation_id=state.operation.operation_id,
            source_name=state.read.source_name,
            partition=state.read.partition,
            number=known[-1].entry.number if known else state.take_number(),
            state=EntryState.SKIPPED,
            sealed=state.sealed.entry(EntryRecord(key=key, origin=origin, reason=reason)),
        )
        self._skips.append((state, entry))

    def deliver(self, *, finished: Sequence[SubjectRead] = (), duration_s: float = 0.0) -> None:
        """Stage, put, sync and put the checkpoint down for all that is held; `finished` reads are done with it."""
        placed = [each for state, draft in self._drafts for each in self._try_place(state, draft)]
        self._drafts, self._held = [], 0
        self._stage(placed)
        self._put([each for each in placed if not each.is_there])
        self._checkpoint(placed, finished, duration_s)

    def put_large(self, state: SubjectRead, draft: Draft, chunks: Iterator[bytes]) -> None:
        """Deliver one entry whose content is not held in memory; its digest is known already."""
        self.deliver()
        placed = list(self._try_place(state, draft))
        self._stage(placed)
        for each in placed:
            if each.owner.is_alive and not each.is_there:
                self._put_one(each, chunks)
                self._sync([each])
        self._checkpoint(placed, (), 0.0)

    def _try_place(self, state: SubjectRead, draft: Draft) -> Iterator[_Placed]:
        """Yield the draft's place; nothing where the read is lost or gets lost by it."""
        if state.is_alive:
            try:
                yield self._place(state, draft)
            except (StorageError, SourceRefused) as error:
                self._give_up(state, error)

    def _place(self, state: SubjectRead, draft: Draft) -> _Placed:
        """Find the draft's place: what is there already stays, another content that is there is superseded."""
        known = [each for each in state.known(draft.path) if each.entry.state in {EntryState.DONE, EntryState.STAGED}]
        same = next((each for each in known if each.entry.sha256 == draft.sha256), None)
        number = known[-1].entry.number if known else state.take_number()
        if same is not None:
            older = tuple(each for each in known if each.entry.revision < same.entry.revision)
            return _Placed(
                owner=state,
                draft=draft,
                number=number,
                revision=same.entry.revision,
                path=same.record.path,
                is_there=same.entry.state is EntryState.DONE,
                superseded=older,
            )
        there = tuple(each for each in known if each.entry.state is EntryState.DONE or self._is_there(state, each))
        revision = there[-1].entry.revision + 1 if there else 0
        return _Placed(
            owner=state, draft=draft, number=number, revision=revision, path=_revised(draft, revision), is_there=False, superseded=there
        )

    def _is_there(self, state: SubjectRead, known: _Known) -> bool:
        """Find out whether an entry that was staged got into the storage location before the kill, though its source has changed since."""
        if not isinstance(state.storage, Reading):
            raise SourceRefused(
                f"source {known.entry.source_name!r} changed while its export was interrupted, and the storage location cannot be read to "
                "tell which content arrived",
                source_name=known.entry.source_name,
                code="EntryUnknown",
                hint="submit the request again",
            )
        digest = hashlib.sha256()
        try:
            for chunk in state.storage.read(state.operation.prefix + known.record.path):
                digest.update(chunk)
        except FileNotFoundError:
            return False
        if digest.hexdigest() == known.entry.sha256:
            return True
        raise EntryConflict(f"source {known.entry.source_name!r}: an entry in the storage location is not the one that was put there")

    def _stage(self, placed: Sequence[_Placed]) -> None:
        new = [each for each in placed if not each.is_there]
        if not new:
            return
        entries = [each.entry(EntryState.STAGED) for each in new]
        reads = list({id(each.owner): each.owner.read for each in new}.values())
        self._drop(self._store.stage(entries, owner=self._owner, reads=reads), [each.owner for each in new])

    def _put(self, placed: Sequence[_Placed]) -> None:
        for each in placed:
            if each.owner.is_alive:
                self._put_one(each, each.draft.content)
        self._sync(placed)

    def _put_one(self, each: _Placed, chunks: Sequence[bytes] | Iterator[bytes]) -> None:
        state = each.owner
        try:
            storage = RetryingStorage(state.storage, self._clock, attempts=PUT_ATTEMPTS)
            storage.put(state.operation.prefix + each.path, chunks, size_bytes=each.draft.size_bytes)
        except StorageError as error:
            self._give_up(state, error)

    def _sync(self, placed: Sequence[_Placed]) -> None:
        by_storage: dict[int, list[SubjectRead]] = defaultdict(list)
        for each in placed:
            if each.owner.is_alive:
                by_storage[id(each.owner.storage)].append(each.owner)
        for states in by_storage.values():
            try:
                states[0].storage.sync()
            except StorageError as error:
                for state in states:
                    self._give_up(state, error)

    def _give_up(self, state: SubjectRead, error: StorageError | SourceRefused) -> None:
        if not state.is_alive:
            return
        state.is_alive = False
        if isinstance(error, StorageError):
            self._trouble.storage_of_read(state.operation, state.read, error, self._settings)
        else:
            self._trouble.source([state.operation], [state.read], error, self._settings)

    def _checkpoint(self, placed: Sequence[_Placed], finished: Sequence[SubjectRead], duration_s: float) -> None:
        entries: dict[int, list[Entry]] = defaultdict(list)
        states: dict[int, SubjectRead] = {}
        for each in placed:
            if each.owner.is_alive:
                states[id(each.owner)] = each.owner
                entries[id(each.owner)] += self._now_done(each)
        for state in finished:
            entries[id(state)] += self._gone(state)
        for state, entry in self._skips:
            if state.is_alive:
                states[id(state)] = state
                entries[id(state)].append(entry)
        self._skips = []
        states.update({id(state): state for state in finished if state.is_alive})
        done = {id(state) for state in finished}
        checkpoints = [
            Checkpoint(
                read=state.read,
                next_part=state.next_part,
                sealed_cursor=None if state.cursor is None else state.sealed.cursor(state.cursor),
                rows=state.rows,
                files=state.files,
                size_bytes=state.size_bytes,
                skipped=state.skipped,
                is_done=key in done,
                duration_s=duration_s,
                sealed_outcome=state.sealed.read(state.record),
                entries=tuple(entries[key]),
            )
            for key, state in states.items()
        ]
        if checkpoints:
            self._drop(self._store.checkpoint(checkpoints, owner=self._owner), list(states.values()))

    def _gone(self, state: SubjectRead) -> list[Entry]:
        """Return what an earlier attempt put and the source, which has less than it had, no longer gives."""
        if not state.is_alive:
            return []
        try:
            gone = [known for known in state.unmet() if known.entry.state is EntryState.DONE or self._is_there(state, known)]
        except (StorageError, SourceRefused) as error:
            self._give_up(state, error)
            return []
        return [_superseded(state, known, by=NOTHING) for known in gone]

    def _now_done(self, each: _Placed) -> Iterator[Entry]:
        state, draft = each.owner, each.draft
        state.rows += draft.rows
        state.files += bool(draft.origin)
        state.size_bytes += draft.size_bytes
        state.cursor = draft.cursor
        yield each.entry(EntryState.DONE)
        for known in each.superseded:
            yield _superseded(state, known, by=each.path)

    def _drop(self, lost: Sequence[OperationId], states: Sequence[SubjectRead]) -> None:
        for state in states:
            if state.operation.operation_id in lost:
                state.is_alive = False


def _superseded(state: SubjectRead, known: _Known, *, by: str) -> Entry:
    record = EntryRecord(key=known.record.key, path=known.record.path, origin=known.record.origin, reason=by)
    return msgspec.structs.replace(known.entry, state=EntryState.SUPERSEDED, sealed=state.sealed.entry(record))


def _revised(draft: Draft, revision: int) -> str:
    """Return where a revision of an entry goes; revision 0 is its own path."""
    if not revision:
        return draft.path
    if draft.origin:
        return paths.revised_path(draft.path, revision)
    stem, dot, extension = draft.path.rpartition(".")
    return f"{stem}.r{revision}{dot}{extension}"
