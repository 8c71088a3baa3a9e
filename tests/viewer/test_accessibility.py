"""START-HERE.html is for everybody: axe-core finds nothing wrong at three widths, light and dark, in each language, and nothing is too wide."""

import json
from pathlib import Path

import pytest
from tests.servers.chromium import Chromium

from rightful.language import OFFERED
from rightful.package.label import CommonLabel, Decision, Label, StatementSettings, Transfer
from rightful.package.ledger import SkippedEntry
from rightful.package.schema import Column, ColumnKind
from rightful.testing.package_builder import SampleSource, build_package

pytestmark = pytest.mark.timeout(600)

WIDTHS = (320, 768, 1280)
COLUMNS = (
    Column(name="id", kind=ColumnKind.INT),
    Column(name="ordered_at", kind=ColumnKind.TIMESTAMP_TZ),
    Column(name="state", kind=ColumnKind.TEXT),
    Column(name="note", kind=ColumnKind.TEXT),
    Column(name="price", kind=ColumnKind.DECIMAL),
    Column(name="paid", kind=ColumnKind.BOOL),
    Column(name="meta", kind=ColumnKind.JSON),
)
ROWS = tuple(
    {
        "id": 2**63 - number,
        "ordered_at": f"{2022 + number % 3}-02-{1 + number % 2:02}T{number % 24:02}:15:00.000000Z",
        "state": "sh",
        "note": ("a\u202eb", "", None, "donaudampfschifffahrtsgesellschaftskapitän" * 3, "東京都の注文")[number % 5],
        "price": "12.50",
        "paid": number % 2 == 0,
        "meta": {"deep": [{"a": None}]},
    }
    for number in range(14)
)
LABEL = Label(
    category="user.behavior.purchase_history",
    purpose=("essential.service", "finance"),
    legal_basis="contract",
    retention="10 years",
    recipients=({"en": "Tax office", "de": "Finanzamt"},),
    origin=("person", "observed"),
    transfers=(Transfer(to="Japan", safeguards="adequacy"),),
    decisions=(Decision(what="a limit", logic="unpaid invoices", consequences="payment in advance"),),
    titles={"state": {"en": "State of the order", "de": "Stand der Bestellung"}},
    values={"state": {"sh": {"en": "shipped", "de": "versandt"}}},
)
SOURCES = (
    SampleSource(name="orders", product="Shop", columns=COLUMNS, rows=ROWS, label=LABEL),
    SampleSource(name="calls", product="HR", rows=({"began": "2024-02-02 03:00:30", "who": "Zoë"},)),
    SampleSource(
        name="drive",
        product="OneDrive",
        files={f"Documents/{number:03}.txt": b"x" for number in range(55)} | {"b:c/é\u202egpj.exe": b"1", "%41#?.txt": b"2"},
        skipped=(SkippedEntry(path="a/b.docx", reason="permission denied"),),
    ),
    SampleSource(name="tickets", product="Helpdesk"),
    SampleSource(name="hr", product="HR", skip_reason="the operator's policy"),
    SampleSource(name="crm", product="CRM", identifiers={"customer_no": 0}),
)
PAGES = {
    "overview and statement": ("", ".stated", ""),
    "records, one of them open": ("#source=orders", ".table tbody tr", ".table .open"),
    "files": ("#source=drive", ".table tbody tr", ""),
    "day by day, a record open": ("#time=2024-02", ".timeline .open", ".timeline .open"),
}
"""Each: its address, what stands there once it is drawn, and what opens a record."""

LOOK = """
    const found = [];
    let looked = 0;
    for (const tag of TAGS) {
      await page.selectOption('#language', tag);
      await page.waitForSelector(READY);
      if (OPENER) await page.locator(OPENER).first().click();
      await page.$$eval('main details', (all) => all.forEach((each) => { each.open = true; }));
      for (const width of WIDTHS) {
        await page.setViewportSize({ width, height: 900 });
        for (const colorScheme of ['light', 'dark']) {
          await page.emulateMedia({ colorScheme });
          const where = `${tag}, ${width} px, ${colorScheme}`;
          const needed = await page.evaluate(() => document.documentElement.scrollWidth);
          if (needed > width) found.push(`${where}: ${needed} px wide`);
          found.push(...(await axe()).map((each) => `${where}: ${each}`));
          looked += 1;
        }
      }
    }
    return [looked, await page.evaluate(() => document.querySelectorAll('main *').length), found];
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = StatementSettings(contact="privacy@contoso.example", laws=("gdpr", "ccpa"), label=CommonLabel(transfers=()))
    return build_package(tmp_path_factory.mktemp("viewer"), *SOURCES, statement=settings)


@pytest.mark.parametrize("page", PAGES)
def test_page_has_no_violation_and_fits_at_every_width_in_either_light_in_every_language(
    chromium: Chromium, package: Path, page: str
) -> None:
    fragment, ready, opener = PAGES[page]
    given = {"TAGS": OFFERED, "READY": ready, "OPENER": opener, "WIDTHS": WIDTHS}
    steps = "".join(f"const {name} = {json.dumps(value)};" for name, value in given.items()) + LOOK
    answer = chromium.visit(package, steps, fragment=fragment)
    looked, elements, found = answer.result
    assert found == []
    assert looked == len(OFFERED) * 3 * 2
    assert elements > 100
    assert answer.errors == []


def test_what_is_wrong_is_found(chromium: Chromium, package: Path) -> None:
    steps = """
        await page.evaluate(() => {
          const faint = Object.assign(document.createElement('p'), { textContent: 'hardly to be seen' });
          faint.style.color = '#ccc';
          document.querySelector('main').append(faint, document.createElement('img'), document.createElement('button'));
        });
        return (await axe()).map((each) => each.split(':')[0]);
    """
    assert {"color-contrast", "image-alt", "button-name"} <= set(chromium.visit(package, steps).result)
