"""What a client signs instead of showing a secret: an assertion by its private key (RFC 7523 2.2; OpenID Connect's `private_key_jwt`).

The key is shown to nobody (workers of a cluster get it sealed, as they get every secret), and what is sent is of use for five minutes,
at one endpoint.
"""

import base64
import time
import uuid
from collections.abc import Iterator
from typing import Literal

import jwt
import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from rightful.setting_problem import SettingProblem

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LIFE_S = 300
_LEAST_BITS = 2048  # RFC 7518 3.3, 3.5
_AS_PEM = "name its PEM file by {file: PATH}"
_AS_A_PAIR = "name the certificate and the key that were made together"


class AssertionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a client proves who it is by a private key, which the endpoint knows the public part of."""

    private_key: str = ""
    """An RSA key in PEM, without a password, by `{file: PATH}`; in place of client_secret."""
    certificate: str = ""
    """Its certificate in PEM, by `{file: PATH}`, where the endpoint tells keys by it (`x5t#S256`): Microsoft Entra does."""
    key_id: str = ""
    """The key's name (`kid`), where the endpoint tells keys by that."""
    algorithm: Literal["PS256", "RS256"] = "PS256"
    """How it signs; `RS256` for endpoints that know no other."""
    audience: str = ""
    """Whom the assertion is for, where the endpoint wants its issuer named; left out: `token_url`."""

    def __repr__(self) -> str:
        """Leave everything out: there is a secret in it."""
        return "AssertionSettings()"


class Signer:
    """Signs assertions of one client for one endpoint."""

    def __init__(self, settings: AssertionSettings, *, client_id: str, token_url: str) -> None:
        self._key = _key(settings.private_key)
        self._algorithm = settings.algorithm
        self._claims = {"iss": client_id, "sub": client_id, "aud": settings.audience or token_url}
        self._headers = {"kid": settings.key_id} if settings.key_id else {}
        if settings.certificate:
            digest = _certificate(settings.certificate).fingerprint(hashes.SHA256())
            self._headers["x5t#S256"] = base64.urlsafe_b64encode(digest).decode().rstrip("=")  # RFC 7515 4.1.8

    def __repr__(self) -> str:
        """Leave everything out: it holds a private key."""
        return "Signer()"

    def sign(self) -> str:
        """Return an assertion that nobody had before, for now."""
        now = int(time.time())
        claims = {**self._claims, "jti": str(uuid.uuid4()), "iat": now, "nbf": now, "exp": now + _LIFE_S}
        return jwt.encode(claims, self._key, algorithm=self._algorithm, headers=self._headers)


def problems(said: AssertionSettings) -> Iterator[SettingProblem]:
    """Yield what is wrong with a key and its certificate."""
    public: rsa.RSAPublicKey | None = None
    if not said.private_key:
        yield ("private_key",), "is missing", _AS_PEM
    else:
        try:
            public = _key(said.private_key).public_key()
        except ValueError as error:
            yield ("private_key",), str(error), _AS_PEM
    if said.certificate:
        try:
            certified = _certificate(said.certificate).public_key()
        except ValueError as error:
            yield ("certificate",), str(error), _AS_PEM
        except UnsupportedAlgorithm:
            yield ("certificate",), "is of a key of an unknown kind", _AS_A_PAIR
        else:
            if public is not None and certified != public:
                yield ("certificate",), "belongs to another key", _AS_A_PAIR


def _key(text: str) -> rsa.RSAPrivateKey:
    """Return the key; raises `ValueError` with what is wrong, and nothing of the text."""
    try:
        key = serialization.load_pem_private_key(text.encode(), password=None)
    except TypeError:
        raise ValueError("is encrypted, and no password is asked for") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("is no private key in PEM") from None
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < _LEAST_BITS:
        raise ValueError("is no RSA key of 2,048 bits or more")
    return key


def _certificate(text: str) -> x509.Certificate:
    """Return the first certificate; raises `ValueError` with what is wrong."""
    try:
        return x509.load_pem_x509_certificate(text.encode())
    except ValueError:
        raise ValueError("is no certificate in PEM") from None
