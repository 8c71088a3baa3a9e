"""Reading so many bytes, or a line, of a stream of chunks."""

from collections.abc import Iterable


class Intake:
    """A stream of chunks; holds no more of it than one chunk and what was asked for."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._held = memoryview(b"")

    def take(self, length: int) -> bytes:
        """Return the next bytes; fewer only where the stream ends."""
        pieces: list[memoryview] = []
        while length and (self._held or self._next()):
            piece, self._held = self._held[:length], self._held[length:]
            length -= len(piece)
            pieces.append(piece)
        return b"".join(pieces)

    def line(self, most: int) -> bytes:
        """Return what comes before the next line feed; raises `ValueError` where none comes within so many bytes."""
        line = bytearray()
        while len(line) <= most:
            character = self.take(1)
            if character == b"\n":
                return bytes(line)
            if not character:
                break
            line += character
        raise ValueError("it ends within its header, or is no file of age")

    def is_over(self) -> bool:
        """Say whether nothing is left."""
        return not self._held and not self._next()

    def _next(self) -> bool:
        for chunk in self._chunks:
            if chunk:
                self._held = memoryview(chunk)
                return True
        return False
