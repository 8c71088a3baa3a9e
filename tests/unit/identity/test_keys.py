"""Signing keys: fetched once, kept while the issuer is down, asked for again only now and then."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from rightful.errors import Unauthenticated
from rightful.identity import keys
from rightful.identity.keys import REFETCH_S, REFRESH_S, FetchedKeys, fetch_document
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
    assert checker.verify(issuer.token(), may_block=False) is None
    assert not issuer.requests
    assert checker.verify(issuer.token()) is not None
    assert checker.verify(issuer.token(uti="another"), may_block=False) is not None
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


def test_new_key_is_found_when_the_issuer_rotates(issuer: SimulatedIssuer) -> None:
    clock = Clock()
    checker = verifier(issuer, clock)
    old = issuer.token()
    checker.verify(old)
    issuer.rotate()
    clock.passed_s += REFETCH_S
    assert checker.verify(issuer.token()) is not None
    clock.passed_s += CACHE_S
    with pytest.raises(Unauthenticated):
        checker.verify(old)


def test_known_keys_count_while_the_issuer_is_down(issuer: SimulatedIssuer) -> None:
    clock = Clock()
    checker = verifier(issuer, clock)
    checker.verify(issuer.token())
    issuer.answers["/keys"] = (500, b"")
    clock.passed_s += REFRESH_S
    assert checker.verify(issuer.token(exp=2**33)) is not None
    assert len(issuer.requests) == 2
    clock.passed_s += REFETCH_S
    assert checker.verify(issuer.token(exp=2**33)) is not None
    assert len(issuer.requests) == 2


def test_withdrawn_key_stops_counting_within_the_hour(issuer: SimulatedIssuer) -> None:
    clock = Clock()
    checker = verifier(issuer, clock)
    old = issuer.token(exp=2**33)
    checker.verify(old)
    issuer.rotate()
    clock.passed_s += REFRESH_S
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
    "too large": (200, b" " * (keys.MAX_DOCUMENT_BYTES + 1)),
}


@pytest.mark.parametrize("answer", BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
def test_bad_answer_of_the_issuer_is_a_refusal(issuer: SimulatedIssuer, answer: tuple[int, bytes]) -> None:
    issuer.answers["/elsewhere"] = (200, issuer.jwks())
    issuer.answers["/keys"] = answer
    with pytest.raises(Unauthenticated):
        verifier(issuer, Clock()).verify(issuer.token())
    assert "/elsewhere" not in issuer.requests


def test_silent_issuer_is_a_refusal(issuer: SimulatedIssuer) -> None:
    with pytest.raises(Unauthenticated):
        verifier(issuer, Clock(), jwks_uri="http://127.0.0.1:9/keys").verify(issuer.token())


@pytest.mark.parametrize("url", ["http://idp.example/keys", "file:///etc/passwd", "ftp://127.0.0.1/x", "https://", "keys", "http://[::1/"])
def test_only_https_and_loopback_are_asked(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        fetch_document(url)


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
    for number in range(CACHE_ENTRIES + 10):
        checker._cache[str(number).encode()] = (caller, 0.0)
    checker.verify(issuer.token(uti="another"))
    before = len(checker._cache)
    checker.verify(issuer.token(uti="a third"))
    assert len(checker._cache) == before


def test_same_issuer_with_other_keys_does_not_help(issuer: SimulatedIssuer) -> None:
    with SimulatedIssuer(OTHER_TENANT) as other, pytest.raises(Unauthenticated):
        verifier(issuer, Clock()).verify(other.sign(issuer.claims(), kid=issuer.kid))
