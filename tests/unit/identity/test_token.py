"""What good tokens say, and which are signed as configured; hostile ones are asked over HTTP (tests/wire/test_hostile_tokens.py)."""

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest

from rightful.clock import SystemClock
from rightful.errors import Forbidden, Unauthenticated
from rightful.identity.keys import FetchedKeys
from rightful.identity.model import Algorithm, CallerKind
from rightful.identity.permissions import GLOBAL_ADMINISTRATOR
from rightful.identity.token import SKEW_S, TrustedIssuer
from rightful.identity.verifier import Trust, Verifier, parse_authorization
from rightful.ids import PERSONAL_ACCOUNTS, TenantId
from rightful.testing.issuer import APP_ID, AUDIENCE, OBJECT_ID, SimulatedIssuer

TENANT = TenantId("11111111-1111-1111-1111-111111111111")
OTHER_TENANT = TenantId("22222222-2222-2222-2222-222222222222")


class Bench:
    """An issuer that two tenants trust under different names, with the same keys: as Entra does."""

    def __init__(self, issuer: SimulatedIssuer) -> None:
        self.issuer = issuer
        keys = FetchedKeys(issuer.issuer, issuer.jwks_uri, SystemClock())
        other = issuer.issuer.replace(TENANT, OTHER_TENANT)
        audiences = frozenset({AUDIENCE})
        self.verifier = Verifier(
            {
                TENANT: [Trust(issuer=TrustedIssuer(issuer=issuer.issuer, audiences=audiences), keys=keys)],
                OTHER_TENANT: [Trust(issuer=TrustedIssuer(issuer=other, audiences=audiences), keys=keys)],
            },
            SystemClock(),
        )

    def header(self, **changes: Any) -> bytes:
        return json.dumps({"alg": "RS256", "typ": "JWT", "kid": self.issuer.kid} | changes).encode()

    def payload(self, **changes: Any) -> bytes:
        return json.dumps(self.issuer.claims(**changes)).encode()


def b64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with SimulatedIssuer(TENANT) as issuer:
        yield Bench(issuer)


def now_s() -> int:
    return int(time.time())


def other_issuer(bench: Bench) -> str:
    return bench.issuer.issuer.replace(TENANT, OTHER_TENANT)


@pytest.mark.parametrize("change", ["", "\0", " ", "\n", "é", "\udcff", "=="], ids=repr)  # some of them no HTTP header can hold
def test_text_that_is_no_token_is_refused_without_being_quoted(bench: Bench, change: str) -> None:
    with pytest.raises(Unauthenticated) as caught:
        bench.verifier.verify(bench.issuer.token() + change if change else "")
    said = f"{caught.value.message} {caught.value.hint}"
    assert TENANT not in said
    assert len(said) < 200


def test_good_application_token_is_the_caller_it_says(bench: Bench) -> None:
    caller = bench.verifier.verify(bench.issuer.token(wids=[GLOBAL_ADMINISTRATOR]))
    assert caller is not None
    assert (caller.tenant_id, caller.kind, caller.object_id, caller.app_id) == (TENANT, CallerKind.APPLICATION, OBJECT_ID, APP_ID)
    assert caller.permissions == {"User.Export.All"}
    assert not caller.directory_roles


ALL_ALGORITHMS: tuple[Algorithm, ...] = ("RS256", "PS256", "ES256")


def signing(issuer: SimulatedIssuer, *algorithms: Algorithm) -> Verifier:
    keys = FetchedKeys(issuer.issuer, issuer.jwks_uri, SystemClock())
    trusted = TrustedIssuer(issuer=issuer.issuer, audiences=frozenset({AUDIENCE}), algorithms=frozenset(algorithms))
    return Verifier({TENANT: [Trust(issuer=trusted, keys=keys)]}, SystemClock())


@pytest.mark.parametrize("configured", ALL_ALGORITHMS)
def test_token_counts_only_if_signed_as_configured(bench: Bench, configured: Algorithm) -> None:
    verifier = signing(bench.issuer, configured)
    for algorithm in ALL_ALGORITHMS:
        text = bench.issuer.sign(bench.issuer.claims(), algorithm=algorithm)
        if algorithm == configured:
            assert verifier.verify(text) is not None
        else:
            with pytest.raises(Unauthenticated, match="the algorithm is not one"):
                verifier.verify(text)


def test_several_algorithms_may_be_configured(bench: Bench) -> None:
    verifier = signing(bench.issuer, *ALL_ALGORITHMS)
    for algorithm in ALL_ALGORITHMS:
        assert verifier.verify(bench.issuer.sign(bench.issuer.claims(), algorithm=algorithm)) is not None


@pytest.mark.parametrize(("made", "said"), [(made, said) for made in ALL_ALGORITHMS for said in ALL_ALGORITHMS if made != said], ids=str)
def test_token_that_names_another_configured_algorithm_is_refused(bench: Bench, made: Algorithm, said: Algorithm) -> None:
    # The signature is good, the key is the issuer's, the algorithm is configured: and they don't fit each other.
    key = bench.issuer.curve_key if made == "ES256" else bench.issuer.key
    for named in (bench.issuer.kid, bench.issuer.curve_kid):
        text = b".".join(b64(part) for part in (bench.header(alg=said, kid=named), bench.payload()))
        signature = b64(jwt.get_algorithm_by_name(made).sign(text, key))
        with pytest.raises(Unauthenticated):
            signing(bench.issuer, *ALL_ALGORITHMS).verify(f"{text.decode()}.{signature.decode()}")


def test_token_that_expires_at_once_still_counts(bench: Bench) -> None:
    assert bench.verifier.verify(bench.issuer.token(exp=now_s() + 0.5)) is not None


@pytest.mark.parametrize(
    ("changes", "kind", "permissions"),
    [
        ({"idtyp": None}, CallerKind.APPLICATION, {"User.Export.All"}),
        ({"idtyp": None, "roles": None}, CallerKind.APPLICATION, set()),
        ({"idtyp": None, "scp": "A B"}, CallerKind.DELEGATED, {"A", "B"}),
        ({"idtyp": None, "scp": ""}, CallerKind.DELEGATED, set()),
        ({"idtyp": "user"}, CallerKind.DELEGATED, set()),
        ({"idtyp": "app", "scp": "User.Export.All", "roles": None}, CallerKind.APPLICATION, set()),
        ({"azp": None, "appid": APP_ID, "ver": "1.0"}, CallerKind.APPLICATION, {"User.Export.All"}),
        ({"aud": [AUDIENCE]}, CallerKind.APPLICATION, {"User.Export.All"}),
        ({"nbf": None, "iat": None}, CallerKind.APPLICATION, {"User.Export.All"}),
    ],
    ids=[
        "no idtyp",
        "only scp",
        "two in scp",
        "empty scp",
        "a person's",
        "scp does not count",
        "v1",
        "aud as a list",
        "no nbf",
    ],
)
def test_kind_decides_which_claim_counts(bench: Bench, changes: dict[str, Any], kind: CallerKind, permissions: set[str]) -> None:
    # GRAPH-74, authz D5
    caller = bench.verifier.verify(bench.issuer.token(**changes))
    assert caller is not None
    assert (caller.kind, set(caller.permissions)) == (kind, permissions)


def test_directory_roles_count_for_people_only(bench: Bench) -> None:
    caller = bench.verifier.verify(bench.issuer.person())
    assert caller is not None
    assert caller.directory_roles == {GLOBAL_ADMINISTRATOR}


def test_clocks_may_differ_by_a_minute(bench: Bench) -> None:
    assert bench.verifier.verify(bench.issuer.token(exp=now_s() - SKEW_S + 5)) is not None
    assert bench.verifier.verify(bench.issuer.token(nbf=now_s() + SKEW_S - 5)) is not None


def test_personal_account_is_forbidden_once_it_proved_itself(bench: Bench) -> None:
    # GRAPH-72
    with pytest.raises(Forbidden):
        bench.verifier.verify(bench.issuer.person(tid=PERSONAL_ACCOUNTS, iss=f"https://login.microsoftonline.com/{PERSONAL_ACCOUNTS}/v2.0"))


def test_same_key_does_not_open_another_tenant(bench: Bench) -> None:
    # GRAPH-74: the key isolates nothing, iss and tid must.
    caller = bench.verifier.verify(bench.issuer.token(tid=OTHER_TENANT, iss=other_issuer(bench)))
    assert caller is not None
    assert caller.tenant_id == OTHER_TENANT


@pytest.mark.parametrize(
    "values",
    [[], ["Bearer x", "Bearer x"], ["Basic YTpi"], ["Bearer"], ["Bearer "], ["x"], [""], ["Bearerx y"]],
    ids=str,
)
def test_anything_but_one_bearer_token_is_refused(values: list[str]) -> None:
    with pytest.raises(Unauthenticated):
        parse_authorization(values)


def test_scheme_counts_without_case() -> None:
    assert parse_authorization(["bEaReR abc"]) == "abc"
