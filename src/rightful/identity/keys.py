"""The signing keys of an issuer, fetched over HTTP and kept.

Rules: no redirect is followed, an answer is bounded in size and time, an issuer is asked at most once in REFETCH_S (so that tokens with
invented key ids cost it nothing), and keys that are known go on counting while the issuer does not answer. What an issuer published last
is the whole truth: a key that it leaves out is withdrawn.
"""

import http.client
import math
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Protocol

import structlog

from rightful.clock import Clock
from rightful.identity.jwks import KeySet, PublicKey, is_on_this_machine, is_safe_url, parse_discovery, parse_jwks
from rightful.identity.model import Algorithm

REFETCH_S = 30.0
REFRESH_S = 1800.0
"""Keys older than this are asked for again, which nobody waits for."""
STALE_S = 3600.0
"""No key older than this counts before the issuer was asked again: so long a withdrawn one may go on where nobody calls meanwhile."""
TIMEOUT_S = 5.0
MAX_DOCUMENT_BYTES = 1024 * 1024

_log = structlog.get_logger(__name__)


class Keys(Protocol):
    """The public keys of one issuer. Safe to use from any thread."""

    def known(self, kid: str, algorithm: Algorithm) -> PublicKey | None:
        """Return a key that is at hand, at once; the same object as long as the issuer was not asked again."""
        ...

    def must_ask(self, kid: str, algorithm: Algorithm) -> bool:
        """Say whether `ask` comes before the judgement of a token with this key."""
        ...

    def ask(self) -> None:
        """Ask the issuer for its keys, where that is due; blocks for seconds. Raises nothing: what is known then is what there is."""
        ...


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: object, **_kwargs: object) -> None:
        return None


def fetch_document(url: str) -> bytes:
    """Return a document of at most MAX_DOCUMENT_BYTES; raises `OSError` or `ValueError`."""
    if not is_safe_url(url):
        raise ValueError("not an https URL")
    opener = urllib.request.build_opener(_NoRedirect, *([urllib.request.ProxyHandler({})] if is_on_this_machine(url) else []))
    deadline = time.monotonic() + TIMEOUT_S
    chunks: list[bytes] = []
    size_bytes = 0
    try:
        with opener.open(urllib.request.Request(url, headers={"Accept": "application/json"}), timeout=TIMEOUT_S) as answer:  # noqa: S310 - the scheme is checked above
            while chunk := answer.read1(65_536):
                chunks.append(chunk)
                size_bytes += len(chunk)
                if size_bytes > MAX_DOCUMENT_BYTES:
                    raise ValueError("the document is too large")
                if time.monotonic() > deadline:
                    raise TimeoutError("the document takes too long")
    except urllib.error.HTTPError as error:
        error.close()
        raise OSError(f"answered {error.code}") from None
    except urllib.error.URLError as error:
        raise OSError(f"not reached: {error.reason}") from None
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP answer ({type(error).__name__})") from None
    return b"".join(chunks)


class FetchedKeys:
    """The keys of an issuer on the network.

    Keys that are REFRESH_S old are asked for again behind the calls, for which nobody waits; those that are STALE_S old before the next
    token is judged by them. Where that fails they go on counting, and the issuer is asked again behind the calls each REFETCH_S.
    """

    def __init__(self, issuer: str, jwks_uri: str, clock: Clock, fetch: Callable[[str], bytes] = fetch_document) -> None:
        self._issuer = issuer
        self._jwks_uri = jwks_uri
        self._clock = clock
        self._fetch = fetch
        self._lock = threading.Lock()
        self._keys: KeySet = {}
        self._found_uri = ""
        self._fetched_at = -math.inf
        self._asked_at = -math.inf

    def known(self, kid: str, algorithm: Algorithm) -> PublicKey | None:
        """Return a key that is at hand; where it is old, the issuer is asked for news meanwhile."""
        key = self._keys.get((kid, algorithm))
        if key is not None and self._clock.monotonic() - self._fetched_at >= REFRESH_S and self._may_ask() and not self._lock.locked():
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
