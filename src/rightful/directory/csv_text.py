"""Reads the text of a CSV file (RFC 4180) of people into rows; whole, or not at all.

Messages name lines and columns, never a value.
"""

import csv
import io
from collections.abc import Collection, Iterator, Sequence

from rightful.directory.place import SOURCE_NAME
from rightful.errors import SourceRefused
from rightful.ids import is_guid
from rightful.subject.matching import normalise

TextRow = tuple[str | None, ...]
"""A value for each wanted column: in NFC, without blanks around it; None where there is nothing."""


def read_rows(
    content: bytes, *, file: str, columns: Sequence[str], delimiter: str, unique: str = "", lowered: Collection[str] = ()
) -> list[TextRow]:
    """Return the wanted columns of all rows.

    Args:
        content: the file: UTF-8, with or without a byte order mark, its first line the names of the columns.
        file: what messages call it.
        columns: which columns are wanted; others are not kept.
        delimiter: what stands between two values.
        lowered: columns whose values are wanted in lower case.
        unique: the column that names a row; no two may have the same there, and none nothing.
    """
    lines = _lines(_text(content, file), file, delimiter)
    _, header = next(lines, (1, []))
    names = [normalise("", name) for name in header]
    folded = [name.casefold() for name in names if name]
    if len(set(folded)) < len(folded):
        raise refused(file, "line 1 names a column twice", "give each column a name of its own, letter case apart")
    for column in columns:
        if column not in names:
            # What line 1 has is not shown: in a file without names of columns it is a person.
            said = f"there is no column {column!r}: line 1 has {len(names)} names, and this is none of them"
            raise refused(file, said, "line 1 names the columns, letter case counts; is `delimiter` what stands between them?")
    places = [names.index(column) for column in columns]
    rows: list[TextRow] = []
    seen: dict[str, int] = {}
    for number, values in lines:
        if len(values) != len(names):
            said = f"line {number} has {len(values)} values, line 1 has {len(names)}"
            raise refused(file, said, "a value with the delimiter or a line break in it stands in quotation marks")
        row = tuple(_value(values[place], is_lowered=column in lowered) for column, place in zip(columns, places, strict=True))
        if unique:
            _note(row[columns.index(unique)], number, seen, file, unique)
        rows.append(row)
    return rows


def _value(text: str, *, is_lowered: bool) -> str | None:
    return normalise("mail" if is_lowered else "", text) or None


def refused(file: str, said: str, hint: str) -> SourceRefused:
    """Make the error that a file is not usable as it is."""
    return SourceRefused(f"source {SOURCE_NAME!r}: file {file!r}: {said}", source_name=SOURCE_NAME, hint=hint)


def _text(content: bytes, file: str) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise refused(file, f"line {line} is not UTF-8", "save it as UTF-8") from None
    if "\x00" in text:
        raise refused(file, f"line {text.count(chr(10), 0, text.index(chr(0))) + 1} holds a NUL character", "save it as UTF-8 text")
    return text


def _lines(text: str, file: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the number of its first line; blank lines are none."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 1
    try:
        for values in reader:
            if values:
                yield number, values
            number = reader.line_num + 1
    except csv.Error:
        raise refused(file, f"line {number} is not CSV", "a quotation mark within a quoted value is doubled; a value has an end") from None


def _note(value: str | None, number: int, seen: dict[str, int], file: str, column: str) -> None:
    if value is None:
        raise refused(file, f"line {number} has nothing in column {column!r}", "it names the person: give each row one of its own")
    key = value.lower() if is_guid(value.lower()) else value
    if (first := seen.setdefault(key, number)) != number:
        raise refused(file, f"lines {first} and {number} have the same in column {column!r}", "it names the person: one row for each")
