"""Fingerprints in files beside the store: while an operation is read one log for each of its reads, afterwards one index.

A log has fingerprints in the order in which the read came to things. A checkpoint says how much of it counts: whoever goes on after that
cuts off what is behind. The index has them sorted, source by source; what the store keeps of the operation says where each source begins,
how much there is of it, and its digest.

Fingerprints say nothing to who does not have their key, which lies sealed in the store: a file alone tells how many records there were.
Erasing the key erases them all.
"""

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from rightful.ids import OperationId, is_guid
from rightful.package.fingerprint import SIZE
from rightful.store.values import StoreFault
from rightful.syncing import sync_folder

_HELD_BYTES = 64 * 1024
"""How much a log holds in memory before it is written."""
_NAMED = "named"
"""Of the operation: what its difference names."""
_COPIED_BYTES = 1024 * SIZE


class FingerprintsLost(Exception):
    """A file with fingerprints is not there, or not as it was written."""


class Section(msgspec.Struct, frozen=True):
    """Where the fingerprints of one source lie in an index."""

    offset: int
    count: int
    sha256: str


class FingerprintLog:
    """The log of one read. Not thread-safe: a read is one thread's."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_named = False
        """Whether its name, and those of its folders, are durable."""
        self._held = bytearray()
        self._written = 0

    @property
    def count(self) -> int:
        """How many fingerprints it has."""
        return (self._written + len(self._held)) // SIZE

    def go_on(self, count: int) -> bool:
        """Go on after so many fingerprints, which an earlier attempt wrote; False where they are not there."""
        with _guarded():
            self._held.clear()
            self._written = count * SIZE
            if not count:
                self._path.unlink(missing_ok=True)
                self._is_named = False
                return True
            try:
                if self._path.stat().st_size < self._written:
                    return False
            except FileNotFoundError:
                return False
            os.truncate(self._path, self._written)
            return True

    def add(self, fingerprint: bytes) -> None:
        """Append a fingerprint."""
        self._held += fingerprint
        if len(self._held) >= _HELD_BYTES:
            self._write()

    def take_back(self) -> None:
        """Take the last one back."""
        if not self._held:
            self.go_on(self.count - 1)
        del self._held[-SIZE:]

    def sync(self) -> None:
        """Make durable what it has."""
        with _guarded():
            self._write(is_durable=True)

    def _write(self, *, is_durable: bool = False) -> None:
        if not self._held and not (is_durable and self._written):
            return
        with _guarded():
            for folder in (self._path.parent.parent, self._path.parent):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(self._path, "ab", opener=_open_private) as file:
                file.write(self._held)
                if is_durable:
                    file.flush()
                    os.fsync(file.fileno())
            if is_durable and not self._is_named:
                # A file whose folder does not know of it yet is gone after a power cut, whatever was synced of it.
                for folder in (self._path.parent, self._path.parent.parent, self._path.parent.parent.parent):
                    sync_folder(folder)
                self._is_named = True
        self._written += len(self._held)
        self._held.clear()


class FingerprintFolder:
    """All of them. Raises `StoreFault` where the folder cannot be read or written. Safe to use from any thread."""

    def __init__(self, store_path: Path) -> None:
        """Keep them beside the store; the folder is made once there is something to keep."""
        self._folder = store_path.with_name(f"{store_path.name}.fingerprints")

    @property
    def path(self) -> Path:
        """Where they lie."""
        return self._folder

    def log(self, operation_id: OperationId, source_name: str, partition: int) -> FingerprintLog:
        """Return the log of a read."""
        return FingerprintLog(self._log_path(operation_id, source_name, partition))

    def has_index(self, operation_id: OperationId) -> bool:
        """Say whether there is an index of an operation."""
        return self._index_path(operation_id).is_file()

    def write_index(self, operation_id: OperationId, sources: Iterable[tuple[str, Iterable[tuple[int, int]]]]) -> dict[str, Section]:
        """Sort the logs of an operation into its index, which is durable when this returns; the logs stay.

        Takes 56 bytes of memory for each fingerprint of the largest source.

        Args:
            operation_id: whose.
            sources: name of each source, and (partition, how many fingerprints of its log count) of its reads.

        Raises:
            FingerprintsLost: a log has not so many.
        """
        sections: dict[str, Section] = {}
        with _guarded():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self._index_path(operation_id)
            draft = path.with_suffix(".draft")
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
                for name, reads in sources:
                    found = b"".join(self._logged(operation_id, name, partition, count) for partition, count in reads)
                    offset = file.tell()
                    digest = hashlib.sha256()
                    for piece in _sorted(found):
                        digest.update(piece)
                        file.write(piece)
                    sections[name] = Section(offset, len(found) // SIZE, digest.hexdigest())
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
            sync_folder(self._folder)
        return sections

    def read_section(self, operation_id: OperationId, section: Section) -> bytes:
        """Return the fingerprints of a source, in ascending order; raises `FingerprintsLost` where they are not as they were written."""
        with _guarded():
            try:
                with self._index_path(operation_id).open("rb") as file:
                    file.seek(section.offset)
                    found = file.read(section.count * SIZE)
            except FileNotFoundError:
                raise FingerprintsLost from None
        if hashlib.sha256(found).hexdigest() != section.sha256:
            raise FingerprintsLost
        return found

    def write_named(self, operation_id: OperationId, chunks: Iterable[bytes]) -> None:
        """Put down what a difference names, beside the logs: made again by whoever ends the operation, it need not be durable."""
        with _guarded():
            folder = self._folder / operation_id
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(folder / _NAMED, "wb", opener=_open_private) as file:
                file.writelines(chunks)

    def read_named(self, operation_id: OperationId) -> Iterator[bytes]:
        """Yield what was put down so; raises `FingerprintsLost` where it is not there."""
        with _guarded():
            try:
                with (self._folder / operation_id / _NAMED).open("rb") as file:
                    while chunk := file.read(_HELD_BYTES):
                        yield chunk
            except FileNotFoundError:
                raise FingerprintsLost from None

    def remove_logs(self, operation_id: OperationId) -> None:
        """Remove the logs of an operation."""
        with _guarded(), suppress(FileNotFoundError):
            shutil.rmtree(self._folder / operation_id)

    def remove(self, operation_id: OperationId) -> None:
        """Remove all of an operation."""
        self.remove_logs(operation_id)
        with _guarded():
            for path in (self._index_path(operation_id), self._index_path(operation_id).with_suffix(".draft")):
                path.unlink(missing_ok=True)

    def operations(self) -> set[OperationId]:
        """Return the operations that there is something of."""
        with _guarded():
            try:
                names = {name.partition(".")[0] for name in os.listdir(self._folder)}  # noqa: PTH208 - names alone are asked for
            except FileNotFoundError:
                return set()
        return {OperationId(name) for name in names if is_guid(name)}

    def _logged(self, operation_id: OperationId, source_name: str, partition: int, count: int) -> bytes:
        if not count:
            return b""
        try:
            with self._log_path(operation_id, source_name, partition).open("rb") as file:
                found = file.read(count * SIZE)
        except FileNotFoundError:
            raise FingerprintsLost from None
        if len(found) < count * SIZE:
            raise FingerprintsLost
        return found

    def _log_path(self, operation_id: OperationId, source_name: str, partition: int) -> Path:
        # Not by the name itself, which need not be one that a file can have.
        digest = hashlib.sha256(source_name.encode()).hexdigest()[:32]
        return self._folder / operation_id / f"{digest}-{partition}"

    def _index_path(self, operation_id: OperationId) -> Path:
        return self._folder / f"{operation_id}.index"


def _sorted(fingerprints: bytes) -> Iterator[bytes]:
    """Yield them in ascending order, in pieces."""
    count = len(fingerprints) // SIZE
    array = pa.FixedSizeBinaryArray.from_buffers(pa.binary(SIZE), count, [None, pa.py_buffer(fingerprints)])
    order = pc.sort_indices(array)
    step = _COPIED_BYTES // SIZE
    for start in range(0, count, step):
        piece = array.take(order.slice(start, step))
        yield piece.buffers()[1].to_pybytes()[: len(piece) * SIZE]


@contextmanager
def _guarded() -> Iterator[None]:
    try:
        yield
    except StoreFault:
        raise
    except OSError as error:
        raise StoreFault(f"the fingerprints beside the store cannot be read or written: {error.strerror}") from error


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)
