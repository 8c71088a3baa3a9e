"""scim2-server as a fixture: a SCIM server that keeps what it is given in memory, a process of its own on loopback, ended by its pid."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPConnection
from typing import Any

import pytest
from tests.servers.port import free_port
from tests.servers.process import wait_for

_START_TIMEOUT_S = 60.0


class ScimServerProcess:
    """A running server; each tenant begins without people."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self.token = token

    def tenant(self, resources: Sequence[Mapping[str, Any]], *, by_cursor: bool = False) -> str:
        """Create resources of a new tenant, of the kind that their `schemas` say; return its address."""
        path = f"/{'cursor' if by_cursor else 'index'}-{secrets.token_hex(8)}/v2"
        connection = HTTPConnection("127.0.0.1", self._port, timeout=30.0)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/scim+json"}
        for resource in resources:
            kind = resource["schemas"][0].rpartition(":")[2]
            connection.request("POST", f"{path}/{kind}s", json.dumps(resource), headers)
            answer = connection.getresponse()
            said = answer.read()
            assert answer.status == 201, said
        connection.close()
        return f"http://127.0.0.1:{self._port}{path}"


@pytest.fixture(scope="session")
def scim_server() -> Iterator[ScimServerProcess]:
    """A running SCIM server."""
    port, token = free_port(), secrets.token_urlsafe()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.servers.scim_process", str(port)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), "SCIM_TOKEN": token},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(process, port, name="scim2-server", limit_s=_START_TIMEOUT_S)
        yield ScimServerProcess(port, token)
    finally:
        process.terminate()
        process.wait(30.0)
