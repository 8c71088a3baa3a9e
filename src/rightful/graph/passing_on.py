"""A service that stands by has the one that leads answer: a client may ask any of several.

It keeps nothing of what it passes on, and changes nothing of it but headers that are of one connection. Who leads checks the token, counts
the call and records it, with the address that the client has here.
"""

import asyncio
from collections.abc import Callable, Sequence
from urllib.parse import quote_from_bytes, unquote_to_bytes

import structlog

from rightful.errors import InvalidRequest, RequestError, ServiceUnavailable, StorageError, StorageUnavailable
from rightful.graph import headers, introducing, public
from rightful.graph.app import GraphApp, deliver
from rightful.graph.batch import MAX_BYTES
from rightful.graph.errors import CutOff, TooSlow
from rightful.graph.introducing import Introductions
from rightful.graph.reply import Answer
from rightful.graph.request import BODY_TIMEOUT_S, Disconnected, Receive, Scope, Send, read_body
from rightful.graph.threads import Threads
from rightful.pinned import PinnedHost

_log = structlog.get_logger(__name__)

_LOOKING_THREADS = 32
_THREADS = 64
_WAITING = 2000
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
"""Profiles are exported by GET too (GRAPH-20): such a request is passed on once, like any other."""
_OF_A_CONNECTION = frozenset(
    {
        b"connection",
        b"content-length",
        b"expect",
        b"host",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        introducing.NAME,
    }
)


class PassingOn:
    """Passes requests on while it knows who leads; what it cannot pass on is refused as by a service that stands by alone."""

    def __init__(self, app: GraphApp, introductions: Introductions, leader: Callable[[], PinnedHost | None]) -> None:
        self._app = app
        self._introductions = introductions
        self._leader = leader
        self._looks = Threads("looks passed on", threads=_LOOKING_THREADS, waiting=_WAITING)
        self._others = Threads("passed on", threads=_THREADS, waiting=_WAITING)
        """What may have to wait there, for a storage location or a source: nobody who looks waits for that here."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request (ASGI 3)."""
        leader = self._leader()
        # Nothing is passed on twice: two services that each take the other for the leader would never end.
        if leader is None or public.find(scope["raw_path"]) or headers.values(scope["headers"], introducing.NAME):
            await self._app(scope, receive, send)
            return
        try:
            answer = await self._pass_on(leader, scope, receive)
        except Disconnected:
            return
        except RequestError as error:
            await self._app.refuse(error, scope, receive, send)
            return
        await deliver(answer, send)

    async def _pass_on(self, leader: PinnedHost, scope: Scope, receive: Receive) -> Answer:
        is_look = _is_look(scope)
        target, sent = _target(scope), [*_sent(scope["headers"]), (introducing.NAME.decode(), self._introductions.write(scope))]
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                body = await read_body(receive, MAX_BYTES)
        except TimeoutError:
            raise TooSlow("The body did not come in time") from None
        try:
            threads = self._looks if is_look else self._others
            return await threads.run("anybody", _exchange, leader, scope["method"], target, sent, body)
        except StorageError as error:
            _log.warning("the service that leads did not answer", error=error.message)
            may_be_done = not isinstance(error, StorageUnavailable) or error.may_have_arrived
            if may_be_done and not is_look:
                raise CutOff from error
            raise ServiceUnavailable("The service that works on the store does not answer", hint="send it again later") from error
        except asyncio.CancelledError:
            raise CutOff from None

    def close(self) -> None:
        """Begin no more calls."""
        self._looks.close()
        self._others.close()
        self._app.close()


def _is_look(scope: Scope) -> bool:
    """Say whether a request changes nothing, and waits for nothing but the store."""
    path = unquote_to_bytes(scope["raw_path"]).lower()
    return scope["method"] in _READING and b"exportpersonaldata" not in path


def _target(scope: Scope) -> str:
    raw_path: bytes = scope["raw_path"]
    query: bytes = scope.get("query_string", b"")
    path = quote_from_bytes(raw_path, safe="!#$%&'()*+,/:;=?@[]~")
    return f"{path}?{quote_from_bytes(query, safe=_QUERY)}" if query else path


_QUERY = "!#$%&'()*+,/:;=?@[]~\"<>\\^`{|}"
"""As it came, but for what is no character of a query at all."""


def _sent(given: Sequence[headers.Header]) -> list[tuple[str, str]]:
    """Return the headers that go along; raises `InvalidRequest` for one that is not written in ASCII, which no client sends."""
    named = {name.strip().lower().encode("latin-1") for text in headers.values(given, b"connection") for name in text.split(",")}
    try:
        return [(name.decode("ascii"), value.decode("ascii")) for name, value in given if name not in _OF_A_CONNECTION | named]
    except UnicodeDecodeError:
        raise InvalidRequest("A header is not written in ASCII") from None


def _exchange(leader: PinnedHost, method: str, target: str, sent: Sequence[tuple[str, str]], body: bytes) -> Answer:
    found = leader.exchange(method, target, sent, (body,) if body else (), len(body))
    kept = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in found.headers.items()]
    passed = [(name, value) for name, value in kept if name == b"content-length" or name not in _OF_A_CONNECTION]
    return Answer(status=found.status, headers=passed, body=found.body)
