"""To how many people a value belongs whose rows do not name them: those do that they are reached over."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.contract.database.world import ALL, ENGINES, LOOSE, TWICE, World, connector, make, settings

from rightful.connectors.interface import Attributing
from rightful.connectors.sql import SqlConnector
from rightful.database.identifying import fill
from rightful.errors import SourceRefused
from rightful.testing.connector_suite import identified

SHOP = """
CREATE TABLE customers (nr bigint NOT NULL PRIMARY KEY, mail varchar(99));
INSERT INTO customers VALUES (71, 'ann@c.example'), (72, 'bob@c.example'), (73, 'cat@c.example'), (74, 'ANN@c.example'), (78, ' '), (79, NULL);
CREATE TABLE orders (id bigint NOT NULL PRIMARY KEY, customer bigint, gift_mail varchar(99));
INSERT INTO orders VALUES (1, 71, NULL), (2, 71, NULL), (3, 72, 'cat@c.example'), (4, 73, 'bob@c.example'), (5, 74, NULL), (7, 77, NULL),
  (8, 78, ''), (9, 79, NULL), (10, NULL, NULL);
CREATE TABLE devices (n bigint NOT NULL PRIMARY KEY, order_id bigint, id varchar(99), spare varchar(99), mail varchar(99));
CREATE INDEX devices_id ON devices (id);
INSERT INTO devices VALUES (1, 1, 'phone', 'old', 'eve@c.example'), (2, 2, 'phone', NULL, NULL), (3, 5, 'phone', NULL, NULL),
  (4, 1, 'kiosk', NULL, NULL), (5, 3, 'kiosk', NULL, NULL), (6, 4, 'kiosk', NULL, NULL),
  (7, 1, 'box', NULL, NULL), (8, 7, 'box', NULL, NULL), (9, 8, 'box', NULL, NULL), (10, 9, 'box', NULL, NULL), (11, 10, 'box', NULL, NULL),
  (12, NULL, 'box', NULL, NULL), (13, 99, 'box', NULL, NULL), (14, 3, 'new', 'old', NULL), (15, 4, 'PHONE', NULL, NULL)
"""


@pytest.fixture(params=[*ALL, *TWICE])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    world = make(request.param, request, tmp_path)
    _execute(world, SHOP)
    return world


def _execute(world: World, statements: str) -> None:
    """Run each; Firebird takes one at a time, and one row in each."""
    for statement in statements.strip().split(";"):
        head, separator, rows = statement.partition(" VALUES ")
        if separator and world.engine == "alchemy-firebird":
            for row in rows.replace(")\n", ")").split("), "):
                world.execute(f"{head} VALUES {row.strip().removesuffix(')')})")
        else:
            world.execute(statement)


def _devices(world: World, *, over: dict[str, str] | None = None, orders: dict[str, str] | None = None, **own: object) -> SqlConnector:
    """Return devices, over orders, which belong to whom they name (`orders`), and to their customers."""
    return connector(
        world,
        devices=settings(world, "devices", via={"orders": over or {"order_id": "id"}}, key="n", **own),
        orders=settings(world, "orders", match=orders or {}, via={"customers": {"customer": "nr"}}),
        customers=settings(world, "customers", match={"mail": "mail"}),
    )


def test_people_are_counted_in_the_table_that_names_them_two_hops_away(world: World) -> None:
    source = _devices(world)

    counted = source.owners("device_id", ["id"], ["phone", "kiosk", "nothing", "x' OR '1'='1"])

    assert counted == [1, 3, 0, 0], "Ann has four rows, and her address in two spellings"
    assert source.kinds == frozenset({"mail"})
    assert isinstance(source, Attributing)


def test_rows_that_lead_to_nobody_may_be_anybodys(world: World) -> None:
    assert _devices(world).owners("device_id", ["id"], ["box"]) == [1 + 6]


def test_each_that_a_row_names_counts_in_whichever_table(world: World) -> None:
    source = _devices(world, orders={"gift_mail": "mail"})
    assert source.owners("device_id", ["id"], ["phone", "kiosk", "new"]) == [1, 3, 2], "who gets one order sends another"

    named_here = _devices(world, match={"mail": "upn"})
    assert named_here.owners("device_id", ["id"], ["phone", "kiosk"]) == [1 + 1, 3]
    assert named_here.kinds == frozenset({"mail", "upn"})


def test_a_value_in_either_column_is_counted_once_for_each(world: World) -> None:
    assert _devices(world).owners("device_id", ["id", "spare"], ["old", "new", "phone"]) == [2, 1, 1]


def test_a_join_of_many_to_many_counts_all_of_them(world: World) -> None:
    _execute(
        world,
        """
        CREATE TABLE trips (tour bigint, device varchar(99));
        INSERT INTO trips VALUES (71, 'bike'), (71, 'car'), (72, 'car'), (5, 'train');
        CREATE TABLE travellers (tour bigint, mail varchar(99));
        INSERT INTO travellers VALUES (71, 'ann@c.example'), (71, 'bob@c.example'), (71, 'ann@c.example'), (72, 'cat@c.example')
        """,
    )
    source = connector(
        world,
        trips=settings(world, "trips", via={"travellers": {"tour": "tour"}}),
        travellers=settings(world, "travellers", match={"mail": "mail"}),
    )

    assert source.owners("device_id", ["device"], ["bike", "car", "train"]) == [2, 3, 1]


def test_a_join_of_two_columns_is_both(world: World) -> None:
    _execute(
        world,
        """
        CREATE TABLE places (town bigint NOT NULL, street bigint NOT NULL, mail varchar(99), PRIMARY KEY (town, street));
        INSERT INTO places VALUES (1, 1, 'ann@c.example'), (1, 2, 'bob@c.example'), (2, 1, 'cat@c.example');
        CREATE TABLE meters (town bigint, street bigint, meter bigint);
        INSERT INTO meters VALUES (1, 1, 500), (1, 2, 600), (2, 1, 600), (2, 2, 500)
        """,
    )
    source = connector(
        world,
        meters=settings(world, "meters", via={"places": {"town": "town", "street": "street"}}),
        places=settings(world, "places", match={"mail": "mail"}),
    )

    assert source.owners("meter", ["meter"], ["500", "600", "700", "no number"]) == [2, 2, 0, 0]


def test_a_mail_is_counted_in_any_case(world: World) -> None:
    world.execute("UPDATE devices SET mail = 'EVE@c.example' WHERE n = 5")

    assert _devices(world).owners("mail", ["mail"], ["eve@c.example"]) == [2]


@pytest.mark.parametrize("world", ENGINES, indirect=True)
def test_case_is_of_meaning_in_other_kinds(world: World) -> None:
    assert _devices(world).owners("device_id", ["id"], ["PHONE"]) == [1]
    assert _devices(world).owners("device_id", ["id"], ["Phone", "phone "]) == [0, 1]


@pytest.mark.parametrize("world", [*ENGINES, *TWICE], indirect=True)
def test_people_are_told_apart_by_letters_that_their_column_takes_for_equal(world: World) -> None:
    before, loose = LOOSE[world.engine.removeprefix("alchemy-")]
    _execute(
        world,
        f"""
        {before} CREATE TABLE badges (nr bigint NOT NULL PRIMARY KEY, badge {loose}, mail varchar(99));
        INSERT INTO badges VALUES (1, 'aB', 'a@c.example'), (2, 'Ab', 'a@c.example'), (3, 'AB', 'b@c.example'), (4, '-', NULL);
        CREATE TABLE doors (badge bigint, door varchar(99), guest {loose});
        INSERT INTO doors VALUES (1, 'gate', NULL), (2, 'gate', NULL), (3, 'gate', 'ab'), (1, 'desk', 'aB'), (1, 'desk', 'aB'), (4, 'vault', NULL)
        """,
    )
    own = settings(world, "doors", match={"guest": "badge"}, via={"badges": {"badge": "nr"}})
    source = connector(world, doors=own, badges=settings(world, "badges", match={"badge": "badge", "mail": "mail"}))

    assert source.owners("door", ["door"], ["gate", "desk", "vault"]) == [3 + 1 + 2, 1 + 1, 1]


def test_many_values_are_counted_at_once(world: World) -> None:
    counted = _devices(world).owners("device_id", ["id"], [*(f"none{number}" for number in range(500)), "kiosk", "phone"])
    assert counted == [*([0] * 500), 3, 1]


def test_a_column_that_is_not_there_is_named(world: World) -> None:
    with pytest.raises(SourceRefused, match="has no column 'ids'"):
        _devices(world).owners("device_id", ["ids"], ["phone"])


@pytest.mark.parametrize("world", ENGINES, indirect=True)
def test_counting_ends_when_its_time_is_over(world: World) -> None:
    world.execute("CREATE TABLE many (n bigint NOT NULL PRIMARY KEY, grp bigint, device varchar(9))")
    digits = " UNION ALL ".join(f"SELECT {digit} AS d" for digit in range(10))
    world.execute(
        f"INSERT INTO many SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d, 1, 'x' FROM ({digits}) a, ({digits}) b, ({digits}) c, ({digits}) e"
    )
    source = connector(
        world,
        "first",
        first=settings(world, "many", via={"second": {"grp": "grp"}}),
        second=settings(world, "many", via={"third": {"grp": "grp"}}),
        third=settings(world, "many", match={"device": "device_id"}),
    )
    held = source._chain.holding("device_id", ["device"], is_ascii=True, is_single=True)
    query = source._database.build_owners(held, source._target())
    values = [fill(slot, [identified(device_id=("x",))]) for slot in query.slots]

    assert source._database.count(query, values, limit_s=0.05) is None, "10,000 times 10,000 times 10,000 pairs"


@pytest.mark.parametrize("world", ENGINES[:1], indirect=True)
def test_each_table_is_read_by_its_index(world: World) -> None:
    source = _devices(world)
    held = source._chain.holding("device_id", ["id"], is_ascii=True, is_single=True)
    query = source._database.build_owners(held, source._target())
    plan = _plan(world, query.sql)
    for table in ("t", "a0", "a1"):
        assert any(line.startswith(f"SEARCH {table} USING") for line in plan), plan


def _plan(world: World, sql: str) -> list[str]:
    with closing(sqlite3.connect(world.folder / "test.db")) as database:
        return [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {sql}", {"v0": "[]"})]
