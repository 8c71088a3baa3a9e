"""`files` passes the suite over real folders, and stays inside each subject's folder whatever lies there."""

import errno
import gc
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.contract.open_files import open_below
from tests.unit.export.world import World

from rightful.connectors import registry
from rightful.connectors.files import FilesConnector, FilesSettings
from rightful.connectors.interface import Cursor, FileItem, Item, ItemChanged, Partition, ReadHeader, SkippedItem
from rightful.connectors.local_tree import LocalTree
from rightful.errors import ConfigurationError, SourceRefused, SourceUnavailable
from rightful.operation.model import OperationStatus
from rightful.package.verify import PackageState
from rightful.subject.model import IdentifiedSubject
from rightful.testing.connector_suite import ANN, ANN2, UPPER, ConnectorSuite, Found, collect, identified

PARTITION = Partition(number=0, spec="tree")
AWKWARD = {
    "Documents/a.docx": b"a" * 10,
    "Documents/b": b"",
    "Documents.txt": b"sorts after the folder's content",
    "line\nbreak": b"n",
    "\udcff\udcfe": b"no UTF-8",
    "写真/👩‍👧.png": b"png",
    "CON": b"reserved elsewhere",
    "-rf": b"",
    "é": b"NFC",
    "e\u0301": b"NFD",
    "n" * 255: b"long",
    "\U0001f600": b"astral: code points and bytes sort alike, UTF-16 would not",
    "\uffee": b"below it",
}


def connect(root: Path, path: str = "{folder}/", **options: object) -> FilesConnector:
    settings = FilesSettings(url=f"file://{root}", path=path, **options)  # type: ignore[arg-type]
    return FilesConnector("onedrive", settings, siblings={}, folder=Path("/"))


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def items_of(connector: FilesConnector, folder: str = "ann", cursor: Cursor | None = None) -> list[FileItem | SkippedItem]:
    items = list(connector.read(PARTITION, [identified(folder=(folder,))], cursor))
    return [item for item in items if isinstance(item, FileItem | SkippedItem)]


def only_file(connector: FilesConnector) -> FileItem:
    [item] = items_of(connector)
    assert isinstance(item, FileItem)
    return item


class TestFiles(ConnectorSuite):
    @pytest.fixture
    def connector(self, tmp_path: Path) -> FilesConnector:
        write(tmp_path / "ann", AWKWARD)
        write(tmp_path / "ANN", {"Documents/a.docx": b"somebody else's"})
        write(tmp_path / "anna", {"x": b"x"})
        write(tmp_path, {"loose": b"nobody's", " /blank": b"blank"})
        (tmp_path / "ann/empty/folder").mkdir(parents=True)
        (tmp_path / "ann/link").symlink_to("../anna/x")
        (tmp_path / "ann/Documents/linked").symlink_to("../../anna", target_is_directory=True)
        os.mkfifo(tmp_path / "ann/pipe")
        return connect(tmp_path)

    @pytest.fixture
    def expected(self) -> Mapping[str, Found]:
        return {
            ANN.name: Found(files=AWKWARD, skipped=("Documents/linked", "link", "pipe")),
            ANN2.name: Found(),
            UPPER.name: Found(files={"Documents/a.docx": b"somebody else's"}),
        }

    @pytest.fixture
    def broken(self, tmp_path: Path) -> FilesConnector:
        return connect(tmp_path / "nowhere")


def test_the_registry_finds_it() -> None:
    assert registry.find("files") is FilesConnector
    assert FilesConnector.Settings is FilesSettings


def test_files_come_in_the_order_of_their_segments_bytes(tmp_path: Path) -> None:
    write(tmp_path / "ann", AWKWARD)
    found = [item.path for item in items_of(connect(tmp_path))]
    assert found == sorted(AWKWARD, key=lambda path: [os.fsencode(segment) for segment in path.split("/")])
    assert found.index("Documents/b") < found.index("Documents.txt")


def test_special_files_and_links_are_skipped_with_a_reason(tmp_path: Path) -> None:
    home = tmp_path / "ann"
    home.mkdir()
    os.mkfifo(home / "pipe")
    (home / "link").symlink_to("/etc/passwd")
    (home / "dangling").symlink_to("nowhere")
    (home / "up").symlink_to("..", target_is_directory=True)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(home / "socket"))
    reasons = {item.path: item.reason for item in items_of(connect(tmp_path)) if isinstance(item, SkippedItem)}
    assert reasons == {
        "dangling": "symbolic link, not followed",
        "link": "symbolic link, not followed",
        "pipe": "named pipe, not a regular file",
        "socket": "socket, not a regular file",
        "up": "symbolic link, not followed",
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_a_device_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "ann").mkdir()
    os.mknod(tmp_path / "ann/null", 0o20666, os.makedev(1, 3))
    assert [getattr(item, "reason", "") for item in items_of(connect(tmp_path))] == ["device, not a regular file"]


def test_a_subjects_folder_that_is_a_link_or_a_file_is_skipped_not_empty(tmp_path: Path) -> None:
    write(tmp_path, {"other/secret": b"!", "ANN": b"a file"})
    (tmp_path / "ann").symlink_to("other", target_is_directory=True)
    (tmp_path / "ann2").symlink_to("other/secret")
    reasons = [[(item.path, getattr(item, "reason", "")) for item in items_of(connect(tmp_path), name)] for name in ("ann", "ann2", "ANN")]
    assert reasons == [[(".", "symbolic link, not followed")], [(".", "symbolic link, not followed")], [(".", "not a folder")]]


def test_a_root_that_is_a_link_is_followed(tmp_path: Path) -> None:
    write(tmp_path / "real/ann", {"a": b"a"})
    (tmp_path / "root").symlink_to("real", target_is_directory=True)
    assert [item.path for item in items_of(connect(tmp_path / "root"))] == ["a"]


@pytest.mark.parametrize("value", ["", " ", ".", "..", "../bob", "/etc", "bob/", "a\0b", "x" * 300])
def test_an_identifier_that_is_no_folders_name_matches_nothing(tmp_path: Path, value: str) -> None:
    write(tmp_path, {"loose": b"!", "bob/secret": b"!", " /x": b"!"})
    (tmp_path / "root").mkdir()
    write(tmp_path / "root", {"loose": b"!"})
    assert items_of(connect(tmp_path / "root"), value) == []


@pytest.mark.parametrize("path", ["", "/", "files/", "{upn", "upn}", "../{upn}", "/{upn}", "a//{upn}", "{upn}/./x", "{}", "{upn}\0"])
def test_a_template_that_is_no_template_is_refused(path: str) -> None:
    with pytest.raises(ConfigurationError):
        connect(Path("/srv"), path)


@pytest.mark.parametrize("options", [{"include": ("*.pdf", "[z-a]")}, {"exclude": ("",)}, {"exclude": ("/",)}])
def test_what_can_be_no_pattern_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"{next(iter(options))}.*pattern"):
        FilesConnector("x", FilesSettings(url="x", path="{upn}/", **options), siblings={}, folder=Path("/"))


@pytest.mark.parametrize("url", ["file://host/x", "http://x/y", "ftp://host/x", ""])
def test_a_url_that_is_no_place_for_files_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        FilesConnector("x", FilesSettings(url=url, path="{upn}/"), siblings={}, folder=Path("/"))


def test_a_relative_path_starts_at_the_configurations_folder(tmp_path: Path) -> None:
    write(tmp_path / "one drive#?%/ann", {"a": b"a"})
    for url in ("one drive#?%", f"file://{tmp_path}/one%20drive#?%25"):
        connector = FilesConnector("x", FilesSettings(url=url, path="{folder}"), siblings={}, folder=tmp_path)
        assert [item.path for item in items_of(connector)] == ["a"]


def test_the_fixed_beginning_of_a_template_belongs_to_the_root(tmp_path: Path) -> None:
    write(tmp_path / "home/e10/files", {"a": b"a"})
    connector = connect(tmp_path, "home/{employee_id}/files/")
    [found] = collect(connector, [ANN.subject])
    assert dict(found.files) == {"a": b"a"}
    with pytest.raises(SourceUnavailable):
        connect(tmp_path, "gone/{employee_id}").check()


def test_a_part_of_a_segment_can_be_an_identifier(tmp_path: Path) -> None:
    write(tmp_path / "user-e10@10", {"a": b"a"})
    [item] = list(connect(tmp_path, "user-{employee_id}@{user_number}").read(PARTITION, [ANN.subject]))[1:]
    assert isinstance(item, FileItem)
    assert (item.path, item.root) == ("a", "user-e10@10")


def test_two_roots_are_both_read_under_their_names(tmp_path: Path) -> None:
    write(tmp_path, {"b@x/docs/1": b"1", "a@x/docs/2": b"2", "a@x/other": b"no"})
    subject = identified(upn=("b@x", "a@x", "b@x", "c@x"))
    connector = connect(tmp_path, "{upn}/docs")
    items = [item for item in connector.read(PARTITION, [subject]) if isinstance(item, FileItem)]
    assert [(item.path, item.root) for item in items] == [("a@x/docs/2", "a@x/docs"), ("b@x/docs/1", "b@x/docs")]
    for after, left in ((b"a@x/docs/2", ["b@x/docs/1"]), ("a@x/docs", ["b@x/docs/1"]), ("b@x/docs/1", [])):
        rest = [item.path for item in connector.read(PARTITION, [subject], Cursor(after)) if isinstance(item, FileItem)]
        assert rest == left


def test_one_of_two_values_keeps_its_prefix_when_the_other_folder_is_missing(tmp_path: Path) -> None:
    write(tmp_path, {"b@x/1": b"1"})
    [found] = collect(connect(tmp_path, "{upn}"), [identified(upn=("b@x", "a@x"))])
    assert dict(found.files) == {"b@x/1": b"1"}


def test_patterns_choose_files(tmp_path: Path) -> None:
    write(
        tmp_path / "ann",
        {"a.pdf": b"", "x/b.pdf": b"", "x/c.txt": b"", "cache/d.pdf": b"", "x/cache/e.pdf": b"", "x/f.PDF": b"", "g1.pdf": b""},
    )
    (tmp_path / "ann/cache.lnk").symlink_to("x")
    connector = connect(tmp_path, include=("*.pdf",), exclude=("cache", "g[0-9].pdf"))
    assert [item.path for item in items_of(connector)] == ["a.pdf", "x/b.pdf"]
    connector = connect(tmp_path, include=("x/**",), exclude=("x/*/**",))
    assert [item.path for item in items_of(connector)] == ["x/b.pdf", "x/c.txt", "x/f.PDF"]


# -- roots --------------------------------------------------------------------------------------------------------------
def test_a_missing_or_empty_root_is_unavailable_never_empty(tmp_path: Path) -> None:
    for connector in (connect(tmp_path / "nowhere"), connect(tmp_path)):
        with pytest.raises(SourceUnavailable):
            connector.check()
        with pytest.raises(SourceUnavailable):
            list(connector.read(PARTITION, [ANN.subject]))


def test_an_empty_root_can_be_allowed(tmp_path: Path) -> None:
    connect(tmp_path, allow_empty=True).check()
    assert items_of(connect(tmp_path, allow_empty=True)) == []


def test_a_root_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SourceRefused):
        connect(tmp_path / "file").check()


@contextmanager
def unprivileged_folder() -> Iterator[Path]:
    """A folder, and for the time of the block a user whom permissions bind (root is bound by none)."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        yield root


@contextmanager
def as_nobody() -> Iterator[None]:
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)


def test_what_may_not_be_read_is_skipped_and_the_rest_is_read() -> None:
    with unprivileged_folder() as root:
        write(root / "ann", {"a": b"a", "locked/x": b"x", "no-entry/y": b"y", "secret": b"s", "z": b"z"})
        (root / "ann/secret").chmod(0)
        (root / "ann/locked").chmod(0)
        (root / "ann/no-entry").chmod(0o744)
        with as_nobody():
            found = items_of(connect(root))
        (root / "ann/locked").chmod(0o700)
        (root / "ann/no-entry").chmod(0o700)
        shape = [(item.path, item.reason if isinstance(item, SkippedItem) else "") for item in found]
        if os.geteuid() == 0:
            assert shape == [
                ("a", ""),
                ("locked", "permission denied"),
                ("no-entry/y", "permission denied"),
                ("secret", "permission denied"),
                ("z", ""),
            ]
        else:
            assert ("secret", "permission denied") in shape


def test_a_folder_that_became_unreadable_is_skipped_on_resume_too() -> None:
    with unprivileged_folder() as root:
        write(root / "ann", {"a/1": b"", "a/2": b"", "b": b""})
        (root / "ann/a").chmod(0)
        with as_nobody():
            assert [(item.path, type(item)) for item in items_of(connect(root), cursor=Cursor("a/1"))] == [
                ("a", SkippedItem),
                ("b", FileItem),
            ]
            assert [item.path for item in items_of(connect(root), cursor=Cursor("a"))] == ["b"]
        (root / "ann/a").chmod(0o700)


def test_a_link_in_the_place_of_the_folder_that_a_read_stopped_in_is_told(tmp_path: Path) -> None:
    write(tmp_path, {"ann/a/c/1": b"", "ann/a/c/2": b"", "ann/b": b""})
    (tmp_path / "ann/a").rename(tmp_path / "moved")
    (tmp_path / "ann/a").symlink_to("../moved")
    found = items_of(connect(tmp_path), cursor=Cursor("a/c/1"))
    assert [(item.path, type(item)) for item in found] == [("a", SkippedItem), ("b", FileItem)]
    assert [item.path for item in items_of(connect(tmp_path), cursor=Cursor("a"))] == ["b"]


@pytest.mark.parametrize("mode", [0, 0o644, 0o311])
def test_a_root_that_may_not_be_read_is_refused(mode: int) -> None:
    with unprivileged_folder() as base:
        write(base / "root/ann", {"a": b"a"})
        (base / "root").chmod(mode)
        with as_nobody(), pytest.raises(SourceRefused):
            connect(base / "root").check()
        (base / "root").chmod(0o700)


# -- content ------------------------------------------------------------------------------------------------------------
def test_a_large_and_a_sparse_file_come_in_chunks(tmp_path: Path) -> None:
    (tmp_path / "ann").mkdir()
    with (tmp_path / "ann/big").open("wb") as file:
        file.truncate((3 << 20) + 5)
    item = only_file(connect(tmp_path))
    sizes = [len(chunk) for chunk in item.open()]
    assert (sum(sizes), max(sizes)) == ((3 << 20) + 5, 128 << 10)


def test_content_can_be_read_twice_after_the_walk_has_ended(tmp_path: Path) -> None:
    write(tmp_path / "ann", {"x/y": b"content"})
    item = only_file(connect(tmp_path))
    assert b"".join(item.open()) == b"".join(item.open()) == b"content"


def _replace(path: Path) -> None:
    path.rename(path.with_name("was"))
    path.write_bytes(b"content")
    os.utime(path, ns=(0, 5))


def _replace_by_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def _replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _lengthen(path: Path) -> None:
    path.write_bytes(b"longer than it was")


def _shorten(path: Path) -> None:
    path.write_bytes(b"s")


def _touch(path: Path) -> None:
    os.utime(path, ns=(0, 6))


def pass_a_tick(folder: Path) -> None:
    """Wait until a change gets another time than the last one: file systems count in the kernel's ticks."""
    was = folder.stat().st_ctime_ns
    while folder.stat().st_ctime_ns == was:
        folder.chmod(folder.stat().st_mode)


def _rewrite_and_restore_the_time(path: Path) -> None:
    was = path.stat()
    path.write_bytes(b"y" * was.st_size)
    os.utime(path, ns=(0, was.st_mtime_ns))


def _make_read_only(path: Path) -> None:
    path.chmod(0o400)


def _link(path: Path) -> None:
    path.with_name("log.bak").hardlink_to(path)


@pytest.mark.parametrize(
    "change",
    [
        _rewrite_and_restore_the_time,
        _make_read_only,
        _link,
        _lengthen,
        _shorten,
        _touch,
        Path.unlink,
        _replace,
        _replace_by_link,
        _replace_by_pipe,
        _replace_by_folder,
    ],
)
def test_a_file_that_changes_is_told(tmp_path: Path, change: Callable[[Path], None]) -> None:
    write(tmp_path, {"ann/log": b"content"})
    os.utime(tmp_path / "ann/log", ns=(0, 5))
    item = only_file(connect(tmp_path))
    pass_a_tick(tmp_path)
    change(tmp_path / "ann/log")
    with pytest.raises(ItemChanged):
        list(item.open())


def test_a_changed_file_can_be_looked_at_again(tmp_path: Path) -> None:
    write(tmp_path, {"a@x/docs/log": b"content", "b@x/other": b""})
    subject = identified(upn=("a@x", "b@x"))
    item = next(item for item in connect(tmp_path, "{upn}").read(PARTITION, [subject]) if isinstance(item, FileItem))
    assert item.renew
    (tmp_path / "a@x/docs/log").write_bytes(b"content and more")
    with pytest.raises(ItemChanged, match="changed while it was read"):
        list(item.open())
    again = item.renew()
    assert isinstance(again, FileItem)
    assert (again.path, again.root, again.size_bytes) == ("a@x/docs/log", "a@x", 16)
    assert b"".join(again.open()) == b"content and more"
    _replace_by_link(tmp_path / "a@x/docs/log")
    assert item.renew() == SkippedItem(subject=0, path="a@x/docs/log", reason="symbolic link, not followed")
    (tmp_path / "a@x/docs/log").unlink()
    assert item.renew() is None


def test_a_file_that_changes_between_two_chunks_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ann/log"
    for size in (1, 5 << 20):
        write(tmp_path, {"ann/log": b"x" * (3 << 20)})
        chunks = only_file(connect(tmp_path)).open()
        next(chunks)
        os.truncate(path, size)
        with pytest.raises(ItemChanged):
            list(chunks)


def test_a_folder_swapped_for_a_link_leads_nowhere(tmp_path: Path) -> None:
    write(tmp_path, {"ann/docs/a": b"mine", "bob/docs/a": b"foreign"})
    os.utime(tmp_path / "bob/docs/a", ns=(0, 5))
    os.utime(tmp_path / "ann/docs/a", ns=(0, 5))
    item = only_file(connect(tmp_path))
    (tmp_path / "ann/docs").rename(tmp_path / "moved")
    (tmp_path / "ann/docs").symlink_to("../bob/docs", target_is_directory=True)
    with pytest.raises(ItemChanged):
        list(item.open())


def test_a_folder_swapped_for_a_link_during_the_walk_leads_nowhere(tmp_path: Path) -> None:
    write(tmp_path, {"ann/a/1": b"", "ann/b/2": b"mine", "bob/2": b"foreign", "bob/3": b"foreign"})
    read = connect(tmp_path).read(PARTITION, [identified(folder=("ann",))])
    assert isinstance(next(read), ReadHeader)
    assert isinstance(next(read), FileItem)
    (tmp_path / "ann/b").rename(tmp_path / "moved")
    (tmp_path / "ann/b").symlink_to("../bob", target_is_directory=True)
    assert [(type(item), getattr(item, "path", "")) for item in read] == [(SkippedItem, "b")]


SWAPPING = """
import os
while True:
    for folder in ("docs", "docs/deep"):
        os.rename(f"ann/{folder}", "aside")
        os.symlink(f"{os.getcwd()}/bob/{folder}", f"ann/{folder}")
        os.unlink(f"ann/{folder}")
        os.rename("aside", f"ann/{folder}")
"""


def test_whoever_swaps_folders_for_links_all_the_time_gets_nothing_out(tmp_path: Path) -> None:
    names = [f"f{number}" for number in range(20)]
    write(tmp_path, {f"ann/docs/deep/{name}": b"mine...." for name in names} | {f"bob/docs/deep/{name}": b"foreign" for name in names})
    for owner in ("ann", "bob"):
        for name in names:
            os.utime(tmp_path / owner / "docs/deep" / name, ns=(0, 5))
    attacker = subprocess.Popen([sys.executable, "-c", SWAPPING], cwd=tmp_path)
    read, links, listed = 0, 0, 0
    until = time.monotonic() + 10
    try:
        while (listed < 1_000 or links < 20 or not read) and time.monotonic() < until:
            for item in items_of(connect(tmp_path)):
                if isinstance(item, SkippedItem):
                    links += item.reason == "symbolic link, not followed"
                    continue
                listed += 1
                assert item.size_bytes == len(b"mine....")
                with suppress(ItemChanged):
                    assert b"".join(item.open()) == b"mine...."
                    read += 1
    finally:
        attacker.kill()
        attacker.wait()
    assert read, "nothing was read"
    assert links, "the attack was never met: nothing was proved"


def test_a_file_deleted_during_the_walk_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, {"ann/a": b"", "ann/b": b"", "ann/c": b""})
    read = connect(tmp_path).read(PARTITION, [identified(folder=("ann",))])
    next(read)
    next(read)
    (tmp_path / "ann/b").unlink()
    assert [getattr(item, "path", "") for item in read] == ["c"]


# -- an outage while content is read ----------------------------------------------------------------------------------------
def _rename_root(root: Path) -> None:
    root.rename(root.with_name("elsewhere"))


def _rename_root_and_leave_an_empty_one(root: Path) -> None:
    _rename_root(root)
    root.mkdir()


def _put_another_root_there(root: Path) -> None:
    _rename_root(root)
    write(root, {"bob/b": b"another mount's"})


def _put_a_file_there(root: Path) -> None:
    _rename_root(root)
    root.write_bytes(b"")


@pytest.mark.parametrize("what", [_rename_root, _rename_root_and_leave_an_empty_one, _put_another_root_there, _put_a_file_there])
@pytest.mark.parametrize("how", ["open", "renew"])
def test_a_root_that_went_away_is_the_sources_fault_not_the_files(tmp_path: Path, what: Callable[[Path], None], how: str) -> None:
    write(tmp_path / "root/ann", {"a": b"a"})
    item = only_file(connect(tmp_path / "root", allow_empty=True))
    what(tmp_path / "root")
    assert item.renew
    with pytest.raises(SourceRefused if what is _put_a_file_there else SourceUnavailable):
        list(item.open()) if how == "open" else item.renew()


def test_too_many_open_files_are_our_fault_not_the_files(tmp_path: Path) -> None:
    write(tmp_path / "ann", {"x/y/a": b"a"})
    item = only_file(connect(tmp_path))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]
    outcomes = []
    for limit in range(max(used) + 8):
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        try:
            outcomes.append(b"".join(item.open()))
        except SourceUnavailable:
            outcomes.append(b"unavailable")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert set(outcomes) == {b"unavailable", b"a"}
    assert outcomes[-1] == b"a"


DOWN = ["ESTALE", "ETIMEDOUT", "ENOTCONN", "EHOSTDOWN", "ENFILE", "ENOMEM", "ECONNREFUSED", "ENETUNREACH", "ENODEV"]


@pytest.mark.parametrize("call", ["open", "read", "fstat"])
@pytest.mark.parametrize("name", DOWN)
def test_a_file_system_that_does_not_answer_is_no_unreadable_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, call: str
) -> None:
    write(tmp_path / "ann", {"a": b"x" * (2 << 20), "b": b""})
    [item, _] = items_of(connect(tmp_path))
    assert isinstance(item, FileItem)
    chunks = item.open()
    if call != "open":
        next(chunks)  # what follows happens in the middle of the file
    real = getattr(os, call)

    def fail(*arguments: object, **options: object) -> object:
        if call != "open" or arguments[0] == "a":
            raise OSError(getattr(errno, name), os.strerror(getattr(errno, name)))
        return real(*arguments, **options)

    monkeypatch.setattr(f"rightful.connectors.tree.os.{call}", fail)  # no file system here can be made to answer so
    with pytest.raises(SourceUnavailable) as caught:
        list(chunks)
    monkeypatch.undo()
    assert caught.value.source_name == "onedrive"


def test_a_file_that_cannot_be_read_is_the_files_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "ann", {"a": b"x"})
    item = only_file(connect(tmp_path))

    def fail(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("rightful.connectors.tree.os.read", fail)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        list(item.open())


class Meddled(FilesConnector):
    """Something is done to it before the nth time that content is opened."""

    opened = 0
    nth = 2
    what = staticmethod(_rename_root)

    @property
    def root(self) -> Path:
        assert isinstance(self._tree, LocalTree)
        return self._tree._root

    def read(
        self, partition: Partition, subjects: Sequence[IdentifiedSubject], cursor: Cursor | None = None
    ) -> Iterator[ReadHeader | Item]:
        for item in super().read(partition, subjects, cursor):
            yield msgspec.structs.replace(item, open=partial(self._open, item)) if isinstance(item, FileItem) else item

    def _open(self, item: FileItem) -> Iterator[bytes]:
        self.opened += 1
        if self.opened == self.nth:
            self.what(self.root)
        return item.open()


@pytest.mark.parametrize("size", [1, 5 << 20], ids=["held", "read twice"])
def test_an_export_waits_for_a_root_that_went_away(tmp_path: Path, size: int) -> None:
    write(tmp_path / "root/ann", dict.fromkeys("abc", b"x" * size))
    settings = FilesSettings(url=f"file://{tmp_path}/root", path="{folder}")
    world = World(tmp_path, {"1": {"folder": ("ann",)}}, {"onedrive": Meddled("onedrive", settings, siblings={}, folder=tmp_path)})
    operation = world.submit("1")
    assert world.step()
    assert world.get(operation).status is OperationStatus.RUNNING
    (tmp_path / "elsewhere").rename(tmp_path / "root")
    world.run()
    assert world.get(operation).status is OperationStatus.COMPLETE
    assert world.get(operation).sources[0].files == 3
    assert world.ledger(operation)["onedrive"]["skipped"] == []
    assert world.verify(operation).state is PackageState.WHOLE
    world.stop()


@pytest.mark.parametrize("change", [_rewrite_and_restore_the_time, _make_read_only, _link])
@pytest.mark.parametrize(("size", "opening"), [(1, 2), (5 << 20, 2), (5 << 20, 3)], ids=["held", "hashed", "put"])
def test_an_export_loses_nothing_of_what_changed_meanwhile(tmp_path: Path, size: int, opening: int, change: Callable[[Path], None]) -> None:
    class Changed(Meddled):
        nth = opening

        @staticmethod
        def what(root: Path) -> None:
            pass_a_tick(tmp_path)
            change(root / "ann/log")

    write(tmp_path / "root/ann", {"log": b"x" * size, "a": b"a"})
    settings = FilesSettings(url=f"file://{tmp_path}/root", path="{folder}")
    world = World(tmp_path, {"1": {"folder": ("ann",)}}, {"onedrive": Changed("onedrive", settings, siblings={}, folder=tmp_path)})
    operation = world.submit("1")
    world.run()
    assert world.get(operation).status is OperationStatus.COMPLETE
    assert world.ledger(operation)["onedrive"]["skipped"] == []
    delivered = world.package(operation) / "data/Product/onedrive/log"
    assert delivered.read_bytes() == (tmp_path / "root/ann/log").read_bytes()
    assert world.verify(operation).state is PackageState.WHOLE
    world.stop()


# -- deep and wide --------------------------------------------------------------------------------------------------------
@pytest.fixture
def deep(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A tree deeper than a path may be long, than files may be open and than Python recurses."""
    depth = 1500
    fd = os.open(tmp_path, os.O_RDONLY)
    names = ["ann", *("d" * 20 for _ in range(depth))]
    for name in names:
        os.mkdir(name, dir_fd=fd)
        child = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(os.open("after", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
        os.close(fd)
        fd = child
    os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    yield tmp_path, depth
    for name in ["bottom", *reversed(names)]:
        if name != "bottom":
            up = os.open("..", os.O_RDONLY, dir_fd=fd)
            os.close(fd)
            fd = up
            os.rmdir(name, dir_fd=fd)
            os.unlink("after", dir_fd=fd)
        else:
            os.unlink(name, dir_fd=fd)
    os.close(fd)


def test_a_very_deep_tree_is_read_whole(deep: tuple[Path, int]) -> None:
    root, depth = deep
    gc.collect()  # or what an earlier test left is closed in between
    before = open_below(root)
    most = 0
    paths = []
    for item in connect(root).read(PARTITION, [identified(folder=("ann",))]):
        most = max(most, open_below(root))
        if isinstance(item, FileItem):
            paths.append(item.path)
            assert b"".join(item.open()) == b""
    assert len(paths) == depth + 1
    assert len(max(paths, key=len)) > 4096
    assert most - before < 80
    assert open_below(root) == before
    middle = paths[depth // 2]
    assert [item.path for item in items_of(connect(root), cursor=Cursor(middle))] == paths[depth // 2 + 1 :]


def test_a_folder_moved_away_from_above_the_walk_stops_it(deep: tuple[Path, int], tmp_path: Path) -> None:
    root, _ = deep
    read = connect(root).read(PARTITION, [identified(folder=("ann",))])
    next(item for item in read if isinstance(item, FileItem) and item.path.endswith("/bottom"))
    # The walk stands at the bottom and holds 64 folders; one above those changes its parent.
    (tmp_path / "elsewhere").mkdir()
    twenty = "/".join(["d" * 20] * 20)
    (tmp_path / "ann" / twenty).rename(tmp_path / "elsewhere/moved")
    try:
        with pytest.raises(SourceUnavailable):
            list(read)
    finally:
        (tmp_path / "elsewhere/moved").rename(tmp_path / "ann" / twenty)
        (tmp_path / "elsewhere").rmdir()


def test_a_read_given_up_leaves_no_descriptor(tmp_path: Path) -> None:
    write(tmp_path / "ann", {"a/b/c/d": b"x" * (2 << 20), "e": b""})
    before = open_below(tmp_path)
    for _ in range(5):
        read = connect(tmp_path).read(PARTITION, [identified(folder=("ann",))])
        next(read)
        item = next(read)
        assert isinstance(item, FileItem)
        content = item.open()
        next(content)
        content.close()  # type: ignore[attr-defined]  # a generator
        read.close()  # type: ignore[attr-defined]  # a generator
    assert open_below(tmp_path) == before


def test_errors_name_the_source_and_no_path(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable) as caught:
        connect(tmp_path / "nowhere").check()
    assert caught.value.source_name == "onedrive"
    assert caught.value.hint
    assert "nowhere" not in str(caught.value)


def test_io_errors_have_words() -> None:
    from rightful.connectors.tree import is_down, reason_of

    assert reason_of(OSError(errno.EIO, "x")) == "input/output error"
    assert reason_of(OSError(errno.EOVERFLOW, "x")) == os.strerror(errno.EOVERFLOW).lower()
    assert is_down(OSError(errno.ESTALE, "x"))
    assert not is_down(OSError(errno.EIO, "x"))
