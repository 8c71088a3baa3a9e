"""Sealing a message to one public key, whole and in memory: a file of age for somebody who opens it once."""

import os
from collections.abc import Iterable

from rightful.age.header import FILE_KEY_BYTES, open_with, read_header, seal_to
from rightful.age.intake import Intake
from rightful.age.keys import KEY_BYTES, Identity, Recipient
from rightful.age.payload import NONCE_BYTES, decrypt, encrypt


def new_identity() -> Identity:
    """Make a key that was never used."""
    return Identity(os.urandom(KEY_BYTES))


def seal(plain: bytes, recipient: Recipient) -> bytes:
    """Seal a message; the same one looks different each time."""
    file_key = os.urandom(FILE_KEY_BYTES)
    head = seal_to(recipient, file_key, os.urandom(KEY_BYTES))
    return b"".join((head, *encrypt((plain,), file_key, os.urandom(NONCE_BYTES))))


def unseal(sealed: bytes, identities: Iterable[Identity]) -> bytes:
    """Open a message; raises `ValueError` where it was changed, or is for somebody else."""
    intake = Intake((sealed,))
    file_key = open_with(identities, read_header(intake))
    if file_key is None:
        raise ValueError("it is sealed to another key")
    return b"".join(decrypt(intake, file_key))
