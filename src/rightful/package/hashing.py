"""Reading entries for their digests: in two threads, with progress, in bounded memory."""

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from rightful.package.readers import Looking, PackageReader

Progress = Callable[[int, int], None]
"""Called with (bytes read so far, bytes in all), from any thread, one call at a time."""

Outcome = str | OSError
"""An entry's SHA-256 in hex, or why it can't be read."""

_Read = Callable[[str], Iterator[bytes] | Iterator[bytes | memoryview]]
_THREADS = 2
_BATCH_BYTES = 4 * 1024 * 1024
_BATCH_ENTRIES = 64
_WAITING_BATCHES = 8
_PROGRESS_STEP_BYTES = 4 * 1024 * 1024


class Meter:
    """Counts what was read. Safe to use from several threads."""

    def __init__(self, on_progress: Progress | None, total_bytes: int) -> None:
        self._lock = threading.Lock()
        self._on_progress = on_progress
        self._total_bytes = total_bytes
        self._said_bytes = 0
        self.size_bytes = 0
        self.entries = 0

    def add(self, size_bytes: int, *, entries: int = 0) -> None:
        """Count bytes, and entries that were read to their end."""
        with self._lock:
            self.size_bytes += size_bytes
            self.entries += entries
            if self._on_progress and self.size_bytes - self._said_bytes >= _PROGRESS_STEP_BYTES:
                self._say()

    def end(self) -> None:
        """Say how much it was in the end."""
        with self._lock:
            self._say()

    def _say(self) -> None:
        self._said_bytes = self.size_bytes
        if self._on_progress:
            self._on_progress(self.size_bytes, max(self._total_bytes, self.size_bytes))


class Hashed:
    """Passes chunks on and hashes them; `sha256` is of what has come through so far."""

    def __init__(self, chunks: Iterable[bytes], meter: Meter) -> None:
        self._chunks = iter(chunks)
        self._hasher = hashlib.sha256()
        self._meter = meter

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self._hasher.update(chunk)
            self._meter.add(len(chunk))
            yield chunk
        self._meter.add(0, entries=1)

    @property
    def sha256(self) -> str:
        """The digest in hex."""
        return self._hasher.hexdigest()


def digests(package: PackageReader, sizes: Mapping[str, int], paths: Sequence[str], meter: Meter) -> Iterator[tuple[str, Outcome]]:
    """Yield each path with its digest, in the paths' order.

    Two threads, since hashing lets go of the interpreter's lock; small entries go in batches. What the reader raises besides
    `OSError` is raised here.
    """
    batches = list(_batches(sizes, paths))
    read = _Stoppable(package.look if isinstance(package, Looking) else package.read)
    if len(batches) <= 1:
        for batch in batches:
            yield from _digest_batch(read, batch, meter)
        return
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="verify")
    running: deque[Future[list[tuple[str, Outcome]]]] = deque()
    try:
        for batch in batches:
            running.append(pool.submit(_digest_batch, read, batch, meter))
            if len(running) > _WAITING_BATCHES:
                yield from running.popleft().result()
        while running:
            yield from running.popleft().result()
    finally:
        read.stop()  # whoever breaks off does not wait for the end of a large entry
        pool.shutdown(cancel_futures=True)


class _Stoppable:
    """Reads entries until it is told to stop; what is being read then ends as if it could not be read on."""

    def __init__(self, read: _Read) -> None:
        self._read = read
        self._is_stopped = False

    def __call__(self, path: str) -> Iterator[bytes | memoryview]:
        for chunk in self._read(path):
            if self._is_stopped:
                raise InterruptedError
            yield chunk

    def stop(self) -> None:
        """Stop all threads at their next chunk."""
        self._is_stopped = True


def _batches(sizes: Mapping[str, int], paths: Sequence[str]) -> Iterator[Sequence[str]]:
    start = size_bytes = 0
    for number, path in enumerate(paths, 1):
        size_bytes += sizes[path]
        if size_bytes >= _BATCH_BYTES or number - start >= _BATCH_ENTRIES:
            yield paths[start:number]
            start, size_bytes = number, 0
    if start < len(paths):
        yield paths[start:]


def _digest_batch(read: _Read, paths: Sequence[str], meter: Meter) -> list[tuple[str, Outcome]]:
    return [(path, _digest(read, path, meter)) for path in paths]


def _digest(read: _Read, path: str, meter: Meter) -> Outcome:
    hasher = hashlib.sha256()
    try:
        for chunk in read(path):
            hasher.update(chunk)
            meter.add(len(chunk))
    except OSError as error:
        return error
    meter.add(0, entries=1)
    return hasher.hexdigest()
