"""Paths of the wire, read from their raw bytes. Pure.

Segments are cut before they are decoded, so that `%2F` stays inside an id. Literal segments count without regard to case, as Graph's do;
OData's ways of naming an entity, `users/x`, `users('x')` and `users(id='x')`, are the same.
"""

import enum
import re

import msgspec

from rightful.errors import InvalidRequest
from rightful.graph import escapes


class RouteKind(enum.Enum):
    """What a path names."""

    EXPORT_USER = "export_user"
    EXPORT_ME = "export_me"
    EXPORT_PROFILE = "export_profile"
    PREVIEW_USER = "preview_user"
    PREVIEW_PROFILE = "preview_profile"
    PROFILES = "profiles"
    PROFILE = "profile"
    OPERATIONS = "operations"
    OPERATIONS_COUNT = "operations_count"
    OPERATION = "operation"
    RESUME = "resume"
    APPROVE = "approve"
    REJECT = "reject"
    EXTEND = "extend"
    FORGET = "forget"
    BATCH = "batch"


_READ = ("GET", "HEAD", "OPTIONS")

METHODS: dict[RouteKind, tuple[str, ...]] = {
    RouteKind.EXPORT_USER: ("POST", "OPTIONS"),
    RouteKind.EXPORT_ME: ("POST", "OPTIONS"),
    RouteKind.EXPORT_PROFILE: ("GET", "POST", "OPTIONS"),  # GRAPH-20; no HEAD, which changes nothing wherever it is taken
    RouteKind.PREVIEW_USER: _READ,
    RouteKind.PREVIEW_PROFILE: _READ,
    RouteKind.PROFILES: _READ,
    RouteKind.PROFILE: _READ,
    RouteKind.OPERATIONS: _READ,  # GRAPH-33
    RouteKind.OPERATIONS_COUNT: _READ,
    RouteKind.OPERATION: ("GET", "HEAD", "DELETE", "OPTIONS"),
    RouteKind.RESUME: ("POST", "OPTIONS"),
    RouteKind.APPROVE: ("POST", "OPTIONS"),
    RouteKind.REJECT: ("POST", "OPTIONS"),
    RouteKind.EXTEND: ("POST", "OPTIONS"),
    RouteKind.FORGET: ("POST", "OPTIONS"),
    RouteKind.BATCH: ("POST", "OPTIONS"),
}

_PROFILES = "/directory/inboundSharedUserProfiles"

PATHS: dict[RouteKind, str] = {
    RouteKind.EXPORT_USER: "/users/{id}/exportPersonalData",
    RouteKind.EXPORT_ME: "/me/exportPersonalData",
    RouteKind.EXPORT_PROFILE: f"{_PROFILES}/{{userId}}/exportPersonalData",
    RouteKind.PREVIEW_USER: "/users/{id}/exportPersonalData/preview",
    RouteKind.PREVIEW_PROFILE: f"{_PROFILES}/{{userId}}/exportPersonalData/preview",
    RouteKind.PROFILES: _PROFILES,
    RouteKind.PROFILE: f"{_PROFILES}/{{userId}}",
    RouteKind.OPERATIONS: "/dataPolicyOperations",
    RouteKind.OPERATIONS_COUNT: "/dataPolicyOperations/$count",
    RouteKind.OPERATION: "/dataPolicyOperations/{id}",
    RouteKind.RESUME: "/dataPolicyOperations/{id}/resume",
    RouteKind.APPROVE: "/dataPolicyOperations/{id}/approve",
    RouteKind.REJECT: "/dataPolicyOperations/{id}/reject",
    RouteKind.EXTEND: "/dataPolicyOperations/{id}/extend",
    RouteKind.FORGET: "/dataPolicyOperations/{id}/forget",
    RouteKind.BATCH: "/$batch",
}
"""How each kind is written below a service root, for whoever describes it; `match` takes other spellings too."""

_ONLY_BETA = frozenset({RouteKind.EXPORT_PROFILE, RouteKind.PREVIEW_PROFILE, RouteKind.PROFILES, RouteKind.PROFILE})  # GRAPH-01


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """What a request's path names."""

    kind: RouteKind
    version: str
    """`v1.0` or `beta`."""
    key: str = ""
    """The id in the path, decoded; empty where the route has none."""

    def __repr__(self) -> str:
        """Leave the key out: it may name a person."""
        return f"Route({self.kind.value}, {self.version})"


VERSIONS = {"v1.0": "v1.0", "beta": "beta"}  # GRAPH-24: an operation answers under both, whichever submitted it


def versions(kind: RouteKind) -> tuple[str, ...]:
    """Return the service roots under which there is such a path."""
    return ("beta",) if kind in _ONLY_BETA else tuple(VERSIONS.values())


_EXPORTS = frozenset({"exportpersonaldata", "microsoft.graph.exportpersonaldata"})  # GRAPH-10
_ACTIONS = {
    "resume": RouteKind.RESUME,
    "approve": RouteKind.APPROVE,
    "reject": RouteKind.REJECT,
    "extend": RouteKind.EXTEND,
    "forget": RouteKind.FORGET,
}
"""Ours, on an operation. OData 4.0 writes an action with its namespace: `rightful.resume`."""
_ENTITY = re.compile(r"([A-Za-z]+)\((?:([A-Za-z]+)=)?'(.*)'\)", re.DOTALL)
_KEYS = {"users": "id", "datapolicyoperations": "id", "inboundshareduserprofiles": "userid"}
"""The sets whose entities are named by a key, and what it is called."""


def _unknown(segment: str) -> InvalidRequest:
    return InvalidRequest(f"Resource not found for the segment {escapes.name(segment)}.")


def _segments(raw_path: bytes) -> list[str]:
    try:
        found = [escapes.decode(segment) if b"%" in segment else segment.decode("ascii") for segment in raw_path.split(b"/")]
    except ValueError:
        raise InvalidRequest("The path is not percent-encoded UTF-8") from None
    if len(found) > 1 and not found[-1]:
        found.pop()
    return found[1:] if found and not found[0] else found


def _called(segment: str) -> str:
    """Write an action that is called with empty parentheses without them, as the parser does that Graph is built on.

    OData's grammar has none for actions (4.01 part 2, 4.6); Microsoft.OData.Core takes empty ones for no parameters at all.
    """
    return segment.lower().removesuffix("()")


def _entities(segments: list[str]) -> list[str]:
    """Write `users('x')` and `users(id='x')` as `users/x`; a quote inside the key is doubled (OData ABNF, SQUOTE-in-string)."""
    found: list[str] = []
    for segment in segments:
        entity = _ENTITY.fullmatch(segment)
        key = _KEYS.get(entity[1].lower()) if entity else None
        if entity is None or key is None or (entity[2] or key).lower() != key:
            found.append(segment)
        else:
            found += [entity[1], entity[3].replace("''", "'")]
    return found


def _exports(rest: list[str], kind: RouteKind, version: str, key: str) -> Route:
    if not rest or _called(rest[0]) not in _EXPORTS:
        raise _unknown(rest[0] if rest else key)
    if len(rest) > 1:
        raise _unknown(rest[1])
    return Route(kind=kind, version=version, key=key)


def _users(rest: list[str], version: str) -> Route:
    if len(rest) < 2:  # noqa: PLR2004 - an id and what is asked of it
        raise _unknown("users")
    if _is_preview([_called(segment) for segment in rest[1:]]):
        return Route(kind=RouteKind.PREVIEW_USER, version=version, key=rest[0])
    return _exports(rest[1:], RouteKind.EXPORT_USER, version, rest[0])


def _is_preview(asked: list[str]) -> bool:
    match asked:
        case [export, "preview"]:
            return export in _EXPORTS
        case ["rightful.preview"]:  # as OData calls a function of ours
            return True
        case _:
            return False


def _me(rest: list[str], version: str) -> Route:
    if not rest:
        raise _unknown("me")
    return _exports(rest, RouteKind.EXPORT_ME, version, "")


def _operations(rest: list[str], version: str) -> Route:
    match rest:
        case []:
            return Route(kind=RouteKind.OPERATIONS, version=version)
        case [count] if count.lower() == "$count":
            return Route(kind=RouteKind.OPERATIONS_COUNT, version=version)
        case [key]:
            return Route(kind=RouteKind.OPERATION, version=version, key=key)
        case [key, action] if (ours := _ACTIONS.get(_called(action).removeprefix("rightful."))) is not None:
            return Route(kind=ours, version=version, key=key)
        case _:
            raise _unknown(rest[-1])


def _directory(rest: list[str], version: str) -> Route:
    # GRAPH-01: beta only.
    if not rest or rest[0].lower() != "inboundshareduserprofiles" or version != "beta":
        raise _unknown(rest[0] if rest else "directory")
    match rest[1:]:
        case []:
            return Route(kind=RouteKind.PROFILES, version=version)
        case [key]:
            return Route(kind=RouteKind.PROFILE, version=version, key=key)
        case [key, *actions] if _is_preview([_called(segment) for segment in actions]):
            return Route(kind=RouteKind.PREVIEW_PROFILE, version=version, key=key)
        case [key, *actions]:
            return _exports(actions, RouteKind.EXPORT_PROFILE, version, key)
        case _:
            raise _unknown(rest[0])


def _batch(rest: list[str], version: str) -> Route:
    if rest:
        raise _unknown(rest[0])
    return Route(kind=RouteKind.BATCH, version=version)


_COLLECTIONS = {"$batch": _batch, "users": _users, "me": _me, "datapolicyoperations": _operations, "directory": _directory}


def match(raw_path: bytes) -> Route:
    """Return what a path (percent-encoded, without the query) names; raises `InvalidRequest` where it names nothing here."""
    segments = _segments(raw_path)
    version = VERSIONS.get(segments[0].lower()) if segments else None
    if version is None:
        raise _unknown(segments[0] if segments else "")
    rest = _entities(segments[1:])
    collection = _COLLECTIONS.get(rest[0].lower()) if rest else None
    if collection is None:
        raise _unknown(rest[0] if rest else version)
    return collection(rest[1:], version)
