"""The reference says what the code does: every setting, command, option and error code."""

import ast
import runpy
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from rightful.cli.reference import commands
from rightful.config.reference import chapters

AZURES = {"BlobTypeNotSupported"}  # Azure's word for what is told as StorageRefused

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
SOURCES = [path for path in (ROOT / "src" / "rightful").rglob("*.py") if "testing" not in path.parts]


@pytest.mark.parametrize("name", ["reference/settings.md", "reference/cli.md", "explanation/state-machine.md"])
def test_generated_page_is_up_to_date(name: str) -> None:
    pages = runpy.run_path(str(ROOT / "docs" / "generate.py"))["PAGES"]
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == pages[name](), "run `python docs/generate.py`"


def test_every_setting_is_described() -> None:
    page = (REFERENCE / "settings.md").read_text(encoding="utf-8")
    settings = [setting for _, _, found in chapters() for setting in found]
    assert len(settings) > 60
    assert [setting.path for setting in settings if not setting.doc] == []
    assert [setting.path for setting in settings if f"| `{setting.path}` |" not in page] == []


def test_every_command_and_option_is_described() -> None:
    page = (REFERENCE / "cli.md").read_text(encoding="utf-8")
    found = dict(commands())
    assert {"rightful export", "rightful requests resume", "rightful doctor"} <= found.keys()
    for name, command in found.items():
        assert command.help, name
        section = page.partition(f"## `{name}`\n")[2].partition("\n## ")[0]
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.opts}"
                assert f"`{parameter.opts[0]}`" in section, f"{name} {parameter.opts}"


def test_what_an_option_takes_is_told_as_the_command_itself_tells_it() -> None:
    page = (REFERENCE / "cli.md").read_text(encoding="utf-8")
    says_nothing = {"TEXT", "PATH", "INTEGER", "INTEGER RANGE", "FLOAT", "FLOAT RANGE"}
    for name, command in commands():
        context = click.Context(command, info_name=name)
        for option in (each for each in command.params if isinstance(each, click.Option) and not each.is_flag):
            metavar = option.make_metavar(context)
            assert metavar not in says_nothing, f"{name} {option.opts}"
            assert f"{option.opts[0]} {metavar}" in " ".join(command.get_help(context).split())
            section = page.partition(f"## `{name}`\n")[2].partition("\n## ")[0]
            assert f"| `{option.opts[0]}` {metavar.replace('|', chr(92) + '|')} | " in section


def codes_in(tree: ast.AST) -> Iterator[str]:
    """Yield what stands for an error's code: `default_code = …`, `code=…`, and constants whose names say so."""
    for node in ast.walk(tree):
        value: ast.expr | None = None
        if isinstance(node, ast.keyword) and node.arg == "code":
            value = node.value
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            name = getattr(target, "id", "").lower()
            value = node.value if name in {"code", "default_code", "_codes"} or name.endswith("_code") else None
        if value is None:
            continue
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value:
            yield value.value
        elif isinstance(value, ast.Dict):
            yield from (item.value for item in value.values if isinstance(item, ast.Constant) and isinstance(item.value, str))
        elif isinstance(value, ast.JoinedStr) and isinstance(value.values[0], ast.Constant) and isinstance(value.values[0].value, str):
            yield f"{value.values[0].value}*"


def codes() -> set[str]:
    return {code for path in SOURCES for code in codes_in(ast.parse(path.read_text(encoding="utf-8")))} - AZURES


def test_scan_sees_each_way_a_code_is_given() -> None:
    text = 'class A(E):\n    default_code = "One"\nx = E(code="Two")\n_WRONG_CODE = "Three"\n_CODES = {1: "Four"}\ny = E(code=f"Five{z}")\ncode: str = "Six"'
    assert set(codes_in(ast.parse(text))) == {"One", "Two", "Three", "Four", "Five*", "Six"}


def test_every_error_code_is_described() -> None:
    page = (REFERENCE / "error-codes.md").read_text(encoding="utf-8")
    documented = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}
    found = codes()
    assert len(found) > 50
    missing = {
        code for code in found if not any(known == code or (code.endswith("*") and known.startswith(code[:-1])) for known in documented)
    }
    assert missing == set()
    stale = {
        known
        for known in documented
        if known not in found and not any(code.endswith("*") and known.startswith(code[:-1]) for code in found)
    }
    assert stale == set()
