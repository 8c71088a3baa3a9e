"""uvicorn's HTTP protocol with the limits that it lacks: how large a request's head may be, and how long it may take.

httptools keeps collecting a header that never ends, and a connection that never sends a whole head is never closed.
What is no HTTP, or too large, never reaches the application: it is answered here, in Graph's envelope too (GRAPH-40).
"""

import asyncio
import http
import logging
from asyncio import TimerHandle
from typing import Any, ClassVar

from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from rightful.clock import SystemClock
from rightful.errors import InvalidRequest, RequestError, ServiceUnavailable
from rightful.graph import errors, headers

MAX_HEAD_BYTES = 32 * 1024
"""Request line and headers, also where one read of the socket holds all of them; the longest token fits twice."""
_BODY_HEADERS = frozenset({b"content-length", b"transfer-encoding"})
_LINE_BYTES = len(b": \r\n")


MAX_PIPELINED = 32
"""Requests that wait for the answers to those sent before them on the same connection."""
MAX_LEFT_BYTES = 64 * 1024
"""What of a body may still come once its request is answered, so that the client reads the answer."""
MAX_FRAMING_BYTES = 512 * 1024
"""Sizes and extensions of a body's chunks, and its trailers: a body of 64 KiB in chunks of one byte fits."""


def _calm(record: logging.LogRecord) -> bool:
    """Take uvicorn's warnings for remarks: anybody can cause them, as often as they like."""
    if record.levelno == logging.WARNING:
        record.levelno, record.levelname = logging.DEBUG, logging.getLevelName(logging.DEBUG)
    return logging.getLogger().isEnabledFor(record.levelno)


_uvicorn = logging.getLogger("uvicorn.http")
_uvicorn.addFilter(_calm)


class _Refused(Exception):
    """Ends the parser: what came is not taken."""


class LimitedHttpProtocol(HttpToolsProtocol):
    """Closes connections whose request head is too large (431), too slow, or no HTTP (400), and those that don't read their answers.

    A timer runs while a head is waited for, or the rest of a body whose request is answered; no byte but the last stops it. (While the
    application reads a body, it counts the time.)
    """

    handshake_timeout_s: ClassVar[float] = 10.0
    head_timeout_s: ClassVar[float] = 20.0
    unread_timeout_s: ClassVar[float] = 30.0
    """How long a client may leave answers unread."""

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.logger = _uvicorn
        self.waiting_since_s: float | None = None
        """Since when the connection only waits for its client, by the loop's clock; None while a request is worked on."""
        self.has_no_room = False
        """Whether requests are told that there are too many connections; set by whoever accepts them."""
        self._is_in_head = True
        self._has_passed_head = False
        self._is_message_open = False
        self._is_over = False
        """Whether nothing more is read."""
        self._head_bytes = self._body_bytes = self._left_bytes = self._framing_bytes = 0
        self._refusal: RequestError | None = None
        self._cycle_at_work: RequestResponseCycle | None = None
        self._slow_timer: TimerHandle | None = None
        self._unread_timer: TimerHandle | None = None

    # -- what comes ---------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own does
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self.waiting_since_s = self.loop.time()
        self._start_slow_timer()

    def data_received(self, data: bytes) -> None:
        """Pass bytes on, and count those of a head that is not whole yet, and those around the pieces of a body."""
        if self._is_over or self.transport.is_closing():
            return
        was_in_head, body_bytes, self._has_passed_head = self._is_in_head, self._body_bytes, False
        super().data_received(data)
        if self._is_in_head:
            if was_in_head and not self._has_passed_head:  # all of it is of one head
                self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(errors.HeadTooLarge())
        elif self._is_message_open:
            self._framing_bytes += len(data) - (self._body_bytes - body_bytes)
            if self._framing_bytes > MAX_FRAMING_BYTES:
                self._refuse(_not_http())
        elif self.waiting_since_s is not None and self.timeout_keep_alive_task is None:  # uvicorn stops it for any byte
            left_s = self.waiting_since_s + self.timeout_keep_alive - self.loop.time()
            self.timeout_keep_alive_task = self.loop.call_later(max(0.0, left_s), self.timeout_keep_alive_handler)

    def on_message_begin(self) -> None:
        """A head begins, perhaps in the same bytes that ended the request before."""
        super().on_message_begin()
        self._is_in_head = self._is_message_open = True
        self._head_bytes = self._left_bytes = self._framing_bytes = 0
        self._start_slow_timer()
        if self.waiting_since_s is not None:
            self.waiting_since_s = self.loop.time()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; what stands behind a body (RFC 9112 7.1.2) is passed over."""
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole: bytes that come now are a body, whose limits are the application's."""
        if len(self.url) + sum(len(name) + len(value) + _LINE_BYTES for name, value in self.headers) > MAX_HEAD_BYTES:
            self._refusal = errors.HeadTooLarge()
        elif self.has_no_room or len(self.pipeline) >= MAX_PIPELINED:
            self._refusal = ServiceUnavailable("There are too many connections, or requests on this one", hint="try again later")
        elif self.parser.should_upgrade() and any(name in _BODY_HEADERS for name, _ in self.headers):
            # The parser takes what follows for the other protocol's, whatever the length says: a proxy would take it for a body.
            self._refusal = InvalidRequest("The request asks for another protocol and has a body", hint="leave the header Upgrade out")
        if self._refusal is not None:
            raise _Refused
        super().on_headers_complete()
        if self.parser.should_upgrade():  # answered as if it had not asked, and nothing after it is read
            self._is_over, self.cycle.keep_alive = True, False
        self._is_in_head = False
        self._has_passed_head = True
        self._stop_slow_timer()
        self.waiting_since_s = None

    def on_body(self, body: bytes) -> None:
        """Pass a body's bytes on; those of an answered request are counted."""
        self._body_bytes += len(body)
        if self.cycle.response_complete:
            self._left_bytes += len(body)
            if self._left_bytes > MAX_LEFT_BYTES:
                self._close()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._is_message_open = False
        if self.waiting_since_s is not None:
            self._stop_slow_timer()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature; its words are ours below
        """Answer what the parser refused: uvicorn's own answer has neither the envelope nor the ids of every other."""
        self._refuse(self._refusal or _not_http())

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: the request is answered as if it had not asked, and uvicorn's advice to install packages helps nobody."""

    # -- what goes ----------------------------------------------------------------------------------------------------

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._cycle_at_work = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """An answer is on its way; the request behind it is next, or the client is waited for."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._close()
        elif self.cycle.response_complete:
            self.waiting_since_s = self.loop.time()
            if self._is_message_open:
                self._start_slow_timer()

    def pause_writing(self) -> None:
        """The client leaves answers unread."""
        super().pause_writing()
        self._start_unread_timer()

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._stop_unread_timer()

    def _refuse(self, error: RequestError) -> None:
        """Answer what can't be a request, and close; what was asked before it is answered first, and it then gets no answer."""
        if self._is_over or self.transport.is_closing():
            return
        is_in_body = self._is_message_open and not self._is_in_head
        if self._owes_answer and (self.pipeline or not is_in_body):
            self._end_after_answers()
            return
        if not is_in_body or not self.cycle.response_started:
            self.transport.write(_answer(error, is_tls=self.scheme == "https"))
        self._close()

    # -- the end ------------------------------------------------------------------------------------------------------

    def timeout_keep_alive_handler(self) -> None:
        """End a connection that nobody uses."""
        self._close()

    def drop(self) -> None:
        """End the connection at once, for another's sake."""
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more, nor written: uvicorn tells that only the last of the requests that came."""
        for cycle in (self._cycle_at_work, *(cycle for cycle, _ in self.pipeline)):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
        self.pipeline.clear()
        self._stop_slow_timer()
        self._stop_unread_timer()
        super().connection_lost(exc)

    @property
    def _owes_answer(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete  # type: ignore[redundant-expr]  # None before the first

    def _end_after_answers(self) -> None:
        self._is_over = True
        self._stop_slow_timer()
        self.cycle.keep_alive = False

    def _close(self) -> None:
        """Close once the client has read what was written, or has left it unread for too long."""
        self._is_over = True
        self._stop_slow_timer()
        self.transport.close()
        self._start_unread_timer()

    def _close_slow(self) -> None:
        if self._owes_answer:
            self._end_after_answers()
        else:
            self._close()

    def _start_slow_timer(self) -> None:
        if self._slow_timer is None:
            self._slow_timer = self.loop.call_later(self.head_timeout_s, self._close_slow)

    def _stop_slow_timer(self) -> None:
        if self._slow_timer is not None:
            self._slow_timer.cancel()
            self._slow_timer = None

    def _start_unread_timer(self) -> None:
        if self._unread_timer is None:
            self._unread_timer = self.loop.call_later(self.unread_timeout_s, self.transport.abort)

    def _stop_unread_timer(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None


def _not_http() -> InvalidRequest:
    return InvalidRequest("The request is not well-formed HTTP/1.1", hint="check its first line, its headers and its length")


def _answer(error: RequestError, *, is_tls: bool) -> bytes:
    request_id, client_request_id, now = headers.new_request_id(), headers.new_request_id(), SystemClock().now()
    body = errors.envelope(error, request_id=request_id, client_request_id=client_request_id, now=now)
    lines = [
        (b"content-type", headers.ERROR_TYPE),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        *headers.common(request_id=request_id, client_request_id=client_request_id, now=now, is_tls=is_tls),
    ]
    phrase = http.HTTPStatus(error.http_status).phrase.encode()
    return b"HTTP/1.1 %d %b\r\n" % (error.http_status, phrase) + b"".join(b"%b: %b\r\n" % line for line in lines) + b"\r\n" + body
