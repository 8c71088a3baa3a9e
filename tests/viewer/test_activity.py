"""START-HERE.html draws when the records are from."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.servers.chromium import Chromium

from rightful.package.schema import Column, ColumnKind
from rightful.testing.package_builder import SampleSource, build_package

COLUMNS = (Column(name="id", kind=ColumnKind.INT), Column(name="at", kind=ColumnKind.TIMESTAMP_TZ))
FIRST = datetime(2015, 3, 2, 9, tzinfo=UTC)  # a Monday


def source(name: str, rows: int, days: float, product: str = "Shop") -> SampleSource:
    moments = ((FIRST + timedelta(days=days * number)).strftime("%Y-%m-%dT%H:%M:%S.%fZ") for number in range(rows))
    return SampleSource(
        name=name,
        product=product,
        columns=COLUMNS,
        rows=tuple({"id": number, "at": at} for number, at in enumerate(moments)),
        rows_per_part=150,
    )


SOURCES = (
    source("orders", 400, 9),
    source("visits", 30, 7, "Web"),
    SampleSource(name="crm", rows=({"id": 1, "name": "x"},)),
)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_package(tmp_path_factory.mktemp("viewer"), *SOURCES)


TABLE = "await page.click('section[aria-labelledby=activity] summary');"


def test_years_of_all_systems_and_of_each_are_drawn_and_stand_in_a_table(chromium: Chromium, package: Path) -> None:
    answer = chromium.visit(
        package,
        TABLE
        + """
        const section = page.locator('section[aria-labelledby=activity]');
        return [
          await section.locator('svg[role=img]').evaluateAll((all) => all.map((svg) => [svg.querySelector('title').textContent, svg.querySelectorAll('rect').length])),
          await section.locator('svg desc').first().textContent(),
          await section.locator('tr').allInnerTexts(),
          await section.locator('p').first().innerText(),
        ];
        """,
    )
    drawn, said, figures, lead = answer.result
    assert answer.errors == []
    assert drawn == [["All systems", 10], ["Shop · orders", 10], ["Web · visits", 10]]
    assert said == "430 in all, from 2015 to 2024; most in 2015: 64"
    assert [row.split("\t") for row in figures[:3]] == [
        ["Period", "All systems", "Shop · orders", "Web · visits"],
        ["2015", "64", "34", "30"],
        ["2016", "41", "41", "0"],
    ]
    assert lead.endswith("1 has none.")


def test_year_can_be_chosen_by_the_keyboard(chromium: Chromium, package: Path) -> None:
    answer = chromium.visit(
        package,
        """
        await page.focus('#activity ~ .years select');
        await page.keyboard.press('End');
        await page.click('section[aria-labelledby=activity] summary');
        return await page.locator('section[aria-labelledby=activity] tbody tr').allInnerTexts();
        """,
        language="de",
    )
    months = [row.split("\t") for row in answer.result]
    assert len(months) == 12
    assert months[0] == ["Januar 2015", "0", "0", "0"]
    assert months[2] == ["März 2015", "9", "4", "5"]


def test_source_has_its_weekdays_and_hours(chromium: Chromium, package: Path) -> None:
    answer = chromium.visit(
        package,
        """
        const tables = page.locator('.activity details');
        for (const each of await page.$$('.activity summary')) await each.click();
        return [await tables.nth(1).locator('tbody tr').allInnerTexts(), await tables.nth(2).locator('tbody tr').nth(9).innerText()];
        """,
        fragment="#source=visits",
    )
    weekdays, nine = answer.result
    assert [row.split("\t") for row in weekdays][:2] == [["Monday", "30"], ["Tuesday", "0"]]
    assert nine.split("\t")[1] == "30"


def test_package_without_times_has_no_charts(chromium: Chromium, tmp_path: Path) -> None:
    build_package(tmp_path, SOURCES[2])
    assert chromium.visit(tmp_path, "return await page.locator('svg').count()").result == 0


def test_time_runs_from_the_right_where_the_page_does(chromium: Chromium, package: Path) -> None:
    steps = """
        await page.evaluate(() => { document.documentElement.dir = 'rtl'; });
        return await page.evaluate(() => {
          const plot = document.querySelector('.plot');
          const middle = plot.getBoundingClientRect().left + plot.clientWidth / 2;
          return [plot.querySelector('rect').getBoundingClientRect().left > middle, plot.querySelector('.axis span').getBoundingClientRect().left > middle];
        });
    """
    assert chromium.visit(package, steps).result == [True, True]
