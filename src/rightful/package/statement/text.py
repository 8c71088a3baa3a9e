"""STATEMENT.txt: the statement in one language, in plain text."""

import re
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator

from rightful.package.label import choose
from rightful.package.statement.document import SEPARATOR, Bullets, Facts, Listing, Message, Paragraph, Quote, Said, Section
from rightful.package.statement.words import catalogue
from rightful.redaction import printable

PATH = "STATEMENT.txt"

_WIDTH = 100
_STEP = "    "
_VALUE = re.compile(r"\{(\w+)\}")


def format_text(sections: Iterable[Section], *, language: str) -> bytes:
    """Write STATEMENT.txt; the same values give the same bytes."""
    writer = _Writer(language)
    return "".join(f"{line}\n" for line in writer.lines(sections)).encode()


class _Writer:
    """Says a document in one language."""

    def __init__(self, language: str) -> None:
        self._catalogue = catalogue(language)
        self._language = language

    def lines(self, sections: Iterable[Section]) -> Iterator[str]:
        for number, section in enumerate(sections):
            yield from ["", ""] if number else []
            yield self.say(section.title).upper()
            for block in section.blocks:
                yield ""
                yield from self._block(block)

    def _block(self, block: Paragraph | Bullets | Facts) -> Iterator[str]:
        match block:
            case Paragraph():
                yield from _wrapped(self.say(block.text))
            case Bullets():
                for item in block.items:
                    yield from _wrapped(self.say(item), first="- ", then="  ")
            case Facts():
                yield from _wrapped(self.say(block.title))
                for fact in block.facts:
                    values = [self.say(value) for value in fact.values]
                    head = self._fill("{name}: {value}", {"name": self.say(fact.term), "value": values[0]})
                    yield from _wrapped(head, first=_STEP, then=_STEP * 2)
                    for value in values[1:]:
                        yield from _wrapped(value, first=_STEP * 2, then=_STEP * 2)

    def say(self, said: Said) -> str:
        match said:
            case Quote():
                return printable(" ".join(choose(said.words, self._language).split()))
            case Listing():
                return self._catalogue.get(SEPARATOR, SEPARATOR).join(map(self.say, said.items))
            case Message():
                return self._fill(said.text, {name: self.say(value) for name, value in said.values.items()})

    def _fill(self, message: str, values: dict[str, str]) -> str:
        return _VALUE.sub(lambda found: values.get(found[1], found[0]), self._catalogue.get(message, message))


def _wrapped(text: str, *, first: str = "", then: str = "") -> list[str]:
    """Break lines between words; Chinese and Japanese have none, and editors break these by themselves."""
    if any(unicodedata.east_asian_width(character) == "W" for character in text):
        return [first + text]
    return textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=then, break_long_words=False, break_on_hyphens=False) or [
        first.rstrip()
    ]
