"""The suite of every connector, over SQLite and PostgreSQL: one column, several, and rows reached over other tables."""

from collections.abc import Iterator, Mapping

import pytest
from tests.contract.database.world import ALL, TWICE, World, connector, make, settings

from rightful.connectors.interface import Connector
from rightful.connectors.sql import SqlConnector
from rightful.testing.connector_suite import ANN, ANN2, UPPER, ConnectorSuite, Found

_CONTENT = """
CREATE TABLE people (id bigint PRIMARY KEY, number bigint, mail varchar(80), code char(6));
INSERT INTO people VALUES (1, 10, 'ann@contoso.example', 'e10'), (2, 100, 'ann2@contoso.example', 'e100'), (3, 1010, 'ann@fabrikam.example', 'E10'),
  (4, NULL, '', ''), (5, 5, NULL, NULL);
CREATE TABLE orders (id bigint PRIMARY KEY, person bigint, employee text, note text);
CREATE INDEX orders_employee ON orders (employee);
INSERT INTO orders VALUES (7, 1, 'e10', 'seven'), (3, 1, 'e10', NULL), (5, 2, 'e100', ''), (1, 3, 'E10', 'one'), (9, 4, '', 'nobody'), (8, NULL, NULL, 'nobody'),
  (6, 1, ' e10 ', 'padded');
CREATE TABLE lines (id bigint PRIMARY KEY, order_id bigint, what text);
INSERT INTO lines VALUES (1, 7, 'a'), (2, 7, 'b'), (3, 5, 'c'), (4, 1, 'd'), (5, 9, 'e'), (6, NULL, 'f'), (7, 77, 'g');
CREATE TABLE items (place varchar(9), number bigint, employee text, PRIMARY KEY (place, number));
INSERT INTO items VALUES ('b', 1, 'e10'), ('a', 10, 'e10'), ('a', 2, 'e10'), ('a', 1, 'e100'), ('B', 1, 'E10'), ('b', 2, '');
CREATE TABLE messages (id bigint PRIMARY KEY, sender text, recipient text);
CREATE INDEX messages_sender ON messages (sender);
INSERT INTO messages VALUES (1, 'ann@contoso.example', 'ann2@contoso.example'), (2, 'ann.lee@contoso.example', 'ann@contoso.example'),
  (3, 'ann@contoso.example', 'ann@contoso.example'), (4, 'x@contoso.example', NULL), (5, NULL, 'ann@fabrikam.example'), (6, '', ''),
  (7, 'joann@contoso.example', 'ann@contoso.example.net');
"""


@pytest.fixture(params=[*ALL, *TWICE], scope="module")
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    world = make(request.param, request, tmp_path_factory.mktemp("world"))
    world.execute(_CONTENT)
    return world


class _SqlSuite(ConnectorSuite):
    @pytest.fixture
    def connector(self, world: World) -> Iterator[Connector]:
        connector = self.make(world)
        yield connector
        connector.close()

    @pytest.fixture
    def broken(self, world: World) -> Iterator[Connector]:
        broken = connector(world, source=settings(world, "ordres", match={"employee": "employee_id"}))
        yield broken
        broken.close()

    def make(self, world: World) -> SqlConnector:
        raise NotImplementedError


class TestOneColumn(_SqlSuite):
    def make(self, world: World) -> SqlConnector:
        return connector(world, source=settings(world, "orders", match={"employee": "employee_id"}, key="id"))

    @pytest.fixture
    def expected(self) -> Mapping[str, Found]:
        return {
            ANN.name: Found(
                rows=({"id": 3, "person": 1, "employee": "e10", "note": None}, {"id": 7, "person": 1, "employee": "e10", "note": "seven"})
            ),
            ANN2.name: Found(rows=({"id": 5, "person": 2, "employee": "e100", "note": ""},)),
            UPPER.name: Found(rows=({"id": 1, "person": 3, "employee": "E10", "note": "one"},)),
        }


class TestKeyOfTwoColumns(_SqlSuite):
    def make(self, world: World) -> SqlConnector:
        return connector(world, source=settings(world, "items", match={"employee": "employee_id"}))

    @pytest.fixture
    def expected(self) -> Mapping[str, Found]:
        first, second, third = ({"place": place, "number": number, "employee": "e10"} for place, number in [("a", 2), ("a", 10), ("b", 1)])
        return {
            ANN.name: Found(rows=(first, second, third)),
            ANN2.name: Found(rows=({"place": "a", "number": 1, "employee": "e100"},)),
            UPPER.name: Found(rows=({"place": "B", "number": 1, "employee": "E10"},)),
        }


class TestTwoColumns(_SqlSuite):
    def make(self, world: World) -> SqlConnector:
        return connector(world, source=settings(world, "messages", match={"sender": "mail", "recipient": "mail"}))

    @pytest.fixture
    def expected(self) -> Mapping[str, Found]:
        first = {"id": 1, "sender": "ann@contoso.example", "recipient": "ann2@contoso.example"}
        second = {"id": 2, "sender": "ann.lee@contoso.example", "recipient": "ann@contoso.example"}
        third = {"id": 3, "sender": "ann@contoso.example", "recipient": "ann@contoso.example"}
        return {
            ANN.name: Found(rows=(first, second, third)),
            ANN2.name: Found(rows=(first,)),
            UPPER.name: Found(rows=({"id": 5, "sender": None, "recipient": "ann@fabrikam.example"},)),
        }


class TestIntegersAndHiddenMatch(_SqlSuite):
    def make(self, world: World) -> SqlConnector:
        return connector(world, source=settings(world, "people", match={"number": "user_number"}, exclude=("number", "code")))

    @pytest.fixture
    def expected(self) -> Mapping[str, Found]:
        return {
            ANN.name: Found(rows=({"id": 1, "mail": "ann@contoso.example"},)),
            ANN2.name: Found(rows=({"id": 2, "mail": "ann2@contoso.example"},)),
            UPPER.name: Found(rows=({"id": 3, "mail": "ann@fabrikam.example"},)),
        }


class TestVia(_SqlSuite):
    def make(self, world: World) -> SqlConnector:
        return connector(
            world,
            lines=settings(world, "lines", via={"orders": {"order_id": "id"}}),
            orders=settings(world, "orders", via={"people": {"person": "id"}}),
            people=settings(world, "people", match={"mail": "mail"}),
        )

    @pytest.fixture
    def expected(self) -> Mapping[str, Found]:
        return {
            ANN.name: Found(rows=({"id": 1, "order_id": 7, "what": "a"}, {"id": 2, "order_id": 7, "what": "b"})),
            ANN2.name: Found(rows=({"id": 3, "order_id": 5, "what": "c"},)),
            UPPER.name: Found(rows=({"id": 4, "order_id": 1, "what": "d"},)),
        }
