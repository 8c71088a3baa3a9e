"""An export from submit to package: what is found is delivered, what fails is said, nothing foreign goes out."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from tests.unit.export.world import TENANT, World

from rightful.config.model import AccountSettings, ExportSettings, StorageSettings
from rightful.connectors.interface import (
    SUBJECT_COLUMN,
    Cursor,
    FileItem,
    Item,
    MatchColumn,
    Partition,
    ReadHeader,
    Rows,
)
from rightful.errors import Conflict, InvalidRequest, NotFound, Throttled
from rightful.ids import OperationId
from rightful.operation.model import DataPolicyOperation, OperationStatus, SourceState
from rightful.package.schema import Column, ColumnKind
from rightful.package.verify import PackageState
from rightful.store.sqlite import SqliteStore
from rightful.store.values import Entry, NewApproval, NewRead
from rightful.subject.model import IdentifiedSubject
from rightful.testing.memory_connector import Faults, MemoryConnector

PEOPLE: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "1": {"upn": ("ann@contoso.example",), "mail": ("ann@contoso.example", "ann@old.example")},
    "2": {"upn": ("ann2@contoso.example",), "mail": ("ann2@contoso.example",)},
    "3": {"upn": ("nobody@contoso.example",)},
}
COLUMNS = (Column(name="id", kind=ColumnKind.INT), Column(name="mail", kind=ColumnKind.TEXT), Column(name="note", kind=ColumnKind.TEXT))
MAILS = ("ann@contoso.example", "ann2@contoso.example", "ann@old.example")


def orders(count: int = 30, **more: object) -> MemoryConnector:
    rows = [{"id": number, "mail": MAILS[number % 3], "note": f"note {number}"} for number in range(count)]
    options: dict[str, object] = {"key": "id", "batch_rows": 4, **more}
    return MemoryConnector("orders", columns=COLUMNS, match={"mail": "mail"}, rows=rows, **options)  # type: ignore[arg-type] # as given


def drive(**more: object) -> MemoryConnector:
    files = {
        "ann@contoso.example": {"a.txt": b"a", "b/c.txt": b"", "b/long": b"x" * 5_000_000},
        "ann2@contoso.example": {"a.txt": b"not ann's"},
    }
    return MemoryConnector("drive", files=files, **more)  # type: ignore[arg-type] # as given


def lines(world: World, operation: DataPolicyOperation, source: str = "orders") -> list[dict[str, object]]:
    parts = sorted((world.package(operation) / "data" / "Product" / source).glob("part-*.jsonl"))
    return [json.loads(line) for part in parts for line in part.read_text().splitlines()]


def ledger(world: World, operation: DataPolicyOperation) -> dict[str, dict[str, object]]:
    sources: dict[str, dict[str, object]] = json.loads((world.package(operation) / "ledger.json").read_text())["sources"]
    return sources


def test_package_holds_what_the_sources_hold_and_verifies(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"orders": orders(), "drive": drive()})
    operation = world.submit("ann@contoso.example")
    assert world.get(operation).status is OperationStatus.NOT_STARTED
    world.run()
    done = world.get(operation)
    assert (done.status, done.progress_percent, done.failure) == (OperationStatus.COMPLETE, 100.0, None)
    assert [(source.source_name, source.state, source.rows, source.files) for source in done.sources] == [
        ("orders", SourceState.EXPORTED, 20, 0),
        ("drive", SourceState.EXPORTED, 0, 3),
    ]
    assert [line["id"] for line in lines(world, operation)] == [number for number in range(30) if number % 3 != 1]
    folder = world.package(operation) / "data" / "Product" / "drive"
    assert {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()} == {
        "a.txt": 1,
        "b/c.txt": 0,
        "b/long": 5_000_000,
    }
    verification = world.verify(operation)
    assert (verification.state, verification.findings) == (PackageState.WHOLE, ())
    assert done.package is not None
    assert done.package.entries == verification.entries


def test_subject_that_is_nowhere_gets_a_package_that_says_so(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"orders": orders(), "drive": drive()})
    operation = world.submit("nobody@contoso.example")
    world.run()
    assert world.get(operation).status is OperationStatus.COMPLETE
    assert {name: record["state"] for name, record in ledger(world, operation).items()} == {"orders": "empty", "drive": "empty"}
    assert world.verify(operation).state is PackageState.WHOLE


def test_set_of_subjects_is_answered_by_one_pass_and_each_package_is_as_if_alone(tmp_path: Path) -> None:
    connector = orders(3000)
    world = World(tmp_path, PEOPLE, {"orders": connector})
    together = [world.submit(upn) for upn in ("ann@contoso.example", "ann2@contoso.example", "nobody@contoso.example")]
    world.run()
    assert [read.subjects for read in connector.asked] == [("1", "2", "3")]
    (tmp_path / "alone").mkdir()
    for operation in together:
        alone = World(tmp_path / "alone", PEOPLE, {"orders": orders(3000)})
        single = alone.submit(next(iter(PEOPLE[operation.subject_id]["upn"])))
        alone.run()
        assert lines(alone, single) == lines(world, operation)
        manifests = [(each.package(op) / "manifest-sha256.txt").read_bytes() for each, op in ((world, operation), (alone, single))]
        assert manifests[0] == manifests[1]
        alone.stop()


def test_parts_are_cut_at_their_limit(tmp_path: Path) -> None:
    rows = [{"id": number, "mail": MAILS[0], "note": "x" * 100_000} for number in range(25)]
    connector = MemoryConnector("orders", columns=COLUMNS, match={"mail": "mail"}, rows=rows, key="id", batch_rows=7)
    world = World(tmp_path, PEOPLE, {"orders": connector}, export=ExportSettings(part_mib=1))
    operation = world.submit("ann@contoso.example")
    world.run()
    parts = sorted((world.package(operation) / "data/Product/orders").iterdir())
    assert [part.name for part in parts] == ["part-00000-00000.jsonl", "part-00000-00001.jsonl", "part-00000-00002.jsonl"]
    assert all(part.stat().st_size <= 1 << 20 for part in parts)
    assert [line["id"] for line in lines(world, operation)] == list(range(25))
    assert world.verify(operation).state is PackageState.WHOLE


@pytest.mark.parametrize("key", ["id", None], ids=["with a key", "without one"])
@pytest.mark.parametrize("dies_after", [0, 1, 3, 7])
def test_source_that_breaks_is_read_on_and_the_package_is_the_same(tmp_path: Path, key: str | None, dies_after: int) -> None:
    def export(folder: Path, faults: Faults | None) -> tuple[World, DataPolicyOperation]:
        folder.mkdir()
        rows = [{"id": number, "mail": MAILS[0], "note": "x" * 200_000} for number in range(20)]
        connector = MemoryConnector("orders", columns=COLUMNS, match={"mail": "mail"}, rows=rows, key=key, batch_rows=2, faults=faults)
        world = World(folder, PEOPLE, {"orders": connector}, export=ExportSettings(part_mib=1))
        operation = world.submit("ann@contoso.example")
        world.run()
        return world, operation

    broken, first = export(tmp_path / "broken", Faults(dies_after=dies_after, deaths=2))
    whole, second = export(tmp_path / "whole", None)
    assert broken.get(first).status is OperationStatus.COMPLETE
    assert broken.verify(first).state is PackageState.WHOLE
    manifests = [(world.package(op) / "manifest-sha256.txt").read_bytes() for world, op in ((broken, first), (whole, second))]
    assert manifests[0] == manifests[1]
    assert broken.get(first).sources[0].rows == 20


def test_source_that_stays_down_fails_the_operation_by_name_and_resumes(tmp_path: Path) -> None:
    down = orders(faults=Faults(down=5))
    world = World(tmp_path, PEOPLE, {"drive": drive(), "orders": down}, export=ExportSettings(attempts=5, retry_s=1.0))
    operation = world.submit("ann@contoso.example")
    world.run()
    failed = world.get(operation)
    assert failed.status is OperationStatus.FAILED
    assert failed.failure is not None
    assert (failed.failure.code, failed.failure.source_name) == ("SourceUnavailable", "orders")
    assert [source.state for source in failed.sources] == [SourceState.EXPORTED, SourceState.FAILED]
    assert not (world.package(operation) / "tagmanifest-sha256.txt").exists()
    resumed = world.service.resume(TENANT, operation.operation_id, None)
    assert resumed.status is OperationStatus.RUNNING
    world.run()
    assert world.get(operation).status is OperationStatus.COMPLETE
    assert world.verify(operation).state is PackageState.WHOLE
    assert len(drive_reads := world.tenants[TENANT].connectors["drive"].asked) == 1, drive_reads  # type: ignore[attr-defined] # a MemoryConnector


def test_source_that_refuses_fails_at_once(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"orders": orders(faults=Faults(is_refused=True))})
    operation = world.submit("ann@contoso.example")
    world.run(patience_s=10)
    failure = world.get(operation).failure
    assert failure is not None
    assert (failure.code, failure.source_name) == ("SourceRefused", "orders")
    assert "grant the right to read" in failure.message


def test_unreadable_items_are_in_the_ledger_with_their_reasons(tmp_path: Path) -> None:
    faults = Faults(unreadable=frozenset({"a.txt"}), broken={"b/c.txt": PermissionError(13, "Permission denied")})
    world = World(tmp_path, PEOPLE, {"drive": drive(faults=faults)})
    operation = world.submit("ann@contoso.example")
    world.run()
    done = world.get(operation)
    assert (done.status, done.sources[0].files, done.sources[0].skipped) == (OperationStatus.COMPLETE, 1, 2)
    assert ledger(world, operation)["drive"]["skipped"] == [
        {"path": "a.txt", "reason": "permission denied"},
        {"path": "b/c.txt", "reason": "Permission denied"},
    ]
    assert world.verify(operation).state is PackageState.WHOLE


def test_unreadable_item_fails_where_the_source_says_so(tmp_path: Path) -> None:
    faults = Faults(unreadable=frozenset({"a.txt"}))
    world = World(tmp_path, PEOPLE, {"drive": drive(faults=faults)}, on_unreadable_item="fail")
    operation = world.submit("ann@contoso.example")
    world.run(patience_s=10)
    failure = world.get(operation).failure
    assert failure is not None
    assert failure.code == "ItemUnreadable"


class _Lying:
    """A connector that hands out another person's rows or files."""

    def __init__(self, items: Sequence[ReadHeader | Item]) -> None:
        self._items = items

    def check(self) -> None: ...

    def plan(self, subjects: Sequence[IdentifiedSubject]) -> tuple[Partition, ...]:
        del subjects
        return (Partition(number=0),)

    def read(
        self, partition: Partition, subjects: Sequence[IdentifiedSubject], cursor: Cursor | None = None
    ) -> Iterator[ReadHeader | Item]:
        del partition, subjects, cursor
        yield from self._items

    def close(self) -> None: ...


def _batch(mails: Sequence[str | None]) -> Rows:
    columns = [pa.array(range(len(mails)), pa.int64()), pa.array(mails, pa.string()), pa.array([0] * len(mails), pa.int32())]
    return Rows(pa.RecordBatch.from_arrays(columns, names=["id", "mail", SUBJECT_COLUMN]))


_HEADER = ReadHeader(columns=COLUMNS[:2], match=(MatchColumn(batch_column="mail", identifier_kind="mail"),))


@pytest.mark.parametrize(
    "items",
    [
        (_HEADER, _batch(["ann@contoso.example", "ann2@contoso.example"])),
        (_HEADER, _batch(["ann@contoso.example", None])),
        (_HEADER, _batch([""])),
        (ReadHeader(columns=COLUMNS[:2]), _batch(["ann@contoso.example"])),
        (
            ReadHeader(searched="{upn}/"),
            FileItem(subject=0, root="ann2@contoso.example/", path="a.txt", size_bytes=1, open=lambda: iter((b"x",))),
        ),
        (
            ReadHeader(searched="{upn}/"),
            FileItem(subject=0, root="", path="ann@contoso.example/a.txt", size_bytes=1, open=lambda: iter((b"x",))),
        ),
        (
            ReadHeader(searched="everyone/"),
            FileItem(subject=0, root="everyone/", path="a.txt", size_bytes=1, open=lambda: iter((b"x",))),
        ),
    ],
    ids=["another's row", "NULL", "empty", "unsaid match", "another's folder", "nobody's folder", "everybody's folder"],
)
def test_foreign_data_stops_the_operation_before_a_byte_is_written(tmp_path: Path, items: Sequence[ReadHeader | Item]) -> None:
    world = World(tmp_path, PEOPLE, {"orders": _Lying(items)})
    operation = world.submit("ann@contoso.example")
    world.run(patience_s=10)
    failure = world.get(operation).failure
    assert failure is not None
    assert failure.code == "ForeignData"
    assert [path.name for path in world.package(operation).rglob("*")] == ["RequestInfo.json"]


def test_fault_of_a_connector_fails_its_operation_without_its_text(tmp_path: Path) -> None:
    class Broken(_Lying):
        def plan(self, subjects: Sequence[IdentifiedSubject]) -> tuple[Partition, ...]:
            raise KeyError(str(subjects[0].identifiers))

    world = World(tmp_path, PEOPLE, {"orders": Broken(())})
    operation = world.submit("ann@contoso.example")
    world.run()
    failure = world.get(operation).failure
    assert failure is not None
    assert failure.code == "InternalError"
    assert "ann" not in failure.message


def test_directory_that_is_down_is_tried_again(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"orders": orders()})
    operation = world.submit("ann@contoso.example")
    world.directory.is_down = True
    assert world.step()
    assert world.get(operation).status is OperationStatus.RUNNING
    world.directory.is_down = False
    world.run()
    assert world.get(operation).status is OperationStatus.COMPLETE


def test_kill_at_any_step_loses_nothing(tmp_path: Path) -> None:
    """The service is stopped as by a kill after each piece of work, and started again on its file."""
    world = World(tmp_path, PEOPLE, {"orders": orders(), "drive": drive()})
    operation = world.submit("ann@contoso.example")
    for _ in range(10):
        world.stop()
        world.start()
        world.step(limit=1)
    assert world.get(operation).status is OperationStatus.COMPLETE
    assert world.verify(operation).state is PackageState.WHOLE


# -- submit


def test_repeated_submit_gives_the_same_operation_until_it_has_ended(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"orders": orders()})
    first = world.submit("ann@contoso.example")
    assert world.submit("1").operation_id == first.operation_id
    assert world.submit("ann2@contoso.example").operation_id != first.operation_id
    world.run()
    assert world.submit("ann@contoso.example").operation_id != first.operation_id


def test_idempotency_key_names_one_request_for_good(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"orders": orders()})
    first = world.submit("ann@contoso.example", idempotency_key="k")
    world.run()
    assert world.submit("ann@contoso.example", idempotency_key="k").operation_id == first.operation_id
    with pytest.raises(Conflict):
        world.submit("ann2@contoso.example", idempotency_key="k")
    assert world.submit("ann2@contoso.example", client_request_id="c").operation_id != first.operation_id


@pytest.mark.parametrize(
    "location", [None, 7, "", "NoSuchAccount", "https://acct.blob.evil.example/container?sig=x&sp=cw&se=2030-01-01&sr=c&sv=2021-01-01"]
)
def test_refused_location_leaves_nothing(tmp_path: Path, location: object) -> None:
    world = World(tmp_path, PEOPLE, {"orders": orders()})
    with pytest.raises(InvalidRequest) as caught:
        world.submit("ann@contoso.example", location)
    assert caught.value.code == "StorageLocationInvalid"
    assert world.store.count_open(TENANT) == 0
    assert list(world.exports.iterdir()) == []


def test_account_that_cannot_be_written_is_refused_and_leaves_no_intent(tmp_path: Path) -> None:
    accounts = StorageSettings(accounts={"Local": AccountSettings(url=f"file://{tmp_path}/store.db/below/a/file")})
    world = World(tmp_path, PEOPLE, {"orders": orders()}, storage=accounts)
    with pytest.raises(InvalidRequest):
        world.submit("ann@contoso.example")
    assert world.store.intents() == ()


class _DyingStore(SqliteStore):
    """The service is killed after the storage location was marked, before the intent is promoted."""

    def promote(
        self, operation_id: OperationId, reads: Sequence[NewRead], entries: Sequence[Entry], *, approval: NewApproval | None = None
    ) -> DataPolicyOperation | None:
        del operation_id, reads, entries, approval
        raise KeyboardInterrupt


def test_intent_that_a_kill_left_behind_becomes_the_operation_it_was_to_be(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"orders": orders()}, store_type=_DyingStore)
    with pytest.raises(KeyboardInterrupt):
        world.submit("ann@contoso.example")
    world.stop()
    world.start(SqliteStore)
    repeated = world.submit("ann@contoso.example")
    assert [path.name + "/" for path in world.exports.iterdir()] == [repeated.prefix]
    world.run()
    assert world.verify(repeated).state is PackageState.WHOLE


def test_full_queue_throttles(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"orders": orders()}, queued=1)
    world.submit("ann@contoso.example")
    with pytest.raises(Throttled):
        world.submit("ann2@contoso.example")
    world.run()
    world.submit("ann2@contoso.example")


def test_cancel_ends_an_operation_once(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"orders": orders()})
    operation = world.submit("ann@contoso.example")
    world.service.cancel(TENANT, operation.operation_id)
    ended = world.get(operation)
    assert ended.failure is not None
    assert (ended.status, ended.failure.code) == (OperationStatus.FAILED, "cancelled")
    world.run(patience_s=10)
    assert [path.name for path in world.package(operation).iterdir()] == ["RequestInfo.json"]
    with pytest.raises(Conflict):
        world.service.cancel(TENANT, operation.operation_id)
    with pytest.raises(NotFound):
        world.service.cancel(TENANT, OperationId("00000000-0000-0000-0000-000000000000"))


def test_complete_operation_does_not_resume(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"orders": orders()})
    operation = world.submit("ann@contoso.example")
    world.run()
    with pytest.raises(Conflict):
        world.service.resume(TENANT, operation.operation_id, None)
