"""SHA-256 digests of entries."""

import hashlib
import re
from collections.abc import Iterable

import msgspec

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """What an entry's content is known by."""

    sha256: str
    """64 lower-case hex digits."""
    size_bytes: int


def measure(chunks: Iterable[bytes]) -> Digest:
    """Return the digest of chunks, which are read once and not kept."""
    hasher = hashlib.sha256()
    size_bytes = 0
    for chunk in chunks:
        hasher.update(chunk)
        size_bytes += len(chunk)
    return Digest(sha256=hasher.hexdigest(), size_bytes=size_bytes)


def is_sha256(text: str) -> bool:
    """Say whether a text is a SHA-256 as packages write it."""
    return _SHA256.fullmatch(text) is not None
