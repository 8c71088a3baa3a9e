"""Debian's Chromium without a screen, which opens packages from disk; started once for each worker process, ended by its own end of input."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.servers.process import program, skip_without

_PROGRAM = Path(__file__).with_name("chromium.mjs")
_PACKAGES = ("playwright-core", "axe-core")
_END_S = 20


class Answer(msgspec.Struct, frozen=True):
    """What became of one visit."""

    requests: list[str]
    """Every address that anything of it asked for."""
    errors: list[str]
    """What the console said, uncaught errors, dialogs."""
    result: Any = None
    failure: str = ""


class Chromium:
    """A browser; each visit has no memory of the ones before."""

    def __init__(self, node: str, chromium: str, *more: str) -> None:
        self._process = subprocess.Popen([node, _PROGRAM, chromium, *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        assert self._stdout.readline() == b"ready\n", "Chromium did not start"

    def visit(
        self,
        folder: Path,
        steps: str,
        *,
        file: str = "START-HERE.html",
        fragment: str = "",
        width: int = 1280,
        dark: bool = False,
        language: str = "en",
    ) -> Answer:
        """Open a page of a package from disk and take steps (JavaScript, with `page` of Playwright and `axe`)."""
        address = (folder / file).as_uri() + fragment
        asked = {"address": address, "width": width, "dark": dark, "language": language, "steps": steps}
        self._stdin.write(msgspec.json.encode(asked) + b"\n")
        self._stdin.flush()
        answer = msgspec.json.decode(self._stdout.readline(), type=Answer)
        assert not answer.failure, answer.failure
        return answer

    def close(self) -> None:
        """End it."""
        self._stdin.close()
        self._process.wait(_END_S)
        self._stdout.close()


def start_chromium(*more: str) -> Chromium:
    """Start a browser with more of Chromium's own options; skips where it is not installed."""
    path = program("chromium", of="Chromium")
    node = shutil.which("node")
    if node is None or not all((_PROGRAM.parent / "node_modules" / name).is_dir() for name in _PACKAGES):
        skip_without("Node.js with playwright-core and axe-core")
    return Chromium(node, path, *more)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """A browser for all tests."""
    browser = start_chromium()
    yield browser
    browser.close()
