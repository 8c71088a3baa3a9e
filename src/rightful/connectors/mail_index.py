"""The index of a mailbox: one row for each message, from its header."""

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from rightful.connectors import mail_headers
from rightful.connectors.interface import MATCH_PREFIX, SUBJECT_COLUMN, MatchColumn, Rows
from rightful.connectors.mail_message import Message
from rightful.package.schema import Column, ColumnKind

COLUMNS = (
    Column(name="folder", kind=ColumnKind.TEXT),
    Column(name="file", kind=ColumnKind.TEXT),
    Column(name="date", kind=ColumnKind.TIMESTAMP_TZ),
    *(Column(name=name, kind=ColumnKind.TEXT) for name in ("from", "to", "cc", "subject", "message_id")),
    Column(name="size_bytes", kind=ColumnKind.INT),
    Column(name="flags", kind=ColumnKind.TEXT),
)
WITH_BCC = (*COLUMNS, Column(name="bcc", kind=ColumnKind.TEXT))
"""Where the messages are delivered too, which have it. Else the index may be redacted, by rules that were written without it."""
_TYPES = {ColumnKind.TEXT: pa.string(), ColumnKind.TIMESTAMP_TZ: pa.timestamp("us", tz="UTC"), ColumnKind.INT: pa.int64()}
_BATCH_ROWS = 4096
_BATCH_CHARACTERS = 1 << 20
"""Each up to four bytes: with what one more row may have, a batch stays below 8 MiB."""
_STATUS = {"R": "seen", "A": "answered", "F": "flagged", "D": "deleted", "T": "draft"}
"""Letters of `Status` and `X-Status`; `O` (old) says nothing about a message."""


class Index:
    """Makes batches of one subject's rows."""

    def __init__(self, subject: int, *, columns: Sequence[Column], match: Mapping[str, str], prefix: str) -> None:
        """Take the columns, what stands in the match columns, by kind of identifier, and what stands before each path."""
        self._subject = subject
        self._columns = columns
        self._match = match
        self._prefix = prefix
        self._rows: list[tuple[object, ...]] = []
        self._characters = 0

    def add(self, message: Message) -> Iterator[Rows]:
        """Take a message; yield a batch where that makes it full."""
        said = mail_headers.fields(message.head, is_cut=len(message.head) < message.size_bytes)
        texts = (said.get("from"), said.get("to"), said.get("cc"), said.get("subject"), said.get("message-id"))
        flags = _status(said) if message.flags is None else message.flags
        path = self._prefix + message.path
        row = (
            _plain(message.folder),
            _plain(path),
            mail_headers.instant_of(said.get("date", "")),
            *texts,
            message.size_bytes,
            flags,
            said.get("bcc"),
        )
        self._rows.append(row)
        self._characters += sum([len(text) for text in (*texts, said.get("bcc")) if text]) + 2 * len(path)
        if len(self._rows) >= _BATCH_ROWS or self._characters >= _BATCH_CHARACTERS:
            yield from self.rest()

    def rest(self) -> Iterator[Rows]:
        """Yield what is left, if anything."""
        if self._rows:
            count = len(self._rows)
            columns = dict(zip((column.name for column in self._columns), zip(*self._rows, strict=True), strict=False))
            arrays = [pa.array(columns[column.name], _TYPES[column.kind]) for column in self._columns]
            arrays.append(pa.repeat(pa.scalar(self._subject, pa.int32()), count))
            arrays += [pa.repeat(value, count) for value in self._match.values()]
            names = [*columns, SUBJECT_COLUMN, *(MATCH_PREFIX + kind for kind in self._match)]
            self._rows, self._characters = [], 0
            yield Rows(pa.RecordBatch.from_arrays(arrays, names=names))


def match_columns(kinds: Sequence[str]) -> tuple[MatchColumn, ...]:
    """Return the columns in which the identifiers stand that a mailbox was found by."""
    return tuple(MatchColumn(batch_column=MATCH_PREFIX + kind, identifier_kind=kind) for kind in dict.fromkeys(kinds))


def _status(said: Mapping[str, str]) -> str:
    letters = said.get("status", "") + said.get("x-status", "")
    if not letters:  # most have neither
        return ""
    return " ".join(dict.fromkeys(_STATUS[letter] for letter in letters if letter in _STATUS))


def _plain(path: str) -> str:
    """Return a path as a text; bytes that are no UTF-8 become `?`."""
    return path if path.isascii() else path.encode("utf-8", "replace").decode()
