"""Signatures and public keys as minisign writes them: whoever has stock minisign checks a receipt without us.

A signature is of the BLAKE2b-512 of the content (`ED`, minisign's prehashed form), and a second one is of that signature and the trusted
comment, so that neither can be put elsewhere. The format: https://jedisct1.github.io/minisign/#signature-format. The key id is minisign's
own invention and random there; here it is the beginning of the public key's SHA-256, so that it need not be kept.
"""

import base64
import binascii
import hashlib
import hmac

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_KEY_ALGORITHM = b"Ed"
_PREHASHED = b"ED"
_KEY_ID_BYTES = 8
_PUBLIC_BYTES = 32
_SIGNATURE_BYTES = 64
_UNTRUSTED = "untrusted comment: "
_TRUSTED = "trusted comment: "
_LINES = 4


class PublicKey(msgspec.Struct, frozen=True):
    """A public key; equal where key id and key are."""

    key_id: bytes
    raw: bytes

    @property
    def text(self) -> str:
        """The key in one line, `RW…`, as `minisign -P` takes it."""
        return base64.b64encode(_KEY_ALGORITHM + self.key_id + self.raw).decode()

    def file(self, comment: str) -> str:
        """Return the key's file, as `minisign -p` takes it."""
        return f"{_UNTRUSTED}{comment}\n{self.text}\n"


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """A detached signature."""

    key_id: bytes
    of_content: bytes
    untrusted_comment: str
    """Which no signature covers."""
    trusted_comment: str
    of_comment: bytes
    """Of `of_content` and the trusted comment together."""


class SigningKey:
    """Signs; the private part is never part of a `repr`."""

    def __init__(self, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        raw = self._private.public_key().public_bytes_raw()
        self.public = PublicKey(hashlib.sha256(raw).digest()[:_KEY_ID_BYTES], raw)

    @classmethod
    def derived(cls, secret: bytes, purpose: str) -> "SigningKey":
        """Make a key of another secret, for who has no key of its own."""
        return cls(hmac.digest(secret, purpose.encode(), hashlib.sha256))

    def sign(self, content: bytes, *, comment: str, trusted_comment: str) -> bytes:
        """Return the file of a detached signature; the same content and comments give the same bytes (RFC 8032)."""
        of_content = self._private.sign(_hashed(content))
        of_comment = self._private.sign(of_content + trusted_comment.encode())
        signature = base64.b64encode(_PREHASHED + self.public.key_id + of_content).decode()
        return (f"{_UNTRUSTED}{comment}\n{signature}\n{_TRUSTED}{trusted_comment}\n{base64.b64encode(of_comment).decode()}\n").encode()


def parse_public_key(text: str) -> PublicKey | str:
    """Read a public key, or the file of one; returns what is wrong as a text."""
    lines = text.strip().split("\n")
    decoded = _decode(lines[-1].strip())
    if len(lines) > 2 or decoded is None or len(decoded) != 2 + _KEY_ID_BYTES + _PUBLIC_BYTES:  # noqa: PLR2004 - a comment and the key
        return "is no public key of minisign (RW and 54 more characters)"
    if decoded[:2] != _KEY_ALGORITHM:
        return "is a key for something else than Ed25519"
    return PublicKey(decoded[2 : 2 + _KEY_ID_BYTES], decoded[2 + _KEY_ID_BYTES :])


def parse_signature(content: bytes) -> Signature | str:
    """Read the file of a signature, strictly as `sign` writes it; returns what is wrong as a text."""
    try:
        lines = content.decode().split("\n")
    except UnicodeDecodeError:
        return "is not UTF-8"
    if len(lines) != _LINES + 1 or lines[-1] or not lines[0].startswith(_UNTRUSTED) or not lines[2].startswith(_TRUSTED):
        return "is not the four lines of a minisign signature"
    signature, of_comment = _decode(lines[1]), _decode(lines[3])
    if signature is None or len(signature) != 2 + _KEY_ID_BYTES + _SIGNATURE_BYTES or signature[:2] != _PREHASHED:
        return "line 2 is no signature of minisign's prehashed form"
    if of_comment is None or len(of_comment) != _SIGNATURE_BYTES:
        return "line 4 is no signature of the trusted comment"
    return Signature(
        key_id=signature[2 : 2 + _KEY_ID_BYTES],
        of_content=signature[2 + _KEY_ID_BYTES :],
        untrusted_comment=lines[0].removeprefix(_UNTRUSTED),
        trusted_comment=lines[2].removeprefix(_TRUSTED),
        of_comment=of_comment,
    )


def is_signed(content: bytes, signature: Signature, key: PublicKey) -> bool:
    """Say whether a signature is of this content, by this key, with its trusted comment."""
    if signature.key_id != key.key_id:
        return False
    try:
        public = Ed25519PublicKey.from_public_bytes(key.raw)
        public.verify(signature.of_content, _hashed(content))
        public.verify(signature.of_comment, signature.of_content + signature.trusted_comment.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def _hashed(content: bytes) -> bytes:
    return hashlib.blake2b(content).digest()


def _decode(text: str) -> bytes | None:
    """Decode base64 in its only spelling."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return decoded if base64.b64encode(decoded).decode() == text else None
