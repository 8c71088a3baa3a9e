"""What is sealed opens only where it belongs."""

import pytest

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
