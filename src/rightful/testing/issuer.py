"""A token issuer in this process: an RSA key and one on P-256, their JWKS and a discovery document over HTTP on loopback."""

import base64
import hashlib
import http.server
import json
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from rightful.identity.model import Algorithm
from rightful.identity.permissions import GLOBAL_ADMINISTRATOR

AUDIENCE = "api://rightful"
APP_ID = "7b1d0c5e-3c1f-4d0a-9a55-1f8f6f0f2a10"
OBJECT_ID = "0d9c1a34-6f0e-4b7a-8b60-2f4f7f6a9c21"


def _number(value: int, size: int = 0) -> str:
    return base64.urlsafe_b64encode(value.to_bytes(size or (value.bit_length() + 7) // 8, "big")).decode().rstrip("=")


def _kid(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()[:16]


class SimulatedIssuer:
    """Signs tokens and serves the key that they are signed with; a context manager.

    `answers` maps a path to the status and body that are served there: change it to make the issuer fail.
    `requests` lists the paths that were asked for. While `answering` is not set, it takes connections and says nothing.
    """

    def __init__(self, tenant_id: str) -> None:
        self.tenant_id = tenant_id
        self._make_keys()
        self.requests: list[str] = []
        self.answering = threading.Event()
        self.answering.set()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append(self.path)
                outer.answering.wait(60)
                status, body = outer.answers.get(self.path, (404, b""))
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", body.decode())
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.base = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.issuer = f"{self.base}/{tenant_id}/v2.0"
        self.jwks_uri = f"{self.base}/keys"
        discovery = {"issuer": self.issuer, "jwks_uri": self.jwks_uri}
        self.answers: dict[str, tuple[int, bytes]] = {
            "/keys": (200, self.jwks()),
            f"/{tenant_id}/v2.0/.well-known/openid-configuration": (200, json.dumps(discovery).encode()),
        }

    def _make_keys(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.kid = _kid(self.key.public_key().public_numbers().n)
        self.curve_key = ec.generate_private_key(ec.SECP256R1())
        self.curve_kid = _kid(self.curve_key.public_key().public_numbers().x)

    def jwk(self) -> dict[str, str]:
        """Return the public RSA key as a JWK; without `alg`, so that it checks RS256 and PS256."""
        numbers = self.key.public_key().public_numbers()
        return {"kty": "RSA", "use": "sig", "kid": self.kid, "n": _number(numbers.n), "e": _number(numbers.e)}

    def jwks(self) -> bytes:
        """Return the set of keys."""
        return json.dumps({"keys": [self.jwk(), self.curve_jwk()]}).encode()

    def curve_jwk(self) -> dict[str, str]:
        """Return the public key on P-256 as a JWK."""
        numbers = self.curve_key.public_key().public_numbers()
        point = {"crv": "P-256", "x": _number(numbers.x, 32), "y": _number(numbers.y, 32)}
        return {"kty": "EC", "use": "sig", "alg": "ES256", "kid": self.curve_kid} | point

    def rotate(self) -> None:
        """Sign with other keys from now on, and serve those alone."""
        self._make_keys()
        self.answers["/keys"] = (200, self.jwks())

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return the claims of an application token in the v2 form, with changes; a claim that is set to None is left out."""
        now_s = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "tid": self.tenant_id,
            "oid": OBJECT_ID,
            "sub": OBJECT_ID,
            "azp": APP_ID,
            "ver": "2.0",
            "idtyp": "app",
            "roles": ["User.Export.All"],
            "iat": now_s,
            "nbf": now_s,
            "exp": now_s + 3600,
        }
        return {name: value for name, value in (claims | changes).items() if value is not None}

    def sign(self, claims: Mapping[str, Any], *, algorithm: Algorithm = "RS256", **headers: Any) -> str:
        """Return a signed token with exactly these claims."""
        payload = json.dumps(dict(claims)).encode()  # not `jwt.encode`, which refuses claims that a hostile token would have
        key, kid = (self.curve_key, self.curve_kid) if algorithm == "ES256" else (self.key, self.kid)
        return jwt.PyJWS().encode(payload, key, algorithm=algorithm, headers={"kid": kid} | headers)

    def token(self, **changes: Any) -> str:
        """Return an application token that may export users, with changed claims."""
        return self.sign(self.claims(**changes))

    def person(self, **changes: Any) -> str:
        """Return a delegated token of a global administrator who may export users, with changed claims."""
        delegated = {"idtyp": "user", "roles": None, "scp": "User.Export.All", "wids": [GLOBAL_ADMINISTRATOR]}
        return self.token(**(delegated | changes))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.answering.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
