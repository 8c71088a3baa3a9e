import msgspec
import pytest

from rightful.errors import PackageError
from rightful.package import difference
from rightful.package.closing import Finished, documents
from rightful.package.contents import PayloadEntry
from rightful.package.difference import Since
from rightful.package.digest import measure
from rightful.package.ledger import Ledger, SkippedEntry
from rightful.testing.package_builder import (
    COMPLETED_AT,
    KEY,
    OPERATION_ID,
    SUBJECT_ID,
    SUBMITTED_AT,
    TENANT_ID,
    SampleSource,
    package_entries,
)


def _finished(*entries: PayloadEntry) -> Finished:
    return Finished(
        ledger=Ledger(
            operation_id=OPERATION_ID,
            tenant_id=TENANT_ID,
            subject_id=SUBJECT_ID,
            configured=(),
            sources=(),
            submitted_at=SUBMITTED_AT,
            completed_at=COMPLETED_AT,
        ),
        entries=entries,
        request_info=measure((b"{}",)),
        organization="Contoso",
        bagged_at=COMPLETED_AT,
        key=KEY,
        policy_sha256="0" * 64,
    )


def test_documents_come_in_the_order_in_which_they_are_written() -> None:
    assert [document.path for document in documents(_finished())] == [
        "data/nothing-delivered.txt",
        "START-HERE.html",
        "VERIFY.html",
        "datapackage.json",
        "ledger.json",
        "README.txt",
        "statement.json",
        "STATEMENT.txt",
        "manifest-sha256.txt",
        "bagit.txt",
        "bag-info.txt",
        "receipt.json",
        "receipt.json.minisig",
        "tagmanifest-sha256.txt",
    ]


def test_digests_are_of_the_chunks_each_time() -> None:
    for document in documents(_finished()):
        assert measure(document.chunks()) == measure(document.chunks()) == document.digest


def test_digests_are_of_the_chunks_each_time_of_documents_too_large_to_be_held() -> None:
    named = tuple(bytes([number]) * (100 * 1024) for number in range(3))
    since = Since(
        operation_id=OPERATION_ID,
        receipt_sha256="0" * 64,
        is_policy_same=True,
        is_software_same=True,
        fingerprint_key=b"k" * 32,
        sources={},
    )
    ledger = msgspec.structs.replace(_finished().ledger, since=since)
    found = documents(msgspec.structs.replace(_finished(), ledger=ledger, named=lambda: iter(named)))
    [large] = [document for document in found if document.path == difference.LIST_PATH]
    for _ in range(2):
        assert tuple(large.chunks()) == named
    assert large.digest == measure(named)


def test_same_data_in_another_order_gives_the_same_bytes() -> None:
    one = SampleSource(name="drive", product="OneDrive", files={"a": b"1", "b": b"2"})
    other = msgspec.structs.replace(one, files={"b": b"2", "a": b"1"})
    assert package_entries(one) == package_entries(other)


def test_note_is_written_only_where_nothing_was_found() -> None:
    assert "data/nothing-delivered.txt" not in package_entries(SampleSource(name="drive", files={"a": b""}))
    assert "data/nothing-delivered.txt" in package_entries(SampleSource(name="drive"))
    unread = package_entries(SampleSource(name="drive", skipped=(SkippedEntry(path="a", reason="permission denied"),)))
    assert b"nothing was found" not in unread["data/nothing-delivered.txt"].lower()


def test_package_is_not_closed_over_an_entry_that_the_ledger_does_not_know() -> None:
    entry = PayloadEntry(path="data/a/b/c", sha256="0" * 64, size_bytes=1, source_name="b")
    with pytest.raises(PackageError):
        documents(_finished(entry))
