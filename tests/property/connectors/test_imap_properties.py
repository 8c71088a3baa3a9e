"""What IMAP servers answer: what was written is read back, and anything else raises `ValueError` alone."""

import re

from hypothesis import given
from hypothesis import strategies as st

from rightful.connectors import imap_answers
from rightful.connectors.imap_answers import Node, Piece
from rightful.connectors.imap_session import _unlike

ATOMS = st.from_regex(rb"[!#-'+-z|}~\x80-\xff]{1,9}", fullmatch=True).filter(lambda atom: atom.upper() != b"NIL" and b"{" not in atom)
NODES: st.SearchStrategy[Node] = st.recursive(ATOMS | st.none() | st.binary(max_size=9), lambda inner: st.lists(inner, max_size=4))


def write(nodes: list[Node], how: int) -> list[Piece]:
    """Write an answer as a server may: strings by quotation marks or as literals."""
    pieces: list[Piece] = []
    text = b""

    def put(node: Node) -> None:
        nonlocal text, how
        if isinstance(node, list):
            text += b"("
            for number, each in enumerate(node):
                text += b" " if number else b""
                put(each)
            text += b")"
            return
        if node is None:
            text += b"NIL"
            return
        how, is_literal = how // 2, how % 2
        quoted = imap_answers.quoted(node)
        if is_literal or quoted is None:
            pieces.append((text + b"{%d}" % len(node), node))
            text = b""
        elif node.upper() != b"NIL" and re.fullmatch(rb"[A-Za-z0-9]+", node):
            text += node
        else:
            text += quoted

    for number, each in enumerate(nodes):
        text += b" " if number else b""
        put(each)
    return [*pieces, text]


@given(st.lists(st.lists(NODES, max_size=5), max_size=3), st.integers(min_value=0, max_value=1 << 40))
def test_what_was_written_is_read_back(written: list[list[Node]], how: int) -> None:
    pieces = [piece for nodes in written for piece in write(nodes, how)]
    assert list(imap_answers.answers(pieces)) == written


TEXTS = st.binary(max_size=40) | st.text(alphabet='(){}"\\ NILUID123BODY[]', max_size=40).map(str.encode)


@given(st.lists(TEXTS | st.tuples(TEXTS, TEXTS) | st.none(), max_size=5))
def test_anything_else_is_a_value_error(pieces: list[Piece]) -> None:
    for read in (imap_answers.listed, imap_answers.fetched, imap_answers.others_prefixes, lambda it: list(imap_answers.searched(it))):
        try:
            read(pieces)
        except ValueError:
            continue


@given(st.sets(st.integers(min_value=1, max_value=60)))
def test_a_set_names_the_numbers_and_no_others(uids: set[int]) -> None:
    found = set()
    for part in filter(None, imap_answers.ranges(sorted(uids)).split(",")):
        first, _, last = part.partition(":")
        found |= set(range(int(first), int(last or first) + 1))
    assert found == uids


@given(st.dictionaries(st.binary(min_size=1, max_size=3), st.sampled_from(["a", "a/b", "a (2)", "b"]), max_size=12))
def test_no_two_folders_are_called_alike(names: dict[bytes, str]) -> None:
    found = _unlike(names)
    assert found.keys() == names.keys()
    assert len(set(found.values())) == len(found)
