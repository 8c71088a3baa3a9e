"""The keys that files are sealed to: a recipient is public, its identity opens what was sealed to it."""

from collections.abc import Iterator

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from rightful.age import bech32

_RECIPIENT = "age"
_IDENTITY = "age-secret-key-"
KEY_BYTES = 32
SSH = ("ssh-", "ecdsa-", "sk-")
"""How public keys of SSH begin."""


class Recipient(msgspec.Struct, frozen=True):
    """A public key, X25519."""

    public: bytes

    def __str__(self) -> str:
        """Write it as age does: `age1…`."""
        return bech32.encode(_RECIPIENT, self.public)


class Identity:
    """The key that opens what was sealed to its recipient. It is no part of a `repr`."""

    def __init__(self, secret: bytes) -> None:
        self.key = X25519PrivateKey.from_private_bytes(secret)
        self.recipient = Recipient(self.key.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"Identity({self.recipient})"

    def write(self) -> str:
        """Write it as age does: `AGE-SECRET-KEY-1…`. A secret."""
        return bech32.encode(_IDENTITY, self.key.private_bytes_raw()).upper()


def parse_recipient(text: str) -> Recipient:
    """Read a public key; raises `ValueError`, which says what is wrong and repeats nothing of it."""
    text = text.strip()
    if text.lower().startswith(_IDENTITY):
        raise ValueError("it is a secret key; its public key begins with age1")
    if text.startswith(SSH):
        raise ValueError("it is a key of SSH")
    public = bech32.decode(_RECIPIENT, text)
    if len(public) != KEY_BYTES:
        raise ValueError("it is no X25519 key")
    try:
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:  # a point of low order: what it seals, anybody opens
        raise ValueError("it is a key that protects nothing") from None
    return Recipient(public)


def parse_identities(text: str) -> list[Identity]:
    """Read a file of identities as `age-keygen` writes it; raises `ValueError`, which says what is wrong and repeats nothing of it."""
    found = list(_identities(text))
    if not found:
        raise ValueError("it holds no identity (AGE-SECRET-KEY-1…)")
    return found


def _identities(text: str) -> Iterator[Identity]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            secret = bech32.decode(_IDENTITY, line.strip())
        except ValueError as error:
            raise ValueError(f"line {number} is no identity (AGE-SECRET-KEY-1…): {error}") from None
        if len(secret) != KEY_BYTES:
            raise ValueError(f"line {number} is no X25519 identity")
        yield Identity(secret)
