"""Whatever is in the tables: a value has as many people as a plain loop over the rows and those that they lead to finds."""

from collections.abc import Iterator
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.contract.database.world import ENGINES, World, connector, make, settings

from rightful.connectors.sql import SqlConnector

_MAILS = ["ann@c", "Ann@c", "bob@c", "", " ", "ann@c "]
_NAMES = ["ann", "Ann", "bob", "", "ann@c"]
_DEVICES = ["x", "X", "y", "", "'"]

_number = st.sampled_from([1, 2, 3, None])
_roots = st.lists(st.tuples(_number, st.sampled_from([*_MAILS, None]), st.sampled_from([*_NAMES, None])), max_size=5)
_middles = st.lists(st.tuples(_number, _number, st.sampled_from([*_MAILS, None])), max_size=5)
_children = st.lists(st.tuples(_number, st.sampled_from([*_DEVICES, None]), st.sampled_from([*_DEVICES, None])), max_size=8)

_Roots = list[tuple[int | None, str | None, str | None]]
_Middles = list[tuple[int | None, int | None, str | None]]
_Children = list[tuple[int | None, str | None, str | None]]
_Row = TypeVar("_Row", bound="tuple[object, ...]")


@pytest.fixture(params=ENGINES, scope="module")
def sources(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, SqlConnector]]:
    world = make(request.param, request, tmp_path_factory.mktemp("world"))
    world.execute(
        "CREATE TABLE roots (number bigint, a text, b text); CREATE INDEX roots_number ON roots (number);"
        "CREATE TABLE middles (number bigint, root bigint, mail text);"
        "CREATE TABLE children (middle bigint, device text, spare text); CREATE INDEX children_device ON children (device)"
    )
    source = connector(
        world,
        "children",
        children=settings(world, "children", via={"middles": {"middle": "number"}}),
        middles=settings(world, "middles", match={"mail": "mail"}, via={"roots": {"root": "number"}}),
        roots=settings(world, "roots", match={"a": "mail", "b": "name"}),
    )
    yield world, source
    source.close()


def _literal(value: object) -> str:
    return "NULL" if value is None else str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"


def _fill(table: str, content: "_Roots | _Middles | _Children") -> str:
    values = ", ".join(f"({', '.join(map(_literal, row))})" for row in content)
    return f"DELETE FROM {table};" + (f"INSERT INTO {table} VALUES {values};" if content else "")


def _named(mails: list[str | None], name: str | None) -> set[tuple[str, str]]:
    people = {("mail", mail.strip().lower()) for mail in mails if mail and mail.strip()}
    return people | ({("name", name.strip())} if name and name.strip() else set())


def _count(value: str, children: _Children, middles: _Middles, roots: _Roots) -> int:
    people: set[tuple[str, str]] = set()
    nobodys = 0
    for _, middle in ((child, each) for child in children if value in child[1:] for each in _led_to(middles, child[0])):
        for root in _led_to(roots, middle[1] if middle else None):
            named = _named([middle[2] if middle else None, root[1] if root else None], root[2] if root else None)
            people |= named
            nobodys += not named
    return len(people) + nobodys


def _led_to(rows: list[_Row], number: object) -> list[_Row | None]:
    return [row for row in rows if number is not None and row[0] == number] or [None]


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(roots=_roots, middles=_middles, children=_children)
def test_people_are_those_that_a_plain_loop_finds(
    sources: tuple[World, SqlConnector], roots: _Roots, middles: _Middles, children: _Children
) -> None:
    world, source = sources
    world.execute(_fill("roots", roots) + _fill("middles", middles) + _fill("children", children))
    values = ["x", "X", "y", "'", "z"]

    assert source.owners("device_id", ["device", "spare"], values) == [_count(value, children, middles, roots) for value in values]
