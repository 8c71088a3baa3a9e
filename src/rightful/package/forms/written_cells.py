"""A part's lines taken apart: each value as it is written there."""

from collections.abc import Iterator, Sequence

import msgspec

from rightful.package.json_text import split_members
from rightful.package.schema import Column

NULL = b"null"

_decode_text = msgspec.json.Decoder(str).decode
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def written_rows(columns: Sequence[Column], lines: bytes) -> Iterator[list[bytes]]:
    """Yield each line's values in the columns' order, as JSON: `null`, `12`, `"a"`, `{"b":[1.50]}`."""
    names = [column.name for column in columns]
    for line in lines.split(b"\n")[:-1]:
        members = _members(line)
        yield [members[name] for name in names]


def text_of(value: bytes) -> str:
    """Return the text of a JSON string."""
    return _decode_text(value)


def _members(line: bytes) -> dict[str, bytes]:
    try:
        return {name: bytes(value) for name, value in _decode_members(line).items()}
    except (msgspec.DecodeError, RecursionError):  # a document of the source that msgspec refuses and the grammar allows
        return {name: value.encode() for name, value in split_members(line.decode()).items()}
