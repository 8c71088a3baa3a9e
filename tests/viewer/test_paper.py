"""START-HERE.html on paper: nothing is cut off, what only a screen can do is not there, and links can be read."""

from pathlib import Path

import pytest
from tests.servers.chromium import Chromium

from rightful.package.ledger import SkippedEntry
from rightful.package.schema import Column, ColumnKind
from rightful.testing.package_builder import SampleSource, build_package

SHEET = 718
"""A4 within margins of a centimetre, in CSS pixels."""
COLUMNS = (
    Column(name="id", kind=ColumnKind.INT),
    Column(name="at", kind=ColumnKind.TIMESTAMP),
    *(Column(name=f"a_long_name_of_column_{number}", kind=ColumnKind.TEXT) for number in range(22)),
    Column(name="meta", kind=ColumnKind.JSON),
)
ROW = {
    "id": 2**63 - 1,
    "at": "2024-02-29T23:59:59.000001",
    **{f"a_long_name_of_column_{number}": ("no", "https://contoso.example/" + "x" * 200, None)[number % 3] for number in range(22)},
    "meta": {"n": 1, "deep": ["y" * 80]},
}
SOURCES = (
    SampleSource(name="orders", product="Shop", columns=COLUMNS, rows=(ROW,) * 60),
    SampleSource(
        name="drive",
        product="OneDrive",
        files={"Documents/" + "long name " * 12 + f"{number}.txt": b"x" for number in range(60)},
        skipped=(SkippedEntry(path="a/b.docx", reason="permission denied"),),
    ),
    SampleSource(name="tickets", product="Helpdesk"),
)
LOOK = """
    const cut = await page.evaluate(() => {
      const wide = document.documentElement.clientWidth;
      return [...document.querySelectorAll('body *')].flatMap((each) => {
        const { left, right, width } = each.getBoundingClientRect();
        if (!width || each.closest('.unseen, svg')) return [];
        const isOver = left < -1 || right > wide + 1;
        const isCut = getComputedStyle(each).overflowX !== 'visible' && each.scrollWidth > each.clientWidth + 1;
        return isOver || isCut ? [`${each.localName}.${each.className} ${left} to ${right}: ${each.textContent.slice(0, 40)}`] : [];
      });
    });
    const controls = [];
    for (const each of await page.$$('button, input, select, .pager, .crumbs, summary:not(.note summary)')) {
      if (await each.isVisible()) controls.push(await each.textContent());
    }
    const links = await page.$$eval('main a', (all) => all.filter((each) => each.getClientRects().length).map((each) => {
      const { color, fontSize } = getComputedStyle(each);
      return [color, parseFloat(fontSize) >= 10, each.textContent.trim() !== ''].join(' ');
    }));
    return [cut, controls, [...new Set(links)]];
"""
PAGES = {"": ".cards", "#source=orders": ".table tbody tr", "#source=drive": ".table tbody tr", "#time=2024-02": ".timeline .open"}
"""By address: what stands there once it is drawn."""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_package(tmp_path_factory.mktemp("viewer"), *SOURCES)


@pytest.mark.parametrize("language", ["en", "de", "ja"])
@pytest.mark.parametrize("fragment", PAGES)
def test_page_comes_out_whole_and_without_controls(chromium: Chromium, package: Path, fragment: str, language: str) -> None:
    """Also from a screen that is dark."""
    steps = f"await page.waitForSelector({PAGES[fragment]!r}); await page.emulateMedia({{ media: 'print' }}); {LOOK}"
    cut, controls, links = chromium.visit(package, steps, fragment=fragment, width=SHEET, dark=True, language=language).result
    assert cut == []
    assert controls == []
    assert links in ([], ["rgb(0, 0, 0) true true"])


def test_record_that_is_open_and_what_could_not_be_read_are_printed(chromium: Chromium, package: Path) -> None:
    steps = """
        await page.waitForSelector('.table tbody tr');
        const opener = page.locator('.table .open').first();
        if (await opener.count()) await opener.click();
        await page.emulateMedia({ media: 'print' });
        return [await page.locator('.record').isVisible(), await page.locator('.note li', { hasText: 'b.docx' }).isVisible()];
    """
    assert chromium.visit(package, steps, fragment="#source=orders", width=SHEET).result == [True, False]
    assert chromium.visit(package, steps, fragment="#source=drive", width=SHEET).result == [False, True]


def test_paper_that_is_too_narrow_is_noticed(chromium: Chromium, package: Path) -> None:
    steps = f"await page.waitForSelector('.table tbody tr'); {LOOK}"
    cut, controls, _ = chromium.visit(package, steps, fragment="#source=orders", width=SHEET).result
    assert cut
    assert controls
