"""What a database tells of its tables to who looks for sources in it, and of identifiers to who compares with them."""

from pathlib import Path

import pytest
from tests.contract.database.world import DUCKDB, ENGINES, FIREBIRD, World, make

from rightful.directory.interface import KnowsIdentifiers
from rightful.directory.sql import MoreSettings, SqlDirectory, SqlDirectorySettings
from rightful.errors import SourceError
from rightful.ids import TenantId
from rightful.sources.proposing import Known, propose
from rightful.sources.survey import known_of, look_at_database, tables_of

TENANT = TenantId("11111111-1111-1111-1111-111111111111")


@pytest.fixture(params=[*ENGINES, DUCKDB, FIREBIRD])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    world = make(request.param, request, tmp_path)
    world.execute(
        """
        CREATE TABLE people (id varchar(40) PRIMARY KEY, upn text, mail text);
        INSERT INTO people VALUES ('1', 'ann@contoso.example', 'Ann@contoso.example'), ('2', 'ben@contoso.example', NULL);
        CREATE TABLE cards (owner text, card text);
        INSERT INTO cards VALUES ('ann@contoso.example', 'c1'), ('', 'c2');
        CREATE TABLE customers (nr int, region int, email text, logo {bytes}, PRIMARY KEY (nr, region));
        INSERT INTO customers VALUES (1, 1, 'ANN@contoso.example', NULL), (2, 1, 'ben@elsewhere.example', NULL), (3, 1, NULL, NULL);
        CREATE TABLE orders (id int PRIMARY KEY, customer int, in_region int, what text,
          FOREIGN KEY (customer, in_region) REFERENCES customers (nr, region));
        CREATE TABLE "odd ""one" ("a b" text);
        CREATE VIEW everybody AS SELECT upn FROM people;
        """.format(bytes="bytea" if world.is_postgres else "blob")
    )
    return world


def _directory(world: World) -> SqlDirectory:
    more = MoreSettings(table="cards", from_={"upn": "owner"}, identifiers={"card": "card"})
    return SqlDirectory(
        TENANT, SqlDirectorySettings(url=world.url, table="people", identifiers={"mail": "mail"}, more=(more,)), folder=world.folder
    )


def test_tables_and_views_are_named(world: World) -> None:
    assert tables_of(world.url, world.folder, "x") == sorted(["people", "cards", "customers", "orders", 'odd "one', "everybody"])


def test_keys_links_and_some_values_of_a_table_are_found(world: World) -> None:
    customers, orders = look_at_database(world.url, world.folder, "x", ["customers", "orders"])
    assert customers.key == ("nr", "region")
    assert set(customers.samples["email"]) == {"ANN@contoso.example", "ben@elsewhere.example"}
    assert "logo" not in customers.samples, "bytes are no identifiers"
    assert orders.links == (("customers", {"customer": "nr", "in_region": "region"}),)


def test_a_directory_shows_what_it_knows_people_by(world: World) -> None:
    directory = _directory(world)
    assert isinstance(directory, KnowsIdentifiers)
    assert directory.known(100) == {
        "id": {"1", "2"}, "upn": {"ann@contoso.example", "ben@contoso.example"}, "mail": {"Ann@contoso.example"}, "card": {"c1", "c2"},
    }  # fmt: skip
    assert sum(map(len, directory.known(1).values())) < 7
    assert directory.columns() == {"id": ("id",), "upn": ("upn",), "mail": ("mail",), "card": ("card",)}
    directory.close()


def test_a_whole_database_is_proposed(world: World) -> None:
    directory = _directory(world)
    known = known_of(directory)
    directory.close()
    tables = [each for each in look_at_database(world.url, world.folder, "x", []) if each.name in {"customers", "orders", "everybody"}]
    found, left = propose("x", tables, {"connector": "sql", "url": "u"}, known, parents={}, product="X")
    assert {each.name: each.settings.get("match") or each.settings.get("via") for each in found} == {
        "x_customers": {"email": "mail"},
        "x_everybody": {"upn": "upn"},
        "x_orders": {"x_customers": {"customer": "nr", "in_region": "region"}},
    }
    assert left == []


def test_a_database_that_is_not_there_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        look_at_database("sqlite:///nothing.db", tmp_path, "x", [])


def test_a_directory_that_cannot_show_anything_leaves_names() -> None:
    class Mute:
        pass

    assert known_of(Mute()) == Known(values={}, columns={})  # type: ignore[arg-type]  # it has nothing else to be asked for
