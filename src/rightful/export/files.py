"""How a file of a source becomes an entry of the package."""

import hashlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing

from rightful.config.model import SourceConfig
from rightful.connectors.interface import Cursor, FileItem, ItemChanged, SkippedItem
from rightful.errors import SourceRefused
from rightful.export.letting_go import let_go
from rightful.export.outbox import Outbox
from rightful.export.placing import Draft
from rightful.export.subject_read import SubjectRead
from rightful.package.paths import EntryNamer
from rightful.subject.folders import is_folder_of

_HELD_BYTES = 4 << 20
"""Files up to this size are held in memory; larger ones are hashed while they are put, or first, and read again, where that cannot be."""

_TRIES = 3
_KEEPS_CHANGING = "it changed each time while it was read"


class FileSender:
    """Sends files of one source; keeps the names it gave for each subject."""

    def __init__(self, source: SourceConfig, outbox: Outbox) -> None:
        self._source = source
        self._outbox = outbox
        self.template = ""
        """The path template that the connector says it searches."""
        self._namers: dict[int, EntryNamer] = {}
        self._checked: tuple[SubjectRead, str] | None = None
        """Whose folder was found to be theirs last: most files lie in the folder of the one before."""

    def send(self, state: SubjectRead, item: FileItem) -> None:
        """Read and deliver a file; one that cannot be read is skipped, with its reason in the ledger.

        Raises:
            SourceRefused: the file lies in a folder that is not the subject's (code ForeignData), or must not be skipped.
        """
        for tries_left in reversed(range(_TRIES)):
            self._check(state, item)
            try:
                return self._send(state, item)
            except _ContentFault as fault:
                error = fault.error
            renewed: FileItem | SkippedItem | None = item
            if isinstance(error, ItemChanged) and item.renew is not None and tries_left:
                renewed = item.renew()
            if renewed is None:
                state.miss(_origin(item.path))
                return None  # gone, as if it had been deleted before we came
            if isinstance(renewed, SkippedItem):
                return self._skip(state, item.path, renewed.reason)
            if not tries_left:
                reason = _KEEPS_CHANGING if isinstance(error, ItemChanged) else error.strerror or type(error).__name__
                return self._skip(state, item.path, reason)
            item = renewed
        return None

    def _check(self, state: SubjectRead, item: FileItem) -> None:
        if self._checked == (state, item.root):
            return
        if not is_folder_of(self.template, item.root, state.subject):
            raise SourceRefused(
                f"source {self._source.name!r} gave a file from a folder that is not the subject's; nothing of it was written",
                source_name=self._source.name,
                code="ForeignData",
                hint="check the source's path template and the directory's identifiers; the connector may be at fault",
            )
        self._checked = (state, item.root)

    def skip(self, state: SubjectRead, item: SkippedItem) -> None:
        """Put an item down that the connector could not read."""
        self._skip(state, item.path, item.reason)

    def _skip(self, state: SubjectRead, path: str, reason: str) -> None:
        if self._source.on_unreadable_item == "fail":
            raise SourceRefused(
                f"source {self._source.name!r} has an item that cannot be read: {reason}",
                source_name=self._source.name,
                code="ItemUnreadable",
                hint="make it readable and resume, or set on_unreadable_item: record",
            )
        self._outbox.skip(state, _origin(path), reason)
        if state.tracker is not None:
            state.tracker.unread(_origin(path))

    def _send(self, state: SubjectRead, item: FileItem) -> None:
        """Deliver a file; raises `_ContentFault` where it cannot be read, and nothing else for that."""
        is_held = item.size_bytes <= _HELD_BYTES
        if not is_held and self._send_once(state, item):
            return None
        content = tuple(_content(item)) if is_held else ()
        digest = _digest(content if is_held else _content(item))
        if state.tracker is not None and not state.tracker.file(_origin(item.path), digest):
            return self._outbox.pass_over(state, _origin(item.path))
        draft = self._draft(state, item, content, digest)
        if is_held:
            return self._outbox.add(state, draft)
        try:
            with closing(_content(item)) as chunks:
                return self._outbox.put_large(state, draft, _same(chunks, digest))
        except BaseException:
            if state.tracker is not None:
                state.tracker.take_back()
            raise

    def _send_once(self, state: SubjectRead, item: FileItem) -> bool:
        """Deliver a large file while it is read for the only time; False where its digest has to be known first."""
        tracker = state.tracker
        if tracker is not None and tracker.is_difference:
            return False  # the earlier package may have it
        count = 0 if tracker is None else tracker.count
        origin = _origin(item.path)

        def draft(sha256: str) -> Draft:
            if tracker is not None:
                tracker.file(origin, sha256)
            return self._draft(state, item, (), sha256)

        path = state.path_of(origin) or self._namer(state).find(item.path)
        try:
            with closing(_content(item)) as chunks:
                return self._outbox.put_once(state, path, item.size_bytes, chunks, draft)
        except BaseException:
            if tracker is not None and tracker.count > count:
                tracker.take_back()
            raise

    def _draft(self, state: SubjectRead, item: FileItem, content: tuple[bytes, ...], sha256: str) -> Draft:
        state.next_part += 1
        origin = _origin(item.path)
        return Draft(
            path=state.path_of(origin) or self._namer(state).name(item.path),
            content=content,
            sha256=sha256,
            size_bytes=item.size_bytes,
            origin=origin,
            modified_ns=item.modified_ns,
            mode=item.mode,
            is_changed=None if state.tracker is None else state.tracker.changed_file(origin),
            cursor=Cursor(origin),
            fingerprints=None if state.tracker is None else state.tracker.count,
        )

    def _namer(self, state: SubjectRead) -> EntryNamer:
        namer = self._namers.get(id(state))
        if namer is None:
            namer = EntryNamer(state.product, self._source.name)
            for path in state.known_paths():
                namer.remember(path)
            self._namers[id(state)] = namer
        return namer


class _ContentFault(Exception):
    """A file's content could not be read. No OSError: what goes wrong in the store or in a storage location is not the file's fault."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error


def _content(item: FileItem) -> Generator[bytes]:
    """Yield a file's content, exactly as long as was said; what reads it is closed with it."""
    left = item.size_bytes
    chunks: Iterator[bytes] = iter(())
    try:
        chunks = item.open()
        for chunk in chunks:
            left -= len(chunk)
            if left < 0:
                break
            yield chunk
    except OSError as error:
        raise _ContentFault(error) from error
    finally:
        let_go(chunks)
    if left:
        raise _ContentFault(ItemChanged("its size is another one than was said"))


def _same(chunks: Iterator[bytes], sha256: str) -> Iterator[bytes]:
    """Yield a file's content a second time; the last chunk only where it is the same as before, whatever the file's times say."""
    digest = hashlib.sha256()
    held = b""
    for chunk in chunks:
        if held:
            yield held
        digest.update(chunk)
        held = chunk
    if digest.hexdigest() != sha256:
        raise _ContentFault(ItemChanged("its content changed"))
    yield held


def _digest(chunks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def _origin(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")
