"""Lakes of every format through a whole export: one scan for three people, verified packages, and a ledger that says what was searched."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import write_deltalake
from tests.contract.connectors.test_lake_of_text import WRITTEN
from tests.unit.export.world import World

from rightful.connectors.lake import LakeConnector, LakeSettings
from rightful.connectors.time_window import WindowSettings
from rightful.operation.model import DataPolicyOperation, OperationStatus
from rightful.package.verify import PackageState

PEOPLE = {name: {"mail": (f"{name}@x.example",)} for name in ("ann", "bob", "cem")}
ROWS: list[dict[str, Any]] = [
    {"mail": [*(f"{name}@x.example" for name in PEOPLE), "else@x.example"][n % 4], "id": f"{n}", "day": f"2026-01-0{1 + n % 5}"}
    for n in range(400)
]


def connect(root: Path, url: str, kind: str, **options: Any) -> LakeConnector:
    settings = LakeSettings(
        url=f"file://{root}/{url}",
        format=kind,  # type: ignore[arg-type]
        match={"mail": "mail"},
        time="day",
        window=WindowSettings(since="2026-01-03"),
        **options,
    )
    return LakeConnector("lake", settings, siblings={}, folder=root)


@pytest.fixture
def world(tmp_path: Path) -> World:
    for n in range(4):
        for kind in ("csv", "jsonl"):
            (tmp_path / f"{n}.{kind}").write_text(WRITTEN[kind](ROWS[n * 100 : (n + 1) * 100]))
    frame = pl.DataFrame(ROWS).with_columns(day=pl.col("day").str.to_date("%Y-%m-%d"))
    write_deltalake(str(tmp_path / "table"), frame.to_arrow(), partition_by=["day"])
    frame.write_parquet(tmp_path / "a.parquet", row_group_size=50)
    return World(
        tmp_path,
        PEOPLE,
        {
            "csv": connect(tmp_path, "*.csv", "csv", types={"day": "date"}),
            "jsonl": connect(tmp_path, "*.jsonl", "jsonl", types={"day": "date"}),
            "delta": connect(tmp_path, "table", "delta"),
            "parquet": connect(tmp_path, "*.parquet", "parquet"),
        },
    )


def lines(world: World, operation: DataPolicyOperation, source: str) -> list[dict[str, Any]]:
    parts = sorted((world.package(operation) / "data/Product" / source).glob("part-*.jsonl"))
    return [json.loads(line) for part in parts for line in part.read_text().splitlines()]


def test_lakes_are_exported_whole_and_say_what_was_searched(world: World) -> None:
    operations = {name: world.submit(name) for name in PEOPLE}
    world.run()
    for name, operation in operations.items():
        assert world.get(operation).status is OperationStatus.COMPLETE
        assert world.verify(operation).state is PackageState.WHOLE
        expected = [row for row in ROWS if row["mail"] == f"{name}@x.example" and date.fromisoformat(row["day"]) >= date(2026, 1, 3)]
        assert lines(world, operation, "csv") == lines(world, operation, "parquet") == expected
        assert lines(world, operation, "jsonl") == [{**row, "_rest": None} for row in expected]
        assert lines(world, operation, "delta") == sorted(expected, key=lambda row: str(row["day"]))
        ledger = world.ledger(operation)
        assert {source: ledger[source]["rows"] for source in ledger} == dict.fromkeys(ledger, len(expected))
        assert ledger["delta"]["searched"] == "table at version 0 where (mail in {mail}) and day since 2026-01-03T00:00:00Z, or none"
        assert all("since 2026-01-03" in ledger[source]["searched"] for source in ledger)
    world.stop()


def test_a_broken_line_fails_the_export_and_says_where(world: World, tmp_path: Path) -> None:
    with (tmp_path / "3.csv").open("a") as file:
        file.write("ann@x.example,s3cr3t\n")
    operation = world.submit("ann")
    world.run()
    assert world.get(operation).status is OperationStatus.FAILED
    said = str(world.get(operation))
    assert "row 102 has 2 values, not 3" in said
    assert "s3cr3t" not in said
    world.stop()
