"""START-HERE.html of one person's million records, opened from disk in Chromium: how soon it shows what, and what it holds in memory."""

import itertools
import random
import statistics
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.servers.chromium import Chromium, start_chromium

from benchmarks.cluster import CACHE, Cluster
from benchmarks.figures import Figure, median_of
from rightful.operation.model import SourceState
from rightful.package.activity import activity_of
from rightful.package.closing import Finished, documents
from rightful.package.contents import PayloadEntry, ShardEntry
from rightful.package.datapackage import SourceTitle
from rightful.package.digest import measure
from rightful.package.ledger import Ledger, SourceRecord
from rightful.package.parts import PartCutter
from rightful.package.paths import part_path, shard_path
from rightful.package.schema import Column, ColumnKind
from rightful.package.viewer.shards import OPEN_CALL, encode_shards
from rightful.testing.package_builder import COMPLETED_AT, KEY, OPERATION_ID, SUBJECT_ID, SUBMITTED_AT, TENANT_ID

RECORDS = 1_000_000
TABLE = 100_000
_PART_BYTES = 16 * 1024 * 1024
_FIRST = datetime(2015, 3, 2, tzinfo=UTC)
_COLUMNS = (
    Column(name="id", kind=ColumnKind.INT),
    Column(name="at", kind=ColumnKind.TIMESTAMP_TZ),
    Column(name="kind", kind=ColumnKind.TEXT),
    Column(name="address", kind=ColumnKind.TEXT),
    Column(name="note", kind=ColumnKind.TEXT),
    Column(name="price", kind=ColumnKind.DECIMAL),
)
_KEYS = ("2", "23", "238", "2384", "23841", "238")
"""What is typed, a figure a keystroke; the last is a figure taken back."""

_OPEN = """
    await page.waitForSelector('.table tbody tr');
    return await page.evaluate(() => performance.now());
"""
_PAGES = """
    await page.waitForSelector('.table tbody tr');
    return await page.evaluate(async (rows) => {
      const input = document.querySelector('.pager input');
      const last = Number(input.max);
      const turned = async (number) => {
        const began = performance.now();
        const box = document.querySelector('.pager input');
        box.value = String(number);
        box.dispatchEvent(new Event('change'));
        const first = String((number - 1) * 50);
        while (document.querySelector('.table tbody tr').cells[1].textContent !== first) await new Promise((done) => setTimeout(done));
        return performance.now() - began;
      };
      const found = { far: [], near: [] };
      for (let number = 1; number <= 20; number += 1) {
        const at = 2 + ((number * 7919) % (last - 2));
        found.far.push(await turned(at));
        await new Promise((done) => setTimeout(done, 250));
        found.near.push(await turned(at + 1));
        await new Promise((done) => setTimeout(done, 250));
      }
      return found;
    });
"""
_SEARCH = """
    await page.waitForSelector('.table tbody tr');
    await page.focus('input[type=search]');
    await page.waitForTimeout(WARM);
    return await page.evaluate(async (keys) => {
      const box = document.querySelector('input[type=search]');
      const status = document.querySelector('[role=status]');
      const taken = [];
      for (const key of keys) {
        const began = performance.now();
        let shown = null;
        const rows = new MutationObserver(() => { shown ??= performance.now() - began; });
        rows.observe(document.querySelector('.table tbody'), { childList: true });
        const told = new Promise((done) => {
          new MutationObserver((_, observer) => {
            if (status.textContent.includes('(')) return; // the search is not at its end yet
            observer.disconnect();
            done();
          }).observe(document.querySelector('.pager'), { childList: true }); // filled anew when rows have been drawn, and at the end
        });
        box.value = key;
        box.dispatchEvent(new Event('input'));
        await told;
        const ended = performance.now() - began;
        taken.push([shown ?? ended, ended]); // where nothing is found, that is what is drawn
        rows.disconnect();
        await new Promise((done) => setTimeout(done, 300));
      }
      return taken;
    }, KEYS);
"""
_MEMORY = """
    const cdp = await context.newCDPSession(page);
    const held = async () => {
      const { usedSize, embedderHeapUsedSize, backingStorageSize } = await cdp.send('Runtime.getHeapUsage');
      return usedSize + embedderHeapUsedSize + backingStorageSize;
    };
    await page.waitForSelector('.table tbody tr');
    let peak = 0;
    for (const text of ['23841', 'north 99', 'nothing', '7']) {
      await page.fill('input[type=search]', text);
      let said = '';
      do {
        await page.waitForTimeout(100);
        peak = Math.max(peak, await held());
        said = await page.innerText('[role=status]');
      } while (!/found/.test(said) || said.includes('('));
    }
    const after = await held();
    await cdp.send('HeapProfiler.collectGarbage');
    return [peak, after, await held()];
"""


def pages(cluster: Cluster, runs: int) -> list[Figure]:
    """Make a package, and open, turn and search it."""
    count = max(2_000, int(RECORDS * cluster.scale))
    searched = max(1_000, int(TABLE * cluster.scale))
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        package = Path(name)
        _make(package, {"visits": count, "orders": searched})
        browser = start_chromium()
        try:
            return _figures(browser, package, count, searched, runs)
        finally:
            browser.close()


def _figures(browser: Chromium, package: Path, count: int, searched: int, runs: int) -> list[Figure]:
    case, table = f"START-HERE.html, {count:,} records", f"START-HERE.html, a table of {searched:,} records"
    at_once = [
        browser.visit(package, "await page.waitForSelector('h1'); return await page.evaluate(() => performance.now())").result
        for _ in range(runs)
    ]
    opened = [browser.visit(package, _OPEN, fragment="#source=visits").result for _ in range(runs)]
    turned = [browser.visit(package, _PAGES, fragment="#source=visits").result for _ in range(runs)]
    far, near = (sorted(each for run in turned for each in run[which]) for which in ("far", "near"))
    steps = _SEARCH.replace("KEYS", str(list(_KEYS)))
    early, keys = (_keystrokes(browser, package, steps.replace("WARM", wait), runs) for wait in ("0", "2000"))
    held = [browser.visit(package, _MEMORY, fragment="#source=visits").result for _ in range(runs)]
    return [
        median_of(case, "opens with its overview and charts", at_once, "ms", target=1_000),
        median_of(case, "opens with a table's first page", opened, "ms", target=1_000),
        median_of(case, "any other page of the table", far, "ms", target=300),
        Figure(case=case, name="any other page, the slowest of all", value=far[-1], unit="ms", target=300),
        median_of(case, "the page after it", near, "ms", target=300),
        median_of(table, "search, a keystroke, its rows drawn", [rows for rows, _ in keys], "ms", target=300),
        Figure(case=table, name="search, the slowest keystroke, its rows drawn", value=max(keys)[0], unit="ms", target=300),
        median_of(table, "search, a keystroke, until it is said how many there are", [told for _, told in keys], "ms", target=300),
        Figure(case=table, name="search typed at once, the slowest keystroke, its rows drawn", value=max(early)[0], unit="ms", target=300),
        Figure(
            case=table, name="search typed at once, the first keystroke, until it is said how many there are", value=early[0][1], unit="ms"
        ),
        Figure(
            case=case,
            name="memory at most, over four searches of all",
            value=max(each[0] for each in held) / 1e6,
            unit="MB",
            target=300,
        ),
        Figure(case=case, name="memory after them, collected", value=statistics.median(each[2] for each in held) / 1e6, unit="MB"),
    ]


def _keystrokes(browser: Chromium, package: Path, steps: str, runs: int) -> list[tuple[float, float]]:
    """Return of each keystroke after how many milliseconds rows of it stood there, and after how many it was said how many there are."""
    visits = (browser.visit(package, steps, fragment="#source=orders").result for _ in range(runs))
    return [(shown, told) for visit in visits for shown, told in visit]


def _make(folder: Path, counts: dict[str, int]) -> None:
    """Write a package without the parts themselves, which the page only links to."""
    entries = [entry for name, count in counts.items() for entry in _parts(folder, name, count)]
    records = tuple(
        SourceRecord(
            source_name=name,
            state=SourceState.EXPORTED,
            connector="sql",
            product="Shop",
            folder=f"data/Shop/{name}/",
            searched=f"select * from {name} where mail = ?",
            identifiers={"mail": 1},
            started_at=SUBMITTED_AT,
            ended_at=COMPLETED_AT,
            duration_s=1,
            rows=count,
            parts=sum(entry.source_name == name for entry in entries),
            size_bytes=sum(entry.size_bytes for entry in entries if entry.source_name == name),
        )
        for name, count in counts.items()
    )
    finished = Finished(
        ledger=Ledger(
            operation_id=OPERATION_ID,
            tenant_id=TENANT_ID,
            subject_id=SUBJECT_ID,
            configured=tuple(counts),
            sources=records,
            submitted_at=SUBMITTED_AT,
            completed_at=COMPLETED_AT,
        ),
        entries=tuple(entries),
        request_info=measure((b"",)),
        organization="Contoso",
        titles=tuple(SourceTitle(source_name=name, product="Shop") for name in counts),
        bagged_at=COMPLETED_AT,
        key=KEY,
        policy_sha256="0" * 64,
    )
    for document in documents(finished):
        (folder / document.path).write_bytes(b"".join(document.chunks()))


def _parts(folder: Path, name: str, count: int) -> Iterator[PayloadEntry]:
    cutter = PartCutter(_PART_BYTES)
    pieces = (part for lines in _lines(count) for part in cutter.feed(lines))
    for number, part in enumerate(itertools.chain(pieces, iter(cutter.finish, None))):
        path = part_path("Shop", name, 0, number)
        shards: list[ShardEntry] = []
        for shard in encode_shards(part.content, call=OPEN_CALL):
            script = folder / shard_path(path, len(shards))
            script.parent.mkdir(parents=True, exist_ok=True)
            script.write_bytes(b"".join(shard.content))
            activity = activity_of(_COLUMNS, shard.lines)
            shards.append(ShardEntry(path=shard_path(path, len(shards)), rows=shard.rows, activity=activity))
        yield PayloadEntry(
            path=path,
            sha256="0" * 64,
            size_bytes=part.size_bytes,
            source_name=name,
            rows=part.rows,
            columns=_COLUMNS,
            shards=tuple(shards),
        )


def _lines(count: int) -> Iterator[bytes]:
    """Yield lines of some 210 bytes, in pieces."""
    chance = random.Random(11)
    kinds = ("view", "order", "return", "login")
    places = ("north", "south", "東京都", "Größe", "east")
    piece = []
    for number in range(count):
        at = (_FIRST + timedelta(seconds=number * 340)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        piece.append(
            f'{{"id":{number},"at":"{at}","kind":"{chance.choice(kinds)}","address":"{chance.choice(places)} '
            f'{chance.randrange(100)}, {chance.randrange(10_000)} Contoso","note":"{chance.getrandbits(200):x} {chance.getrandbits(96):x}",'
            f'"price":"{chance.randrange(100_000) / 100:.2f}"}}\n'
        )
        if len(piece) == 4_096:
            yield "".join(piece).encode()
            piece = []
    yield "".join(piece).encode()
