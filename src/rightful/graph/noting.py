"""What of a call is recorded in the audit trail, by its route: reads and refusals (what changes something records itself)."""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from rightful.audit.record import OK, Action, Actor, Target, correlation
from rightful.export.interface import Exports, Note
from rightful.graph import errors, headers
from rightful.graph.request import Disconnected, Request, Scope
from rightful.graph.routes import RouteKind
from rightful.identity.model import Caller
from rightful.store.listing import All, Filter, SubjectIn

_READS: dict[RouteKind, tuple[Action, Target]] = {
    RouteKind.PREVIEW_USER: (Action.PREVIEW, Target.USER),
    RouteKind.PREVIEW_PROFILE: (Action.PREVIEW, Target.INBOUND_PROFILE),
    RouteKind.OPERATION: (Action.READ_OPERATION, Target.OPERATION),
    RouteKind.OPERATIONS: (Action.LIST_OPERATIONS, Target.OPERATIONS),
    RouteKind.OPERATIONS_COUNT: (Action.LIST_OPERATIONS, Target.OPERATIONS),
    RouteKind.PROFILE: (Action.READ_PROFILE, Target.INBOUND_PROFILE),
    RouteKind.PROFILES: (Action.LIST_PROFILES, Target.INBOUND_PROFILES),
}
_CHANGES: dict[tuple[RouteKind, str], tuple[Action, Target]] = {
    (RouteKind.EXPORT_USER, "POST"): (Action.SUBMIT, Target.USER),
    (RouteKind.EXPORT_ME, "POST"): (Action.SUBMIT, Target.USER),
    (RouteKind.EXPORT_PROFILE, "GET"): (Action.SUBMIT, Target.INBOUND_PROFILE),
    (RouteKind.EXPORT_PROFILE, "POST"): (Action.SUBMIT, Target.INBOUND_PROFILE),
    (RouteKind.OPERATION, "DELETE"): (Action.CANCEL, Target.OPERATION),
    (RouteKind.RESUME, "POST"): (Action.RESUME, Target.OPERATION),
    (RouteKind.APPROVE, "POST"): (Action.APPROVE, Target.OPERATION),
    (RouteKind.REJECT, "POST"): (Action.REJECT, Target.OPERATION),
    (RouteKind.EXTEND, "POST"): (Action.EXTEND, Target.OPERATION),
    (RouteKind.FORGET, "POST"): (Action.FORGET_FINGERPRINTS, Target.OPERATION),
}
"""Recorded by the service where they succeed; their refusals are noted here."""
_ANY = (Action.CALL, Target.SERVICE)
_BUSY = frozenset({429, 503})
"""Answers that come in floods: what was asked for is left out, so that a caller's are one record a second."""


def client_address(scope: Scope) -> str:
    """Return the client's address as the socket saw it, "" where there is none."""
    client: Sequence[Any] | None = scope.get("client")
    return str(client[0]) if client else ""


def actor(caller: Caller, scope: Scope, request_id: str) -> Actor:
    """Return who calls, from where."""
    return Actor(
        object_id=caller.object_id,
        app_id=caller.app_id,
        address=client_address(scope),
        request_id=request_id,
        client_request_id=correlation(headers.client_request_id(scope["headers"])),
    )


def asked_of(where: Filter | None) -> str:
    """Return the id of the only subject that a filter asks for, "" where it asks for none or several."""
    match where:
        case SubjectIn(subject_ids=ids) if len({each.lower() for each in ids}) == 1:
            return ids[0]
        case All(terms=terms):
            named = {asked_of(term) for term in terms} - {""}
            return named.pop() if len(named) == 1 else ""
        case _:
            return ""


class Noting:
    """Notes, when the block ends, what a known caller was answered or refused there; a call that nobody waits for is not noted."""

    def __init__(self, exports: Exports, caller: Caller, by: Actor, method: str) -> None:
        self._exports = exports
        self._caller = caller
        self._by = by
        self._method = method
        self.request: Request | None = None
        """Once the path was understood."""

    def __enter__(self) -> Self:
        """Begin the call."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Note how it ended."""
        if error is None:
            if self.request is not None and self._method != "OPTIONS" and (self.request.route.kind, self._method) not in _CHANGES:
                self._note(OK, is_told=True)
        elif isinstance(error, Exception | asyncio.CancelledError) and not isinstance(error, Disconnected):
            refusal = errors.told(error)
            self._note(refusal.code, is_told=refusal.http_status not in _BUSY)

    def _note(self, outcome: str, *, is_told: bool) -> None:
        action, target = _ANY
        told: dict[str, str] = {}
        if self.request is not None and self._method != "OPTIONS":
            kind = self.request.route.kind
            action, target = _CHANGES.get((kind, self._method)) or _READS.get(kind, _ANY)
            told = {"target_id": self.request.target_id, "subject_id": self.request.subject_id} if is_told else {}
        self._exports.note(Note(actor=self._by, tenant_id=self._caller.tenant_id, action=action, outcome=outcome, target=target, **told))
