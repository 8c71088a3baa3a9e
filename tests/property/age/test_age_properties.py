"""Files of age: what was sealed opens to the same bytes, of the length that was said before, and nothing that was changed opens."""

import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pyrage
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rightful.age import bech32
from rightful.age.header import HEADER_BYTES, open_by_passphrase, open_with, read_header, seal_by_passphrase, seal_to
from rightful.age.intake import Intake
from rightful.age.keys import Identity
from rightful.age.payload import content_bytes, decrypt, encrypt, payload_bytes

KIB64 = 64 * 1024
KEY, OTHER = Identity(bytes(range(32))), Identity(bytes(range(1, 33)))
SIZES = st.sampled_from([0, 1, 100, KIB64 - 1, KIB64, KIB64 + 1, 2 * KIB64 - 1, 2 * KIB64, 2 * KIB64 + 1, 300_001])
FILE_KEY, EPHEMERAL, NONCE = bytes(range(16)), bytes(range(7, 39)), bytes(range(3, 19))


def content_of(size: int) -> bytes:
    return (b"".join(number.to_bytes(4, "big") for number in range(size // 4 + 1)))[:size]


def cut(content: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({0, len(content), *(place % (len(content) + 1) for place in places)})
    return [content[start:end] for start, end in pairwise(ends)]


def sealed(content: bytes, places: list[int]) -> bytes:
    return seal_to(KEY.recipient, FILE_KEY, EPHEMERAL) + b"".join(encrypt(cut(content, places), FILE_KEY, NONCE))


def opened(file: list[bytes], *keys: Identity) -> bytes:
    intake = Intake(file)
    file_key = open_with(keys or (KEY,), read_header(intake))
    if file_key is None:
        raise ValueError("sealed to somebody else")
    return b"".join(decrypt(intake, file_key))


@given(size=SIZES, places=st.lists(st.integers(0, 400_000), max_size=5), read=st.lists(st.integers(0, 400_000), max_size=5))
def test_what_was_sealed_opens_however_it_is_cut_and_is_as_long_as_was_said(size: int, places: list[int], read: list[int]) -> None:
    content = content_of(size)
    file = sealed(content, places)
    assert file == sealed(content, [])
    assert len(file) == HEADER_BYTES + payload_bytes(size)
    assert content_bytes(len(file) - HEADER_BYTES) == size
    assert opened(cut(file, read)) == content


@given(size=SIZES)
def test_pyrage_opens_ours_and_we_open_pyrages(size: int) -> None:
    content = content_of(size)
    assert pyrage.decrypt(sealed(content, []), [pyrage.x25519.Identity.from_str(KEY.write())]) == content
    theirs = pyrage.encrypt(
        content, [pyrage.x25519.Recipient.from_str(str(OTHER.recipient)), pyrage.x25519.Recipient.from_str(str(KEY.recipient))]
    )
    assert opened([theirs]) == content


@pytest.mark.skipif(not shutil.which("age"), reason="age is not installed")
@pytest.mark.parametrize("size", [0, 1, KIB64 - 1, KIB64, KIB64 + 1, 50 * KIB64])
def test_stock_age_opens_ours_and_we_open_stock_ages(tmp_path: Path, size: int) -> None:
    content = content_of(size)
    (tmp_path / "key.txt").write_text(KEY.write() + "\n")
    (tmp_path / "file.age").write_bytes(sealed(content, []))
    assert (
        subprocess.run(["age", "-d", "-i", tmp_path / "key.txt", tmp_path / "file.age"], capture_output=True, check=True).stdout == content
    )
    theirs = subprocess.run(["age", "-r", str(KEY.recipient)], input=content, capture_output=True, check=True).stdout
    assert opened([theirs]) == content


@given(place=st.integers(0, 1 << 20), bit=st.integers(0, 7), size=st.sampled_from([0, 1, KIB64, KIB64 + 1]))
@example(place=0, bit=0, size=0)
def test_changed_bit_is_noticed(place: int, bit: int, size: int) -> None:
    file = bytearray(sealed(content_of(size), []))
    file[place % len(file)] ^= 1 << bit
    with pytest.raises(ValueError, match=r"\w"):
        opened([bytes(file)])


@given(length=st.integers(0, 1 << 20), size=SIZES)
def test_cut_file_is_noticed(length: int, size: int) -> None:
    file = sealed(content_of(size), [])
    with pytest.raises(ValueError, match=r"\w"):
        opened([file[: length % len(file)]])


@given(size=SIZES, more=st.binary(min_size=1, max_size=40))
def test_lengthened_file_is_noticed(size: int, more: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        opened([sealed(content_of(size), []) + more])


def test_pieces_in_another_order_are_noticed() -> None:
    file = sealed(content_of(3 * KIB64), [])
    start, piece = len(file) - 3 * (KIB64 + 16), KIB64 + 16
    first, second = file[start : start + piece], file[start + piece : start + 2 * piece]
    with pytest.raises(ValueError, match="changed"):
        opened([file[:start], second, first, file[start + 2 * piece :]])


def test_other_key_opens_nothing() -> None:
    with pytest.raises(ValueError, match="somebody else"):
        opened([sealed(b"x", [])], OTHER)


@given(st.binary(max_size=300))
def test_anything_else_is_no_file_of_age(content: bytes) -> None:
    for file in (content, b"age-encryption.org/v1\n" + content):
        with pytest.raises(ValueError, match=r"\w"):
            opened([file])


def test_passphrase_opens_what_it_sealed_and_no_other_does() -> None:
    header = seal_by_passphrase("correct horse", FILE_KEY, bytes(16), work=10)
    assert open_by_passphrase("correct horse", read_header(Intake([header]))) == FILE_KEY
    assert open_by_passphrase("correct horsf", read_header(Intake([header]))) is None
    file = header + b"".join(encrypt([b"content"], FILE_KEY, NONCE))
    assert pyrage.passphrase.decrypt(file, "correct horse") == b"content"


def test_passphrase_that_costs_too_much_is_not_tried() -> None:
    header = seal_by_passphrase("correct horse", FILE_KEY, bytes(16), work=10).replace(b" 10\n", b" 30\n")
    with pytest.raises(ValueError, match="costs more"):
        open_by_passphrase("correct horse", read_header(Intake([header])))


@given(st.binary(max_size=80))
def test_bech32_reads_what_it_writes(content: bytes) -> None:
    text = bech32.encode("age", content)
    assert bech32.decode("age", text) == content == bech32.decode("age", text.upper())


@given(st.binary(min_size=32, max_size=32), st.integers(0, 60), st.sampled_from("qpzry9x8gf2tvdw0s3jn54khce6mua7l"))
def test_slip_of_a_pen_is_noticed(content: bytes, place: int, character: str) -> None:
    text = bech32.encode("age", content)
    place = 4 + place % (len(text) - 4)
    slipped = text[:place] + character + text[place + 1 :]
    if slipped != text:
        with pytest.raises(ValueError, match=r"\w"):
            bech32.decode("age", slipped)
