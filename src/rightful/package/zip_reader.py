"""A package in a ZIP file: ours, or one that somebody made of the folder."""

import errno
import lzma
import stat
import struct
import zipfile
import zlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence

from rightful.errors import PackageError
from rightful.package.packed_file import PackedFile, Positioned

_CHUNK_BYTES = 1024 * 1024
_ENCRYPTED = 0x1
_NOT_PLAIN = 0x60
"""Patched data, or strong encryption (APPNOTE 4.4.4)."""
_UTF8_NAMES = 0x800
_HEADER = struct.Struct("<4s2x2H4x3L2H")
"""Before an entry's content: the mark, flags, method, CRC-32, packed size, size, the lengths of name and extra field (APPNOTE 4.3.7)."""
_FOLLOWS = 0x8
"""CRC-32 and sizes stand behind the content."""
_WIDE = 0xFFFFFFFF
"""The size stands in the extra field."""
_FIELD = struct.Struct("<2H")
_WIDE_FIELD = 1
_WIDE_SIZES = struct.Struct("<2Q")
"""Size and packed size: before the content both are there, if one has to be (APPNOTE 4.5.3)."""
_READ_HERE = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


class ZipReader:
    """A package in a ZIP file, read as a stream; nothing is unpacked. Safe to use from several threads.

    The package may lie in a folder of the file: whoever packs a folder gets its name before each path.
    """

    def __init__(self, file: PackedFile, marks: Sequence[str]) -> None:
        """Take a file, which is closed with it, and where this fails; the package's root is where one of the `marks` lies."""
        self._file = file
        try:
            self._entries = self._open(marks)
        except BaseException:
            file.close()
            raise

    def _open(self, marks: Sequence[str]) -> dict[str, zipfile.ZipInfo]:
        try:
            self._zip = zipfile.ZipFile(Positioned(self._file))
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise PackageError(
                f"{self._file.name} is no ZIP file that can be read: {error}", hint="copy it again, or give the package's folder"
            ) from error
        # What a name is cut to at a NUL, or has other separators for, is another path than the one that was written.
        entries = [(_name(info), info) for info in self._zip.infolist() if not info.orig_filename.endswith("/")]
        twice = [name for name, count in Counter(name for name, _ in entries).items() if count > 1]
        if twice:
            raise PackageError(
                f"{self._file.name} holds {len(twice)} entries more than once, {twice[0]!r} for one: programs differ on which counts",
                hint="copy it again, or give the package's folder",
            )
        self._starts = sorted((*(info.header_offset for info in self._zip.infolist()), self._zip.start_dir, self._file.size_bytes))
        prefix = _prefix([name for name, _ in entries], marks)
        return {name.removeprefix(prefix) if name.startswith(prefix) else f"../{name}": info for name, info in entries}

    def list(self) -> Iterator[tuple[str, int]]:
        """Yield every entry, as they lie in the file; what lies beside the package's folder is named `../…`."""
        for path, info in sorted(self._entries.items(), key=lambda each: each[1].header_offset):
            yield path, info.file_size

    def read(self, path: str) -> Iterator[bytes]:
        """Yield an entry's content in chunks of at most 1 MiB."""
        return map(bytes, self.look(path))

    def look(self, path: str) -> Iterator[bytes | memoryview]:
        """Yield the same, not copied where it is stored as it is."""
        info = self._entries.get(path)
        if info is None:
            raise FileNotFoundError(errno.ENOENT, "not in the ZIP file")
        if info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
            raise OSError(errno.EIO, "can't be read: it says two sizes, and programs differ on which counts")
        if info.flag_bits & _ENCRYPTED:
            raise OSError(errno.EACCES, "encrypted")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise OSError(errno.EINVAL, "not a regular file")
        try:
            if info.compress_type in _READ_HERE:
                yield from self._stored(info) if info.compress_type == zipfile.ZIP_STORED else self._inflated(info)
                return
            with self._zip.open(info) as entry:
                while chunk := entry.read(_CHUNK_BYTES):
                    yield chunk
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, UnicodeDecodeError) as error:
            raise OSError(errno.EIO, f"can't be unpacked: {error}") from error

    def _inflated(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        """Unpack all of an entry: what goes on after the size that it says is other programs' content, so it is ours."""
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        read = 0
        for piece in self._stored(info):
            packed = piece
            while chunk := inflater.decompress(packed, _CHUNK_BYTES):
                packed = inflater.unconsumed_tail
                read += len(chunk)
                if read > info.file_size:
                    raise EOFError("it is longer than it says")
                yield chunk
            if inflater.unused_data:
                raise EOFError("something follows its content")
        if not inflater.eof or read != info.file_size:
            raise EOFError("it is shorter than it says")

    def _stored(self, info: zipfile.ZipInfo) -> Iterator[bytes | memoryview]:
        """Read an entry's bytes where they lie: whoever compares a SHA-256 needs no CRC, which takes half as long again."""
        at = self._begin(info)
        end = at + info.compress_size
        while at < end:
            chunk = self._file.look_at(at, min(_CHUNK_BYTES, end - at))
            if not chunk:
                raise EOFError("the file ends before it")
            at += len(chunk)
            yield chunk

    def _begin(self, info: zipfile.ZipInfo) -> int:
        """Return where an entry's content begins, having compared what stands before it with the directory."""
        if info.flag_bits & _NOT_PLAIN:
            raise NotImplementedError("it is packed in a way that few programs know")
        name = info.orig_filename.encode("utf-8" if info.flag_bits & _UTF8_NAMES else "cp437")
        header = self._file.read_at(info.header_offset, _HEADER.size + len(name))
        if len(header) < _HEADER.size + len(name):
            raise EOFError("the file ends before it")
        mark, flags, method, crc32, packed_bytes, size_bytes, name_bytes, extra_bytes = _HEADER.unpack_from(header)
        if mark != b"PK\3\4" or name_bytes != len(name) or header[_HEADER.size :] != name:
            raise zipfile.BadZipFile("another entry lies where the directory says that it lies")
        is_same = method == info.compress_type and not flags & _ENCRYPTED
        if not flags & _FOLLOWS:
            is_same = is_same and crc32 == info.CRC
            said: tuple[int, int] | None = (size_bytes, packed_bytes)
            if _WIDE in (size_bytes, packed_bytes):
                said = _wide_sizes(self._file.read_at(info.header_offset + len(header), extra_bytes))
            is_same = is_same and said == (info.file_size, info.compress_size)
        if not is_same:
            raise zipfile.BadZipFile("the directory says something else of it than what stands before it")
        at = info.header_offset + len(header) + int(extra_bytes)
        if at + info.compress_size > self._starts[bisect_right(self._starts, info.header_offset)]:
            raise zipfile.BadZipFile("it reaches into the next entry")
        return at

    def close(self) -> None:
        """Close the file."""
        self._zip.close()
        self._file.close()


def _wide_sizes(extra: bytes) -> tuple[int, int] | None:
    """Return what an extra field says that an entry's size and packed size are."""
    at = 0
    while at + _FIELD.size <= len(extra):
        name, length = _FIELD.unpack_from(extra, at)
        at += _FIELD.size
        if name == _WIDE_FIELD:
            is_whole = length >= _WIDE_SIZES.size and at + _WIDE_SIZES.size <= len(extra)
            if not is_whole:
                return None
            size_bytes, packed_bytes = _WIDE_SIZES.unpack_from(extra, at)
            return size_bytes, packed_bytes
        at += length
    return None


def _name(info: zipfile.ZipInfo) -> str:
    """Return an entry's name: UTF-8 where it can be, though nothing says so, since `zip` writes it as it finds it."""
    if info.flag_bits & _UTF8_NAMES:
        return info.orig_filename
    try:
        return info.orig_filename.encode("cp437").decode()
    except UnicodeDecodeError:
        return info.orig_filename


def _prefix(names: Sequence[str], marks: Sequence[str]) -> str:
    """Return what stands before each path of the package."""
    if any(mark in names for mark in marks):
        return ""
    tops = {name.partition("/")[0] for name in names if name.partition("/")[2] in marks}
    return f"{next(iter(tops))}/" if len(tops) == 1 else ""
