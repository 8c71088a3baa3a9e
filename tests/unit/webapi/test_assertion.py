"""What a client signs instead of showing a secret."""

import base64
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from tests.servers.client_key import client_key, pem

from rightful.webapi.assertion import AssertionSettings, Signer, problems

URL = "https://login.contoso.example/token"


def _signer(**said: Any) -> Signer:
    return Signer(AssertionSettings(private_key=client_key().private_key, **said), client_id="rightful", token_url=URL)


def _opened(text: str, algorithm: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Check the signature, and return header and claims."""
    key = jwt.PyJWK(client_key().jwk, algorithm=algorithm)
    opened = jwt.decode_complete(text, key, algorithms=[algorithm], audience=[URL, "https://login.contoso.example"])
    return opened["header"], opened["payload"]


@pytest.mark.parametrize("algorithm", ["PS256", "RS256"])
def test_assertion_says_who_asks_whom_for_five_minutes(algorithm: str) -> None:
    before = int(time.time())
    header, claims = _opened(_signer(algorithm=algorithm).sign(), algorithm)
    assert header == {"alg": algorithm, "typ": "JWT"}
    assert before <= claims["iat"] <= time.time()
    assert claims["nbf"] == claims["iat"] == claims["exp"] - 300
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("rightful", "rightful", URL)


def test_each_assertion_is_another_one() -> None:
    signer = _signer()
    names = {_opened(signer.sign(), "PS256")[1]["jti"] for _ in range(20)}
    assert len(names) == 20


def test_key_is_named_by_its_certificate_and_by_its_id() -> None:
    header, claims = _opened(
        _signer(certificate=client_key().certificate, key_id="2026", audience="https://login.contoso.example").sign(), "PS256"
    )
    assert base64.urlsafe_b64decode(header["x5t#S256"] + "=") == client_key().thumbprint
    assert len(header["x5t#S256"]) == 43
    assert header["kid"] == "2026"
    assert claims["aud"] == "https://login.contoso.example"


def test_one_file_may_hold_certificate_and_key() -> None:
    both = client_key().certificate + client_key().private_key
    said = AssertionSettings(private_key=both, certificate=both)
    assert list(problems(said)) == []
    Signer(said, client_id="rightful", token_url=URL).sign()


CURVE = pem(ec.generate_private_key(ec.SECP256R1()))
ENCRYPTED = pem(rsa.generate_private_key(public_exponent=65537, key_size=2048), b"password")


RSA_OF_RFC_8017, OF_NOBODY = bytes.fromhex("06092a864886f70d010101"), bytes.fromhex("06092a864886f70d01017f")


def _of_an_unknown_kind_of_key() -> str:
    der = base64.b64decode("".join(client_key().certificate.splitlines()[1:-1]))
    assert RSA_OF_RFC_8017 in der
    return f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(der.replace(RSA_OF_RFC_8017, OF_NOBODY)).decode()}\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (AssertionSettings(certificate=client_key().certificate), ("private_key", "is missing")),
        (AssertionSettings(private_key="canary"), ("private_key", "no private key in PEM")),
        (AssertionSettings(private_key="\ud800canary"), ("private_key", "no private key in PEM")),
        (AssertionSettings(private_key=client_key().certificate), ("private_key", "no private key in PEM")),
        (AssertionSettings(private_key=CURVE), ("private_key", "no RSA key")),
        (AssertionSettings(private_key=client_key("short", bits=1024).private_key), ("private_key", "no RSA key of 2,048")),
        (AssertionSettings(private_key=ENCRYPTED), ("private_key", "encrypted")),
        (AssertionSettings(private_key=client_key().private_key, certificate="canary"), ("certificate", "no certificate in PEM")),
        (
            AssertionSettings(private_key=client_key().private_key, certificate=client_key("other").certificate),
            ("certificate", "another key"),
        ),
        (
            AssertionSettings(private_key=client_key().private_key, certificate=_of_an_unknown_kind_of_key()),
            ("certificate", "unknown kind"),
        ),
    ],
)
def test_key_that_cannot_sign_is_named_without_being_shown(said: AssertionSettings, found: tuple[str, str]) -> None:
    [(path, message, hint)] = list(problems(said))
    assert path == (found[0],)
    assert found[1] in message
    assert not any(line in message + hint for line in (*said.private_key.splitlines(), *said.certificate.splitlines()))


def test_neither_settings_nor_signer_show_the_key() -> None:
    assert repr(_signer()) == "Signer()"
    assert repr(AssertionSettings(private_key="canary")) == "AssertionSettings()"
