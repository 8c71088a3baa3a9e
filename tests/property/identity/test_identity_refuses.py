"""No change of a signed token is accepted, and strict JSON agrees with Python's wherever both read a text."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightful.clock import SystemClock
from rightful.errors import Forbidden, Unauthenticated
from rightful.identity import strict_json
from rightful.identity.keys import FetchedKeys
from rightful.identity.token import TrustedIssuer
from rightful.identity.verifier import Trust, Verifier
from rightful.ids import TenantId
from rightful.testing.issuer import AUDIENCE, SimulatedIssuer

TENANT = TenantId("11111111-1111-1111-1111-111111111111")
NAMES = ["iss", "aud", "tid", "oid", "azp", "appid", "exp", "nbf", "iat", "idtyp", "scp", "roles", "wids", "ver", "nonce"]

values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def issuer() -> Iterator[SimulatedIssuer]:
    with SimulatedIssuer(TENANT) as simulated:
        yield simulated


@pytest.fixture(scope="module")
def verifier(issuer: SimulatedIssuer) -> Verifier:
    trusted = TrustedIssuer(issuer=issuer.issuer, audiences=frozenset({AUDIENCE}))
    return Verifier({TENANT: [Trust(issuer=trusted, keys=FetchedKeys(issuer.issuer, issuer.jwks_uri, SystemClock()))]}, SystemClock())


@given(place=st.integers(0, 10_000), other=st.characters())
@settings(max_examples=200, deadline=None)
def test_no_change_of_a_token_is_accepted(issuer: SimulatedIssuer, verifier: Verifier, place: int, other: str) -> None:
    text = issuer.token()
    assert verifier.verify(text) is not None
    at = place % len(text)
    changed = text[:at] + other + text[at + 1 :]
    if changed == text:
        return
    with pytest.raises(Unauthenticated):
        verifier.verify(changed)


@given(text=st.text(max_size=80))
@settings(max_examples=200, deadline=None)
def test_no_text_is_a_token(verifier: Verifier, text: str) -> None:
    with pytest.raises(Unauthenticated):
        verifier.verify(text)


@given(changes=st.dictionaries(st.sampled_from(NAMES), values, min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_signed_token_with_any_claims_gives_a_caller_of_the_tenant_or_a_refusal(
    issuer: SimulatedIssuer, verifier: Verifier, changes: dict[str, Any]
) -> None:
    try:
        caller = verifier.verify(issuer.sign(issuer.claims() | changes))
    except (Unauthenticated, Forbidden):
        return
    assert caller is not None
    assert caller.tenant_id == TENANT
    assert caller.key.isascii()


@given(value=values)
@settings(max_examples=300, deadline=None)
def test_strict_json_reads_what_python_writes(value: object) -> None:
    text = json.dumps(value)
    if "NaN" in text or "Infinity" in text:
        return
    assert strict_json.parse(text.encode()) == value


@given(name=st.text(max_size=5), first=st.integers(), second=st.integers(), depth=st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_member_given_twice_is_never_read(name: str, first: int, second: int, depth: int) -> None:
    member = json.dumps(name)
    text = f"{{{member}: {first}, {member}: {second}}}"
    for _ in range(depth):
        text = f'{{"x": [{text}]}}'
    with pytest.raises(ValueError, match="twice"):
        strict_json.parse(text.encode())


@given(raw=st.binary(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_json_or_a_value_error(raw: bytes) -> None:
    said = ""
    try:
        strict_json.parse(raw)
    except ValueError as error:
        said = str(error)
    assert len(said) < 100


def depth_of(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth_of, inner), default=0)


@given(value=values, shells=st.lists(st.sampled_from("[{"), max_size=40), text=st.text('[]{}"\\\u00e9', max_size=80))
@settings(max_examples=300, deadline=None)
def test_depth_is_counted_outside_strings_and_over_32_is_refused(value: object, shells: list[str], text: str) -> None:
    nested: object = [value, text]
    for shell in shells:
        nested = [text, nested] if shell == "[" else {text: nested}
    raw = json.dumps(nested, ensure_ascii=False).encode("utf-8", "surrogatepass")
    said = ""
    try:
        strict_json.parse(raw)
    except ValueError as error:
        said = str(error)
    assert ("deeper" in said) == (depth_of(nested) > strict_json.MAX_DEPTH)
