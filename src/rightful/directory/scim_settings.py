"""The settings of a directory in a SCIM server, and what of them can be judged without asking it."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

import msgspec

from rightful.directory.closure import Limits
from rightful.directory.people import Columns, names_in, refuse_own_kinds
from rightful.directory.scim_paths import BadPath, parse
from rightful.setting_problem import SettingPath, SettingProblem
from rightful.webapi import access
from rightful.webapi.access import TARGET, Access, OAuthSettings, url_problem

USER = "urn:ietf:params:scim:schemas:core:2.0:User"

_FILTER = re.compile(r'(?:[^"\\\x00-\x1f\x7f]|"(?:[^"\\\x00-\x1f\x7f]|\\.)*")*')


class ScimMoreSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Resources where more identifiers are found by identifiers that are known already."""

    resources: str
    """Their path below `url`: `/Devices`."""
    filter: str = ""
    """Which of them, in the form of RFC 7644 3.4.2.2; left out: all."""
    from_: dict[str, str] = msgspec.field(name="from")
    """Kind of a known identifier to the attribute that it is looked up in; of several, either."""
    identifiers: Columns
    """Kind of identifier to the attribute, or attributes, that hold it."""


class ScimInboundSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where inbound shared user profiles are (GRAPH-04): people of other tenants."""

    resources: str = "/Users"
    """Their path below `url`."""
    filter: str
    """Which of them, in the form of RFC 7644 3.4.2.2: `userType eq "Guest"`."""
    user_id: str = "id"
    """Attribute of the profile's user id."""
    upn: str = "userName"
    """Attribute of the user principal name."""
    display_name: str = ""
    """Attribute of the name to show."""
    home_tenant_id: str = ""
    """Attribute of the tenant that the person comes from."""
    identifiers: Columns = {}
    """Further kinds of identifiers to their attributes."""


class ScimDirectorySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The server, which of its resources are people, and which attributes hold identifiers."""

    url: str
    """The server's address and the path before `/Users`: `https://idp.contoso.example/scim/v2`; `http` on loopback alone."""
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
    resources: str = "/Users"
    """The path of people below `url`."""
    filter: str = ""
    """Which of them are people, in the form of RFC 7644 3.4.2.2: `userType eq "Employee"`; left out: all."""
    schema: str = USER
    """What each of them must name in its `schemas`, where it names any."""
    id: str = "id"
    """Attribute of the object id, which names a person on the wire and never changes: `id` or `externalId`."""
    upn: str = "userName"
    """Attribute of the user principal name."""
    display_name: str = ""
    """Attribute of the name to show: `displayName`."""
    language: str = ""
    """Attribute of the person's language, which packages are written in: `preferredLanguage`, or `locale`."""
    recipient: str = ""
    """Attribute of the person's public key of age (`age1…`) or of SSH (`ssh-ed25519 …`), which packages are sealed to where
    `export.sealed` is `age`."""
    identifiers: Columns = {}
    """Kind of identifier to the attribute, or attributes, that hold it: `{mail: emails.value}`; all values of each count."""
    more: tuple[ScimMoreSettings, ...] = ()
    """Further resources: identifiers found by identifiers, round after round until nothing new is found."""
    limits: Limits = Limits()
    """How far the search goes, and which identifiers are too weak to be searched for."""
    inbound_profiles: ScimInboundSettings | None = None
    """Inbound shared user profiles; left out: there are none."""
    find_by: Literal["filter", "list"] = "filter"
    """How people are found: by filters, or, where the server does not filter by what they are looked up by, in a list of all of them."""
    list_age_s: Annotated[float, msgspec.Meta(ge=1, le=3600)] = 60.0
    """How long such a list is used before the server is asked for it again."""
    ask_by: Literal["get", "post"] = "get"
    """`post` puts what is searched for into a request's body (`/.search`, RFC 7644 3.4.3), and not into the server's and proxies' logs."""
    at_once: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 20
    """How many values one filter searches for, with `or` between them; 1 where the server knows no `or`."""
    ids: Literal["filter", "path"] = "filter"
    """How somebody is found by `id`: by a filter, or by the address of their resource (`/Users/2819c223`), one request for each."""
    selects: bool = True
    """Whether only the attributes are asked for that are named here (RFC 7644 3.9)."""
    page_size: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 100
    """How many resources to ask for at once."""
    requests_per_second: Annotated[float, msgspec.Meta(gt=0, le=10_000)] = 10.0
    """How often the server is asked at most, by this process."""
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=600)] = 30.0
    """How long a whole answer may take."""
    answer_mib: Annotated[int, msgspec.Meta(ge=1, le=64)] = 16
    """The largest answer; one is held in memory at a time."""

    def __post_init__(self) -> None:
        """Refuse kinds that are taken."""
        refuse_own_kinds(self.identifiers)

    def __repr__(self) -> str:
        """Leave everything out: there are secrets in it."""
        return "ScimDirectorySettings()"


def address(url: str) -> tuple[str, str]:
    """Return scheme, host and port, and the path that all others are below."""
    match = re.fullmatch(r"([^/]*//[^/?#]*)?(.*)", url, re.DOTALL)
    assert match is not None, "it matches everything"
    return match[1] or "", match[2].rstrip("/")


def access_of(settings: ScimDirectorySettings) -> Access:
    """Return how the server is reached."""
    media = {"Accept": "application/scim+json, application/json"}
    media |= {"Content-Type": "application/scim+json"} if settings.ask_by == "post" else {}
    given = {name.lower() for name in settings.headers}
    return Access(
        url=address(settings.url)[0],
        token=settings.token,
        user=settings.user,
        password=settings.password,
        oauth2=settings.oauth2,
        headers={name: value for name, value in media.items() if name.lower() not in given} | settings.headers,
        requests_per_second=settings.requests_per_second,
        timeout_s=settings.timeout_s,
        answer_mib=settings.answer_mib,
    )


def problems(settings: ScimDirectorySettings) -> Iterator[SettingProblem]:
    """Yield what is wrong with settings that are right one by one."""
    yield from access.problems(access_of(settings))
    origin, base = address(settings.url)
    if not url_problem(origin) and base and (not TARGET.fullmatch(base) or "?" in base):
        yield ("url",), "has more in it than scheme, host, port and path", "write for instance https://idp.contoso.example/scim/v2"
    for place, resources, text in _places(settings):
        if not TARGET.fullmatch(resources) or "?" in resources or resources.endswith("/"):
            yield (*place, "resources"), "is no path of resources", "write for instance /Users"
        if not _FILTER.fullmatch(text) or not _is_balanced(text):
            yield (*place, "filter"), "is no SCIM filter", 'write for instance userType eq "Employee" (RFC 7644 3.4.2.2)'
    if settings.ids == "path" and (settings.filter or settings.inbound_profiles is not None):
        yield ("ids",), "goes around `filter`, which tells people apart", "write ids: filter, or leave the filters out"
    for place, attribute in _attributes(settings):
        try:
            parse(attribute)
        except BadPath as error:
            yield place, str(error), 'write for instance userName, emails.value or emails[type eq "work"].value'


def _places(settings: ScimDirectorySettings) -> Iterator[tuple[SettingPath, str, str]]:
    yield (), settings.resources, settings.filter
    for number, more in enumerate(settings.more):
        yield ("more", number), more.resources, more.filter
    if (inbound := settings.inbound_profiles) is not None:
        yield ("inbound_profiles",), inbound.resources, inbound.filter


def _is_balanced(text: str) -> bool:
    depth = 0
    for sign in re.findall(r'"(?:[^"\\]|\\.)*"|[()\[\]]', text):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(sign, 0)
        if depth < 0:
            return False
    return depth == 0


def _attributes(settings: ScimDirectorySettings) -> Iterator[tuple[SettingPath, str]]:
    for name in ("id", "upn", "display_name", "language", "recipient"):
        if (given := getattr(settings, name)) or name in {"id", "upn"}:
            yield (name,), given
    yield from _columns(("identifiers",), settings.identifiers)
    for number, more in enumerate(settings.more):
        for kind, attribute in more.from_.items():
            yield ("more", number, "from", kind), attribute
        yield from _columns(("more", number, "identifiers"), more.identifiers)
    if (inbound := settings.inbound_profiles) is not None:
        for name in ("user_id", "upn", "display_name", "home_tenant_id"):
            if (given := getattr(inbound, name)) or name in {"user_id", "upn"}:
                yield ("inbound_profiles", name), given
        yield from _columns(("inbound_profiles", "identifiers"), inbound.identifiers)


def _columns(place: SettingPath, identifiers: Mapping[str, str | tuple[str, ...]]) -> Iterator[tuple[SettingPath, str]]:
    for kind, named in identifiers.items():
        for attribute in names_in(named):
            yield (*place, kind), attribute
