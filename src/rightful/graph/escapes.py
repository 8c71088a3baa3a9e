"""Texts of a request's target: decoded strictly, and shown in an answer without harm. Pure."""

import re
from urllib.parse import unquote_to_bytes

_NAME = re.compile(
    r"(?:[$@]?|@odata\.|rightful\.|microsoft\.graph\.(?:[a-z]{1,40}\.)?)[a-z]{1,40}[0-9]{0,2}|v[0-9]{1,2}(?:\.[0-9]{1,2})?",
    re.ASCII | re.IGNORECASE,
)
"""What clients name here: a word, perhaps numbered, alone or in a namespace of the wire, and a version. Not all of OData's identifiers:
`ann.smith`, a host, a token, and an id of hexadecimal digits or an employee's number are well-formed ones too.
"""
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def decode(raw: bytes) -> str:
    """Decode percent-encoded UTF-8; raises `ValueError` where it is none."""
    if _BAD_ESCAPE.search(raw):
        raise ValueError("broken escape")
    return unquote_to_bytes(raw).decode("utf-8")


def name(text: str, otherwise: str = "that was given") -> str:
    """Return, in quotes, what a caller wrote where a name belongs, if it looks like one, and else other words.

    Nothing else is repeated: it may be a storage location or a token that went to the wrong place, and answers lie in clients' logs.
    """
    return f"'{text}'" if _NAME.fullmatch(text) else otherwise


def shown(text: str, most: int) -> str:
    """Return at most so many characters of a text that a caller made up, fit to stand in an error's message."""
    return "".join(character if character.isprintable() else "?" for character in text[:most])
