"""Tokens of the connector `http`: fetched, kept, renewed, and told to nobody else; against real small servers, hostile ones too."""

import base64
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from tests.contract.connectors.test_http_connector import RECORDS, _matching
from tests.servers.api import Api, Asked, Reply, serving

from rightful.connectors.http import HttpConnector
from rightful.connectors.http_settings import HttpSettings
from rightful.connectors.interface import Connector
from rightful.errors import ConfigurationError, SourceRefused, SourceUnavailable
from rightful.testing.connector_suite import ANN, ANN2, UPPER, ConnectorSuite, Found, read_all
from rightful.webapi.access import OAuthSettings

SECRET = "canary s\u00e9cret:&%+"


def _grant(token: str, **more: object) -> Reply:
    return Reply(json.dumps({"access_token": token, "token_type": "Bearer", "expires_in": 3600, **more}).encode())


class Guarded:
    """An API that takes the last token that its endpoint granted; `grant` and `answer` can be changed."""

    def __init__(self) -> None:
        self.count = itertools.count(1)
        self.valid = ""
        self.grant: Callable[[Asked], Reply | Iterator[bytes]] = self._next
        self.answer: Callable[[Asked], Reply | Iterator[bytes]] = lambda asked: Reply(json.dumps(_matching(asked)).encode())

    def __call__(self, asked: Asked) -> Reply | Iterator[bytes]:
        if asked.target == "/token?tenant=1":
            return self.grant(asked)
        return self.answer(asked) if asked.headers.get("authorization") == f"Bearer {self.valid}" else Reply(b"{}", status=401)

    def _next(self, _: Asked) -> Reply:
        self.valid = f"token-{next(self.count)}"
        return _grant(self.valid)


def _connector(url: str, oauth2: Mapping[str, Any] | None = None, **changed: Any) -> HttpConnector:
    given = {"token_url": f"{url}/token?tenant=1", "client_id": "rightful", "client_secret": SECRET, **(oauth2 or {})}
    settings = HttpSettings(
        **{
            "url": url,
            "path": "/orders?mail={mail}",
            "match": {"/to/mail": "mail"},
            "requests_per_second": 10_000,
            "oauth2": OAuthSettings(**given),
            **changed,
        }
    )
    return HttpConnector("orders", settings, siblings={}, folder=Path())


def _read(connector: HttpConnector) -> int:
    return len(read_all(connector, connector.plan([ANN.subject])[0], [ANN.subject])[1])


def _granted(api: Api) -> int:
    return sum(asked.target.startswith("/token") for asked in api.asked)


class TestHttpWithOAuth(ConnectorSuite):
    @pytest.fixture
    def connector(self) -> Iterator[Connector]:
        with serving(Guarded()) as api, closing(_connector(api.url)) as connector:
            yield connector

    @pytest.fixture
    def broken(self) -> Iterator[Connector]:
        with serving(lambda _: Reply(b'{"error": "invalid_client"}', status=401)) as api, closing(_connector(api.url)) as broken:
            yield broken

    @pytest.fixture
    def expected(self) -> Mapping[str, Found]:
        def found(*ids: int) -> Found:
            texts = {record["id"]: json.dumps(record) for record in RECORDS}
            return Found(rows=tuple({"record": texts[number]} for number in ids))

        return {ANN.name: found(1, 4, 8, 9, 3), ANN2.name: found(2), UPPER.name: found(5)}


@pytest.mark.parametrize("client_auth", ["body", "header"])
def test_request_is_as_the_rfc_says_and_one_token_serves_all(client_auth: str) -> None:
    with serving(Guarded()) as api:
        oauth2 = {"client_auth": client_auth, "scope": "a b", "parameters": {"audience": "https://x/?a=b"}}
        with closing(_connector(api.url, oauth2)) as connector:
            assert _read(connector) == _read(connector) == 2
            connector.check()
    assert _granted(api) == 1
    asked = api.asked[0]
    form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
    client = {"client_id": "rightful", "client_secret": SECRET}
    is_body = client_auth == "body"
    assert form == {"grant_type": "client_credentials", "scope": "a b", "audience": "https://x/?a=b", **(client if is_body else {})}
    basic = base64.b64encode(b"rightful:canary+s%C3%A9cret%3A%26%25%2B").decode()
    assert asked.headers.get("authorization") == (None if is_body else f"Basic {basic}")
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"


def test_token_is_renewed_before_its_end() -> None:
    guarded = Guarded()

    def grant(asked: Asked) -> Reply:
        guarded._next(asked)
        return _grant(guarded.valid, expires_in="0.4")  # a text, as some write it

    guarded.grant = grant
    with serving(guarded) as api, closing(_connector(api.url)) as connector:
        _read(connector)
        time.sleep(0.25)
        _read(connector)
    assert _granted(api) == 2
    assert not any(reply.headers.get("authorization") is None for reply in api.asked if reply.target.startswith("/orders"))


def test_token_that_is_no_longer_accepted_is_replaced_once() -> None:
    guarded = Guarded()
    with serving(guarded) as api, closing(_connector(api.url)) as connector:
        _read(connector)
        guarded.valid = "another"
        assert _read(connector) == 2
        assert _granted(api) == 2
        guarded.grant = lambda _: _grant("never-accepted")
        guarded.valid = "another"
        with pytest.raises(SourceRefused, match="401"):
            _read(connector)
        assert _granted(api) == 3


def test_many_readers_share_one_token() -> None:
    guarded = Guarded()
    with serving(guarded) as api, closing(_connector(api.url)) as connector:
        found: list[int] = []
        threads = [threading.Thread(target=lambda: found.append(_read(connector))) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [2] * 6
    assert _granted(api) == 1


def _endless() -> Iterator[bytes]:
    while True:
        yield b" " * 65536


@pytest.mark.parametrize(
    ("grant", "error", "said"),
    [
        (lambda _: Reply(b'{"error": "invalid_client"}', status=401), SourceRefused, r"401 \(invalid_client\)"),
        (lambda _: Reply(b'{"error": "invalid_scope"}', status=400), SourceRefused, r"400 \(invalid_scope\)"),
        (lambda asked: Reply(json.dumps({"error": asked.body.decode()}).encode(), status=400), SourceRefused, "400 instead"),
        (lambda _: Reply(b"<html>", status=403), SourceRefused, "403 instead"),
        (lambda _: Reply(b"[" * 100_000, status=403), SourceRefused, "403 instead"),
        (lambda _: Reply(status=302, headers={"Location": "/elsewhere"}), SourceRefused, "302 instead"),
        (lambda _: Reply(b"not json"), SourceRefused, "no token"),
        (lambda _: Reply(b"[" * 100_000), SourceRefused, "no token"),
        (lambda _: Reply(b"\xff"), SourceRefused, "no token"),
        (lambda _: Reply(b'{"token_type": "Bearer"}'), SourceRefused, "no token"),
        (lambda _: _grant("a b"), SourceRefused, "no bearer token"),
        (lambda _: _grant("a\r\nX: y"), SourceRefused, "no bearer token"),
        (lambda _: _grant(""), SourceRefused, "no bearer token"),
        (lambda _: _grant("a", token_type="mac"), SourceRefused, "no bearer token"),
        (lambda _: _grant("a", expires_in=0), SourceRefused, "no bearer token"),
        (lambda _: _grant("a", expires_in="NaN"), SourceRefused, "no bearer token"),
        (lambda _: _grant("a", expires_in="inf"), SourceRefused, "no bearer token"),
        (lambda _: _grant("a", expires_in="1e999"), SourceRefused, "no bearer token"),
        (lambda _: _grant("a", expires_in=10**400), SourceRefused, "no token"),
        (lambda _: _grant("a", expires_in=-1), SourceRefused, "no bearer token"),
        (lambda _: _grant("a", expires_in="soon"), SourceRefused, "no token"),
        (lambda _: _endless(), SourceRefused, "too large"),
        (lambda _: Reply(status=429, headers={"Retry-After": "600"}), SourceUnavailable, "429 instead"),
    ],
)
def test_endpoint_that_grants_nothing_usable_is_said_without_what_it_wrote(grant: Any, error: type[Exception], said: str) -> None:
    guarded = Guarded()
    guarded.grant = grant
    with serving(guarded) as api, closing(_connector(api.url)) as connector, pytest.raises(error, match=said) as caught:
        _read(connector)
    assert _granted(api) == len(api.asked) == 1
    shown = repr((caught.value, getattr(caught.value, "hint", ""), connector, connector._settings, connector._settings.oauth2))
    assert "canary" not in shown


def test_endpoint_that_is_busy_is_asked_again() -> None:
    guarded = Guarded()
    replies = iter([Reply(status=503), Reply(status=429, headers={"Retry-After": "0"}), Reply(b"{", cut=0)])
    guarded.grant = lambda asked: next(replies, None) or guarded._next(asked)
    with serving(guarded) as api, closing(_connector(api.url)) as connector:
        assert _read(connector) == 2
    assert _granted(api) == 4


def test_secret_goes_to_the_endpoint_alone_and_the_token_to_the_api_alone() -> None:
    guarded = Guarded()
    with (
        serving(guarded) as login,
        serving(lambda _: Reply(b"[]")) as api,
        closing(_connector(api.url, {"token_url": f"{login.url}/token?tenant=1"})) as connector,
    ):
        _read(connector)
    assert all(SECRET not in json.dumps(vars(asked), default=str) and b"canary" not in asked.body for asked in api.asked)
    assert all("authorization" not in asked.headers for asked in login.asked)
    assert {asked.headers["authorization"] for asked in api.asked} == {"Bearer token-1"}


@pytest.mark.parametrize(
    ("oauth2", "more"),
    [
        ({"token_url": "http://login.contoso.example/token"}, {}),
        ({"token_url": "https://user:pa55w0rd@login.contoso.example/token"}, {}),
        ({"token_url": "https://login.contoso.example/token#x"}, {}),
        ({"token_url": "https://login.contoso.example/a b"}, {}),
        ({"token_url": "/token"}, {}),
        ({"token_url": ""}, {}),
        ({"client_secret": ""}, {}),
        ({"client_id": ""}, {}),
        ({"client_secret": "pa55w0rd\ud800"}, {}),
        ({"client_auth": "header", "client_id": "pa55w0rd\udfff"}, {}),
        ({"parameters": {"audience": "pa55w0rd\ud800"}}, {}),
        ({"parameters": {"grant_type": "password"}}, {}),
        ({}, {"token": "pa55w0rd"}),
        ({}, {"user": "a", "password": "pa55w0rd"}),
        ({}, {"headers": {"authorization": "pa55w0rd"}}),
    ],
)
def test_wrong_settings_are_refused_without_being_shown(oauth2: dict[str, Any], more: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="oauth2") as caught:
        _connector("https://api.contoso.example", oauth2, **more)
    assert "pa55w0rd" not in f"{caught.value} {caught.value.hint}"
    assert "canary" not in f"{caught.value} {caught.value.hint}"
