"""The examples of the how-to pages are valid."""

import re
import shlex
import textwrap
from pathlib import Path

import pytest

from rightful.cli import main
from rightful.clock import SystemClock
from rightful.config import template
from rightful.config.load import load
from rightful.store.sqlite import SqliteStore

HOWTO = Path(__file__).parents[2] / "docs" / "howto"


def blocks(page: str) -> list[str]:
    text = (HOWTO / page).read_text(encoding="utf-8")
    return [textwrap.dedent(block) for block in re.findall(r"(?:^ {4,}\S.*\n|^ {5,}.*\n)+", text, re.MULTILINE)]


def test_sources_and_directory_of_the_page_make_a_valid_configuration(tmp_path: Path) -> None:
    found = blocks("connect-your-systems.md")
    directory = next(block for block in found if block.startswith("directory:"))
    sources = [block for block in found if "connector:" in block and not block.startswith("directory:")]
    assert len(sources) == 9
    for name in ("seal.key", "audit.key", "receipt.key"):
        (tmp_path / name).write_text("ab" * 32)
    text = template.render(tmp_path, tenant_id="2f0c7b3e-9a41-4c1d-8a35-6f1e0b7d9c55")
    head = text[: text.index("    # Who your people are")]
    whole = head + textwrap.indent(directory, "    ") + "    sources:\n" + textwrap.indent("".join(sources), "      ")
    (tmp_path / "rightful.yaml").write_text(whole, encoding="utf-8")
    config = load(tmp_path / "rightful.yaml", {"HR_PASSWORD": "x", "SHOP_PASSWORD": "y", "DESK_TOKEN": "z", "MAIL_PASSWORD": "m"})
    assert {source.name for source in config.tenants[0].sources} == {
        "orders",
        "order_lines",
        "devices",
        "messages",
        "onedrive",
        "mail",
        "letters",
        "tickets",
        "microsoft_mail",
        "activity",
        "loyalty",
        "purchases",
    }


def test_issuers_of_the_page_make_a_valid_configuration(tmp_path: Path) -> None:
    entra, other = blocks("connect-your-identity-provider.md")
    for name in ("seal.key", "audit.key", "receipt.key"):
        (tmp_path / name).write_text("ab" * 32)
    text = template.render(tmp_path, tenant_id="11111111-1111-1111-1111-111111111111")
    issuers = text.index("      issuers:")
    assert entra.startswith("id: 11111111-1111-1111-1111-111111111111\nidentity:\n")
    example = textwrap.indent(textwrap.dedent(entra.partition("identity:\n")[2]) + other.partition("issuers:\n")[2], "      ")
    whole = text[:issuers] + example + text[text.index("\n\n", issuers) :]
    (tmp_path / "rightful.yaml").write_text(whole, encoding="utf-8")
    found = load(tmp_path / "rightful.yaml", {}).tenants[0].identity.issuers
    assert [issuer.issuer.partition("//")[2].partition("/")[0] for issuer in found] == [
        "login.microsoftonline.com",
        "sts.windows.net",
        "id.contoso.example",
    ]


def test_messages_of_the_page_are_those_of_the_service() -> None:
    page = (HOWTO / "connect-your-identity-provider.md").read_text(encoding="utf-8")
    table = page[page.index("| the message ends with") :]
    said = [message for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for message in re.findall(r"`([^`]+)`", row)]
    assert len(said) >= 8
    code = (HOWTO.parents[1] / "src/rightful/identity/token.py").read_text(encoding="utf-8")
    assert [message for message in said if message not in code] == []


def test_commands_of_the_pages_exist() -> None:
    from rightful.cli.reference import commands

    known = {name for name, _ in commands()}
    for page in ("first-run.md", "connect-your-systems.md"):
        called = re.findall(
            r"(?:`|^ {4,}|\$\()(rightful [a-z-]+(?: (?:list|show|watch|cancel|resume))?)", (HOWTO / page).read_text(), re.MULTILINE
        )
        assert called
        assert {name for name in called if name not in known} == set()


def test_settings_and_commands_of_keep_and_purge_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    retention, *commands = blocks("keep-and-purge.md")
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    text = (tmp_path / "rightful.yaml").read_text(encoding="utf-8")
    written = text[text.index("    retention:\n") :].partition("\n\n")[0]
    said = [line.strip() for line in written.splitlines() if not line.strip().startswith("#")]
    assert said == [line.strip() for line in retention.splitlines()]  # what `rightful init` writes
    SqliteStore(load(tmp_path / "rightful.yaml", {}).store_path, SystemClock()).close()
    lines = [line for block in commands for line in block.splitlines()]
    assert len(lines) == 5
    for line in lines:
        name, *arguments = shlex.split(line)
        assert (name, main(arguments)) == ("rightful", 0), line
    assert "would be purged" in capsys.readouterr().out
