"""Where what a shared scan finds is gathered by subject: in memory while it is small, then in an encrypted, unlinked file.

The file has no name, so that nothing is left behind whatever happens; its key lives only in this process.
"""

import os
import tempfile
from collections.abc import Iterator

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_READ_BYTES = 1 << 20


class Spool:
    """Appends bytes for many subjects, gives them back subject by subject, in the order in which they came."""

    def __init__(self, memory_bytes: int) -> None:
        """Hold `memory_bytes` in memory; write to where the system keeps temporary files."""
        self._memory_bytes = memory_bytes
        self._held = 0
        self._pieces: dict[int, list[bytes]] = {}
        self._written: dict[int, list[tuple[int, int]]] = {}
        self._file: int | None = None
        self._end = 0
        self._cipher = Cipher(algorithms.AES(os.urandom(32)), modes.CTR(bytes(16)))
        self._encryptor = self._cipher.encryptor()

    def append(self, subject: int, piece: bytes) -> None:
        """Keep a piece of one subject's lines (whole lines)."""
        self._pieces.setdefault(subject, []).append(piece)
        self._held += len(piece)
        if self._held > self._memory_bytes:
            self._spill()

    def take(self, subject: int) -> Iterator[bytes]:
        """Yield a subject's pieces in order, in chunks of at most 1 MiB where they were written out; chunks end anywhere."""
        for offset, size in self._written.pop(subject, []):
            yield from self._read_back(offset, size)
        pieces = self._pieces.pop(subject, [])
        self._held -= sum(map(len, pieces))
        yield from pieces

    def close(self) -> None:
        """Forget everything."""
        self._pieces.clear()
        self._written.clear()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _spill(self) -> None:
        if self._file is None:
            with tempfile.TemporaryFile(prefix="rightful-spool-") as file:
                self._file = os.dup(file.fileno())
        for subject, pieces in self._pieces.items():
            data = self._encryptor.update(b"".join(pieces))
            self._written.setdefault(subject, []).append((self._end, len(data)))
            self._end += _write_all(self._file, data, self._end)
        self._pieces.clear()
        self._held = 0

    def _read_back(self, offset: int, size: int) -> Iterator[bytes]:
        if self._file is None:  # pragma: no cover - only called for what was written
            return
        block, skip = divmod(offset, 16)
        decryptor = Cipher(self._cipher.algorithm, modes.CTR(block.to_bytes(16, "big"))).decryptor()
        decryptor.update(bytes(skip))
        end = offset + size
        while offset < end:
            data = os.pread(self._file, min(_READ_BYTES, end - offset), offset)
            offset += len(data)
            yield decryptor.update(data)


def _write_all(file: int, data: bytes, offset: int) -> int:
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, offset)
        view, offset = view[written:], offset + written
    return len(data)
