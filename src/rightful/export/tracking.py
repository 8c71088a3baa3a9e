"""What a read comes to, fingerprint by fingerprint: put down for later comparisons, and looked up in what an earlier operation had.

A difference leaves out what the earlier package has already: the same record, or a file of the same path and content. Each is decided by
itself, so that it does not matter how reads are split, shared or interrupted.
"""

from array import array
from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from rightful.errors import OperationError
from rightful.ids import OperationId
from rightful.package.fingerprint import SIZE, WHICH, Fingerprinter
from rightful.store.fingerprint_folder import FingerprintFolder, FingerprintLog, FingerprintsLost, Section

_HELD_BYTES = 64 << 20
"""How much of earlier operations a set of reads holds at once, unless one person's alone is more."""
_IN_A_BUCKET = 8


class Base:
    """What an earlier operation had of one source: 25 bytes for each record or file."""

    def __init__(self, fingerprints: bytes) -> None:
        """Take them in ascending order."""
        self._all = fingerprints
        bits = max(0, (len(fingerprints) // SIZE // _IN_A_BUCKET).bit_length())
        self._shift = 32 - bits
        counts = array("Q", bytes(8 << bits))
        for start in range(0, len(fingerprints), SIZE):
            counts[self._bucket(fingerprints[start : start + 4])] += 1
        self._starts = array("Q", (0,))
        for count in counts:
            self._starts.append(self._starts[-1] + count * SIZE)

    @property
    def size_bytes(self) -> int:
        """How much memory it takes."""
        return len(self._all) + self._starts.itemsize * len(self._starts)

    def has(self, fingerprint: bytes) -> bool:
        """Say whether it had just that."""
        return self._begins(fingerprint)

    def has_other(self, fingerprint: bytes) -> bool:
        """Say whether it had that record or file, whatever it held."""
        return self._begins(fingerprint[:WHICH])

    def _begins(self, beginning: bytes) -> bool:
        bucket = self._bucket(beginning[:4])
        end = self._starts[bucket + 1]
        place = self._all.find(beginning, self._starts[bucket], end)
        while place >= 0 and place % SIZE:  # the end of one and the beginning of the next
            place = self._all.find(beginning, place + 1, end)
        return place >= 0

    def _bucket(self, beginning: bytes) -> int:
        return int.from_bytes(beginning, "big") >> self._shift


class Bases:
    """Those of a set of reads, loaded where they are needed; the ones that were not used for longest make room."""

    def __init__(self, folder: FingerprintFolder) -> None:
        self._folder = folder
        self._held: OrderedDict[OperationId, Base] = OrderedDict()

    def of(self, operation_id: OperationId, section: Section | None) -> Base:
        """Return what an operation had of the source; raises `OperationError` where it can't be read any more."""
        base = self._held.get(operation_id)
        if base is None:
            try:
                base = Base(self._folder.read_section(operation_id, section) if section is not None else b"")
            except FingerprintsLost:
                raise lost() from None
            room = _HELD_BYTES - base.size_bytes
            while self._held and sum(each.size_bytes for each in self._held.values()) > room:
                self._held.popitem(last=False)
            self._held[operation_id] = base
        self._held.move_to_end(operation_id)
        return base


class Earlier(msgspec.Struct, frozen=True):
    """Where what an earlier operation had of a source is to be found."""

    operation_id: OperationId
    section: Section | None
    """None where it did not search the source."""
    bases: Bases

    def base(self) -> Base:
        """Load it."""
        return self.bases.of(self.operation_id, self.section)


class Kept(msgspec.Struct, frozen=True):
    """Lines that are to be delivered."""

    content: bytes
    rows: Sequence[int]
    """Which of the lines that were given."""
    counts: Sequence[int]
    """For each of them: how many fingerprints the log has up to it."""


class Tracker:
    """Follows one read. Without an earlier operation everything is to be delivered."""

    def __init__(self, log: FingerprintLog, key: bytes, earlier: Earlier | None) -> None:
        self._log = log
        self._key = key
        self._earlier = earlier
        self._maker = Fingerprinter(key)

    @property
    def count(self) -> int:
        """How many fingerprints were put down."""
        return self._log.count

    @property
    def is_difference(self) -> bool:
        """Whether what an earlier operation had is not to be delivered."""
        return self._earlier is not None

    def go_on(self, count: int, names: Sequence[str] = ()) -> bool:
        """Go on after so many fingerprints, with records that these columns name; False where an earlier attempt's are lost."""
        self._maker = Fingerprinter(self._key, names)
        return self._log.go_on(count)

    def lines(self, content: bytes) -> Kept:
        """Put whole lines down, and return those that are to be delivered."""
        before = self._log.count
        fingerprints = list(self._maker.lines(content))
        for each in fingerprints:
            self._log.add(each)
        if self._earlier is None:
            return Kept(content, range(len(fingerprints)), range(before + 1, before + 1 + len(fingerprints)))
        has = self._earlier.base().has
        rows = [row for row, each in enumerate(fingerprints) if not has(each)]
        if len(rows) < len(fingerprints):
            several = content.split(b"\n")
            content = b"".join(several[row] + b"\n" for row in rows)
        return Kept(content, rows, [before + 1 + row for row in rows])

    def changed(self, content: bytes) -> list[int] | None:
        """Return which of some whole lines the earlier operation had otherwise, the others are new; None where there is no earlier one."""
        if self._earlier is None:
            return None
        base = self._earlier.base()
        return [row for row, each in enumerate(self._maker.lines(content)) if base.has_other(each)]

    def file(self, path: bytes, sha256: str) -> bool:
        """Put a file down; say whether it is to be delivered."""
        fingerprint = self._maker.file(path, sha256)
        self._log.add(fingerprint)
        return self._earlier is None or not self._earlier.base().has(fingerprint)

    def changed_file(self, path: bytes) -> bool | None:
        """Return whether the earlier operation had a file of this path, which it could read; None where there is no earlier one."""
        if self._earlier is None:
            return None
        base, unread = self._earlier.base(), self._maker.unread(path)
        return base.has_other(unread) and not base.has(unread)

    def unread(self, path: bytes) -> None:
        """Put down that a file could not be read."""
        self._log.add(self._maker.unread(path))

    def take_back(self) -> None:
        """Forget what was put down last."""
        self._log.take_back()

    def sync(self) -> None:
        """Make durable what was put down: a checkpoint is about to rely on it."""
        self._log.sync()


def lost() -> OperationError:
    """Return the error for an earlier operation whose fingerprints are not there any more."""
    return OperationError(
        "what is kept of the earlier export is no longer there, or damaged: nothing can be compared with it",
        code="CheckpointLost",
        hint="ask for a whole export, without `since`",
    )
