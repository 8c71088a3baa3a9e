"""The audit trail as a stranger reads it, with the records that were purged since; part of the checker: no code of the service."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

Row = tuple[str, int, str, bytes]
"""`tenant_id`, `seq`, canonical record, hash."""

_CHANGES = frozenset({"submit", "cancel", "resume", "approve", "reject", "extend", "complete", "fail"})
ENDED = frozenset({"complete", "failed"})


@dataclass
class History:
    """What was recorded of one operation's changes."""

    changes: list[str] = field(default_factory=list)
    submitted_us: int = 0
    changed_us: int = 0
    """When it changed last: where it has ended, it ended then, but for an extension."""

    @property
    def status(self) -> str:
        """Return which status its changes lead to."""
        status = "unknown"
        for action in self.changes:
            match status, action:
                case "unknown", "submit":
                    status = "open"
                case "open", "cancel" | "fail" | "reject":
                    status = "failed"
                case "open", "complete":
                    status = "complete"
                case "failed" | "open", "resume":  # one that waits for somebody may be resumed too
                    status = "open"
                case "open", "approve":
                    pass
                case "open" | "failed", "extend":
                    pass
                case _:
                    return f"{action} of what was {status}"
        return status


@dataclass
class Trail:
    """All records there ever were, by chain and number."""

    rows: Sequence[Row]
    histories: Mapping[str, History]
    purged: Mapping[str, int]
    """How much is recorded as purged, by the kind of thing."""


def read(archive: Sequence[Row], audit: Sequence[Row]) -> Trail:
    """Join what was copied before purges with what is left; where both have a record, the one that is left counts."""
    rows = sorted({(row[0], row[1]): row for row in (*archive, *audit)}.values()) if archive else audit
    histories: dict[str, History] = {}
    purged: dict[str, int] = {}
    for _, _, canonical, _ in rows:
        record = json.loads(canonical)
        time_us, action, outcome = record[3:6]
        target, target_id = record[11:13]
        if action == "purge":
            purged[target] = purged.get(target, 0) + record[14]
        elif action in _CHANGES and target == "operation" and (outcome == "ok" or action == "fail"):
            history = histories.setdefault(target_id, History(submitted_us=time_us))
            history.changes.append(action)
            if action != "extend":
                history.changed_us = time_us
    return Trail(rows, histories, purged)


def broken(rows: Sequence[Row]) -> Iterator[str]:
    """Yield where a chain does not go on."""
    heads: dict[str, tuple[int, bytes]] = {}
    for tenant_id, seq, canonical, hash_ in rows:
        number, before = heads.get(tenant_id, (0, bytes(32)))
        if seq != number + 1 or hashlib.sha256(before + canonical.encode()).digest() != hash_:
            yield f"the audit chain is broken at record {seq}"
        heads[tenant_id] = (seq, hash_)
