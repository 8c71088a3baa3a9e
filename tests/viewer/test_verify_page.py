"""VERIFY.html opened from disk in Chromium: the same verdicts and names as `rightful verify`, with no request to anywhere."""

import hashlib
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Mapping
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.servers.chromium import Chromium
from tests.unit.cli.test_unseal import contents, lay
from tests.unit.package.zip_headers import with_wide_sizes

from rightful.ids import OperationId
from rightful.package.minisign import SigningKey
from rightful.package.verifier import page
from rightful.package.verify import verify
from rightful.testing.package_builder import (
    KEY,
    SUBMITTED_AT,
    MemoryReader,
    SampleSource,
    package_entries,
    resealed,
    write_package,
    write_zip,
)

FILES = {f"{number}/é 日本 \U0001f600.txt": bytes([number]) * number for number in range(1, 12)} | {
    "\uffee.txt": b"!",
    "large": b"x" * (40 << 20),
}
SOURCES = (
    SampleSource(name="drive", product="OneDrive", files=FILES),
    SampleSource(name="orders", product="Shop", rows=tuple({"id": number} for number in range(30)), rows_per_part=10),
)
PART = "data/Shop/orders/part-00000-00001.jsonl"
STRANGER = SigningKey(b"\x07" * 32)
RESULT = """
  await page.waitForFunction(() => document.querySelector('section') || document.querySelector('#status').textContent.startsWith('This can'));
  return page.evaluate(() => ({
    status: document.querySelector('#status').textContent, verdict: document.querySelector('h2')?.textContent.toLowerCase(),
    signature: document.querySelector('.signature')?.className, text: document.querySelector('#result').innerText,
    findings: [...document.querySelectorAll('tbody tr')].map((row) => [row.cells[0].textContent, row.cells[1].textContent]),
  }));"""
Entries = dict[str, bytes]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the controller's page, and the one of packages."""
    folder = tmp_path_factory.mktemp("verify")
    (folder / "VERIFY.html").write_bytes(page.format_page())
    (folder / "ours.html").write_bytes(page.format_page([KEY.public]))
    return folder


def _zip(path: Path, entries: Mapping[str, bytes], *, prefix: str = "", method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method, compresslevel=1) as packed:
        for name, content in entries.items():
            packed.writestr(prefix + name, content)
    return path


def _choose(chromium: Chromium, home: Path, given: Path, *, file: str = "ours.html", **more: Any) -> dict[str, Any]:
    where = "#folder" if given.is_dir() else "#zip"
    answer = chromium.visit(
        home, f"await page.setInputFiles('{where}', {msgspec.json.encode(str(given)).decode()});{RESULT}", file=file, **more
    )
    assert answer.errors == []
    assert [address for address in answer.requests if not address.startswith(("file:", "blob:"))] == []
    assert isinstance(answer.result, dict)
    return answer.result


@pytest.fixture(scope="module")
def entries() -> Entries:
    return package_entries(*SOURCES)


@pytest.fixture(scope="module")
def large() -> Entries:
    """One file is hashed in pieces."""
    return package_entries(SampleSource(name="drive", product="OneDrive", files=FILES | {"large": b"x" * (34 << 20)}))


def test_folder_and_zip_files_of_it_are_whole(chromium: Chromium, home: Path, large: Entries, tmp_path: Path) -> None:
    entries = large
    given = [
        write_package(tmp_path / "package", entries),
        _zip(tmp_path / "1.zip", entries),
        _zip(tmp_path / "2.zip", entries, prefix="package/", method=zipfile.ZIP_STORED),
        write_zip(tmp_path / "3.zip", entries),
    ]
    for each in given:
        result = _choose(chromium, home, each)
        assert (result["verdict"], result["signature"], result["findings"]) == ("whole", "signature trusted", [])
        assert f"{len(entries)} entries" in result["status"]
    plain = _choose(chromium, home, given[0], file="VERIFY.html")
    assert plain["signature"] == "signature good"
    assert KEY.public.text in plain["text"]


def test_change_in_a_large_file_is_named(chromium: Chromium, home: Path, large: Entries, tmp_path: Path) -> None:
    path = "data/OneDrive/drive/large"
    assert _choose(chromium, home, _zip(tmp_path / "p.zip", large | _flipped(large, path)))["findings"] == [["changed", path]]


def _older() -> Entries:
    return package_entries(
        SOURCES[1], operation_id=OperationId("0a000000-0000-4000-8000-000000000000"), submitted_at=SUBMITTED_AT - timedelta(days=1)
    )


def _flipped(entries: Entries, path: str) -> Entries:
    return {path: entries[path][:-1] + bytes([entries[path][-1] ^ 1])}


def _listed_anew(entries: Entries) -> Entries:
    """Leave the receipt out and list the rest, as who forges a package may."""
    kept = {path: content for path, content in entries.items() if not path.startswith("receipt") and path != "tagmanifest-sha256.txt"}
    lines = [f"{hashlib.sha256(kept[path]).hexdigest()}  {path}\n" for path in sorted(kept) if not path.startswith("data/")]
    return kept | {"tagmanifest-sha256.txt": "".join(lines).encode()}


def _signature_called(entries: Entries, comment: bytes) -> Entries:
    """Write another first line over the signature, and a tag manifest that fits."""
    signature = entries["receipt.json.minisig"]
    told = signature.replace(signature.split(b"\n", 1)[0], comment, 1)
    old, new = (hashlib.sha256(each).hexdigest().encode() for each in (signature, told))
    return {"receipt.json.minisig": told, "tagmanifest-sha256.txt": entries["tagmanifest-sha256.txt"].replace(old, new)}


def _swapped(entries: Entries) -> Entries:
    one, other = (f"data/OneDrive/drive/{number}/é 日本 \U0001f600.txt" for number in (5, 6))
    return {one: entries[other], other: entries[one]}


DAMAGES: dict[str, Callable[[Entries], Entries]] = {
    "part": lambda entries: entries | _flipped(entries, PART),
    "document": lambda entries: entries | _flipped(entries, "README.txt"),
    "receipt": lambda entries: entries | _flipped(entries, "receipt.json"),
    "tag manifest": lambda entries: entries | {"tagmanifest-sha256.txt": entries["tagmanifest-sha256.txt"].replace(b"README", b"READMY")},
    "missing": lambda entries: {path: content for path, content in entries.items() if path != PART},
    "extra": lambda entries: entries | {"data/\u202ex<b>.html": b"<script>", "note.txt": b""},
    "swapped": lambda entries: entries | _swapped(entries),
    "older": lambda entries: entries | {path: _older()[path] for path in ("receipt.json", "receipt.json.minisig")},
    "older statement": lambda entries: entries | {"statement.json": _older()["statement.json"]},
    "documents of an older one": lambda entries: entries | {path: _older()[path] for path in ("datapackage.json", "bag-info.txt")},
    "older statement, unsigned": lambda entries: _listed_anew(entries | {"statement.json": _older()["statement.json"]}),
    "unsigned": lambda entries: {path: content for path, content in entries.items() if not path.startswith("receipt")},
    "unsigned and listed anew": lambda entries: _listed_anew(entries | {"README.txt": b"forged"}),
    "signature's first line": lambda entries: entries | _signature_called(entries, b"untrusted comment: trust RWforged"),
    "forged": lambda entries: resealed(entries | {"README.txt": b"forged"}, key=STRANGER),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_damage_is_named_as_the_command_names_it(
    chromium: Chromium, home: Path, entries: Entries, tmp_path: Path, damage: str
) -> None:
    damaged = DAMAGES[damage](entries)
    expected = verify(MemoryReader(damaged), keys=[KEY.public])
    result = _choose(chromium, home, _zip(tmp_path / "p.zip", damaged))
    assert result["verdict"] == "damaged" == expected.state.value
    named = {(kind, path) for kind, path in result["findings"]}
    serious = {"missing", "extra", "changed", "swapped", "older"}
    assert {(kind, path.replace("\\u202e", "\u202e").replace("\u202e", "\\u202e")) for kind, path in named if kind in serious} == {
        (finding.kind.value, finding.path) for finding in expected.findings if finding.kind.value in serious
    }


SEALED: dict[str, Callable[[Entries], Entries]] = {
    "sealed": lambda entries: entries,
    "entry is missing": lambda entries: dict([*entries.items()][1:]),
    "entry is shorter": lambda entries: entries | {"sealed/index.age": entries["sealed/index.age"][:-1]},
    "entry is extra": lambda entries: entries | {f"sealed/{'0' * 32}.age": b"x", "ledger.json": b"{}", "sealed/x": b""},
    "list is none": lambda entries: entries | {"sealed.json": b"[]"},
    "list says little": lambda entries: entries | {"sealed.json": b'{"format": "rightful-sealed/1", "entries": [{"name": "sealed/a"}]}'},
    "list is missing": lambda entries: {path: content for path, content in entries.items() if path != "sealed.json"},
}


@pytest.mark.parametrize("damage", SEALED)
def test_sealed_folder_is_checked_as_far_as_it_can_be_without_the_key(chromium: Chromium, home: Path, tmp_path: Path, damage: str) -> None:
    lay(tmp_path / "sealed")
    sealed = SEALED[damage](dict(sorted(contents(tmp_path / "sealed").items(), reverse=True)))
    expected = verify(MemoryReader(sealed))
    for given in (_zip(tmp_path / "p.zip", sealed, prefix="folder/"), write_package(tmp_path / "folder", sealed)):
        result = _choose(chromium, home, given)
        assert (result["verdict"], result["signature"]) == (expected.state.value, "signature sealed")
        assert {tuple(each) for each in result["findings"]} == {(finding.kind.value, finding.path) for finding in expected.findings}
    assert (damage == "sealed") == ("HOW-TO-OPEN.txt" in result["status"])


def test_package_that_was_not_finished_is_called_so(chromium: Chromium, home: Path, entries: Entries, tmp_path: Path) -> None:
    begun = {path: content for path, content in entries.items() if path.startswith("data/") or path == "RequestInfo.json"}
    assert _choose(chromium, home, _zip(tmp_path / "p.zip", begun))["verdict"] == "incomplete"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("place", [14, 18, 22, 30])
def test_entry_of_which_directory_and_header_say_different_things_is_named(
    chromium: Chromium, home: Path, tmp_path: Path, place: int, method: int
) -> None:
    """CRC-32, sizes, name: what reads a ZIP file as it comes goes by the headers."""
    packed = _zip(tmp_path / "p.zip", package_entries(SOURCES[1]), method=method)
    content = bytearray(packed.read_bytes())
    content[content.index(PART.encode()) - 30 + place] ^= 1
    packed.write_bytes(content)
    result = _choose(chromium, home, packed)
    assert (result["verdict"], result["findings"]) == ("damaged", [["unreadable", PART]])


@pytest.mark.parametrize("more", [0, 40])
def test_sizes_that_stand_in_the_extra_field_are_compared_too(chromium: Chromium, home: Path, tmp_path: Path, more: int) -> None:
    packed = _zip(tmp_path / "p.zip", package_entries(SOURCES[1]))
    with zipfile.ZipFile(packed) as file:
        info = file.getinfo(PART)
    said = {"size": info.file_size + more, "packed_size": info.compress_size}
    packed.write_bytes(with_wide_sizes(packed.read_bytes(), PART, **said))
    result = _choose(chromium, home, packed)
    assert (result["verdict"], result["findings"]) == (("damaged", [["unreadable", PART]]) if more else ("whole", []))


def test_zip_file_with_more_in_its_directory_than_it_says_is_refused(chromium: Chromium, home: Path, tmp_path: Path) -> None:
    packed = _zip(tmp_path / "p.zip", package_entries(SOURCES[1]) | {"hidden.html": b"x"})
    content = bytearray(packed.read_bytes())
    content[-12] -= 1
    content[-14] -= 1
    packed.write_bytes(content)
    assert "directory is damaged" in _choose(chromium, home, packed)["status"]


def test_name_with_a_mark_before_it_is_another(chromium: Chromium, home: Path, tmp_path: Path) -> None:
    entries = package_entries(SOURCES[1])
    marked = {"\ufeff" * (path == "README.txt") + path: content for path, content in entries.items()}
    result = _choose(chromium, home, _zip(tmp_path / "p.zip", marked))
    assert sorted(result["findings"]) == [["extra", "\ufeffREADME.txt"], ["missing", "README.txt"]]


def test_what_is_no_package_or_no_zip_file_is_refused(chromium: Chromium, home: Path, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"x" * 100)
    assert "no ZIP file" in _choose(chromium, home, tmp_path / "x.zip")["status"]
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as packed:
        packed.writestr("a", "1")
        with pytest.warns(UserWarning, match="Duplicate"):
            packed.writestr("a", "2")
    assert "twice" in _choose(chromium, home, tmp_path / "twice.zip")["status"]


def test_zip_file_beyond_four_gib_is_read(chromium: Chromium, home: Path, entries: Entries, tmp_path: Path) -> None:
    """Its directory lies behind 4 GiB of nothing, so that every place in it is wide."""
    path = tmp_path / "p.zip"
    with path.open("wb") as file:
        file.truncate((4 << 30) + 10)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        for name, content in entries.items():
            packed.writestr(name, content)
    assert _choose(chromium, home, path)["verdict"] == "whole"


def test_dropped_folder_is_read(chromium: Chromium, home: Path, entries: Entries) -> None:
    """A drop cannot be made by a script: entries of a file system stand in for what a browser hands over."""
    small = {path: content for path, content in entries.items() if len(content) < 1 << 20}
    lacking = sorted((finding.kind.value, finding.path) for finding in verify(MemoryReader(small)).findings)
    script = """
      const contents = %s;
      const tree = {};
      for (const [path, text] of Object.entries(contents)) {
        let node = tree;
        const names = path.split('/');
        for (const name of names.slice(0, -1)) node = node[name] ??= {};
        node[names.at(-1)] = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
      }
      await page.evaluate((tree) => {
        const entry = (name, node) => node instanceof Uint8Array
          ? { name, isFile: true, file: (done) => done(new File([node], name)) }
          : { name, isDirectory: true, createReader: () => {
              const inner = Object.entries(node).map(([each, below]) => entry(each, below));
              return { readEntries: (done) => done(inner.splice(0, 3)) };
            } };
        const event = new Event('drop', { cancelable: true });
        event.dataTransfer = { items: [{ webkitGetAsEntry: () => entry('package', tree) }], files: [] };
        document.dispatchEvent(event);
      }, tree);
    """
    answer = chromium.visit(home, script % msgspec.json.encode(small).decode() + RESULT, file="ours.html")
    assert answer.errors == []
    assert sorted((kind, path) for kind, path in answer.result["findings"]) == lacking


@pytest.mark.parametrize("what", ["zip", "damaged zip", "no zip"])
def test_file_that_is_dropped_is_checked(chromium: Chromium, home: Path, tmp_path: Path, what: str) -> None:
    """The browser itself drops a file of this machine onto the page, as a hand does; of a folder it does not let a script's drop look in."""
    small = package_entries(SOURCES[1])
    damaged = {path: content for path, content in small.items() if path != "README.txt"} | _flipped(small, PART)
    dropped = {
        "zip": lambda: write_zip(tmp_path / "p é.zip", small),
        "damaged zip": lambda: write_zip(tmp_path / "p.zip", damaged),
        "no zip": lambda: write_package(tmp_path, {"p.zip": b"PK"}) / "p.zip",
    }[what]()
    script = """
      const session = await page.context().newCDPSession(page);
      const data = { items: [], files: [%s], dragOperationsMask: 1 };
      for (const type of ['dragEnter', 'dragOver', 'drop'])
        await session.send('Input.dispatchDragEvent', { type, x: 100, y: 100, data });
    """
    answer = chromium.visit(home, script % msgspec.json.encode(str(dropped)).decode() + RESULT, file="ours.html")
    assert answer.errors == []
    assert [address for address in answer.requests if not address.startswith(("file:", "blob:"))] == []
    assert sorted(answer.result["findings"]) == ([["changed", PART], ["missing", "README.txt"]] if what == "damaged zip" else [])
    assert answer.result.get("verdict") == {"damaged zip": "damaged", "zip": "whole"}.get(what)
    assert answer.result["status"].startswith("This can") == (what == "no zip")


@pytest.mark.parametrize("width", [320, 768, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_page_is_usable_by_everybody(chromium: Chromium, home: Path, entries: Entries, tmp_path: Path, width: int, *, dark: bool) -> None:
    path = _zip(tmp_path / "p.zip", DAMAGES["part"](entries) | {"x" * 100: b""})
    steps = f"await page.setInputFiles('#zip', '{path}'); await page.waitForSelector('section'); const found = await axe();"
    steps += "return [found, await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)]"
    assert chromium.visit(home, steps, file="ours.html", width=width, dark=dark).result == [[], True]


@pytest.mark.skipif(not shutil.which("node"), reason="Node.js is not installed")
def test_digests_are_those_that_everybody_computes() -> None:
    folder = resources.files("rightful.package.verifier")
    code = (folder / "sha256.js").read_text("utf-8") + (folder / "blake2b.js").read_text("utf-8")
    lengths = [*range(0, 130, 7), 55, 56, 63, 64, 65, 111, 112, 127, 128, 129, 191, 192, 255, 256, 257, 1000, 65_537]
    code += f"""
      const content = (length) => Uint8Array.from({{ length }}, (_, i) => (i * 31 + length) & 255);
      const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
      for (const length of {lengths}) {{
        const hasher = new Sha256();
        for (let at = 0; at < length; at += 1 + (length % 97)) hasher.update(content(length).subarray(at, at + 1 + (length % 97)));
        console.log(hasher.hex(), hex(blake2b(content(length))));
      }}"""
    said = subprocess.run(["node", "-e", code], capture_output=True, text=True, check=True).stdout.splitlines()
    for length, line in zip(lengths, said, strict=True):
        content = bytes((i * 31 + length) & 255 for i in range(length))
        assert line == f"{hashlib.sha256(content).hexdigest()} {hashlib.blake2b(content).hexdigest()}", length


@pytest.mark.parametrize("tag", ["de", "es", "fr", "ja", "zh-Hans"])
def test_page_and_its_findings_are_in_each_language(chromium: Chromium, entries: Entries, tmp_path: Path, tag: str) -> None:
    path = _zip(tmp_path / "p.zip", DAMAGES["older"](entries) | {"note.txt": b""})
    (tmp_path / "VERIFY.html").write_bytes(page.format_page([KEY.public], language=tag))
    steps = f"""
      await page.setInputFiles('#zip', '{path}');
      await page.waitForSelector('tbody tr');
      const own = [await page.getAttribute('html', 'lang'), await page.innerText('body'), await axe(), await page.evaluate(() => document.documentElement.scrollWidth)];
      await page.selectOption('#language', 'en');
      return [...own, await page.innerText('body'), await page.evaluate(() => document.activeElement.id), await page.evaluate(() => document.querySelector('#zip').files.length)];
    """
    answer = chromium.visit(tmp_path, steps, file="VERIFY.html", width=320, language="en-GB")
    lang, own, violations, needed, english, focused, kept = answer.result
    assert answer.errors == []
    assert (lang, violations, focused, kept) == (tag, [], "language", 1)
    assert needed <= 320
    words = set(re.findall(r"[A-Za-z]{4,}", own)) & set(re.findall(r"[A-Za-z]{4,}", english))
    assert not words & {"Damaged", "entries", "Folder", "changed", "older", "extra", "list", "does", "this", "Entry", "with"}
    assert "Damaged: do not rely on the entries named below." in english
    assert "receipt.json does not list it" in english or "tagmanifest-sha256.txt does not list it" in english
