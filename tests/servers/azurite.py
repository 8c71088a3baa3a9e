"""Azurite, the blob service's emulator, as a fixture: started once, ended by its pid. It speaks HTTP on loopback and keeps nothing."""

import base64
import hashlib
import hmac
import http.client
import os
import secrets
import shutil
import socket
import subprocess
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from tests.servers.port import free_port

_PROGRAM = Path(__file__).parent / "node_modules" / ".bin" / "azurite-blob"
_VERSION = "2021-12-02"
_START_TIMEOUT_S = 60.0
_ORDER = "racwdxltmeop"
"""The order in which a SAS lists its permissions: another one is refused."""


class Azurite:
    """A running Azurite with one account, whose key changes with each start."""

    def __init__(self, port: int, account: str, key: bytes) -> None:
        self.port = port
        self.account = account
        self._key = key

    @property
    def host(self) -> str:
        """Host and port, as an allow-list names it."""
        return f"127.0.0.1:{self.port}"

    def container(self, name: str = "") -> str:
        """Make a container and return its name; without one it gets a new name."""
        name = name or f"c{secrets.token_hex(8)}"
        status, body = self._call("PUT", f"/{name}", "restype=container")
        assert status == 201, body
        return name

    def delete_container(self, name: str) -> None:
        status, body = self._call("DELETE", f"/{name}", "restype=container")
        assert status == 202, body

    def sas_url(
        self,
        container: str,
        permissions: str = "cw",
        *,
        expires_in_s: float = 3600,
        starts_in_s: float | None = None,
        kind: str = "service",
    ) -> str:
        """Return a container's SAS URL; `kind` is `service` or `account`."""
        now = datetime.now(UTC)
        ordered = "".join(sorted(permissions, key=_ORDER.index))
        start = "" if starts_in_s is None else _time(now + timedelta(seconds=starts_in_s))
        expiry = _time(now + timedelta(seconds=expires_in_s))
        query = self._service_sas(container, ordered, start, expiry) if kind == "service" else self._account_sas(ordered, start, expiry)
        return f"http://{self.host}/{self.account}/{container}?{query}"

    def blobs(self, container: str) -> dict[str, bytes]:
        """Return all blobs of a container."""
        found: dict[str, bytes] = {}
        marker = ""
        while True:
            status, body = self._call("GET", f"/{container}", f"restype=container&comp=list&marker={quote(marker, safe='')}")
            assert status == 200, body
            page = ET.fromstring(body)
            for name in page.iterfind("Blobs/Blob/Name"):
                found[name.text or ""] = self.blob(container, name.text or "") or b""
            marker = page.findtext("NextMarker") or ""
            if not marker:
                return found

    def blob(self, container: str, path: str) -> bytes | None:
        """Return one blob, None where there is none."""
        status, content = self._call("GET", f"/{container}/{quote(path)}", "")
        assert status in {200, 404}, content
        return content if status == 200 else None

    def put(self, container: str, path: str, content: bytes) -> None:
        """Write a blob; one that is there is replaced."""
        status, body = self._call("PUT", f"/{container}/{quote(path)}", "", content)
        assert status == 201, body

    def delete(self, container: str, path: str) -> None:
        status, body = self._call("DELETE", f"/{container}/{quote(path)}", "")
        assert status == 202, body

    @property
    def key(self) -> str:
        """The account's key, as its owner knows it."""
        return base64.b64encode(self._key).decode()

    def _sign(self, *fields: str) -> str:
        return base64.b64encode(hmac.digest(self._key, "\n".join(fields).encode(), hashlib.sha256)).decode()

    def _service_sas(self, container: str, permissions: str, start: str, expiry: str) -> str:
        signed = [permissions, start, expiry, f"/blob/{self.account}/{container}", "", "", "", _VERSION, "c", "", "", "", "", "", "", ""]
        fields = {"sv": _VERSION, "sr": "c", "sp": permissions, "se": expiry, "sig": self._sign(*signed)}
        return urlencode(fields | ({"st": start} if start else {}))

    def _account_sas(self, permissions: str, start: str, expiry: str) -> str:
        signed = [self.account, permissions, "b", "co", start, expiry, "", "", _VERSION, "", ""]
        fields = {"sv": _VERSION, "ss": "b", "srt": "co", "sp": permissions, "se": expiry, "sig": self._sign(*signed)}
        return urlencode(fields | ({"st": start} if start else {}))

    def _call(self, method: str, path: str, query: str, content: bytes = b"") -> tuple[int, bytes]:
        sas = self._account_sas("racwdl", "", _time(datetime.now(UTC) + timedelta(hours=1)))
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            target = f"/{self.account}{path}?{query}{'&' if query else ''}{sas}"
            connection.request(method, target, body=content, headers={"x-ms-version": _VERSION, "x-ms-blob-type": "BlockBlob"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _wait_until_listening(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"azurite ended at once with code {process.returncode}")
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("azurite does not listen")


def _start(folder: Path, account: str, key: bytes) -> tuple[int, subprocess.Popen[bytes]]:
    port = free_port()
    options = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    process = subprocess.Popen(
        [_PROGRAM, "--blobHost", "127.0.0.1", "--blobPort", str(port), *options],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "AZURITE_ACCOUNTS": f"{account}:{base64.b64encode(key).decode()}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_listening(process, port)
    except BaseException:
        _end(process)
        raise
    return port, process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """A running Azurite; tests that use it are marked `azurite`."""
    if not _PROGRAM.exists() or shutil.which("node") is None:
        pytest.skip("azurite is not installed: `make test` installs it")
    account, key = "sampleaccount", secrets.token_bytes(32)
    folder = tmp_path_factory.mktemp("azurite")
    try:
        port, process = _start(folder, account, key)
    except RuntimeError:  # most likely somebody was faster on that port
        port, process = _start(folder, account, key)
    try:
        yield Azurite(port, account, key)
    finally:
        _end(process)
