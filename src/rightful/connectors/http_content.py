"""Files that an API's records lead to: which ones somebody has, what they are called, and where what is in them comes from.

A person's files are listed whole before the first is given, sorted by path: an API's own order may be another one when a read goes on
after an interruption, and a file that moved up in it would be left out.
"""

import errno
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing

import msgspec

from rightful.clock import nanoseconds_of
from rightful.connectors.file_tree import order
from rightful.connectors.http_settings import PLACEHOLDER, HttpSettings
from rightful.connectors.interface import Cursor, FileItem, SkippedItem
from rightful.subject.matching import normalise
from rightful.subject.model import IdentifiedSubject
from rightful.webapi.asking import Asking

_MOST_FILES = 100_000
_LARGEST = 1 << 50
_NO_ADDRESS = "the record names no address of its content"
_NO_SIZE = "the record does not say how large its content is"

Find = Callable[[bytes, str], bytes | None]
"""Returns what a JSON pointer leads to in a record, as it stands."""
Text = Callable[[bytes, str], str | None]
"""Returns the text, number or truth value that it leads to."""


class _Listed(msgspec.Struct, frozen=True):
    path: str
    root: str
    link: str = ""
    size_bytes: int = 0
    changed: str = ""
    reason: str = ""
    """Why it cannot be read."""


class Contents:
    """The files of one source."""

    def __init__(self, settings: HttpSettings, asking: Asking, *, find: Find, text: Text) -> None:
        self._path = settings.path
        self._said = settings.content
        ((self._owner, self._kind),) = settings.match.items()
        self._asking = asking
        self._find = find
        self._text = text
        self._records = self._with_content = 0

    def items(
        self, index: int, subject: IdentifiedSubject, pages: Iterable[list[bytes]], cursor: Cursor | None
    ) -> Iterator[FileItem | SkippedItem]:
        """Yield the files of one person, in the order of their paths' bytes, those after the cursor alone."""
        listed: dict[str, _Listed] = {}
        for records in pages:
            for record in records:
                self._records += 1  # two threads may miss one of each other's, not all
                if self._said.where and (self._find(record, self._said.where) or b"null").strip() == b"null":
                    continue
                self._with_content += 1
                one = self._listed(record, subject)
                if listed.setdefault(one.path, one) != one:
                    raise self._asking.refused(
                        "two records of one person give their files the same name",
                        "let `content.name` have what tells them apart, an id perhaps",
                    )
                if len(listed) > _MOST_FILES:
                    raise self._asking.refused(f"somebody has more than {_MOST_FILES:,} files", "read where the API keeps them instead")
        after = order(_path_of(cursor)) if cursor is not None else None
        for path in sorted(listed, key=order):
            if after is None or order(path) > after:
                yield self._item(index, listed[path])

    def doubts(self) -> tuple[str, ...]:
        """Say where a setting may keep everything out; see `Doubting`."""
        if not self._records or self._with_content:
            return ()
        return (f"none of {self._records:,} records had anything at {self._said.where}, so none was taken for a file",)

    def _listed(self, record: bytes, subject: IdentifiedSubject) -> _Listed:
        said = self._said
        path = "/".join(filter(None, (segment for at in said.name for segment in (self._text(record, at) or "").split("/"))))
        if not path:
            raise self._asking.refused("a record has no name where `content.name` points to", "point to an id, if there is no name")
        # The owner that the record itself names, as the directory writes it where they are the same: the caller's check judges by it.
        owner = self._text(record, self._owner) or ""
        same = [value for value in subject.values(self._kind) if normalise(self._kind, value) == normalise(self._kind, owner)]
        root = PLACEHOLDER.sub(lambda _: [*same, owner][0], self._path)
        link, size = self._text(record, said.address) or "", self._text(record, said.size) or ""
        is_size = re.fullmatch(r"[0-9]{1,16}", size) is not None and int(size) <= _LARGEST
        reason = "" if link and is_size else _NO_SIZE if link else _NO_ADDRESS
        changed = (self._text(record, said.changed) or "") if said.changed else ""
        return _Listed(path, root, link, int(size) if is_size else 0, changed, reason)

    def _item(self, index: int, listed: _Listed) -> FileItem | SkippedItem:
        if listed.reason:
            return SkippedItem(subject=index, path=listed.path, reason=listed.reason)
        return FileItem(
            subject=index,
            path=listed.path,
            root=listed.root,
            size_bytes=listed.size_bytes,
            modified_ns=nanoseconds_of(listed.changed),
            open=lambda: self._content(listed),
        )

    def _content(self, listed: _Listed) -> Iterator[bytes]:
        if not listed.size_bytes:
            return
        status, chunks = self._asking.content(listed.link, listed.size_bytes)
        if chunks is None:
            number = errno.ENOENT if status in {404, 410} else errno.EACCES
            raise OSError(number, os.strerror(number))
        with closing(chunks):
            yield from chunks


def _path_of(cursor: Cursor) -> str:
    return os.fsdecode(cursor.after) if isinstance(cursor.after, bytes) else str(cursor.after)
