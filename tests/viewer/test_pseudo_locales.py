"""What a person would read is translated, has room, and turns round: shown by languages that are made for it."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.servers.chromium import Chromium
from tests.viewer import pseudo
from tests.viewer.pseudo import ACCENTED, MIRRORED

from rightful.language import OFFERED
from rightful.package.forms import Form
from rightful.package.ledger import SkippedEntry
from rightful.package.schema import Column, ColumnKind
from rightful.package.verifier import page as verifier
from rightful.package.viewer import page as viewer
from rightful.testing.package_builder import KEY, SampleSource, build_package

COLUMNS = tuple(Column(name=f"c_{kind.value}", kind=kind, source_type="native") for kind in ColumnKind)
VALUES: dict[ColumnKind, Any] = {
    ColumnKind.BOOL: True,
    ColumnKind.INT: -9_007_199_254_740_993,
    ColumnKind.FLOAT: -0.5,
    ColumnKind.DECIMAL: "-12.50",
    ColumnKind.TEXT: "שלום (abc) - 5%",
    ColumnKind.DATE: "2024-02-29",
    ColumnKind.TIMESTAMP: "2024-02-29T12:00:00.000000",
    ColumnKind.TIMESTAMP_TZ: "2024-02-29T12:00:00.000000Z",
    ColumnKind.JSON: {"a": [1]},
    ColumnKind.NESTED: [1],
}
ROW = {column.name: VALUES.get(column.kind, "x1") for column in COLUMNS}
SOURCES = (
    SampleSource(name="orders", product="Shop", columns=COLUMNS, rows=(ROW,) * 120 + ({**ROW, "c_text": ""}, dict.fromkeys(ROW))),
    SampleSource(
        name="drive", product="OneDrive", files={f"f{n}.pdf": b"x" for n in range(60)}, skipped=(SkippedEntry(path="a", reason="b"),)
    ),
    SampleSource(name="csv", rows=({"id": 1},), forms=(Form.CSV,)),
    SampleSource(name="tickets", product="Helpdesk"),
    SampleSource(name="hr", product="HR", skip_reason="r"),
    SampleSource(name="crm", product="CRM", identifiers={"customer_no": 0, "mail": 0}),
)
PAGES = ("", "#source=orders", "#source=drive", "#source=csv", "#source=tickets", "#source=hr", "#source=crm")

UNTRANSLATED = """
  const periods = '.bars rect title, .axis span, .charts tbody th, .activity tbody th, .strip tbody th'; // as Intl calls them
  const data = `[dir=auto], bdi, code, pre, time, mark, option, script, style, noscript, .control, ${periods}`;
  const left = [];
  const check = (text, where) => {
    let rest = text;
    for (let before = ''; rest !== before; ) [before, rest] = [rest, rest.replace(/\\[[^\\[\\]]*\\]/gu, ' ')]; // one may stand in another
    rest = rest.replace(/[\\d,.]+.?(bytes?|kB|MB|KiB|MiB|بايت|كيلوبايت)/gu, ' ').replace(/ and |و/gu, ' ');
    if (/\\p{L}/u.test(rest)) left.push(`${where}: ${rest.trim()}`);
  };
  for (const each of document.querySelectorAll('body :not(script, style, noscript)')) {
    for (const name of ['aria-label', 'title', 'placeholder', 'alt']) {
      const own = each.getAttribute(name);
      if (own && !each.matches('time')) check(own, name);
    }
    if (each.closest(data) || ![...each.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim())) continue;
    const copy = each.cloneNode(true);
    for (const inner of copy.querySelectorAll(data)) inner.replaceWith(' ');
    check(copy.textContent, each.localName);
  }
  return left;
"""


def _change(overview: Any) -> None:
    """Say all that a source can say."""
    orders = overview["sources"][0]
    rules = ("others", "mails_and_phones", "drop", "hash")
    orders["redacted"] = [{"column": "c_text", "rule": rule, "values": number} for rule in rules for number in (1, 2)]
    orders |= {
        "withheld": ["secret", "password"],
        "withheldPaths": ["*.tmp"],
        "withheldRows": ["at < 2024-01-01T00:00:00Z"],
        "superseded": 2,
        "asOf": ["2026-03-01T09:30:00Z", "2026-03-01T09:31:00Z"],
    }
    orders["refused"] = {"mail": {"empty": 1, "too_short": 2, "shared": 3}}
    overview["sources"][1]["skipped"]["count"] = 300


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = build_package(tmp_path_factory.mktemp("pseudo"), *SOURCES)
    for tag in pseudo.PSEUDO:
        pseudo.speaking(folder, "START-HERE.html", viewer.DOMAIN, tag, _change)
    (folder / "VERIFY.html").write_bytes(verifier.format_page([KEY.public, KEY.public]))
    for tag in pseudo.PSEUDO:
        pseudo.speaking(folder, "VERIFY.html", verifier.DOMAIN, tag)
    return folder


def opened(
    chromium: Chromium, package: Path, tag: str, steps: str, *, fragment: str = "", width: int = 320, page: str = "START-HERE.html"
) -> Any:
    waiting = "await page.waitForSelector('h1'); await page.waitForTimeout(150);"
    answer = chromium.visit(package, waiting + steps, file=f"{tag}-{page}", fragment=fragment, width=width)
    assert answer.errors == []
    return answer.result


SEEN = f"""
  for (const each of await page.$$('summary')) await each.click();
  const button = page.locator('tbody button').first();
  if (await button.count()) await button.click();
  const left = await page.evaluate(() => {{{UNTRANSLATED}}});
  const needed = await page.evaluate(() => document.documentElement.scrollWidth);
  return [left, needed, await axe(), await page.getAttribute('html', 'dir')];
"""


@pytest.mark.parametrize("tag", [ACCENTED, MIRRORED])
@pytest.mark.parametrize("fragment", PAGES)
def test_page_is_translated_has_room_and_is_accessible(chromium: Chromium, package: Path, tag: str, fragment: str) -> None:
    for width in (320, 1280):
        left, needed, violations, direction = opened(chromium, package, tag, SEEN, fragment=fragment, width=width)
        assert left == []
        assert needed <= width
        assert violations == []
        assert direction == ("rtl" if tag == MIRRORED else "ltr")


@pytest.mark.parametrize("tag", [ACCENTED, MIRRORED])
def test_what_is_said_while_somebody_searches_is_translated(chromium: Chromium, package: Path, tag: str) -> None:
    steps = f"""
      const seen = [];
      for (const query of ['x1', 'nothing like it', '']) {{
        await page.fill('input[type=search]', query);
        await page.waitForTimeout(200);
        seen.push(await page.innerText('[role=status]'), ...await page.evaluate(() => {{{UNTRANSLATED}}}));
      }}
      return seen;
    """
    seen = opened(chromium, package, tag, steps, fragment="#source=orders")
    assert len(seen) == 3
    assert all(text.startswith("[") for text in seen)


@pytest.mark.parametrize("tag", [ACCENTED, MIRRORED])
def test_page_without_its_rows_says_so_in_the_language(chromium: Chromium, package: Path, tmp_path: Path, tag: str) -> None:
    name = f"{tag}-START-HERE.html"
    (tmp_path / name).write_bytes((package / name).read_bytes())
    steps = "await page.waitForSelector('.table td[colspan]'); return page.innerText('.table td[colspan]')"
    answer = chromium.visit(tmp_path, steps, file=name, fragment="#source=orders", width=320)
    assert answer.result.startswith("[")


@pytest.mark.parametrize("tag", [ACCENTED, MIRRORED])
def test_page_that_checks_is_translated_has_room_and_is_accessible(chromium: Chromium, package: Path, tag: str) -> None:
    given = json.dumps(str(package))
    for steps in ("", f"await page.setInputFiles('#folder', {given}); await page.waitForSelector('tbody tr');"):
        left, needed, violations, direction = opened(chromium, package, tag, steps + SEEN, page="VERIFY.html")
        assert left == []
        assert needed <= 320
        assert violations == []
        assert direction == ("rtl" if tag == MIRRORED else "ltr")


def test_page_turns_round(chromium: Chromium, package: Path) -> None:
    steps = """
      const middle = async (selector) => page.locator(selector).first().evaluate((element) => { const box = element.getBoundingClientRect(); return (box.left + box.right) / 2; });
      await page.waitForSelector('.table tbody tr');
      const first = await middle('.table thead th');
      const last = await middle('.table thead th:last-child');
      const align = await page.locator('.table tbody td').nth(5).evaluate((cell) => getComputedStyle(cell).textAlign);
      return [await middle('#language'), await middle('h1'), await middle('.table .open'), first > last, align];
    """
    language, heading, button, is_reversed, align = opened(chromium, package, MIRRORED, steps, fragment="#source=orders", width=1280)
    assert language < 640
    assert button > 900
    assert is_reversed
    assert align == "start"
    assert heading == 640
    language, _, button, is_reversed, _ = opened(chromium, package, ACCENTED, steps, fragment="#source=orders", width=1280)
    assert language > 640
    assert button < 380
    assert not is_reversed


def test_data_keeps_its_own_direction(chromium: Chromium, package: Path) -> None:
    """A minus stays before its number, and a path's parts in their order; Hebrew runs from right to left on a page that does not."""
    steps = """
      await page.waitForSelector('.table tbody tr');
      return page.evaluate(() => {
        const place = (node, at) => { const range = document.createRange(); range.setStart(node, at); range.setEnd(node, at + 1); return range.getBoundingClientRect().left; };
        const textOf = (element) => { const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT); return walker.nextNode(); };
        const order = (element) => { const node = textOf(element); return place(node, 0) < place(node, node.data.length - 1); };
        const cells = [...document.querySelector('.table tbody tr').cells];
        const holds = (text) => order(cells.find((cell) => cell.textContent.includes(text)));
        const codes = [...document.querySelectorAll('main code')].map(order);
        return [holds('9007199254740993'), holds('-12.50'), holds('-0.5'), holds('abc'), codes.every(Boolean) && codes.length];
      });
    """
    for tag in (ACCENTED, MIRRORED):
        *numbers, hebrew, codes = opened(chromium, package, tag, steps, fragment="#source=orders", width=1280)
        assert numbers == [True, True, True]
        assert hebrew is False
        assert codes >= 2


def test_nobody_is_offered_them(chromium: Chromium, tmp_path: Path) -> None:
    build_package(tmp_path, SampleSource(name="hr"))
    answer = chromium.visit(tmp_path, "return page.$$eval('#language option', (all) => all.map((each) => each.value))", language="ar")
    assert sorted(answer.result) == sorted(OFFERED)
