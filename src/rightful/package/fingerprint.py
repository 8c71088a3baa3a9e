"""Fingerprints: what tells whether a record or a file is new, changed or the same, and says nothing of it to who has no key.

A fingerprint has 24 bytes. The first 16 say *which* record or file it is, the other 8 *what* it holds:

    which   a record      BLAKE2b-128 of "key", newline, its key as a JSON array of the values as the line has them
            without key   BLAKE2b-128 of "record", newline, its line: it is what it holds
            a file        BLAKE2b-128 of "path", newline, its path in the source
    what    a record      BLAKE2b-64 of "record", newline, its line without the newline at the end
            a file        BLAKE2b-64 of "file", newline, its SHA-256 in hex; eight zero bytes where it could not be read

BLAKE2b (RFC 7693) is keyed throughout. The first bit is 0 for a record and 1 for a file. What a package holds is what counts: lines after
redaction, and in the form that every other form is made of.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import msgspec

from rightful.package.json_text import split_members

SIZE = 24
WHICH = 16
"""How many of its bytes say which record or file it is."""
UNREAD = bytes(SIZE - WHICH)
"""What a file holds that could not be read."""

_FILE_BIT = 0x80

_Decode = Callable[[bytes], msgspec.Struct]


def fingerprint_key(secret: bytes) -> bytes:
    """Return the key that an operation's fingerprints are made with, of its secret; the secret does not follow from it."""
    return hmac.digest(secret, b"rightful fingerprints", hashlib.sha256)


def is_file(fingerprint: bytes) -> bool:
    """Say whether a fingerprint is a file's."""
    return fingerprint[0] >= _FILE_BIT


class Fingerprinter:
    """Makes the fingerprints of one dataset, or of the files of one source."""

    def __init__(self, key: bytes, names: Sequence[str] = ()) -> None:
        """`names` are the columns whose values together name a record; without any it is named by all that it holds."""
        self._names = tuple(names)
        self._which = partial(hashlib.blake2b, key=key, digest_size=WHICH)
        self._what = partial(hashlib.blake2b, key=key, digest_size=SIZE - WHICH)
        self._decode = _decoder(self._names) if self._names else None

    def lines(self, content: bytes) -> Iterator[bytes]:
        """Yield the fingerprint of each of some whole lines."""
        for line in content.split(b"\n")[:-1]:
            record = b"record\n" + line
            which = record if self._decode is None else b"key\n" + self._key(line)
            yield _as_record(self._which(which).digest()) + self._what(record).digest()

    def file(self, path: bytes, sha256: str) -> bytes:
        """Return the fingerprint of a file, by its path in the source."""
        return self._path(path) + self._what(b"file\n" + sha256.encode()).digest()

    def unread(self, path: bytes) -> bytes:
        """Return the fingerprint of a file that could not be read."""
        return self._path(path) + UNREAD

    def _path(self, path: bytes) -> bytes:
        which = self._which(b"path\n" + path).digest()
        return bytes((which[0] | _FILE_BIT,)) + which[1:]

    def _key(self, line: bytes) -> bytes:
        assert self._decode is not None
        try:
            values = [bytes(value) for value in msgspec.structs.astuple(self._decode(line))]
        except (msgspec.DecodeError, RecursionError):  # a document of the source that msgspec refuses and the grammar allows
            members = split_members(line.decode())
            values = [members[name].encode() for name in self._names]
        return b"[" + b",".join(values) + b"]"


def _as_record(which: bytes) -> bytes:
    return which if which[0] < _FILE_BIT else bytes((which[0] ^ _FILE_BIT,)) + which[1:]


def _decoder(names: Sequence[str]) -> _Decode:
    """Return what finds the values of these members and passes over the others: a third of the time that reading them all takes."""
    fields = [(f"f{number}", msgspec.Raw) for number in range(len(names))]
    renamed = {f"f{number}": name for number, name in enumerate(names)}
    return msgspec.json.Decoder(msgspec.defstruct("Key", fields, rename=renamed)).decode
