"""Rows reached over another table's: each child goes to exactly those whose parent's value is its own, or the join is refused."""

from pathlib import Path

import pytest
from tests.contract.database.world import ENGINES, World, connector, make, settings, values

from rightful.connectors.sql import SqlConnector
from rightful.errors import SourceRefused
from rightful.testing.connector_suite import identified

PEOPLE = [identified(name=("ann",)), identified(name=("bob",))]


@pytest.fixture(params=ENGINES)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return make(request.param, request, tmp_path)


def _lines(world: World, **join: str) -> SqlConnector:
    return connector(
        world,
        lines=settings(world, "lines", via={"orders": join or {"a": "id"}}, key="n"),
        orders=settings(world, "orders", match={"who": "name"}),
    )


def _fill(world: World, parent: str, parents: str, child: str, children: str) -> None:
    """Make orders (id, who) and lines (n, a); `parent` and `child` say what their columns are declared as."""
    world.execute(
        f"CREATE TABLE orders (id {parent}, who text); CREATE TABLE lines (n int PRIMARY KEY, a {child});"
        f"INSERT INTO orders VALUES {parents}; INSERT INTO lines VALUES {children}"
    )


def _check_refused(source: SqlConnector) -> None:
    for use in (source.check, lambda: values(source, PEOPLE, "n")):
        with pytest.raises(SourceRefused, match="cannot be joined") as refused:
            use()
        assert "'a'" in refused.value.message
        assert "'id'" in refused.value.message
        assert "view" in refused.value.hint


_ALIKE = [
    pytest.param("text PRIMARY KEY", "('a', 'ann'), ('A', 'bob')", "text", "(1, 'A'), (2, 'a'), (3, 'a ')", [[2], [1]], id="text"),
    pytest.param("bigint PRIMARY KEY", "(1, 'ann'), (2, 'bob')", "smallint", "(1, 2), (2, 1), (3, NULL)", [[2], [1]], id="integers"),
    pytest.param("varchar(9)", "('x', 'ann'), ('x', 'ann'), ('x', 'bob')", "text", "(1, 'x'), (2, 'X')", [[1], [1]], id="not_unique"),
    pytest.param("bigint PRIMARY KEY", "(9007199254740993, 'ann'), (9007199254740992, 'bob')", "bigint", "(1, 9007199254740992)", [[], [1]], id="large"),
]  # fmt: skip
_ALIKE_SQLITE = [
    pytest.param("TEXT PRIMARY KEY COLLATE NOCASE", "('a', 'ann'), ('B', 'bob')", "TEXT COLLATE NOCASE", "(1, 'A'), (2, 'b')", [[1], [2]], id="nocase"),
    pytest.param("UUID UNIQUE", "('1a-1', 'ann'), ('1A-1', 'bob')", "TEXT", "(1, '1a-1')", [[1], []], id="declared_otherwise"),
    pytest.param("INTEGER PRIMARY KEY", "(1, 'ann'), (2, 'bob')", "", "(1, 2), (2, 1)", [[2], [1]], id="undeclared"),
    pytest.param("REAL UNIQUE", "(0.1, 'ann'), (0.10000000000000002, 'bob')", "DOUBLE", "(1, 0.1), (2, 0.10000000000000002)", [[1], [2]], id="floats"),
    pytest.param("BLOB UNIQUE", "(x'61', 'ann'), (x'41', 'bob')", "BLOB", "(1, x'41'), (2, x'61')", [[2], [1]], id="bytes"),
]  # fmt: skip
_ALIKE_POSTGRES = [
    pytest.param("citext PRIMARY KEY", "('a', 'ann'), ('B', 'bob')", "citext", "(1, 'A'), (2, 'b')", [[1], [2]], id="citext"),
    pytest.param("bigint PRIMARY KEY", "(1, 'ann'), (2, 'bob')", "numeric", "(1, 2.0), (2, 1), (3, 1.5)", [[2], [1]], id="numeric"),
    pytest.param("char(9) UNIQUE", "('a', 'ann'), ('b', 'bob')", "char(4)", "(1, 'a'), (2, 'b')", [[1], [2]], id="padded"),
    pytest.param("real UNIQUE", "(0.1, 'ann'), (0.5, 'bob')", "float8", "(1, 0.1), (2, 0.5)", [[], [2]], id="floats"),
    pytest.param("uuid PRIMARY KEY", "('6F9619FF-8B86-D011-B42D-00C04FC964FF', 'ann')", "uuid", "(1, '6f9619ff-8b86-d011-b42d-00c04fc964ff')", [[1], []], id="uuid"),
]  # fmt: skip


def _check_alike(world: World, parent: str, parents: str, child: str, children: str, *, expected: list[list[int]]) -> None:
    if "citext" in parent:
        world.execute("CREATE EXTENSION citext")
    _fill(world, parent, parents, child, children)
    for index in ("", "CREATE INDEX lines_a ON lines (a)"):
        world.execute(index or "SELECT 1")
        source = _lines(world)
        source.check()
        assert values(source, PEOPLE, "n") == expected


@pytest.mark.parametrize(("parent", "parents", "child", "children", "expected"), _ALIKE)
def test_child_goes_to_its_own_parent(  # noqa: PLR0917 -- a table
    world: World, parent: str, parents: str, child: str, children: str, expected: list[list[int]]
) -> None:
    _check_alike(world, parent, parents, child, children, expected=expected)


@pytest.mark.parametrize(("parent", "parents", "child", "children", "expected"), _ALIKE_SQLITE)
def test_child_goes_to_its_own_parent_in_sqlite(  # noqa: PLR0917 -- a table
    request: pytest.FixtureRequest, tmp_path: Path, parent: str, parents: str, child: str, children: str, expected: list[list[int]]
) -> None:
    _check_alike(make("sqlite", request, tmp_path), parent, parents, child, children, expected=expected)


@pytest.mark.postgres
@pytest.mark.parametrize(("parent", "parents", "child", "children", "expected"), _ALIKE_POSTGRES)
def test_child_goes_to_its_own_parent_in_postgres(  # noqa: PLR0917 -- a table
    request: pytest.FixtureRequest, tmp_path: Path, parent: str, parents: str, child: str, children: str, expected: list[list[int]]
) -> None:
    _check_alike(make("postgres", request, tmp_path), parent, parents, child, children, expected=expected)


@pytest.mark.parametrize(
    ("parent", "parents", "child", "children"),
    [
        ("TEXT PRIMARY KEY", "('a', 'ann'), ('A', 'bob')", "TEXT COLLATE NOCASE", "(1, 'A')"),
        ("TEXT COLLATE NOCASE PRIMARY KEY", "('a', 'ann')", "TEXT", "(1, 'A')"),
        ("TEXT COLLATE NOCASE", "('a', 'ann'), ('A', 'bob')", "TEXT COLLATE NOCASE", "(1, 'A')"),
        ("TEXT COLLATE NOCASE, UNIQUE (id COLLATE BINARY)", "('a', 'ann'), ('A', 'bob')", "TEXT COLLATE NOCASE", "(1, 'A')"),
        ("TEXT PRIMARY KEY", "('a', 'ann'), ('a ', 'bob')", "TEXT COLLATE RTRIM", "(1, 'a')"),
        ("TEXT PRIMARY KEY", "('1', 'ann'), ('01', 'bob')", "INTEGER", "(1, 1)"),
        ("INTEGER PRIMARY KEY", "(1, 'ann')", "TEXT", "(1, '01')"),
        ("PRIMARY KEY", "('1', 'ann'), (1, 'bob')", "TEXT", "(1, '1')"),
        ("INTEGER PRIMARY KEY", "(1, 'ann')", "", "(1, 1), (2, '1')"),
        ("INTEGER PRIMARY KEY", "(9007199254740993, 'ann')", "REAL", "(1, 9007199254740992)"),
        ("INTEGER PRIMARY KEY", "(1, 'ann')", "TEXT", "(1, NULL)"),
    ],
    ids=["nocase_child", "nocase_parent", "nocase_not_unique", "nocase_binary_index", "rtrim", "texts_of_numbers", "number_as_text",
         "mixed_parent", "mixed_child", "floats", "declared_and_empty"],
)  # fmt: skip
def test_join_of_columns_that_do_not_compare_alike_is_refused_in_sqlite(  # noqa: PLR0917 -- a table
    request: pytest.FixtureRequest, tmp_path: Path, parent: str, parents: str, child: str, children: str
) -> None:
    world = make("sqlite", request, tmp_path)
    declared, _, constraint = parent.partition(", ")
    world.execute(
        f"CREATE TABLE orders (id {declared}, who text {', ' + constraint if constraint else ''}); CREATE TABLE lines (n int PRIMARY KEY, a {child});"
        f"INSERT INTO orders VALUES {parents}; INSERT INTO lines VALUES {children}"
    )
    _check_refused(_lines(world))


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("parent", "parents", "child", "children"),
    [
        ("bigint PRIMARY KEY", "(9007199254740993, 'ann'), (9007199254740992, 'bob')", "float8", "(1, 9007199254740992)"),
        ("float8 PRIMARY KEY", "(1, 'ann')", "numeric", "(1, 1.0000000000000000001)"),
        ("text PRIMARY KEY", "('a', 'ann'), ('A', 'bob')", "citext", "(1, 'A')"),
        ("citext", "('a', 'ann'), ('A', 'bob')", "citext", "(1, 'A')"),
        ("text PRIMARY KEY", "('a', 'ann'), ('A', 'bob')", 'text COLLATE "loose"', "(1, 'A')"),
        ('text COLLATE "loose" PRIMARY KEY', "('a', 'ann')", 'text COLLATE "loose"', "(1, 'A')"),
        ("date PRIMARY KEY", "('2020-01-01', 'ann')", "timestamptz", "(1, '2020-01-01 00:00Z')"),
        ("varchar(9) UNIQUE", "('a', 'ann'), ('a ', 'bob')", "char(4)", "(1, 'a')"),
        ("uuid PRIMARY KEY", "('6F9619FF-8B86-D011-B42D-00C04FC964FF', 'ann')", "text", "(1, '6f9619ff-8b86-d011-b42d-00c04fc964ff')"),
    ],
    ids=[
        "rounded_child",
        "rounded_parent",
        "citext_child",
        "citext_not_unique",
        "loose_child",
        "loose_both",
        "moments",
        "padded",
        "uuid_as_text",
    ],
)
def test_join_of_columns_that_do_not_compare_alike_is_refused_in_postgres(  # noqa: PLR0917 -- a table
    request: pytest.FixtureRequest, tmp_path: Path, parent: str, parents: str, child: str, children: str
) -> None:
    world = make("postgres", request, tmp_path)
    world.execute("CREATE EXTENSION citext; CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
    _fill(world, parent, parents, child, children)
    _check_refused(_lines(world))


def test_what_is_refused_is_joined_over_a_view_that_casts(world: World) -> None:
    _fill(world, "bigint PRIMARY KEY", "(1, 'ann'), (2, 'bob')", "varchar(9)", "(1, '2'), (2, '1'), (3, NULL)")
    world.execute("CREATE VIEW cast_lines AS SELECT n, CAST(a AS bigint) AS a FROM lines")
    source = connector(
        world,
        lines=settings(world, "cast_lines", via={"orders": {"a": "id"}}, key="n"),
        orders=settings(world, "orders", match={"who": "name"}),
    )
    source.check()
    assert values(source, PEOPLE, "n") == [[2], [1]]


def test_table_without_a_row_can_be_joined(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    world = make("sqlite", request, tmp_path)
    world.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, who TEXT); CREATE TABLE lines (n INTEGER PRIMARY KEY, a)")
    source = _lines(world)
    source.check()
    assert values(source, PEOPLE, "n") == [[], []]
    world.execute("INSERT INTO orders VALUES (1, 'ann'); INSERT INTO lines VALUES (1, 1)")
    source.check()
    assert values(source, PEOPLE, "n") == [[1], []]


def test_texts_written_after_we_looked_are_told_apart(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    world = make("sqlite", request, tmp_path)
    world.execute("CREATE TABLE orders (id PRIMARY KEY NOT NULL, who TEXT); CREATE TABLE lines (n INTEGER PRIMARY KEY, a INTEGER)")
    world.execute("INSERT INTO orders VALUES (1, 'ann'); INSERT INTO lines VALUES (1, 1)")
    source = _lines(world)
    assert values(source, PEOPLE, "n") == [[1], []]
    world.execute("INSERT INTO orders VALUES ('01', 'bob'), (1.0e0 + 1, 'bob')")
    assert values(source, PEOPLE, "n") == [[1], []]


def test_a_child_is_not_found_again_by_a_join_that_an_earlier_one_made(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    world = make("sqlite", request, tmp_path)
    world.execute(
        "CREATE TABLE o1 (id TEXT COLLATE NOCASE PRIMARY KEY, who TEXT); CREATE TABLE o2 (id TEXT PRIMARY KEY, who TEXT);"
        "CREATE TABLE lines (n INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE, b TEXT);"
        "INSERT INTO o1 VALUES ('a', 'ann'), ('B', 'bob'); INSERT INTO o2 VALUES ('A', 'ann'), ('a', 'bob');"
        "INSERT INTO lines VALUES (1, 'A', 'A'), (2, 'b', 'A'), (3, 'b', 'a'), (4, NULL, 'A'), (5, 'a', NULL)"
    )
    source = connector(
        world,
        lines=settings(world, "lines", via={"o1": {"a": "id"}, "o2": {"b": "id"}}),
        o1=settings(world, "o1", match={"who": "name"}),
        o2=settings(world, "o2", match={"who": "name"}),
    )
    assert values(source, PEOPLE, "n") == [[1, 2, 4, 5], [2, 3]]
