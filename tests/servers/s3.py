"""Moto's S3 server as a fixture: a process of its own on loopback, ended by its pid."""

import http.client
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from tests.servers.port import free_port

_START_TIMEOUT_S = 60.0


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

    def delete(self, bucket: str, key: str) -> None:
        assert self._call("DELETE", f"/{bucket}/{quote(key)}") == 204

    def _call(self, method: str, target: str, content: bytes = b"") -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(
                method, target, body=content, headers={"Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request"}
            )
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


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
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not _listens(port):
            assert process.poll() is None, "moto's server ended at once"
            assert time.monotonic() < deadline, "moto's server does not listen"
            time.sleep(0.05)
        yield S3Server(port)
    finally:
        process.terminate()
        process.wait(timeout=10)
