"""Who is calling, by a bearer token: ties form, claims, keys and a small cache together."""

import hashlib
import threading
from collections.abc import Mapping, Sequence

import msgspec

from rightful.clock import Clock
from rightful.errors import Unauthenticated
from rightful.identity import token as tokens
from rightful.identity.jwks import PublicKey
from rightful.identity.keys import Keys, refuse_key
from rightful.identity.model import Algorithm, Caller
from rightful.identity.token import Token, TrustedIssuer
from rightful.ids import PERSONAL_ACCOUNTS, TenantId

CACHE_S = 60.0
CACHE_ENTRIES = 10_000


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """An issuer that counts in a tenant, with its keys."""

    issuer: TrustedIssuer
    keys: Keys


class _Verified(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    caller: Caller
    until_s: float
    """By the clock that never goes back."""
    keys: Keys
    kid: str
    algorithm: Algorithm
    key: PublicKey

    def counts(self, now_s: float) -> bool:
        return now_s < self.until_s and self.keys.known(self.kid, self.algorithm) is self.key


class Verifier:
    """Turns tokens into callers. Safe to use from any thread.

    Which tenant a token belongs to is said by its tid, and then that tenant's issuers alone count. A token that was verified is known
    again by its SHA-256 digest for CACHE_S at most, never past its expiry, and only while its key is one of the issuer's; the token itself
    is not kept.
    """

    def __init__(self, trusted: Mapping[TenantId, Sequence[Trust]], clock: Clock) -> None:
        self._trusted = trusted
        self._clock = clock
        self._cache: dict[bytes, _Verified] = {}
        self._lock = threading.Lock()

    def verify(self, text: str) -> Caller:
        """Return who is calling, asking issuers for their keys where needed; raises as `try_verify`."""
        while not isinstance(found := self.try_verify(text), Caller):
            found.ask()
        return found

    def try_verify(self, text: str) -> Caller | Keys:
        """Return who is calling, at once, or the keys that must be asked for first: `ask` them and call again.

        Raises `Unauthenticated`, `Forbidden` for personal accounts, or `IssuerUnavailable` where the issuer has never answered: 401 would
        make clients throw away a token that may be good.
        """
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        entry = self._cache.get(digest)
        if entry is not None and entry.counts(self._clock.monotonic()):
            return entry.caller
        now = self._clock.now()
        token = tokens.parse(text)
        tokens.check_times(token, now)
        candidates = self._candidates(token)
        for trust in candidates:
            keys = trust.keys
            if keys.must_ask(token.kid, token.algorithm):
                return keys
            key = keys.known(token.kid, token.algorithm)
            if key is not None:
                tokens.check_signature(token, key)
                caller = tokens.caller(token)
                left_s = min(CACHE_S, token.expires_s + tokens.SKEW_S - now.timestamp())
                until_s = self._clock.monotonic() + left_s
                self._remember(
                    digest, _Verified(caller=caller, until_s=until_s, keys=keys, kid=token.kid, algorithm=token.algorithm, key=key)
                )
                return caller
        raise refuse_key(*(trust.keys for trust in candidates))

    def _remember(self, digest: bytes, verified: _Verified) -> None:
        with self._lock:
            if len(self._cache) >= CACHE_ENTRIES:
                del self._cache[next(iter(self._cache))]
            self._cache[digest] = verified

    def _candidates(self, token: Token) -> list[Trust]:
        if token.tenant_id == PERSONAL_ACCOUNTS:
            # GRAPH-72: refused with 403 by whoever has proved to be one. Entra signs for them with the tenants' keys (GRAPH-74).
            found = [trust for trusts in self._trusted.values() for trust in trusts]
        else:
            found = [trust for trust in self._trusted.get(token.tenant_id, ()) if trust.issuer.issuer == token.issuer]
        if not found:
            raise tokens.refuse_issuer()
        found = [trust for trust in found if tokens.has_audience(token, trust.issuer)]
        if not found:
            raise tokens.refuse_audience()
        found = [trust for trust in found if token.algorithm in trust.issuer.algorithms]
        if not found:
            raise tokens.refuse_algorithm()
        return found


def parse_authorization(values: Sequence[str]) -> str:
    """Return the token of a request's Authorization headers; raises `Unauthenticated` unless there is exactly one bearer token."""
    if not values:
        raise Unauthenticated("Access token is empty", reason="missing")
    if len(values) > 1:
        raise Unauthenticated("Authorization is given more than once")
    scheme, _, text = values[0].partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise Unauthenticated("Access token is empty", hint="send Authorization: Bearer and a token", reason="missing")  # RFC 6750 2.1
    return text.strip()
