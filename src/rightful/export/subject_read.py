"""One read of one operation while it runs: what earlier attempts left, what was found so far."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import msgspec

from rightful.connectors.interface import Cursor
from rightful.export.known import Known, Standing
from rightful.export.records import ReadRecord, ReadUnder, Sealed
from rightful.export.tracking import Tracker
from rightful.leash import NO_LEASH, Leash
from rightful.package.viewer.shards import OPEN_CALL
from rightful.storage.interface import Storage
from rightful.store.values import Checkpoint, ClaimedOperation, ClaimedRead, Entry, EntryState
from rightful.subject.model import IdentifiedSubject


class SubjectRead:
    """A read and its counts. Its counts and `cursor` are those of the last checkpoint, or of the next one while that is being made."""

    def __init__(
        self,
        *,
        operation: ClaimedOperation,
        read: ClaimedRead,
        subject: IdentifiedSubject,
        storage: Storage,
        sealed: Sealed,
        entries: Sequence[Entry],
        secret: bytes = b"",
        call: Callable[[], str] = lambda: OPEN_CALL,
        tracker: Tracker | None = None,
        leash: Leash = NO_LEASH,
        settings: ReadUnder | None = None,
    ) -> None:
        """Take a read of a subject.

        Args:
            operation: its operation.
            read: itself.
            subject: whom it is of.
            storage: where what it finds goes.
            sealed: seals for the operation.
            entries: what earlier attempts put down.
            secret: the operation's, where the source has a rule that needs it.
            call: returns what its shards call; asked where there are any.
            tracker: follows it where fingerprints are wanted.
            leash: of the operation.
            settings: of the source; where they were others it starts again, since a cursor says nothing of what they leave out.
        """
        self.operation = operation
        self.read = read
        self.subject = subject
        self.storage = storage
        self.sealed = sealed
        self.secret = secret
        self._find_call = call
        self._call: str | None = None
        self.tracker = tracker
        self.leash = leash
        self.is_alive = True
        """Whether it is still ours, and its storage location takes entries."""
        self.record = sealed.open_read(read.sealed_outcome)
        self.cursor: Cursor | None = None if read.sealed_cursor is None else sealed.open_cursor(read.sealed_cursor)
        now = settings or ReadUnder()
        self.product = self.record.settings.product or now.product
        """Under which it is filed."""
        self._settings = msgspec.structs.replace(now, product=self.product)
        self.starts_again = self.cursor is None or self.record.settings.digest not in {"", self._settings.digest}
        """Whether it reads from the beginning, over what earlier attempts may have put."""
        self.next_part, self.rows, self.files = read.next_part, read.rows, read.files
        self.size_bytes = read.size_bytes
        self._free_number = max((entry.number + 1 for entry in entries), default=0)
        self._known: dict[str, list[Known]] = defaultdict(list)
        self._keys: dict[bytes, str] = {}
        self._met: set[str] = set()
        self._skips: set[str] = set()
        self._replaced_skips: set[str] = set()
        for entry in entries:
            record = sealed.open_entry(entry.sealed)
            self._known[record.key].append(Known(entry, record))
            if entry.state is EntryState.SKIPPED:
                self._skips.add(record.key)
            if record.path and record.origin:
                self._keys[record.origin] = record.key
        if self.starts_again:
            self.start_again()

    def call(self) -> str:
        """Return what its shards call."""
        if self._call is None:
            self._call = self._find_call()
        return self._call

    def start_again(self) -> None:
        """Read from the beginning: count anew, and go by no cursor."""
        self.starts_again = True
        self.cursor = None
        self.record = ReadRecord(started_at=self.record.started_at)
        self.next_part = self.rows = self.files = self.size_bytes = 0
        self._skips.clear()

    def count_withheld(self, amounts: Sequence[tuple[int, int]]) -> None:
        """Add (cells, values) that were withheld, for each ruled column."""
        if amounts:
            redacted = tuple(each.plus(*amount) for each, amount in zip(self.record.redacted, amounts, strict=True))
            self.record = msgspec.structs.replace(self.record, redacted=redacted)

    def track(self, names: Sequence[str]) -> bool:
        """Follow the read from where it goes on, if it is to be followed; False where what earlier attempts put down is lost."""
        if self.tracker is None:
            return True
        if self.record.fingerprints is None and not self.starts_again:
            self.tracker = None  # nothing was put down of what earlier attempts brought
            return True
        return self.tracker.go_on(self.record.fingerprints or 0, names)

    def count_fingerprints(self, count: int) -> None:
        """Note how many fingerprints the next checkpoint may rely on."""
        self.record = msgspec.structs.replace(self.record, fingerprints=count)

    def sealed_record(self) -> bytes:
        """Return what it found out, as the store keeps it."""
        return self.sealed.read(msgspec.structs.replace(self.record, settings=self._settings))

    def note_filled(self, columns: frozenset[str]) -> None:
        """Note which columns hold anything, those known before among them."""
        if self.record.filled is not None and len(columns) > len(self.record.filled):
            self.record = msgspec.structs.replace(self.record, filled=tuple(sorted(columns)))

    def count_seen(self, rows: int) -> None:
        """Note how many rows lie before the cursor, delivered or not."""
        self.record = msgspec.structs.replace(self.record, seen=rows)

    def count_looked_at(self, rows: int) -> None:
        """Add rows that were looked through for what names others."""
        if rows and self.record.leaks is not None:
            self.record = msgspec.structs.replace(self.record, leaks=self.record.leaks.plus(rows))

    @property
    def seen(self) -> int:
        """How many rows lie before the cursor, those too that a difference leaves out."""
        return self.rows if self.record.seen is None else self.record.seen

    @property
    def skipped(self) -> int:
        """How many items this read could not bring, those of earlier attempts included where it goes on after them."""
        return len(self._skips)

    def skip(self, key: str, reason: str) -> bool:
        """Note an item that cannot be read; return whether the store holds just that from an earlier attempt."""
        self._skips.add(key)
        known = self.meet(key)
        return bool(known) and known[-1].record.reason == reason and key not in self._replaced_skips

    def replace_skip(self, key: str) -> int | None:
        """Return the number of the entry that says that an item was skipped; it is about to be staged over. None where there is none."""
        known = self.meet(key)
        if not known:
            return None
        self._replaced_skips.add(key)
        return known[-1].entry.number

    def unskip(self, key: str) -> None:
        """Note that an item arrived after all."""
        self._skips.discard(key)

    def keep_unmet_skips(self) -> None:
        """Count what earlier attempts skipped and this one, which counts anew, did not come to: it stands in the ledger all the same."""
        for key, several in self._known.items():
            if key not in self._met and any(known.entry.state is EntryState.SKIPPED for known in several):
                self._skips.add(key)

    def has_come_so_far(self, checkpoint: Checkpoint) -> None:
        """Note a checkpoint: one that is further than earlier attempts came begins the count of failures anew, as in the store."""
        if checkpoint.is_ahead and self.read.failures:
            self.read = msgspec.structs.replace(self.read, failures=0)

    def meet(self, key: str) -> list[Known]:
        """Return what earlier attempts put down under a key, oldest revision first, and note that this one has come to it."""
        known = self._known.get(key, [])
        if known:  # of others nobody asks: there may be millions
            self._met.add(key)
        return known

    def miss(self, origin: bytes) -> None:
        """Note that this attempt does not bring a file after all."""
        self._met.discard(self._keys.get(origin, ""))

    def known_paths(self) -> Iterator[str]:
        """Yield the paths of entries that earlier attempts put down."""
        return (known.record.path for several in self._known.values() for known in several if known.record.path)

    @property
    def goes_on(self) -> bool:
        """Whether earlier attempts put anything down."""
        return bool(self._known)

    def path_of(self, origin: bytes) -> str | None:
        """Return the path that an earlier attempt gave a file of the source."""
        return self._keys.get(origin)

    def unmet(self) -> Iterator[Known]:
        """Yield what earlier attempts put down and this one did not come to, though it should have."""
        for key, several in self._known.items():
            if key not in self._met:
                # What is done lies before the cursor, where there is one.
                yield from (known for known in several if known.may_count and (self.starts_again or known.standing is not Standing.DONE))

    def note(self, known: Known) -> Entry:
        """Go by this from now on for the entry; return it as the store keeps it."""
        entry = self.sealed_entry(known)
        several = self._known[known.record.key]
        place = next(index for index, each in enumerate(several) if _name(each.entry) == _name(entry))
        several[place] = Known(entry, known.record)
        return entry

    def sealed_entry(self, known: Known) -> Entry:
        """Return an entry as the store keeps it."""
        return msgspec.structs.replace(known.entry, sealed=self.sealed.entry(known.record))

    def take_number(self) -> int:
        """Return a number that no entry of this read has."""
        self._free_number += 1
        return self._free_number - 1

    def give_number_back(self) -> None:
        """Let the number that was taken last go to the next entry, whose row then takes the place of this one's."""
        self._free_number -= 1


def _name(entry: Entry) -> tuple[int, int]:
    return entry.number, entry.revision
