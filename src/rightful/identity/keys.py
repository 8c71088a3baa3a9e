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
from urllib.parse import urlsplit

import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import RSAAlgorithm
from jwt.exceptions import InvalidKeyError

from rightful.clock import Clock
from rightful.identity import strict_json

REFETCH_S = 30.0
REFRESH_S = 3600.0
"""Keys older than this are asked for again, so that a withdrawn one stops counting."""
TIMEOUT_S = 5.0
MAX_DOCUMENT_BYTES = 1024 * 1024
_MAX_KEYS = 100
_MIN_KEY_BITS = 2048
_MAX_KEY_BITS = 8192
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

_log = structlog.get_logger(__name__)


class Keys(Protocol):
    """The public keys of one issuer. Safe to use from any thread."""

    def known(self, kid: str) -> RSAPublicKey | None:
        """Return a key that is at hand, at once."""
        ...

    def is_due(self, kid: str) -> bool:
        """Say whether asking the issuer is allowed and could bring news of this key."""
        ...

    def fetch(self, kid: str) -> RSAPublicKey | None:
        """Return a key, asking the issuer first where that is due; blocks for seconds at most."""
        ...


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: object, **_kwargs: object) -> None:
        return None


def is_safe_url(url: str) -> bool:
    """Say whether a document may be fetched from here: https, or http on this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK))


def fetch_document(url: str) -> bytes:
    """Return a document of at most MAX_DOCUMENT_BYTES; raises `OSError` or `ValueError`."""
    if not is_safe_url(url):
        raise ValueError("not an https URL")
    is_near = urlsplit(url).hostname in _LOOPBACK
    opener = urllib.request.build_opener(_NoRedirect, *([urllib.request.ProxyHandler({})] if is_near else []))
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


def _public_key(entry: object) -> tuple[str, RSAPublicKey] | None:
    if not isinstance(entry, dict):
        return None
    kid = entry.get("kid")
    fits = entry.get("kty") == "RSA" and entry.get("use", "sig") == "sig" and entry.get("alg", "RS256") == "RS256"
    if not isinstance(kid, str) or not kid or not fits or "d" in entry:
        return None
    try:
        key = RSAAlgorithm.from_jwk({"kty": "RSA", "n": entry.get("n", ""), "e": entry.get("e", "")})
    except (InvalidKeyError, ValueError, TypeError, AttributeError):
        return None  # one unusable key does not take the others with it
    if not isinstance(key, RSAPublicKey) or not _MIN_KEY_BITS <= key.key_size <= _MAX_KEY_BITS:
        return None
    return kid, key


def parse_jwks(raw: bytes) -> dict[str, RSAPublicKey]:
    """Return the usable RS256 keys by their id; keys of other kinds are passed over. Raises `ValueError` where there is none."""
    entries = strict_json.parse_object(raw).get("keys")
    if not isinstance(entries, list) or len(entries) > _MAX_KEYS:
        raise ValueError("no list of keys")
    keys = dict(found for found in map(_public_key, entries) if found)
    if not keys:
        raise ValueError("no usable key")
    return keys


def parse_discovery(raw: bytes, issuer: str) -> str:
    """Return the `jwks_uri` of an issuer's discovery document; raises `ValueError` where the document is another issuer's."""
    document = strict_json.parse_object(raw)
    if document.get("issuer") != issuer:
        raise ValueError("the discovery document names another issuer")  # OpenID Connect Discovery 4.3
    jwks_uri = document.get("jwks_uri")
    if not isinstance(jwks_uri, str) or not is_safe_url(jwks_uri):
        raise ValueError("the discovery document has no https jwks_uri")
    return jwks_uri


class FetchedKeys:
    """The keys of an issuer on the network."""

    def __init__(self, issuer: str, jwks_uri: str, clock: Clock, fetch: Callable[[str], bytes] = fetch_document) -> None:
        self._issuer = issuer
        self._jwks_uri = jwks_uri
        self._clock = clock
        self._fetch = fetch
        self._lock = threading.Lock()
        self._keys: dict[str, RSAPublicKey] = {}
        self._asked_at: float | None = None
        self._is_asking = False

    def known(self, kid: str) -> RSAPublicKey | None:
        """Return a key that is at hand."""
        return self._keys.get(kid)

    def is_due(self, kid: str) -> bool:
        """Say whether the issuer may be asked: for an unknown key each REFETCH_S, for a known one each REFRESH_S."""
        if kid in self._keys and self._is_asking:
            return False  # nobody waits for an answer whose key is at hand
        if self._asked_at is None:
            return True
        return self._clock.monotonic() - self._asked_at >= (REFRESH_S if kid in self._keys else REFETCH_S)

    def fetch(self, kid: str) -> RSAPublicKey | None:
        """Return a key, asking the issuer first where that is due. Those who come meanwhile wait for the one answer."""
        with self._lock:
            if self.is_due(kid):
                self._is_asking = True
                try:
                    self._ask()
                finally:
                    # Set after the answer: who comes before it is due as well, and waits at the lock instead of being refused.
                    self._asked_at = self._clock.monotonic()
                    self._is_asking = False
        return self._keys.get(kid)

    def _ask(self) -> None:
        try:
            jwks_uri = self._jwks_uri or self._discover()
            self._keys = parse_jwks(self._fetch(jwks_uri))
        except (OSError, ValueError) as error:
            _log.warning("signing keys not fetched", issuer=self._issuer, reason=str(error), keys_known=len(self._keys))

    def _discover(self) -> str:
        url = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        return parse_discovery(self._fetch(url), self._issuer)
