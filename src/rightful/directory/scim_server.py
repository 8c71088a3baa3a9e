"""Asks one SCIM server for resources (RFC 7644 3.4), all of them or none: what does not add up is an error, never a shorter answer."""

from collections.abc import Generator, Iterator, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from rightful.directory.scim_paths import BadPath, Resource, member
from rightful.errors import SourceRefused, SourceUnavailable
from rightful.pinned import Answer
from rightful.webapi.access import Access
from rightful.webapi.asking import Asking, Page

_SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
_MOST = 1_000_000
"""Resources in one answer, over all pages."""
_MOST_PAGES = 100_000
_SAID = frozenset({400, 403, 404, 413, 501})
"""Where the body may say more (RFC 7644 3.12)."""
_WRONG_FILTER = "the server may not filter by this attribute (then write find_by: list), or know no `or` (then at_once: 1)"
_HINTS: dict[object, str] = {
    "invalidFilter": _WRONG_FILTER,
    "tooMany": "ask for fewer at once (at_once), or raise the server's limit",
    "sensitive": "write ask_by: post",
    "expiredCursor": "raise the server's cursorTimeout, or page_size",
    "invalidCount": "lower page_size",
    "invalidPath": "check the names of attributes, or write selects: false",
    "invalidSyntax": "check `filter`; where ask_by is post, the server may only know get",
    400: f"{_WRONG_FILTER}, or not let attributes be chosen (then selects: false)",
    403: "give the account the right to read these",
    404: "check url and resources; where ask_by is post, the server may only know get",
    413: "lower at_once or page_size",
    501: "the server knows no filters (then write find_by: list), or not ask_by: post",
}


class _Page(msgspec.Struct, frozen=True):
    resources: list[dict[str, object]]
    total: int | None
    next_cursor: str


class ScimServer:
    """A server. Safe to use from any thread; raises `SourceUnavailable` and `SourceRefused`."""

    def __init__(self, source_name: str, access: Access, base: str, *, page_size: int, is_post: bool) -> None:
        """Take the path that all others are below."""
        self._asking = Asking(source_name, access)
        self._base = base
        self._page_size = page_size
        self._is_post = is_post
        self._has_cursor: bool | None = None

    def search(self, path: str, text: str, attributes: Sequence[str], *, what: str = "") -> Generator[Resource]:
        """Yield the resources that a filter is true of, page after page; each has an `id`, and no two have the same.

        Args:
            path: of the resources, below the server's address.
            text: the filter; empty: all of them.
            attributes: what is wanted of each besides `id`; none: all.
            what: what is searched by, for messages.
        """
        asked = _asked(text, attributes, self._page_size)
        seen: set[str] = set()
        cursors: set[str] = set()
        total: int | None = None
        following: dict[str, Any] | None = {"cursor": ""} if self.has_cursor() else {}
        while following is not None:
            page = self._page(path, asked | following, what)
            yield from self._new(page.resources, seen)
            is_beyond = not page.resources and len(seen) == total  # some servers count what is on a page
            if total is not None and page.total not in {None, total} and not is_beyond:
                raise self._changed("says something else on each page of how many there are")
            total = page.total if total is None else total
            following = self._next(page, len(seen), total, cursors, is_last="cursor" in following)
            if len(seen) > _MOST or len(cursors) > _MOST_PAGES:
                raise self.refused("gives an answer without end", "ask whoever runs the server")

    def one(self, path: str, name: str, attributes: Sequence[str]) -> Resource | None:
        """Return a resource by its `id` (RFC 7644 3.4.1); None where there is none."""
        query = _query({"attributes": list(attributes)}) if attributes else ""
        answer = self._asking.look(f"{self._base}{path}/{quote(name, safe='')}{query}", _SAID)
        if isinstance(answer, Page):
            resource = self._object(answer.content)
            found = resource.get("id")
            if not isinstance(found, str) or found.lower() != name.lower():  # whose it is, is decided by who asked
                raise self.refused("gives another resource than was asked for", "ask whoever runs the server")
            return resource
        if answer.status != 404:  # noqa: PLR2004 - RFC 7644 3.12
            raise self._said_no(answer, " to a question for somebody's id")
        self._page(path, _asked("", attributes, 1), "")  # at a wrong address there is nobody either
        return None

    def check_pages(self, path: str, text: str, attributes: Sequence[str]) -> None:
        """Ask for the first and for the second resource of a filter one by one; raises `SourceRefused` where pages would not add up."""
        asked = _asked(text, attributes, 1)
        first, second = (self._page(path, asked | {"startIndex": number}, "") for number in (1, 2))
        if len(first.resources) != 1 or len(second.resources) != 1:
            return  # whoever gives all at once turns no pages
        hint = "it must turn pages by startIndex and count (RFC 7644 3.4.2.4); else write a page_size that is larger than all its people"
        if first.total == 1:
            raise self.refused("gives as totalResults how many are on a page", hint)
        if first.resources[0].get("id") == second.resources[0].get("id"):
            raise self.refused("gives the same page for each startIndex", hint)

    def has_cursor(self) -> bool:
        """Say whether the server announces that it turns pages by cursor (RFC 9865 4); asked once.

        What it announces of filters is not believed: there are servers that know them and say no, and the other way round.
        """
        if self._has_cursor is None:
            answer = self._asking.look(f"{self._base}/ServiceProviderConfig", _SAID)
            said = self._object(answer.content) if isinstance(answer, Page) else {}
            self._has_cursor = self._part(self._part(said, "pagination"), "cursor") is True
        return self._has_cursor

    def refused(self, message: str, hint: str) -> SourceRefused:
        """Say that another try would change nothing."""
        return self._asking.refused(f"the SCIM server {message}", hint)

    def close(self) -> None:
        """Release the connections; who waits is told."""
        self._asking.close()

    # -- pages --------------------------------------------------------------------------------------------------------
    def _next(self, page: _Page, count: int, total: int | None, cursors: set[str], *, is_last: bool) -> dict[str, Any] | None:
        """Say what to ask for the next page with; None where there is none."""
        if page.next_cursor:
            if page.next_cursor in cursors:
                raise self.refused("leads from page to page in a circle", "ask whoever runs the server")
            cursors.add(page.next_cursor)
            return {"cursor": page.next_cursor}
        if total is None and not is_last:
            raise self.refused("does not say how many resources there are", "it must give totalResults (RFC 7644 3.4.2)")
        is_whole = total in {None, count}
        if not is_whole and (is_last or count > (total or 0) or not page.resources):
            raise self._changed(f"says that there are {total} resources, and gives {count}")
        # Where a full page seems to be all, another one is asked for: there are servers whose total is that of the page.
        return None if is_last or (is_whole and len(page.resources) != self._page_size) else {"startIndex": count + 1}

    def _new(self, resources: Sequence[dict[str, object]], seen: set[str]) -> Iterator[Resource]:
        for resource in resources:
            name = resource.get("id")
            if not isinstance(name, str) or not name:
                raise self.refused(
                    "gives a resource without a text as its `id`", "check url and resources; perhaps the server needs selects: false"
                )
            if name in seen:
                raise self._changed("gives one resource twice")
            seen.add(name)
            yield resource

    def _page(self, path: str, asked: dict[str, Any], what: str) -> _Page:
        if self._is_post:
            body = msgspec.json.encode({"schemas": [_SEARCH], **asked})
            answer = self._asking.look(f"{self._base}{path}/.search", _SAID, body=body)
        else:
            answer = self._asking.look(f"{self._base}{path}{_query(asked)}", _SAID)
        if not isinstance(answer, Page):
            raise self._said_no(answer, what)
        said = self._object(answer.content)
        resources, total, cursor = (self._part(said, name) for name in ("Resources", "totalResults", "nextCursor"))
        is_count = isinstance(total, int) and not isinstance(total, bool) and total >= 0
        if (resources is None and total is None) or not (total is None or is_count) or not isinstance(cursor, str | None):
            raise self.refused("gives something else than a list of resources", "check url and resources (RFC 7644 3.4.2)")
        try:
            listed = msgspec.convert(resources or [], list[dict[str, object]])
        except msgspec.ValidationError:
            raise self.refused("gives resources that are none", "check url and resources (RFC 7644 3.4.2)") from None
        return _Page(listed, total if isinstance(total, int) else None, cursor or "")

    def _object(self, content: bytes) -> dict[str, object]:
        try:
            return msgspec.json.decode(content, type=dict[str, object])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise self.refused(
                "answers with something that is no JSON object", "check url: it may be that of a page for people, or miss /scim/v2"
            ) from None

    def _part(self, said: object, name: str) -> object:
        try:
            return member(said, name) if isinstance(said, dict) else None
        except BadPath as error:
            raise self.refused(f"gives an answer whose {name!r} {error}", "ask whoever runs the server") from None

    def _said_no(self, answer: Answer, what: str) -> SourceRefused:
        try:
            code = member(msgspec.json.decode(answer.body, type=dict[str, object]), "scimType")
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, BadPath):
            code = None
        known = code if isinstance(code, str) and code in _HINTS else ""
        return self.refused(f"answered {answer.status}{f' ({known})' * bool(known)}{what}", _HINTS[known or answer.status])

    def _changed(self, message: str) -> SourceUnavailable:
        return self._asking.unavailable(
            f"the SCIM server {message}",
            "it may have changed meanwhile, and is asked again; else it does not count (totalResults) or turn pages as it must",
        )


def _asked(text: str, attributes: Sequence[str], count: int) -> dict[str, Any]:
    said: dict[str, Any] = {"filter": text, "attributes": list(attributes), "count": count}
    return {name: value for name, value in said.items() if value}


def _query(asked: dict[str, Any]) -> str:
    flat = {name: ",".join(value) if isinstance(value, list) else value for name, value in asked.items()}
    return f"?{urlencode(flat, quote_via=quote, safe='')}"
