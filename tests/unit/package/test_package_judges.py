"""Tools that others wrote judge a package: sha256sum, bagit and frictionless."""

import subprocess
from pathlib import Path

import bagit
import pytest
from frictionless import Package
from frictionless.resources import TableResource

from rightful.package.forms import Form
from rightful.package.ledger import SkippedEntry
from rightful.package.verify import FolderReader, PackageState, verify
from rightful.testing.package_builder import SampleSource, build_package

AWKWARD = [
    " a", "a b", "-dash.csv", "--", "*star", "#hash", "~home", "$HOME", "$HOME/x", "%25", "100%.txt", "%0Aname", "back\\slash", "new\nline",
    "return\r", "tab\t", "bad\udcff", "\u2028v", "\x85", "tail\u3000", "tail ", "dot.", "..a", "a../b", "日本語.docx", "e\u0301.txt", "😀",
    "CON", "x" * 255, "archive.zip", "archive.gz", "a.bz2", "a.xz", "table.csv", "broken.json", "datapackage.json", "manifest-sha256.txt",
    "part-00000-00000.jsonl", "data/x", "http:x", "q?a=b", "noext", ".hidden", "ß", "SS",
]  # fmt: skip

WHOLE = (
    SampleSource(
        name="orders",
        product="Shop",
        rows=tuple({"id": number, "name": f"n{number}", "paid": number % 2 == 0, "sum": number / 4, "note": None} for number in range(25)),
        rows_per_part=10,
        superseded_rows=({"id": 0, "name": "older", "paid": True, "sum": 0.5, "note": None},),
    ),
    SampleSource(name="Orders", product="HR", rows=({"id": 1},)),
    SampleSource(name="visits", rows=({"id": 1, "note": "=1+1", "empty": ""}, {"id": 2, "note": None, "empty": None}), forms=tuple(Form)),
    SampleSource(
        name="drive",
        product="OneDrive",
        files={name: name.encode("utf-8", "surrogateescape") * 3 for name in AWKWARD},
        skipped=(SkippedEntry(path="link", reason="not a regular file"),),
    ),
    SampleSource(name="hr", product="HR"),
)


@pytest.fixture(params=[WHOLE, WHOLE[-1:], ()], ids=["whole", "nothing found", "no sources"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return build_package(tmp_path, *request.param)


def _sha256sum(folder: Path, manifest: str) -> int:
    return subprocess.run(["sha256sum", "--strict", "--quiet", "-c", manifest], cwd=folder, check=False, capture_output=True).returncode


def test_all_judges_accept_a_package(folder: Path) -> None:
    assert verify(FolderReader(folder)).state is PackageState.WHOLE
    assert _sha256sum(folder, "manifest-sha256.txt") == 0
    assert _sha256sum(folder, "tagmanifest-sha256.txt") == 0
    bagit.Bag(str(folder)).validate()
    report = Package(str(folder / "datapackage.json")).validate()
    assert report.valid, report.flatten(["name", "type", "note"])


def test_all_judges_refuse_it_after_one_byte_changed(folder: Path) -> None:
    part = next(
        path for path in sorted(folder.glob("data/**/*")) if path.is_file() and path.suffix in {".jsonl", ".txt"} and path.stat().st_size
    )
    part = folder / "data/Shop/orders/part-00000-00001.jsonl" if (folder / "data/Shop").exists() else part
    part.write_bytes(part.read_bytes().replace(b"n", b"m", 1))
    assert verify(FolderReader(folder)).state is PackageState.DAMAGED
    assert _sha256sum(folder, "manifest-sha256.txt") == 1
    with pytest.raises(bagit.BagValidationError):
        bagit.Bag(str(folder)).validate()
    assert not Package(str(folder / "datapackage.json")).validate().valid


def test_bagit_reads_what_bag_info_says(tmp_path: Path) -> None:
    info = bagit.Bag(str(build_package(tmp_path, *WHOLE))).info
    assert info["Source-Organization"] == "Contoso"
    assert info["External-Identifier"] == "0d6f3c51-5b0e-4f0e-9c8a-2f7d1a3b4c5d"
    assert info["Bagging-Date"] == "2026-03-01"


def test_frictionless_reads_rows_with_their_types(tmp_path: Path) -> None:
    package = Package(str(build_package(tmp_path, *WHOLE) / "datapackage.json"))
    resource = package.get_resource("orders/part-00000-00002")
    assert isinstance(resource, TableResource)
    row = resource.read_rows()[0]
    assert row.to_dict() == {"id": 20, "name": "n20", "paid": True, "sum": 5, "note": None}
