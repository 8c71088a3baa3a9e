"""Paths to attributes of SCIM resources (RFC 7644 3.10): what a resource holds there, and filters that search for it.

Names of attributes and schemas have no letter case (RFC 7643 2.1). What is searched for becomes a JSON string (RFC 7644 3.4.2.2), so that
nothing in it can end it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache

import msgspec

Resource = Mapping[str, object]

_NAME = r"[A-Za-z$][A-Za-z0-9_-]*"
_PATH = re.compile(
    rf"(?:(?P<schema>urn:[A-Za-z0-9._:-]+):)?(?P<attribute>{_NAME})"
    rf'(?:\[(?P<of>{_NAME}) eq (?P<given>"[ !#-\[\]-~]*"|true|false)\])?'
    rf"(?:\.(?P<part>{_NAME}))?"
)
_CORE = "urn:ietf:params:scim:schemas:core:2.0:"
"""Attributes of these schemas stand in the resource itself (RFC 7643 3.3)."""
_DEFAULT_PART = "value"


class BadPath(Exception):
    """A text that is no path, or one that leads to something else than values; the message can follow the path."""


class AttributePath(msgspec.Struct, frozen=True):
    """`userName`, `emails.value`, `emails[type eq "work"].value`, `urn:…:User:employeeNumber`."""

    schema: str
    attribute: str
    of: str
    """What a value's other part must be for it to count; empty: each counts."""
    given: str | bool
    part: str

    @property
    def requested(self) -> str:
        """What is asked for to see it (RFC 7644 3.9)."""
        return f"{self.schema}:{self.attribute}" if self.schema else self.attribute

    @property
    def is_id(self) -> bool:
        """Whether it is the name that the server gave the resource."""
        return not (self.schema or self.of or self.part) and self.attribute.lower() == "id"

    def equals(self, value: str) -> str:
        """Return a filter of resources that have this value there; the value may not have half of a surrogate pair."""
        wanted = quoted(value)
        if self.of:
            return f"{self.requested}[{self.of} eq {json.dumps(self.given)} and {self.part or _DEFAULT_PART} eq {wanted}]"
        return f"{self.requested}{'.' * bool(self.part)}{self.part} eq {wanted}"

    def values(self, resource: Resource) -> list[str]:
        """Return what a resource holds there, sorted: the order in which a server gives it means nothing. Raises `BadPath`."""
        holder: object = resource
        if self.schema and not self.schema.lower().startswith(_CORE.lower()):
            holder = member(resource, self.schema)
        if not isinstance(holder, dict):
            return []
        found = member(holder, self.attribute)
        return sorted(set(filter(None, map(_text, self._parts(found if isinstance(found, list) else [found])))))

    def _parts(self, items: list[object]) -> Iterator[object]:
        for item in items:
            if isinstance(item, dict):
                if not self.of or _is(member(item, self.of), self.given):
                    yield member(item, self.part or _DEFAULT_PART)
            elif item and (self.part or self.of):
                raise BadPath("has no parts: what is there is a plain value")
            else:
                yield item


@cache
def parse(text: str) -> AttributePath:
    """Read a path; raises `BadPath`."""
    match = _PATH.fullmatch(text)
    if match is None:
        raise BadPath("is no path to an attribute")
    given = json.loads(match["given"]) if match["given"] else ""
    return AttributePath(match["schema"] or "", match["attribute"], match["of"] or "", given, match["part"] or "")


def quoted(value: str) -> str:
    """Return a text as a filter has it."""
    return json.dumps(value, ensure_ascii=False)


def member(resource: Resource, name: str) -> object:
    """Return a member by its name in any letter case; None where there is none. Raises `BadPath` where there are several."""
    wanted = name.lower()
    found = [value for key, value in resource.items() if key.lower() == wanted]
    if len(found) > 1:
        raise BadPath("is there several times in different letter case")
    return found[0] if found else None


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    raise BadPath("leads to something else than texts and whole numbers")


def _is(value: object, given: object) -> bool:
    if isinstance(value, str) and isinstance(given, str):
        return value.casefold() == given.casefold()  # RFC 7643 2.3.1: caseExact is false where nothing is said
    return value is given
