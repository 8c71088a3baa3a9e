"""What is sealed in the store opens as it was."""

import pytest

from rightful.connectors.interface import Cursor
from rightful.errors import ConfigurationError
from rightful.export.records import Sealed
from rightful.ids import OperationId, TenantId
from rightful.sealing import Sealer

SEALED = Sealed(Sealer(bytes(32)), TenantId("t"), OperationId("o"))


@pytest.mark.parametrize("after", [0, -(2**63), 2**64 - 1, "", "key", "😀", b"", b"Documents/caf\xe9", b"\x00"])
def test_cursor_opened_is_the_one_that_was_sealed(after: int | str | bytes) -> None:
    opened = SEALED.open_cursor(SEALED.cursor(Cursor(after)))
    assert (type(opened.after), opened.after) == (type(after), after)


def test_cursor_of_another_operation_does_not_open() -> None:
    other = Sealed(Sealer(bytes(32)), TenantId("t"), OperationId("other"))
    with pytest.raises(ConfigurationError):
        other.open_cursor(SEALED.cursor(Cursor("key")))
