"""A ZIP file where it lies, on this machine or in a storage location, read here and there by several threads."""

import errno
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from rightful.errors import PackageError

BLOCK_BYTES = 4 << 20
"""What is asked for at once: a request to a storage location takes some ten milliseconds, however little it is for."""
_KEPT_BLOCKS = 7
"""Two threads read on side by side, each perhaps over a border and with a block ahead, and documents lie near the end."""
_LARGEST_DIRECTORY = 1 << 30
"""Of some seven million entries: what is longer is refused before there is memory for it."""

ReadAt = Callable[[str, int, int], bytes]
"""`storage.interface.ReadingAt.read_at`: returns (path, start, length)'s bytes, fewer only where the entry ends."""


class PackedFile(Protocol):
    """A file of which any part can be read, from any thread."""

    name: str
    """For messages."""
    size_bytes: int

    def read_at(self, start: int, length: int) -> bytes:
        """Return so many bytes from a place on; fewer, or none, only where the file ends. Raises `OSError` or `StorageError`."""
        ...

    def look_at(self, start: int, length: int) -> bytes | memoryview:
        """Return the beginning of such a part, one byte at least where the file has it: as it lies in memory, not copied."""
        ...

    def close(self) -> None:
        """Let go of it; it is not used afterwards."""
        ...


class LocalFile:
    """One on this machine."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        try:
            self._file = path.open("rb")
            self.size_bytes = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise PackageError(f"{path} can't be opened: {error.strerror}", hint="check who may read it") from error

    def read_at(self, start: int, length: int) -> bytes:
        """Return a part of it."""
        if start >= self.size_bytes:  # a directory may name a place that is larger than any file's
            return b""
        return os.pread(self._file.fileno(), length, start)

    def look_at(self, start: int, length: int) -> bytes:
        """Return a part of it."""
        return self.read_at(start, length)

    def close(self) -> None:
        """Close it."""
        self._file.close()


class StoredFile:
    """One in a storage location, read in blocks. The last ones are kept: many small entries lie in each.

    Where blocks are read one after the other the next one is asked for before anybody needs it.
    """

    def __init__(self, read_at: ReadAt, path: str, size_bytes: int, *, block_bytes: int = BLOCK_BYTES) -> None:
        self.name = path
        self.size_bytes = size_bytes
        self._read_at = read_at
        self._block_bytes = block_bytes
        self._lock = threading.Lock()
        self._blocks: OrderedDict[int, Future[bytes]] = OrderedDict()
        """By number, the one that was asked for last at the end."""
        self._ahead = ThreadPoolExecutor(1, thread_name_prefix="ahead")

    def read_at(self, start: int, length: int) -> bytes:
        """Return a part of it; a block that several ask for at once is read once."""
        pieces: list[memoryview] = []
        while length > 0 and (piece := self.look_at(start, length)):
            pieces.append(piece)
            start += len(piece)
            length -= len(piece)
        return b"".join(pieces)

    def look_at(self, start: int, length: int) -> memoryview:
        """Return what of a part lies in the block that it begins in."""
        end = min(start + length, self.size_bytes)
        if start >= end:
            return memoryview(b"")
        number, within = divmod(start, self._block_bytes)
        return memoryview(self._block(number))[within : within + end - start]

    def close(self) -> None:
        """Let go of the blocks, once what was asked for ahead is there."""
        self._ahead.shutdown(cancel_futures=True)
        with self._lock:
            self._blocks.clear()

    def _block(self, number: int) -> bytes:
        with self._lock:
            block = self._blocks.get(number)
            is_ours = block is None
            if block is None:
                block = self._begin(number)
            self._blocks.move_to_end(number)
            if number - 1 in self._blocks and number + 1 not in self._blocks and (number + 1) * self._block_bytes < self.size_bytes:
                self._read_ahead(number + 1)
        if is_ours:
            self._fill(block, number)
        return block.result()

    def _begin(self, number: int) -> Future[bytes]:
        """Take a block's place, which nobody has; the lock is held."""
        block = self._blocks[number] = Future()
        while len(self._blocks) > _KEPT_BLOCKS:
            self._blocks.popitem(last=False)
        return block

    def _read_ahead(self, number: int) -> None:
        """Have a block read; the lock is held. Why it could not be is told to who asked for it meanwhile; later it is read anew."""
        block = self._begin(number)
        try:
            self._ahead.submit(self._fill, block, number)
        except RuntimeError:  # the system gives no thread
            del self._blocks[number]

    def _fill(self, block: Future[bytes], number: int) -> None:
        try:
            block.set_result(self._fetch(number))
        except BaseException as error:  # noqa: BLE001 - raised by whoever waits
            with self._lock:
                if self._blocks.get(number) is block:
                    del self._blocks[number]
            block.set_exception(error)

    def _fetch(self, number: int) -> bytes:
        start = number * self._block_bytes
        length = min(self._block_bytes, self.size_bytes - start)
        content = self._read_at(self.name, start, length)
        if len(content) != length:
            raise PackageError(f"{self.name} became shorter while it was read", hint="see who writes there, and check it again")
        return content


class Positioned:
    """A file as Python's zipfile reads it: from where it stands."""

    def __init__(self, file: PackedFile) -> None:
        self._file = file
        self._at = 0

    def read(self, size: int | None = -1) -> bytes:
        """Read on; raises `ValueError` where more is asked for than any directory takes."""
        left = max(0, self._file.size_bytes - self._at)
        length = left if size is None or size < 0 else min(size, left)
        if length > _LARGEST_DIRECTORY:
            raise ValueError(f"its directory has {length} bytes")
        content = self._file.read_at(self._at, length) if length else b""
        self._at += len(content)
        return content

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Stand somewhere else; raises `OSError` where that is before the beginning."""
        at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._file.size_bytes}[whence]
        if at < 0:
            raise OSError(errno.EINVAL, "it would begin before the file")
        self._at = at
        return at

    def tell(self) -> int:
        """Say where it stands."""
        return self._at

    def seekable(self) -> bool:
        """Say that it is."""
        return True
