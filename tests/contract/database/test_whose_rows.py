"""Whose rows a read yields: each that belongs to a subject, once, and not one more."""

from pathlib import Path

import pytest
from tests.contract.database.world import ALL, ENGINES, World, connector, header, make, rows, settings, values

from rightful.connectors.interface import MATCH_PREFIX, ReadHeader, Rows, estimate
from rightful.errors import SourceUnavailable
from rightful.export.check import SetCheck
from rightful.testing.connector_suite import identified


@pytest.fixture(params=ALL)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return make(request.param, request, tmp_path)


def test_row_of_two_subjects_goes_to_each_and_one_found_twice_comes_once(world: World) -> None:
    world.execute(
        "CREATE TABLE m (id bigint PRIMARY KEY, a text, b text, c text);"
        "INSERT INTO m VALUES (1, 'x@c.example', 'y@c.example', 'x@c.example'), (2, 'x@c.example', 'x2@c.example', NULL), (3, NULL, NULL, 'y@c.example'),"
        "(4, 'y@c.example', 'y@c.example', 'y@c.example'), (5, 'z@c.example', NULL, '')"
    )
    x = identified(mail=("x@c.example", "x2@c.example"), upn=("x@c.example",))
    y = identified(mail=("y@c.example",), upn=("nobody@c.example",))
    source = connector(world, source=settings(world, "m", match={"a": "mail", "b": "mail", "c": "upn"}))
    assert values(source, [x, y]) == [[1, 2], [1, 4]]
    assert values(source, [y, x]) == [[1, 4], [1, 2]]


def test_several_values_of_a_kind_find_all_their_rows(world: World) -> None:
    world.execute(
        "CREATE TABLE m (id bigint PRIMARY KEY, a text); INSERT INTO m VALUES (1, 'b@c.example'), (2, 'a@c.example'), (3, 'b@c.example')"
    )
    source = connector(world, source=settings(world, "m", match={"a": "mail"}))
    assert values(source, [identified(mail=("a@c.example", "b@c.example", "a@c.example"))]) == [[1, 2, 3]]


@pytest.mark.parametrize("is_indexed", [False, True], ids=["plain", "indexed"])
def test_mail_is_found_as_written_and_in_lower_case_and_a_number_as_written_only(world: World, *, is_indexed: bool) -> None:
    world.execute(
        "CREATE TABLE m (id bigint PRIMARY KEY, a text, n text);"
        "INSERT INTO m VALUES (1, 'Ann@C.example', 'E1'), (2, 'ann@c.example', 'e1'), (3, 'ANN@C.EXAMPLE', 'e1 '), (4, NULL, NULL)"
    )
    if is_indexed:
        world.execute("CREATE INDEX m_a ON m (a); CREATE INDEX m_n ON m (n)")
    ann = identified(mail=("Ann@C.example",), employee_id=("E1",))
    assert values(connector(world, source=settings(world, "m", match={"a": "mail"})), [ann]) == [[1, 2]]
    assert values(connector(world, source=settings(world, "m", match={"n": "employee_id"})), [ann]) == [[1]]


def test_numbers_are_compared_as_they_are_written(world: World) -> None:
    world.execute(
        "CREATE TABLE m (id bigint PRIMARY KEY, n bigint, d numeric(10,2)); CREATE INDEX m_n ON m (n);"
        "INSERT INTO m VALUES (1, 7, 7), (2, -7, 7.25), (3, 0, 0), (4, 9223372036854775807, NULL), (5, NULL, NULL)"
    )
    by_number = connector(world, source=settings(world, "m", match={"n": "number"}))
    people = [
        identified(number=(value,))
        for value in ("7", "007", "-7", "0", "-0", "abc", "7.0", "9223372036854775807", "9223372036854775808", " 7 ")
    ]
    assert values(by_number, people) == [[1], [], [2], [3], [], [], [], [4], [], [1]]
    by_decimal = connector(world, source=settings(world, "m", match={"d": "number"}))
    assert values(by_decimal, [identified(number=(value,)) for value in ("7.25", "07.25", "abc", "7.251", "7", "0")]) == [
        [2],
        [],
        [],
        [],
        [1],
        [3],
    ]


@pytest.mark.parametrize("world", [each for each in ALL if each.id != "sqlite"], indirect=True)  # which keeps no digits that say nothing
def test_a_number_is_found_with_as_many_digits_as_its_column_has(world: World) -> None:
    world.execute(
        "CREATE TABLE p (id bigint PRIMARY KEY, n bigint, d numeric(10,2)); INSERT INTO p VALUES (1, 10, 7), (2, 20, 7.5), (3, 30, 100);"
        "CREATE TABLE m (id bigint PRIMARY KEY, p bigint); INSERT INTO m VALUES (5, 1), (6, 2), (7, 3)"
    )
    people = [identified(number=value) for value in (("7",), ("7.00",), ("7", "7.0", "7.00"), ("7.5",), ("7.504",), ("100",), ("1",))]
    by_decimal = connector(world, source=settings(world, "p", match={"d": "number"}))
    assert values(by_decimal, people) == [[1], [1], [1], [2], [], [3], []]
    hidden = connector(world, source=settings(world, "p", match={"d": "number"}, exclude=("d",)))
    assert values(hidden, people) == [[1], [1], [1], [2], [], [3], []]
    over = connector(world, m=settings(world, "m", via={"p": {"p": "id"}}), p=settings(world, "p", match={"d": "number"}))
    assert values(over, people) == [[5], [5], [5], [6], [], [7], []]
    for source in (by_decimal, over):
        for item in source.read(source.plan(people)[0], people):
            if isinstance(item, ReadHeader):
                match = item.match
            elif isinstance(item, Rows):
                assert not SetCheck(match, people, source_name="source").suspects(item.batch)
    assert [each.rows and each.rows.count for each in estimate(by_decimal, people, limit_s=30.0)] == [1, 1, 1, 1, 0, 1, 0]


def test_unusable_values_find_nothing_and_cost_no_query(world: World) -> None:
    world.execute("CREATE TABLE m (id bigint PRIMARY KEY, a text); INSERT INTO m VALUES (1, ''), (2, NULL), (3, 'a'), (4, ' ')")
    people = [
        identified(),
        identified(mail=("", " ", "a")),
        identified(mail=("nul\x00@c.example",)),
        identified(mail=("half\ud800@c.example",)),
    ]
    source = connector(world, source=settings(world, "m", match={"a": "mail"}))
    assert values(source, people) == [[], [], [], []]
    source.plan(people)
    world.execute("DROP TABLE m")
    read = source.read(source.plan(())[0], people) if world.is_postgres else iter(())
    assert len(list(read)) == (1 if world.is_postgres else 0), "the header alone: the missing table was not asked"


def test_values_with_quotes_and_braces_are_values(world: World) -> None:
    odd = [
        "a'b@c.example",
        'a"b@c.example',
        "a\\b@c.example",
        "{a,b}@c.example",
        "NULL",
        "a;DROP TABLE m@c",
        "日本@c.example",
        "a\nb@c.example",
        "%",
    ]
    quoted = ", ".join(f"({number}, '{value.replace(chr(39), chr(39) * 2)}')" for number, value in enumerate(odd))
    world.execute(f"CREATE TABLE m (id bigint PRIMARY KEY, a text); INSERT INTO m VALUES {quoted}, (99, NULL)")
    source = connector(world, source=settings(world, "m", match={"a": "name"}))
    assert values(source, [identified(name=(value,)) for value in odd]) == [[number] for number in range(len(odd))]


_NAMES = ["plain", "Upper", "a b", 'qu"ote', "quo'te", "semi;colon", "表", "select", "q", "t", "%s$1?1:v0", "{}", "dash-", "c0"]


@pytest.mark.parametrize("name", _NAMES)
def test_names_of_any_kind_are_names(world: World, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    unique = "NOT NULL UNIQUE" if world.is_coarse else ""  # else it cannot be joined
    world.execute(
        f"CREATE TABLE {quoted} (id bigint PRIMARY KEY, {quoted} text {unique}, other text); CREATE TABLE x{abs(hash(name))} (id bigint);"
        f"INSERT INTO {quoted} VALUES (1, 'ann', 'x'), (2, 'ann2', 'x')"
    )
    source = connector(
        world,
        child=settings(world, name, via={"parent": {name: name}}),
        parent=settings(world, name, match={name: "name"}, key="id"),
    )
    source.check()
    ann = identified(name=("ann",))
    assert values(source, [ann], name) == [["ann"]]
    assert rows(source, [ann])[0][0][f"{MATCH_PREFIX}parent.{name}"] == "ann"


@pytest.mark.parametrize("world", [each for each in ALL if each.id != "alchemy-firebird"], indirect=True)  # which has no schemas
def test_name_with_a_dot_is_quoted_and_a_schema_is_named(world: World) -> None:
    schema = {"sqlite": "main", "mariadb": world.url.rpartition("/")[2]}.get(world.engine, "sales")
    create = "CREATE SCHEMA sales;" if schema == "sales" else ""
    world.execute(
        f'{create} CREATE TABLE {schema}."a.b" (id bigint PRIMARY KEY, n text); INSERT INTO {schema}."a.b" VALUES (1, \'ann\');'
        f"CREATE TABLE {schema}.orders (id bigint PRIMARY KEY, n text); INSERT INTO {schema}.orders VALUES (2, 'ann')"
    )
    ann = identified(name=("ann",))
    assert values(connector(world, source=settings(world, f'{schema}."a.b"', match={"n": "name"})), [ann]) == [[1]]
    assert values(connector(world, source=settings(world, f"{schema}.orders", match={"n": "name"})), [ann]) == [[2]]


_CHAIN = """
CREATE TABLE customers (id bigint PRIMARY KEY, mail text, other text);
INSERT INTO customers VALUES (1, 'ann@c.example', 'second@c.example'), (2, 'ann@c.example', NULL), (3, 'bob@c.example', 'ann@c.example'), (4, NULL, '');
CREATE TABLE orders (id bigint, part int, customer bigint, payer bigint, PRIMARY KEY (id, part));
INSERT INTO orders VALUES (10, 1, 1, 2), (10, 2, 1, 1), (11, 1, 3, NULL), (12, 1, 4, 2), (13, 1, NULL, NULL), (14, 1, 3, 1);
CREATE TABLE lines (id bigint PRIMARY KEY, order_id bigint, part int);
INSERT INTO lines VALUES (100, 10, 1), (101, 10, 2), (102, 11, 1), (103, 12, 1), (104, 13, 1), (105, NULL, NULL), (106, 14, 1), (107, 10, NULL);
"""


def test_child_reached_over_several_parents_comes_once_for_each_subject(world: World) -> None:
    world.execute(_CHAIN)
    sources = {
        "by_order": settings(world, "lines", via={"orders": {"order_id": "id"}}),
        "by_part": settings(world, "lines", via={"orders": {"order_id": "id", "part": "part"}}),
        "by_payer": settings(world, "lines", via={"orders": {"order_id": "id"}, "paid": {"order_id": "id", "part": "part"}}),
        "orders": settings(world, "orders", via={"customers": {"customer": "id"}}),
        "paid": settings(world, "orders", via={"customers": {"payer": "id"}}),
        "customers": settings(world, "customers", match={"mail": "mail", "other": "mail"}),
    }
    ann = identified(mail=("ann@c.example", "second@c.example"))
    bob = identified(mail=("bob@c.example",))
    assert values(connector(world, "by_order", **sources), [ann, bob]) == [[100, 101, 102, 106, 107], [102, 106]]
    assert values(connector(world, "by_part", **sources), [ann, bob]) == [[100, 101, 102, 106], [102, 106]]
    assert values(connector(world, "by_payer", **sources), [ann, bob]) == [[100, 101, 102, 103, 106, 107], [102, 106]]


def test_rows_over_a_chain_carry_what_their_root_was_matched_by(world: World) -> None:
    world.execute(_CHAIN)
    source = connector(
        world,
        "lines",
        lines=settings(world, "lines", via={"orders": {"order_id": "id"}}),
        orders=settings(world, "orders", via={"customers": {"customer": "id"}}),
        customers=settings(world, "customers", match={"mail": "mail", "other": "mail"}),
    )
    labels = [f"{MATCH_PREFIX}orders/customers.mail", f"{MATCH_PREFIX}orders/customers.other"]
    assert [(column.batch_column, column.identifier_kind) for column in header(source).match] == [(label, "mail") for label in labels]
    for row in rows(source, [identified(mail=("ann@c.example",))])[0]:
        assert "ann@c.example" in [row[label] for label in labels]


def test_source_with_match_and_via_yields_what_either_finds(world: World) -> None:
    world.execute(_CHAIN + "ALTER TABLE lines ADD entered_by text; UPDATE lines SET entered_by = 'ann@c.example' WHERE id IN (100, 104)")
    source = connector(
        world,
        "lines",
        lines=settings(world, "lines", match={"entered_by": "mail"}, via={"orders": {"order_id": "id"}}),
        orders=settings(world, "orders", via={"customers": {"customer": "id"}}),
        customers=settings(world, "customers", match={"mail": "mail"}),
    )
    assert values(source, [identified(mail=("ann@c.example",)), identified(mail=("bob@c.example",))]) == [[100, 101, 104, 107], [102, 106]]


def test_five_hundred_subjects_at_once_get_what_each_gets_alone(world: World) -> None:
    mails = [f"p{number}@c.example" for number in range(500)]
    content = ", ".join(f"({n}, '{mails[n * 7 % 500]}', '{mails[n * 11 % 311]}')" for n in range(3000))
    world.execute(f"CREATE TABLE m (id bigint PRIMARY KEY, a text, b text); INSERT INTO m VALUES {content}; CREATE INDEX m_a ON m (a)")
    people = [identified(mail=(mail, mail.upper())) for mail in mails]
    source = connector(world, source=settings(world, "m", match={"a": "mail", "b": "mail"}))
    together = values(source, people)
    assert together == [values(source, [person])[0] for person in people]
    expected = [[n for n in range(3000) if mail in {mails[n * 7 % 500], mails[n * 11 % 311]}] for mail in mails]
    assert together == expected


def test_views_are_read_like_tables(world: World) -> None:
    world.execute(
        "CREATE TABLE m (id bigint PRIMARY KEY, a text); CREATE INDEX m_a ON m (a); INSERT INTO m VALUES (2, 'ann'), (1, 'ann'), (3, 'bob');"
        "CREATE VIEW v AS SELECT id, a, id * 2 AS twice FROM m"
    )
    plain = connector(world, source=settings(world, "v", match={"a": "name"}))
    keyed = connector(world, source=settings(world, "v", match={"a": "name"}, key="twice"))
    plain.check()
    keyed.check()
    assert values(plain, [identified(name=("ann",))]) == [[1, 2]]
    assert values(keyed, [identified(name=("ann",))]) == [[1, 2]]
    assert not header(plain).has_key
    assert header(keyed).has_key


def test_column_added_later_is_read(world: World) -> None:
    world.execute("CREATE TABLE m (id bigint PRIMARY KEY, a text); INSERT INTO m VALUES (1, 'ann')")
    source = connector(world, source=settings(world, "m", match={"a": "name"}))
    assert values(source, [identified(name=("ann",))]) == [[1]]
    world.execute("ALTER TABLE m ADD late text; UPDATE m SET late = 'here'")
    source.check()
    assert values(source, [identified(name=("ann",))], "late") == [["here"]]


@pytest.mark.parametrize("world", ENGINES[:2], indirect=True)
def test_no_read_that_begins_after_a_column_was_added_lacks_it(world: World) -> None:
    world.execute("CREATE TABLE m (id bigint PRIMARY KEY, a text); INSERT INTO m VALUES (1, 'ann'), (2, 'bob')")
    world.execute("CREATE VIEW v AS SELECT id, a FROM m")
    table, view = (connector(world, source=settings(world, name, match={"a": "name"})) for name in ("m", "v"))
    ann, nobody = [identified(name=("ann",))], [identified(name=("nobody",))]
    assert (values(table, ann), values(view, ann)) == ([[1]], [[1]])
    world.execute("ALTER TABLE m ADD late text; UPDATE m SET late = 'here'")
    world.execute("DROP VIEW v; CREATE VIEW v AS SELECT id, a, late FROM m")
    for source in (table, view):
        for subjects, expected in ((nobody, [[]]), (ann, [["here"]])):
            try:
                found = values(source, subjects, "late")
            except SourceUnavailable:  # it says so, and knows the column from then on
                found = values(source, subjects, "late")
            assert found == expected
