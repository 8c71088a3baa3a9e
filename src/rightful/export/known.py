"""What the store holds of an entry: where it stands between being put down and counting, and what may become of it.

    staged ─┬─▶ arrived ─┬─▶ done ──▶ superseded
            │     ▲      └──────────▶ superseded
            ├─▶ marking ──▶ staged         the marker certainly did not get there
            ├─▶ void                       nothing of ours lies at its path, for certain
            └─▶ taken                      what lies at its path is not ours

A staged entry may lie at its path or not. One that is being marked may too, or the marker in its place. One that arrived lies there and
does not count yet: only a checkpoint makes it done, together with the cursor after it. So whatever is not done, and is not met again,
belongs to what its source no longer has.
"""

import enum
import hashlib

import msgspec

from rightful.export.records import EntryRecord
from rightful.store.values import Entry, EntryState

MARKER = b"This entry was begun, and does not count: ledger.json names what takes its place.\n"
"""What is put where it cannot be known whether an entry arrived. Either it goes there, or what it should replace does lie there."""
MARKER_SHA256 = hashlib.sha256(MARKER).hexdigest()

NOTHING = "-"
"""What supersedes an entry that its source no longer has."""


class Standing(enum.Enum):
    """Where an entry stands. The store knows some of them only by the sealed reason of a staged entry."""

    STAGED = ""
    MARKING = "marking"
    ARRIVED = "arrived"
    TAKEN = "taken"
    DONE = "done"
    OTHER = "other"
    """Void, superseded or skipped: nothing more becomes of it."""


class Known(msgspec.Struct, frozen=True):
    """An entry that was put down, opened."""

    entry: Entry
    record: EntryRecord

    @property
    def standing(self) -> Standing:
        """Where it stands."""
        if self.entry.state is EntryState.DONE:
            return Standing.DONE
        if self.entry.state is not EntryState.STAGED:
            return Standing.OTHER
        return Standing(self.record.reason) if self.entry.sha256 else Standing.TAKEN

    @property
    def is_there(self) -> bool:
        """Whether it lies at its path for certain."""
        return self.standing in {Standing.ARRIVED, Standing.DONE}

    @property
    def may_count(self) -> bool:
        """Whether it lies at its path or may do so, and nothing has taken its place yet."""
        return self.standing is not Standing.OTHER

    def marking(self) -> "Known":
        """Return it as it stands while the marker is put to its path."""
        return self._staged(Standing.MARKING)

    def arrived(self, *, as_marker: bool = False) -> "Known":
        """Return it as it stands once it, or the marker in its place, is known to lie there."""
        found = self._staged(Standing.ARRIVED)
        if not as_marker:
            return found
        entry = msgspec.structs.replace(found.entry, sha256=MARKER_SHA256, size_bytes=len(MARKER), rows=0)
        return Known(entry, found.record)

    def superseded(self, *, by: str) -> "Known":
        """Return it as it stands once something else counts in its place."""
        entry = msgspec.structs.replace(self.entry, state=EntryState.SUPERSEDED)
        return Known(entry, msgspec.structs.replace(self.record, reason=by))

    def _staged(self, standing: Standing) -> "Known":
        entry = msgspec.structs.replace(self.entry, state=EntryState.STAGED)
        return Known(entry, msgspec.structs.replace(self.record, reason=standing.value))
