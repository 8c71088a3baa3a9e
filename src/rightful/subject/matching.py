"""When a value found in a source is an identifier of a subject.

This is the independent check of DESIGN rule 2: it shares no code with the queries that find rows, and it decides from
values alone. A NULL, an empty or a too-short identifier matches nothing.

Two mails, or two user principal names, are the same where they are letter by letter, after NFC, in lower case. Lower case, as of RFC 8265
(PRECIS), not Unicode's case folding: `straße.example` and `strasse.example` are two domains (IDNA 2008, RFC 5894 7.2), of two owners
perhaps, as are `βόλος.example` and `βόλοσ.example`. A letter that has no single lower case, `Σ` and `İ`, is the same as itself only.

A column of decimal numbers holds numbers, which a database shows with as many digits as the column has: an identifier is the same as 7.00
where it is that number, as `7` and `7.0` are. `007`, `+7` and `7e0` are no numbers, but what a text may be.
"""

import re
import unicodedata
from decimal import Decimal

FOLDED_KINDS = frozenset({"mail", "upn"})
"""Kinds whose letter case carries no meaning; every other kind is compared as it is."""

_MINIMUM_LENGTH = {"mail": 3, "upn": 3}
_NO_SINGLE_LOWER_CASE = frozenset("Σİ")
"""The one has two by its place in a word, of which programs judge differently; the other is i in Turkish, elsewhere i with one more dot."""

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")


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


def matches(kind: str, found: object, identifiers: tuple[str, ...], *, is_number: bool = False) -> bool:
    """Say whether a value found in a source is one of a subject's identifiers of this kind; `is_number`: its column holds decimals."""
    if found is None:
        return False
    if is_number:
        number = _number(str(found))
        return number is not None and any(number == _number(identifier) for identifier in identifiers if is_usable(kind, identifier))
    text = normalise(kind, str(found))
    return is_usable(kind, text) and any(text == normalise(kind, identifier) for identifier in identifiers)


def _number(text: str) -> Decimal | None:
    plain = text.strip()
    return Decimal(plain) if _NUMBER.fullmatch(plain) else None
