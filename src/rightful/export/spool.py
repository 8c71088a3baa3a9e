"""Where what a shared scan finds is gathered by subject: in memory while it is small, then in an encrypted, unlinked file."""

from collections.abc import Iterator

from rightful.scratch import Scratch


class SpoolFull(Exception):
    """More was found than the spool may hold."""


class Spool:
    """Appends bytes for many subjects, gives them back subject by subject, in the order in which they came."""

    def __init__(self, memory_bytes: int, *, most_bytes: int) -> None:
        """Hold `memory_bytes` in memory, and no more than `most_bytes` in all; write to where the system keeps temporary files."""
        self._memory_bytes = memory_bytes
        self._most_bytes = most_bytes
        self._size = 0
        self._held = 0
        self._pieces: dict[int, list[bytes]] = {}
        self._written: dict[int, list[tuple[int, int]]] = {}
        self._scratch = Scratch()

    def append(self, subject: int, piece: bytes) -> None:
        """Keep a piece of one subject's lines (whole lines). Raises `SpoolFull` where it takes no more."""
        self._size += len(piece)
        if self._size > self._most_bytes:
            raise SpoolFull
        self._pieces.setdefault(subject, []).append(piece)
        self._held += len(piece)
        if self._held > self._memory_bytes:
            self._spill()

    def take(self, subject: int) -> Iterator[bytes]:
        """Yield a subject's pieces in order, in chunks of at most 1 MiB where they were written out; chunks end anywhere."""
        for offset, size in self._written.pop(subject, []):
            yield from self._scratch.read(offset, size)
        pieces = self._pieces.pop(subject, [])
        self._held -= sum(map(len, pieces))
        yield from pieces

    def close(self) -> None:
        """Forget everything."""
        self._pieces.clear()
        self._written.clear()
        self._scratch.close()

    def _spill(self) -> None:
        for subject in sorted(self._pieces):  # in the order in which they are taken: what follows is read on from there
            self._written.setdefault(subject, []).append(self._scratch.append(b"".join(self._pieces[subject])))
        self._pieces.clear()
        self._held = 0
