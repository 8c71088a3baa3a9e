import errno
import hashlib
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from rightful.errors import StorageUnavailable
from rightful.package.bagit import MANIFEST_PATH, TAG_MANIFEST_PATH
from rightful.package.verify import FindingKind, PackageState, StorageReader, Verification, verify
from rightful.testing.package_builder import MemoryReader, SampleSource, package_entries, resealed

ORDERS = SampleSource(
    name="orders",
    product="Shop",
    rows=tuple({"id": number, "name": f"n{number}"} for number in range(25)),
    rows_per_part=10,
    superseded_rows=({"id": 0, "name": "older"},),
)
DRIVE = SampleSource(name="drive", product="OneDrive", files={"a b.txt": b"one", "é/ü.zip": b"two", "empty": b""})
NOTHING = SampleSource(name="hr", product="HR")
PART = "data/Shop/orders/part-00000-00001.jsonl"


def _package() -> dict[str, bytes]:
    return package_entries(ORDERS, DRIVE, NOTHING)


def _verify(entries: dict[str, Any]) -> Verification:
    return verify(MemoryReader(entries))


def _found(verification: Verification) -> set[tuple[str, str]]:
    return {(finding.kind.value, finding.path) for finding in verification.findings}


def test_untouched_package_is_whole() -> None:
    entries = _package()
    verification = _verify(entries)
    assert verification.state is PackageState.WHOLE
    assert verification.findings == ()
    assert verification.entries == len(entries)
    assert verification.size_bytes == sum(map(len, entries.values()))
    assert verification.counts == dict.fromkeys(FindingKind, 0)


def test_package_without_data_is_whole() -> None:
    assert _verify(package_entries(NOTHING)).state is PackageState.WHOLE
    assert _verify(package_entries()).state is PackageState.WHOLE


@pytest.mark.parametrize("path", [PART, "data/OneDrive/drive/a b.txt", "ledger.json", "RequestInfo.json", "bagit.txt", MANIFEST_PATH])
def test_changed_entry_is_named(path: str) -> None:
    entries = _package()
    entries[path] = entries[path][:-1] + bytes([entries[path][-1] ^ 1])
    verification = _verify(entries)
    assert verification.state is PackageState.DAMAGED
    assert ("changed", path) in _found(verification)


def test_one_changed_part_is_the_only_finding() -> None:
    entries = _package()
    entries[PART] += b"{}\n"
    assert _found(_verify(entries)) == {("changed", PART)}


@pytest.mark.parametrize("path", [PART, "ledger.json", "bag-info.txt", MANIFEST_PATH])
def test_missing_entry_is_named(path: str) -> None:
    entries = _package()
    del entries[path]
    verification = _verify(entries)
    assert verification.state is PackageState.DAMAGED
    assert _found(verification) == {("missing", path)}


@pytest.mark.parametrize(
    "path", ["data/x", "data/Shop/orders/part-00000-00003.jsonl", "notes.txt", "tagmanifest-md5.txt", "DATA/x", "database"]
)
def test_extra_entry_is_named(path: str) -> None:
    assert _found(_verify(_package() | {path: b"x"})) == {("extra", path)}


def test_package_without_its_tag_manifest_is_incomplete() -> None:
    entries = _package()
    del entries[TAG_MANIFEST_PATH]
    verification = _verify(entries)
    assert verification.state is PackageState.INCOMPLETE
    assert _found(verification) == {("missing", TAG_MANIFEST_PATH)}


def test_package_that_has_only_begun_names_what_is_still_to_come() -> None:
    entries = {path: content for path, content in _package().items() if path == "RequestInfo.json" or path.startswith("data/")}
    verification = _verify(entries)
    assert verification.state is PackageState.INCOMPLETE
    assert {kind for kind, _ in _found(verification)} == {"missing"}
    assert {path for _, path in _found(verification)} == {
        TAG_MANIFEST_PATH, MANIFEST_PATH, "bagit.txt", "bag-info.txt", "datapackage.json", "ledger.json", "README.txt",
        "receipt.json", "receipt.json.minisig",
    }  # fmt: skip


def test_nothing_at_all_is_incomplete() -> None:
    assert _verify({}).state is PackageState.INCOMPLETE


def test_unreadable_entries_are_named_with_the_reason() -> None:
    entries: dict[str, Any] = _package()
    for path in (PART, "ledger.json", "README.txt"):
        entries[path] = OSError(errno.EIO, "Input/output error")
    findings = _verify(entries).findings
    assert {(finding.kind, finding.path, finding.detail) for finding in findings} == {
        (FindingKind.UNREADABLE, path, "Input/output error") for path in (PART, "ledger.json", "README.txt")
    }


def test_unreadable_tag_manifest_is_damage() -> None:
    verification = _verify(_package() | {TAG_MANIFEST_PATH: OSError(errno.EACCES, "Permission denied")})
    assert verification.state is PackageState.DAMAGED
    assert _found(verification) == {("unreadable", TAG_MANIFEST_PATH)}


def test_entry_that_vanishes_meanwhile_is_missing() -> None:
    entries: dict[str, Any] = _package() | {PART: FileNotFoundError(errno.ENOENT, "gone")}
    assert _found(_verify(entries)) == {("missing", PART)}


def test_storage_that_does_not_answer_is_no_verdict() -> None:
    class Away:
        def list(self, prefix: str) -> Iterator[tuple[str, int]]:
            yield f"{prefix}{TAG_MANIFEST_PATH}", 5

        def read(self, path: str) -> Iterator[bytes]:
            raise StorageUnavailable(f"{path} was not answered")

    with pytest.raises(StorageUnavailable):
        verify(StorageReader(Away(), "op-1"))


def test_storage_reader_stays_below_its_prefix() -> None:
    class Blobs:
        def list(self, prefix: str) -> Iterator[tuple[str, int]]:
            for path, content in sorted(blobs.items()):
                if path.startswith(prefix):
                    yield path, len(content)

        def read(self, path: str) -> Iterator[bytes]:
            if path not in blobs:
                raise FileNotFoundError(path)
            yield blobs[path]

    blobs = {f"op-1/{path}": content for path, content in _package().items()} | {"op-10/x": b"", "RequestInfo.json": b""}
    assert verify(StorageReader(Blobs(), "op-1")).state is PackageState.WHOLE
    assert verify(StorageReader(Blobs(), "op-1/")).state is PackageState.WHOLE
    assert verify(StorageReader(Blobs(), "")).state is PackageState.INCOMPLETE


@pytest.mark.parametrize(
    "path", ["../secret", "data/../../secret", "/etc/passwd", "data//x", "data/./x", "data\\x", "data/a%0Ab", "ledger.json", "data"]
)
def test_manifest_that_names_something_outside_is_malformed_and_nothing_outside_is_read(path: str) -> None:
    class Watched(MemoryReader):
        def read(self, path: str) -> Iterator[bytes]:
            asked.append(path)
            return super().read(path)

    asked: list[str] = []
    entries = _package()
    lines = [*entries[MANIFEST_PATH].decode().splitlines(), f"{'0' * 64}  {path}"]
    entries[MANIFEST_PATH] = "".join(f"{line}\n" for line in sorted(lines, key=lambda line: line[66:])).encode()
    verification = verify(Watched(resealed(entries)))
    assert ("malformed", MANIFEST_PATH) in _found(verification)
    assert set(asked) <= entries.keys()


def test_names_that_are_one_on_some_systems_are_found() -> None:
    drive = SampleSource(name="drive", product="OneDrive", files={"a.txt": b"1", "b.txt": b"2", "\u00e9": b"3"})
    entries = package_entries(drive)
    table = {path: content for path, content in entries.items() if path.startswith("data/")}
    table |= {"data/OneDrive/drive/A.txt": b"1", "data/OneDrive/drive/e\u0301": b"3"}
    manifest = "".join(f"{hashlib.sha256(table[path]).hexdigest()}  {path}\n" for path in sorted(table))
    findings = _verify(resealed(entries | table | {MANIFEST_PATH: manifest.encode()})).findings
    clashes = [finding.detail for finding in findings if finding.path == MANIFEST_PATH]
    assert len(clashes) == 2
    assert all("one file on some systems" in detail for detail in clashes)


def _edited(name: str, old: str, new: str) -> dict[str, bytes]:
    entries = _package()
    text = entries[name].decode()
    assert re.search(old, text)
    return resealed(entries | {name: re.sub(old, new, text, count=1).encode()})


@pytest.mark.parametrize(
    ("path", "old", "new", "says"),
    [
        ("bagit.txt", "1.0", "0.97", "BagIt 1.0"),
        ("bag-info.txt", r"Oxum: \d+", "Oxum: 7", "Payload-Oxum is not"),
        ("bag-info.txt", r"Payload-Oxum: .*\n", "", "Payload-Oxum is not"),
        ("bag-info.txt", r"\n", r"\r\n", "Label"),
        ("ledger.json", '"complete": true', '"complete": false', "does not call"),
        ("ledger.json", '"format": "[^"]+"', '"format": "other/1"', "another format"),
        ("ledger.json", '"rows": 25', '"rows": 24', "totals are not the sums"),
        ("ledger.json", '"exported"', '"failed"', "is failed"),
        ("ledger.json", '"exported"', '"running"', "is running"),
        ("ledger.json", '"exported"', '"empty"', "is empty and brought"),
        ("ledger.json", '"exported"', '"fine"', "not as it must be"),
        ("ledger.json", '"folder": "data/Shop/orders/"', '"folder": "data/Shop/order/"', "outside the folder"),
        ("ledger.json", r'"sha256": "\w{6}', '"sha256": "000000', "another digest"),
        ("ledger.json", r'"state"', '"stat"', "not as it must be"),
        ("ledger.json", r"\{", "", "not as it must be"),
        ("ledger.json", r"\}\n\Z", "", "not JSON"),
        ("ledger.json", r'"skipped": \[', '"skipped": [{"x": ' + "[" * 100_000, "not JSON"),
        ("datapackage.json", r'"bytes":\d+', '"bytes":999', "another size"),
        ("datapackage.json", r'"hash":"sha256:\w{6}', '"hash":"sha256:000000', "another digest"),
        ("datapackage.json", r'"path":"data', '"path":"date', "not in the manifest"),
        ("datapackage.json", r'\{"name":"orders[^\n]*\n', "", "is not described"),
        ("datapackage.json", r'"name":"orders/part-00000-00002"', '"name":"orders/part-00000-00001"', "same name"),
        ("datapackage.json", r'"rows":10', '"rows":11', ""),
        ("datapackage.json", r'"rightful:source":"orders"', '"rightful:source":"hr"', ""),
        ("datapackage.json", r'"rightful:source":"orders"', '"rightful:source":"xx"', "source xx is not in the ledger"),
        ("datapackage.json", r'"resources"', '"resource"', "not as it must be"),
        ("datapackage.json", r"(?s).*", "[]", "not as it must be"),
        ("datapackage.json", r"(?s).*", "", "not JSON"),
    ],
    ids=lambda text: str(text)[:30],
)
def test_document_that_contradicts_the_rest_is_malformed_although_its_digest_fits(path: str, old: str, new: str, says: str) -> None:
    findings = _verify(_edited(path, old, new)).findings
    assert findings
    assert {finding.kind for finding in findings} == {FindingKind.MALFORMED}
    if says:
        assert [finding for finding in findings if finding.path == path and re.search(says, finding.detail)]


def test_entry_described_twice_is_found() -> None:
    entries = _package()
    document = msgspec.json.decode(entries["datapackage.json"])
    document["resources"].append(document["resources"][-1])
    findings = _verify(resealed(entries | {"datapackage.json": msgspec.json.encode(document)})).findings
    assert any("described twice" in finding.detail for finding in findings)


def test_tag_manifest_must_list_every_tag_file() -> None:
    entries = _package()
    lines = entries[TAG_MANIFEST_PATH].decode().splitlines(keepends=True)
    entries[TAG_MANIFEST_PATH] = "".join(line for line in lines if "ledger.json" not in line).encode()
    assert _found(_verify(entries)) == {("changed", TAG_MANIFEST_PATH)}
    unsigned = {path: content for path, content in entries.items() if not path.startswith("receipt.json")}
    assert {("malformed", TAG_MANIFEST_PATH), ("extra", "ledger.json"), ("missing", "receipt.json")} <= _found(_verify(unsigned))


def test_what_a_terminal_would_obey_is_escaped() -> None:
    found = _found(_verify(_package() | {"data/\x1b[2J\u202e\udcff": b"x"}))
    assert found == {("extra", "data/\\x1b[2J\\u202e\\udcff")}


def test_progress_never_falls_and_ends_at_the_whole() -> None:
    big = SampleSource(name="drive", product="OneDrive", files={f"{number}.bin": bytes(3_000_000) for number in range(5)})
    entries = package_entries(big)
    said: list[tuple[int, int]] = []
    verification = verify(MemoryReader(entries), on_progress=lambda done, total: said.append((done, total)))
    assert verification.state is PackageState.WHOLE
    assert len(said) >= 3
    assert said == sorted(said)
    assert said[-1] == (verification.size_bytes, sum(map(len, entries.values())))


def test_many_entries_in_two_threads_give_findings_in_order() -> None:
    files = {f"{number:04d}.txt": str(number).encode() for number in range(300)}
    entries = package_entries(SampleSource(name="drive", product="OneDrive", files=files))
    for number in (7, 77, 277):
        entries[f"data/OneDrive/drive/{number:04d}.txt"] += b"!"
    assert [finding.path[-8:] for finding in _verify(entries).findings] == ["0007.txt", "0077.txt", "0277.txt"]
