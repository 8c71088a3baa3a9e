"""An encrypted file without a name, for what does not fit into memory for a while: nothing is left behind, whatever happens."""

import os
import tempfile
from collections.abc import Iterator

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

_READ_BYTES = 1 << 20
_PLACES = 64
"""Where it is known how to read on."""


class Scratch:
    """Takes pieces and gives them back. The file is made for the first one, where the system keeps temporary files; its key lives here."""

    def __init__(self) -> None:
        self._file: int | None = None
        self._end = 0
        self._cipher = Cipher(algorithms.AES(os.urandom(32)), modes.CTR(bytes(16)))
        self._encryptor = self._cipher.encryptor()
        self._decryptors: dict[int, CipherContext] = {}
        """By where each stands: to make one takes longer than to use it, and pieces are read one after the other in a few places."""

    def append(self, data: bytes) -> tuple[int, int]:
        """Write a piece; return where it lies, offset and size. Raises `OSError` where there is no room for it."""
        if self._file is None:
            with tempfile.TemporaryFile(prefix="rightful-") as file:
                self._file = os.dup(file.fileno())
        place = self._end, len(data)
        self._end += _write_all(self._file, self._encryptor.update(data), self._end)
        return place

    def read(self, offset: int, size: int, *, chunk_bytes: int = _READ_BYTES) -> Iterator[bytes]:
        """Yield what lies at a place, in chunks of at most `chunk_bytes`."""
        if self._file is None:  # pragma: no cover - only called for what was written
            return
        decryptor = self._decryptors.pop(offset, None) or self._decryptor(offset)
        end = offset + size
        while offset < end:
            data = os.pread(self._file, min(chunk_bytes, end - offset), offset)
            offset += len(data)
            yield decryptor.update(data)
        if len(self._decryptors) >= _PLACES:
            del self._decryptors[next(iter(self._decryptors))]
        self._decryptors[offset] = decryptor

    def _decryptor(self, offset: int) -> CipherContext:
        block, skip = divmod(offset, 16)
        decryptor = Cipher(self._cipher.algorithm, modes.CTR(block.to_bytes(16, "big"))).decryptor()
        decryptor.update(bytes(skip))
        return decryptor

    def close(self) -> None:
        """Forget everything."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _write_all(file: int, data: bytes, offset: int) -> int:
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, offset)
        view, offset = view[written:], offset + written
    return len(data)
