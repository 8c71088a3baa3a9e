"""`files` passes the suite over WebDAV (WsgiDAV), and believes nothing that a hostile server says."""

import gzip
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.contract.connectors.listed_trees import ListedTreeSuite, Place, connect, items_of, only_file, write
from tests.servers.webdav import WebdavServer
from tests.unit.export.world import World

from rightful.connectors.files import FilesConnector, FilesSettings
from rightful.connectors.interface import FileItem, ItemChanged, SkippedItem, estimate
from rightful.connectors.tree_place import Access
from rightful.errors import ConfigurationError, SourceError, SourceRefused, SourceUnavailable
from rightful.operation.model import OperationStatus
from rightful.package.verify import PackageState
from rightful.testing.connector_suite import identified

CANARY = "Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5"


@pytest.fixture
def place(webdav_server: WebdavServer) -> Place:
    return Place(*webdav_server.folder(), Access(user=webdav_server.user, password=webdav_server.password))


class TestFilesOverWebdav(ListedTreeSuite):
    """The suite."""


def test_the_password_is_needed_and_never_told(place: Place) -> None:
    with pytest.raises(SourceRefused, match="credentials") as caught:
        connect(place.url, Access(user="reader", password=CANARY)).check()
    assert CANARY not in f"{caught.value!r}{caught.value.hint}"
    assert CANARY not in repr(Access(user="reader", password=CANARY, token=CANARY))


def test_what_changes_while_it_is_read_is_told(place: Place) -> None:
    write(place.folder, {"ann/log": b"x" * (3 << 20)})
    chunks = only_file(place.connect()).open()
    next(chunks)
    os.utime(place.folder / "ann/log", (1, 1))
    with pytest.raises(ItemChanged):
        list(chunks)


def test_an_export_delivers_what_lies_there(place: Place, tmp_path: Path) -> None:
    write(place.folder / "ann", {"a/small": b"s", "large": b"0123456789" * (1 << 19), "empty": b""})
    world = World(tmp_path, {"1": {"folder": ("ann",)}}, {"cloud": place.connect()})
    operation = world.submit("1")
    world.run()
    assert world.get(operation).status is OperationStatus.COMPLETE
    assert world.ledger(operation)["cloud"]["skipped"] == []
    assert (world.package(operation) / "data/Product/cloud/large").read_bytes() == b"0123456789" * (1 << 19)
    assert world.verify(operation).state is PackageState.WHOLE
    world.stop()


# -- a hostile server -------------------------------------------------------------------------------------------------


def member(href: str, size: int | None = 1, *, status: str = "HTTP/1.1 200 OK", etag: str = '"1"') -> str:
    kind = "<resourcetype><collection/></resourcetype>" if size is None else f"<getcontentlength>{size}</getcontentlength>"
    return f"<response><href>{href}</href><propstat><prop>{kind}<getetag>{etag}</getetag></prop><status>{status}</status></propstat></response>"


def listing(*members: str, head: str = '<?xml version="1.0"?>') -> bytes:
    return f'{head}<multistatus xmlns="DAV:">{"".join(members)}</multistatus>'.encode()


Answer = tuple[int, bytes]
Script = Callable[[str, str, str], Answer]
"""Takes method, target and depth."""


@contextmanager
def hostile(script: Script, headers: Mapping[str, str] | None = None) -> Iterator[tuple[str, list[str]]]:
    """Serve what a script says; yields the address, and what was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append(f"{self.command} {self.path} {self.headers.get('Depth', '-')} {self.headers.get('Authorization', '-')}")
            status, body = script(self.command, self.path, self.headers.get("Depth", ""))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PROPFIND = answer  # noqa: N815 - the base class has it so

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - likewise

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/dav", asked
        finally:
            server.shutdown()
            thread.join(10)


ROOT = listing(member("/dav/", None), member("/dav/ann/", None))


def telling(*members: str, head: str = '<?xml version="1.0"?>', raw: bytes = b"") -> Script:
    """Give a root that is right, and these members as ann's folder."""

    def script(method: str, target: str, depth: str) -> Answer:
        if target == "/dav/":
            return 207, ROOT
        if (method, target, depth) == ("PROPFIND", "/dav/ann/", "1"):
            return 207, raw or listing(member("/dav/ann/", None), *members, head=head)
        return 404, b""

    return script


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
SECRET_FILE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    "script",
    [
        *(
            telling(member(href))
            for href in (
                "/dav/ben/x",
                "/dav/ann/../ben",
                "/dav/ann/..",
                "/dav/ann/%2e%2e",
                "/dav/ann/.",
                "/dav/ann/a/b",
                "/dav/ann//x",
                "/dav/annx",
                "/etc/passwd",
                "ann/x",
                "x",
                "",
                "//elsewhere.example/dav/ann/x",
                "https://elsewhere.example/dav/ann/x",
                "file:///dav/ann/x",
                "http://[/dav/ann/x",
                "/dav/ann/x?y",
                "/dav/ann/x#y",
            )
        ),
        telling("<response><href>/dav/ann/x</href><href>/dav/ann/y</href><status>HTTP/1.1 200 OK</status></response>"),
        telling(head=BOMB),
        telling(head=SECRET_FILE),
        telling("<a>" * 100),
        telling(f"<response><href>/dav/ann/{'x' * (1 << 17)}</href></response>"),
        telling(raw=b'<multistatus xmlns="DAV:" x="' + b"x" * (6 << 20)),
        telling(raw=listing(member("/dav/ann/", None))[:-3]),
        telling(raw=b"<html>Welcome</html>"),
        telling(raw=listing(member("/dav/ann/x"))),
        telling(raw=b"\xff\xfe\x00"),
        lambda _method, target, _depth: (207, ROOT) if target == "/dav/" else (200, ROOT),
    ],
)
def test_what_is_no_listing_of_the_folder_stops_the_source(script: Script) -> None:
    with hostile(script) as (url, _), pytest.raises(SourceRefused) as caught:
        items_of(connect(url))
    assert "passwd" not in str(caught.value)
    assert "ann" not in str(caught.value)


def test_one_name_for_two_things_is_not_believed_and_one_told_twice_comes_once() -> None:
    with hostile(telling(member("/dav/ann/x"), member("/dav/ann/%78"))) as (url, _):
        assert [getattr(item, "path", "") for item in items_of(connect(url))] == ["x"]
    with (
        hostile(telling(member("/dav/ann/x"), member("/dav/ann/x/", None))) as (url, _),
        pytest.raises(SourceUnavailable, match="two things"),
    ):
        items_of(connect(url))


def test_what_cannot_be_read_stands_in_the_ledger() -> None:
    members = (
        member("/dav/ann/a%2Fb"),
        member("/dav/ann/a%00b"),
        "<response><href>/dav/ann/secret</href><status>HTTP/1.1 403 Forbidden</status></response>",
        "<response><href>/dav/ann/moved</href><status>HTTP/1.1 302 Found</status></response>",
        "<response><href>/dav/ann/odd</href><status>HTTP/1.1 423 Locked</status></response>",
        member("/dav/ann/endless", status="HTTP/1.1 404 Not Found"),
        member("/dav/ann/%FF"),
    )
    with hostile(telling(*members)) as (url, _):
        found = {getattr(item, "path", ""): getattr(item, "reason", "a file") for item in items_of(connect(url))}
    assert found == {
        "a%2Fb": "its name cannot be a file's",
        "a%00b": "its name cannot be a file's",
        "secret": "permission denied",
        "moved": "redirect, not followed",
        "odd": "the server refuses to give it: HTTP 423",
        "endless": "the server does not say how large it is",
        "\udcff": "a file",
    }


def test_a_folder_without_a_bottom_ends_in_the_ledger() -> None:
    def script(_method: str, target: str, _depth: str) -> Answer:
        if target == "/dav/":
            return 207, ROOT
        if target.endswith("/"):
            return 207, listing(member(target, None), member(f"{target}d/", None))
        return 404, b""

    with hostile(script) as (url, asked):
        [item] = items_of(connect(url))
    assert isinstance(item, SkippedItem)
    assert item.reason == "folders are nested too deeply"
    assert len(asked) < 300
    assert all(" infinity " not in line for line in asked)


@pytest.mark.parametrize(("status", "error"), [(302, SourceRefused), (401, SourceRefused), (403, SourceRefused), (404, SourceRefused), (405, SourceRefused), (429, SourceUnavailable), (503, SourceUnavailable)])  # fmt: skip
def test_a_server_that_does_not_serve_is_asked_once_and_no_redirect_followed(status: int, error: type[SourceError]) -> None:
    with hostile(lambda *_: (404, b"")) as (elsewhere, followed):
        with hostile(lambda *_: (status, b""), {"Location": elsewhere}) as (url, asked), pytest.raises(error) as caught:
            connect(url, Access(token=CANARY)).check()
        assert asked == [f"PROPFIND /dav/ 1 Bearer {CANARY}"]
    assert followed == []
    assert CANARY not in f"{caught.value!r}{caught.value.hint}"


def test_a_server_that_ignores_letter_case_gives_nobody_anothers_folder() -> None:
    def script(_method: str, target: str, depth: str) -> Answer:
        if target == "/dav/":
            return 207, ROOT
        where = target.rstrip("/")
        files = (member(f"{where}/x"),) if depth == "1" else ()
        return (207, listing(member(f"{where}/", None), *files)) if where.lower() == "/dav/ann" else (404, b"")

    with hostile(script) as (url, _):
        assert items_of(connect(url), "ANN") == []
        assert len(items_of(connect(url), "ann")) == 1


@pytest.mark.parametrize(
    ("body", "headers", "error"),
    [
        (b"longer", {}, ItemChanged),
        (b"", {}, ItemChanged),
        (b"12345", {"ETag": '"2"'}, ItemChanged),
        (gzip.compress(b"12345", mtime=0), {"Content-Encoding": "gzip"}, OSError),
        (b"12345", {"ETag": 'W/"1"'}, None),
    ],
)
def test_content_is_what_was_listed_or_not_taken(body: bytes, headers: dict[str, str], error: type[OSError] | None) -> None:
    def script(method: str, target: str, depth: str) -> Answer:
        if target == "/dav/ann/x":
            return (200, body) if method == "GET" else (207, listing(member("/dav/ann/x", 5)))
        return telling(member("/dav/ann/x", 5))(method, target, depth)

    with hostile(script, headers) as (url, _):
        item = only_file(connect(url))
        if error is None:
            assert b"".join(item.open()) == body
        else:
            with pytest.raises(error):
                list(item.open())


def test_an_estimate_gives_up_a_listing_that_does_not_end() -> None:
    begun = threading.Event()

    def script(method: str, target: str, depth: str) -> Answer:
        if target == "/dav/ann/":
            begun.wait(3)
        return telling(member("/dav/ann/x"))(method, target, depth)

    with hostile(script) as (url, _):
        [said] = estimate(connect(url), [identified(folder=("ann",))], limit_s=0.3)
        begun.set()
    assert said.files is None


def test_a_server_that_is_not_there_or_hangs_up_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/dav"

        def hang_up() -> None:
            server.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(SourceUnavailable):
            connect(url).check()
        thread.join(10)
    with pytest.raises(SourceUnavailable) as caught:
        connect(url).check()
    assert caught.value.source_name == "cloud"


@pytest.mark.parametrize(
    ("url", "access", "setting"),
    [
        ("http://dav.contoso.example/x", Access(), ("url",)),
        ("https://user:pass@dav.contoso.example/x", Access(), ("url",)),
        ("https://dav.contoso.example/a/../b", Access(), ("url",)),
        ("https://dav.contoso.example/x?y", Access(), ("url",)),
        ("https://dåv.example/x", Access(), ("url",)),
        ("https://dav.contoso.example:99999/", Access(), ("url",)),
        ("https://dav.contoso.example/", Access(account_key="x"), ("access", "account_key")),
        ("https://dav.contoso.example/", Access(user="x"), ("access", "user")),
        ("https://dav.contoso.example/", Access(user="a:b", password="x"), ("access", "user")),
        ("https://dav.contoso.example/", Access(user="a", password="x", token="y"), ("access", "token")),
        ("https://dav.contoso.example/", Access(token="two\nlines"), ("access", "token")),
    ],
)
def test_a_place_that_cannot_be_is_told_by_its_setting(url: str, access: Access, setting: tuple[str, ...]) -> None:
    settings = FilesSettings(url=url, path="{upn}", access=access)
    assert [problem[0] for problem in FilesConnector.problems("x", settings, siblings={}, folder=Path("/"))] == [setting]


def test_certificates_that_are_none_are_told() -> None:
    with pytest.raises(ConfigurationError, match=r"access\.ca"):
        connect("https://dav.contoso.example/", Access(ca="no certificate"))


def test_names_are_percent_encoded_as_they_are() -> None:
    path = "a%41#b c*&+=~;?é"
    with hostile(telling(member(f"/dav/ann/{quote(path)}"))) as (url, asked):
        [item] = items_of(connect(url))
        assert isinstance(item, FileItem)
        assert item.path == path
        with pytest.raises(ItemChanged):
            list(item.open())
    assert asked[-1].split()[1] == "/dav/ann/a%2541%23b%20c%2A%26%2B%3D~%3B%3F%C3%A9"
