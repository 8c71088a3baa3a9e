"""START-HERE.html tells what happened in a month or on a day, over all systems, in order of time."""

import itertools
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.servers.chromium import Answer, Chromium

from rightful.package.label import Label
from rightful.package.schema import Column, ColumnKind
from rightful.testing.package_builder import SampleSource, build_package

AT = Column(name="at", kind=ColumnKind.TIMESTAMP_TZ)
NAME = Column(name="name", kind=ColumnKind.TEXT)
META = Column(name="meta", kind=ColumnKind.JSON)


def orders(count: int) -> tuple[dict[str, Any], ...]:
    """Rows in no order of time, one each hour from the first of February 2024 on, and one without a time."""
    rows = [
        {"id": number, "at": f"2024-02-{1 + number // 24:02}T{number % 24:02}:00:00.000000Z", "name": f"order {number}"}
        for number in range(count)
    ]
    return (*(rows[number * 37 % count] for number in range(count)), {"id": count, "at": None, "name": "whenever"})


SOURCES = (
    SampleSource(
        name="orders", product="Shop", columns=(Column(name="id", kind=ColumnKind.INT), AT, NAME), rows=orders(500), rows_per_part=90
    ),
    SampleSource(
        name="calls",
        product="HR",
        rows=({"began": "2024-02-02 03:00:30", "who": "Zoë"}, {"began": "2024-03-01T00:00:00+09:00", "who": "東京"}),
        label=Label(titles={"who": "with whom"}, values={"who": {"Zoë": "a colleague"}}),
    ),
    SampleSource(
        name="absences",
        product="HR",
        columns=(Column(name="first_day", kind=ColumnKind.DATE), META),
        rows=({"first_day": "2024-02-02", "meta": {"first_day": "2024-02-03"}},),
    ),
    SampleSource(name="crm", rows=({"id": 1, "name": "x"},)),
)
READY = "await page.waitForFunction(() => /entr(y|ies)/.test(document.querySelector('[role=status]')?.textContent ?? ''));"
ROWS = "page.locator('.timeline tr').allInnerTexts()"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_package(tmp_path_factory.mktemp("viewer"), *SOURCES)


def visit(chromium: Chromium, package: Path, fragment: str, steps: str = "", result: str = ROWS, **options: Any) -> Answer:
    answer = chromium.visit(package, f"{READY} {steps} return await {result}", fragment=fragment, **options)
    assert answer.errors == []
    return answer


def test_day_is_told_over_all_systems_in_order_of_time(chromium: Chromium, package: Path) -> None:
    rows = [" ".join(row.split()) for row in visit(chromium, package, "#time=2024-02-02").result]
    assert rows[:6] == [
        "Time System What is recorded",
        "Friday, February 2, 2024",
        "00:00:00 UTC Shop · orders name order 24 id 24",
        'whole day HR · absences meta {"first_day":"2024-02-03"}',
        "01:00:00 UTC Shop · orders name order 25 id 25",
        "02:00:00 UTC Shop · orders name order 26 id 26",
    ]
    assert rows[6:8] == ["03:00:00 UTC Shop · orders name order 27 id 27", "03:00:30 HR · calls with whom Zoë a colleague"]
    assert len(rows) == 2 + 24 + 2


def test_month_is_paged_and_each_record_stands_once(chromium: Chromium, package: Path) -> None:
    steps = """
        const names = [];
        const said = [await page.innerText('[role=status]')];
        for (;;) {
          names.push(...await page.$$eval('.timeline tbody tr', (rows) => rows.map((row) => row.cells[3]?.textContent).filter(Boolean)));
          const before = await page.innerText('[role=status]');
          if (await page.locator('.pager button').nth(2).getAttribute('aria-disabled')) break;
          await page.click('button:has-text("Next")');
          await page.waitForFunction((text) => document.querySelector('[role=status]').textContent !== text, before);
        }
    """
    names, said = visit(chromium, package, "#time=2024-02", steps, "[names, said]").result
    assert said == ["502 entries · showing 1 to 50"]
    assert [name.split("id ")[1] for name in names if "order " in name] == [str(number) for number in range(500)]
    assert len(names) == 502


def test_system_and_day_can_be_chosen_and_the_address_says_so(chromium: Chromium, package: Path) -> None:
    steps = """
        await page.selectOption('#time-system', 'calls');
        await page.waitForFunction(() => document.querySelectorAll('.timeline tbody').length === 1);
        const first = await page.locator('.timeline tr').count();
        await page.selectOption('#time-month', '2024-03');
        await page.waitForFunction(() => document.querySelector('.timeline').textContent.includes('東京'));
        await page.selectOption('#time-day', '2024-03-01');
    """
    result = visit(
        chromium, package, "#time=2024-02", steps, "[first, page.url().split('#')[1], await page.locator('.timeline tr').count()]"
    ).result
    assert result == [3, "time=2024-03-01", 3]


def test_entry_opens_to_its_record(chromium: Chromium, package: Path) -> None:
    steps = "await page.locator('.timeline .open').nth(1).click();"
    text = visit(chromium, package, "#time=2024-02-02", steps, "page.innerText('.record')").result
    assert '"first_day": "2024-02-03"' in text


def test_days_of_a_month_are_drawn_and_stand_in_a_table(chromium: Chromium, package: Path) -> None:
    steps = "await page.click('main summary');"
    figures = visit(chromium, package, "#time=2024-02", steps, "page.locator('details tbody tr').allInnerTexts()").result
    assert len(figures) == 29
    assert figures[1].split("\t") == ["Feb 2, 2024", "26"]


def test_overview_leads_to_the_last_month_that_is_not_to_come(chromium: Chromium, tmp_path: Path) -> None:
    rows = ({"at": "2025-11-02T00:00:00.000000Z", "name": "a"}, {"at": "2030-01-01T00:00:00.000000Z", "name": "expires"})
    build_package(tmp_path, SampleSource(name="orders", columns=(AT, NAME), rows=rows))
    steps = (
        f"await page.click('a[href=\"#time=\"]'); {READY} return [await page.locator('.timeline tr').allInnerTexts(), await page.title()];"
    )
    answer = chromium.visit(tmp_path, steps)
    assert "Sunday, November 2, 2025" in answer.result[0][1]
    assert answer.result[1].startswith("Day by day")


def test_without_times_there_is_no_such_page(chromium: Chromium, tmp_path: Path) -> None:
    build_package(tmp_path, SOURCES[3])
    answer = chromium.visit(
        tmp_path, "return [await page.innerText('h1'), await page.locator('a[href=\"#time=\"]').count()]", fragment="#time=2024-02"
    )
    assert answer.result == ["Your personal data", 0]


def test_missing_shard_is_said(chromium: Chromium, package: Path, tmp_path: Path) -> None:
    (tmp_path / "START-HERE.html").write_bytes((package / "START-HERE.html").read_bytes())
    steps = (
        "await page.waitForFunction(() => document.querySelector('[role=status]').textContent.includes('could not be opened')); return 1;"
    )
    assert chromium.visit(tmp_path, steps, fragment="#time=2024-02").result == 1


def test_parts_say_between_which_months_they_are(package: Path) -> None:
    page = (package / "START-HERE.html").read_text(encoding="utf-8")
    known = msgspec.json.decode(page.split('id="overview">')[1].split("</script>")[0])
    [dataset] = known["sources"][0]["datasets"]
    assert {(part["from"], part["to"]) for part in itertools.islice(dataset["parts"], 6)} == {("2024-02", "2024-02")}


def test_zone_that_a_text_names_is_shown(chromium: Chromium, tmp_path: Path) -> None:
    texts = (
        "2024-03-01T00:00:30+09:00",
        "2024-03-01 01:00",
        "2024-03-01T02:00Z",
        "2024-03-01T03:00:00.123+00:00",
        "2024-03-01T04:00:00 UTC",
        "2024-03-01T05:00:00-0330",
    )
    build_package(tmp_path, SampleSource(name="calls", rows=tuple({"began": text, "who": "x"} for text in texts)))
    rows = visit(chromium, tmp_path, "#time=2024-03", result="page.locator('.timeline time[title]').allInnerTexts()").result
    assert rows == ["00:00:30 UTC+09:00", "01:00", "02:00 UTC", "03:00:00 UTC", "04:00:00 UTC", "05:00:00 UTC-0330"]


@pytest.mark.parametrize(
    ("kind", "value", "is_said"),
    [
        (ColumnKind.TIMESTAMP, "2024-03-01T00:00:00.000000", True),
        (ColumnKind.TEXT, "2024-03-01 00:00:00", True),
        (ColumnKind.TEXT, "2024-03-01T00:00:00Z", False),
        (ColumnKind.TEXT, "2024-03-01", False),
        (ColumnKind.TIMESTAMP_TZ, "2024-03-01T00:00:00.000000Z", False),
        (ColumnKind.DATE, "2024-03-01", False),
    ],
)
def test_page_of_a_source_says_where_its_times_name_no_zone(
    chromium: Chromium, tmp_path: Path, *, kind: ColumnKind, value: str, is_said: bool
) -> None:
    build_package(tmp_path, SampleSource(name="calls", columns=(Column(name="at", kind=kind), NAME), rows=({"at": value, "name": "x"},)))
    steps = "await page.waitForSelector('.table tbody tr'); return page.innerText('main')"
    for language, said in (
        ("en", "where no time zone stands beside one, the system names none"),
        ("ja", "システムがタイムゾーンを示していない"),
    ):
        assert (said in chromium.visit(tmp_path, steps, fragment="#source=calls", language=language).result) == is_said
