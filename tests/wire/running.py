"""The real server on a free port of loopback, in a thread of the test."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

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
