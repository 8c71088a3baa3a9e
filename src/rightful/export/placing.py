"""Where an entry goes: its number, its revision and its path, given what earlier attempts put.

What is there with the same content stays. What is there with another content, because the source changed, stays too and is called
superseded; the new content becomes the next revision.
"""

from collections.abc import Iterable, Iterator

import msgspec

from rightful.connectors.interface import Cursor
from rightful.errors import EntryConflict, SourceRefused
from rightful.export.putting import read_digest
from rightful.export.records import EntryRecord
from rightful.export.subject_read import Known, SubjectRead
from rightful.package import paths
from rightful.store.interface import Entry, EntryState

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


def place(state: SubjectRead, draft: Draft) -> Placed:
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
        there = tuple(_present(state, known))
        revision = there[-1].entry.revision + 1 if there else 0
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
        may_be_there=True,
        superseded=(*(each for each in known if each.entry.revision < same.entry.revision), *_present(state, later)),
    )


def _place_new(state: SubjectRead, draft: Draft) -> Placed:
    """Place what no earlier attempt put. A file that one had to skip takes the place of its line in the ledger."""
    number = state.replace_skip(skip_key(draft.origin)) if draft.origin else None
    if number is not None:
        return Placed(owner=state, draft=draft, number=number, revision=0, path=draft.path)
    return Placed(owner=state, draft=draft, number=state.take_number(), revision=0, path=draft.path, is_new=True)


def gone(state: SubjectRead) -> list[Entry]:
    """Return what an earlier attempt put and the source, which has less than it had, no longer gives; raises as `place`."""
    return [_superseded(state, known, by=NOTHING) for known in _present(state, state.unmet())]


def _present(state: SubjectRead, several: Iterable[Known]) -> Iterator[Known]:
    return (known for known in several if known.entry.state is EntryState.DONE or _is_there(state, known))


def _is_there(state: SubjectRead, known: Known) -> bool:
    """Find out whether an entry that was staged got into the storage location before the kill, though its source has changed since."""
    try:
        found = read_digest(state.storage, state.operation.prefix + known.record.path)
    except FileNotFoundError:
        return False
    if found is None:
        raise SourceRefused(
            f"source {known.entry.source_name!r} changed while its export was interrupted, and the storage location cannot be read to "
            "tell which content arrived",
            source_name=known.entry.source_name,
            code="EntryUnknown",
            hint="submit the request again",
        )
    if found != known.entry.sha256:
        raise EntryConflict(f"source {known.entry.source_name!r}: an entry in the storage location is not the one that was put there")
    return True


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
