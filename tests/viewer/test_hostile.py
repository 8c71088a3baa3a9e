"""What others wrote into a person's data runs nowhere, breaks nothing, and can be read."""

import json
from pathlib import Path

from tests.servers.chromium import Chromium
from tests.viewer.payloads import PAYLOADS

from rightful.package.ledger import SkippedEntry
from rightful.package.schema import Column, ColumnKind
from rightful.package.verify import FolderReader, PackageState, verify
from rightful.testing.package_builder import SampleSource, build_package

_HARMLESS_PATH = 60
_READ = """
    const read = [];
    for (;;) {
      await page.waitForTimeout(100);
      read.push(...await page.$$eval('.table tbody tr', (rows) => rows.map((row) => [...row.cells].slice(1).map((cell) => cell.textContent))));
      const next = page.locator('button:has-text("Next"):not([aria-disabled])');
      if (!await next.isVisible()) break;
      await next.click();
      await page.waitForTimeout(200);
    }
    return [read, await page.evaluate(() => window.ran), await page.locator('main :is(script, img, iframe, svg, style, form, b, marquee)').count()];
"""


def _seen(text: str) -> str:
    """Return a text as the page shows it: what would act is named; long ones are cut."""
    cut = text if len(text.encode("utf-16-le")) // 2 <= 240 else text.encode("utf-16-le")[:480].decode("utf-16-le", "ignore") + "…"
    acting = {*map(chr, (*range(9), *range(0xB, 0x20), *range(0x7F, 0xA0))), *"\u2028\u2029\ufeff\ufff9\ufffa\ufffb"}
    acting |= {chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}
    return "".join(f"U+{ord(character):04X}" if character in acting else character for character in cut)


def test_there_are_two_hundred() -> None:
    assert len(set(PAYLOADS)) >= 200


def test_hostile_cells_and_keys_are_text(chromium: Chromium, tmp_path: Path) -> None:
    columns = (
        Column(name="cell", kind=ColumnKind.TEXT),
        Column(name="document", kind=ColumnKind.JSON),
        Column(name="</script><script>window.ran=1</script>", kind=ColumnKind.TEXT, source_type="<b>"),
        Column(name="__proto__", kind=ColumnKind.TEXT),
    )
    rows = tuple({"cell": text, "document": {text[:50]: text[:50]}, columns[2].name: "x", "__proto__": text[:50]} for text in PAYLOADS)
    product = "</script><img src=x onerror=window.ran=1>"
    source = SampleSource(name="\"'><svg onload=window.ran=1>", product=product, columns=columns, rows=rows, rows_per_part=60)
    folder = build_package(tmp_path, source)
    assert verify(FolderReader(folder)).state is PackageState.WHOLE
    answer = chromium.visit(folder, "await page.click('main h3 a'); await page.waitForSelector('.table tbody tr');" + _READ)
    read, ran, elements = answer.result
    assert (ran, elements, answer.errors) == (None, 0, [])
    assert [cells[0] for cells in read] == [_seen(text) or "empty text" for text in PAYLOADS]
    assert [cells[3] for cells in read] == [_seen(text[:50]) or "empty text" for text in PAYLOADS]
    for cells, text in zip(read, PAYLOADS, strict=True):
        assert text[:20] in next(iter(json.loads(cells[1]))) or _seen(text) != text
    assert all(address.startswith(folder.as_uri()) for address in answer.requests)


def test_hostile_names_of_files_are_text_and_their_links_stay_in_the_package(chromium: Chromium, tmp_path: Path) -> None:
    files = {f"{number:03}/{text[:_HARMLESS_PATH]}": b"x" for number, text in enumerate(PAYLOADS) if text}
    skipped = tuple(SkippedEntry(path=text[:200], reason=f"{text[:50]}") for text in PAYLOADS if text)
    folder = build_package(tmp_path, SampleSource(name="drive", product="Drive", files=files, skipped=skipped))
    assert verify(FolderReader(folder)).state is PackageState.WHOLE
    answer = chromium.visit(folder, "await page.waitForSelector('.table tbody tr');" + _READ, fragment="#source=drive")
    read, ran, elements = answer.result
    assert (ran, elements, answer.errors) == (None, 0, [])
    assert len(read) == len(files)
    assert {cells[0] for cells in read} == {_seen(path) for path in files}


def test_nothing_that_was_found_is_named_in_an_address_of_another_place(chromium: Chromium, tmp_path: Path) -> None:
    folder = build_package(
        tmp_path, SampleSource(name="drive", files={text[:_HARMLESS_PATH]: b"" for text in ("javascript:1", "//127.0.0.1:9/x", "data:,1")})
    )
    answer = chromium.visit(
        folder,
        "await page.waitForSelector('.table tbody a'); return page.$$eval('main a', (links) => links.map((link) => link.href))",
        fragment="#source=drive",
    )
    assert all(link.startswith(folder.as_uri()) for link in answer.result)
