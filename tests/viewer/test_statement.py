# ruff: noqa: RUF001 - French and Chinese are written with such marks
"""The statement in START-HERE.html: in the reader's language, accessible, fit for paper, and never more than text."""

from pathlib import Path

import pytest
from tests.servers.chromium import Chromium
from tests.viewer.payloads import TEXTS

from rightful.package.label import CommonLabel, Decision, Label, StatementSettings, Transfer
from rightful.testing.package_builder import SampleSource, build_package

ROWS = ({"id": 1, "mail": "a@contoso.example"},)
FULL = Label(
    category="user.contact",
    columns={"mail": "user.contact.email"},
    purpose=("essential.service", "finance"),
    legal_basis="consent",
    retention="2 years",
    recipients=({"en": "Tax office", "de": "Finanzamt"},),
    origin=("person", "observed"),
    transfers=(Transfer(to="Japan", safeguards="adequacy"),),
    decisions=(Decision(what="a limit", logic="unpaid invoices", consequences="payment in advance"),),
)
SETTINGS = StatementSettings(contact="privacy@contoso.example", laws=("gdpr", "ccpa"), label=CommonLabel(transfers=()))
ENGLISH = (
    "Why this data", "Kind of data", "Contact details", "Providing the service", "your consent", "2 years", "Who receives", "from you",
    "has not stated", "Your rights", "Access:", "live in California", "Whom to ask", "GDPR", "Purchases",
)  # fmt: skip


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_package(
        tmp_path_factory.mktemp("viewer"),
        SampleSource(name="orders", product="Shop", rows=ROWS, label=FULL),
        SampleSource(name="lines", product="Shop", rows=ROWS, label=Label(category="user.behavior.purchase_history")),
        SampleSource(name="clinic", product="Clinic", label=Label(category="user.health")),
        statement=SETTINGS,
    )


_TEXT = "const sections = await page.locator('section.statement').allInnerTexts(); return sections.join('\\n');"


def test_first_page_states_what_was_found_and_the_rights(chromium: Chromium, package: Path) -> None:
    answer = chromium.visit(package, _TEXT)
    assert answer.errors == []
    for text in (
        "Why this data is held, and what your rights are",
        "Contact details; Mail address",
        "Providing the service; Finance and accounting",
        "your consent (Art. 6(1)(a) GDPR)",
        "2 years",
        "Tax office",
        "from you; from your use of the service",
        "Japan, by a decision of the European Commission",
        "How it is decided: unpaid invoices",
        "The organization has not stated this.",
        "It concerns: Shop · orders.",
        "Right to opt out",
        "privacy@contoso.example",
    ):
        assert text in answer.result
    for absent in ("Clinic", "Health"):
        assert absent not in answer.result


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (
            "de",
            (
                "Kontaktdaten; E-Mail-Adresse",
                "2 Jahre",
                "Finanzamt",
                "Die Organisation hat dazu nichts angegeben.",
                "Löschung:",
                "Einkäufe",
            ),
        ),
        (
            "fr",
            (
                "Coordonnées\u00a0; Adresse électronique",
                "2 ans",
                "Tax office",
                "L’organisation ne l’a pas indiqué.",
                "Effacement\u00a0:",
                "Achats",
            ),
        ),
        ("es", ("Datos de contacto; Dirección de correo", "2 años", "La organización no lo ha indicado.", "Supresión:", "Compras")),
        ("ja", ("連絡先、メールアドレス", "2 年", "組織はこれについて述べていません。", "消去:", "購入履歴")),
        ("zh-CN", ("联系方式；电子邮件地址", "2 年", "该组织未对此作出说明。", "删除：", "购买记录")),
    ],
)
def test_statement_is_in_the_readers_language_and_no_english_is_left(
    chromium: Chromium, package: Path, asked: str, says: tuple[str, ...]
) -> None:
    answer = chromium.visit(package, _TEXT, language=asked)
    for text in says:
        assert text in answer.result
    left = [text for text in ENGLISH if text in answer.result]
    assert left in ([], ["GDPR"])  # as it is called in Japanese and Chinese
    assert ("GDPR" in left) == (asked in {"ja", "zh-CN"})


def test_page_of_a_source_says_what_is_stated_on_it_and_no_more(chromium: Chromium, package: Path) -> None:
    steps = "return page.innerText('.facts')"
    stated = chromium.visit(package, steps, fragment="#source=lines", language="es").result
    assert [line for line in stated.split("\n") if line] == ["Tipo de datos", "Compras", "Transferencias a otros países", "ninguna"]


def test_statement_comes_out_whole_on_paper(chromium: Chromium, package: Path) -> None:
    steps = """
        await page.emulateMedia({ media: 'print' });
        const cut = await page.$$eval('section.statement *', (all) => all.filter((each) => each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).display !== 'inline').length);
        const kept = await page.$eval('.stated', (each) => [getComputedStyle(each).breakInside, getComputedStyle(each).borderLeftStyle]);
        return [cut, kept, await page.locator('.stated').first().isVisible()];
    """
    assert chromium.visit(package, steps).result == [0, ["avoid", "none"], True]


def test_hostile_words_of_an_operator_are_text(chromium: Chromium, tmp_path: Path) -> None:
    texts = [text for text in TEXTS if 0 < len(text) < 1000]
    label = Label(
        retention=texts[0],
        recipients=tuple(texts),
        origin=tuple({"en": text} for text in texts),
        transfers=tuple(Transfer(to=text, safeguards=text) for text in texts[:40]),
        decisions=tuple(Decision(what=text, logic=text, consequences=text) for text in texts[:40]),
    )
    settings = StatementSettings(contact=texts[1], officer=texts[2], authority={"en": texts[3]})
    source = SampleSource(name="\"'><svg onload=window.ran=1>", product=texts[1], rows=ROWS, label=label)
    folder = build_package(tmp_path, source, statement=settings)
    steps = """
        const recipients = await page.$$eval('.stated .facts div', (all) => all.map((each) => each.textContent).find((text) => text.startsWith('Who receives it')));
        return [recipients, await page.evaluate(() => window.ran), await page.locator('main :is(script, img, iframe, svg, style, form, b, marquee)').count()];
    """
    answer = chromium.visit(folder, steps)
    said, ran, elements = answer.result
    assert (ran, elements, answer.errors) == (None, 0, [])
    assert "<script>window.ran=1</script>" in said
    assert "U+202Egpj.exe" in said
    assert all(address.startswith(folder.as_uri()) for address in answer.requests)
