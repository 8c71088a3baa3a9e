"""START-HERE.html opened from disk in Chromium: what a person sees first."""

import socket
from contextlib import suppress
from pathlib import Path

import pytest
from tests.servers.chromium import Chromium

from rightful.package.ledger import SkippedEntry
from rightful.testing.package_builder import SampleSource, build_package

SOURCES = (
    SampleSource(
        name="onedrive",
        product="OneDrive",
        files={f"Documents/{number:03}.txt": b"x" * number for number in range(120)} | {"b:c/é\u202egpj.exe": b"1", "%41#?.txt": b"2"},
        skipped=(SkippedEntry(path="a/b.docx", reason="permission denied"),),
    ),
    SampleSource(name="tickets", product="Helpdesk"),
    SampleSource(name="hr", product="HR", skip_reason="the operator's policy"),
    SampleSource(name="crm", product="CRM", identifiers={"customer_no": 0}),
)
ONEDRIVE = "#source=onedrive"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_package(tmp_path_factory.mktemp("viewer") / "a package, 100% ö", *SOURCES)


def test_first_page_says_what_was_found_and_what_was_not(chromium: Chromium, package: Path) -> None:
    answer = chromium.visit(package, "return await page.innerText('main')")
    for text in (
        "Contoso was asked for the personal data that it holds on you. This is what was found.",
        "122 files",
        "1 of 4",
        "Helpdesk · tickets",
        "searched; nothing was found",
        "nothing to search for: this system knows people by customer no, and none of yours is known",
        "This system was not searched: the operator's policy",
        "1 item could not be read",
        "0d6f3c51-5b0e-4f0e-9c8a-2f7d1a3b4c5d",
        "the controller or one of its applications, for you",
    ):
        assert text in answer.result
    assert answer.errors == []
    assert answer.requests == [(package / "START-HERE.html").as_uri()]


def test_files_are_listed_searched_and_linked(chromium: Chromium, package: Path) -> None:
    answer = chromium.visit(
        package,
        """
        await page.click('text=OneDrive');
        await page.waitForSelector('tbody a');
        const first = await page.locator('tbody tr').count();
        await page.click('button:has-text("Last")');
        await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 22);
        await page.fill('input[type=search]', '05');
        await page.waitForFunction(() => document.querySelector('[role=status]').textContent.includes('found'));
        await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 12);
        return [first, (await page.title()).slice(0, 8), await page.innerText('[role=status]'), await page.locator('tbody mark').count()];
        """,
    )
    assert answer.result == [50, "OneDrive", "12 files found", 12]
    assert answer.errors == []


def test_every_link_leads_to_what_it_names(chromium: Chromium, package: Path) -> None:
    answer = chromium.visit(
        package,
        """
        const found = [];
        for (const fragment of ['#', '#source=onedrive', '#source=tickets', '#source=hr', '#source=crm']) {
          await page.evaluate((fragment) => { location.hash = fragment; }, fragment);
          for (;;) {
            await page.waitForTimeout(100);
            found.push(...await page.$$eval('main a', (links) => links.map((link) => link.href)));
            const next = page.locator('button:has-text("Next"):not([aria-disabled])');
            if (!await next.isVisible()) break;
            await next.click();
          }
        }
        return found;
        """,
        fragment="#",
    )
    start = (package / "START-HERE.html").as_uri()
    files = {link for link in answer.result if not link.startswith(start)}
    assert len(files) == len([path for path in (package / "data").rglob("*") if path.is_file()]) + 6
    there = {path.as_uri() for path in package.rglob("*")}
    assert files - there == set()


def test_names_that_would_deceive_are_shown_as_they_are(chromium: Chromium, package: Path) -> None:
    answer = chromium.visit(
        package,
        "await page.fill('input[type=search]', 'exe'); await page.waitForSelector('.control'); return await page.innerText('tbody')",
        fragment=ONEDRIVE,
    )
    assert "b:c/éU+202Egpj.exe" in answer.result


def _heard(server: socket.socket) -> bytes:
    """Return what was said to a server; a browser may open a connection ahead of a request that it then refuses, and says nothing."""
    said = b""
    while True:
        try:
            connection, _ = server.accept()
        except TimeoutError:
            return said
        with connection, suppress(TimeoutError, ConnectionError):
            connection.settimeout(0.2)
            said += connection.recv(100)


def test_page_cannot_ask_the_network_for_anything_whatever_got_into_it(chromium: Chromium, package: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        place = f"http://127.0.0.1:{server.getsockname()[1]}/"
        answer = chromium.visit(
            package,
            f"""
            return page.evaluate(async (place) => {{
              for (const [tag, member] of [['img', 'src'], ['script', 'src'], ['iframe', 'src'], ['video', 'src'], ['embed', 'src'], ['object', 'data']]) {{
                document.body.append(Object.assign(document.createElement(tag), {{ [member]: place }}));
              }}
              document.head.append(Object.assign(document.createElement('link'), {{ rel: 'stylesheet', href: place }}));
              document.body.append(Object.assign(document.createElement('div'), {{ style: `background: url(${{place}})` }}));
              const form = Object.assign(document.createElement('form'), {{ action: place, method: 'post' }});
              document.body.append(form);
              form.submit();
              const inline = document.createElement('script');
              inline.textContent = 'window.ran = 1';
              document.body.append(inline);
              navigator.sendBeacon(place, 'x');
              const asked = await Promise.allSettled([fetch(place), new Promise((_, no) => {{ new WebSocket(place.replace('http', 'ws')).onerror = no; }})]);
              await new Promise((resolve) => setTimeout(resolve, 300));
              return [asked.map((each) => each.status), window.ran ?? null];
            }}, '{place}');
            """,
        )
        said = _heard(server)
    assert answer.result == [["rejected", "rejected"], None]
    assert said == b""


@pytest.mark.parametrize("fragment", ["#source=%", "#source=%FF", "#source=nobody", "#x"])
def test_address_that_names_nothing_shows_the_overview(chromium: Chromium, package: Path, fragment: str) -> None:
    answer = chromium.visit(package, "return page.innerText('h1')", fragment=fragment)
    assert (answer.result, answer.errors) == ("Your personal data", [])


def test_missing_shard_is_said_and_not_silence(chromium: Chromium, tmp_path: Path) -> None:
    folder = build_package(tmp_path, *SOURCES)
    (folder / "view/OneDrive/onedrive/files-00000.js").unlink()
    answer = chromium.visit(folder, "await page.waitForSelector('tbody td'); return await page.innerText('tbody')", fragment=ONEDRIVE)
    assert "could not be opened" in answer.result


def test_everything_can_be_reached_by_keyboard(chromium: Chromium, package: Path) -> None:
    answer = chromium.visit(
        package,
        """
        await page.waitForSelector('tbody a');
        const reached = new Set();
        for (let step = 0; step < 80; step += 1) {
          await page.keyboard.press('Tab');
          reached.add(await page.evaluate(() => document.activeElement.tagName + ' ' + (document.activeElement.getAttribute('role') ?? '')));
        }
        return [...reached];
        """,
        fragment=ONEDRIVE,
    )
    assert {"A ", "INPUT ", "BUTTON ", "DIV region", "SUMMARY "} <= set(answer.result)
