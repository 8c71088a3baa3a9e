"""One export that is interrupted in the middle, again and again."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pytest
from tests.unit.export.scripted import PEOPLE, Script, Scripted, breaks, file
from tests.unit.export.world import World

from rightful.config.model import ExportSettings
from rightful.connectors.interface import KEY_COLUMN, SUBJECT_COLUMN, Item, MatchColumn, ReadHeader, Rows
from rightful.errors import SourceUnavailable
from rightful.ids import OperationId
from rightful.operation.model import DataPolicyOperation, OperationStatus
from rightful.package.schema import Column, ColumnKind
from rightful.package.verify import PackageState
from rightful.storage.registry import Storages
from rightful.store.sqlite import SqliteStore
from rightful.store.values import Checkpoint

DEAD = SourceUnavailable("the connection broke", source_name="source")
COLUMNS = tuple(
    Column(name=name, kind=kind) for name, kind in (("id", ColumnKind.INT), ("mail", ColumnKind.TEXT), ("note", ColumnKind.TEXT))
)
HEADER = ReadHeader(columns=COLUMNS, match=(MatchColumn(batch_column="mail", identifier_kind="mail"),))
FOLDER = "data/Product/source/"
FIRST, SECOND = "part-00000-00000", "part-00000-00001"


def row(number: int, text: str = "x") -> Rows:
    """A row so large that it is a part, and a group, by itself."""
    values = [
        pa.array([number], pa.int64()),
        pa.array(["ann@contoso.example"]),
        pa.array([text * (8 << 20)]),
        pa.array([0], pa.int32()),
        pa.array([number], pa.int64()),
    ]
    return Rows(pa.RecordBatch.from_arrays(values, names=["id", "mail", "note", SUBJECT_COLUMN, KEY_COLUMN]))


def dies(header: ReadHeader, *rows: Rows) -> Script:
    """Make a script that breaks after these rows: another one follows, for a part ends where the next begins."""
    return breaks(DEAD, header, *rows, row(99))


class KilledStore(SqliteStore):
    """The service is killed before the n-th checkpoint from now on: what was put lies there, and the store does not know."""

    left = 1 << 30

    def checkpoint(self, checkpoints: Sequence[Checkpoint], *, owner: str) -> tuple[OperationId, ...]:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt
        return super().checkpoint(checkpoints, owner=owner)


def run_killed(world: World, kills: Iterable[int]) -> None:
    """Run a world whose service is killed before the n-th checkpoint, and starts again, for each of these numbers."""
    for kill in kills:
        assert isinstance(world.store, KilledStore)
        world.store.left = kill
        with pytest.raises(KeyboardInterrupt):
            world.run()
        world.stop()
        world.start(KilledStore)


class Export:
    """One export of ann's from one scripted source."""

    def __init__(
        self, folder: Path, *scripts: Script, storages_type: type[Storages] = Storages, layout: Literal["folder", "zip"] = "folder"
    ) -> None:
        self.connector = Scripted(*scripts)
        self.world = World(
            folder,
            PEOPLE,
            {"source": self.connector},
            export=ExportSettings(part_mib=1, retry_s=1.0, attempts=9, layout=layout),
            store_type=KilledStore,
            storages_type=storages_type,
        )
        self.operation = self.world.submit("1")

    def kill_before_checkpoint(self, number: int) -> None:
        """Work until then, be killed, and start again."""
        assert isinstance(self.world.store, KilledStore)
        self.world.store.left = number
        with pytest.raises(KeyboardInterrupt):
            self.world.run()
        self.world.stop()
        self.world.start(KilledStore)

    def run(self) -> DataPolicyOperation:
        self.world.run()
        return self.world.get(self.operation)

    def check(self, names: Sequence[str], superseded: dict[str, str]) -> None:
        """Work to the end: the package is whole, has these entries of the source, and says which of them do not count."""
        done = self.run()
        assert (done.status, done.failure) == (OperationStatus.COMPLETE, None)
        folder = self.world.package(self.operation) / FOLDER
        assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == sorted(names)
        entries = self.world.ledger(self.operation)["source"]["superseded"]
        assert {entry["path"].removeprefix(FOLDER): entry["by"].removeprefix(FOLDER) for entry in entries} == superseded
        verification = self.world.verify(self.operation)
        assert (verification.state, verification.findings) == (PackageState.WHOLE, ())

    def rows(self) -> list[int]:
        return self.world.rows(self.operation, "source")


def large(path: str, text: str) -> Item:
    return file(path, text.encode() * (5 << 20))
