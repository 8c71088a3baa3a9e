"""The signing keys of an issuer, fetched and kept.

Rules: an issuer is asked at most once in REFETCH_S (so that tokens with
invented key ids cost it nothing), and keys that are known go on counting while the issuer does not answer. What an issuer published last
is the whole truth: a key that it leaves out is withdrawn.
"""

import math
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import structlog

from rightful.clock import Clock
from rightful.errors import IssuerUnavailable, Unauthenticated
from rightful.identity import document, token
from rightful.identity.jwks import KeySet, PublicKey, parse_discovery, parse_jwks
from rightful.identity.model import Algorithm

REFETCH_S = 30.0
REFRESH_S = 1800.0
"""Keys older than this are asked for again, which nobody waits for."""
STALE_S = 3600.0
"""No key older than this counts before the issuer was asked again: so long a withdrawn one may go on where nobody calls meanwhile."""

_log = structlog.get_logger(__name__)


class Keys(Protocol):
    """The public keys of one issuer. Safe to use from any thread."""

    @property
    def are_known(self) -> bool:
        """Whether the issuer has ever told them: only then is a key that is not among them none of its own."""
        ...

    def known(self, kid: str, algorithm: Algorithm) -> PublicKey | None:
        """Return a key that is at hand, at once; the same object as long as the issuer was not asked again."""
        ...

    def must_ask(self, kid: str, algorithm: Algorithm) -> bool:
        """Say whether `ask` comes before the judgement of a token with this key."""
        ...

    def ask(self) -> None:
        """Ask the issuer for its keys, where that is due; blocks for seconds. Raises nothing: what is known then is what there is."""
        ...


def refuse_key(*several: Keys) -> Unauthenticated | IssuerUnavailable:
    """Return the error for a token whose key is none of these, as far as is known."""
    return token.refuse_key() if all(keys.are_known for keys in several) else IssuerUnavailable(retry_after_s=round(REFETCH_S))


class FetchedKeys:
    """The keys of an issuer on the network.

    Keys that are REFRESH_S old are asked for again behind the calls, for which nobody waits; those that are STALE_S old before the next
    token is judged by them. Where that fails they go on counting, and the issuer is asked again behind the calls each REFETCH_S.
    """

    def __init__(self, issuer: str, jwks_uri: str, clock: Clock, fetch: Callable[[str], bytes] = document.fetch) -> None:
        self._issuer = issuer
        self._jwks_uri = jwks_uri
        self._clock = clock
        self._fetch = fetch
        self._lock = threading.Lock()
        self._keys: KeySet = {}
        self._found_uri = ""
        self._fetched_at = -math.inf
        self._asked_at = -math.inf

    @property
    def are_known(self) -> bool:
        """Whether the issuer has answered once."""
        return self._fetched_at > -math.inf

    def known(self, kid: str, algorithm: Algorithm) -> PublicKey | None:
        """Return a key that is at hand; where it is old, the issuer is asked for news meanwhile."""
        key = self._keys.get((kid, algorithm))
        if key is not None and self._clock.monotonic() - self._fetched_at >= REFRESH_S and self._may_ask() and not self._lock.locked():
            with suppress(RuntimeError):  # no thread to be had now; the key counts all the same
                threading.Thread(target=self.ask, name="keys", daemon=True).start()
        return key

    def must_ask(self, kid: str, algorithm: Algorithm) -> bool:
        """Say whether the key is unknown, or so old that it may be withdrawn by now, and the issuer may be asked."""
        if not self._may_ask():
            return False
        if (kid, algorithm) not in self._keys:
            return True
        has_failed = self._asked_at != self._fetched_at  # and is asked behind the calls from then on
        return self._clock.monotonic() - self._fetched_at >= STALE_S and not has_failed and not self._lock.locked()

    def ask(self) -> None:
        """Ask the issuer, unless that was done within REFETCH_S. Those who come meanwhile wait for the one answer."""
        with self._lock:
            if not self._may_ask():
                return
            is_answered = False
            try:
                is_answered = self._take_keys()
            finally:
                # Set after the answer: who comes before it must ask as well, and waits at the lock instead of being refused.
                self._asked_at = self._clock.monotonic()
                if is_answered:
                    self._fetched_at = self._asked_at

    def _may_ask(self) -> bool:
        return self._clock.monotonic() - self._asked_at >= REFETCH_S

    def _take_keys(self) -> bool:
        try:
            self._found_uri = self._jwks_uri or self._found_uri or self._discover()
            self._keys = parse_jwks(self._fetch(self._found_uri))
        except (OSError, ValueError) as error:
            _log.warning("signing keys not fetched", issuer=self._issuer, reason=str(error), keys_known=len(self._keys))
            self._found_uri = ""  # perhaps they lie elsewhere by now
            return False
        return True

    def _discover(self) -> str:
        url = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        return parse_discovery(self._fetch(url), self._issuer)
