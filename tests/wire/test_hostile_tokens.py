"""Hostile tokens over real HTTP, with joserfc as an oracle: what it refuses, we refuse; where we are stricter is written down here."""

import http.client
import json
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from tests.wire import crafted_tokens
from tests.wire.crafted_tokens import CANARY, Forge
from tests.wire.running import listening
from tests.wire.world import OTHER_TENANT, SUBJECTS, TENANT, make_config

from rightful.config.model import IdentitySettings, IssuerSettings
from rightful.identity.model import Algorithm
from rightful.ids import TenantId
from rightful.testing.issuer import AUDIENCE, SimulatedIssuer
from rightful.testing.memory_exports import MemoryExports

ALGORITHMS: dict[TenantId, tuple[Algorithm, ...]] = {TENANT: ("RS256", "ES256"), OTHER_TENANT: ("PS256",)}
CHALLENGE = re.compile(r'Bearer realm="", authorization_uri="https://[^"]+"')

STRICTER = {
    r"headers: (crit|b64|cty|jku|x5u|x5c)": "what asks a reader to do something is refused, whether it is known or not",
    r"headers: typ ": "only an access token's typ counts",
    r"(headers: header|payloads: payload): (\w+ twice|member twice)": "a member that is given twice can be read in two ways (RFC 8725 2.4)",
    r"(headers: header|payloads: payload): UTF-(16|32)": "JSON between systems is UTF-8 (RFC 8259 8.1)",
    r"payloads: payload: (NaN|Infinity)": "which no JSON has (RFC 8259 6)",
    r"forms: too long": "a token has at most 16 KiB",
    r"times: (exp in milliseconds|exp 10 to 40|exp 1e300|nbf negative)": "that is no date",
    r"places: tid a list": "a token is of one tenant",
    r"places: aud (one of two|the second of two|twice)": "a token for several services can be used by one of them at another",
    r"callers: ": "claims that only Entra's tokens have, and what tells an id token from an access token",
}
"""Where we refuse what joserfc takes, and why: patterns of names."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    status: int
    challenge: str
    raw: bytes
    """Headers and body."""


class Asked:
    """The service on a socket, asked with tokens of any bytes."""

    def __init__(self, port: int, issuer: SimulatedIssuer) -> None:
        self.forge = Forge(issuer)
        self.issuers = {TENANT: issuer.issuer, OTHER_TENANT: issuer.issuer.replace(TENANT, OTHER_TENANT)}
        self.keys = KeySet.import_key_set(json.loads(issuer.jwks()))
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)

    def ask(self, token: str) -> Answer:
        connection = self._connection
        connection.putrequest("GET", "/v1.0/dataPolicyOperations")
        connection.putheader("Authorization", b"Bearer " + token.encode("utf-8", "surrogatepass"))
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read()
        return Answer(status=answer.status, challenge=answer.headers.get("www-authenticate", ""), raw=bytes(answer.headers) + body)

    def oracle_accepts(self, token: str) -> bool:
        """Say whether joserfc takes the token for one of the tenants, given the right keys, algorithms and claims."""
        return any(self._oracle_accepts(token, tenant_id) for tenant_id in self.issuers)

    def _oracle_accepts(self, token: str, tenant_id: TenantId) -> bool:
        rules = jwt.JWTClaimsRegistry(
            leeway=60,
            iss={"essential": True, "value": self.issuers[tenant_id]},
            aud={"essential": True, "value": AUDIENCE},
            tid={"essential": True, "value": tenant_id},
            exp={"essential": True},
            oid={"essential": True},
        )
        try:
            rules.validate(jwt.decode(token, self.keys, algorithms=ALGORITHMS[tenant_id]).claims)
        except Exception:  # noqa: BLE001 - a library that breaks has not accepted
            return False
        return True

    def close(self) -> None:
        self._connection.close()


@contextmanager
def asked() -> Iterator[Asked]:
    with SimulatedIssuer(TENANT) as issuer:
        config = make_config({TENANT: [], OTHER_TENANT: []})
        tenants = []
        for tenant in config.tenants:
            name = issuer.issuer.replace(TENANT, tenant.id)
            trusted = IssuerSettings(issuer=name, audience=(AUDIENCE,), jwks_uri=issuer.jwks_uri, algorithms=ALGORITHMS[tenant.id])
            tenants.append(msgspec.structs.replace(tenant, identity=IdentitySettings(issuers=(trusted,))))
        with listening(msgspec.structs.replace(config, tenants=tuple(tenants)), MemoryExports(SUBJECTS)) as server:
            made = Asked(server.port, issuer)
            try:
                yield made
            finally:
                made.close()


@pytest.fixture(scope="module")
def service() -> Iterator[Asked]:
    with asked() as made:
        yield made


def is_shown(token: str, where: bytes) -> bool:
    parts = [part.encode("utf-8", "surrogatepass") for part in [token, *token.split(".")] if len(part) > 12]
    return CANARY.encode() in where or any(part in where for part in parts)


def problem(token: str, answer: Answer) -> str:
    """Return what is wrong with the answer to a token that is not good, "" if nothing."""
    if answer.status != 401:
        return f"answered {answer.status}"
    if not CHALLENGE.fullmatch(answer.challenge):
        return f"challenged with {answer.challenge}"
    if b"InvalidAuthenticationToken" not in answer.raw:
        return "has another code"
    if TENANT.encode() in answer.raw or OTHER_TENANT.encode() in answer.raw:
        return "names a tenant"
    return "shows the token" if is_shown(token, answer.raw) else ""


def test_no_hostile_token_is_accepted_or_shown(service: Asked, capfd: pytest.CaptureFixture[str]) -> None:
    made = crafted_tokens.hostile(service.forge)
    assert len(made) >= 200
    assert len(set(made.values())) > 0.98 * len(made)
    wrong = {name: found for name, token in made.items() if (found := problem(token, service.ask(token)))}
    assert not wrong
    logged = "".join(capfd.readouterr()).encode()
    assert not [name for name, token in made.items() if is_shown(token, logged)]


def test_we_are_stricter_than_the_oracle_only_where_it_is_written_down(service: Asked) -> None:
    taken = [name for name, token in crafted_tokens.hostile(service.forge).items() if service.oracle_accepts(token)]
    assert not [name for name in taken if not any(re.match(pattern, name) for pattern in STRICTER)]
    assert not [pattern for pattern in STRICTER if not any(re.match(pattern, name) for name in taken)]


def test_every_good_token_is_accepted_by_both(service: Asked) -> None:
    made = crafted_tokens.good(service.forge)
    assert len(made) >= 35
    assert not {name: answer for name, token in made.items() if (answer := service.ask(token)).status != 200}
    assert not [name for name, token in made.items() if not service.oracle_accepts(token)]


def changed(token: str, rng: random.Random) -> str:
    """Change a token somewhere: a character, a bit of a decoded segment, a piece cut out, doubled or moved."""
    at, to = sorted(rng.sample(range(len(token)), 2))
    match rng.randrange(6):
        case 0:
            return token[:at] + rng.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ ") + token[at + 1 :]
        case 1:
            return token[:at] + token[to:]
        case 2:
            return token[:to] + token[at:]
        case 3:
            return token[to:] + token[:to]
        case 4:
            return token[:at]
        case _:
            parts = token.split(".")
            number = rng.randrange(3)
            raw = bytearray(crafted_tokens.unb64(parts[number]))
            raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
            parts[number] = crafted_tokens.b64(bytes(raw))
            return ".".join(parts)


def test_no_change_of_a_good_token_is_accepted(service: Asked) -> None:
    rng = random.Random(7515)
    made = [token for token in crafted_tokens.good(service.forge).values() for _ in range(12)]
    tokens = [(token, other) for token in made if (other := changed(token, rng)) != token]
    assert len(tokens) > 400
    assert not [other for _, other in tokens if problem(other, service.ask(other))]


@pytest.mark.parametrize("letter", ["\0", "\x01", "\x7f"], ids=repr)
def test_token_with_a_control_character_is_no_http(service: Asked, letter: str) -> None:
    good = service.forge.good()
    for token in (letter + good, good[:50] + letter + good[50:], good + letter):
        answer = service.ask(token)
        assert answer.status in {400, 401}
        assert not is_shown(token, answer.raw)
