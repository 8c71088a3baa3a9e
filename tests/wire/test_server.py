"""The real server on a socket: TLS, limits, what it says of itself, how it stops."""

import asyncio
import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.wire.running import listening, tls_settings
from tests.wire.world import ANN, LOCATION, SUBJECTS, TENANT, make_config

from rightful.config.model import ServerSettings, TlsSettings
from rightful.errors import ConfigurationError
from rightful.export.interface import SubmitRequest
from rightful.graph.http_protocol import MAX_HEAD_BYTES, LimitedHttpProtocol
from rightful.graph.server import Listening
from rightful.operation.model import DataPolicyOperation
from rightful.subject.model import DataSubject
from rightful.testing.issuer import SimulatedIssuer
from rightful.testing.memory_exports import MemoryExports

PATH = f"/v1.0/users/{ANN}/exportPersonalData"
PATIENCE_S = 20


class HeldExports(MemoryExports):
    """Accepts when the test lets it."""

    def __init__(self, subjects: Iterable[DataSubject]) -> None:
        super().__init__(subjects)
        self.has_begun, self.may_go_on = threading.Event(), threading.Event()

    def submit(self, request: SubmitRequest) -> DataPolicyOperation:
        self.has_begun.set()
        assert self.may_go_on.wait(PATIENCE_S)
        return super().submit(request)


@pytest.fixture(scope="module")
def issuer() -> Iterator[SimulatedIssuer]:
    with SimulatedIssuer(TENANT) as simulated:
        yield simulated


@pytest.fixture(scope="module")
def plain(issuer: SimulatedIssuer) -> Iterator[Listening]:
    with listening(make_config({TENANT: [issuer]}), MemoryExports(SUBJECTS)) as server:
        yield server


def talk(server: Listening, sent: bytes, *, cafile: Path | None = None) -> bytes:
    """Send bytes and return all that comes until the server closes."""
    with contextlib.ExitStack() as opened:
        connection: socket.socket = opened.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=20))
        if cafile is not None:
            context = ssl.create_default_context(cafile=cafile)
            connection = opened.enter_context(context.wrap_socket(connection, server_hostname="localhost"))
        connection.sendall(sent)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return received


def test_submit_and_poll_over_tls(issuer: SimulatedIssuer, tmp_path: Path) -> None:
    config = make_config({TENANT: [issuer]}, server=tls_settings(tmp_path))
    with listening(config, MemoryExports(SUBJECTS)) as server:
        context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
        connection = http.client.HTTPSConnection("localhost", server.port, context=context, timeout=20)
        headers = {"Authorization": f"Bearer {issuer.token()}", "Content-Type": "application/json"}
        connection.request("POST", PATH, json.dumps({"storageLocation": LOCATION}), headers)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (202, b"")
        location = answer.headers["Location"]
        assert location.startswith(f"https://localhost:{server.port}/v1.0/dataPolicyOperations/")
        assert answer.headers["Strict-Transport-Security"]
        assert answer.headers["Server"] is None
        assert len(answer.headers.get_all("Date", [])) == 1
        connection.request("GET", location.partition(str(server.port))[2], headers=headers)
        polled = connection.getresponse()
        assert json.loads(polled.read())["status"] == "notStarted"
        assert connection.sock is not None  # kept alive
        connection.close()
        weak = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        weak.load_verify_locations(tmp_path / "ca.pem")
        weak.maximum_version = ssl.TLSVersion.TLSv1_2
        weak.set_ciphers("AES128-SHA")
        with socket.create_connection(("127.0.0.1", server.port)) as raw, pytest.raises(ssl.SSLError):
            weak.wrap_socket(raw, server_hostname="localhost")


def test_address_and_port_are_known_before_it_answers(plain: Listening) -> None:
    assert plain.port > 0
    assert plain.address == f"http://127.0.0.1:{plain.port}"


def test_name_that_only_looks_like_loopback_is_refused(issuer: SimulatedIssuer) -> None:
    class Disguised(ServerSettings, frozen=True):
        @property
        def is_loopback(self) -> bool:
            return True

    config = make_config({TENANT: [issuer]}, server=Disguised(listen="0.0.0.0:0"))
    with pytest.raises(ConfigurationError, match="looks like loopback"):
        Listening(config, MemoryExports(()))


def test_plain_http_is_refused_on_an_address_that_others_reach(issuer: SimulatedIssuer) -> None:
    config = make_config({TENANT: [issuer]}, server=ServerSettings(listen="0.0.0.0:0"))
    with pytest.raises(ConfigurationError, match="plain HTTP"):
        Listening(config, MemoryExports(()))


@pytest.mark.parametrize("files", [("missing.pem", "missing.pem"), ("ca.pem", "ca.pem")], ids=["missing", "no key"])
def test_unusable_certificate_is_a_configuration_error(issuer: SimulatedIssuer, tmp_path: Path, files: tuple[str, str]) -> None:
    tls_settings(tmp_path)
    tls = TlsSettings(cert=str(tmp_path / files[0]), key=str(tmp_path / files[1]))
    config = make_config({TENANT: [issuer]}, server=ServerSettings(listen="127.0.0.1:0", tls=tls))
    with pytest.raises(ConfigurationError, match=r"server\.tls"):
        Listening(config, MemoryExports(()))


def test_port_that_is_taken_and_address_that_is_none_are_configuration_errors(issuer: SimulatedIssuer, plain: Listening) -> None:
    for listen, said in ((f"127.0.0.1:{plain.port}", "cannot listen"), ("127.0.0.400:80", "no address|plain HTTP")):
        with pytest.raises(ConfigurationError, match=said):
            Listening(make_config({TENANT: [issuer]}, server=ServerSettings(listen=listen)), MemoryExports(()))


GARBAGE: dict[str, bytes] = {
    "not HTTP": b"hello\r\n\r\n",
    "TLS to plain": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "length and chunked": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "negative length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    "header without a colon": b"GET / HTTP/1.1\r\nHost a\r\n\r\n",
    "bytes over 127 in the path": b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "CONNECT": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "NUL in a header": b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
}


@pytest.mark.parametrize("sent", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_is_400_and_the_end(plain: Listening, sent: bytes) -> None:
    # GRAPH-40, GRAPH-41: an answer like every other, although the application never saw the request
    head, _, body = talk(plain, sent).partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 401 "))
    error = json.loads(body)["error"]
    assert error["code"] in {"BadRequest", "InvalidAuthenticationToken"}
    names = {line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:]}
    assert names >= {b"request-id", b"client-request-id", b"date", b"cache-control", b"content-length"}
    assert f"request-id: {error['innerError']['request-id']}".encode() in head


def test_absolute_form_and_star_are_answered(plain: Listening) -> None:
    for target in (b"http://other.example/v1.0/dataPolicyOperations", b"*", b"/%"):
        said = talk(plain, b"OPTIONS " + target + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert said.startswith((b"HTTP/1.1 401 ", b"HTTP/1.1 400 ")), said


@pytest.mark.parametrize("piece", [b"X-%d: " + b"a" * 1000 + b"\r\n", b"a" * 1000], ids=["many headers", "one header without end"])
def test_head_over_the_limit_is_431(plain: Listening, piece: bytes) -> None:
    head = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"".join(piece.replace(b"%d", b"%d" % number) for number in range(100))
    # No byte more: what a server has not read when it closes makes the kernel drop its answer.
    assert talk(plain, head[: MAX_HEAD_BYTES + 1]).startswith(b"HTTP/1.1 431 ")


def test_head_over_the_limit_in_one_read_is_431(plain: Listening) -> None:
    said = talk(plain, b"POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nX: " + b"a" * 70_000 + b"\r\n\r\nx")
    assert said.startswith(b"HTTP/1.1 431 ")
    assert said.count(b"HTTP/1.1") == 1


def test_body_that_is_announced_too_large_is_not_waited_for(plain: Listening, issuer: SimulatedIssuer) -> None:
    head = f"POST {PATH} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {issuer.token()}\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n"
    said = talk(plain, head.encode())
    assert said.startswith(b"HTTP/1.1 413 ")
    assert b"RequestEntityTooLarge" in said


def test_large_headers_below_the_limit_are_read(plain: Listening, issuer: SimulatedIssuer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", plain.port, timeout=20)
    headers = {"Authorization": f"Bearer {issuer.token()}", "X-Large": "x" * 16_000}
    for _ in range(3):
        connection.request("POST", PATH, json.dumps({"storageLocation": LOCATION}).ljust(60_000), headers)
        answer = connection.getresponse()
        assert answer.status == 202, answer.read()
        answer.read()
    connection.close()


class Impatient(LimitedHttpProtocol):
    head_timeout_s = 0.3


def test_head_that_never_ends_is_closed(issuer: SimulatedIssuer) -> None:
    with listening(make_config({TENANT: [issuer]}), MemoryExports(SUBJECTS), protocol=Impatient) as server:
        assert talk(server, b"") == b""
        assert talk(server, b"GET /healthz HTTP/1.1\r\n") == b""
        first = talk(server, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /healthz HTTP/1.1\r\n")
    assert first.startswith(b"HTTP/1.1 200 OK")
    assert first.count(b"HTTP/1.1") == 1


def test_pipelined_requests_are_answered_in_order(plain: Listening) -> None:
    one = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
    last = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    assert talk(plain, one * 3 + last).count(b"HTTP/1.1 200 OK") == 4


def test_requests_that_have_begun_end_when_the_service_stops(issuer: SimulatedIssuer) -> None:
    exports = HeldExports(SUBJECTS)
    answers: list[int] = []
    with listening(make_config({TENANT: [issuer]}), exports) as server:

        def submit() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
            headers = {"Authorization": f"Bearer {issuer.token()}"}
            connection.request("POST", PATH, json.dumps({"storageLocation": LOCATION}), headers)
            answers.append(connection.getresponse().status)
            connection.close()

        thread = threading.Thread(target=submit)
        thread.start()
        try:
            assert exports.has_begun.wait(PATIENCE_S)
            server.stop()
            until = time.monotonic() + PATIENCE_S
            while server._socket.fileno() >= 0:  # it takes nothing more; asking at its port might meet whoever got that now
                assert time.monotonic() < until
                time.sleep(0.01)
            time.sleep(0.3)  # uvicorn looks ten times a second whether it may end
        finally:
            exports.may_go_on.set()
    thread.join(PATIENCE_S)
    assert answers == [202]
    assert len(exports.operations) == 1


def test_server_runs_in_an_event_loop_of_the_test_without_a_thread(issuer: SimulatedIssuer) -> None:
    server = Listening(make_config({TENANT: [issuer]}), MemoryExports(SUBJECTS))

    async def ask() -> bytes:
        running = asyncio.create_task(server.answer())
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        said = await reader.read()
        writer.close()
        server.stop()
        await running
        return said

    assert asyncio.run(ask()).startswith(b"HTTP/1.1 200 OK")


def test_error_that_nobody_waits_for_is_told_without_its_text(issuer: SimulatedIssuer) -> None:
    server = Listening(make_config({TENANT: [issuer]}), MemoryExports(SUBJECTS))

    def fail() -> None:
        raise ValueError("ann@contoso.example")

    async def run() -> None:
        running = asyncio.create_task(server.answer())
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(fail)
        await asyncio.sleep(0.01)
        server.stop()
        await running

    with capture_logs() as told:
        asyncio.run(run())
    assert [line["log_level"] for line in told if line["event"] == "an error that nobody waited for"] == ["error"]
    assert "ValueError at" in str(told)
    assert "ann" not in str(told)


PROCESS = """
from tests.wire.world import SUBJECTS, TENANT, make_config
from rightful.graph.server import serve
from rightful.testing.issuer import SimulatedIssuer
from rightful.testing.memory_exports import MemoryExports

with SimulatedIssuer(TENANT) as issuer:
    config = make_config({TENANT: [issuer]})
    serve(config, exports=MemoryExports(SUBJECTS), on_listening=lambda listening: print(listening.port, flush=True))
    print("stopped", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=str)
def test_signal_ends_it_and_what_stands_after_serve_still_runs(number: signal.Signals) -> None:
    folder = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", PROCESS], cwd=folder, env=os.environ | {"PYTHONPATH": str(folder)}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                break
        connection.close()
        process.send_signal(number)
        out, _ = process.communicate(timeout=20)
    assert (out, process.returncode) == ("stopped\n", 0)
