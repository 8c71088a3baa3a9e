"""Hostile clients on real sockets: each is answered or closed, the others are answered meanwhile, memory stays."""

import asyncio
import contextlib
import json
import logging
import resource
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from tests.wire.running import listening, tls_settings
from tests.wire.world import ANN, LOCATION, SUBJECTS, TENANT, make_config

from rightful.config.model import ServerSettings
from rightful.graph import http_protocol
from rightful.graph.http_protocol import LimitedHttpProtocol
from rightful.graph.server import Listening
from rightful.ids import SubjectId, new_operation_id
from rightful.operation.model import DataPolicyOperation, OperationStatus
from rightful.subject.model import SubjectKind
from rightful.testing.issuer import SimulatedIssuer
from rightful.testing.memory_exports import MemoryExports

PATIENCE_S = 20
SUBMIT = f"/v1.0/users/{ANN}/exportPersonalData".encode()
BODY = json.dumps({"storageLocation": LOCATION}).encode()
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"


class Impatient(LimitedHttpProtocol):
    handshake_timeout_s = 0.5
    head_timeout_s = 0.5
    unread_timeout_s = 0.5


@pytest.fixture(scope="module")
def issuer() -> Iterator[SimulatedIssuer]:
    with SimulatedIssuer(TENANT) as simulated:
        yield simulated


@pytest.fixture(scope="module")
def server(issuer: SimulatedIssuer) -> Iterator[Listening]:
    with listening(make_config({TENANT: [issuer]}), MemoryExports(SUBJECTS), protocol=Impatient) as running:
        yield running


@pytest.fixture(autouse=True)
def others_are_answered(server: Listening) -> Iterator[None]:
    """Ask from another connection after each attack, which leaves its connections open."""
    yield
    assert talk(server, HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")).startswith(b"HTTP/1.1 200 ")


def connect(server: Listening) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S)


def read_to_end(connection: socket.socket) -> bytes:
    received = b""
    try:
        while chunk := connection.recv(65536):
            received += chunk
    except ConnectionError:  # it was closed with bytes of ours unread
        pass
    return received


def connections(server: Listening) -> list[LimitedHttpProtocol]:
    return cast("list[LimitedHttpProtocol]", list(server._server.server_state.connections))


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def talk(server: Listening, sent: bytes) -> bytes:
    with connect(server) as connection:
        connection.sendall(sent)
        return read_to_end(connection)


def send_for_ever(connection: socket.socket, piece: bytes, *, pause_s: float = 0.0) -> int:
    """Send until the server closes; returns how many bytes it took."""
    sent = 0
    until = time.monotonic() + PATIENCE_S
    try:
        while time.monotonic() < until:
            sent += connection.send(piece)
            time.sleep(pause_s)
    except ConnectionError:
        return sent
    raise AssertionError(f"still open after {sent} bytes")


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def authorized(issuer: SimulatedIssuer, *lines: bytes, close: bool = True) -> bytes:
    head = [b"POST " + SUBMIT + b" HTTP/1.1", b"Host: a", f"Authorization: Bearer {issuer.token()}".encode(), *lines]
    return b"\r\n".join([*head, b"Connection: close"] if close else head) + b"\r\n\r\n"


def chunk(piece: bytes, extension: bytes = b"") -> bytes:
    return b"%x%b\r\n%b\r\n" % (len(piece), extension, piece)


CHUNKED = b"Transfer-Encoding: chunked"


def test_body_in_chunks_of_one_byte_is_read(server: Listening, issuer: SimulatedIssuer) -> None:
    body = BODY.ljust(64 * 1024)
    said = talk(server, authorized(issuer, CHUNKED) + b"".join(chunk(bytes([byte])) for byte in body) + chunk(b""))
    assert said.startswith(b"HTTP/1.1 202 ")


BROKEN: dict[str, tuple[bytes, bytes]] = {
    "no size": (CHUNKED, b"x\r\nabc\r\n"),
    "negative size": (CHUNKED, b"-1\r\nabc\r\n"),
    "size with a prefix": (CHUNKED, b"0x3\r\nabc\r\n"),
    "size of 2^64": (CHUNKED, b"10000000000000000\r\nabc\r\n"),
    "size with a space before it": (CHUNKED, b" 3\r\nabc\r\n"),
    "longer than its size": (CHUNKED, b"3\r\nabcd\r\n0\r\n\r\n"),
    "bare LF": (CHUNKED, b"3\nabc\n0\n\n"),
    "chunked twice": (b"Transfer-Encoding: chunked, chunked", chunk(BODY) + chunk(b"")),
    "not chunked last": (b"Transfer-Encoding: chunked, gzip", chunk(BODY) + chunk(b"")),
    "unknown coding": (b"Transfer-Encoding: xchunked", chunk(BODY) + chunk(b"")),
    "chunked and a length": (CHUNKED + b"\r\nContent-Length: %d" % len(BODY), BODY),
    "two lengths": (b"Content-Length: %d\r\nContent-Length: 3" % len(BODY), BODY),
    "a list of lengths": (b"Content-Length: %d, %d" % (len(BODY), len(BODY)), BODY),
    "a length with a sign": (b"Content-Length: +%d" % len(BODY), BODY),
    "a length in hex": (b"Content-Length: 0x3", b"abc"),
    "space before the colon": (b"Content-Length : %d" % len(BODY), BODY),
    "folded": (b"X: a\r\n b\r\nContent-Length: %d" % len(BODY), BODY),
    "folded length": (b"Content-Length:\r\n %d" % len(BODY), BODY),
    "bare CR in a header": (b"X: a\rContent-Length: %d" % len(BODY), BODY),
    "NUL in a name": (b"X\x00: a\r\nContent-Length: %d" % len(BODY), BODY),
    "bare LF after a header": (b"X: a\nContent-Length: %d" % len(BODY), BODY),
}


@pytest.mark.parametrize(("line", "body"), BROKEN.values(), ids=BROKEN.keys())
def test_length_that_two_readers_may_understand_in_two_ways_is_400(
    server: Listening, issuer: SimulatedIssuer, line: bytes, body: bytes
) -> None:
    # RFC 9112 6.3, 11.2: request smuggling
    said = talk(server, authorized(issuer, line) + body)
    assert said.startswith(b"HTTP/1.1 400 "), said
    assert said.count(b"HTTP/1.1 ") == 1
    assert b"\r\nconnection: close\r\n" in said


@pytest.mark.parametrize(
    "target",
    [
        b"/v1.0/users/%00/x",
        b"/v1.0/users/%C0%AE%C0%AE/x",
        b"/v1.0/users/\xc0\xae/x",
        b"/v1.0/%",
        b"/v1.0/%zz",
        b"//",
        b"/" * 9000,
        b"http://169.254.169.254/v1.0/me",
        b"*",
        b"/v1.0/users/%ED%A0%80/x",
    ],
)
def test_strange_target_is_400(server: Listening, issuer: SimulatedIssuer, target: bytes) -> None:
    said = talk(server, authorized(issuer, b"Content-Length: 2").replace(SUBMIT, target, 1) + b"{}")
    assert said.startswith(b"HTTP/1.1 400 "), said


def test_ten_thousand_headers_are_431_and_one_without_end_too(server: Listening) -> None:
    for head in (
        b"GET / HTTP/1.1\r\n" + b"a:\r\n" * 10_000 + b"\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"a" * 100_000,
        b"GET /" + b"a" * 100_000,
    ):
        assert talk(server, head)[:13] in {b"HTTP/1.1 431 ", b""}  # nothing: what was sent behind makes the kernel drop the answer


ENDLESS: dict[str, Callable[[SimulatedIssuer], tuple[bytes, bytes]]] = {
    "a body after 401": lambda _: (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n", b"x" * 65536),
    "chunks after 401": lambda _: (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", chunk(b"x" * 65536)),
    "an extension": lambda issuer: (authorized(issuer, CHUNKED) + b"1;x=", b"y" * 65536),
    "an extension after 401": lambda _: (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;x=", b"y" * 65536),
    "extensions": lambda issuer: (authorized(issuer, CHUNKED), chunk(b"{", b";x=" + b"y" * 9000)),
    "a trailer": lambda issuer: (authorized(issuer, CHUNKED) + b"0\r\nX: ", b"y" * 65536),
    "trailers": lambda issuer: (authorized(issuer, CHUNKED) + b"0\r\n", b"X: y\r\n" * 10_000),
    "trailers after 401": lambda _: (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 10_000),
    "a method": lambda _: (b"", b"A" * 65536),
    "line breaks": lambda _: (b"", b"\r\n" * 32768),
    "white space": lambda _: (b"", b" " * 65536),
}


@pytest.mark.parametrize("attack", ENDLESS.values(), ids=ENDLESS.keys())
def test_what_never_ends_is_closed_and_takes_no_memory(
    server: Listening, issuer: SimulatedIssuer, attack: Callable[[SimulatedIssuer], tuple[bytes, bytes]]
) -> None:
    begin, piece = attack(issuer)
    before_mib = peak_mib()
    with connect(server) as connection:
        connection.sendall(begin)
        send_for_ever(connection, piece)
    assert peak_mib() - before_mib < 20


SLOW: dict[str, bytes] = {
    "nothing": b"",
    "a first line": b"GET /healthz HTTP/1.1\r\n",
    "a second head": HEALTH + b"GET /healthz HTTP/1.1\r\nX: ",
    "a body after 401": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n",
}


@pytest.mark.parametrize("begin", SLOW.values(), ids=SLOW.keys())
def test_byte_after_byte_is_closed_in_time(server: Listening, begin: bytes) -> None:
    begun = time.monotonic()
    with connect(server) as connection:
        connection.sendall(begin)
        send_for_ever(connection, b"a" if begin else b"\r\n", pause_s=0.05)
    assert time.monotonic() - begun < PATIENCE_S / 2


class Restless(LimitedHttpProtocol):
    """Keeps a connection for half a second without a request."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own does
        super().connection_made(transport)
        self.timeout_keep_alive = 0.5  # type: ignore[assignment]  # a whole number is only what the configuration has


def test_empty_lines_keep_no_connection_open(issuer: SimulatedIssuer) -> None:
    with listening(make_config({TENANT: [issuer]}), MemoryExports(SUBJECTS), protocol=Restless) as server, connect(server) as connection:
        connection.sendall(HEALTH)
        send_for_ever(connection, b"\r\n", pause_s=0.1)


@pytest.mark.parametrize("asked", [20, 5000], ids=["some", "more than there is room for"])
def test_answers_that_nobody_reads_are_given_up(issuer: SimulatedIssuer, asked: int) -> None:
    exports = MemoryExports(SUBJECTS)
    for _ in range(900):
        exports.put(
            DataPolicyOperation(
                operation_id=new_operation_id(),
                tenant_id=TENANT,
                subject_id=SubjectId(ANN),
                subject_kind=SubjectKind.USER,
                caller_key="x",
                status=OperationStatus.RUNNING,
                submitted_at=datetime.now(UTC),
                storage_location="https://acct.blob.core.windows.net/" + "x" * 5000,
                prefix="",
            )
        )
    with listening(make_config({TENANT: [issuer]}), exports, protocol=Impatient) as server:
        before_mib = peak_mib()
        poll = authorized(issuer, close=False).replace(b"POST " + SUBMIT, b"GET /v1.0/dataPolicyOperations?$top=900")
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(0.5)
            connection.connect(("127.0.0.1", server.port))
            with contextlib.suppress(OSError):
                connection.sendall(poll * asked)
            until = time.monotonic() + PATIENCE_S
            while connections(server):
                assert time.monotonic() < until
                time.sleep(0.02)
        assert peak_mib() - before_mib < 60


def test_pipelined_requests_are_answered_in_order_as_far_as_there_is_room(server: Listening) -> None:
    said = talk(server, HEALTH * 10_000)
    assert 1 <= said.count(b"HTTP/1.1 200 ") <= http_protocol.MAX_PIPELINED + 2
    assert said.count(b"HTTP/1.1 ") == said.count(b"HTTP/1.1 200 ")


def test_garbage_behind_a_request_does_not_take_its_answer(server: Listening, issuer: SimulatedIssuer) -> None:
    submit = authorized(issuer, b"Content-Length: %d" % len(BODY), close=False) + BODY
    for garbage in (
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 40_000 + b"\r\n\r\n",
    ):
        said = talk(server, submit + garbage)
        assert said.startswith(b"HTTP/1.1 202 "), said
        assert said.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("upgrade", [b"websocket", b"h2c", b"TLS/1.0"])
def test_upgrade_is_passed_over(server: Listening, upgrade: bytes) -> None:
    said = talk(server, b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: " + upgrade + b"\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 200 ")
    assert said.count(b"HTTP/1.1 ") == 1


def test_body_of_an_upgrade_is_no_request(server: Listening, issuer: SimulatedIssuer) -> None:
    inner = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
    for line in (b"Content-Length: %d" % len(inner), CHUNKED):
        with connect(server) as connection:
            connection.sendall(authorized(issuer, b"Connection: upgrade", b"Upgrade: foo", line, close=False))
            with contextlib.suppress(ConnectionError):
                time.sleep(0.05)  # so that the body comes by itself
                connection.sendall(inner + HEALTH)
            said = read_to_end(connection)
        assert said.startswith(b"HTTP/1.1 400 ")
        assert said.count(b"HTTP/1.1 ") == 1


def test_nothing_behind_an_upgrade_is_read(server: Listening) -> None:
    with connect(server) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n" + HEALTH)
        said = read_to_end(connection)
    assert said.startswith(b"HTTP/1.1 200 ")
    assert said.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in said.lower()


@pytest.mark.parametrize(("version", "status"), [(b"1.0", b"202"), (b"1.1", b"400"), (b"2.0", b"400")])
def test_only_http_1_0_needs_no_host(server: Listening, issuer: SimulatedIssuer, version: bytes, status: bytes) -> None:
    asked = authorized(issuer, b"Content-Length: %d" % len(BODY)).replace(b"Host: a\r\n", b"").replace(b"HTTP/1.1", b"HTTP/" + version)
    assert talk(server, asked + BODY).startswith(b"HTTP/1.1 " + status)


# -- many connections -------------------------------------------------------------------------------------------------


def few(most: int, folder: Path | None = None) -> ServerSettings:
    tls = tls_settings(folder).tls if folder else None
    return ServerSettings(listen="127.0.0.1:0", max_connections=most, tls=tls)


@pytest.mark.parametrize("begin", [b"", b"GET / HTTP/1.1\r\n", HEALTH], ids=["silent", "half a head", "kept alive"])
def test_those_who_only_wait_make_room(issuer: SimulatedIssuer, begin: bytes) -> None:
    config = make_config({TENANT: [issuer]}, server=few(50))
    with listening(config, MemoryExports(SUBJECTS)) as server:
        held = []
        for _ in range(90):
            held.append(connect(server))
            with contextlib.suppress(OSError):
                held[-1].sendall(begin)
        time.sleep(0.7)
        assert talk(server, HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        for _ in range(60):
            held.append(connect(server))
            held[-1].sendall(HEALTH)
            assert held[-1].recv(65536)[:13] in {b"HTTP/1.1 200 ", b"HTTP/1.1 503 "}
        time.sleep(0.7)
        assert talk(server, HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert len(connections(server)) <= 58
        for connection in held:
            connection.close()


def test_room_is_made_for_several_at_once(issuer: SimulatedIssuer) -> None:
    # To look for who has waited longest takes as long as there are connections: not to be done for each of a crowd.
    with listening(make_config({TENANT: [issuer]}, server=few(192)), MemoryExports(SUBJECTS)) as server:
        held = [connect(server) for _ in range(192)]
        until = time.monotonic() + PATIENCE_S
        while len(connections(server)) < 192:
            assert time.monotonic() < until
            time.sleep(0.01)
        time.sleep(0.7)
        one_more = connect(server)
        while len(connections(server)) > 189:
            assert time.monotonic() < until
            time.sleep(0.01)
        time.sleep(0.1)
        assert len(connections(server)) == 189
        assert [connection.recv(1) for connection in held[:4]] == [b""] * 4  # the oldest
        for connection in (*held, one_more):
            connection.close()


class Gate(MemoryExports):
    """Finds nobody before the test lets it."""

    def __init__(self) -> None:
        super().__init__(SUBJECTS)
        self.opened = threading.Event()

    def unready(self) -> None:
        self.opened.wait(PATIENCE_S)


def test_where_all_are_at_work_a_few_are_told_so(issuer: SimulatedIssuer) -> None:
    exports = Gate()
    with listening(make_config({TENANT: [issuer]}, server=few(16)), exports) as server:
        at_work = [connect(server) for _ in range(16)]
        for connection in at_work:
            connection.sendall(HEALTH.replace(b"healthz", b"readyz"))
        until = time.monotonic() + PATIENCE_S
        while sum(each.waiting_since_s is None for each in connections(server)) < 16:
            assert time.monotonic() < until
            time.sleep(0.01)
        more = [connect(server) for _ in range(20)]
        answers = []
        for connection in more:
            try:
                connection.sendall(HEALTH)
                answers.append(read_to_end(connection)[:13])
            except ConnectionError:
                answers.append(b"")
        assert set(answers) <= {b"HTTP/1.1 503 ", b""}
        assert b"HTTP/1.1 503 " in answers
        exports.opened.set()
        assert [connection.recv(13) for connection in at_work] == [b"HTTP/1.1 200 "] * 16
        for connection in at_work + more:
            connection.close()


def test_handshakes_that_never_end_make_room_too(issuer: SimulatedIssuer, tmp_path: Path) -> None:
    config = make_config({TENANT: [issuer]}, server=few(20, tmp_path))
    context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    with listening(config, MemoryExports(SUBJECTS)) as server:
        held = [connect(server) for _ in range(40)]
        held[0].sendall(b"GET / HTTP/1.1\r\n\r\n")  # no TLS: closed
        time.sleep(0.7)
        for _ in range(3):
            with context.wrap_socket(connect(server), server_hostname="localhost") as secure:
                secure.sendall(HEALTH)
                assert secure.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert read_to_end(held[1]) == b""
        for connection in held:
            connection.close()


def test_handshake_that_never_ends_is_closed(issuer: SimulatedIssuer, tmp_path: Path) -> None:
    config = make_config({TENANT: [issuer]}, server=few(20, tmp_path))
    with listening(config, MemoryExports(SUBJECTS), protocol=Impatient) as server, connect(server) as connection:
        assert read_to_end(connection) == b""


def test_client_that_goes_while_it_is_owed_answers_leaves_no_error(issuer: SimulatedIssuer, caplog: pytest.LogCaptureFixture) -> None:
    exports = Gate()
    with listening(make_config({TENANT: [issuer]}), exports) as server:
        connection = connect(server)
        connection.sendall(HEALTH + HEALTH.replace(b"healthz", b"readyz") + HEALTH * 2)
        assert connection.recv(13) == b"HTTP/1.1 200 "
        wait_for(lambda: any(each.pipeline for each in connections(server)))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, no end
        connection.close()
        wait_for(lambda: not connections(server))
        exports.opened.set()
        wait_for(lambda: not server._server.server_state.tasks)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
