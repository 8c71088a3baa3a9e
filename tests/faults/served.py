"""Real services on a small company: processes that clients ask over HTTP and somebody hurts, and what the checker is shown in the end."""

import csv
import http.client
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import psycopg
from tests.acceptance.service import ENVIRON
from tests.faults import checker
from tests.faults.checker import Accepted, Asked, Evidence, Held, Person, Poll
from tests.servers.port import free_port
from tests.servers.postgres import PASSWORD

from rightful.identity import local_issuer
from rightful.identity.model import CallerKind
from rightful.identity.permissions import PROFILES_READ_WRITE, USER_EXPORT
from rightful.ids import TenantId

T = TypeVar("T")

TENANT = TenantId("11111111-1111-1111-1111-111111111111")
AUDIENCE = "api://rightful"
SEAL_KEY = bytes(range(100, 132)).hex()
SECRETS = (SEAL_KEY.encode(), bytes.fromhex(SEAL_KEY), PASSWORD.encode())

_ROWS = 6
_FILES = 2
_ENDED = frozenset({"complete", "failed"})
_ANSWER_S = 5.0
_START_S = 60.0
_STOP_S = 30.0
_POLLED_AT_ONCE = 30
_AGAIN = frozenset({0, 400, 401, 429, 500, 503})
"""What a request is repeated after: 0 is no answer; 400: the storage location could not be used just then; 401: the clock is being set."""
_SLOWLY = """
CREATE TABLE {table}_rows (id bigint PRIMARY KEY, upn text, note text);
CREATE INDEX ON {table}_rows (upn);
CREATE FUNCTION {table}_slowly(note text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN PERFORM pg_sleep({row_s}); RETURN note; END $$;
CREATE VIEW {table} AS SELECT id, upn, {table}_slowly(note) AS note FROM {table}_rows
"""


def size(ordinary: T, long: T) -> T:
    """Return how much is done in a test: more where `make soak` runs it."""
    return long if os.environ.get("SOAK") else ordinary


class SmallCompany:
    """Some people, what a database and a folder hold on them, where their exports go, and settings that connect them."""

    def __init__(
        self,
        folder: Path,
        people: int,
        *,
        database: str = "",
        row_s: float = 0.0,
        note_bytes: Callable[[int], int] = lambda _number: 60,
        change: Callable[[dict[str, Any]], None] = lambda _tenant: None,
    ) -> None:
        """Fill a folder, and a PostgreSQL database where one is named: there each row takes `row_s`. `note_bytes` are those of somebody's rows."""
        self.folder = folder
        self.exports, self.temporary = folder / "exports", folder / "temporary"
        self.logs: list[Path] = []
        self.ahead_s = 0.0
        """How far ahead the services' clock is."""
        self._people = people
        self._note_bytes = note_bytes
        self._change = change
        self.database = database
        self._tokens: dict[float, str] = {}
        for each in (self.exports, self.temporary):
            each.mkdir()
        self.people = {person.subject_id: person for person in map(self._person, range(people))}
        with (folder / "people.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("object_id", "upn"), *((each, _upn(number)) for number, each in enumerate(self.people))])
        for table in ("keyed", "plain"):
            self._fill(table, row_s)

    def _person(self, number: int) -> Person:
        marker = f"only-of-{number:05}-"
        note = marker + "x" * self._note_bytes(number)
        rows = [{"id": row * self._people + number, "upn": _upn(number), "note": note} for row in range(_ROWS)]
        files = {f"d/{each}.txt": f"{marker} {each}".encode() * 40 for each in range(_FILES)}
        for path, content in files.items():
            place = self.folder / "drive" / _upn(number) / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        subject_id = f"00000000-0000-4000-8000-{number:012}"
        return Person(subject_id=subject_id, marker=marker, rows={"keyed": rows, "plain": rows}, files={"files": files})

    def _fill(self, table: str, row_s: float) -> None:
        rows = [tuple(row.values()) for person in self.people.values() for row in person.rows[table]]
        if not self.database:
            with closing(sqlite3.connect(self.folder / "systems.db")) as connection:
                key = "PRIMARY KEY" if table == "keyed" else ""
                connection.execute(f"CREATE TABLE {table} (id INTEGER NOT NULL {key}, upn TEXT, note TEXT)")
                connection.executemany(f"INSERT INTO {table} VALUES (?, ?, ?)", rows)
                connection.execute(f"CREATE INDEX {table}_upn ON {table} (upn)")
                connection.commit()
            return
        with psycopg.connect(self.database) as database:
            database.execute(_SLOWLY.format(table=table, row_s=row_s).encode())
            with database.cursor().copy(f"COPY {table}_rows FROM STDIN".encode()) as copy:
                for row in rows:
                    copy.write_row(row)

    def configure(self, name: str, store: str, port: int) -> Path:
        """Write the settings of one service."""
        url = self.database or "sqlite:///systems.db"
        table = {"connector": "sql", "url": url, "match": {"upn": "upn"}, "product": "Product"}
        tenant = {
            "id": TENANT,
            "name": "Contoso",
            "identity": {"issuers": [{"issuer": "local", "audience": [AUDIENCE]}]},
            "limits": {"writes_per_second": 1_000_000, "writes_per_second_per_app": 1_000_000},
            "export": {"part_mib": 1, "retry_s": 0.05, "attempts": 100, "leak_check": "off", "viewer": "off"},
            "deadlines": {"regulation": "gdpr"},
            "storage": {"accounts": {"Local": {"url": f"file://{self.exports}"}}},
            "directory": {"connector": "csv", "file": "people.csv", "id": "object_id", "upn": "upn"},
            "sources": {
                "keyed": {**table, "table": "keyed", "key": "id"},
                "plain": {**table, "table": "plain"},
                "files": {"connector": "files", "url": "drive", "path": "{upn}/", "product": "Product"},
            },
        }
        self._change(tenant)
        document = {"server": {"listen": f"127.0.0.1:{port}"}, "store": store, "seal_key": SEAL_KEY, "tenants": [tenant]}
        path = self.folder / f"{name}.yaml"
        path.write_text(json.dumps(document), encoding="utf-8")  # JSON is YAML too
        path.chmod(0o600)
        return path

    def token(self) -> str:
        """Return a token of the built-in issuer, by the services' clock."""
        if self.ahead_s not in self._tokens:
            self._tokens[self.ahead_s] = local_issuer.mint(
                folder=self.folder,
                tenant_id=TENANT,
                audience=AUDIENCE,
                kind=CallerKind.APPLICATION,
                permissions=(USER_EXPORT, PROFILES_READ_WRITE),
                now=datetime.now(UTC) + timedelta(seconds=self.ahead_s),
            )
        return self._tokens[self.ahead_s]


def _upn(number: int) -> str:
    return f"u{number}@x.example"


class Reply(NamedTuple):
    """What a service answered; a status of 0: nothing."""

    status: int
    location: str = ""
    body: Any = None


class Client:
    """Asks services, by connections that it keeps; one thread's."""

    def __init__(self, company: SmallCompany) -> None:
        self._company = company
        self._connections: dict[int, http.client.HTTPConnection] = {}

    def ask(self, port: int, method: str, target: str, body: object = None, *, key: str = "") -> Reply:
        """Send a request."""
        headers = {"Authorization": f"Bearer {self._company.token()}"}
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            headers["Content-Type"] = "application/json"
        if key:
            headers["Idempotency-Key"] = key
        connection = self._connections.setdefault(port, http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_S))
        try:
            connection.request(method, target, content, headers)
            response = connection.getresponse()
            raw = response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            return Reply(0)
        return Reply(response.status, response.headers.get("Location", ""), json.loads(raw) if raw else None)

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections.values():
            connection.close()


class Serving:
    """`rightful serve` as a process, at one address each time that it is started."""

    def __init__(self, company: SmallCompany, name: str, store: str, *, environ: Mapping[str, str] | None = None) -> None:
        self.port = free_port()
        self.company = company
        self.log = company.folder / f"{name}.log"
        self._config = company.configure(name, store, self.port)
        self._environ = {**ENVIRON, "HOME": str(company.folder), "TMPDIR": str(company.temporary), **(environ or {})}
        self._process: subprocess.Popen[bytes] | None = None
        company.logs.append(self.log)

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its number."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the process, without waiting for it."""
        assert not self.is_running
        command = [sys.executable, "-m", "rightful.cli", "--json", "serve", "--config", str(self._config)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, env=self._environ, cwd=self.company.folder
            )

    def keep_running(self) -> bool:
        """Start it again where it has ended, as an init system does; say whether it had."""
        if self.is_running:
            return False
        self.start()
        return True

    def is_ready(self) -> bool:
        """Say whether it takes work."""
        with (
            closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)) as connection,
            suppress(OSError, http.client.HTTPException),
        ):
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.HTTPStatus.OK
        return False

    def await_ready(self) -> None:
        """Wait until it takes work."""
        until(lambda: self.is_ready() or not self.is_running, _START_S, "the service is ready")
        assert self.is_running, self.log.read_text(encoding="utf-8")[-3000:]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as `kill -9` does, if it is there."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_STOP_S)

    def stop(self) -> int:
        """End it as an init system does; return its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(_STOP_S)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another command with the same settings."""
        command = [sys.executable, "-m", "rightful.cli", "--config", str(self._config), *arguments]
        return subprocess.run(command, env=self._environ, capture_output=True, text=True, timeout=90, check=False)

    def files_left_open(self) -> frozenset[str]:
        """Return what it has open of packages, sources and temporary files: nothing, once nothing is to be done any more."""
        folders = tuple(f"{each}/" for each in (self.company.exports, self.company.temporary, self.company.folder / "drive"))
        return frozenset(each for each in checker.open_descriptors(str(self.pid)) if each.partition(" ")[2].startswith(folders))


@contextmanager
def running(*services: Serving) -> Iterator[None]:
    """Run services while the block lasts; what still runs in the end is killed."""
    try:
        for each in services:
            each.start()
        yield
    finally:
        for each in services:
            each.kill()


def until(holds: Callable[[], bool], limit_s: float, what: str) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {limit_s} s: {what}"
        time.sleep(0.02)


class Crowd:
    """Clients that ask services for exports, and one that looks how they are getting on; they know what was accepted, and what they were told."""

    def __init__(self, company: SmallCompany, services: Sequence[Serving]) -> None:
        self.company = company
        self.accepted: dict[str, str] = {}
        self.polls: list[Poll] = []
        self.asked = {action: Asked() for action in ("cancel", "resume", "approve", "extend")}
        self.denied: list[str] = []
        """What is wrong that was seen on the way."""
        self._services = services
        self._told: dict[str, str] = {}
        self._lock = threading.Lock()
        self._is_over = threading.Event()

    @property
    def open(self) -> list[str]:
        """Operations that have not ended, as far as the poller was told."""
        return [each for each in list(self.accepted) if self._told.get(each) not in _ENDED]

    @property
    def ended(self) -> int:
        """How many the poller was told the end of."""
        return sum(status in _ENDED for status in list(self._told.values()))

    def submit(self, client: Client, subject_id: str, *, key: str = "") -> str:
        """Ask for an export until somebody accepts it."""
        target, body = f"/v1.0/users/{subject_id}/exportPersonalData", {"storageLocation": "Local"}
        for number in count():
            assert not self._is_over.is_set(), f"nobody accepts an export of {subject_id}"
            service = self._services[number % len(self._services)]
            reply = client.ask(service.port, "POST", target, body, key=key or subject_id)
            if reply.status == http.HTTPStatus.ACCEPTED:
                break
            assert reply.status in _AGAIN, reply
            time.sleep(0.05)
        operation_id = reply.location.rpartition("/")[2]
        with self._lock:
            self.accepted[operation_id] = subject_id
            # One that waits for its storage location goes on with that of a request that repeats it.
            self.asked["resume"].perhaps[operation_id] += number
        return operation_id

    @contextmanager
    def asking(self, subjects: Sequence[str], *, over_s: float, clients: int = 3) -> Iterator[None]:
        """Ask for everybody's export, evenly over some time, and look at all of them, in threads; at the end of the block all was accepted."""
        waiting = iter(list(enumerate(subjects)))
        begun, failures = time.monotonic(), list[BaseException]()

        def ask() -> None:
            with closing(Client(self.company)) as client:
                while True:
                    with self._lock:
                        found = next(waiting, None)
                    if found is None:
                        return
                    number, subject_id = found
                    time.sleep(max(0.0, begun + over_s * number / len(subjects) - time.monotonic()))
                    self.submit(client, subject_id)

        def guarded(call: Callable[[], None]) -> Callable[[], None]:
            def run() -> None:
                try:
                    call()
                except BaseException as error:  # noqa: BLE001 - raised below
                    failures.append(error)

            return run

        has_asked = threading.Event()
        askers = [threading.Thread(target=guarded(ask)) for _ in range(clients)]
        poller = threading.Thread(target=guarded(lambda: self._poll_until(has_asked)))
        for each in (*askers, poller):
            each.start()
        try:
            yield
            for each in askers:
                each.join(over_s + _START_S)
        finally:
            self._is_over.set()
            for each in askers:
                each.join()
            has_asked.set()
            poller.join()
            self._is_over.clear()
        if failures:
            raise failures[0]

    def _poll_until(self, has_asked: threading.Event) -> None:
        with closing(Client(self.company)) as client:
            while not has_asked.wait(0.02):
                self.poll(client, _POLLED_AT_ONCE)

    def poll(self, client: Client, most: int = 1 << 30) -> None:
        """Look at operations that have not ended."""
        for operation_id in self.open[:most]:
            for service in self._services:
                reply = client.ask(service.port, "GET", f"/v1.0/dataPolicyOperations/{operation_id}")
                if reply.status == http.HTTPStatus.OK:
                    self._note(operation_id, reply.body)
                    break
                if reply.status == http.HTTPStatus.NOT_FOUND:
                    self.denied.append(f"{operation_id} was accepted, and a poller was told that there is no such operation")

    def _note(self, operation_id: str, found: Mapping[str, Any]) -> None:
        cause = (found.get("failureReason") or {}).get("code", "")
        self._told[operation_id] = found["status"]
        self.polls.append(Poll(operation_id, found["status"], float(found["progress"]), cause))

    def settle(self, limit_s: float) -> None:
        """Wait until all have ended."""
        with closing(Client(self.company)) as client:

            def have_ended() -> bool:
                self.poll(client)
                return not self.open

            until(have_ended, limit_s, f"all have ended; {len(self.open)} have not")

    def resume_failed(self, limit_s: float) -> None:
        """Resume what has failed, and wait until all is complete."""
        failed = [each for each, status in self._told.items() if status == "failed"]
        with closing(Client(self.company)) as client:
            for operation_id in failed:
                self.polls.append(Poll(operation_id, "resume"))
                for service in self._services:
                    reply = client.ask(service.port, "POST", f"/v1.0/dataPolicyOperations/{operation_id}/resume", {})
                    if reply.status in range(200, 300):
                        self.asked["resume"].certain[operation_id] += 1
                        self._told[operation_id] = "running"
                        break
        self.settle(limit_s)

    def verdict(self, held: Held, *, open_files: frozenset[str] = frozenset()) -> list[str]:
        """Return what is wrong, once no service runs any more; `open_files` are those that one had open when nothing was left to do."""
        evidence = Evidence(
            people=self.company.people,
            held=held,
            accepted=[
                Accepted(operation_id, subject_id, self.company.exports / operation_id)
                for operation_id, subject_id in self.accepted.items()
            ],
            polls=self.polls,
            asked=self.asked,
            roots=(self.company.exports,),
            secrets=SECRETS,
            logs="\n".join(path.read_text(encoding="utf-8") for path in self.company.logs),
            descriptors=(frozenset(), open_files),
            temporaries=(self.company.temporary,),
        )
        return [*self.denied, *checker.check(evidence)]
