"""The real server on a free port of loopback, in a thread of the test."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tests.wire.world import HOST, Answer

from rightful import certificate
from rightful.clock import Clock
from rightful.config.model import Config, ServerSettings, TlsSettings
from rightful.export.interface import Exports
from rightful.graph.http_protocol import LimitedHttpProtocol
from rightful.graph.server import Listening


def tls_settings(folder: Path) -> ServerSettings:
    """Return settings with a certificate for localhost, made in a folder (its authority is `ca.pem`)."""
    files = certificate.write(folder, datetime.now(UTC))
    return ServerSettings(listen="127.0.0.1:0", tls=TlsSettings(cert=str(files.cert), key=str(files.key)))


@contextmanager
def listening(
    config: Config, exports: Exports, *, protocol: type[LimitedHttpProtocol] = LimitedHttpProtocol, clock: Clock | None = None
) -> Iterator[Listening]:
    """Serve while the block runs."""
    server = Listening(config, exports, protocol=protocol, clock=clock)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join(30)
        assert not thread.is_alive()


class SocketClient:
    """Asks over one connection that stays open, as `tests.wire.world.Client` does in this thread."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)

    def request(
        self, method: str, path: str, *, token: str = "", body: object = None, headers: list[tuple[str, str]] | None = None
    ) -> Answer:
        """Send one request; `body` is sent as it is if bytes, else as JSON."""
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent = [("Host", HOST), *(headers or []), *([("Authorization", f"Bearer {token}")] if token else [])]
        self._connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in [*sent, *([("Content-Length", str(len(raw)))] if raw else [])]:
            self._connection.putheader(name, value)
        self._connection.endheaders(raw or None)
        answer = self._connection.getresponse()
        return Answer(status=answer.status, headers={name.lower(): value for name, value in answer.getheaders()}, body=answer.read())

    def close(self) -> None:
        self._connection.close()
