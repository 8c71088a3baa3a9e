"""What is counted of requests and tokens, how it is told, and that nothing personal is in it."""

import contextlib
import http.client
import re
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.exposition import generate_latest
from tests.wire.world import ANN, OTHER_TENANT, SUBJECTS, TENANT, Client, make_config

from rightful.errors import ConfigurationError
from rightful.graph.app import create_app
from rightful.ids import PERSONAL_ACCOUNTS
from rightful.meters import Backlog
from rightful.metrics import MetricsServer, PrometheusMeters
from rightful.store.values import StoreFault
from rightful.testing.issuer import SimulatedIssuer
from rightful.testing.memory_exports import MemoryExports

NAMES = {"route", "method", "status", "reason", "code", "kind", "source", "tenant", "state", "le"}


class Measured:
    """A client of an application that counts."""

    def __init__(self, issuer: SimulatedIssuer) -> None:
        self.meters = PrometheusMeters()
        self.issuer = issuer
        app = create_app(
            config=make_config({TENANT: [issuer]}), exports=MemoryExports(SUBJECTS, accounts=["LocalExports"]), meters=self.meters
        )
        self.client = Client(app)

    def value(self, name: str, **labels: str) -> float:
        return self.meters.registry.get_sample_value(name, labels) or 0.0

    def text(self) -> str:
        return generate_latest(self.meters.registry).decode()


@pytest.fixture
def measured() -> Iterator[Measured]:
    with SimulatedIssuer(TENANT) as issuer:
        one = Measured(issuer)
        yield one
        one.client.close()
        one.client.app.close()


def test_requests_are_counted_by_kind_method_and_status(measured: Measured) -> None:
    token = measured.issuer.token()
    for user, location in (
        ("ann@contoso.example", "LocalExports"),
        (ANN, "LocalExports"),
        ("zed@contoso.example", "LocalExports"),
        (ANN, None),
    ):
        measured.client.request("POST", f"/v1.0/users/{user}/exportPersonalData", token=token, body={"storageLocation": location})
    measured.client.request("GET", "/v1.0/dataPolicyOperations?$filter=userId eq 'ann'", token=token)
    measured.client.request("BREW", "/v1.0/secret-path", token=token)
    measured.client.request("GET", "/healthz")
    counted = {
        status: measured.value("rightful_requests_total", route="export_user", method="POST", status=status)
        for status in ("202", "404", "400")
    }
    assert counted == {"202": 2, "404": 1, "400": 1}
    assert measured.value("rightful_request_seconds_count", route="export_user", method="POST") == 4
    assert measured.value("rightful_requests_total", route="none", method="other", status="400") == 1
    assert measured.value("rightful_requests_total", route="public", method="GET", status="200") == 1


def test_nothing_personal_is_a_label(measured: Measured) -> None:
    test_requests_are_counted_by_kind_method_and_status(measured)
    text = measured.text()
    assert not any(word in text for word in ("ann", ANN, "contoso", "secret-path", "BREW", "LocalExports"))
    assert set(re.findall(r'[{,](\w+)="', text)) <= NAMES


def test_refused_tokens_are_counted_by_class_of_reason(measured: Measured) -> None:
    issuer = measured.issuer
    past, future = (int((datetime.now(UTC) + timedelta(hours=hours)).timestamp()) for hours in (-2, 2))
    token = issuer.token()
    with SimulatedIssuer(TENANT) as stranger:
        refused = {
            "missing": None,
            "malformed": "x.y.z",
            "expired": issuer.token(exp=past, nbf=past - 60, iat=past - 60),
            "not_yet_valid": issuer.token(nbf=future, exp=future + 60),
            "audience": issuer.token(aud="api://other"),
            "issuer": issuer.token(tid=OTHER_TENANT),
            "signature": token.rpartition(".")[0] + "." + issuer.token(oid=ANN).rpartition(".")[2],
            "key": stranger.token(iss=issuer.issuer),
            "personal_account": issuer.token(tid=PERSONAL_ACCOUNTS),
        }
        for each in refused.values():
            assert measured.client.request("GET", "/v1.0/dataPolicyOperations", token=each).status in {401, 403}
    assert {reason: measured.value("rightful_tokens_refused_total", reason=reason) for reason in refused} == dict.fromkeys(refused, 1)


def test_codes_that_a_connector_makes_up_are_bounded() -> None:
    meters = PrometheusMeters()
    for number in range(1000):
        meters.ended("failed", f"Code{number}")
    meters.ended("failed", 'ann@contoso.example"\n')
    codes = re.findall(r'rightful_operations_ended_total\{code="([^"]*)"', generate_latest(meters.registry).decode())
    assert len(codes) == 101
    assert "other" in codes


@pytest.fixture
def server() -> Iterator[MetricsServer]:
    meters = PrometheusMeters()
    meters.watch(lambda: Backlog(open_by_tenant={TENANT: 3}, not_started=2, reads={"pending": 5}, recorded_by_tenant={"": 7}))
    running = MetricsServer("127.0.0.1:0", meters.registry)
    yield running
    running.close()


def ask(server: MetricsServer, method: str, path: str) -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request(method, path)
    answer = connection.getresponse()
    found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()
    connection.close()
    return found


def test_metrics_are_told_on_a_port_of_their_own_without_naming_the_software(server: MetricsServer) -> None:
    status, headers, text = ask(server, "GET", "/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain")
    assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")
    assert "server" not in headers
    assert f'rightful_operations_open{{tenant="{TENANT}"}} 3.0' in text
    assert "rightful_operations_not_started 2.0" in text
    assert 'rightful_reads_open{state="pending"} 5.0' in text
    assert 'rightful_audit_records_total{tenant=""} 7.0' in text
    assert "process_resident_memory_bytes" in text


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/", 404), ("GET", "/v1.0/dataPolicyOperations", 404), ("POST", "/metrics", 501)]
)
def test_there_is_nothing_else_on_that_port(server: MetricsServer, method: str, path: str, status: int) -> None:
    found, headers, text = ask(server, method, path)
    assert found == status
    assert "server" not in headers
    assert "python" not in text.lower()


def test_store_that_cannot_be_read_leaves_the_rest_to_tell() -> None:
    meters = PrometheusMeters()

    def full() -> Backlog:
        raise StoreFault("the store cannot be read")

    meters.watch(full)
    meters.accepted()
    text = generate_latest(meters.registry).decode()
    assert "rightful_operations_accepted_total 1.0" in text
    assert "rightful_operations_open" not in text


def test_who_asks_slowly_keeps_others_waiting_for_a_moment_only(server: MetricsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rightful.metrics._PATIENCE_S", 0.5)
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as slow:
        stopped = threading.Event()

        def drip() -> None:
            with contextlib.suppress(OSError):
                while not stopped.wait(0.1):
                    slow.sendall(b"X")

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            assert ask(server, "GET", "/metrics")[0] == 200
        finally:
            stopped.set()
            thread.join()


def test_port_that_is_taken_is_a_configuration_error(server: MetricsServer) -> None:
    with pytest.raises(ConfigurationError, match=r"server\.metrics"):
        MetricsServer(f"127.0.0.1:{server.port}", PrometheusMeters().registry)
