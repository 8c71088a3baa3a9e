"""`rightful diff` of packages that lie here, and in a container."""

import io
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.contract.storage.test_packed_packages import open_sas
from tests.unit.export.test_since import EXPORT, NOW, PEOPLE, THEN, export, now, table, tree
from tests.unit.export.world import World

from rightful.cli import main
from rightful.cli.exits import Exit
from rightful.testing.blob_simulator import BlobSimulator
from rightful.testing.package_builder import write_zip


@pytest.fixture
def simulator() -> Iterator[BlobSimulator]:
    with BlobSimulator() as service:
        yield service


@pytest.fixture
def packages(tmp_path: Path) -> tuple[Path, Path]:
    """A package, and the difference to it."""
    world = World(tmp_path, PEOPLE, {"table": table(THEN), "drive": tree({"gone.txt": b"g"})}, export=EXPORT)
    first = export(world)
    now(world, table=table(NOW), drive=tree({"new.txt": b"n"}))
    return world.package(first), world.package(export(world, since=first))


def entries(package: Path) -> dict[str, bytes]:
    return {path.relative_to(package).as_posix(): path.read_bytes() for path in package.rglob("*") if path.is_file()}


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(["diff", "--json", *arguments]) == Exit.OK
    return capsys.readouterr().out.splitlines()


def test_packages_in_a_container_are_told_apart_as_those_that_lie_here(
    packages: tuple[Path, Path],
    simulator: BlobSimulator,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old, new = packages
    here = told(capsys, str(old), str(new))
    assert Counter(json.loads(line)["change"] for line in here) == {"gone": 6, "changed": 6, "new": 11}
    with closing(open_sas(simulator.sas_url("exports", "cwrl"))) as storage:
        laid = {f"old/{path}": content for path, content in entries(old).items()}
        laid["new.zip"] = write_zip(tmp_path / "new.zip", entries(new)).read_bytes()
        for path, content in laid.items():
            storage.put(path, [content], size_bytes=len(content))
    url = simulator.sas_url("exports", "rl")
    assert told(capsys, url, url, "--prefix", "old", "new.zip") == here
    assert told(capsys, str(old), url, "--prefix", "", "new.zip") == here
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{url}\n{url}\n"))
    assert told(capsys, "-", "-", "--prefix", "old", "new.zip") == here


def test_package_that_is_not_there_is_said(packages: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", str(packages[0]), str(tmp_path / "none")]) == Exit.FAILED
    assert "none is no folder" in capsys.readouterr().err
