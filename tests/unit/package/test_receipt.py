"""The signed receipt: what it says, that stock minisign accepts it, and what becomes of forged ones."""

import hashlib
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from rightful.ids import OperationId
from rightful.operation.model import AskedBy
from rightful.package.minisign import PublicKey, SigningKey, is_signed, parse_public_key, parse_signature
from rightful.package.receipt import PATH, SIGNATURE_PATH, PreviousReceipt
from rightful.package.verify import PackageState, Verification, verify
from rightful.testing.package_builder import KEY, SUBMITTED_AT, MemoryReader, SampleSource, package_entries, resealed, write_package

ORDERS = SampleSource(name="orders", product="Shop", rows=({"id": 1}, {"id": 2}), identifiers={"mail": 2})
DRIVE = SampleSource(name="drive", files={"a.txt": b"one", "b.txt": b"two"}, identifiers={"upn": 1, "mail": 1})
STRANGER = SigningKey(b"\x07" * 32)


def _found(verification: Verification) -> set[tuple[str, str]]:
    return {(finding.kind.value, finding.path) for finding in verification.findings}


def test_receipt_says_what_was_delivered_and_names_the_one_before() -> None:
    before = PreviousReceipt(operation_id=OperationId("0b000000-0000-4000-8000-000000000000"), receipt_sha256="ab" * 32)
    entries = package_entries(ORDERS, DRIVE, previous=before)
    said = msgspec.json.decode(entries[PATH])
    assert said["identifiers"] == {"mail": 2, "upn": 1}
    assert said["totals"] == msgspec.json.decode(entries["ledger.json"])["totals"]
    assert said["previous"] == {"operationId": before.operation_id, "receiptSha256": before.receipt_sha256}
    assert said["key"] == KEY.public.text
    assert said["documents"]["ledger.json"] == hashlib.sha256(entries["ledger.json"]).hexdigest()
    listed = [*entries["manifest-sha256.txt"].splitlines(keepends=True), *entries["tagmanifest-sha256.txt"].splitlines(keepends=True)]
    lines = sorted((line for line in listed if b"  receipt.json" not in line), key=lambda line: line[66:])
    assert said["rootSha256"] == hashlib.sha256(b"".join(lines)).hexdigest()


@pytest.mark.parametrize("asked_by", [*AskedBy, None])
def test_receipt_says_who_asked_as_a_word(asked_by: AskedBy | None) -> None:
    entries = package_entries(ORDERS, asked_by=asked_by)
    assert msgspec.json.decode(entries[PATH]).get("askedBy") == (None if asked_by is None else asked_by.value)
    assert verify(MemoryReader(entries)).state is PackageState.WHOLE
    others = package_entries(ORDERS, asked_by=AskedBy.SUBJECT)
    assert {path for path in entries if path.startswith("data/") or path == "manifest-sha256.txt"} <= {
        path for path in entries if entries[path] == others[path]
    }


def test_package_says_who_signed_it_and_whether_that_is_the_key_asked_for() -> None:
    reader = MemoryReader(package_entries(ORDERS, DRIVE))
    assert (verify(reader).signed_by, verify(reader).is_trusted) == (KEY.public.text, None)
    assert verify(reader, keys=[STRANGER.public, KEY.public]).is_trusted is True
    forged = verify(reader, keys=[STRANGER.public])
    assert (forged.state, _found(forged)) == (PackageState.DAMAGED, {("changed", PATH)})


def test_package_forged_with_another_key_is_found_by_who_knows_the_right_one() -> None:
    entries = package_entries(ORDERS, DRIVE)
    forged = MemoryReader(resealed(entries | {"README.txt": b"changed"}, key=STRANGER))
    assert verify(forged).signed_by == STRANGER.public.text
    assert verify(forged, keys=[KEY.public]).state is PackageState.DAMAGED


def test_signature_of_another_content_is_found_although_its_digest_fits() -> None:
    entries = package_entries(ORDERS, DRIVE)
    content = entries[PATH].replace(b'"rows": 2', b'"rows": 1')
    tags = entries["tagmanifest-sha256.txt"].replace(
        hashlib.sha256(entries[PATH]).hexdigest().encode(), hashlib.sha256(content).hexdigest().encode()
    )
    verification = verify(MemoryReader(entries | {PATH: content, "tagmanifest-sha256.txt": tags}))
    assert _found(verification) == {("changed", PATH), ("changed", SIGNATURE_PATH)}
    assert verification.signed_by == ""


def test_older_receipt_with_its_signature_and_manifest_is_called_older() -> None:
    entries = package_entries(ORDERS, DRIVE)
    rows = ({"id": 1},)
    older = package_entries(
        msgspec.structs.replace(ORDERS, rows=rows),
        operation_id=OperationId("0a000000-0000-4000-8000-000000000000"),
        submitted_at=SUBMITTED_AT - timedelta(days=1),
    )
    for replaced in (
        (PATH, SIGNATURE_PATH),
        (PATH, SIGNATURE_PATH, "manifest-sha256.txt"),
        (PATH, SIGNATURE_PATH, "manifest-sha256.txt", "tagmanifest-sha256.txt"),
        ("ledger.json",),
        ("RequestInfo.json",),
    ):
        found = _found(verify(MemoryReader(entries | {path: older[path] for path in replaced})))
        assert {("older", path) for path in replaced} <= found, replaced


def test_receipt_of_another_person_is_called_swapped() -> None:
    entries = package_entries(ORDERS, DRIVE)
    other = package_entries(DRIVE, operation_id=OperationId("0f000000-0000-4000-8000-000000000000"))
    found = _found(verify(MemoryReader(entries | {path: other[path] for path in (PATH, SIGNATURE_PATH)})))
    assert {("swapped", PATH), ("swapped", SIGNATURE_PATH)} <= found


def test_files_that_changed_places_are_called_swapped() -> None:
    entries = package_entries(ORDERS, DRIVE)
    one, other = "data/Sample/drive/a.txt", "data/Sample/drive/b.txt"
    assert _found(verify(MemoryReader(entries | {one: entries[other], other: entries[one]}))) == {("swapped", one), ("swapped", other)}


@pytest.mark.parametrize("comment", ["", "of README", "ünï 日本"])
def test_signature_reads_back(comment: str) -> None:
    signature = parse_signature(KEY.sign(b"content", comment=comment, trusted_comment=comment))
    assert not isinstance(signature, str)
    assert is_signed(b"content", signature, KEY.public)
    assert not is_signed(b"Content", signature, KEY.public)
    assert not is_signed(b"content", signature, STRANGER.public)
    assert not is_signed(b"content", msgspec.structs.replace(signature, trusted_comment="other"), KEY.public)
    assert not is_signed(b"content", signature, PublicKey(KEY.public.key_id, STRANGER.public.raw))


@pytest.mark.parametrize(
    "text", ["", "RW", "RW" + "A" * 53, "RW" + "A" * 55, "AA" + "A" * 54, "a\nb\n" + KEY.public.text, KEY.public.text + "="]
)
def test_what_is_no_public_key_is_refused(text: str) -> None:
    assert isinstance(parse_public_key(text), str)


def test_public_key_reads_back() -> None:
    assert parse_public_key(KEY.public.text) == parse_public_key(KEY.public.file("a comment")) == KEY.public


@pytest.mark.skipif(not shutil.which("minisign"), reason="minisign is not installed")
def test_stock_minisign_accepts_the_receipt_and_refuses_a_changed_one(tmp_path: Path) -> None:
    folder = write_package(tmp_path / "package", package_entries(ORDERS, DRIVE))
    (tmp_path / "key.pub").write_text(KEY.public.file("of a test"), encoding="utf-8")

    def judged(*key: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["minisign", "-V", *key, "-m", str(folder / PATH)], capture_output=True, text=True, check=False)

    accepted = judged("-P", KEY.public.text)
    assert accepted.returncode == 0, accepted.stderr
    assert "operation:0d6f3c51" in accepted.stdout
    assert judged("-H", "-p", str(tmp_path / "key.pub")).returncode == 0
    assert judged("-P", STRANGER.public.text).returncode != 0
    (folder / PATH).write_bytes((folder / PATH).read_bytes() + b" ")
    assert judged("-P", KEY.public.text).returncode != 0
