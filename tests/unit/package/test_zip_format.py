"""ZIP files beyond what the format's first form can say, and what is packed at all."""

import hashlib
import os
import subprocess
import zipfile
import zlib
from pathlib import Path

import pytest

from rightful.package.opening import ROOT_MARKS
from rightful.package.packed_file import LocalFile
from rightful.package.packing import Packer
from rightful.package.zip_format import ZipEntry, directory, local_header
from rightful.package.zip_reader import ZipReader


def stored(path: str, content: bytes) -> ZipEntry:
    return ZipEntry(path=path, crc32=zlib.crc32(content), size_bytes=len(content), packed_bytes=len(content), is_deflated=False)


@pytest.mark.parametrize("size", [0xFFFFFFFE, 0xFFFFFFFF, 0x100000000, 5 << 30])
def test_entries_of_four_gib_and_what_lies_beyond_them_are_read(tmp_path: Path, size: int) -> None:
    large = ZipEntry(path="large", crc32=0, size_bytes=size, packed_bytes=size, is_deflated=False)
    small = stored("small", b"what lies beyond")
    path = tmp_path / "p.zip"
    with path.open("wb") as file:
        file.write(local_header(large))
        file.truncate(file.tell() + size)  # a hole: it takes no room
        file.seek(0, os.SEEK_END)
        at = file.tell()
        file.write(local_header(small) + b"what lies beyond")
        file.writelines(directory([(large, 0), (small, at)], file.tell()))
    with zipfile.ZipFile(path) as read:
        assert [(info.filename, info.file_size, info.header_offset) for info in read.infolist()] == [("large", size, 0), ("small", 16, at)]
        assert read.read("small") == b"what lies beyond"
    if size != 0xFFFFFFFF:  # of that very size unzip 6.0 takes what the ZIP64 field says for its absence
        said = subprocess.run(["unzip", "-t", path, "small"], capture_output=True, check=False, text=True)
        assert said.returncode == 0, said.stdout
    reader = ZipReader(LocalFile(path), ROOT_MARKS)
    assert dict(reader.list()) == {"large": size, "small": 16}
    digest = hashlib.sha256()
    for chunk in reader.read("small"):
        digest.update(chunk)
    assert digest.digest() == hashlib.sha256(b"what lies beyond").digest()
    reader.close()


@pytest.mark.parametrize("count", [65_534, 65_535, 65_536, 70_000])
def test_more_entries_than_sixteen_bits_count_are_all_read(tmp_path: Path, count: int) -> None:
    path = tmp_path / "p.zip"
    placed = []
    with path.open("wb") as file:
        for number in range(count):
            entry = stored(f"{number}", b"x")
            placed.append((entry, file.tell()))
            file.write(local_header(entry) + b"x")
        file.writelines(directory(placed, file.tell()))
    with zipfile.ZipFile(path) as read:
        assert len(read.infolist()) == count
        assert read.read(str(count - 1)) == b"x"
    said = subprocess.run(["unzip", "-tq", path], capture_output=True, check=False, text=True)
    assert (said.returncode, said.stderr) == (0, "")
    reader = ZipReader(LocalFile(path), ROOT_MARKS)
    assert sum(1 for _ in reader.list()) == count
    reader.close()


def test_nothing_of_zip64_is_written_where_nothing_needs_it() -> None:
    entry = stored("a", b"x")
    assert len(local_header(entry)) == 31
    assert b"".join(directory([(entry, 0)], 32)).count(b"PK\6\6") == 0


@pytest.mark.parametrize(
    ("path", "content", "is_deflated"),
    [
        ("data/Shop/orders/part-00000-00000.jsonl", b'{"id":1}\n' * 100, True),
        ("a", b"", False),
        ("a", b"x", False),
        ("a", os.urandom(200_000), False),
        ("film.MP4", b"an index" * 10_000 + os.urandom(1000), False),
        ("docx", b"no ending" * 10_000, True),
        ("a\n.zip", b"x" * 10_000, False),
    ],
)
def test_what_is_packed_already_is_stored(path: str, content: bytes, *, is_deflated: bool) -> None:
    packer = Packer(path)
    body = b"".join(packer.pack([content]))
    assert packer.is_deflated is is_deflated
    assert (body == content) is not is_deflated
