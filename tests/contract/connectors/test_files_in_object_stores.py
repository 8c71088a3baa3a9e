"""`files` passes the suite over Azure Blob Storage (Azurite) and S3 (moto), and meets what such stores hold and do."""

import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.servers.azurite import Azurite
from tests.servers.s3 import S3Server
from tests.unit.export.world import World

from rightful.connectors.files import FilesConnector, FilesSettings
from rightful.connectors.interface import Amount, Cursor, FileItem, Item, ItemChanged, Partition, SkippedItem, estimate
from rightful.connectors.tree_place import Access
from rightful.errors import ConfigurationError, SourceError, SourceRefused, SourceUnavailable
from rightful.operation.model import OperationStatus
from rightful.package.verify import PackageState
from rightful.testing.connector_suite import ANN, ANN2, UPPER, ConnectorSuite, Found, collect, identified

PARTITION = Partition(number=0, spec="tree")
CANARY = "Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5"
AWKWARD = {
    "Documents/a.docx": b"a" * 10,
    "Documents-old/b": b"sorts before Documents/ as bytes of the name, after it by segments",
    "Documents/b": b"",
    "Documents.txt": b"text",
    "写真/👩‍👧.png": b"png",
    "a%41#b c*&+=~": b"%",
    '"<>|': b"marks",
    "é": b"NFC",
    "e\u0301": b"NFD",
    "\U0001f600": b"astral",
    "\uffee": b"below it",
    "large": b"0123456789abcdef" * (3 << 16),
}


class Store(Protocol):
    """A store to be filled."""

    def put(self, container: str, path: str, content: bytes) -> None: ...
    def delete(self, container: str, path: str) -> None: ...


class Place:
    """A container of its own, on some store."""

    def __init__(self, store: Store, container: str, url: str, access: Access) -> None:
        self.store, self.container, self.url, self.access = store, container, url, access

    def write(self, files: Mapping[str, bytes]) -> None:
        for path, content in files.items():
            self.store.put(self.container, path, content)

    def connect(self, path: str = "{folder}/", *, below: str = "", **options: object) -> FilesConnector:
        return connect(self.url + below, self.access, path, **options)


def connect(url: str, access: Access, path: str = "{folder}/", **options: object) -> FilesConnector:
    settings = FilesSettings(url=url, path=path, access=access, **options)  # type: ignore[arg-type]
    return FilesConnector("archive", settings, siblings={}, folder=Path("/"))


def in_azure(azurite: Azurite) -> Place:
    container = azurite.container()
    access = Access(endpoint=f"http://{azurite.host}", account_key=azurite.key)
    return Place(azurite, container, f"az://{azurite.account}/{container}", access)


def in_s3(server: S3Server) -> Place:
    bucket = server.bucket()
    return Place(server, bucket, f"s3://{bucket}", Access(endpoint=server.url, access_key_id="x", secret_access_key=CANARY))


@pytest.fixture(params=[pytest.param("azure", marks=pytest.mark.azurite), "s3"])
def place(request: pytest.FixtureRequest) -> Place:
    if request.param == "azure":
        return in_azure(request.getfixturevalue("azurite"))
    return in_s3(request.getfixturevalue("s3_server"))


def items_of(connector: FilesConnector, folder: str = "ann", cursor: Cursor | None = None) -> list[Item]:
    return [item for item in connector.read(PARTITION, [identified(folder=(folder,))], cursor) if isinstance(item, FileItem | SkippedItem)]


def only_file(connector: FilesConnector) -> FileItem:
    [item] = items_of(connector)
    assert isinstance(item, FileItem)
    return item


class Suite(ConnectorSuite):
    @pytest.fixture
    def filled(self, place: Place) -> Place:
        files = {f"homes/ann/{path}": content for path, content in AWKWARD.items()}
        place.write(files | {"homes/ANN/x": b"somebody else's", "homes/anna/x": b"x", "homes/loose": b"nobody's", "ann/x": b"outside"})
        place.write({"homes/ann/empty/": b"", "homes/ann/Documents": b""})  # folders, as portals make them
        return place

    @pytest.fixture
    def connector(self, filled: Place) -> FilesConnector:
        return filled.connect(below="/homes")

    @pytest.fixture
    def expected(self) -> Mapping[str, Found]:
        return {ANN.name: Found(files=AWKWARD), ANN2.name: Found(), UPPER.name: Found(files={"x": b"somebody else's"})}

    @pytest.fixture
    def broken(self, place: Place) -> FilesConnector:
        return connect(place.url + "-nowhere", place.access)


@pytest.mark.azurite
class TestFilesInAzure(Suite):
    @pytest.fixture
    def place(self, azurite: Azurite) -> Place:
        return in_azure(azurite)


class TestFilesInS3(Suite):
    @pytest.fixture
    def place(self, s3_server: S3Server) -> Place:
        return in_s3(s3_server)


def test_the_cloud_is_no_place_for_what_is_outside_the_prefix(place: Place) -> None:
    place.write({"a/ann/x": b"in", "b/ann/y": b"out", "a/ann2": b"a file, no folder", "aa/ann/z": b"out"})
    assert [found.files for found in collect(place.connect(below="/a"), [identified(folder=("ann",)), identified(folder=("ann2",))])] == [
        {"x": b"in"},
        {},
    ]
    for value in ("..", "../b/ann", "ann/..", "", "."):
        assert items_of(place.connect(below="/a"), value) == []


@pytest.mark.azurite
def test_credentials_that_are_wrong_are_refused(azurite: Azurite) -> None:
    place = in_azure(azurite)
    with pytest.raises(SourceRefused, match="list") as caught:
        connect(place.url, Access(endpoint=f"http://{azurite.host}", account_key=CANARY)).check()
    assert CANARY not in f"{caught.value!r}{caught.value.hint}"


def test_include_and_exclude_look_at_folders_too(place: Place) -> None:
    place.write({f"ann/{path}": b"x" for path in ("a.pdf", "b.txt", "private/c.pdf", "d/private/e.pdf", "d/f.pdf")})
    assert [getattr(item, "path", "") for item in items_of(place.connect(include=("*.pdf",), exclude=("private",)))] == ["a.pdf", "d/f.pdf"]


def test_an_empty_root_is_unavailable_unless_that_is_normal(place: Place) -> None:
    with pytest.raises(SourceUnavailable, match="holds nothing"):
        place.connect().check()
    place.connect(allow_empty=True).check()


def test_a_name_that_ends_in_a_slash_is_not_lost_without_a_word(place: Place) -> None:
    place.write({"ann/note/": b"content under a folder's name", "ann/both/": b"more", "ann/both": b"!", "ann/marker/": b""})
    place.write({"ann/split": b"beside a folder of its name", "ann/split/": b"", "ann/split/x": b"x"})
    found = {}
    for item in items_of(place.connect()):
        if isinstance(item, SkippedItem):
            found[item.path] = item.reason
            continue
        assert isinstance(item, FileItem)
        assert item.renew
        try:
            found[item.path] = b"".join(item.open()).decode()
        except ItemChanged:
            now = item.renew()
            found[item.path] = now.reason if isinstance(now, SkippedItem) else repr(now)
    unreadable = "its name ends in a slash, which cannot be read"
    beside = {"split": "beside a folder of its name", "split/x": "x"}
    assert found == {"note": unreadable, "both": "!", "both/": unreadable} | beside
    after = [getattr(item, "path", "") for item in items_of(place.connect(), cursor=Cursor("both"))]
    assert after == ["both/", "note", "split", "split/x"]


@pytest.mark.parametrize("name", ["ann//x", "ann/./x", "ann/../bob/x"])
def test_a_name_that_cannot_be_told_stops_the_source(s3_server: S3Server, name: str) -> None:
    place = in_s3(s3_server)
    place.write({"ann/a": b"a"})
    place.store.put(place.container, name, b"x")
    with pytest.raises(SourceRefused, match="hides what is listed") as caught:
        place.connect().check()
    assert "ann" not in str(caught.value)


def test_what_changed_is_told_and_can_be_looked_at_again(place: Place) -> None:
    place.write({"ann/log": b"content", "ann/other": b"x"})
    item = next(item for item in items_of(place.connect()) if isinstance(item, FileItem))
    assert item.renew
    place.write({"ann/log": b"content and more"})
    with pytest.raises(ItemChanged):
        list(item.open())
    again = item.renew()
    assert isinstance(again, FileItem)
    assert (again.path, again.size_bytes, b"".join(again.open())) == ("log", 16, b"content and more")
    place.store.delete(place.container, "ann/log")
    with pytest.raises(ItemChanged):
        list(item.open())
    assert item.renew() is None


def test_what_is_replaced_by_the_same_size_while_it_is_read_is_told(place: Place) -> None:
    place.write({"ann/log": b"x" * (3 << 20)})
    item = only_file(place.connect())
    chunks = item.open()
    next(chunks)
    place.write({"ann/log": b"y" * (3 << 20)})
    with pytest.raises(ItemChanged):
        list(chunks)


class Endless(BaseHTTPRequestHandler):
    """A bucket whose listing never ends; a page takes a moment."""

    def do_GET(self) -> None:
        time.sleep(0.02)
        query = parse_qs(urlsplit(self.path).query)
        page = int(query.get("continuation-token", ["0"])[0])
        entries = "".join(
            f"<Contents><Key>ann/{page:06}-{n}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>x</ETag><Size>7</Size></Contents>"
            for n in range(1000)
        )
        body = f"<ListBucketResult><IsTruncated>true</IsTruncated>{entries}<NextContinuationToken>{page + 1}</NextContinuationToken></ListBucketResult>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - the base class has it so


def test_an_estimate_gives_up_listing_when_its_time_is_over() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        connector = connect(
            "s3://box", Access(endpoint=f"http://127.0.0.1:{server.server_port}", access_key_id="x", secret_access_key=CANARY)
        )
        [said] = estimate(connector, [identified(folder=("ann",))], limit_s=1.0)
        server.shutdown()
    assert said.files is not None
    assert said.size_bytes == Amount(said.files.count * 7)
    assert said.files.count >= 1000
    assert not said.files.is_exact


@contextmanager
def answering(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Serve one answer to each request; yields the address, and what was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    asked.append(connection.recv(65536))
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
        server.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def _azure(endpoint: str) -> FilesConnector:
    return connect("az://acct/box", Access(endpoint=endpoint, account_key=CANARY))


def _s3(endpoint: str) -> FilesConnector:
    return connect("s3://box", Access(endpoint=endpoint, access_key_id="x", secret_access_key=CANARY))


@pytest.mark.parametrize("build", [_azure, _s3])
@pytest.mark.parametrize(
    ("status", "error"),
    [("503 Busy", SourceUnavailable), ("429 Slow", SourceUnavailable), ("403 No", SourceRefused)],
)
def test_a_store_that_does_not_serve_is_asked_once(build: Callable[[str], FilesConnector], status: str, error: type[SourceError]) -> None:
    answer = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
    with answering(answer) as (endpoint, asked), pytest.raises(error) as caught:
        build(endpoint).check()
    assert len(asked) == 1
    assert CANARY not in f"{caught.value!r}{caught.value.hint}"


@pytest.mark.parametrize("build", [_azure, _s3])
def test_nothing_secret_goes_where_a_redirect_leads(build: Callable[[str], FilesConnector]) -> None:
    with answering(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") as (elsewhere, followed):
        answer = f"HTTP/1.1 307 Elsewhere\r\nLocation: {elsewhere}/x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        with answering(answer) as (endpoint, asked), pytest.raises(SourceRefused):
            build(endpoint).check()
    assert b"authorization:" in asked[0]
    assert len(followed) == 1  # obstore cannot be told to stay
    assert b"authorization" not in followed[0]
    assert b"ignature" not in followed[0]


@pytest.mark.parametrize("build", [_azure, _s3])
def test_a_store_that_is_not_there_is_unavailable(build: Callable[[str], FilesConnector]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(SourceUnavailable, match="does not answer") as caught:
            build(f"http://127.0.0.1:{closed.getsockname()[1]}").check()
    assert caught.value.source_name == "archive"


def test_a_library_that_is_missing_is_told_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "rightful.connectors.object_tree", raising=False)
    monkeypatch.setitem(sys.modules, "obstore", None)  # as if it were not installed
    with pytest.raises(ConfigurationError, match="library obstore is not installed") as caught:
        _s3("https://store.example")
    assert caught.value.hint == "install rightful[object-stores]"


def test_credentials_are_shown_nowhere() -> None:
    access = Access(account_key=CANARY, secret_access_key=CANARY, session_token=CANARY)
    settings = FilesSettings(url="az://acct/box", path="{upn}", access=Access(account_key=CANARY))
    for holder in (access, settings, settings.place, connect("az://acct/box", Access(account_key=CANARY))):
        assert CANARY not in f"{holder!r}{holder}"
        assert CANARY not in repr(getattr(holder, "__dict__", ""))


@pytest.mark.parametrize(
    ("url", "access", "setting"),
    [
        ("az://acct", Access(), ("url",)),
        ("az://user:pass@acct/box", Access(), ("url",)),
        ("s3://box:1/x", Access(), ("url",)),
        ("s3://box/../x", Access(), ("url",)),
        ("s3://box/%2e%2e/x", Access(), ("url",)),
        ("s3://box/a%2Fb", Access(), ("url",)),
        ("s3://box?x", Access(), ("url",)),
        ("s3://box", Access(endpoint="http://store.example"), ("access", "endpoint")),
        ("s3://box", Access(endpoint="http://127.0.0.1.example/"), ("access", "endpoint")),
        ("s3://box", Access(access_key_id="x"), ("access", "secret_access_key")),
        ("s3://box", Access(account_key="x"), ("access", "account_key")),
        ("file:///srv", Access(account_key="x"), ("access", "account_key")),
    ],
)
def test_a_place_that_cannot_be_is_told_by_its_setting(url: str, access: Access, setting: tuple[str, ...]) -> None:
    settings = FilesSettings(url=url, path="{upn}", access=access)
    assert [problem[0] for problem in FilesConnector.problems("x", settings, siblings={}, folder=Path("/"))] == [setting]


def test_an_export_delivers_what_lies_in_a_store(place: Place, tmp_path: Path) -> None:
    place.write({"ann/a/small": b"s", "ann/large": b"0123456789" * (1 << 19), "ann/empty": b""})
    world = World(tmp_path, {"1": {"folder": ("ann",)}}, {"onedrive": place.connect()})
    operation = world.submit("1")
    world.run()
    assert world.get(operation).status is OperationStatus.COMPLETE
    assert world.ledger(operation)["onedrive"]["skipped"] == []
    assert (world.package(operation) / "data/Product/onedrive/large").read_bytes() == b"0123456789" * (1 << 19)
    assert world.verify(operation).state is PackageState.WHOLE
    world.stop()
