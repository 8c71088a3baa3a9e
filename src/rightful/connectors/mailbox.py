"""The connector `mailbox`: a person's messages as `.eml` files, and an index of them.

Two partitions: 0 has the index, a row for each message; 1 has the messages. Where mail is kept, and in which form, is beneath
`mail_message`'s seam; here a subject's identifiers become the mailboxes to read.
"""

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

import msgspec

from rightful.connectors import mailbox_settings
from rightful.connectors.file_tree import order
from rightful.connectors.imap_address import is_imap
from rightful.connectors.interface import Amount, Cursor, Estimate, FileItem, Item, Partition, ReadHeader, SkippedItem
from rightful.connectors.local_paths import local_path, path_matcher
from rightful.connectors.local_tree import LocalTree
from rightful.connectors.mail_imap import ImapStore
from rightful.connectors.mail_index import COLUMNS, WITH_BCC, Index, match_columns
from rightful.connectors.mail_maildir import MaildirStore
from rightful.connectors.mail_mboxes import MboxStore
from rightful.connectors.mail_message import MailStore, MailVisit, Message, Unread
from rightful.connectors.mailbox_settings import MailboxSettings
from rightful.connectors.path_template import PathTemplate, kinds_in, values_in
from rightful.errors import SourceUnavailable
from rightful.setting_problem import SettingPath, SettingProblem, refuse
from rightful.subject.model import IdentifiedSubject

_INDEX = Partition(number=0, spec="index")
_MESSAGES = Partition(number=1, spec="messages")
_WITHHELD = " (the index; messages are withheld, since they name other people)"


class MailboxConnector:
    """Reads people's mailboxes; nothing outside a subject's own."""

    Settings = MailboxSettings

    def __init__(self, source_name: str, settings: MailboxSettings, *, siblings: Mapping[str, msgspec.Struct], folder: Path) -> None:
        refuse(source_name, self.problems(source_name, settings, siblings=siblings, folder=folder))
        self._source_name = source_name
        self._settings = settings
        self._template = PathTemplate(settings.template)
        self._columns = WITH_BCC if settings.messages else COLUMNS
        self._store = _open_store(source_name, settings, self._template, folder)
        self._is_included = path_matcher(settings.include or ("**",))
        self._is_excluded = path_matcher(settings.exclude)

    @staticmethod
    def problems(
        source_name: str, settings: MailboxSettings, *, siblings: Mapping[str, msgspec.Struct | None], folder: Path
    ) -> Iterator[SettingProblem]:
        """Yield what the configuration alone shows; see `connectors.registry.FindsProblems`."""
        del source_name, siblings, folder
        return mailbox_settings.problems(settings)

    @staticmethod
    def kinds_used(settings: MailboxSettings) -> Iterable[tuple[SettingPath, str]]:
        """Return the kinds in the template."""
        return [(("user" if settings.user else "path",), kind) for kind in kinds_in(settings.template)]

    def check(self) -> None:
        """Raise `SourceError` where the root is not there, cannot be listed or is empty, or the server does not let the account in."""
        self._store.check()

    def plan(self, subjects: Sequence[IdentifiedSubject]) -> tuple[Partition, ...]:
        """Return the index and, unless they are withheld, the messages."""
        del subjects
        return (_INDEX, _MESSAGES) if self._settings.messages else (_INDEX,)

    def read(
        self, partition: Partition, subjects: Sequence[IdentifiedSubject], cursor: Cursor | None = None
    ) -> Iterator[ReadHeader | Item]:
        """Yield subject after subject, folder after folder.

        A cursor is a path as `FileItem` or `SkippedItem` gave it (text, or its bytes as `os.fsencode` makes them).
        """
        is_index = partition.spec == _INDEX.spec
        with self._store.visit() as visit:
            after = _path_of(cursor)
            lost = bool(after) and not all(self._knows(visit, subject, after) for subject in subjects)
            yield ReadHeader(
                columns=self._columns if is_index else (),
                match=match_columns(kinds_in(self._settings.template)) if is_index else (),
                third_parties=tuple(column.name for column in self._columns)
                if is_index
                else (),  # a message names whoever it is from and to
                searched=self._settings.template + ("" if self._settings.messages else _WITHHELD),
                in_subject_order=True,
                key=("file",) if is_index else (),
                is_cursor_lost=lost,
            )
            for index, subject in enumerate(subjects):
                places = self._template.places(subject)
                for place in places:
                    prefix = f"{'/'.join(place)}/" if len(places) > 1 else ""
                    if after and not after.startswith(prefix) and order(after) >= order("/".join(place)):
                        continue  # it comes before the one with the cursor
                    rest = after.removeprefix(prefix) if after.startswith(prefix) else ""
                    if is_index:
                        yield from self._index(visit, index, place, prefix)
                    else:
                        yield from self._messages(visit, index, place, prefix, rest)

    def estimate(self, subjects: Sequence[IdentifiedSubject], *, limit_s: float) -> tuple[Estimate, ...]:
        """Count messages, without looking into them."""
        until_s = time.monotonic() + limit_s
        with self._store.visit() as visit:
            return tuple(self._estimate(visit, subject, until_s) for subject in subjects)

    def interrupt(self) -> None:
        """End what is under way; see `Interruptible`."""
        self._store.close()

    def close(self) -> None:
        """Release connections."""
        self._store.close()

    def _estimate(self, visit: MailVisit, subject: IdentifiedSubject, until_s: float) -> Estimate:
        found = []
        for place in self._template.places(subject):
            with suppress(OSError):  # none there, or the read will skip it
                found.append(visit.estimate(place, until_s=until_s, is_wanted=self._is_wanted))
        return Estimate(
            rows=_sum([each.rows for each in found]),
            files=_sum([each.files for each in found]) if self._settings.messages else None,
            size_bytes=_sum([each.size_bytes for each in found]) if self._settings.messages else None,
        )

    def _knows(self, visit: MailVisit, subject: IdentifiedSubject, after: str) -> bool:
        places = self._template.places(subject)
        for place in places:
            prefix = f"{'/'.join(place)}/" if len(places) > 1 else ""
            if f"{after}/" == prefix:
                return True
            if after.startswith(prefix):
                with suppress(OSError):
                    return visit.knows(place, after.removeprefix(prefix))
                return False
        return False

    def _index(self, visit: MailVisit, subject: int, place: tuple[str, ...], prefix: str) -> Iterator[Item]:
        index = Index(subject, columns=self._columns, match=values_in(self._settings.template, self._template.root(place)), prefix=prefix)
        # What cannot be read stands in the ledger once: as a message, where there are any.
        is_told, is_there = not self._settings.messages, False
        try:
            with closing(visit.messages(place, after="", is_wanted=self._is_wanted, heads_only=True)) as found:
                for each in found:
                    is_there = True
                    if isinstance(each, Message):
                        yield from index.add(each)
                    elif is_told:
                        yield SkippedItem(subject=subject, path=prefix + each.path, reason=each.reason)
        except FileNotFoundError as error:
            if is_told and is_there:
                raise self._went_away() from error
        except OSError as error:
            if is_told:
                yield _closed(subject, prefix, error)
        yield from index.rest()

    def _messages(self, visit: MailVisit, subject: int, place: tuple[str, ...], prefix: str, after: str) -> Iterator[Item]:
        is_there = False
        root = self._template.root(place)
        try:
            with closing(visit.messages(place, after=after, is_wanted=self._is_wanted, heads_only=False)) as found:
                for each in found:
                    is_there = True
                    yield _item(subject, root, prefix, each)
        except FileNotFoundError as error:
            if is_there:
                raise self._went_away() from error
            return  # searched, and empty
        except OSError as error:
            yield _closed(subject, prefix, error)

    def _went_away(self) -> SourceUnavailable:
        return SourceUnavailable("a mailbox went away while it was read", source_name=self._source_name, hint="it is tried again")

    def _is_wanted(self, folder: str) -> bool:
        return self._is_included(folder) and not self._is_excluded(folder)


def _open_store(source_name: str, settings: MailboxSettings, template: PathTemplate, folder: Path) -> MailStore:
    if is_imap(settings.url):
        return ImapStore(source_name, settings)
    root = local_path(settings.url, folder) / "/".join(template.fixed)
    tree = LocalTree(source_name, root, allow_empty=settings.allow_empty)
    return MaildirStore(tree) if settings.format == "maildir" else MboxStore(tree, unquote=settings.unquote)


def _item(subject: int, root: str, prefix: str, each: Message | Unread) -> FileItem | SkippedItem:
    if isinstance(each, Unread):
        return SkippedItem(subject=subject, path=prefix + each.path, reason=each.reason)
    return FileItem(
        subject=subject,
        path=prefix + each.path,
        root=root,
        size_bytes=each.size_bytes,
        modified_ns=each.modified_ns,
        mode=each.mode,
        open=each.open,
    )


def _closed(subject: int, prefix: str, error: OSError) -> SkippedItem:
    """Return what stands for a mailbox that cannot be read."""
    return SkippedItem(subject=subject, path=prefix.removesuffix("/") or ".", reason=error.strerror or "cannot be read")


def _path_of(cursor: Cursor | None) -> str:
    """Return the path in a cursor; nothing where there is none, or where it stands for a whole mailbox that could not be read."""
    if cursor is None or cursor.after in {".", b"."}:
        return ""
    return os.fsdecode(cursor.after) if isinstance(cursor.after, bytes) else str(cursor.after)


def _sum(amounts: Sequence[Amount | None]) -> Amount | None:
    """Add up what is known of each of a subject's mailboxes; nothing is known where it is not of one of them."""
    known = [amount for amount in amounts if amount is not None]
    if len(known) < len(amounts):
        return None
    return Amount(sum(amount.count for amount in known), is_exact=all(amount.is_exact for amount in known))
