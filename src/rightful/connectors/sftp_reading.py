"""Reads one file over SFTP: several requests are under way at once, what comes is put in order, in bounded memory."""

import asyncio
from collections import deque
from contextlib import suppress
from typing import cast

import asyncssh

from rightful.connectors.file_tree import CHUNK_BYTES, changed

_UNDER_WAY_BYTES = 2 << 20
_LARGEST_BLOCK_BYTES = 256 << 10
_CLOSE_S = 5.0
_BLOCK_BYTES = 32 << 10
"""What a server gives at once that does not say how much: draft-ietf-secsh-filexfer-02, 3, has it take packets of 34,000 bytes."""


class Reading:
    """A file that was opened. Belongs to the thread of the loop."""

    def __init__(self, client: asyncssh.SFTPClient, file: asyncssh.SFTPClientFile, size_bytes: int) -> None:
        """Ask for the beginning."""
        self.file = file
        said = client.limits.max_read_len
        self._block_bytes = min(said, _LARGEST_BLOCK_BYTES) if said > _BLOCK_BYTES else _BLOCK_BYTES
        self._size_bytes = size_bytes
        self._asked_to = 0
        self.has_asked_again = False
        """Whether a server gave less than it was asked for, so that not all was asked for in the beginning."""
        self._under_way: deque[tuple[int, int, asyncio.Task[bytes]]] = deque()
        self._ask()

    @property
    def is_asked(self) -> bool:
        """Whether all of it was asked for."""
        return self._asked_to > self._size_bytes

    @property
    def is_done(self) -> bool:
        """Whether all of it was given."""
        return not self._under_way

    async def next(self) -> bytes:
        """Return what comes next, at most 1 MiB; raises `ItemChanged` where it is not as long as it should be."""
        blocks: list[bytes] = []
        while self._under_way and sum(map(len, blocks)) + self._block_bytes <= CHUNK_BYTES:
            offset, length, task = self._under_way.popleft()
            blocks.append(await self._whole(offset, length, await task))
            self._ask()
        return b"".join(blocks)

    async def close(self) -> None:
        """Let go of it."""
        for _, _, task in self._under_way:
            task.cancel()
        self._under_way.clear()
        with suppress(asyncssh.Error, OSError):
            async with asyncio.timeout(_CLOSE_S):
                await self.file.close()

    def _ask(self) -> None:
        # One byte more than there should be: a file that grew is noticed without another request.
        while not self.is_asked and len(self._under_way) * self._block_bytes < _UNDER_WAY_BYTES:
            length = min(self._block_bytes, self._size_bytes + 1 - self._asked_to)
            task = asyncio.ensure_future(self._read(length, self._asked_to))
            task.add_done_callback(_seen)
            self._under_way.append((self._asked_to, length, task))
            self._asked_to += length

    async def _read(self, length: int, offset: int) -> bytes:
        return cast("bytes", await self.file.read(length, offset))

    async def _whole(self, offset: int, length: int, data: bytes) -> bytes:
        """Return a block as long as it should be; a server may give less than was asked for."""
        wanted = min(length, self._size_bytes - offset)
        while len(data) < wanted:
            self.has_asked_again = True
            more = await self._read(length - len(data), offset + len(data))
            if not more:
                raise changed()
            data += more
        if len(data) > wanted:
            raise changed()
        return data


def _seen(task: "asyncio.Task[bytes]") -> None:
    """Take note of what a task raised that nobody waits for any more."""
    if not task.cancelled():
        task.exception()
