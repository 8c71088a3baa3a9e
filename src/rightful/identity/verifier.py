"""Who is calling, by a bearer token: ties form, claims, keys and a small cache together."""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from rightful.clock import Clock
from rightful.errors import Unauthenticated
from rightful.identity import token as tokens
from rightful.identity.keys import Keys
from rightful.identity.model import Caller
from rightful.identity.token import Token, TrustedIssuer
from rightful.ids import PERSONAL_ACCOUNTS, TenantId

CACHE_S = 60.0
CACHE_ENTRIES = 10_000


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """An issuer that counts in a tenant, with its keys."""

    issuer: TrustedIssuer
    keys: Keys


class Verifier:
    """Turns tokens into callers. Safe to use from any thread.

    Which tenant a token belongs to is said by its tid, and then that tenant's issuers alone count. A token that was verified is known
    again by its SHA-256 digest for CACHE_S at most, never past its expiry; the token itself is not kept.
    """

    def __init__(self, trusted: Mapping[TenantId, Sequence[Trust]], clock: Clock) -> None:
        self._trusted = trusted
        self._clock = clock
        self._cache: dict[bytes, tuple[Caller, float]] = {}
        self._lock = threading.Lock()

    def verify(self, text: str, *, may_block: bool = True) -> Caller | None:
        """Return who is calling; raises `Unauthenticated`, or `Forbidden` for personal accounts.

        None, only without `may_block`: keys must be fetched first, call again from a thread that may block.
        """
        now = self._clock.now()
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        entry = self._cache.get(digest)
        if entry is not None and now.timestamp() < entry[1]:
            return entry[0]
        token = tokens.parse(text)
        tokens.check_times(token, now)
        if not self._is_signed(token, self._candidates(token), may_block=may_block):
            return None
        caller = tokens.caller(token)
        self._remember(digest, caller, token, now)
        return caller

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

    def _is_signed(self, token: Token, candidates: Sequence[Trust], *, may_block: bool) -> bool:
        """Check the signature by the first candidate that has the key; False where keys must be fetched first."""
        for trust in candidates:
            due = trust.keys.is_due(token.kid, token.algorithm)
            if due and not may_block:
                return False
            key = trust.keys.fetch(token.kid, token.algorithm) if due else trust.keys.known(token.kid, token.algorithm)
            if key is not None:
                tokens.check_signature(token, key)
                return True
        raise tokens.refuse_key()

    def _remember(self, digest: bytes, caller: Caller, token: Token, now: datetime) -> None:
        until_s = min(now.timestamp() + CACHE_S, token.expires_s + tokens.SKEW_S)
        with self._lock:
            if len(self._cache) >= CACHE_ENTRIES:
                del self._cache[next(iter(self._cache))]
            self._cache[digest] = (caller, until_s)


def parse_authorization(values: Sequence[str]) -> str:
    """Return the token of a request's Authorization headers; raises `Unauthenticated` unless there is exactly one bearer token."""
    if not values:
        raise Unauthenticated("Access token is empty")
    if len(values) > 1:
        raise Unauthenticated("Authorization is given more than once")
    scheme, _, text = values[0].partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise Unauthenticated("Access token is empty", hint="send Authorization: Bearer and a token")  # RFC 6750 2.1
    return text.strip()
