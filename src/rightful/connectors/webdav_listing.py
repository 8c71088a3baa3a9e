"""Reads what a WebDAV server answers to PROPFIND (RFC 4918 13), however long it is, piece by piece.

Nothing of it is trusted: no document type and so no entities, no depth, no text and no number of members without a bound.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import NoReturn
from xml.parsers import expat

REQUEST = (
    b'<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop>'
    b"<resourcetype/><getcontentlength/><getlastmodified/><getetag/></prop></propfind>"
)
_DEEPEST = 32
_LONGEST_TEXT = 64 << 10
_LONGEST_TOKEN = 4 << 20
_MOST_MEMBERS = 5_000_000
_DAV = "DAV: "
_TEXTS = frozenset(_DAV + name for name in ("href", "status", "getcontentlength", "getlastmodified", "getetag"))
_OK = 200


class NotUnderstood(ValueError):
    """The answer is no listing; the text says why."""


@dataclass(slots=True)
class Member:
    """One `response` of the answer."""

    href: str = ""
    is_folder: bool = False
    size_bytes: int | None = None
    modified: str = ""
    etag: str = ""
    status: int = _OK
    """What the server says of the member itself."""

    @property
    def modified_ns(self) -> int | None:
        """When it was changed; None where the server says it in no way that can be read."""
        try:
            return int(parsedate_to_datetime(self.modified).timestamp()) * 1_000_000_000
        except (ValueError, OverflowError):
            return None


def members(chunks: Iterable[bytes]) -> Iterator[Member]:
    """Yield what is listed. Raises `NotUnderstood`, and what iterating over the chunks raises."""
    reading = _Reading()
    count = 0
    for chunk in chunks:
        for member in reading.feed(chunk):
            count += 1
            if count > _MOST_MEMBERS:
                raise NotUnderstood(f"lists more than {_MOST_MEMBERS:,} members")
            yield member
    yield from reading.feed(b"", is_last=True)


@dataclass(slots=True)
class _Properties:
    """One `propstat`: properties, and whether there are any."""

    status: int = _OK
    found: dict[str, str] = field(default_factory=dict)
    is_folder: bool = False


class _Reading:
    def __init__(self) -> None:
        self._fed = 0
        self._way: list[str] = []
        self._text: list[str] | None = None
        self._length = 0
        self._member = Member()
        self._properties: _Properties | None = None
        self._done: list[Member] = []
        self._parser = parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._take
        parser.StartDoctypeDeclHandler = self._refuse_doctype

    def feed(self, chunk: bytes, *, is_last: bool = False) -> list[Member]:
        try:
            self._parser.Parse(chunk, is_last)
            self._fed += len(chunk)
            if self._fed - self._parser.CurrentByteIndex > _LONGEST_TOKEN:
                raise NotUnderstood("has a tag that is too long")
        except expat.ExpatError as error:
            raise NotUnderstood("is no XML") from error
        done, self._done = self._done, []
        return done

    @staticmethod
    def _refuse_doctype(*_: object) -> NoReturn:
        raise NotUnderstood("has a document type, which no listing needs")

    def _start(self, name: str, _attributes: object) -> None:
        if not self._way and name != f"{_DAV}multistatus":
            raise NotUnderstood("is no WebDAV listing")
        self._way.append(name)
        if len(self._way) > _DEEPEST:
            raise NotUnderstood("is nested too deeply")
        below = self._way[1:]
        if below == [f"{_DAV}response"]:
            self._member = Member()
        elif below == [f"{_DAV}response", f"{_DAV}propstat"]:
            self._properties = _Properties()
        elif name == f"{_DAV}collection" and below[-2:-1] == [f"{_DAV}resourcetype"] and self._properties is not None:
            self._properties.is_folder = True
        self._text = [] if name in _TEXTS else None
        self._length = 0

    def _take(self, text: str) -> None:
        if self._text is not None:
            self._length += len(text)
            if self._length > _LONGEST_TEXT:
                raise NotUnderstood("has a text that is too long")
            self._text.append(text)

    def _end(self, name: str) -> None:
        below = self._way[1:]
        self._way.pop()
        text, self._text = "".join(self._text or ()).strip(), None
        match [part.removeprefix(_DAV) for part in below]:
            case ["response"]:
                self._done.append(self._member)
            case ["response", "href"]:
                if self._member.href:
                    raise NotUnderstood("names several members at once")
                self._member.href = text
            case ["response", "status"]:
                self._member.status = _status(text)
            case ["response", "propstat"]:
                self._apply()
            case ["response", "propstat", "status"] if self._properties is not None:
                self._properties.status = _status(text)
            case ["response", "propstat", "prop", _] if self._properties is not None and name in _TEXTS:
                self._properties.found[name] = text

    def _apply(self) -> None:
        properties, self._properties = self._properties, None
        if properties is None or properties.status != _OK:
            return
        size = properties.found.get(f"{_DAV}getcontentlength", "")
        member = self._member
        member.is_folder |= properties.is_folder
        if size.isascii() and size.isdecimal() and len(size) < 19:  # noqa: PLR2004 - below 2^63
            member.size_bytes = int(size)
        member.modified = properties.found.get(f"{_DAV}getlastmodified", member.modified)
        member.etag = properties.found.get(f"{_DAV}getetag", member.etag)


def _status(line: str) -> int:
    """Return the status in a status line (RFC 9112 4); 0 where there is none."""
    pieces = line.split()
    return int(pieces[1]) if len(pieces) > 1 and pieces[1].isascii() and pieces[1].isdecimal() and len(pieces[1]) == 3 else 0  # noqa: PLR2004
