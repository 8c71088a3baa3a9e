"""Commands in README and docs that are marked with `<!-- run -->` are run as they stand, page by page, after a demo."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.acceptance

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^<!-- run(?P<background> in the background)? -->\n```sh\n(?P<commands>.*?)^```$", re.MULTILINE | re.DOTALL)
ANY_MARK = re.compile(r"^<!-- run\b", re.MULTILINE)
PAGES = sorted(path for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")) if ANY_MARK.search(path.read_text(encoding="utf-8")))


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RIGHTFUL_")}
    return {**kept, "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return what a reader's checkout looks like after `make demo`."""
    programs = Path(sys.executable).parent
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(programs)
    subprocess.run([programs / "rightful", "demo"], cwd=tmp_path, env=environment(), check=True, capture_output=True)
    return tmp_path


@contextmanager
def background(commands: str, folder: Path) -> Iterator[None]:
    """Run commands while the block lasts; they have begun once they say something on stderr."""
    with subprocess.Popen(["bash", "-ec", f"exec {commands.strip()}"], cwd=folder, env=environment(), stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        try:
            assert b"listens" in process.stderr.readline()
            yield
        finally:
            process.terminate()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_marked_commands_run_as_they_stand(page: Path, folder: Path) -> None:
    text = page.read_text(encoding="utf-8")
    blocks = list(BLOCK.finditer(text))
    assert len(blocks) == len(ANY_MARK.findall(text)), "a mark stands before something that is no block of commands"
    with ExitStack() as running:
        for block in blocks:
            if block["background"]:
                running.enter_context(background(block["commands"], folder))
                continue
            ended = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block["commands"]],
                cwd=folder,
                env=environment(),
                capture_output=True,
                text=True,
                check=False,
            )
            assert ended.returncode == 0, f"{block['commands']}\n{ended.stdout}\n{ended.stderr}"


def test_some_page_has_marked_commands() -> None:
    assert PAGES
