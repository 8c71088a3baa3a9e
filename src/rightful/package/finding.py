"""What a check of a package found, as values."""

import enum
import re

import msgspec

_UNSHOWABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class FindingKind(enum.StrEnum):
    """What is wrong with an entry."""

    MISSING = "missing"
    EXTRA = "extra"
    CHANGED = "changed"
    SWAPPED = "swapped"
    """It is another entry's content, or that of another package."""
    OLDER = "older"
    """It is of an earlier package of the same person."""
    UNREADABLE = "unreadable"
    MALFORMED = "malformed"


class Finding(msgspec.Struct, frozen=True, order=True):
    """One thing that is not as it was delivered."""

    kind: FindingKind
    path: str
    """Below the package's root; characters that a terminal would obey are written as escapes."""
    detail: str


def shown(text: str) -> str:
    """Write characters that a terminal would obey, or that can't be encoded, as escapes."""
    return _UNSHOWABLE.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)
