"""What is said of each request once it is over: nothing personal, so neither its path nor its query."""

import logging
import time

import structlog

from rightful.identity.model import Caller
from rightful.meters import Meters
from rightful.traces import RequestSpan, SpanPlace, Traces

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_GONE = 499
"""As other servers say it: the client went before there was an answer."""

_log = structlog.get_logger(__name__)
_logging = logging.getLogger(__name__)


class Seen:
    """One request: filled in on its way, counted and told when it is over.

    Told at DEBUG, not INFO: polls are most of all requests, and a line costs as much as one; who asked for what belongs into the audit.
    """

    __slots__ = ("_began_s", "_meters", "_parent", "_traces", "caller", "method", "place", "route")

    def __init__(self, method: str, meters: Meters, traces: Traces, parent: SpanPlace | None = None) -> None:
        self._meters = meters
        self._traces = traces
        self._parent = parent
        self.place = traces.begin(parent)
        """Where the request's span stands; None where it is not traced."""
        self.method = method if method in _METHODS else "other"  # what a client made up is no label
        self.route = "none"
        self.caller: Caller | None = None
        self._began_s = time.perf_counter()

    def answered(self, status: int, request_id: str) -> None:
        """Tell how it was answered."""
        elapsed_s = time.perf_counter() - self._began_s
        self._meters.request(self.method, self.route, status, elapsed_s)
        if self.place is not None:
            self._trace(self.place, status, request_id, elapsed_s)
        if _logging.isEnabledFor(logging.DEBUG):
            self._tell(status, request_id, elapsed_s)

    def gone(self, request_id: str) -> None:
        """Tell that nobody waited for the answer."""
        self.answered(_GONE, request_id)

    def _trace(self, place: SpanPlace, status: int, request_id: str, elapsed_s: float) -> None:
        parent = self._parent
        if parent is not None and self.caller is None:  # strangers choose neither trace ids nor what is sampled
            place, parent = self._traces.begin(None) or place, None
        asked = RequestSpan(place=place, parent=parent, method=self.method, route=self.route, status=status)
        tenant_id = "" if self.caller is None else self.caller.tenant_id
        self._traces.request(asked, elapsed_s=elapsed_s, request_id=request_id, tenant_id=tenant_id)

    def _tell(self, status: int, request_id: str, elapsed_s: float) -> None:
        caller = {} if self.caller is None else {"tenant": self.caller.tenant_id, "app": self.caller.app_id}
        _log.debug(
            "request",
            method=self.method,
            route=self.route,
            status=status,
            ms=round(elapsed_s * 1000, 3),
            request_id=request_id,
            **caller,
        )
