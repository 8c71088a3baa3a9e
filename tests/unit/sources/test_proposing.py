"""What is proposed for tables, from their columns, a few values and what the directory knows."""

import pytest

from rightful.sources.labels import category_of, category_of_all, words_of
from rightful.sources.proposing import Found, Known, Proposal, propose

KNOWN = Known.of(
    {
        "mail": ["Ann@contoso.example", "ben@contoso.example", "eve@contoso.example"],
        "upn": ["ann@contoso.example"],
        "employee_id": ["E1", "E2", "E3"],
        "id": ["aaaaaaaa-0000-4000-8000-000000000001"],
        "card": [],
        "badge": ["1", "2", "3"],
    },
    {"mail": ("mail",), "employee_id": ("employee_no",), "id": ("object_id",), "upn": ("upn",), "card": ("card",), "badge": ("badge_no",)},
)
SQL = {"connector": "sql", "url": "sqlite:///x.db"}


def proposed(*tables: Found, parents: dict[str, str] | None = None) -> tuple[dict[str, Proposal], list[str]]:
    found, left = propose("shop", tables, SQL, KNOWN, parents=parents or {}, product="Shop")
    return {each.name: each for each in found}, left


def matched(column: str, *values: str) -> dict[str, object]:
    found, _ = proposed(Found(name="t", columns=("x", column), samples={column: values, "x": ("1", "2")}))
    match = found["shop"].settings["match"] if found else {}
    assert isinstance(match, dict)
    return match


@pytest.mark.parametrize(
    ("column", "values", "kind"),
    [
        ("placed_by", ("ANN@contoso.example", "ben@contoso.example"), "mail"),
        ("placed_by", ("ANN@contoso.example", "x@y.example", "z@y.example", "ben@contoso.example"), "mail"),
        ("who", ("E1", "E3", "E9"), "employee_id"),
        ("who", ("e1", "e3"), None),
        ("who", ("E1", *(f"X{n}" for n in range(20))), None),
        ("who", ("E1", "E2", *(f"X{n}" for n in range(20))), None),
        ("contactEmail", (), "mail"),
        ("contactEmail", ("somebody@elsewhere.example", "other@elsewhere.example"), "mail"),
        ("email_sent", ("yes", "no"), None),
        ("employee_no", (), "employee_id"),
        ("employee_no", ("17", "18"), None),
        ("owner_oid", ("aaaaaaaa-0000-4000-8000-000000000001",), "id"),
        ("owner_oid", ("AAAAAAAA-0000-4000-8000-000000000002",), "id"),
        ("owner_oid", ("17",), None),
        ("card", ("17", "18"), "card"),
        ("room", ("1", "2", "3"), None),
        ("badge_no", ("1", "2", "3"), "badge"),
        ("badge", ("1", "2", "3"), "badge"),
        ("badgeNr", ("1", "2", "3"), "badge"),
        ("badge_number", ("1", "2", "3"), "badge"),
        ("badge_id", ("17", "18"), None),
        ("card_num", ("17", "18"), "card"),
        ("card_colour", ("17", "18"), None),
        ("room_no", ("1", "2", "3"), None),
        ("who", ("", " "), None),
    ],
)
def test_a_column_is_matched_by_what_its_values_are_or_else_by_its_name(column: str, values: tuple[str, ...], kind: str | None) -> None:
    assert matched(column, *values) == ({column: kind} if kind else {})


def test_mail_and_upn_that_are_the_same_are_told_apart_by_the_columns_name() -> None:
    assert matched("user", "ann@contoso.example") == {"user": "upn"}
    assert matched("sender", "ann@contoso.example") == {"sender": "mail"}


def test_mails_in_letters_of_both_cases_are_compared_without_case() -> None:
    mixed = Found(name="t", columns=("by",), samples={"by": ("ANN@contoso.example", "ben@contoso.example")})
    plain = Found(name="u", columns=("by",), samples={"by": ("ann@contoso.example", "ben@contoso.example")})
    found, _ = proposed(mixed, plain)
    assert found["shop_t"].settings["caseless"] == ["by"]
    assert "caseless" not in found["shop_u"].settings


def test_a_table_of_people_is_matched_by_its_key_alone() -> None:
    guid = "aaaaaaaa-0000-4000-8000-000000000001"
    found, _ = proposed(
        Found(name="p", columns=("mail", "object_id"), samples={"object_id": (guid,), "mail": ("ann@contoso.example",)}, key=("object_id",))
    )
    assert found["shop"].settings["match"] == {"object_id": "id"}


PEOPLE = Found(name="customers", columns=("id", "email"), samples={"email": ("ann@contoso.example",)}, key=("id",))
ORDERS = Found(name="orders", columns=("id", "buyer"), key=("id",), links=(("customers", {"buyer": "id"}),))
LINES = Found(name="order_lines", columns=("no", "order_id"), key=("no", "order_id"))


def test_other_tables_are_reached_by_foreign_keys_or_by_names_in_whatever_order() -> None:
    for tables in ((PEOPLE, ORDERS, LINES), (LINES, ORDERS, PEOPLE)):
        found, left = proposed(*tables, Found(name="colours", columns=("id", "rgb"), key=("id",)))
        assert left == ["colours"]
        assert found["shop_orders"].settings == SQL | {
            "table": "orders", "via": {"shop_customers": {"buyer": "id"}}, "key": "id", "product": "Shop", "label": {"category": "user"},
        }  # fmt: skip
        assert found["shop_order_lines"].settings["via"] == {"shop_orders": {"order_id": "id"}}
        assert "key" not in found["shop_order_lines"].settings, "a key is one column"


def test_another_tables_key_is_no_kind_that_is_named_alike() -> None:
    cards = Found(name="cards", columns=("id", "email"), samples={"email": ("ann@contoso.example",)}, key=("id",))
    declared = Found(name="doors", columns=("id", "card_no"), key=("id",), links=(("cards", {"card_no": "id"}),))
    for uses, column in ((Found(name="doors", columns=("id", "card_id"), key=("id",)), "card_id"), (declared, "card_no")):
        found, _ = proposed(cards, uses)
        assert found["shop_doors"].settings["via"] == {"shop_cards": {column: "id"}}
        assert "match" not in found["shop_doors"].settings


def test_a_table_may_be_matched_and_reached_too_but_never_in_a_circle() -> None:
    both = Found(name="orders", columns=("id", "by", "customer_id"), samples={"by": ("ann@contoso.example",)}, key=("id",))
    looped = Found(
        name="customers", columns=("id", "email", "last"), samples=PEOPLE.samples, key=("id",), links=(("orders", {"last": "id"}),)
    )
    found, _ = proposed(PEOPLE, both)
    assert found["shop_orders"].settings["match"] == {"by": "upn"}
    assert found["shop_orders"].settings["via"] == {"shop_customers": {"customer_id": "id"}}
    for tables in ((looped, both), (both, looped)):
        found, _ = proposed(*tables)
        assert sum("via" in each.settings for each in found.values()) == 1


def test_sources_that_are_there_already_are_parents_too() -> None:
    found, _ = proposed(ORDERS, parents={"customers": "buyers"})
    assert found["shop"].settings["via"] == {"buyers": {"buyer": "id"}}


@pytest.mark.parametrize(
    ("column", "category"),
    [
        ("contactEmail", "user.contact.email"),
        ("ship_to", "user.contact.address"),
        ("DATE_OF_BIRTH", "user.demographic.date_of_birth"),
        ("dob", "user.demographic.date_of_birth"),
        ("Full Name", "user.name"),
        ("ip", "user.device"),
        ("description", ""),
        ("recipient_id", "user.contact.email"),
        ("rgb", ""),
    ],
)
def test_categories_by_name(column: str, category: str) -> None:
    assert category_of(column) == category


def test_a_source_has_the_category_of_most_of_its_columns() -> None:
    assert category_of_all(["id", "name", "street", "city", "amount"]) == "user.contact.address"
    assert category_of_all(["name"]) == "user.name"
    assert category_of_all(["rgb"]) == "user"
    assert words_of("shipTo-Address 2") == "ship_to_address_2"
