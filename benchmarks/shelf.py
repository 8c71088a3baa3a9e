"""A blob service that gives a folder's files, whole or in parts, and lists them: `python -m benchmarks.shelf FOLDER`.

It checks no signature. Prints its address and ends with its standard input.
"""

import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from benchmarks.beside import announce

_ABOVE = 2
"""Segments of an address that name account and container."""


def _handler(root: Path) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = parse_qs(url.query, keep_blank_values=True)
            if query.get("comp") == ["list"]:
                self._say(200, _listing(root, query["prefix"][0]))
                return
            path = root.joinpath(*unquote(url.path).lstrip("/").split("/")[_ABOVE:])
            if not path.is_file():
                self._say(404, b"", ("x-ms-error-code", "BlobNotFound"))
                return
            self._send(path)

        def _send(self, path: Path) -> None:
            with path.open("rb") as file:
                start, end = 0, os.fstat(file.fileno()).st_size
                wanted = self.headers.get("x-ms-range", "")
                if wanted:
                    first, _, last = wanted.removeprefix("bytes=").partition("-")
                    start, end = int(first), min(end, int(last) + 1)
                self.send_response(206 if wanted else 200)
                self.send_header("Content-Length", str(end - start))
                self.end_headers()
                self.wfile.flush()
                while start < end:
                    start += os.sendfile(self.connection.fileno(), file.fileno(), start, end - start)

        def _say(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def _listing(root: Path, prefix: str) -> bytes:
    """List everything on one page."""
    files = sorted((path.relative_to(root).as_posix(), path.stat().st_size) for path in root.rglob("*") if path.is_file())
    blobs = "".join(
        f"<Blob><Name>{escape(path)}</Name><Properties><Content-Length>{size}</Content-Length></Properties></Blob>"
        for path, size in files
        if path.startswith(prefix)
    )
    return f"<EnumerationResults><Blobs>{blobs}</Blobs><NextMarker/></EnumerationResults>".encode()


def main() -> None:
    """Serve until the standard input ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(Path(sys.argv[1])))
    server.daemon_threads = True
    announce(f"http://127.0.0.1:{server.server_address[1]}", lambda: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
    server.server_close()


if __name__ == "__main__":
    main()
