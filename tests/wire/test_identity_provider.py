"""Tokens of a certified OpenID provider, which signs for two tenants with the same keys and is found by discovery."""

from collections.abc import Iterator
from contextlib import contextmanager

import jwt
import msgspec
import pytest
from tests.servers.oidc_provider import ANN, AUDIENCE, TENANTS, OidcProvider
from tests.wire.world import OTHER_TENANT, SUBJECTS, TENANT, Answer, Client, Later, make_config, new_location

from rightful.config.model import IdentitySettings, IssuerSettings
from rightful.graph.app import create_app
from rightful.identity.keys import REFETCH_S, STALE_S
from rightful.identity.model import Algorithm
from rightful.testing.memory_exports import MemoryExports

OPERATIONS = "/v1.0/dataPolicyOperations"

pytestmark = pytest.mark.node


class Service:
    """The service, whose two tenants trust one of the provider's two issuers each."""

    def __init__(self, client: Client, clock: Later) -> None:
        self.client = client
        self.clock = clock

    def get(self, token: str) -> Answer:
        return self.client.request("GET", OPERATIONS, token=token)

    def status(self, token: str) -> int:
        return self.get(token).status

    def submit(self, token: str, path: str = f"/users/{ANN}") -> Answer:
        return self.client.request("POST", f"/v1.0{path}/exportPersonalData", token=token, body={"storageLocation": new_location()})


@contextmanager
def service(provider: OidcProvider, *algorithms: Algorithm) -> Iterator[Service]:
    clock = Later()
    config = make_config({TENANT: [], OTHER_TENANT: []})
    tenants = tuple(
        msgspec.structs.replace(
            tenant,
            identity=IdentitySettings(
                issuers=(IssuerSettings(issuer=provider.issuer(tenant.id), audience=(AUDIENCE,), algorithms=algorithms or ("RS256",)),)
            ),
        )
        for tenant in config.tenants
    )
    app = create_app(config=msgspec.structs.replace(config, tenants=tenants), exports=MemoryExports(SUBJECTS), clock=clock)
    client = Client(app)
    try:
        yield Service(client, clock)
    finally:
        client.close()
        app.close()


def retold(token: str, provider: OidcProvider, **changes: str) -> str:
    """Return a token with other claims, signed with the provider's own key: what its other issuer would sign."""
    header = jwt.get_unverified_header(token)
    claims = jwt.decode(token, options={"verify_signature": False})
    key = jwt.PyJWK(provider.private_jwk("RSA"), algorithm="RS256")
    return jwt.encode(claims | changes, key.key, algorithm="RS256", headers={"kid": header["kid"], "typ": header["typ"]})


def test_token_of_one_tenant_is_none_of_the_other_though_the_key_is_the_same(provider: OidcProvider) -> None:
    # GRAPH-74
    provider.start()
    ours, theirs = (provider.application_token(tenant_id) for tenant_id in TENANTS)
    assert jwt.get_unverified_header(ours)["kid"] == jwt.get_unverified_header(theirs)["kid"]
    with service(provider) as asked:
        submitted = asked.submit(ours)
        assert submitted.status == 202
        operation = f"{OPERATIONS}/{submitted.headers['request-id']}"
        assert asked.client.request("GET", operation, token=ours).status == 200
        assert asked.status(theirs) == 200
        assert asked.client.request("GET", operation, token=theirs).status == 404
        assert asked.submit(theirs).status == 404
        assert asked.status(retold(ours, provider)) == 200
        for token, other in ((ours, TENANTS[1]), (theirs, TENANTS[0])):
            for changes in ({"tid": other}, {"iss": provider.issuer(other)}):
                refused = asked.get(retold(token, provider, **changes))
                assert (refused.status, refused.code) == (401, "InvalidAuthenticationToken")


def test_person_who_signed_in_exports_and_the_id_token_opens_nothing(provider: OidcProvider) -> None:
    provider.start()
    tokens = provider.tokens_of_ann(TENANT)
    with service(provider) as asked:
        assert asked.submit(tokens["access_token"], "/me").status == 202
        assert asked.status(tokens["id_token"]) == 401


@pytest.mark.parametrize("algorithm", ["PS256", "ES256"])
def test_algorithm_counts_where_it_is_configured(provider: OidcProvider, algorithm: Algorithm) -> None:
    provider.algorithm = algorithm
    provider.start()
    token = provider.application_token(TENANT)
    assert jwt.get_unverified_header(token)["alg"] == algorithm
    with service(provider) as asked:
        assert asked.status(token) == 401
    with service(provider, algorithm) as asked:
        assert asked.status(token) == 200


def test_provider_changes_its_keys(provider: OidcProvider) -> None:
    provider.start()
    old = provider.application_token(TENANT)
    with service(provider) as asked:
        assert asked.status(old) == 200
        provider.kill()
        provider.new_keys()
        provider.start()
        new = provider.application_token(TENANT)
        assert asked.status(new) == 401  # the provider was asked a moment ago
        asked.clock.ahead_s += REFETCH_S
        assert asked.status(new) == 200
        assert asked.status(old) == 401


def test_provider_is_down_for_a_while(provider: OidcProvider) -> None:
    provider.start()
    known, again = provider.application_token(TENANT), provider.application_token(TENANT)
    with service(provider) as asked:
        assert asked.status(known) == 200
        provider.kill()
        provider.new_keys()
        provider.start()
        unknown = provider.application_token(TENANT)
        provider.kill()
        asked.clock.ahead_s += REFETCH_S
        assert [asked.status(token) for token in (unknown, known, again, unknown)] == [401, 200, 200, 401]
        asked.clock.ahead_s += STALE_S
        assert asked.status(again) == 200
        provider.start()
        asked.clock.ahead_s += REFETCH_S
        assert asked.status(unknown) == 200


def test_provider_is_down_when_the_service_starts(provider: OidcProvider) -> None:
    provider.start()
    token = provider.application_token(TENANT)
    provider.kill()
    with service(provider) as asked:
        assert asked.status(token) == 503  # it may be good: a client must not throw it away
        provider.start()
        assert asked.status(token) == 503
        asked.clock.ahead_s += REFETCH_S
        assert asked.status(token) == 200
