"""A source that changes while its export is interrupted: what was put stays, is called superseded, and a revision counts instead."""

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.export.interrupted import FIRST, FOLDER, HEADER, SECOND, Export, KilledStore, dies, large, row
from tests.unit.export.scripted import FILES_HEADER, WriteOnlyStorages, file, yields
from tests.unit.export.world import TENANT

from rightful.connectors.interface import Cursor, Item, ReadHeader, Rows, SkippedItem
from rightful.operation.model import OperationStatus
from rightful.package.verify import PackageState
from rightful.storage.registry import Storages

WRITE_ONLY = pytest.mark.parametrize("storages_type", [Storages, WriteOnlyStorages], ids=["can read", "write-only"])


# -- parts of records


@WRITE_ONLY
def test_part_that_changed_is_superseded_by_its_revision(tmp_path: Path, storages_type: type[Storages]) -> None:
    export = Export(tmp_path, dies(HEADER, row(1), row(2)), yields(HEADER, row(3), row(2), row(4)), storages_type=storages_type)
    export.check(
        [f"{FIRST}.jsonl", f"{FIRST}.r1.jsonl", f"{SECOND}.jsonl", "part-00000-00002.jsonl"], {f"{FIRST}.jsonl": f"{FIRST}.r1.jsonl"}
    )
    assert export.rows() == [3, 2, 4]
    assert export.world.ledger(export.operation)["source"]["rows"] == 3


@WRITE_ONLY
def test_part_that_the_source_no_longer_has_is_superseded_by_nothing(tmp_path: Path, storages_type: type[Storages]) -> None:
    export = Export(tmp_path, dies(HEADER, row(1), row(2)), yields(HEADER, row(1)), storages_type=storages_type)
    export.check([f"{FIRST}.jsonl", f"{SECOND}.jsonl"], {f"{SECOND}.jsonl": "-"})
    assert export.rows() == [1]


def test_source_that_changes_each_time_gets_a_revision_each_time(tmp_path: Path) -> None:
    export = Export(
        tmp_path,
        dies(HEADER, row(1)),
        dies(HEADER, row(2)),
        dies(HEADER, row(1)),  # as at first: but that does not count any more
        yields(HEADER, row(4)),
    )
    revisions = [f"{FIRST}{revision}.jsonl" for revision in ("", ".r1", ".r2", ".r3")]
    export.check(revisions, dict(pairwise(revisions)))
    assert export.rows() == [4]


@WRITE_ONLY
@pytest.mark.parametrize("checkpoint", [1, 2])
def test_kill_between_put_and_checkpoint_of_a_source_that_stays_as_it_was(
    tmp_path: Path, storages_type: type[Storages], checkpoint: int
) -> None:
    export = Export(tmp_path, yields(HEADER, row(1), row(2)), storages_type=storages_type)
    export.kill_before_checkpoint(checkpoint)
    export.check([f"{FIRST}.jsonl", f"{SECOND}.jsonl"], {})
    assert export.rows() == [1, 2]


def test_part_that_had_arrived_unknown_to_the_store_is_superseded_too(tmp_path: Path) -> None:
    export = Export(tmp_path, yields(HEADER, row(1)), yields(HEADER, row(2)))
    export.kill_before_checkpoint(1)
    export.check([f"{FIRST}.jsonl", f"{FIRST}.r1.jsonl"], {f"{FIRST}.jsonl": f"{FIRST}.r1.jsonl"})
    assert export.rows() == [2]


def test_part_that_had_not_arrived_may_still_land_and_never_counts(tmp_path: Path) -> None:
    export = Export(tmp_path, yields(HEADER, row(1)), yields(HEADER, row(2)))
    export.kill_before_checkpoint(1)
    (export.world.package(export.operation) / FOLDER / f"{FIRST}.jsonl").unlink()
    export.check([f"{FIRST}.jsonl", f"{FIRST}.r1.jsonl"], {f"{FIRST}.jsonl": f"{FIRST}.r1.jsonl"})
    assert export.rows() == [2]


def test_revision_that_the_source_took_back_is_superseded_by_what_was_before(tmp_path: Path) -> None:
    export = Export(tmp_path, dies(HEADER, row(1)), yields(HEADER, row(2)), yields(HEADER, row(1)))
    export.kill_before_checkpoint(2)  # the first is of attempt 1, whose part is known to be there
    export.check([f"{FIRST}.jsonl", f"{FIRST}.r1.jsonl"], {f"{FIRST}.r1.jsonl": f"{FIRST}.jsonl"})
    assert export.rows() == [1]


@pytest.mark.parametrize("then", [(row(2),), ()], ids=["changed", "gone"])
@pytest.mark.parametrize("arrived", [True, False])
def test_what_arrived_is_found_out_where_nothing_can_be_read(tmp_path: Path, then: tuple[Rows, ...], *, arrived: bool) -> None:
    export = Export(tmp_path, yields(HEADER, row(1)), yields(HEADER, *then), storages_type=WriteOnlyStorages)
    export.kill_before_checkpoint(1)
    path = export.world.package(export.operation) / FOLDER / f"{FIRST}.jsonl"
    if not arrived:
        path.unlink()
    if then:
        export.check([f"{FIRST}.jsonl", f"{FIRST}.r1.jsonl"], {f"{FIRST}.jsonl": f"{FIRST}.r1.jsonl"})
    else:
        export.check([f"{FIRST}.jsonl"], {f"{FIRST}.jsonl": "-"})
    assert b"does not count" in path.read_bytes() or arrived
    assert export.rows() == [2] * len(then)


def test_what_arrived_is_found_out_once(tmp_path: Path) -> None:
    export = Export(tmp_path, yields(HEADER, row(1)), yields(HEADER, row(2)), storages_type=WriteOnlyStorages)
    for _ in range(3):
        export.kill_before_checkpoint(1)
    export.check([f"{FIRST}.jsonl", f"{FIRST}.r1.jsonl"], {f"{FIRST}.jsonl": f"{FIRST}.r1.jsonl"})
    assert export.rows() == [2]


@pytest.mark.parametrize("then", [1, 2], ids=["as it was", "changed"])
@pytest.mark.parametrize("arrived", [True, False])
def test_what_arrived_cannot_be_told_after_a_kill_while_it_was_found_out(tmp_path: Path, then: int, *, arrived: bool) -> None:
    export = Export(tmp_path, yields(HEADER, row(1)), yields(HEADER, row(2)), yields(HEADER, row(then)), storages_type=WriteOnlyStorages)
    export.kill_before_checkpoint(1)
    if not arrived:
        (export.world.package(export.operation) / FOLDER / f"{FIRST}.jsonl").unlink()
    storages = export.world.storages
    assert isinstance(storages, WriteOnlyStorages)

    def die(_path: str) -> None:
        raise KeyboardInterrupt

    storages.before_put, storages.after_put = (die, storages.after_put) if arrived else (storages.before_put, die)
    with pytest.raises(KeyboardInterrupt):
        export.world.run()
    export.world.stop()
    export.world.start(KilledStore)
    failure = export.run().failure
    assert failure is not None
    assert (failure.code, failure.source_name) in {("EntryUnknown", "source"), ("EntryConflict", "")}
    assert "again" in failure.message or "empty" in failure.message
    assert not (export.world.package(export.operation) / "tagmanifest-sha256.txt").exists()


def test_entry_that_somebody_changed_is_no_revision(tmp_path: Path) -> None:
    export = Export(tmp_path, yields(HEADER, row(1)), yields(HEADER, row(2)))
    export.kill_before_checkpoint(1)
    path = export.world.package(export.operation) / FOLDER / f"{FIRST}.jsonl"
    path.chmod(0o600)
    path.write_bytes(b"somebody else's\n")
    failure = export.run().failure
    assert failure is not None
    assert failure.code == "EntryConflict"


@WRITE_ONLY
def test_what_lies_at_the_path_of_a_new_entry_is_not_taken_for_ours(tmp_path: Path, storages_type: type[Storages]) -> None:
    export = Export(tmp_path, yields(HEADER, row(1)), storages_type=storages_type)
    folder = export.world.package(export.operation) / FOLDER
    folder.mkdir(parents=True)
    (folder / f"{FIRST}.jsonl").write_bytes(b"somebody else's\n")
    for _ in range(2):  # a resume changes nothing
        failure = export.run().failure
        assert failure is not None
        assert failure.code in {"EntryConflict", "EntryUnknown"}
        export.world.service.resume(TENANT, export.operation.operation_id, None)


@WRITE_ONLY
def test_what_lies_at_the_path_of_the_manifest_is_not_taken_for_ours(tmp_path: Path, storages_type: type[Storages]) -> None:
    export = Export(tmp_path, yields(HEADER, row(1)), storages_type=storages_type)
    (export.world.package(export.operation) / "manifest-sha256.txt").write_bytes(b"somebody else's\n")
    for _ in range(2):
        failure = export.run().failure
        assert failure is not None
        assert failure.code == "EntryConflict"
        export.world.service.resume(TENANT, export.operation.operation_id, None)


# -- a cursor


def test_read_with_a_key_goes_on_after_its_last_part(tmp_path: Path) -> None:
    keyed = ReadHeader(columns=HEADER.columns, match=HEADER.match, has_key=True)
    export = Export(tmp_path, dies(keyed, row(1), row(2)), yields(keyed, row(3)))
    export.check([f"{FIRST}.jsonl", f"{SECOND}.jsonl", "part-00000-00002.jsonl"], {})
    assert export.connector.cursors == [None, Cursor(2)]
    assert export.rows() == [1, 2, 3]


def test_source_whose_columns_changed_is_read_from_the_beginning(tmp_path: Path) -> None:
    keyed = ReadHeader(columns=HEADER.columns, match=HEADER.match, has_key=True)
    fewer = ReadHeader(columns=HEADER.columns[:2], match=HEADER.match, has_key=True)
    export = Export(tmp_path, dies(keyed, row(1), row(2)), yields(fewer), yields(fewer, row(1), row(2), row(3)))
    export.check(
        [f"{FIRST}.jsonl", f"{FIRST}.r1.jsonl", f"{SECOND}.jsonl"],
        {f"{FIRST}.jsonl": f"{FIRST}.r1.jsonl", f"{SECOND}.jsonl": "-"},
    )
    assert export.connector.cursors == [None, Cursor(2), None]
    assert export.rows() == [1, 2, 3]


@pytest.mark.parametrize("change", [{"searched": "ORDER BY seq"}, {"has_key": False}], ids=["ordered otherwise", "no key any more"])
def test_cursor_of_another_order_counts_for_nothing(tmp_path: Path, change: dict[str, Any]) -> None:
    keyed = ReadHeader(columns=HEADER.columns, match=HEADER.match, has_key=True, searched="ORDER BY id")
    other = msgspec.structs.replace(keyed, **change)
    export = Export(tmp_path, dies(keyed, row(1), row(2)), yields(other, row(3)), yields(other, row(2), row(1), row(3)))
    export.check(
        [f"{FIRST}.jsonl", f"{FIRST}.r1.jsonl", f"{SECOND}.jsonl", f"{SECOND}.r1.jsonl", "part-00000-00002.jsonl"],
        {f"{FIRST}.jsonl": f"{FIRST}.r1.jsonl", f"{SECOND}.jsonl": f"{SECOND}.r1.jsonl"},
    )
    assert export.connector.cursors == [None, Cursor(2), None]
    assert export.rows() == [2, 1, 3]


def test_revision_gets_a_number_that_none_had(tmp_path: Path) -> None:
    export = Export(tmp_path, dies(HEADER, row(1)), yields(HEADER, row(2)), dies(HEADER, row(1)), yields(HEADER, row(3)))
    export.kill_before_checkpoint(2)
    done = export.run()
    assert (done.status, done.failure) == (OperationStatus.COMPLETE, None)
    assert export.rows() == [3]
    assert export.world.verify(export.operation).state is PackageState.WHOLE


# -- files


@WRITE_ONLY
def test_file_that_changed_is_superseded_by_its_revision(tmp_path: Path, storages_type: type[Storages]) -> None:
    # Without a cursor: the first attempt was killed before it had one.
    export = Export(
        tmp_path,
        yields(FILES_HEADER, large("a.txt", "a"), large("b.txt", "b")),
        yields(FILES_HEADER, large("a.txt", "a"), large("b.txt", "c")),
        storages_type=storages_type,
    )
    export.kill_before_checkpoint(2)
    export.check(["a.txt", "b.txt", "b==r1.txt"], {"b.txt": "b==r1.txt"})
    assert (export.world.package(export.operation) / FOLDER / "b==r1.txt").read_bytes()[:1] == b"c"


def test_file_that_was_deleted_after_it_was_put_is_superseded_by_nothing(tmp_path: Path) -> None:
    export = Export(tmp_path, yields(FILES_HEADER, large("a.txt", "a")), yields(FILES_HEADER))
    export.kill_before_checkpoint(1)
    export.check(["a.txt"], {"a.txt": "-"})


def test_file_that_cannot_be_read_again_is_superseded_by_nothing_and_skipped(tmp_path: Path) -> None:
    skipped = SkippedItem(subject=0, path="a.txt", reason="permission denied")
    export = Export(tmp_path, yields(FILES_HEADER, large("a.txt", "a")), yields(FILES_HEADER, skipped))
    export.kill_before_checkpoint(1)
    export.check(["a.txt"], {"a.txt": "-"})
    assert export.world.ledger(export.operation)["source"]["skipped"] == [{"path": "a.txt", "reason": "permission denied"}]


@pytest.mark.parametrize("again", [False, True], ids=["read on", "read again"])
def test_file_that_can_be_read_after_all_is_no_longer_skipped(tmp_path: Path, *, again: bool) -> None:
    skipped = SkippedItem(subject=0, path="b.txt", reason="permission denied")
    before = () if again else (large("a.txt", "a"),)
    after = (*before, skipped, large("c.txt", "c"), large("d.txt", "d"))
    export = Export(
        tmp_path, yields(FILES_HEADER, *after), yields(FILES_HEADER, large("b.txt", "b"), large("c.txt", "c"), large("d.txt", "d"))
    )
    # The skipped item is put down with the checkpoint before the next file; the next one is lost.
    export.kill_before_checkpoint(2 if again else 3)
    export.check(["b.txt", "c.txt", "d.txt"] if again else ["a.txt", "b.txt", "c.txt", "d.txt"], {})
    done = export.world.get(export.operation).sources[0]
    assert (done.files, done.skipped) == (3 if again else 4, 0)
    assert export.world.ledger(export.operation)["source"]["skipped"] == []


class _Flickering:
    """A file whose content breaks off so often while it is put."""

    def __init__(self, faults: int) -> None:
        self.faults = faults

    def item(self) -> Item:
        def read() -> object:
            yield b"x" * (4 << 20)
            if self.faults:
                self.faults -= 1
                raise OSError(5, "Input/output error")
            yield b"y"

        return file("a.txt", read, size_bytes=(4 << 20) + 1)  # type: ignore[arg-type] # a generator of bytes


@WRITE_ONLY
@pytest.mark.parametrize("faults", [0, 1, 2, 3])
def test_file_that_breaks_off_while_it_is_put_leaves_nothing_that_a_resume_stumbles_over(
    tmp_path: Path, storages_type: type[Storages], faults: int
) -> None:
    content = _Flickering(faults)

    def script(_subjects: object, cursor: Cursor | None) -> Iterable[ReadHeader | Item]:
        return (FILES_HEADER, large("b.txt", "b")) if cursor else (FILES_HEADER, content.item(), large("b.txt", "b"))

    export = Export(tmp_path, script, storages_type=storages_type)
    export.kill_before_checkpoint(2)
    assert export.world.get(export.operation).sources[0].skipped == (faults == 3)
    export.check(["a.txt", "b.txt"], {})
    assert export.world.get(export.operation).sources[0].skipped == 0
    assert export.connector.cursors == [None, None if faults == 3 else Cursor(b"a.txt")]


@WRITE_ONLY
def test_file_that_breaks_off_each_time_it_is_put_is_skipped(tmp_path: Path, storages_type: type[Storages]) -> None:
    export = Export(tmp_path, yields(FILES_HEADER, _Flickering(9).item(), large("b.txt", "b")), storages_type=storages_type)
    export.check(["b.txt"], {})
    assert export.world.ledger(export.operation)["source"]["skipped"] == [{"path": "a.txt", "reason": "Input/output error"}]


def test_item_that_was_skipped_and_is_gone_still_stands_in_the_ledger(tmp_path: Path) -> None:
    skipped = SkippedItem(subject=0, path="a.txt", reason="permission denied")
    export = Export(tmp_path, yields(FILES_HEADER, skipped, large("b.txt", "b")), yields(FILES_HEADER, large("b.txt", "b")))
    export.kill_before_checkpoint(2)
    export.check(["b.txt"], {})
    assert len(export.world.ledger(export.operation)["source"]["skipped"]) == 1
    assert export.world.get(export.operation).sources[0].skipped == 1
