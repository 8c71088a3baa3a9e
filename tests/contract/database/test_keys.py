"""What orders rows, and that a read goes on exactly where it stopped."""

from pathlib import Path

import pytest
from tests.contract.database.world import DUCKDB, ENGINES, FIREBIRD, World, connector, header, make, rows, settings, values
from tests.contract.database.world import keys as found_keys

from rightful.connectors.interface import Cursor
from rightful.errors import ConfigurationError, SourceRefused
from rightful.testing.connector_suite import identified

ANN = identified(name=("ann",))
BOTH = [ANN, identified(name=("bob",))]


@pytest.fixture(params=[*ENGINES, DUCKDB, FIREBIRD])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return make(request.param, request, tmp_path)


OF_LETTERS = pytest.mark.parametrize("world", [*ENGINES, DUCKDB], indirect=True)
"""Not Firebird, where letters cannot be compared: there a text is no part of a key."""

_KEYS = [
    pytest.param("bigint", "(-9223372036854775808), (-1), (0), (9223372036854775807)", id="bigint"),
    pytest.param("smallint", "(2), (10), (-3)", id="smallint"),
    pytest.param("text", "('b'), ('B'), ('a'), ('é'), (''), ('a b'), ('10'), ('9'), ('日'), ('it''s'), ('\\'), ('{')", id="text"),
]
_POSTGRES_KEYS = [
    pytest.param("uuid", "('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'), ('00000000-0000-0000-0000-000000000000')", id="uuid"),
    pytest.param("numeric", "(1.5), (1.50000001), (-3), ('NaN'), (1e20)", id="numeric"),
    pytest.param(
        "timestamptz", "('2020-01-01 00:00Z'), ('infinity'), ('2020-01-01 00:00:00.000001Z'), ('0001-01-01 BC')", id="timestamptz"
    ),
    pytest.param("date", "('2020-01-01'), ('-infinity'), ('1999-12-31')", id="date"),
    pytest.param("bytea", "('\\x00'), ('\\xff00'), ('\\x'), ('\\x27')", id="bytea"),
    pytest.param("character(5)", "('b'), ('a b'), ('')", id="character"),
    pytest.param('varchar(9) COLLATE "en-US-x-icu"', "('b'), ('B'), ('a'), ('é'), ('z')", id="icu"),
]


def _check_key(world: World, type_: str, keys: str) -> None:
    primary = "PRIMARY KEY" if world.is_postgres else "NOT NULL UNIQUE"
    world.execute(
        f"CREATE TABLE k (k {type_} {primary}); INSERT INTO k VALUES {keys};"
        f"CREATE TABLE t (k {type_} NOT NULL, n text); CREATE UNIQUE INDEX t_k ON t (k); INSERT INTO t SELECT k, 'ann' FROM k"
    )
    visible = connector(world, source=settings(world, "t", match={"n": "name"}, key="k"))
    hidden = connector(world, source=settings(world, "t", match={"n": "name"}, key="k", exclude=("k",)))
    for source in (visible, hidden):
        source.check()
        whole = found_keys(source, ANN)
        assert len(whole) == keys.count("(")
        assert whole == sorted(whole)
        assert all(isinstance(key, int | str | bytes) for key in whole)
        for number, key in enumerate(whole):
            assert found_keys(source, ANN, Cursor(key)) == whole[number + 1 :]


@pytest.mark.parametrize(("type_", "keys"), _KEYS)
def test_read_goes_on_after_any_key(world: World, type_: str, keys: str) -> None:
    _check_key(world, type_, keys)


@pytest.mark.postgres
@pytest.mark.parametrize(("type_", "keys"), _POSTGRES_KEYS)
def test_read_goes_on_after_any_key_of_postgres(request: pytest.FixtureRequest, tmp_path: Path, type_: str, keys: str) -> None:
    _check_key(make("postgres", request, tmp_path), type_, keys)


def test_cursor_that_is_no_rows_key_any_more_still_separates(world: World) -> None:
    world.execute("CREATE TABLE t (id bigint PRIMARY KEY, n text); INSERT INTO t VALUES (1, 'ann'), (2, 'ann'), (4, 'ann')")
    source = connector(world, source=settings(world, "t", match={"n": "name"}))
    assert [row["id"] for row in rows(source, [ANN], Cursor(3))[0]] == [4]


def test_resume_over_a_chain_and_several_columns(world: World) -> None:
    world.execute(
        "CREATE TABLE p (id bigint PRIMARY KEY, a text, b text); INSERT INTO p VALUES (1, 'ann', 'bob'), (2, 'bob', 'ann'), (3, 'ann', 'ann');"
        "CREATE TABLE c (id bigint PRIMARY KEY, p bigint); INSERT INTO c VALUES (10, 3), (11, 2), (12, 1), (13, 3), (14, 2)"
    )
    source = connector(
        world,
        child=settings(world, "c", via={"parent": {"p": "id"}}, key="id"),
        parent=settings(world, "p", match={"a": "name", "b": "name"}),
    )
    whole = values(source, [ANN])[0]
    assert whole == [10, 11, 12, 13, 14]
    for number, key in enumerate(whole):
        assert [row["id"] for row in rows(source, [ANN], Cursor(key))[0]] == whole[number + 1 :]


def test_without_a_key_rows_keep_their_order_and_there_is_no_cursor(world: World) -> None:
    content = ", ".join(f"('{'ann' if n % 3 else 'bob'}', {n * 7919 % 101}, '{n % 5}')" for n in range(200))
    world.execute(f"CREATE TABLE t (n text, a bigint, b text); INSERT INTO t VALUES {content}")
    source = connector(world, source=settings(world, "t", match={"n": "name"}))
    assert not header(source).has_key
    before = rows(source, BOTH)
    if world.is_postgres:
        # Written anew, the rows lie elsewhere; their order depends on the values alone.
        world.execute("CREATE TABLE copy AS SELECT * FROM t ORDER BY b DESC, a DESC; DELETE FROM t; INSERT INTO t SELECT * FROM copy")
    assert rows(source, BOTH) == before
    assert rows(source, BOTH[::-1]) == [[{**row, "\x1fsubject": 1 - row["\x1fsubject"]} for row in found] for found in before[::-1]]


_PAIRS = [
    pytest.param(
        "bigint", "text", ["(1, 'b')", "(1, 'B')", "(-9223372036854775808, '')", "(1, '10')", "(2, '')", "(0, 'é')"], id="bigint_text"
    ),
    pytest.param(
        "text", "bigint", ["('b', 9)", "('b', 10)", "('', 1)", "('B', -1)", "('it''s', 0)", "('{', 9223372036854775807)"], id="text_bigint"
    ),
]
_POSTGRES_PAIRS = [
    pytest.param(
        'varchar(9) COLLATE "en-US-x-icu"', "date", ["('b', '2020-01-01')", "('B', '2020-01-01')", "('b', '-infinity')"], id="icu_date"
    ),
    pytest.param("char(6)", "bytea", ["('ab', '\\x00')", "(E'ab\\tc', '\\x')", "('ab', '\\x')", "('', '\\xff00')"], id="padded_bytea"),
    pytest.param(
        "numeric",
        "uuid",
        ["(1.5, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11')", "(1.5, '00000000-0000-0000-0000-000000000000')"],
        id="numeric_uuid",
    ),
]


def _check_pairs(world: World, first: str, second: str, pairs: list[str]) -> None:
    """Resume after each row, with the key's columns visible, hidden and the other way round than the table has them."""
    content = ", ".join(f"{pair[:-1]}, 'ann')" for pair in pairs) + f", {pairs[0][:-1]}, 'bob')"
    world.execute(
        f"CREATE TABLE t (a {first} NOT NULL, b {second} NOT NULL, n text NOT NULL, PRIMARY KEY (a, b, n)); INSERT INTO t VALUES {content}"
    )
    for rest in ({}, {"exclude": ("a", "b")}, {"key": ("n", "b", "a")}):
        source = connector(world, source=settings(world, "t", match={"n": "name"}, **rest))
        source.check()
        assert header(source).has_key
        whole = found_keys(source, ANN)
        assert len(set(whole)) == len(pairs)
        for number, key in enumerate(whole):
            assert found_keys(source, ANN, Cursor(key)) == whole[number + 1 :]


@OF_LETTERS
@pytest.mark.parametrize(("first", "second", "pairs"), _PAIRS)
def test_read_goes_on_after_any_key_of_several_columns(world: World, first: str, second: str, pairs: list[str]) -> None:
    _check_pairs(world, first, second, pairs)


@pytest.mark.postgres
@pytest.mark.parametrize(("first", "second", "pairs"), _POSTGRES_PAIRS)
def test_read_goes_on_after_any_key_of_several_columns_of_postgres(
    request: pytest.FixtureRequest, tmp_path: Path, first: str, second: str, pairs: list[str]
) -> None:
    _check_pairs(make("postgres", request, tmp_path), first, second, pairs)


def test_read_goes_on_after_any_key_of_two_numbers(world: World) -> None:
    pairs = [(1, 2), (1, -3), (-(2**63), 5), (2**63 - 1, -(2**63)), (1, -(2**63)), (0, 0)]
    content = ", ".join(f"({a}, {b}, 'ann')" for a, b in pairs)
    world.execute(f"CREATE TABLE t (a bigint NOT NULL, b bigint NOT NULL, n text, PRIMARY KEY (a, b)); INSERT INTO t VALUES {content}")
    for rest in ({}, {"exclude": ("a", "b")}):
        source = connector(world, source=settings(world, "t", match={"n": "name"}, **rest))
        assert header(source).has_key
        assert found_keys(source, ANN) == sorted(pairs)
        for number, key in enumerate(sorted(pairs)):
            assert found_keys(source, ANN, Cursor(key)) == sorted(pairs)[number + 1 :]


@OF_LETTERS
def test_rows_of_a_key_of_two_columns_are_ordered_by_them(world: World) -> None:
    world.execute(
        "CREATE TABLE t (a bigint, b text, n text, PRIMARY KEY (b, a)); INSERT INTO t VALUES (2, 'x', 'ann'), (1, 'y', 'ann'), (1, 'x', 'ann')"
    )
    source = connector(world, source=settings(world, "t", match={"n": "name"}))
    assert header(source).searched.replace("`", '"').endswith('ORDER BY "b", "a"')
    assert found_keys(source, ANN) == [("x", 1), ("x", 2), ("y", 1)]
    turned = connector(world, source=settings(world, "t", match={"n": "name"}, key=("a", "b")))
    assert found_keys(turned, ANN) == [(1, "x"), (1, "y"), (2, "x")]
    assert found_keys(turned, ANN, Cursor((1, "xx"))) == [(1, "y"), (2, "x")]


def test_key_of_columns_that_ignore_case_goes_on_in_the_order_of_bytes(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    world = make("sqlite", request, tmp_path)
    world.execute("CREATE TABLE t (a text COLLATE NOCASE, b int, n text, PRIMARY KEY (a, b))")
    world.execute("INSERT INTO t VALUES ('A', 1, 'ann'), ('a', 2, 'ann'), ('B', 1, 'ann'), ('b', 2, 'ann')")
    source = connector(world, source=settings(world, "t", match={"n": "name"}))
    whole = found_keys(source, ANN)
    assert whole == [("A", 1), ("B", 1), ("a", 2), ("b", 2)]
    for number, key in enumerate(whole):
        assert found_keys(source, ANN, Cursor(key)) == whole[number + 1 :]


@OF_LETTERS
def test_key_of_columns_with_odd_names_found_by_either_of_two(world: World) -> None:
    world.execute(
        'CREATE TABLE "sel""ect" ("fr""om" bigint NOT NULL, "a.b" text NOT NULL, "0" text NOT NULL, n text, m text, PRIMARY KEY ("fr""om", "a.b", "0"));'
        "INSERT INTO \"sel\"\"ect\" VALUES (1, 'x', 'y', 'ann', 'bob'), (1, 'x', 'z', 'ann', 'ann'), (2, '', '', 'bob', 'ann'), (2, '', '1', 'bob', NULL)"
    )
    source = connector(world, source=settings(world, '"sel""ect"', match={"n": "name", "m": "name"}, exclude=("0",)))
    source.check()
    for subject in BOTH:
        whole = found_keys(source, subject)
        assert len(whole) == 3
        for number, key in enumerate(whole):
            assert found_keys(source, subject, Cursor(key)) == whole[number + 1 :]


@OF_LETTERS
def test_key_of_two_columns_behind_a_chain_of_six_tables(world: World) -> None:
    world.execute("CREATE TABLE p (id bigint, part text, n text, PRIMARY KEY (id, part))")
    world.execute("INSERT INTO p VALUES (1, 'a', 'ann'), (1, 'b', 'bob'), (2, 'a', 'ann')")
    sources, last = {"p": settings(world, "p", match={"n": "name"})}, "p"
    for number in range(6):
        name = f"c{number}"
        world.execute(
            f"CREATE TABLE {name} (id bigint NOT NULL, part text NOT NULL, PRIMARY KEY (part, id)); INSERT INTO {name} SELECT id, part FROM p"
        )
        sources[name] = settings(world, name, via={last: {"id": "id", "part": "part"}})
        last = name
    source = connector(world, last, **sources)
    assert found_keys(source, ANN) == [("a", 1), ("a", 2)]
    assert found_keys(source, ANN, Cursor(("a", 1))) == [("a", 2)]


def test_primary_key_of_which_a_column_is_null_is_no_key(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    world = make("sqlite", request, tmp_path)  # the only one that allows it
    world.execute("CREATE TABLE t (a text, b text, n text, PRIMARY KEY (a, b)); INSERT INTO t VALUES ('x', 'y', 'ann')")
    source = connector(world, source=settings(world, "t", match={"n": "name"}))
    assert header(source).has_key
    world.execute("INSERT INTO t VALUES ('x', NULL, 'ann')")
    with pytest.raises(SourceRefused, match="it is NULL"):
        rows(source, [ANN])
    fresh = connector(world, source=settings(world, "t", match={"n": "name"}))
    assert not header(fresh).has_key
    assert len(rows(fresh, [ANN])[0]) == 2


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("n", "cannot be the key"),
        ("nope", "has no column"),
        ("nullable", "cannot be the key"),
        (("id", "nullable"), "what columns 'id', 'nullable' are together"),
        (("id", "nope"), "has no column"),
    ],
    ids=["not_unique", "missing", "nullable", "nullable_part", "missing_part"],
)
def test_column_that_is_no_key_is_refused(world: World, key: str | tuple[str, ...], message: str) -> None:
    world.execute("CREATE TABLE t (id bigint PRIMARY KEY, n text, nullable bigint UNIQUE); INSERT INTO t VALUES (1, 'ann', NULL)")
    source = connector(world, source=settings(world, "t", match={"n": "name"}, key=key))
    with pytest.raises(SourceRefused, match=message) as refused:
        source.check()
    assert refused.value.hint
    with pytest.raises(SourceRefused, match=message):
        rows(source, [ANN])


@pytest.mark.parametrize("twice", ["(1, 'ann'), (1, 'ann')", "(NULL, 'ann'), (1, 'ann')"], ids=["equal", "null"])
def test_key_of_a_view_that_turns_out_none_stops_the_read(world: World, twice: str) -> None:
    world.execute(f"CREATE TABLE t (k bigint, n text); INSERT INTO t VALUES {twice}; CREATE VIEW v AS SELECT k, n FROM t")
    source = connector(world, source=settings(world, "v", match={"n": "name"}, key="k"))
    with pytest.raises(SourceRefused, match="cannot be the key"):
        rows(source, [ANN])


@OF_LETTERS
def test_key_of_two_columns_of_a_view_is_looked_at(world: World) -> None:
    world.execute("CREATE TABLE t (a bigint, b text, n text); INSERT INTO t VALUES (1, 'x', 'ann'), (1, 'y', 'ann'), (1, 'x', 'bob')")
    world.execute("CREATE VIEW v AS SELECT a, b, n FROM t")
    source = connector(world, source=settings(world, "v", match={"n": "name"}, key=("a", "b")))
    assert [[row["b"] for row in found] for found in rows(source, BOTH)] == [["x", "y"], ["x"]]
    world.execute("INSERT INTO t VALUES (1, 'y', 'ann')")
    with pytest.raises(SourceRefused, match="'a', 'b' are together of 'v' cannot be the key"):
        rows(source, [ANN])


def test_key_that_names_a_column_twice_is_refused(world: World) -> None:
    with pytest.raises(ConfigurationError, match="names a column twice"):
        connector(world, source=settings(world, "t", match={"n": "name"}, key=("a", "a")))


_PARENT = """
CREATE TABLE p (id bigint PRIMARY KEY, n text NOT NULL UNIQUE, mail text); CREATE TABLE c () INHERITS (p);
INSERT INTO p VALUES (1, 'one', 'ann'), (2, 'two', 'ann'); INSERT INTO c VALUES (1, 'one', 'ann'), (2, 'two', 'ann'), (3, 'three', 'ann');
CREATE TABLE l (id bigint PRIMARY KEY, p bigint); INSERT INTO l VALUES (10, 1), (11, 2), (12, 3);
"""


@pytest.mark.postgres
def test_table_that_others_inherit_from_has_no_key(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    world = make("postgres", request, tmp_path)
    world.execute(_PARENT)
    source = connector(world, source=settings(world, "p", match={"mail": "name"}))
    assert not header(source).has_key
    assert values(source, [ANN]) == [[1, 1, 2, 2, 3]]
    for key in ("id", "n"):
        with pytest.raises(SourceRefused, match="cannot be the key"):
            connector(world, source=settings(world, "p", match={"mail": "name"}, key=key)).check()
    only_child = connector(world, source=settings(world, "c", match={"mail": "name"}))
    assert values(only_child, [ANN]) == [[1, 2, 3]]
    world.execute("DROP TABLE c")
    source.check()
    assert header(source).has_key


@pytest.mark.postgres
def test_row_reached_over_a_table_that_others_inherit_from_comes_once(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    world = make("postgres", request, tmp_path)
    world.execute(_PARENT)
    source = connector(world, "l", l=settings(world, "l", via={"p": {"p": "id"}}), p=settings(world, "p", match={"mail": "name"}))
    assert values(source, [ANN]) == [[10, 11, 12]]


@pytest.mark.postgres
def test_partitioned_table_keeps_its_key(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    world = make("postgres", request, tmp_path)
    world.execute(
        "CREATE TABLE t (id bigint PRIMARY KEY, n text) PARTITION BY RANGE (id); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10);"
        "CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (10) TO (20); INSERT INTO t VALUES (12, 'ann'), (2, 'ann'), (1, 'bob')"
    )
    source = connector(world, source=settings(world, "t", match={"n": "name"}))
    assert found_keys(source, ANN) == [2, 12]
    assert found_keys(source, ANN, Cursor(2)) == [12]


@pytest.mark.postgres
def test_padded_key_goes_on_after_values_that_blanks_would_hide(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    world = make("postgres", request, tmp_path)
    _check_key(world, "character(6)", "('ab'), (E'ab\\tc'), ('abd'), (E'ab\\x1f'), ('')")
    source = connector(world, source=settings(world, "t", match={"n": "name"}, key="k"))
    assert found_keys(source, ANN, Cursor("ab    ")) == found_keys(source, ANN, Cursor("ab")) != []
