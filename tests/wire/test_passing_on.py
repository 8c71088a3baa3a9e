"""Requests that a service which stands by passes on: answered as if the one that leads had been asked, and nobody can pretend to pass on."""

import asyncio
import re
import socket
import threading
from collections.abc import Iterator

import msgspec
import pytest
from tests.servers.api import Asked, Reply, serving
from tests.servers.port import free_port
from tests.wire.running import listening, tls_settings
from tests.wire.world import ADDRESS, ANN, HOST, NOBODY, OTHER_TENANT, SUBJECTS, TENANT, Answer, Client, Later, make_config, new_location

from rightful.config.model import Config
from rightful.export.standby import Standby
from rightful.graph.app import create_app
from rightful.graph.introducing import NAME, Introductions
from rightful.graph.passing_on import PassingOn
from rightful.graph.peer import Leader, Peer, peer_of, seal
from rightful.sealing import Sealer
from rightful.testing.issuer import SimulatedIssuer
from rightful.testing.memory_exports import MemoryExports

KEY = bytes(32)
VARYING = re.compile(rb'"(date|request-id)":"[^"]*"|[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}')


OWN = {"date", "request-id", "client-request-id", "content-length", "connection"}
"""Headers that each answer, or each connection, has of its own."""


class Pair:
    """A service that leads, on a socket and over TLS, and one that stands by."""

    def __init__(self, issuer: SimulatedIssuer, exports: MemoryExports, config: Config, direct: Client, leader: Leader) -> None:
        self.exports = exports
        self.config = config
        self.token = issuer.token()
        self.direct = direct
        """Asks the leader's application."""
        self.leader = leader
        app = create_app(config=config, exports=Standby(passes_on=lambda: leader.host is not None))
        self.standby = Client(PassingOn(app, Introductions(config.seal_key, Later()), lambda: leader.host))

    def close(self) -> None:
        self.standby.app.close()
        self.standby.close()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder, port = tmp_path_factory.mktemp("tls"), free_port()
    address = f"127.0.0.1:{port}"
    server = msgspec.structs.replace(tls_settings(folder), listen=address, own_address=f"https://{address}")
    with SimulatedIssuer(TENANT) as issuer, SimulatedIssuer(OTHER_TENANT) as other:
        exports = MemoryExports(SUBJECTS, accounts=["LocalExports"])
        config = make_config({TENANT: [issuer], OTHER_TENANT: [other]}, folder=folder, server=server)
        leader = Leader(Sealer(KEY))
        leader.tell(seal(peer_of(config.server, folder), Sealer(KEY)))
        direct = Client(create_app(config=config, exports=exports))
        with listening(config, exports):
            made = Pair(issuer, exports, config, direct, leader)
            yield made
            made.close()
        leader.close()
        direct.app.close()
        direct.close()


def told(answer: Answer) -> tuple[int, dict[str, str], bytes]:
    """Return what is the same each time that the same is asked."""
    kept = {name: value for name, value in answer.headers.items() if name not in OWN}
    return answer.status, kept, VARYING.sub(b"", answer.body)


REQUESTS = [
    ("GET", "/v1.0/dataPolicyOperations?$top=1&$count=true", None, []),
    ("GET", "/v1.0/dataPolicyOperations/$count", None, [("consistencylevel", "eventual")]),
    ("HEAD", "/v1.0/dataPolicyOperations", None, []),
    ("OPTIONS", "/v1.0/dataPolicyOperations", None, []),
    ("GET", f"/v1.0/dataPolicyOperations/{NOBODY}", None, []),
    ("GET", "/v1.0/dataPolicyOperations?$filter=status eq 'x'", None, []),
    ("GET", "/v1.0/dataPolicyOperations?$filter=status%20eq%20%27running%27", None, []),
    ("DELETE", f"/v1.0/dataPolicyOperations/{NOBODY}", None, []),
    ("PATCH", f"/v1.0/dataPolicyOperations/{NOBODY}", {}, []),
    ("POST", f"/v1.0/users/{ANN}/exportPersonalData", {"storageLocation": "nowhere"}, []),
    ("POST", f"/v1.0/users/{ANN}/exportPersonalData", b"no json", []),
    ("POST", f"/v1.0/users/{ANN}/exportPersonalData", b"x" * 100_000, []),
    ("POST", f"/v1.0/users/{ANN}/exportPersonalData", b"<x/>", [("content-type", "text/xml")]),
    ("GET", "/v1.0/nothing/here", None, []),
    ("GET", "/beta/\xe9", None, []),
    ("GET", "/healthz", None, []),
    ("GET", "/readyz", None, []),
]


@pytest.mark.parametrize(("method", "path", "body", "headers"), REQUESTS, ids=lambda value: str(value)[:60])
def test_answer_is_the_leaders(pair: Pair, method: str, path: str, body: object, headers: list[tuple[str, str]]) -> None:
    sent = [("client-request-id", "one-of-mine"), *headers]
    pair.direct.scheme = pair.standby.scheme = "https"
    direct = pair.direct.request(method, path, token=pair.token, body=body, headers=sent)
    passed = pair.standby.request(method, path, token=pair.token, body=body, headers=sent)
    assert told(passed) == told(direct)
    assert passed.headers["client-request-id"] == "one-of-mine"


def last_address(pair: Pair) -> str:
    return pair.exports.notes[-1].actor.address


def test_operation_is_the_callers_with_their_address_and_links_to_where_they_asked(pair: Pair) -> None:
    pair.standby.scheme = "https"
    answer = pair.standby.request(
        "POST", f"/v1.0/users/{ANN}/exportPersonalData", token=pair.token, body={"storageLocation": new_location()}
    )
    assert answer.status == 202
    assert answer.headers["location"].startswith(f"https://{HOST}/v1.0/")
    assert pair.standby.request("GET", "/v1.0/dataPolicyOperations", token=pair.token).status == 200
    assert last_address(pair) == ADDRESS


def test_refusals_that_are_the_leaders(pair: Pair) -> None:
    assert pair.standby.request("GET", "/v1.0/dataPolicyOperations").status == 401
    assert pair.standby.request("GET", "/v1.0/dataPolicyOperations", token="a.b.c").status == 401


def test_header_beyond_ascii_is_refused_rather_than_lost(pair: Pair) -> None:
    answer = pair.standby.request("GET", "/v1.0/dataPolicyOperations", token=pair.token, headers=[("idempotency-key", "é")])
    assert answer.status == 400


def test_what_was_passed_on_is_not_passed_on_again(pair: Pair) -> None:
    header = Introductions(KEY, Later()).write({"headers": [(b"host", HOST.encode())], "client": (ADDRESS, 1)})
    answer = pair.standby.request("GET", "/v1.0/dataPolicyOperations", token=pair.token, headers=[(NAME.decode(), header)])
    assert (answer.status, answer.code) == (503, "ServiceUnavailable")


@pytest.mark.parametrize("made", ["another key", "too old", "changed", "twice", "nothing"])
def test_who_has_no_key_cannot_say_where_a_call_comes_from(pair: Pair, made: str) -> None:
    clock = Later()
    if made == "too old":
        clock.ahead_s = -120
    writer = Introductions(b"x" * 32 if made == "another key" else KEY, clock)
    header = writer.write({"headers": [(b"host", b"evil.example")], "client": ("203.0.113.9", 1)})
    header = {"changed": f"x{header}", "nothing": ""}.get(made, header)
    headers = [(NAME.decode(), header)] * (2 if made == "twice" else 1)
    answer = pair.direct.request(
        "POST",
        f"/v1.0/users/{ANN}/exportPersonalData",
        token=pair.token,
        body={"storageLocation": new_location()},
        headers=headers,
    )
    assert answer.status == 202
    assert "evil.example" not in answer.headers["location"]
    assert pair.direct.request("GET", "/v1.0/dataPolicyOperations", token=pair.token, headers=headers).status == 200
    assert last_address(pair) == ADDRESS


def test_leader_that_is_gone_is_a_refusal_that_clients_send_again(pair: Pair) -> None:
    port = free_port()
    leader = Leader(Sealer(KEY))
    leader.tell(seal(Peer(address=f"http://127.0.0.1:{port}"), Sealer(KEY)))
    app = create_app(config=pair.config, exports=Standby(passes_on=lambda: True))
    client = Client(PassingOn(app, Introductions(KEY, Later()), lambda: leader.host))
    answer = client.request("POST", f"/v1.0/users/{ANN}/exportPersonalData", token=pair.token, body={"storageLocation": "x"})
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    client.app.close()
    client.close()


def test_answer_that_is_lost_is_no_invitation_to_ask_again(pair: Pair) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        leader = Leader(Sealer(KEY))
        leader.tell(seal(Peer(address=f"http://127.0.0.1:{listening.getsockname()[1]}"), Sealer(KEY)))
        app = create_app(config=pair.config, exports=Standby(passes_on=lambda: True))
        client = Client(PassingOn(app, Introductions(KEY, Later()), lambda: leader.host))
        for method, path, status in [
            ("POST", f"/v1.0/users/{ANN}/exportPersonalData", 500),
            ("GET", "/v1.0/dataPolicyOperations", 503),
            ("GET", f"/beta/directory/inboundSharedUserProfiles/{ANN}/%65xportPersonalData", 500),  # it may have been accepted
        ]:

            def hang_up() -> None:
                connection, _ = listening.accept()
                connection.recv(1)
                connection.close()

            thread = threading.Thread(target=hang_up)
            thread.start()
            answer = client.request(method, path, token=pair.token, body={"storageLocation": "x"} if method == "POST" else None)
            thread.join()
            assert answer.status == status
        leader.close()
        client.app.close()
        client.close()


def test_address_that_was_sealed_with_another_key_is_passed_over() -> None:
    leader = Leader(Sealer(KEY))
    leader.tell(seal(Peer(address="https://192.0.2.1:8443", certificate=""), Sealer(b"x" * 32)))
    assert leader.host is None
    leader.tell(b"")
    assert leader.host is None


def test_who_polls_waits_for_no_submit_of_others(pair: Pair) -> None:
    is_there, are_passed_on = threading.Event(), threading.Semaphore(0)
    submits, at_a_time = 70, 64

    def answer(asked: Asked) -> Reply:
        if asked.target.endswith("/exportPersonalData"):
            are_passed_on.release()
            is_there.wait()  # for its storage location
        return Reply(b"{}")

    with serving(answer) as api:
        leader = Leader(Sealer(KEY))
        leader.tell(seal(Peer(address=api.url), Sealer(KEY)))
        app = create_app(config=pair.config, exports=Standby(passes_on=lambda: True))
        client = Client(PassingOn(app, Introductions(KEY, Later()), lambda: leader.host))

        async def ask() -> list[int]:
            path, body = f"/v1.0/users/{ANN}/exportPersonalData", {"storageLocation": "x"}
            waiting = [asyncio.create_task(client.post(path, pair.token, body)) for _ in range(submits)]
            for _ in range(at_a_time):
                await asyncio.to_thread(are_passed_on.acquire)
            polled = await client.get("/v1.0/dataPolicyOperations", pair.token)
            is_there.set()
            return [polled.status, *(each.status for each in await asyncio.gather(*waiting))]

        try:
            assert client.run(ask()) == [200] * (1 + submits)
        finally:
            is_there.set()
            leader.close()
            client.app.close()
            client.close()
