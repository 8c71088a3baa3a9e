"""What can be found wrong with a chain of the audit trail."""

import enum

import msgspec

from rightful.ids import TenantId


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
    START = "start"
    """The start of the chain is signed by nobody who is trusted, or names another record than a checkpoint."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was done to a chain."""

    kind: FindingKind
    tenant_id: TenantId
    first: int
    """The number of the first record concerned: its place, or what its place was where it is gone."""
    last: int
    detail: str
