"""What the header of a message says, whatever somebody wrote into it: bytes in, text out, and nothing raised.

Bounded by the caller: a header is looked at as far as it is given. Text is decoded as far as it can be (RFC 2047; bytes above ASCII are
UTF-8 or else Windows-1252, as most that are neither labelled nor UTF-8 are); what cannot be becomes U+FFFD or `?`.
"""

import base64
import binascii
import codecs
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_tz
from functools import lru_cache
from types import MappingProxyType

_NAMES = ("date", "from", "to", "cc", "bcc", "subject", "message-id", "status", "x-status")
_SPELT = {spelt.encode(): name for name in _NAMES for spelt in (name, name.capitalize(), name.title(), name.upper())} | {
    b"Message-ID": "message-id"
}
"""As they are mostly written; others are looked for in lower case."""
_INITIALS = frozenset(spelt[:1] for spelt in _SPELT)
_BLANKS = frozenset({b" ", b"\t"})
_FOLD = re.compile(rb"\r?\n[ \t]+")
_HALF = re.compile(rb"(?:[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2})\Z")
"""The beginning of a character of UTF-8, where the bytes end in the middle of one."""
_WORD = re.compile(r"=\?([!->@-~]{1,80})\?([BbQq])\?([ !->@-~]*)\?=")
_RUN = re.compile(r"=\?[!->@-~]{1,80}\?[BbQq]\?[ !->@-~]*\?=(?:[ \t]+=\?[!->@-~]{1,80}\?[BbQq]\?[ !->@-~]*\?=)*")
_DATE = re.compile(
    r"(?:[A-Za-z]{3}, ?)?([0-9]{1,2}) ([A-Z][a-z]{2}) ([0-9]{4}) ((?:[01][0-9]|2[0-3]):[0-5][0-9])(?::([0-9]{2}))? "
    r"([+-](?:[01][0-9]|2[0-3])[0-5][0-9])(?![0-9])"
)
_MONTHS = {
    name: f"{number:02}"
    for number, name in enumerate(("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1)
}
_DATE_CHARACTERS = 200
_CONTROLS = dict.fromkeys((*range(32), *range(127, 160)), " ")
_ODD_CODECS = frozenset({"idna", "punycode", "raw_unicode_escape", "undefined", "unicode_escape", "mbcs", "oem"})
"""Python's own, which no mail program means."""
_REPEATED = MappingProxyType({"to": ", ", "cc": ", ", "bcc": ", ", "from": ", ", "status": "", "x-status": ""})
"""Fields that count each time they come, and what stands between; of others the first counts."""


def fields(head: bytes, *, is_cut: bool = False) -> Mapping[str, str]:
    """Return the header fields that an index has, by their lower-case names; `is_cut` says that more of the message follows."""
    end = _end(head)
    if is_cut and end < 0:  # the rest of a character's bytes would make all of its field Windows-1252
        head = _HALF.sub(b"", head)
    found: dict[str, str] = {}
    lines = (head if end < 0 else head[:end]).split(b"\n")
    lines.append(b"")
    for number, line in enumerate(lines):
        if line[:1] not in _INITIALS:
            continue
        before, colon, value = line.partition(b":")
        name = _SPELT.get(before) or _SPELT.get(before.rstrip(b" \t").lower())
        if name is None or not colon or (name in found and name not in _REPEATED):
            continue
        if lines[number + 1][:1] in _BLANKS:
            behind = next(later for later in range(number + 2, len(lines)) if lines[later][:1] not in _BLANKS)
            value = b"\n".join((value, *lines[number + 1 : behind]))
        text = text_of(value.lstrip(b" \t"))
        found[name] = found[name] + _REPEATED[name] + text if name in found else text
    return found


def _end(head: bytes) -> int:
    """Return where the line feed before the empty line is that ends a header, 0 where that comes first; negative where there is none."""
    if head.startswith((b"\n", b"\r\n")):
        return 0
    end = head.find(b"\n\n")
    before = head.find(b"\n\r\n") if end < 0 else head.find(b"\n\r\n", 0, end + 1)
    return end if before < 0 else before


def text_of(raw: bytes) -> str:
    """Decode the value of a header field."""
    if b"\n" in raw:
        raw = _FOLD.sub(b" ", raw)
    text = raw.decode("ascii") if raw.isascii() else _unlabelled(raw)
    if "=?" in text:
        text = _RUN.sub(_decode_run, text)
    if not text.isprintable():
        text = text.translate(_CONTROLS)
    return text.strip()


def _unlabelled(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def _decode_run(run: re.Match[str]) -> str:
    """Decode encoded words that follow each other: where a character is split over two of one charset, they are put together first."""
    pieces: list[tuple[str, bytes]] = []
    for charset, encoding, text in _WORD.findall(run[0]):
        name, raw = charset.partition("*")[0].lower(), _decode_word(encoding, text)
        if pieces and pieces[-1][0] == name:
            pieces[-1] = (name, pieces[-1][1] + raw)
        else:
            pieces.append((name, raw))
    return "".join(_decode_as(name, raw) for name, raw in pieces)


def _decode_word(encoding: str, text: str) -> bytes:
    if encoding in "Qq":
        return binascii.a2b_qp(text, header=True)
    letters = re.sub(r"[^A-Za-z0-9+/]", "", text)
    letters = letters[: len(letters) - (len(letters) % 4 == 1)]
    return base64.b64decode(letters + "=" * (-len(letters) % 4))


def _decode_as(charset: str, raw: bytes) -> str:
    name = _codec(charset)
    if not name:
        return _unlabelled(raw)
    # A decoder may give lone surrogates (UTF-7), which have no UTF-8.
    return raw.decode(name, "replace").encode("utf-8", "replace").decode()


@lru_cache(256)
def _codec(charset: str) -> str:
    """Return the name of a charset's codec; nothing where it is unknown, or no charset."""
    try:
        "".encode(charset)  # refuses what is no codec of text
        name = codecs.lookup(charset).name
    except (LookupError, ValueError, UnicodeError):
        return ""
    return "" if name.replace("-", "_") in _ODD_CODECS else name


def instant_of(text: str) -> datetime | None:
    """Return the instant that a `Date:` field names; None where it names none. Without a zone it is UTC (RFC 5322 3.3)."""
    with suppress(ValueError, OverflowError, TypeError, LookupError):  # what parsedate_tz and datetime raise on what is no date
        found = _DATE.match(text)
        if found is not None:
            day, month, year, clock, second, zone = found.groups()
            text = f"{year}-{_MONTHS[month]}-{day:0>2}T{clock}:{min(second or '00', '59')}{zone}"
            return datetime.fromisoformat(text).astimezone(UTC)
        parsed = parsedate_tz(text[:_DATE_CHARACTERS])
        if parsed is not None:
            moment = datetime(*parsed[:5], min(parsed[5], 59), tzinfo=UTC)
            return moment - timedelta(seconds=parsed[9] or 0)
    return None
