"""Texts of a request's target: decoded strictly, and shown in an answer without harm. Pure."""

import re
from urllib.parse import unquote_to_bytes

_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def decode(raw: bytes) -> str:
    """Decode percent-encoded UTF-8; raises `ValueError` where it is none."""
    if _BAD_ESCAPE.search(raw):
        raise ValueError("broken escape")
    return unquote_to_bytes(raw).decode("utf-8")


def shown(text: str, most: int) -> str:
    """Return at most so many characters of a text that a caller made up, fit to stand in an error's message."""
    return "".join(character if character.isprintable() else "?" for character in text[:most])
