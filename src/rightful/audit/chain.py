"""Checks one chain of the audit trail, record by record, and names what was tampered with. Pure.

A record's hash covers the hash before it, so whatever is changed, removed, moved or put in between no longer fits its neighbours. Whoever
rewrites everything that follows as well makes a chain that fits again; that shows at the next signed checkpoint, as does a tail cut off.

Records that fit are passed over; those that don't are kept, at most MOST_SUSPECTS, and judged together in the end: a record that fits a
hash found elsewhere is genuine, and stands in the wrong place if its own number is another; the others were changed or added. Where
records are missing, the first one after them cannot be checked by itself.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from rightful.audit.checkpoint import ChainCheckpoint
from rightful.audit.record import FIRST_HASH, decode, link
from rightful.ids import TenantId

MOST_SUSPECTS = 200


class FindingKind(enum.StrEnum):
    """What was done to a chain."""

    CHANGED = "changed"
    """The record is not what was recorded here."""
    REMOVED = "removed"
    INSERTED = "inserted"
    REORDERED = "reordered"
    REWRITTEN = "rewritten"
    """The chain fits, and is not the one that was signed."""
    CUT = "cut"
    """The chain ends before a signed checkpoint."""
    CHECKPOINT = "checkpoint"
    """A checkpoint is signed by nobody who is trusted."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was done to a chain."""

    kind: FindingKind
    tenant_id: TenantId
    first: int
    """The number of the first record concerned."""
    last: int
    detail: str


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


@dataclass(slots=True)
class _Suspect:
    """A record that does not fit what stands before it."""

    place: int
    own: int
    """The number that the record itself says; its place where it cannot be read."""
    text: bytes
    hash: bytes
    before: tuple[bytes, ...]
    """Hashes that may stand before it."""
    own_before: int
    drift_before: int
    """By how much the own numbers of the records before it differ from their places."""
    drift_after: int | None = None
    is_genuine: bool = False

    @property
    def drift(self) -> int:
        """By how much its own number differs from its place."""
        return self.own - self.place


class ChainCheck:
    """Takes the entries of one chain in order; `report` says what is wrong.

    `checkpoints` are those whose signatures are good.
    """

    def __init__(self, tenant_id: TenantId, checkpoints: Iterable[ChainCheckpoint] = ()) -> None:
        self._tenant_id = tenant_id
        self._checkpoints: dict[int, list[ChainCheckpoint]] = {}
        for checkpoint in checkpoints:
            self._checkpoints.setdefault(checkpoint.seq, []).append(checkpoint)
        self._findings: list[Finding] = []
        self._suspects: list[_Suspect] = []
        self._records = self._place = self._own = self._drift = self._highest = 0
        self._before: tuple[bytes, ...] = (FIRST_HASH,)
        self._signed: ChainCheckpoint | None = None
        self._is_rewritten = False

    def add(self, place: int, canonical: str, hash_: bytes) -> None:
        """Take the entry at a place; places rise."""
        text = canonical.encode("utf-8", "surrogatepass")
        own = _own_number(text, place, self._tenant_id)
        is_after_gap = place > self._place + 1
        if is_after_gap:
            self._find(
                FindingKind.REMOVED, self._place + 1, place - 1, f"record {place}, the first after the gap, cannot be checked by itself"
            )
        computed = link(self._before[0], text)
        if is_after_gap or computed == hash_ or any(link(before, text) == hash_ for before in self._before[1:]):
            follows_suspect = bool(self._suspects) and self._suspects[-1].place == self._place
            if own != self._own + 1 and not is_after_gap and not follows_suspect:
                # Else a forger could number records so that none of them meets a checkpoint.
                self._find(FindingKind.REWRITTEN, place, place, f"it fits, and says that it is record {own} where {self._own + 1} comes")
            self._settle(own, own - place, hash_)
            self._before = (hash_,)
        else:
            if len(self._suspects) < MOST_SUSPECTS:
                self._suspects.append(_Suspect(place, own, text, hash_, self._before, self._own, self._drift))
            # Where the hash alone was changed, what follows fits the hash as it was.
            self._before = (hash_, computed)
        self._records += 1
        self._place, self._own, self._highest = place, own, max(self._highest, own)

    def _settle(self, own: int, drift: int, hash_: bytes) -> None:
        """Take a record that fits: suspects learn how what follows them is numbered, and a checkpoint is compared."""
        for suspect in reversed(self._suspects):
            if suspect.drift_after is not None:
                break
            suspect.drift_after = drift
        self._drift = drift
        signed = self._checkpoints.get(own)
        if signed is None or self._is_rewritten:
            return
        if all(checkpoint.hash == hash_.hex() for checkpoint in signed):
            self._signed = signed[0]
            return
        self._is_rewritten = True
        since = self._signed.seq if self._signed else 0
        self._find(
            FindingKind.REWRITTEN,
            since + 1,
            own,
            f"the checkpoint of record {own} was signed for another record: what lies between was replaced",
        )

    def report(self) -> ChainReport:
        """Return what was found; after the last entry."""
        self._judge()
        newest = max(self._checkpoints, default=0)
        if newest > self._highest:
            detail = f"record {newest} was signed in a checkpoint, and the chain ends with {self._highest}"
            self._find(FindingKind.CUT, self._highest + 1, newest, detail)
        return ChainReport(
            tenant_id=self._tenant_id,
            records=self._records,
            head=self._place,
            signed=self._signed.seq if self._signed else 0,
            signed_us=self._signed.time_us if self._signed else 0,
            findings=tuple(sorted(self._findings, key=lambda found: (found.first, found.kind))),
        )

    def _judge(self) -> None:
        hashes = {suspect.hash for suspect in self._suspects}
        pool = hashes.union(*(suspect.before for suspect in self._suspects))
        for suspect in self._suspects:
            suspect.is_genuine = any(link(before, suspect.text) in hashes for before in pool)
        following: _Suspect | None = None
        for suspect in reversed(self._suspects):
            if following is not None and following.place == suspect.place + 1:
                suspect.drift_after = following.drift if following.is_genuine else following.drift_after
            following = suspect
        before: _Suspect | None = None
        for suspect in self._suspects:
            self._judge_one(suspect, is_after_foreign=before is not None and before.place == suspect.place - 1 and not before.is_genuine)
            before = suspect
        if len(self._suspects) == MOST_SUSPECTS:
            place = self._suspects[-1].place
            self._find(
                FindingKind.CHANGED, place, self._place, f"there may be more after record {place}: only the first {MOST_SUSPECTS} are told"
            )

    def _judge_one(self, suspect: _Suspect, *, is_after_foreign: bool) -> None:
        place, after = suspect.place, suspect.drift_after
        if suspect.is_genuine:
            is_shifted = suspect.drift == after or (after is None and is_after_foreign)
            if suspect.drift and not is_shifted:
                self._find(FindingKind.REORDERED, place, place, f"here stands record {suspect.own}")
        elif after is not None and after < suspect.drift_before:
            self._find(FindingKind.INSERTED, place, place, "the service did not write it; those after it were renumbered")
        elif after is not None and after > suspect.drift_before and suspect.drift == after:
            first, last = suspect.own_before + 1, suspect.own - 1
            self._find(
                FindingKind.REMOVED, first, last, f"those after them were renumbered; record {suspect.own} cannot be checked by itself"
            )
        else:
            before = f"; or record {place - 1} was, with its hash" if place > 1 else ""
            added = " or added" if after is None else ""
            self._find(FindingKind.CHANGED, place, place, f"it was changed{added} after it was recorded{before}")

    def _find(self, kind: FindingKind, first: int, last: int, detail: str) -> None:
        self._findings.append(Finding(kind=kind, tenant_id=self._tenant_id, first=first, last=last, detail=detail))


def _own_number(text: bytes, place: int, tenant_id: TenantId) -> int:
    try:
        found = decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return place
    return found.seq if found.tenant_id == tenant_id else place
