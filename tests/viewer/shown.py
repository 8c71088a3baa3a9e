"""What a page shows of a text, by the words of docs/reference/package-format.md: told here a second time, apart from the page's own code."""

import re

_CELL_UNITS = 240
_ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufff9-\ufffb]")


def named(text: str) -> str:
    """Return a text in which whatever would act instead of being seen is named."""
    return _ACTING.sub(lambda found: f"U+{ord(found[0]):04X}", text)


def in_cell(text: str) -> str:
    """Return what a table shows of a text: the first 240 units of UTF-16, and no half character."""
    units = text.encode("utf-16-le", "surrogatepass")
    is_cut = len(units) > 2 * _CELL_UNITS
    begun = units[: 2 * _CELL_UNITS].decode("utf-16-le", "ignore") + "…" if is_cut else text
    return named(begun) or "empty text"


def whole(text: str) -> str:
    """Return what a record by itself shows of a text."""
    return named(text) or "empty text"
