"""When a value found in a source is an identifier of a subject.

This is the independent check of DESIGN rule 2: it shares no code with the queries that find rows, and it decides from
values alone. A NULL, an empty or a too-short identifier matches nothing.

Two mails, or two user principal names, are the same where they are letter by letter, after NFC, in lower case. Lower case, as of RFC 8265
(PRECIS), not Unicode's case folding: `straße.example` and `strasse.example` are two domains (IDNA 2008, RFC 5894 7.2), of two owners
perhaps, as are `βόλος.example` and `βόλοσ.example`. A letter that has no single lower case, `Σ` and `İ`, is the same as itself only.
"""

import unicodedata

FOLDED_KINDS = frozenset({"mail", "upn"})
"""Kinds whose letter case carries no meaning; every other kind is compared as it is."""

_MINIMUM_LENGTH = {"mail": 3, "upn": 3}
_NO_SINGLE_LOWER_CASE = frozenset("Σİ")
"""The one has two by its place in a word, of which programs judge differently; the other is i in Turkish, elsewhere i with one more dot."""


def normalise(kind: str, value: str) -> str:
    """Return the form in which two values of a kind are compared: NFC, and in lower case for mail and UPN."""
    text = value.strip()
    is_folded = kind in FOLDED_KINDS
    if text.isascii():
        return text.lower() if is_folded else text
    text = unicodedata.normalize("NFC", text)
    if not is_folded:
        return text
    lowered = "".join(letter if letter in _NO_SINGLE_LOWER_CASE else letter.lower() for letter in text)
    return unicodedata.normalize("NFC", lowered)  # a mark may have a letter of its own with the small one only: ǰ


def is_usable(kind: str, value: str | None) -> bool:
    """Say whether an identifier may be searched for at all."""
    return value is not None and len(value.strip()) >= _MINIMUM_LENGTH.get(kind, 1)


def matches(kind: str, found: object, identifiers: tuple[str, ...]) -> bool:
    """Say whether a value found in a source is one of a subject's identifiers of this kind."""
    if found is None:
        return False
    text = normalise(kind, str(found))
    return is_usable(kind, text) and any(text == normalise(kind, identifier) for identifier in identifiers)
