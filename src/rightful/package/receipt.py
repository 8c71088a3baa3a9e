"""receipt.json: the signed statement of what was asked and delivered.

It holds the digest of every document of the package, so that the signature vouches for all of it: the manifest among them has the digest
of each entry under `data/`. No identifier's value stands in it, nor anybody's name: of who asked, it says whether that was the person.
"""

from collections.abc import Iterable, Mapping
from heapq import merge

import msgspec

from rightful.ids import OperationId
from rightful.package import bagit
from rightful.package.difference import format_since
from rightful.package.digest import is_sha256, measure
from rightful.package.instant import format_instant
from rightful.package.ledger import Ledger, format_totals
from rightful.package.minisign import SigningKey

PATH = "receipt.json"
SIGNATURE_PATH = "receipt.json.minisig"
FORMAT = "rightful-receipt/1"


class PreviousReceipt(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The receipt before this one, for the same person."""

    operation_id: OperationId
    receipt_sha256: str


class Receipt(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a verifier needs of receipt.json."""

    format: str
    operation_id: str
    subject_id: str
    submitted_at: str
    documents: dict[str, str]
    """SHA-256 of everything that lies beside `data/`, but the receipt, its signature and the tag manifest."""
    root_sha256: str
    key: str


def root_digest(payload: Iterable[tuple[str, str]], documents: Iterable[tuple[str, str]]) -> str:
    """Return the SHA-256 over the lines `digest  path` of all (path, SHA-256), in the order of their paths.

    Args:
        payload: in ascending order of paths.
        documents: in any order.

    Raises:
        PackageError: a path that can't stand in a manifest, or twice the same.
    """
    return measure(bagit.format_manifest(merge(payload, sorted(documents)))).sha256


def format_receipt(
    ledger: Ledger,
    *,
    organization: str,
    software_agent: str,
    policy_sha256: str,
    previous: PreviousReceipt | None,
    documents: Mapping[str, str],
    root_sha256: str,
    key: SigningKey,
) -> bytes:
    """Write receipt.json; the same values give the same bytes."""
    members = {
        "format": FORMAT,
        "controller": " ".join(organization.split()),
        "operationId": ledger.operation_id,
        "tenantId": ledger.tenant_id,
        "subjectId": ledger.subject_id,
        "submittedAt": format_instant(ledger.submitted_at),
        "completedAt": format_instant(ledger.completed_at),
        **({"askedBy": ledger.asked_by.value} if ledger.asked_by is not None else {}),
        "identifiers": _identifiers(ledger),
        "totals": format_totals(ledger.sources),
        "policySha256": policy_sha256,
        "documents": dict(sorted(documents.items())),
        "rootSha256": root_sha256,
        **({"since": format_since(ledger.since)} if ledger.since is not None else {}),
        "previous": previous,
        "software": software_agent,
        "key": key.public.text,
    }
    return msgspec.json.format(msgspec.json.encode(members), indent=2) + b"\n"


def sign_receipt(content: bytes, ledger: Ledger, key: SigningKey) -> bytes:
    """Return the signature's file; its trusted comment names what minisign shows."""
    trusted = f"timestamp:{int(ledger.completed_at.timestamp())}\tfile:{PATH}\thashed\toperation:{ledger.operation_id}"
    return key.sign(content, comment=signature_comment(key.public.text), trusted_comment=trusted)


def signature_comment(key: str) -> str:
    """Return the one untrusted comment that a signature by a key (`RW…`) has: no signature covers it, and people read it."""
    return f"signature of {PATH} by {key}"


def parse_receipt(content: bytes) -> Receipt | str:
    """Read receipt.json; returns what is wrong as a text."""
    try:
        receipt = msgspec.json.decode(content, type=Receipt)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return f"can't be read: {error}"
    if receipt.format != FORMAT:
        return f"has a format that this version does not know; it knows {FORMAT}"
    bad = any(bagit.path_problem(path) or path.startswith("data/") or not is_sha256(digest) for path, digest in receipt.documents.items())
    if bad or not is_sha256(receipt.root_sha256):
        return "names a document without a SHA-256, or one that can't stand beside data/"
    return receipt


def _identifiers(ledger: Ledger) -> dict[str, int]:
    """Return how many identifiers of each kind were searched for, in any source."""
    most: dict[str, int] = {}
    for record in ledger.sources:
        for kind, count in record.identifiers.items():
            most[kind] = max(most.get(kind, 0), count)
    return dict(sorted(most.items()))
