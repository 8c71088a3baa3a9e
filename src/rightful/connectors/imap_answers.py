"""What an IMAP server's answers say (RFC 3501 7): the pieces that `imaplib` gives in, values out.

Whatever a server writes, only `ValueError` is raised; nothing nests deeper, or gets longer, than the answer itself.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Node = bytes | None | list["Node"]
"""An atom, string or literal; NIL; a list."""
Piece = bytes | tuple[bytes, bytes] | None
"""As `imaplib` gives them: a text with the literal behind it, or the text that ends an answer."""

LARGEST_NUMBER = 0xFFFFFFFF
_TOKEN = re.compile(rb'[ ]*(?:([()])|"((?:[^"\\]|\\.)*)"|\{[0-9]+\}\Z|([^ ()"{]+))', re.DOTALL)
_WORD = re.compile(rb"[^ ]+")
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_CODE = re.compile(rb"\[([A-Za-z0-9-]+)")


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of LIST's answer."""

    attributes: frozenset[bytes]
    """In lower case."""
    delimiter: bytes | None
    name: bytes

    @property
    def is_selectable(self) -> bool:
        """Whether there can be messages in it."""
        return not self.attributes & {rb"\noselect", rb"\nonexistent"}


def answers(pieces: Sequence[Piece]) -> Iterator[list[Node]]:
    """Yield the nodes of each answer."""
    texts: list[bytes] = []
    literals: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, tuple):
            texts.append(piece[0])
            literals.append(piece[1])
        elif piece is not None:
            texts.append(piece)
            yield _nodes(texts, literals)
            texts, literals = [], []
    if texts:
        raise ValueError("an answer without an end")


def _nodes(texts: Sequence[bytes], literals: Sequence[bytes]) -> list[Node]:
    """Read an answer: texts, all but the last with a literal behind."""
    stack: list[list[Node]] = [[]]
    for text, literal in itertools.zip_longest(texts, literals):
        _read(text, stack)
        if literal is not None:
            stack[-1].append(literal)
    if len(stack) > 1:
        raise ValueError("an answer with a bracket too few")
    return stack[0]


def _read(text: bytes, stack: list[list[Node]]) -> None:
    """Put what a text says into the innermost list that is open."""
    at, end = 0, len(text.rstrip(b" "))
    while at < end:
        token = _TOKEN.match(text, at)
        if token is None or (token[1] == b")" and len(stack) == 1):
            raise ValueError("an answer that is no IMAP")
        at = token.end()
        bracket, quoted_, atom = token.groups()
        if bracket == b"(":
            inner: list[Node] = []
            stack[-1].append(inner)
            stack.append(inner)
        elif bracket == b")":
            stack.pop()
        elif quoted_ is not None:
            stack[-1].append(_ESCAPED.sub(rb"\1", quoted_) if b"\\" in quoted_ else quoted_)
        elif atom is not None:
            stack[-1].append(None if atom.upper() == b"NIL" else atom)


def listed(pieces: Sequence[Piece]) -> list[Listed]:
    """Read what LIST answers."""
    found = []
    for nodes in answers(pieces):
        match nodes:
            case [list() as attributes, bytes() | None as delimiter, bytes() | None as name, *_]:
                words = frozenset(each.lower() for each in attributes if isinstance(each, bytes))
                found.append(Listed(words, delimiter, b"NIL" if name is None else name))
            case []:
                continue
            case _:
                raise ValueError("no folder of mail")
    return found


def others_prefixes(pieces: Sequence[Piece]) -> list[bytes]:
    """Read out of what NAMESPACE answers how names of folders begin that are other people's, or shared (RFC 2342)."""
    kinds = [kind for nodes in answers(pieces) for kind in nodes[1:3] if isinstance(kind, list)]
    return [each[0] for kind in kinds for each in kind if isinstance(each, list) and each and isinstance(each[0], bytes)]


def fetched(pieces: Sequence[Piece]) -> dict[int, dict[bytes, Node]]:
    """Read what FETCH answers, by UID: what was asked for, and what the server had to say besides."""
    found: dict[int, dict[bytes, Node]] = {}
    for nodes in answers(pieces):
        if len(nodes) != 2 or not isinstance(nodes[1], list):  # noqa: PLR2004 - a sequence number and what is known
            raise ValueError("no message")
        said = nodes[1]
        items = {name.upper(): value for name, value in zip(said[::2], said[1::2], strict=False) if isinstance(name, bytes)}
        if b"UID" in items:
            found.setdefault(number(items[b"UID"]), {}).update(items)
    return found


def searched(pieces: Sequence[Piece]) -> Iterator[int]:
    """Yield the numbers that SEARCH answers."""
    for piece in pieces:
        if isinstance(piece, bytes):
            yield from (number(found[0]) for found in _WORD.finditer(piece))


def number(node: Node) -> int:
    """Return a number (RFC 3501 9: 32 bits)."""
    return _bounded(node, LARGEST_NUMBER)


def size(node: Node) -> int:
    """Return a size (RFC 9051 9: 63 bits)."""
    return _bounded(node, (1 << 63) - 1)


def _bounded(node: Node, largest: int) -> int:
    if not isinstance(node, bytes) or not re.fullmatch(rb"[0-9]{1,19}", node) or int(node) > largest:
        raise ValueError("no number")
    return int(node)


def code_of(text: bytes | str | None) -> str:
    """Return the code in the answer to a command (RFC 5530); nothing where there is none."""
    raw = text.encode("ascii", "replace") if isinstance(text, str) else text or b""
    found = _CODE.search(raw)
    return found[1].decode().upper() if found else ""


def quoted(name: bytes) -> bytes | None:
    """Return a string as a command has it; None where it can't."""
    if set(name) & {0, 10, 13}:
        return None
    return b'"' + re.sub(rb'(["\\])', rb"\\\1", name) + b'"'


def ranges(uids: Sequence[int]) -> str:
    """Write ascending numbers as a set: `1:3,7`."""
    found: list[list[int]] = []
    for uid in uids:
        if found and found[-1][1] == uid - 1:
            found[-1][1] = uid
        else:
            found.append([uid, uid])
    return ",".join(str(first) if first == last else f"{first}:{last}" for first, last in found)
