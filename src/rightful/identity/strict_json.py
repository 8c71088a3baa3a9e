"""JSON read strictly: one UTF-8 text, no member twice, no NaN, nothing nested deeper than 32 levels.

Token libraries and most parsers take the last of two equal members, so two readers of one text can see two different things
(a token with two `tid` members passes every one of them). Here such a text is no JSON.
"""

import json
import re
from typing import NoReturn

MAX_DEPTH = 32

_MAX_DIGITS = 1000
# A string (it may not end), or a bracket. Bytes of a longer UTF-8 sequence are none of these.
_MARK = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', re.DOTALL)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is given twice")
    return members


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise ValueError("a number is too long")
    return int(text)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_integer, parse_constant=_refuse_constant)


def _check_depth(raw: bytes) -> None:
    """Raise `ValueError` for a text that is nested too deep, before anything recurses over it."""
    if raw.count(b"{") + raw.count(b"[") <= MAX_DEPTH:
        return
    depth = 0
    for mark in _MARK.finditer(raw):
        first = mark[0][:1]
        depth += (first in b"[{") - (first in b"]}")
        if depth > MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH} levels")


def parse(raw: bytes) -> object:
    """Return the value that the text says; raises `ValueError`, whose text never quotes the input.

    Objects are dicts, numbers are int or float. A byte order mark is passed over (RFC 8259 8.1 allows that).
    """
    _check_depth(raw)
    try:
        return _decoder.decode(raw.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at character {error.pos}") from None  # its own text holds the document
    except UnicodeDecodeError as error:
        raise ValueError(f"no UTF-8 at byte {error.start}") from None  # likewise


def parse_object(raw: bytes) -> dict[str, object]:
    """Return a JSON object's members; raises `ValueError` for any other value too."""
    value = parse(raw)
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - callers treat every bad text alike
    return value
