"""Azure Blob Storage by SAS: a small streaming writer that needs no right but to create or to write.

How an entry is put depends on what the SAS may do (Azure's reference of Put Blob, Put Block and Put Block List):
* `w`: up to 8 MiB in one Put Blob; more in blocks of 8 MiB, which nobody sees before Put Block List names them.
* `c` alone, or rights that only a stored access policy knows: one Put Blob of at most 5,000 MiB, since Put Block needs `w`.
Every write has `If-None-Match: *`: an entry is never replaced. Nothing is read back unless the SAS can read and somebody asks.
"""

import base64
import copy
import itertools
import math
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import Self
from urllib.parse import quote

from rightful.clock import Clock, SystemClock
from rightful.errors import EntryConflict, Refusal, StorageError, StorageRefused, StorageUnavailable
from rightful.leash import NO_LEASH, Leash
from rightful.operation.model import SUBMIT_AGAIN
from rightful.pinned import Answer, PinnedHost
from rightful.storage.blob_answers import PROTECTED, find_error, find_outcome, is_past
from rightful.storage.blob_listing import parse_listing
from rightful.storage.body import Blocks, exactly
from rightful.storage.entry_path import split_entry_path
from rightful.storage.interface import Properties, Put
from rightful.storage.sas import SasUrl

BLOCK_BYTES = 8 << 20
_MOST_BLOCKS = 50_000
_LARGEST_BLOCK = 4_000 << 20
_LARGEST_PUT_BLOB = 5_000 << 20
_VERSION = ("x-ms-version", "2021-12-02")
"""The first with encoded names in listings; Put Blob of 5,000 MiB came with 2019-12-12."""
_REMOVE_S = 5.0
"""A DELETE has no body: who stops must not wait longer for one."""
_ONLY_NEW = ("If-None-Match", "*")
_BLOCK_BLOB = ("x-ms-blob-type", "BlockBlob")
_APPEND_BLOB = ("x-ms-blob-type", "AppendBlob")
_BINARY = ("Content-Type", "application/octet-stream")


class AzureBlobStorage:
    """One container. `open_container` makes it, with those of the abilities `Reading` and `Listing` that the SAS gives."""

    def __init__(self, sas: SasUrl, host: PinnedHost, *, clock: Clock | None = None, block_bytes: int = BLOCK_BYTES) -> None:
        self._sas = sas
        self._host = host
        self._clock = clock or SystemClock()
        self._block_bytes = block_bytes
        self._can_write = bool(sas.grants("w"))
        # Azurite says AuthorizationPermissionMismatch where Azure says UnauthorizedBlobOverwrite. Azure's own mismatch means that the
        # signing user lacks the right: there nothing is written, so the two must never be mixed up.
        self._is_emulators_overwrite = bool(sas.account_path and sas.grants("c") and not self._can_write and not sas.is_user_delegation)
        self._request_prefix = secrets.token_hex(8)
        self._request_numbers = itertools.count()
        self._deadline_s = math.inf
        """When all calls must be over, by the clock's `monotonic`."""
        self._leash: Leash = NO_LEASH

    def __repr__(self) -> str:
        return f"AzureBlobStorage({self._sas.display})"

    @property
    def properties(self) -> Properties:
        """What the SAS lets us do."""
        largest = _LARGEST_BLOCK * _MOST_BLOCKS if self._can_write else _LARGEST_PUT_BLOB
        return Properties(max_entry_bytes=largest, is_remote=True, origin=self._sas.origin)

    def put(self, path: str, chunks: Iterable[bytes], *, size_bytes: int) -> Put:
        """Create a blob."""
        split_entry_path(path)
        if size_bytes > self.properties.max_entry_bytes:
            raise StorageRefused(
                f"{self._sas.display} cannot take an entry of {size_bytes} bytes",
                refusal=Refusal.UNSUPPORTED,
                hint="a SAS with write (sp=w) takes larger ones, by blocks",
            )
        checked = exactly(chunks, size_bytes)
        if self._can_write and size_bytes > self._block_bytes:
            return self._put_blocks(path, checked, size_bytes)
        return self._write(self._sas.target(path), (_ONLY_NEW, _BLOCK_BLOB, _BINARY), checked, size_bytes, creates=True)

    def put_append(self, path: str, content: bytes) -> Put:
        """Create an append blob; who appends the first byte has won it, so a try that broke off between the two steps can be repeated."""
        split_entry_path(path)
        if len(content) > self._block_bytes or not content:
            raise ValueError("a mark has 1 byte to one block")
        # Whatever this finds, the first byte decides: an empty append blob is a try that broke off, ours or one that has lost now.
        self._write(self._sas.target(path), (_ONLY_NEW, _APPEND_BLOB, _BINARY), creates=True, is_append=True)
        return self.append(path, content, at=0)

    def append(self, path: str, content: bytes, *, at: int) -> Put:
        """Append to an append blob that has this length."""
        condition = ("x-ms-blob-condition-appendpos", str(at))
        return self._write(self._sas.target(path, "comp=appendblock"), (condition, _BINARY), (content,), len(content), is_append=True)

    def put_piece(self, path: str, name: str, chunks: Sequence[bytes]) -> Put:
        """Put a block, which nobody sees; the service forgets it when the blob got none for a week."""
        split_entry_path(path)
        return self._put_block(path, _block_id(name), chunks, sum(len(chunk) for chunk in chunks), is_piece=True)

    def join(self, path: str, names: Sequence[str], *, size_bytes: int) -> Put:
        """Name the blocks that a blob is made of; needs `w`."""
        split_entry_path(path)
        if len(names) > _MOST_BLOCKS or size_bytes > _LARGEST_BLOCK * _MOST_BLOCKS:
            raise StorageRefused(
                f"{self._sas.display} cannot take an entry of {len(names)} blocks",
                refusal=Refusal.UNSUPPORTED,
                hint=f"the blob service takes {_MOST_BLOCKS} at most: set export.layout: folder and {SUBMIT_AGAIN}",
            )
        return self._commit(path, [_block_id(name) for name in names])

    def within(self, seconds: float) -> Self:
        """Return the same container, over the same connections, for calls that are over in time."""
        hurried = copy.copy(self)
        hurried._deadline_s = self._clock.monotonic() + seconds  # noqa: SLF001 - its own class's
        return hurried

    def on(self, leash: Leash) -> Self:
        """Return the same container, over the same connections, for calls that end when the leash is pulled."""
        bound = copy.copy(self)
        bound._leash = leash  # noqa: SLF001 - its own class's
        return bound

    def sync(self) -> None:
        """Do nothing: a blob is durable when the service says 201."""

    def keep_no_connections(self) -> None:
        """Close idle connections, and each other one when its request has ended; what uses this may go on."""
        self._host.keep_none()

    def close(self) -> None:
        """Close all connections; requests that are under way end with `StorageUnavailable`."""
        self._host.close()

    # -- requests -----------------------------------------------------------------------------------------------------
    def _put_blocks(self, path: str, checked: Iterator[bytes], size_bytes: int) -> Put:
        """Put blocks, then name them. Ids of two tries differ, so that blocks never mix; all have one length, as the service wants."""
        block_bytes = max(self._block_bytes, -(-size_bytes // _MOST_BLOCKS))
        blocks = Blocks(checked)
        nonce = secrets.token_bytes(8)
        ids: list[str] = []
        for start in range(0, size_bytes, block_bytes):
            length = min(block_bytes, size_bytes - start)
            block_id = base64.b64encode(nonce + len(ids).to_bytes(4, "big")).decode()
            ids.append(block_id)
            if self._put_block(path, block_id, blocks.take(length), length) is not Put.WRITTEN:
                return Put.ALREADY_THERE
        return self._commit(path, ids)

    def _put_block(self, path: str, block_id: str, body: Iterable[bytes | memoryview], size_bytes: int, *, is_piece: bool = False) -> Put:
        """Put a block; something lies at the path where it may not be put: a blob of another kind, or one that a policy protects."""
        target = self._sas.target(path, f"comp=block&blockid={quote(block_id, safe='')}")
        return self._write(target, (), body, size_bytes, is_piece=is_piece)

    def _commit(self, path: str, ids: Sequence[str]) -> Put:
        names = "".join(f"<Latest>{block_id}</Latest>" for block_id in ids)
        content = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{names}</BlockList>'.encode()
        kind = ("x-ms-blob-content-type", "application/octet-stream")
        return self._write(self._sas.target(path, "comp=blocklist"), (_ONLY_NEW, kind), (content,), len(content))

    def _write(
        self,
        target: str,
        headers: tuple[tuple[str, str], ...],
        body: Iterable[bytes | memoryview] = (),
        size_bytes: int = 0,
        *,
        creates: bool = False,
        is_append: bool = False,
        is_piece: bool = False,
    ) -> Put:
        left_s = self._deadline_s - self._clock.monotonic()
        answer = self._host.exchange("PUT", target, (*headers, *self._headers()), body, size_bytes, within_s=left_s, leash=self._leash)
        outcome = find_outcome(answer.status, _code(answer))
        if creates and outcome is None and _code(answer) == "AuthorizationPermissionMismatch" and self._is_emulators_overwrite:
            return Put.ALREADY_THERE
        if outcome is None:
            raise self._error(answer, is_append=is_append)
        if is_piece and outcome is Put.ALREADY_THERE and _code(answer) != PROTECTED:
            raise EntryConflict(f"{self._sas.display} has a blob of another kind at an entry's path", hint="use another container")
        return outcome

    def _headers(self) -> Sequence[tuple[str, str]]:
        return (_VERSION, ("x-ms-client-request-id", f"{self._request_prefix}-{next(self._request_numbers)}"))

    def _error(self, answer: Answer, *, is_append: bool = False) -> StorageError:
        code = _code(answer)
        if is_append and answer.status == 400:  # noqa: PLR2004 - Bad Request: the account does not know this type of blob
            code = "BlobTypeNotSupported"
        return find_error(
            self._sas.display,
            answer.status,
            code,
            retry_after=answer.headers.get("Retry-After", ""),
            request_id=answer.headers.get("x-ms-request-id", ""),
            expired=is_past(self._sas.expires_at, self._clock.now()),
        )


class _Reader(AzureBlobStorage):
    """The abilities `Reading` and `ReadingAt`."""

    def read(self, path: str) -> Iterator[bytes]:
        """Yield a blob's content in chunks of at most 1 MiB; needs `r`."""
        split_entry_path(path)
        answer, chunks = self._host.stream(self._sas.target(path), self._headers())
        if answer.status != 200:  # noqa: PLR2004 - OK
            raise self._unread(answer)
        yield from chunks

    def read_at(self, path: str, start: int, length: int) -> bytes:
        """Return a part of a blob; needs `r`."""
        split_entry_path(path)
        wanted = ("x-ms-range", f"bytes={start}-{start + length - 1}")
        answer, chunks = self._host.stream(self._sas.target(path), (wanted, *self._headers()), chunk_bytes=length)
        if answer.status == 416:  # noqa: PLR2004 - Range Not Satisfiable: the blob ends before it
            return b""
        content: list[bytes] = []
        with closing(chunks):
            if answer.status != 206:  # noqa: PLR2004 - Partial Content; a 200 would be all of it
                raise self._unread(answer)
            for chunk in chunks:
                content.append(chunk)
                length -= len(chunk)
                if length < 0:
                    raise StorageRefused(f"{self._sas.display} sends more of an entry than was asked for", refusal=Refusal.OTHER)
        return b"".join(content)

    def _unread(self, answer: Answer) -> Exception:
        if answer.status == 404 and _code(answer) != "ContainerNotFound":  # noqa: PLR2004 - Not Found
            return FileNotFoundError("there is no such entry")
        return self._error(answer)


class _Lister(AzureBlobStorage):
    """The ability `Listing`."""

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield (path, size in bytes) of blobs in the service's order, which is by path; needs `l`."""
        parameters = f"restype=container&comp=list&prefix={quote(prefix, safe='')}"
        marker = ""
        while True:
            more = f"{parameters}&marker={quote(marker, safe='')}" if marker else parameters
            answer = self._host.exchange("GET", self._sas.target("", more), self._headers())
            if answer.status != 200:  # noqa: PLR2004 - OK
                raise self._error(answer)
            try:
                entries, marker = parse_listing(answer.body)
            except ValueError:
                raise StorageUnavailable(f"{self._sas.display} answered with a damaged listing", hint="it is tried again") from None
            yield from entries
            if not marker:
                return


class _Remover(AzureBlobStorage):
    """The ability `Removing`."""

    def remove(self, path: str) -> bool:
        """Delete a blob, within seconds; needs `d`. False where there is none."""
        split_entry_path(path)
        answer = self._host.exchange("DELETE", self._sas.target(path), self._headers(), within_s=_REMOVE_S)
        if answer.status not in {202, 404}:
            raise self._error(answer)
        return answer.status != 404  # noqa: PLR2004 - Not Found


class _ReaderAndLister(_Reader, _Lister):
    """Both."""


class _ReaderAndRemover(_Reader, _Remover):
    """Both."""


class _ListerAndRemover(_Lister, _Remover):
    """Both."""


class _ReaderListerAndRemover(_Reader, _Lister, _Remover):
    """All three."""


_KINDS = {
    (False, False, False): AzureBlobStorage,
    (True, False, False): _Reader,
    (False, True, False): _Lister,
    (True, True, False): _ReaderAndLister,
    (False, False, True): _Remover,
    (True, False, True): _ReaderAndRemover,
    (False, True, True): _ListerAndRemover,
    (True, True, True): _ReaderListerAndRemover,
}


def open_container(sas: SasUrl, host: PinnedHost, *, clock: Clock | None = None, block_bytes: int = BLOCK_BYTES) -> AzureBlobStorage:
    """Return a container's storage with the abilities that the SAS does not deny; makes no request."""
    # Whoever may delete says so: what a stored policy allows is found out by asking, and then it is too late to say what will be left.
    kind = _KINDS[sas.grants("r") is not False, sas.grants("l") is not False, bool(sas.grants("d"))]
    return kind(sas, host, clock=clock, block_bytes=block_bytes)


def _block_id(name: str) -> str:
    return base64.b64encode(name.encode()).decode()


def _code(answer: Answer) -> str:
    """Return the service's error code; its body repeats what the header says."""
    return str(answer.headers.get("x-ms-error-code", ""))
