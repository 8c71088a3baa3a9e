"""What anybody may ask without a token, and what every answer has."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs
from tests.wire.running import listening, tls_settings
from tests.wire.test_server import talk
from tests.wire.world import ANN, LOCATION, SUBJECTS, TENANT, World, make_config

from rightful.export.interface import Unready
from rightful.graph.http_protocol import MAX_HEAD_BYTES
from rightful.graph.public import PAGES
from rightful.testing.issuer import SimulatedIssuer
from rightful.testing.memory_exports import MemoryExports

OPERATIONS = "/v1.0/dataPolicyOperations"
GUARDS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}


@pytest.fixture
def debugging() -> Iterator[None]:
    logger = logging.getLogger("rightful.graph.seen")
    logger.setLevel(logging.DEBUG)
    yield
    logger.setLevel(logging.NOTSET)
    structlog.reset_defaults()


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_needs_no_token(shared: World, path: str) -> None:
    answer = shared.client.request("GET", path)
    assert (answer.status, json.loads(answer.body)) == (200, {"status": "ok"})
    answer = shared.client.request("DELETE", path)
    assert (answer.status, answer.code) == (405, "Request_BadRequest")
    assert {"GET", "HEAD"} <= set(answer.headers["allow"].split(", "))


@pytest.mark.parametrize("path", PAGES)
def test_page_for_everybody_tells_its_methods(shared: World, path: bytes) -> None:
    answer = shared.client.request("OPTIONS", path.decode())
    assert (answer.status, answer.headers["allow"], answer.body) == (204, "GET, HEAD, OPTIONS", b"")


@pytest.mark.parametrize("reason", Unready)
def test_service_that_cannot_take_work_is_unready_and_alive(shared: World, reason: Unready) -> None:
    shared.exports.unready_for = reason
    try:
        ready, alive = (shared.client.request("GET", path) for path in ("/readyz", "/healthz"))
    finally:
        shared.exports.unready_for = None
    assert (ready.status, json.loads(ready.body)) == (503, {"status": "unready", "reason": reason.value})
    assert alive.status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", OPERATIONS, 200),
        ("POST", f"/v1.0/users/{ANN}/exportPersonalData", 202),
        ("GET", f"{OPERATIONS}/{ANN}", 404),
        ("PATCH", OPERATIONS, 405),
        ("GET", "/healthz", 200),
        ("GET", "/readyz", 200),
        ("GET", "/", 400),
    ],
)
def test_every_answer_is_guarded_and_names_no_server(shared: World, method: str, path: str, status: int) -> None:
    body = {"storageLocation": LOCATION} if method == "POST" else None
    answer = shared.client.request(method, path, token=shared.token, body=body)
    assert answer.status == status
    assert answer.headers.items() >= GUARDS.items()
    assert answer.headers.keys() & {"server", "x-powered-by", "via"} == set()


def test_what_never_reaches_the_application_is_answered_alike_over_tls(tmp_path: Path) -> None:
    with SimulatedIssuer(TENANT) as issuer:
        config = make_config({TENANT: [issuer]}, server=tls_settings(tmp_path))
        with listening(config, MemoryExports(SUBJECTS)) as server:
            for sent, status, code in (
                (b"hello\r\n\r\n", b"400 Bad Request", "BadRequest"),
                (b"GET / HTTP/1.1\r\nX: " + b"a" * MAX_HEAD_BYTES, b"431 Request Header Fields Too Large", "RequestHeaderFieldsTooLarge"),
            ):
                head, _, body = talk(server, sent[: MAX_HEAD_BYTES + 1], cafile=tmp_path / "ca.pem").partition(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 " + status)
                headers = dict(line.decode().split(": ", 1) for line in head.split(b"\r\n")[1:])
                assert headers.items() >= (GUARDS | {"strict-transport-security": "max-age=31536000"}).items()
                assert "server" not in headers
                assert json.loads(body)["error"]["code"] == code


@pytest.mark.usefixtures("debugging")
def test_request_is_told_in_one_line_without_anything_personal(shared: World) -> None:
    with capture_logs() as told:
        shared.client.request(
            "POST", "/v1.0/users/ann@contoso.example/exportPersonalData", token=shared.token, body={"storageLocation": LOCATION}
        )
        shared.client.request("GET", f"{OPERATIONS}?$filter=userId eq 'ann@contoso.example'", token=shared.token)
        shared.client.request("BREW", f"/v1.0/users/{ANN}/%0aforged")
    lines = [line for line in told if line["event"] == "request"]
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("POST", "export_user", 202),
        ("GET", "operations", 200),
        ("other", "none", 401),
    ]
    assert all(line["log_level"] == "debug" and line["ms"] >= 0 and line["request_id"] for line in lines)
    assert [line.get("tenant") for line in lines] == [TENANT, TENANT, None]
    assert not any(word in str(told) for word in ("ann", "SECRET", "forged", ANN, LOCATION))


@pytest.mark.parametrize("level", [logging.INFO, logging.DEBUG])
def test_garbage_of_strangers_is_told_at_debug_only(caplog: pytest.LogCaptureFixture, level: int) -> None:
    with SimulatedIssuer(TENANT) as issuer, listening(make_config({TENANT: [issuer]}), MemoryExports(SUBJECTS)) as server:
        caplog.set_level(level)
        for sent in (
            b"hello\r\n\r\n",
            b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n\r\n",
            b"GET / HTTP/1.1\r\nX: " + b"a" * MAX_HEAD_BYTES,
        ):
            talk(server, sent[: MAX_HEAD_BYTES + 1])
    told = [record.levelno for record in caplog.records if record.name.startswith("uvicorn.http")]
    assert set(told) == (set() if level == logging.INFO else {logging.DEBUG})
