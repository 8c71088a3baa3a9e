"""The part of BER that LDAP uses (X.690 with RFC 4511 5.1): definite lengths, tags of one byte."""

BOOLEAN, INTEGER, OCTETS, ENUMERATED, SEQUENCE, SET = 0x01, 0x02, 0x04, 0x0A, 0x30, 0x31
_LONG = 0x80
_LONGEST_LENGTH = 4
_MULTIBYTE_TAG = 0x1F


class Malformed(Exception):
    """What came is no BER, or not what it should be here."""


def tlv(tag: int, *parts: bytes) -> bytes:
    """Return one element."""
    content = b"".join(parts)
    size = len(content)
    if size < _LONG:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, _LONG | len(length))) + length + content


def integer(value: int, tag: int = INTEGER) -> bytes:
    """Return a number, which must not be negative."""
    return tlv(tag, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def head(data: bytes | bytearray, start: int = 0) -> tuple[int, int, int] | None:
    """Return (tag, where the content begins, its size) of the element at `start`; None where more bytes are needed to say so."""
    if len(data) < start + 2:
        return None
    tag, size = data[start], data[start + 1]
    if tag & _MULTIBYTE_TAG == _MULTIBYTE_TAG:
        raise Malformed
    begin = start + 2
    if size >= _LONG:
        count = size - _LONG
        if not 1 <= count <= _LONGEST_LENGTH:  # 0: an indefinite length, which RFC 4511 5.1 forbids
            raise Malformed
        if len(data) < begin + count:
            return None
        size = int.from_bytes(data[begin : begin + count], "big")
        begin += count
    return tag, begin, size


class Reader:
    """Reads elements one after the other; raises `Malformed`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def tag(self) -> int | None:
        """The next element's tag; None at the end."""
        return self._data[self._at] if self._at < len(self._data) else None

    def take(self, *tags: int) -> bytes:
        """Return the content of the next element, which must have one of these tags (any, if none is said)."""
        found = head(self._data, self._at)
        if found is None or (tags and found[0] not in tags):
            raise Malformed
        _, begin, size = found
        if begin + size > len(self._data):
            raise Malformed
        self._at = begin + size
        return self._data[begin : begin + size]

    def inside(self, *tags: int) -> "Reader":
        """Return a reader of what is in the next element."""
        return Reader(self.take(*tags))

    def number(self, tag: int = INTEGER) -> int:
        """Return the next element, a number."""
        content = self.take(tag)
        if not 1 <= len(content) <= _LONGEST_LENGTH:
            raise Malformed
        return int.from_bytes(content, "big", signed=True)
