"""What is known of entries that were begun is neither forgotten nor guessed, whatever happens while it is found out."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from tests.unit.export.interrupted import FIRST, FOLDER, HEADER, SECOND, Export, KilledStore, large, row
from tests.unit.export.scripted import FILES_HEADER, PEOPLE, ROWS_HEADER, Scripted, WriteOnlyStorages, batch, file, yields
from tests.unit.export.world import TENANT, World

from rightful.clock import SystemClock
from rightful.config.model import ExportSettings, StorageSettings
from rightful.connectors.interface import KEY_COLUMN, SUBJECT_COLUMN, Cursor, FileItem, Item, ItemChanged, ReadHeader, Rows
from rightful.errors import StorageUnavailable
from rightful.ids import OperationId
from rightful.operation.model import OperationStatus
from rightful.storage.registry import Storages
from rightful.store.values import ClaimedOperation, ClaimedRead, Entry
from rightful.subject.model import IdentifiedSubject
from rightful.testing.blob_simulator import BlobSimulator, Break, Fault

KEYED = ReadHeader(columns=HEADER.columns, match=HEADER.match, has_key=True)
REFUSED = Fault.status(403, "AuthorizationFailure")
LOST = Fault.broken(Break.ANSWER_LOST)
BOTH = pytest.mark.parametrize("storages_type", [Storages, WriteOnlyStorages], ids=["can read", "write-only"])


def small(number: int) -> Rows:
    """A row that is a part, but no group, by itself."""
    values = [
        pa.array([number]),
        pa.array(["ann@contoso.example"]),
        pa.array(["x" * (3 << 19)]),
        pa.array([0], pa.int32()),
        pa.array([number]),
    ]
    return Rows(pa.RecordBatch.from_arrays(values, names=["id", "mail", "note", SUBJECT_COLUMN, KEY_COLUMN]))


def write_only(export: Export) -> WriteOnlyStorages:
    storages = export.world.storages
    assert isinstance(storages, WriteOnlyStorages)
    return storages


def die(_path: str) -> None:
    raise KeyboardInterrupt


def killed(export: Export) -> None:
    with pytest.raises(KeyboardInterrupt):
        export.world.run()
    export.world.stop()
    export.world.start(KilledStore)


def remote(folder: Path, simulator: BlobSimulator, source: Scripted) -> World:
    settings = ExportSettings(part_mib=1, retry_s=1.0, viewer="off")  # what becomes of one entry: its shard is one more of the same
    world = World(folder, PEOPLE, {"source": source}, export=settings, storage=StorageSettings(allow=(simulator.host,)))
    world.clock.advance((SystemClock().now() - world.clock.now()) / timedelta(seconds=1))  # the simulator's SAS know the real time
    return world


# -- what arrived beyond the cursor


def test_parts_that_arrived_beside_a_refused_one_do_not_count_beside_those_that_take_their_place(tmp_path: Path) -> None:
    with BlobSimulator() as simulator:
        source = Scripted(yields(KEYED, *map(small, range(1, 13))), yields(KEYED, small(12)))
        world = remote(tmp_path, simulator, source)
        operation = world.submit("1", simulator.sas_url("container", "c"))
        simulator.fail(REFUSED, path="00000-00008")
        world.run()
        assert world.get(operation).status is OperationStatus.COMPLETE
        blobs = {path.removeprefix(operation.prefix): content for path, content in simulator.blobs("container").items()}
        ledger = json.loads(blobs["ledger.json"])["sources"]["source"]
        replaced = {entry["path"] for entry in ledger["superseded"]}
        counting = [blobs[path] for path in sorted(blobs) if path.startswith("data/") and path not in replaced]
        ids = [json.loads(line)["id"] for part in counting for line in part.splitlines()]
        assert len(source.cursors) == 2
        assert ids == [*range(1, ids.index(12) + 1), 12]
        assert ledger["rows"] == len(ids)
        world.stop()


def test_markers_beyond_the_cursor_do_not_count(tmp_path: Path) -> None:
    export = Export(tmp_path, yields(KEYED, row(1), *map(small, range(2, 6))), yields(KEYED), storages_type=WriteOnlyStorages)
    export.kill_before_checkpoint(2)
    folder = export.world.package(export.operation) / FOLDER
    lost = sorted(path.name for path in folder.iterdir() if path.name != f"{FIRST}.jsonl")
    assert f"{SECOND}.jsonl" in lost
    for name in lost:
        (folder / name).unlink()
    export.kill_before_checkpoint(1)  # the markers were put and noted
    export.check([f"{FIRST}.jsonl", *lost], dict.fromkeys(lost, "-"))
    assert export.connector.cursors == [None, Cursor(1), Cursor(1)]
    assert export.rows() == [1]


# -- a file that changes, or goes, while it is put


def flickering(*, renewed: bool) -> FileItem:
    """A large file that changes while it is put, once; then it is as it is, or gone."""
    openings = 0

    def read() -> Iterator[bytes]:
        nonlocal openings
        openings += 1
        yield b"b" * (3 << 20)
        if openings == 2:
            raise ItemChanged("changed")
        yield b"b" * (2 << 20)

    item = file("a.txt", read, size_bytes=5 << 20)

    def renew() -> Item | None:
        return item if renewed else None

    item = FileItem(subject=0, root=item.root, path=item.path, size_bytes=item.size_bytes, open=read, renew=renew)  # type: ignore[arg-type]
    return item


@BOTH
@pytest.mark.parametrize("arrived", [True, False])
@pytest.mark.parametrize("renewed", [True, False], ids=["changes", "vanishes"])
def test_file_that_changed_after_a_kill_and_again_while_it_is_put(
    tmp_path: Path, storages_type: type[Storages], *, arrived: bool, renewed: bool
) -> None:
    scripts = yields(FILES_HEADER, large("a.txt", "a")), yields(FILES_HEADER, flickering(renewed=renewed))
    export = Export(tmp_path, *scripts, storages_type=storages_type)
    export.kill_before_checkpoint(1)
    if not arrived:
        (export.world.package(export.operation) / FOLDER / "a.txt").unlink()
    if renewed:
        export.check(["a.txt", "a==r1.txt"], {"a.txt": "a==r1.txt"})
    else:
        export.check(["a.txt"], {"a.txt": "-"})


# -- the marker


def test_marker_is_forgotten_by_nobody(tmp_path: Path) -> None:
    rows = (row(1), row(2), row(1), row(1))
    export = Export(tmp_path, *(yields(HEADER, each) for each in rows), storages_type=WriteOnlyStorages)
    export.kill_before_checkpoint(1)
    (export.world.package(export.operation) / FOLDER / f"{FIRST}.jsonl").unlink()
    write_only(export).after_put = die  # the marker is put, and that is not noted
    killed(export)
    write_only(export).before_put = die  # the source is as it was: staged again, not put
    killed(export)
    failure = export.run().failure
    assert failure is not None
    assert failure.code == "EntryConflict"
    assert b"does not count" in (export.world.package(export.operation) / FOLDER / f"{FIRST}.jsonl").read_bytes()


def test_marker_is_not_taken_for_content_whose_answer_was_lost(tmp_path: Path) -> None:
    export = Export(tmp_path, yields(HEADER, row(1)), yields(HEADER, row(2)), yields(HEADER, row(1)), storages_type=WriteOnlyStorages)
    export.kill_before_checkpoint(1)
    (export.world.package(export.operation) / FOLDER / f"{FIRST}.jsonl").unlink()
    write_only(export).after_put = die
    killed(export)
    failed: list[str] = []

    def no_answer(path: str) -> None:
        if not failed:
            failed.append(path)
            raise StorageUnavailable("no answer", may_have_arrived=True)

    write_only(export).before_put = no_answer
    failure = export.run().failure
    assert failed
    assert failure is not None
    assert failure.code == "EntryConflict"


def test_read_whose_lease_is_lost_puts_no_marker(tmp_path: Path) -> None:
    scripts = yields(HEADER, row(1)), yields(HEADER, row(2)), yields(HEADER, row(1))
    export = Export(tmp_path, *scripts, storages_type=WriteOnlyStorages)
    export.kill_before_checkpoint(1)
    path = export.world.package(export.operation) / FOLDER / f"{FIRST}.jsonl"
    path.unlink()
    export.world.stop()
    export.world.start(_StolenStore)
    store = export.world.store
    assert isinstance(store, _StolenStore)
    stolen: list[bool] = []

    def steal() -> None:
        stolen.append(True)
        export.world.service.cancel(TENANT, export.operation.operation_id)
        export.world.service.resume(TENANT, export.operation.operation_id, None)

    store.steal = steal
    assert export.world.step()
    assert stolen
    assert not path.exists()
    export.check([f"{FIRST}.jsonl"], {})
    assert export.rows() == [1]


class _StolenStore(KilledStore):
    """Somebody cancels and resumes the operation before the next entry is put down."""

    steal: Callable[[], None] | None = None

    def stage(
        self, entries: Sequence[Entry], *, owner: str, reads: Sequence[ClaimedRead] = (), finishing: Sequence[ClaimedOperation] = ()
    ) -> tuple[OperationId, ...]:
        steal, self.steal = self.steal, None
        if steal is not None:
            steal()
        return super().stage(entries, owner=owner, reads=reads, finishing=finishing)


@pytest.mark.parametrize(("fault", "times"), [(REFUSED, 1), (Fault.status(503, "ServerBusy"), 5)], ids=["refused", "busy"])
def test_marker_that_certainly_did_not_arrive_is_put_later(tmp_path: Path, fault: Fault, times: int) -> None:
    with BlobSimulator() as simulator:
        mail = "ann@contoso.example"
        world = remote(tmp_path, simulator, Scripted(*(yields(ROWS_HEADER, batch((number, mail, 0))) for number in (1, 2))))
        operation = world.submit("1", simulator.sas_url("container", "c"))
        simulator.fail(LOST, times=3)
        assert world.step()
        assert world.get(operation).waiting_for is not None
        simulator.recover()
        simulator.fail(fault, times=times)
        world.run()
        done = world.get(operation)
        assert (done.status, done.failure) == (OperationStatus.COMPLETE, None)
        world.stop()


def test_marker_that_a_stop_kept_from_arriving_is_put_after_the_next_start(tmp_path: Path) -> None:
    export = Export(tmp_path, yields(HEADER, row(1)), yields(HEADER, row(2)), storages_type=WriteOnlyStorages)
    export.kill_before_checkpoint(1)

    def busy(_path: str) -> None:
        export.world.work.stop()
        raise StorageUnavailable("busy", may_have_arrived=False)

    write_only(export).before_put = busy
    assert export.world.step()
    export.world.stop()
    export.world.start(KilledStore)
    export.check([f"{FIRST}.jsonl", f"{FIRST}.r1.jsonl"], {f"{FIRST}.jsonl": f"{FIRST}.r1.jsonl"})


def test_location_that_is_silent_is_asked_once_for_the_markers_of_a_set(tmp_path: Path) -> None:
    people = {str(number): {"mail": (f"u{number}@contoso.example",)} for number in range(12)}
    version = 1

    def script(subjects: Sequence[IdentifiedSubject], _cursor: Cursor | None) -> Iterator[ReadHeader | Item]:
        yield ROWS_HEADER
        for number, subject in enumerate(subjects):
            yield batch((version, subject.values("mail")[0], number))

    world = World(tmp_path, people, {"source": Scripted(script)}, store_type=KilledStore, storages_type=WriteOnlyStorages)
    operations = [world.submit(person) for person in people]
    assert isinstance(world.store, KilledStore)
    world.store.left = 1
    with pytest.raises(KeyboardInterrupt):
        world.run()
    world.stop()
    world.start(KilledStore)
    version = 2
    asked: list[str] = []

    def silent(path: str) -> None:
        asked.append(path)
        raise StorageUnavailable("no answer", may_have_arrived=False)

    assert isinstance(world.storages, WriteOnlyStorages)
    world.storages.before_put = silent
    assert world.step()
    assert len(set(asked)) == 1
    world.storages.before_put = lambda _path: None
    world.run()
    assert {world.get(operation).status for operation in operations} == {OperationStatus.COMPLETE}
