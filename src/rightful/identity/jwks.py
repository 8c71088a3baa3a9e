"""What an issuer publishes, read: its discovery document (OpenID Connect Discovery 4) and its set of keys (RFC 7517). Pure.

A key counts for the algorithms of its own family alone, and where it says `alg` for that one alone: an RSA key never checks an ES256
signature, whatever a token says.
"""

from collections.abc import Callable
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidKeyError

from rightful.identity import strict_json
from rightful.identity.model import Algorithm

PublicKey = RSAPublicKey | EllipticCurvePublicKey
KeySet = dict[tuple[str, Algorithm], PublicKey]
"""Keys by their id and the algorithm that they may be used with."""

_MAX_KEYS = 100
_MIN_RSA_BITS = 2048
_MAX_RSA_BITS = 8192
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def is_on_this_machine(url: str) -> bool:
    """Say whether an address names this machine, by its spelling."""
    return urlsplit(url).hostname in _LOOPBACK


def is_safe_url(url: str) -> bool:
    """Say whether a document may be fetched from here: https, or http on this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and is_on_this_machine(url)))


def _rsa(entry: dict[str, object]) -> PublicKey | None:
    key = RSAAlgorithm.from_jwk({"kty": "RSA", "n": entry.get("n", ""), "e": entry.get("e", "")})
    return key if isinstance(key, RSAPublicKey) and _MIN_RSA_BITS <= key.key_size <= _MAX_RSA_BITS else None


def _p256(entry: dict[str, object]) -> PublicKey | None:
    if entry.get("crv") != "P-256":
        return None
    key = ECAlgorithm.from_jwk({"kty": "EC", "crv": "P-256", "x": entry.get("x", ""), "y": entry.get("y", "")})
    return key if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1) else None


# RFC 7518 3.1: the algorithms of each family.
_FAMILIES: dict[str, tuple[Callable[[dict[str, object]], PublicKey | None], tuple[Algorithm, ...]]] = {
    "RSA": (_rsa, ("RS256", "PS256")),
    "EC": (_p256, ("ES256",)),
}


def _is_for_signatures(entry: dict[str, object]) -> bool:
    operations = entry.get("key_ops", ["verify"])
    return entry.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations and "d" not in entry


def _keys(entry: object) -> KeySet:
    """Return what one entry is good for; one that is unusable does not take the others with it."""
    if not isinstance(entry, dict) or not _is_for_signatures(entry):
        return {}
    kid, family = entry.get("kid"), entry.get("kty")
    if not isinstance(kid, str) or not kid or not isinstance(family, str) or family not in _FAMILIES:
        return {}
    read, algorithms = _FAMILIES[family]
    fitting = [name for name in algorithms if entry.get("alg", name) == name]
    try:
        key = read(entry) if fitting else None
    except (InvalidKeyError, ValueError, TypeError, AttributeError):
        return {}
    return {} if key is None else {(kid, name): key for name in fitting}


def parse_jwks(raw: bytes) -> KeySet:
    """Return the keys that can be used here; the others are passed over. Raises `ValueError` where the text is no set of keys.

    An id that names two keys for one algorithm names none: which of them is meant cannot be known.
    """
    entries = strict_json.parse_object(raw).get("keys")
    if not isinstance(entries, list) or len(entries) > _MAX_KEYS:
        raise ValueError("no list of keys")
    found: KeySet = {}
    twice: set[tuple[str, Algorithm]] = set()
    for keys in map(_keys, entries):
        twice |= found.keys() & keys.keys()
        found |= keys
    return {name: key for name, key in found.items() if name not in twice}


def parse_discovery(raw: bytes, issuer: str) -> str:
    """Return the `jwks_uri` of an issuer's discovery document; raises `ValueError` where the document is another issuer's."""
    document = strict_json.parse_object(raw)
    if document.get("issuer") != issuer:
        raise ValueError("the discovery document names another issuer")  # OpenID Connect Discovery 4.3
    jwks_uri = document.get("jwks_uri")
    if not isinstance(jwks_uri, str) or not is_safe_url(jwks_uri):
        raise ValueError("the discovery document has no https jwks_uri")
    return jwks_uri
