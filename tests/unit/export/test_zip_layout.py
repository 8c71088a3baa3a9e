"""A package as one ZIP file: the same entries as in a folder, whole or not there, the same bytes whatever happened on the way."""

import io
import json
import os
import re
import zipfile
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from tests.unit.export.interrupted import FIRST, HEADER, SECOND, Export, dies, large, row
from tests.unit.export.scripted import FILES_HEADER, PEOPLE, ROWS_HEADER, Scripted, WriteOnlyStorages, batch, file, yields
from tests.unit.export.world import TENANT, World, brought

from rightful.clock import SystemClock
from rightful.config.model import ExportSettings, StorageSettings
from rightful.connectors.interface import ItemChanged
from rightful.errors import InvalidRequest, Refusal, StorageRefused
from rightful.export.mark import Mark
from rightful.export.runtime import TenantRuntime
from rightful.export.zipping import Begun, ZipStorage
from rightful.ids import OperationId
from rightful.operation.model import DataPolicyOperation, OperationStatus
from rightful.package.verify import PackageState
from rightful.pinned import PinnedHost
from rightful.storage.azure_blob import open_container
from rightful.storage.local import LocalStorage
from rightful.storage.sas import parse_sas_url
from rightful.store.sqlite import SqliteStore
from rightful.store.values import ClaimedOperation, ClaimedRead, Completion, Entry
from rightful.testing.blob_simulator import BlobSimulator, Break, Fault
from rightful.testing.clock import ManualClock
from rightful.testing.memory_storage import MemoryStorage

MAIL, MAIL2 = "ann@contoso.example", "ann2@contoso.example"
LOST = Fault.broken(Break.ANSWER_LOST)
BUSY = Fault.status(503, "ServerBusy")
FILES = (FILES_HEADER, *(file(f"{number:03}.txt", b"%d" % number * 100) for number in range(5)), large("film.bin", "ab"), file("z", b""))


class KilledAtTheEnd(SqliteStore):
    """The service is killed when a package is whole, and the store does not know yet."""

    is_armed = False

    def complete(self, completions: Sequence[Completion], *, owner: str) -> tuple[OperationId, ...]:
        if self.is_armed:
            raise KeyboardInterrupt
        return super().complete(completions, owner=owner)


class KilledBeforeTheEnd(KilledAtTheEnd):
    """The service is killed once the store knows what ends the package, and before it is put."""

    def stage(
        self, entries: Sequence[Entry], *, owner: str, reads: Sequence[ClaimedRead] = (), finishing: Sequence[ClaimedOperation] = ()
    ) -> tuple[OperationId, ...]:
        found = super().stage(entries, owner=owner, reads=reads, finishing=finishing)
        if self.is_armed and finishing:
            raise KeyboardInterrupt
        return found


def zip_world(
    folder: Path, sources: dict[str, Scripted], storage: StorageSettings | None = None, layout: Literal["folder", "zip"] = "zip"
) -> World:
    folder.mkdir(exist_ok=True)
    settings = ExportSettings(part_mib=1, retry_s=1.0, layout=layout)
    return World(folder, PEOPLE, dict(sources), export=settings, storage=storage, store_type=KilledAtTheEnd)


def remote(folder: Path, simulator: BlobSimulator, checks: Literal["standard", "strict"] = "standard") -> World:
    sources = {"orders": Scripted(yields(ROWS_HEADER, batch((1, MAIL, 0)))), "drive": Scripted(yields(*FILES))}
    world = zip_world(folder, sources, StorageSettings(allow=(simulator.host,), checks=checks))
    world.clock.advance((SystemClock().now() - world.clock.now()) / timedelta(seconds=1))  # the simulator's SAS know the real time
    return world


def packed(world: World, operation: DataPolicyOperation) -> Path:
    return world.exports / operation.operation_id / f"{operation.operation_id}.zip"


def complete(world: World, operation: DataPolicyOperation) -> DataPolicyOperation:
    world.run()
    done = world.get(operation)
    assert (done.status, done.failure) == (OperationStatus.COMPLETE, None)
    return done


def test_zip_file_holds_what_the_folder_has(tmp_path: Path) -> None:
    trees = []
    layouts: tuple[Literal["folder", "zip"], ...] = ("folder", "zip")
    for layout in layouts:
        script = Scripted(yields(HEADER, row(1), row(2))), Scripted(yields(*FILES))
        world = zip_world(tmp_path / layout, {"source": script[0], "drive": script[1]}, layout=layout)
        operation = complete(world, world.submit("1"))
        package = world.package(operation)
        assert world.verify(operation).state is PackageState.WHOLE
        found = {str(path.relative_to(package)): path.read_bytes() for path in package.rglob("*") if path.is_file()}
        trees.append(({path: found[path] for path in found if path.startswith(("data/", "view/"))}, found.keys()))
        called = {call for content in found.values() for call in re.findall(rb'typeof (\w+)=="function"&&', content)}
        assert [len(call) for call in called] == [len("rightfulShard_") + 32]
        shown = {path for path in found if path.startswith("view/")} | {"START-HERE.html"}
        assert {path for path, content in found.items() for call in called if call in content} == shown
        assert operation.package is not None
        assert operation.package.entries == len(found)
        if layout == "zip":
            assert operation.package.prefix == f"{operation.operation_id}/{operation.operation_id}.zip"
            beside = world.exports / operation.operation_id
            assert {path.name for path in beside.iterdir()} == {"RequestInfo.json", f"{operation.operation_id}.zip"}
            assert (beside / "RequestInfo.json").read_bytes() == found["RequestInfo.json"]
        world.stop()
    assert trees[0] == trees[1]


def test_nothing_is_called_a_zip_file_before_all_is_there(tmp_path: Path) -> None:
    world = zip_world(tmp_path, {"source": Scripted(yields(HEADER, row(1), row(2))), "drive": Scripted(yields(*FILES))})
    operation = world.submit("1")
    steps = 0
    while not packed(world, operation).exists():
        assert world.get(operation).status is not OperationStatus.COMPLETE
        names = {path.name for path in packed(world, operation).parent.iterdir()}
        assert names <= {"RequestInfo.json", f"{operation.operation_id}.zip.pieces"}
        assert world.step()
        steps += 1
    assert steps == 3
    assert world.get(operation).status is OperationStatus.COMPLETE


@pytest.mark.parametrize("checkpoint", [1, 2, 3])
def test_killed_in_between_the_bytes_are_those_of_one_that_was_not(tmp_path: Path, checkpoint: int) -> None:
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    whole, killed = (Export(tmp_path / name, yields(HEADER, row(1), row(2), row(3)), layout="zip") for name in ("whole", "killed"))
    killed.kill_before_checkpoint(checkpoint)
    for export in (whole, killed):
        complete(export.world, export.operation)
        assert export.world.verify(export.operation).findings == ()
    assert brought(packed(whole.world, whole.operation)) == brought(packed(killed.world, killed.operation))


def test_part_that_changed_is_superseded_in_the_zip_file(tmp_path: Path) -> None:
    export = Export(tmp_path, dies(HEADER, row(1), row(2)), yields(HEADER, row(3), row(2), row(4)), layout="zip")
    export.check(
        [f"{FIRST}.jsonl", f"{FIRST}.r1.jsonl", f"{SECOND}.jsonl", "part-00000-00002.jsonl"], {f"{FIRST}.jsonl": f"{FIRST}.r1.jsonl"}
    )
    assert export.rows() == [3, 2, 4]


def test_part_that_was_never_checkpointed_leaves_no_trace(tmp_path: Path) -> None:
    export = Export(tmp_path, yields(HEADER, row(1), row(2)), yields(HEADER, row(3)), layout="zip")
    export.kill_before_checkpoint(1)
    export.check([f"{FIRST}.jsonl"], {})
    assert export.rows() == [3]


def test_file_that_changed_while_it_was_put_leaves_no_trace(tmp_path: Path) -> None:
    def changes() -> Iterator[bytes]:
        yield os.urandom(17 << 20)  # so that pieces of it are put
        raise ItemChanged("changed")

    changing = file("x", changes, size_bytes=18 << 20)
    export = Export(tmp_path, yields(FILES_HEADER, file("a", b"1"), changing, file("b", b"2")), layout="zip")
    export.check(["a", "b"], {})
    assert [item["path"] for item in export.world.ledger(export.operation)["source"]["skipped"]] == ["x"]


def test_zip_file_that_was_made_unknown_to_the_store_is_found(tmp_path: Path) -> None:
    world = zip_world(tmp_path, {"drive": Scripted(yields(*FILES))})
    operation = world.submit("1")
    for _ in range(3):
        assert isinstance(world.store, KilledAtTheEnd)
        world.store.is_armed = True
        with pytest.raises(KeyboardInterrupt):
            world.run()
        made = packed(world, operation).stat()
        world.stop()
        world.start(KilledAtTheEnd)
    complete(world, operation)
    assert packed(world, operation).stat().st_mtime_ns == made.st_mtime_ns
    assert {path.name for path in packed(world, operation).parent.iterdir()} == {"RequestInfo.json", f"{operation.operation_id}.zip"}
    assert world.verify(operation).state is PackageState.WHOLE


@pytest.mark.parametrize("permissions", ["w", "rw", "wl", "rwl"])
@pytest.mark.parametrize("is_protected", [True, False])
def test_zip_file_that_was_made_before_a_kill_is_found(tmp_path: Path, permissions: str, *, is_protected: bool) -> None:
    with BlobSimulator() as simulator:
        world = remote(tmp_path, simulator)
        operation = world.submit("1", simulator.sas_url("exports", permissions))
        if is_protected:
            simulator.protect("exports")
        assert isinstance(world.store, KilledAtTheEnd)
        world.store.is_armed = True
        with pytest.raises(KeyboardInterrupt):
            world.run()
        made = simulator.blobs("exports")
        assert f"{operation.operation_id}/{operation.operation_id}.zip" in made
        world.stop()
        world.start(KilledAtTheEnd)
        complete(world, operation)
        assert simulator.blobs("exports") == made
        world.stop()


def _check_conflict(world: World, operation: DataPolicyOperation, there: bytes) -> None:
    failure = world.get(operation).failure
    assert failure is not None
    assert failure.code == "EntryConflict"
    assert there == b"something else"
    world.stop()


@pytest.mark.parametrize(
    ("permissions", "kind"), [("w", "append"), ("rw", "protected"), ("wl", "protected"), ("rw", "plain"), ("wl", "plain"), ("rwl", "plain")]
)
def test_file_of_somebody_else_s_is_not_taken_for_ours_after_a_kill(tmp_path: Path, permissions: str, kind: str) -> None:
    with BlobSimulator() as simulator:
        world = remote(tmp_path, simulator)
        location = simulator.sas_url("exports", permissions)
        operation = world.submit("1", location)
        world.stop()
        world.start(KilledBeforeTheEnd)
        assert isinstance(world.store, KilledBeforeTheEnd)
        world.store.is_armed = True
        with pytest.raises(KeyboardInterrupt):
            world.run()
        path = f"{operation.operation_id}/{operation.operation_id}.zip"
        sas = parse_sas_url(location)
        storage = open_container(sas, PinnedHost(sas.scheme, sas.host, sas.port, may_be_private=True))
        if kind == "append":
            storage.put_append(path, b"something else")
        else:
            storage.put(path, (b"something else",), size_bytes=14)
            if kind == "protected":
                simulator.protect("exports")
        storage.close()
        world.stop()
        world.start(KilledAtTheEnd)
        world.run()
        _check_conflict(world, operation, simulator.blobs("exports")[path])


def test_file_that_a_policy_protects_and_nobody_began_to_end_is_a_conflict(tmp_path: Path) -> None:
    with BlobSimulator() as simulator:
        world = remote(tmp_path, simulator)
        location = simulator.sas_url("exports", "w")
        operation = world.submit("1", location)
        path = f"{operation.operation_id}/{operation.operation_id}.zip"
        sas = parse_sas_url(location)
        storage = open_container(sas, PinnedHost(sas.scheme, sas.host, sas.port, may_be_private=True))
        storage.put(path, (b"something else",), size_bytes=14)
        storage.close()
        simulator.protect("exports")
        world.run()
        _check_conflict(world, operation, simulator.blobs("exports")[path])


@pytest.mark.parametrize(("mebibytes", "pieces"), [(1, 1), (8, 1), (9, 1), (15, 1), (16, 3), (17, 3), (25, 4)])
def test_what_is_left_of_a_content_joins_its_last_piece(tmp_path: Path, mebibytes: int, pieces: int) -> None:
    storage = ZipStorage(LocalStorage(tmp_path), "p.zip", ManualClock())
    chunk = bytes(1 << 20)
    storage.put("p.zip/film.mp4", [chunk] * mebibytes, size_bytes=mebibytes << 20)
    storage.sync()
    lying = [*(tmp_path / "p.zip.pieces").iterdir()]
    assert len(lying) == pieces
    assert sum(piece.stat().st_size for piece in lying) == (mebibytes << 20) + len("film.mp4") + 30
    assert storage.take("p.zip/film.mp4").packed_bytes == mebibytes << 20


@pytest.mark.parametrize("may_be_made", [False, True])
def test_piece_whose_answer_was_lost_is_not_taken_for_the_file(*, may_be_made: bool) -> None:
    location = MemoryStorage()
    storage = ZipStorage(location, "p.zip", ManualClock())
    if may_be_made:
        storage.may_be_made()
    location.lose_answer(1)
    storage.put("p.zip/a.txt", (b"1",), size_bytes=1)
    storage.sync()
    assert storage.end(Begun(request_info=b"{}", members=()), [("a.txt", 1)], may_be_there=may_be_made)
    with zipfile.ZipFile(io.BytesIO(location.entries["p.zip"])) as read:
        assert (read.read("RequestInfo.json"), read.read("a.txt")) == (b"{}", b"1")


def test_what_lies_at_its_path_is_never_taken_for_it(tmp_path: Path) -> None:
    world = zip_world(tmp_path, {"drive": Scripted(yields(*FILES))})
    operation = world.submit("1")
    packed(world, operation).write_bytes(b"something else")
    world.run()
    failure = world.get(operation).failure
    assert failure is not None
    assert failure.code == "EntryConflict"
    assert packed(world, operation).read_bytes() == b"something else"


def test_pieces_that_somebody_deleted_end_the_operation(tmp_path: Path) -> None:
    world = zip_world(tmp_path, {"drive": Scripted(yields(*FILES))})
    operation = world.submit("1")
    world.step()
    for piece in packed(world, operation).with_suffix(".zip.pieces").iterdir():
        piece.unlink()
    world.run()
    failure = world.get(operation).failure
    assert failure is not None
    assert (failure.code, "submit the request again" in failure.message) == ("StorageRefused", True)
    assert not packed(world, operation).exists()


def test_layout_is_the_one_that_was_set_when_the_request_came(tmp_path: Path) -> None:
    world = zip_world(tmp_path, {"drive": Scripted(yields(*FILES))})
    as_zip = world.submit("1")
    config = world.tenants[TENANT].config
    for layout in ("folder", "zip"):
        world.stop()
        changed = msgspec.structs.replace(config, export=msgspec.structs.replace(config.export, layout=layout))
        world.tenants[TENANT] = TenantRuntime(changed, world.directory, {"drive": Scripted(yields(*FILES))})
        world.start()
        if layout == "folder":
            as_folder = world.submit("2")
            complete(world, as_zip)
    complete(world, as_folder)
    assert packed(world, as_zip).is_file()
    assert (world.exports / as_folder.operation_id / "tagmanifest-sha256.txt").is_file()


def test_people_of_one_scan_each_get_their_own(tmp_path: Path) -> None:
    world = zip_world(tmp_path, {"orders": Scripted(yields(ROWS_HEADER, batch((1, MAIL, 0), (2, MAIL2, 1), (3, MAIL, 0))))})
    operations = [world.submit("1"), world.submit("2")]
    world.run()
    assert [world.rows(complete(world, operation), "orders") for operation in operations] == [[1, 3], [2]]


# -- in containers


def test_container_gets_request_info_and_the_zip_file_alone(tmp_path: Path) -> None:
    with BlobSimulator() as simulator:
        world = remote(tmp_path, simulator)
        operation = complete(world, world.submit("1", simulator.sas_url("container", "w")))
        blobs = simulator.blobs("container")
        assert set(blobs) == {f"{operation.operation_id}/RequestInfo.json", f"{operation.operation_id}/{operation.operation_id}.zip"}
        world.stop()


def test_strict_container_has_both_in_its_root(tmp_path: Path) -> None:  # GRAPH-42
    with BlobSimulator() as simulator:
        world = remote(tmp_path, simulator, "strict")
        simulator.fail(LOST, after=2, path="RequestInfo.json")  # so that the mark is confirmed, and one byte longer
        operation = complete(world, world.submit("1", simulator.sas_url("container", "aw")))
        blobs = simulator.blobs("container")
        assert set(blobs) == {"RequestInfo.json", f"{operation.operation_id}.zip"}
        (tmp_path / "p.zip").write_bytes(blobs[f"{operation.operation_id}.zip"])
        with zipfile.ZipFile(tmp_path / "p.zip") as read:
            assert read.read("RequestInfo.json") == blobs["RequestInfo.json"]
            assert json.loads(blobs["RequestInfo.json"])["CommandId"] == operation.operation_id
        with pytest.raises(InvalidRequest) as refused:
            world.submit("1", simulator.sas_url("container", "aw"))
        assert refused.value.code == "StorageLocationAlreadyUsed"
        world.stop()


@pytest.mark.parametrize("fault", [LOST, BUSY, Fault.broken(Break.RESET)], ids=["lost", "busy", "reset"])
@pytest.mark.parametrize("after", range(8))
def test_request_that_meets_a_fault_is_made_again(tmp_path: Path, fault: Fault, after: int) -> None:
    with BlobSimulator() as simulator:
        world = remote(tmp_path, simulator)
        simulator.fail(fault, after=after, path=".zip")
        operation = complete(world, world.submit("1", simulator.sas_url("container", "w")))
        (tmp_path / "p.zip").write_bytes(simulator.blobs("container")[f"{operation.operation_id}/{operation.operation_id}.zip"])
        clean = remote(tmp_path / "clean", simulator)
        alone = complete(clean, clean.submit("1", simulator.sas_url("clean", "w")))
        (tmp_path / "c.zip").write_bytes(simulator.blobs("clean")[f"{alone.operation_id}/{alone.operation_id}.zip"])
        assert brought(tmp_path / "p.zip") == brought(tmp_path / "c.zip")
        clean.stop()
        world.stop()


def test_location_that_refuses_half_way_is_waited_for_and_nothing_is_sent_twice(tmp_path: Path) -> None:
    with BlobSimulator() as simulator:
        world = remote(tmp_path, simulator)
        operation = world.submit("1", simulator.sas_url("container", "w"))
        simulator.fail(Fault.status(403, "AuthorizationFailure"), after=3, path=".zip")
        world.step()
        world.step()
        assert world.get(operation).waiting_for is not None
        complete(world, operation)
        ends = [request.operation for request in simulator.requests if request.path.endswith(".zip")]
        assert ends.count("blocklist") == 1
        world.stop()


def test_blocks_that_the_service_has_forgotten_end_the_operation(tmp_path: Path) -> None:
    with BlobSimulator() as simulator:
        world = remote(tmp_path, simulator)
        operation = world.submit("1", simulator.sas_url("container", "w"))
        world.step()
        simulator.forget_blocks("container")
        world.run()
        failure = world.get(operation).failure
        assert failure is not None
        assert (failure.code, "forgotten" in failure.message) == ("StorageRefused", True)
        assert set(simulator.blobs("container")) == {f"{operation.operation_id}/RequestInfo.json"}
        world.stop()


def test_create_only_sas_is_refused_at_submit(tmp_path: Path) -> None:
    with BlobSimulator() as simulator:
        world = remote(tmp_path, simulator)
        with pytest.raises(InvalidRequest) as refused:
            world.submit("1", simulator.sas_url("container", "c"))
        assert refused.value.code == "StorageLocationNeedsWriteAddPermissions"
        assert "sp=w" in refused.value.hint
        assert simulator.requests == []
        world.stop()


def test_sas_that_does_not_say_what_it_may_do_is_tried_before_anything_is_marked(tmp_path: Path) -> None:
    del tmp_path
    with BlobSimulator() as simulator:
        sas = parse_sas_url(simulator.sas_url("container", "c"))
        storage = open_container(sas, PinnedHost(sas.scheme, sas.host, sas.port, may_be_private=True))
        with pytest.raises(StorageRefused) as refused:
            Mark(storage, ManualClock(), "RequestInfo.json", b"{}", may_be_ours=False).try_pieces("a.zip")
        assert refused.value.refusal is Refusal.PERMISSION
        assert "sp=w" in refused.value.hint
        storage.close()


def test_location_that_can_neither_join_nor_be_read_is_refused_at_submit(tmp_path: Path) -> None:
    settings = ExportSettings(layout="zip")
    world = World(tmp_path, PEOPLE, {"drive": Scripted(yields(*FILES))}, export=settings, storages_type=WriteOnlyStorages)
    with pytest.raises(InvalidRequest) as refused:
        world.submit("1")
    assert refused.value.code == "StorageLocationInvalid"
    assert "layout" in refused.value.hint
    assert list(world.exports.iterdir()) == []
