"""The real service as a process of its own, over TLS: started, asked, stopped and killed by a test."""

import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import yaml

import rightful as rightful_package
from rightful.identity import local_issuer
from rightful.identity.model import CallerKind
from rightful.identity.permissions import PROFILES_READ_WRITE, USER_EXPORT
from rightful.ids import TenantId
from rightful.sample.company import SampleCompany

STOP_S = 30.0
_PAUSE_S = 0.02
"""Between two looks at something that a test waits for."""

ENVIRON = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "PYTHONPATH": str(Path(rightful_package.__file__).parents[1])}
"""Of every process that is started here: the code that the test itself has imported, and nothing else of the test's own environment."""

Document = dict[str, Any]
Operation = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service answered."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error_code(self) -> str:
        return str(self.json["error"]["code"])

    @property
    def operation_id(self) -> str:
        """The operation that an accepted request became (GRAPH-12)."""
        assert self.status == 202, self.body
        return self.headers["location"].rpartition("/")[2]


def configure(company: SampleCompany, name: str, change: Callable[[Document], None] = lambda _document: None) -> Path:
    """Write a configuration beside the company's own, changed, with a store of its own; returns its path."""
    document: Document = yaml.safe_load(company.config_path.read_text(encoding="utf-8"))
    document["server"]["listen"] = "127.0.0.1:0"
    document["store"] = f"sqlite:///var/{name}/rightful.db"
    for tenant in document["tenants"]:
        tenant["limits"] = {"writes_per_second": 1_000_000, "writes_per_second_per_app": 1_000_000}
    change(document)
    path = company.folder / f"{name}.yaml"
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")  # JSON is YAML too
    return path


class RunningService:
    """`rightful serve` as a process; use it as a context. It may be killed and started again, on another port each time."""

    def __init__(
        self, company: SampleCompany, config_path: Path, *, wrapper: Sequence[str] = (), environ: Mapping[str, str] | None = None
    ) -> None:
        self.company = company
        self.config_path = config_path
        self.log_path = config_path.with_suffix(".log")
        """Its stderr, of all its runs."""
        self.answers: list[bytes] = []
        """Heads and bodies of all answers so far."""
        self._wrapper = wrapper
        self._environ = {**ENVIRON, "HOME": str(config_path.parent), **(environ or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._address = ""
        self._tokens: dict[tuple[TenantId, tuple[str, ...]], str] = {}
        self._trust = ssl.create_default_context(cafile=str(company.ca_path))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_running:
            self.kill()
        self._close()

    # -- the process --------------------------------------------------------------------------------------------------
    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def address(self) -> str:
        """Scheme, host and port."""
        return self._address

    @property
    def port(self) -> int:
        return int(self._address.rpartition(":")[2])

    def begin(self) -> None:
        """Start the process, without waiting for it."""
        assert not self.is_running
        self._close()
        command = [*self._wrapper, sys.executable, "-m", "rightful.cli", "--json", "serve", "--config", str(self.config_path)]
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=self._environ, cwd=self.config_path.parent
            )

    def start(self) -> None:
        """Start the process; returns once it says that it listens."""
        self.begin()
        assert self.listens(), f"the service did not start: {self.log_path.read_text(encoding='utf-8')[-2000:]}"

    def listens(self) -> bool:
        """Wait until the process says that it listens; False where it ends before."""
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            self._address = json.loads(line)["listening"]
        return bool(line)

    def kill(self) -> None:
        """End the process as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> float:
        """Ask the process to end, as an init system does; returns how many seconds it took."""
        begun = time.monotonic()
        assert self._end(signal.SIGTERM) == 0
        return time.monotonic() - begun

    def _end(self, number: signal.Signals) -> int:
        process = self._process
        assert process is not None
        process.send_signal(number)
        try:
            return process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def _close(self) -> None:
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()

    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8")

    # -- requests -----------------------------------------------------------------------------------------------------
    def token(self, tenant_id: TenantId | None = None, *permissions: str) -> str:
        """Return an application's token of the built-in issuer, of the first tenant where none is named."""
        key = (tenant_id or self.company.tenant_id, permissions or (USER_EXPORT, PROFILES_READ_WRITE))
        if key not in self._tokens:
            self._tokens[key] = local_issuer.mint(
                folder=self.config_path.parent,
                tenant_id=key[0],
                audience=self.company.audience,
                kind=CallerKind.APPLICATION,
                permissions=key[1],
                now=datetime.now(UTC),
            )
        return self._tokens[key]

    def call(self, method: str, target: str, body: object = None, *, token: str = "", headers: Mapping[str, str] | None = None) -> Answer:
        """Send one request over a connection of its own."""
        content = None if body is None else json.dumps(body).encode()
        sent = {"Authorization": f"Bearer {token or self.token()}", **(headers or {})}
        if content is not None:
            sent.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=30, context=self._trust)
        try:
            connection.request(method, target, content, sent)
            response = connection.getresponse()
            raw = response.read()
        finally:
            connection.close()
        self.answers += [repr(response.getheaders()).encode(), raw]
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, raw)

    def submit(self, user: str, location: object, *, token: str = "", headers: Mapping[str, str] | None = None) -> Answer:
        """Ask for an export of a user (GRAPH-10)."""
        target = f"/v1.0/users/{quote(user, safe='@')}/exportPersonalData"
        return self.call("POST", target, {"storageLocation": location}, token=token, headers=headers)

    def operation(self, operation_id: str, *, token: str = "") -> Operation:
        """Return an operation (GRAPH-30)."""
        answer = self.call("GET", f"/v1.0/dataPolicyOperations/{operation_id}", token=token)
        assert answer.status == 200, answer.body
        found: Operation = answer.json
        return found

    def wait(
        self, operation_id: str, until: Callable[[Operation], bool] | None = None, *, timeout_s: float = 60, token: str = ""
    ) -> Operation:
        """Follow an operation until it has ended, or until something else is true of it."""
        found: Operation = {}
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            found = self.operation(operation_id, token=token)
            if until(found) if until else found["status"] in {"complete", "failed"}:
                return found
            time.sleep(_PAUSE_S)
        raise AssertionError(f"not within {timeout_s} s: {dict(found)}\n{self.log()[-2000:]}")

    def complete(self, operation_id: str, *, timeout_s: float = 60, token: str = "") -> Operation:
        """Follow an operation until it is complete."""
        found = self.wait(operation_id, timeout_s=timeout_s, token=token)
        assert found["status"] == "complete", found
        return found

    def listed(self, *, token: str = "") -> list[str]:
        """Return the ids of all operations that a caller sees, following nextLink (GRAPH-31)."""
        found: list[str] = []
        target = "/v1.0/dataPolicyOperations?$top=50"
        while target:
            page = self.call("GET", target, token=token).json
            found += [operation["id"] for operation in page["value"]]
            target = page.get("@odata.nextLink", "").partition(f":{self.port}")[2]
        return found

    # -- the command line ---------------------------------------------------------------------------------------------
    def command(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run another `rightful` command, with the service's configuration; `given` stands on its stdin."""
        return rightful("--config", str(self.config_path), *arguments, given=given, environ=self._environ)

    def resume(self, operation_id: str, *, location: str = "") -> subprocess.CompletedProcess[str]:
        """Run `rightful requests resume`; a new location goes in by stdin, where no other user of the machine sees it."""
        arguments = ["requests", "resume", operation_id, "--server", f"https://localhost:{self.port}", "--tenant", "Contoso", "--json"]
        return self.command(*arguments, *(["--to", "-"] if location else []), given=location)


def rightful(*arguments: str, given: str = "", environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a `rightful` command to its end."""
    command = [sys.executable, "-m", "rightful.cli", *arguments]
    return subprocess.run(command, input=given, env=environ or ENVIRON, capture_output=True, text=True, timeout=90, check=False)


def eventually(condition: Callable[[], bool], what: str, *, timeout_s: float = 30) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(_PAUSE_S)
