"""ZIP files whose headers say something that their directory does not."""

import struct


def with_wide_sizes(packed: bytes, path: str, *, size: int, packed_size: int) -> bytes:
    """Have an entry's header say its sizes in the extra field, as of entries of more than 4 GiB; the directory stays as it is."""
    field = struct.pack("<HHQQ", 1, 16, size, packed_size)
    content = bytearray(packed)
    start = content.index(path.encode()) - 30
    struct.pack_into("<II", content, start + 18, 0xFFFFFFFF, 0xFFFFFFFF)
    struct.pack_into("<H", content, start + 28, len(field))
    content[start + 30 + len(path) : start + 30 + len(path)] = field
    end = content.rindex(b"PK\5\6")
    (directory,) = struct.unpack_from("<I", content, end + 16)
    struct.pack_into("<I", content, end + 16, directory + len(field))
    at = directory + len(field)
    while content[at : at + 4] == b"PK\1\2":
        (offset,) = struct.unpack_from("<I", content, at + 42)
        struct.pack_into("<I", content, at + 42, offset + (len(field) if offset > start else 0))
        at += 46 + sum(struct.unpack_from("<3H", content, at + 28))
    return bytes(content)
