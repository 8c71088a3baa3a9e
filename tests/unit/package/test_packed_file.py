"""A ZIP file that lies in a storage location: read in blocks, each once, in bounded memory."""

import random
import threading
import tracemalloc
from contextlib import closing, suppress
from pathlib import Path

import pytest

from rightful.errors import PackageError, StorageUnavailable
from rightful.package.opening import ROOT_MARKS
from rightful.package.packed_file import BLOCK_BYTES, LocalFile, Positioned, StoredFile
from rightful.package.verify import PackageState, verify
from rightful.package.zip_reader import ZipReader
from rightful.testing.package_builder import SampleSource, package_entries, write_zip

MIB = 1 << 20


class Stored:
    """An entry in a storage location, and what was asked of it."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.asked: list[tuple[int, int]] = []
        self.faults: list[Exception] = []

    def read_at(self, _path: str, start: int, length: int) -> bytes:
        self.asked.append((start, length))
        if self.faults:
            raise self.faults.pop(0)
        return self.content[start : start + length]

    def file(self, block_bytes: int = BLOCK_BYTES) -> StoredFile:
        return StoredFile(self.read_at, "p.zip", len(self.content), block_bytes=block_bytes)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A package of 3,000 small files and two large ones that do not get smaller."""
    dice = random.Random(5)
    files = {f"{number % 7}/{number}.txt": dice.randbytes(dice.randrange(3000)) for number in range(3000)}
    large = {name: dice.randbytes(24 * MIB) for name in ("a.zip", "z.jpg")}
    path = tmp_path_factory.mktemp("packed") / "p.zip"
    write_zip(path, package_entries(SampleSource(name="drive", product="OneDrive", files=files | large)))
    return path.read_bytes()


def test_package_is_checked_in_requests_for_whole_blocks_each_about_once(many: bytes) -> None:
    stored = Stored(many)
    tracemalloc.start()
    try:
        with closing(ZipReader(stored.file(), ROOT_MARKS)) as reader:
            verification = verify(reader)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (verification.state, verification.findings) == (PackageState.WHOLE, ())
    blocks = -(-len(many) // BLOCK_BYTES)
    assert max(length for _, length in stored.asked) <= BLOCK_BYTES
    assert len(stored.asked) <= blocks + 6, "documents lie near the end, and are looked at first"
    assert peak < 48 * MIB < len(many)


def test_entries_are_hashed_where_their_block_lies(many: bytes) -> None:
    given: list[bytes] = []

    def read_at(_path: str, start: int, length: int) -> bytes:
        given.append(many[start : start + length])
        return given[-1]

    with closing(ZipReader(StoredFile(read_at, "p.zip", len(many)), ROOT_MARKS)) as reader:
        path = next(path for path, _ in reader.list() if path.endswith("/a.zip"))
        shown = list(reader.look(path))
        assert all(isinstance(piece, memoryview) and any(piece.obj is block for block in given) for piece in shown)
        chunks = list(reader.read(path))
    assert b"".join(shown) == b"".join(chunks)
    assert all(type(chunk) is bytes for chunk in chunks)
    assert max(map(len, [*shown, *chunks])) <= MIB


def test_change_is_named_as_in_a_folder(tmp_path: Path) -> None:
    entries = package_entries(SampleSource(name="drive", product="OneDrive", files={"a": b"one", "b": b"two", "c": b"three"}))
    changed = {path: content for path, content in entries.items() if path != "README.txt"} | {"data/OneDrive/drive/b": b"2", "data/x": b""}
    stored = Stored(write_zip(tmp_path / "p.zip", changed).read_bytes())
    with closing(ZipReader(stored.file(block_bytes=100), ROOT_MARKS)) as reader:
        found = {(finding.kind.value, finding.path) for finding in verify(reader).findings}
    assert found == {("missing", "README.txt"), ("changed", "data/OneDrive/drive/b"), ("extra", "data/x")}


def test_block_that_several_ask_for_is_read_once_and_a_failed_one_again() -> None:
    stored = Stored(bytes(range(256)) * 40)
    file = stored.file(block_bytes=1000)
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(file.read_at(1500, 900))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [stored.content[1500:2400]] * 8
    file.close()
    assert sorted(stored.asked) == [(1000, 1000), (2000, 1000), (3000, 1000)], "and the next one"
    file = stored.file(block_bytes=1000)
    stored.faults.append(StorageUnavailable("not now"))
    with pytest.raises(StorageUnavailable):
        file.read_at(5000, 1)
    assert file.read_at(5000, 1) == stored.content[5000:5001]


def test_next_block_is_asked_for_where_blocks_follow_each_other() -> None:
    for places, numbers in (([0], [0]), ([5], [5]), ([0, 1], [0, 1, 2]), ([5, 4], [4, 5]), ([3, 4, 5], [3, 4, 5]), ([0, 2, 4], [0, 2, 4])):
        stored = Stored(b"x" * 5500)
        with closing(stored.file(block_bytes=1000)) as file:
            for place in places:
                assert file.read_at(place * 1000 + 7, 1) == b"x"
        assert sorted(start // 1000 for start, _ in stored.asked) == numbers


def test_who_needs_the_block_that_is_read_ahead_waits_for_it() -> None:
    content = bytes(range(256)) * 40
    asked: list[int] = []
    is_asked, may_answer = threading.Event(), threading.Event()

    def read_at(_path: str, start: int, length: int) -> bytes:
        asked.append(start)
        if start == 2000:
            is_asked.set()
            may_answer.wait(10)
        return content[start : start + length]

    found: list[bytes] = []
    with closing(StoredFile(read_at, "p.zip", len(content), block_bytes=1000)) as file:
        file.read_at(0, 1)
        assert file.read_at(1000, 1000) == content[1000:2000], "which waits for nothing"
        assert is_asked.wait(10)
        thread = threading.Thread(target=lambda: found.append(file.read_at(2500, 100)))
        thread.start()
        may_answer.set()
        thread.join(10)
    assert found == [content[2500:2600]]
    assert asked.count(2000) == 1


def test_block_that_could_not_be_read_ahead_is_asked_for_again() -> None:
    stored = Stored(bytes(range(256)) * 40)
    has_failed = threading.Event()

    def read_at(path: str, start: int, length: int) -> bytes:
        if start == 2000 and not has_failed.is_set():
            has_failed.set()
            raise StorageUnavailable("not now")
        return stored.read_at(path, start, length)

    with closing(StoredFile(read_at, "p.zip", len(stored.content), block_bytes=1000)) as file:
        assert file.read_at(0, 2000) == stored.content[:2000]
        assert has_failed.wait(10)
        with suppress(StorageUnavailable):  # told to who asks before it is let go of
            file.read_at(2000, 1)
        assert file.read_at(2000, 1000) == stored.content[2000:3000]


def test_nothing_is_read_ahead_where_there_is_no_thread_for_it() -> None:
    stored = Stored(bytes(range(256)) * 40)
    file = stored.file(block_bytes=1000)
    file.close()
    assert file.read_at(0, 5000) == stored.content[:5000]
    assert stored.asked == [(start, 1000) for start in range(0, 5000, 1000)]


def test_file_that_becomes_shorter_meanwhile_is_said() -> None:
    stored = Stored(b"x" * 5000)
    file = stored.file(block_bytes=1000)
    stored.content = b"x" * 3500
    assert file.read_at(2999, 1) == b"x"
    with pytest.raises(PackageError, match="shorter"):
        file.read_at(3000, 1)


def test_directory_that_says_to_be_huge_is_refused_unread() -> None:
    asked: list[int] = []

    def read_at(_path: str, _start: int, length: int) -> bytes:
        asked.append(length)
        return bytes(length)

    file = Positioned(StoredFile(read_at, "p.zip", 1 << 40))
    with pytest.raises(ValueError, match="directory"):
        file.read(1 << 39)
    assert asked == []


def test_local_file_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="can't be opened"):
        LocalFile(tmp_path / "none.zip")
