"""START-HERE.html opened from disk in Chromium: every record, exactly, by pages and by search."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from tests.servers.chromium import Chromium

from rightful.package.forms import Form
from rightful.package.schema import Column, ColumnKind
from rightful.testing.package_builder import SampleSource, build_package

COLUMNS = (
    Column(name="id", kind=ColumnKind.INT),
    Column(name="note", kind=ColumnKind.TEXT),
    Column(name="price", kind=ColumnKind.DECIMAL, source_type="numeric(10,4)"),
    Column(name="ratio", kind=ColumnKind.FLOAT),
    Column(name="paid", kind=ColumnKind.BOOL),
    Column(name="at", kind=ColumnKind.TIMESTAMP_TZ),
    Column(name="born", kind=ColumnKind.DATE),
    Column(name="meta", kind=ColumnKind.JSON),
    Column(name='odd "name"\\', kind=ColumnKind.TEXT),
)
FIRST_ID = 2**63 - 5_000


def row(number: int, **members: Any) -> dict[str, Any]:
    return {
        "id": FIRST_ID + number,
        "note": f"order {number:05}",
        "price": f"{number}.5000",
        "ratio": 0.1,
        "paid": number % 2 == 0,
        "at": "2024-02-29T23:59:59.000001Z",
        "born": "1987-03-14",
        "meta": {"n": number, "deep": [{"a": None}]},
        'odd "name"\\': None,
    } | members


ROWS = (
    *(row(number) for number in range(4_990)),
    row(4_990, note="", born="infinity", at="+20222-01-01T00:00:00.000000Z"),
    row(4_991, note="東京都の注文、Größe ÉTÉ"),
    row(4_992, note='say "hello"\\ and\nnext line'),
    row(4_993, note="x" * 1_000_000 + "end of it"),
    row(4_994, ratio="NaN", price="NaN"),
)
RECORDS = "#source=orders"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = SampleSource(name="orders", product="Shop", columns=COLUMNS, rows=ROWS, rows_per_part=1_000)
    return build_package(tmp_path_factory.mktemp("viewer"), source)


def shown(chromium: Chromium, package: Path, steps: str, *, result: str = "page.locator('.table tbody tr').allInnerTexts()") -> Any:
    answer = chromium.visit(package, f"await page.waitForSelector('.table tbody tr'); {steps}; return await {result}", fragment=RECORDS)
    assert answer.errors == []
    return answer.result


def search(text: str) -> str:
    return f"""
        await page.fill('input[type=search]', {text!r});
        await page.waitForFunction(() => /found$/.test(document.querySelector('[role=status]').textContent.split(' ·')[0]));
        await page.waitForTimeout(50);
    """


def test_values_are_shown_exactly_and_readably(chromium: Chromium, package: Path) -> None:
    first = shown(chromium, package, "")[0].split("\t")
    assert first == [
        "", "9223372036854770808", "order 00000", "0.5000", "0.1", "yes", "Feb 29, 2024, 11:59:59 PM UTC", "Mar 14, 1987",
        '{"n":0,"deep":[{"a":null}]}', "\N{EN DASH}\nno value",
    ]  # fmt: skip


def test_every_page_has_its_rows(chromium: Chromium, package: Path) -> None:
    pages = shown(
        chromium,
        package,
        """
        const ids = [];
        for (let number = 1; number <= 100; number += 11) {
          await page.fill('.pager input', String(number));
          await page.locator('.pager input').blur();
          await page.waitForFunction((n) => document.querySelector('[role=status]').textContent.includes(`showing ${n.toLocaleString('en')} to`), number * 50 - 49);
          ids.push(...await page.$$eval('.table tbody tr', (rows) => rows.map((row) => row.cells[1].textContent)));
        }
        """,
        result="ids",
    )
    assert pages == [str(FIRST_ID + first + number) for first in range(0, len(ROWS), 550) for number in range(min(50, len(ROWS) - first))]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("ORDER 0400", range(4_000, 4_010)),
        ("9223372036854775798", [4_990]),
        ("京都の", [4_991]),
        ("größe été", [4_991]),
        ('"hello"\\', [4_992]),
        ("end of it", [4_993]),
        ("NaN", [4_994]),
        ("infinity", [4_990]),
        ("price", []),
        ('odd "', []),
        ('":"', []),
    ],
)
def test_search_finds_values_and_no_names_of_columns(chromium: Chromium, package: Path, text: str, numbers: list[int]) -> None:
    ids = shown(
        chromium, package, search(text), result="page.$$eval('.table tbody tr', (rows) => rows.map((row) => row.cells[1].textContent))"
    )
    assert ids == [str(FIRST_ID + number) for number in itertools.islice(numbers, 50)]


def test_search_of_many_rows_is_paged_and_can_be_taken_back(chromium: Chromium, package: Path) -> None:
    said = shown(
        chromium,
        package,
        search("order 01")
        + """
        const found = await page.innerText('[role=status]');
        await page.click('button:has-text("Last")');
        await page.waitForFunction(() => document.querySelector('.table tbody').textContent.includes('order 01999'));
        await page.fill('input[type=search]', '');
        await page.waitForFunction(() => document.querySelector('.table tbody').textContent.includes('order 00000'));
        """,
        result="[found, await page.innerText('[role=status]')]",
    )
    assert said == ["1,000 records found · showing 1 to 50", "4,995 records · showing 1 to 50"]


def test_what_is_found_is_shown_before_all_rows_are_there_and_the_count_follows(chromium: Chromium, package: Path) -> None:
    steps = """
        let go;
        const held = new Promise((resolve) => { go = resolve; });
        await page.route(/part-00000-00004\\.js$/, async (route) => { await held; await route.continue(); });
        await page.reload();
        await page.waitForSelector('.table tbody tr');
        await page.fill('input[type=search]', 'order 0001');
        await page.waitForFunction(() => document.querySelectorAll('.table tbody mark').length === 10);
        await page.waitForFunction(() => document.querySelector('[role=status]').textContent.includes('(4,000 of')); // the rest is held
        const meanwhile = await page.innerText('[role=status]');
        go();
        await page.waitForFunction(() => !document.querySelector('[role=status]').textContent.includes('('));
    """
    said = shown(chromium, package, steps, result="[meanwhile, await page.innerText('[role=status]')]")
    assert said == ["10 records found (4,000 of 4,995 searched so far)", "10 records found"]


def test_search_that_has_found_nothing_yet_shows_no_rows_of_another(chromium: Chromium, package: Path) -> None:
    steps = """
        await page.route(/part-00000-00004\\.js$/, () => {}); // it never comes
        await page.reload();
        await page.waitForSelector('.table tbody tr');
        await page.fill('input[type=search]', 'order 0430');
        await page.waitForFunction(() => document.querySelectorAll('.table tbody tr').length === 0);
        await page.waitForFunction(() => document.querySelector('[role=status]').textContent.includes('(4,000 of')); // the rest is held
    """
    said = shown(chromium, package, steps, result="page.innerText('[role=status]')")
    assert said == "0 records found (4,000 of 4,995 searched so far)"


def test_texts_are_made_ready_when_a_table_opens(chromium: Chromium, package: Path) -> None:
    steps = "const asked = page.waitForRequest(/part-00000-00004\\.js$/); await page.reload(); await asked;"
    assert shown(chromium, package, steps, result="page.inputValue('input[type=search]')") == ""


def test_record_opens_to_all_of_its_values(chromium: Chromium, package: Path) -> None:
    steps = search("end of it") + "await page.click('tbody button'); await page.waitForSelector('.record')"
    text = shown(chromium, package, steps, result="page.innerText('.record')")
    assert "x" * 1_000_000 + "end of it" in text
    assert '{\n  "n": 4993,\n  "deep": [\n    {\n      "a": null\n    }\n  ]\n}' in text
    assert "2024-02-29T23:59:59.000001Z" in text


def test_records_are_accessible_and_fit(chromium: Chromium, package: Path) -> None:
    for width, dark in ((320, True), (768, False), (1280, True)):
        steps = """
            await page.locator('tbody button').nth(1).click();
            for (const each of await page.$$('summary')) await each.click();
            return [await axe(), await page.evaluate(() => document.documentElement.scrollWidth)];
        """
        violations, needed = chromium.visit(package, steps, fragment=RECORDS, width=width, dark=dark).result
        assert violations == []
        assert needed <= width


def test_package_of_several_forms_shows_each_record_once(chromium: Chromium, tmp_path: Path) -> None:

    rows = tuple({"id": number} for number in range(3))
    build_package(tmp_path, SampleSource(name="orders", product="Shop", rows=rows, forms=(Form.CSV, Form.JSONL)))
    assert [each.strip() for each in shown(chromium, tmp_path, "")] == ["0", "1", "2"]
    assert shown(chromium, tmp_path, "await page.click('text=Files with these records')", result="page.locator('details li').count()") == 2
