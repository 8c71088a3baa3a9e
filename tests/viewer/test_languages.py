"""START-HERE.html in the reader's language."""

from pathlib import Path

import pytest
from tests.servers.chromium import Chromium

from rightful.language import OFFERED, lookup
from rightful.package.texts import texts
from rightful.testing.package_builder import SampleSource, build_package, package_entries, write_package

ROWS = tuple({"id": number, "note": "東京都"} for number in range(1_234))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("viewer")
    return build_package(folder, SampleSource(name="orders", product="Shop", rows=ROWS), SampleSource(name="one", rows=ROWS[:1]))


@pytest.mark.parametrize(
    ("asked", "tag", "title", "many", "one"),
    [
        ("en-GB", "en", "Your personal data", "1,234 records", "1 record"),
        ("de-AT", "de", "Ihre personenbezogenen Daten", "Datensätze", "1 Datensatz"),
        ("fr", "fr", "Vos données personnelles", "enregistrements", "1 enregistrement"),
        ("es-MX", "es", "Sus datos personales", "registros", "1 registro"),
        ("ja", "ja", "あなたの個人データ", "レコード 1,234 件", "レコード 1 件"),
        ("zh-CN", "zh-Hans", "您的个人数据", "1,234 条记录", "1 条记录"),
        ("zh-TW", "en", "Your personal data", "1,234 records", "1 record"),
        ("pt-BR", "en", "Your personal data", "1,234 records", "1 record"),
    ],
)
def test_page_speaks_the_browsers_language(
    chromium: Chromium, package: Path, *, asked: str, tag: str, title: str, many: str, one: str
) -> None:
    steps = """
        const cards = await page.locator('.cards p:not(.quiet)').allInnerTexts();
        return [await page.getAttribute('html', 'lang'), await page.innerText('h1'), await page.title(), cards, await axe()];
    """
    lang, heading, name, cards, violations = chromium.visit(package, steps, language=asked).result
    assert (lang, heading, name, violations) == (tag, title, title, [])
    assert many in cards[0]
    assert cards[1] == one


@pytest.mark.parametrize("tag", ["de", "fr", "es", "ja", "zh-Hans"])
def test_no_english_is_left_on_a_page_of_another_language(chromium: Chromium, package: Path, tag: str) -> None:
    steps = f"""
        await page.selectOption('#language', '{tag}');
        await page.waitForSelector('.table tbody tr');
        return page.innerText('main');
    """
    text = chromium.visit(package, steps, fragment="#source=orders").result
    for english in ("Records", "Search", "Next", "showing", "Overview", "searched"):
        assert english not in text.replace("Searched_for", "")


def test_language_can_be_changed_and_keeps_the_place(chromium: Chromium, package: Path) -> None:
    steps = """
        await page.selectOption('#language', 'ja');
        await page.waitForSelector('.table tbody tr');
        return [await page.innerText('h1'), await page.innerText('.table label'), await page.evaluate(() => document.activeElement.id)];
    """
    answer = chromium.visit(package, steps, fragment="#source=orders")
    assert answer.result == ["Shop · orders", "これらのレコードを検索", "language"]
    assert answer.errors == []


@pytest.mark.parametrize("tag", OFFERED)
def test_plain_text_writes_numbers_as_browsers_do(chromium: Chromium, package: Path, tag: str) -> None:
    numbers = [0, 1, 999, 1_000, 1_234, 9_999, 10_000, 123_456, 1_234_567]
    steps = f"return {numbers}.map((n) => [new Intl.NumberFormat('{tag}').format(n), new Intl.NumberFormat('{tag}', {{ minimumFractionDigits: 1 }}).format(n)])"
    said = texts("readme", tag)
    assert chromium.visit(package, steps).result == [[said.number(n), said.number(n, 1)] for n in numbers]


@pytest.mark.parametrize("tag", OFFERED)
def test_number_has_the_same_form_in_plain_text_as_in_a_browser(chromium: Chromium, package: Path, tag: str) -> None:
    """A catalogue's first form is the browser's `one`; what is said of millions in French and Spanish has the form of several."""
    numbers = [0, 1, 2, 3, 11, 21, 101, 1_000_000, 1_000_001]
    steps = f"return {numbers}.map((n) => new Intl.PluralRules('{tag}').select(n) === 'one')"
    said = texts("readme", tag)
    forms = [said.count("{n} record", "{n} records", n).replace(said.number(n), "#") for n in numbers]
    one, other = said.count("{n} record", "{n} records", 1).replace("1", "#"), forms[3]
    assert chromium.visit(package, steps).result == [form == one and one != other for form in forms]


def test_package_opens_in_its_own_language_whatever_the_browsers(chromium: Chromium, tmp_path: Path) -> None:
    write_package(tmp_path, package_entries(SampleSource(name="hr"), language="ja"))
    steps = "return [await page.getAttribute('html', 'lang'), await page.innerText('h1'), await page.inputValue('#language')]"
    assert chromium.visit(tmp_path, steps, language="de").result == ["ja", "あなたの個人データ", "ja"]


def test_browser_without_scripts_is_told_in_the_language_too() -> None:
    page = package_entries(SampleSource(name="hr"), language="fr")["START-HERE.html"].decode()
    assert '<html lang="fr">' in page
    assert "<title>Vos données personnelles</title>" in page
    assert 'se trouvent dans le dossier <a href="data/">data</a>' in page


def test_readme_opens_in_a_browser_as_it_is(chromium: Chromium, tmp_path: Path) -> None:
    write_package(tmp_path, package_entries(SampleSource(name="hr"), language="ja"))
    assert "【あなたの個人データ】" in chromium.visit(tmp_path, "return page.innerText('body')", file="README.txt").result


def test_server_and_browser_take_the_same_language_for_a_tag(chromium: Chromium, package: Path) -> None:
    tags = [
        "de-AT",
        "en-GB",
        "es-419",
        "fr-CA",
        "ja-JP",
        "pt-BR",
        "it",
        *(f"zh-{region}" for region in ("CN", "SG", "MY", "TW", "HK", "MO")),
    ]
    tags += ["zh", "zh-Hans-TW", "zh-Hant-CN", "zh-AU", "zh-US", "zh-ID", "zh-VN", "cmn-CN"]
    for tag in tags:
        taken = chromium.visit(package, "return page.getAttribute('html', 'lang')", language=tag).result
        assert taken == (lookup(tag) or "en"), tag
