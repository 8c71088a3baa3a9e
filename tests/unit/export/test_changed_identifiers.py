"""A directory that says something else about a person when an interrupted export of theirs goes on."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from tests.unit.export.world import TENANT, World

from rightful.config.model import ExportSettings
from rightful.connectors.files import FilesConnector, FilesSettings
from rightful.connectors.interface import Connector, Cursor, Item, Partition, ReadHeader
from rightful.connectors.sql import SqlConnector
from rightful.connectors.sql_settings import SqlSettings
from rightful.errors import SourceUnavailable
from rightful.operation.model import DataPolicyOperation, OperationStatus
from rightful.subject.model import IdentifiedSubject

Identifiers = Mapping[str, tuple[str, ...]]
_PART = 9 << 20
"""So large that a row or file is a part, and a checkpoint, by itself."""


class _Failing:
    """A connector whose first read breaks after a few items."""

    def __init__(self, inner: Connector, *, after: int) -> None:
        self._inner = inner
        self._left: int | None = after
        self.cursors: list[Cursor | None] = []

    def check(self) -> None: ...

    def plan(self, subjects: Sequence[IdentifiedSubject]) -> tuple[Partition, ...]:
        return self._inner.plan(subjects)

    def read(
        self, partition: Partition, subjects: Sequence[IdentifiedSubject], cursor: Cursor | None = None
    ) -> Iterator[ReadHeader | Item]:
        self.cursors.append(cursor)
        for number, item in enumerate(self._inner.read(partition, subjects, cursor)):
            if self._left is not None and number > self._left:
                self._left = None
                raise SourceUnavailable("down", source_name="source")
            yield item

    def close(self) -> None:
        self._inner.close()


def _orders(folder: Path) -> Connector:
    with closing(sqlite3.connect(folder / "shop.db")) as database, database:
        database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, mail TEXT, note TEXT)")
        rows = [(number, "new@contoso.example" if number % 2 else "old@contoso.example", "x" * _PART) for number in range(1, 8)]
        database.executemany("INSERT INTO orders VALUES (?, ?, ?)", rows)
    return SqlConnector("source", SqlSettings(url="sqlite:///shop.db", table="orders", match={"mail": "mail"}), siblings={}, folder=folder)


def _drive(folder: Path) -> Connector:
    for path in ("Ann@contoso.example/a.txt", "Ann@contoso.example/e.txt", "Ann@contoso.example/f.txt", "ann2@contoso.example/b.txt"):
        (folder / "drive" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "drive" / path).write_bytes(b"x" * _PART)
    return FilesConnector("source", FilesSettings(url="drive", path="{upn}/"), siblings={}, folder=folder)


def _exported(folder: Path, inner: Connector, before: Identifiers, now: Identifiers) -> tuple[World, DataPolicyOperation, _Failing]:
    """Export, fail after two parts, let the directory say something else, and resume."""
    connector = _Failing(inner, after=2)
    world = World(folder, {"1": before}, {"source": connector}, export=ExportSettings(part_mib=1, attempts=1))
    operation = world.submit("1")
    world.run()
    assert world.get(operation).status is OperationStatus.FAILED
    world.directory.change_user("1", now)
    world.service.resume(TENANT, operation.operation_id, None)
    world.run()
    done = world.get(operation)
    assert (done.status, done.failure) == (OperationStatus.COMPLETE, None)
    assert not world.verify(operation).findings
    return world, operation, connector


OLD, BOTH = ("old@contoso.example",), ("old@contoso.example", "new@contoso.example")


def test_rows_of_an_address_that_was_added_meanwhile_are_all_there(tmp_path: Path) -> None:
    world, operation, _ = _exported(tmp_path, _orders(tmp_path), {"mail": OLD}, {"mail": BOTH})
    assert world.rows(operation, "source") == [1, 2, 3, 4, 5, 6, 7]
    assert world.ledger(operation)["source"]["identifiers"] == {"mail": 2}


def test_rows_of_an_address_that_was_taken_away_meanwhile_do_not_count(tmp_path: Path) -> None:
    world, operation, _ = _exported(tmp_path, _orders(tmp_path), {"mail": BOTH}, {"mail": OLD})
    assert world.rows(operation, "source") == [2, 4, 6]


def test_files_of_a_folder_that_was_added_meanwhile_are_all_there(tmp_path: Path) -> None:
    names = ("Ann@contoso.example", "ann2@contoso.example")
    world, operation, _ = _exported(tmp_path, _drive(tmp_path), {"upn": names[:1]}, {"upn": names})
    folder = world.package(operation) / "data" / "Product" / "source"
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.txt")) == [
        *(f"{names[0]}/{name}.txt" for name in "aef"),
        "a.txt",
        f"{names[1]}/b.txt",
        "e.txt",
    ]
    superseded = {entry["path"].rpartition("/")[2] for entry in world.ledger(operation)["source"]["superseded"]}
    assert superseded == {"a.txt", "e.txt"}


@pytest.mark.parametrize(("make", "kind"), [(_orders, "mail"), (_drive, "upn")])
def test_read_goes_on_where_only_other_kinds_or_the_order_changed(tmp_path: Path, make: Callable[[Path], Connector], kind: str) -> None:
    values = ("Ann@contoso.example", *OLD)
    _, _, connector = _exported(tmp_path, make(tmp_path), {kind: values}, {kind: values[::-1], "telephone": ("5550100",)})
    assert connector.cursors[0] is None
    assert connector.cursors[1] is not None
    assert len(connector.cursors) == 2
