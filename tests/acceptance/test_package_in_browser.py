"""The package of a running service, opened from disk in Chromium: every link of every page is clicked, and nothing asks the network."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from tests.acceptance.service import RunningService, configure
from tests.servers.chromium import start_chromium

from rightful.sample.company import SampleCompany

pytestmark = [pytest.mark.acceptance, pytest.mark.node, pytest.mark.timeout(300)]

CLICK = """
    // A link to a file opens a page, which closes by itself where the browser shows no such file and stores it instead.
    const failed = [];
    const stored = new Set();
    context.on('requestfailed', (request) => failed.push([request.url(), request.failure()?.errorText]));
    const until = async (isSo, what) => {
      for (let left = 400; !(await isSo()); left -= 1) {
        if (!left) throw new Error(`not in time: ${what}`);
        await page.waitForTimeout(25);
      }
    };
    const drawn = () => page.waitForFunction(() =>
      document.querySelector('main h1') && [...document.querySelectorAll('.table, .status')].every((each) => (each.querySelector('tbody tr, [role=status]') ?? each).textContent !== ''));
    const goTo = async (fragment) => {
      await page.evaluate((to) => { location.hash = to; }, fragment);
      await page.waitForTimeout(50);
      await drawn();
    };
    const pages = PAGES;
    const clicked = [];
    const dead = [];

    async function clickOwn(at, href) {
      const before = await page.innerText('h1');
      await page.locator('main a').nth(at).click();
      await page.waitForTimeout(50);
      await drawn();
      const [hash, heading] = [await page.evaluate(() => location.hash), await page.innerText('h1')];
      if (!(hash === href || (href === '#' && hash === '') || (href === '#time=' && hash.startsWith('#time='))) || heading === before) dead.push(`${href} led to ${hash}`);
      if (GROWS && !pages.includes(href)) pages.push(href);
      await page.goBack();
      await page.waitForTimeout(50);
      await drawn();
    }

    async function clickEntry(at, url) {
      const opening = context.waitForEvent('page');
      await page.locator('main a').nth(at).click();
      const opened = await opening;
      const isShown = async () => opened.url() === url && (await opened.evaluate(() => document.readyState).catch(() => '')) === 'complete';
      await until(async () => opened.isClosed() || (await isShown()) || opened.url().startsWith('chrome-error'), url);
      if (opened.isClosed()) stored.add(url);
      else if (opened.url() !== url) dead.push(`${url} led to ${opened.url()}`);
      await opened.close();
    }

    for (const fragment of pages) {
      await goTo(fragment);
      for (let number = 1; ; number += 1) {
        await page.$$eval('main details', (all) => all.forEach((each) => { each.open = true; }));
        const links = await page.$$eval('main a', (all) => all.map((each) => [each.getAttribute('href'), each.href]));
        for (const [at, [href, url]] of links.entries()) {
          if (links.findIndex(([other]) => other === href) !== at) continue;
          const isOwn = href.startsWith('#');
          if (isOwn && number > 1) continue; // they are the same on each page of a table
          await (isOwn ? clickOwn(at, href) : clickEntry(at, url));
          clicked.push([fragment, href]);
          if (isOwn) await page.$$eval('main details', (all) => all.forEach((each) => { each.open = true; }));
        }
        const next = page.locator('section[aria-labelledby=files] .pager button').nth(2);
        if (!(await next.isVisible().catch(() => false)) || (await next.getAttribute('aria-disabled'))) break;
        const before = await page.innerText('section[aria-labelledby=files] tbody');
        await next.click();
        await until(async () => (await page.innerText('section[aria-labelledby=files] tbody')) !== before, 'the next page of files');
      }
    }
    return { pages, clicked, dead, stored: [...stored], failed: failed.filter(([, why]) => why !== 'net::ERR_ABORTED') }; // what is stored, or whose page is closed early, is aborted
"""


@pytest.fixture(scope="module")
def package(company: SampleCompany) -> Iterator[Path]:
    ann = company.person("ann")
    with RunningService(company, configure(company, "browser")) as service:
        operation_id = service.submit(ann.upn, company.storage_account).operation_id
        service.complete(operation_id)
        yield company.exports / operation_id


def _clicking(*, grows: bool = True) -> str:
    """Return steps that click the links of the overview, and of every page that one leads to if `grows`."""
    return CLICK.replace("PAGES", '["#"]').replace("GROWS", json.dumps(grows))


_BROWSERS_OWN = ("google.com", "googleapis.com", "gvt1.com")
"""Whom Chromium asks for updates of its own, whatever page is open."""


def _hosts_asked(log: Path) -> set[str]:
    """Return the hosts that a log of Chromium's network has requests to."""
    said = json.loads(log.read_text(encoding="utf-8"))
    begun = said["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    addresses = [event["params"]["url"] for event in said["events"] if event["type"] == begun and "url" in event.get("params", {})]
    return {str(urlsplit(address).hostname) for address in addresses if not address.startswith(("file:", "data:"))}


def test_every_link_of_every_page_leads_where_it_says_and_nothing_asks_the_network(package: Path, tmp_path: Path) -> None:
    log = tmp_path / "network.json"
    browser = start_chromium(f"--log-net-log={log}")
    try:
        answer = browser.visit(package, _clicking(), fragment="#")
    finally:
        browser.close()
    found: dict[str, Any] = answer.result
    assert found["dead"] == []
    assert found["failed"] == []
    assert answer.errors == []
    sources = json.loads((package / "ledger.json").read_text(encoding="utf-8"))["sources"]
    assert {"#", "#time=", *(f"#source={name}" for name in sources)} <= set(found["pages"])
    delivered = {path.relative_to(package).as_posix() for path in (package / "data").rglob("*") if path.is_file()}
    followed = {unquote(href) for _, href in found["clicked"]}
    assert delivered - followed == set()
    assert {"README.txt", "STATEMENT.txt", "VERIFY.html", "ledger.json", "datapackage.json", "manifest-sha256.txt"} <= followed
    assert [address for address in answer.requests if not address.startswith(package.as_uri())] == []
    assert [host for host in _hosts_asked(log) if not host.endswith(_BROWSERS_OWN)] == []


def test_page_may_load_nothing_from_anywhere_else(package: Path) -> None:
    for name in ("START-HERE.html", "VERIFY.html"):
        page = (package / name).read_text(encoding="utf-8")
        policy = page.partition('http-equiv="Content-Security-Policy" content="')[2].partition('"')[0]
        rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
        assert rules.pop("default-src") == "'none'"
        allowed = {source for sources in rules.values() for source in sources.split()}
        assert {source for source in allowed if not source.startswith("'sha256-")} <= {"'none'", "'self'", "data:", "blob:"}


def test_link_that_leads_nowhere_is_noticed(package: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(package, tmp_path / "package")
    (copy / "README.txt").unlink()
    browser = start_chromium()
    try:
        answer = browser.visit(copy, _clicking(grows=False), fragment="#")
    finally:
        browser.close()
    [dead] = answer.result["dead"]
    assert "/README.txt led to " in dead
