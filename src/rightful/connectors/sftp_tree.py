"""Trees on an SFTP server (draft-ietf-secsh-filexfer-02, version 3, which is what OpenSSH speaks), for `files`.

The protocol has paths only, which the server resolves, symbolic links and all. So each folder and file is opened first; then every
segment of its path below the root is looked at (`LSTAT`), and nothing that came is given where one of them is a link, or the opened file
is not what was listed. Not seen is a link that stands in a folder's place just while the server opens the file, for a file of the same
size, second, mode and owner as the one that was listed; nor a hard link.
"""

import asyncio
import errno
import stat
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from functools import partial
from typing import cast

import asyncssh

from rightful.connectors import tree
from rightful.connectors.file_tree import Patience, TreeFile, TreeFolder, TreeSkip, changed, order
from rightful.connectors.listed_tree import Listed, ListedTree, unnameable
from rightful.connectors.sftp_reading import Reading
from rightful.connectors.sftp_session import SftpSession
from rightful.connectors.tree_place import RemoteRoot
from rightful.errors import SourceRefused, SourceUnavailable

_BATCH = 1_000
_MOST_MEMBERS = 5_000_000
_LARGEST = 1 << 63
_NOT_TOLD = ""
"""In a stamp: what the server does not say."""
Segments = Sequence[bytes]


def open_sftp(root: RemoteRoot) -> "SftpTree":
    """Return a tree on an SFTP server."""
    return SftpTree(root)


class SftpTree(ListedTree):
    """A folder on an SFTP server with all that is in it. It is its own visit: nothing is held but the connection."""

    def __init__(self, root: RemoteRoot) -> None:
        super().__init__(root.source_name)
        self._allow_empty = root.allow_empty
        self._root = b"/" + b"/".join(order("/".join(root.segments))) if root.segments else b""
        self._session = SftpSession(root)

    def close(self) -> None:
        """End what is under way."""
        self._session.close()

    @contextmanager
    def visit(self) -> Iterator["SftpTree"]:
        """See that something is there."""
        try:
            is_empty = self._is_empty()
        except FileNotFoundError:
            raise SourceUnavailable(
                "the server has no such folder",
                source_name=self._source_name,
                hint="see that its file system is mounted there, or correct url or path",
            ) from None
        except OSError as error:
            raise SourceRefused(
                f"the server does not give the root: {error.strerror}",
                source_name=self._source_name,
                hint="correct url or path, or give the account the right to read it",
            ) from None
        if is_empty and not self._allow_empty:
            raise SourceUnavailable(
                "the root holds nothing",
                source_name=self._source_name,
                hint="see that its file system is mounted there, correct url, or set allow_empty: true",
            )
        yield self

    def read(self, folder: Sequence[str], found: TreeFile) -> Iterator[bytes]:
        """Yield a file's content."""
        segments = order("/".join((*folder, found.path)))
        try:
            reading, chunk = self._session.run(partial(self._begin, segments, found))
        except FileNotFoundError:
            raise changed() from None
        try:
            while chunk:
                yield chunk
                chunk = b"" if reading.is_done else self._session.run(partial(_go_on, reading, found))
        finally:
            self._session.forget(partial(_end, reading))

    def _look_at(self, segments: Segments, path: str) -> Listed:
        return _listed(path, self._session.run(partial(self._look_along, segments)))

    # -- files --------------------------------------------------------------------------------------------------------
    async def _begin(self, segments: Segments, found: TreeFile, client: asyncssh.SFTPClient) -> tuple[Reading, bytes]:
        """Open a file, see that it is the one, and return what comes first. A small one takes two answers of the server's."""
        file = await client.open(self._path(segments), asyncssh.FXF_READ, encoding=None, block_size=0)
        reading = Reading(client, file, found.size_bytes)
        try:
            is_asked = reading.is_asked
            # Requests for one file are answered in order: this is how it is after what was asked for by now.
            now, there = await asyncio.gather(file.stat(), self._look_along(segments, client))
            _compare(now, found)
            _compare(there, found)
            chunk = await reading.next()
            if reading.is_done and (reading.has_asked_again or not is_asked):
                _compare(await file.stat(), found)
        except BaseException:
            await reading.close()
            raise
        return reading, chunk

    async def _look_along(self, segments: Segments, client: asyncssh.SFTPClient) -> asyncssh.SFTPAttrs:
        """Look at everything on the way to something below the root, and at itself; the way may hold folders alone."""
        paths = (self._path(segments[:depth]) for depth in range(1, len(segments) + 1))
        seen = await asyncio.gather(*map(client.lstat, paths), return_exceptions=True)
        for depth, attributes in enumerate(seen, 1):
            if isinstance(attributes, BaseException):
                raise attributes
            if depth < len(segments):
                _raise_unless_folder(attributes)
        return cast("asyncssh.SFTPAttrs", seen[-1])

    # -- folders ------------------------------------------------------------------------------------------------------
    def _list(self, segments: Segments, patience: Patience, prefix: str = "") -> Generator[Listed]:
        """List a folder, in the server's order; raises `OSError` where that cannot be done."""
        try:
            scan, names = self._session.run(partial(self._begin_listing, segments), within_s=patience.left_s)
        except TimeoutError:
            patience.is_over()
            return
        count = 0
        try:
            while names:
                count += len(names)
                if count > _MOST_MEMBERS:
                    raise SourceRefused(
                        f"a folder has more than {_MOST_MEMBERS:,} members",
                        source_name=self._source_name,
                        hint="exclude it, or split it up",
                    )
                for name, attributes in names:
                    if name not in {b".", b".."}:
                        yield _named(prefix, name, attributes)
                names = self._session.run(partial(self._batch, segments, scan), within_s=patience.left_s)
        except TimeoutError:
            patience.is_over()
        finally:
            self._session.forget(partial(_end_listing, scan))

    async def _begin_listing(
        self, segments: Segments, client: asyncssh.SFTPClient
    ) -> "tuple[AsyncIterator[asyncssh.SFTPName], list[tuple[bytes, asyncssh.SFTPAttrs]]]":
        scan = client.scandir(self._path(segments) or b"/")
        try:
            names = await self._batch(segments, scan, client)
        except asyncssh.SFTPError:
            if segments:  # it may say no more than that it failed
                _raise_unless_folder(await self._look_along(segments, client))
            raise
        if segments:
            _raise_unless_folder(await self._look_along(segments, client))
        return scan, names

    async def _batch(
        self, segments: Segments, scan: AsyncIterator[asyncssh.SFTPName], client: asyncssh.SFTPClient
    ) -> list[tuple[bytes, asyncssh.SFTPAttrs]]:
        """Return the next names; none at the end. Looks at what the server told too little of."""
        names: list[tuple[bytes, asyncssh.SFTPAttrs]] = []
        async for entry in scan:
            names.append((cast("bytes", entry.filename), entry.attrs))
            if len(names) == _BATCH:
                break
        untold = [at for at, (name, attributes) in enumerate(names) if _is_name(name) and not _is_told(attributes)]
        told = await asyncio.gather(*(self._told([*segments, names[at][0]], client) for at in untold))
        for at, attributes in zip(untold, told, strict=True):
            names[at] = (names[at][0], attributes)
        return names

    async def _told(self, segments: Segments, client: asyncssh.SFTPClient) -> asyncssh.SFTPAttrs:
        try:
            return await client.lstat(self._path(segments))
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPPermissionDenied, asyncssh.SFTPFailure):
            return asyncssh.SFTPAttrs()

    def _path(self, segments: Segments) -> bytes:
        return b"/".join((self._root, *segments))


async def _go_on(reading: Reading, found: TreeFile, client: asyncssh.SFTPClient) -> bytes:
    del client
    chunk = await reading.next()
    if reading.is_done:
        _compare(await reading.file.stat(), found)
    return chunk


async def _end(reading: Reading, client: asyncssh.SFTPClient) -> None:
    del client
    await reading.close()


async def _end_listing(scan: AsyncIterator[asyncssh.SFTPName], client: asyncssh.SFTPClient) -> None:
    del client
    async with aclosing(scan):  # type: ignore[type-var]  # asyncssh promises an iterator only, and gives a generator
        pass


def _is_name(name: bytes) -> bool:
    """Say whether something can be a name in a folder."""
    return bool(name) and name not in {b".", b".."} and not {0, ord("/")} & set(name)


def _named(prefix: str, name: bytes, attributes: asyncssh.SFTPAttrs) -> Listed:
    text = name.decode(errors="surrogateescape")
    if _is_name(name):
        return _listed(prefix + text, attributes)
    return unnameable(prefix, text)


def _is_told(attributes: asyncssh.SFTPAttrs) -> bool:
    return attributes.permissions is not None and bool(stat.S_IFMT(attributes.permissions)) and attributes.size is not None


def _listed(path: str, attributes: asyncssh.SFTPAttrs) -> Listed:
    mode, size = attributes.permissions or 0, attributes.size
    if stat.S_ISDIR(mode):
        return TreeFolder(path)
    if not stat.S_IFMT(mode):
        return TreeSkip(path, "the server does not say what it is")
    if not stat.S_ISREG(mode):
        return TreeSkip(path, tree.reason_of_kind(mode))
    if size is None or size >= _LARGEST:
        return TreeSkip(path, "the server does not say how large it is")
    modified_ns = None if attributes.mtime is None else attributes.mtime * 1_000_000_000
    return TreeFile(path, size, modified_ns, _stamp(attributes), mode=stat.S_IMODE(mode))


def _stamp(attributes: asyncssh.SFTPAttrs) -> tuple[int | str, ...]:
    told = (attributes.size, attributes.permissions, attributes.mtime, attributes.uid, attributes.gid)
    return tuple(_NOT_TOLD if value is None else value for value in told)


def _compare(now: asyncssh.SFTPAttrs, found: TreeFile) -> None:
    """Raise `ItemChanged` where a file is not what was listed; time and owner as far as the server says."""
    size, mode, *others = zip(_stamp(now), found.stamp, strict=True)
    if size[0] != size[1] or mode[0] != mode[1] or any(_NOT_TOLD not in pair and pair[0] != pair[1] for pair in others):
        raise changed()


def _raise_unless_folder(attributes: asyncssh.SFTPAttrs) -> None:
    mode = attributes.permissions or 0
    if stat.S_ISLNK(mode):
        raise OSError(errno.ELOOP, "symbolic link, not followed")
    if not stat.S_ISDIR(mode):
        raise NotADirectoryError(errno.ENOTDIR, "not a folder")
