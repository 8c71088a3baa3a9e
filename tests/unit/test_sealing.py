"""What is sealed opens only where it belongs."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rightful.errors import ConfigurationError
from rightful.ids import OperationId, TenantId
from rightful.sealing import Sealer

_PLACE = TenantId("t"), OperationId("o")


def test_sealed_bytes_open_again_and_look_different_each_time() -> None:
    sealer = Sealer(bytes(32))
    first, second = sealer.seal(b"pssst", *_PLACE), sealer.seal(b"pssst", *_PLACE)
    assert first != second
    assert b"pssst" not in first
    assert sealer.open(first, *_PLACE) == b"pssst"


@pytest.mark.parametrize(
    ("sealer", "tenant", "operation"),
    [(Sealer(b"x" * 32), "t", "o"), (Sealer(bytes(32)), "u", "o"), (Sealer(bytes(32)), "t", "p")],
    ids=["another key", "another tenant", "another operation"],
)
def test_sealed_bytes_open_nowhere_else(sealer: Sealer, tenant: str, operation: str) -> None:
    sealed = Sealer(bytes(32)).seal(b"pssst", *_PLACE)
    with pytest.raises(ConfigurationError, match="does not open") as caught:
        sealer.open(sealed, TenantId(tenant), OperationId(operation))
    assert "pssst" not in str(caught.value)


@pytest.mark.parametrize("position", [0, 5, -1])
def test_changed_bytes_do_not_open(position: int) -> None:
    sealed = bytearray(Sealer(bytes(32)).seal(b"pssst", *_PLACE))
    sealed[position] ^= 1
    with pytest.raises(ConfigurationError):
        Sealer(bytes(32)).open(bytes(sealed), *_PLACE)


def test_short_key_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="32 bytes"):
        Sealer(b"short")


def test_value_says_which_key_it_was_sealed_with() -> None:
    old, new = Sealer(bytes(32)), Sealer(b"n" * 32, bytes(32))
    sealed = old.seal(b"pssst", *_PLACE)
    assert new.open(sealed, *_PLACE) == b"pssst"
    assert old.is_current(sealed)
    assert not new.is_current(sealed)
    again = new.seal(b"pssst", *_PLACE)
    assert new.is_current(again)
    with pytest.raises(ConfigurationError):
        old.open(again, *_PLACE)


def test_value_of_the_form_without_a_key_id_is_still_opened() -> None:
    nonce = b"n" * 12
    sealed = b"\x01" + nonce + AESGCM(bytes(32)).encrypt(nonce, b"pssst", b"\x01t/o")
    for sealer in (Sealer(bytes(32)), Sealer(b"n" * 32, bytes(32))):
        assert sealer.open(sealed, *_PLACE) == b"pssst"
        assert not sealer.is_current(sealed)


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x02", b"\x02abcd", b"\x03" * 60])
def test_what_is_no_sealed_value_does_not_open(sealed: bytes) -> None:
    with pytest.raises(ConfigurationError):
        Sealer(bytes(32)).open(sealed, *_PLACE)
