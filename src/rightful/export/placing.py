"""Where an entry goes: its number, its revision and its path, given what earlier attempts put.

What is there with the same content stays. What is there with another content, because the source changed, stays too and is called
superseded; the new content becomes the next revision.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator

import msgspec

from rightful.connectors.interface import Cursor
from rightful.errors import EntryConflict
from rightful.export.putting import read_digest
from rightful.export.records import EntryRecord
from rightful.export.subject_read import Known, SubjectRead
from rightful.package import paths
from rightful.store.interface import Entry, EntryState

MARKER = b"This entry was begun, and does not count: ledger.json names what takes its place.\n"
"""What is put where it cannot be known whether an entry arrived. Either it goes there, or what it should replace does lie there."""
_MARKING = "marking"

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


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """A draft with its place."""

    owner: SubjectRead
    draft: Draft
    number: int
    revision: int
    path: str
    is_there: bool = False
    """Whether an earlier attempt has put it, and knows so."""
    may_be_there: bool = False
    """Whether an earlier attempt began to put it."""
    is_new: bool = False
    """Whether its number was taken for it."""
    superseded: tuple[Known, ...] = ()

    def entry(self, state: EntryState, *, sha256: str | None = None) -> Entry:
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
            sha256=draft.sha256 if sha256 is None else sha256,
            size_bytes=draft.size_bytes,
            rows=draft.rows,
            sealed=self.owner.sealed.entry(record),
        )

    def superseded_entries(self) -> Iterator[Entry]:
        """Yield what it takes the place of."""
        return (_superseded(self.owner, known, by=self.path) for known in self.superseded)


def skip_key(origin: bytes) -> str:
    """Return the key of an item that could not be read."""
    return f"skipped:{origin.hex()}"


Probe = Callable[[SubjectRead, Known], Known]
"""Finds out what lies at the path of an entry that was staged, in a storage location that cannot be read; raises as `place`."""


def place(state: SubjectRead, draft: Draft, probe: Probe) -> Placed:
    """Find a draft's place.

    Raises:
        StorageError: the storage location did not tell what is there, or has what nobody put there.
        SourceRefused: it can't be known what is there (code EntryUnknown).
    """
    known = [each for each in state.meet(draft.path) if each.entry.state in {EntryState.DONE, EntryState.STAGED}]
    if not known:
        return _place_new(state, draft)
    same = next((each for each in reversed(known) if each.entry.sha256 == draft.sha256), None)
    if same is None:
        there = tuple(_present(state, known, probe))
        revision = 1 + max(each.entry.revision for each in state.meet(draft.path)) if there else 0
        path = _revised(draft, revision)
        return Placed(owner=state, draft=draft, number=known[-1].entry.number, revision=revision, path=path, superseded=there)
    # A revision before it was there, else it would not be one; of a later one that the source took back nothing is known.
    later = [each for each in known if each.entry.revision > same.entry.revision]
    return Placed(
        owner=state,
        draft=draft,
        number=same.entry.number,
        revision=same.entry.revision,
        path=same.record.path,
        is_there=same.entry.state is EntryState.DONE,
        may_be_there=not is_marked(same),
        superseded=(*(each for each in known if each.entry.revision < same.entry.revision), *_present(state, later, probe)),
    )


def _place_new(state: SubjectRead, draft: Draft) -> Placed:
    """Place what no earlier attempt put. A file that one had to skip takes the place of its line in the ledger."""
    number = state.replace_skip(skip_key(draft.origin)) if draft.origin else None
    if number is not None:
        return Placed(owner=state, draft=draft, number=number, revision=0, path=draft.path)
    return Placed(owner=state, draft=draft, number=state.take_number(), revision=0, path=draft.path, is_new=True)


def gone(state: SubjectRead, probe: Probe) -> list[Entry]:
    """Return what an earlier attempt put and the source, which has less than it had, no longer gives; raises as `place`."""
    return [_superseded(state, known, by=NOTHING) for known in _present(state, state.unmet(), probe)]


def _present(state: SubjectRead, several: Iterable[Known], probe: Probe) -> Iterator[Known]:
    """Yield those that lie in the storage location, as they lie there."""
    for known in several:
        if known.entry.state is EntryState.DONE:
            yield known
        else:
            yield from _arrived(state, known, probe)


def _arrived(state: SubjectRead, known: Known, probe: Probe) -> Iterator[Known]:
    """Yield an entry that was staged if it got into the storage location before the kill; its source has changed since."""
    try:
        found = read_digest(state.storage, state.operation.prefix + known.record.path)
    except FileNotFoundError:
        return
    if found is None:
        yield probe(state, known)
    elif found == known.entry.sha256:
        yield known
    else:
        raise EntryConflict(f"source {known.entry.source_name!r}: an entry in the storage location is not the one that was put there")


def marked(state: SubjectRead, known: Known) -> Entry:
    """Return an entry as it is put down before the marker goes to its path."""
    record = msgspec.structs.replace(known.record, reason=_MARKING)
    return msgspec.structs.replace(known.entry, sealed=state.sealed.entry(record))


def is_marked(known: Known) -> bool:
    """Say whether an earlier attempt may have put the marker at an entry's path: what lies there now cannot be told."""
    return known.entry.state is EntryState.STAGED and known.record.reason == _MARKING


def found_there(known: Known, *, is_marker: bool) -> Known:
    """Return what was found to lie at an entry's path: the marker, or what was staged."""
    entry = msgspec.structs.replace(known.entry, state=EntryState.DONE)
    if is_marker:
        entry = msgspec.structs.replace(entry, sha256=hashlib.sha256(MARKER).hexdigest(), size_bytes=len(MARKER), rows=0)
    return Known(entry, known.record)


def _superseded(state: SubjectRead, known: Known, *, by: str) -> Entry:
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
