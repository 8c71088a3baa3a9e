"""What `rightful init` writes is valid as it is, and its comments are valid when they are taken in."""

import re
from pathlib import Path

import pytest

from rightful.config import template
from rightful.config.load import load

TENANT = "2f0c7b3e-9a41-4c1d-8a35-6f1e0b7d9c55"


@pytest.mark.parametrize("name", ["plain", "with space", "$HOME ${X} #1 {a}", "Ünïcode 日本 %41", "quo\"te's"])
def test_template_is_valid_in_any_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "seal.key").write_text("ab" * 32 + "\n")
    path = folder / "rightful.yaml"
    path.write_text(template.render(folder, tenant_id=TENANT), encoding="utf-8")
    config = load(path, {})
    assert config.tenants[0].id == TENANT
    assert [source.name for source in config.tenants[0].sources] == ["files"]


def test_examples_in_comments_are_valid(tmp_path: Path) -> None:
    text = template.render(tmp_path, tenant_id=TENANT)
    taken_in = re.sub(r"^( *)# (?=( *)(- |[a-z_]+:( |$)))(?! *https?:)(?!.*\b(Without|Where|Whether)\b)", r"\1", text, flags=re.MULTILINE)
    (tmp_path / "seal.key").write_text("ab" * 32 + "\n")
    path = tmp_path / "rightful.yaml"
    path.write_text(taken_in.replace("TENANT-ID", TENANT), encoding="utf-8")
    config = load(path, {"PASSWORD": "x"})
    assert {source.name for source in config.tenants[0].sources} == {"files", "orders", "order_lines", "activity"}
    assert len(config.tenants[0].identity.issuers) == 2
    assert config.server.tls is not None


def test_lines_are_not_longer_than_an_editor_shows(tmp_path: Path) -> None:
    assert max(map(len, template.render(tmp_path, tenant_id=TENANT).splitlines())) <= 160
