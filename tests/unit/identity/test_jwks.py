"""What an issuer publishes: which of its keys count, and for what."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from rightful.identity.jwks import parse_discovery, parse_jwks
from rightful.testing.issuer import SimulatedIssuer


@pytest.fixture(scope="module")
def issuer() -> Iterator[SimulatedIssuer]:
    with SimulatedIssuer("11111111-1111-1111-1111-111111111111") as simulated:
        yield simulated


def number(value: int) -> str:
    return base64.urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).decode().rstrip("=")


def usable(*entries: Any) -> set[tuple[str, str]]:
    return set(parse_jwks(json.dumps({"keys": entries}).encode()))


def test_keys_count_for_the_algorithms_of_their_family(issuer: SimulatedIssuer) -> None:
    found = parse_jwks(issuer.jwks())
    assert found.keys() == {(issuer.kid, "RS256"), (issuer.kid, "PS256"), (issuer.curve_kid, "ES256")}
    assert found[issuer.kid, "PS256"] == issuer.key.public_key()
    assert found[issuer.curve_kid, "ES256"] == issuer.curve_key.public_key()


def test_key_that_says_its_algorithm_counts_for_that_one_alone(issuer: SimulatedIssuer) -> None:
    assert usable(issuer.jwk() | {"alg": "PS256"}) == {(issuer.kid, "PS256")}
    assert usable(issuer.jwk() | {"alg": "RS256"}) == {(issuer.kid, "RS256")}


def test_unusable_keys_are_passed_over(issuer: SimulatedIssuer) -> None:
    good, curve = issuer.jwk(), issuer.curve_jwk()
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key().public_numbers()
    entries: list[Any] = [
        7,
        {},
        good | {"kid": "encryption", "use": "enc"},
        good | {"kid": "for encryption only", "key_ops": ["encrypt"]},
        good | {"kid": "operations no list", "key_ops": "verify"},
        good | {"kid": "other algorithm", "alg": "RS512"},
        good | {"kid": "algorithm of another family", "alg": "ES256"},
        good | {"kid": "algorithm null", "alg": None},
        good | {"kid": "private", "d": "AQAB"},
        good | {"kid": "broken", "n": "%%%"},
        good | {"kid": "number", "n": 7},
        good | {"kid": "small", "n": number(small.n)},
        good | {"kid": "even exponent", "e": "Ag"},
        good | {"kid": "family no text", "kty": ["RSA"]},
        good | {"kid": "RSA said to be EC", "kty": "EC"},
        good | {"kid": 7},
        good | {"kid": ""},
        curve | {"kid": "point cut", "x": "AA", "y": "AA"},
        curve | {"kid": "point off the curve", "y": curve["x"]},
        curve | {"kid": "other curve", "crv": "P-384"},
        curve | {"kid": "secp256k1", "crv": "secp256k1"},
        curve | {"kid": "RSA's algorithm", "alg": "RS256"},
        curve | {"kid": "private curve", "d": "AQAB"},
        {"kty": "oct", "kid": "secret", "k": "AAAA"},
        {"kty": "OKP", "kid": "edwards", "crv": "Ed25519", "x": curve["x"]},
        good,
        curve,
    ]
    assert usable(*entries) == set(parse_jwks(issuer.jwks()))


def test_id_that_names_two_keys_for_one_algorithm_names_none(issuer: SimulatedIssuer) -> None:
    other = number(rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key().public_numbers().n)
    assert usable(issuer.jwk(), issuer.jwk() | {"n": other}) == set()
    assert usable(issuer.jwk() | {"alg": "RS256"}, issuer.jwk() | {"n": other}) == {(issuer.kid, "PS256")}


def test_key_of_each_family_may_have_the_same_id(issuer: SimulatedIssuer) -> None:
    assert usable(issuer.jwk() | {"kid": "x"}, issuer.curve_jwk() | {"kid": "x"}) == {("x", "RS256"), ("x", "PS256"), ("x", "ES256")}


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://other.example", "jwks_uri": "https://idp.example/keys"},
        {"jwks_uri": "https://idp.example/keys"},
        {"issuer": "https://idp.example", "jwks_uri": "http://idp.example/keys"},
        {"issuer": "https://idp.example", "jwks_uri": "file:///etc/passwd"},
        {"issuer": "https://idp.example", "jwks_uri": 7},
        {"issuer": "https://idp.example"},
    ],
    ids=str,
)
def test_discovery_of_another_issuer_or_without_https_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="discovery document"):
        parse_discovery(json.dumps(document).encode(), "https://idp.example")
