"""Finds the messages in an mbox file: bytes in, offsets out.

A message begins behind a line that begins with `From ` and holds a date (RFC 4155), as mutt and Dovecot know it, so that a sentence in a
letter begins none. A file whose first such line holds no date is by a program that writes none: there, each `From ` line behind an empty
line begins one. The empty line before the next message belongs to the format, not to the message.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

WINDOW_BYTES = 1 << 20
CHUNK_BYTES = 1 << 18
MAX_LINE_BYTES = 1_000
"""A `From ` line that is longer is none (RFC 5322: 998 characters), and so is a line with more `>` before its `From `."""

_DAY = rb"(?:Sun|Mon|Tue|Wed|Thu|Fri|Sat),? +"
_MONTH = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_TIME = rb"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?"
_DATED = re.compile(
    rb"From (?:[^\n]{0,998}? )??"
    + _DAY
    + rb"(?:"
    + _MONTH
    + rb" +[0-9]{1,2} +"
    + _TIME
    + rb"(?: +[^ \n]{1,9}){0,2} +[0-9]{4}"
    + rb"|[0-9]{1,2} +"
    + _MONTH
    + rb" +[0-9]{2,4} +"
    + _TIME
    + rb")(?![0-9])"
)
_BLANK = re.compile(rb"(?:\r?\n)*")
_QUOTED = {
    "mboxo": re.compile(rb"\n>(?=From )"),
    "mboxrd": re.compile(rb"\n>(?=>{0,998}From )"),
}

_DECIDED_BYTES = 1_010
"""So many bytes of a line are enough to know whether it is quoted."""

Read = Callable[[int, int], bytes]
"""Reads at an offset; less than was asked for only at the end."""


class Span(NamedTuple):
    """Where a message lies, without its `From ` line; with the empty line before the next one."""

    start: int
    end: int


class Windows:
    """Reads what lies in the window that was read last out of that: a message mostly lies where its end was found."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._start = self._end = 0
        self._window = b""

    def __call__(self, offset: int, length: int) -> bytes:
        """Read as `Read` does."""
        end = offset + length
        if self._start <= offset and end <= self._end:
            return self._window[offset - self._start : end - self._start]
        found = self._read(offset, length)
        if end > self._end:
            self._start, self._end, self._window = offset, offset + len(found), found
        return found


class NotMbox(ValueError):
    """The file does not begin as an mbox does."""


def spans(read: Read, size: int) -> Iterator[Span]:
    """Yield the messages in the first `size` bytes, in order; the last one may have been cut off.

    Raises `NotMbox` where the file holds something and no message at its beginning.
    """
    head = read(0, min(size, WINDOW_BYTES))
    blank = _BLANK.match(head)
    begin = blank.end() if blank else 0
    if begin == len(head):
        return
    line = head[begin : begin + MAX_LINE_BYTES].partition(b"\n")[0]
    if not line.startswith(b"From "):
        raise NotMbox
    is_dated = _DATED.match(line) is not None
    start = min(size, begin + len(line) + 1)
    for separator, behind in _separators(read, start, size, is_dated=is_dated):
        yield Span(start, separator)
        start = behind
    yield Span(start, size)


def _separators(read: Read, start: int, size: int, *, is_dated: bool) -> Iterator[tuple[int, int]]:
    """Yield the offset of each `From ` line that begins a message behind `start`, and the offset behind the line."""
    offset = start - 1  # the line feed that ends the line before
    while offset < size:
        window = read(offset, min(size - offset, WINDOW_BYTES + MAX_LINE_BYTES))
        is_last = offset + len(window) >= size
        reach = len(window) if is_last else WINDOW_BYTES
        place = window.find(b"\nFrom ")
        while 0 <= place < reach:
            stop = window.find(b"\n", place + 1, place + 1 + MAX_LINE_BYTES)
            if stop < 0 and is_last and len(window) - place <= MAX_LINE_BYTES:
                stop = len(window)
            if stop >= 0 and (
                _DATED.match(window, place + 1, stop) if is_dated else read(max(0, offset + place - 2), 2).endswith((b"\n", b"\n\r"))
            ):
                yield offset + place + 1, min(size, offset + stop + 1)
            place = window.find(b"\nFrom ", place + 1)
        if not window:
            return
        offset += reach


def content(read: Read, span: Span, *, unquote: str) -> Iterator[bytes]:
    """Yield a message in chunks, none empty, without the empty line that the format puts behind it."""
    chunks = _chunks(read, Span(span.start, _without_blank(read, span)))
    return unquoted(chunks, unquote) if unquote in _QUOTED else chunks


def whole(read: Read, span: Span, *, unquote: str) -> bytes:
    """Return a message at once, as `content` yields it."""
    text = read(span.start, span.end - span.start)
    if text.endswith(b"\n\r\n") or text == b"\r\n":
        text = text[:-2]
    elif text.endswith(b"\n\n") or text == b"\n":
        text = text[:-1]
    if unquote in _QUOTED and b">From " in text:
        return _QUOTED[unquote].sub(b"\n", b"\n" + text)[1:]
    return text


def _without_blank(read: Read, span: Span) -> int:
    length = min(3, span.end - span.start)
    tail = read(span.end - length, length)
    if tail in {b"\n\r\n", b"\r\n"}:
        return span.end - 2
    return span.end - 1 if tail == b"\n" or tail.endswith(b"\n\n") else span.end


def _chunks(read: Read, span: Span) -> Iterator[bytes]:
    offset = span.start
    while offset < span.end:
        chunk = read(offset, min(span.end - offset, CHUNK_BYTES))
        if not chunk:
            return  # cut off meanwhile: whoever reads it sees that it is another one
        offset += len(chunk)
        yield chunk


def unquoted(chunks: Iterable[bytes], how: str) -> Iterator[bytes]:
    """Yield a text without the `>` that its writer put before `From ` at the beginning of lines: the only one, or one of several."""
    pattern = _QUOTED[how]
    held = b"\n"  # as if a line had ended before the first one
    drop = 1
    for chunk in chunks:
        held += chunk
        cut = held.rfind(b"\n")
        if cut < 0 or len(held) - cut > _DECIDED_BYTES:
            cut = len(held)  # what comes decides nothing about the line that has begun
        if cut:
            text = pattern.sub(b"\n", held[:cut])
            if len(text) > drop:
                yield text[drop:]
            drop, held = 0, held[cut:]
    rest = pattern.sub(b"\n", held)[drop:]
    if rest:
        yield rest
