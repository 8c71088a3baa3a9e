"""A file that changes while it is read is looked at again; one that never holds still is skipped, with its reason."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tests.unit.export.scripted import FILES_HEADER, PEOPLE, Scripted, file, yields
from tests.unit.export.world import World

from rightful.config.model import StorageSettings
from rightful.connectors.interface import Cursor, FileItem, Item, ItemChanged, Partition, ReadHeader, SkippedItem
from rightful.errors import SourceUnavailable
from rightful.operation.model import OperationStatus
from rightful.package.verify import PackageState
from rightful.subject.model import IdentifiedSubject
from rightful.testing.blob_simulator import BlobSimulator

_LARGE = 5_000_000


class _Changing:
    """A file that changes so many times, each time in the middle of being read."""

    def __init__(self, changes: int, size_bytes: int, end: Callable[[], SkippedItem | None] | None = None) -> None:
        self.changes = changes
        self.size_bytes = size_bytes
        self.end = end

    def check(self) -> None: ...

    def plan(self, subjects: Sequence[IdentifiedSubject]) -> tuple[Partition, ...]:
        del subjects
        return (Partition(number=0),)

    def read(
        self, partition: Partition, subjects: Sequence[IdentifiedSubject], cursor: Cursor | None = None
    ) -> Iterator[ReadHeader | Item]:
        del partition, subjects, cursor
        yield ReadHeader(searched="{upn}/")
        yield self.item()

    def item(self) -> FileItem:
        content = bytes([65 + self.changes]) * self.size_bytes

        def read() -> Iterator[bytes]:
            yield content[: self.size_bytes // 2]
            if self.changes:
                raise ItemChanged("it changed")
            yield content[self.size_bytes // 2 :]

        return FileItem(subject=0, root="ann@contoso.example/", path="a.log", size_bytes=self.size_bytes, open=read, renew=self.renew)

    def renew(self) -> FileItem | SkippedItem | None:
        if self.end is not None:
            return self.end()
        self.changes -= 1
        return self.item()

    def close(self) -> None: ...


@pytest.mark.parametrize("size_bytes", [10, _LARGE], ids=["held", "streamed"])
@pytest.mark.parametrize(("changes", "files"), [(1, 1), (2, 1), (9, 0)])
def test_changing_file_is_looked_at_again(tmp_path: Path, size_bytes: int, changes: int, files: int) -> None:
    world = World(tmp_path, PEOPLE, {"drive": _Changing(changes, size_bytes)})
    operation = world.submit("1")
    world.run()
    done = world.get(operation)
    assert (done.status, done.sources[0].files, done.sources[0].skipped) == (OperationStatus.COMPLETE, files, 1 - files)
    assert world.verify(operation).state is PackageState.WHOLE


@pytest.mark.parametrize(
    ("end", "skipped"),
    [(lambda: None, 0), (lambda: SkippedItem(subject=0, path="a.log", reason="not a regular file"), 1)],
    ids=["gone", "something else now"],
)
def test_file_that_is_gone_is_no_file(tmp_path: Path, end: Callable[[], SkippedItem | None], skipped: int) -> None:
    world = World(tmp_path, PEOPLE, {"drive": _Changing(1, 10, end)})
    operation = world.submit("1")
    world.run()
    done = world.get(operation)
    assert (done.status, done.sources[0].files, done.sources[0].skipped) == (OperationStatus.COMPLETE, 0, skipped)


@pytest.mark.parametrize("permissions", ["c", "w"])
def test_changing_file_leaves_nothing_half_in_a_container(tmp_path: Path, permissions: str) -> None:
    with BlobSimulator() as simulator:
        world = World(tmp_path, PEOPLE, {"drive": _Changing(1, _LARGE)}, storage=StorageSettings(allow=(simulator.host,)))
        sas = simulator.sas_url("container", permissions)
        operation = world.submit("1", sas)
        world.run()
        done = world.get(operation)
        assert (done.status, done.failure, done.sources[0].files) == (OperationStatus.COMPLETE, None, 1)
        assert simulator.blobs("container")[f"{operation.prefix}data/Product/drive/a.log"] == b"A" * _LARGE
        world.stop()


def _growing() -> FileItem:
    """A large file that is another one each time it is read."""

    def read() -> Iterator[bytes]:
        yield b"a" * (_LARGE // 2)
        raise ItemChanged("it grew")

    item = FileItem(subject=0, root="ann@contoso.example/", path="app.log", size_bytes=_LARGE, open=read, renew=lambda: item)
    return item


@pytest.mark.parametrize("before", [(), (file("a.txt", b"a"),)], ids=["from the beginning", "after a cursor"])
def test_file_that_is_skipped_again_after_an_interruption_stays_in_the_ledger(tmp_path: Path, before: tuple[FileItem, ...]) -> None:
    def dies() -> Iterator[bytes]:
        yield b"b" * (_LARGE // 2)
        raise SourceUnavailable("the connection broke", source_name="drive")

    last = file("b.bin", b"b" * _LARGE)
    # A large file delivers what was found before it.
    first_try = yields(FILES_HEADER, *before, _growing(), file("b.bin", dies, size_bytes=_LARGE))
    source = Scripted(first_try, yields(FILES_HEADER, _growing(), last))
    world = World(tmp_path, PEOPLE, {"drive": source})
    operation = world.submit("1")
    world.run()
    done = world.get(operation)
    assert [cursor is not None for cursor in source.cursors] == [False, bool(before)]
    assert (done.status, done.sources[0].files, done.sources[0].skipped) == (OperationStatus.COMPLETE, len(before) + 1, 1)
    assert [entry["path"] for entry in world.ledger(operation)["drive"]["skipped"]] == ["app.log"]
    assert world.verify(operation).state is PackageState.WHOLE
