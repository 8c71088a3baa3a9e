"""What names others in a text is withheld, and the subject's own stays."""

import time

import pytest

from rightful.package.third_parties import MAIL, PERSON, PHONE, withhold_contacts, withhold_others
from rightful.subject.own import Own

OWN = Own(
    {
        "mail": ("ann@contoso.example", "Änn@Bücher.example"),
        "phone": ("+49 (151) 123-4567",),
        "employee_id": ("E-1", "4711"),
        "group": ("Smith, Ann",),
    }
)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("ask bob@x.example, or me: ann@contoso.example.", f"ask {MAIL}, or me: ann@contoso.example."),
        ("ANN@CONTOSO.EXAMPLE\u2019s 'ann@contoso.example' <ann@contoso.example>", None),
        ("a\u0308nn@bu\u0308cher.example", None),
        ("mailto:bob%40x.example?subject=a", f"mailto:{MAIL}?subject=a"),
        ("https://x.example/?mail=ann@contoso.example&a=b", None),
        ("bob&#64;x.example bob&#x0040;x.example bob&commat;x.example", f"{MAIL} {MAIL} {MAIL}"),
        ("bob\uff20x.example bob\ufe6bx.example ann\uff20contoso.example", f"{MAIL} {MAIL} ann\uff20contoso.example"),
        (r'{"mail": "bob\u0040x.example"}', f'{{"mail": "{MAIL}"}}'),
        ('"bob smith"@x.example said', f"{MAIL} said"),
        ('"bob@home"@x.example said', f"{MAIL} said"),
        ('" "@"@[192.0.2.1]', f'" {MAIL}'),
        ("bob@[192.0.2.1]!", f"{MAIL}!"),
        ("bob@localhost", MAIL),
        ("bob\u200b@x.exa\u200bmple", MAIL),
        ("bob@xn--bcher-kva.example bob@bücher.example böb@उदाहरण.भारत", f"{MAIL} {MAIL} {MAIL}"),
        ("ann@contoso.example.evil.example", MAIL),
        ("xann@contoso.example ann@contoso.examplex", f"{MAIL} {MAIL}"),
        ("o'ann@contoso.example o\u2019ann@contoso.example", f"{MAIL} {MAIL}"),
        ("zoéann@contoso.example жann@contoso.example ann@contoso.exampleé e\u0301ann@contoso.example", f"{MAIL} {MAIL} {MAIL} {MAIL}"),
        ("bounce+bob=x.example@lists.example", MAIL),
        ("联系ann@contoso.example。联系bob@x.example。谢谢", f"联系ann@contoso.example。{MAIL}。谢谢"),
        ("ann@contoso.exampleです", None),
        ("@bob, 3 @ 4, a@ b", None),
        ("no one", None),
        ("", None),
    ],
)
def test_mail_addresses_in_free_text(text: str, left: str | None) -> None:
    assert withhold_contacts(text, OWN)[0] == (text if left is None else left)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("call 0171/765 43 21 or +49 151 1234567", f"call {PHONE} or +49 151 1234567"),
        ("0049-151-1234567", None),
        ("(0171) 765-4321, 555-123-4567, 5551234", f"{PHONE}, {PHONE}, {PHONE}"),
        ("٠١٧١٧٦٥٤٣٢١ \uff10\uff11\uff17\uff11\uff17\uff16\uff15\uff14\uff13\uff12\uff11", PHONE),
        ("01 71\u00a076\u200954\u201132\u00b710", PHONE),
        ("+1.2.3.4.5.6.7", PHONE),
        ("on 2024-11-28T10:15:30.123Z, 2024-11-28, 28.11.2024. and 1/2/2024", None),
        ("2024-11-28 0171 7654321", f"2024-11-28 {PHONE}"),
        ("6ba7b810-9dad-41d1-80b4-00c04fd430c8", None),
        ("123456 and 3.14 and 10:15", None),
        ("01.23.45.67.89", PHONE),
        ("bob7654321@x.example", MAIL),
        ("tel:+491717654321;ext=1", f"tel:{PHONE};ext=1"),
    ],
)
def test_telephone_numbers_in_free_text(text: str, left: str | None) -> None:
    assert withhold_contacts(text, OWN)[0] == (text if left is None else left)


def test_each_value_that_is_withheld_is_counted() -> None:
    assert withhold_contacts("bob@x.example, carl@x.example, 0171 7654321, ann@contoso.example", OWN)[1] == 3
    assert withhold_others("bob@x.example, carl@x.example; ann@contoso.example", OWN)[1] == 2


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("ann@contoso.example", None),
        (" ANN@contoso.example\n", None),
        ("bob@x.example", PERSON),
        ("Bob <bob@x.example>; Ann <ANN@contoso.example> ;", f"{PERSON}; Ann <ANN@contoso.example> ;"),
        ('"Smith, Bob" <bob@x.example>, ann@contoso.example', f"{PERSON}, ann@contoso.example"),
        ("Smith, Ann", None),
        ("E-1, e-1\n4711\r\n4712", f"E-1, {PERSON}\n4711\r\n{PERSON}"),
        ("Bob bob@x.example <ann@contoso.example>", f"Bob {MAIL} <ann@contoso.example>"),
        ("Bob\uff0cCarl\uff1bDan\u3001Ann <ann@contoso.example>", f"{PERSON}\uff0c{PERSON}\uff1b{PERSON}\u3001Ann <ann@contoso.example>"),
        ("Bob\tCarl\u2028Ann <ann@contoso.example>", f"{PERSON}\t{PERSON}\u2028Ann <ann@contoso.example>"),
        ("'ann@contoso.example'", None),
        ("Bob", PERSON),
        ("<ann@contoso.example> on behalf of bob", PERSON),
        ("Bob | Ann <ann@contoso.example>", f"{PERSON} <ann@contoso.example>"),
        ("Bob \uff0f Ann <ann@contoso.example>; Bob+Ann <e-1>", f"{PERSON} <ann@contoso.example>; {PERSON}"),
        ("O'Neill-Lee, Ann (Contoso) <ann@contoso.example>", f"{PERSON}, Ann (Contoso) <ann@contoso.example>"),
        ("\u30a2\u30f3\u30fb\u30ea\u30fc <ann@contoso.example>", None),
        (" ", None),
        ("", None),
    ],
)
def test_only_the_subject_stays_in_a_cell_that_names_people(text: str, left: str | None) -> None:
    assert withhold_others(text, OWN)[0] == (text if left is None else left)


def test_nobody_is_the_subject_of_whom_nothing_is_known() -> None:
    nobody = Own({"mail": ("", " ", "a"), "employee_id": ("",)})
    assert withhold_others("a", nobody)[0] == PERSON
    assert withhold_contacts("a@b 0171 7654321", nobody)[0] == f"{MAIL} {PHONE}"


@pytest.mark.parametrize(
    "text",
    [
        "a" * 200_000 + "@",
        "a@" * 100_000,
        '"' * 200_000 + "@",
        "%40" * 70_000,
        "<" * 200_000,
        "1" * 200_000,
        "1-" * 100_000,
        "&#64;" * 40_000,
        ",@" * 100_000,
    ],
    ids=lambda text: text[:6],
)
def test_hostile_texts_take_no_more_than_their_length(text: str) -> None:
    for rule in (withhold_contacts, withhold_others):
        started_s = time.process_time()
        rule(text, OWN)
        assert time.process_time() - started_s < 3.0  # quadratic would be minutes
