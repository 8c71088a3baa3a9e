"""The commands that talk to the service, over TLS, against the real web surface; what stands behind it is moved on by the test."""

import io
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from tests.wire.moved import MovedExports
from tests.wire.running import listening

from rightful import certificate
from rightful.cli import client as client_module
from rightful.cli import main
from rightful.cli.client import Client, ServiceRefused
from rightful.cli.connection import mint, open_client
from rightful.cli.exits import Exit
from rightful.cli.follow import follow
from rightful.cli.invocation import Invocation
from rightful.clock import Clock
from rightful.config.load import load
from rightful.config.template import render
from rightful.errors import ExportError
from rightful.identity.model import CallerKind
from rightful.ids import OperationId, SubjectId, TenantId
from rightful.operation.model import Failure
from rightful.subject.model import DataSubject, SubjectKind
from rightful.testing.clock import ManualClock

TENANT = TenantId("2f0c7b3e-9a41-4c1d-8a35-6f1e0b7d9c55")
ANN = SubjectId("aaaaaaaa-0000-4000-8000-000000000001")
EVE = SubjectId("bbbbbbbb-0000-4000-8000-000000000002")
SUBJECTS = (
    DataSubject(tenant_id=TENANT, subject_id=ANN, user_principal_name="ann#EXT#@contoso.example"),
    DataSubject(tenant_id=TENANT, subject_id=EVE, kind=SubjectKind.INBOUND_PROFILE, home_tenant_id=TENANT),
)
SAS = "https://acct.blob.core.windows.net/exports?sp=cw&sig=hunter2"


class Service:
    """A running service and the folder of its configuration."""

    def __init__(self, folder: Path, exports: MovedExports, address: str) -> None:
        self.folder, self.exports, self.address = folder, exports, address

    def run(self, *arguments: str) -> int:
        return main(["--config", str(self.folder / "rightful.yaml"), *arguments, "--server", self.address])

    def submitted(self, location: str = "LocalExports") -> str:
        assert self.run("export", ANN, "--to", location, "--no-wait") == Exit.OK
        return next(reversed(self.exports.operations))


@contextmanager
def a_service(tmp_path: Path, clock: Clock | None = None) -> Iterator[Service]:
    certificate.write(tmp_path / "tls", datetime.now(UTC))
    for name in ("seal.key", "audit.key", "receipt.key"):
        (tmp_path / name).write_text("ab" * 32)
    text = render(tmp_path, tenant_id=TENANT).replace("  # tls: {", "  tls: {").replace("listen: 127.0.0.1:8443", "listen: 127.0.0.1:0")
    (tmp_path / "rightful.yaml").write_text(text, encoding="utf-8")
    exports = MovedExports(SUBJECTS, accounts=["LocalExports"])
    with listening(load(tmp_path / "rightful.yaml", {}), exports, clock=clock) as server:
        yield Service(tmp_path, exports, server.address.replace("127.0.0.1", "localhost"))


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with a_service(tmp_path) as running:
        yield running


# -- export ---------------------------------------------------------------------------------------------------------------
def test_export_is_followed_until_it_is_complete(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    service.exports.moves = [service.exports.run, service.exports.complete]
    assert service.run("export", "ann#EXT#@contoso.example", "--to", "LocalExports") == Exit.OK
    said = capsys.readouterr()
    assert service.exports.submitted[0].subject.subject_id == ANN
    assert "running: 0 of 1 sources" in said.err
    assert "status     complete (100 %)" in said.out
    assert "51 rows, 4.0 KiB" in said.out


def test_language_is_asked_for_and_shown(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    service.exports.moves = [service.exports.complete]
    assert service.run("export", ANN, "--to", "LocalExports", "--language", "de-AT") == Exit.OK
    assert "language   de\n" in capsys.readouterr().out
    assert service.run("export", ANN, "--to", "LocalExports", "--language", "tlh") == Exit.FAILED
    assert "zh-Hans" in capsys.readouterr().err


def test_package_is_sealed_to_a_key_or_by_a_passphrase_that_no_argument_holds(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipient = "age14g70hls6h8xn682kg4s67397nu5ktr8ffyrljhu8e8n5nfpnmcks4qfujy"
    service.exports.moves = [service.exports.complete]
    assert service.run("export", ANN, "--to", "LocalExports", "--recipient", recipient) == Exit.OK
    assert f"sealed to  {recipient}\n" in capsys.readouterr().out
    (tmp_path / "passphrase").write_text("correct horse battery\nnot this\n", encoding="utf-8")
    for options in (["--passphrase-file", str(tmp_path / "passphrase")], ["--passphrase"]):
        monkeypatch.setenv("RIGHTFUL_PASSPHRASE", "correct horse battery")
        service.exports.moves = [service.exports.complete]
        assert service.run("export", ANN, "--to", "LocalExports", *options) == Exit.OK
        assert "sealed to  passphrase\n" in capsys.readouterr().out
        assert service.exports.submitted[-1].passphrase == "correct horse battery"
    assert service.run("export", ANN, "--to", "LocalExports", "--passphrase", "--recipient", recipient) == Exit.USAGE
    assert service.run("export", ANN, "--to", "LocalExports", "--recipient", "age1") == Exit.FAILED
    assert "age-keygen" in capsys.readouterr().err


def test_failed_export_exits_1_and_says_how_to_go_on(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    failure = Failure(code="SourceUnavailable", message="the shop does not answer", source_name="shop")
    service.exports.moves = [lambda operation_id: service.exports.fail(operation_id, failure)]
    assert service.run("--json", "export", ANN, "--to", "LocalExports") == Exit.FAILED
    said = capsys.readouterr()
    assert json.loads(said.out)["failureReason"]["code"] == "SourceUnavailable"
    assert "shop: the shop does not answer [SourceUnavailable]" in said.err
    assert "rightful requests resume" in said.err


def test_location_from_stdin_is_in_no_list_of_processes(
    service: Service, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{SAS}\n"))
    assert service.run("export", ANN, "--to", "-", "--no-wait") == Exit.OK
    assert service.exports.submitted[0].storage_location == SAS
    assert service.run("export", ANN, "--to", SAS, "--no-wait") == Exit.OK
    said = capsys.readouterr()
    assert "list of processes" in said.err
    assert "hunter2" not in said.out + said.err
    assert len(set(said.out.split())) == 1  # the same request again is the same operation (GRAPH-15)


def test_inbound_profile_is_exported_by_its_own_route(service: Service) -> None:
    assert service.run("export", EVE, "--inbound", "--to", "LocalExports", "--no-wait") == Exit.OK
    assert service.exports.submitted[0].subject.kind is SubjectKind.INBOUND_PROFILE


def test_unknown_person_is_told_plainly(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    assert service.run("export", "nobody@contoso.example", "--to", "LocalExports") == Exit.FAILED
    assert "knows nobody" in capsys.readouterr().err
    assert service.run("preview", EVE, "--inbound", "--json") == Exit.FAILED  # one of its sources is down
    assert json.loads(capsys.readouterr().out)["userId"] == EVE
    assert service.run("preview", "nobody@contoso.example") == Exit.FAILED
    assert "knows nobody" in capsys.readouterr().err


def test_preview_shows_identifiers_and_sources_and_fails_where_one_is_down(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    assert service.run("preview", "ann#EXT#@contoso.example") == Exit.FAILED
    said = capsys.readouterr().out
    assert "at least 3 rows" in said
    assert f"devices.id over orders over customers, round 1, by id {ANN}" in said
    assert "40 people have it" in said
    lines = said.splitlines()
    assert any(line.split() == ["orders", "label.retention"] for line in lines)  # what the statement leaves open
    orders, mails = (next(line for line in lines if line.split()[0:1] == [name]) for name in ("orders", "mails"))
    assert orders.split() == ["orders", "id", "(1)", "3", "~300", "B", "0.1", "s", "note"]
    assert "it does not answer [SourceUnavailable]" in mails
    assert service.run("preview", ANN, "--json") == Exit.FAILED
    found = json.loads(capsys.readouterr().out)
    assert (found["userId"], found["sources"][0]["rows"], found["identifiers"][1]["fromValue"]) == (ANN, 3, ANN)
    assert service.exports.operations == {}


def test_refused_location_keeps_its_code(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    assert service.run("export", ANN, "--to", SAS.replace("exports", "a/b"), "--json") == Exit.FAILED
    said = capsys.readouterr().err.splitlines()[-1]
    assert json.loads(said)["error"]["code"] == "StorageLocationNotAzureBlob"
    assert "hunter2" not in said


# -- requests -------------------------------------------------------------------------------------------------------------
def test_list_filters_and_pages(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    first = service.submitted()
    service.exports.complete(next(iter(service.exports.operations)))
    for _ in range(130):
        latest = service.exports._add(service.exports.submitted[0], "LocalExports")
    capsys.readouterr()
    assert service.run("requests", "list", "--top", "120", "--json") == Exit.OK
    found = [operation["id"] for operation in json.loads(capsys.readouterr().out)]
    assert (len(set(found)), found[0], first in found) == (120, latest.operation_id, False)
    assert service.run("requests", "list", "--status", "complete", "--subject", ANN) == Exit.OK
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [[first, "complete"]]
    assert service.run("requests", "list", "--subject", "o'hara") == Exit.OK
    said = capsys.readouterr()
    assert said.out == ""
    assert "takes an object id" in said.err  # so that nobody takes a user principal name that was given for somebody without exports
    assert service.run("requests", "list", "--subject", "C0FFEE00-0000-4000-8000-000000000000") == Exit.OK
    assert "object id" not in capsys.readouterr().err  # it is one, of somebody without exports


def test_show_watch_cancel_and_resume(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    operation_id = service.submitted()
    assert service.run("requests", "show", operation_id) == Exit.OK
    assert "notStarted" in capsys.readouterr().out
    assert service.run("requests", "cancel", operation_id) == Exit.OK
    assert service.run("requests", "cancel", operation_id) == Exit.FAILED
    assert "Request_Conflict" in capsys.readouterr().err
    assert service.run("requests", "watch", operation_id) == Exit.FAILED
    assert "cancelled" in capsys.readouterr().err
    assert service.run("requests", "resume", operation_id, "--no-wait", "--to", SAS) == Exit.OK
    assert service.run("requests", "resume", operation_id) == Exit.FAILED
    assert service.exports.resumed == [(operation_id, SAS)]
    assert service.run("requests", "show", "none") == Exit.FAILED
    assert "Request_ResourceNotFound" in capsys.readouterr().err


def test_approve_and_reject_take_another_persons_token(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    issue = ["--config", str(service.folder / "rightful.yaml"), "token", "--delegated", "--role", "company_admin", "--person"]
    assert main([*issue, "aaaaaaaa-0000-4000-8000-00000000000b"]) == Exit.OK
    token = service.folder / "ben.token"
    token.write_text(capsys.readouterr().out)
    first = service.submitted()
    second = service.submitted(SAS)
    capsys.readouterr()
    for each in map(OperationId, (first, second)):
        service.exports.put(msgspec.structs.replace(service.exports.operations[each], is_by_application=False))
        service.exports.hold(each)
    assert service.run("requests", "approve", first) == Exit.FAILED
    assert "a person's token" in capsys.readouterr().err
    assert service.run("requests", "show", first) == Exit.OK
    shown = capsys.readouterr().out
    assert "approvalRequired" in shown
    assert service.exports.operations[OperationId(first)].caller_key.partition("/")[2] in shown
    assert service.run("requests", "list") == Exit.OK
    assert "notStarted (approvalRequired)" in capsys.readouterr().out
    assert service.run("requests", "approve", first, "--token-file", str(token)) == Exit.OK
    capsys.readouterr()
    assert service.run("--json", "requests", "reject", second, "--token-file", str(token)) == Exit.OK
    assert json.loads(capsys.readouterr().out) == {"id": second, "approved": False}
    assert service.run("requests", "watch", second) == Exit.FAILED
    assert "submit the request again, with a new Idempotency-Key if you send one, and have it approved" in capsys.readouterr().err
    assert service.run("--json", "requests", "show", first) == Exit.OK
    assert json.loads(capsys.readouterr().out)["approval"]["state"] == "given"


# -- connection -----------------------------------------------------------------------------------------------------------
def test_token_is_read_from_a_file_or_the_environment(
    service: Service, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert main(["--config", str(service.folder / "rightful.yaml"), "token", "--permission", "User.Read.All"]) == Exit.OK
    (tmp_path / "token").write_text(capsys.readouterr().out)
    assert service.run("requests", "list", "--token-file", str(tmp_path / "token")) == Exit.OK
    assert service.run("export", ANN, "--to", "LocalExports", "--token-file", str(tmp_path / "token")) == Exit.FAILED
    assert "Authorization_RequestDenied" in capsys.readouterr().err
    monkeypatch.setenv("RIGHTFUL_TOKEN", "e.e.e")
    assert service.run("requests", "list") == Exit.FAILED
    assert "InvalidAuthenticationToken" in capsys.readouterr().err


@pytest.fixture
def aging(tmp_path: Path) -> Iterator[tuple[Service, ManualClock]]:
    """A service whose time is the test's."""
    clock = ManualClock(datetime.now(UTC))
    with a_service(tmp_path, clock) as service:
        yield service, clock


def invocation_of(service: Service) -> Invocation:
    return Invocation(config_path=service.folder / "rightful.yaml", environ={})


def test_follower_outlives_the_token_that_it_began_with(aging: tuple[Service, ManualClock]) -> None:
    service, clock = aging
    operation_id = service.submitted()

    class Days(ManualClock):
        """The follower's clock: the service's goes on with it, and the operation ends after three days."""

        def sleep(self, duration_s: float) -> None:
            del duration_s
            self.advance(3600)
            clock.advance(3600)
            if self.monotonic() == 72 * 3600:
                service.exports.complete(OperationId(operation_id))

    days = Days(clock.now())
    with open_client(invocation_of(service), server=service.address, token_file=None, tenant=None, clock=days) as client:
        assert follow(client, operation_id, days, as_json=True).status == "complete"
    assert clock.monotonic() == 72 * 3600


def test_token_file_is_read_again_once_its_token_has_ended(aging: tuple[Service, ManualClock], tmp_path: Path) -> None:
    service, clock = aging
    operation_id = service.submitted()
    path = tmp_path / "token"
    config = load(service.folder / "rightful.yaml", {})

    def write_token() -> None:
        path.write_text(
            mint(
                config,
                config.tenants[0],
                kind=CallerKind.APPLICATION,
                permissions=("User.Export.All",),
                roles=(),
                lifetime=timedelta(minutes=1),
                now=clock.now(),
            )
        )

    write_token()
    with open_client(invocation_of(service), server=service.address, token_file=path, tenant=None) as client:
        assert client.operation(operation_id)[0].id == operation_id
        clock.advance(3600)
        with pytest.raises(ServiceRefused) as raised:
            client.operation(operation_id)
        assert raised.value.status == 401
        write_token()
        assert client.operation(operation_id)[0].id == operation_id


def test_new_token_that_is_refused_too_is_the_end() -> None:
    script = Script(*[answer("401 Unauthorized")] * 4, answer("200 OK", b'{"id": "x", "status": "running"}'))
    tokens = iter(["second", "second", "third"])
    with script.running() as address:
        client = Client(address, "first", renew=lambda: next(tokens))
        for _ in range(2):
            with pytest.raises(ServiceRefused):
                client.operation("x")
        assert client.operation("x")[0].status == "running"
        client.close()
    sent = [line for request in script.requests for line in request.splitlines() if line.startswith(b"Authorization")]
    assert [line.rpartition(b" ")[2] for line in sent] == [b"first", *[b"second"] * 3, b"third"]


def test_certificate_of_somebody_else_is_refused(service: Service, tmp_path: Path) -> None:
    other = certificate.write(tmp_path / "other", datetime.now(UTC))
    with pytest.raises(ExportError) as raised:
        Client(service.address, "token", certificates=other.ca).operation("x")
    assert raised.value.code == "CertificateRefused"


NO_URLS = ("http://127.0.0.1:99999", "http://127.0.0.1:abc", "http://[::1", "https://[x]:1")


def test_token_is_not_sent_in_the_clear_to_another_machine() -> None:
    for address in ("http://dsr.contoso.example", "http://127.evil.example:80", "ftp://localhost", "localhost:8443", *NO_URLS):
        with pytest.raises(ExportError) as raised:
            Client(address, "token")
        assert raised.value.code == "ServerInvalid"


class Script:
    """A server that gives the answers it is told to, one for each request; it remembers the requests."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []

    def next_answer(self) -> bytes:
        return self.answers.pop(0)

    @contextmanager
    def running(self) -> Iterator[str]:
        script = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while line := self.rfile.readline():
                    headers = line
                    while (header := self.rfile.readline()) != b"\r\n":
                        headers += header
                    length = next(
                        (int(part.split(b":")[1]) for part in headers.splitlines() if part.lower().startswith(b"content-length")), 0
                    )
                    script.requests.append(headers + self.rfile.read(length))
                    answer = script.next_answer()
                    self.wfile.write(answer)
                    if not answer or b"Connection: close" in answer:
                        return

        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
            server.daemon_threads = True
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_address[1]}"
            finally:
                server.shutdown()
                thread.join(10)


def answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", "")).encode() + body


ACCEPTED = answer("202 Accepted", b"", "Location: https://h/v1.0/dataPolicyOperations/0d6f3c51-5b0e-4f0e-9c8a-2f7d1a3b4c5d")


@pytest.mark.parametrize(("inbound", "known_by"), [(False, "principal name or the object id"), (True, "the profile's user id")])
def test_unknown_subject_is_told_by_what_it_would_be_known(*, inbound: bool, known_by: str) -> None:
    script = Script(answer("404 Not Found"))
    with script.running() as address, closing(Client(address, "token")) as client, pytest.raises(ExportError) as raised:
        client.submit("nobody", "Local", inbound=inbound)
    assert known_by in raised.value.hint


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable", "504 Gateway Timeout"])
def test_busy_service_is_asked_again_when_it_says(status: str) -> None:
    clock = ManualClock()
    script = Script(answer(status, b"", "Retry-After: 7"), answer(status, b""), ACCEPTED)
    with script.running() as address:
        client = Client(address, "token", clock=clock)
        assert client.submit("ann", "LocalExports") == "0d6f3c51-5b0e-4f0e-9c8a-2f7d1a3b4c5d"
        client.close()
    assert clock.monotonic() == 8
    ids = {line for request in script.requests for line in request.splitlines() if line.lower().startswith(b"client-request-id")}
    assert len(ids) == 1  # so that the service knows that it is one request (GRAPH-15)
    assert b"Retry-Attempt: 2" in script.requests[2]


BUSY = b'{"error": {"code": "ServiceUnavailable", "message": "The directory does not answer; try again later"}}'


@pytest.mark.parametrize(
    ("waits_s", "told"),
    [((1,), 0), ((5, 5), 1), ((1, 1, 1), 1)],
    ids=["short", "long, once", "short ones that add up"],
)
def test_what_is_waited_for_is_said_once_it_takes_a_while(waits_s: tuple[int, ...], told: int) -> None:
    said: list[str] = []
    script = Script(*(answer("503 Service Unavailable", BUSY, f"Retry-After: {wait_s}") for wait_s in waits_s), ACCEPTED)
    with script.running() as address:
        client = Client(address, "token", clock=ManualClock(), on_wait=said.append)
        client.submit("ann", "LocalExports")
        client.close()
    assert [text for text in said if "The directory does not answer" in text and "HTTP 503" in text] == said
    assert len(said) == told


def test_service_that_thinks_long_is_said_to_be_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "SILENT_S", 0.01)
    said: list[str] = []
    waiting = threading.Event()

    class Late(Script):
        """Answers once the person knows that it is waited for."""

        def next_answer(self) -> bytes:
            assert waiting.wait(20)
            return super().next_answer()

    def tell(text: str) -> None:
        said.append(text)
        waiting.set()

    with Late(ACCEPTED).running() as address:
        client = Client(address, "token", on_wait=tell)
        client.submit("ann", "LocalExports")
        client.close()
    assert said == [f"waiting for an answer of {address}"]


def test_wait_is_told_on_stderr_unless_json_is_asked_for(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    script = Script(*[answer("503 Service Unavailable", BUSY, "Retry-After: 5"), ACCEPTED] * 2)
    arguments = {"server": "", "token_file": None, "tenant": None, "clock": ManualClock(datetime.now(UTC))}
    with script.running() as address:
        for as_json, lines in ((False, 1), (True, 0)):
            invocation = invocation_of(service)
            invocation.as_json = as_json
            with open_client(invocation, **(arguments | {"server": address})) as client:  # type: ignore[arg-type]  # as it takes them
                client.submit("ann", "LocalExports")
            assert capsys.readouterr().err.count("The directory does not answer") == lines


def test_wait_that_is_too_long_is_told_instead() -> None:
    script = Script(answer("429 Too Many Requests", b"", "Retry-After: 3600"))
    with script.running() as address:
        client = Client(address, "token", clock=ManualClock())
        with pytest.raises(ExportError, match="429"):
            client.operation("x")
        client.close()


def test_connection_that_was_closed_meanwhile_is_opened_again() -> None:
    gone = answer("200 OK", b'{"id": "x", "status": "running"}', "Connection: keep-alive")
    script = Script(gone, b"", gone)
    with script.running() as address:
        client = Client(address, "token")
        assert client.operation("x")[0].status == client.operation("x")[0].status == "running"
        client.close()


def test_redirect_is_not_followed() -> None:
    script = Script(answer("307 Temporary Redirect", b"", "Location: http://127.0.0.1:1/"))
    with script.running() as address:
        client = Client(address, "token")
        with pytest.raises(ExportError, match="307"):
            client.submit("ann", SAS)
        client.close()


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": 1}', b'{"error": {"code": 5}}', b"\xff"])
def test_answer_of_somebody_else_is_told(body: bytes) -> None:
    script = Script(answer("200 OK", body), answer("400 Bad Request", body))
    with script.running() as address:
        client = Client(address, "token")
        for _ in range(2):
            with pytest.raises(ExportError) as raised:
                client.operation("x")
            assert raised.value.code in {"AnswerInvalid", "ServiceRefused"}
        client.close()


def test_service_that_is_not_there_is_told(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(service.folder / "rightful.yaml"), "requests", "list", "--server", "https://127.0.0.1:1"]) == Exit.FAILED
    said = capsys.readouterr().err
    assert "ServiceUnreachable" in said
    assert "rightful serve" in said


def test_free_port_must_be_named(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(service.folder / "rightful.yaml"), "requests", "list"]) == Exit.FAILED
    assert "--server" in capsys.readouterr().err
