"""START-HERE.html says beside columns and codes what the organization says that they mean."""

from pathlib import Path

import msgspec
import pytest
from tests.servers.chromium import Chromium

from rightful.package.label import Label
from rightful.testing.package_builder import SampleSource, build_package

ORDERS = "#source=orders"
LABEL = Label(
    titles={"ts": {"en": "when it happened", "de": "wann es geschah"}},
    values={"status": {"1": "open", "2": {"en": 'paid "in full"', "de": "bezahlt"}, "__proto__": "x"}, "kind": {"A,}": "a <b>gift</b>"}},
)
ROWS = tuple({"id": number, "status": number % 4, "kind": "A,}" if number == 7 else "__proto__", "ts": "x"} for number in range(60))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_package(tmp_path_factory.mktemp("viewer"), SampleSource(name="orders", rows=ROWS, label=LABEL))


def search(query: str) -> str:
    return f"""
        await page.waitForSelector('.table tbody tr');
        await page.fill('input[type=search]', {msgspec.json.encode(query).decode()});
        await page.waitForFunction(() => document.querySelector('[role=status]').textContent.includes('found'));
        const marked = () => [...new Set([...document.querySelectorAll('.table tbody mark')].map((mark) => mark.textContent))];
        await page.waitForTimeout(300);
        return [await page.innerText('[role=status]'), await page.evaluate(marked)];
    """


@pytest.mark.parametrize(
    ("query", "found", "marked"),
    [
        ("OPEN", "15 records found", ["open"]),
        ('paid "in', "15 records found", ['paid "in']),
        ("<b>gift", "1 record found", ["<b>gift"]),
        ("bezahlt", "0 records found", []),
        ("A,}", "1 record found", ["A,}"]),
    ],
)
def test_rows_are_found_by_what_their_codes_mean(chromium: Chromium, package: Path, *, query: str, found: str, marked: list[str]) -> None:
    answer = chromium.visit(package, search(query), fragment=ORDERS)
    assert answer.result == [found, marked]
    assert answer.errors == []


def test_columns_and_codes_are_explained_in_the_readers_language(chromium: Chromium, package: Path) -> None:
    answer = chromium.visit(
        package,
        """
        await page.waitForSelector('.table tbody tr');
        await page.click('tbody button');
        await page.click('text=Spalten');
        return [await page.innerText('.table thead'), await page.innerText('.table tbody'), await page.innerText('.record'), await page.innerText('details')];
        """,
        fragment=ORDERS,
        language="de",
    )
    head, body, record, columns = answer.result
    assert answer.errors == []
    assert "wann es geschah" in head
    assert "ts" in head
    assert "bezahlt" in body
    assert "a <b>gift</b>" in body
    assert "wann es geschah" in record
    assert "2 \N{EN DASH} bezahlt" in columns


def test_explanations_are_accessible_and_fit(chromium: Chromium, package: Path) -> None:
    for width, dark in ((320, True), (768, False), (1280, True)):
        steps = """
            await page.waitForSelector('.table tbody tr');
            await page.locator('tbody button').nth(1).click();
            for (const each of await page.$$('summary')) await each.click();
            return [await axe(), await page.evaluate(() => document.documentElement.scrollWidth)];
        """
        violations, needed = chromium.visit(package, steps, fragment=ORDERS, width=width, dark=dark).result
        assert violations == []
        assert needed <= width
