"""A stand-in for Google Cloud Storage as a fixture: its XML interface as far as obstore speaks it, in front of moto's S3.

The two are alike but for the names of headers (https://cloud.google.com/storage/docs/xml-api/reference-headers): a generation that must be 0 is
an entry that must not be there, and a copy's condition counts for what it makes.
"""

import http.client
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest
from tests.servers.s3 import S3Server

_SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request"}
_DROPPED = frozenset({"host", "authorization", "connection", "transfer-encoding", "content-length"})
_EXISTS = b"<Error><Code>PreconditionFailed</Code></Error>"


class GcsServer:
    """A running stand-in; buckets are moto's."""

    def __init__(self, s3: S3Server) -> None:
        self.s3 = s3
        self.copies_answered: list[int] = []
        """Statuses that the next copies are answered with; they are not carried out."""
        self.hangs = ""
        """Requests in whose first line this stands get no answer; empty for none."""
        self.hung: list[str] = []
        """The first lines of those."""
        self.cut = 0
        """How many of them were cut off by whoever had asked."""
        self.refuses: tuple[str, ...] = ()
        """Requests in whose first line one of these stands are refused."""
        self.refused: list[str] = []
        """The first lines of those."""
        self._making = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def _any(self) -> None:
                outer.answer(self)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _any  # noqa: N815 - so the library calls them

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Carry a request out in moto, in its words."""
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        line = unquote(f"{request.command} {request.path}")
        if any(each in line for each in self.refuses):
            self.refused.append(line)
            self._say(request, 403, b"<Error><Code>AccessDenied</Code></Error>", {})
            return
        if self.hangs and self.hangs in line:
            self._hang(request, line)
            return
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _DROPPED}
        is_new = headers.pop("x-goog-if-generation-match", "") == "0"
        source = headers.pop("x-goog-copy-source", "")
        if source:
            headers["x-amz-copy-source"] = source
        if source and self.copies_answered:
            self._say(request, self.copies_answered.pop(0), b"<Error><Code>Planned</Code></Error>", {})
            return
        with self._making:  # moto looks at no condition of a copy
            if is_new and self._ask("HEAD", request.path, b"", {})[0] == 200:
                self._say(request, 412, _EXISTS, {})
                return
            status, answer, said = self._ask(request.command, request.path, body, headers)
        self._say(request, status, answer, said)

    def _hang(self, request: BaseHTTPRequestHandler, line: str) -> None:
        """Wait until the other side is gone."""
        self.hung.append(line)
        request.close_connection = True
        request.connection.settimeout(60)
        with suppress(TimeoutError):
            try:
                is_cut = request.connection.recv(1) == b""
            except ConnectionError:
                is_cut = True
            with self._making:
                self.cut += is_cut

    def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.s3.port, timeout=60)
        try:
            connection.request(method, path, body=body, headers={**headers, **_SIGNED})
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.getheaders())
        finally:
            connection.close()

    @staticmethod
    def _say(request: BaseHTTPRequestHandler, status: int, body: bytes, said: dict[str, str]) -> None:
        request.send_response(status)
        for name, value in said.items():
            if name.lower() in {"etag", "last-modified", "content-type", "content-range"}:
                request.send_header(name, value)
        request.send_header("Content-Length", said.get("Content-Length", str(len(body))) if request.command == "HEAD" else str(len(body)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)


@pytest.fixture(scope="session")
def gcs_server(s3_server: S3Server) -> Iterator[GcsServer]:
    """A running stand-in."""
    server = GcsServer(s3_server)
    try:
        yield server
    finally:
        server.stop()
