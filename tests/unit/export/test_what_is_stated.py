"""Kinds of data are stated where a column holds anything of the person: in every way in which records come, and after interruptions."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.unit.export.interrupted import KilledStore, run_killed
from tests.unit.export.world import World

from rightful.config.model import ExportSettings
from rightful.operation.model import DataPolicyOperation, OperationStatus
from rightful.package.forms import Form
from rightful.package.label import Label
from rightful.package.schema import Column, ColumnKind
from rightful.testing.memory_connector import Faults, MemoryConnector

PEOPLE: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    str(number): {"upn": (f"{name}@contoso.example",), "mail": (f"{name}@contoso.example",)}
    for number, name in enumerate(("ann", "bob", "carla"), start=1)
}
COLUMNS = tuple(
    Column(name=name, kind=kind)
    for name, kind in (
        ("id", ColumnKind.INT),
        ("mail", ColumnKind.TEXT),
        ("phone", ColumnKind.TEXT),
        ("born", ColumnKind.DATE),
        ("health", ColumnKind.TEXT),
        ("settings", ColumnKind.JSON),
    )
)
LABEL = Label(
    category="user.account",
    columns={
        "mail": "user.contact.email",
        "phone": "user.contact.phone_number",
        "born": "user.demographic.date_of_birth",
        "health": "user.health",
        "settings": "user.settings",
    },
)
ANNS = ["user.account", "user.contact.email", "user.health"]
"""Of ann: no number, no birthday, and nothing in her settings."""


def customers(count: int = 12, *, text: str = "", **more: Any) -> MemoryConnector:
    """Everybody has a number but ann; her last record alone says something of her health."""
    rows = [
        {
            "id": number,
            "mail": f"{name}@contoso.example",
            "phone": ("", None)[number % 2] if name == "ann" else "+990001",
            "born": None,
            "health": text or "well" if number == count * 3 - 3 else "",
            "settings": ("{}", "[ ]", None)[number % 3] if name == "ann" else '{"phone": ""}',
        }
        for number, name in enumerate(("ann", "bob", "carla") * count)
    ]
    return MemoryConnector("customers", columns=COLUMNS, match={"mail": "mail"}, rows=rows, **{"key": "id", "batch_rows": 5, **more})


def world(folder: Path, connector: MemoryConnector, **export: Any) -> World:
    settings = ExportSettings(**{"retry_s": 1.0, "attempts": 9, "part_mib": 1, **export})
    labels = {"customers": LABEL}
    return World(folder, PEOPLE, {"customers": connector}, export=settings, labels=labels, store_type=KilledStore)


def stated(world: World, operation: DataPolicyOperation) -> list[str]:
    found = world.get(operation)
    assert (found.status, found.failure) == (OperationStatus.COMPLETE, None)
    sources = json.loads((world.package(operation) / "statement.json").read_text())["sources"]
    categories: list[str] = next(source["categories"] for source in sources if source["name"] == "customers")
    return categories


@pytest.mark.parametrize(
    ("source", "export"),
    [
        ({}, {}),
        ({"key": None}, {}),
        ({"batch_rows": 1}, {"viewer": "off"}),
        ({}, {"formats": (Form.PARQUET, Form.CSV)}),
        ({}, {"layout": "zip"}),
    ],
    ids=["table", "without a key", "without pages", "other forms", "zip"],
)
@pytest.mark.parametrize("together", [1, 3])
def test_columns_that_hold_nothing_are_not_stated(tmp_path: Path, source: Any, export: Any, together: int) -> None:
    running = world(tmp_path, customers(**source), **export)
    ann, *_ = [running.submit(subject) for subject in ("1", "2", "3")[:together]]
    running.run()
    assert stated(running, ann) == ANNS


def test_those_of_others_in_the_same_pass_are_their_own(tmp_path: Path) -> None:
    running = world(tmp_path, customers())
    _, bob = running.submit("1"), running.submit("2")
    running.run()
    assert stated(running, bob) == ["user.account", "user.contact.email", "user.contact.phone_number", "user.settings"]


@pytest.mark.parametrize("key", ["id", None])
def test_what_earlier_attempts_found_counts_after_a_kill(tmp_path: Path, key: str | None) -> None:
    """The column is filled in the first record alone, which lies before the cursor."""
    rows = [
        {"id": number, "mail": "ann@contoso.example", "phone": "" if number else "+990001", "health": "x" * 5_000_000, "settings": None}
        for number in range(8)
    ]
    source = MemoryConnector("customers", columns=COLUMNS, match={"mail": "mail"}, rows=[{**row, "born": None} for row in rows], key=key)
    running = world(tmp_path, source)
    operation = running.submit("1")
    run_killed(running, (2, 2))
    running.run()
    assert stated(running, operation) == ["user.account", "user.contact.email", "user.contact.phone_number", "user.health"]


def test_broken_connections_change_nothing(tmp_path: Path) -> None:
    running = world(tmp_path, customers(text="x" * 2_000_000, faults=Faults(dies_after=3, deaths=3)))
    operation = running.submit("1")
    running.run()
    assert stated(running, operation) == ANNS


def test_difference_without_news_states_what_is_held(tmp_path: Path) -> None:
    running = world(tmp_path, customers(), compare_days=30)
    first = running.submit("1")
    running.run()
    later = running.submit("1", since=first.operation_id)
    running.run()
    assert running.rows(later, "customers") == []
    assert stated(running, later) == ANNS


@pytest.mark.parametrize("rule", ["drop", "others", "hash"])
def test_what_a_rule_withholds_is_held_all_the_same(tmp_path: Path, rule: Any) -> None:
    running = World(
        tmp_path, PEOPLE, {"customers": customers()}, labels={"customers": LABEL}, redact={"customers": {"phone": rule, "health": rule}}
    )
    ann, bob = running.submit("1"), running.submit("2")
    running.run()
    assert stated(running, ann) == ANNS
    assert "user.contact.phone_number" in stated(running, bob)
