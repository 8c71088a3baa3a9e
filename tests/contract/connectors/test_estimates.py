"""How near estimates come to what reads find: on data like the benchmarks', with one person who has far more than everybody else."""

import os
from pathlib import Path

import polars as pl
import pytest
from tests.contract.database.world import ENGINES, World, connector, make, settings

from rightful.connectors.files import FilesConnector, FilesSettings
from rightful.connectors.interface import Amount, Connector, Estimate, Rows, estimate
from rightful.connectors.lake import LakeConnector, LakeSettings
from rightful.connectors.lake_estimate import sample, spread
from rightful.connectors.lake_files import LakeFile
from rightful.connectors.sql import SqlConnector
from rightful.connectors.time_window import ALWAYS
from rightful.database.identifying import fill
from rightful.package.serializer import Serializer
from rightful.subject.model import IdentifiedSubject
from rightful.testing.connector_suite import NAMELESS, identified

LARGE, SMALL, GHOST = (
    identified(mail=(f"{name}@contoso.example",), user_number=(str(n),)) for n, name in ((1, "large"), (2, "user2"), (3, "x"))
)
WITHIN = 0.2


@pytest.fixture(params=ENGINES, scope="module")
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    world = make(request.param, request, tmp_path_factory.mktemp("world"))
    world.execute(
        """
        CREATE TABLE users (id bigint NOT NULL PRIMARY KEY, email text NOT NULL UNIQUE, notes text, joined timestamp NOT NULL);
        CREATE TABLE orders (id bigint NOT NULL PRIMARY KEY, user_id bigint NOT NULL, placed_at timestamp NOT NULL, status text NOT NULL,
          total numeric(10,2) NOT NULL, ship_to text);
        CREATE TABLE messages (id bigint NOT NULL PRIMARY KEY, sender text, recipient text NOT NULL, body text NOT NULL);
        """
    )
    everybody = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {})"
    mail = "CASE {0} WHEN 1 THEN 'large@contoso.example' ELSE 'user' || {0} || '@contoso.example' END"
    owner = "CASE WHEN n <= 3000 THEN 1 ELSE n % 299 + 2 END"
    moment = "CAST('2026-01-02 03:04:05.678901' AS timestamp)" if world.engine != "sqlite" else "'2026-01-02 03:04:05.678901'"
    note = "CASE WHEN n % 5 = 0 THEN 'said \"hello\"' END"
    world.execute(
        f"""
        INSERT INTO users {everybody.format(300)} SELECT n, {mail.format("n")}, {note}, {moment} FROM n;
        INSERT INTO orders {everybody.format(6000)} SELECT n, {owner}, {moment}, 'delivered', n * 7919 % 100000 / 100.0,
          CASE WHEN n % 3 > 0 THEN (n % 240) || ' High Street, Łódź' END FROM n;
        INSERT INTO messages {everybody.format(6000)} SELECT n, {mail.format(f"({owner})")}, 'user' || (n % 300) || '@contoso.example',
          'Dear colleague, {"0123456789 " * 12}' FROM n;
        CREATE INDEX orders_user ON orders (user_id);
        """
    )
    world.execute("ANALYZE TABLE users, orders, messages" if world.is_mariadb else "ANALYZE")
    return world


def measured(connector: Connector, subject: IdentifiedSubject) -> tuple[int, int]:
    """Return rows and bytes as they are delivered."""
    rows = size = 0
    for partition in connector.plan([subject]):
        items = iter(connector.read(partition, [subject]))
        serializer = Serializer(next(items).columns)  # type: ignore[union-attr]  # the first is the header
        for item in items:
            assert isinstance(item, Rows)
            rows += item.batch.num_rows
            size += len(serializer.lines(item.batch))
    return rows, size


def assert_near(said: Estimate, rows: int, size_bytes: int) -> None:
    assert said.rows is not None
    assert said.size_bytes is not None
    assert said.rows.count == pytest.approx(rows, rel=WITHIN, abs=0.5)
    assert said.size_bytes.count == pytest.approx(size_bytes, rel=WITHIN)


def _sources(world: World) -> dict[str, SqlConnector]:
    users = settings(world, "users", match={"email": "mail"})
    return {
        "users": connector(world, source=users),
        "orders": connector(world, source=settings(world, "orders", match={"user_id": "user_number"}, exclude=("status",))),
        "via": connector(world, source=settings(world, "orders", via={"users": {"user_id": "id"}}), users=users),
        "messages": connector(world, source=settings(world, "messages", match={"sender": "mail"})),
        "both": connector(world, source=settings(world, "messages", match={"sender": "mail", "recipient": "mail"})),
    }


@pytest.mark.parametrize("source", ["users", "orders", "via", "messages", "both"])
def test_a_table_is_counted_and_its_rows_are_about_as_long_as_they_are_written(world: World, source: str) -> None:
    connector = _sources(world)[source]
    for subject in (LARGE, SMALL):
        rows, size_bytes = measured(connector, subject)
        assert rows
        [said] = estimate(connector, [subject], limit_s=30.0)
        assert said.rows is not None
        assert (said.rows.count, said.rows.is_exact) == (rows, True)
        assert_near(said, rows, size_bytes)
    assert estimate(connector, [GHOST], limit_s=30.0)[0].rows is not None


@pytest.mark.postgres
@pytest.mark.parametrize("world", [ENGINES[1]], indirect=True)
@pytest.mark.parametrize("source", ["orders", "messages"])
def test_the_planner_knows_who_has_far_more_than_others(world: World, source: str) -> None:
    connector = _sources(world)[source]
    target = connector._target()
    query = connector._database.build_count(target)
    guessed = [connector._database.guess(target, query, [fill(slot, [subject]) for slot in query.slots]) for subject in (LARGE, SMALL)]
    assert guessed == [pytest.approx(3000, rel=WITHIN), pytest.approx(10, rel=0.5)]
    assert connector._database.count(query, [fill(slot, [LARGE]) for slot in query.slots], limit_s=30.0) == {0: 3000}


@pytest.mark.parametrize("world", [ENGINES[0]], indirect=True)
def test_without_time_to_count_sqlite_has_an_average(world: World) -> None:
    [said] = estimate(_sources(world)["orders"], [LARGE], limit_s=0.0)
    assert said.rows == Amount(20)
    assert estimate(_sources(world)["messages"], [LARGE], limit_s=0.0) == (Estimate(),)
    assert said.size_bytes is not None
    assert not said.size_bytes.is_exact


def test_nobody_without_identifiers_has_anything(world: World) -> None:
    for source in _sources(world).values():
        assert estimate(source, [NAMELESS], limit_s=30.0)[0].rows == Amount(0, is_exact=True)


def _lake(root: Path, files: int = 20) -> LakeConnector:
    for n in range(files):
        owners = [LARGE.values("mail")[0] if row % 4 == 0 else f"user{row}@contoso.example" for row in range(400)]
        data = {"who": owners, "n": range(400), "page": [f"/page/{row * 7919 % 97}?day={n}" for row in range(400)], "none": [None] * 400}
        pl.DataFrame(data, schema_overrides={"none": pl.String}).write_parquet(root / f"day-{n:02}.parquet")
    settings = LakeSettings(url=f"file://{root}/*.parquet", match={"who": "mail"})
    return LakeConnector("lake", settings, siblings={}, folder=Path("/"))


def test_a_lake_is_counted_where_there_is_time(tmp_path: Path) -> None:
    lake = _lake(tmp_path)
    rows, size_bytes = measured(lake, LARGE)
    [said] = estimate(lake, [LARGE], limit_s=60.0)
    assert said.rows == Amount(rows, is_exact=True) == Amount(2000, is_exact=True)
    assert_near(said, rows, size_bytes)
    assert estimate(lake, [GHOST], limit_s=60.0)[0].size_bytes == Amount(0, is_exact=True)


def test_a_part_of_a_lake_stands_for_the_whole(tmp_path: Path) -> None:
    lake = _lake(tmp_path)
    files, schema = lake._survey(ALWAYS)
    assert schema is not None
    ticks = iter(range(100))
    [said, nobody] = sample(lake._scan, files, schema, [LARGE, GHOST], window=ALWAYS, limit_s=6.0, now=lambda: float(next(ticks)))
    assert next(ticks) == 7, "five files of twenty were looked at"
    assert said.rows is not None
    assert not said.rows.is_exact
    assert_near(said, *measured(lake, LARGE))
    assert nobody.rows == Amount(0)


def test_any_beginning_is_spread_over_the_lake() -> None:
    files = [LakeFile(f"{n:03}", 1, 0) for n in range(100)]
    order = spread(files)
    assert sorted(order, key=lambda file: file.path) == files
    for count in (4, 10, 25):
        tenths = {int(file.path) * count // 150 for file in order[:count]}
        assert len(tenths) >= count // 2, "no part of the lake is left out"


def test_a_folder_is_listed_and_nothing_in_it_is_opened(tmp_path: Path) -> None:
    home = tmp_path / "large@contoso.example"
    (home / "a").mkdir(parents=True)
    (home / "a" / "one.txt").write_bytes(b"x" * 1000)
    (home / "secret.txt").write_bytes(b"y" * 24)
    (home / "left-out.tmp").write_bytes(b"z")
    os.utime(home / "secret.txt", (1, 1))
    settings = FilesSettings(url=f"file://{tmp_path}", path="{mail}/", exclude=("*.tmp",))
    files = FilesConnector("files", settings, siblings={}, folder=Path("/"))
    assert estimate(files, [LARGE, GHOST], limit_s=60.0) == (
        Estimate(files=Amount(2, is_exact=True), size_bytes=Amount(1024, is_exact=True)),
        Estimate(files=Amount(0, is_exact=True), size_bytes=Amount(0, is_exact=True)),
    )
    assert (home / "secret.txt").stat().st_atime == 1, "its content was not read"
    assert estimate(files, [LARGE], limit_s=0.0) == (Estimate(),)
