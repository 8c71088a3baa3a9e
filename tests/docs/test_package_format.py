"""docs/reference/package-format.md names every member, and the verifier printed in it works; so do README.txt's commands."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rightful.package.label import Decision, Label, Transfer
from rightful.package.ledger import SkippedEntry
from rightful.package.verify import REQUIRED
from rightful.testing.package_builder import SampleSource, build_package, package_entries

PAGE = (Path(__file__).parents[2] / "docs/reference/package-format.md").read_text()
LABEL = Label(
    category="user.contact",
    transfers=(Transfer(to="Japan", safeguards="adequacy"),),
    decisions=(Decision(what="a limit", logic="invoices", consequences="none"),),
)
SOURCES = (
    SampleSource(name="orders", product="Shop", rows=({"id": 1}, {"id": 2}), superseded_rows=({"id": 0},), label=LABEL),
    SampleSource(
        name="drive",
        product="OneDrive",
        files={"a b.txt": b"one", "-x": b"two", "z.zip": b"three", "\udcff": b"four"},
        skipped=(SkippedEntry(path="\udcfe", reason="not a regular file"),),
    ),
    SampleSource(name="archive", product="HR", skip_reason="switched off by the operator"),
)
NAMED_BY_OTHERS = {"schema", "dialect", "rightful:sources", "sources", "identifiers", "categories"}
"""Members whose own members are somebody else's: a standard's, or names of sources and identifier kinds."""


def _members(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            if name not in NAMED_BY_OTHERS:
                yield from _members(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _members(inner)


def test_every_member_is_described() -> None:
    entries = package_entries(*SOURCES)
    ledger = msgspec.json.decode(entries["ledger.json"])
    statement = msgspec.json.decode(entries["statement.json"])
    written = [
        *_members(ledger),
        *(name for source in ledger["sources"].values() for name in _members(source)),
        *_members(msgspec.json.decode(entries["datapackage.json"])),
        *_members(msgspec.json.decode(entries["RequestInfo.json"])),
        *_members(statement),
        *(name for source in statement["sources"] for name in _members(source)),
        *statement["rights"],
        *(line.partition(":")[0] for line in entries["bag-info.txt"].decode().splitlines()),
        *REQUIRED,
    ]
    assert {name for name in written if f"`{name}`" not in PAGE} == set()


def _run(folder: Path, path: Path) -> tuple[int, str]:
    (code,) = re.findall(r"(?s)```python\n(.*?)```", PAGE)
    path.write_text(code)
    done = subprocess.run([sys.executable, path, folder], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ({}, ""),
        ({"data/OneDrive/drive/-x": b"changed"}, "changed data/OneDrive/drive/-x"),
        ({"data/OneDrive/drive/new": b""}, "extra data/OneDrive/drive/new"),
        ({"ledger.json": None}, "missing ledger.json"),
        ({"tagmanifest-sha256.txt": None}, "incomplete"),
    ],
)
def test_verifier_of_the_page_finds_what_is_wrong(tmp_path: Path, damage: dict[str, bytes | None], says: str) -> None:
    folder = build_package(tmp_path / "package", *SOURCES)
    for path, content in damage.items():
        if content is None:
            (folder / path).unlink()
        else:
            (folder / path).write_bytes(content)
    code, said = _run(folder, tmp_path / "check.py")
    assert code == (1 if damage else 0)
    assert says in said


@pytest.mark.parametrize("command", ["sha256sum", "shasum"])
def test_commands_of_the_readme_work_as_printed(tmp_path: Path, command: str) -> None:
    folder = build_package(tmp_path, *SOURCES)
    (line,) = re.findall(rf"(?m)^ +({command} .*)$", (folder / "README.txt").read_text())
    subprocess.run(line.split(), cwd=folder, check=True, capture_output=True)
    (folder / "data/OneDrive/drive/-x").write_bytes(b"changed")
    done = subprocess.run(line.split(), cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "data/OneDrive/drive/-x: FAILED" in done.stdout
