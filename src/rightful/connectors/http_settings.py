"""What the connector `http` is told of an API, and what of it can be judged without asking the API."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from rightful.setting_problem import SettingPath, SettingProblem

PLACEHOLDER = re.compile(r"\{([A-Za-z0-9_.-]+)\}")
LINK_HEADER = "header"

_TARGET = re.compile(r"/[A-Za-z0-9._~:/?@!$&'()*+,;=%-]*")  # RFC 3986: the characters of a path and a query string
_VISIBLE = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")
_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)+")
_HALF = re.compile("[\ud800-\udfff]")
_NO_HALF = ("has half of a surrogate pair in it", "write whole characters")
_FIELD = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PARAMETERS_OF_OURS = frozenset({"grant_type", "client_id", "client_secret", "scope"})
_OURS = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding"})


class OAuthSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a token is fetched: OAuth 2.0 client credentials (RFC 6749 4.4)."""

    token_url: str = ""
    """The token endpoint: `https://login.contoso.example/oauth2/token`; `http` on loopback alone. The secret is sent nowhere else."""
    client_id: str = ""
    """Who asks, as the endpoint knows it."""
    client_secret: str = ""
    """By `{file: PATH}` or `${NAME}`."""
    scope: str = ""
    """What the token is for, where the endpoint asks for it; several with blanks between them."""
    parameters: dict[str, str] = {}
    """What else the endpoint wants to have in the request: `{audience: https://api.contoso.example}`."""
    client_auth: Literal["body", "header"] = "body"
    """Where client_id and client_secret are sent: `body`, or `header` (HTTP Basic, RFC 6749 2.3.1)."""

    def __repr__(self) -> str:
        """Leave everything out: there is a secret in it."""
        return "OAuthSettings()"


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

    def __repr__(self) -> str:
        """Leave everything out: there are secrets in it."""
        return "HttpSettings()"


def problems(settings: HttpSettings) -> Iterator[SettingProblem]:
    """Yield what is wrong with settings that are right one by one."""
    if wrong := _url_problem(settings.url):
        yield ("url",), wrong, "write for instance https://api.contoso.example"
    if not _TARGET.fullmatch(PLACEHOLDER.sub("x", settings.path)):
        yield ("path",), "is not a path with identifier kinds in braces", "begin with /, percent-encode what is special"
    elif not PLACEHOLDER.search(settings.path):
        yield ("path",), "is the same for everybody", "put an identifier into it, for instance /v1/orders?customer={mail}"
    if settings.check_path and not _TARGET.fullmatch(settings.check_path):
        yield ("check_path",), "is not a path", "begin with /, percent-encode what is special"
    if settings.count_path and not (
        _TARGET.fullmatch(PLACEHOLDER.sub("x", settings.count_path)) and PLACEHOLDER.search(settings.count_path)
    ):
        yield ("count_path",), "is not a path with identifier kinds in braces", "write for instance /v1/orders/count?customer={mail}"
    if settings.count and not settings.count_path:
        yield ("count",), "is about the answer to count_path, which is not there", "write count_path, or leave count out"
    if not settings.match:
        yield ("match",), "does not say whose a record is", "add `match: {/JSON/pointer: kind of identifier}`"
    yield from _paging_problems(settings)
    yield from _content_problems(settings)
    yield from _access_problems(settings)


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
        if wrong := _url_problem(host):
            yield ("content", "hosts"), wrong, "write for instance https://files.contoso.example"


def _access_problems(settings: HttpSettings) -> Iterator[SettingProblem]:
    if settings.token and (settings.user or settings.password):
        yield ("token",), "stands beside user and password", "keep one of them"
    if ":" in settings.user or (settings.password and not settings.user):
        yield ("user",), "is missing or has a colon in it", "RFC 7617 knows no way to send that"
    if settings.token and not _VISIBLE.fullmatch(settings.token):
        yield ("token",), "has characters that no header can carry", "see whether the secret's file holds the secret alone"
    if settings.oauth2 != OAuthSettings():
        if settings.token or settings.user or any(name.lower() == "authorization" for name in settings.headers):
            yield ("oauth2",), "stands beside another way to be let in", "keep one of oauth2, token, and user with password"
        yield from oauth_problems(settings.oauth2)
    for name, text in (("user", settings.user), ("password", settings.password)):
        if _HALF.search(text):
            yield (name,), *_NO_HALF
    for name, value in settings.headers.items():
        if not _FIELD.fullmatch(name) or name.lower() in _OURS or not _VISIBLE.fullmatch(value):
            yield ("headers", name), "is no header that can be sent", "letters, digits and - in its name, visible ASCII in its value"


def oauth_problems(said: OAuthSettings) -> Iterator[SettingProblem]:
    """Yield what is wrong with `oauth2`, where something is said there."""
    if not (said.client_id and said.client_secret and said.token_url):
        yield ("oauth2",), "is not whole", "it needs token_url, client_id and client_secret"
    origin, path = re.fullmatch(r"([^/]*//[^/?#]*)?(.*)", said.token_url, re.DOTALL).groups()  # type: ignore[union-attr]  # it matches all
    if said.token_url and (_url_problem(origin or "") or not _TARGET.fullmatch(path or "/")):
        yield (
            ("oauth2", "token_url"),
            "is not an address that a secret could be sent to",
            "write for instance https://login.contoso.example/token",
        )
    for name, text in (("client_id", said.client_id), ("client_secret", said.client_secret), ("scope", said.scope)):
        if _HALF.search(text):
            yield ("oauth2", name), *_NO_HALF
    for name, text in said.parameters.items():
        if _HALF.search(name + text):
            yield ("oauth2", "parameters", name), *_NO_HALF
    for name in _PARAMETERS_OF_OURS & said.parameters.keys():
        yield ("oauth2", "parameters", name), "is sent anyway", "leave it out"


def _url_problem(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is no URL"
    if parts.scheme not in {"https", "http"} or not parts.hostname or port == 0 or not url.isascii():
        return "is not https://HOST or https://HOST:PORT"
    if parts.username is not None or parts.path not in {"", "/"} or "?" in url or "#" in url:
        return "has more in it than scheme, host and port"
    is_loopback = parts.hostname in {"127.0.0.1", "::1", "localhost"}
    return "" if parts.scheme == "https" or is_loopback else "is http: what it answers could be read on the way"
