"""What the connector `http` is told of an API, and what of it can be judged without asking the API."""

import re
from collections.abc import Iterator
from typing import Annotated

import msgspec

from rightful.setting_problem import SettingPath, SettingProblem
from rightful.webapi import access
from rightful.webapi.access import TARGET, Access, OAuthSettings, url_problem

PLACEHOLDER = re.compile(r"\{([A-Za-z0-9_.-]+)\}")
LINK_HEADER = "header"

_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)+")


class ContentSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the files are that records lead to: then these are read, and not the records."""

    address: str = ""
    """JSON pointer in a record to its content's address: a path, or a URL of the API's host or of one of `hosts`."""
    name: tuple[str, ...] = ()
    """JSON pointers to what a file is called, put together as folders and name: `[/ticket, /id, /filename]`. No two of a person's alike."""
    size: str = ""
    """JSON pointer to its size in bytes; what comes must be as long."""
    changed: str = ""
    """JSON pointer to when it was last changed (ISO 8601), for the ledger."""
    where: str = ""
    """JSON pointer to what only records with content have (`/file`, where folders are records too); left out: each has some."""
    hosts: tuple[str, ...] = ()
    """Other addresses that content may lie at, or be redirected to: `https://files.contoso.example`. They get no access of the API's."""


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A JSON API that gives a person's records page by page."""

    url: str
    """Scheme, host and port: `https://api.contoso.example`; `http` on loopback alone."""
    path: str
    """Path and query string of a person's records; identifier kinds in braces: `/v1/orders?customer={mail}`."""
    match: dict[str, str]
    """JSON pointer (RFC 6901) in a record to kind of identifier: `{/customer/mail: mail}`. Each record must name the person
    in one of them."""
    records: str = ""
    """JSON pointer to the array of records in an answer; empty: the answer is the array."""
    next: str = ""
    """Where the next page's address is: `header` (Link, rel="next") or a JSON pointer (`/@odata.nextLink`); never on another host."""
    cursor: dict[str, str] = {}
    """JSON pointer to what names the next page, to the query parameter that takes it: `{/meta/next: cursor}`."""
    page: str = ""
    """Query parameter that takes the page's number; the first page without records is the last."""
    first_page: Annotated[int, msgspec.Meta(ge=0)] = 1
    """The first page's number."""
    count_path: str = ""
    """For previews: what answers how many records a person has, without them (`/v1/orders/count?customer={mail}`)."""
    count: str = ""
    """JSON pointer to the number in that answer; empty: the answer is the number."""
    token: str = ""
    """Sent as `Authorization: Bearer …`; by `{file: PATH}` or `${NAME}`."""
    user: str = ""
    """With `password`, sent as `Authorization: Basic …` (RFC 7617)."""
    password: str = ""
    """By `{file: PATH}` or `${NAME}`."""
    oauth2: OAuthSettings = OAuthSettings()
    """How a token is fetched that is sent as `Authorization: Bearer …`, and renewed before it ends."""
    headers: dict[str, str] = {}
    """Sent with each request, for instance a key; values by `{file: PATH}` or `${NAME}`."""
    content: ContentSettings = ContentSettings()
    """Where the files are that records lead to: then these are read, and not the records."""
    check_path: str = ""
    """What `rightful doctor` asks for; left out: `path`, for nobody, which must be answered 200."""
    requests_per_second: Annotated[float, msgspec.Meta(gt=0, le=10_000)] = 10.0
    """How often the API is asked at most, by this process."""
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=600)] = 60.0
    """How long a whole answer may take."""
    answer_mib: Annotated[int, msgspec.Meta(ge=1, le=64)] = 16
    """The largest answer; one is held in memory at a time."""
    traceparent: bool = False
    """Whether the API is told in which trace it is asked, where there are traces (`server.traces`): for APIs of your own."""

    def __repr__(self) -> str:
        """Leave everything out: there are secrets in it."""
        return "HttpSettings()"


def access_of(settings: HttpSettings) -> Access:
    """Return how the API is reached."""
    return Access(
        url=settings.url,
        token=settings.token,
        user=settings.user,
        password=settings.password,
        oauth2=settings.oauth2,
        headers=settings.headers,
        content_hosts=settings.content.hosts,
        requests_per_second=settings.requests_per_second,
        timeout_s=settings.timeout_s,
        answer_mib=settings.answer_mib,
        has_traceparent=settings.traceparent,
    )


def problems(settings: HttpSettings) -> Iterator[SettingProblem]:
    """Yield what is wrong with settings that are right one by one."""
    if not TARGET.fullmatch(PLACEHOLDER.sub("x", settings.path)):
        yield ("path",), "is not a path with identifier kinds in braces", "begin with /, percent-encode what is special"
    elif not PLACEHOLDER.search(settings.path):
        yield ("path",), "is the same for everybody", "put an identifier into it, for instance /v1/orders?customer={mail}"
    if settings.check_path and not TARGET.fullmatch(settings.check_path):
        yield ("check_path",), "is not a path", "begin with /, percent-encode what is special"
    if settings.count_path and not (
        TARGET.fullmatch(PLACEHOLDER.sub("x", settings.count_path)) and PLACEHOLDER.search(settings.count_path)
    ):
        yield ("count_path",), "is not a path with identifier kinds in braces", "write for instance /v1/orders/count?customer={mail}"
    if settings.count and not settings.count_path:
        yield ("count",), "is about the answer to count_path, which is not there", "write count_path, or leave count out"
    if not settings.match:
        yield ("match",), "does not say whose a record is", "add `match: {/JSON/pointer: kind of identifier}`"
    yield from _paging_problems(settings)
    yield from _content_problems(settings)
    yield from access.problems(access_of(settings))


def _paging_problems(settings: HttpSettings) -> Iterator[SettingProblem]:
    pointers: list[tuple[SettingPath, str]] = [(("match", pointer), pointer) for pointer in settings.match]
    pointers += [(("cursor", pointer), pointer) for pointer in settings.cursor]
    pointers += [
        ((name,), value)
        for name, value in (("records", settings.records), ("next", settings.next), ("count", settings.count))
        if value != LINK_HEADER
    ]
    for place, pointer in pointers:
        is_needed = len(place) > 1
        if (pointer or is_needed) and not _POINTER.fullmatch(pointer):
            yield place, "is no JSON pointer", "write for instance /customer/mail (RFC 6901)"
    if sum(map(bool, (settings.next, settings.cursor, settings.page))) > 1 or len(settings.cursor) > 1:
        yield (), "names several ways to the next page", "keep one of `next`, `cursor` (with one line) and `page`"
    parameters: list[tuple[SettingPath, str]] = [(("cursor", at), name) for at, name in settings.cursor.items()]
    parameters += [(("page",), settings.page)] if settings.page else []
    for place, name in parameters:
        if not re.fullmatch(r"[A-Za-z0-9_.$\[\]-]+", name):
            yield place, "is no query parameter's name", "write it without = and &"


def _content_problems(settings: HttpSettings) -> Iterator[SettingProblem]:
    said = settings.content
    if said == ContentSettings():
        return
    if not (said.address and said.name and said.size):
        yield ("content",), "is not whole", "it needs address, name and size"
    pointers = [("address", said.address), ("size", said.size), ("changed", said.changed), ("where", said.where)]
    for name, pointer in [*pointers, *(("name", each) for each in said.name)]:
        if pointer and not _POINTER.fullmatch(pointer):
            yield ("content", name), "is no JSON pointer", "write for instance /file/size (RFC 6901)"
    if len(settings.match) != 1 or set(PLACEHOLDER.findall(settings.path)) != set(settings.match.values()):
        yield ("match",), "must have one line, with the kind that `path` asks by", "files are proven by the owner that their record names"
    for host in said.hosts:
        if wrong := url_problem(host):
            yield ("content", "hosts"), wrong, "write for instance https://files.contoso.example"
