"""Chunks as one stream."""

from collections.abc import Iterator


class Joined:
    """A stream of which any number of bytes can be taken."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def take(self, length: int) -> bytes:
        """Return the next bytes, fewer only at the end."""
        taken = [self._rest[:length]]
        self._rest = self._rest[length:]
        left = length - len(taken[0])
        while left:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            taken.append(chunk[:left])
            self._rest = chunk[left:]
            left -= len(taken[-1])
        return b"".join(taken)
