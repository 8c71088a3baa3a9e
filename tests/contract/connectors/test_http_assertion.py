"""The connector `http` lets itself in by a private key: against a certified OpenID provider."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import jwt
import pytest
from tests.servers.api import Api, Asked, Reply, serving
from tests.servers.client_key import client_key
from tests.servers.oidc_provider import AUDIENCE, TENANTS, OidcProvider

from rightful.connectors.http import HttpConnector
from rightful.connectors.http_settings import HttpSettings
from rightful.errors import SourceRefused
from rightful.webapi.access import OAuthSettings
from rightful.webapi.assertion import AssertionSettings

pytestmark = pytest.mark.node


def _answer(asked: Asked) -> Reply:
    token = asked.headers.get("authorization", "").removeprefix("Bearer ")
    claims = jwt.decode(token, options={"verify_signature": False})
    return Reply(b"[]") if claims["aud"] == AUDIENCE and claims["azp"] == "rightful" else Reply(b"", status=401)


@pytest.fixture
def api() -> Iterator[Api]:
    with serving(_answer) as api:
        yield api


@pytest.fixture
def signing(provider: OidcProvider) -> OidcProvider:
    provider.signers = {"rightful": {"jwk": client_key().jwk, "alg": "PS256"}}
    provider.start()
    return provider


def _connector(api: Api, provider: OidcProvider, **said: Any) -> HttpConnector:
    oauth2 = OAuthSettings(
        token_url=f"{provider.issuer(TENANTS[0])}/token",
        client_id="rightful",
        assertion=AssertionSettings(**{"private_key": client_key().private_key, **said}),
        parameters={"resource": AUDIENCE},
    )
    settings = HttpSettings(url=api.url, path="/orders?mail={mail}", match={"/mail": "mail"}, oauth2=oauth2, requests_per_second=1000)
    return HttpConnector("orders", settings, siblings={}, folder=Path())


def test_each_token_is_fetched_by_an_assertion_of_its_own(api: Api, signing: OidcProvider) -> None:
    with closing(_connector(api, signing, certificate=client_key().certificate)) as connector:
        connector.check()
    with closing(_connector(api, signing)) as connector:
        connector.check()
        tokens = connector._asking._tokens
        assert tokens is not None
        tokens.forget(tokens.token())
        connector.check()
    assert len({asked.headers["authorization"] for asked in api.asked}) == 3


def test_endpoint_that_wants_its_issuer_named_is_told_it(api: Api, signing: OidcProvider) -> None:
    with closing(_connector(api, signing, audience=signing.issuer(TENANTS[0]))) as connector:
        connector.check()
    with (
        closing(_connector(api, signing, audience=signing.issuer(TENANTS[1]))) as connector,
        pytest.raises(SourceRefused, match="invalid_client"),
    ):
        connector.check()


def test_other_algorithm_is_used_where_the_endpoint_wants_it(api: Api, provider: OidcProvider) -> None:
    provider.signers = {"rightful": {"jwk": client_key().jwk, "alg": "RS256"}}
    provider.start()
    with closing(_connector(api, provider, algorithm="RS256")) as connector:
        connector.check()


def test_key_that_is_not_registered_lets_nobody_in(api: Api, signing: OidcProvider) -> None:
    with (
        closing(_connector(api, signing, private_key=client_key("other").private_key)) as connector,
        pytest.raises(SourceRefused, match="invalid_client") as caught,
    ):
        connector.check()
    assert "registered" in caught.value.hint
    assert api.asked == []
