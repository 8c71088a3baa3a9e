"""Identifiers that a source has and the directory has not: found in lakes and tables, and leading further in both."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
from tests.contract.directory.three_people import ANN, BOB, CAT, DIRECTORY, identify, put_people

from rightful.config.load import load
from rightful.config.problem import ConfigurationProblems
from rightful.connectors.interface import Rows
from rightful.errors import SourceRefused
from rightful.export.runtime import TenantRuntime, build_tenant
from rightful.subject.model import Reached, Weakness

CONFIG = (
    DIRECTORY
    + """\
      more: [{{table: readers, from: {{card: card}}, identifiers: {{device_id: device}}}}]
    sources:
      loyalty:
        connector: lake
        url: loyalty/*.parquet
        match: {{mail: mail}}
        identifiers: {{card: [card, old_card]}}
      customers:
        connector: sql
        url: sqlite:///shop.db
        table: customers
        match: {{device: device_id}}
        key: no
        identifiers: {{customer_id: no}}
      orders:
        connector: sql
        url: sqlite:///shop.db
        table: orders
        match: {{customer: customer_id}}
        key: id
"""
)


def _tables(folder: Path) -> None:
    put_people(folder, "CREATE TABLE readers (card text, device text); INSERT INTO readers VALUES ('c-1', 'd-1'), ('c-9', 'd-9');")
    with closing(sqlite3.connect(folder / "shop.db")) as shop:
        shop.executescript("""
            CREATE TABLE customers (no integer PRIMARY KEY, device text);
            INSERT INTO customers VALUES (71, 'd-1'), (72, 'd-2'), (79, 'd-9');
            CREATE TABLE orders (id integer PRIMARY KEY, customer integer);
            INSERT INTO orders VALUES (1, 71), (2, 72), (3, 71), (4, 79);
        """)


def _lake(folder: Path, rows: list[tuple[str | None, str | None, str | None]]) -> None:
    (folder / "loyalty").mkdir(exist_ok=True)
    frame = pl.DataFrame(rows, schema={"mail": pl.String, "card": pl.String, "old_card": pl.String}, orient="row")
    frame.write_parquet(folder / "loyalty" / "all.parquet")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    _tables(tmp_path)
    (tmp_path / "rightful.yaml").write_text(CONFIG.format(key="0" * 64))
    return tmp_path


@pytest.fixture
def tenant(folder: Path) -> Iterator[TenantRuntime]:
    config = load(folder / "rightful.yaml", {})
    runtime = build_tenant(config.tenants[0], config.folder)
    yield runtime
    runtime.close()


def test_what_a_lake_gives_leads_on_through_the_directory_to_another_source(folder: Path, tenant: TenantRuntime) -> None:
    _lake(
        folder,
        [("ann@mail.example", "c-1", None), ("ann@mail.example", "c-1", "c-0"), ("bob@mail.example", None, " "), (None, "c-7", None)],
    )

    ann, bob = identify(tenant, ANN, BOB)

    assert ann.identifiers == {
        "id": (ANN,),
        "upn": ("ann@contoso.example",),
        "mail": ("ann@mail.example",),
        "card": ("c-0", "c-1"),
        "device_id": ("d-1",),
        "customer_id": ("71",),
    }
    reached = {(each.kind, each.value): each for each in ann.reached}
    assert reached["card", "c-0"] == Reached(
        kind="card", value="c-0", place="loyalty.old_card", round=1, from_kind="mail", from_value="ann@mail.example"
    )
    assert reached["device_id", "d-1"].place == "readers.device"
    assert reached["customer_id", "71"].place == "customers.no"
    assert reached["customer_id", "71"].from_value == "d-1"
    assert set(bob.identifiers) == {"id", "upn", "mail"}
    assert [(each.kind, each.weakness) for each in bob.refused] == [("card", Weakness.EMPTY)]
    orders = tenant.connectors["orders"]
    assert [
        row for item in orders.read(orders.plan([ann])[0], [ann]) if hasattr(item, "batch") for row in item.batch["id"].to_pylist()
    ] == [1, 3]


def test_a_card_that_many_share_is_nobodys(folder: Path, tenant: TenantRuntime) -> None:
    people = [("ann@mail.example", "c-9", None), ("ANN@mail.example", "c-9", None), ("bob@mail.example", None, "c-9")]
    _lake(folder, [*people, ("cat@mail.example", "c-9", None), ("ann@mail.example", "c-1", None), ("cat@mail.example", "c-1", None)])

    ann, cat = identify(tenant, ANN, CAT)

    assert ann.values("card") == cat.values("card") == ("c-1",), "two may share one, as the limit says"
    [refused] = [each for each in ann.refused if each.kind == "card"]
    assert (refused.value, refused.weakness, refused.people) == ("c-9", Weakness.SHARED, 3)
    assert "79" not in ann.values("customer_id")


def test_each_that_a_row_names_counts(folder: Path) -> None:
    text = CONFIG.replace(
        "match: {{mail: mail}}\n        identifiers: {{card: [card, old_card]}}",
        "match: {{mail: mail, old_card: mail}}\n        identifiers: {{card: card}}",
    )
    assert text != CONFIG
    (folder / "rightful.yaml").write_text(text.format(key="0" * 64))
    _lake(folder, [("ann@mail.example", "thread", "bob@mail.example"), ("cat@mail.example", "thread", "ann@mail.example")])
    config = load(folder / "rightful.yaml", {})
    with closing(build_tenant(config.tenants[0], config.folder)) as tenant:
        [ann] = identify(tenant, ANN)
    assert ann.values("card") == ()
    assert [(each.value, each.people) for each in ann.refused if each.kind == "card"] == [("thread", 3)]


def test_rows_that_are_nobodys_may_be_anybodys(folder: Path, tenant: TenantRuntime) -> None:
    _lake(folder, [("ann@mail.example", "c-1", None), (None, "c-1", None), (None, "c-1", None)])

    [ann] = identify(tenant, ANN)

    assert ann.values("card") == ()
    assert [(each.value, each.people) for each in ann.refused if each.kind == "card"] == [("c-1", 3)]


def test_identifiers_are_found_in_rows_of_all_times(folder: Path) -> None:
    text = CONFIG
    for found_by in ("identifiers: {{card: [card, old_card]}}", "identifiers: {{customer_id: no}}"):
        text = text.replace(found_by, f"{found_by}\n        time: made\n        window: {{{{since: 2025-01-01}}}}")
    (folder / "rightful.yaml").write_text(text.format(key="0" * 64))
    (folder / "loyalty").mkdir()
    cards = [("ann@mail.example", "c-0", None, datetime(2020, 1, 1)), ("ann@mail.example", "c-1", None, datetime(2026, 1, 1))]  # noqa: DTZ001 - as lakes hold them
    frame = pl.DataFrame(cards, schema={"mail": pl.String, "card": pl.String, "old_card": pl.String, "made": pl.Datetime}, orient="row")
    frame.write_parquet(folder / "loyalty" / "all.parquet")
    with closing(sqlite3.connect(folder / "shop.db")) as shop:
        shop.executescript("""
            ALTER TABLE customers ADD COLUMN made text;
            UPDATE customers SET made = '2026-01-01';
            INSERT INTO customers VALUES (70, 'd-1', '2020-01-01');
        """)
    config = load(folder / "rightful.yaml", {})
    with closing(build_tenant(config.tenants[0], config.folder)) as tenant:
        [ann] = identify(tenant, ANN)
        customers = tenant.connectors["customers"]
        delivered = [item for item in customers.read(customers.plan([ann])[0], [ann]) if isinstance(item, Rows)]

    assert ann.values("card") == ("c-0", "c-1")
    assert ann.values("customer_id") == ("70", "71")
    assert [number for item in delivered for number in item.batch["no"].to_pylist()] == [71], "the window is of what is delivered"


def test_a_column_that_tells_rows_apart_is_refused_before_it_fills_the_memory(folder: Path, tenant: TenantRuntime) -> None:
    (folder / "loyalty").mkdir()
    cards = pl.DataFrame({"card": pl.Series(range(100_001)).cast(pl.String)})
    frame = cards.with_columns(mail=pl.lit("ann@mail.example"), old_card=pl.lit(None, dtype=pl.String))
    frame.write_parquet(folder / "loyalty" / "all.parquet")

    with pytest.raises(SourceRefused, match="'loyalty' has more than 100,000 identifiers"):
        identify(tenant, ANN)


def test_a_column_that_holds_no_identifiers_is_refused(folder: Path, tenant: TenantRuntime) -> None:
    _lake(folder, [])
    pl.DataFrame({"mail": ["ann@mail.example"], "card": [["c-1"]], "old_card": [None]}).write_parquet(folder / "loyalty" / "all.parquet")

    with pytest.raises(SourceRefused, match=r"no text, number or UUID in column 'card'"):
        identify(tenant, ANN)


@pytest.mark.parametrize(
    ("was", "now", "says"),
    [
        ("{{card: [card, old_card]}}", "{{upn: card}}", "the directory alone gives"),
        ("{{card: [card, old_card]}}", "{{card: []}}", "names no column"),
        ("match: {{mail: mail}}\n", "match: {{mail: mail}}\n        exclude: [old_card]\n", "'old_card', which `exclude` leaves out"),
        ("{{customer_id: no}}", "{{shopper_id: no}}", "gives no identifier 'customer_id'"),
        (
            "      orders:\n",
            "      mails:\n        connector: mailbox\n        url: mails/{{mail}}.mbox\n        identifiers: {{x: y}}\n      orders:\n",
            "not for the connector mailbox",
        ),
    ],
)
def test_what_cannot_be_is_said_with_the_configuration(folder: Path, was: str, now: str, says: str) -> None:
    assert was in CONFIG
    (folder / "rightful.yaml").write_text(CONFIG.replace(was, now).format(key="0" * 64))

    with pytest.raises(ConfigurationProblems) as caught:
        load(folder / "rightful.yaml", {})

    assert says in str(caught.value)
