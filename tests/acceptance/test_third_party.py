"""A connector that somebody else brings in a wheel is found, listed and used; a broken one says why, and hides none of the others."""

import base64
import csv
import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

CONNECTOR = '''
import msgspec
from rightful.connectors.interface import MatchColumn, Partition, ReadHeader, Rows, SUBJECT_COLUMN
from rightful.package.schema import Column, ColumnKind
import pyarrow as pa


class StampSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Stamps of a collection.

    More about them.
    """

    album: str


class StampConnector:
    Settings = StampSettings

    def __init__(self, source_name, settings, *, siblings, folder):
        self._album = settings.album

    def check(self): ...
    def close(self): ...

    def plan(self, subjects):
        return (Partition(number=0),)

    def read(self, partition, subjects, cursor=None):
        column = Column(name="mail", kind=ColumnKind.TEXT)
        match = (MatchColumn(batch_column="mail", identifier_kind="upn"),)
        yield ReadHeader(columns=(column,), match=match, searched=f"{self._album} where mail in {{upn}}")
        found = [(index, subject.values("upn")[0]) for index, subject in enumerate(subjects)]
        arrays = [pa.array([mail for _, mail in found]), pa.array([index for index, _ in found], pa.int32())]
        yield Rows(pa.RecordBatch.from_arrays(arrays, names=["mail", SUBJECT_COLUMN]))
'''


def wheel(folder: Path, name: str, files: dict[str, str], points: str) -> Path:
    """Pack a wheel, as a build tool would (PEP 427)."""
    info = f"{name}-1.2.dist-info"
    entries = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[rightful.connectors]\n{points}\n",
    }
    record = io.StringIO()
    for path, text in entries.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        csv.writer(record, lineterminator="\n").writerow([path, f"sha256={digest}", len(text.encode())])
    record.write(f"{info}/RECORD,,\n")
    target = folder / f"{name}-1.2-py3-none-any.whl"
    with zipfile.ZipFile(target, "w") as archive:
        for path, text in {**entries, f"{info}/RECORD": record.getvalue()}.items():
            archive.writestr(path, text)
    return target


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three of them installed, by a real installer."""
    folder = tmp_path_factory.mktemp("third")
    wheels = [
        wheel(folder, "stamps", {"stamps.py": CONNECTOR}, "stamps = stamps:StampConnector"),
        wheel(folder, "broken", {"broken.py": "import not_installed_anywhere\n"}, "broken = broken:Connector"),
        wheel(folder, "rival", {"rival.py": CONNECTOR}, "lake = rival:StampConnector"),
    ]
    target = folder / "site"
    uv = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--offline", "--no-deps", "--target", str(target)]
    subprocess.run([*uv, *map(str, wheels)], check=True)
    return target


def rightful(site: Path, *arguments: str) -> tuple[int, Any]:
    environ = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-m", "rightful.cli", *arguments, "--json"]
    process = subprocess.run(command, env=environ, check=False, capture_output=True, timeout=60)
    return process.returncode, json.loads(process.stdout)


def test_each_is_listed_with_what_it_needs_or_why_it_cannot_be_used(site: Path) -> None:
    code, said = rightful(site, "connectors")
    found = {each["name"]: each for each in said["connectors"]}
    assert code == 1
    assert found["stamps"] == {
        "name": "stamps",
        "distribution": "stamps 1.2",
        "needs": ["album"],
        "problem": "",
        "summary": "Stamps of a collection.",
    }
    assert found["sql"]["problem"] == ""
    assert "No module named 'not_installed_anywhere'" in found["broken"]["problem"]
    assert found["lake"]["problem"].startswith("the connector 'lake' is there more than once, from rightful ")
    assert found["lake"]["problem"].endswith(" and rival 1.2")


def test_source_of_it_can_be_configured_and_checked(site: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "rightful.cli", "init", "."], cwd=tmp_path, check=True, capture_output=True)
    path = tmp_path / "rightful.yaml"
    document = path.read_text(encoding="utf-8")
    start = document.index("    sources:\n")
    path.write_text(document[:start] + "    sources:\n      album: {connector: stamps, album: 1840}\n", encoding="utf-8")
    _, said = rightful(site, "doctor", "--config", str(path))
    checks = {check["name"]: check for check in said["checks"]}
    assert checks["My organization: source album"]["ok"]
