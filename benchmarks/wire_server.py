"""Servers that the wire's benchmark asks, each a process of its own: `python -m benchmarks.wire_server ours|bare CONFIG`.

ours   Rightful's wire, store and storage, as `rightful serve` has them, with an engine that starts no export: what it measures is the
       request, and exports would take the same two cores.
bare   A Starlette handler that verifies the same token by the same code, inserts a row, durably, and writes the same mark.

Each prints its address and ends with its standard input.
"""

import json
import os
import sqlite3
import sys
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import urllib3
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from benchmarks.beside import announce
from rightful.clock import SystemClock
from rightful.config.load import load
from rightful.config.model import Config
from rightful.engines.leases import new_owner
from rightful.export import audit_trail, runtime
from rightful.export.service import Service
from rightful.export.work import Work
from rightful.graph.authentication import build_verifier
from rightful.graph.server import Listening
from rightful.ids import OperationId
from rightful.storage.registry import Storages
from rightful.store.sqlite import SqliteStore

T = TypeVar("T")
R = TypeVar("R")


class RestingEngine:
    """Takes work and leaves it."""

    def start(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""

    def submit(self, operation_id: OperationId) -> None:
        """Leave it."""

    def cancel(self, operation_id: OperationId) -> None:
        """Leave it."""

    def is_alive(self) -> bool:
        """It rests, and is well."""
        return True

    def map(self, function: Callable[[T], R], values: Iterable[T]) -> Iterator[R]:
        """Call it here."""
        return map(function, values)


@contextmanager
def _service(config: Config) -> Iterator[Service]:
    clock, owner = SystemClock(), new_owner()
    tenants, storages = runtime.build(config), Storages()
    store = SqliteStore(config.store_path, clock)
    work = Work(config=config, tenants=tenants, store=store, storages=storages, clock=clock, owner=owner)
    trail = audit_trail.build(config, store, clock)
    service = Service(
        config=config, tenants=tenants, store=store, storages=storages, engine=RestingEngine(), work=work, trail=trail, clock=clock
    )
    trail.start()
    try:
        yield service
    finally:
        service.stop()


def _serve_ours(config: Config) -> None:
    with _service(config) as service:
        listening = Listening(config, service)
        announce(listening.address, listening.stop)
        listening.run()


class Bare:
    """What one would write in an afternoon, with nothing around it."""

    def __init__(self, config: Config) -> None:
        self._verifier = build_verifier(config, SystemClock())
        self._folder = Path(config.tenants[0].storage.accounts["Benchmarks"].url.removeprefix("file://"))
        self._database = sqlite3.connect(config.folder / "bare.db", check_same_thread=False, isolation_level=None)
        self._database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;")
        self._database.execute("CREATE TABLE operations (id TEXT PRIMARY KEY, subject TEXT, location TEXT, status TEXT, submitted TEXT)")
        self._lock = threading.Lock()
        self._pool = urllib3.PoolManager(maxsize=64)

    def app(self) -> Starlette:
        """Return the application."""
        return Starlette(
            routes=[
                Route("/v1.0/users/{user}/exportPersonalData", self.submit, methods=["POST"]),
                Route("/v1.0/dataPolicyOperations/{operation}", self.poll),
            ]
        )

    def _verify(self, request: Request) -> None:
        self._verifier.verify(request.headers["authorization"].removeprefix("Bearer "))

    async def submit(self, request: Request) -> Response:
        """Verify, insert, mark."""
        self._verify(request)
        body = await request.json()
        operation_id = str(uuid.uuid4())
        await run_in_threadpool(self._accept, operation_id, request.path_params["user"], body["storageLocation"])
        location = f"http://{request.headers['host']}/v1.0/dataPolicyOperations/{operation_id}"
        return Response(status_code=202, headers={"Location": location, "Retry-After": "1"})

    def _accept(self, operation_id: str, user: str, location: str) -> None:
        content = json.dumps({"RequestGuid": operation_id, "Subject": user, "Timestamp": datetime.now(UTC).isoformat()}).encode()
        with self._lock:
            row = (operation_id, user, location.partition("?")[0], "notStarted", datetime.now(UTC).isoformat())
            self._database.execute("INSERT INTO operations VALUES (?, ?, ?, ?, ?)", row)
        if location.startswith("http"):
            url, _, query = location.partition("?")
            path = f"{url}/{operation_id}/RequestInfo.json?{query}"
            answer = self._pool.request("PUT", path, body=content, headers={"x-ms-blob-type": "BlockBlob", "If-None-Match": "*"})
            assert answer.status == 201
            return
        folder = self._folder / operation_id
        folder.mkdir()
        with (folder / "RequestInfo.json").open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    async def poll(self, request: Request) -> Response:
        """Verify, look."""
        self._verify(request)
        row = await run_in_threadpool(self._find, request.path_params["operation"])
        return JSONResponse(dict(zip(("id", "userId", "storageLocation", "status", "submittedDateTime"), row, strict=True)))

    def _find(self, operation_id: str) -> tuple[Any, ...]:
        with self._lock:
            found: tuple[Any, ...] = self._database.execute("SELECT * FROM operations WHERE id = ?", (operation_id,)).fetchone()
        return found


def _serve_bare(config: Config) -> None:
    server = uvicorn.Server(
        uvicorn.Config(Bare(config).app(), port=0, loop="uvloop", http="httptools", access_log=False, log_config=None, lifespan="off")
    )
    socket = server.config.bind_socket()
    socket.listen(2048)
    announce(f"http://127.0.0.1:{socket.getsockname()[1]}", lambda: setattr(server, "should_exit", True))
    uvloop.run(server.serve(sockets=[socket]))


def main() -> None:
    """Serve what the command line names."""
    _, kind, path = sys.argv
    (_serve_ours if kind == "ours" else _serve_bare)(load(Path(path), os.environ))


if __name__ == "__main__":
    main()
