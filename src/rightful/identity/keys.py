"""The signing keys of an issuer, fetched over HTTP and kept.

Rules: no redirect is followed, an answer is bounded in size and time, an issuer is asked at most once in REFETCH_S (so that tokens with
invented key ids cost it nothing), and keys that are known go on counting while the issuer does not answer.
"""

import http.client
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
REFRESH_S = 3600.0
"""Keys older than this are asked for again, so that a withdrawn one stops counting."""
TIMEOUT_S = 5.0
MAX_DOCUMENT_BYTES = 1024 * 1024

_log = structlog.get_logger(__name__)


class Keys(Protocol):
    """The public keys of one issuer. Safe to use from any thread."""

    def known(self, kid: str, algorithm: Algorithm) -> PublicKey | None:
        """Return a key that is at hand, at once."""
        ...

    def is_due(self, kid: str, algorithm: Algorithm) -> bool:
        """Say whether asking the issuer is allowed and could bring news of this key."""
        ...

    def fetch(self, kid: str, algorithm: Algorithm) -> PublicKey | None:
        """Return a key, asking the issuer first where that is due; blocks for seconds at most."""
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
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP answer ({type(error).__name__})") from None
    return b"".join(chunks)


class FetchedKeys:
    """The keys of an issuer on the network."""

    def __init__(self, issuer: str, jwks_uri: str, clock: Clock, fetch: Callable[[str], bytes] = fetch_document) -> None:
        self._issuer = issuer
        self._jwks_uri = jwks_uri
        self._clock = clock
        self._fetch = fetch
        self._lock = threading.Lock()
        self._keys: KeySet = {}
        self._asked_at: float | None = None
        self._is_asking = False

    def known(self, kid: str, algorithm: Algorithm) -> PublicKey | None:
        """Return a key that is at hand."""
        return self._keys.get((kid, algorithm))

    def is_due(self, kid: str, algorithm: Algorithm) -> bool:
        """Say whether the issuer may be asked: for an unknown key each REFETCH_S, for a known one each REFRESH_S."""
        if (kid, algorithm) in self._keys and self._is_asking:
            return False  # nobody waits for an answer whose key is at hand
        if self._asked_at is None:
            return True
        return self._clock.monotonic() - self._asked_at >= (REFRESH_S if (kid, algorithm) in self._keys else REFETCH_S)

    def fetch(self, kid: str, algorithm: Algorithm) -> PublicKey | None:
        """Return a key, asking the issuer first where that is due. Those who come meanwhile wait for the one answer."""
        with self._lock:
            if self.is_due(kid, algorithm):
                self._is_asking = True
                try:
                    self._ask()
                finally:
                    # Set after the answer: who comes before it is due as well, and waits at the lock instead of being refused.
                    self._asked_at = self._clock.monotonic()
                    self._is_asking = False
        return self._keys.get((kid, algorithm))

    def _ask(self) -> None:
        try:
            jwks_uri = self._jwks_uri or self._discover()
            self._keys = parse_jwks(self._fetch(jwks_uri))
        except (OSError, ValueError) as error:
            _log.warning("signing keys not fetched", issuer=self._issuer, reason=str(error), keys_known=len(self._keys))

    def _discover(self) -> str:
        url = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        return parse_discovery(self._fetch(url), self._issuer)
