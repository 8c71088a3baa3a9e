"""Checks one chain of the audit trail, record by record, and names what was tampered with. Pure.

A record's hash covers the hash before it, so whatever is changed, removed, moved or put in between no longer fits its neighbours. Whoever
rewrites everything that follows as well makes a chain that fits again; that shows at the next signed checkpoint, as does a tail cut off.

Records that go on with what stands before them are counted; where they don't is kept, at most MOST_SUSPECTS times, and judged in the end.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter

import msgspec

from rightful.audit.checkpoint import ChainCheckpoint
from rightful.audit.finding import Finding, FindingKind
from rightful.audit.judging import Flaw, Stretch, judge
from rightful.audit.record import FIRST_HASH, decode, link
from rightful.audit.start import ChainStart
from rightful.ids import TenantId

MOST_SUSPECTS = 200


class ChainReport(msgspec.Struct, frozen=True, kw_only=True):
    """What checking one chain found."""

    tenant_id: TenantId
    records: int
    head: int
    """The number of the last record, 0 for an empty chain."""
    signed: int
    """Up to which record a trusted checkpoint confirms the chain, 0 for none."""
    signed_us: int
    """When that was signed."""
    findings: tuple[Finding, ...]
    start: ChainStart | None = None
    """From where it goes on, where its oldest records were purged."""


class ChainCheck:
    """Takes the entries of one chain in order; `report` says what is wrong.

    `checkpoints` and `start` are those whose signatures are good. With a start, entries up to its number are not to be added: they are
    purged, or about to be.
    """

    def __init__(self, tenant_id: TenantId, checkpoints: Iterable[ChainCheckpoint] = (), start: ChainStart | None = None) -> None:
        self._tenant_id = tenant_id
        self._start = start
        self._after = after = start.seq if start else 0
        self._checkpoints: dict[int, list[ChainCheckpoint]] = {}
        self._purged: list[ChainCheckpoint] = []
        """Those of records that are gone."""
        for checkpoint in checkpoints:
            if checkpoint.seq > after:
                self._checkpoints.setdefault(checkpoint.seq, []).append(checkpoint)
            else:
                self._purged.append(checkpoint)
        self._stretches = [Stretch(after + 1, after + 1, 0)]
        self._rest = 0
        """From which place on nothing is kept to be judged, 0 for none."""
        self._hashes: defaultdict[int, set[bytes]] = defaultdict(set)
        self._others: set[tuple[int, int]] = set()
        """Numbers and places of records that a checkpoint was signed for, with another hash."""
        self._records = 0
        self._place = self._number = after
        self._signed: ChainCheckpoint | None = None
        self._before: tuple[bytes, ...] = (bytes.fromhex(start.hash) if start else FIRST_HASH,)

    def add(self, place: int, canonical: str, hash_: bytes) -> None:
        """Take the entry at a place; places rise."""
        text = canonical.encode("utf-8", "surrogatepass")
        said = _said_number(text, self._tenant_id)
        number = self._number + place - self._place if said is None else said
        computed = link(self._before[0], text)
        is_linked = said is not None and (computed == hash_ or any(link(before, text) == hash_ for before in self._before[1:]))
        if is_linked and (place, number) == (self._place + 1, self._number + 1):
            self._stretches[-1].count += not self._rest
        else:
            self._suspect(Stretch(place, number, 1, text, is_linked), hash_)
        # Where the hash alone was changed, what follows fits the hash as it was.
        self._before = (hash_,) if is_linked else (hash_, computed)
        self._records += 1
        self._place, self._number = place, number
        signed = self._checkpoints.get(number, ())
        if any(checkpoint.hash != hash_.hex() for checkpoint in signed):
            self._others.add((number, place))
        elif signed and self.is_in_order and not self._others:
            self._signed = signed[0]

    @property
    def is_in_order(self) -> bool:
        """Whether nothing was found wrong yet; what a checkpoint says is found by `report`."""
        return len(self._stretches) == 1

    @property
    def head(self) -> tuple[int, bytes]:
        """The place of the last entry and its hash."""
        return self._place, self._before[0]

    def _suspect(self, suspect: Stretch, hash_: bytes) -> None:
        if len(self._stretches) > 2 * MOST_SUSPECTS:
            self._rest = self._rest or suspect.place
            return
        self._saw(self._before[0], self._number, self._place)
        self._saw(hash_, suspect.number, suspect.place)
        self._stretches += (suspect, Stretch(suspect.place + 1, suspect.number + 1, 0))

    def _saw(self, hash_: bytes, *numbers: int) -> None:
        """Note that a hash may be that of one of these records."""
        for number in numbers:
            self._hashes[number].add(hash_)

    def report(self) -> ChainReport:
        """Return what was found; after the last entry."""
        self._saw(self._before[0], self._number, self._place)
        flaws, kept, highest = judge([each for each in self._stretches if each.count], self._hashes, self._after)
        flaws += self._rewritten(kept)
        flaws += self._other_start()
        if self._rest:
            detail = f"only the first {MOST_SUSPECTS} that do not fit are told; more may be wrong here, and what was removed may be here"
            flaws.append((FindingKind.CHANGED, self._rest, self._place, detail))
            highest = max(highest, self._place)
        newest = max(self._checkpoints, default=0)
        if newest > highest:
            detail = f"record {newest} was signed in a checkpoint, and the chain ends with {highest}"
            flaws.append((FindingKind.CUT, highest + 1, newest, detail))
        return ChainReport(
            tenant_id=self._tenant_id,
            records=self._records,
            head=self._place,
            signed=self._signed.seq if self._signed else 0,
            signed_us=self._signed.time_us if self._signed else 0,
            findings=tuple(
                Finding(kind=kind, tenant_id=self._tenant_id, first=first, last=last, detail=detail)
                for kind, first, last, detail in sorted(flaws, key=lambda flaw: (flaw[1], flaw[0]))
            ),
            start=self._start,
        )

    def _other_start(self) -> Iterator[Flaw]:
        """Compare the start with what was signed of the same record before."""
        start = self._start
        if start is not None and any(each.seq == start.seq and each.hash != start.hash for each in self._purged):
            detail = f"the start of the chain names another record {start.seq} than a checkpoint"
            yield FindingKind.START, start.seq, start.seq, detail

    def _rewritten(self, kept: Sequence[Stretch]) -> Iterator[Flaw]:
        """Compare the checkpoints of records that fit: where the hash is another, something was replaced since the last one that is met."""
        placed = sorted(kept, key=attrgetter("place"))
        places = [piece.place for piece in placed]
        others: set[int] = set()
        for number, place in self._others:
            before = bisect_right(places, place)
            if before and number in (piece := placed[before - 1]).numbers and number - piece.number == place - piece.place:
                others.add(number)
        since, is_told = 0, False
        for seq in sorted(self._checkpoints):
            if seq not in others:
                since, is_told = seq, False
            elif not is_told:
                is_told = True
                detail = f"the checkpoint of record {seq} was signed for another record: what lies between was replaced"
                yield FindingKind.REWRITTEN, since + 1, seq, detail


def _said_number(text: bytes, tenant_id: TenantId) -> int | None:
    """Return which record of the chain a text says to be, None where it says nothing of the kind."""
    try:
        found = decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return found.seq if found.tenant_id == tenant_id and found.seq > 0 else None
