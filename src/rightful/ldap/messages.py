"""The messages that a client sends and gets (RFC 4511 4), and simple paged results (RFC 2696)."""

import msgspec

from rightful.ldap.ber import BOOLEAN, ENUMERATED, OCTETS, SEQUENCE, SET, Reader, integer, tlv

_BIND, _UNBIND, _SEARCH, _EXTENDED = 0x60, 0x42, 0x63, 0x77
_BIND_DONE, _ENTRY, _SEARCH_DONE, _REFERENCE, _EXTENDED_DONE, _INTERMEDIATE = 0x61, 0x64, 0x65, 0x73, 0x78, 0x79
_SIMPLE, _NAME = 0x80, 0x80
_CONTROLS = 0xA0
_PAGED = b"1.2.840.113556.1.4.319"
_START_TLS = b"1.3.6.1.4.1.1466.20037"
_VERSION = 3
_NEVER_DEREFERENCE = 0
_SUBTREE = 2


class Search(msgspec.Struct, frozen=True):
    """What is searched for, in the base and everywhere below it. May hold personal data: nothing of it is shown."""

    base: str
    filter: bytes
    """Encoded; see `filters`."""
    attributes: tuple[str, ...]
    """What is wanted of an entry."""

    def __repr__(self) -> str:
        """Show nothing."""
        return "Search()"


class Entry(msgspec.Struct, frozen=True):
    """One entry found. Holds personal data: nothing of it is shown."""

    dn: bytes
    attributes: tuple[tuple[str, tuple[bytes, ...]], ...]
    """Descriptions as the server writes them, each with its values."""

    def __repr__(self) -> str:
        """Show nothing."""
        return "Entry()"


class Done(msgspec.Struct, frozen=True):
    """How an operation ended; what the server says in words is left where it is, since it may name people."""

    code: int
    cookie: bytes = b""
    """Where the next page begins; empty: there is none."""
    is_notice: bool = False
    """Whether it is the server's notice that it ends the connection (RFC 4511 4.4.1)."""


class Reference(msgspec.Struct, frozen=True):
    """A part of what was searched for is kept by another server."""


def bind(number: int, dn: str, password: str) -> bytes:
    """Return a simple bind; both empty: anonymous."""
    return _message(number, tlv(_BIND, integer(_VERSION), tlv(OCTETS, dn.encode()), tlv(_SIMPLE, password.encode())))


def start_tls(number: int) -> bytes:
    """Return a request to go on encrypted (RFC 4511 4.14)."""
    return _message(number, tlv(_EXTENDED, tlv(_NAME, _START_TLS)))


def unbind(number: int) -> bytes:
    """Return a farewell; it is not answered."""
    return _message(number, tlv(_UNBIND))


def search(number: int, asked: Search, *, limit_s: int, page: int, cookie: bytes) -> bytes:
    """Return a search for a page of entries; a server that knows no pages gives all."""
    operation = tlv(
        _SEARCH,
        tlv(OCTETS, asked.base.encode()),
        integer(_SUBTREE, ENUMERATED),
        integer(_NEVER_DEREFERENCE, ENUMERATED),
        integer(0),
        integer(limit_s),
        tlv(BOOLEAN, b"\0"),
        asked.filter,
        tlv(SEQUENCE, *(tlv(OCTETS, attribute.encode()) for attribute in asked.attributes)),
    )
    control = tlv(SEQUENCE, tlv(OCTETS, _PAGED), tlv(OCTETS, tlv(SEQUENCE, integer(page), tlv(OCTETS, cookie))))
    return _message(number, operation, tlv(_CONTROLS, control))


def read(content: bytes) -> tuple[int, Entry | Reference | Done | None]:
    """Return the number of the message that is answered, and the answer (None: of no meaning here). Raises `Malformed`."""
    message = Reader(content)
    number = message.number()
    if message.tag == _ENTRY:
        return number, _entry(message.inside())
    if message.tag == _REFERENCE:
        return number, Reference()
    if message.tag == _INTERMEDIATE:
        return number, None
    code = message.inside(_BIND_DONE, _SEARCH_DONE, _EXTENDED_DONE).number(ENUMERATED)
    return number, Done(code, _cookie(message), is_notice=not number)


def _entry(found: Reader) -> Entry:
    dn = found.take(OCTETS)
    listed = found.inside(SEQUENCE)
    attributes = []
    while listed.tag is not None:
        attribute = listed.inside(SEQUENCE)
        name = attribute.take(OCTETS)
        values, held = [], attribute.inside(SET)
        while held.tag is not None:
            values.append(held.take(OCTETS))
        attributes.append((name.decode("ascii", "replace"), tuple(values)))
    return Entry(dn, tuple(attributes))


def _cookie(message: Reader) -> bytes:
    if message.tag != _CONTROLS:
        return b""
    controls = message.inside(_CONTROLS)
    while controls.tag is not None:
        control = controls.inside(SEQUENCE)
        if control.take(OCTETS) != _PAGED:
            continue
        if control.tag == BOOLEAN:
            control.take(BOOLEAN)
        value = Reader(control.take(OCTETS)).inside(SEQUENCE)
        value.number()
        return value.take(OCTETS)
    return b""


def _message(number: int, operation: bytes, controls: bytes = b"") -> bytes:
    return tlv(SEQUENCE, integer(number), operation, controls)
