"""What the documents of a package prove: which package they are of, and whose signature stands under the receipt. Values in, values out.

Any document may be another than was delivered, and each says for itself which operation it is of. The operation that most of them name is
the package's; what names another one was put in its place. A receipt of this operation with a good signature is what everything else is
compared with; without one, the tag manifest is.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from rightful.package import bagit, datapackage, difference, ledger, receipt, request_info
from rightful.package.finding import Finding, FindingKind
from rightful.package.minisign import PublicKey, is_signed, parse_public_key, parse_signature
from rightful.package.receipt import Receipt
from rightful.package.statement import model as statement

DOCUMENTS = (
    request_info.PATH,
    datapackage.PATH,
    difference.PATH,
    ledger.PATH,
    statement.PATH,
    bagit.BAG_INFO_PATH,
    receipt.PATH,
    receipt.SIGNATURE_PATH,
)
"""What is read for it, in the order in which it is written."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """Which package a document says that it is of."""

    path: str
    operation_id: str
    subject_id: str = ""
    submitted_at: str = ""
    """As it stands there: texts that are ordered as the moments are."""


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out."""

    findings: tuple[Finding, ...] = ()
    receipt: Receipt | None = None
    """One that may be relied on: of this package, with a good signature."""
    signed_by: str = ""
    """The public key of that signature."""
    is_trusted: bool | None = None
    """Whether it is one of the keys that were asked for; None where none was."""
    foreign: Mapping[str, tuple[FindingKind, str]] = {}
    """Digest to what it means where an entry beside `data/` has it: documents of the other package that a signed receipt names."""


def examine(contents: Mapping[str, bytes], sha256s: Mapping[str, str], keys: Iterable[PublicKey]) -> Proof:
    """Look at the documents that are there, by path, and their digests."""
    claims = list(_claims(contents))
    usual = _usual(claims)
    strange = {claim.path: _strangeness(claim, usual) for claim in claims if usual and claim.operation_id != usual.operation_id}
    findings = [Finding(kind, path, detail) for path, (kind, detail) in strange.items()]
    if receipt.PATH not in contents or receipt.SIGNATURE_PATH not in contents:
        return Proof(findings=tuple(findings))
    read, signed_by, comment = _signed(contents[receipt.PATH], contents[receipt.SIGNATURE_PATH])
    if isinstance(read, Finding):
        return Proof(findings=(*findings, read))
    if not signed_by:
        findings += (
            Finding(FindingKind.CHANGED, path, f"the signature is not of this receipt by {read.key}: one of the two was changed")
            for path in (receipt.PATH, receipt.SIGNATURE_PATH)
        )
        return Proof(findings=tuple(findings))
    if receipt.PATH in strange:
        kind, detail = strange[receipt.PATH]
        foreign = dict.fromkeys((*read.documents.values(), *_closing(read, sha256s).values()), (kind, detail))
        findings.append(Finding(kind, receipt.SIGNATURE_PATH, detail))
        return Proof(findings=tuple(findings), foreign=foreign)
    if comment != receipt.signature_comment(signed_by):
        findings.append(Finding(FindingKind.CHANGED, receipt.SIGNATURE_PATH, "its first line, which no signature covers, was changed"))
    trusted = [key.text for key in keys]
    is_trusted = signed_by in trusted if trusted else None
    if is_trusted is False:
        findings.append(Finding(FindingKind.CHANGED, receipt.PATH, f"it is signed by {signed_by}, which is no key that was given"))
    return Proof(findings=tuple(findings), receipt=read, signed_by=signed_by, is_trusted=is_trusted)


def tags_of(proven: Receipt, sha256s: Mapping[str, str]) -> dict[str, str]:
    """Return what the tag manifest of a receipt's package lists."""
    return proven.documents | {path: sha256s[path] for path in (receipt.PATH, receipt.SIGNATURE_PATH)}


def _closing(read: Receipt, sha256s: Mapping[str, str]) -> dict[str, str]:
    """Return the digest of the tag manifest that goes with a receipt."""
    return {bagit.TAG_MANIFEST_PATH: receipt.root_digest((), tags_of(read, sha256s).items())}


def _signed(content: bytes, signature: bytes) -> tuple[Receipt | Finding, str, str]:
    """Return the receipt, the key that signed it (empty where the signature is not good) and the untrusted comment; or what is wrong."""
    read = receipt.parse_receipt(content)
    if isinstance(read, str):
        return Finding(FindingKind.MALFORMED, receipt.PATH, read), "", ""
    key = parse_public_key(read.key)
    if isinstance(key, str):
        return Finding(FindingKind.MALFORMED, receipt.PATH, f"its key {key}"), "", ""
    parsed = parse_signature(signature)
    if isinstance(parsed, str):
        return Finding(FindingKind.MALFORMED, receipt.SIGNATURE_PATH, parsed), "", ""
    return read, key.text if is_signed(content, parsed, key) else "", parsed.untrusted_comment


def _usual(claims: list[Claim]) -> Claim | None:
    """Return a claim of the operation that most documents name, the one that says the most of it."""
    if not claims:
        return None
    counts = Counter(claim.operation_id for claim in claims)
    usual = max(counts, key=lambda operation_id: (counts[operation_id], operation_id))
    return max((claim for claim in claims if claim.operation_id == usual), key=lambda claim: (bool(claim.submitted_at), claim.path))


def _strangeness(claim: Claim, usual: Claim) -> tuple[FindingKind, str]:
    is_same_person = not (claim.subject_id and usual.subject_id) or claim.subject_id == usual.subject_id
    is_older = is_same_person and bool(claim.submitted_at) and claim.submitted_at < usual.submitted_at
    if is_older:
        return FindingKind.OLDER, f"it is of operation {claim.operation_id} of {claim.submitted_at}; this is {usual.operation_id}"
    return FindingKind.SWAPPED, f"it is of operation {claim.operation_id}; this is {usual.operation_id}"


# -- what each document says ------------------------------------------------------------------------------------------------
class _Of(msgspec.Struct, frozen=True, rename="camel"):
    operation_id: str
    subject_id: str = ""
    submitted_at: str = ""


class _RequestInfo(msgspec.Struct, frozen=True, rename="pascal"):
    command_id: str
    subject: str = ""
    timestamp: str = ""


class _Descriptor(msgspec.Struct, frozen=True):
    id: str


def _claims(contents: Mapping[str, bytes]) -> Iterator[Claim]:
    for path in (difference.PATH, ledger.PATH, statement.PATH, receipt.PATH):
        said = _decode(contents.get(path), _Of)
        if said is not None:
            yield Claim(path=path, operation_id=said.operation_id, subject_id=said.subject_id, submitted_at=said.submitted_at)
    asked = _decode(contents.get(request_info.PATH), _RequestInfo)
    if asked is not None:
        yield Claim(path=request_info.PATH, operation_id=asked.command_id, subject_id=asked.subject, submitted_at=asked.timestamp)
    described = _decode(contents.get(datapackage.PATH), _Descriptor)
    if described is not None:
        yield Claim(path=datapackage.PATH, operation_id=described.id)
    info = bagit.parse_bag_info(contents.get(bagit.BAG_INFO_PATH, b""))
    if isinstance(info, dict) and "External-Identifier" in info:
        yield Claim(path=bagit.BAG_INFO_PATH, operation_id=info["External-Identifier"])


def _decode(content: bytes | None, type_: type[Any]) -> Any:
    try:
        return None if content is None else msgspec.json.decode(content, type=type_)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
