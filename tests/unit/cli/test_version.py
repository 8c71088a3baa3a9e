"""`rightful --version` says what is installed."""

import json
import platform
from importlib import metadata

import pytest

from rightful import __version__, versions
from rightful.cli.application import main


def test_version_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"rightful {__version__}\n"


@pytest.mark.parametrize("arguments", [["--version", "--json"], ["--json", "--version"]])
def test_with_json_it_says_what_libraries_are_there(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["rightful"], said["python"]) == (__version__, platform.python_version())
    assert said["pyarrow"] == metadata.version("pyarrow")
    assert said["opentelemetry-sdk"] == metadata.version("opentelemetry-sdk")  # an extra that is there
    assert "pytest" not in said


def test_what_is_installed_here_is_new_enough() -> None:
    assert list(versions.outdated()) == []
