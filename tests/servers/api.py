"""A small JSON API on loopback: what it answers to each request is a function of the test's."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """An answer; `cut` closes the connection after so many bytes of the body."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    drip_s: float = 0.0
    """Pause before each of a hundred headers, and then the end."""


@dataclass
class Asked:
    """A request as it came."""

    target: str
    headers: dict[str, str]
    body: bytes = b""
    """Of a POST."""


@dataclass
class Api:
    """A running API."""

    url: str
    asked: list[Asked]


@contextmanager
def serving(answer: Callable[[Asked], Reply | Iterator[bytes]]) -> Iterator[Api]:
    """Serve until left; an iterator is a body without a length, chunk after chunk."""
    api = Api("", [])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body are written apart: the body must not wait for the head's receipt

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            asked = Asked(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            api.asked.append(asked)
            reply = answer(asked)
            if isinstance(reply, Reply):
                self._send(reply)
            else:
                self._stream(reply)

        do_POST = do_GET  # noqa: N815 - what the base class looks for

        def _send(self, reply: Reply) -> None:
            (self.send_response_only if "Date" in reply.headers else self.send_response)(reply.status)
            if reply.drip_s:
                self._drip(reply.drip_s)
                return
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body if reply.cut is None else reply.body[: reply.cut])
            self.close_connection = reply.cut is not None

        def _drip(self, pause_s: float) -> None:
            self.close_connection = True
            try:
                for number in range(100):
                    self.send_header(f"X-{number}", "x")
                    self.flush_headers()
                    time.sleep(pause_s)
            except OSError:
                return  # the reader has hung up

        def _stream(self, chunks: Iterator[bytes]) -> None:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.close_connection = True
            try:
                for chunk in chunks:
                    self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
                self.wfile.write(b"0\r\n\r\n")
            except OSError:
                return  # the reader has heard enough

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
