"""The built-in issuer: tokens for trying things out, signed by a key file beside the configuration.

Its tokens count only where a tenant's configuration says `issuer: local` and the service listens on loopback. Their `iss` is
`https://rightful.local/{tenant id}`. Whoever can read `issuer.pem` can make them, so the file must be its owner's alone.
"""

import hashlib
import os
import threading
import uuid
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import jwt
import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from rightful import private_file
from rightful.errors import ConfigurationError
from rightful.identity.jwks import KeySet, PublicKey
from rightful.identity.model import LOCAL_ISSUER, Algorithm, CallerKind
from rightful.identity.permissions import ROLE_NAMES
from rightful.ids import TenantId

KEY_FILE = "issuer.pem"
APP_ID = "4f0b6d1c-52a5-5d0e-9a53-0d5b6a1f7c11"
"""`azp` of every token made here, and `oid` of those without a person."""
PERSON_ID = "c2a4d9de-7f0d-5b7e-8e6c-3b9a1c5d2e42"
"""`oid` of delegated tokens that name no other."""
MAX_LIFETIME_S = 24 * 3600

_log = structlog.get_logger(__name__)


def issuer_name(tenant_id: TenantId) -> str:
    """Return the `iss` of tokens made for a tenant."""
    return f"https://rightful.local/{tenant_id}"


def _key_id(key: rsa.RSAPublicKey) -> str:
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()[:32]


def _write_new(path: Path) -> None:
    """Write a new key file whole, or leave the one that somebody else wrote first."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    try:
        private_file.write_new(path, pem)
    except FileExistsError:
        pass  # another process was quicker; its key is the one that counts
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}", hint="make the configuration's folder writable") from error


def load_key(folder: Path) -> rsa.RSAPrivateKey:
    """Return the issuer's key from `issuer.pem` in a folder, making the file (mode 0600) where there is none."""
    path = folder / KEY_FILE
    if not path.exists():
        _write_new(path)
    try:
        mode, pem = path.stat().st_mode, path.read_bytes()
        key = serialization.load_pem_private_key(pem, password=None)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}", hint="give it to the user that runs the service") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(f"{path} holds no private key", hint="delete it: a new one is made at the next start") from error
    if os.name == "posix" and mode & 0o077:
        raise ConfigurationError(f"{path} can be read by others, who could make tokens with it", hint=f"chmod 600 {path}")
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigurationError(f"{path} holds no RSA key", hint="delete it: a new one is made at the next start")
    return key


class LocalKeys:
    """The built-in issuer's public key, read again when its file has changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._read()

    @property
    def are_known(self) -> bool:
        """Whether the key was read: always."""
        return True

    def known(self, kid: str, algorithm: Algorithm) -> PublicKey | None:
        """Return the key that was read."""
        return self._keys.get((kid, algorithm))

    def must_ask(self, kid: str, algorithm: Algorithm) -> bool:  # noqa: ARG002 - one file holds the one key
        """Say whether the file has changed."""
        return self._stamp != self._look()

    def ask(self) -> None:
        """Read the file again; what cannot be used changes nothing."""
        with self._lock:
            try:
                self._read()
            except ConfigurationError as error:
                _log.warning("signing key not read", issuer=LOCAL_ISSUER, reason=error.message)

    def _read(self) -> None:
        self._stamp = self._look()
        key = load_key(self._folder).public_key()
        self._keys: KeySet = {(_key_id(key), "RS256"): key}

    def _look(self) -> tuple[int, ...]:
        try:
            found = (self._folder / KEY_FILE).stat()
        except OSError:
            return ()
        return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _role_id(role: str) -> str:
    if role in ROLE_NAMES:
        return ROLE_NAMES[role]
    try:
        return str(uuid.UUID(role))
    except ValueError:
        raise ConfigurationError(
            f"{role!r} is no directory role", code="RoleUnknown", hint=f"use one of {', '.join(ROLE_NAMES)}, or a role template id (a GUID)"
        ) from None


def mint(
    *,
    folder: Path,
    tenant_id: TenantId,
    audience: str,
    kind: CallerKind,
    permissions: Sequence[str],
    roles: Sequence[str] = (),
    lifetime_s: int = 3600,
    now: datetime,
    object_id: str = "",
) -> str:
    """Return a signed token in the v2 form (GRAPH-74).

    Args:
        folder: The configuration's; `issuer.pem` is made there where it is missing.
        tenant_id: The tenant that it is for.
        audience: One of the audiences of the tenant's issuer `local`.
        kind: APPLICATION puts `permissions` into `roles`, DELEGATED into `scp`.
        permissions: `User.Export.All`, ….
        roles: `company_admin`, `global_reader` or role template ids; only of delegated tokens.
        lifetime_s: 1 to 86,400.
        now: The moment of issue.
        object_id: `oid`: which person (or service principal) calls; a fixed one where it is empty.
    """
    if not 1 <= lifetime_s <= MAX_LIFETIME_S:
        raise ConfigurationError("a token lives for 1 second to 24 hours", code="LifetimeInvalid", hint="choose 1s to 24h")
    key = load_key(folder)
    issued_s = int(now.timestamp())
    is_person = kind is CallerKind.DELEGATED
    subject = object_id or (PERSON_ID if is_person else APP_ID)
    claims: dict[str, object] = {
        "iss": issuer_name(tenant_id),
        "aud": audience,
        "tid": tenant_id,
        "oid": subject,
        "sub": subject,
        "azp": APP_ID,
        "ver": "2.0",
        "idtyp": "user" if is_person else "app",
        "iat": issued_s,
        "nbf": issued_s,
        "exp": issued_s + lifetime_s,
        "uti": uuid.uuid4().hex,
    }
    if is_person:
        claims |= {"scp": " ".join(permissions), "wids": [_role_id(role) for role in roles]}
    else:
        claims["roles"] = list(permissions)
    return jwt.encode(claims, key, algorithm="RS256", headers={"kid": _key_id(key.public_key())})
