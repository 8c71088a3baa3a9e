"""A package as one ZIP file, which its entries are put into in any order.

An entry is packed as it comes, and put in pieces of the future file: many small entries share one, a large entry has several of its own,
and its header, which has to say how large it became, is the last of them though it stands first in the file. Where everything lies is put
down with the checkpoint that makes the entries count. At the end the directory is put, and the storage location joins the pieces of what
counts, in the order in which the store lists the entries: the reads in theirs, each read's entries as they came. So nothing is sent twice
after a kill, and the file is the same as if there had been none. Until then nobody sees it.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import msgspec

from rightful.clock import Clock
from rightful.errors import EntryConflict, OperationError, Refusal, StorageError, StorageRefused, StorageUnavailable
from rightful.export import layout
from rightful.export.records import PACKAGE, Packed, Sealed
from rightful.operation.model import SUBMIT_AGAIN
from rightful.package import request_info
from rightful.package.packing import Packer
from rightful.package.zip_format import ZipEntry, directory, local_header
from rightful.storage.body import exactly
from rightful.storage.interface import Properties, Put, Reading, ReadingAt, Storage
from rightful.storage.lengths import listed_bytes
from rightful.storage.pieces import joining
from rightful.storage.retrying import RetryingJoining
from rightful.store.values import Entry

_MIB = 1 << 20
_PIECE_BYTES = 8 * _MIB
_READ_BYTES = 4 * _MIB
_LARGE_PIECE_BYTES = 32 * _MIB
"""Of entries from `_LARGE_BYTES` on: a blob has at most 50,000 pieces."""
_LARGE_BYTES = 1024 * _MIB
_LARGEST = 1 << 62
_ATTEMPTS = 3
_WRITER_BYTES = 8
PIECE_NAME_LENGTH = 2 * _WRITER_BYTES + 8
"""What `_piece_name` returns: all pieces of one file need names of one length."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that counts, and where it lies."""

    path: str
    size_bytes: int
    packed: Packed


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """What a ZIP file holds when nothing is missing but its end."""

    request_info: bytes
    """Content of RequestInfo.json, which lies beside the file too."""
    members: tuple[Member, ...]


class ZipStorage:
    """The ZIP file of one package as the storage location of its entries. To be used by one thread at a time.

    It holds no more than three pieces in memory. An entry is durable once `sync` has returned, and `take` tells then where it lies. Nothing
    here is ever `ALREADY_THERE`: of several entries under one path the one counts that the store counts. Pieces are tried again here;
    once one could not be put all that follows fails alike. `close` does not close the location that the ZIP file lies in.
    """

    def __init__(self, location: Storage, path: str, clock: Clock) -> None:
        self.location = location
        self._joining = RetryingJoining(joining(location), clock, attempts=_ATTEMPTS)
        self._path = path
        self._writer = secrets.token_hex(_WRITER_BYTES)
        self._next_piece = 0
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._unnumbered: dict[str, Packed] = {}
        self._packed: dict[str, Packed] = {}
        self._failure: StorageError | None = None
        self._may_be_made = False
        self._is_made = False

    def __repr__(self) -> str:
        return f"ZipStorage({self.location!r})"

    @property
    def properties(self) -> Properties:
        """What the file can take. Puts go one after the other, for the order of entries is theirs."""
        return Properties(max_entry_bytes=_LARGEST, origin=self.location.properties.origin)

    def put(self, path: str, chunks: Iterable[bytes], *, size_bytes: int) -> Put:
        """Pack an entry."""
        name = self._name(path)
        packer = Packer(name)
        piece_bytes = _LARGE_PIECE_BYTES if size_bytes >= _LARGE_BYTES else _PIECE_BYTES
        # A piece waits until the next one is full: what is left of the content joins the last one, and has no piece of its own. Pieces of
        # large contents don't: they are large themselves, and one more matters little there.
        waiting: list[bytes] = []
        content: list[bytes] = []
        content_bytes = blocks = 0
        for packed in packer.pack(exactly(chunks, size_bytes)):
            content.append(packed)
            content_bytes += len(packed)
            if content_bytes < piece_bytes:
                continue
            full, waiting = (content, []) if size_bytes >= _LARGE_BYTES else (waiting, content)
            content, content_bytes = [], 0
            if full:
                if not blocks:
                    self.flush()  # the entries before it come before it
                self._put_piece(full)
                blocks += 1
        content = waiting + content
        if blocks and content:
            self._put_piece(content)
            blocks += 1
            content = []
        entry = ZipEntry(
            path=name, crc32=packer.crc32, size_bytes=size_bytes, packed_bytes=packer.packed_bytes, is_deflated=packer.is_deflated
        )
        self._hold(entry, content, blocks)
        if blocks or self._held_bytes >= _PIECE_BYTES:
            self.flush()
        return Put.WRITTEN

    def flush(self) -> None:
        """Put what is held."""
        if not self._held:
            return
        held, self._held, self._held_bytes = self._held, [], 0
        unnumbered, self._unnumbered = self._unnumbered, {}
        piece, piece_bytes = self._put_piece(held), sum(len(each) for each in held)
        for path, packed in unnumbered.items():
            self._packed[path] = msgspec.structs.replace(packed, piece=piece, piece_bytes=piece_bytes)

    def may_be_made(self) -> None:
        """Take the file that lies there, if one does that nothing can be added to, for what an earlier attempt to end it made."""
        self._may_be_made = True

    def sync(self) -> None:
        """Put what is held and make all of it durable."""
        self.flush()
        self.location.sync()

    def take(self, path: str) -> Packed:
        """Tell where an entry lies that was put and synced, and forget it."""
        return self._packed.pop(self._name(path))

    def close(self) -> None:
        """Do nothing."""

    def end(self, begun: Begun, documents: Sequence[tuple[str, int]], *, may_be_there: bool) -> bool:
        """Make the file of what counts and of documents (path, bytes) that were put here; return whether it is there now, and ours.

        `may_be_there` where an earlier attempt may have made it.
        """
        self.flush()
        self.put(request_info.PATH, (begun.request_info,), size_bytes=len(begun.request_info))
        self.flush()
        first = (request_info.PATH, len(begun.request_info))
        head, *tail = (Member(path=path, size_bytes=size, packed=self.take(path)) for path, size in (first, *documents))
        members = (head, *begun.members, *tail)
        order = _Order()
        for each in members:
            order.add(each)
        names = [*order.names]
        end_bytes = 0
        digest = hashlib.sha256()
        for end in _gathered(directory(order.entries(members), order.size_bytes), _PIECE_BYTES):
            names.append(_piece_name(self._writer, self._put_piece(end)))
            for chunk in end:
                end_bytes += len(chunk)
                digest.update(chunk)
        if self._is_made:
            return self._is_ours(order.size_bytes, order.size_bytes + end_bytes, digest.digest())
        outcome = self._joining.join(self._path, names, size_bytes=order.size_bytes + end_bytes)
        if outcome is Put.WRITTEN:
            return True
        if not may_be_there and not self._joining.may_have_arrived:
            return False
        return self._is_ours(order.size_bytes, order.size_bytes + end_bytes, digest.digest())

    def _is_ours(self, end_at: int, size_bytes: int, sha256: bytes) -> bool:
        """Compare what lies at the path with the file's size and directory, which has each entry's CRC-32; what may not be seen is ours."""
        try:
            try:
                if isinstance(self.location, ReadingAt):
                    return _measure_end(partial(self.location.read_at, self._path), end_at, size_bytes) == (size_bytes, sha256)
                if isinstance(self.location, Reading):
                    return _measure(self.location.read(self._path), end_at) == (size_bytes, sha256)
            except StorageRefused as error:
                if error.refusal is not Refusal.PERMISSION:
                    raise
            return listed_bytes(self.location, self._path) in {None, size_bytes}
        except FileNotFoundError:
            raise StorageUnavailable("the storage location says that a package is there, and has none", hint="it is tried again") from None

    def _hold(self, entry: ZipEntry, content: Sequence[bytes], blocks: int) -> None:
        offset = self._held_bytes
        for piece in (local_header(entry), *content):
            self._held.append(piece)
            self._held_bytes += len(piece)
        self._unnumbered[entry.path] = Packed(
            crc32=entry.crc32,
            packed_bytes=entry.packed_bytes,
            is_deflated=entry.is_deflated,
            writer=self._writer,
            piece=0,
            piece_bytes=0,
            offset=offset,
            blocks=blocks,
        )

    def _name(self, path: str) -> str:
        """Return what an entry is called in the file: its path without the operation's prefix."""
        return path.removeprefix(f"{self._path}/")

    def _put_piece(self, chunks: Sequence[bytes]) -> int:
        if self._failure is not None:
            raise self._failure
        number = self._next_piece
        self._next_piece += 1
        if self._is_made:
            return number
        try:
            if self._joining.put_piece(self._path, _piece_name(self._writer, number), chunks) is Put.ALREADY_THERE:
                if not self._may_be_made:
                    raise EntryConflict("something else lies at the path of the package", hint="use a storage location that is empty")
                self._is_made = True
        except StorageError as error:
            self._failure = error
            raise
        return number


class _Order:
    """The order of pieces in the file, by the entries that lie in them."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.size_bytes = 0
        self._starts: dict[tuple[str, int], int] = {}

    def add(self, member: Member) -> None:
        """Place the pieces of an entry where they are not placed yet."""
        packed = member.packed
        key = (packed.writer, packed.piece)
        if key in self._starts:
            return
        self._starts[key] = self.size_bytes
        numbers = (packed.piece, *range(packed.piece - packed.blocks, packed.piece))
        self.names += (_piece_name(packed.writer, number) for number in numbers)
        self.size_bytes += packed.piece_bytes + (packed.packed_bytes if packed.blocks else 0)

    def entries(self, members: Sequence[Member]) -> Iterator[tuple[ZipEntry, int]]:
        """Yield each entry and where its header begins."""
        for member in members:
            packed = member.packed
            entry = ZipEntry(
                path=member.path,
                crc32=packed.crc32,
                size_bytes=member.size_bytes,
                packed_bytes=packed.packed_bytes,
                is_deflated=packed.is_deflated,
            )
            yield entry, self._starts[packed.writer, packed.piece] + packed.offset


def opened(location: Storage, prefix: str, clock: Clock) -> Storage:
    """Return where the entries of an operation are put: its ZIP file, where it has one, else the storage location itself."""
    path = layout.zip_path(prefix)
    return ZipStorage(location, path, clock) if path else location


def begin(entries: Iterable[Entry], sealed: Sealed) -> Begun:
    """Return what a package's ZIP file holds of these entries of the store's, in their order.

    Raises:
        OperationError: the store does not say where one of them lies.
    """
    content = b""
    members: list[Member] = []
    for entry in entries:
        record = sealed.open_entry(entry.sealed)
        if entry.source_name == PACKAGE:
            content = record.content
        elif record.packed is None:
            raise OperationError("the store lost where an entry lies", code="CheckpointLost", hint=SUBMIT_AGAIN)
        else:
            members.append(Member(path=record.path, size_bytes=entry.size_bytes, packed=record.packed))
    return Begun(request_info=content, members=tuple(members))


def _gathered(chunks: Iterable[bytes], least_bytes: int) -> Iterator[list[bytes]]:
    """Yield lists of chunks that have so many bytes together, and last what is left."""
    gathered: list[bytes] = []
    left = least_bytes
    for chunk in chunks:
        gathered.append(chunk)
        left -= len(chunk)
        if left <= 0:
            yield gathered
            gathered, left = [], least_bytes
    if gathered:
        yield gathered


def _measure_end(read_at: Callable[[int, int], bytes], start: int, most: int) -> tuple[int, bytes]:
    """Return how many bytes there are, at least the start and not far above the most, and the SHA-256 from the start on."""
    digest = hashlib.sha256()
    length = start
    while length <= most and (part := read_at(length, _READ_BYTES)):
        digest.update(part)
        length += len(part)
    return length, digest.digest()


def _measure(chunks: Iterable[bytes], start: int) -> tuple[int, bytes]:
    """Return how many bytes there are, and the SHA-256 of those from a place on."""
    digest = hashlib.sha256()
    length = 0
    for chunk in chunks:
        digest.update(chunk[max(start - length, 0) :])
        length += len(chunk)
    return length, digest.digest()


def _piece_name(writer: str, number: int) -> str:
    return f"{writer}{number:08x}"
