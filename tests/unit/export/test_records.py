"""What is sealed in the store opens as it was."""

import sqlite3
from pathlib import Path

import pytest
from tests.unit.export.scripted import PEOPLE, ROWS_HEADER, Scripted, batch, yields
from tests.unit.export.world import World

from rightful.connectors.interface import Cursor
from rightful.errors import ConfigurationError
from rightful.export.records import Sealed
from rightful.ids import OperationId, TenantId
from rightful.sealing import Sealer
from rightful.store.values import ReadSet

SEALED = Sealed(Sealer(bytes(32)), TenantId("t"), OperationId("o"))


@pytest.mark.parametrize("after", [0, -(2**63), 2**64 - 1, "", "key", "😀", b"", b"Documents/caf\xe9", b"\x00", (7, "key", b"\xe9"), ("",)])
def test_cursor_opened_is_the_one_that_was_sealed(after: int | str | bytes | tuple[int | str | bytes, ...]) -> None:
    opened = SEALED.open_cursor(SEALED.cursor(Cursor(after)))
    assert (type(opened.after), opened.after) == (type(after), after)


def test_cursor_of_another_operation_does_not_open() -> None:
    other = Sealed(Sealer(bytes(32)), TenantId("t"), OperationId("other"))
    with pytest.raises(ConfigurationError):
        other.open_cursor(SEALED.cursor(Cursor("key")))


def test_plan_that_names_people_is_sealed_in_the_store_and_gone_when_the_operation_has_ended(tmp_path: Path) -> None:
    planned = [f"user=ann@contoso.example/{number}.parquet" for number in range(2)]
    world = World(tmp_path, PEOPLE, {"lake": Scripted(yields(ROWS_HEADER, batch((1, "ann@contoso.example", 0))), specs=planned)})
    operation = world.submit("1")
    assert world.step()  # plans, and reads the first partition
    claim = world.store.claim("other", lease_s=0, limit=10)
    assert isinstance(claim, ReadSet)
    assert (claim.partition, [bool(read.sealed_spec) for read in claim.reads]) == (1, [True])
    assert b"user=ann" not in b"".join(path.read_bytes() for path in tmp_path.glob("store.db*"))
    world.run()
    assert world.get(operation).is_ended
    assert world.rows(operation, "lake") == [1, 1]
    with sqlite3.connect(f"file:{tmp_path}/store.db?mode=ro", uri=True) as connection:
        assert connection.execute("SELECT DISTINCT length(sealed_spec) FROM read").fetchall() == [(0,)]
    connection.close()
