"""What a read holds at once does not grow with the table, nor with what came before in it."""

import tracemalloc
from pathlib import Path

import pytest
from tests.contract.database.world import connector, make, settings

from rightful.connectors.interface import Rows
from rightful.testing.connector_suite import identified

ANN = identified(name=("ann",))
_MIB = 1 << 20


def _table(large: str, *, small: int, many: int) -> str:
    """Return statements that make a table of small rows and, after them, large ones."""
    return (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT, v);"
        f"WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < {small + many})"
        f"INSERT INTO t SELECT i, 'ann', CASE WHEN i <= {small} THEN NULL ELSE {large} END FROM c"
    )


@pytest.mark.parametrize(
    ("large", "small", "many"),
    [
        ("printf('%.*c', 200000, 'y')", 1000, 300),
        ("zeroblob(200000)", 20_000, 300),
        ("printf('%.*c', 12000000, 'y')", 0, 8),
        ("CASE WHEN i % 2 THEN i ELSE printf('%.*c', 200000, 'y') END", 1000, 600),
    ],
    ids=["texts_after_small_rows", "bytes_after_small_rows", "large_from_the_first", "several_kinds"],
)
def test_sqlite_rows_are_held_by_their_size(request: pytest.FixtureRequest, tmp_path: Path, large: str, small: int, many: int) -> None:
    world = make("sqlite", request, tmp_path)
    world.execute(_table(large, small=small, many=many))
    source = connector(world, source=settings(world, "t", match={"n": "name"}))
    [partition] = source.plan([ANN])
    tracemalloc.start()
    try:
        seen = 0
        for item in source.read(partition, [ANN]):
            if isinstance(item, Rows):
                seen += item.batch.num_rows
                assert item.batch.nbytes <= 8 * _MIB or item.batch.num_rows == 1
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert seen == small + many
    assert peak < 30 * _MIB


def test_sqlite_rows_of_very_many_columns_are_held_by_their_number(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    world = make("sqlite", request, tmp_path)
    columns = ", ".join(f"c{number} TEXT" for number in range(1500))
    world.execute(
        f"CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT, {columns});"
        "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 5000) INSERT INTO t (id, n) SELECT i, 'ann' FROM c"
    )
    source = connector(world, source=settings(world, "t", match={"n": "name"}))
    batches = [item.batch for item in source.read(source.plan([ANN])[0], [ANN]) if isinstance(item, Rows)]
    assert sum(batch.num_rows for batch in batches) == 5000
    assert all(batch.nbytes <= 8 * _MIB for batch in batches)
