"""Sealing secrets and personal data at rest: AES-256-GCM, bound to what they belong to."""

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rightful.errors import ConfigurationError
from rightful.ids import OperationId, TenantId

_VERSION = b"\x01"
_NONCE_BYTES = 12
KEY_BYTES = 32


class Sealer:
    """Seals and opens bytes for one (tenant, operation) each. The key is never part of a `repr`.

    Sealed form: version 1, 12 random bytes, ciphertext with its 16-byte tag; tenant and operation id are associated data,
    so that what was sealed for one operation does not open for another.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ConfigurationError("seal_key is not 32 bytes long", hint="make one with `rightful init`, 64 hex digits")
        self._cipher = AESGCM(key)
        self._digest_key = hmac.digest(key, b"rightful digest", hashlib.sha256)

    def seal(self, plain: bytes, tenant_id: TenantId, operation_id: OperationId) -> bytes:
        """Seal bytes; the same ones look different each time."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, plain, _place(_VERSION, tenant_id, operation_id))

    def open(self, sealed: bytes, tenant_id: TenantId, operation_id: OperationId) -> bytes:
        """Open what was sealed; raises `ConfigurationError` where the key is another one or the bytes were changed."""
        version, nonce, body = sealed[:1], sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, body, _place(version, tenant_id, operation_id))
        except InvalidTag as error:
            raise ConfigurationError(
                "the store holds secrets that this seal_key does not open", hint="use the seal_key that the operations were accepted with"
            ) from error

    def digest(self, plain: bytes) -> str:
        """Return 32 hex digits that are equal for equal bytes, and tell nothing to who has no key."""
        return hmac.digest(self._digest_key, plain, hashlib.sha256)[:16].hex()


def _place(version: bytes, tenant_id: TenantId, operation_id: OperationId) -> bytes:
    return version + f"{tenant_id}/{operation_id}".encode()
