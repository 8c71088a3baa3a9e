"""A certified OpenID provider (npm `oidc-provider`) that serves two tenants with the same keys; started on loopback, ended by its pid."""

import base64
import hashlib
import http.client
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from tests.servers.port import free_port

from rightful.identity.model import Algorithm
from rightful.identity.permissions import GLOBAL_ADMINISTRATOR

TENANTS = ("11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222")
AUDIENCE = "https://rightful.contoso.example"
EXPORTER = "7b1d0c5e-3c1f-4d0a-9a55-1f8f6f0f2a10"
ANN = "aaaaaaaa-0000-4000-8000-000000000001"

_PROGRAM = Path(__file__).with_name("oidc_provider.mjs")
_PACKAGE = _PROGRAM.parent / "node_modules" / "oidc-provider"
_SIGNED_IN = "http://127.0.0.1/signed-in"


class OidcProvider:
    """Two issuers, one for each of TENANTS, in one process; it can be killed, started again, and given new keys."""

    def __init__(self) -> None:
        self.port = free_port()
        self.algorithm: Algorithm = "RS256"
        self.signers: dict[str, dict[str, Any]] = {}
        """Clients that prove by a private key who they are: `jwk`, the public part, and `alg`."""
        self._process: subprocess.Popen[bytes] | None = None
        self.new_keys()

    def issuer(self, tenant_id: str) -> str:
        return f"http://127.0.0.1:{self.port}/{tenant_id}/v2.0"

    def new_keys(self) -> None:
        """Sign with other keys from the next start on, and publish those alone."""
        rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        curve_key = ec.generate_private_key(ec.SECP256R1())
        jwks = [RSAAlgorithm.to_jwk(rsa_key, as_dict=True), ECAlgorithm.to_jwk(curve_key, as_dict=True)]
        self._jwks = [{name: value for name, value in jwk.items() if name != "key_ops"} | {"kid": secrets.token_hex(8)} for jwk in jwks]

    def private_jwk(self, family: str) -> dict[str, Any]:
        """Return the private key of a family (`RSA`, `EC`) that both issuers sign with."""
        return next(jwk for jwk in self._jwks if jwk["kty"] == family)

    def start(self) -> None:
        """Start it, on the same port each time; returns once it listens."""
        asked = {
            "port": self.port,
            "tenants": TENANTS,
            "jwks": {"keys": self._jwks},
            "algorithm": self.algorithm,
            "audience": AUDIENCE,
            "signers": self.signers,
            "apps": {EXPORTER: {"oid": EXPORTER, "roles": ["User.Export.All"]}},
            "people": {ANN: {"wids": [GLOBAL_ADMINISTRATOR]}},
        }
        environ = {"PATH": os.environ["PATH"], "NODE_NO_WARNINGS": "1"}
        process = subprocess.Popen(
            ["node", str(_PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environ
        )
        self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        with process.stdin as sink:
            sink.write(json.dumps(asked).encode())
        while (line := process.stdout.readline()) != b"listening\n":
            assert line, "the provider ended at once"

    def kill(self) -> None:
        """End it at once; it may be dead already."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def application_token(self, tenant_id: str) -> str:
        """Return a token by the client credentials grant (RFC 6749 4.4) for this service (RFC 8707)."""
        form = {"grant_type": "client_credentials", "client_id": EXPORTER, "client_secret": "secret", "resource": AUDIENCE}
        return str(self._token(tenant_id, form)["access_token"])

    def tokens_of_ann(self, tenant_id: str) -> dict[str, Any]:
        """Return what the code flow with PKCE (RFC 7636) gives to an app in which Ann signs in: `access_token` and `id_token`."""
        verifier = secrets.token_urlsafe(48)
        asked = {
            "client_id": "portal",
            "response_type": "code",
            "redirect_uri": _SIGNED_IN,
            "scope": "openid User.Export.All",
            "resource": AUDIENCE,
            "code_challenge": base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        code = self._sign_in(f"{self.issuer(tenant_id)}/auth?{urlencode(asked)}")
        form = {
            "grant_type": "authorization_code",
            "client_id": "portal",
            "code": code,
            "redirect_uri": _SIGNED_IN,
            "code_verifier": verifier,
        }
        return self._token(tenant_id, form)

    def _sign_in(self, url: str) -> str:
        """Do what a browser would: follow, keep cookies, fill in the forms for signing in and for consenting."""
        cookies: SimpleCookie = SimpleCookie()
        forms: list[dict[str, str]] = [{"prompt": "login", "login": ANN, "password": "any"}, {"prompt": "consent"}]
        for _ in range(12):
            status, headers, _ = self._call("GET", url, cookies=cookies)
            if status == 200:
                status, headers, _ = self._call("POST", url, cookies=cookies, form=forms.pop(0))
            assert status in {302, 303}, status
            url = urljoin(url, headers["location"])
            if url.startswith(_SIGNED_IN):
                return parse_qs(urlsplit(url).query)["code"][0]
        raise AssertionError("signing in does not end")

    def _token(self, tenant_id: str, form: dict[str, str]) -> dict[str, Any]:
        status, _, body = self._call("POST", f"{self.issuer(tenant_id)}/token", form=form)
        assert status == 200, body
        answer: dict[str, Any] = json.loads(body)
        return answer

    def _call(
        self, method: str, url: str, *, cookies: SimpleCookie | None = None, form: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        jar = SimpleCookie() if cookies is None else cookies
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
        if jar:
            headers["Cookie"] = "; ".join(f"{name}={morsel.value}" for name, morsel in jar.items() if morsel.value)
        try:
            connection.request(method, url.removeprefix(f"http://127.0.0.1:{self.port}"), urlencode(form or {}), headers)
            answer = connection.getresponse()
            for value in answer.headers.get_all("set-cookie", []):
                jar.load(value)
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()


@pytest.fixture
def provider() -> Iterator[OidcProvider]:
    """A provider that a test starts; it is dead afterwards. Tests that use it are marked `node`."""
    if not _PACKAGE.exists() or shutil.which("node") is None:
        pytest.skip("oidc-provider is not installed: `make test` installs it")
    made = OidcProvider()
    try:
        yield made
    finally:
        made.kill()
