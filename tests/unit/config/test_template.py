"""What `rightful init` writes is valid as it is, and its comments are valid when they are taken in."""

import re
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import yaml

from rightful.config import template
from rightful.config.load import load
from rightful.config.model import ExportSettings, GraphSettings, LimitSettings
from rightful.config.problem import ConfigurationProblems
from rightful.config.reference import chapters
from rightful.connectors.registry import GROUP
from rightful.errors import ConfigurationError

TENANT = "2f0c7b3e-9a41-4c1d-8a35-6f1e0b7d9c55"


def test_every_connector_of_ours_is_named_where_one_is_chosen(tmp_path: Path) -> None:
    line = next(line for line in template.render(tmp_path, tenant_id=TENANT).splitlines() if "or one of a third party" in line)
    ours = {entry.name for entry in entry_points(group=GROUP) if entry.dist is not None and entry.dist.name == "rightful"}
    assert ours <= set(re.findall(r"`(\w+)`", line))


@pytest.mark.parametrize("name", ["plain", "with space", "$HOME ${X} #1 {a}", "Ünïcode 日本 %41", "quo\"te's"])
def test_template_is_valid_in_any_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    for key in ("seal.key", "audit.key", "receipt.key"):
        (folder / key).write_text("ab" * 32 + "\n")
    path = folder / "rightful.yaml"
    path.write_text(template.render(folder, tenant_id=TENANT), encoding="utf-8")
    config = load(path, {})
    assert config.tenants[0].id == TENANT
    assert [source.name for source in config.tenants[0].sources] == ["files"]


SETTING_IN_A_COMMENT = re.compile(r"^( *)# (?=( *)(- \{|[a-z0-9_]+:( |$)))", re.MULTILINE)


def taken_in(folder: Path) -> str:
    """Return the file with every example in a comment made part of it."""
    text = SETTING_IN_A_COMMENT.sub(r"\1", template.render(folder, tenant_id=TENANT))
    return text.replace("TENANT-ID", TENANT)


def write_keys(folder: Path) -> None:
    """Write the keys that the file and its examples name."""
    for name in ("seal.key", "audit.key", "receipt.key"):
        (folder / name).write_text("ab" * 32 + "\n")
    (folder / "webhook.key").write_text(f"whsec_{'YWJj' * 10}\n")


def test_examples_in_comments_are_valid(tmp_path: Path) -> None:
    write_keys(tmp_path)
    path = tmp_path / "rightful.yaml"
    path.write_text(taken_in(tmp_path), encoding="utf-8")
    config = load(path, {"PASSWORD": "x"})
    assert {source.name for source in config.tenants[0].sources} == {
        "files",
        "archive",
        "scans",
        "cloud",
        "papers",
        "share",
        "outpost",
        "mail",
        "letters",
        "hosted_letters",
        "orders",
        "order_lines",
        "tickets",
        "visits",
        "microsoft_onedrive",
        "attachments",
        "activity",
        "purchases",
        "reports",
        "clicks",
    }
    assert len(config.tenants[0].identity.issuers) == 3
    assert config.server.tls is not None


def test_what_stands_in_a_comment_of_a_section_is_its_default(tmp_path: Path) -> None:
    write_keys(tmp_path)
    path = tmp_path / "rightful.yaml"
    path.write_text(taken_in(tmp_path), encoding="utf-8")
    config = load(path, {"PASSWORD": "x"})
    assert config.tenants[0].limits == LimitSettings()
    assert config.tenants[0].export == ExportSettings()
    assert config.graph == GraphSettings()


def test_redaction_of_a_mailbox_is_refused_unless_its_messages_are_withheld(tmp_path: Path) -> None:
    write_keys(tmp_path)
    path = tmp_path / "rightful.yaml"
    text = re.sub(r"^( *)format: mbox$", r"\g<0>\n\1redact: {from: others}", taken_in(tmp_path), flags=re.MULTILINE)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"mail\.redact") as caught:
        load(path, {"PASSWORD": "x"})
    assert "messages: false" in str(getattr(caught.value, "problems", caught.value.hint))
    path.write_text(text.replace("messages: true", "messages: false"), encoding="utf-8")
    assert load(path, {"PASSWORD": "x"}).tenants[0].id == TENANT


def test_format_of_a_mailbox_that_there_is_none_of_is_told_once_and_with_those_that_there_are(tmp_path: Path) -> None:
    write_keys(tmp_path)
    path = tmp_path / "rightful.yaml"
    path.write_text(re.sub(r"^( *)format: mbox$", r"\1format: mboxx", taken_in(tmp_path), flags=re.MULTILINE), encoding="utf-8")
    with pytest.raises(ConfigurationProblems) as caught:
        load(path, {"PASSWORD": "x"})
    told = [problem for problem in caught.value.problems if problem.setting.endswith(".format")]
    assert [problem.message for problem in told] == ["must be one of maildir, mbox"]


def paths_in(value: Any, path: str) -> Iterator[str]:
    """Yield the settings in a part of a document, by their names in the reference."""
    yield path
    if isinstance(value, list):
        for item in value:
            yield from paths_in(item, f"{path}[]")
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from paths_in(inner, f"{path}.{'NAME' if path.endswith(('.sources', '.accounts')) else key}".lstrip("."))


def test_every_setting_stands_in_the_file_with_what_it_means(tmp_path: Path) -> None:
    written = set(paths_in(yaml.safe_load(taken_in(tmp_path)), ""))
    for other in re.findall(r"# Or: (.*)", taken_in(tmp_path)):  # what stands for a section that is there already
        written.update(paths_in(yaml.safe_load(other), "tenants[]"))
    document = yaml.safe_load(taken_in(tmp_path))
    comments = " ".join(
        line.strip(" #") for line in template.render(tmp_path, tenant_id=TENANT).splitlines() if line.strip().startswith("#")
    )
    of_connector = {
        name: {
            path
            for source in document["tenants"][0]["sources"].values()
            if source["connector"] == name
            for path in paths_in(source, "tenants[].sources.NAME")
        }
        for name in ("files", "http", "lake", "mailbox", "msgraph", "sql")
    }
    missing = []
    for title, _, settings in chapters():
        there = next((found for name, found in of_connector.items() if title == f"Sources of connector `{name}`"), written)
        missing += [f"{title}: {setting.path}" for setting in settings if setting.path not in there]
        missing += [f"{title}: {setting.path} unexplained" for setting in settings if setting.doc not in comments]
    assert missing == []


def test_howto_promises_what_the_file_has() -> None:
    page = Path(__file__).parents[3] / "docs" / "howto" / "first-run.md"
    assert "with every setting explained in it" in page.read_text(encoding="utf-8")


def test_lines_are_not_longer_than_an_editor_shows(tmp_path: Path) -> None:
    assert max(map(len, template.render(tmp_path, tenant_id=TENANT).splitlines())) <= 160
