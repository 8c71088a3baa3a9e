"""Files of age for keys of SSH, of the kind `ssh-ed25519`: whoever has such a key need not make another one.

Spec: age's `agessh` (https://pkg.go.dev/filippo.io/age/agessh): the key's point on Ed25519 is taken to Curve25519, as its secret is, and
what is agreed there is bound to the key as SSH writes it.
"""

import base64
import binascii
import hashlib

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from rightful.age.header import BODY_BYTES, Header, Stanza, derive, proven, unwrap, with_stanza, wrap
from rightful.age.keys import KEY_BYTES

TYPE = "ssh-ed25519"
SECRET = b"-----BEGIN OPENSSH PRIVATE KEY-----"
_LABEL = b"age-encryption.org/v1/ssh-ed25519"
_OTHER_KIND = f"it is a key of SSH that is not taken: of these {TYPE} alone"
_PROTECTED = "it has a passphrase; open the package's key with age: age -d -i THIS_FILE key.age > key.txt"
_TAG_BYTES = 4
_PRIME = 2**255 - 19
_D = -121665 * pow(121666, -1, _PRIME) % _PRIME


class SshRecipient(msgspec.Struct, frozen=True):
    """A public key of SSH, Ed25519."""

    public: bytes

    def __str__(self) -> str:
        """Write it as SSH does, without a comment."""
        return f"{TYPE} {base64.b64encode(self.marshalled).decode()}"

    @property
    def marshalled(self) -> bytes:
        """The key in SSH's own form."""
        return b"".join(len(part).to_bytes(4, "big") + part for part in (TYPE.encode(), self.public))

    @property
    def tag(self) -> str:
        """What a file says of whom it is for: the beginning of the key's digest."""
        return base64.b64encode(hashlib.sha256(self.marshalled).digest()[:_TAG_BYTES]).decode().rstrip("=")


class SshIdentity:
    """The secret half of such a key. It is no part of a `repr`."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self.recipient = SshRecipient(key.public_key().public_bytes_raw())
        self.key = X25519PrivateKey.from_private_bytes(hashlib.sha512(key.private_bytes_raw()).digest()[:KEY_BYTES])

    def __repr__(self) -> str:
        return f"SshIdentity({self.recipient})"


def parse_ssh_recipient(text: str) -> SshRecipient:
    """Read a public key as it stands in `id_ed25519.pub`; raises `ValueError`, which says what is wrong and repeats nothing of it."""
    kind, _, rest = text.strip().partition(" ")
    if kind != TYPE:
        raise ValueError(_OTHER_KIND)
    try:
        content = base64.b64decode(rest.partition(" ")[0], validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("it is no key of SSH") from None
    recipient = SshRecipient(content[-KEY_BYTES:])
    if content != recipient.marshalled:
        raise ValueError("it is no key of SSH")
    try:
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(_on_curve25519(recipient.public)))
    except ValueError:  # no point of the curve, or one of low order
        raise ValueError("it is a key that protects nothing") from None
    return recipient


def parse_ssh_identity(content: bytes) -> SshIdentity:
    """Read a secret key as `ssh-keygen` writes it; raises `ValueError`, which says what is wrong."""
    try:
        key = load_ssh_private_key(content, password=None)
    except TypeError:
        raise ValueError(_PROTECTED) from None
    except UnsupportedAlgorithm:  # a kind of key that is not known, or else a cipher, which a passphrase goes with
        raise ValueError(_PROTECTED if _is_ed25519(content) else _OTHER_KIND) from None
    except ValueError:
        raise ValueError("it is no secret key of SSH") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(_OTHER_KIND)  # noqa: TRY004 - of a wrong text
    return SshIdentity(key)


def _is_ed25519(content: bytes) -> bool:
    """Say whether the public half, which stands before what a passphrase protects, is of the kind that is taken."""
    written = binascii.a2b_base64(content.partition(SECRET)[2].partition(b"-----")[0])
    return len(TYPE).to_bytes(4, "big") + TYPE.encode() in written


def seal_to_ssh(recipient: SshRecipient, file_key: bytes, ephemeral: bytes) -> bytes:
    """Return the header of a file for a key of SSH; the ephemeral secret (32 bytes) seals this file's key and nothing else."""
    own = X25519PrivateKey.from_private_bytes(ephemeral)
    share = own.public_key().public_bytes_raw()
    public = _on_curve25519(recipient.public)
    shared = own.exchange(X25519PublicKey.from_public_bytes(public))
    key = _key(shared, share, public, recipient)
    return with_stanza(Stanza(TYPE, (recipient.tag, base64.b64encode(share).decode().rstrip("=")), wrap(key, file_key)), file_key)


def is_by_ssh(header: Header) -> bool:
    """Say whether it is sealed to a key of SSH."""
    return any(stanza.type == TYPE for stanza in header.stanzas)


def tags(header: Header) -> frozenset[str]:
    """Return whom it is for, as far as it says."""
    return frozenset(stanza.arguments[0] for stanza in header.stanzas if stanza.type == TYPE and stanza.arguments)


def open_with_ssh(identity: SshIdentity, header: Header) -> bytes | None:
    """Return the file's key, None where it is sealed to another one; raises `ValueError` where the header was changed."""
    public = identity.key.public_key().public_bytes_raw()
    for stanza in header.stanzas:
        if stanza.type != TYPE or len(stanza.arguments) != 2 or len(stanza.body) != BODY_BYTES:  # noqa: PLR2004 - tag and share
            continue
        if stanza.arguments[0] != identity.recipient.tag:
            continue
        try:
            share = base64.b64decode(stanza.arguments[1] + "=", validate=True)
            shared = identity.key.exchange(X25519PublicKey.from_public_bytes(share))
        except ValueError:
            raise ValueError("its header is damaged") from None
        file_key = unwrap(_key(shared, share, public, identity.recipient), stanza.body)
        if file_key is not None:
            return proven(header, file_key)
    return None


def _key(shared: bytes, share: bytes, public: bytes, recipient: SshRecipient) -> bytes:
    tweak = derive(b"", _LABEL, salt=recipient.marshalled)
    shared = X25519PrivateKey.from_private_bytes(tweak).exchange(X25519PublicKey.from_public_bytes(shared))
    return derive(shared, _LABEL, salt=share + public)


def _on_curve25519(public: bytes) -> bytes:
    """Return the point of Curve25519 that is that of Ed25519 (RFC 7748, 4.1); raises `ValueError` where there is none."""
    y = int.from_bytes(public, "little") & (2**255 - 1)
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _PRIME) % _PRIME
    if y >= _PRIME or y == 1 or (square and pow(square, (_PRIME - 1) // 2, _PRIME) != 1):
        raise ValueError("no point")
    return ((1 + y) * pow(1 - y, -1, _PRIME) % _PRIME).to_bytes(KEY_BYTES, "little")
