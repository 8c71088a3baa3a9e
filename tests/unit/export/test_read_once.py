"""A large file is read once, and nothing of it is seen before the store holds its digest."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.contract.open_files import open_below
from tests.unit.export.interrupted import FOLDER, Export, large
from tests.unit.export.scripted import FILES_HEADER, PEOPLE, Scripted, WriteOnlyStorages, file, yields
from tests.unit.export.world import TENANT, World

from rightful.config.model import ExportSettings, StorageSettings
from rightful.connectors.interface import FileItem, Item, ReadHeader
from rightful.ids import OperationId
from rightful.operation.model import OperationStatus
from rightful.package.verify import PackageState
from rightful.pinned import PinnedHost
from rightful.storage.azure_blob import open_container
from rightful.storage.interface import Put, Storage
from rightful.storage.registry import Storages
from rightful.storage.sas import parse_sas_url
from rightful.store.sqlite import SqliteStore
from rightful.store.values import ClaimedOperation, ClaimedRead, Entry, EntryState
from rightful.testing.blob_simulator import BlobSimulator, Break, Fault

_MIB = 1 << 20
_CONTENT = bytes(range(256)) * 4096 * 9 + b"end"
"""More than one block."""
_SHA256 = hashlib.sha256(_CONTENT).hexdigest()
_NAME = "data/Product/drive/film.bin"


class _Read:
    """A large file that counts how often it is opened."""

    def __init__(self, content: bytes = _CONTENT) -> None:
        self.content = content
        self.openings = 0

    def item(self, path: str = "film.bin") -> FileItem:
        def read() -> Iterator[bytes]:
            self.openings += 1
            yield from (self.content[at : at + _MIB] for at in range(0, len(self.content), _MIB))

        return file(path, read, size_bytes=len(self.content))


class _Kept:
    """A large file on disk, of which nobody but the service ends what reads it."""

    def __init__(self, folder: Path, content: bytes = _CONTENT) -> None:
        folder.mkdir()
        self.folder = folder
        self._path = folder / "film.bin"
        self._path.write_bytes(content)
        self._given: list[Iterator[bytes]] = []

    def _read(self) -> Iterator[bytes]:
        with self._path.open("rb") as opened:
            while chunk := opened.read(_MIB):
                yield chunk

    def _keep(self) -> Iterator[bytes]:
        self._given.append(self._read())
        return self._given[-1]

    def item(self, size_bytes: int = len(_CONTENT)) -> FileItem:
        return file("film.bin", self._keep, size_bytes=size_bytes)


class _WatchingStore(SqliteStore):
    """Does something when a large entry is about to be put down, and when it was."""

    before: object = staticmethod(lambda: None)
    after: object = staticmethod(lambda: None)
    staged: tuple[Entry, ...] = ()

    def stage(
        self, entries: Sequence[Entry], *, owner: str, reads: Sequence[ClaimedRead] = (), finishing: Sequence[ClaimedOperation] = ()
    ) -> tuple[OperationId, ...]:
        is_it = any(entry.sha256 == _SHA256 and entry.state is EntryState.STAGED for entry in entries)
        if is_it:
            self.staged += tuple(entries)
            self.before()  # type: ignore[operator] # set by a test
        lost = super().stage(entries, owner=owner, reads=reads, finishing=finishing)
        if is_it:
            self.after()  # type: ignore[operator] # as above
        return lost


class _EagerStorages(Storages):
    """Each sync of a location is made while chunks are given: as other threads do."""

    def open(self, location_text: str, policy: object) -> Storage:
        return _Eager(super().open(location_text, policy))  # type: ignore[arg-type, return-value] # as given


class _Eager:
    def __init__(self, inner: Storage) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def put(self, path: str, chunks: Iterable[bytes], *, size_bytes: int) -> Put:
        def synced() -> Iterator[bytes]:
            for chunk in chunks:
                self._inner.sync()
                yield chunk

        return self._inner.put(path, synced(), size_bytes=size_bytes)


def _delivering_to(simulator: BlobSimulator, folder: Path, content: _Read, **settings: Any) -> World:
    """Return a service that delivers one large file to blobs."""
    source = Scripted(yields(FILES_HEADER, content.item()))
    return World(folder, PEOPLE, {"drive": source}, storage=StorageSettings(allow=(simulator.host,)), **settings)


@pytest.mark.parametrize("storages_type", [Storages, WriteOnlyStorages, _EagerStorages], ids=["can read", "write-only", "synced meanwhile"])
@pytest.mark.parametrize("layout", ["folder", "zip"])
@pytest.mark.parametrize("compare_days", [0, 30])
def test_new_file_is_read_once(tmp_path: Path, storages_type: type[Storages], layout: str, compare_days: int) -> None:
    if layout == "zip" and storages_type is WriteOnlyStorages:
        return  # a folder that cannot be read joins no pieces
    content = _Read()
    world = World(
        tmp_path,
        PEOPLE,
        {"drive": Scripted(yields(FILES_HEADER, file("a", b"1"), content.item(), file("z", b"2")))},
        export=ExportSettings(layout=layout, compare_days=compare_days),  # type: ignore[arg-type] # one of the two
        store_type=_WatchingStore,
        storages_type=storages_type,
    )
    operation = world.submit("1")

    def look() -> None:
        assert list(world.exports.rglob("film.bin")) == []

    store = world.store
    assert isinstance(store, _WatchingStore)
    store.before = store.after = look
    world.run()
    done = world.get(operation)
    assert (done.status, done.sources[0].files, done.sources[0].skipped) == (OperationStatus.COMPLETE, 3, 0)
    assert (content.openings, len(store.staged)) == (1, 1)
    assert world.verify(operation).state is PackageState.WHOLE


@pytest.mark.parametrize("permissions", ["c", "w", "rcwl"])
def test_no_blob_is_seen_before_its_digest_is_put_down(tmp_path: Path, permissions: str) -> None:
    with BlobSimulator() as simulator:
        content = _Read()
        world = _delivering_to(simulator, tmp_path, content, store_type=_WatchingStore)
        operation = world.submit("1", simulator.sas_url("container", permissions))
        seen: list[bool] = []
        store = world.store
        assert isinstance(store, _WatchingStore)
        store.before = store.after = lambda: seen.append(f"{operation.prefix}{_NAME}" in simulator.blobs("container"))
        world.run()
        assert world.get(operation).status is OperationStatus.COMPLETE
        assert simulator.blobs("container")[f"{operation.prefix}{_NAME}"] == _CONTENT
        assert (seen, content.openings) == ([False, False], 1)
        world.stop()


def test_file_whose_lease_is_lost_while_it_is_read_is_not_put(tmp_path: Path) -> None:
    content = _Read()
    script = yields(FILES_HEADER, content.item())
    world = World(tmp_path, PEOPLE, {"drive": Scripted(script)}, store_type=_WatchingStore)
    operation = world.submit("1")
    store = world.store
    assert isinstance(store, _WatchingStore)

    def steal() -> None:
        store.before = lambda: None
        world.service.cancel(TENANT, operation.operation_id)
        world.service.resume(TENANT, operation.operation_id, None)

    store.before = steal
    assert world.step()
    assert not (world.package(operation) / _NAME).exists()
    world.run()
    assert (world.get(operation).status, content.openings) == (OperationStatus.COMPLETE, 2)
    assert world.verify(operation).state is PackageState.WHOLE


@pytest.mark.parametrize("storages_type", [Storages, WriteOnlyStorages], ids=["can read", "write-only"])
@pytest.mark.parametrize("is_staged", [False, True])
def test_killed_before_its_last_chunk_leaves_nothing_and_goes_on(tmp_path: Path, storages_type: type[Storages], *, is_staged: bool) -> None:
    content = _Read()
    world = World(
        tmp_path,
        PEOPLE,
        {"drive": Scripted(yields(FILES_HEADER, file("a", b"1"), content.item(), file("z", b"2")))},
        store_type=_WatchingStore,
        storages_type=storages_type,
    )
    operation = world.submit("1")

    def die() -> None:
        raise KeyboardInterrupt

    store = world.store
    assert isinstance(store, _WatchingStore)
    setattr(store, "after" if is_staged else "before", die)
    with pytest.raises(KeyboardInterrupt):
        world.run()
    world.stop()
    assert [path for path in world.exports.rglob("*") if path.is_file() and path.stat().st_size >= len(_CONTENT)] == []
    world.start(_WatchingStore)
    world.run()
    assert world.get(operation).status is OperationStatus.COMPLETE
    assert content.openings == (3 if is_staged else 2)  # what may have been put is hashed first
    assert world.ledger(operation)["drive"]["superseded"] == []
    assert world.verify(operation).state is PackageState.WHOLE


@pytest.mark.parametrize(
    "fault",
    [Fault.status(403, "AuthorizationFailure"), Fault.status(503, "ServerBusy"), Fault.broken(Break.ANSWER_LOST)],
    ids=["refused", "busy", "answer lost"],
)
@pytest.mark.parametrize("after", range(3))
def test_file_that_breaks_off_at_the_storage_location_is_put_later(tmp_path: Path, fault: Fault, after: int) -> None:
    """Two blocks, then the list of them."""
    with BlobSimulator() as simulator:
        content = _Read()
        world = _delivering_to(simulator, tmp_path, content, export=ExportSettings(retry_s=1.0))
        operation = world.submit("1", simulator.sas_url("container", "w", expires_in_s=1 << 30))
        simulator.fail(fault, path="film.bin", after=after)
        world.run()
        done = world.get(operation)
        assert (done.status, done.failure) == (OperationStatus.COMPLETE, None)
        assert simulator.blobs("container")[f"{operation.prefix}{_NAME}"] == _CONTENT
        world.stop()


@pytest.mark.parametrize(
    ("there", "is_complete"), [(_CONTENT, True), (b"x" * len(_CONTENT), False), (b"shorter", False)], ids=["the same", "other", "shorter"]
)
def test_what_nobody_put_down_and_lies_at_the_path_is_compared(tmp_path: Path, there: bytes, *, is_complete: bool) -> None:
    content = _Read()
    export = Export(tmp_path, yields(FILES_HEADER, content.item()))
    path = export.world.package(export.operation) / FOLDER / "film.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(there)
    done = export.run()
    assert path.read_bytes() == there
    if is_complete:
        export.check(["film.bin"], {})
    else:
        assert done.failure is not None
        assert done.failure.code == "EntryConflict"


def test_blob_that_nobody_put_down_is_told_by_its_content(tmp_path: Path) -> None:
    with BlobSimulator() as simulator:
        content = _Read()
        world = _delivering_to(simulator, tmp_path, content)
        operation = world.submit("1", simulator.sas_url("container", "rc"))
        host, _, port = simulator.host.partition(":")
        sas = parse_sas_url(simulator.sas_url("container", "w"))
        there = open_container(sas, PinnedHost("http", host, int(port), may_be_private=True))
        there.put(f"{operation.prefix}{_NAME}", [_CONTENT], size_bytes=len(_CONTENT))
        there.close()
        world.run()
        done = world.get(operation)
        assert (done.status, done.failure) == (OperationStatus.COMPLETE, None)
        world.stop()


def test_name_of_a_file_that_could_not_be_read_is_free(tmp_path: Path) -> None:
    def breaks() -> Iterator[bytes]:
        yield bytes(_MIB)
        raise OSError(5, "Input/output error")

    first = yields(FILES_HEADER, file("A.BIN", breaks, size_bytes=5 * _MIB), large("a.bin", "a"))
    export = Export(tmp_path, first)
    export.check(["a.bin"], {})


def test_file_that_breaks_off_is_read_whole_in_a_difference(tmp_path: Path) -> None:
    """What is put down of it for later comparisons is put down once."""
    faults = [1, 1]

    def read() -> Iterator[bytes]:
        yield _CONTENT[:_MIB]
        if faults:
            faults.pop()
            raise OSError(5, "Input/output error")
        yield _CONTENT[_MIB:]

    changed = False

    def script(_subjects: object, _cursor: object) -> Iterator[ReadHeader | Item]:
        yield FILES_HEADER
        yield file("film.bin", read, size_bytes=len(_CONTENT))
        if changed:
            yield file("new.txt", b"new")

    world = World(tmp_path, PEOPLE, {"drive": Scripted(script)}, export=ExportSettings(compare_days=30))
    first = world.submit("1")
    world.run()
    changed = True
    second = world.submit("1", since=first.operation_id)
    world.run()
    assert world.get(second).status is OperationStatus.COMPLETE
    brought = [path.name for path in (world.package(second) / "data").rglob("*") if path.is_file()]
    assert "new.txt" in brought
    assert "film.bin" not in brought


@pytest.mark.parametrize("is_difference", [False, True], ids=["read once", "read a second time"])
def test_file_that_is_not_put_to_its_end_is_closed_at_once(tmp_path: Path, *, is_difference: bool) -> None:
    kept, is_there = _Kept(tmp_path / "source"), not is_difference

    def script(_subjects: object, _cursor: object) -> Iterator[ReadHeader | Item]:
        yield FILES_HEADER
        if is_there:
            yield kept.item()

    with BlobSimulator() as simulator:
        world = World(
            tmp_path,
            PEOPLE,
            {"drive": Scripted(script)},
            export=ExportSettings(retry_s=1.0, compare_days=30),
            storage=StorageSettings(allow=(simulator.host,)),
        )
        location = simulator.sas_url("container", "w", expires_in_s=1 << 30)
        operation = world.submit("1", location)
        if is_difference:
            world.run()
            is_there = True
            operation = world.submit("1", location, since=operation.operation_id)
        simulator.fail(Fault.status(503, "ServerBusy"), path="film.bin")
        assert world.step()
        assert not simulator.blobs("container").get(f"{operation.prefix}{_NAME}")
        assert open_below(kept.folder) == 0
        world.run()
        assert world.get(operation).status is OperationStatus.COMPLETE
        assert simulator.blobs("container")[f"{operation.prefix}{_NAME}"] == _CONTENT
        world.stop()


@pytest.mark.parametrize("said_bytes", [5 * _MIB, 3], ids=["large", "small"])
def test_file_that_is_longer_than_was_said_is_closed_at_once(tmp_path: Path, said_bytes: int) -> None:
    kept = _Kept(tmp_path / "source")
    export = Export(tmp_path, yields(FILES_HEADER, kept.item(said_bytes)))
    export.check([], {})
    assert open_below(kept.folder) == 0
