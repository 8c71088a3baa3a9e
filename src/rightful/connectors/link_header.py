"""The header `Link` (RFC 8288 3), read whole or not at all: a link that is overlooked would be a page that is never read."""

import re
from collections.abc import Iterable, Iterator

import msgspec

_TARGET = re.compile(r"<([^<>]*)>")
# RFC 8288 3: a token or a quoted string. RFC 5988 5 let media types and URIs stand without quotes, and servers still write them so.
_PARAMETER = re.compile(
    r"""[ \t]*;[ \t]*(?:(?P<name>[A-Za-z0-9!#$%&'*+.^_`|~-]+)[ \t]*
    (?:=[ \t]*(?:"(?P<quoted>(?:[^"\\]|\\.)*+)"|(?P<token>[A-Za-z0-9!#$%&'()*+./:<=>?@\[\]^_`{|}~-]+)))?)?""",
    re.VERBOSE,
)
_BETWEEN = re.compile(r"[ \t]*(?:,[ \t]*)+")
_RELATION = re.compile(r"[a-z][a-z0-9.-]*|[a-z][a-z0-9+.-]*:[^\s'\"]+", re.IGNORECASE)


class Link(msgspec.Struct, frozen=True):
    """One link."""

    target: str
    """As it stands, a relative one too."""
    relations: frozenset[str] = frozenset()
    """In lower case."""
    has_anchor: bool = False
    """Whether it is a link of something else than the answer it came with (RFC 8288 3.2)."""


def parse(values: Iterable[str]) -> tuple[Link, ...]:
    """Return the links of all `Link` headers of an answer, in order; raises `ValueError` where one is not written as the RFC says."""
    return tuple(link for value in values for link in _links(value.strip(" \t")))


def next_target(values: Iterable[str]) -> str:
    """Return where the next page is; empty on the last one. Raises `ValueError`, also where that is not one place."""
    links = [link for link in parse(values) if "next" in link.relations]
    if any(link.has_anchor for link in links) or len({link.target for link in links}) > 1:
        raise ValueError("it names several next pages, or another page's")
    return links[0].target if links else ""


def _links(value: str) -> Iterator[Link]:
    at = _after_commas(value, 0, is_needed=False)
    while at < len(value):
        found = _TARGET.match(value, at)
        if found is None:
            raise ValueError("a link does not begin with <")
        at = found.end()
        parameters: dict[str, str | None] = {}
        while (parameter := _PARAMETER.match(value, at)) is not None:
            at = parameter.end()
            # Of two parameters of one name the first counts (RFC 8288 3.3).
            parameters.setdefault((parameter["name"] or "").lower(), _value(parameter))
        yield Link(found[1].strip(), _relations(parameters.get("rel")) if "rel" in parameters else frozenset(), "anchor" in parameters)
        at = _after_commas(value, at, is_needed=True)


def _after_commas(value: str, at: int, *, is_needed: bool) -> int:
    """Return where the next link begins; empty elements are nothing (RFC 9110 5.6.1.2)."""
    found = _BETWEEN.match(value, at)
    if found is None and is_needed and at < len(value):
        raise ValueError("something stands between two links")
    return found.end() if found is not None else at


def _value(parameter: re.Match[str]) -> str | None:
    quoted: str | None = parameter["quoted"]
    return re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else parameter["token"]


def _relations(value: str | None) -> frozenset[str]:
    words = (value or "").split()
    if not words or not all(map(_RELATION.fullmatch, words)):
        raise ValueError("a relation is none")
    return frozenset(word.lower() for word in words)
