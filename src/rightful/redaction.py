"""The last net: takes out of a text what looks like a secret, and makes it safe to show on a terminal.

Code is written so that secrets do not get as far as this (DESIGN rule 6); this is for what a library says that we did not write.
"""

import re

HIDDEN = "***"

_VALUE = r"[^\s\"'<>\\&]+"
_SECRETS = (
    # A query string with a signature goes as a whole: its other parts help whoever wants to forge one.
    (re.compile(r"\?[^\s\"'<>\\]*\bsig(?:=|%3D)[^\s\"'<>\\]*", re.IGNORECASE), f"?{HIDDEN}"),
    (re.compile(rf"(?:\b|(?<=%3F)|(?<=%26))sig(=|%3D){_VALUE}", re.IGNORECASE), rf"sig\1{HIDDEN}"),
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), rf"\1 {HIDDEN}"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){1,4}"), HIDDEN),
    (re.compile(r"(://)[^\s/@\"'<>\\]+@"), rf"\1{HIDDEN}@"),
    (re.compile(rf"\b(password|passwd|pwd|secret|access_token|api_?key|client_secret)(\s*=\s*){_VALUE}", re.IGNORECASE), rf"\1\2{HIDDEN}"),
)

# C0 and C1 controls, line separators, the marks that make text run the other way round, and what is not seen at all.
_CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)


def redact(text: str) -> str:
    """Replace signatures, tokens and passwords in a text by `***`."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


_DIGITS = {"x": 2, "u": 4, "U": 8}


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    width = "x" if code <= 0xFF else "u" if code <= 0xFFFF else "U"  # noqa: PLR2004 - as Python writes them
    return {9: "\\t", 10: "\\n", 13: "\\r"}.get(code) or f"\\{width}{code:0{_DIGITS[width]}x}"


def printable(text: str) -> str:
    """Return a text on one line: control characters, reordering marks and lone surrogates are written out."""
    return _CONTROLS.sub(_escape, text)
