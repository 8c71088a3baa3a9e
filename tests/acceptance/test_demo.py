"""`rightful demo` as a newcomer runs it, and the commands that it says to try next."""

import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rightful.package.verify import FolderReader, PackageState, verify

PATIENCE_S = 100
pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(3 * PATIENCE_S)]

DEMO = (sys.executable, "-m", "rightful.cli", "demo", "company")


def demo(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run((*DEMO, *options), cwd=folder, capture_output=True, text=True, check=True, timeout=PATIENCE_S)


def written(folder: Path) -> dict[Path, int]:
    """Return when each file below a folder was written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_demo_run_twice_second_builds_nothing_and_commands_work_as_printed(tmp_path: Path) -> None:
    first = demo(tmp_path)
    assert "verified" in first.stderr
    assert [line.split()[:2] for line in first.stdout.splitlines() if line.split()[:1] == ["activity"]] == [["activity", "exported"]]

    built = written(tmp_path / "company" / "systems")
    answer: dict[str, Any] = json.loads(demo(tmp_path, "--json").stdout)
    assert written(tmp_path / "company" / "systems") == built, "the company is built once"
    assert verify(FolderReader(Path(answer["package"]))).state is PackageState.WHOLE
    assert answer["operation"]["status"] == "complete"
    assert len([source for source in answer["operation"]["sources"] if source["state"] == "exported"]) > 9

    check, serve, export = (shlex.split(command) for command in answer["next"])
    assert subprocess.run(check, cwd=tmp_path, capture_output=True, check=False, timeout=PATIENCE_S).returncode == 0
    with subprocess.Popen([*serve, "--json"], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as service:
        try:
            assert service.stdout is not None
            assert service.stdout.readline()
            ended = subprocess.run([*export, "--json"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=PATIENCE_S)
            assert json.loads(ended.stdout)["status"] == "complete"
            # A service that runs on the folder already is used, and goes on.
            assert "runs on it already" in demo(tmp_path).stderr
            assert service.poll() is None
        finally:
            service.send_signal(signal.SIGTERM)


def test_demo_in_a_folder_of_somebody_else_touches_nothing(tmp_path: Path) -> None:
    (tmp_path / "company").mkdir()
    (tmp_path / "company" / "thesis.txt").write_text("years of work")
    refused = subprocess.run(DEMO, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert refused.returncode == 1
    assert "holds no sample company" in refused.stderr
    assert [path.name for path in (tmp_path / "company").iterdir()] == ["thesis.txt"]
