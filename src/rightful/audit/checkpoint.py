"""Signed checkpoints: how far a chain went, and with which hash, confirmed by a key that does not lie in the store.

What is signed (Ed25519, RFC 8032) is a JSON array as RFC 8785 writes it: `["rightful-audit-checkpoint",1,tenant,seq,hash,time]`, the hash
as 64 hex digits, the time in microseconds (docs/reference/audit.md).
"""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from rightful.ids import TenantId

_PURPOSE = "rightful-audit-checkpoint"
_encode = msgspec.json.Encoder().encode
_Hex = Annotated[str, msgspec.Meta(pattern="^(?:[0-9a-f]{2})*$")]


class ChainCheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    """How far a chain went at a moment; as JSON it is a line that can be kept anywhere."""

    version: Literal[1] = 1
    tenant_id: TenantId
    seq: Annotated[int, msgspec.Meta(ge=1)]
    hash: _Hex
    time_us: int
    key: _Hex
    """The public key, 64 hex digits."""
    signature: _Hex


def decode(line: bytes | str) -> ChainCheckpoint:
    """Read a checkpoint from its line; raises `msgspec.MsgspecError`. Members that are not its own are passed over."""
    return msgspec.json.decode(line, type=ChainCheckpoint)


def encode(checkpoint: ChainCheckpoint) -> bytes:
    """Return a checkpoint's line."""
    return _encode(checkpoint)


def is_signed(checkpoint: ChainCheckpoint, trusted: Iterable[str]) -> bool:
    """Say whether a checkpoint is signed by one of these public keys."""
    return is_signature(checkpoint.key, checkpoint.signature, _signed(checkpoint), trusted)


def is_signature(key: str, signature: str, said: bytes, trusted: Iterable[str]) -> bool:
    """Say whether somebody who is trusted signed this; both in hex digits."""
    if key not in set(trusted):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(bytes.fromhex(signature), said)
    except (InvalidSignature, ValueError):
        return False
    return True


def _signed(checkpoint: ChainCheckpoint) -> bytes:
    said = (_PURPOSE, checkpoint.version, checkpoint.tenant_id, checkpoint.seq, checkpoint.hash, checkpoint.time_us)
    return _encode(said)


class CheckpointKey:
    """Signs checkpoints; the private part is never part of a `repr`."""

    def __init__(self, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._private.public_key().public_bytes_raw().hex()
        """64 hex digits."""

    @classmethod
    def derived(cls, seal_key: bytes) -> "CheckpointKey":
        """Make a key of the seal key, for who has no key of its own for checkpoints."""
        return cls(hmac.digest(seal_key, b"rightful audit checkpoint", hashlib.sha256))

    def sign(self, *, tenant_id: TenantId, seq: int, hash_: bytes, time_us: int) -> ChainCheckpoint:
        """Make a checkpoint."""
        unsigned = ChainCheckpoint(tenant_id=tenant_id, seq=seq, hash=hash_.hex(), time_us=time_us, key=self.public, signature="")
        return msgspec.structs.replace(unsigned, signature=self.signature(_signed(unsigned)))

    def signature(self, said: bytes) -> str:
        """Sign what says itself what it is for; return hex digits."""
        return self._private.sign(said).hex()
