"""Which values of a subject's identifiers are searched for in a column, and in which form.

The independent check (`subject.matching`) decides afterwards; what is searched here never finds more than it accepts.
"""

import enum
import re
import unicodedata
from collections.abc import Iterator, Sequence

import msgspec

from rightful.ids import is_guid
from rightful.subject.matching import FOLDED_KINDS, is_usable, normalise
from rightful.subject.model import IdentifiedSubject


class Form(enum.Enum):
    """What a column's values can be, seen as text."""

    TEXT = "text"
    PADDED = "padded"
    """Text where blanks at the end do not count."""
    CASELESS = "caseless"
    """Text that the database itself compares without the case of ASCII letters."""
    FOLDED = "folded"
    """Text that is put in lower case before it is compared, as `folded` does."""
    INTEGER = "integer"
    UNSIGNED = "unsigned"
    """An integer up to 2^64 - 1."""
    DECIMAL = "decimal"
    """A number that is shown with as many digits as its column has: 7, 7.0 and 7.00 are one."""
    UUID = "uuid"


TEXTS = frozenset({Form.TEXT, Form.PADDED, Form.CASELESS, Form.FOLDED})
"""What is compared as text."""


class Slot(msgspec.Struct, frozen=True):
    """A place in a query for the values of one kind of identifier."""

    kind: str
    form: Form
    type_name: str
    """The database's type to search in, where it needs one."""


class SlotValues(msgspec.Struct, frozen=True):
    """What goes into a slot: pairs of subject index and value, side by side. Personal: never in a log."""

    subjects: list[int]
    values: list[str]

    def __repr__(self) -> str:
        """Say how many only."""
        return f"SlotValues({len(self.values)})"


UNCERTAIN = {"İ": "\ufdd0", "Σ": "\ufdd1"}
"""Letters whose lower case depends on the language or on what comes next, so that databases disagree (`subject.matching` keeps them as they
are), and what stands for each while a text is put in lower case: code points that no text has (Unicode 23.7)."""
DOTTED = ("I\u0307", "İ")
"""The first of them in two forms."""
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,19}")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,999})(\.[0-9]{1,999})?")
_INTEGERS = {Form.INTEGER: range(-(2**63), 2**63), Form.UNSIGNED: range(2**64)}


def fill(slot: Slot, subjects: Sequence[IdentifiedSubject]) -> SlotValues:
    """Return the values of all subjects that are searched for in a slot."""
    indexes: list[int] = []
    values: list[str] = []
    for index, subject in enumerate(subjects):
        known = subject.values(slot.kind)
        if known:
            for value in searched(slot.kind, known, slot.form):
                indexes.append(index)
                values.append(value)
    return SlotValues(indexes, values)


def searched(kind: str, identifiers: Sequence[str], form: Form) -> tuple[str, ...]:
    """Return the texts to search for, each once: identifiers as they are and, where case has no meaning, in lower case.

    Some databases know the lower case of ASCII letters alone. What they put in lower case is searched for in upper case too, so that
    `JOSÉ` is found for `josé`, and only what has small and capital ones of other letters, as `ÉMILé`, is not.
    An identifier that no value of the column can be equal to ("abc", or "007" in a column of numbers) is left out.
    """
    found: dict[str, None] = {}
    for identifier in identifiers:
        if not is_usable(kind, identifier):
            continue
        for text in _spellings(kind, identifier, is_upper_too=form in {Form.CASELESS, Form.FOLDED}):
            shaped = _shape(text, form, is_folded=kind in FOLDED_KINDS)
            if shaped is not None:
                found[shaped] = None
    return tuple(found)


def plain_number(text: str) -> str | None:
    """Write a number with no more digits than it needs; None where the text is none, as numbers are written in plain."""
    if not _NUMBER.fullmatch(text):
        return None
    plain = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if plain == "-0" else plain


def folded(text: str) -> str:
    """Return a text in the form that is compared in columns of form FOLDED, as databases that know all letters make it."""
    return _small(unicodedata.normalize("NFC", text)).translate(_STANDING_IN) if not text.isascii() else text.lower()


def _spellings(kind: str, identifier: str, *, is_upper_too: bool) -> Iterator[str]:
    plain = identifier.strip()
    spellings = [identifier] if plain == identifier else [identifier, plain]
    if not plain.isascii():
        spellings += [unicodedata.normalize("NFC", plain), unicodedata.normalize("NFD", plain)]
    if kind in FOLDED_KINDS:
        small = [_small(text) for text in spellings]
        spellings += [*small, *(map(_capital, small) if is_upper_too else ())]
    if len(spellings) == 1:
        yield identifier
        return
    meant = normalise(kind, identifier)
    yield from (text for text in spellings if normalise(kind, text) == meant)


def _shape(text: str, form: Form, *, is_folded: bool) -> str | None:
    """Return the text as a column of this form would have it, None where it cannot have it."""
    if "\x00" in text or (not text.isascii() and not _is_encodable(text)):
        return None
    if form in _INTEGERS:
        return text if _INTEGER.fullmatch(text) and int(text) in _INTEGERS[form] else None
    if form is Form.DECIMAL:
        return plain_number(text)
    if form is Form.UUID:
        return text if is_guid(text) else None
    if form is Form.PADDED:
        return text.rstrip(" ")
    return _lowered(text, form) if form in {Form.CASELESS, Form.FOLDED} and is_folded else text


def _lowered(text: str, form: Form) -> str | None:
    """Put ASCII letters in lower case; an I with its dot apart is the letter that has one, as everywhere after NFC."""
    text = text.replace(*DOTTED).translate(_ASCII_LOWER)
    if form is Form.CASELESS:  # a database takes such an I for an i
        return None if "i\u0307" in text else text
    return None if _STANDS_IN.search(text) else text.translate(_STANDING_IN)


_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_CAPITALS = {"ß": "ẞ"}
_STANDING_IN = str.maketrans(UNCERTAIN)
_STANDS_IN = re.compile(f"[{''.join(UNCERTAIN.values())}]")


def _small(text: str) -> str:
    return "".join(letter if letter in UNCERTAIN else letter.lower() for letter in text) if not text.isascii() else text.lower()


def _capital(text: str) -> str:
    """Return the capital letters that `_small` makes these small ones of: not SS of ß."""
    if text.isascii():
        return text.upper()
    capitals = (_CAPITALS.get(letter) or letter.upper() for letter in text)
    return "".join(upper if _small(upper) == letter else letter for letter, upper in zip(text, capitals, strict=True))


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
