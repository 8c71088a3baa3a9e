"""What START-HERE.html and its shards are made of; what a browser makes of them is tested in tests/viewer."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightful.package.ledger import SkippedEntry
from rightful.package.verify import PackageState, verify
from rightful.package.viewer.page import format_page
from rightful.package.viewer.shards import OPEN_CALL, call_of, encode_shard, encode_shards
from rightful.testing.package_builder import SECRET, MemoryReader, SampleSource, package_entries

DRIVE = SampleSource(name="drive", product="OneDrive", files={"a:b.txt": b"one", "c.txt": b"three"})
CALL = call_of(SECRET)
EMPTY = SampleSource(name="tickets", product="Helpdesk")


def decode(shard: bytes) -> list[bytes]:
    """Return the lines of a shard, as the page reads it."""
    head, *blocks, tail = shard.decode().split("\n")[:-1]
    assert (head, tail) == (f'typeof {CALL}=="function"&&{CALL}(()=>{{/*', "*/});")
    lines: list[bytes] = []
    for rows, size, text in (block.split(" ") for block in blocks):
        content = pa.decompress(base64.b64decode(text), decompressed_size=int(size), codec="lz4_raw", asbytes=True)
        assert content.count(b"\n") == int(rows)
        lines += (line + b"\n" for line in content.split(b"\n")[:-1])
    return lines


class _Page(HTMLParser):
    """The elements of a page that matter here."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.policy = ""
        self.texts: dict[str, str] = {}
        self._open = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"] or ""
        self._open = values.get("id") or tag

    def handle_data(self, data: str) -> None:
        self.texts[self._open] = self.texts.get(self._open, "") + data

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - the parser's signature
        self._open = ""


def _overview(entries: dict[str, bytes]) -> Any:
    return msgspec.json.decode(_Page(entries["START-HERE.html"]).texts["overview"])


def test_page_comes_right_after_the_parts_and_is_vouched_for() -> None:
    entries = package_entries(DRIVE, EMPTY)
    paths = list(entries)
    assert paths[3:7] == ["view/OneDrive/drive/files-00000.js", "START-HERE.html", "VERIFY.html", "datapackage.json"]
    assert verify(MemoryReader(entries)).state is PackageState.WHOLE


def test_shard_lists_the_files_that_count_under_their_own_names() -> None:
    entries = package_entries(DRIVE)
    lines = [msgspec.json.decode(line) for line in decode(entries["view/OneDrive/drive/files-00000.js"])]
    assert lines == [
        {"name": "a:b.txt", "bytes": 3, "modified": None, "path": "data/OneDrive/drive/a=3Ab.txt"},
        {"name": "c.txt", "bytes": 5, "modified": None, "path": "data/OneDrive/drive/c.txt"},
    ]


def test_many_files_are_shared_out_among_shards() -> None:
    entries = package_entries(SampleSource(name="drive", files={f"{number:05}": b"" for number in range(10_001)}))
    assert [len(decode(entries[f"view/Sample/drive/files-0000{number}.js"])) for number in (0, 1)] == [10_000, 1]
    assert [each["rows"] for each in _overview(entries)["sources"][0]["fileLists"]] == [10_000, 1]


def test_overview_has_every_source_in_its_state() -> None:
    skipped = SampleSource(name="hr", skip_reason="switched off")
    broken = SampleSource(name="b", skipped=tuple(SkippedEntry(path=f"{n}\udcff", reason="permission denied") for n in range(300)))
    sources = _overview(package_entries(DRIVE, EMPTY, skipped, broken))["sources"]
    assert [(each["name"], each["state"]) for each in sources] == [
        ("drive", "exported"), ("tickets", "empty"), ("hr", "skipped"), ("b", "exported"),
    ]  # fmt: skip
    assert sources[2]["reason"] == "switched off"
    assert sources[3]["skipped"]["count"] == 300
    assert len(sources[3]["skipped"]["items"]) == 200
    assert sources[3]["skipped"]["items"][0] == {"path": "0\ufffd", "pathBytes": "MP8=", "reason": "permission denied"}


def test_superseded_part_is_not_shown() -> None:
    entries = package_entries(SampleSource(name="orders", rows=({"id": 2},), superseded_rows=({"id": 1},)))
    [dataset] = _overview(entries)["sources"][0]["datasets"]
    assert dataset["parts"] == [{"view": "view/Sample/orders/part-00000-00000.r1.js", "rows": 1}]
    assert [each["path"] for each in dataset["files"]] == ["data/Sample/orders/part-00000-00000.r1.jsonl"]
    assert dataset["columns"] == [{"name": "id", "kind": "int", "type": "", "rule": ""}]


@pytest.mark.parametrize("element", ["script", "style"])
def test_policy_names_the_pages_own_script_and_style_by_their_digests(element: str) -> None:
    page = _Page(package_entries(DRIVE)["START-HERE.html"])
    text = page.texts[element]
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    allowed = dict(each.strip().split(" ", 1) for each in page.policy.split(";"))
    assert f"'sha256-{digest}'" in allowed[f"{element}-src"].split()
    assert allowed["default-src"] == "'none'"
    assert "unsafe" not in page.policy
    assert "http" not in page.policy


@given(st.text())
def test_data_cannot_leave_its_element(text: str) -> None:
    page = b"".join(format_page({"name": f"</script><script>{text}<!--", "\u2028": text}))
    assert msgspec.json.decode(_Page(page).texts["overview"]) == {"name": f"</script><script>{text}<!--", "\u2028": text}
    assert page.count(b"<script") == 3
    assert re.findall(rb"[<>&]|\xe2\x80[\xa8\xa9]", page.split(b'id="overview">')[1].split(b"</script>")[0]) == []


LINES = st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"") + b"\n"), max_size=30)


@given(LINES, st.integers(1, 7))
def test_shard_is_the_lines_again_however_they_came(lines: list[bytes], together: int) -> None:
    pieces = [b"".join(lines[start : start + together]) for start in range(0, len(lines), together)]
    shard = b"".join(encode_shard(pieces, call=CALL))
    assert decode(shard) == lines
    assert shard == b"".join(encode_shard([b"".join(lines)], call=CALL))


def test_name_that_shards_call_is_a_secret_that_the_page_alone_knows_besides() -> None:
    assert CALL.startswith(f"{OPEN_CALL}_")
    assert call_of("") == OPEN_CALL
    entries = package_entries(DRIVE, SampleSource(name="orders", product="Shop", rows=({"id": 1},)))
    shards = [path for path in entries if path.startswith("view/")]
    assert len(shards) == 2  # of records and of files
    assert {path for path, content in entries.items() if CALL.encode() in content} == {*shards, "START-HERE.html"}


def test_long_shard_has_blocks_that_are_read_alone() -> None:
    lines = [b"%06d" % number + b"x" * 1000 + b"\n" for number in range(1000)]
    shard = b"".join(encode_shard(lines, call=CALL))
    assert decode(shard) == lines
    assert len(shard.splitlines()) == 2 + 32


def test_shard_of_a_difference_says_which_rows_have_changed() -> None:
    lines = [b"%d\n" % number for number in range(5)]
    shard = b"".join(
        encode_shard(lines, lambda text: [row for row, line in enumerate(text.split(b"\n")) if line in {b"1", b"4"}], call=CALL)
    )
    assert shard.splitlines()[1].split(b" ")[3] == b"1,4"
    assert b"".join(encode_shard(lines, lambda _: [], call=CALL)).splitlines()[1].endswith(b" -")


def test_part_of_sixteen_mebibytes_has_four_shards() -> None:
    lines = [b"%06d" % number + b"x" * 1017 + b"\n" for number in range(16 * 1024)]
    shards = list(encode_shards(lines, call=CALL))
    assert [line for shard in shards for line in decode(b"".join(shard.content))] == lines
    assert [shard.rows for shard in shards] == [4352, 4352, 4352, 3328]
    assert all(b"".join(shard.lines).count(b"\n") == shard.rows for shard in shards)
