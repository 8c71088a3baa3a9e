"""Requests that are sent again, over real HTTP to the real service: one operation, one Location (GRAPH-15)."""

import http.client
import json
import socket
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import RemoteDisconnected
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.export.scripted import PEOPLE, ROWS_HEADER, Scripted, yields
from tests.unit.export.world import TENANT, World, stopped_worlds
from tests.wire.cutting import CuttingProxy, cutting
from tests.wire.running import listening

from rightful.clock import SystemClock
from rightful.config.model import ServerSettings
from rightful.identity.local_issuer import mint
from rightful.identity.model import CallerKind
from rightful.ids import OperationId
from rightful.operation.model import DataPolicyOperation, Failure, OperationStatus
from rightful.package.verify import PackageState
from rightful.store.sqlite import SqliteStore
from rightful.store.values import Entry, ListQuery, NewApproval, NewRead
from rightful.subject.model import SubjectKind

__all__ = ["stopped_worlds"]

PATH = "/v1.0/users/1/exportPersonalData"
BODY = {"storageLocation": "Local"}
NAMED: dict[str, dict[str, str]] = {
    "caller, subject and container": {},
    "client-request-id": {"client-request-id": "my-request"},
    "Idempotency-Key": {"Idempotency-Key": "my-key"},
}


class Served:
    """The real service behind the real server, and a way to lose its answers."""

    def __init__(self, world: World, port: int, proxy: CuttingProxy) -> None:
        self.world = world
        self.port = port
        self.proxy = proxy

    def token(self, object_id: str = "") -> str:
        return mint(
            folder=self.world.config.folder,
            tenant_id=TENANT,
            audience="api://rightful",
            kind=CallerKind.APPLICATION,
            permissions=["User.Export.All"],
            now=self.world.clock.now(),
            object_id=object_id,
        )

    def head(self, headers: Mapping[str, str], object_id: str = "") -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.token(object_id)}",
            "Content-Type": "application/json",
            "Host": "dsr.contoso.example",
            **headers,
        }

    def post(
        self, headers: Mapping[str, str], *, path: str = PATH, body: object = BODY, object_id: str = "", direct: bool = False
    ) -> tuple[int, dict[str, str], Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port if direct else self.proxy.port, timeout=20)
        try:
            connection.request("POST", path, json.dumps(body), self.head(headers, object_id))
            answer = connection.getresponse()
            raw = answer.read()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, json.loads(raw) if raw else None
        finally:
            connection.close()

    def location(self, headers: Mapping[str, str], **more: Any) -> str:
        status, answered, said = self.post(headers, **more)
        assert status == 202, said
        return answered["location"]

    def operations(self) -> tuple[DataPolicyOperation, ...]:
        return self.world.store.list(ListQuery(tenant_id=TENANT, subject_kinds=tuple(SubjectKind)))

    def only_location(self) -> str:
        """Check that there is one operation with one package, and return its Location."""
        (operation,) = self.operations()
        assert [path.name for path in self.world.exports.iterdir()] == [operation.operation_id]
        assert self.world.store.intents() == ()
        return f"http://dsr.contoso.example/v1.0/dataPolicyOperations/{operation.operation_id}"


@contextmanager
def serving(folder: Path, store_type: type[SqliteStore] = SqliteStore) -> Iterator[Served]:
    world = World(folder, PEOPLE, {"orders": Scripted(yields(ROWS_HEADER))}, store_type=store_type)
    world.clock.sleep = SystemClock().sleep  # type: ignore[method-assign] # those that wait for each other must really wait
    config = msgspec.structs.replace(world.config, server=ServerSettings(listen="127.0.0.1:0"))
    with listening(config, world.service, clock=world.clock) as server, cutting(server.port) as proxy:
        yield Served(world, server.port, proxy)


@pytest.mark.parametrize("headers", NAMED.values(), ids=NAMED.keys())
def test_answer_that_is_lost_again_and_again_was_one_operation(tmp_path: Path, headers: dict[str, str]) -> None:
    # GRAPH-12, GRAPH-15
    with serving(tmp_path) as served:
        served.proxy.lose = 3
        for _ in range(3):
            with pytest.raises(RemoteDisconnected):
                served.post(headers)
        assert all(lost.startswith(b"HTTP/1.1 202") for lost in served.proxy.lost)
        location = served.location({**headers, "Retry-Attempt": "3"})
        assert location == served.only_location()
        assert all(f"location: {location}\r\n".encode() in lost for lost in served.proxy.lost)
        served.world.run()
        (operation,) = served.operations()
        assert served.world.verify(operation).state is PackageState.WHOLE


@pytest.mark.parametrize("name", ["client-request-id", "Idempotency-Key"])
def test_operation_that_is_complete_is_found_by_what_names_it(tmp_path: Path, name: str) -> None:
    headers = NAMED[name]
    with serving(tmp_path) as served:
        served.proxy.lose = 1
        with pytest.raises(RemoteDisconnected):
            served.post(headers)
        served.world.run(patience_s=20)
        assert served.operations()[0].status is OperationStatus.COMPLETE
        assert served.location(headers) == served.only_location()
        # An hour for client-request-id, since some put one on all their requests; a day for Idempotency-Key.
        served.world.clock.advance(3700 if name == "client-request-id" else 24 * 3700)
        assert served.location(headers) not in {"", f"{served.operations()[-1].operation_id}"}
        assert len(served.operations()) == 2


def test_operation_that_has_ended_is_not_found_by_its_container_nor_one_that_failed_by_its_client_request_id(tmp_path: Path) -> None:
    headers = NAMED["client-request-id"]
    with serving(tmp_path) as served:
        first = served.location({})
        served.world.run(patience_s=20)
        second = served.location(headers)
        assert served.world.store.fail(OperationId(second.rpartition("/")[2]), Failure(code="x", message="x"))
        assert len({first, second, served.location(headers)}) == 3


def test_idempotency_key_names_one_operation_whatever_became_of_it(tmp_path: Path) -> None:
    headers = NAMED["Idempotency-Key"]
    with serving(tmp_path) as served:
        location = served.location(headers)
        served.world.service.cancel(TENANT, OperationId(location.rpartition("/")[2]))
        assert served.location(headers) == location
        newer = served.location({})
        assert newer != location
        assert served.location(headers) == location  # though a newer one of the same request is under way
        assert served.location(NAMED["Idempotency-Key"] | {"Idempotency-Key": "another"}) == newer
        served.world.clock.advance(24 * 3700)
        assert served.location(headers) == newer


@pytest.mark.parametrize("becomes", ["complete", "cancelled"])
def test_new_idempotency_key_asks_for_a_new_export_whatever_the_client_request_id_says(tmp_path: Path, becomes: str) -> None:
    headers = NAMED["client-request-id"] | NAMED["Idempotency-Key"]
    with serving(tmp_path) as served:
        first = served.location(headers)
        if becomes == "complete":
            served.world.run(patience_s=20)
        else:
            served.world.service.cancel(TENANT, OperationId(first.rpartition("/")[2]))
        newer = served.location(headers | {"Idempotency-Key": "another"})
        assert newer != first
        assert served.location(headers) == first  # though the newer one has not ended
        assert served.location(NAMED["client-request-id"]) == newer  # GRAPH-15: the same request, which has not ended


def test_what_names_a_request_is_the_callers_own(tmp_path: Path) -> None:
    headers = NAMED["client-request-id"] | NAMED["Idempotency-Key"]
    with serving(tmp_path) as served:
        locations = {served.location(headers, object_id=f"cccccccc-0000-4000-8000-00000000000{number}") for number in range(3)}
        assert len(locations) == len(served.operations()) == 3


def test_key_of_another_request_is_refused_and_its_id_is_not(tmp_path: Path) -> None:
    other = "/v1.0/users/2/exportPersonalData"
    with serving(tmp_path) as served:
        served.location(NAMED["client-request-id"] | NAMED["Idempotency-Key"])
        status, _, said = served.post(NAMED["Idempotency-Key"], path=other)
        assert (status, said["error"]["code"]) == (409, "IdempotencyKeyReused")
        assert served.location(NAMED["client-request-id"], path=other) != served.location({})


@pytest.mark.parametrize("headers", NAMED.values(), ids=NAMED.keys())
def test_several_at_once_are_one_operation(tmp_path: Path, headers: dict[str, str]) -> None:
    with serving(tmp_path) as served:
        start = threading.Barrier(6)

        def submit(_number: int) -> str:
            start.wait(10)
            return served.location(headers, direct=True)

        with ThreadPoolExecutor(6) as pool:
            locations = set(pool.map(submit, range(6)))
        assert locations == {served.only_location()}


class _Gated(SqliteStore):
    """Promotes an intent when the test lets it: the storage location is marked, the operation not there yet."""

    reached = threading.Event()
    gate = threading.Event()

    def promote(
        self, operation_id: OperationId, reads: Sequence[NewRead], entries: Sequence[Entry], *, approval: NewApproval | None = None
    ) -> DataPolicyOperation | None:
        self.reached.set()
        assert self.gate.wait(20)
        return super().promote(operation_id, reads, entries, approval=approval)


@pytest.fixture
def gate() -> Iterator[None]:
    _Gated.reached.clear()
    _Gated.gate.clear()
    yield
    _Gated.gate.set()


@pytest.mark.usefixtures("gate")
@pytest.mark.parametrize("headers", NAMED.values(), ids=NAMED.keys())
def test_client_that_leaves_in_the_middle_finds_its_operation(tmp_path: Path, headers: dict[str, str]) -> None:
    with serving(tmp_path, _Gated) as served:
        body = json.dumps(BODY).encode()
        lines = [
            f"POST {PATH} HTTP/1.1",
            *(f"{name}: {value}" for name, value in served.head(headers).items()),
            f"Content-Length: {len(body)}",
        ]
        with socket.create_connection(("127.0.0.1", served.port), timeout=20) as left:
            left.sendall("\r\n".join([*lines, "", ""]).encode() + body)
            assert _Gated.reached.wait(20)
            left.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # gone at once: a reset
        with ThreadPoolExecutor(2) as pool:
            waiting = [pool.submit(served.location, headers, direct=True) for _ in range(2)]  # they come before it is there
            _Gated.gate.set()
            locations = {each.result(20) for each in waiting}
        assert locations == {served.only_location()}


def test_batch_that_is_sent_again_finds_the_operations_of_the_first(tmp_path: Path) -> None:
    # GRAPH-50
    requests = [{"id": user, "method": "POST", "url": f"/users/{user}/exportPersonalData", "body": BODY} for user in ("1", "2")]
    with serving(tmp_path) as served:
        served.proxy.lose = 1
        headers = NAMED["client-request-id"]
        with pytest.raises(RemoteDisconnected):
            served.post(headers, path="/v1.0/$batch", body={"requests": requests})
        served.world.run(patience_s=20)
        _, _, said = served.post(headers, path="/v1.0/$batch", body={"requests": requests})
        assert [each["status"] for each in said["responses"]] == [202, 202]
        assert sorted(each["headers"]["request-id"] for each in said["responses"]) == sorted(
            operation.operation_id for operation in served.operations()
        )
