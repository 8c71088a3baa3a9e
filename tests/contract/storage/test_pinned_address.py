"""Where connections go: to an address that was judged, whatever the name server says later, whatever a redirect or a proxy says."""

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

import pytest

from rightful.errors import StorageError, StorageRefused, StorageUnavailable
from rightful.pinned import PinnedHost, connect_to
from rightful.storage.azure_blob import AzureBlobStorage, open_container
from rightful.storage.interface import Put
from rightful.storage.sas import parse_sas_url
from rightful.testing.blob_simulator import BlobSimulator, Fault

PUBLIC = "20.60.1.1"
OTHER_PUBLIC = "2603:1030::1"
MIB = 1 << 20


class Network:
    """Answers for a name as scripted (the last answer stays); public addresses lead to the simulator, private ones nowhere."""

    def __init__(self, service: BlobSimulator, *answers: Sequence[str]) -> None:
        self._service = service
        self._answers = list(answers)
        self.down: set[str] = set()
        self.connected: list[str] = []
        self.resolved = 0

    def resolve(self, _host: str, _port: int) -> Sequence[str]:
        self.resolved += 1
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def connect(self, address: str, port: int, timeout_s: float) -> socket.socket:
        self.connected.append(address)
        if address in self.down:
            raise ConnectionRefusedError("nobody listens")
        return connect_to("127.0.0.1", port, timeout_s)


@pytest.fixture
def service() -> Iterator[BlobSimulator]:
    with BlobSimulator() as simulator:
        yield simulator


Open = Callable[..., AzureBlobStorage]


@pytest.fixture
def opened() -> Iterator[Open]:
    storages = []

    def open_url(service: BlobSimulator, network: Network | None = None, *, permissions: str = "c") -> AzureBlobStorage:
        base = f"http://contoso.example:{service.port}" if network else ""
        sas = parse_sas_url(service.sas_url("exports", permissions, base=base))
        seams = {} if network is None else {"resolve": network.resolve, "connect": network.connect}
        host = PinnedHost(sas.scheme, sas.host, sas.port, may_be_private=network is None, **seams)  # type: ignore[arg-type] # a table
        storages.append(open_container(sas, host, block_bytes=MIB))
        return storages[-1]

    yield open_url
    for storage in storages:
        storage.close()


def put(storage: AzureBlobStorage, path: str) -> Put | StorageError:
    try:
        return storage.put(path, [b"x"], size_bytes=1)
    except StorageError as error:
        return error


def test_name_that_is_rebound_after_it_was_judged_leads_where_it_was_judged(service: BlobSimulator, opened: Open) -> None:
    network = Network(service, [PUBLIC], ["127.0.0.1"])
    storage = opened(service, network)
    assert put(storage, "1") is Put.WRITTEN
    service.end_connections()
    assert put(storage, "2") is Put.WRITTEN
    assert (network.resolved, set(network.connected)) == (1, {PUBLIC})


def test_name_that_is_rebound_while_its_address_is_down_is_judged_again(service: BlobSimulator, opened: Open) -> None:
    network = Network(service, [PUBLIC], ["127.0.0.1"])
    storage = opened(service, network)
    assert put(storage, "1") is Put.WRITTEN
    network.down.add(PUBLIC)
    service.end_connections()
    assert isinstance(put(storage, "2"), StorageUnavailable)
    assert isinstance(put(storage, "2"), StorageRefused)
    assert (network.resolved, set(network.connected)) == (2, {PUBLIC})
    assert set(service.blobs("exports")) == {"1"}


@pytest.mark.parametrize("found", [["127.0.0.1", PUBLIC], [PUBLIC, "10.0.0.1"], ["::1", OTHER_PUBLIC, "64:ff9b::7f00:1", PUBLIC]])
def test_private_ones_of_several_addresses_are_never_used(service: BlobSimulator, opened: Open, found: list[str]) -> None:
    network = Network(service, found)
    storage = opened(service, network)
    assert put(storage, "1") is Put.WRITTEN
    network.down |= {PUBLIC, OTHER_PUBLIC}
    service.end_connections()
    assert isinstance(put(storage, "2"), StorageUnavailable)
    assert set(network.connected) <= {PUBLIC, OTHER_PUBLIC}


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "168.63.129.16",
        "0.0.0.0",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%lo",
        "fd00:ec2::254",
        "fec0::1",
        "::ffff:127.0.0.1",
        "::ffff:0:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::127.0.0.1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "2001:0:5ef5:79fd:0:59d:80ff:fffe",
        "ff02::1",
    ],
)
def test_name_that_leads_inside_is_refused_and_nothing_is_connected(service: BlobSimulator, opened: Open, address: str) -> None:
    network = Network(service, [address])
    assert isinstance(put(opened(service, network), "1"), StorageRefused)
    assert network.connected == []


LARGE = [b"x" * (MIB + 1)]
PUTS: dict[str, tuple[int, Callable[[AzureBlobStorage], Put]]] = {
    "blob": (0, lambda storage: storage.put("a", [b"x"], size_bytes=1)),
    "block": (0, lambda storage: storage.put("a", LARGE, size_bytes=MIB + 1)),
    "block list": (2, lambda storage: storage.put("a", LARGE, size_bytes=MIB + 1)),
    "append blob": (0, lambda storage: storage.put_append("a", b"{}")),
    "append block": (1, lambda storage: storage.put_append("a", b"{}")),
}


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("what", PUTS)
def test_redirect_of_no_kind_of_put_is_followed(service: BlobSimulator, opened: Open, what: str, code: int) -> None:
    after, call = PUTS[what]
    with BlobSimulator() as elsewhere:
        service.fail(Fault.redirect(elsewhere.sas_url("exports", "racwl"), code), after=after)
        storage = opened(service, permissions="racwl")
        with pytest.raises(StorageRefused):
            call(storage)
        assert (len(service.requests), elsewhere.requests) == (after + 1, [])
        assert service.blobs("exports").get("a") in {None, b""}


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_redirect_of_a_look_is_the_answer(service: BlobSimulator, opened: Open, method: str, code: int) -> None:
    with BlobSimulator() as elsewhere:
        service.fail(Fault.redirect(elsewhere.sas_url("exports", "racwl"), code))
        answer = opened(service, permissions="racwl")._host.exchange(method, "/simulated/exports/a?sig=x")
        assert (answer.status, [request.method for request in service.requests], elsewhere.requests) == (code, [method], [])


def test_proxies_of_the_environment_are_not_asked(service: BlobSimulator, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    with BlobSimulator() as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{proxy.host}")
        monkeypatch.delenv("no_proxy", raising=False)
        assert put(opened(service), "1") is Put.WRITTEN
        assert proxy.requests == []


def test_body_that_nobody_begins_to_read_holds_no_connection(service: BlobSimulator, opened: Open) -> None:
    storage = opened(service, permissions="racwl")
    put(storage, "1")
    answer, chunks = storage._host.stream(storage._sas.target("1"), storage._headers())
    assert answer.status == 200
    chunks.close()
    assert storage._host._busy == set()


def test_body_comes_in_chunks_as_large_as_was_asked_for(service: BlobSimulator, opened: Open) -> None:
    storage = opened(service, permissions="racwl")
    content = bytes(range(256)) * (3 << 12)
    storage.put("1", [content], size_bytes=len(content))
    for most, sizes in ((4 << 20, [3 << 20]), (1 << 20, [1 << 20] * 3), (2 << 20, [2 << 20, 1 << 20])):
        _, chunks = storage._host.stream(storage._sas.target("1"), storage._headers(), chunk_bytes=most)
        with closing(chunks):
            found = list(chunks)
        assert (list(map(len, found)), b"".join(found)) == (sizes, content)
