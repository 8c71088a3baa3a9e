"""What every storage must do: one suite, run over each implementation.

Subclass it, name it `Test…` and return a new, empty storage from `storage`:

    class TestMyStorage(StorageSuite):
        def storage(self) -> Storage:
            return MyStorage(...)

A storage that cannot read its entries back also overrides `content`, one that cannot join pieces `can_join`. What `storage` returns is
closed after each test.
"""

import threading
from collections.abc import Callable, Iterable, Iterator

import pytest

from rightful.errors import EntryConflict, StorageRefused
from rightful.storage.interface import Listing, Marking, Put, Reading, ReadingAt, Removing, Storage
from rightful.storage.pieces import joining

_MIB = 1 << 20


class StorageSuite:
    """Tests of the contract in `storage/interface.py`."""

    can_join = True
    """Whether entries can be joined of pieces; False for a location that lacks the right to."""

    def storage(self) -> Storage:
        """Return a new, empty storage."""
        raise NotImplementedError

    def content(self, storage: Storage, path: str) -> bytes | None:
        """Return what is visible at a path, None where there is nothing."""
        assert isinstance(storage, Reading), "override `content` for a storage that cannot read"
        try:
            return b"".join(storage.read(path))
        except FileNotFoundError:
            return None

    @pytest.fixture(autouse=True)
    def _closing(self) -> Iterator[None]:
        self._opened: list[Storage] = []
        yield
        for storage in self._opened:
            storage.close()

    def _new(self) -> Storage:
        storage = self.storage()
        self._opened.append(storage)
        return storage

    def test_entry_is_whole_after_sync(self) -> None:
        """What was put in chunks lies there as one."""
        storage = self._new()
        assert storage.put("a/b/part-00000.jsonl", [b"one", b"", b"two"], size_bytes=6) is Put.WRITTEN
        storage.sync()
        assert self.content(storage, "a/b/part-00000.jsonl") == b"onetwo"

    def test_empty_entry_is_an_entry(self) -> None:
        """Zero bytes are content too."""
        storage = self._new()
        assert storage.put("empty", [], size_bytes=0) is Put.WRITTEN
        storage.sync()
        assert self.content(storage, "empty") == b""

    def test_same_content_again_is_already_there(self) -> None:
        """A repeated put changes nothing, before the sync and after it."""
        storage = self._new()
        storage.put("a", [b"one"], size_bytes=3)
        assert storage.put("a", [b"one"], size_bytes=3) is Put.ALREADY_THERE
        storage.sync()
        assert storage.put("a", [b"o", b"ne"], size_bytes=3) is Put.ALREADY_THERE
        storage.sync()
        assert self.content(storage, "a") == b"one"

    @pytest.mark.parametrize("other", [b"two", b"longer", b""])
    def test_other_content_never_replaces_an_entry(self, other: bytes) -> None:
        """Either it says that something is there, or that it is something else."""
        storage = self._new()
        storage.put("a", [b"one"], size_bytes=3)
        storage.sync()
        try:
            assert storage.put("a", [other], size_bytes=len(other)) is Put.ALREADY_THERE
        except EntryConflict:
            assert isinstance(storage, Reading)
        storage.sync()
        assert self.content(storage, "a") == b"one"

    @pytest.mark.parametrize("given", [iter, tuple])
    @pytest.mark.parametrize("size_bytes", [0, 3, 5, 7, 100 * _MIB])
    def test_wrong_size_is_refused_and_leaves_nothing(self, size_bytes: int, given: Callable[[tuple[bytes, ...]], Iterable[bytes]]) -> None:
        """A wrong promise is the program's fault, and nothing becomes visible."""
        storage = self._new()
        with pytest.raises(ValueError, match="bytes"):
            storage.put("a", given((b"one", b"two")), size_bytes=size_bytes)
        storage.sync()
        assert self.content(storage, "a") is None
        storage.put("a", [b"onetwo"], size_bytes=6)
        storage.sync()
        assert self.content(storage, "a") == b"onetwo"

    def test_chunks_that_fail_leave_nothing(self) -> None:
        """What the source raises passes unchanged, and the path stays free."""
        storage = self._new()

        def chunks() -> Iterator[bytes]:
            yield b"x" * _MIB
            raise OSError("the source broke")

        with pytest.raises(OSError, match="the source broke"):
            storage.put("a", chunks(), size_bytes=3 * _MIB)
        storage.sync()
        assert self.content(storage, "a") is None
        assert storage.put("a", [b"x"], size_bytes=1) is Put.WRITTEN

    @pytest.mark.parametrize("size_bytes", [3 * _MIB, 33 * _MIB], ids=["small", "in blocks"])
    def test_nothing_is_visible_before_the_last_chunk_was_given(self, size_bytes: int) -> None:
        """So whoever gives the chunks can put down what they are before anybody sees them."""
        storage = self._new()
        seen: list[object] = []

        def chunks() -> Iterator[bytes]:
            for number in range(size_bytes // _MIB):
                if number + 1 == size_bytes // _MIB:
                    storage.sync()
                    seen.append(self.content(storage, "a/b"))
                    if isinstance(storage, Listing):
                        seen.extend(storage.list("a/"))
                yield bytes([number]) * _MIB

        assert storage.put("a/b", chunks(), size_bytes=size_bytes) is Put.WRITTEN
        assert seen == [None]
        storage.sync()
        found = self.content(storage, "a/b")
        assert found is not None
        assert (len(found), found[-1]) == (size_bytes, size_bytes // _MIB - 1)

    @pytest.mark.parametrize("size_bytes", [3 * _MIB, 33 * _MIB], ids=["small", "in blocks"])
    def test_last_chunk_that_fails_leaves_nothing(self, size_bytes: int) -> None:
        """However much was sent: what the chunks raise passes unchanged, and the path stays free."""
        storage = self._new()

        def chunks() -> Iterator[bytes]:
            for _ in range(size_bytes // _MIB - 1):
                yield bytes(_MIB)
            raise OSError("the source broke")

        with pytest.raises(OSError, match="the source broke"):
            storage.put("a/b", chunks(), size_bytes=size_bytes)
        storage.sync()
        assert self.content(storage, "a/b") is None
        if isinstance(storage, Listing):
            assert list(storage.list("")) == []
        # Another try is like the first: Azurite lets nothing but blocks follow blocks.
        assert storage.put("a/b", [bytes(_MIB)] * (size_bytes // _MIB), size_bytes=size_bytes) is Put.WRITTEN

    def test_large_entry_arrives_whole(self) -> None:
        """More than one block, in chunks that are no divisor of anything."""
        storage = self._new()
        block = bytes(range(256)) * 4096
        chunks = [block[:700_001], block[700_001:]] * 20 + [b"end"]
        expected = b"".join(chunks)
        assert storage.put("large", iter(chunks), size_bytes=len(expected)) is Put.WRITTEN
        storage.sync()
        assert self.content(storage, "large") == expected

    @pytest.mark.parametrize(
        "path", ["", "/a", "a/", "a//b", "../a", "a/../b", ".", "a/./b", "a\\b", "a\x00b", "a\nb", "a\ud800", "x" * 1025]
    )
    def test_unsafe_path_is_refused(self, path: str) -> None:
        """A path that could leave its place is the program's fault; the text does not repeat it."""
        storage = self._new()
        with pytest.raises(ValueError, match="an entry's path"):
            storage.put(path, [b"x"], size_bytes=1)

    @pytest.mark.parametrize("name", ["a b", "a+b", "a%41b", "a?b&c=d", "a#b", "ä", "日本語", "naïve😀", "a'b\"c", "~a", "a;b,c=d", "CON"])
    def test_awkward_name_is_kept(self, name: str) -> None:
        """A name means itself, whatever a URL or a shell would make of it."""
        storage = self._new()
        storage.put(f"dir/{name}", [name.encode()], size_bytes=len(name.encode()))
        storage.sync()
        assert self.content(storage, f"dir/{name}") == name.encode()

    def test_entry_is_removed_alone_and_can_be_put_anew(self) -> None:
        """Where the storage can remove: once or twice, what is there or never was."""
        storage = self._new()
        if not isinstance(storage, Removing):
            return
        for path in ("p/a/b/one", "p/a/two"):
            storage.put(path, [b"x"], size_bytes=1)
        storage.sync()
        assert [storage.remove(path) for path in ("p/a/b/one", "p/a/b/one", "p/none/three")] == [True, False, False]
        assert self.content(storage, "p/a/b/one") is None
        assert self.content(storage, "p/a/two") == b"x"
        assert storage.put("p/a/b/one", [b"other"], size_bytes=5) is Put.WRITTEN
        storage.sync()
        assert self.content(storage, "p/a/b/one") == b"other"

    def test_listing_is_complete_and_sorted(self) -> None:
        """Where the storage can list: all entries below a prefix, and no others."""
        storage = self._new()
        if not isinstance(storage, Listing):
            return
        paths = ["p/a-b", "p/a/b", "p/a0", "p/b/c/d", "p2/x", "other"]
        for path in paths:
            storage.put(path, [path.encode()], size_bytes=len(path))
        storage.sync()
        assert list(storage.list("p/")) == [(path, len(path)) for path in paths[:4]]
        assert list(storage.list("p/a")) == [(path, len(path)) for path in paths[:3]]
        assert [path for path, _ in storage.list("")] == ["other", *paths[:5]]
        assert list(storage.list("nothing/")) == []

    def test_missing_entry_is_not_found(self) -> None:
        """Where the storage can read."""
        storage = self._new()
        if isinstance(storage, Reading):
            with pytest.raises(FileNotFoundError):
                list(storage.read("nothing/here"))

    def test_part_of_an_entry_is_what_lies_there(self) -> None:
        """Where the storage can read parts: from any place on, and no further than the entry goes."""
        storage = self._new()
        if not isinstance(storage, ReadingAt):
            return
        content = bytes(range(256)) * 5000
        for path, whole in (("a/large", content), ("empty", b"")):
            storage.put(path, [whole] if whole else [], size_bytes=len(whole))
        storage.sync()
        for start, length in ((0, 1), (0, len(content)), (700_001, 3), (1_000_000, 1 << 20), (len(content) - 1, 1), (len(content), 5)):
            assert storage.read_at("a/large", start, length) == content[start : start + length]
        assert storage.read_at("empty", 0, 1) == b""
        with pytest.raises(FileNotFoundError):
            storage.read_at("nothing/here", 0, 1)

    def test_threads_share_a_storage(self) -> None:
        """Several threads put and sync at once; when a thread's sync returns, its entries are there."""
        storage = self._new()
        missing: list[str] = []

        def work(thread: int) -> None:
            for number in range(12):
                path = f"t{thread}/{number // 4}/{number}"
                storage.put(path, [path.encode()], size_bytes=len(path))
                if number % 4 == 3:
                    storage.sync()
                    if self.content(storage, path) != path.encode():
                        missing.append(path)

        threads = [threading.Thread(target=work, args=(thread,)) for thread in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert missing == []
        for thread_number in range(4):
            for number in range(12):
                path = f"t{thread_number}/{number // 4}/{number}"
                assert self.content(storage, path) == path.encode()

    def test_mark_is_made_once(self) -> None:
        """Where the storage can mark a container: the first one wins (GRAPH-42)."""
        storage = self._new()
        if not isinstance(storage, Marking):
            return
        assert storage.put_append("RequestInfo.json", b"{}") is Put.WRITTEN
        assert self.content(storage, "RequestInfo.json") == b"{}"
        assert storage.put_append("RequestInfo.json", b"{}") is Put.ALREADY_THERE
        assert self.content(storage, "RequestInfo.json") == b"{}"

    def test_mark_is_lengthened_only_where_it_is_as_long_as_was_said(self) -> None:
        """Where the storage can mark a container: its length can be asked without reading it."""
        storage = self._new()
        if not isinstance(storage, Marking):
            return
        storage.put_append("RequestInfo.json", b"{}")
        assert storage.append("RequestInfo.json", b" ", at=1) is Put.ALREADY_THERE
        assert storage.append("RequestInfo.json", b" ", at=3) is Put.ALREADY_THERE
        assert storage.append("RequestInfo.json", b" ", at=2) is Put.WRITTEN
        assert self.content(storage, "RequestInfo.json") == b"{} "

    # -- joining ------------------------------------------------------------------------------------------------------
    def test_entry_is_joined_of_the_pieces_that_are_named_in_that_order(self) -> None:
        """Whenever they were put; what is not named is left out, and nobody sees the entry before."""
        storage = self._new()
        if not self.can_join:
            return
        pieces = joining(storage)
        for name, content in (("03", b"c"), ("01", b"a" * 3 * _MIB), ("04", b"no"), ("02", b"b")):
            pieces.put_piece("a/b.zip", name, (content[:1], content[1:]))
        storage.sync()
        assert self.content(storage, "a/b.zip") is None
        assert pieces.join("a/b.zip", ["01", "03", "02"], size_bytes=3 * _MIB + 2) is Put.WRITTEN
        storage.sync()
        assert self.content(storage, "a/b.zip") == b"a" * 3 * _MIB + b"cb"
        if isinstance(storage, Listing):
            assert [path for path, _ in storage.list("")] == ["a/b.zip"]

    def test_piece_that_is_put_again_takes_the_place_of_its_name(self) -> None:
        """So a put whose answer was lost can be repeated."""
        storage = self._new()
        if not self.can_join:
            return
        pieces = joining(storage)
        for _ in range(2):
            pieces.put_piece("a.zip", "00", (b"one",))
            storage.sync()
        assert pieces.join("a.zip", ["00"], size_bytes=3) is Put.WRITTEN
        storage.sync()
        assert self.content(storage, "a.zip") == b"one"

    def test_joined_entry_is_never_replaced(self) -> None:
        """A second join finds it there, though its pieces are gone, and other pieces were put meanwhile."""
        storage = self._new()
        if not self.can_join:
            return
        pieces = joining(storage)
        pieces.put_piece("a.zip", "00", (b"one",))
        pieces.join("a.zip", ["00"], size_bytes=3)
        storage.sync()
        pieces.put_piece("a.zip", "01", (b"two",))
        assert pieces.join("a.zip", ["00", "01"], size_bytes=3) is Put.ALREADY_THERE
        storage.sync()
        assert self.content(storage, "a.zip") == b"one"

    def test_piece_that_was_never_put_leaves_nothing(self) -> None:
        """The entry cannot be made."""
        storage = self._new()
        if not self.can_join:
            return
        pieces = joining(storage)
        pieces.put_piece("a.zip", "00", (b"one",))
        with pytest.raises(StorageRefused):
            pieces.join("a.zip", ["00", "01"], size_bytes=6)
        storage.sync()
        assert self.content(storage, "a.zip") is None
