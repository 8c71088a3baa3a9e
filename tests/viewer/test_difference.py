"""START-HERE.html of a difference says of each record and file whether it is new or has changed."""

from pathlib import Path

from tests.servers.chromium import Chromium
from tests.unit.export.test_since import EXPORT, PEOPLE, document, export, now, table, tree
from tests.unit.export.world import World

ROWS = "await page.waitForSelector('.table tbody tr'); return [await page.locator('.table tr').allInnerTexts(), await axe()];"


def test_each_record_is_marked(chromium: Chromium, tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"table": table({1: "a", 2: "b", 3: "c"})}, export=EXPORT)
    whole = export(world)
    now(world, table=table({1: "a", 2: "changed", 4: "d", 5: "e"}))
    difference = export(world, since=whole)
    rows, violations = chromium.visit(world.package(difference), ROWS, fragment="#source=table", language="de").result
    assert [row.split("\t")[1:] for row in rows] == [
        ["Neu oder geändert", "id", "mail", "note"],
        ["geändert", "2", "ann@contoso.example", "changed"],
        ["neu", "4", "ann@contoso.example", "d"],
        ["neu", "5", "ann@contoso.example", "e"],
    ]
    assert violations == []
    whole_rows, _ = chromium.visit(world.package(whole), ROWS, fragment="#source=table").result
    assert whole_rows[0].split("\t")[1:] == ["id", "mail", "note"]
    world.stop()


def test_records_without_a_key_are_new(chromium: Chromium, tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"table": table({1: "a"}, key=None)}, export=EXPORT)
    whole = export(world)
    now(world, table=table({1: "b"}, key=None))
    rows, _ = chromium.visit(world.package(export(world, since=whole)), ROWS, fragment="#source=table").result
    assert [row.split("\t")[1] for row in rows] == ["New or changed", "new"]
    world.stop()


def test_each_file_is_marked(chromium: Chromium, tmp_path: Path) -> None:
    """What could not be read before is new, as changes.json counts it."""
    then = {"a.txt": b"1", "b.txt": b"b", "gone.txt": b"g", "é.txt": b"1"}
    world = World(tmp_path, PEOPLE, {"drive": tree(then, skipped=("dark.txt",))}, export=EXPORT)
    whole = export(world)
    now(world, drive=tree({"a.txt": b"2", "b.txt": b"b", "c.txt": b"c", "dark.txt": b"light", "é.txt": b"2"}))
    difference = export(world, since=whole)
    rows, violations = chromium.visit(world.package(difference), ROWS, fragment="#source=drive", language="de").result
    assert [row.split("\t")[1:3] for row in rows] == [
        ["Neu oder geändert", "Name"],
        ["geändert", "a.txt"],
        ["neu", "c.txt"],
        ["neu", "dark.txt"],
        ["geändert", "é.txt"],
    ]
    assert violations == []
    counts = document(world, difference, "changes.json")["files"]
    assert (counts["new"], counts["changed"]) == (2, 2)
    whole_rows, _ = chromium.visit(world.package(whole), ROWS, fragment="#source=drive").result
    assert whole_rows[0].split("\t")[1] == "Name"
    world.stop()
