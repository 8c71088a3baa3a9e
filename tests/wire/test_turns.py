"""Submits that wait for silent storage locations hold up nothing else: over real sockets, with more of them than there are threads."""

import http.client
import json
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.wire.running import SocketClient, listening
from tests.wire.world import ANN, OTHER_ANN, OTHER_TENANT, SUBJECTS, TENANT, Answer, make_config

from rightful.audit.record import Action
from rightful.export.interface import SubmitRequest
from rightful.graph.server import Listening
from rightful.ids import SubjectId, TenantId
from rightful.operation.model import DataPolicyOperation
from rightful.subject.model import DataSubject
from rightful.testing.issuer import SimulatedIssuer
from rightful.testing.memory_exports import MemoryExports

THIRD_TENANT = TenantId("33333333-3333-3333-3333-333333333333")
THIRD_ANN = SubjectId("aaaaaaaa-0000-4000-8000-00000000000c")
PEOPLE = {TENANT: ANN, OTHER_TENANT: OTHER_ANN, THIRD_TENANT: THIRD_ANN}
FLOOD = 60
"""More than there are threads."""


class HalfSilent(MemoryExports):
    """Exports whose hosts called silent don't answer before the test is over."""

    def __init__(self) -> None:
        third = DataSubject(tenant_id=THIRD_TENANT, subject_id=THIRD_ANN, user_principal_name="ann@tailspin.example")
        super().__init__((*SUBJECTS, third))
        self._guard = threading.Lock()
        self.answering = threading.Event()
        self.waiting = threading.Semaphore(0)
        self.begun = 0

    def submit(self, request: SubmitRequest) -> DataPolicyOperation:
        if "silent" in str(request.storage_location).lower():
            with self._guard:
                self.begun += 1
            self.waiting.release()
            self.answering.wait(30)
        return super().submit(request)


class Scene:
    def __init__(self, exports: HalfSilent, server: Listening, issuers: dict[TenantId, SimulatedIssuer], stack: ExitStack) -> None:
        self.exports, self.server, self.issuers, self._stack = exports, server, issuers, stack
        self.port = server.port

    def flood(self, tenant_id: TenantId, host: str, calls: int = FLOOD) -> list[socket.socket]:
        """Send submits, each on a connection of its own, and wait for no answer; return when no more of them come to a thread."""
        path = f"/v1.0/users/{PEOPLE[tenant_id]}/exportPersonalData"
        opened = [self.send(tenant_id, path, {"storageLocation": location(host, number)}) for number in range(calls)]
        while self.exports.waiting.acquire(timeout=0.5):
            """Another one has come."""
        return opened

    def send(self, tenant_id: TenantId, path: str, said: object, *, left_bytes: int = 0) -> socket.socket:
        """Send a POST on a connection of its own, but for the last bytes."""
        body = json.dumps(said).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: x.example\r\nclient-request-id: mine\r\n"
        head += f"Authorization: Bearer {self.issuers[tenant_id].token()}\r\nContent-Length: {len(body)}\r\n\r\n"
        connection = self._stack.enter_context(socket.create_connection(("127.0.0.1", self.port), timeout=20))
        connection.sendall(head.encode() + body[: len(body) - left_bytes])
        return connection

    def ask(self, tenant_id: TenantId, method: str, path: str, body: object = None) -> Answer:
        client = SocketClient(self.port)
        self._stack.callback(client.close)
        return client.request(method, path, token=self.issuers[tenant_id].token(), body=body)

    def submit(self, tenant_id: TenantId, host: str) -> Answer:
        return self.ask(
            tenant_id, "POST", f"/v1.0/users/{PEOPLE[tenant_id]}/exportPersonalData", {"storageLocation": location(host, FLOOD)}
        )


def location(host: str, number: int) -> str:
    """Return a container's SAS URL, or the account that a name with a capital is."""
    if host.istitle():
        return host
    return f"https://{host}.blob.core.windows.net/c{number}?sp=cw&sig=SECRETSIGNATURE"


@contextmanager
def scene(*tenants: TenantId) -> Iterator[Scene]:
    exports = HalfSilent()
    with ExitStack() as stack:
        issuers = {tenant_id: stack.enter_context(SimulatedIssuer(tenant_id)) for tenant_id in tenants}
        config = make_config({tenant_id: [issuer] for tenant_id, issuer in issuers.items()})
        server = stack.enter_context(listening(config, exports))
        stack.callback(exports.answering.set)
        yield Scene(exports, server, issuers, stack)


def test_tenants_with_silent_storage_leave_threads_to_a_third() -> None:
    with scene(TENANT, OTHER_TENANT, THIRD_TENANT) as opened:
        opened.flood(TENANT, "silent-a")
        opened.flood(OTHER_TENANT, "silent-b")
        assert opened.submit(THIRD_TENANT, "third").status == 202
        assert not opened.exports.answering.is_set()


@pytest.mark.parametrize("silent", ["silent-a", "Silent-A"], ids=["a host", "a named account"])
@pytest.mark.parametrize("tenants", [(TENANT,), (TENANT, OTHER_TENANT)], ids=["alone", "with another"])
def test_silent_storage_holds_up_neither_other_storage_nor_a_cancel(tenants: tuple[TenantId, ...], silent: str) -> None:
    with scene(*tenants) as opened:
        first = opened.submit(TENANT, "quick")
        opened.flood(TENANT, silent)
        opened.flood(TENANT, "silent-b")
        assert opened.submit(TENANT, "quick").status == 202
        assert opened.ask(TENANT, "DELETE", f"/v1.0/dataPolicyOperations/{first.headers['request-id']}").status == 204
        assert not opened.exports.answering.is_set()


def read(connection: socket.socket) -> tuple[http.client.HTTPResponse, Any]:
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer, json.loads(answer.read())


def test_request_that_a_stop_cuts_off_is_told_so_in_graphs_words(caplog: pytest.LogCaptureFixture) -> None:
    # GRAPH-15, GRAPH-40: what was begun may be done all the same, so no SDK may send it again by itself; what was not, it may
    with capture_logs() as logs, scene(TENANT) as opened:
        held = opened.flood(TENANT, "silent-a")
        assert 0 < opened.exports.begun < FLOOD
        path = f"/v1.0/users/{ANN}/exportPersonalData"
        held.append(opened.send(TENANT, path, {"storageLocation": location("silent-a", FLOOD)}, left_bytes=1))
        opened.server.stop()
        answers = Counter[tuple[object, ...]]()
        for answer, body in map(read, held):
            error = body["error"]
            answers[answer.status, answer.getheader("Retry-After"), error["code"], "stopped before" in error["message"]] += 1
            assert {answer.getheader("client-request-id"), error["innerError"]["client-request-id"]} == {"mine"}
    begun = opened.exports.begun
    assert answers == {(500, None, "InternalServerError", True): begun, (503, "5", "ServiceUnavailable", False): FLOOD + 1 - begun}
    assert len(opened.exports.operations) <= begun  # at most those who were told that it may be; threads go on meanwhile
    recorded = Counter((each.action, each.outcome, each.target_id, each.subject_id) for each in opened.exports.notes)
    assert recorded == {
        (Action.SUBMIT, "InternalServerError", ANN, ANN): begun,
        (Action.SUBMIT, "ServiceUnavailable", "", ""): FLOOD + 1 - begun,
    }
    assert [each["log_level"] for each in logs] == ["warning"] * begun
    assert [each.levelname for each in caplog.records if each.exc_info or "Exception" in each.getMessage()] == []


def test_each_request_of_a_batch_that_a_stop_cuts_off_is_told_so() -> None:
    with scene(TENANT) as opened:
        names = ("quick", *["silent-a"] * 8, *["silent-b"] * 8)
        url = f"/users/{ANN}/exportPersonalData"
        requests: list[dict[str, object]] = [
            {"id": str(number), "method": "POST", "url": url, "body": {"storageLocation": location(name, number)}}
            for number, name in enumerate(names)
        ]
        requests.append({"id": "after", "method": "POST", "url": url, "body": {}, "dependsOn": ["16"]})
        flooding = opened.flood(TENANT, "silent-b")
        batch = opened.send(TENANT, "/v1.0/$batch", {"requests": requests})
        while opened.exports.waiting.acquire(timeout=0.5):
            """Another one has come."""
        opened.server.stop()
        answer, body = read(batch)
        assert answer.status == 200
        status = {each["id"]: each["status"] for each in body["responses"]}
        assert status.pop("0") == 202
        assert status.pop("after") in {424, 503}  # it was begun in no case
        assert set(status.values()) == {500, 503}
        begun = [each for each in status.values() if each == 500]
        assert len(begun) == opened.exports.begun - sum(read(each)[0].status == 500 for each in flooding)
