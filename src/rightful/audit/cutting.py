"""Finds how much of a chain was kept long enough to be purged. Pure.

Records go from the first one on, up to the first that is younger than asked for, or that the last checkpoint confirms: a record whose time
lies ahead holds those after it back, and none goes that is not signed for. All that goes, and the first one that stays, fit each other.
"""

from rightful.audit.chain import ChainCheck
from rightful.audit.checkpoint import ChainCheckpoint
from rightful.audit.record import decode
from rightful.audit.start import ChainStart
from rightful.ids import TenantId


class Cut:
    """Takes the entries of one chain in order, from its start on, until `is_over`."""

    def __init__(self, tenant_id: TenantId, start: ChainStart | None, signed: ChainCheckpoint, before_us: int) -> None:
        self._check = ChainCheck(tenant_id, start=start)
        self._signed = signed
        self._before_us = before_us
        self.is_over = False
        """Whether the first one that stays was met, or something that does not fit."""
        self.is_in_order = True
        """False where something does not fit: nothing is to go."""
        self.seq = start.seq if start else 0
        """The number of the last one that goes, and `hash` its hash."""
        self.hash = b""
        self.number = 0
        """How many go."""
        self.oldest_us = self.newest_us = 0

    def add(self, place: int, canonical: str, hash_: bytes) -> None:
        """Take the entry at a place; places rise."""
        self._check.add(place, canonical, hash_)
        if not self._check.is_in_order:
            self.is_over, self.is_in_order = True, False
            return
        time_us = decode(canonical).time_us
        if time_us >= self._before_us or place >= self._signed.seq:
            self.is_over = True
            return
        self.oldest_us = min(self.oldest_us, time_us) if self.number else time_us
        self.newest_us = max(self.newest_us, time_us)
        self.seq, self.hash = place, hash_
        self.number += 1

    @property
    def is_due(self) -> bool:
        """Whether something is to go; after the last entry, or once it is over."""
        return self.is_over and self.is_in_order and self.number > 0
