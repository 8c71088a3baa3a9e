"""Reads the text of a CSV file (RFC 4180) of people, row by row; one that is not right ends it.

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
) -> Iterator[TextRow]:
    """Yield the wanted columns of all rows.

    Args:
        content: the file: UTF-8, with or without a byte order mark, its first line the names of the columns.
        file: what messages call it.
        columns: which columns are wanted; others are not kept.
        delimiter: what stands between two values.
        lowered: columns whose values are wanted in lower case.
        unique: the column that names a row; none may have nothing there. `refuse_repeated` tells whether two have the same.
    """
    for number, row in _numbered(content, file, columns, delimiter, lowered):
        if unique and row[columns.index(unique)] is None:
            raise refused(file, f"line {number} has nothing in column {unique!r}", "it names the person: give each row one of its own")
        yield row


def refuse_repeated(content: bytes, *, file: str, column: str, delimiter: str) -> None:
    """Refuse a file in which two rows have the same in a column, of a GUID letter case apart. It remembers all values."""
    seen: dict[str | None, int] = {}
    for number, (value,) in _numbered(content, file, [column], delimiter, ()):
        key = value.lower() if value is not None and is_guid(value.lower()) else value
        if (first := seen.setdefault(key, number)) != number:
            raise refused(file, f"lines {first} and {number} have the same in column {column!r}", "it names the person: one row for each")


def _numbered(content: bytes, file: str, columns: Sequence[str], delimiter: str, lowered: Collection[str]) -> Iterator[tuple[int, TextRow]]:
    """Yield rows with their lines."""
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
    for number, values in lines:
        if len(values) != len(names):
            said = f"line {number} has {len(values)} values, line 1 has {len(names)}"
            raise refused(file, said, "a value with the delimiter or a line break in it stands in quotation marks")
        yield number, tuple(_value(values[place], is_lowered=column in lowered) for column, place in zip(columns, places, strict=True))


def _value(text: str, *, is_lowered: bool) -> str | None:
    return normalise("mail" if is_lowered else "", text) or None


def refused(file: str, said: str, hint: str) -> SourceRefused:
    """Make the error that a file is not usable as it is."""
    return SourceRefused(f"source {SOURCE_NAME!r}: file {file!r}: {said}", source_name=SOURCE_NAME, hint=hint)


def _text(content: bytes, file: str) -> io.TextIOWrapper:
    """Return a text that is right, to be decoded as it is read: as a whole it would be in memory once more."""
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise refused(file, f"line {line} is not UTF-8", "save it as UTF-8") from None
    if b"\x00" in content:
        raise refused(file, f"line {content.count(10, 0, content.index(0)) + 1} holds a NUL character", "save it as UTF-8 text")
    return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")


def _lines(text: io.TextIOWrapper, file: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the number of its first line; blank lines are none."""
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    number = 1
    try:
        for values in reader:
            if values:
                yield number, values
            number = reader.line_num + 1
    except csv.Error:
        raise refused(file, f"line {number} is not CSV", "a quotation mark within a quoted value is doubled; a value has an end") from None
