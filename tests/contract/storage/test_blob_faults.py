"""The blob writer against a service that fails in every way we know of."""

import select
import socket
import ssl
import subprocess
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rightful.errors import Refusal, StorageError, StorageRefused, StorageUnavailable
from rightful.pinned import PinnedHost, Resolve, resolve_host
from rightful.storage.azure_blob import AzureBlobStorage, open_container
from rightful.storage.interface import Listing, Put, Reading
from rightful.storage.location import StoragePolicy
from rightful.storage.registry import Storages
from rightful.storage.retrying import RetryingStorage
from rightful.storage.sas import parse_sas_url
from rightful.testing.blob_simulator import BlobSimulator, Break, Fault
from rightful.testing.clock import ManualClock

MIB = 1 << 20
PATIENCE_S = 20


def eventually(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.001)


@pytest.fixture
def service() -> Iterator[BlobSimulator]:
    with BlobSimulator() as simulator:
        yield simulator


class Opener:
    """Opens containers and closes them after the test."""

    def __init__(self) -> None:
        self.opened: list[AzureBlobStorage] = []

    def __call__(
        self,
        url: str,
        *,
        resolve: Resolve = resolve_host,
        may_be_private: bool = True,
        tls: ssl.SSLContext | None = None,
        answer_timeout_s: float = 20.0,
    ) -> AzureBlobStorage:
        sas = parse_sas_url(url)
        host = PinnedHost(
            sas.scheme, sas.host, sas.port, may_be_private=may_be_private, resolve=resolve, tls=tls, answer_timeout_s=answer_timeout_s
        )
        storage = open_container(sas, host, block_bytes=MIB)
        self.opened.append(storage)
        return storage


@pytest.fixture
def open_url() -> Iterator[Opener]:
    opener = Opener()
    yield opener
    for storage in opener.opened:
        storage.close()


def put_error(storage: AzureBlobStorage, path: str = "a", size_bytes: int = 3) -> StorageError:
    with pytest.raises(StorageError) as caught:
        storage.put(path, [b"x" * size_bytes], size_bytes=size_bytes)
    shown = "".join(traceback.format_exception(caught.value))
    assert "sig=" not in shown
    assert "sig=" not in f"{caught.value!r} {caught.value} {caught.value.hint}"
    return caught.value


# -- answers --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_outage_is_unavailable_and_says_when_to_come_back(service: BlobSimulator, open_url: Opener, status: int) -> None:
    service.fail(Fault.status(status, "ServerBusy", headers={"Retry-After": "9"}))
    storage = open_url(service.sas_url("exports", "c"))
    error = put_error(storage)
    assert isinstance(error, StorageUnavailable)
    assert error.retry_after_s == 9.0
    assert storage.put("a", [b"abc"], size_bytes=3) is Put.WRITTEN
    assert {request.connection for request in service.requests} == {1}


@pytest.mark.parametrize("breaks", [Break.RESET_BEFORE_BODY, Break.RESET, Break.ANSWER_LOST, Break.TRUNCATED, Break.TIMEOUT])
@pytest.mark.parametrize("size_bytes", [3, 900_000])
def test_broken_exchange_is_unavailable_and_the_next_one_works(
    service: BlobSimulator, open_url: Opener, breaks: Break, size_bytes: int
) -> None:
    url = service.sas_url("exports", "c")
    storage = open_url(url)
    storage.put("first", [b"x"], size_bytes=1)
    service.fail(Fault.broken(breaks))
    # Only the exchange that is never answered is given up soon: where a machine is busy, others may take a while.
    error = put_error(open_url(url, answer_timeout_s=0.2) if breaks is Break.TIMEOUT else storage, size_bytes=size_bytes)
    assert isinstance(error, StorageUnavailable)
    eventually(lambda: len(service.requests) == 2, "the fault was met")
    was_carried_out = breaks in {Break.ANSWER_LOST, Break.TRUNCATED}
    expected = Put.ALREADY_THERE if was_carried_out else Put.WRITTEN
    assert storage.put("a", [b"x" * size_bytes], size_bytes=size_bytes) is expected
    assert service.blobs("exports")["a"] == b"x" * size_bytes


@pytest.mark.parametrize(
    ("prepare", "expected"),
    [
        ("revoke", Refusal.SIGNATURE),
        ("expire", Refusal.EXPIRED),
        ("permission", Refusal.PERMISSION),
        ("container", Refusal.MISSING),
    ],
)
def test_refusal_says_what_is_wrong(service: BlobSimulator, open_url: Opener, prepare: str, expected: Refusal) -> None:
    url = service.sas_url("exports", "r" if prepare == "permission" else "c", expires_in_s=-5 if prepare == "expire" else 60)
    if prepare == "revoke":
        service.revoke()
    if prepare == "container":
        service.delete_container("exports")
    error = put_error(open_url(url))
    assert isinstance(error, StorageRefused)
    assert error.refusal is expected
    assert error.is_curable


def test_refusal_half_way_keeps_what_was_written(service: BlobSimulator, open_url: Opener) -> None:
    service.fail_from_now(Fault.status(403, "AuthorizationPermissionMismatch"), after=2)
    storage = open_url(service.sas_url("exports", "w"))
    storage.put("1", [b"x"], size_bytes=1)
    storage.put("2", [b"x"], size_bytes=1)
    assert isinstance(put_error(storage, "3"), StorageRefused)
    service.recover()
    assert storage.put("3", [b"x"], size_bytes=1) is Put.WRITTEN
    assert set(service.blobs("exports")) == {"1", "2", "3"}


def test_emulators_word_for_an_existing_blob_counts_only_where_create_is_granted(service: BlobSimulator, open_url: Opener) -> None:
    service.fail(Fault.status(403, "AuthorizationPermissionMismatch"), times=2)
    assert open_url(service.sas_url("exports", "c")).put("a", [b"x"], size_bytes=1) is Put.ALREADY_THERE
    assert isinstance(put_error(open_url(service.sas_url("exports", "w"))), StorageRefused)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirect_is_never_followed(service: BlobSimulator, open_url: Opener, code: int) -> None:
    with BlobSimulator() as elsewhere:
        service.fail(Fault.redirect(elsewhere.sas_url("stolen", "cw"), code))
        storage = open_url(service.sas_url("exports", "rlcw"))
        error = put_error(storage)
        assert isinstance(error, StorageRefused)
        assert not error.is_curable
        assert isinstance(storage, Reading)
        service.fail(Fault.redirect(elsewhere.sas_url("stolen", "rl"), code))
        with pytest.raises(StorageRefused):
            list(storage.read("a"))
        assert isinstance(storage, Listing)
        service.fail(Fault.redirect(elsewhere.sas_url("stolen", "rl"), code))
        with pytest.raises(StorageRefused):
            list(storage.list(""))
        assert elsewhere.requests == []


def test_answer_while_the_body_is_sent_ends_the_sending(service: BlobSimulator, open_url: Opener) -> None:
    service.fail(Fault.status(403, "AuthenticationFailed", is_early=True))
    storage = open_url(service.sas_url("exports", "c"))
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(400):
            sent += 1
            yield b"x" * MIB

    with pytest.raises(StorageRefused) as caught:
        storage.put("a", chunks(), size_bytes=400 * MIB)
    assert caught.value.refusal is Refusal.SIGNATURE
    assert sent < 200
    assert storage.put("a", [b"x"], size_bytes=1) is Put.WRITTEN


# -- blocks ---------------------------------------------------------------------------------------------------------------
def test_blocks_are_invisible_until_they_are_named(service: BlobSimulator, open_url: Opener) -> None:
    storage = open_url(service.sas_url("exports", "w"))
    content = bytes(range(256)) * 10_000
    seen: list[dict[str, bytes]] = []

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(content), MIB):
            yield content[start : start + MIB]
            seen.append(service.blobs("exports"))

    assert storage.put("a", chunks(), size_bytes=len(content)) is Put.WRITTEN
    assert seen == [{}, {}, {}]
    assert [request.operation for request in service.requests] == ["block", "block", "block", "blocklist"]
    assert service.blobs("exports") == {"a": content}


def test_create_only_sas_never_puts_a_block(service: BlobSimulator, open_url: Opener) -> None:
    storage = open_url(service.sas_url("exports", "c"))
    content = b"x" * (3 * MIB)
    assert storage.put("a", [content], size_bytes=len(content)) is Put.WRITTEN
    assert [request.operation for request in service.requests] == [""]
    assert service.requests[0].headers["if-none-match"] == "*"


def test_block_that_fails_is_tried_again_with_the_whole_entry(service: BlobSimulator, open_url: Opener) -> None:
    service.fail(Fault.status(503), after=1)
    service.fail(Fault.broken(Break.ANSWER_LOST), after=4)
    storage = RetryingStorage(open_url(service.sas_url("exports", "w")), ManualClock())
    content = bytes(range(256)) * 10_000
    assert storage.put("a", [content], size_bytes=len(content)) is Put.ALREADY_THERE
    assert service.blobs("exports") == {"a": content}


def test_existing_blob_is_not_replaced_by_blocks(service: BlobSimulator, open_url: Opener) -> None:
    storage = open_url(service.sas_url("exports", "w"))
    storage.put("a", [b"x"], size_bytes=1)
    assert storage.put("a", [b"y" * 2 * MIB], size_bytes=2 * MIB) is Put.ALREADY_THERE
    assert service.blobs("exports") == {"a": b"x"}


# -- marks (GRAPH-42) -----------------------------------------------------------------------------------------------------
def test_mark_that_broke_off_between_its_steps_can_be_made_again(service: BlobSimulator, open_url: Opener) -> None:
    service.fail(Fault.status(503), after=1)
    storage = open_url(service.sas_url("exports", "aw"))
    with pytest.raises(StorageUnavailable):
        storage.put_append("RequestInfo.json", b"{}")
    assert storage.put_append("RequestInfo.json", b"{}") is Put.WRITTEN
    assert service.blobs("exports") == {"RequestInfo.json": b"{}"}


def test_mark_meets_a_blob_of_another_kind(service: BlobSimulator, open_url: Opener) -> None:
    storage = open_url(service.sas_url("exports", "aw"))
    storage.put("RequestInfo.json", [b"{1}"], size_bytes=3)
    assert storage.put_append("RequestInfo.json", b"{2}") is Put.ALREADY_THERE
    assert service.blobs("exports") == {"RequestInfo.json": b"{1}"}


def test_only_one_of_many_marks_wins(service: BlobSimulator, open_url: Opener) -> None:
    storage = open_url(service.sas_url("exports", "aw"))
    outcomes: list[Put] = []
    threads = [
        threading.Thread(target=lambda number=number: outcomes.append(storage.put_append("RequestInfo.json", b"%d" % number)))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome.name for outcome in outcomes) == ["ALREADY_THERE"] * 7 + ["WRITTEN"]
    assert len(service.blobs("exports")["RequestInfo.json"]) == 1


def test_account_without_append_blobs_is_unsupported(open_url: Opener) -> None:
    with BlobSimulator(has_append_blobs=False) as service:
        storage = open_url(service.sas_url("exports", "aw"))
        with pytest.raises(StorageRefused) as caught:
            storage.put_append("RequestInfo.json", b"{}")
        assert caught.value.refusal is Refusal.UNSUPPORTED


# -- reading --------------------------------------------------------------------------------------------------------------
def test_listing_goes_on_over_pages(service: BlobSimulator, open_url: Opener) -> None:
    storage = open_url(service.sas_url("exports", "rlw"))
    assert isinstance(storage, Listing)
    for number in range(7):
        storage.put(f"p/{number}", [b"x" * number], size_bytes=number)
    service.account.page_size = 3
    assert list(storage.list("p/")) == [(f"p/{number}", number) for number in range(7)]


def test_connection_of_an_abandoned_read_is_closed_and_the_next_works(service: BlobSimulator, open_url: Opener) -> None:
    storage = open_url(service.sas_url("exports", "rcw"))
    assert isinstance(storage, Reading)
    storage.put("a", [b"x" * 3 * MIB], size_bytes=3 * MIB)
    chunks = iter(storage.read("a"))
    assert len(next(chunks)) <= MIB
    del chunks
    assert b"".join(storage.read("a")) == b"x" * 3 * MIB


# -- connections ----------------------------------------------------------------------------------------------------------
def test_connection_is_kept_for_the_next_put(service: BlobSimulator, open_url: Opener) -> None:
    storage = open_url(service.sas_url("exports", "c"))
    for number in range(10):
        storage.put(str(number), [b"x"], size_bytes=1)
    assert {request.connection for request in service.requests} == {1}


def test_connection_that_the_service_ended_is_not_used(service: BlobSimulator, open_url: Opener) -> None:
    storage = open_url(service.sas_url("exports", "c"))
    storage.put("1", [b"x"], size_bytes=1)
    service.end_connections()
    (kept,) = storage._host._idle
    assert select.select([kept.socket], [], [], PATIENCE_S)[0], "the end has come in"
    assert storage.put("2", [b"x"], size_bytes=1) is Put.WRITTEN
    assert [request.connection for request in service.requests] == [1, 2]


def test_nobody_listens(open_url: Opener) -> None:
    with socket.socket() as bound:  # and does not listen, so that nobody else can meanwhile
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        error = put_error(open_url(f"http://127.0.0.1:{port}/a/exports?sr=c&sp=c&se=2030-01-01&sig=x"))
    assert isinstance(error, StorageUnavailable)


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "169.254.169.254"])
def test_name_that_leads_to_an_address_that_is_not_public_is_refused(service: BlobSimulator, open_url: Opener, address: str) -> None:
    url = service.sas_url("exports", "c", base=f"http://contoso.example:{service.port}")
    error = put_error(open_url(url, resolve=lambda _host, _port: [address], may_be_private=False))
    assert isinstance(error, StorageRefused)
    assert "public" in error.message
    assert service.requests == []


def test_host_that_the_operator_names_may_be_private_and_is_resolved_once(service: BlobSimulator) -> None:
    asked: list[str] = []

    def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    storages = Storages(resolve=resolve)
    url = service.sas_url("exports", "c", base=f"http://contoso.example:{service.port}")
    storage = storages.open(url, StoragePolicy(allow=(f"contoso.example:{service.port}",)))
    for number in range(3):
        storage.put(str(number), [b"x"], size_bytes=1)
    storages.close()
    assert asked == ["contoso.example"]
    assert service.requests[0].headers["host"] == f"contoso.example:{service.port}"


def test_name_without_address_is_unavailable(service: BlobSimulator, open_url: Opener) -> None:
    def resolve(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    url = service.sas_url("exports", "c", base=f"http://contoso.example:{service.port}")
    assert isinstance(put_error(open_url(url, resolve=resolve)), StorageUnavailable)


# -- TLS ------------------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of contoso.example's, signed by itself; key and certificate in one file."""
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=contoso.example"
    command += " -addext subjectAltName=DNS:contoso.example -keyout key.pem -out cert.pem"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_text((folder / "key.pem").read_text() + (folder / "cert.pem").read_text())
    return both


@pytest.fixture
def tls_service(certificate: Path) -> Iterator[BlobSimulator]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with BlobSimulator(tls=context) as simulator:
        yield simulator


def test_tls_names_the_host_and_not_its_address(tls_service: BlobSimulator, open_url: Opener, certificate: Path) -> None:
    url = tls_service.sas_url("exports", "w", base=f"https://contoso.example:{tls_service.port}")
    trusting = ssl.create_default_context(cafile=str(certificate))
    storage = open_url(url, resolve=lambda _host, _port: ["127.0.0.1"], tls=trusting)
    content = bytes(range(256)) * 20_000
    assert storage.put("small", [b"x"], size_bytes=1) is Put.WRITTEN
    assert storage.put("large", [content], size_bytes=len(content)) is Put.WRITTEN
    assert tls_service.blobs("exports") == {"small": b"x", "large": content}
    assert {request.connection for request in tls_service.requests} == {1}


def test_early_answer_is_seen_through_tls(tls_service: BlobSimulator, open_url: Opener, certificate: Path) -> None:
    url = tls_service.sas_url("exports", "c", base=f"https://contoso.example:{tls_service.port}")
    storage = open_url(url, resolve=lambda _host, _port: ["127.0.0.1"], tls=ssl.create_default_context(cafile=str(certificate)))
    storage.put("first", [b"x"], size_bytes=1)
    tls_service.fail(Fault.status(403, "AuthenticationFailed", is_early=True))
    with pytest.raises(StorageRefused) as caught:
        storage.put("a", (b"x" * MIB for _ in range(200)), size_bytes=200 * MIB)
    assert caught.value.refusal is Refusal.SIGNATURE


@pytest.mark.parametrize(("name", "is_trusted"), [("contoso.example", False), ("other.example", True)])
def test_certificate_of_nobody_or_of_another_is_refused(
    tls_service: BlobSimulator,
    open_url: Opener,
    certificate: Path,
    name: str,
    is_trusted: bool,  # noqa: FBT001 - a table
) -> None:
    url = tls_service.sas_url("exports", "c", base=f"https://{name}:{tls_service.port}")
    tls = ssl.create_default_context(cafile=str(certificate) if is_trusted else None)
    error = put_error(open_url(url, resolve=lambda _host, _port: ["127.0.0.1"], tls=tls))
    assert isinstance(error, StorageRefused)
    assert "certificate" in error.message
    assert tls_service.requests == []
