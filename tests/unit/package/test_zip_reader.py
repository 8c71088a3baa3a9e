"""Packages in ZIP files: those that people make of a folder, and those that somebody made to deceive."""

import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
from tests.unit.package.zip_headers import with_wide_sizes

from rightful.cli import main
from rightful.cli.exits import Exit
from rightful.errors import PackageError
from rightful.package.packed_file import LocalFile
from rightful.package.verify import PackageState, Verification, verify
from rightful.package.zip_reader import ZipReader
from rightful.testing.package_builder import SampleSource, build_package, package_entries

FILES = SampleSource(name="drive", product="OneDrive", files={"deep/a é.txt": b"one" * 1000, "b.txt": b"two"})
ENTRY = "data/OneDrive/drive/b.txt"
MARKS = ("RequestInfo.json", "bagit.txt", "tagmanifest-sha256.txt")


def _zip(path: Path, entries: Mapping[str, bytes], *, prefix: str = "", method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as packed:
        for name, content in entries.items():
            packed.writestr(prefix + name, content)
    return path


def _verify(path: Path) -> Verification:
    with closing(ZipReader(LocalFile(path), MARKS)) as reader:
        return verify(reader)


def _found(verification: Verification) -> set[tuple[str, str]]:
    return {(finding.kind.value, finding.path) for finding in verification.findings}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("prefix", ["", "my export é/"])
def test_package_is_whole_wherever_it_lies_in_the_file(tmp_path: Path, method: int, prefix: str) -> None:
    entries = package_entries(FILES)
    verification = _verify(_zip(tmp_path / "p.zip", entries, prefix=prefix, method=method))
    assert (verification.state, verification.entries) == (PackageState.WHOLE, len(entries))


def test_what_is_changed_missing_and_extra_is_named(tmp_path: Path) -> None:
    entries = package_entries(FILES)
    changed = {path: content for path, content in entries.items() if path != "README.txt"} | {ENTRY: b"2", "data/x": b""}
    found = _found(_verify(_zip(tmp_path / "p.zip", changed)))
    assert found == {("missing", "README.txt"), ("changed", ENTRY), ("extra", "data/x")}


def test_what_lies_beside_the_package_is_extra(tmp_path: Path) -> None:
    path = _zip(tmp_path / "p.zip", package_entries(FILES), prefix="export/")
    with zipfile.ZipFile(path, "a") as packed:
        packed.writestr("autorun.inf", "x")
    assert _found(_verify(path)) == {("extra", "../autorun.inf")}


def test_entry_that_is_there_twice_is_no_package(tmp_path: Path) -> None:
    path = _zip(tmp_path / "p.zip", package_entries(FILES))
    with zipfile.ZipFile(path, "a") as packed, pytest.warns(UserWarning, match="Duplicate"):
        packed.writestr(ENTRY, "another")
    with pytest.raises(PackageError, match="more than once"):
        ZipReader(LocalFile(path), MARKS)


def test_link_is_not_followed(tmp_path: Path) -> None:
    entries = package_entries(FILES)
    path = _zip(tmp_path / "p.zip", {name: content for name, content in entries.items() if name != ENTRY})
    with zipfile.ZipFile(path, "a") as packed:
        link = zipfile.ZipInfo(ENTRY)
        link.external_attr = 0o120777 << 16
        packed.writestr(link, entries[ENTRY])
    assert _found(_verify(path)) == {("unreadable", ENTRY)}


@pytest.mark.parametrize(
    ("method", "within", "kind"),
    [
        (zipfile.ZIP_STORED, 0, "changed"),
        (zipfile.ZIP_DEFLATED, 0, "unreadable"),
        (zipfile.ZIP_BZIP2, 0, "unreadable"),
        (zipfile.ZIP_LZMA, 9, "unreadable"),  # behind its own header
    ],
)
def test_damaged_bytes_are_named(tmp_path: Path, method: int, within: int, kind: str) -> None:
    path = _zip(tmp_path / "p.zip", package_entries(FILES), method=method)
    with zipfile.ZipFile(path) as packed:
        info = packed.getinfo(ENTRY)
    content = bytearray(path.read_bytes())
    content[info.header_offset + 30 + len(ENTRY) + within] ^= 4
    path.write_bytes(content)
    assert _found(_verify(path)) == {(kind, ENTRY)}


def test_entry_that_claims_more_than_there_is_is_named(tmp_path: Path) -> None:
    path = _zip(tmp_path / "p.zip", package_entries(FILES), method=zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    central = content.rindex(ENTRY.encode()) - 46
    struct.pack_into("<II", content, central + 20, 1 << 30, 1 << 30)
    path.write_bytes(content)
    assert _found(_verify(path)) == {("unreadable", ENTRY)}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_entry_whose_content_goes_on_after_the_size_it_says_is_named(tmp_path: Path, method: int) -> None:
    entries = package_entries(FILES)
    path = _zip(tmp_path / "p.zip", entries | {ENTRY: entries[ENTRY] + b"FORGED TAIL"}, method=method)
    content = bytearray(path.read_bytes())
    for at in (content.index(ENTRY.encode()) - 30 + 14, content.rindex(ENTRY.encode()) - 46 + 16):
        _, packed, _ = struct.unpack_from("<III", content, at)
        struct.pack_into("<III", content, at, zlib.crc32(entries[ENTRY]), packed, len(entries[ENTRY]))
    path.write_bytes(content)
    assert _found(_verify(path)) == {("unreadable", ENTRY)}


def test_entry_that_reaches_into_the_next_one_is_named(tmp_path: Path) -> None:
    entries = package_entries(FILES)
    path = _zip(tmp_path / "p.zip", entries, method=zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    for at in (content.index(ENTRY.encode()) - 30 + 18, content.rindex(ENTRY.encode()) - 46 + 20):
        struct.pack_into("<II", content, at, len(entries[ENTRY]) + 40, len(entries[ENTRY]) + 40)
    path.write_bytes(content)
    assert _found(_verify(path)) == {("unreadable", ENTRY)}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_entry_that_is_called_otherwise_where_it_lies_is_named(tmp_path: Path, method: int) -> None:
    path = _zip(tmp_path / "p.zip", package_entries(FILES), method=method)
    content = bytearray(path.read_bytes())
    at = content.index(ENTRY.encode())
    content[at : at + len(ENTRY)] = ENTRY.replace("b.txt", "c.txt").encode()
    path.write_bytes(content)
    assert _found(_verify(path)) == {("unreadable", ENTRY)}


def test_entry_that_calls_itself_encrypted_is_named(tmp_path: Path) -> None:
    path = _zip(tmp_path / "p.zip", package_entries(FILES))
    content = bytearray(path.read_bytes())
    name = ENTRY.encode()
    central = content.rindex(name) - 46
    (flags,) = struct.unpack_from("<H", content, central + 8)
    struct.pack_into("<H", content, central + 8, flags | 1)
    path.write_bytes(content)
    assert _found(_verify(path)) == {("unreadable", ENTRY)}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize(("place", "bit"), [(6, 1), (8, 4), (14, 1), (18, 1), (22, 1), (30, 1)])
def test_entry_of_which_directory_and_header_say_different_things_is_named(tmp_path: Path, method: int, place: int, bit: int) -> None:
    """What reads a ZIP file as it comes goes by the headers: flags, method, CRC-32, sizes, name."""
    path = _zip(tmp_path / "p.zip", package_entries(FILES), method=method)
    content = bytearray(path.read_bytes())
    content[content.index(ENTRY.encode()) - 30 + place] ^= bit
    path.write_bytes(content)
    assert _found(_verify(path)) == {("unreadable", ENTRY)}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize(("more", "packed_more"), [(0, 0), (40, 40), (0, 40), (40, 0)])
def test_sizes_that_stand_in_the_extra_field_are_compared_too(tmp_path: Path, method: int, more: int, packed_more: int) -> None:
    path = _zip(tmp_path / "p.zip", package_entries(FILES), method=method)
    with zipfile.ZipFile(path) as packed:
        info = packed.getinfo(ENTRY)
    said = {"size": info.file_size + more, "packed_size": info.compress_size + packed_more}
    path.write_bytes(with_wide_sizes(path.read_bytes(), ENTRY, **said))
    assert _found(_verify(path)) == ({("unreadable", ENTRY)} if more or packed_more else set())


def test_sizes_that_stand_nowhere_are_no_sizes(tmp_path: Path) -> None:
    path = _zip(tmp_path / "p.zip", package_entries(FILES), method=zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    struct.pack_into("<II", content, content.index(ENTRY.encode()) - 30 + 18, 0xFFFFFFFF, 0xFFFFFFFF)
    path.write_bytes(content)
    assert _found(_verify(path)) == {("unreadable", ENTRY)}


def test_entry_that_lies_farther_off_than_any_file_ends_is_named(tmp_path: Path) -> None:
    path = _zip(tmp_path / "p.zip", package_entries(FILES))
    content = bytearray(path.read_bytes())
    at, end = content.rindex(ENTRY.encode()) - 46, content.rindex(b"PK\5\6")
    field = struct.pack("<HHQ", 1, 8, (1 << 63) + 5)
    assert struct.unpack_from("<H", content, at + 30) == (0,)
    struct.pack_into("<H", content, at + 30, len(field))
    struct.pack_into("<I", content, at + 42, 0xFFFFFFFF)
    (directory,) = struct.unpack_from("<I", content, end + 12)
    struct.pack_into("<I", content, end + 12, directory + len(field))
    content[at + 46 + len(ENTRY) : at + 46 + len(ENTRY)] = field
    path.write_bytes(content)
    assert _found(_verify(path)) == {("unreadable", ENTRY)}


def test_names_are_utf8_where_nothing_says_so(tmp_path: Path) -> None:
    """As `zip` writes them where no locale is set."""
    path = _zip(tmp_path / "p.zip", package_entries(FILES))
    content = bytearray(path.read_bytes())
    name = "data/OneDrive/drive/deep/a é.txt".encode()
    for flags in (content.index(name) - 30 + 6, content.rindex(name) - 46 + 8):
        assert content[flags + 1] == 8
        content[flags + 1] = 0
    path.write_bytes(content)
    assert _verify(path).state is PackageState.WHOLE


def test_name_that_begins_with_nul_is_extra(tmp_path: Path) -> None:
    path = _zip(tmp_path / "p.zip", package_entries(FILES) | {"xnul": b""})
    path.write_bytes(path.read_bytes().replace(b"xnul", b"\0nul"))
    assert _found(_verify(path)) == {("extra", "\\x00nul")}


@pytest.mark.parametrize("content", [b"", b"PK", b"x" * 1000, b"PK\x05\x06" + b"\0" * 17])
def test_what_is_no_zip_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.zip").write_bytes(content)
    with pytest.raises(PackageError, match=r"p\.zip"):
        ZipReader(LocalFile(tmp_path / "p.zip"), MARKS)


def test_bomb_is_read_in_bounded_memory(tmp_path: Path) -> None:
    path = _zip(tmp_path / "p.zip", package_entries(FILES) | {ENTRY: bytes(256 << 20)})
    tracemalloc.start()
    found = _found(_verify(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == {("changed", ENTRY)}
    assert peak < 32 << 20


def test_command_takes_a_zip_file_and_file_addresses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = build_package(tmp_path / "a b", FILES)
    path = _zip(tmp_path / "p ä.zip", package_entries(FILES), prefix="p/")
    for given in (str(path), path.as_uri(), folder.as_uri()):
        assert main(["verify", given]) == Exit.OK
        assert "whole" in capsys.readouterr().out
