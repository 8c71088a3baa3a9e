"""The blob service's side of a SAS URL, in this process, over real sockets, with the faults that happen.

It speaks what a writer needs (Put Blob, Put Block, Put Block List, Append Block, Get Blob, List Blobs), asks of a SAS the rights that
the real service asks for, and follows a script of faults. It stands on loopback, on a free port.

    with BlobSimulator() as service:
        url = service.sas_url("exports", "c")
        service.fail(Fault.status(503, headers={"Retry-After": "1"}), after=3)
        ...
        assert service.blobs("exports")
"""

import enum
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

from rightful.testing.blob_account import Answer, BlobAccount, Call

_ACCOUNT = "simulated"


class Break(enum.Enum):
    """How an exchange breaks without an answer."""

    NONE = "none"
    RESET_BEFORE_BODY = "reset before body"
    """The connection is reset when the head was read."""
    RESET = "reset"
    """It is reset when the body was read; nothing was carried out."""
    ANSWER_LOST = "answer lost"
    """It is reset after the request was carried out."""
    TIMEOUT = "timeout"
    """Nothing comes, until the simulator closes."""
    TRUNCATED = "truncated"
    """The answer ends in the middle of its head; the request was carried out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to a request instead of what it asks for."""

    code: int = 0
    error: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    breaks: Break = Break.NONE
    is_early: bool = False
    """The answer comes before the body was read, and the connection is closed."""

    @classmethod
    def status(cls, code: int, error: str = "", *, headers: dict[str, str] | None = None, is_early: bool = False) -> Self:
        """Answer with a status and an `x-ms-error-code`."""
        return cls(code=code, error=error, headers=tuple((headers or {}).items()), is_early=is_early)

    @classmethod
    def redirect(cls, to: str, code: int = 307) -> Self:
        """Answer with a redirect."""
        return cls(code=code, headers=(("Location", to),))

    @classmethod
    def broken(cls, breaks: Break) -> Self:
        """Give no answer."""
        return cls(breaks=breaks)


@dataclass(slots=True)
class _Planned:
    fault: Fault
    after: int
    times: int
    matches: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Request:
    """A request that came in, without its secret."""

    method: str
    path: str
    """Of the entry; empty for the container."""
    operation: str
    """`comp`, or empty."""
    headers: dict[str, str]
    connection: int
    """Numbers the connections."""


class BlobSimulator:
    """A blob service with one account, on loopback. Use it as a context, or `close` it."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, has_append_blobs: bool = True) -> None:
        self.requests: list[Request] = []
        """What came in, in order, refused or not."""
        self.account = BlobAccount(has_append_blobs=has_append_blobs)
        self._tls = tls
        self._lock = threading.Lock()
        self._plan: list[_Planned] = []
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.simulator = self
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def host(self) -> str:
        """Host and port, as an allow-list names it."""
        return f"127.0.0.1:{self.port}"

    def close(self) -> None:
        """Stop, and end all connections."""
        self._closing.set()
        self._server.shutdown()
        self._server.end_connections()
        self._server.server_close()
        self._thread.join()

    def end_connections(self) -> None:
        """End all connections that are open, as a service does with idle ones."""
        self._server.end_connections()

    # -- the account --------------------------------------------------------------------------------------------------
    def sas_url(
        self,
        container: str,
        permissions: str = "cw",
        *,
        expires_in_s: float = 3600,
        starts_in_s: float | None = None,
        kind: str = "service",
        base: str = "",
    ) -> str:
        """Return a SAS URL of a container, which is made where it is missing; `kind` is `service` or `account`.

        `base` stands instead of `http(s)://127.0.0.1:{port}/{account}`, for a name that leads here.
        """
        query = self.account.grant(container, permissions, expires_in_s=expires_in_s, starts_in_s=starts_in_s, kind=kind)
        scheme = "http" if self._tls is None else "https"
        return f"{base or f'{scheme}://{self.host}/{_ACCOUNT}'}/{container}?{query}"

    def revoke(self) -> None:
        """Let every SAS given out so far be refused, as after a change of the account's key."""
        self.account.revoke()

    def blobs(self, container: str) -> dict[str, bytes]:
        """Return all committed blobs of a container."""
        return self.account.blobs(container)

    def delete_container(self, container: str) -> None:
        """Delete a container."""
        self.account.delete_container(container)

    def protect(self, container: str) -> None:
        """Give a container an immutability policy: blobs that are there cannot be changed, and no block can be put for them."""
        self.account.protect(container)

    def forget_blocks(self, container: str) -> None:
        """Drop all blocks that no blob names, as the service does with those that are a week old."""
        self.account.forget_blocks(container)

    # -- faults -------------------------------------------------------------------------------------------------------
    def fail(self, fault: Fault, *, after: int = 0, times: int = 1, path: str = "") -> None:
        """Let requests whose entry path holds `path` meet a fault: so many `times`, `after` so many of them.

        Orders add up, and each counts the requests that no earlier order took.
        """
        with self._lock:
            self._plan.append(_Planned(fault, after, times, lambda entry: path in entry))

    def fail_from_now(self, fault: Fault, *, after: int = 0) -> None:
        """Let all requests meet a fault, after so many of them, until `recover`."""
        self.fail(fault, after=after, times=1 << 60)

    def recover(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._plan.clear()

    def take_fault(self, path: str) -> Fault | None:
        """Return the fault that a request meets (for the handler)."""
        with self._lock:
            for planned in self._plan:
                if not planned.matches(path):
                    continue
                if planned.after:
                    planned.after -= 1
                elif planned.times:
                    planned.times -= 1
                    return planned.fault
        return None

    # -- for the handler -------------------------------------------------------------------------------------------------
    def wait_for_close(self) -> None:
        """Give no answer."""
        self._closing.wait()

    def wrap(self, connection: socket.socket) -> socket.socket:
        """Speak TLS where it is wanted."""
        return connection if self._tls is None else self._tls.wrap_socket(connection, server_side=True)

    def note(self, request: Request) -> None:
        """Keep a request for the test to look at."""
        with self._lock:
            self.requests.append(request)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    simulator: BlobSimulator

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._lock = threading.Lock()
        self._accepted = 0
        self._connections: dict[socket.socket, int] = {}
        """Those that are open, numbered as they came."""

    def finish_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]  # a TCP server's are sockets
        try:
            connection = self.simulator.wrap(request)
        except OSError:  # the client did not like our certificate
            return
        with self._lock:
            self._accepted += 1
            self._connections[connection] = self._accepted
        try:
            super().finish_request(connection, client_address)
        except OSError:  # ended by the client or by a fault
            pass
        finally:
            with self._lock:
                del self._connections[connection]
            connection.close()

    def number(self, connection: socket.socket) -> int:
        with self._lock:
            return self._connections[connection]

    def end_connections(self) -> None:
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            _reset(connection)


def _reset(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def setup(self) -> None:
        super().setup()
        self._number = self.server.number(self.connection)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        simulator = self.server.simulator
        url = urlsplit(self.path)
        segments = unquote(url.path).lstrip("/").split("/")
        if segments[0] == _ACCOUNT:
            del segments[0]
        container, path = segments[0], "/".join(segments[1:])
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        headers = {name.lower(): value for name, value in self.headers.items()}
        simulator.note(Request(self.command, path, query.get("comp", ""), headers, self._number))
        fault = simulator.take_fault(path)
        if fault is not None and (fault.is_early or fault.breaks is Break.RESET_BEFORE_BODY):
            self._break_early(fault)
            return
        body = self.rfile.read(int(headers.get("content-length", "0")))
        if len(body) < int(headers.get("content-length", "0")):
            self.close_connection = True
            return
        if fault is not None and self._meet(fault):
            return
        answer = simulator.account.carry_out(Call(self.command, container, path, query, headers, body))
        self._finish(answer, fault)

    def _break_early(self, fault: Fault) -> None:
        if fault.is_early:
            self._answer(_faulty(fault), closes=True)
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)
            while self.connection.recv(1 << 16):  # a close with unread data would make the kernel drop the answer
                pass
        else:
            self._reset()

    def _meet(self, fault: Fault) -> bool:
        """Do what a fault does before a request is carried out; say whether that was all."""
        if fault.code:
            self._answer(_faulty(fault))
            return True
        if fault.breaks is Break.TIMEOUT:
            self.server.simulator.wait_for_close()
        if fault.breaks in {Break.RESET, Break.TIMEOUT}:
            self._reset()
            return True
        return False

    def _finish(self, answer: Answer, fault: Fault | None) -> None:
        if fault is None:
            self._answer(answer)
            return
        if fault.breaks is Break.TRUNCATED:
            self.close_connection = True
            self.wfile.write(b"HTTP/1.1 201 Crea")
        else:
            self._reset()

    def _reset(self) -> None:
        """End the connection by RST, not by FIN."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _answer(self, answer: Answer, *, closes: bool = False) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("x-ms-request-id", "00000000-0000-0000-0000-000000000000")
        self.send_header("Content-Length", str(len(answer.body)))
        if closes:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)


def _faulty(fault: Fault) -> Answer:
    answer = Answer.refusal(fault.code, fault.error)
    return Answer(answer.status, (*answer.headers, *fault.headers), answer.body)
