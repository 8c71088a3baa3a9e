"""What a difference says, read beside the earlier package."""

import json
from collections import Counter
from pathlib import Path

import pytest
from tests.unit.export.test_since import EXPORT, NOW, PEOPLE, THEN, document, export, now, table, tree
from tests.unit.export.world import World

from rightful.config.model import ExportSettings
from rightful.errors import PackageError
from rightful.operation.model import DataPolicyOperation
from rightful.package.forms import Form
from rightful.package.readers import FolderReader
from rightful.package.telling import Told, tell


def told(world: World, old: DataPolicyOperation, new: DataPolicyOperation) -> list[Told]:
    return list(tell(FolderReader(world.package(old)), FolderReader(world.package(new))))


def test_each_record_and_file_is_told(tmp_path: Path) -> None:
    then = {"same.txt": b"s", "gone.txt": b"g", "other.txt": b"1"}
    world = World(tmp_path, PEOPLE, {"table": table(THEN), "drive": tree(then)}, export=EXPORT)
    first = export(world)
    now(world, table=table(NOW), drive=tree({"same.txt": b"s", "other.txt": b"2", "CON": b"n"}))
    second = export(world, since=first)
    found = told(world, first, second)
    records = {(each.change, json.loads(each.line)["id"]) for each in found if each.line}
    assert records == {
        *(("gone", number) for number in range(5)),
        *(("changed", number) for number in range(9, 60, 9)),
        *(("new", number) for number in range(60, 70)),
    }
    gone = {json.loads(each.line)["note"] for each in found if each.change == "gone" and each.line}
    assert gone == {THEN[number] for number in range(5)}
    assert {(each.change, each.path) for each in found if each.path} == {("gone", "gone.txt"), ("changed", "other.txt"), ("new", "CON")}
    assert {each.source_name for each in found} == {"table", "drive"}


def test_copies_of_a_record_without_a_key_are_counted(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"table": table([(1, "a"), (2, "b"), (2, "b"), (2, "b")], key=None)}, export=EXPORT)
    first = export(world)
    now(world, table=table([(1, "a"), (1, "a"), (1, "a"), (2, "b")], key=None))
    second = export(world, since=first)
    counts: Counter[tuple[str, int]] = Counter()
    for each in told(world, first, second):
        counts[each.change, json.loads(each.line)["id"]] += each.copies
    assert counts == {("again", 1): 2, ("gone", 2): 2}


def test_what_is_gone_from_before_the_earlier_difference_comes_as_its_fingerprint(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"table": table({1: "a", 2: "b"})}, export=EXPORT)
    first = export(world)
    now(world, table=table({1: "a", 2: "b", 3: "c"}))
    second = export(world, since=first)
    now(world, table=table({2: "b"}))
    third = export(world, since=second)
    found = told(world, second, third)
    assert [(each.change, json.loads(each.line)["id"]) for each in found if each.line] == [("gone", 3)]
    [other] = [each.fingerprint for each in found if not each.line]
    # The difference to the first package names it too: with the same key, so that the first has it.
    names = [json.loads(line)["gone"] for line in (world.package(third) / "gone.jsonl").read_text().splitlines()]
    assert other in names
    assert document(world, third, "changes.json")["fingerprintKey"] == document(world, second, "changes.json")["fingerprintKey"]


def test_packages_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"table": table(THEN)}, export=EXPORT)
    first, other = export(world), export(world)
    second = export(world, since=first)
    with pytest.raises(PackageError, match="do not belong together"):
        told(world, other, second)
    with pytest.raises(PackageError, match="is no difference"):
        told(world, second, first)
    (world.package(second) / "changes.json").write_text("{}")
    with pytest.raises(PackageError, match="can't be read"):
        told(world, first, second)


def test_records_in_other_forms_alone_are_refused(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"table": table(THEN)}, export=ExportSettings(compare_days=9, formats=(Form.CSV,)))
    first = export(world)
    second = export(world, since=first)
    with pytest.raises(PackageError, match="no records as JSON lines"):
        told(world, first, second)
