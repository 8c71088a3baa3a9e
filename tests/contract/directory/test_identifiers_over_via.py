"""Identifiers in tables whose rows do not name the person: they are reached over others, and so are those who share a value."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.contract.database.world import ENGINES, World, make
from tests.contract.directory.three_people import ANN, BOB, DIRECTORY, identify, put_people

from rightful.config.load import load
from rightful.config.problem import ConfigurationProblems
from rightful.connectors.interface import Rows
from rightful.errors import SourceRefused
from rightful.export.runtime import TenantRuntime, build_tenant
from rightful.subject.model import Reached, Weakness

CONFIG = (
    DIRECTORY
    + """\
      more: [{{table: readers, from: {{device_id: device}}, identifiers: {{card: card}}}}]
    sources:
      customers:
        connector: sql
        url: {url}
        table: customers
        match: {{mail: mail}}
      orders:
        connector: sql
        url: {url}
        table: orders
        via: {{customers: {{customer: no}}}}
      devices:
        connector: sql
        url: {url}
        table: devices
        via: {{orders: {{order_id: id}}}}
        identifiers: {{device_id: [id, spare]}}
      events:
        connector: sql
        url: {url}
        table: events
        match: {{device: device_id}}
        key: n
"""
)
SHOP = """
CREATE TABLE customers (no bigint NOT NULL PRIMARY KEY, mail text);
INSERT INTO customers VALUES (71, 'ann@mail.example'), (72, 'bob@mail.example'), (73, 'cat@mail.example'), (74, NULL);
CREATE TABLE orders (id bigint NOT NULL PRIMARY KEY, customer bigint);
INSERT INTO orders VALUES (1, 71), (2, 71), (3, 72), (4, 73), (5, 74);
CREATE TABLE devices (n bigint NOT NULL PRIMARY KEY, order_id bigint, id text, spare text, made text);
INSERT INTO devices VALUES (1, 1, 'phone', 'old', '2026-01-01'), (2, 2, 'phone', NULL, '2026-01-01'), (3, 2, 'tablet', ' ', '2020-01-01'),
  (4, 1, 'kiosk', NULL, '2026-01-01'), (5, 3, 'kiosk', NULL, '2026-01-01'), (6, 4, 'kiosk', NULL, '2026-01-01'),
  (7, 1, 'box', NULL, '2026-01-01'), (8, NULL, 'box', NULL, '2026-01-01'), (9, 5, 'box', NULL, '2026-01-01'), (10, 3, 'tablet', NULL, '2026-01-01');
CREATE TABLE events (n bigint NOT NULL PRIMARY KEY, device text);
INSERT INTO events VALUES (1, 'phone'), (2, 'tablet'), (3, 'kiosk'), (4, 'box'), (5, 'old')
"""


@pytest.fixture(params=ENGINES)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    world = make(request.param, request, tmp_path)
    world.execute(SHOP)
    put_people(tmp_path, "CREATE TABLE readers (device text, card text); INSERT INTO readers VALUES ('phone', 'c-1'), ('kiosk', 'c-9');")
    return world


def _tenant(world: World, *changes: tuple[str, str]) -> TenantRuntime:
    text = CONFIG
    for was, now in changes:
        assert was in text
        text = text.replace(was, now, 1)
    path = world.folder / "rightful.yaml"
    path.write_text(text.format(key="0" * 64, url=world.url))
    config = load(path, {})
    return build_tenant(config.tenants[0], config.folder)


@pytest.fixture
def tenant(world: World) -> Iterator[TenantRuntime]:
    with closing(_tenant(world)) as runtime:
        yield runtime


def test_what_is_found_two_hops_away_leads_on(tenant: TenantRuntime) -> None:
    ann, bob = identify(tenant, ANN, BOB)

    assert ann.values("device_id") == ("old", "phone", "tablet")
    assert ann.values("card") == ("c-1",), "the directory leads further from there"
    assert bob.values("device_id") == ("tablet",), "two may share one, as the limit says"
    events = tenant.connectors["events"]
    read = [item for item in events.read(events.plan([ann])[0], [ann]) if isinstance(item, Rows)]
    assert [number for item in read for number in item.batch["n"].to_pylist()] == [1, 2, 5]


def test_it_is_told_over_which_tables_it_was_reached(tenant: TenantRuntime) -> None:
    [ann] = identify(tenant, ANN)

    reached = {(each.kind, each.value): each for each in ann.reached}
    assert reached["device_id", "old"] == Reached(
        kind="device_id",
        value="old",
        place="devices.spare",
        round=1,
        from_kind="mail",
        from_value="ann@mail.example",
        over=("orders", "customers"),
    )
    assert reached["card", "c-1"].over == ()
    assert reached["mail", "ann@mail.example"].over == ()


def test_what_too_many_share_or_nobody_may_have_is_refused(tenant: TenantRuntime) -> None:
    [ann] = identify(tenant, ANN)

    refused = {each.value: (each.weakness, each.people) for each in ann.refused if each.kind == "device_id"}
    assert refused == {"kiosk": (Weakness.SHARED, 3), "box": (Weakness.SHARED, 3), "": (Weakness.EMPTY, 0)}
    assert "c-9" not in ann.values("card"), "nothing is looked up by it either"


def test_a_row_that_is_matched_and_reached_is_told_by_its_own_identifier(world: World) -> None:
    world.execute("ALTER TABLE devices ADD COLUMN holder text")
    world.execute("UPDATE devices SET holder = 'ann@contoso.example' WHERE n IN (1, 10)")
    with closing(_tenant(world, ("        via: {{orders:", "        match: {{holder: upn}}\n        via: {{orders:"))) as tenant:
        [ann] = identify(tenant, ANN)

    reached = {each.value: (each.from_kind, each.over) for each in ann.reached if each.kind == "device_id"}
    assert reached == {"old": ("upn", ()), "phone": ("mail", ("orders", "customers"))}
    shared = {each.value: each.people for each in ann.refused if each.weakness is Weakness.SHARED}
    assert shared == {"kiosk": 3, "box": 3, "tablet": 3}, "of one row a mail and a name are two"


def test_identifiers_are_found_in_rows_of_all_times(world: World) -> None:
    given = "identifiers: {{device_id: [id, spare]}}"
    with closing(_tenant(world, (given, f"{given}\n        time: made\n        window: {{{{since: 2025-01-01}}}}"))) as tenant:
        if world.engine != "sqlite":  # a text is a time there alone
            return
        [ann] = identify(tenant, ANN)
        devices = tenant.connectors["devices"]
        read = [item for item in devices.read(devices.plan([ann])[0], [ann]) if isinstance(item, Rows)]

    assert "tablet" in ann.values("device_id")
    assert sorted(number for item in read for number in item.batch["n"].to_pylist()) == [1, 2, 4, 7]


def test_somebody_with_too_many_is_refused_not_cut(world: World) -> None:
    limited = ("      more:", "      limits: {{identifiers: 4}}\n      more:")
    with closing(_tenant(world, limited)) as tenant, pytest.raises(SourceRefused, match="more than 4 identifiers"):
        identify(tenant, ANN)


@pytest.mark.parametrize("world", ENGINES[:1], indirect=True)
def test_a_column_that_is_left_out_gives_nothing(world: World) -> None:
    with pytest.raises(ConfigurationProblems, match="'spare', which `exclude` leaves out"):
        _tenant(world, ("        via: {{orders:", "        exclude: [spare]\n        via: {{orders:"))
