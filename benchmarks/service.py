"""The real service as a process, for the benchmarks: started, measured from outside, ended by its own process id."""

import http.client
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

TENANT = "11111111-1111-4111-8111-111111111111"
_POLL_S = 0.004
_AUTHORIZED = ("--app", "--permission", "User.Export.All")


class Service:
    """`rightful serve` on a configuration; a context manager."""

    def __init__(self, config: Path, tenant: str) -> None:
        self._config = config
        self._tenant = tenant
        self._log = (config.parent / "service.log").open("ab")
        self._connections = threading.local()

    def __enter__(self) -> Self:
        """Start it and wait until it listens."""
        self._process = subprocess.Popen(
            self._command("--json", "serve"), stdout=subprocess.PIPE, stderr=self._log, cwd=self._config.parent
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"benchmarks: the service did not start; see {self._log.name}")
        self._address = json.loads(line)["listening"].removeprefix("http://")
        token = subprocess.run(self._command("token", "--tenant", self._tenant, *_AUTHORIZED), capture_output=True, text=True, check=True)
        self._headers = {"Authorization": f"Bearer {token.stdout.strip()}", "Content-Type": "application/json"}
        self._measured = psutil.Process(self._process.pid)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End it in an orderly way."""
        self._process.terminate()
        self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._log.close()

    def submit(self, subject: str, account: str) -> str:
        """Submit one export; return the operation's id."""
        answer, _ = self._ask("POST", f"/v1.0/users/{subject}/exportPersonalData", json.dumps({"storageLocation": account}).encode())
        if answer.status != 202:
            raise SystemExit(f"benchmarks: the service answered {answer.status} to a submit")
        return (answer.headers["Location"] or "").rpartition("/")[2]

    def get(self, operation_id: str) -> dict[str, Any]:
        """Return an operation as the wire has it."""
        _, body = self._ask("GET", f"/v1.0/dataPolicyOperations/{operation_id}", None)
        operation: dict[str, Any] = json.loads(body)
        if operation["status"] == "failed":
            raise SystemExit(f"benchmarks: an export failed: {operation['failureReason']}")
        return operation

    def export(self, subject: str, account: str) -> tuple[float, dict[str, Any]]:
        """Submit one export and poll it until it is complete; return seconds and the operation."""
        started = time.perf_counter()
        operation_id = self.submit(subject, account)
        while (operation := self.get(operation_id))["status"] != "complete":
            time.sleep(_POLL_S)
        return time.perf_counter() - started, operation

    def cpu_s(self) -> float:
        """Return the CPU seconds that the service has used."""
        times = self._measured.cpu_times()
        return float(times.user + times.system)

    def peak_mib(self) -> float:
        """Return the service's largest resident memory so far."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    def _ask(self, method: str, path: str, body: bytes | None) -> tuple[http.client.HTTPResponse, bytes]:
        connection: http.client.HTTPConnection | None = getattr(self._connections, "connection", None)
        if connection is None:
            connection = self._connections.connection = http.client.HTTPConnection(self._address, timeout=600)
        connection.request(method, path, body=body, headers=self._headers)
        answer = connection.getresponse()
        return answer, answer.read()

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "rightful.cli", "--config", str(self._config), *arguments]
