"""What others wrote to do harm, through the real service: it runs nowhere, breaks nothing, and all of it can be read."""

import csv
import hashlib
import io
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow.parquet as pq
import pytest
from tests.acceptance import delivered, hostile_systems
from tests.acceptance.judges import refusals
from tests.acceptance.service import RunningService, configure, rightful
from tests.servers.chromium import Chromium
from tests.servers.postgres import PostgresServer
from tests.viewer.payloads import PAYLOADS, TEXTS
from tests.viewer.shown import in_cell, whole

from rightful.package.forms.comma_separated import unescape
from rightful.sample.company import SampleCompany

pytestmark = [pytest.mark.acceptance, pytest.mark.postgres, pytest.mark.node, pytest.mark.timeout(300)]

Rows = list[dict[str, Any]]
SOURCES = ("names", "cells", "wide", "documents", "narrow", "drive", "mbox", "maildir")
HEAD_CHARACTERS = 9_000
"""Of a header 64 KiB are looked at: so many characters at least, of up to four bytes each, encoded."""
NUMBER = re.compile(r"-?[0-9][0-9.:TZ-]*")
UNSEEN = ' \x0b\x0c\x85\u2028\u2029\u00a0\u3000\u2003\u200b\ufeff"'
DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
ACTIVE = "script, img, iframe, object, embed, video, style, link, meta, base, form, template, plaintext, textarea, title:not(svg *), marquee, b, dialog, math"
READ = """
    return page.evaluate(async ([sources, active]) => {
      const until = async (what) => {
        for (let n = 0; n < 500; n += 1) {
          const found = what();
          if (found) return found;
          await new Promise((after) => setTimeout(after, 10));
        }
        throw new Error(`nothing came of ${what}`);
      };
      const all = (where, selector) => [...where.querySelectorAll(selector)];
      const text = (element) => element.textContent;
      const first = (table) => table.querySelector('tbody tr')?.cells[0].innerHTML;
      const opened = (row) => {
        const button = row.querySelector('button.open');
        if (!button) return null;
        button.click();
        const record = row.nextElementSibling;
        const said = [all(record, 'dt').map(text), all(record, 'dd').map(text)];
        button.click();
        return said;
      };
      const read = {};
      for (const source of sources) {
        location.hash = `#source=${source}`;
        await until(() => document.title.toLowerCase().startsWith(`${source} \\u2013 `));
        read[source] = [];
        for (const table of all(document, 'main div.table')) {
          await until(() => first(table));
          const heads = all(table, 'thead th').map(text);
          const rows = [];
          for (;;) {
            for (const row of all(table, 'tbody tr')) rows.push({ cells: [...row.cells].slice(1).map(text), links: all(row, 'a').map((each) => each.href), opened: opened(row) });
            const next = all(table, '.pager button').find((each) => text(each) === 'Next' && !each.hasAttribute('aria-disabled'));
            if (!next || next.closest('[hidden]')) break;
            const before = first(table);
            next.click();
            await until(() => first(table) !== before);
          }
          read[source].push({ heads, rows });
        }
        read[source].push(all(document, `main :is(${active})`).map((element) => element.outerHTML));
      }
      return [read, window.ran];
    }, %s);
"""


class Served:
    """The service's answers and the package that it delivered."""

    def __init__(self, profiles: list[str], package: Path) -> None:
        self.profiles = profiles
        self.package = package

    def parts(self, source: str, form: str) -> list[Path]:
        return sorted((self.package / "data" / source.capitalize() / source).glob(f"part-*.{form}"))

    def rows(self, source: str) -> Rows:
        return [json.loads(line) for path in self.parts(source, "jsonl") for line in path.read_bytes().split(b"\n")[:-1]]


@pytest.fixture(scope="module")
def served(company: SampleCompany, postgres: PostgresServer) -> Iterator[Served]:
    url = postgres.url(postgres.create_database())
    hostile_systems.build(company.folder / hostile_systems.FOLDER, url)
    path = configure(company, "hostile", lambda document: hostile_systems.configure(document, url))
    with RunningService(company, path) as service:
        operation_id = service.submit(hostile_systems.UPN, company.storage_account).operation_id
        service.complete(operation_id, timeout_s=120)
        profiles: list[str] = []
        target = "/beta/directory/inboundSharedUserProfiles"
        while target:
            page = service.call("GET", target).json
            profiles += [profile["displayName"] for profile in page["value"]]
            target = page.get("@odata.nextLink", "").partition(f":{service.port}")[2]
        yield Served(profiles, company.exports / operation_id)


@pytest.fixture(autouse=True)
def long_cells() -> Iterator[None]:
    """Python's reader of CSV takes no cell of more than 128 KiB by itself."""
    before = csv.field_size_limit(1 << 24)
    yield
    csv.field_size_limit(before)


def test_names_in_the_directory_come_as_they_are(served: Served) -> None:
    assert sorted(served.profiles) == sorted(TEXTS)
    assert [row["name"] for row in served.rows("names")] == list(TEXTS)


def test_cells_keys_and_names_of_columns_come_as_they_are(served: Served) -> None:
    assert [row["cell"] for row in served.rows("cells")] == list(TEXTS)
    assert [row["document"] for row in served.rows("documents")] == [{text: text} for text in PAYLOADS]
    for source, names in (("wide", hostile_systems.names_of_sqlite()), ("narrow", hostile_systems.names_of_postgres())):
        assert len(names) >= 200
        [row] = served.rows(source)
        assert list(row.items())[2:] == [(name, f"of column {number}") for number, name in enumerate(names)]


def test_files_come_under_names_that_are_safe_everywhere(served: Served) -> None:
    assert delivered.read(served.package)["drive"] == hostile_systems.digests()
    messages = (served.package / "data/Maildir/maildir").rglob("*.eml")
    assert sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in messages) == hostile_systems.mails()
    paths = [path.relative_to(served.package).as_posix() for path in served.package.rglob("*")]
    for segment in {segment for path in paths for segment in path.split("/")}:
        assert not re.search(r'[<>:"|?*\\%\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]', segment), segment
        assert segment == segment.rstrip(". "), segment
        assert not DEVICE.fullmatch(segment), segment
        assert len(segment.encode()) <= 255
    assert len({unicodedata.normalize("NFC", path.casefold()) for path in paths}) == len(paths)


def test_subjects_of_mails_are_in_the_index(served: Served) -> None:
    for source in ("mbox", "maildir"):
        found = {int(row["message_id"].strip("<>").partition("@")[0]): row["subject"] for row in served.rows(source)}
        assert sorted(found) == list(range(len(PAYLOADS)))
        for number, text in enumerate(PAYLOADS):
            expected = hostile_systems.subject(text)
            if len(expected) < HEAD_CHARACTERS:
                assert found[number] == expected
            else:
                assert found[number][:HEAD_CHARACTERS] == expected[:HEAD_CHARACTERS]


def test_other_forms_say_the_same(served: Served) -> None:
    for source in SOURCES:
        rows = served.rows(source) if source != "drive" else []
        records = [record["properties"] for path in served.parts(source, "json") for record in json.loads(path.read_bytes())]
        assert records == rows
        tables = [pq.ParquetFile(path).read() for path in served.parts(source, "parquet")]
        found = [row for table in tables for row in table.to_pylist()]
        assert [_decoded(row, row_) for row, row_ in zip(found, rows, strict=True)] == rows


def _decoded(row: Mapping[str, Any], expected: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of Parquet, documents decoded."""
    return {name: json.loads(value) if isinstance(expected[name], dict) else value for name, value in row.items()}


def test_csv_runs_nothing_whichever_separator_is_guessed_and_loses_nothing(served: Served) -> None:
    for source in (source for source in SOURCES if source != "drive"):
        rows = served.rows(source)
        for path in served.parts(source, "csv"):
            content = path.read_bytes().decode("utf-8-sig")
            for separator in ",;|\t":
                for cells in csv.reader(io.StringIO(content, newline=""), delimiter=separator):
                    begun = [cell for cell in cells if cell.lstrip(UNSEEN)[:1] in {*"=+-@\uff1d\uff0b\uff0d\uff20"}]
                    assert not [cell[:20] for cell in begun if not NUMBER.fullmatch(cell)]
        found = [
            row
            for path in served.parts(source, "csv")
            for row in csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline=""))
        ]
        assert [[unescape(name) for name in row] for row in found] == [list(row) for row in rows]
        for row, expected in zip(found, rows, strict=True):
            for cell, value in zip(row.values(), expected.values(), strict=True):
                if isinstance(value, dict):
                    assert json.loads(unescape(cell)) == value
                else:
                    assert unescape(cell) == ("" if value is None else str(value))


def test_the_package_is_whole_for_us_and_for_others(served: Served) -> None:
    checked = rightful("verify", str(served.package))
    assert checked.returncode == 0, checked.stdout
    # frictionless compares names of columns without the blanks at their ends (docs/reference/package-values.md).
    assert {note for note in refusals(served.package) if "-label'" not in note} == set()


def test_the_page_runs_nothing_and_shows_all_of_it(served: Served, chromium: Chromium) -> None:
    answer = chromium.visit(served.package, READ % json.dumps([SOURCES, ACTIVE]))
    read, ran = answer.result
    assert (ran, answer.errors) == (None, [])
    assert [active for source in SOURCES for active in read[source].pop()] == []
    assert all(address.startswith(served.package.as_uri()) for address in answer.requests)
    for source, column, texts in (
        ("names", "name", TEXTS),
        ("cells", "cell", TEXTS),
        ("mbox", "subject", [row["subject"] for row in served.rows("mbox")]),
        ("maildir", "subject", [row["subject"] for row in served.rows("maildir")]),
    ):
        table = read[source][0]
        place = table["heads"].index(column)
        assert [row["cells"][place] for row in table["rows"]] == [in_cell(text) for text in texts]
        assert [row["opened"][1][place] for row in table["rows"]] == [whole(text) for text in texts]
    documents = read["documents"][0]["rows"]
    written = [hostile_systems.written(text) for text in PAYLOADS]
    assert [row["cells"][2] for row in documents] == [in_cell(document) for document in written]
    assert [row["opened"][1][2] for row in documents] == [whole(f"{{\n  {document[1:-1]}\n}}") for document in written]
    for source, names in (("wide", hostile_systems.names_of_sqlite()), ("narrow", hostile_systems.names_of_postgres())):
        assert read[source][0]["heads"] == [in_cell(name) if name else "" for name in ("id", "owner", *names)]
        [row] = read[source][0]["rows"]
        assert row["opened"][0] == [whole(name) if name else "" for name in ("id", "owner", *names)]
        assert row["opened"][1][2:] == [f"of column {number}" for number in range(len(names))]
    files = read["drive"][0]["rows"]
    shown = [path.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for path in hostile_systems.digests()]
    assert sorted(row["cells"][0] for row in files) == sorted(in_cell(path) for path in shown)
    links = [Path(unquote(urlsplit(link).path)) for row in files for link in row["links"]]
    assert len(links) == len(files)
    assert all(path.is_relative_to(served.package) and path.is_file() for path in links)
