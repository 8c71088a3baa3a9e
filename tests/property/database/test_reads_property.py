"""Whatever is in the tables: a read yields exactly the rows that a plain loop over them finds, and goes on after any key."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.contract.database.world import ENGINES, World, connector, header, keys, make, rows, settings

from rightful.connectors.interface import KEY_COLUMN, Cursor
from rightful.connectors.sql import SqlConnector
from rightful.subject.matching import matches
from rightful.testing.connector_suite import identified

_MAILS = ["ann@c", "Ann@c", "bob@c", "", "é@c", "É@c"]
_NAMES = ["ann", "Ann", "bob", "", "ann "]
_KEYS = ["", "a", "A", "ä", "b", "ab", " ", "'", "\\", '"', "1", "10", "9", "日本", "🙂", "{"]

_mail = st.sampled_from([*_MAILS, None])
_name = st.sampled_from([*_NAMES, None])
_number = st.sampled_from([1, 2, 3, None])
_parents = st.lists(st.tuples(_number, _mail, _name), max_size=5)
_children = st.lists(st.tuples(_number, _mail), max_size=8)
_key_sets = st.permutations(_KEYS)
_people = st.lists(
    st.tuples(st.lists(st.sampled_from(_MAILS), max_size=2), st.lists(st.sampled_from(_NAMES), max_size=2)), min_size=1, max_size=4
)


@pytest.fixture(params=ENGINES, scope="module")
def sources(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, SqlConnector]]:
    world = make(request.param, request, tmp_path_factory.mktemp("world"))
    world.execute(
        "CREATE TABLE parents (number bigint, a text, b text); CREATE INDEX parents_a ON parents (a);"
        "CREATE TABLE children (k varchar(9) NOT NULL PRIMARY KEY, parent bigint, mail text); CREATE INDEX children_mail ON children (mail)"
    )
    source = connector(
        world,
        "children",
        children=settings(world, "children", match={"mail": "mail"}, via={"parents": {"parent": "number"}}, key="k"),
        parents=settings(world, "parents", match={"a": "mail", "b": "name"}),
    )
    yield world, source
    source.close()


def _literal(value: object) -> str:
    return "NULL" if value is None else str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"


def _fill(table: str, content: list[tuple[object, ...]]) -> str:
    values = ", ".join(f"({', '.join(map(_literal, row))})" for row in content)
    return f"DELETE FROM {table};" + (f"INSERT INTO {table} VALUES {values};" if content else "")


def _has(found: str | None, known: list[str]) -> bool:
    """Say whether a mail is one of those known, as it is written or in lower case."""
    return found is not None and any(len(mail) > 2 and found in {mail, mail.lower()} for mail in known)


def _is_named(found: str | None, known: list[str]) -> bool:
    return found is not None and any(name.strip() and found in {name, name.strip()} for name in known)


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(parents=_parents, children=_children, keys=_key_sets, people=_people)
def test_read_finds_what_a_plain_loop_finds_and_goes_on_after_any_key(
    sources: tuple[World, SqlConnector],
    parents: list[tuple[int | None, str | None, str | None]],
    children: list[tuple[int | None, str | None]],
    keys: list[str],
    people: list[tuple[list[str], list[str]]],
) -> None:
    world, source = sources
    content = [(key, *child) for key, child in zip(keys, children, strict=False)]
    world.execute(_fill("parents", list(parents)) + _fill("children", list(content)))

    subjects = [identified(mail=tuple(mails), name=tuple(names)) for mails, names in people]
    found = rows(source, subjects)
    for (mails, names), own, subject in zip(people, found, subjects, strict=True):
        numbers = {number for number, a, b in parents if number is not None and (_has(a, mails) or _is_named(b, names))}
        expected = sorted(key for key, parent, mail in content if _has(mail, mails) or parent in numbers)
        got = [row[KEY_COLUMN] for row in own]
        assert got == expected
        match = header(source).match
        assert all(any(matches(m.identifier_kind, row[m.batch_column], subject.values(m.identifier_kind)) for m in match) for row in own)
        for stop in {0, len(got) // 2, len(got) - 1} if got else ():
            assert [row[KEY_COLUMN] for row in rows(source, [subject], Cursor(got[stop]))[0]] == got[stop + 1 :]


_pairs = st.lists(
    st.tuples(st.sampled_from(_KEYS), st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 12)), unique=True, min_size=1, max_size=12
)


@pytest.fixture(params=ENGINES, scope="module")
def pairs_source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, SqlConnector]]:
    world = make(request.param, request, tmp_path_factory.mktemp("pairs"))
    world.execute("CREATE TABLE pairs (word varchar(9) NOT NULL, number bigint NOT NULL, mail text, PRIMARY KEY (word, number))")
    source = connector(world, pairs=settings(world, "pairs", match={"mail": "mail"}))
    yield world, source
    source.close()


@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(pairs=_pairs)
def test_read_with_a_key_of_two_columns_goes_on_after_any_row(
    pairs_source: tuple[World, SqlConnector], pairs: list[tuple[str, int]]
) -> None:
    world, source = pairs_source
    world.execute(_fill("pairs", [(*pair, "ann@c") for pair in pairs]))
    ann = identified(mail=("ann@c",))
    ordered = sorted(pairs)
    assert keys(source, ann) == ordered
    for number, pair in enumerate(ordered):
        assert keys(source, ann, Cursor(pair)) == ordered[number + 1 :]
