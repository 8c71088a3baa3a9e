"""START-HERE.html in the reader's language."""

from pathlib import Path

import pytest
from tests.servers.chromium import Chromium

from rightful.testing.package_builder import SampleSource, build_package

ROWS = tuple({"id": number, "note": "東京都"} for number in range(1_234))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("viewer")
    return build_package(folder, SampleSource(name="orders", product="Shop", rows=ROWS), SampleSource(name="one", rows=ROWS[:1]))


@pytest.mark.parametrize(
    ("asked", "tag", "title", "many", "one"),
    [
        ("en-GB", "en", "Your personal data", "1,234 records", "1 record"),
        ("de-AT", "de", "Ihre persönlichen Daten", "Datensätze", "1 Datensatz"),
        ("fr", "fr", "Vos données personnelles", "enregistrements", "1 enregistrement"),
        ("es-MX", "es", "Sus datos personales", "registros", "1 registro"),
        ("ja", "ja", "あなたの個人データ", "1,234 件のレコード", "1 件のレコード"),
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
def test_every_page_is_accessible_and_fits_in_each_language(chromium: Chromium, package: Path, tag: str) -> None:
    steps = f"""
        await page.selectOption('#language', '{tag}');
        await page.waitForSelector('.table tbody tr');
        return [await axe(), await page.evaluate(() => document.documentElement.scrollWidth), await page.innerText('main')];
    """
    violations, needed, text = chromium.visit(package, steps, fragment="#source=orders", width=320).result
    assert violations == []
    assert needed <= 320
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
