"""What counts as the same identifier: look-alikes in several scripts."""

import pytest

from rightful.database.identifying import UNCERTAIN, Form, searched
from rightful.subject.matching import is_usable, matches, normalise

_BACK = {ord(there): letter for letter, there in UNCERTAIN.items()}
NFC, NFD = "ren\u00e9", "rene\u0301"


@pytest.mark.parametrize(
    ("kind", "one", "other", "is_same"),
    [
        ("mail", "Ann@Contoso.example", "ann@contoso.EXAMPLE", True),
        ("upn", "Ann@Contoso.example", "ANN@contoso.example", True),
        ("employee_id", "E10", "e10", False),
        ("mail", f"{NFC}@c.example", f"{NFD.upper()}@c.example", True),
        ("login", NFC, NFD, True),
        ("login", NFC, NFC.upper(), False),
        ("mail", "straße@c.example", "STRASSE@c.example", False),
        ("mail", "ann@straße.example", "ann@strasse.example", False),
        ("mail", "straße@c.example", "STRA\u1e9eE@c.example", True),
        ("login", "straße", "strasse", False),
        ("mail", "\u0131lgaz@c.example", "ilgaz@c.example", False),
        ("mail", "\u0131lgaz@c.example", "Ilgaz@c.example", False),
        ("mail", "İlgaz@c.example", "ilgaz@c.example", False),
        ("mail", "Ilgaz@c.example", "ilgaz@c.example", True),
        ("mail", "ΣΊΣΥΦΟΣ@c.example", "σίσυφος@c.example", False),
        ("mail", "ΣΊΣΥΦΟΣ@c.example", "Σίσυφοσ@c.example", False),
        ("mail", "ΣΊΣΥΦΟΣ@c.example", "Σίσυφο\u03a3@C.example", False),
        ("mail", "ΣΊΣυΦΟΣ@c.example", "ΣίΣΥΦΟΣ@c.example", True),
        ("mail", "σίσυφος@c.example", "σίσυφοσ@c.example", False),
        ("mail", "\u212aim@c.example", "kim@c.example", True),
        ("mail", "\u017fam@c.example", "sam@c.example", False),
        ("mail", "J\u030cx@c.example", "\u01f0X@c.example", True),
        ("mail", "\u0430@c.example", "a@c.example", False),
        ("mail", "\uff41nn@c.example", "ann@c.example", False),
        ("employee_id", " 7 ", "7", True),
        ("employee_id", "007", "7", False),
    ],
    ids=ascii,
)
def test_identifiers_are_the_same_only_where_case_and_form_are_all_that_differs(kind: str, one: str, other: str, *, is_same: bool) -> None:
    assert matches(kind, one, (other,)) is is_same
    assert matches(kind, other, (one,)) is is_same
    assert (normalise(kind, one) == normalise(kind, other)) is is_same


@pytest.mark.parametrize(
    "value", ["straße@c.example", "ILGAZ@c.example", "İlgaz@c.example", f"{NFD}@C.example", " ann@c.example"], ids=ascii
)
def test_what_is_searched_is_what_the_check_accepts(value: str) -> None:
    for form in Form:
        assert all(matches("mail", text.translate(_BACK), (value,)) for text in searched("mail", [value], form))


@pytest.mark.parametrize("value", [None, "", " ", "\t\n", "\u3000", "a@"])
def test_what_says_nothing_is_no_identifier(value: str | None) -> None:
    assert not is_usable("mail", value)
    assert not matches("mail", value, ("", " ", "a@"))
    assert searched("mail", ["", " ", "a@"], Form.TEXT) == ()
