"""The statement as packages show it: what it says to many people is put together once.

Of one person it says in which systems something was found, and of which kinds; all else is the operator's. So those of whom the same
kinds were found in the same systems are told the same, but for names and times, which stand in statement.json alone.
"""

from collections.abc import Mapping
from functools import lru_cache

import msgspec

from rightful.language import ENGLISH
from rightful.package.statement import document, text
from rightful.package.statement.model import Stated, Statement
from rightful.package.statement.words import excerpt

_KEPT = 64
"""Some 50 kB each."""


class Composed(msgspec.Struct, frozen=True, kw_only=True):
    """What the documents of a package take of a statement."""

    text: bytes
    """STATEMENT.txt."""
    sections: msgspec.Raw
    words: msgspec.Raw
    """What is said in the sections, in every language."""
    facts: Mapping[str, msgspec.Raw]
    """By source: what is stated on it."""
    purposes: Mapping[str, msgspec.Raw]


def compose(statement: Statement, *, language: str) -> Composed:
    """Put a statement together; STATEMENT.txt in a language, English where it is empty."""
    return _composed(msgspec.json.encode(_of_anybody(statement)), language or ENGLISH)


@lru_cache(_KEPT)
def _composed(stated: bytes, language: str) -> Composed:
    statement = msgspec.json.decode(stated, type=Statement)
    sections = document.document(statement)
    return Composed(
        text=text.format_text(sections, language=language),
        sections=_raw(sections),
        # What a source's facts and its purpose say is said in the sections too.
        words=_raw(excerpt(message for each in sections for message in document.messages(each))),
        facts={source.name: _raw(document.stated_facts(source)) for source in statement.sources},
        purposes={source.name: _raw(document.purposes(source)) for source in statement.sources},
    )


def _of_anybody(statement: Statement) -> Statement:
    sources = tuple(_counted_out(source) for source in statement.sources)
    return msgspec.structs.replace(statement, operation_id="", subject_id="", submitted_at="", completed_at="", sources=sources)


def _counted_out(source: Stated) -> Stated:
    return msgspec.structs.replace(source, rows=0, files=0)


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
