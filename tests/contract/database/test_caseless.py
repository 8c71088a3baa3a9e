"""Columns of `match` that are compared without letter case: every spelling is found, nobody else's, by an index where there is one."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from tests.contract.database.world import ALL, World, connector, header, make, settings, values

from rightful.connectors.interface import Amount, estimate
from rightful.connectors.sql import SqlConnector
from rightful.connectors.sql_settings import SqlSettings
from rightful.database.identifying import SlotValues
from rightful.database.query import Target
from rightful.testing.connector_suite import identified

ANN = identified(mail=("Ann.Öst@contoso.example",), employee_id=("E1",))
BEN = identified(mail=("ben@contoso.example",))


@pytest.fixture(params=ALL)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    world = make(request.param, request, tmp_path)
    world.execute(
        """
        CREATE TABLE orders (id int PRIMARY KEY, mail text, copy text, employee text);
        INSERT INTO orders VALUES (1, 'ann.öst@contoso.example', NULL, NULL), (2, 'ANN.ÖST@CONTOSO.EXAMPLE', NULL, NULL), (3, 'Ann.ÖST@contoso.example', 'x', ''),
          (4, 'ann.ost@contoso.example', NULL, 'e1'), (5, 'Ben@Contoso.Example', 'ANN.öst@contoso.example', NULL), (6, NULL, NULL, 'E1'), (7, '', '', ''),
          (8, 'xann.öst@contoso.example', 'ben@contoso.example', NULL);
        CREATE TABLE lines (id int PRIMARY KEY, order_id int);
        INSERT INTO lines VALUES (10, 2), (11, 5), (12, 4);
        """
    )
    if not world.is_mariadb:  # it has no indexes of expressions
        world.execute("CREATE INDEX orders_lowered ON orders (lower(mail))")
    return world


def orders(world: World, caseless: Sequence[str], **match: str) -> SqlSettings:
    return settings(world, "orders", match=match, caseless=tuple(caseless), key="id")


def test_every_spelling_is_found_and_nobody_elses(world: World) -> None:
    plain = connector(world, source=orders(world, [], mail="mail", copy="mail"))
    folded = connector(world, source=orders(world, ["mail", "copy"], mail="mail", copy="mail"))
    folded.check()
    assert values(plain, [ANN, BEN]) == [[1], [8]]
    assert values(folded, [ANN, BEN]) == [[1, 2, 3, 5], [5, 8]]
    assert values(folded, [BEN, ANN]) == [[5, 8], [1, 2, 3, 5]]
    assert 'lower("mail") IN (:mail)' in header(folded).searched.replace("`", '"').replace("MAIL", "mail")
    assert estimate(folded, [ANN], limit_s=30.0)[0].rows == Amount(4, is_exact=not world.is_coarse)


def test_other_columns_count_letter_by_letter(world: World) -> None:
    one = connector(world, source=orders(world, ["mail"], mail="mail", employee="employee_id"))
    assert values(one, [ANN]) == [[1, 2, 3, 6]]


def test_what_is_reached_over_it_is_found_too(world: World) -> None:
    lines = connector(
        world, lines=settings(world, "lines", via={"orders": {"order_id": "id"}}), orders=orders(world, ["mail"], mail="mail")
    )
    assert values(lines, [ANN, BEN]) == [[10], [11]]


@pytest.mark.postgres
@pytest.mark.parametrize("world", [ALL[1]], indirect=True)
def test_an_index_in_lower_case_serves_it(world: World) -> None:
    world.execute("INSERT INTO orders SELECT n, 'user' || n || '@contoso.example', NULL, NULL FROM generate_series(100, 20000) n; ANALYZE")
    folded = connector(world, source=orders(world, ["mail"], mail="mail"))
    query = folded._database.build_count(folded._target())
    assert len(query.slots) == 1
    plan = " ".join(str(row[0]) for row in folded._database._ask(f"EXPLAIN {query.sql}", ["{0}", "{ben@contoso.example}"]))  # type: ignore[attr-defined]  # PostgreSQL's
    assert "orders_lowered" in plan
    assert "Seq Scan on orders" not in plan


@pytest.mark.postgres
@pytest.mark.parametrize("world", [ALL[1]], indirect=True)
@pytest.mark.parametrize("type_", ["text", "varchar(80)", "character(80)"])
def test_an_index_that_is_missing_is_named_until_it_is_there(world: World, type_: str) -> None:
    world.execute(f'ALTER TABLE orders ADD "Oth""er" {type_}; CREATE INDEX ON orders (lower("Oth""er"::text)) WHERE id > 5')
    world.execute('CREATE INDEX ON orders ("Oth""er", lower("Oth""er"::text))')
    lines = connector(
        world,
        lines=settings(world, "lines", via={"orders": {"order_id": "id"}}),
        orders=orders(world, ["mail", 'Oth"er'], **{"mail": "mail", 'Oth"er': "mail"}),
    )
    [statement] = lines.advice()
    assert statement == 'CREATE INDEX ON public.orders (lower("Oth""er"::text))'
    world.execute(statement)
    assert lines.advice() == ()
    assert values(lines, [ANN]) == [[10]]


def test_where_no_index_helps_none_is_named(world: World) -> None:
    world.execute("CREATE VIEW v AS SELECT * FROM orders")
    source = connector(world, source=settings(world, "v", match={"copy": "mail"}, caseless=("copy",)))
    assert source.advice() == ()


@pytest.mark.parametrize(("caseless", "said"), [(("employee",), "letter case counts"), (("nothing",), "is not matched")])
def test_what_it_is_not_for_is_told(caseless: tuple[str, ...], said: str) -> None:
    given = SqlSettings(url="sqlite:///x.db", table="orders", match={"mail": "mail", "employee": "employee_id"}, caseless=caseless)
    [(path, message, hint)] = SqlConnector.problems("orders", given, siblings={}, folder=Path())
    assert path == ("caseless", 0)
    assert said in message
    assert "mail or upn" in hint


def test_a_row_that_two_columns_find_comes_once(world: World) -> None:
    world.execute("INSERT INTO orders VALUES (9, 'BEN@contoso.example', 'Ben@contoso.example', NULL)")
    folded = connector(world, source=orders(world, ["mail", "copy"], mail="mail", copy="mail"))
    assert values(folded, [BEN]) == [[5, 8, 9]]
    assert values(folded, [ANN, BEN]) == [[1, 2, 3, 5], [5, 8, 9]]
    assert estimate(folded, [BEN], limit_s=30.0)[0].rows == Amount(3, is_exact=not world.is_coarse)


def test_sqlites_own_index_in_lower_case_serves_one_person(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    world = make("sqlite", request, tmp_path)
    world.execute(
        "CREATE TABLE orders (id int PRIMARY KEY, mail text, copy text, employee text); CREATE INDEX lowered ON orders (lower(mail))"
    )
    folded = connector(world, source=orders(world, ["mail"], mail="mail"))
    database, target = folded._database, folded._target()
    table = database.caseless(target.table, "mail", is_ascii=True, is_single=True)
    query = database.build_count(msgspec.structs.replace(target, table=table))
    plan = database.rows(msgspec.structs.replace(query, sql=f"EXPLAIN QUERY PLAN {query.sql}"), [SlotValues([0], ["ben@contoso.example"])])
    assert any("lowered" in str(row) for row in plan), plan


@pytest.mark.parametrize("world", [ALL[0]], indirect=True)
def test_many_are_looked_for_in_one_pass_over_the_rows(world: World) -> None:
    database = connector(world, source=orders(world, [], mail="mail", copy="mail"))._database
    table = database.table("orders")
    for name in ("mail", "copy"):
        table = database.caseless(table, name, is_ascii=True, is_single=False)
    query = database.build_count(Target(source_name="s", table=table, match=(("mail", "mail"), ("copy", "mail"))))
    explained = msgspec.structs.replace(query, sql=f"EXPLAIN QUERY PLAN {query.sql}")
    plan = [str(row[-1]) for row in database.rows(explained, [SlotValues([0, 1], ["ben@contoso.example", "x@contoso.example"])])]
    assert sum("SEARCH f " in step for step in plan) == 2, "each row is compared with its own values alone"
    assert not any(step.startswith("SCAN f") for step in plan)
    assert database.count(query, [SlotValues([0, 1], ["ben@contoso.example", "x@contoso.example"])], limit_s=30.0) == {0: 2}
