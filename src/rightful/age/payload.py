"""The content of a file: pieces of 64 KiB, each sealed with its place, the last one marked as that.

Spec: https://c2sp.org/age, "Payload".
"""

from collections.abc import Iterable, Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from rightful.age.header import derive
from rightful.age.intake import Intake

NONCE_BYTES = 16
_PIECE_BYTES = 64 * 1024
_TAG_BYTES = 16
_SEALED_BYTES = _PIECE_BYTES + _TAG_BYTES


def payload_bytes(size_bytes: int) -> int:
    """Return how long the payload of so many bytes is."""
    return NONCE_BYTES + size_bytes + _TAG_BYTES * max(1, -(-size_bytes // _PIECE_BYTES))


def content_bytes(payload: int) -> int:
    """Return how many bytes are in a payload of this length; raises `ValueError` where none is so long."""
    sealed = payload - NONCE_BYTES
    content = sealed - _TAG_BYTES * -(-sealed // _SEALED_BYTES)
    if sealed < _TAG_BYTES or payload_bytes(content) != payload:
        raise ValueError("no file of age is so long")
    return content


def encrypt(chunks: Iterable[bytes], file_key: bytes, nonce: bytes) -> Iterator[bytes]:
    """Yield a payload, in chunks of up to 64 KiB; under one file key a nonce (16 bytes) is of one content only."""
    cipher = ChaCha20Poly1305(derive(file_key, b"payload", salt=nonce))
    yield nonce
    held, number = bytearray(), 0
    for chunk in chunks:
        view = memoryview(chunk)
        while view:
            if len(held) == _PIECE_BYTES:  # not the last one, since more comes
                yield cipher.encrypt(_place(number), held, None)
                held.clear()
                number += 1
            room = _PIECE_BYTES - len(held)
            held += view[:room]
            view = view[room:]
    yield cipher.encrypt(_place(number, is_last=True), held, None)


def decrypt(intake: Intake, file_key: bytes) -> Iterator[bytes]:
    """Yield what is in a payload, in chunks of 64 KiB that were not changed.

    Raises `ValueError` where it was changed, cut off or lengthened: what came before counts only when this has ended.
    """
    cipher = ChaCha20Poly1305(derive(file_key, b"payload", salt=intake.take(NONCE_BYTES)))
    number = 0
    is_last = False
    while not is_last:
        sealed = intake.take(_SEALED_BYTES)
        is_last = intake.is_over()
        try:
            content = cipher.decrypt(_place(number, is_last=is_last), sealed, None)
        except InvalidTag:
            raise ValueError("its content was changed, or cut off") from None
        if not content and number:
            raise ValueError("its content was changed, or cut off")
        yield content
        number += 1


def _place(number: int, *, is_last: bool = False) -> bytes:
    return number.to_bytes(11, "big") + bytes((is_last,))
