"""Moto's S3 server as a fixture: a process of its own on loopback, ended by its pid."""

import http.client
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from tests.servers.port import free_port
from tests.servers.process import wait_for

_START_TIMEOUT_S = 60.0
_SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request"}


class S3Server:
    """A running S3 server; it takes any key."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def bucket(self) -> str:
        """Make a bucket and return its name."""
        name = f"b{secrets.token_hex(8)}"
        assert self._call("PUT", f"/{name}") == 200
        return name

    def put(self, bucket: str, key: str, content: bytes) -> None:
        assert self._call("PUT", f"/{bucket}/{quote(key)}", content) == 200

    def get(self, bucket: str, target: str) -> bytes:
        """Return what is answered for a path, or a question, below a bucket."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", f"/{bucket}/{target}" if not target.startswith("?") else f"/{bucket}{target}", headers=_SIGNED)
            return connection.getresponse().read()
        finally:
            connection.close()

    def delete(self, bucket: str, key: str) -> None:
        assert self._call("DELETE", f"/{bucket}/{quote(key)}") == 204

    def _call(self, method: str, target: str, content: bytes = b"") -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, target, body=content, headers=_SIGNED)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A running S3 server."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        env={"PATH": os.environ["PATH"]},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(process, port, name="moto's server", limit_s=_START_TIMEOUT_S)
        yield S3Server(port)
    finally:
        process.terminate()
        process.wait(timeout=10)
