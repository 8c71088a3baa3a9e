"""Files of age for keys of SSH: what we seal others open, what others seal we open, and keys that protect nothing are refused."""

import base64
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pyrage
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from rightful.age.header import read_header
from rightful.age.intake import Intake
from rightful.age.payload import decrypt, encrypt
from rightful.age.ssh import SshIdentity, SshRecipient, is_by_ssh, open_with_ssh, parse_ssh_identity, parse_ssh_recipient, seal_to_ssh, tags

FILE_KEY, NONCE = bytes(range(16)), bytes(range(3, 19))


def key_of(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([number] * 32))


def secret_of(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


def sealed(recipient: SshRecipient, content: bytes, ephemeral: int = 9) -> bytes:
    return seal_to_ssh(recipient, FILE_KEY, bytes([ephemeral] * 32)) + b"".join(encrypt((content,), FILE_KEY, NONCE))


def opened(identity: SshIdentity, file: bytes) -> bytes | None:
    intake = Intake((file,))
    file_key = open_with_ssh(identity, read_header(intake))
    return None if file_key is None else b"".join(decrypt(intake, file_key))


@pytest.mark.parametrize("number", range(1, 9))
def test_pyrage_opens_ours_and_we_open_pyrages(number: int) -> None:
    key = key_of(number)
    identity = parse_ssh_identity(secret_of(key))
    assert opened(identity, sealed(identity.recipient, b"hello", number)) == b"hello"
    assert pyrage.decrypt(sealed(identity.recipient, b"hello"), [pyrage.ssh.Identity.from_buffer(secret_of(key))]) == b"hello"
    theirs = pyrage.encrypt(b"hello", [pyrage.ssh.Recipient.from_str(str(identity.recipient))])
    assert opened(identity, theirs) == b"hello"
    assert is_by_ssh(read_header(Intake((theirs,))))
    assert opened(parse_ssh_identity(secret_of(key_of(99))), theirs) is None


@pytest.mark.skipif(not (shutil.which("age") and shutil.which("ssh-keygen")), reason="age or ssh-keygen is not installed")
def test_stock_age_opens_ours_with_a_key_of_ssh_keygen(tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ann@laptop", "-f", tmp_path / "id"], check=True)
    recipient = parse_ssh_recipient((tmp_path / "id.pub").read_text())
    (tmp_path / "file.age").write_bytes(sealed(recipient, b"hello"))
    said = subprocess.run(["age", "-d", "-i", tmp_path / "id", tmp_path / "file.age"], capture_output=True, check=True)
    assert said.stdout == b"hello"
    theirs = subprocess.run(["age", "-r", str(recipient)], input=b"hello", capture_output=True, check=True).stdout
    identity = parse_ssh_identity((tmp_path / "id").read_bytes())
    assert opened(identity, theirs) == b"hello"
    assert tags(read_header(Intake((theirs,)))) == {recipient.tag}


def test_changed_header_opens_nothing() -> None:
    identity = SshIdentity(key_of(1))
    whole = sealed(identity.recipient, b"hello")
    for place in range(whole.index(b"---")):
        changed = bytearray(whole)
        changed[place] ^= 1
        with suppress(ValueError):
            assert opened(identity, bytes(changed)) is None, place


def _framed(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _written(public: bytes, kind: bytes = b"ssh-ed25519") -> str:
    return f"ssh-ed25519 {base64.b64encode(_framed(kind, public)).decode()}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ssh-rsa AAAAB3NzaC1yc2E=", "not taken"),
        ("sk-ssh-ed25519@openssh.com AAAA", "not taken"),
        ("ssh-ed25519", "no key of SSH"),
        ("ssh-ed25519 ????", "no key of SSH"),
        (_written(bytes(31)), "no key of SSH"),
        (_written(bytes(32), b"ssh-ed25518"), "no key of SSH"),
        (_written((1).to_bytes(32, "little")), "protects nothing"),  # the neutral element
        (_written(bytes(32)), "protects nothing"),  # of order 4
        (_written((2**255 - 20).to_bytes(32, "little")), "protects nothing"),  # of order 2
        (_written((2).to_bytes(32, "little")), "protects nothing"),  # no point of the curve
        (_written((2**255 - 19 + 3).to_bytes(32, "little")), "protects nothing"),  # written in another way than the one
    ],
)
def test_public_key_that_cannot_be_used_is_refused_and_not_repeated(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        parse_ssh_recipient(text)
    assert text.partition(" ")[2][:8] not in str(caught.value) or not text.partition(" ")[2]


def test_secret_key_that_cannot_be_used_is_refused() -> None:
    other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    with pytest.raises(ValueError, match="not taken"):
        parse_ssh_identity(other)
    with pytest.raises(ValueError, match="no secret key"):
        parse_ssh_identity(b"-----BEGIN OPENSSH PRIVATE KEY-----\nx\n-----END OPENSSH PRIVATE KEY-----\n")
    assert repr(SshIdentity(key_of(1))) == f"SshIdentity({SshIdentity(key_of(1)).recipient})"


@pytest.mark.parametrize("kind", [b"sk-ssh-ed25519@openssh.com", b"ssh-xmss@openssh.com"])
def test_secret_key_of_a_kind_that_is_not_known_is_not_said_to_have_a_passphrase(kind: bytes) -> None:
    public = _framed(kind, bytes(32))
    content = b"openssh-key-v1\0" + _framed(b"none", b"none", b"") + (1).to_bytes(4, "big") + _framed(public, bytes(8))
    pem = b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + base64.encodebytes(content) + b"-----END OPENSSH PRIVATE KEY-----\n"
    with pytest.raises(ValueError, match="not taken"):
        parse_ssh_identity(pem)


@pytest.mark.parametrize("length", [15, 17, 24])
def test_file_key_of_another_length_opens_nothing(length: int) -> None:
    identity = SshIdentity(key_of(1))
    header = seal_to_ssh(identity.recipient, bytes(length), bytes([9] * 32))
    assert open_with_ssh(identity, read_header(Intake((header,)))) is None


@pytest.mark.parametrize("cipher", ["aes256-ctr", "chacha20-poly1305@openssh.com"])
@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="ssh-keygen is not installed")
def test_secret_key_with_a_passphrase_says_what_to_do(tmp_path: Path, cipher: str) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-Z", cipher, "-N", "correct horse", "-f", tmp_path / "id"], check=True)
    with pytest.raises(ValueError, match="age -d -i"):
        parse_ssh_identity((tmp_path / "id").read_bytes())
