"""The seam beneath `mailbox`: a person's messages, folder by folder, wherever they are kept.

Rules:
* A `MailVisit` is one look at a store of mail. It belongs to one thread; what it found can be opened after it has ended, from any thread.
* Folders and messages come in the same order each time, and a message keeps its name as long as it is the same message, whatever happens
  to those around it.
* `SourceUnavailable` and `SourceRefused` are raised where the source as a whole is at fault. What concerns one message or folder alone is
  `Unread`.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

import msgspec

from rightful.connectors.file_tree import order
from rightful.connectors.interface import Estimate

HELD_BYTES = 1 << 20
"""Messages up to this size are in memory when they are given; larger ones are read when they are opened."""
HEAD_BYTES = 64 << 10
"""How much of a message is looked at for the index."""
INBOX = "INBOX"
"""What the folder is called that has no name of its own."""
EXTENSION = ".eml"

IsWanted = Callable[[str], bool]
"""Whether a folder of this name is to be read."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message, as it lies there."""

    folder: str
    """`/` between the names of a folder and what lies in it."""
    name: str
    """Of the `.eml`, unlike any other's in the folder."""
    size_bytes: int
    head: bytes
    """Its beginning: the whole header, or HEAD_BYTES."""
    open: Callable[[], Iterator[bytes]]
    """As `FileItem.open`."""
    flags: str | None = None
    """Words with a blank between: `seen answered`; None where the header says."""
    modified_ns: int | None = None
    mode: int | None = None

    @property
    def path(self) -> str:
        """Where it lies in the mailbox."""
        return f"{self.folder}/{self.name}"


@dataclass(frozen=True, slots=True)
class Unread:
    """A message or folder that cannot be read; a folder stands for all that is in it."""

    path: str
    reason: str

    @property
    def name(self) -> str:
        """The path, by which it stands among folders."""
        return self.path


class MailVisit(Protocol):
    """One look at a store of mail. A place is a person's mailbox there, in segments."""

    def messages(self, place: Sequence[str], *, after: str, is_wanted: IsWanted, heads_only: bool) -> Generator[Message | Unread]:
        """Yield what a mailbox holds.

        Args:
            place: whose.
            after: path of a message; what comes up to and including it is left out. Empty: nothing is.
            is_wanted: which folders are read.
            heads_only: whether nobody will open the messages.

        Raises `FileNotFoundError` before the first one where there is no such mailbox, another `OSError` where it cannot be read.
        """
        ...

    def knows(self, place: Sequence[str], path: str) -> bool:
        """Say whether it can be told what comes after a message of this path."""
        ...

    def estimate(self, place: Sequence[str], *, until_s: float, is_wanted: IsWanted) -> Estimate:
        """Say how much a mailbox holds, by what is known when the monotonic clock shows `until_s`. Raises as `messages`."""
        ...


class MailStore(Protocol):
    """Where mailboxes are kept."""

    def visit(self) -> AbstractContextManager[MailVisit]:
        """Begin a look; raises `SourceError` where there is nothing to look at."""
        ...

    def check(self) -> None:
        """Raise `SourceError` where nothing can be read."""
        ...

    def close(self) -> None:
        """End what is under way; called from any thread."""
        ...


class _Named(Protocol):
    @property
    def name(self) -> str: ...


Folder = TypeVar("Folder", bound=_Named)


def remaining(folders: Sequence[Folder | Unread], after: str) -> Iterator[tuple[Folder | Unread, str]]:
    """Yield the folders that come after a cursor, or in which it is, with the cursor where it is in one; they are in order.

    A folder in which the cursor is and that cannot be read any more is told like any other: what comes after the cursor is missing.
    """
    whole = next((number for number, each in enumerate(folders) if each.name == after), None)
    if whole is not None:  # it could not be read, and stands for all that is in it
        folders, after = folders[whole + 1 :], ""
    beyond = order(folder_of(after)) if after else []
    for each in folders:
        if after and order(each.name) == beyond:
            yield each, after
        elif order(each.name) > beyond:
            yield each, ""


def held(content: bytes) -> Callable[[], Iterator[bytes]]:
    """Return what opens a message that is in memory."""
    return lambda: iter((content,) if content else ())


def folder_of(path: str) -> str:
    """Return the folder of a message's path."""
    return path.rpartition("/")[0]
