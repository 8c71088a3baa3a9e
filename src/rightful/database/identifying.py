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
    INTEGER = "integer"
    DECIMAL = "decimal"
    UUID = "uuid"


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


_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,999})(\.[0-9]{1,999})?")
_INT64 = range(-(2**63), 2**63)


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

    An identifier that no value of the column can be equal to ("abc", or "007" in a column of integers) is left out.
    """
    found: dict[str, None] = {}
    for identifier in identifiers:
        if not is_usable(kind, identifier):
            continue
        for text in _spellings(kind, identifier):
            shaped = _shape(text, form, is_folded=kind in FOLDED_KINDS)
            if shaped is not None:
                found[shaped] = None
    return tuple(found)


def _spellings(kind: str, identifier: str) -> Iterator[str]:
    plain = identifier.strip()
    spellings = [identifier] if plain == identifier else [identifier, plain]
    if not plain.isascii():
        spellings += [unicodedata.normalize("NFC", plain), unicodedata.normalize("NFD", plain)]
    if kind in FOLDED_KINDS:
        spellings += [text.lower() for text in spellings]
    if len(spellings) == 1:
        yield identifier
        return
    meant = normalise(kind, identifier)
    yield from (text for text in spellings if normalise(kind, text) == meant)


def _shape(text: str, form: Form, *, is_folded: bool) -> str | None:
    """Return the text as a column of this form would have it, None where it cannot have it."""
    if "\x00" in text or (not text.isascii() and not _is_encodable(text)):
        return None
    if form is Form.INTEGER:
        return text if _INTEGER.fullmatch(text) and int(text) in _INT64 else None
    if form is Form.DECIMAL:
        return text if _DECIMAL.fullmatch(text) else None
    if form is Form.UUID:
        return text if is_guid(text) else None
    if form is Form.PADDED:
        return text.rstrip(" ")
    return _ascii_lower(text) if form is Form.CASELESS and is_folded else text


_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def _ascii_lower(text: str) -> str:
    return text.translate(_ASCII_LOWER)


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
