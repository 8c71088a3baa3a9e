"""The connector `msgraph`: a person's profile, drive, mail or calendar by Microsoft Graph's own API, as an application.

Graph's records do not say whose they are, its answers do: `@odata.context` names the user, a drive its owner. That is what is compared.
"""

import errno
import hashlib
import os
import re
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import ClassVar, cast
from urllib.parse import quote

import msgspec

from rightful.clock import nanoseconds_of
from rightful.connectors import msgraph_settings
from rightful.connectors.file_tree import order
from rightful.connectors.http_rows import COLUMNS, batches
from rightful.connectors.interface import (
    MATCH_PREFIX,
    Cursor,
    Estimate,
    FileItem,
    Item,
    MatchColumn,
    Partition,
    ReadHeader,
    Rows,
    SkippedItem,
)
from rightful.connectors.msgraph_amounts import Amounts
from rightful.connectors.msgraph_answers import Drive, DriveItem, Message, Named
from rightful.connectors.msgraph_asking import Absent, Gone, GraphAsking, spelt
from rightful.connectors.msgraph_settings import PATHS, MsgraphSettings
from rightful.ids import is_guid
from rightful.scratch import Scratch
from rightful.setting_problem import SettingPath, SettingProblem, refuse
from rightful.subject.model import IdentifiedSubject

_DEEPEST = 1_000
"""Folders above a file; SharePoint's paths have 400 characters."""
_HELD_BYTES = 4 << 20
_CHUNK_BYTES = 1 << 20
_LARGEST_MESSAGE = 512 << 20
"""Exchange takes 150 MiB at most, which base64 makes 205."""


class MsgraphConnector:
    """Reads one kind of a person's data; see `connectors.interface.Connector`."""

    Settings: ClassVar[type[msgspec.Struct]] = MsgraphSettings

    def __init__(self, source_name: str, settings: msgspec.Struct, *, siblings: Mapping[str, msgspec.Struct], folder: Path) -> None:
        self._settings = said = cast("MsgraphSettings", settings)
        refuse(source_name, self.problems(source_name, said, siblings=siblings, folder=folder))
        self._asking = GraphAsking(source_name, said)
        self._amounts = Amounts(self._asking, said.what)
        self._searched = PATHS[said.what].format(user=f"{{{said.user}}}")

    @staticmethod
    def problems(
        source_name: str, settings: MsgraphSettings, *, siblings: Mapping[str, msgspec.Struct | None], folder: Path
    ) -> Iterable[SettingProblem]:
        """Yield what the configuration alone shows; see `connectors.registry.FindsProblems`."""
        del source_name, siblings, folder
        return msgraph_settings.problems(settings)

    @staticmethod
    def kinds_used(settings: MsgraphSettings) -> Iterable[tuple[SettingPath, str]]:
        """Return the kind that is a user's object id."""
        return [(("user",), settings.user)]

    def check(self) -> None:
        """Ask for somebody who is not there: a missing permission is told before that."""
        self._asking.ask_for_nobody()

    def plan(self, subjects: Sequence[IdentifiedSubject]) -> tuple[Partition, ...]:
        """Return one partition: how much somebody has is not known before it is asked for."""
        del subjects
        return (Partition(number=0),)

    def read(
        self, partition: Partition, subjects: Sequence[IdentifiedSubject], cursor: Cursor | None = None
    ) -> Iterator[ReadHeader | Item]:
        """Yield subject after subject: records as Graph gives them, or files sorted by path, those after the cursor alone.

        Of somebody with several accounts each one's files lie in a folder of its name.
        """
        del partition
        is_rows = self._settings.what in {"profile", "calendar"}
        match = (MatchColumn(batch_column=MATCH_PREFIX + "owner", identifier_kind=self._settings.user),)
        yield ReadHeader(
            columns=COLUMNS if is_rows else (),
            match=match if is_rows else (),
            searched=self._searched,
            third_parties=tuple(column.name for column in COLUMNS) if self._settings.what == "calendar" else (),  # who is invited
            in_subject_order=True,
        )
        items = {"profile": self._profile, "calendar": self._calendar, "mail": self._mail, "drive": self._drive}[self._settings.what]
        for index, subject in enumerate(subjects):
            users = self._users(subject)
            for user in users:
                prefix = f"{user}/" if len(users) > 1 and not is_rows else ""
                after = _after(cursor, prefix)
                if after is None:
                    continue
                try:
                    for item in items(index, user, after):
                        if isinstance(item, Rows):
                            yield item
                        elif order(item.path) > after:
                            yield msgspec.structs.replace(item, path=prefix + item.path)
                except Absent as absent:
                    yield SkippedItem(subject=index, path=f"{prefix}{self._settings.what} {user}", reason=str(absent))

    def estimate(self, subjects: Sequence[IdentifiedSubject], *, limit_s: float) -> tuple[Estimate, ...]:
        """Ask Graph how much there is; see `connectors.interface.Estimating`."""
        until_s = time.monotonic() + limit_s
        with self._asking.until(until_s):
            return tuple(self._amounts.of(self._users(subject), lambda: time.monotonic() >= until_s) for subject in subjects)

    def interrupt(self) -> None:
        """End what is under way; see `Interruptible`."""
        self._asking.close()

    def close(self) -> None:
        """End what is under way."""
        self._asking.close()

    def _users(self, subject: IdentifiedSubject) -> list[str]:
        """Return the object ids of somebody, who may have several accounts, each once and in the order of their folders."""
        found: dict[str, str] = {}
        for value in subject.values(self._settings.user):
            if is_guid(value.lower()):
                found.setdefault(value.lower(), value)
            elif value.strip():
                raise self._asking.refused("an identifier is no object id of Entra", "let `user` name the kind that holds these")
        return sorted(found.values())  # as they are spelt: so are their folders, and in the folders' order a read goes on

    # -- kinds of data ------------------------------------------------------------------------------------------------
    def _profile(self, index: int, user: str, _after: object) -> Iterator[Item]:
        answer = self._asking.profile(user)
        if answer is not None:
            found = self._asking.decoded(answer.content, Named)
            yield from batches(index, [answer.content.strip()], {"owner": lambda _: spelt(found.id, user)})

    def _calendar(self, index: int, user: str, _after: object) -> Iterator[Item]:
        for calendar, is_own in self._asking.calendars(user):
            path = f"calendar {hashlib.sha256(calendar.id.encode()).hexdigest()[:12]}"
            if not is_own:
                yield SkippedItem(subject=index, path=path, reason="it is somebody else's calendar, shared with this person")
                continue
            try:
                for events, owner in self._asking.events(user, calendar):
                    yield from batches(index, events, {"owner": lambda _, owner=owner: owner})  # type: ignore[misc]  # bound now
            except Gone:
                yield SkippedItem(subject=index, path=path, reason="it was deleted while calendars were read")

    def _mail(self, index: int, user: str, after: list[bytes]) -> Iterator[Item]:
        found: dict[str, tuple[str, str, int | None]] = {}
        for message, owner in self._asking.messages(user):
            found[_message_path(message)] = (message.id, owner, nanoseconds_of(message.received_date_time or ""))
            self._asking.bound(found)
        for path in sorted(found, key=order):
            if order(path) <= after:
                continue  # what is done is not fetched again
            message_id, owner, received = found[path]
            target = f"/v1.0/users/{user}/messages/{quote(message_id, safe='')}/$value"
            yield self._sized(
                FileItem(
                    subject=index, path=path, root=self._asking.root(owner), size_bytes=0, modified_ns=received, open=lambda: iter(())
                ),
                target,
            )

    def _drive(self, index: int, user: str, _after: object) -> Iterator[Item]:
        drive = self._asking.drive(user)
        root = self._asking.root(spelt(drive.owner.user.id, user))
        found, _ = self._asking.listed(drive)
        files = [
            self._drive_item(index, item, found, drive, root) for item in found.values() if item.root is None and not item.is_own_folder
        ]
        paths: set[str] = set()
        for file in sorted(files, key=lambda each: order(each.path)):
            if file.path in paths:
                raise self._asking.refused("two files of a drive have one path", "try again: it changed while it was listed")
            paths.add(file.path)
            yield file

    def _path(self, item: DriveItem, found: Mapping[str, DriveItem]) -> str:
        """Put a path together from the names of the folders above: what a delta lists does not have it, by Graph's documentation."""
        names: list[str] = []
        at: DriveItem | None = item
        while at is not None and at.root is None and len(names) < _DEEPEST:
            names.append(at.name.replace("/", "_") or at.id)
            at = found.get(at.parent_reference.id)
        if at is None or at.root is None:
            raise self._asking.refused("Graph listed an item of a drive without the folders above it", "try again")
        return "/".join(reversed(names))

    def _drive_item(self, index: int, item: DriveItem, found: Mapping[str, DriveItem], drive: Drive, root: str) -> FileItem | SkippedItem:
        path = self._path(item, found)
        if item.remote_item is not None:
            return SkippedItem(subject=index, path=path, reason="it is a link to something in another drive")
        if item.file is None:
            return SkippedItem(
                subject=index, path=path, reason="it is neither a file nor a folder: Graph gives no content, of notebooks for instance"
            )
        if item.parent_reference.drive_id != drive.id:
            raise self._asking.refused("Graph listed an item of another drive", "report it")
        target = f"/v1.0/drives/{quote(drive.id, safe='')}/items/{quote(item.id, safe='')}/content"
        return FileItem(
            subject=index,
            path=path,
            root=root,
            size_bytes=item.size,
            modified_ns=nanoseconds_of(item.last_modified_date_time),
            open=lambda: self._content(target, item.size),
        )

    # -- content ------------------------------------------------------------------------------------------------------
    def _sized(self, item: FileItem, target: str) -> FileItem | SkippedItem:
        """Fetch a message: Graph does not say how long it is, and writes it anew each time, perhaps with other boundaries."""
        scratch, size = Scratch(), 0
        held = bytearray()

        def read() -> Iterator[bytes]:
            return (
                scratch.read(0, size)
                if size > _HELD_BYTES
                else (bytes(held[at : at + _CHUNK_BYTES]) for at in range(0, size, _CHUNK_BYTES))
            )

        weakref.finalize(read, scratch.close)  # the item is opened after this, and as often as is needed
        try:
            for chunk in self._content(target, _LARGEST_MESSAGE):
                size += len(chunk)
                if size > _LARGEST_MESSAGE:
                    raise self._asking.refused("a message is larger than Exchange lets one be", "report it")
                held += chunk
                if size > _HELD_BYTES:
                    self._put_by(scratch, bytes(held))
                    held.clear()
        except OSError as error:
            return SkippedItem(subject=item.subject, path=item.path, reason=error.strerror or type(error).__name__)
        return msgspec.structs.replace(item, size_bytes=size, open=read)

    def _put_by(self, scratch: Scratch, content: bytes) -> None:
        try:
            scratch.append(content)
        except OSError as error:  # no fault of the message's
            raise self._asking.refused(f"a large message cannot be put by: {error.strerror}", "make room for temporary files") from None

    def _content(self, target: str, size_bytes: int) -> Iterator[bytes]:
        status, chunks = self._asking.content(target, size_bytes)
        if chunks is None:
            number = errno.EACCES if status == 403 else errno.ENOENT  # noqa: PLR2004 - Graph: flagged as malware, or no right
            raise OSError(number, os.strerror(number))
        with closing(chunks):
            yield from chunks


def _after(cursor: Cursor | None, prefix: str) -> list[bytes] | None:
    """Return what an account's paths must come after, as `order` gives it; None where all of them come before the cursor."""
    path = "" if cursor is None else os.fsdecode(cursor.after) if isinstance(cursor.after, bytes) else str(cursor.after)
    if path and path.startswith(prefix):
        return order(path.removeprefix(prefix))
    return [] if prefix >= path else None


def _message_path(message: Message) -> str:
    when = re.sub(r"[^0-9TZ]", "", message.received_date_time or "undated")[:16] or "undated"
    subject = re.sub(r"[\x00-\x1f/\\]+", " ", message.subject or "").strip()[:80]
    return f"{when[:4]}/{' '.join(filter(None, [when, subject]))} {hashlib.sha256(message.id.encode()).hexdigest()[:12]}.eml"
