"""The real service as a process, asked over HTTP, and what it costs the machine."""

import atexit
import copy
import http.client
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from benchmarks.cluster import CACHE
from rightful.identity import local_issuer
from rightful.identity.model import CallerKind
from rightful.ids import TenantId

TENANT = TenantId("33333333-3333-4333-8333-333333333333")
AUDIENCE = "api://rightful"
ACCOUNT = "Benchmarks"
_STOP_S = 60.0
_ENDED = {"complete", "failed"}


def subjects_config(url: str) -> dict[str, Any]:
    """Return directory and sources for the data of subjects.sql: a user's own row, orders, logins and messages sent."""
    sql = {"connector": "sql", "url": url, "key": "id"}
    return {
        "directory": {
            "connector": "sql",
            "url": url,
            "table": "users",
            "id": "id",
            "upn": "email",
            "display_name": "full_name",
            "identifiers": {"mail": "email"},
        },
        "sources": {
            "users": {**sql, "table": "users", "match": {"id": "id"}},
            "orders": {**sql, "table": "orders", "match": {"user_id": "id"}},
            "logins": {**sql, "table": "logins", "match": {"user_id": "id"}},
            "messages": {**sql, "table": "messages", "match": {"sender_email": "mail"}, "third_parties": ["recipient_email"]},
        },
    }


class Connection:
    """One keep-alive connection to the service."""

    def __init__(self, address: str, token: str) -> None:
        self._connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def submit(self, subject: str, location: str = ACCOUNT) -> str:
        """Ask for an export; returns the operation's id."""
        body = json.dumps({"storageLocation": location})
        self._connection.request("POST", f"/v1.0/users/{subject}/exportPersonalData", body, self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status != http.client.ACCEPTED:
            raise RuntimeError(f"the service answered {answer.status}: {text.decode(errors='replace')}")
        return (answer.getheader("Location") or "").rpartition("/")[2]

    def preview(self, subject: str) -> Mapping[str, Any]:
        """Return what an export would find."""
        self._connection.request("GET", f"/v1.0/users/{subject}/exportPersonalData/preview", headers=self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"the service answered {answer.status}: {text.decode(errors='replace')}")
        found: Mapping[str, Any] = json.loads(text)
        return found

    def operation(self, operation_id: str) -> Mapping[str, Any]:
        """Return an operation as it is now."""
        self._connection.request("GET", f"/v1.0/dataPolicyOperations/{operation_id}", headers=self._headers)
        answer = self._connection.getresponse()
        found: Mapping[str, Any] = json.loads(answer.read())
        return found

    def count(self, query: str) -> int:
        """Return how many operations there are of a query string."""
        self._connection.request("GET", f"/v1.0/dataPolicyOperations/$count{query}", headers=self._headers)
        answer = self._connection.getresponse()
        return int(answer.read().decode("utf-8-sig"))

    def follow(self, operation_id: str, *, pause_s: float = 0.004) -> Mapping[str, Any]:
        """Poll until the operation has ended; raises `RuntimeError` where it failed."""
        while (operation := self.operation(operation_id))["status"] not in _ENDED:
            time.sleep(pause_s)
        if operation["status"] != "complete":
            raise RuntimeError(f"the export failed: {operation.get('failureReason')}")
        return operation

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class Service:
    """`rightful serve` on a configuration of its own; a context manager. Its folder vanishes with it."""

    def __init__(
        self,
        tenant: Mapping[str, Any],
        *,
        also: Mapping[str, Any] | None = None,
        connections: int = 1000,
        whole: Mapping[str, Any] | None = None,
    ) -> None:
        """Serve a tenant, and another one where `also` says what differs for it; `whole` is what the file says besides tenants."""
        self._whole = whole
        CACHE.mkdir(exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="service-", dir=CACHE))
        # Not before the end: for minutes after thousands of files were deleted, ext4 makes new ones several times slower.
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self._tenant = tenant
        self._also = also
        self._connections = connections
        self._path = self.folder / "rightful.yaml"
        self._tokens: dict[TenantId, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self.address = ""

    def __enter__(self) -> Self:
        """Write the configuration, start the service, wait until it listens."""
        self._path = configure(self.folder, self._tenant, also=self._also, connections=self._connections, whole=self._whole)
        self.start()
        return self

    def twin(self) -> "Service":
        """Return another service of the same configuration, started: it stands by. Whoever asks for it kills it."""
        twin = copy.copy(self)
        twin.start()
        return twin

    def start(self) -> None:
        """Start the process, and wait until it listens."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "rightful.cli", "serve", "--json", "--config", self._path], stdout=subprocess.PIPE, stderr=log
            )
        self.listen()

    def listen(self) -> None:
        """Wait until it listens; one that stood by listens anew when it takes over."""
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"benchmarks: the service did not start:\n{(self.folder / 'log').read_text(encoding='utf-8')[-3000:]}")
        self.address = json.loads(line)["listening"]

    def kill(self) -> None:
        """End the process as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(_STOP_S)
        if self._process.stdout is not None:
            self._process.stdout.close()

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process is not None
        return self._process.pid

    def token(self, tenant_id: TenantId = TENANT) -> str:
        """Return a token of a tenant."""
        if tenant_id not in self._tokens:
            self._tokens[tenant_id] = mint_token(self.folder, tenant_id)
        return self._tokens[tenant_id]

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop the service by its own process id."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_STOP_S)
            if self._process.stdout is not None:
                self._process.stdout.close()

    def connect(self, tenant_id: TenantId = TENANT) -> Connection:
        """Open a connection."""
        return Connection(self.address, self.token(tenant_id))

    def _processes(self) -> Sequence[psutil.Process]:
        assert self._process is not None
        process = psutil.Process(self._process.pid)
        return [process, *process.children(recursive=True)]

    def cpu_s(self) -> float:
        """Return the CPU seconds of the service so far, its children's included."""
        times = [process.cpu_times() for process in self._processes()]
        return sum(spent.user + spent.system for spent in times) + times[0].children_user + times[0].children_system

    def peak_rss_mib(self) -> float:
        """Return the highest resident memory of the service so far, its children's added."""
        total = 0
        for process in self._processes():
            found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text(encoding="ascii"))
            total += int(found.group(1)) if found else 0
        return total / 1024


def configure(
    folder: Path,
    tenant: Mapping[str, Any],
    *,
    also: Mapping[str, Any] | None = None,
    connections: int = 1000,
    whole: Mapping[str, Any] | None = None,
) -> Path:
    """Write the configuration of one tenant, who may ask as often as they like, into a folder; exports go to a folder in it.

    With `also` there is a second one, like the first but for what that says (`id`, `name`).
    """
    (folder / "exports").mkdir()
    (folder / "seal.key").write_text("5a" * 32, encoding="ascii")
    many = 1_000_000
    document: dict[str, Any] = {
        "server": {"listen": "127.0.0.1:0", "max_connections": connections},
        "store": "sqlite:///rightful.db",
        "seal_key": {"file": "seal.key"},
        "tenants": [
            {
                "id": TENANT,
                "name": "Benchmarks",
                "identity": {"issuers": [{"issuer": "local", "audience": [AUDIENCE]}]},
                "limits": {"writes_per_second": many, "writes_per_second_per_app": many, "queued": many},
                "storage": {"accounts": {ACCOUNT: {"url": f"file://{folder}/exports"}}},
                **tenant,
            }
        ],
    }
    if also is not None:
        document["tenants"].append({**document["tenants"][0], **also})
    document |= whole or {}
    path = folder / "rightful.yaml"
    path.write_text(json.dumps(document), encoding="utf-8")  # JSON is YAML
    return path


def mint_token(folder: Path, tenant_id: TenantId = TENANT) -> str:
    """Return a token that may ask for everybody's export, of the issuer in a configuration's folder."""
    return local_issuer.mint(
        folder=folder,
        tenant_id=tenant_id,
        audience=AUDIENCE,
        kind=CallerKind.APPLICATION,
        permissions=["User.Export.All"],
        now=datetime.now(UTC),
        lifetime_s=86_400,
    )
