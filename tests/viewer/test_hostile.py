"""What others wrote into a person's data runs nowhere, breaks nothing, and can be read."""

import json
from pathlib import Path

import msgspec
from tests.servers.chromium import Chromium
from tests.viewer.payloads import PAYLOADS, TEXTS
from tests.viewer.shown import in_cell, named, whole

from rightful.package.label import Label
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


def _written(text: str) -> str:
    """Return a document with a text as its key and as its value; no UTF-8 has lone surrogates, which JSON escapes."""
    return json.dumps({text: text}, ensure_ascii=text not in TEXTS, separators=(",", ":"))


def test_there_are_two_hundred_and_all_that_is_hard_is_among_them() -> None:
    assert len(set(TEXTS)) >= 200
    assert len(set(PAYLOADS)) == len(PAYLOADS)
    assert max(map(len, TEXTS)) == 1_000_000
    assert {"\x00", "\u202egpj.exe", "𠜎", "\ud800"} <= set(PAYLOADS)


def test_hostile_cells_and_keys_are_text(chromium: Chromium, tmp_path: Path) -> None:
    columns = (
        Column(name="cell", kind=ColumnKind.TEXT),
        Column(name="document", kind=ColumnKind.JSON),
        Column(name="</script><script>window.ran=1</script>", kind=ColumnKind.TEXT, source_type="<b>"),
        Column(name="__proto__", kind=ColumnKind.TEXT),
    )
    cells = [text if text in TEXTS else "" for text in PAYLOADS]
    rows = tuple(
        {"cell": cell, "document": msgspec.Raw(_written(text).encode()), columns[2].name: "x", "__proto__": cell[:50]}
        for text, cell in zip(PAYLOADS, cells, strict=True)
    )
    product = "</script><img src=x onerror=window.ran=1>"
    source = SampleSource(name="\"'><svg onload=window.ran=1>", product=product, columns=columns, rows=rows, rows_per_part=60)
    folder = build_package(tmp_path, source)
    assert verify(FolderReader(folder)).state is PackageState.WHOLE
    answer = chromium.visit(folder, "await page.click('main h3 a'); await page.waitForSelector('.table tbody tr');" + _READ)
    read, ran, elements = answer.result
    assert (ran, elements, answer.errors) == (None, 0, [])
    assert [row[0] for row in read] == [in_cell(cell) for cell in cells]
    assert [row[1] for row in read] == [in_cell(_written(text)) for text in PAYLOADS]
    assert [row[3] for row in read] == [in_cell(cell[:50]) for cell in cells]
    assert all(address.startswith(folder.as_uri()) for address in answer.requests)


def test_hostile_texts_among_times_are_text(chromium: Chromium, tmp_path: Path) -> None:
    texts = ["2026-01-02T03:04:05Z", *(text for text in TEXTS if in_cell(text) != text)]
    rows = tuple({"id": number, "at": text} for number, text in enumerate(texts))
    folder = build_package(tmp_path, SampleSource(name="log", rows=rows, label=Label(time="at")))
    steps = """
        await page.waitForSelector('.table tbody tr');
        await page.$$eval('button.open', (all) => all.forEach((each) => each.click()));
        return [await page.$$eval('.table tbody td:nth-child(3)', (all) => all.map((each) => each.textContent)), await page.$$eval('.record dd:nth-child(2)', (all) => all.map((each) => each.textContent)), await page.evaluate(() => window.ran)];
    """
    cells, whole_, ran = chromium.visit(folder, steps, fragment="#source=log").result
    assert ran is None
    assert len(cells) > 20
    assert cells[1:] == [in_cell(text) for text in texts[1:50]]
    assert whole_[3::2] == [whole(text) for text in texts[1:50]]


def test_hostile_names_of_files_are_text_and_their_links_stay_in_the_package(chromium: Chromium, tmp_path: Path) -> None:
    files = {f"{number:03}/{text[:_HARMLESS_PATH]}": b"x" for number, text in enumerate(TEXTS) if text}
    skipped = tuple(SkippedEntry(path=text[:200], reason=f"{text[:50]}") for text in TEXTS if text)
    folder = build_package(tmp_path, SampleSource(name="drive", product="Drive", files=files, skipped=skipped))
    assert verify(FolderReader(folder)).state is PackageState.WHOLE
    answer = chromium.visit(folder, "await page.waitForSelector('.table tbody tr');" + _READ, fragment="#source=drive")
    read, ran, elements = answer.result
    assert (ran, elements, answer.errors) == (None, 0, [])
    assert len(read) == len(files)
    assert {cells[0] for cells in read} == {named(path) for path in files}


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


def test_page_among_the_files_cannot_take_what_the_shards_show(chromium: Chromium, tmp_path: Path) -> None:
    """Whoever opens a page that somebody sent them runs it, in the midst of the package; it may load any script there is."""
    taking = """<!doctype html><script>
    window.told = []; window.onerror = (...all) => { told.push(String(all[0])); };
    window.rightfulShard = (content) => told.push(String(content));
    const script = document.createElement('script'); script.src = '../../../SHARD';
    script.onload = () => { document.title = 'loaded'; }; document.head.append(script);
    </script>"""
    rows = SampleSource(name="hr", product="HR", rows=({"id": 1, "note": "secret"},))
    shard = "view/HR/hr/part-00000-00000.js"
    drive = SampleSource(name="drive", product="Drive", files={"page.html": taking.replace("SHARD", shard).encode()})
    folder = build_package(tmp_path, rows, drive)
    steps = """
    await page.waitForSelector('.table tbody a');
    const opening = context.waitForEvent('page'); await page.click('.table tbody a'); const opened = await opening;
    await opened.waitForFunction(() => document.title === 'loaded');
    const told = await opened.evaluate(() => window.told);
    await page.evaluate(() => { location.hash = '#source=hr'; }); await page.waitForSelector('.table tbody tr');
    return [told, (await page.innerText('.table tbody')).includes('secret')];
    """
    answer = chromium.visit(folder, steps, fragment="#source=drive")
    assert (folder / shard).as_uri() in answer.requests
    assert answer.result == [[], True]
