"""An SQLite file that is replaced by another while sources read it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.contract.database.world import World, connector, make, rows, settings, values

from rightful.errors import SourceError
from rightful.testing.connector_suite import identified

ANN = identified(name=("ann",))


def _sqlite(request: pytest.FixtureRequest, tmp_path: Path, statements: str) -> World:
    world = make("sqlite", request, tmp_path)
    world.execute(statements)
    return world


def test_file_that_went_away_is_missed_and_another_in_its_place_is_read(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    world = _sqlite(request, tmp_path, "CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT); INSERT INTO t VALUES (1, 'ann')")
    source = connector(world, source=settings(world, "t", match={"n": "name"}))
    assert values(source, [ANN]) == [[1]]
    (tmp_path / "test.db").rename(tmp_path / "old.db")
    with pytest.raises(SourceError, match="no such file"):
        rows(source, [ANN])
    world.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT); INSERT INTO t VALUES (2, 'ann')")
    assert values(source, [ANN]) == [[2]]


def _made_like_the_first(request: pytest.FixtureRequest, folder: Path, values: str, *, more: str = "") -> Path:
    """Make another database in as many steps as the one that it shall replace, and so with its version of the schema."""
    folder.mkdir()
    tables = "".join(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, n TEXT{more}); INSERT INTO {name} VALUES ({values});" for name in "tu")
    _sqlite(request, folder, tables)
    return folder / "test.db"


def _moved(new: Path, old: Path) -> None:
    new.replace(old)


def _copied(new: Path, old: Path) -> None:
    """Copy into the file that is there, as `cp` does: it stays the same one."""
    shutil.copyfile(new, old)


@pytest.mark.parametrize("replace", [_moved, _copied])
def test_columns_of_a_replaced_file_are_seen_by_every_source(
    request: pytest.FixtureRequest, tmp_path: Path, replace: Callable[[Path, Path], None]
) -> None:
    world = _sqlite(request, tmp_path, "VACUUM")
    replace(_made_like_the_first(request, tmp_path / "old", "1, 'ann'"), tmp_path / "test.db")
    sources = [connector(world, source=settings(world, table, match={"n": "name"})) for table in "tu"]
    assert [values(source, [ANN]) for source in sources] == [[[1]], [[1]]]
    new = _made_like_the_first(request, tmp_path / "new", "1, 'ann', '5550100'", more=", phone TEXT")
    replace(new, tmp_path / "test.db")
    assert [values(source, [ANN], "phone") for source in sources] == [[["5550100"]], [["5550100"]]]


@pytest.mark.parametrize("replace", [_moved, _copied])
def test_rows_of_a_replaced_file_are_read_though_it_was_written_as_often(
    request: pytest.FixtureRequest, tmp_path: Path, replace: Callable[[Path, Path], None]
) -> None:
    world = _sqlite(request, tmp_path, "VACUUM")
    replace(_made_like_the_first(request, tmp_path / "old", "1, 'ann'"), tmp_path / "test.db")
    source = connector(world, source=settings(world, "t", match={"n": "name"}))
    assert values(source, [ANN]) == [[1]]
    replace(_made_like_the_first(request, tmp_path / "new", "2, 'ann'"), tmp_path / "test.db")
    assert values(source, [ANN]) == [[2]]
