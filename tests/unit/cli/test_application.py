"""Every end of a command is an exit code, and what it says holds no secret."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from rightful.cli import main
from rightful.cli.application import COMMANDS, _exit_code
from rightful.cli.exits import Exit
from rightful.cli.invocation import Invocation
from rightful.errors import ExportError

SAS = "https://acct.blob.core.windows.net/c?sp=cw&sig=hunter2"
HEAVY = ("rich", "msgspec", "yaml", "structlog", "polars", "pyarrow", "starlette", "cryptography", "ssl", "http.client", "asyncio")


@pytest.mark.parametrize("name", COMMANDS)
def test_list_of_commands_says_what_each_says_itself(name: str) -> None:
    module, help_text = COMMANDS[name]
    command: click.Command = importlib.import_module(f"rightful.cli.{module}").command
    assert (command.help or "").split("\n", maxsplit=1)[0] == help_text


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys, rightful.cli; code = rightful.cli.main(['--help']); print(*sys.modules, sep='\\n', file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert all(name in done.stdout for name in COMMANDS)
    assert not set(HEAVY) & set(done.stderr.splitlines())


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["exprot"], "Did you mean 'export'?"),
        (["export", "ann"], "--to"),
        (["requests", "list", "--status", "done"], "notStarted"),
        (["token", "--role", "company_admin"], "--delegated"),
        (["token", "--person", "aaaaaaaa-0000-4000-8000-00000000000b"], "--delegated"),
        (["token", "--delegated", "--person", "ann"], "GUID"),
        (["token", "--lifetime", "forever"], "15m"),
        (["token", "--app", "--delegated"], "one of them"),
        (["verify", ""], "PACKAGE"),
        (["export", "ann", "--to", "x", SAS], "***"),
    ],
)
def test_misunderstood_command_exits_2_and_shows_no_secret(
    capsys: pytest.CaptureFixture[str], arguments: list[str], part: str, tmp_path: Path
) -> None:
    assert main(["--config", str(tmp_path / "none.yaml"), *arguments]) == Exit.USAGE
    said = capsys.readouterr()
    assert part in said.err
    assert "--help" in said.err
    assert "hunter2" not in said.err
    assert said.out == ""


def test_errors_come_as_json_where_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "--json"]) == Exit.USAGE
    assert json.loads(capsys.readouterr().err)["error"]["code"] == "UsageInvalid"


def test_problems_of_the_configuration_come_as_data(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "rightful.yaml"
    path.write_text("engin: embedded\n")
    assert main(["token", "--config", str(path), "--json"]) == Exit.FAILED
    said = json.loads(capsys.readouterr().err)["error"]
    assert said["code"] == "ConfigurationInvalid"
    assert {"file": str(path), "line": 1, "setting": ""}.items() <= said["problems"][0].items()


@pytest.mark.parametrize(
    ("error", "code", "part"),
    [
        (ExportError(f"PUT {SAS} failed", code="StorageRefused", hint="make a new one"), Exit.FAILED, "what to do: make a new one"),
        (PermissionError(13, "Permission denied", "/srv/x"), Exit.FAILED, "/srv/x: Permission denied [SystemRefused]"),
        (RuntimeError(SAS), Exit.FAILED, "unexpected RuntimeError"),
        (KeyboardInterrupt(), Exit.INTERRUPTED, ""),
        (click.Abort(), Exit.INTERRUPTED, ""),
    ],
    ids=lambda value: type(value).__name__,
)
def test_error_ends_with_its_code(capsys: pytest.CaptureFixture[str], error: BaseException, code: Exit, part: str) -> None:
    assert _exit_code(error, Invocation(environ={})) == code
    said = capsys.readouterr().err
    assert part in said
    assert "hunter2" not in said


def test_reader_that_stops_is_no_error() -> None:
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m rightful.cli --help | true"], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
