import errno
import os
import socket
from pathlib import Path

import pytest

from rightful.errors import PackageError
from rightful.package.verify import FolderReader, PackageState, verify
from rightful.testing.package_builder import SampleSource, build_package

FILES = SampleSource(name="drive", product="OneDrive", files={"deep/er/a.txt": b"one", "b.txt": b"two"})
ENTRY = "data/OneDrive/drive/deep/er/a.txt"


def test_folder_lists_files_with_their_sizes(tmp_path: Path) -> None:
    folder = build_package(tmp_path / "package", FILES)
    listed = dict(FolderReader(folder).list())
    assert listed[ENTRY] == 3
    assert listed["bagit.txt"] == 54
    assert set(listed) == {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_folder_itself_may_be_reached_by_a_link(tmp_path: Path) -> None:
    build_package(tmp_path / "package", FILES)
    (tmp_path / "link").symlink_to("package")
    assert verify(FolderReader(tmp_path / "link")).state is PackageState.WHOLE


@pytest.mark.parametrize("path", ["missing", "file"])
def test_what_is_no_folder_is_no_package(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PackageError, match=path):
        FolderReader(tmp_path / path)


@pytest.mark.parametrize("path", ["", "../secret", "data/../../secret", "/etc/hostname", "data//x", "./bagit.txt"])
def test_path_out_of_the_folder_is_not_read(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").write_text("secret")
    reader = FolderReader(build_package(tmp_path / "package", FILES))
    with pytest.raises(FileNotFoundError):
        list(reader.read(path))


def test_link_in_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    folder = build_package(tmp_path / "package", FILES)
    (tmp_path / "twin").write_bytes(b"one")
    (folder / ENTRY).unlink()
    (folder / ENTRY).symlink_to(tmp_path / "twin")
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        list(FolderReader(folder).read(ENTRY))
    (finding,) = verify(FolderReader(folder)).findings
    assert (finding.kind, finding.path) == ("unreadable", ENTRY)


def test_link_in_place_of_a_folder_is_not_followed(tmp_path: Path) -> None:
    folder = build_package(tmp_path / "package", FILES)
    (folder / "data/OneDrive/drive/deep").rename(tmp_path / "deep")
    (folder / "data/OneDrive/drive/deep").symlink_to(tmp_path / "deep")
    with pytest.raises(NotADirectoryError):
        list(FolderReader(folder).read(ENTRY))
    findings = verify(FolderReader(folder)).findings
    assert {(finding.kind.value, finding.path) for finding in findings} == {("missing", ENTRY), ("extra", "data/OneDrive/drive/deep")}


def test_sockets_and_pipes_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = build_package(tmp_path / "package", FILES)
    monkeypatch.chdir(folder)  # a socket's path must be short
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        for name in ("pipe", "socket"):
            with pytest.raises(OSError, match=r"not a regular file|No such device"):
                list(FolderReader(folder).read(name))
        assert {finding.path for finding in verify(FolderReader(folder)).findings} == {"pipe", "socket"}


def test_name_that_is_not_unicode_is_found_and_shown(tmp_path: Path) -> None:
    folder = build_package(tmp_path / "package", FILES)
    Path(os.fsdecode(bytes(folder) + b"/data/\xff")).touch()
    (finding,) = verify(FolderReader(folder)).findings
    assert (finding.kind, finding.path) == ("extra", "data/\\udcff")


def test_deep_tree_is_listed_without_a_limit_on_the_path(tmp_path: Path) -> None:
    folder = build_package(tmp_path / "package", FILES)
    parent = os.open(folder, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("d" * 200, dir_fd=parent)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=parent)
        os.close(parent)
        parent = inner
    os.close(os.open("end", os.O_CREAT | os.O_WRONLY, dir_fd=parent))
    os.close(parent)
    deep = [path for path, _ in FolderReader(folder).list() if path.endswith("/end")]
    assert [len(path) for path in deep] == [30 * 201 + 3]


def test_folder_that_cannot_be_listed_is_said(tmp_path: Path) -> None:
    folder = build_package(tmp_path / "package", FILES)
    listing = FolderReader(folder).list()
    next(listing)
    (folder / "data").rename(tmp_path / "data")
    with pytest.raises(PackageError, match="can't be listed"):
        list(listing)
