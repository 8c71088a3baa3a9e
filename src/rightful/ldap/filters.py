"""Search filters as a server gets them (RFC 4511 4.5.1.7), and read from their text (RFC 4515).

A value that is searched for never becomes a part of a text: it is put into the encoded filter as bytes with a length, so that there is
nothing in it that could be taken for a filter's own signs.
"""

import re
from collections.abc import Iterable

from rightful.ldap.ber import OCTETS, tlv

_AND, _OR, _NOT, _EQUAL, _SUBSTRINGS, _GREATER, _LESS, _PRESENT, _APPROX, _EXTENSIBLE = (
    0xA0, 0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0x87, 0xA8, 0xA9,
)  # fmt: skip
_INITIAL, _ANY, _FINAL = 0x80, 0x81, 0x82
_RULE, _TYPE, _VALUE, _DN = 0x81, 0x82, 0x83, 0x84
_DEEPEST = 50
_ATTRIBUTE = r"(?:[A-Za-z][A-Za-z0-9-]*|[0-2](?:\.[0-9]+)+)(?:;[A-Za-z0-9-]+)*"
_ITEM = re.compile(rf"({_ATTRIBUTE})(>=|<=|~=|=)([^()\0]*)")
_EXTENDED = re.compile(rf"({_ATTRIBUTE})?(:dn)?(?::({_ATTRIBUTE}))?:=([^()*\0]*)", re.IGNORECASE)
_ESCAPE = re.compile(rb"\\(?:([0-9A-Fa-f]{2})|(.|$))", re.DOTALL)
_BLANKS = re.compile(r"[ \t\r\n]*")
_COMPARISONS = {"=": _EQUAL, ">=": _GREATER, "<=": _LESS, "~=": _APPROX}
ATTRIBUTE = re.compile(_ATTRIBUTE)
"""An attribute's description (RFC 4512 2.5)."""


class BadFilter(Exception):
    """A text that is no filter; says where, never what stands there."""


def equals(attribute: str, value: bytes) -> bytes:
    """Return a filter of entries that have this value."""
    return tlv(_EQUAL, _octets(attribute.encode()), _octets(value))


def present(attribute: str) -> bytes:
    """Return a filter of entries that have an attribute."""
    return tlv(_PRESENT, attribute.encode())


def all_of(filters: Iterable[bytes]) -> bytes:
    """Return a filter of entries that all of these are true of."""
    return tlv(_AND, *filters)


def any_of(filters: Iterable[bytes]) -> bytes:
    """Return a filter of entries that one of these is true of."""
    return tlv(_OR, *filters)


def parse(text: str) -> bytes:
    """Read a filter such as `(&(objectClass=person)(!(title=Test*)))`; blanks between parentheses are fine. Raises `BadFilter`."""
    found, end = _filter(text, _blanks(text, 0), 0)
    if _blanks(text, end) != len(text):
        raise _bad(end)
    return found


def _filter(text: str, at: int, depth: int) -> tuple[bytes, int]:
    if depth > _DEEPEST:
        raise BadFilter("is nested too deeply")
    if text[at : at + 1] != "(":
        raise _bad(at)
    at = _blanks(text, at + 1)
    sign = text[at : at + 1]
    if sign and sign in "&|!":
        parts, at = _list(text, _blanks(text, at + 1), depth)
        if sign == "!" and len(parts) != 1:
            raise _bad(at)
        found = tlv({"&": _AND, "|": _OR, "!": _NOT}[sign], *parts)
    else:
        found, at = _item(text, at)
    if text[at : at + 1] != ")":
        raise _bad(at)
    return found, at + 1


def _list(text: str, at: int, depth: int) -> tuple[list[bytes], int]:
    parts = []
    while text[at : at + 1] == "(":
        found, at = _filter(text, at, depth + 1)
        parts.append(found)
        at = _blanks(text, at)
    if not parts:  # RFC 4526's (&) and (|) say nothing that a directory needs
        raise _bad(at)
    return parts, at


def _item(text: str, at: int) -> tuple[bytes, int]:
    if (match := _EXTENDED.match(text, at)) is not None and (match[1] or match[3]):
        attribute, dn, rule, value = match.groups()
        parts = [tlv(_RULE, rule.encode())] if rule else []
        parts += [tlv(_TYPE, attribute.encode())] if attribute else []
        return tlv(_EXTENSIBLE, *parts, tlv(_VALUE, _value(value, at)), tlv(_DN, b"\xff") if dn else b""), match.end()
    match = _ITEM.match(text, at)
    if match is None:
        raise _bad(at)
    attribute, sign, value = match.groups()
    if sign == "=" and value == "*":
        return present(attribute), match.end()
    if "*" in value:
        if sign != "=":
            raise _bad(at)
        return tlv(_SUBSTRINGS, _octets(attribute.encode()), _substrings(value, at)), match.end()
    return tlv(_COMPARISONS[sign], _octets(attribute.encode()), _octets(_value(value, at))), match.end()


def _substrings(value: str, at: int) -> bytes:
    first, *middle, last = value.split("*")
    if not all(middle):
        raise _bad(at)
    parts = [tlv(_INITIAL, _value(first, at))] if first else []
    parts += [tlv(_ANY, _value(part, at)) for part in middle]
    parts += [tlv(_FINAL, _value(last, at))] if last else []
    return tlv(0x30, *parts)


def _value(text: str, at: int) -> bytes:
    def byte(match: "re.Match[bytes]") -> bytes:
        if match[1] is None:
            raise _bad(at)
        return bytes.fromhex(match[1].decode())

    try:
        return _ESCAPE.sub(byte, text.encode())
    except UnicodeEncodeError:
        raise _bad(at) from None


def _octets(value: bytes) -> bytes:
    return tlv(OCTETS, value)


def _blanks(text: str, at: int) -> int:
    match = _BLANKS.match(text, at)
    assert match is not None, "it matches nothing too"
    return match.end()


def _bad(at: int) -> BadFilter:
    return BadFilter(f"is no LDAP filter at character {at + 1}")
