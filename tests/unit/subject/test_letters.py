"""Over all letters of Unicode that have a case or another form: which mails are the same, and what is searched for."""

import unicodedata
from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from rightful.database.identifying import UNCERTAIN, Form, folded, searched
from rightful.subject.matching import matches, normalise

LETTERS = [
    letter
    for letter in map(chr, (code for code in range(0x11_0000) if not 0xD800 <= code <= 0xDFFF))
    if {letter.lower(), letter.upper(), letter.title(), letter.casefold(), unicodedata.normalize("NFC", letter)} != {letter}
]
_BACK = {ord(there): letter for letter, there in UNCERTAIN.items()}
texts = st.text(st.sampled_from([*LETTERS, *"aAbB.@ \u0300\u0307\u030c\u0323\u0345"]), min_size=3, max_size=8)


def test_letters_are_the_same_where_they_have_one_lower_case_and_never_two_small_ones() -> None:
    same: dict[str, set[str]] = defaultdict(set)
    for letter in LETTERS:
        same[normalise("mail", f"x{letter}x")].add(unicodedata.normalize("NFC", letter))
    assert len(LETTERS) > 3500
    for letters in same.values():
        small = {letter for letter in letters if unicodedata.category(letter[0]) == "Ll"}
        assert len(small) <= 1, letters
        assert len({letter.lower() for letter in letters}) == 1, letters
    assert sum(len(letters) > 1 for letters in same.values()) > 1300
    assert normalise("mail", "ΣİΣ") == "ΣİΣ"


@given(texts, texts)
def test_what_is_the_same_is_so_both_ways_and_in_one_form(one: str, other: str) -> None:
    form = normalise("mail", one)
    assert normalise("mail", form) == form
    assert normalise("mail", unicodedata.normalize("NFD", one)) == form
    assert matches("mail", one, (other,)) == matches("mail", other, (one,))
    assert normalise("name", one) == unicodedata.normalize("NFC", one.strip())


@given(texts)
def test_what_is_searched_is_what_the_check_accepts_in_every_form(value: str) -> None:
    for form in Form:
        for text in searched("mail", [value], form):
            assert matches("mail", text.translate(_BACK), (value,)), (form, text)


@given(texts)
def test_what_a_database_that_knows_all_letters_makes_is_found_once(value: str) -> None:
    """By `folded` as SQLite has it; and a text that knows ASCII letters only is found in small and in capital ones."""
    given_in = [value.strip(), normalise("mail", value)]
    wanted = searched("mail", [value], Form.FOLDED)
    if matches("mail", value, (value,)):
        assert all(wanted.count(folded(text)) == 1 for text in given_in)
        assert normalise("mail", value) in searched("mail", [value], Form.TEXT)
