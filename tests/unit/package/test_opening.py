"""What lies on this machine and may be a package: a folder, a ZIP file, or the folder that a ZIP file was delivered to."""

import json
from pathlib import Path

import pytest

from rightful.errors import PackageError
from rightful.package.opening import open_local
from rightful.package.verify import PackageState, verify
from rightful.testing.package_builder import SampleSource, package_entries, write_package, write_zip

ENTRIES = package_entries(SampleSource(name="drive", product="OneDrive", files={"a é.txt": b"one" * 1000, "b.zip": b"PK"}))
OPERATION = json.loads(ENTRIES["RequestInfo.json"])["CommandId"]


def state(path: Path) -> PackageState:
    with open_local(path) as reader:
        return verify(reader).state


def delivered(folder: Path, request_info: bytes = ENTRIES["RequestInfo.json"]) -> Path:
    write_package(folder, {"RequestInfo.json": request_info})
    write_zip(folder / f"{OPERATION}.zip", ENTRIES)
    return folder


def test_each_of_the_three_is_found_whole(tmp_path: Path) -> None:
    folder = delivered(tmp_path / "delivered")
    assert state(folder) is state(folder / f"{OPERATION}.zip") is state(write_package(tmp_path / "folder", ENTRIES)) is PackageState.WHOLE


def test_damaged_zip_file_in_its_folder_is_damaged(tmp_path: Path) -> None:
    folder = delivered(tmp_path)
    write_zip(folder / f"{OPERATION}.zip", ENTRIES | {"data/OneDrive/drive/b.zip": b"KP"})
    assert state(folder) is PackageState.DAMAGED


def test_folder_whose_zip_file_is_not_there_yet_is_incomplete(tmp_path: Path) -> None:
    folder = delivered(tmp_path)
    (folder / f"{OPERATION}.zip").rename(folder / f"{OPERATION}.zip.pieces")
    assert state(folder) is PackageState.INCOMPLETE


@pytest.mark.parametrize("named", ["", "..", "../other", "sub/x", "\0", "x" * 5000], ids=repr)
def test_zip_file_that_request_info_leads_elsewhere_to_is_not_opened(tmp_path: Path, named: str) -> None:
    (tmp_path / "package" / "sub").mkdir(parents=True)
    for name in ("other.zip", "package/sub/x.zip"):
        write_zip(tmp_path / name, ENTRIES)
    write_package(tmp_path / "package", {"RequestInfo.json": json.dumps({"CommandId": named}).encode()})
    assert state(tmp_path / "package") is PackageState.INCOMPLETE


def test_nothing_is_no_package(tmp_path: Path) -> None:
    with pytest.raises(PackageError), open_local(tmp_path / "nothing"):
        pass
