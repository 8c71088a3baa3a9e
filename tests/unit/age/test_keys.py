"""Keys as age writes them, and what is told of those that are none."""

import shutil
import subprocess

import pytest

from rightful.age.keys import Identity, parse_identities, parse_recipient

KEY = Identity(bytes(range(32)))


@pytest.mark.skipif(not shutil.which("age-keygen"), reason="age is not installed")
def test_stock_keys_are_read_and_ours_are_read_by_stock_age() -> None:
    made = subprocess.run(["age-keygen"], capture_output=True, text=True, check=True).stdout
    (identity,) = parse_identities(made)
    assert f"# public key: {identity.recipient}\n" in made
    assert str(parse_recipient(f" {identity.recipient}\n")) == str(identity.recipient)
    assert subprocess.run(["age-keygen", "-y"], input=KEY.write(), capture_output=True, text=True, check=True).stdout.strip() == str(
        KEY.recipient
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "begin"),
        ("age1", "checksum"),
        (KEY.write(), "secret key"),
        (f"{KEY.recipient}"[:-1], "checksum"),
        (f"{KEY.recipient}".replace("q", "Q"), "begin"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB", "SSH"),
        ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "begin"),
        ("age1é", "begin"),
    ],
)
def test_text_that_is_no_recipient_is_refused_and_not_repeated(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        parse_recipient(text)
    assert not text or text not in str(caught.value)


def test_key_that_protects_nothing_is_refused() -> None:
    from rightful.age import bech32

    for point in (bytes(32), b"\1" + bytes(31), bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")):
        with pytest.raises(ValueError, match="protects nothing"):
            parse_recipient(bech32.encode("age", point))
    with pytest.raises(ValueError, match="X25519"):
        parse_recipient(bech32.encode("age", bytes(31)))


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "no identity"), ("# only a comment\n", "no identity"), ("x\n", "line 1"), (f"\n{KEY.write()}\n{KEY.recipient}", "line 3")],
)
def test_file_without_identities_is_refused_and_not_repeated(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        parse_identities(text)
    assert KEY.write() not in str(caught.value)


def test_identity_shows_no_secret() -> None:
    assert KEY.write() not in repr(KEY)
    assert str(KEY.recipient) in repr(KEY)
