"""What a purge may remove, and what has to be left of it; part of the checker: no code of the service.

Only what has ended may go, once its time is up: an operation, later the receipt that is left of it, and the oldest records of the audit
trail, of which a signed start is left.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from tests.faults.trail import ENDED, History, Row, Trail

_DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Purge:
    """A purge that somebody asked for: its moment, and how long what is kept, in microseconds; 0: for ever."""

    at_us: int
    operations_us: int
    receipts_us: int
    audit_us: int
    answer_us: int
    """For how long at least a request that failed may have to be answered still; after twice as long it has not."""
    is_whole: bool = False
    """Whether it came to its end, with nothing open any more."""


@dataclass(frozen=True)
class Left:
    """What the store holds of what was purged."""

    receipts: frozenset[str] = frozenset()
    """The operations that they are of."""
    starts: Mapping[str, str] = field(default_factory=dict)
    """The starts of chains, as their lines, by tenant."""
    orphans: int = 0
    """Rows that belong to an operation that is gone."""


def gone(trail: Trail, held: Mapping[str, object], purges: Sequence[Purge]) -> dict[str, History]:
    """Return what was recorded of operations that may have been purged: they were there, and are not."""
    return {each: history for each, history in trail.histories.items() if each not in held} if purges else {}


def check(
    trail: Trail, held: Mapping[str, object], audit: Sequence[Row], *, left: Left, purges: Sequence[Purge], key: str
) -> Iterator[str]:
    """Yield what went that was to stay, and what stayed that was to go; `key` signs the starts of chains, where one is given."""
    away = gone(trail, held, purges)
    yield from _operations(trail, away, held, purges)
    yield from _receipts(away, left.receipts, purges)
    yield from _records(trail, audit, left.starts, purges)
    if key:
        yield from _unsigned(left.starts, key)
    if left.orphans:
        yield f"{left.orphans} rows are left of operations that are gone"


def _operations(trail: Trail, away: Mapping[str, History], held: Mapping[str, object], purges: Sequence[Purge]) -> Iterator[str]:
    for operation_id, history in away.items():
        if history.status not in ENDED:
            yield f"{operation_id} is purged, and had not ended: {history.changes}"
        elif not any(_may_go(history, each) for each in purges):
            yield f"{operation_id} is purged before its time"
    if purges and len(away) != (recorded := trail.purged.get("operations", 0)):
        yield f"{len(away)} operations are purged, and {recorded} are recorded as purged"
    for operation_id in held.keys() & trail.histories.keys():
        if any(_has_to_go(trail.histories[operation_id], each) for each in purges[-1:]):
            yield f"{operation_id} is kept beyond its time"


def _may_go(history: History, purge: Purge) -> bool:
    is_answered = history.status == "complete" or history.submitted_us < purge.at_us - purge.answer_us
    return is_answered and _is_over(history, purge, purge.operations_us)


def _has_to_go(history: History, purge: Purge) -> bool:
    is_answered = history.status == "complete" or history.submitted_us < purge.at_us - 2 * purge.answer_us
    return purge.is_whole and is_answered and _is_over(history, purge, purge.operations_us)


def _is_over(history: History, purge: Purge, kept_us: int) -> bool:
    return kept_us > 0 and history.changed_us < purge.at_us - kept_us


def _receipts(away: Mapping[str, History], receipts: frozenset[str], purges: Sequence[Purge]) -> Iterator[str]:
    made = {operation_id: history for operation_id, history in away.items() if history.status == "complete"}
    for operation_id in receipts - made.keys():
        yield f"a receipt is left of {operation_id}, which is not gone, or was never complete"
    for operation_id, history in made.items():
        if operation_id not in receipts and not any(_is_over(history, each, each.receipts_us) for each in purges):
            yield f"the receipt of {operation_id} is purged before its time"
        if operation_id in receipts and any(each.is_whole and _is_over(history, each, each.receipts_us) for each in purges[-1:]):
            yield f"the receipt of {operation_id} is kept beyond its time"


def _records(trail: Trail, audit: Sequence[Row], starts: Mapping[str, str], purges: Sequence[Purge]) -> Iterator[str]:
    """Yield where what is left of a chain does not go on from its start, and what of it went before its time."""
    for tenant_id in {row[0] for row in trail.rows}:
        start = json.loads(starts.get(tenant_id) or '{"seq": 0, "cut": 0}')
        rows = [row for row in trail.rows if row[0] == tenant_id]
        there = [row[1] for row in audit if row[0] == tenant_id]
        first = there[0] if there else len(rows) + 1
        is_left = first <= start["seq"] and any(each.is_whole for each in purges[-1:])
        if first > start["seq"] + 1 or is_left or there != list(range(first, len(rows) + 1)):
            yield f"an audit chain that starts after record {start['seq']} holds {len(there)} of {len(rows)}, from {first} on"
        if start["seq"] and rows[start["seq"] - 1][3].hex() != start["hash"]:
            yield f"an audit chain starts after record {start['seq']} with another hash"
        for _, seq, canonical, _ in rows[: start["seq"]]:
            time_us = json.loads(canonical)[3]
            if not any(each.audit_us and time_us < each.at_us - each.audit_us for each in purges):
                yield f"record {seq} of the audit trail is purged before its time"
        if start["seq"] != (recorded := trail.purged.get("auditRecords", 0) if start["seq"] else 0):
            yield f"{start['seq']} audit records are purged, and {recorded} are recorded as purged"


def _unsigned(starts: Mapping[str, str], key: str) -> Iterator[str]:
    """Yield starts that nobody signed for (docs/reference/audit.md)."""
    for tenant_id, line in starts.items():
        start = json.loads(line)
        said = ["rightful-audit-start", 1, tenant_id, *(start[name] for name in ("seq", "hash", "cut", "newest_us", "time_us", "days"))]
        signed = json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode()
        try:
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(bytes.fromhex(start["signature"]), signed)
        except InvalidSignature:
            yield "the start of an audit chain is not signed"
        if start["newest_us"] >= start["time_us"] - start["days"] * _DAY_US:
            yield "the start of an audit chain says itself that it came before its time"
