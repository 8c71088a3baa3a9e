"""What names the subject where it stands among what names others."""

import unicodedata
from collections.abc import Mapping

from rightful.subject.matching import FOLDED_KINDS, is_usable, normalise

LEAST_PHONE_DIGITS = 7
"""The shortest number that is taken for a telephone's."""

_OTHER_KIND = ""


def number_of(text: str) -> str:
    """Return the digits of a text, of any script, as ASCII and without 00 for +: how two spellings of a telephone number are compared."""
    return "".join(str(unicodedata.decimal(character)) for character in text if character.isdecimal()).removeprefix("00")


class Own:
    """All identifiers of one subject, compared as everywhere (`subject.matching`), whatever their kind."""

    def __init__(self, identifiers: Mapping[str, tuple[str, ...]]) -> None:
        usable = [(kind, value) for kind, values in identifiers.items() for value in values if is_usable(kind, value)]
        self._folded = frozenset(normalise(kind, value) for kind, value in usable if kind in FOLDED_KINDS)
        self._exact = frozenset(normalise(kind, value) for kind, value in usable if kind not in FOLDED_KINDS)
        numbers = {number_of(value) for _, value in usable if not any(character.isalpha() for character in value)}
        self._numbers = frozenset(number for number in numbers if len(number) >= LEAST_PHONE_DIGITS)

    def names(self, text: str) -> bool:
        """Say whether a text is an identifier of the subject, nothing before or behind it but blanks."""
        return normalise("mail", text) in self._folded or normalise(_OTHER_KIND, text) in self._exact

    def has_number(self, text: str) -> bool:
        """Say whether a number is an identifier of the subject, however its digits are grouped."""
        return number_of(text) in self._numbers

    def __repr__(self) -> str:
        """Name nothing: a repr may end up in a log."""
        return "Own()"
