"""Sources put into a configuration: what was there stays as it is, and what is wrong is not written."""

import difflib
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rightful.config.load import load
from rightful.config.template import render
from rightful.errors import ConfigurationError
from rightful.ids import TenantId
from rightful.sources import writing
from rightful.sources.proposing import Proposal

TENANT = TenantId("2f0c7b3e-9a41-4c1d-8a35-6f1e0b7d9c55")
ORDERS = Proposal(
    name="orders",
    settings={"connector": "sql", "url": "sqlite:///shop.db", "table": "orders", "match": {"mail": "mail"}, "product": "Shop"},
    reasons=("mail is matched as mail",),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    for name in ("seal.key", "audit.key", "receipt.key"):
        (tmp_path / name).write_text("ab" * 32)
    path = tmp_path / "rightful.yaml"
    path.write_text(render(tmp_path, tenant_id=TENANT), encoding="utf-8")
    path.chmod(0o640)
    return path


def test_everything_else_stays_byte_for_byte(path: Path) -> None:
    before, text = load(path, {}), path.read_text(encoding="utf-8")
    writing.write(path, before, TENANT, [ORDERS], {})
    after = path.read_text(encoding="utf-8")
    changes = [line for line in difflib.ndiff(text.splitlines(), after.splitlines()) if not line.startswith(" ")]
    assert all(line.startswith("+ ") for line in changes)
    assert "+       # mail is matched as mail" in changes
    assert load(path, {}).tenants[0].source("orders") is not None
    assert path.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in path.parent.iterdir() if "draft" in each.name] == []


def test_comments_that_belong_to_what_follows_stay_with_it() -> None:
    text = "tenants:\n- id: a\n  sources:\n    x: {connector: files}\n    # x's last\n\n  # of b\n- id: b\n  sources:\n    y: 1\n# end"
    assert writing.insert(text, "a", [Proposal(name="z", settings={"c": 1})]) == text.replace(
        "    x: {connector: files}\n", "    x: {connector: files}\n    z: {c: 1}\n"
    )
    assert writing.insert(text, "b", [Proposal(name="z", settings={"c": 1})]).endswith("    y: 1\n    z: {c: 1}\n# end")


def test_last_line_without_a_line_break_gets_one() -> None:
    text = "tenants:\n  - id: a\n    sources:\n      y: 1"
    assert yaml.safe_load(writing.insert(text, "a", [ORDERS]))["tenants"][0]["sources"].keys() == {"y", "orders"}


@pytest.mark.parametrize(
    "text",
    [
        "tenants: []",
        "tenants:\n- id: a\n  sources: {y: 1}",
        "tenants:\n- id: a\n  sources:",
        "tenants:\n- id: b\n  sources:\n    y: 1",
        "[]",
    ],
)
def test_what_is_written_in_another_way_is_left_to_the_operator(text: str) -> None:
    with pytest.raises(ConfigurationError, match="sources"):
        writing.insert(text, "a", [ORDERS])


def test_what_would_be_wrong_is_not_written(path: Path) -> None:
    before, text = load(path, {}), path.read_bytes()
    wrong = Proposal(name="orders", settings=ORDERS.settings | {"match": {"mail": "no_such_kind"}})
    with pytest.raises(ConfigurationError):
        writing.write(path, before, TENANT, [wrong], {})
    with pytest.raises(ConfigurationError):
        writing.write(path, before, TENANT, [Proposal(name=before.tenants[0].sources[0].name, settings=ORDERS.settings)], {})
    assert path.read_bytes() == text


@given(st.text(min_size=1), st.text(min_size=1), st.text())
def test_no_name_in_a_database_breaks_out_of_its_place(table: str, column: str, reason: str) -> None:
    proposal = Proposal(name="z", settings={"table": table, "match": {column: "mail"}}, reasons=(reason,))
    text = "tenants:\n- id: a\n  sources:\n    y: 1\n"
    try:
        found = yaml.safe_load(writing.insert(text, "a", [proposal]))
    except yaml.YAMLError:
        return  # refused when it is read back, and so never written
    assert found == {"tenants": [{"id": "a", "sources": {"y": 1, "z": {"table": table, "match": {column: "mail"}}}}]}


@pytest.mark.parametrize(
    ("url", "written", "variable"),
    [
        ("postgresql://u:p4ss@h/db", "postgresql://u:${CRM_2_PASSWORD}@h/db", "CRM_2_PASSWORD"),
        ("postgresql://u:p:4@h:5432/db?x=y", "postgresql://u:${CRM_2_PASSWORD}@h:5432/db?x=y", "CRM_2_PASSWORD"),
        ("postgresql://u:${MINE}@h/db", "postgresql://u:${MINE}@h/db", ""),
        ("postgresql://u@h/db", "postgresql://u@h/db", ""),
        ("sqlite:///a:b@c.db", "sqlite:///a:b@c.db", ""),
    ],
)
def test_passwords_are_not_written(url: str, written: str, variable: str) -> None:
    assert writing.hide_password(url, "crm-2") == (written, variable)
