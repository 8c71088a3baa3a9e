"""Finding in a text what names other people than the subject, and withholding it (GDPR Art. 15(4)). Texts in, texts out.

Both rules fail closed: what cannot be shown to be the subject's own is withheld. Nothing here looks further than a cell, and all of it
takes time in proportion to the text, whatever is in it: texts come from anybody.
"""

import re
import unicodedata
from collections.abc import Callable

from rightful.subject.own import LEAST_PHONE_DIGITS, Own

PERSON = "[withheld: another person]"
MAIL = "[withheld: mail address]"
PHONE = "[withheld: phone number]"

Withhold = Callable[[str, Own], tuple[str, int]]
"""Returns a text without what names others, and how many names were withheld; the same text where none was."""

# -- mail addresses -------------------------------------------------------------------------------------------------------
_SIGN = r"@\uff20\ufe6b"
_AT = rf"(?:[{_SIGN}]|%40|&(?:#0{{0,6}}64|#[xX]0{{0,6}}40|commat);|\\u0040)"
"""@, its other forms in Unicode, and how URLs, HTML and JSON write it."""
_BETWEEN = r"\s<>()\[\]{},;:\"|\u3000-\u3002\uff08\uff09\uff0c\uff1a-\uff1c\uff1e\uff01\uff1f\u300c\u300d\u201c-\u201e\u00ab\u00bb"
"""What stands between words and in no address, quoted parts apart (RFC 5321, 4.1.2)."""
_RARE = "!#$%&'*/=?^`{|}~\\"
"""What RFC 5321 allows in an address, and mostly belongs to the text beside one: a URL, quotation marks, markup."""
_WITHIN_NAMES = "'`\u00b4\u2018\u2019"
"""Quotation marks that are part of a name between two letters of it (o'brien@…)."""
_OF_WORDS = frozenset({"Lu", "Ll", "Lt", "Lm", "Mn", "Mc", "Me", "Nd"})
_AT_SIGN = re.compile(_AT)
_RUN = re.compile(
    # Characters that may be an address or hold some, with a literal domain behind.
    rf"(?:[^&{_BETWEEN}]++|&(?:#0{{0,6}}64|#[xX]0{{0,6}}40|commat);|&)++(?:(?<=[{_SIGN}])\[[^\]\s]{{1,64}}\])?"
)
_DOMAIN = re.compile(rf"\[[^\]\s]*\]|[^{_SIGN}{re.escape(_RARE)}]*")
_LONGEST = 320
"""Characters of the longest address (RFC 5321, 4.5.3.1)."""
_LONGEST_QUOTED = 66
"""Characters of a quoted local part, with its quotation marks."""
_MOST_TRIED = 8
"""Beginnings and ends of an address that are tried: more are in no honest text."""


def withhold_contacts(text: str, own: Own) -> tuple[str, int]:
    """Withhold the mail addresses and telephone numbers of a free text that are not the subject's own."""
    pieces: list[str] = []
    count = end = 0
    for start, stop, is_own in _addresses(text, own):
        between, numbers = _withhold_numbers(text[end:start], own)
        pieces += [between, text[start:stop] if is_own else MAIL]
        count += numbers + (not is_own)
        end = stop
    rest, numbers = _withhold_numbers(text[end:], own)
    count += numbers
    return ("".join((*pieces, rest)), count) if count else (text, 0)


def _addresses(text: str, own: Own) -> list[tuple[int, int, bool]]:
    """Return (start, end, whether it is the subject's own) of each mail address, in order."""
    found: list[tuple[int, int, bool]] = []
    for match in _RUN.finditer(text) if _AT_SIGN.search(text) else ():
        run, offset, end = match[0], match.start(), 0
        for at in _AT_SIGN.finditer(run):
            domain = _DOMAIN.match(run, at.end())
            start, stop = end, at.end() + len(_without_end(domain[0] if domain else ""))
            quoted = _quoted_start(text, offset) if at.start() == 0 else offset
            if stop == at.end() or (at.start() <= start and quoted == offset):
                continue  # nothing behind it, or nothing before it: no address
            own_part = _own_part(run[start : at.start()], run[at.end() : stop], own) if quoted == offset else None
            if own_part is not None:
                start, stop = start + own_part[0], at.end() + own_part[1]
            if quoted < offset:
                start = quoted - offset
                while found and found[-1][1] > quoted:  # what was found in the quotation marks
                    start = min(start, found.pop()[0] - offset)
            found.append((offset + start, offset + stop, own_part is not None))
            end = stop
    return found


def _quoted_start(text: str, end: int) -> int:
    """Return where the quoted local part starts (`"bob smith"@x.example`) that ends at `end`; `end` where none does."""
    start = text.rfind('"', max(0, end - _LONGEST_QUOTED), end - 1) if text.endswith('"', 0, end) else -1
    return end if start < 0 else start


def _without_end(domain: str) -> str:
    """Leave off what ends a sentence or a quotation rather than a domain."""
    end = len(domain)
    while end and not (domain[end - 1] == "]" or unicodedata.category(domain[end - 1])[0] in "LMN"):
        end -= 1
    return domain[:end]


def _own_part(local: str, domain: str, own: Own) -> tuple[int, int] | None:
    """Return where in `local` the subject's own address starts and where in `domain` it ends; None where there is none."""
    first = max(0, len(local) - _LONGEST)
    starts = [place for place in range(first, len(local)) if not place or _may_start(local, place)]
    ends = [place for place in range(1, min(len(domain), _LONGEST)) if domain[place - 1].isascii() and _has_no_case(domain[place])]
    for start in starts[: _MOST_TRIED // 2] + starts[-_MOST_TRIED // 2 :]:
        for end in (len(domain), *ends[:_MOST_TRIED]):
            if own.names(f"{local[start:]}@{domain[:end]}"):
                return start, end
    return None


def _may_start(local: str, place: int) -> bool:
    """Say whether an address may start here, after what belongs to the text around it."""
    before = local[place - 1]
    if before in _WITHIN_NAMES:
        return place == 1 or not local[place - 2].isalnum()
    return before in _RARE or (_has_no_case(before) and local[place].isascii())


def _has_no_case(character: str) -> bool:
    """Say whether a character may stand beside an address without a blank, as in Chinese: no letter with an accent is one."""
    return not character.isascii() and unicodedata.category(character) not in _OF_WORDS


# -- telephone numbers ----------------------------------------------------------------------------------------------------
_GAP = r"[ \t\u00a0\u2000-\u200d\u202f\u2060\u3000.()/\-\u2010-\u2015\u2212\u00b7]{0,4}+"
_HAS_NUMBER = re.compile(rf"\d(?:{_GAP}\d){{{LEAST_PHONE_DIGITS - 1}}}")
_NUMBER = re.compile(
    # What is no number, and would be taken for one: a UUID, a day (and a time), whole.
    r"(?P<kept>(?<![0-9A-Za-z-])[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}(?![0-9A-Za-z-])"
    r"|(?<![\d.()/+-])(?:(?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])|[0-3]?\d([./])[0-3]?\d\2(?:19|20)\d\d)(?![./-]?\d)"
    r"(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?(?!\d))?)"
    rf"|[+\uff0b]?\(?\d(?:{_GAP}\d){{{LEAST_PHONE_DIGITS - 1},}}+"
)


def _withhold_numbers(text: str, own: Own) -> tuple[str, int]:
    if not _HAS_NUMBER.search(text):
        return text, 0
    count = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal count
        if match["kept"] or own.has_number(match[0]):
            return match[0]
        count += 1
        return PHONE

    return _NUMBER.sub(replace, text), count


# -- cells that name people -----------------------------------------------------------------------------------------------
_SEPARATORS = r",;\r\n\t\v\f\x1c-\x1e\x85\u2028\u2029\u060c\u061b\u3001\uff0c\uff1b"
_ITEM = re.compile(rf'(?:"(?:[^"\\]|\\.)*+"|<[^<>]*+>|[^{_SEPARATORS}"<]++|["<])++')
"""One of a list: mail headers separate by commas, address books by semicolons, tables by tabs; those of other scripts are such, too."""
_NAMED = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]*)>")
_JOINING = "&/\\*:;\u2013\u2014\u00a6\u2022"
"""What, beside signs as of addition, puts two names together, and stands in none."""


def withhold_others(text: str, own: Own) -> tuple[str, int]:
    """Withhold whatever a cell that names people says, but the subject's own identifiers.

    The cell is one name, or a list separated by commas, semicolons or ends of lines. `Name <address>` is the subject's where the address
    is; a name that looks like several is withheld.
    """
    if not text.strip() or own.names(text):
        return text, 0
    count = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal count
        item = match[0].strip()
        if not item:
            return match[0]
        kept, others = _kept(item, own)
        count += others
        start = match[0].index(item)
        return match[0][:start] + kept + match[0][start + len(item) :]

    replaced = _ITEM.sub(replace, text)
    return (replaced, count) if count else (text, 0)


def _kept(item: str, own: Own) -> tuple[str, int]:
    """Return what may stay of one of a list: the subject's own with its name, in which others' addresses may hide."""
    if own.names(item) or own.names(item.strip("\"'")):
        return item, 0
    named = _NAMED.fullmatch(item)
    if named is None or not own.names(named["address"].strip()):
        return PERSON, 1
    if any(each in _JOINING or unicodedata.category(each) == "Sm" for each in unicodedata.normalize("NFKC", named["name"])):
        return f"{PERSON} {item[named.end('name') :]}", 1
    name, count = withhold_contacts(named["name"], own)
    return name + item[named.end("name") :], count
