"""uvicorn's HTTP protocol with the limits that it lacks: how large a request's head may be, and how long it may take.

httptools keeps collecting a header that never ends, and a connection that never sends a whole head is never closed.
What is no HTTP, or too large, never reaches the application: it is answered here, in Graph's envelope too (GRAPH-40).
"""

import asyncio
import http
from asyncio import TimerHandle
from typing import Any, ClassVar

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from rightful.clock import SystemClock
from rightful.errors import InvalidRequest, RequestError
from rightful.graph import errors, headers

MAX_HEAD_BYTES = 32 * 1024
"""Request line and headers, also where one read of the socket holds all of them; the longest token fits twice."""
_LINE_BYTES = len(b": \r\n")


class _HeadTooLarge(Exception):
    """The head is whole, and larger than it may be: ends the parser."""


class LimitedHttpProtocol(HttpToolsProtocol):
    """Closes connections whose request head is too large (431), too slow, or no HTTP (400)."""

    head_timeout_s: ClassVar[float] = 20.0

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._is_in_head = True
        self._has_passed_head = False
        self._is_too_large = False
        self._head_bytes = 0
        self._head_timer: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own does
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._start_timer()

    def data_received(self, data: bytes) -> None:
        """Pass bytes on, and count those that were all of a head which is not whole yet."""
        was_in_head, self._has_passed_head = self._is_in_head, False
        super().data_received(data)
        if not was_in_head or not self._is_in_head or self._has_passed_head:
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(errors.HeadTooLarge())

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature; its words are ours below
        """Answer what the parser refused: uvicorn's own answer has neither the envelope nor the ids of every other."""
        self._refuse(errors.HeadTooLarge() if self._is_too_large else _not_http())

    def on_message_begin(self) -> None:
        """A head begins, perhaps in the same bytes that ended the request before."""
        super().on_message_begin()
        self._is_in_head = True
        self._head_bytes = 0
        if self._head_timer is None:
            self._start_timer()

    def on_headers_complete(self) -> None:
        """The head is whole: bytes that come now are a body, whose limits are the application's."""
        self._is_in_head = False
        self._has_passed_head = True
        self._stop_timer()
        if len(self.url) + sum(len(name) + len(value) + _LINE_BYTES for name, value in self.headers) > MAX_HEAD_BYTES:
            self._is_too_large = True
            raise _HeadTooLarge
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._stop_timer()
        super().connection_lost(exc)

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: the request is answered as if it had not asked, and uvicorn's advice to install packages helps nobody."""

    def _refuse(self, error: RequestError) -> None:
        if not self.transport.is_closing():
            self._stop_timer()
            self.transport.write(_answer(error, is_tls=self.scheme == "https"))
            self.transport.close()

    def _start_timer(self) -> None:
        self._head_timer = self.loop.call_later(self.head_timeout_s, self._close_slow)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _close_slow(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()


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
