"""JSON documents (RFC 8259) that are carried as text: whether a text is one, and where the members of an object are.

msgspec decides nearly always; it refuses deep nesting and escapes of lone surrogates, which PostgreSQL's `json` holds and the grammar
allows. Those are looked at again, without recursion.
"""

import json
import re
from collections.abc import Callable, Iterable

import msgspec

_decode = msgspec.json.Decoder(msgspec.Raw).decode
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_SPACE = " \t\n\r"
_TOKEN = re.compile(
    r"[ \t\n\r]*(?:(?P<open>[\[{])|(?P<close>[\]}])|(?P<comma>,)|(?P<colon>:)"
    r'|(?P<string>"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+")'
    r"|(?P<scalar>true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?))[ \t\n\r]*"
)

_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"(?P<space>[ \t\n\r]*+)')
"""In a document that follows the grammar: nowhere else has it a quotation mark."""


def are_documents(texts: Iterable[str]) -> bool:
    """Say whether each text is exactly one JSON document."""
    for text in texts:
        try:
            _decode(text)
        except (msgspec.DecodeError, RecursionError):
            if not _follows_grammar(text):
                return False
    return True


def replace_strings(text: str, replace: Callable[[str, bool], str]) -> str:
    """Return a JSON document in which each string is what `replace` makes of it; all else, and strings that it leaves alone, as they stand.

    `replace` gets the string itself, escapes read, and whether it names a member.
    """

    def one(match: re.Match[str]) -> str:
        value = _read_string(match[0])
        replaced = replace(value, match.string.startswith(":", match.end("space")))
        return match[0] if replaced == value else _write_string(replaced) + match["space"]

    return _STRING.sub(one, text)


def _read_string(text: str) -> str:
    value: str = json.loads(text)  # msgspec refuses escapes of lone surrogates
    return value


def _write_string(value: str) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        return json.dumps(value)  # a lone surrogate: in ASCII, so that it is an escape again


class NameTwice(ValueError):
    """An object has two members of one name: readers differ in which one counts (RFC 8259, 4)."""


def split_members(text: str) -> dict[str, str]:
    """Return the members of a JSON object, values as they stand.

    Raises:
        NameTwice: two of its members have one name.
        ValueError: the text is no object.
    """
    try:
        found = _decode_members(text)
    except (msgspec.DecodeError, RecursionError):
        if not _follows_grammar(text) or not text.lstrip(_SPACE).startswith("{"):
            raise ValueError("not a JSON object") from None
        return _walk_members(text)
    members = {name: bytes(value).decode() for name, value in found.items()}
    # msgspec keeps the last of two. Each member has a colon outside of its value, and of its name: where there are more, one was lost.
    names = "".join(members)
    colons = names.count(":") + "".join(members.values()).count(":")
    if text.count(":") == colons + len(members) and not (":" in names and "\\" in text):
        return members
    return _walk_members(text)


def _walk_members(text: str) -> dict[str, str]:
    members: dict[str, str] = {}
    name, start, depth = "", 0, 0
    for token in _TOKEN.finditer(text):
        depth += {"open": 1, "close": -1}.get(token.lastgroup or "", 0)
        if token.lastgroup == "colon" and depth == 1:
            start = token.end()
        elif token.lastgroup == "string" and depth == 1 and not start:
            name = msgspec.json.decode(token["string"], type=str)
        elif start and (depth == 0 or (token.lastgroup == "comma" and depth == 1)):
            if name in members:
                raise NameTwice("two members have one name")
            members[name] = text[start : token.start()].rstrip(_SPACE)
            start = 0
    return members


def _follows_grammar(text: str) -> bool:
    """Walk over the tokens with a stack of what is open; `wants` is what may come next."""
    open_: list[str] = []
    wants = {"value"}
    position = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            return False
        position = token.end()
        wants = _after(token, wants, open_)
        if not wants:
            return False
    return wants == {"end"}


def _after(token: re.Match[str], wants: set[str], open_: list[str]) -> set[str]:
    """Return what may come after a token, nothing where the token may not come here."""
    kind, text = token.lastgroup or "", token[token.lastgroup or 0]
    if kind == "string" and "key" in wants:
        return {"colon"}
    if ("value" if kind in {"string", "scalar", "open"} else kind) not in wants:
        return set()
    if kind == "open":
        open_.append(text)
        return {"key", "close"} if text == "{" else {"value", "close"}
    if kind == "close" and open_.pop() + text not in {"[]", "{}"}:
        return set()
    if kind == "comma":
        return {"key"} if open_[-1] == "{" else {"value"}
    return {"value"} if kind == "colon" else {"comma", "close"} if open_ else {"end"}
