"""Mailboxes as Maildirs: a file for each message, below `cur` and `new` of each folder of mail.

A message is named after the unique part of its file's name, which stays when it is read, answered or moved from `new` to `cur`. Folders of
mail are Maildir++'s (`.Sent`) or folders that lie in one another; what else lies there (indexes, deliveries under way in `tmp`) is no
message. While a folder is listed its files may be renamed: it is listed until nothing changed meanwhile, and where that does not come
about, what was found is read and the ledger says that messages may be missing.
"""

import os
import re
import stat
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from rightful.connectors import tree
from rightful.connectors.file_tree import CHUNK_BYTES, changed, order
from rightful.connectors.interface import Amount, Estimate
from rightful.connectors.local_tree import LocalTree, LocalVisit
from rightful.connectors.mail_message import EXTENSION, HEAD_BYTES, HELD_BYTES, INBOX, IsWanted, Message, Unread, held, remaining
from rightful.connectors.modified_utf7 import decode_exactly

_BOXES = ("new", "cur")
"""In this order: a message moves from the first to the second, and so is not missed."""
_NOT_FOLDERS = frozenset({*_BOXES, "tmp"})
_LISTINGS = 5
_TICK_S = 0.02
"""Within this time two changes of a folder may leave the same time: file systems take it from a clock that ticks."""
_RESTLESS = "it changed each time while it was listed: messages of it may be missing"
_DEPTH = 32
_FLAGS = {"D": "draft", "F": "flagged", "P": "forwarded", "R": "answered", "S": "seen", "T": "deleted"}
_INFO = re.compile(r"[:;!]2,([^/]*)\Z", re.DOTALL)


class _Place(NamedTuple):
    """Where a message's file lies in its folder."""

    box: str
    file_name: str


@dataclass(frozen=True, slots=True)
class _Folder:
    name: str
    segments: tuple[str, ...]
    """Below the root."""


class MaildirStore:
    """Maildirs below a root."""

    def __init__(self, tree_: LocalTree) -> None:
        self._tree = tree_

    @contextmanager
    def visit(self) -> Iterator["_MaildirVisit"]:
        """Hold the root open."""
        with self._tree.visit() as visit:
            yield _MaildirVisit(visit)

    def check(self) -> None:
        """Look at the root."""
        with self.visit():
            pass

    def close(self) -> None:
        """Do nothing: no descriptor outlives a visit or a message's reading."""


class _MaildirVisit:
    def __init__(self, visit: LocalVisit) -> None:
        self._visit = visit

    def messages(self, place: Sequence[str], *, after: str, is_wanted: IsWanted, heads_only: bool) -> Generator[Message | Unread]:
        """Yield folder by folder, messages in the order of their names."""
        for folder, rest in remaining(self._folders(place), after):
            if isinstance(folder, Unread):
                yield folder
            elif is_wanted(folder.name):
                yield from self._read(folder, rest, heads_only=heads_only)

    def knows(self, place: Sequence[str], path: str) -> bool:
        """Say yes: names are in order, whatever was deleted."""
        del place, path
        return True

    def estimate(self, place: Sequence[str], *, until_s: float, is_wanted: IsWanted) -> Estimate:
        """Count files, and add up the sizes of as many as time suffices for."""
        count = looked_at = size_bytes = 0
        for folder in self._folders(place):
            if isinstance(folder, Unread) or not is_wanted(folder.name):
                continue
            with suppress(OSError), self._boxes(folder) as boxes:  # what the read will tell
                found = _list(boxes)
                count += len(found)
                for each in found.values():
                    if time.monotonic() >= until_s:
                        break
                    with suppress(OSError):
                        size_bytes += os.stat(each.file_name, dir_fd=boxes[each.box], follow_symlinks=False).st_size
                    looked_at += 1
        # A link or a pipe may be among them, which is no message.
        size = Amount(size_bytes * count // looked_at) if looked_at else None
        return Estimate(rows=Amount(count), files=Amount(count), size_bytes=size if count else Amount(0))

    # -- folders --------------------------------------------------------------------------------------------------------
    def _folders(self, place: Sequence[str]) -> list[_Folder | Unread]:
        """Return the folders of a mailbox, in the order of their names."""
        found = list(self._folders_below(tuple(place), (), self._kinds(place)))
        names = {raw: _shown(raw) for raw, _ in found}
        shown = list(names.values())
        folders: list[_Folder | Unread] = []
        for raw, reason in found:
            # Two that would be shown alike keep the names that they have on disk.
            name = names[raw] if shown.count(names[raw]) == 1 or not raw else f"{raw} (folder)" if raw == INBOX else raw
            folders.append(Unread(name, reason) if reason else _Folder(name, (*place, *raw.split("/")) if raw else tuple(place)))
        return sorted(folders, key=lambda each: order(each.name))

    def _folders_below(self, place: tuple[str, ...], below: tuple[str, ...], kinds: dict[str, int]) -> Iterator[tuple[str, str]]:
        """Yield the path of each folder of mail, and why it cannot be read, if it can't."""
        if any(box in kinds for box in _BOXES):
            yield "/".join(below), ""
        elif kinds and not below and not any(map(stat.S_ISDIR, kinds.values())):
            yield "", "no Maildir: neither cur nor new lies in it"
        for name, mode in kinds.items():
            path = (*below, name)
            if name in _NOT_FOLDERS or stat.S_ISREG(mode):
                continue
            if not stat.S_ISDIR(mode):
                yield "/".join(path), tree.reason_of_kind(mode)
            elif len(path) > _DEPTH:
                yield "/".join(path), "too deep"
            else:
                try:
                    inside = self._kinds((*place, *path))
                except FileNotFoundError:
                    continue
                except OSError as error:
                    yield "/".join(path), error.strerror or "cannot be read"
                else:
                    yield from self._folders_below(place, path, inside)

    def _kinds(self, segments: Sequence[str]) -> dict[str, int]:
        """Return the modes of what lies in a folder, by name; raises as `LocalVisit.folder`."""
        fd = self._visit.folder(segments)
        kinds = {}
        try:
            for name in tree.listing(fd):
                with suppress(FileNotFoundError):
                    kinds[name] = os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode
        except OSError as error:
            if tree.is_down(error):
                raise self._visit.unavailable(error) from error
            raise OSError(error.errno, tree.reason_of(error)) from error
        finally:
            os.close(fd)
        return kinds

    # -- messages -------------------------------------------------------------------------------------------------------
    def _read(self, folder: _Folder, after: str, *, heads_only: bool) -> Generator[Message | Unread]:
        try:
            with self._boxes(folder) as boxes:
                found, is_settled = _listed(boxes)
                if not is_settled:
                    yield Unread(folder.name, _RESTLESS)
                names = _names(found)
                for name in sorted(names, key=None if all(map(str.isascii, names)) else os.fsencode):
                    path = f"{folder.name}/{name}"
                    if not after or os.fsencode(path) > os.fsencode(after):
                        yield from self._message(folder, name, boxes, found, names[name], heads_only=heads_only)
        except OSError as error:
            if tree.is_down(error):
                raise self._visit.unavailable(error) from error
            yield Unread(folder.name, tree.reason_of(error))

    @contextmanager
    def _boxes(self, folder: _Folder) -> Iterator[dict[str, int]]:
        """Hold `new` and `cur` open, those that are there."""
        with ExitStack() as stack:
            boxes = {}
            for box in _BOXES:
                with suppress(FileNotFoundError):
                    boxes[box] = self._visit.folder((*folder.segments, box))
                    stack.callback(os.close, boxes[box])
            yield boxes

    def _message(
        self, folder: _Folder, name: str, boxes: dict[str, int], found: dict[str, _Place], unique: str, *, heads_only: bool
    ) -> Iterator[Message | Unread]:
        path = f"{folder.name}/{name}"
        for is_first in (True, False):
            place = found.get(unique)
            if place is None:
                return  # deleted before its turn
            try:
                yield self._load(folder, name, boxes, place, unique, heads_only=heads_only)
            except FileNotFoundError:
                if is_first:  # it has other flags by now, or was moved to cur
                    found.clear()
                    found.update(_list(boxes))
                continue
            except OSError as error:
                if tree.is_down(error):
                    raise self._visit.unavailable(error) from error
                yield Unread(path, tree.reason_of(error))
            return

    def _load(self, folder: _Folder, name: str, boxes: dict[str, int], place: _Place, unique: str, *, heads_only: bool) -> Message | Unread:
        try:
            fd = os.open(place.file_name, tree.FILE_FLAGS, dir_fd=boxes[place.box])
        except OSError:
            # A link answers ELOOP, a socket ENXIO.
            mode = os.stat(place.file_name, dir_fd=boxes[place.box], follow_symlinks=False).st_mode
            if stat.S_ISREG(mode):
                raise
            return Unread(f"{folder.name}/{name}", tree.reason_of_kind(mode))
        try:
            about = os.fstat(fd)
            if not stat.S_ISREG(about.st_mode):
                return Unread(f"{folder.name}/{name}", tree.reason_of_kind(about.st_mode))
            size = about.st_size
            is_held = not heads_only and size <= HELD_BYTES
            content = _read_exactly(fd, size if is_held else min(size, HEAD_BYTES))
        finally:
            os.close(fd)
        return Message(
            folder=folder.name,
            name=name,
            size_bytes=size,
            head=content[:HEAD_BYTES],
            open=held(content) if is_held else partial(self._open, folder, unique, tree.identity(about), size),
            flags=_flags(place),
            modified_ns=about.st_mtime_ns,
            mode=stat.S_IMODE(about.st_mode),
        )

    def _open(self, folder: _Folder, unique: str, identity: tuple[int, int], size: int) -> Iterator[bytes]:
        """Yield a message that is not held, under whatever name its file has by now."""
        with self._visit.base() as base, ExitStack() as stack:
            boxes = {}
            for box in _BOXES:
                with suppress(FileNotFoundError):
                    boxes[box] = tree.open_folder(base, (*folder.segments, box))
                    stack.callback(os.close, boxes[box])
            place = _list(boxes).get(unique)
            if place is None:
                raise changed()
            fd = os.open(place.file_name, tree.FILE_FLAGS, dir_fd=boxes[place.box])
            stack.callback(os.close, fd)
            about = os.fstat(fd)
            if tree.identity(about) != identity or about.st_size != size:
                raise changed()
            left = size
            while left:
                chunk = _read_exactly(fd, min(left, CHUNK_BYTES))
                left -= len(chunk)
                yield chunk


def _read_exactly(fd: int, length: int) -> bytes:
    content = os.read(fd, length) if length else b""
    while len(content) < length:
        more = os.read(fd, length - len(content))
        if not more:
            raise changed()
        content += more
    return content


def _list(boxes: dict[str, int]) -> dict[str, _Place]:
    """Return where the messages of a folder are, by the unique parts of their names."""
    return _listed(boxes)[0]


def _listed(boxes: dict[str, int]) -> tuple[dict[str, _Place], bool]:
    """Return what `_list` does, and whether nothing changed during one of the listings."""
    found: dict[str, _Place] = {}
    for _ in range(_LISTINGS):
        before, began_at = _times(boxes), time.time()
        listed: dict[str, _Place] = {}
        alike = []
        for box, fd in boxes.items():
            for file_name in tree.listing(fd):
                if not file_name.startswith("."):
                    place, unique = _Place(box, file_name), _unique(file_name)
                    if unique in listed:
                        alike.append((listed[unique], place))
                    listed[unique] = place
        for one, other in alike:
            if _are_two(boxes, one, other):
                listed[f"{one.box}-{one.file_name}"] = one
        found |= listed
        if _times(boxes) == before:
            if not any(0 <= began_at - changed_ns / 1e9 < _TICK_S for changed_ns in before):
                return found, True
            time.sleep(_TICK_S)
    return found, False


def _are_two(boxes: dict[str, int], one: _Place, other: _Place) -> bool:
    """Say whether two files of one unique name are there at once, so that they are no message that was just moved."""
    with suppress(FileNotFoundError):
        about = [os.stat(each.file_name, dir_fd=boxes[each.box], follow_symlinks=False) for each in (one, other)]
        return not os.path.samestat(*about)
    return False


def _times(boxes: dict[str, int]) -> list[int]:
    return [os.fstat(fd).st_mtime_ns for fd in boxes.values()]


def _unique(file_name: str) -> str:
    info = _INFO.search(file_name)
    return file_name[: info.start()] if info else file_name


def _names(found: dict[str, _Place]) -> dict[str, str]:
    """Return unique parts by the names that messages get: without what stands behind a comma (`,S=1234`), where that is unlike others."""
    shorts: dict[str, list[str]] = {}
    for unique in found:
        shorts.setdefault(unique.partition(",")[0] or unique, []).append(unique)
    return {f"{short if len(uniques) == 1 else unique}{EXTENSION}": unique for short, uniques in shorts.items() for unique in uniques}


def _flags(place: _Place) -> str:
    info = _INFO.search(place.file_name)
    return " ".join(_FLAGS.get(letter, letter) for letter in info[1]) if info else ""


def _shown(raw: str) -> str:
    """Return what a folder of mail is called: without Maildir++'s dot, and as people write it."""
    if not raw:
        return INBOX
    return "/".join(map(decode_exactly, raw.removeprefix(".").split("/")))
