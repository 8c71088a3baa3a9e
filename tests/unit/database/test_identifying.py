import pytest

from rightful.database.identifying import Form, Slot, SlotValues, fill, searched
from rightful.testing.connector_suite import identified


@pytest.mark.parametrize(
    ("kind", "known", "form", "found"),
    [
        ("mail", ("Ann@C.example",), Form.TEXT, ("Ann@C.example", "ann@c.example")),
        ("mail", ("ann@c.example", "ANN@c.example"), Form.TEXT, ("ann@c.example", "ANN@c.example")),
        ("mail", ("Ann@C.example", "ann@c.example"), Form.CASELESS, ("ann@c.example",)),
        ("employee_id", ("E1", "e1"), Form.TEXT, ("E1", "e1")),
        ("employee_id", ("E1",), Form.CASELESS, ("E1",)),
        ("employee_id", (" E1 ",), Form.TEXT, (" E1 ", "E1")),
        ("employee_id", ("E1  ",), Form.PADDED, ("E1",)),
        ("mail", ("", "  ", "a", "@"), Form.TEXT, ()),
        ("name", ("Ame\u0301lie",), Form.TEXT, ("Ame\u0301lie", "Am\u00e9lie")),
        ("name", ("nul\x00", "half\ud800"), Form.TEXT, ()),
        ("n", ("7", "-7", "0", " 8 "), Form.INTEGER, ("7", "-7", "0", "8")),
        ("n", ("007", "-0", "+7", "7.0", "abc", "1e3", "\u0667", "9223372036854775808", "1" * 30, ""), Form.INTEGER, ()),
        ("n", ("7.50", "7.5", "-0.5", "12.00", "100", "-0.0"), Form.DECIMAL, ("7.5", "-0.5", "12", "100", "0")),
        ("n", ("18446744073709551615", "18446744073709551616", "-1", "7.0"), Form.UNSIGNED, ("18446744073709551615",)),
        ("n", ("07.5", ".5", "5.", "NaN", "1e3", "Infinity"), Form.DECIMAL, ()),
        ("id", ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",), Form.UUID, ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",)),
        ("id", ("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc999c0b4ef8bb6d6bb9bd380a11", "x"), Form.UUID, ()),
    ],
)
def test_what_is_searched_for(kind: str, known: tuple[str, ...], form: Form, found: tuple[str, ...]) -> None:
    assert searched(kind, known, form) == found


def test_slots_are_filled_for_a_set() -> None:
    people = [
        identified(mail=("a@c.example",)),
        identified(),
        identified(mail=("B@c.example", "c@c.example")),
        identified(mail=("a@c.example",)),
    ]
    filled = fill(Slot("mail", Form.TEXT, "text"), people)
    assert list(zip(filled.subjects, filled.values, strict=True)) == [
        (0, "a@c.example"), (2, "B@c.example"), (2, "b@c.example"), (2, "c@c.example"), (3, "a@c.example"),
    ]  # fmt: skip
    assert "c.example" not in repr(filled)
    assert fill(Slot("other", Form.TEXT, "text"), people) == SlotValues([], [])
