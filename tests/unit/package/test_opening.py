"""What lies on this machine and may be a package: a folder, a ZIP file, or the folder that a ZIP file was delivered to."""

import json
from pathlib import Path

import pytest

from rightful.cli import main
from rightful.cli.exits import Exit
from rightful.errors import PackageError
from rightful.package.opening import open_local
from rightful.package.verify import PackageState, verify
from rightful.pinned import PinnedHost
from rightful.storage.azure_blob import open_container
from rightful.storage.sas import parse_sas_url
from rightful.testing.blob_simulator import BlobSimulator
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


def test_zip_file_in_a_container_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with BlobSimulator() as simulator:
        sas = parse_sas_url(simulator.sas_url("container", "cw"))
        storage = open_container(sas, PinnedHost(sas.scheme, sas.host, sas.port, may_be_private=True))
        for name, content in (("RequestInfo.json", ENTRIES["RequestInfo.json"]), (f"{OPERATION}.zip", b"PK")):
            storage.put(f"{OPERATION}/{name}", [content], size_bytes=len(content))
        storage.close()
        assert main(["verify", simulator.sas_url("container", "rl")]) == Exit.FAILED
    said = capsys.readouterr().err
    assert f"{OPERATION}.zip" in said
    assert "download" in said
