"""A window of time over tables: the same rows everywhere, and none left out that has no time."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.contract.database.world import ALL, ENGINES, TWICE, World, connector, header, make, rows, settings, values
from tests.unit.export.world import World as Service
from tests.unit.export.world import stopped_worlds

from rightful.config.problem import ConfigurationProblems
from rightful.connectors.interface import Cursor, Partition, Rows, estimate
from rightful.connectors.sql import SqlConnector
from rightful.connectors.sql_settings import SqlSettings
from rightful.connectors.time_window import WindowSettings
from rightful.errors import ConfigurationError, SourceRefused
from rightful.testing.connector_suite import identified

__all__ = ["stopped_worlds"]

ANN = identified(name=("ann",))
MOMENTS = [
    "2023-12-31 23:59:59.999",
    "2024-01-01 00:00:00",
    "2024-06-01 12:00:00",
    "2025-12-31 23:59:59",
    "2026-01-01 00:00:00",
    None,
]
WINDOW = WindowSettings(since="2024-01-01", until="2026-01-01")


@pytest.fixture(params=[*ALL, *TWICE[1:]])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return make(request.param, request, tmp_path)


def _filled(world: World) -> None:
    content = ", ".join(
        f"({number}, 'ann', NULL, NULL)" if at is None else f"({number}, 'ann', '{at}', '{at[:10]}')" for number, at in enumerate(MOMENTS)
    )
    world.execute(f"CREATE TABLE t (id bigint PRIMARY KEY, n varchar(9), made timestamp, on_day date); INSERT INTO t VALUES {content}")
    world.execute("CREATE TABLE u (id bigint PRIMARY KEY, t bigint); INSERT INTO u VALUES (10, 0), (11, 1)")


def _windowed(world: World, column: str, window: WindowSettings = WINDOW) -> SqlConnector:
    return connector(world, t=settings(world, "t", match={"n": "name"}, time=column, window=window))


@pytest.mark.parametrize(
    ("column", "window", "found"),
    [
        ("made", WINDOW, [1, 2, 3, 5]),
        ("made", WindowSettings(since="2024-01-01"), [1, 2, 3, 4, 5]),
        ("made", WindowSettings(until="2024-06-01T14:00:00+02:00"), [0, 1, 5]),
        ("made", WindowSettings(since="2024-06-01T12:00:01"), [3, 4, 5]),
        ("on_day", WINDOW, [1, 2, 3, 5]),
        ("on_day", WindowSettings(since="2024-06-01T15:00:00", until="2026-01-01T00:00:01"), [2, 3, 4, 5]),
    ],
)
def test_rows_of_a_window_and_those_without_a_time_are_read(world: World, column: str, window: WindowSettings, found: list[int]) -> None:
    _filled(world)
    source = _windowed(world, column, window)
    source.check()
    assert values(source, [ANN]) == [found]
    counted = estimate(source, [ANN], limit_s=30.0)[0].rows
    assert counted is not None
    assert counted.count == len(found)
    assert "since" in header(source).searched or "until" in header(source).searched


@pytest.mark.parametrize("world", ENGINES[:1], indirect=True)
def test_package_says_which_rows_lie_outside(world: World) -> None:
    _filled(world)
    running = Service(world.folder, {"1": {"name": ("ann",)}}, {"t": _windowed(world, "made")})
    operation = running.submit("1")
    running.run()
    left_out = ["made < 2024-01-01T00:00:00Z", "made >= 2026-01-01T00:00:00Z"]
    assert running.ledger(operation)["t"]["withheldRows"] == left_out
    package = running.package(operation)
    assert f"t: left out by the controller's rules: {', '.join(left_out)}\n" in (package / "README.txt").read_text()
    assert [each["what"] for each in json.loads((package / "statement.json").read_text())["sources"][0]["leftOut"]] == left_out
    assert (
        f'"withheldRows":{json.dumps(left_out, separators=(",", ":"))}'.replace("<", "\\u003c").replace(">", "\\u003e")
        in (package / "START-HERE.html").read_text()
    )


def test_read_goes_on_in_its_window(world: World) -> None:
    _filled(world)
    source = _windowed(world, "made")
    assert [row["id"] for row in rows(source, [ANN], Cursor(2))[0]] == [3, 5]


def test_window_of_a_source_that_others_go_over_is_its_own(world: World) -> None:
    _filled(world)
    over = connector(
        world, u=settings(world, "u", via={"t": {"t": "id"}}), t=settings(world, "t", match={"n": "name"}, time="made", window=WINDOW)
    )
    assert values(over, [ANN]) == [[10, 11]]


def test_window_is_the_plans(world: World) -> None:
    _filled(world)
    source = _windowed(world, "made", WindowSettings(days=1))
    [now] = source.plan([ANN])
    assert now.spec
    before = msgspec.json.encode((datetime(2024, 1, 1, tzinfo=UTC), None)).decode()
    assert _ids(source, Partition(number=0, spec=before)) == [1, 2, 3, 4, 5]
    assert _ids(source, now) == [5]


def test_read_that_was_planned_without_a_window_goes_on_without_one(world: World) -> None:
    _filled(world)
    [planned] = connector(world, t=settings(world, "t", match={"n": "name"}, time="made")).plan([ANN])
    for partition in (planned, Partition(number=0)):  # as earlier versions wrote it
        assert _ids(_windowed(world, "made"), partition) == [0, 1, 2, 3, 4, 5]


def _ids(source: SqlConnector, partition: Partition) -> list[Any]:
    items = source.read(partition, [ANN])
    return [number for item in items if isinstance(item, Rows) for number in item.batch.column("id").to_pylist()]


def test_column_that_holds_no_times_is_refused(world: World) -> None:
    _filled(world)
    with pytest.raises(SourceRefused, match="no window can be applied"):
        _windowed(world, "id").check()


def test_identifiers_are_found_in_rows_of_all_times() -> None:
    given = SqlSettings(url="sqlite:///x.db", table="t", match={"n": "name"}, time="made", window=WINDOW)
    assert SqlConnector.found_by(given, {"m": "mail"}).window == WindowSettings()


def test_window_without_a_column_is_a_mistake(tmp_path: Path) -> None:
    given = SqlSettings(url="sqlite:///x.db", table="t", match={"n": "name"}, window=WINDOW)
    with pytest.raises((ConfigurationError, ConfigurationProblems), match="time"):
        SqlConnector("t", given, siblings={}, folder=tmp_path)


def test_texts_of_sqlite_are_times_where_sqlite_reads_them_so(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    world = make("sqlite", request, tmp_path)
    texts = ["2024-01-01T01:30:00+02:00", "2024-01-01T00:30:00Z", "2023-12-31", "2024-01-01", "12345", "soon", "", "2460000.5"]
    content = ", ".join(f"({number}, 'ann', '{text}')" for number, text in enumerate(texts))
    world.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT, made TEXT); INSERT INTO t VALUES {content}")
    assert values(_windowed(world, "made"), [ANN]) == [[1, 3, 4, 5, 6, 7]]
