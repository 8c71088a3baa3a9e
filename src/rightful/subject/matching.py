"""When a value found in a source is an identifier of a subject.

This is the independent check of DESIGN rule 2: it shares no code with the queries that find rows, and it decides from
values alone. A NULL, an empty or a too-short identifier matches nothing.
"""

import unicodedata

FOLDED_KINDS = frozenset({"mail", "upn"})
"""Kinds whose letter case carries no meaning; every other kind is compared as it is."""

_MINIMUM_LENGTH = {"mail": 3, "upn": 3}


def normalise(kind: str, value: str) -> str:
    """Return the form in which two values of a kind are compared: NFC, and folded for mail and UPN."""
    text = unicodedata.normalize("NFC", value.strip()) if not value.isascii() else value.strip()
    return text.casefold() if kind in FOLDED_KINDS else text


def is_usable(kind: str, value: str | None) -> bool:
    """Say whether an identifier may be searched for at all."""
    return value is not None and len(value.strip()) >= _MINIMUM_LENGTH.get(kind, 1)


def matches(kind: str, found: object, identifiers: tuple[str, ...]) -> bool:
    """Say whether a value found in a source is one of a subject's identifiers of this kind."""
    if found is None:
        return False
    text = normalise(kind, str(found))
    return is_usable(kind, text) and any(text == normalise(kind, identifier) for identifier in identifiers)
