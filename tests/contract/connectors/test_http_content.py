"""Files that an API's records lead to: names, sizes, redirects and hosts; against real small servers, hostile ones too."""

import itertools
import json
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.servers.api import Asked, Reply, serving

from rightful.connectors.http import HttpConnector
from rightful.connectors.http_settings import ContentSettings, HttpSettings, access_of
from rightful.connectors.interface import Connector, Cursor, FileItem, Item, SkippedItem
from rightful.errors import ConfigurationError, SourceRefused, SourceUnavailable
from rightful.package.paths import EntryNamer
from rightful.subject.folders import is_folder_of
from rightful.testing.connector_suite import ANN, ANN2, UPPER, ConnectorSuite, Found, read_all
from rightful.webapi.access import OAuthSettings
from rightful.webapi.asking import Asking

Answer = Callable[[Asked], Reply | Iterator[bytes]]
CONTENT = {number: bytes(range(256)) * (number * 7) + b"end" * (number % 2) for number in range(9)} | {5: b"x" * (3 << 20)}
RECORDS: list[dict[str, Any]] = [
    {"id": 3, "owner": "ann@contoso.example", "name": "z.pdf", "file": {"size": len(CONTENT[3])}, "at": "2026-02-03T04:05:06Z"},
    {"id": 1, "owner": "ann@contoso.example", "name": "a.txt", "file": {"size": len(CONTENT[1])}},
    {"id": 2, "owner": "ann2@contoso.example", "name": "a.txt", "file": {"size": len(CONTENT[2])}},
    {"id": 4, "owner": "ANN@contoso.example", "name": "sub/\u00e9.bin", "file": {"size": str(len(CONTENT[4]))}},
    {"id": 0, "owner": "ann.lee@contoso.example", "name": "empty", "file": {"size": 0}},
    {"id": 5, "owner": "ann@fabrikam.example", "name": "large", "file": {"size": len(CONTENT[5])}, "at": "yesterday"},
    {"id": 6, "owner": "ann@contoso.example", "name": "folder"},
    {"id": 7, "owner": "ann2@contoso.example", "name": "no size", "file": {"size": -1}},
    {"id": 8, "owner": None, "name": "nobody's", "file": {"size": 1}},
]


def _listing(asked: Asked) -> Reply:
    query = {name: values[0] for name, values in parse_qs(urlsplit(asked.target).query).items()}
    found = [record for record in RECORDS if (record["owner"] or "").casefold() == query["owner"].casefold()]
    start = int(query.get("from", "0"))
    following = f"/files?owner={query['owner'].replace('@', '%40')}&from={start + 2}" if start + 2 < len(found) else None
    records = [{**record, "url": f"/content/{record['id']}"} for record in found[start : start + 2]]
    return Reply(json.dumps({"value": records, "next": following}).encode())


def _content(asked: Asked) -> Reply:
    return Reply(CONTENT[int(asked.target.rpartition("/")[2])])


def _connector(url: str, content: Mapping[str, Any] | None = None, **changed: Any) -> HttpConnector:
    said = {"address": "/url", "name": ("/id", "/name"), "size": "/file/size", "changed": "/at", "where": "/file", **(content or {})}
    given = {
        "url": url,
        "path": "/files?owner={mail}",
        "match": {"/owner": "mail"},
        "records": "/value",
        "next": "/next",
        "requests_per_second": 10_000,
        "content": ContentSettings(**said),
        **changed,
    }
    return HttpConnector("attachments", HttpSettings(**given), siblings={}, folder=Path())


def _items(connector: HttpConnector, cursor: Cursor | None = None) -> list[Item]:
    return read_all(connector, connector.plan([ANN.subject])[0], [ANN.subject], cursor)[1]


def _one(record: Mapping[str, Any]) -> Reply:
    default = {"id": 1, "owner": "ann@contoso.example", "name": "a", "file": {"size": 3}, "url": "/content/1"}
    return Reply(json.dumps({"value": [{**default, **record}], "next": None}).encode())


class TestHttpContent(ConnectorSuite):
    @pytest.fixture(params=["same host", "redirected", "other host"])
    def connector(self, request: pytest.FixtureRequest) -> Iterator[Connector]:
        with ExitStack() as stack:
            files = stack.enter_context(serving(_content))

            def answer(asked: Asked) -> Reply:
                if asked.target.startswith("/files"):
                    reply = _listing(asked)
                    if request.param == "other host":
                        reply.body = reply.body.replace(b'"/content/', f'"{files.url}/content/'.encode())
                    return reply
                if request.param == "redirected":
                    return Reply(status=302, headers={"Location": f"{files.url}{asked.target}"})
                return _content(asked)

            api = stack.enter_context(serving(answer))
            hosts = () if request.param == "same host" else (files.url,)
            connector = stack.enter_context(closing(_connector(api.url, {"hosts": hosts})))
            yield connector

    @pytest.fixture
    def broken(self) -> Iterator[Connector]:
        with serving(lambda _: Reply(status=403)) as api, closing(_connector(api.url)) as broken:
            yield broken

    @pytest.fixture
    def expected(self) -> Mapping[str, Found]:
        return {
            ANN.name: Found(files={"0/empty": b"", "1/a.txt": CONTENT[1], "3/z.pdf": CONTENT[3], "4/sub/\u00e9.bin": CONTENT[4]}),
            ANN2.name: Found(files={"2/a.txt": CONTENT[2]}, skipped=("7/no size",)),
            UPPER.name: Found(files={"5/large": CONTENT[5]}),
        }


def _answering(content: Answer) -> Answer:
    return lambda asked: _listing(asked) if asked.target.startswith("/files") else content(asked)


def test_what_the_record_says_is_in_the_item() -> None:
    with serving(_answering(_content)) as api, closing(_connector(api.url)) as connector:
        items = {item.path: item for item in _items(connector) if isinstance(item, FileItem)}
    assert items["3/z.pdf"].modified_ns == 1_770_091_506_000_000_000
    assert items["1/a.txt"].modified_ns is None
    assert {item.root for item in items.values()} == {"/files?owner=ann@contoso.example", "/files?owner=ann.lee@contoso.example"}


@pytest.mark.parametrize(
    "access", [{"token": "canary"}, {"headers": {"X-Key": "canary"}}, {"user": "canary", "password": "canary"}], ids=str
)
@pytest.mark.parametrize("is_redirected", [True, False], ids=["redirected", "linked"])
def test_other_host_is_asked_without_the_access(access: dict[str, Any], *, is_redirected: bool) -> None:
    with serving(lambda _: Reply(b"abc")) as files:
        place = f"{files.url}/signed?sig=a%2Fb"

        def answer(asked: Asked) -> Reply:
            if asked.target.startswith("/files"):
                return _one({} if is_redirected else {"url": place})
            return Reply(status=302, headers={"Location": place})

        with serving(answer) as api, closing(_connector(api.url, {"hosts": (files.url,)}, **access)) as connector:
            [item] = _items(connector)
            assert isinstance(item, FileItem)
            assert b"".join(item.open()) == b"abc"
        [asked] = files.asked
    assert asked.target == "/signed?sig=a%2Fb"
    assert set(asked.headers) == {"host", "accept-encoding", "user-agent"}


@pytest.mark.parametrize("is_redirected", [True, False], ids=["redirected", "linked"])
@pytest.mark.parametrize(
    "place",
    [
        "{evil}/x",
        "//{evil_host}/x",
        "{named}@{evil_host}/x",
        "{named}.evil.example/x",
        "{named}0/x",
        "http://[/",
        "file:///etc/passwd",
        "ftp://{evil_host}/x",
        "{named}//evil",
        "{named}/a b",
        "{named}/\u00e9",
        "{named}?x",
        "",
    ],
)
def test_host_that_is_not_named_is_never_asked(place: str, *, is_redirected: bool) -> None:
    with serving(lambda _: Reply(b"abc")) as evil, serving(lambda _: Reply(b"abc")) as named:
        link = place.format(evil=evil.url, evil_host=evil.url[7:], named=named.url)

        def answer(asked: Asked) -> Reply:
            if asked.target.startswith("/files"):
                return _one({} if is_redirected else {"url": link})
            return Reply(status=307, headers={"Location": link.encode("utf-8").decode("latin-1")})

        with serving(answer) as api, closing(_connector(api.url, {"hosts": (named.url,)}, token="canary")) as connector:
            [item] = _items(connector)
            if isinstance(item, SkippedItem):
                assert link == ""
                return
            assert isinstance(item, FileItem)
            with pytest.raises(SourceRefused, match=r"not named|no URL|not followed|neither") as caught:
                list(item.open())
        assert evil.asked == named.asked == []
    assert "evil" not in f"{caught.value}"


@pytest.mark.parametrize("named", ["https://Files.contoso.example:443", "https://files.contoso.example/", "https://files.contoso.example"])
@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("https://files.contoso.example/x?y", "/x?y"),
        ("HTTPS://FILES.contoso.example:443/X#y", "/X"),
        ("https://files.contoso.example:0443/", "/"),
        ("http://files.contoso.example/x", None),
        ("https://files.contoso.example:444/x", None),
        ("https://files.contoso.example.evil.example/x", None),
        ("https://files.contoso.example@evil.example/x", None),
        ("https://evil.example\\@files.contoso.example/x", None),
    ],
)
def test_addresses_are_the_same_whether_their_port_is_written_or_not(named: str, link: str, target: str | None) -> None:
    settings = HttpSettings(url="https://api.contoso.example", path="/{mail}", match={}, content=ContentSettings(hosts=(named,)))
    with closing(Asking("files", access_of(settings))) as asking:
        if target is not None:
            host, found = asking._place_of(link, may_be_ours=False)
            assert (host.origin, found) == ("https://files.contoso.example:443", target)
        else:
            with pytest.raises(SourceRefused, match="not named"):
                asking._place_of(link, may_be_ours=False)


def test_redirect_to_the_api_itself_and_in_a_circle_are_refused() -> None:
    with serving(lambda asked: Reply(status=302, headers={"Location": f"http://{asked.headers['host']}/again"})) as files:
        replies = itertools.cycle(["/content/2", f"{files.url}/x"])

        def answer(asked: Asked) -> Reply:
            return _one({}) if asked.target.startswith("/files") else Reply(status=302, headers={"Location": next(replies)})

        with serving(answer) as api, closing(_connector(api.url, {"hosts": (files.url,)}, token="canary")) as connector:
            for said in ("not named", "again and again"):
                [item] = _items(connector)
                assert isinstance(item, FileItem)
                with pytest.raises(SourceRefused, match=said):
                    list(item.open())
        assert len(files.asked) == 2


@pytest.mark.parametrize(
    ("reply", "error", "said"),
    [
        (Reply(status=404), OSError, "No such file"),
        (Reply(status=410), OSError, "No such file"),
        (Reply(status=403), OSError, "Permission denied"),
        (Reply(status=401), SourceRefused, "401"),
        (Reply(status=204), SourceRefused, "204"),
        (Reply(b"abc", cut=2), SourceUnavailable, "broke off"),
        (Reply(b"abc", headers={"Content-Encoding": "gzip"}), SourceRefused, "compressed"),
        (Reply(status=429, headers={"Retry-After": "900"}), SourceUnavailable, "429"),
    ],
)
def test_content_that_does_not_come_is_said(reply: Reply, error: type[Exception], said: str) -> None:
    with serving(lambda asked: _one({}) if asked.target.startswith("/files") else reply) as api, closing(_connector(api.url)) as connector:
        [item] = _items(connector)
        assert isinstance(item, FileItem)
        with pytest.raises(error, match=said):
            list(item.open())


def test_content_waits_as_long_as_it_is_asked_and_its_token_is_renewed() -> None:
    tokens = iter(["first", "second"])
    replies = iter([Reply(b"abc")])
    busy = iter([Reply(status=429, headers={"Retry-After": "1"})])

    def answer(asked: Asked) -> Reply:
        if asked.target == "/token":
            return Reply(json.dumps({"access_token": next(tokens), "token_type": "bearer"}).encode())
        if asked.target.startswith("/files"):
            return _one({})
        return next(busy, None) or (Reply(status=401) if asked.headers["authorization"] == "Bearer first" else next(replies))

    with serving(answer) as api:
        oauth2 = OAuthSettings(token_url=f"{api.url}/token", client_id="a", client_secret="b")
        with closing(_connector(api.url, oauth2=oauth2)) as connector:
            [item] = _items(connector)
            assert isinstance(item, FileItem)
            began = time.monotonic()
            assert b"".join(item.open()) == b"abc"
            assert time.monotonic() - began >= 1


def test_half_read_content_leaves_nothing_behind() -> None:
    def endless(_: Asked) -> Iterator[bytes]:
        while True:
            yield b"x" * 65536

    with serving(_answering(endless)) as api, closing(_connector(api.url)) as connector:
        item = next(item for item in _items(connector) if isinstance(item, FileItem) and item.size_bytes)
        with closing(cast("Generator[bytes]", item.open())) as chunks:
            assert next(chunks)


def test_file_of_somebody_else_is_not_the_persons() -> None:
    for owner in ("bob@contoso.example", None, ""):
        with serving(lambda _, owner=owner: _one({"owner": owner})) as api, closing(_connector(api.url)) as connector:  # type: ignore[misc]  # bound now
            for item in _items(connector):
                assert isinstance(item, FileItem)
                assert not is_folder_of("/files?owner={mail}", item.root, ANN.subject)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"url": None}, "no address"),
        ({"url": {"x": 1}}, "no address"),
        ({"file": {"size": None}}, "how large"),
        ({"file": {"size": "1e3"}}, "how large"),
        ({"file": {"size": 1.5}}, "how large"),
        ({"file": {"size": 10**30}}, "how large"),
    ],
)
def test_record_without_address_or_size_is_skipped_with_a_reason(record: dict[str, Any], reason: str) -> None:
    with serving(lambda _: _one(record)) as api, closing(_connector(api.url)) as connector:
        for item in _items(connector):
            assert isinstance(item, SkippedItem)
            assert reason in item.reason


def test_two_files_of_one_name_are_refused_and_one_that_is_listed_twice_comes_once() -> None:
    def listing(*urls: str) -> Answer:
        record = {"owner": "ann@contoso.example", "name": "a", "file": {"size": 3}}
        return lambda _: Reply(json.dumps({"value": [{**record, "url": url} for url in urls], "next": None}).encode())

    with (
        serving(listing("/1", "/2")) as api,
        closing(_connector(api.url, {"name": ("/name",)})) as connector,
        pytest.raises(SourceRefused, match="the same name"),
    ):
        _items(connector)
    with serving(listing("/1", "/1")) as api, closing(_connector(api.url, {"name": ("/name",)})) as connector:
        assert len(_items(connector)) == 1


@pytest.mark.parametrize("name", ["../../etc/passwd", "/abs", "a//b", "..", "con", "a\x00b", "a\nb", "x" * 400, "\u202egpj.exe", "C:\\x"])
def test_hostile_name_becomes_a_safe_entry(name: str) -> None:
    with serving(lambda _: _one({"name": name})) as api, closing(_connector(api.url)) as connector:
        [item] = _items(connector)[:1]
        assert isinstance(item, FileItem)
    entry = EntryNamer("Desk", "attachments").name(item.path)
    assert entry.startswith("data/Desk/attachments/1/")
    assert not {"", ".", ".."} & set(entry.split("/"))
    assert entry.isprintable()
    assert all(len(segment.encode()) <= 255 for segment in entry.split("/"))


def test_order_of_the_api_may_change_between_two_reads() -> None:
    flip = itertools.count()

    def answer(_: Asked) -> Reply:
        records = [{"owner": "ann@contoso.example", "name": each, "file": {"size": 3}, "url": f"/{each}"} for each in "badc"]
        return Reply(json.dumps({"value": records[:: -1 if next(flip) % 2 else 1], "next": None}).encode())

    with serving(answer) as api, closing(_connector(api.url, {"name": ("/name",)})) as connector:
        whole = [item.path for item in _items(connector) if isinstance(item, FileItem)]
        assert whole == ["a", "b", "c", "d"]
        for cursor in (Cursor("b"), Cursor(b"b"), Cursor("bb")):
            assert [item.path for item in _items(connector, cursor) if isinstance(item, FileItem)] == ["c", "d"]


def test_setting_that_keeps_everything_out_is_doubted() -> None:
    with serving(_answering(_content)) as api, closing(_connector(api.url, {"where": "/File"})) as connector:
        assert _items(connector) == []
        assert "records had anything at /File" in "".join(connector.doubts())


@pytest.mark.parametrize(
    ("content", "more"),
    [
        ({"size": ""}, {}),
        ({"address": ""}, {}),
        ({"name": ()}, {}),
        ({"name": ("name",)}, {}),
        ({"size": "size"}, {}),
        ({"where": "~"}, {}),
        ({"hosts": ("files.contoso.example",)}, {}),
        ({"hosts": ("http://files.contoso.example",)}, {}),
        ({"hosts": ("https://a:b@files.contoso.example",)}, {}),
        ({}, {"match": {"/owner": "mail", "/other": "mail"}}),
        ({}, {"match": {"/owner": "upn"}}),
        ({}, {"path": "/{upn}/files?owner={mail}"}),
    ],
)
def test_wrong_settings_are_refused(content: dict[str, Any], more: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        _connector("https://api.contoso.example", content, **more)
