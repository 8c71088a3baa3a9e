"""A storage location whose entries are sealed: whoever holds it reads neither what is in them nor what they are called.

How: an entry is put as a file of age for one public key, under a name made from its path with the operation's sealing secret. Its key and
its header come from the secret and the path, so that who knows the secret, the service while the operation lasts, can read it back. The
payload's nonce is made from the content too: what is held in memory is sealed alike each time, and "already there" keeps its meaning.

NOTE: a stream cannot be hashed before it is put, and may turn out to be another content half way. Its nonce is random, since two contents
under one nonce would give both away; only where an entry of ours lies in a folder of this machine, which is then compared and not written
again, is that one's nonce taken. In a bucket, which compares what it is given, an entry of ours differs then for its nonce alone: it is
"already there", and whether its content is the same tells who reads it.
"""

import hashlib
import hmac
import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing

import msgspec

from rightful.age.header import FILE_KEY_BYTES, HEADER_BYTES, derive, seal_to
from rightful.age.intake import Intake
from rightful.age.keys import Recipient
from rightful.age.payload import NONCE_BYTES, decrypt, encrypt
from rightful.errors import EntryConflict, StorageRefused
from rightful.package import sealed
from rightful.storage.entry_path import split_entry_path
from rightful.storage.interface import Properties, Put, Reading, Storage

_GATHERED_BYTES = 1 << 20


class SealingStorage:
    """The entries of one operation in a storage location, sealed. What lies in the open (`sealed.IN_THE_OPEN`) passes as it is."""

    def __init__(self, inner: Storage, *, prefix: str, recipient: Recipient, secret: bytes) -> None:
        """Take the storage location, where the operation's package lies in it, and the operation's sealing secret (32 bytes)."""
        self._inner = inner
        self._prefix = prefix
        self._recipient = recipient
        self._secret = secret

    @property
    def properties(self) -> Properties:
        """What the storage location can do."""
        properties = self._inner.properties
        overhead = sealed.sealed_bytes(properties.max_entry_bytes) - properties.max_entry_bytes
        return msgspec.structs.replace(properties, max_entry_bytes=properties.max_entry_bytes - overhead)

    def name_of(self, path: str) -> str:
        """Return the name, below the package's root, that an entry lies under."""
        if path in sealed.IN_THE_OPEN or path == sealed.INDEX_PATH:
            return path
        return f"{sealed.FOLDER}{hmac.digest(self._derived('name'), path.encode(), hashlib.sha256)[:16].hex()}.age"

    def put(self, path: str, chunks: Iterable[bytes], *, size_bytes: int) -> Put:
        """Seal an entry while it is put."""
        split_entry_path(path)
        inside = path.removeprefix(self._prefix)
        name = self._prefix + self.name_of(inside)
        if inside in sealed.IN_THE_OPEN:
            return self._inner.put(name, chunks, size_bytes=size_bytes)
        file_key, header = self._header(inside)
        is_remote = self._inner.properties.is_remote
        if isinstance(chunks, Sequence):
            nonce = self._nonce(inside, chunks)
        else:
            nonce = (None if is_remote else self._nonce_there(name, header)) or os.urandom(NONCE_BYTES)
        content = _gathered(header, encrypt(chunks, file_key, nonce))
        try:
            return self._inner.put(name, content, size_bytes=sealed.sealed_bytes(size_bytes))
        except EntryConflict:
            if is_remote and not isinstance(chunks, Sequence) and self._is_ours(name, header):
                return Put.ALREADY_THERE
            raise

    def sync(self) -> None:
        """Make what was put durable."""
        self._inner.sync()

    def close(self) -> None:
        """Do nothing: the storage location is others' too."""

    def _open(self, inside: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
        file_key, header = self._header(inside)
        intake = Intake(chunks)
        try:
            if intake.take(HEADER_BYTES) == header:
                yield from decrypt(intake, file_key)
                return
        except ValueError:
            pass
        raise EntryConflict("what lies at the path of a sealed entry is not what was put there")

    def _is_ours(self, name: str, header: bytes) -> bool:
        try:
            return self._nonce_there(name, header) is not None
        except StorageRefused:  # it may not be read
            return False

    def _nonce_there(self, name: str, header: bytes) -> bytes | None:
        inner = self._inner
        if not isinstance(inner, Reading):
            return None
        try:
            with closing(_as_generator(inner.read(name))) as chunks:
                intake = Intake(chunks)
                nonce = intake.take(NONCE_BYTES) if intake.take(HEADER_BYTES) == header else b""
        except FileNotFoundError:
            return None
        return nonce if len(nonce) == NONCE_BYTES else None

    def _nonce(self, inside: str, chunks: Iterable[bytes]) -> bytes:
        digest = hashlib.sha256()
        for chunk in chunks:
            digest.update(chunk)
        return hmac.digest(self._derived("nonce"), digest.digest() + inside.encode(), hashlib.sha256)[:NONCE_BYTES]

    def _header(self, inside: str) -> tuple[bytes, bytes]:
        """Return the key of an entry's file, and its header."""
        file_key = hmac.digest(self._derived("file"), inside.encode(), hashlib.sha256)[:FILE_KEY_BYTES]
        return file_key, seal_to(self._recipient, file_key, hmac.digest(self._derived("share"), inside.encode(), hashlib.sha256))

    def _derived(self, use: str) -> bytes:
        return derive(self._secret, f"rightful sealing {use}".encode())


class ReadableSealingStorage(SealingStorage):
    """The ability `Reading`: entries as they were before they were sealed."""

    def read(self, path: str) -> Iterator[bytes]:
        """Yield what is in an entry; raises `EntryConflict` where that is none of this operation's."""
        inside = path.removeprefix(self._prefix)
        assert isinstance(self._inner, Reading)
        chunks = self._inner.read(self._prefix + self.name_of(inside))
        return chunks if inside in sealed.IN_THE_OPEN else self._open(inside, chunks)


def sealing(inner: Storage, *, prefix: str, recipient: Recipient, secret: bytes) -> SealingStorage:
    """Return a storage location whose entries are sealed, with the ability to read them where it has that."""
    kind = ReadableSealingStorage if isinstance(inner, Reading) else SealingStorage
    return kind(inner, prefix=prefix, recipient=recipient, secret=secret)


def _gathered(header: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield larger chunks: each may become a request's line, or a call of the system."""
    held = bytearray(header)
    for piece in pieces:
        held += piece
        if len(held) >= _GATHERED_BYTES:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


def _as_generator(chunks: Iterator[bytes]) -> Generator[bytes]:
    """See to it that a file which is not read to its end is closed."""
    yield from chunks
