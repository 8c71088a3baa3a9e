"""Sentences, amounts and columns of plain text in one language, out of a catalogue of `rightful/locale`."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from gettext import c2py
from importlib import resources

from rightful.language import ENGLISH
from rightful.package.catalogues import Catalogue, parse

_VALUE = re.compile(r"\{(\w+)\}")
_PLURAL = re.compile(r"Plural-Forms: nplurals=[0-9]+; plural=([^;]+);")

_THIN_SPACE = "\N{NARROW NO-BREAK SPACE}"
_SEPARATORS = {"de": (".", ","), "es": (".", ","), "fr": (_THIN_SPACE, ",")}
"""Of thousands and of decimals, where they are not as in English (CLDR 46)."""
_FOUR_DIGITS_WHOLE = frozenset({"es"})
"""Where thousands are set apart from ten thousand on (CLDR's minimumGroupingDigits)."""
_WIDE = frozenset("WF")
"""Characters that take two columns where all take the same (Unicode Standard Annex 11)."""


class Texts:
    """What a catalogue says; a message that it lacks is said in English, as it is written."""

    def __init__(self, language: str, catalogue: Catalogue, form_of: Callable[[int], int]) -> None:
        self.language = language
        self._catalogue = catalogue
        self._form_of = form_of

    def say(self, message: str, **values: str) -> str:
        """Return a message; `{name}` stands for a value."""
        return _fill(self._catalogue.get(message, message), values)

    def count(self, one: str, other: str, n: int) -> str:
        """Return the form of a message that belongs to a number, which `{n}` stands for."""
        forms = self._catalogue.get(one, [one, other])
        return _fill(forms[self._form_of(n)], {"n": self.number(n)})

    def number(self, value: float, digits: int = 0) -> str:
        """Return a number with so many decimals."""
        text = f"{value:,.{digits}f}"
        if self.language in _FOUR_DIGITS_WHOLE and abs(value) < 10_000:  # noqa: PLR2004 - said there
            text = text.replace(",", "")
        separators = _SEPARATORS.get(self.language)
        return text if separators is None else text.translate(str.maketrans(",.", "".join(separators)))


@cache
def texts(domain: str, language: str) -> Texts:
    """Return a domain's texts (`rightful/locale/DOMAIN/LANGUAGE.po`) in a language of `language.OFFERED`; empty: in English."""
    if language in {"", ENGLISH}:
        return Texts(ENGLISH, {}, lambda n: int(n != 1))
    text = (resources.files("rightful") / "locale" / domain / f"{language}.po").read_text(encoding="utf-8")
    rule = _PLURAL.search(text)
    if rule is None:
        raise ValueError(f"the catalogue {domain}/{language} does not say which plural forms it has")
    return Texts(language, parse(text), c2py(rule[1]))


def columns(rows: Iterable[Sequence[str]]) -> list[str]:
    """Write rows whose first texts stand above each other, and whose second ones do."""
    pairs = [(first, second) for first, second in rows]
    width = max((_width(first) for first, _ in pairs), default=0)
    return [f"{first}{' ' * (width - _width(first))} {second}" for first, second in pairs]


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(character) in _WIDE else 1 for character in text)


def _fill(message: str | list[str], values: dict[str, str]) -> str:
    assert isinstance(message, str)
    if "{" not in message:
        return message
    return _VALUE.sub(lambda found: values.get(found[1], found[0]), message)
