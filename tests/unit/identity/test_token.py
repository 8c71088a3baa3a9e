"""Hostile tokens: none is ever accepted, and none is ever more than a refusal."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

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
STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


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

    def raw(self, header: bytes, payload: bytes, key: rsa.RSAPrivateKey | None = None) -> str:
        """Sign any bytes as header and payload, correctly."""
        from cryptography.hazmat.primitives.asymmetric import padding
        from cryptography.hazmat.primitives.hashes import SHA256

        signing = b".".join(b64(part) for part in (header, payload))
        signature = (key or self.issuer.key).sign(signing, padding.PKCS1v15(), SHA256())
        return (signing + b"." + b64(signature)).decode()

    def header(self, **changes: Any) -> bytes:
        return json.dumps({"alg": "RS256", "typ": "JWT", "kid": self.issuer.kid} | changes).encode()

    def payload(self, **changes: Any) -> bytes:
        return json.dumps(self.issuer.claims(**changes)).encode()

    def with_member(self, text: str) -> str:
        """Sign a payload with one more member, spelt as given."""
        return self.raw(self.header(), self.payload()[:-1] + b", " + text.encode() + b"}")

    def hmac(self, header: bytes, secret: bytes, digest: str = "sha256") -> str:
        signing = b".".join(b64(part) for part in (header, self.payload()))
        return (signing + b"." + b64(hmac.new(secret, signing, getattr(hashlib, digest)).digest())).decode()

    def pem(self) -> bytes:
        return self.issuer.key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def b64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with SimulatedIssuer(TENANT) as issuer:
        yield Bench(issuer)


def now_s() -> int:
    return int(time.time())


def stranger_jwk() -> dict[str, str]:
    numbers = STRANGER.public_key().public_numbers()
    size = (numbers.n.bit_length() + 7) // 8
    return {"kty": "RSA", "n": b64(numbers.n.to_bytes(size, "big")).decode(), "e": "AQAB", "kid": "own"}


def other_issuer(bench: Bench) -> str:
    return bench.issuer.issuer.replace(TENANT, OTHER_TENANT)


def spelt(bench: Bench, part: int, change: Callable[[str], str]) -> str:
    parts = bench.issuer.token().split(".")
    parts[part] = change(parts[part])
    return ".".join(parts)


HOSTILE: dict[str, Callable[[Bench], str]] = {
    # form
    "empty": lambda _: "",
    "one dot": lambda _: ".",
    "two dots": lambda _: "..",
    "not a JWT": lambda _: "hello",
    "four dots, a JWE": lambda b: b.issuer.token() + ".x.y",
    "no signature": lambda b: b.issuer.token().rpartition(".")[0] + ".",
    "no signature segment": lambda b: b.issuer.token().rpartition(".")[0],
    "too long": lambda b: b.issuer.token(padding="x" * 20_000),
    "not ASCII": lambda b: b.issuer.token() + "é",
    "lone surrogate": lambda b: b.issuer.token() + "\udcff",
    "NUL": lambda b: b.issuer.token() + "\0",
    "padded signature": lambda b: b.issuer.token() + "==",
    "whitespace inside": lambda b: b.issuer.token().replace(".", ". "),
    "plain base64 alphabet": lambda b: spelt(b, 2, lambda text: "+/" + text[2:]),
    "length that no base64 has": lambda b: spelt(b, 2, lambda text: text + "AAA"[: (5 - len(text) % 4) % 4 or 4]),
    "header is no JSON": lambda b: b.raw(b"RS256", b.payload()),
    "header is a list": lambda b: b.raw(b'["RS256"]', b.payload()),
    "header is null": lambda b: b.raw(b"null", b.payload()),
    "header nested deep": lambda b: b.raw(b'{"alg":' + b"[" * 5000 + b"]" * 5000 + b"}", b.payload()),
    "payload is no JSON": lambda b: b.raw(b.header(), b"sub=ann"),
    "payload is empty": lambda b: b.raw(b.header(), b""),
    "payload is a string": lambda b: b.raw(b.header(), b'"claims"'),
    "payload is UTF-16": lambda b: b.raw(b.header(), b.payload().decode().encode("utf-16")),
    "payload is no UTF-8": lambda b: b.raw(b.header(), b.payload() + b"\xff"),
    "payload nested deep": lambda b: b.raw(b.header(), b"[" * 6000),
    "payload with text behind": lambda b: b.raw(b.header(), b.payload() + b"{}"),
    "NaN": lambda b: b.with_member('"x": NaN'),
    "Infinity": lambda b: b.with_member('"x": Infinity'),
    "number of 5000 digits": lambda b: b.with_member('"x": ' + "9" * 5000),
    # duplicate members: every library takes the last one
    "tid twice": lambda b: b.raw(b.header(), b.payload()[:-1] + f', "tid": "{TENANT}"}}'.encode()),
    "tid twice, another tenant first": lambda b: b.raw(b.header(), f'{{"tid": "{OTHER_TENANT}", '.encode() + b.payload()[1:]),
    "roles twice": lambda b: b.with_member('"roles": ["User.Export.All"]'),
    "exp twice": lambda b: b.with_member('"exp": 9999999999'),
    "member twice inside": lambda b: b.with_member('"x": {"a": 1, "a": 2}'),
    "tid twice, escaped": lambda b: b.with_member(f'"t\\u0069d": "{TENANT}"'),
    "alg twice": lambda b: b.raw(b.header()[:-1] + b', "alg": "RS256"}', b.payload()),
    # algorithm
    "alg none": lambda b: jwt.encode(b.issuer.claims(), "", algorithm="none", headers={"kid": b.issuer.kid}),
    "alg None with a signature": lambda b: b.raw(b.header(alg="None"), b.payload()),
    "alg nOnE": lambda b: (b64(b.header(alg="nOnE")) + b"." + b64(b.payload()) + b".").decode(),
    "alg missing": lambda b: b.raw(json.dumps({"typ": "JWT", "kid": b.issuer.kid}).encode(), b.payload()),
    "alg null": lambda b: b.raw(b.header(alg=None), b.payload()),
    "alg a list": lambda b: b.raw(b.header(alg=["RS256"]), b.payload()),
    "alg lower case": lambda b: b.raw(b.header(alg="rs256"), b.payload()),
    "HS256 with the public PEM": lambda b: b.hmac(b.header(alg="HS256"), b.pem()),
    "HS256 with the public DER": lambda b: b.hmac(b.header(alg="HS256"), base64.b64decode(b"".join(b.pem().splitlines()[1:-1]))),
    "HS256 with an empty secret": lambda b: b.hmac(b.header(alg="HS256"), b""),
    "RS256 said, HMAC made": lambda b: b.hmac(b.header(), b.pem()),
    "RS384": lambda b: jwt.encode(b.issuer.claims(), b.issuer.key, algorithm="RS384", headers={"kid": b.issuer.kid}),
    "RS512": lambda b: jwt.encode(b.issuer.claims(), b.issuer.key, algorithm="RS512", headers={"kid": b.issuer.kid}),
    "PS256": lambda b: jwt.encode(b.issuer.claims(), b.issuer.key, algorithm="PS256", headers={"kid": b.issuer.kid}),
    "ES256": lambda b: jwt.encode(
        b.issuer.claims(), ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers={"kid": b.issuer.kid}
    ),
    # keys
    "another's key": lambda b: jwt.encode(b.issuer.claims(), STRANGER, algorithm="RS256", headers={"kid": b.issuer.kid}),
    "unknown kid": lambda b: b.issuer.sign(b.issuer.claims(), kid="unknown"),
    "kid missing": lambda b: b.raw(json.dumps({"alg": "RS256", "typ": "JWT"}).encode(), b.payload()),
    "kid null": lambda b: b.raw(b.header(kid=None), b.payload()),
    "kid a number": lambda b: b.raw(b.header(kid=7), b.payload()),
    "kid a list": lambda b: b.raw(b.header(kid=[b.issuer.kid]), b.payload()),
    "kid a path": lambda b: b.raw(b.header(kid="../../dev/null"), b.payload()),
    "kid SQL": lambda b: b.raw(b.header(kid="x' UNION SELECT 'key"), b.payload()),
    "kid an address": lambda b: b.raw(b.header(kid="https://evil.example/jwk"), b.payload(), STRANGER),
    "embedded jwk": lambda b: b.raw(b.header(jwk=stranger_jwk()), b.payload(), STRANGER),
    "embedded jwk beside the right key": lambda b: b.raw(b.header(jwk=stranger_jwk()), b.payload()),
    "jku": lambda b: b.raw(b.header(jku="https://evil.example/keys"), b.payload()),
    "x5u": lambda b: b.raw(b.header(x5u="https://evil.example/cert"), b.payload()),
    "x5c": lambda b: b.raw(b.header(x5c=["MIIB"]), b.payload()),
    "crit": lambda b: b.raw(b.header(crit=["exp"], exp=1), b.payload()),
    "crit empty": lambda b: b.raw(b.header(crit=[]), b.payload()),
    "b64 false": lambda b: b.raw(b.header(b64=False, crit=["b64"]), b.payload()),
    "zip": lambda b: b.raw(b.header(zip="DEF"), b.payload()),
    "enc": lambda b: b.raw(b.header(enc="A256GCM"), b.payload()),
    "cty JWT: nested": lambda b: b.raw(b.header(cty="JWT"), b.issuer.token().encode()),
    "typ of a logout token": lambda b: b.raw(b.header(typ="logout+jwt"), b.payload()),
    "typ a number": lambda b: b.raw(b.header(typ=1), b.payload()),
    "payload changed": lambda b: spelt(b, 1, lambda _: b64(b.payload(roles=["User.Export.All", "x"])).decode()),
    "header changed": lambda b: spelt(b, 0, lambda _: b64(b.header(typ="at+jwt")).decode()),
    "signature cut": lambda b: spelt(b, 2, lambda text: text[:-4]),
    "signature of zeros": lambda b: spelt(b, 2, lambda _: b64(bytes(256)).decode()),
    # times
    "expired": lambda b: b.issuer.token(exp=now_s() - SKEW_S - 1),
    "exp missing": lambda b: b.issuer.token(exp=None),
    "exp null": lambda b: b.raw(b.header(), b.payload(exp=0).replace(b'"exp": 0', b'"exp": null')),
    "exp a string": lambda b: b.raw(b.header(), b.payload(exp=str(now_s() + 60))),
    "exp true": lambda b: b.raw(b.header(), b.payload(exp=True)),
    "exp 1e400": lambda b: b.raw(b.header(), b.payload(exp=0).replace(b'"exp": 0', b'"exp": 1e400')),
    "exp 10**40": lambda b: b.raw(b.header(), b.payload(exp=10**40)),
    "exp negative": lambda b: b.raw(b.header(), b.payload(exp=-1)),
    "exp a list": lambda b: b.raw(b.header(), b.payload(exp=[now_s() + 60])),
    "nbf ahead": lambda b: b.issuer.token(nbf=now_s() + SKEW_S + 5),
    "nbf a string": lambda b: b.raw(b.header(), b.payload(nbf="0")),
    "iat ahead": lambda b: b.issuer.token(iat=now_s() + SKEW_S + 5),
    "iat an object": lambda b: b.raw(b.header(), b.payload(iat={})),
    # issuer, tenant, audience
    "unknown issuer": lambda b: b.issuer.token(iss="https://evil.example/v2.0"),
    "issuer with a slash more": lambda b: b.issuer.token(iss=b.issuer.issuer + "/"),
    "issuer in upper case": lambda b: b.issuer.token(iss=b.issuer.issuer.upper()),
    "issuer missing": lambda b: b.issuer.token(iss=None),
    "issuer a list": lambda b: b.raw(b.header(), b.payload(iss=[b.issuer.issuer])),
    "issuer of the other tenant": lambda b: b.issuer.token(iss=other_issuer(b)),
    "tid of the other tenant": lambda b: b.issuer.token(tid=OTHER_TENANT),
    "tid of nobody": lambda b: b.issuer.token(tid="33333333-3333-3333-3333-333333333333"),
    "tid missing": lambda b: b.issuer.token(tid=None),
    "tid a list": lambda b: b.issuer.token(tid=[TENANT]),
    "tid padded": lambda b: b.issuer.token(tid=f" {TENANT}"),
    "tid with a line feed": lambda b: b.issuer.token(tid=f"{TENANT}\n"),
    "audience of Graph": lambda b: b.issuer.token(aud="https://graph.microsoft.com"),
    "audience missing": lambda b: b.issuer.token(aud=None),
    "audience alike": lambda b: b.issuer.token(aud=AUDIENCE + "/"),
    "audience one of several": lambda b: b.issuer.token(aud=[AUDIENCE, "https://graph.microsoft.com"]),
    "audience an empty list": lambda b: b.issuer.token(aud=[]),
    "audience an object": lambda b: b.issuer.token(aud={AUDIENCE: True}),
    # who
    "oid missing": lambda b: b.issuer.token(oid=None),
    "oid a number": lambda b: b.issuer.token(oid=7),
    "oid with a slash": lambda b: b.issuer.token(oid="a/b"),
    "oid a lone surrogate": lambda b: b.raw(b.header(), b.payload(oid="OID").replace(b'"OID"', b'"\\ud800"')),
    "oid too long": lambda b: b.issuer.token(oid="a" * 200),
    "azp missing": lambda b: b.issuer.token(azp=None),
    "azp and appid differ": lambda b: b.issuer.token(appid="8b1d0c5e-3c1f-4d0a-9a55-1f8f6f0f2a10"),
    "azp a list": lambda b: b.issuer.token(azp=[APP_ID]),
    "idtyp unknown": lambda b: b.issuer.token(idtyp="device"),
    "idtyp null": lambda b: b.raw(b.header(), b.payload(idtyp="X").replace(b'"X"', b"null")),
    "idtyp a list": lambda b: b.issuer.token(idtyp=["app"]),
    "roles a string": lambda b: b.issuer.token(roles="User.Export.All"),
    "roles with a number": lambda b: b.issuer.token(roles=["User.Export.All", 7]),
    "roles an object": lambda b: b.issuer.token(roles={"User.Export.All": True}),
    "scp a list": lambda b: b.issuer.person(scp=["User.Export.All"]),
    "wids a string": lambda b: b.issuer.person(wids=GLOBAL_ADMINISTRATOR),
    "id token": lambda b: b.issuer.token(azp=None, idtyp=None, nonce="n", aud=AUDIENCE),
    "id token with azp": lambda b: b.issuer.token(idtyp=None, nonce="n"),
    "id token with at_hash": lambda b: b.issuer.person(at_hash="x"),
    "id token by typ": lambda b: b.issuer.token(typ="ID"),
    "logout token": lambda b: b.issuer.token(events={"http://schemas.openid.net/event/backchannel-logout": {}}),
    "personal account, another's key": lambda b: jwt.encode(
        b.issuer.claims(tid=PERSONAL_ACCOUNTS), STRANGER, algorithm="RS256", headers={"kid": b.issuer.kid}
    ),
    "personal account, another audience": lambda b: b.issuer.token(tid=PERSONAL_ACCOUNTS, aud="x"),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_token_is_refused(bench: Bench, make: Callable[[Bench], str]) -> None:
    text = make(bench)
    with pytest.raises(Unauthenticated) as caught:
        bench.verifier.verify(text)
    said = f"{caught.value.message} {caught.value.hint}"
    assert TENANT not in said
    assert OTHER_TENANT not in said
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


def test_es256_signature_in_another_form_is_refused(bench: Bench) -> None:
    verifier = signing(bench.issuer, "ES256")
    signed, _, signature = bench.issuer.sign(bench.issuer.claims(), algorithm="ES256").rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    forms = {
        "DER": encode_dss_signature(r, s),
        "zeros": bytes(64),
        "r zero": bytes(32) + raw[32:],
        "s zero": raw[:32] + bytes(32),
        "both the order": order.to_bytes(32, "big") * 2,
        "swapped": raw[32:] + raw[:32],
        "padded": raw + b"\0",
        "cut": raw[:-1],
        "as P-521": bytes(34) + raw[:32] + bytes(34) + raw[32:],
    }
    for form in forms.values():
        with pytest.raises(Unauthenticated):
            verifier.verify(f"{signed}.{b64(form).decode()}")


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
