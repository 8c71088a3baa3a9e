"""How the connector `msgraph` asks Graph: what is asked for, whose answers are, and which of them say that somebody has nothing."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TypeVar
from urllib.parse import quote

import msgspec

from rightful.connectors import msgraph_settings
from rightful.connectors.msgraph_answers import Calendar, Drive, DriveItem, Event, Listing, Message, code_of
from rightful.connectors.msgraph_settings import PATHS, MsgraphSettings
from rightful.errors import SourceRefused
from rightful.package.json_text import are_documents
from rightful.webapi.asking import Asking, Page

T = TypeVar("T")
D = TypeVar("D", Message, Event)

_MOST_FILES = 200_000
_NOBODY = "00000000-0000-4000-8000-000000000000"
_NOT_FOUND = frozenset({404})
# Each escape of a JSON text as a whole (RFC 8259 7), so that the second of two backslashes begins none.
_HALF = re.compile(rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL)
_USER = re.compile(r"#users\('([0-9A-Fa-f-]{36})(?:@[^')]*)?'\)")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,7})?Z")
_UNKNOWN = frozenset({"ErrorInvalidUser", "Request_ResourceNotFound"})
_NONE = frozenset({"MailboxNotEnabledForRESTAPI", "ErrorMailboxNotEnabledForRESTAPI", "ResourceNotFound", "itemNotFound"})
"""Codes of Graph's that say why somebody has nothing of a kind; any other 404 is an error."""
_GONE = "ErrorItemNotFound"
"""Exchange's code for what was there and is deleted."""
_EVENTS = "?$orderby=createdDateTime&$top=100"
_NO_MAILBOX = "Graph reaches no mailbox of this person: none is licensed, it is inactive, or lies on premises"
_REASONS: Mapping[str, str] = {"mail": _NO_MAILBOX, "calendar": _NO_MAILBOX, "drive": "Graph knows no drive of this person"}


class Absent(Exception):
    """Somebody has nothing of the kind; says why."""


class Gone(Exception):
    """What was listed a moment ago is deleted."""


class GraphAsking(Asking):
    """Graph, asked for one kind of data. Safe to use from any thread."""

    def __init__(self, source_name: str, settings: MsgraphSettings) -> None:
        super().__init__(source_name, msgraph_settings.access_of(settings))
        self._what = settings.what

    def ask_for_nobody(self) -> None:
        """Ask for somebody who is not there: a missing permission is told before that."""
        answer = self.look(self.first_target(_NOBODY), _NOT_FOUND)
        if not isinstance(answer, Page) and code_of(answer.body) not in _UNKNOWN | _NONE:
            raise self._refused_404()

    def first_target(self, user: str) -> str:
        """Return what is asked for first of a user."""
        return f"/v1.0/{self.root(user)}{msgraph_settings.QUERIES[self._what]}"

    def root(self, owner: str) -> str:
        """Return where a user's data lies, for the independent check."""
        return PATHS[self._what].format(user=owner)

    def profile(self, user: str, query: str = "") -> Page | None:
        """Return the answer to a question for a user; None where Graph says that there is no such user."""
        answer = self.look(f"/v1.0/{self.root(user)}{query}" if query else self.first_target(user), _NOT_FOUND)
        if isinstance(answer, Page):
            return answer
        if code_of(answer.body) != "Request_ResourceNotFound":
            raise self._refused_404()
        return None

    def _refused_404(self) -> SourceRefused:
        return self.refused("Graph answered 404 without saying that there is no such user", "check url")

    def asked(self, target: str, *, may_be_absent: bool = False, may_be_gone: bool = False) -> Page:
        """Return an answer; raises `Absent` where Graph says that somebody has nothing, and that can be, and likewise `Gone`."""
        answer = self.look(target, _NOT_FOUND)
        if isinstance(answer, Page):
            return answer
        code = code_of(answer.body)
        if may_be_absent and code in _UNKNOWN | _NONE:
            raise Absent("Graph knows nobody by this object id" if code in _UNKNOWN else _REASONS[self._what])
        if may_be_gone and code == _GONE:
            raise Gone
        raise self.refused("Graph answered 404", "check url, and the application's permissions; try again, if something was deleted")

    def pages(self, target: str, user: str | None, *, may_be_absent: bool = False) -> Iterator[tuple[Listing, str]]:
        """Yield pages and the user that each says it is of, spelt as asked for. Only the first can say that there is nothing."""
        asked: set[str] = set()
        while target:
            page, owner = self._next_page(target, user, asked, may_be_absent=may_be_absent)
            yield page, owner
            target = self.target_of(page.next_link, target) if page.next_link else ""

    def _next_page(
        self, target: str, user: str | None, asked: set[str], *, may_be_absent: bool, may_be_gone: bool = False
    ) -> tuple[Listing, str]:
        """Return a page and the user that it says it is of; `asked` are those before it, and then it is among them."""
        if target in asked:
            raise self.refused("Graph's pages lead back to one that was read already", "try again")
        asked.add(target)
        answer = self.asked(target, may_be_absent=may_be_absent and len(asked) == 1, may_be_gone=may_be_gone)
        page = self.decoded(answer.content, Listing)
        named = _USER.search(page.context)
        if user is not None and named is None:
            raise self.refused("Graph does not say whose data a page has", "report it")
        return page, spelt(named[1], user or "") if named else ""

    def messages(self, user: str) -> Iterator[tuple[Message, str]]:
        """Yield a user's messages, oldest first, and the user that each is said to be of; raises `Absent`."""
        for found, owner in self._by_time(self.first_target(user), user, "receivedDateTime", Message, may_be_absent=True):
            yield from ((message, owner) for _, message in found)

    def events(self, user: str, calendar: Calendar) -> Iterator[tuple[list[bytes], str]]:
        """Yield pages of a calendar's events as Graph has them, oldest first, and the user that each is said to be of; raises `Gone`."""
        target = f"/v1.0/users/{user}/calendars/{quote(calendar.id, safe='')}/events{_EVENTS}"
        for found, owner in self._by_time(target, user, "createdDateTime", Event, may_be_absent=False):
            yield [raw for raw, _ in found], owner

    def _by_time(
        self, first: str, user: str, time: str, type_: type[D], *, may_be_absent: bool
    ) -> Iterator[tuple[list[tuple[bytes, D]], str]]:
        """Yield what a list has that is in the order of a time, each once.

        Graph's links to further pages of a mailbox count: where something is deleted meanwhile, as much else would be left out. So the next
        page is asked for from the time of the last one on; by a link only where all of a page came at one time.
        """
        target = first
        asked: set[str] = set()
        known: set[str] = set()  # of the page that ended with that time, and of those behind it
        since = ""
        while target:
            page, owner = self._next_page(target, user, asked, may_be_absent=may_be_absent, may_be_gone=not may_be_absent)
            found = [(bytes(raw), self.decoded(bytes(raw), type_)) for raw in page.value]
            yield [(raw, each) for raw, each in found if each.id not in known], owner
            if not page.next_link:
                return
            last = found[-1][1].at if found else ""
            if last[:-1] > since[:-1] and _MOMENT.fullmatch(last):  # without Z, which is more than the point before a fraction
                since, target = last, f"{first}&$filter={time}%20ge%20{last}"
                known.clear()
            else:
                target = self.target_of(page.next_link, target)
            known.update(each.id for _, each in found)
            self.bound(known)

    def calendars(self, user: str) -> list[tuple[Calendar, bool]]:
        """Return the calendars that Graph lists for a user, and whether each is their own, or shared by somebody else; raises `Absent`."""
        pages = self.pages(self.first_target(user), user, may_be_absent=True)
        calendars = [self.decoded(bytes(raw), Calendar) for page, _ in pages for raw in page.value]
        own = {calendar.owner_address for calendar in calendars if calendar.is_default_calendar} - {""}
        if calendars and not own:
            raise self.refused("Graph does not say whose a person's calendars are", "report it")
        return [(calendar, calendar.owner_address in own) for calendar in calendars]

    def drive(self, user: str) -> Drive:
        """Return a user's drive; raises `Absent`."""
        return self.decoded(self.asked(self.first_target(user), may_be_absent=True).content, Drive)

    def listed(self, drive: Drive, *, is_over: Callable[[], bool] | None = None) -> tuple[dict[str, DriveItem], bool]:
        """Return what is in a drive, by id, and whether that is all: where the time is over the list ends early."""
        found: dict[str, DriveItem] = {}
        page = Listing()
        for page, _ in self.pages(f"/v1.0/drives/{quote(drive.id, safe='')}/root/delta?$top=200", None):
            for raw in page.value:
                item = self.decoded(bytes(raw), DriveItem)
                found.pop(item.id, None)  # what comes again is what counts
                if item.deleted is None:
                    found[item.id] = item
            self.bound(found)
            if is_over is not None and page.next_link and is_over():
                return found, False
        if not page.delta_link:
            raise self.refused("Graph ended the list of a drive without saying that it is whole", "try again")
        return found, True

    def decoded(self, content: bytes, type_: type[T]) -> T:
        """Return what an answer says, of the type that Graph documents."""
        # Of mail and drives names alone are read from answers: half a character in one must not keep everything from a person.
        is_mendable = self._what in {"mail", "drive"}
        for text in (content, _HALF.sub(_mended, content)) if is_mendable else (content,):
            try:
                if are_documents([text.decode()]):
                    return msgspec.json.decode(text, type=type_)
            except (ValueError, RecursionError):
                continue
        raise self.refused("an answer is not what Graph's API gives", "check url")

    def bound(self, found: Collection[str]) -> None:
        """Refuse more items of one person than are held in memory."""
        if len(found) > _MOST_FILES:
            raise self.refused(f"somebody has more than {_MOST_FILES:,} items", "export them by other means")


def spelt(found: str, asked: str) -> str:
    """Return an object id as it was asked for, where it is the same one: letter case carries no meaning in it."""
    return asked if found.lower() == asked.lower() else found


def _mended(escape: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if escape["half"] else escape[0]
