"""Bodies of known length, cut and checked while they stream."""

from collections.abc import Iterable, Iterator


def exactly(chunks: Iterable[bytes], size_bytes: int) -> Iterator[bytes]:
    """Yield the chunks, none empty, one behind: the last one leaves only when all together are known to have the promised size.

    So whoever sends them has not sent everything when `ValueError` says that the size is wrong, and nothing becomes visible.
    """
    total = 0
    last = b""
    for chunk in chunks:
        if not chunk:
            continue
        total += len(chunk)
        if total > size_bytes:
            raise ValueError(f"the chunks have more than the {size_bytes} bytes that were promised")
        if last:
            yield last
        last = chunk
    if total != size_bytes:
        raise ValueError(f"the chunks have {total} bytes, {size_bytes} were promised")
    if last:
        yield last


class Blocks:
    """Cuts a stream of chunks into blocks of given lengths, without copying."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def take(self, length: int) -> Iterator[memoryview]:
        """Yield the next `length` bytes in pieces; fewer only where the chunks end."""
        while length:
            if not self._rest:
                chunk = next(self._chunks, None)
                if chunk is None:
                    return
                self._rest = memoryview(chunk)
            piece, self._rest = self._rest[:length], self._rest[length:]
            length -= len(piece)
            yield piece
