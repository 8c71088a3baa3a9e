"""A source whose settings are others when an interrupted export goes on: the service was started again with a changed configuration."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.export.world import TENANT, World

from rightful.config.model import ExportSettings
from rightful.connectors.files import FilesConnector, FilesSettings
from rightful.connectors.interface import Connector, Cursor, FileItem, Item, Partition, ReadHeader
from rightful.errors import SourceUnavailable
from rightful.export.runtime import TenantRuntime
from rightful.operation.model import OperationStatus
from rightful.package.schema import Column, ColumnKind
from rightful.subject.model import IdentifiedSubject
from rightful.testing.memory_connector import MemoryConnector


class _Drive(FilesConnector):
    """Breaks down after so many files, where it is told to."""

    left = 1000
    cursor: Cursor | None = None

    def read(
        self, partition: Partition, subjects: Sequence[IdentifiedSubject], cursor: Cursor | None = None
    ) -> Iterator[ReadHeader | Item]:
        self.cursor = self.cursor or cursor
        for item in super().read(partition, subjects, cursor):
            if isinstance(item, FileItem):
                if not self.left:
                    raise SourceUnavailable("down", source_name="drive")
                self.left -= 1
            yield item


def _drive(folder: Path, **settings: Any) -> _Drive:
    said = {"url": "drive", "path": "{upn}/", "exclude": ("*.docx",)} | settings
    return _Drive("drive", FilesSettings(**said), siblings={}, folder=folder)


def _configure(world: World, **drives: _Drive) -> None:
    tenant = world.tenants[TENANT].config
    sources = [msgspec.structs.replace(each, connector="files", settings=drives[each.name]._settings) for each in tenant.sources]
    changed = msgspec.structs.replace(tenant, sources=tuple(sources))
    world.tenants[TENANT] = TenantRuntime(changed, world.directory, drives)


def _export(folder: Path, **settings: Any) -> tuple[list[str], _Drive]:
    """Export, break down after two files, start again with other settings, and resume; return what is delivered."""
    for root in ("drive", "other"):
        for name in ("a.docx", "b.txt", "c.docx", "d.txt", "e.txt", "f.docx"):
            (folder / root / "ann").mkdir(parents=True, exist_ok=True)
            (folder / root / "ann" / name).write_bytes(root.encode() + b"x" * (5 << 20))  # a checkpoint by itself
    before, now = _drive(folder), _drive(folder, **settings)
    before.left = 2
    world = World(folder, {"1": {"upn": ("ann",)}}, {"drive": before}, export=ExportSettings(attempts=1))
    _configure(world, drive=before)
    operation = world.submit("1")
    world.run()
    assert world.get(operation).status is OperationStatus.FAILED
    world.stop()
    _configure(world, drive=now)
    world.start()
    world.service.resume(TENANT, operation.operation_id, None)
    world.run()
    assert world.get(operation).status is OperationStatus.COMPLETE
    assert not world.verify(operation).findings
    superseded = {entry["path"] for entry in world.ledger(operation)["drive"]["superseded"]}
    data = world.package(operation) / "data"
    paths = [path for path in sorted(data.rglob("*.*")) if str(path.relative_to(data.parent)) not in superseded]
    return [f"{path.name} of {path.read_bytes()[:5].decode()}" for path in paths], now


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"exclude": ()}, ["a.docx of drive", "b.txt of drive", "c.docx of drive", "d.txt of drive", "e.txt of drive", "f.docx of drive"]),
        ({"exclude": ("*.docx", "b.txt")}, ["d.txt of drive", "e.txt of drive"]),
        ({"url": "other"}, ["b==r1.txt of other", "d==r1.txt of other", "e.txt of other"]),
    ],
    ids=["more", "less", "elsewhere"],
)
def test_what_is_delivered_is_what_the_settings_say_now(tmp_path: Path, settings: dict[str, Any], expected: list[str]) -> None:
    assert _export(tmp_path, **settings)[0] == expected


def test_a_read_goes_on_where_nothing_changed(tmp_path: Path) -> None:
    delivered, drive = _export(tmp_path)
    assert delivered == ["b.txt of drive", "d.txt of drive", "e.txt of drive"]
    assert drive.cursor is not None


def test_the_ledger_says_what_was_left_out_when_a_source_was_read(tmp_path: Path) -> None:
    (tmp_path / "drive/ann").mkdir(parents=True)
    (tmp_path / "drive/ann/a.docx").write_bytes(b"a")
    world = World(
        tmp_path, {"1": {"upn": ("ann",)}}, {"drive": _drive(tmp_path), "other": _drive(tmp_path)}, export=ExportSettings(attempts=1)
    )
    _configure(world, drive=_drive(tmp_path), other=_drive(tmp_path, url="nowhere"))
    operation = world.submit("1")
    world.run()
    assert world.get(operation).status is OperationStatus.FAILED
    _configure(world, drive=_drive(tmp_path, exclude=()), other=_drive(tmp_path, exclude=()))
    world.service.resume(TENANT, operation.operation_id, None)
    world.run()
    assert world.get(operation).status is OperationStatus.COMPLETE
    said = {name: (source["files"], source["withheldPaths"]) for name, source in world.ledger(operation).items()}
    assert said == {"drive": (0, ["*.docx"]), "other": (1, [])}


class _Halting(MemoryConnector):
    """Has a partition that cannot be read, while it is told so."""

    is_down = True

    def read(
        self, partition: Partition, subjects: Sequence[IdentifiedSubject], cursor: Cursor | None = None
    ) -> Iterator[ReadHeader | Item]:
        if partition.number == 1 and self.is_down:
            raise SourceUnavailable("down", source_name="table")
        yield from super().read(partition, subjects, cursor)


def _file_under(world: World, product: str, **connectors: Connector) -> None:
    tenant = world.tenants[TENANT].config
    sources = tuple(msgspec.structs.replace(each, product=product) for each in tenant.sources)
    world.tenants[TENANT] = TenantRuntime(msgspec.structs.replace(tenant, sources=sources), world.directory, connectors)


def _export_from(world: World, **connectors: Connector) -> dict[str, tuple[str, str, int]]:
    """Export, fail, start again with another product and these sources, and resume; return what the ledger says of where they are filed."""
    operation = world.submit("1")
    world.run()
    assert world.get(operation).status is OperationStatus.FAILED
    world.stop()
    _file_under(world, "Elsewhere", **connectors)
    world.start()
    world.service.resume(TENANT, operation.operation_id, None)
    world.run()
    assert world.get(operation).status is OperationStatus.COMPLETE
    assert not world.verify(operation).findings
    ledger = world.ledger(operation)
    described = json.loads((world.package(operation) / "datapackage.json").read_text())["rightful:sources"]
    assert {name: source["product"] for name, source in described.items()} == {name: source["product"] for name, source in ledger.items()}
    assert not any(source["superseded"] for source in ledger.values())
    return {name: (source["product"], source["folder"], source["files"] + source["parts"]) for name, source in ledger.items()}


@pytest.mark.parametrize("brought", [2, 1], ids=["read to its end", "in the middle"])
def test_a_source_stays_filed_under_the_product_that_it_was_begun_under(tmp_path: Path, brought: int) -> None:
    (tmp_path / "drive/ann").mkdir(parents=True)
    for name in ("a.txt", "b.txt"):
        (tmp_path / "drive/ann" / name).write_bytes(b"x" * (5 << 20))  # a checkpoint by itself
    drive, other = _drive(tmp_path), _drive(tmp_path, url="nowhere")
    drive.left = brought
    world = World(tmp_path, {"1": {"upn": ("ann",)}}, {"drive": drive, "other": other}, export=ExportSettings(attempts=1))
    said = _export_from(world, drive=_drive(tmp_path), other=_drive(tmp_path))
    assert said == {"drive": ("Product", "data/Product/drive/", 2), "other": ("Elsewhere", "data/Elsewhere/other/", 2)}


def test_a_source_lies_in_two_folders_where_some_of_it_was_not_begun_when_its_product_was_changed(tmp_path: Path) -> None:
    columns = (Column(name="id", kind=ColumnKind.INT), Column(name="upn", kind=ColumnKind.TEXT))
    rows = [{"id": number, "upn": "ann"} for number in range(4)]
    table = _Halting("table", columns=columns, match={"upn": "upn"}, rows=rows, key="id", partitions=2)
    world = World(tmp_path, {"1": {"upn": ("ann",)}}, {"table": table}, export=ExportSettings(attempts=1))
    now = _Halting("table", columns=columns, match={"upn": "upn"}, rows=rows, key="id", partitions=2)
    now.is_down = False
    assert _export_from(world, table=now) == {"table": ("Product", "data/", 2)}
