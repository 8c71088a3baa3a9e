"""The types that a record's values keep on their way from a source into a package."""

import enum
from typing import Literal

import msgspec

Redaction = Literal["others", "mails_and_phones", "drop", "hash"]
"""What a rule does with a column's values before they are delivered (docs/reference/redaction.md)."""

TAKING: frozenset[Redaction] = frozenset({"drop", "hash"})
"""Rules that take values away as a whole: what is left does not show whether a column held anything, nor why."""


class ColumnKind(enum.StrEnum):
    """What a column's values are; each kind has one written form (docs/package-format.md)."""

    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    DECIMAL = "decimal"
    """Written as a JSON string, digits exactly as the source holds them."""
    TEXT = "text"
    DATE = "date"
    TIMESTAMP = "timestamp"
    """Without a zone: written with six digits and no Z."""
    TIMESTAMP_TZ = "timestamp_tz"
    """An instant: written in UTC with six digits and Z."""
    TIME = "time"
    UUID = "uuid"
    BYTES = "bytes"
    """Written as base64."""
    JSON = "json"
    """A JSON document, carried as text in Arrow and written verbatim, nested."""
    NESTED = "nested"
    """An Arrow list, struct or map: written as JSON arrays, objects and [[key, value]] pairs."""


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column of a dataset."""

    name: str
    kind: ColumnKind
    source_type: str = ""
    """The type's name in the source (`timestamptz`, `numeric(10,2)`, …)."""
    redaction: Redaction | None = None
    """The rule that its values went through."""
    is_wrapped: bool = False
    """Whether dates and timestamps are PostgreSQL's as ADBC reads them: infinity and the latest years wrapped around (`values.py`)."""
