"""Sealing secrets and personal data at rest: AES-256-GCM, bound to what they belong to."""

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rightful.errors import ConfigurationError
from rightful.ids import OperationId, TenantId

_VERSION = b"\x02"
_KEYLESS_VERSION = b"\x01"
"""Of values that do not say which key they were sealed with."""
_KEY_ID_BYTES = 4
_NONCE_BYTES = 12
KEY_BYTES = 32


class Sealer:
    """Seals and opens bytes for one (tenant, operation) each. The key is never part of a `repr`.

    Sealed form: version 2, 4 bytes that name the key, 12 random bytes, ciphertext with its 16-byte tag; tenant and operation id are
    associated data, so that what was sealed for one operation does not open for another.
    """

    def __init__(self, key: bytes, *earlier: bytes) -> None:
        """Seal with a key; what was sealed with an earlier one is opened too."""
        if any(len(each) != KEY_BYTES for each in (key, *earlier)):
            raise ConfigurationError("seal_key is not 32 bytes long", hint="make one with `rightful init`, 64 hex digits")
        self._key_id = _key_id(key)
        self._ciphers = {_key_id(each): AESGCM(each) for each in (key, *earlier)}
        self._digest_key = hmac.digest(key, b"rightful digest", hashlib.sha256)

    def seal(self, plain: bytes, tenant_id: TenantId, operation_id: OperationId) -> bytes:
        """Seal bytes; the same ones look different each time."""
        nonce, head = os.urandom(_NONCE_BYTES), _VERSION + self._key_id
        return head + nonce + self._ciphers[self._key_id].encrypt(nonce, plain, _place(head, tenant_id, operation_id))

    def is_current(self, sealed: bytes) -> bool:
        """Say whether bytes were sealed with the key that seals now, not with an earlier one."""
        return sealed[: 1 + _KEY_ID_BYTES] == _VERSION + self._key_id

    def open(self, sealed: bytes, tenant_id: TenantId, operation_id: OperationId) -> bytes:
        """Open what was sealed; raises `ConfigurationError` where the key is another one or the bytes were changed."""
        is_keyless = sealed[:1] == _KEYLESS_VERSION
        length = 1 if is_keyless else 1 + _KEY_ID_BYTES
        head, nonce, body = sealed[:length], sealed[length : length + _NONCE_BYTES], sealed[length + _NONCE_BYTES :]
        for key_id, cipher in self._ciphers.items():
            if is_keyless or key_id == head[1:]:
                try:
                    return cipher.decrypt(nonce, body, _place(head, tenant_id, operation_id))
                except (InvalidTag, ValueError):  # ValueError: what is left is too short for a nonce
                    continue
        raise ConfigurationError(
            "the store holds secrets that this seal_key does not open", hint="use the seal_key that the operations were accepted with"
        )

    def digest(self, plain: bytes) -> str:
        """Return 32 hex digits that are equal for equal bytes, and tell nothing to who has no key."""
        return hmac.digest(self._digest_key, plain, hashlib.sha256)[:16].hex()


def _key_id(key: bytes) -> bytes:
    return hmac.digest(key, b"rightful key id", hashlib.sha256)[:_KEY_ID_BYTES]


def _place(head: bytes, tenant_id: TenantId, operation_id: OperationId) -> bytes:
    return head + f"{tenant_id}/{operation_id}".encode()
