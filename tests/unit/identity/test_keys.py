"""Signing keys: fetched once, kept while the issuer is down, asked for again only now and then."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rightful import certificate
from rightful.config.model import Config, DirectoryConfig, GraphSettings, IdentitySettings, IssuerSettings, TenantConfig
from rightful.errors import IssuerUnavailable, Unauthenticated
from rightful.graph.authentication import build_verifier
from rightful.identity import document
from rightful.identity.keys import REFETCH_S, REFRESH_S, STALE_S, FetchedKeys
from rightful.identity.model import Caller
from rightful.identity.token import SKEW_S, TrustedIssuer
from rightful.identity.verifier import CACHE_ENTRIES, CACHE_S, Trust, Verifier
from rightful.ids import TenantId
from rightful.testing.issuer import AUDIENCE, SimulatedIssuer

TENANT = TenantId("11111111-1111-1111-1111-111111111111")
OTHER_TENANT = TenantId("22222222-2222-2222-2222-222222222222")


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.passed_s = 0.0
        self.start = datetime.now(UTC)

    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.passed_s)

    def monotonic(self) -> float:
        return self.passed_s

    def sleep(self, duration_s: float) -> None:
        self.passed_s += duration_s


@pytest.fixture
def issuer() -> Iterator[SimulatedIssuer]:
    with SimulatedIssuer(TENANT) as simulated:
        yield simulated


def verifier(issuer: SimulatedIssuer, clock: Clock, *, jwks_uri: str | None = None) -> Verifier:
    fetched = FetchedKeys(issuer.issuer, issuer.jwks_uri if jwks_uri is None else jwks_uri, clock)
    return Verifier({TENANT: [Trust(issuer=TrustedIssuer(issuer=issuer.issuer, audiences=frozenset({AUDIENCE})), keys=fetched)]}, clock)


def test_keys_are_found_by_discovery(issuer: SimulatedIssuer) -> None:
    assert verifier(issuer, Clock(), jwks_uri="").verify(issuer.token()) is not None
    assert issuer.requests == [f"/{TENANT}/v2.0/.well-known/openid-configuration", "/keys"]


def test_first_token_cannot_be_verified_without_blocking(issuer: SimulatedIssuer) -> None:
    checker = verifier(issuer, Clock())
    assert not isinstance(checker.try_verify(issuer.token()), Caller)
    assert not issuer.requests
    assert checker.verify(issuer.token()) is not None
    assert isinstance(checker.try_verify(issuer.token(uti="another")), Caller)
    assert issuer.requests == ["/keys"]


def test_invented_key_ids_cost_the_issuer_one_request_in_thirty_seconds(issuer: SimulatedIssuer) -> None:
    clock = Clock()
    checker = verifier(issuer, clock)
    checker.verify(issuer.token())
    for number in range(50):
        clock.passed_s += 1
        with pytest.raises(Unauthenticated):
            checker.verify(issuer.sign(issuer.claims(), kid=f"invented-{number}"))
    assert len(issuer.requests) == 1 + 50 // REFETCH_S


def test_invented_key_ids_from_many_threads_cost_one_request_too(issuer: SimulatedIssuer) -> None:
    clock = Clock()
    checker = verifier(issuer, clock)
    invented = [issuer.sign(issuer.claims(), kid=f"invented-{number}") for number in range(64)]

    def is_refused(text: str) -> bool:
        with pytest.raises(Unauthenticated):
            checker.verify(text)
        return True

    for asked in (1, 2):
        with ThreadPoolExecutor(16) as threads:
            assert all(threads.map(is_refused, invented))
        assert len(issuer.requests) == asked
        clock.passed_s += REFETCH_S


def tenants(trusted: dict[TenantId, list[IssuerSettings]], clock: Clock) -> Verifier:
    """Return what the service makes of a configuration with these tenants."""

    def tenant(tenant_id: TenantId) -> TenantConfig:
        return TenantConfig(
            id=tenant_id,
            name=tenant_id,
            identity=IdentitySettings(issuers=tuple(trusted[tenant_id])),
            directory=DirectoryConfig(connector="sql", settings=GraphSettings()),
            sources=(),
        )

    config = Config(folder=Path("/nonexistent"), seal_key=bytes(32), tenants=tuple(map(tenant, trusted)))
    return build_verifier(config, clock)


@pytest.mark.parametrize("discovered", [False, True])
def test_tenants_that_share_an_issuers_keys_cost_it_one_request(issuer: SimulatedIssuer, *, discovered: bool) -> None:
    # GRAPH-74: the v1 and the v2 issuer of a tenant, and of all tenants of Entra, have the same keys.
    def settings(name: str) -> IssuerSettings:
        return IssuerSettings(issuer=name, audience=(AUDIENCE,), jwks_uri="" if discovered else issuer.jwks_uri)

    names = [issuer.issuer] if discovered else [issuer.issuer, "https://sts.windows.net/x/"]
    checker = tenants({TENANT: [settings(name) for name in names], OTHER_TENANT: [settings(name) for name in names]}, Clock())
    for tenant_id in (TENANT, OTHER_TENANT):
        for name in names:
            assert checker.verify(issuer.token(tid=tenant_id, iss=name)).tenant_id == tenant_id
            with pytest.raises(Unauthenticated):
                checker.verify(issuer.sign(issuer.claims(tid=tenant_id, iss=name), kid="invented"))
    assert len(issuer.requests) == (2 if discovered else 1)


def test_new_key_is_found_when_the_issuer_rotates(issuer: SimulatedIssuer) -> None:
    clock = Clock()
    checker = verifier(issuer, clock, jwks_uri="")
    checker.verify(issuer.token())
    issuer.rotate()
    with pytest.raises(Unauthenticated, match="signing key"):
        checker.verify(issuer.token())
    clock.passed_s += REFETCH_S
    assert checker.verify(issuer.token()) is not None


def test_token_of_a_withdrawn_key_is_forgotten_with_it(issuer: SimulatedIssuer) -> None:
    clock = Clock()
    checker = verifier(issuer, clock)
    old = issuer.token()
    checker.verify(old)
    issuer.rotate()
    clock.passed_s += REFETCH_S
    assert checker.verify(old) is not None  # nobody has asked yet, and it was verified a moment ago
    checker.verify(issuer.token())
    with pytest.raises(Unauthenticated, match="signing key"):
        checker.verify(old)


def test_all_keys_may_be_withdrawn(issuer: SimulatedIssuer) -> None:
    clock = Clock()
    checker = verifier(issuer, clock)
    checker.verify(issuer.token())
    issuer.answers["/keys"] = (200, b'{"keys": []}')
    clock.passed_s += STALE_S
    with pytest.raises(Unauthenticated, match="signing key"):
        checker.verify(issuer.token())


def wait_for_requests(issuer: SimulatedIssuer, count: int) -> None:
    deadline = time.monotonic() + 20
    while len(issuer.requests) < count:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def verify_for_long(checker: Verifier, text: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        checker.verify(text)


def test_keys_are_asked_for_again_behind_the_calls(issuer: SimulatedIssuer) -> None:
    clock = Clock()
    checker = verifier(issuer, clock)
    old = issuer.token(exp=2**33)
    checker.verify(old)
    issuer.rotate()
    issuer.answering.clear()
    clock.passed_s += REFRESH_S
    assert checker.verify(old) is not None  # at once: the issuer has not answered yet
    assert checker.verify(old) is not None
    wait_for_requests(issuer, 2)
    issuer.answering.set()
    with pytest.raises(Unauthenticated, match="signing key"):
        verify_for_long(checker, old)
    assert len(issuer.requests) == 2


def test_known_keys_count_while_the_issuer_is_down(issuer: SimulatedIssuer) -> None:
    clock = Clock()
    checker = verifier(issuer, clock)
    checker.verify(issuer.token())
    issuer.answers["/keys"] = (500, b"")
    clock.passed_s += STALE_S
    assert checker.verify(issuer.token(exp=2**33)) is not None
    assert len(issuer.requests) == 2
    issuer.answering.clear()
    clock.passed_s += REFETCH_S
    assert isinstance(checker.try_verify(issuer.token(exp=2**33, uti="at once")), Caller)  # it is asked behind the calls from now on
    wait_for_requests(issuer, 3)


def test_issuer_that_is_down_at_the_start_is_asked_again(issuer: SimulatedIssuer) -> None:
    clock = Clock()
    checker = verifier(issuer, clock, jwks_uri="")
    answers, issuer.answers = issuer.answers, {}
    for _ in range(3):
        with pytest.raises(IssuerUnavailable):
            checker.verify(issuer.token())
    assert len(issuer.requests) == 1
    issuer.answers = answers
    clock.passed_s += REFETCH_S
    assert checker.verify(issuer.token()) is not None


def test_keys_that_moved_are_discovered_again(issuer: SimulatedIssuer) -> None:
    clock = Clock()
    checker = verifier(issuer, clock, jwks_uri="")
    checker.verify(issuer.token())
    discovery = f"/{TENANT}/v2.0/.well-known/openid-configuration"
    moved = json.dumps({"issuer": issuer.issuer, "jwks_uri": f"{issuer.base}/moved"}).encode()
    issuer.rotate()
    issuer.answers |= {discovery: (200, moved), "/moved": issuer.answers.pop("/keys")}
    for passed in (False, True):  # the first finds that nothing is there any more, the second where it is now
        clock.passed_s += REFETCH_S
        if passed:
            assert checker.verify(issuer.token()) is not None
        else:
            with pytest.raises(Unauthenticated):
                checker.verify(issuer.token())


def test_withdrawn_key_stops_counting_within_the_hour(issuer: SimulatedIssuer) -> None:
    clock = Clock()
    checker = verifier(issuer, clock)
    old = issuer.token(exp=2**33)
    checker.verify(old)
    issuer.rotate()
    clock.passed_s += STALE_S
    with pytest.raises(Unauthenticated):
        checker.verify(old)


def test_those_who_come_while_keys_are_fetched_wait_for_them(issuer: SimulatedIssuer) -> None:
    checker = verifier(issuer, Clock())
    tokens = [issuer.token(uti=str(number)) for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(checker.verify, tokens))
    assert issuer.requests == ["/keys"]


BAD_ANSWERS: dict[str, tuple[int, bytes]] = {
    "redirect": (302, b"/elsewhere"),
    "permanent redirect": (308, b"/elsewhere"),
    "not found": (404, b""),
    "no JSON": (200, b"<html>"),
    "a list": (200, b"[]"),
    "no keys": (200, b"{}"),
    "empty": (200, b'{"keys": []}'),
    "keys twice": (200, b'{"keys": [], "keys": []}'),
    "too large": (200, b" " * (document.MAX_BYTES + 1)),
}


@pytest.mark.parametrize("answer", BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
def test_bad_answer_of_the_issuer_is_a_refusal(issuer: SimulatedIssuer, answer: tuple[int, bytes]) -> None:
    issuer.answers["/elsewhere"] = (200, issuer.jwks())
    issuer.answers["/keys"] = answer
    told_none = answer == BAD_ANSWERS["empty"]
    with pytest.raises(Unauthenticated if told_none else IssuerUnavailable):
        verifier(issuer, Clock()).verify(issuer.token())
    assert "/elsewhere" not in issuer.requests


def test_silent_issuer_is_a_refusal(issuer: SimulatedIssuer) -> None:
    with pytest.raises(IssuerUnavailable):
        verifier(issuer, Clock(), jwks_uri="http://127.0.0.1:9/keys").verify(issuer.token())


@pytest.mark.parametrize("url", ["http://idp.example/keys", "file:///etc/passwd", "ftp://127.0.0.1/x", "https://", "keys", "http://[::1/"])
def test_only_https_and_loopback_are_asked(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        document.fetch(url)


DRIPS = {
    "head": b"HTTP/1.1 200 OK\r\nX: ",
    "body": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
    "body without a length": b"HTTP/1.0 200 OK\r\n\r\n",
    "length of a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
}


@pytest.mark.parametrize("first", DRIPS.values(), ids=DRIPS.keys())
def test_answer_that_drips_is_given_up(first: bytes) -> None:
    listening = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.sendall(first)
            while True:
                connection.sendall(b"0")
                time.sleep(0.02)

    thread = threading.Thread(target=drip)
    thread.start()
    began_s = time.monotonic()
    with listening, pytest.raises(OSError, match="too long"):
        document.fetch(f"http://127.0.0.1:{listening.getsockname()[1]}/keys", wait_s=20, total_s=0.3)
    assert time.monotonic() - began_s < 10
    thread.join(20)
    assert not thread.is_alive()


def test_issuer_whose_certificate_proves_nothing_is_not_heard(tmp_path: Path) -> None:
    files = certificate.write(tmp_path, datetime.now(UTC))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.cert, files.key)
    listening = socket.create_server(("127.0.0.1", 0))

    def shake_hands() -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError), context.wrap_socket(connection, server_side=True):
            pass

    thread = threading.Thread(target=shake_hands)
    thread.start()
    with listening, pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        document.fetch(f"https://localhost:{listening.getsockname()[1]}/keys")
    thread.join(20)


def test_verified_token_is_known_again_for_a_minute_and_never_past_its_expiry(issuer: SimulatedIssuer) -> None:
    clock = Clock()
    checker = verifier(issuer, clock)
    token = issuer.token(exp=int(clock.now().timestamp()) + 10)
    assert checker.verify(token) is not None
    clock.passed_s += 10 + SKEW_S - 2
    assert checker.verify(token) is not None
    clock.passed_s += 5
    with pytest.raises(Unauthenticated):
        checker.verify(token)


def test_cache_is_bounded_and_does_not_keep_tokens(issuer: SimulatedIssuer) -> None:
    clock = Clock()
    checker = verifier(issuer, clock)
    token = issuer.token()
    caller = checker.verify(token)
    assert caller is not None
    assert token not in repr(vars(checker))
    entry = next(iter(checker._cache.values()))
    assert entry.until_s == clock.monotonic() + CACHE_S
    for number in range(CACHE_ENTRIES + 10):
        checker._cache[str(number).encode()] = entry
    checker.verify(issuer.token(uti="another"))
    before = len(checker._cache)
    checker.verify(issuer.token(uti="a third"))
    assert len(checker._cache) == before


def test_same_issuer_with_other_keys_does_not_help(issuer: SimulatedIssuer) -> None:
    with SimulatedIssuer(OTHER_TENANT) as other, pytest.raises(Unauthenticated):
        verifier(issuer, Clock()).verify(other.sign(issuer.claims(), kid=issuer.kid))
