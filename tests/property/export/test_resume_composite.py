"""A read of a table whose key has several columns may break off at any row: the package is the one of a read that did not."""

import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.export.world import TENANT, World

from rightful.config.model import ExportSettings
from rightful.connectors.interface import Cursor, Item, Partition, ReadHeader, Rows
from rightful.connectors.sql import SqlConnector
from rightful.connectors.sql_settings import SqlSettings
from rightful.errors import SourceUnavailable
from rightful.export.runtime import TenantRuntime
from rightful.operation.model import OperationStatus
from rightful.package.verify import PackageState
from rightful.subject.model import IdentifiedSubject

_PEOPLE = {"1": {"upn": ("ann@contoso.example",)}}
_TABLE = "CREATE TABLE t (place text, number integer, upn text, note text, PRIMARY KEY (place, number)) WITHOUT ROWID"
_LARGE = 3_000_000
"""Parts are delivered in groups of 8 MiB: three such rows."""
_keys = st.tuples(st.sampled_from(["", "a", "A", "é", "it's", "\x1f"]), st.integers(-2, 12) | st.integers(-(2**63), 2**63 - 1))
_table = st.dictionaries(_keys, st.sampled_from([1, 700_000, _LARGE]), max_size=12)


class _Breaking:
    """A table whose rows come one by one, until the connection breaks."""

    def __init__(self, folder: Path, breaks_after: int | None) -> None:
        table = SqlSettings(url="sqlite:///t.db", table="t", match={"upn": "upn"})
        self._connector = SqlConnector("rows", table, siblings={}, folder=folder)
        self._left = breaks_after
        self.cursors: list[Cursor] = []
        self.check, self.plan, self.close = self._connector.check, self._connector.plan, self._connector.close

    def read(
        self, partition: Partition, subjects: Sequence[IdentifiedSubject], cursor: Cursor | None = None
    ) -> Iterator[ReadHeader | Item]:
        self.cursors += [cursor] if cursor is not None else []
        for item in self._connector.read(partition, subjects, cursor):
            if not isinstance(item, Rows):
                yield item
                continue
            for number in range(item.batch.num_rows):
                if self._left == 0:
                    self._left = None
                    raise SourceUnavailable("the connection broke", source_name="rows")
                self._left = None if self._left is None else self._left - 1
                yield Rows(item.batch.slice(number, 1))


def _exported(folder: Path, table: dict[tuple[str, int], int], breaks: Sequence[int]) -> tuple[bytes, list[Cursor]]:
    folder.mkdir()
    with closing(sqlite3.connect(folder / "t.db")) as connection:
        connection.execute(_TABLE)
        rows = [(*key, "ann@contoso.example", "x" * size) for key, size in table.items()]
        connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", rows)
        connection.commit()
    used = [_Breaking(folder, breaks_after) for breaks_after in (*breaks, None)]
    world = World(folder, _PEOPLE, {"rows": used[0]}, export=ExportSettings(part_mib=1, retry_s=0.0))
    operation = world.submit("1")
    for source in used:
        world.stop()
        world.tenants[TENANT] = TenantRuntime(world.tenants[TENANT].config, world.directory, {"rows": source})
        world.start()
        if source is not used[-1]:
            world.step()
            world.step()
    world.run()
    assert world.get(operation).status is OperationStatus.COMPLETE, world.get(operation).failure
    assert world.verify(operation).state is PackageState.WHOLE
    manifest = (world.package(operation) / "manifest-sha256.txt").read_bytes()
    world.stop()
    for source in used:
        source.close()
    return manifest, [cursor for source in used for cursor in source.cursors]


@settings(max_examples=12, deadline=None)
@given(table=_table, breaks=st.lists(st.integers(0, 12), max_size=3))
def test_export_over_a_key_of_two_columns_is_the_same_wherever_it_broke_off(table: dict[tuple[str, int], int], breaks: list[int]) -> None:
    with tempfile.TemporaryDirectory() as name:
        whole, _ = _exported(Path(name) / "whole", table, ())
        assert _exported(Path(name) / "broken", table, breaks)[0] == whole


def test_export_over_a_key_of_two_columns_goes_on_after_the_last_row_that_was_stored(tmp_path: Path) -> None:
    table = {("a", number): _LARGE for number in range(6)}
    whole, _ = _exported(tmp_path / "whole", table, ())
    broken, cursors = _exported(tmp_path / "broken", table, (4,))
    assert broken == whole
    assert cursors == [Cursor(("a", 2))]
