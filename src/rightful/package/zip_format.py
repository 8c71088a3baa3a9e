"""The bytes of a ZIP file around its entries' content (PKWARE's APPNOTE 6.3.10).

The same entries give the same bytes: times and attributes are fixed, names are UTF-8 and said to be. Sizes and CRC-32 stand before each
content, never behind it in a data descriptor, which some readers don't take. ZIP64 fields are there where a number needs them, else not.
"""

import struct
from collections.abc import Iterable, Iterator

import msgspec

_UTF8_NAMES = 0x0800
"""General purpose bit 11 (APPNOTE 4.4.4)."""
_STORED, _DEFLATED = 0, 8
_NEEDS_DEFLATE, _NEEDS_ZIP64 = 20, 45
"""Versions of the format: 2.0 and 4.5 (APPNOTE 4.4.3)."""
_MADE_BY = (3 << 8) | _NEEDS_ZIP64
"""Unix: what unpacks takes the attributes for a file's mode."""
_MODE = 0o100644 << 16
"""A regular file that its owner may write and everybody read."""
_TIME, _DATE = 0, (1 << 5) | 1
"""1980-01-01 00:00:00, the first that the format can say: when a file was changed stands in ledger.json."""
_MAX_16 = 0xFFFF
_MAX_32 = 0xFFFFFFFF
_ZIP64_FIELD = 1

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_ZIP64_END = struct.Struct("<4sQ2H2L4Q")
_ZIP64_LOCATOR = struct.Struct("<4sLQL")


class ZipEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry as it lies in a ZIP file."""

    path: str
    crc32: int
    size_bytes: int
    packed_bytes: int
    is_deflated: bool


def local_header(entry: ZipEntry) -> bytes:
    """Return what stands before an entry's content."""
    extra, size, packed = b"", entry.size_bytes, entry.packed_bytes
    if max(size, packed) >= _MAX_32:  # both or none (APPNOTE 4.5.3)
        extra = struct.pack("<2H2Q", _ZIP64_FIELD, 16, size, packed)
        size = packed = _MAX_32
    name = entry.path.encode()
    fields = (_UTF8_NAMES, _method(entry), _TIME, _DATE, entry.crc32, packed, size, len(name), len(extra))
    return _LOCAL.pack(b"PK\3\4", _version(entry, extra), *fields) + name + extra


def directory(entries: Iterable[tuple[ZipEntry, int]], start: int) -> Iterator[bytes]:
    """Yield what ends a ZIP file: its directory, which begins at `start`, of entries and where their headers begin."""
    count = length = 0
    for entry, offset in entries:
        record = _central_header(entry, offset)
        count += 1
        length += len(record)
        yield record
    yield _end(count, length, start)


def _central_header(entry: ZipEntry, offset: int) -> bytes:
    numbers = (entry.size_bytes, entry.packed_bytes, offset)
    large = [number for number in numbers if number >= _MAX_32]  # only those that don't fit, in this order (APPNOTE 4.5.3)
    extra = struct.pack(f"<2H{len(large)}Q", _ZIP64_FIELD, 8 * len(large), *large) if large else b""
    size, packed, offset = (min(number, _MAX_32) for number in numbers)
    name = entry.path.encode()
    fields = (_UTF8_NAMES, _method(entry), _TIME, _DATE, entry.crc32, packed, size, len(name), len(extra), 0, 0, 0, _MODE, offset)
    return _CENTRAL.pack(b"PK\1\2", _MADE_BY, _version(entry, extra), *fields) + name + extra


def _end(count: int, length: int, start: int) -> bytes:
    zip64 = b""
    if count >= _MAX_16 or max(length, start) >= _MAX_32:
        zip64 = _ZIP64_END.pack(b"PK\6\6", _ZIP64_END.size - 12, _MADE_BY, _NEEDS_ZIP64, 0, 0, count, count, length, start)
        zip64 += _ZIP64_LOCATOR.pack(b"PK\6\7", 0, start + length, 1)
    count = min(count, _MAX_16)
    return zip64 + _END.pack(b"PK\5\6", 0, 0, count, count, min(length, _MAX_32), min(start, _MAX_32), 0)


def _method(entry: ZipEntry) -> int:
    return _DEFLATED if entry.is_deflated else _STORED


def _version(entry: ZipEntry, extra: bytes) -> int:
    if extra:
        return _NEEDS_ZIP64
    return _NEEDS_DEFLATE if entry.is_deflated else 10
