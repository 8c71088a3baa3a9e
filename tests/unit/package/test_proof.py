"""Which package each document says that it is of, and which of them are of another."""

import msgspec
import pytest

from rightful.ids import OperationId
from rightful.package import bagit, datapackage, difference, ledger, receipt, request_info
from rightful.package.proof import DOCUMENTS, examine
from rightful.package.statement import model as statement
from rightful.testing.package_builder import OPERATION_ID, SUBMITTED_AT, SampleSource, package_entries

OTHER = OperationId("02222222-2222-4222-8222-222222222222")
ORDERS = SampleSource(name="orders", rows=({"id": 1},))


def _documents(operation_id: OperationId) -> dict[str, bytes]:
    entries = package_entries(ORDERS, operation_id=operation_id, submitted_at=SUBMITTED_AT)
    changes = msgspec.json.encode({"format": difference.FORMAT, "operationId": operation_id})
    return {path: content for path, content in (entries | {difference.PATH: changes}).items() if path in DOCUMENTS}


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if path != receipt.SIGNATURE_PATH])
def test_each_document_that_says_whose_it_is_tells_when_it_was_swapped(path: str) -> None:
    swapped = _documents(OPERATION_ID) | {path: _documents(OTHER)[path]}
    found = examine(swapped, dict.fromkeys(swapped, ""), ())
    assert ("swapped", path) in {(finding.kind, finding.path) for finding in found.findings}


def test_every_document_that_names_the_operation_is_asked() -> None:
    """A document that is added to packages, and says whose it is, must be among them; pages and texts for people are not read."""
    entries = package_entries(ORDERS)
    naming = {path for path, content in entries.items() if OPERATION_ID.encode() in content}
    ours = {request_info.PATH, datapackage.PATH, ledger.PATH, statement.PATH, bagit.BAG_INFO_PATH, receipt.PATH, receipt.SIGNATURE_PATH}
    assert naming - {"START-HERE.html", "README.txt"} == ours
    assert ours | {difference.PATH} == set(DOCUMENTS)
