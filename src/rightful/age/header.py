"""The header of a file: who may open it. It seals the file's key to recipients, and is sealed by it against changes.

Spec: https://c2sp.org/age, "Header", "X25519 recipient type", "scrypt recipient type".
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from rightful.age.intake import Intake
from rightful.age.keys import KEY_BYTES, Identity, Recipient

FILE_KEY_BYTES = 16
SALT_BYTES = 16
_VERSION = b"age-encryption.org/v1"
_END = b"---"
_X25519 = "X25519"
_SCRYPT = "scrypt"
_NONCE = bytes(12)
"""A key that seals a file's key seals nothing else."""
_COLUMNS = 64
_LONGEST_LINE = 4096
_MOST_LINES = 4096
BODY_BYTES = FILE_KEY_BYTES + 16
"""How long a sealed file key is."""
_HARDEST = 20
"""Of passphrases that are opened here: 2^20 takes 1 GiB and some seconds. Somebody else's file must not take all there is."""
_WORK = re.compile(r"[1-9][0-9]?")


class Stanza(msgspec.Struct, frozen=True):
    """A file's key, sealed to one recipient."""

    type: str
    arguments: tuple[str, ...]
    body: bytes


class Header(msgspec.Struct, frozen=True):
    """A header as it was read; nothing says yet that it was not changed."""

    stanzas: tuple[Stanza, ...]
    covered: bytes
    """What the code at its end is of."""
    mac: bytes


def derive(key: bytes, info: bytes, *, salt: bytes = b"") -> bytes:
    """Derive a key (HKDF-SHA-256)."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=info).derive(key)


def seal_to(recipient: Recipient, file_key: bytes, ephemeral: bytes) -> bytes:
    """Return the header of a file for a public key; the ephemeral secret (32 bytes) seals this file's key and nothing else."""
    own = X25519PrivateKey.from_private_bytes(ephemeral)
    share = own.public_key().public_bytes_raw()
    shared = own.exchange(X25519PublicKey.from_public_bytes(recipient.public))
    return with_stanza(Stanza(_X25519, (_text(share),), wrap(_x25519_key(shared, share, recipient), file_key)), file_key)


def seal_by_passphrase(passphrase: str, file_key: bytes, salt: bytes, *, work: int) -> bytes:
    """Return the header of a file for a passphrase, which costs 2^work times 1 KiB of memory, here and for whoever guesses."""
    key = _scrypt_key(passphrase, salt, work)
    return with_stanza(Stanza(_SCRYPT, (_text(salt), str(work)), wrap(key, file_key)), file_key)


def read_header(intake: Intake) -> Header:
    """Read a header; raises `ValueError` where it is none."""
    covered = [intake.line(_LONGEST_LINE)]
    if covered[0] != _VERSION:
        raise ValueError("it is no file of age")
    stanzas: list[Stanza] = []
    while len(covered) < _MOST_LINES:
        line = intake.line(_LONGEST_LINE)
        if line.startswith(_END):
            return Header(tuple(stanzas), b"\n".join((*covered, _END)), _bytes(line.removeprefix(_END + b" ").decode("ascii", "replace")))
        covered.append(line)
        words = line.decode("ascii", "replace").split(" ")
        if words[0] != "->" or len(words) < 2 or not all(words):  # noqa: PLR2004 - the arrow and the type
            raise ValueError("its header is damaged")
        body = ""
        while len(covered) < _MOST_LINES:
            part = intake.line(_COLUMNS)
            covered.append(part)
            body += part.decode("ascii", "replace")
            if len(part) < _COLUMNS:
                break
        stanzas.append(Stanza(words[1], tuple(words[2:]), _bytes(body)))
    raise ValueError("its header is damaged")


def open_with(identities: Iterable[Identity], header: Header) -> bytes | None:
    """Return the file's key, None where it is sealed to none of these; raises `ValueError` where the header was changed."""
    keys = list(identities)
    for stanza in header.stanzas:
        if stanza.type != _X25519 or len(stanza.arguments) != 1 or len(stanza.body) != BODY_BYTES:
            continue
        share = _bytes(stanza.arguments[0])
        for identity in keys:
            try:
                shared = identity.key.exchange(X25519PublicKey.from_public_bytes(share))
            except ValueError:
                raise ValueError("its header is damaged") from None
            file_key = unwrap(_x25519_key(shared, share, identity.recipient), stanza.body)
            if file_key is not None:
                return proven(header, file_key)
    return None


def is_by_passphrase(header: Header) -> bool:
    """Say whether a passphrase opens it; such a file has no other recipient."""
    return len(header.stanzas) == 1 and header.stanzas[0].type == _SCRYPT


def open_by_passphrase(passphrase: str, header: Header) -> bytes | None:
    """Return the file's key, None where the passphrase is another one; raises `ValueError` where the header is of another kind."""
    stanza = header.stanzas[0] if is_by_passphrase(header) else Stanza("", (), b"")
    if len(stanza.arguments) != 2 or len(stanza.body) != BODY_BYTES:  # noqa: PLR2004 - salt and work
        raise ValueError("it is not sealed by a passphrase")
    salt, work = _bytes(stanza.arguments[0]), stanza.arguments[1]
    if len(salt) != SALT_BYTES or not _WORK.fullmatch(work) or int(work) > _HARDEST:
        raise ValueError("its passphrase costs more than is spent here")
    file_key = unwrap(_scrypt_key(passphrase, salt, int(work)), stanza.body)
    return None if file_key is None else proven(header, file_key)


def _x25519_key(shared: bytes, share: bytes, recipient: Recipient) -> bytes:
    return derive(shared, b"age-encryption.org/v1/X25519", salt=share + recipient.public)


def _scrypt_key(passphrase: str, salt: bytes, work: int) -> bytes:
    return Scrypt(salt=b"age-encryption.org/v1/scrypt" + salt, length=KEY_BYTES, n=1 << work, r=8, p=1).derive(passphrase.encode())


def wrap(key: bytes, file_key: bytes) -> bytes:
    """Seal a file's key by a key that seals nothing else."""
    return ChaCha20Poly1305(key).encrypt(_NONCE, file_key, None)


def unwrap(key: bytes, body: bytes) -> bytes | None:
    """Open it again; None where the key is another one."""
    try:
        return ChaCha20Poly1305(key).decrypt(_NONCE, body, None)
    except InvalidTag:
        return None


def with_stanza(stanza: Stanza, file_key: bytes) -> bytes:
    """Return the header of a file for one recipient."""
    lines = (_VERSION.decode(), " ".join(("->", stanza.type, *stanza.arguments)), _text(stanza.body), _END.decode())
    covered = "\n".join(lines).encode()
    return covered + b" " + _text(_mac(covered, file_key)).encode() + b"\n"


def _mac(covered: bytes, file_key: bytes) -> bytes:
    return hmac.digest(derive(file_key, b"header"), covered, hashlib.sha256)


def proven(header: Header, file_key: bytes) -> bytes:
    """Return the file's key, which shows that the header is what it was; raises `ValueError` where it was changed."""
    if not hmac.compare_digest(_mac(header.covered, file_key), header.mac):
        raise ValueError("its header was changed")
    return file_key


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    """Read base64 without padding, in the one way in which it can be written."""
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("its header is damaged") from None
    if _text(content) != text:
        raise ValueError("its header is damaged")
    return content


HEADER_BYTES = len(seal_to(Recipient((9).to_bytes(KEY_BYTES, "little")), bytes(FILE_KEY_BYTES), bytes(KEY_BYTES)))
"""How long the header for one public key is."""
