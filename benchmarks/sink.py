"""A blob service that keeps nothing but names and lengths, so that what is measured is who writes: `python -m benchmarks.sink`.

It says 201 to Put Blob, Put Block and Put Block List, tells those who look afterwards what they wrote, lists nothing, and checks no
signature. Prints its address and ends with its standard input. `GET /counts` says how many blobs and bytes there are, as JSON.
"""

import asyncio
import json
from email.utils import formatdate
from typing import cast

import uvloop

from benchmarks.beside import announce

_RECEIVE_BYTES = 256 << 10
_DATE = formatdate(usegmt=True).encode()
_COMMON = b'ETag: "0x1"\r\nLast-Modified: ' + _DATE + b"\r\nDate: " + _DATE + b"\r\nx-ms-request-id: 1\r\nx-ms-version: 2021-12-02\r\n"
_CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n" + _COMMON + b"\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nx-ms-error-code: BlobNotFound\r\n" + _COMMON + b"\r\n"
_EMPTY_LIST = b'<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs/><NextMarker/></EnumerationResults>'


class _Blobs:
    """What was written: length by path, and by path what lies in blocks that nobody has named yet."""

    def __init__(self) -> None:
        self.sizes: dict[bytes, int] = {}
        self.blocks: dict[bytes, int] = {}

    def put(self, path: bytes, query: bytes, length: int) -> None:
        if b"comp=blocklist" in query:
            self.sizes[path] = self.blocks.pop(path, 0)
        elif b"comp=block" in query:
            self.blocks[path] = self.blocks.get(path, 0) + length
        else:
            self.sizes[path] = length


class _Connection(asyncio.BufferedProtocol):
    """Reads heads, and drops bodies into one small buffer that stays in the processor's cache."""

    def __init__(self, blobs: _Blobs) -> None:
        self._blobs = blobs
        self._buffer = memoryview(bytearray(_RECEIVE_BYTES))
        self._head = b""
        """What came of heads and was not understood yet."""
        self._left = 0
        """How much of the body of the request in hand is still to come."""
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        dropped = min(nbytes, self._left)
        self._left -= dropped
        if dropped and not self._left:
            self._transport.write(self._answer)
        if dropped == nbytes:
            return
        self._head += self._buffer[dropped:nbytes]
        while not self._left and (end := self._head.find(b"\r\n\r\n")) >= 0:
            head, rest = self._head[:end], self._head[end + 4 :]
            length = self._begin(head)
            self._head, self._left = rest[length:], max(0, length - len(rest))
            if not self._left:
                self._transport.write(self._answer)

    def _begin(self, head: bytes) -> int:
        """Decide what to answer when the body was dropped; return its length."""
        line, _, fields = head.partition(b"\r\n")
        method, target, _ = line.split(b" ", 2)
        path, _, query = target.partition(b"?")
        fields = fields.lower()
        length = int(fields.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if b"100-continue" in fields:
            self._transport.write(_CONTINUE)
        self._answer = _CREATED if method == b"PUT" else self._look(method, path, query)
        if method == b"PUT":
            self._blobs.put(path, query, length)
        return length

    def _look(self, method: bytes, path: bytes, query: bytes) -> bytes:
        if path == b"/counts":
            sizes = self._blobs.sizes.values()
            return _found(json.dumps({"blobs": len(sizes), "bytes": sum(sizes)}).encode())
        if b"comp=list" in query:
            return _found(_EMPTY_LIST)
        if b"restype=container" in query:
            return _found(b"")
        size = self._blobs.sizes.get(path)
        if method != b"HEAD" or size is None:
            return _MISSING
        return b"HTTP/1.1 200 OK\r\nx-ms-blob-type: BlockBlob\r\nContent-Length: %d\r\n%b\r\n" % (size, _COMMON)


def _found(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n%b\r\n%b" % (len(body), _COMMON, body)


async def serve() -> None:
    """Serve until the standard input ends."""
    loop = asyncio.get_running_loop()
    ended, blobs = asyncio.Event(), _Blobs()
    server = await loop.create_server(lambda: _Connection(blobs), "127.0.0.1", 0, backlog=1024)
    announce(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", lambda: loop.call_soon_threadsafe(ended.set))
    await ended.wait()


if __name__ == "__main__":
    uvloop.run(serve())
