"""Where an entry goes: its number, its revision and its path, given what earlier attempts put.

What is there with the same content stays. What is there with another content, because the source changed, stays too and is called
superseded; the new content becomes the next revision.
"""

from collections.abc import Callable, Iterable, Iterator

import msgspec

from rightful.connectors.interface import Cursor
from rightful.errors import EntryConflict
from rightful.export.known import MARKER_SHA256, NOTHING, Known, Standing
from rightful.export.putting import read_digest
from rightful.export.records import EntryRecord, Packed
from rightful.export.subject_read import SubjectRead
from rightful.export.zipping import ZipStorage
from rightful.package import paths
from rightful.package.activity import Activity
from rightful.store.values import Entry, EntryState


class Draft(msgspec.Struct, kw_only=True, frozen=True):
    """An entry about to be put."""

    path: str
    """Its path in the package, as long as nothing else lies there."""
    content: tuple[bytes, ...]
    sha256: str
    size_bytes: int
    rows: int = 0
    is_copy: bool = False
    """Whether its rows are counted elsewhere: it has them in another form."""
    origin: bytes = b""
    """The file's own path in its source; empty for a part of records."""
    modified_ns: int | None = None
    """When the file was last changed, as the source says; None for a part of records."""
    mode: int | None = None
    is_changed: bool | None = None
    """Of a file of a difference: whether the earlier operation had one of its path."""
    cursor: Cursor | None = None
    """Where the read can go on once this entry is durable."""
    fingerprints: int | None = None
    """How many fingerprints are of what lies before that; None where none are put down, or the read cannot go on after the entry."""
    looked_at: int = 0
    """Of its rows, how many were looked through for what names others."""
    seen: int | None = None
    """How many rows were given until the last one of a part, those too that a difference leaves out; None where none is left out."""
    withheld: tuple[tuple[int, int], ...] = ()
    """(cells, values) that rules withheld from it, for each ruled column."""
    shows: int = 0
    """Of a shard: how many records; they are counted where they are delivered."""
    activity: Activity | None = None
    """When its records are from; of a shard, where a column says so."""

    @property
    def is_shard(self) -> bool:
        """Whether it is there for START-HERE.html alone."""
        return paths.is_shard(self.path)


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """A draft with its place."""

    owner: SubjectRead
    draft: Draft
    number: int
    revision: int
    path: str
    standing: Standing | None = None
    """Where the same entry stands that an earlier attempt put down; None where none did."""
    is_new: bool = False
    """Whether its number was taken for it."""
    sealed: bytes
    """Its names, as they are put down before it is put and when it counts, but where something else is said of it."""
    superseded: tuple[Known, ...] = ()

    @property
    def is_there(self) -> bool:
        """Whether an earlier attempt has put it, and knows so."""
        return self.standing in {Standing.ARRIVED, Standing.DONE}

    @property
    def may_be_there(self) -> bool:
        """Whether an earlier attempt began to put it, and nothing else can lie at its path."""
        return self.standing is Standing.STAGED

    @property
    def may_be_marker(self) -> bool:
        """Whether an earlier attempt may have put the marker at its path."""
        return self.standing is Standing.MARKING

    @property
    def counts_as_staged(self) -> bool:
        """Whether nothing but its state is another one when it counts, unless it lies in a ZIP file."""
        return self.standing in {None, Standing.STAGED} and not self.revision

    def staged(self) -> Entry:
        """Return it as the store keeps it before it is put."""
        return self._entry(EntryState.STAGED, self._standing(Standing.MARKING) if self.may_be_marker else self.sealed)

    def arrived(self) -> Entry:
        """Return it as the store keeps it when it is there and a checkpoint has to wait."""
        return self._entry(EntryState.STAGED, self._standing(Standing.ARRIVED))

    def taken(self) -> Entry:
        """Return it as the store keeps it when something else lies at its path."""
        return msgspec.structs.replace(self.staged(), sha256="")

    def void(self) -> Entry:
        """Return it as the store keeps it when it certainly did not arrive."""
        return self._entry(EntryState.VOID, self.sealed)

    def done(self, packed: Packed | None = None) -> Entry:
        """Return it as the store keeps it when it counts, and where it lies in a ZIP file."""
        if packed is None:
            return self._entry(EntryState.DONE, self.sealed)
        record = msgspec.structs.replace(_record(self.draft, self.path), packed=packed)
        return self._entry(EntryState.DONE, self.owner.sealed.entry(record))

    def _standing(self, standing: Standing) -> bytes:
        return self.owner.sealed.entry(msgspec.structs.replace(_record(self.draft, self.path), reason=standing.value))

    def _entry(self, state: EntryState, sealed: bytes) -> Entry:
        draft = self.draft
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
            sealed=sealed,
        )

    def superseded_entries(self) -> Iterator[Entry]:
        """Yield what it takes the place of."""
        return (_superseded(self.owner, known, by=self.path) for known in self.superseded)


def skip_key(origin: bytes) -> str:
    """Return the key of an item that could not be read."""
    return f"skipped:{origin.hex()}"


Probe = Callable[[SubjectRead, Known], Known]
"""Sees to it that something lies at the path of an entry that was staged and cannot be seen there, and says what; raises as `place`."""


def is_known(state: SubjectRead, path: str) -> bool:
    """Say whether earlier attempts may have put something for a draft of this path: then its place depends on its content."""
    return any(each.may_count for each in state.meet(path))


def place(state: SubjectRead, draft: Draft, probe: Probe) -> Placed:
    """Find a draft's place.

    Raises:
        StorageError: the storage location did not tell what is there, or has what nobody put there.
        SourceRefused: it can't be known what is there (code EntryUnknown).
    """
    known = [each for each in state.meet(draft.path) if each.may_count]
    if not known:
        return _place_new(state, draft)
    same = next((each for each in reversed(known) if each.entry.sha256 == draft.sha256), None)
    if same is None:
        there = tuple(_present(state, known, probe))
        revision = 1 + max(each.entry.revision for each in state.meet(draft.path)) if there else 0
        path = _revised(draft, revision)
        return Placed(
            owner=state,
            draft=draft,
            number=known[-1].entry.number,
            revision=revision,
            path=path,
            superseded=there,
            sealed=_sealed(state, draft, path),
        )
    # Of the others, some may never have arrived: a revision is put down before it is put.
    others = [each for each in known if each is not same]
    return Placed(
        owner=state,
        draft=draft,
        number=same.entry.number,
        revision=same.entry.revision,
        path=same.record.path,
        standing=same.standing,
        superseded=tuple(_present(state, others, probe)),
        sealed=_sealed(state, draft, same.record.path),
    )


def _place_new(state: SubjectRead, draft: Draft) -> Placed:
    """Place what no earlier attempt put. A file that one had to skip takes the place of its line in the ledger."""
    number = state.replace_skip(skip_key(draft.origin)) if draft.origin and state.goes_on else None
    is_new = number is None
    return Placed(
        owner=state,
        draft=draft,
        number=state.take_number() if number is None else number,
        revision=0,
        path=draft.path,
        is_new=is_new,
        sealed=_sealed(state, draft, draft.path),
    )


def _sealed(state: SubjectRead, draft: Draft, path: str) -> bytes:
    return state.sealed.entry(_record(draft, path))


def _record(draft: Draft, path: str) -> EntryRecord:
    return EntryRecord(
        key=draft.path,
        path=path,
        origin=draft.origin,
        is_copy=draft.is_copy,
        modified_ns=draft.modified_ns,
        mode=draft.mode,
        is_changed=draft.is_changed,
        shows=draft.shows,
        activity=draft.activity,
    )


def gone(state: SubjectRead, probe: Probe) -> list[Entry]:
    """Return what an earlier attempt put and the source, which has less than it had, no longer gives; raises as `place`."""
    return [_superseded(state, known, by=NOTHING) for known in _present(state, tuple(state.unmet()), probe)]


def _present(state: SubjectRead, several: Iterable[Known], probe: Probe) -> Iterator[Known]:
    """Yield those that lie in the storage location, as they lie there."""
    for known in several:
        if known.is_there:
            yield known
        elif not isinstance(state.storage, ZipStorage):  # what lies in a ZIP file is what the store says that it does
            yield from _arrived(state, known, probe)


def _arrived(state: SubjectRead, known: Known, probe: Probe) -> Iterator[Known]:
    """Yield an entry that was staged as it lies in the storage location, where its source has changed since.

    That it is not there yet does not say that it never will be: whoever put it may have lost the read, and not the connection. So the
    marker goes where it would land.
    """
    try:
        found = look(state, known)
    except FileNotFoundError:
        if known.standing is Standing.TAKEN:
            return  # what lay there was not ours, and somebody has removed it
        found = None
    yield found or probe(state, known)


def look(state: SubjectRead, known: Known) -> Known | None:
    """Return what lies at the path of an entry that was staged: it, or the marker; None where that may not be read.

    Raises:
        FileNotFoundError: nothing lies there.
        StorageError: the storage location did not tell, or has what nobody put there.
    """
    found = read_digest(state.storage, state.operation.prefix + known.record.path)
    if found is None:
        return None
    if found == known.entry.sha256:
        return known.arrived()
    if found == MARKER_SHA256 and known.standing is Standing.MARKING:
        return known.arrived(as_marker=True)
    raise EntryConflict(f"source {known.entry.source_name!r}: an entry in the storage location is not the one that was put there")


def _superseded(state: SubjectRead, known: Known, *, by: str) -> Entry:
    return state.sealed_entry(known.superseded(by=by))


def _revised(draft: Draft, revision: int) -> str:
    """Return where a revision of an entry goes; revision 0 is its own path."""
    if not revision:
        return draft.path
    if draft.origin:
        return paths.revised_path(draft.path, revision)
    stem, dot, extension = draft.path.rpartition(".")
    return f"{stem}.r{revision}{dot}{extension}"
