"""What is traced: the steps of an operation, and the requests that ask for it. Whoever does a step says so, and knows nothing of who looks.

Nothing personal is ever said: no path, no query, no name, no content. Steps of claimed work belong to the claim that this thread, or one
that works for it, is at (a context variable): where nobody looks, each costs one look at it.
"""

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_NOTHING = nullcontext()


@dataclass(frozen=True, slots=True)
class SpanPlace:
    """Where in which trace a span stands; what others name as its parent."""

    trace_id: int
    span_id: int
    is_sampled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One operation's share of claimed work."""

    operation_id: str
    attempt: int
    partition: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSpan:
    """A request that was answered, and where its span stands."""

    place: SpanPlace
    parent: SpanPlace | None
    method: str
    route: str
    status: int


class Claim(Protocol):
    """Claimed work that is traced."""

    def plan(self) -> AbstractContextManager[None]:
        """Trace the planning of its source."""

    def put(self, operation_id: str, size_bytes: int) -> AbstractContextManager[None]:
        """Trace one put into an operation's storage location."""

    def ended_badly(self, operation_id: str, code: str) -> None:
        """Note why an operation's share of it did not come to its end."""

    def place(self) -> SpanPlace:
        """Return the place of its first share."""


_claim: ContextVar[Claim | None] = ContextVar("claim", default=None)


class Traces:
    """Traces nothing: what there is where `server.traces` is not set."""

    is_on = False
    """Whether it is worth while to say anything."""

    def begin(self, parent: SpanPlace | None) -> SpanPlace | None:  # noqa: ARG002 - of those that trace
        """Return the place of a request that begins, within a parent where there is one; None where it is not traced."""
        return None

    def request(self, asked: RequestSpan, *, elapsed_s: float, request_id: str, tenant_id: str) -> None:
        """Note that a request was answered."""

    def submitted(self, operation_id: str, tenant_id: str, *, elapsed_s: float, place: SpanPlace | None) -> None:
        """Note that an operation was accepted, for the request at a place: the beginning of the operation's own trace."""

    def claimed(self, name: str, steps: Sequence[Step], *, tenant_id: str, source: str = "") -> AbstractContextManager[None]:  # noqa: ARG002
        """Trace claimed work, by its kind (`read`, `finish`), while the block lasts."""
        return _NOTHING

    def close(self) -> None:
        """Send what is left, where anything is sent, and nothing afterwards."""


def at(claim: Claim) -> AbstractContextManager[None]:
    """Let what this thread does in the block belong to a claim."""
    return _At(claim)


class _At(AbstractContextManager[None]):
    def __init__(self, claim: Claim) -> None:
        self._claim = claim

    def __enter__(self) -> None:
        self._token = _claim.set(self._claim)

    def __exit__(self, *_error: object) -> None:
        _claim.reset(self._token)


def plan() -> AbstractContextManager[None]:
    """Trace the planning of a source, where the claim is traced."""
    claim = _claim.get()
    return _NOTHING if claim is None else claim.plan()


def put(operation_id: str, size_bytes: int) -> AbstractContextManager[None]:
    """Trace one put, where the claim is traced."""
    claim = _claim.get()
    return _NOTHING if claim is None else claim.put(operation_id, size_bytes)


def ended_badly(operation_id: str, code: str) -> None:
    """Note why an operation's share of the claim did not come to its end, where it is traced."""
    claim = _claim.get()
    if claim is not None:
        claim.ended_badly(operation_id, code)


def traceparent() -> str:
    """Return what tells a system that is asked now in whose trace that happens (W3C Trace Context 3.2), "" where that is not traced."""
    claim = _claim.get()
    return "" if claim is None else format_traceparent(claim.place())


def format_traceparent(place: SpanPlace) -> str:
    """Return a `traceparent` of version 00 (W3C Trace Context 3.2)."""
    return f"00-{place.trace_id:032x}-{place.span_id:016x}-{int(place.is_sampled):02x}"


def parse_traceparent(values: Sequence[str]) -> SpanPlace | None:
    """Return what a caller says of its own span; None where that is nothing, said twice or not well formed (W3C Trace Context 3.2.2)."""
    if len(values) != 1 or (found := _TRACEPARENT.fullmatch(values[0])) is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more is not None) or not int(trace_id, 16) or not int(span_id, 16):
        return None
    return SpanPlace(int(trace_id, 16), int(span_id, 16), is_sampled=bool(int(flags, 16) & 1))
