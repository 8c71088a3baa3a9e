"""One request, as the handlers see it: authenticated, its path read, its body still to come."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, NoReturn

from rightful.audit.record import Actor
from rightful.errors import Forbidden, RequestError
from rightful.graph import bodies, headers
from rightful.graph.errors import TooSlow, stopping
from rightful.graph.reply import Answer
from rightful.graph.routes import Route
from rightful.identity.model import Caller
from rightful.ids import TenantId
from rightful.traces import SpanPlace

# What ASGI passes around; untyped by its specification.
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
CarryOut = Callable[[Scope, Receive, RequestError | None], Awaitable[Answer]]
"""Answers a request of a batch as if it had come alone, or refuses it with an error."""

BODY_TIMEOUT_S = 30.0


class Disconnected(Exception):
    """The client has gone; nobody waits for an answer."""


class Request:
    """What a handler may ask of a request."""

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        *,
        caller: Caller,
        actor: Actor,
        route: Route,
        address: str,
        carry_out: CarryOut | None = None,
        place: SpanPlace | None = None,
    ) -> None:
        self.scope = scope
        """For a batch: what its requests have from the connection."""
        self.carry_out = carry_out
        """For a batch: how its requests are answered; None within one."""
        self.caller = caller
        self.place = place
        """Where its span stands; None where it is not traced."""
        self.actor = actor
        self.route = route
        self.root = f"{address}/{route.version}"
        """The service root that was called (GRAPH-12)."""
        self.headers: Sequence[headers.Header] = scope["headers"]
        self.query_string: bytes = scope.get("query_string", b"")
        self.target_id = route.key
        """What the call is about, for the record: as the path names it, until a handler has found it."""
        self.subject_id = ""
        """Whose data the call is about, once a handler has found that."""
        self._receive = receive

    def is_about(self, target_id: str, subject_id: str) -> None:
        """Say what the call is about, for the record."""
        self.target_id, self.subject_id = target_id, subject_id

    @property
    def tenant_id(self) -> TenantId:
        """The caller's tenant: nothing outside it is ever asked for."""
        return self.caller.tenant_id

    @property
    def is_beta(self) -> bool:
        """Whether /beta was called."""
        return self.route.version == "beta"

    async def body(self, *, most_bytes: int = bodies.MAX_BODY_BYTES) -> bytes:
        """Return the whole body, decoded.

        Raises `RequestError` where it is too large, too slow, or not of a type that is read here, or where the service stops meanwhile.
        """
        bodies.check_type(headers.value(self.headers, b"content-type"))
        encoding = headers.value(self.headers, b"content-encoding")
        length = headers.value(self.headers, b"content-length")
        if length.isdecimal() and int(length) > most_bytes:
            raise bodies.too_large(most_bytes)  # before any of it has come
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                raw = await read_body(self._receive, most_bytes)
        except TimeoutError:
            raise TooSlow("The body did not come in time") from None
        except asyncio.CancelledError:
            raise stopping() from None  # bodies are read before anything is done
        return bodies.inflate(raw, encoding, most_bytes)

    def require(self, allowed: object, needs: str) -> None:
        """Raise `Forbidden` unless something is allowed (a bool, or a set of kinds that is not empty)."""
        if not allowed:
            self._forbid(needs)

    @staticmethod
    def _forbid(needs: str) -> NoReturn:
        raise Forbidden("Insufficient privileges to complete the operation", hint=needs)


async def read_body(receive: Receive, most_bytes: int) -> bytes:
    """Return a whole body as it comes; raises `Disconnected` where the client goes meanwhile, `TooLarge` where it sends more."""
    chunks: list[bytes] = []
    size_bytes = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunk: bytes = message.get("body", b"")
        size_bytes += len(chunk)
        if size_bytes > most_bytes:
            raise bodies.too_large(most_bytes)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)
