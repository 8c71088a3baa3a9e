"""What is counted. Whoever counts says what happened, and knows nothing of how it is told.

Nothing personal is ever said: a route is a kind, not a path; a source, a code and a reason are words of the configuration or the program.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """How much has not ended."""

    open_by_tenant: Mapping[str, int]
    """Operations, by the tenant's id."""
    not_started: int
    """Operations that nothing has been read for yet."""
    reads: Mapping[str, int]
    """`pending` now, `waiting` for a later try, `leased`."""
    recorded_by_tenant: Mapping[str, int]
    """Records of the audit trail, by the tenant's id; empty for those that belong to none."""


class Meters:
    """Counts nothing: what there is where `server.metrics` is not set."""

    def watch(self, backlog: Callable[[], Backlog]) -> None:
        """Ask for the backlog whenever somebody wants to know."""

    def watch_directories(self, stale: Callable[[], Mapping[str, bool]]) -> None:
        """Ask, whenever somebody wants to know, whose directory answers with what was read before, by the tenant's id."""

    def leave(self) -> None:
        """Ask nobody any more, and forget what is due: from now on another process works on the store, and tells that."""

    def due(self, tenant_id: str, *, soon: int, over: int) -> None:
        """Note how many requests of a tenant near the last day to answer them, and how many are past it."""

    def posted(self, outcome: str) -> None:
        """Note that an event was `delivered` to a webhook, is `retried`, or was `dropped`."""

    def request(self, method: str, route: str, status: int, elapsed_s: float) -> None:
        """Note that a request was answered."""

    def token_refused(self, reason: str) -> None:
        """Note that a token was refused, by the class of reasons."""

    def accepted(self) -> None:
        """Note that an operation was accepted."""

    def ended(self, status: str, code: str = "") -> None:
        """Note that an operation ended; a failed one with its code."""

    def packaged(self, entries: int, size_bytes: int) -> None:
        """Note that a package is whole."""

    def written(self, source: str, *, entries: int, rows: int, size_bytes: int) -> None:
        """Note what of a source is in a storage location for certain."""

    def skipped(self, source: str, items: int) -> None:
        """Note that items of a source could not be read."""

    def leak_found(self, source: str) -> None:
        """Note that records of a source named others, and were withheld."""

    def retried(self, source: str) -> None:
        """Note that a read is tried again."""

    def waited(self, code: str) -> None:
        """Note that an operation waits for its storage location."""

    def purged(self, kind: str, number: int) -> None:
        """Note that so many of a kind (`operations`, `receipts`, `auditRecords`) were kept long enough and are erased."""
