"""Mailboxes in mbox files: a person's file, or a folder of theirs with a file for each folder of mail.

A message is named after the first 16 hex digits of its SHA-256: its place in the file is another one as soon as an earlier message is
deleted. One that is there twice gets a number behind. A file is read as far as it went when the read came to it; what is appended
meanwhile is left for the next time, and one that was written anew meanwhile is an outage.
"""

import hashlib
import os
import stat
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from rightful.connectors import mail_mbox, tree
from rightful.connectors.file_tree import TreeFile, TreeSkip
from rightful.connectors.interface import Amount, Estimate, ItemChanged
from rightful.connectors.local_tree import LocalTree, LocalVisit
from rightful.connectors.mail_message import EXTENSION, HEAD_BYTES, HELD_BYTES, INBOX, IsWanted, Message, Unread, folder_of, held, remaining
from rightful.package.digest_table import DigestTable

_NAME_DIGITS = 16


class _Found(NamedTuple):
    """A message, read through once."""

    span: mail_mbox.Span
    digest: str
    size_bytes: int
    head: bytes
    content: bytes | None
    """None where it is not held."""


@dataclass(frozen=True, slots=True)
class _File:
    """An mbox file of a mailbox."""

    name: str
    segments: tuple[str, ...]
    """Below the root."""


class MboxStore:
    """Mbox files below a root."""

    def __init__(self, tree_: LocalTree, *, unquote: str) -> None:
        self._tree = tree_
        self._unquote = unquote

    @contextmanager
    def visit(self) -> Iterator["_MboxVisit"]:
        """Hold the root open."""
        with self._tree.visit() as visit:
            yield _MboxVisit(visit, self._unquote)

    def check(self) -> None:
        """Look at the root."""
        with self.visit():
            pass

    def close(self) -> None:
        """Do nothing: no descriptor outlives a visit or a message's reading."""


class _MboxVisit:
    def __init__(self, visit: LocalVisit, unquote: str) -> None:
        self._visit = visit
        self._unquote = unquote

    def messages(self, place: Sequence[str], *, after: str, is_wanted: IsWanted, heads_only: bool) -> Generator[Message | Unread]:
        """Yield file by file, in the order of their paths, what each holds in its own order."""
        del heads_only  # a name tells of the whole message
        for file, rest in remaining(self._files(place, is_wanted), after):
            if isinstance(file, Unread):
                yield file
            else:
                yield from self._read(file, rest)

    def knows(self, place: Sequence[str], path: str) -> bool:
        """Look for the message: where it is gone, nothing tells what came before it."""
        for file in self._files(place, lambda _: True):
            if file.name == path:
                return True
            if isinstance(file, _File) and file.name == folder_of(path):
                with closing(self._read(file, "")) as found:
                    return any(message.path == path for message in found)
        return False

    def estimate(self, place: Sequence[str], *, until_s: float, is_wanted: IsWanted) -> Estimate:
        """Count messages by where they begin; what time does not suffice for is counted like the rest."""
        count = read_bytes = size_bytes = 0
        for file in self._files(place, is_wanted):
            if isinstance(file, Unread):
                continue
            with self._opened(file) as fd:
                size = os.fstat(fd).st_size
                size_bytes += size
                try:
                    for span in mail_mbox.spans(partial(_pread, fd), size):
                        if time.monotonic() >= until_s:
                            size = span.start
                            break
                        count += 1
                except mail_mbox.NotMbox:
                    size_bytes -= size
                    continue
                read_bytes += size
        if size_bytes > read_bytes:
            known = Amount(count * size_bytes // read_bytes) if read_bytes else None
            return Estimate(rows=known, files=known, size_bytes=Amount(size_bytes))
        return Estimate(rows=Amount(count, is_exact=True), files=Amount(count, is_exact=True), size_bytes=Amount(size_bytes))

    def _files(self, place: Sequence[str], is_wanted: IsWanted) -> list[_File | Unread]:
        """Return the files of a mailbox, in order."""
        parent = self._visit.folder(place[:-1])
        try:
            found = os.stat(place[-1], dir_fd=parent, follow_symlinks=False)
            if not tree.is_exact(parent, place[-1]):
                raise FileNotFoundError
        except OSError as error:
            if tree.is_down(error):
                raise self._visit.unavailable(error) from error
            raise
        finally:
            os.close(parent)
        if stat.S_ISREG(found.st_mode):
            return [_File(INBOX, tuple(place))] if is_wanted(INBOX) else []
        if not stat.S_ISDIR(found.st_mode):
            return [Unread(INBOX, tree.reason_of_kind(found.st_mode))]
        return list(self._files_below(place, is_wanted))

    def _files_below(self, place: Sequence[str], is_wanted: IsWanted) -> Iterator[_File | Unread]:
        walk = self._visit.walk(place, after=(), is_wanted=lambda path, is_folder: is_folder or is_wanted(path))
        with closing(walk) as found:
            for item in found:
                match item:
                    case TreeFile():
                        yield _File(item.path, (*place, *item.path.split("/")))
                    case TreeSkip():
                        yield Unread(item.path, item.reason)

    @contextmanager
    def _opened(self, file: _File) -> Iterator[int]:
        with self._visit.base() as base:
            fd = tree.open_file(base, file.segments)
            try:
                yield fd
            finally:
                os.close(fd)

    def _read(self, file: _File, after: str) -> Generator[Message | Unread]:
        """Yield what comes after a message; all where none is named."""
        try:
            with self._opened(file) as fd:
                mode = os.fstat(fd).st_mode
                if stat.S_ISREG(mode):
                    yield from self._messages(fd, file, after)
                else:
                    yield Unread(file.name, tree.reason_of_kind(mode))
        except ItemChanged:
            return  # gone, as if it had been deleted before we came
        except mail_mbox.NotMbox:
            yield Unread(file.name, "no mailbox in the format mbox: it does not begin with a From line")
        except OSError as error:
            yield Unread(file.name, tree.reason_of(error))

    def _messages(self, fd: int, file: _File, after: str) -> Generator[Message]:
        before = os.fstat(fd)
        names, seen, is_beyond = DigestTable(), 0, not after
        for found in self._found(fd, before.st_size):
            seen = hash((seen, found.span, found.digest))
            message = self._message(file, found, names)
            if is_beyond:
                yield message
            is_beyond = is_beyond or message.path == after
        if not is_beyond or (_stamp(os.fstat(fd)) != _stamp(before) and not self._is_as_before(fd, before.st_size, seen)):
            raise self._visit.rewritten()

    def _is_as_before(self, fd: int, size: int, seen: int) -> bool:
        """Say whether a file that was written to holds what it held: new mail was appended, and nothing else happened."""
        now = 0
        try:
            for found in self._found(fd, size):
                now = hash((now, found.span, found.digest))
        except mail_mbox.NotMbox:
            return False
        return now == seen

    def _found(self, fd: int, size: int) -> Iterator[_Found]:
        read = mail_mbox.Windows(partial(_pread, fd))
        for span in mail_mbox.spans(read, size):
            if span.end - span.start <= HELD_BYTES:
                content = mail_mbox.whole(read, span, unquote=self._unquote)
                yield _Found(span, hashlib.sha256(content).hexdigest(), len(content), content[:HEAD_BYTES], content)
                continue
            digest, size_bytes, head = hashlib.sha256(), 0, b""
            for chunk in mail_mbox.content(read, span, unquote=self._unquote):
                digest.update(chunk)
                size_bytes += len(chunk)
                head = head or chunk[:HEAD_BYTES]
            yield _Found(span, digest.hexdigest(), size_bytes, head, None)

    def _message(self, file: _File, found: _Found, names: DigestTable) -> Message:
        name = found.digest[:_NAME_DIGITS]
        times = names.add_one(int(name, 16))
        return Message(
            folder=file.name,
            name=f"{name}{EXTENSION}" if times == 1 else f"{name}-{times}{EXTENSION}",
            size_bytes=found.size_bytes,
            head=found.head,
            open=partial(self._open, file, found) if found.content is None else held(found.content),
        )

    def _open(self, file: _File, found: _Found) -> Iterator[bytes]:
        """Yield a message that is not held; raises `SourceUnavailable` where its file was written anew."""
        digest = hashlib.sha256()
        try:
            with self._opened(file) as fd:
                for chunk in mail_mbox.content(partial(_pread, fd), found.span, unquote=self._unquote):
                    digest.update(chunk)
                    yield chunk
        except ItemChanged:
            raise self._visit.rewritten() from None
        if digest.hexdigest() != found.digest:
            raise self._visit.rewritten()


def _pread(fd: int, offset: int, length: int) -> bytes:
    return os.pread(fd, length, offset)


def _stamp(found: os.stat_result) -> tuple[int, ...]:
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns
