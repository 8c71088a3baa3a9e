"""Checking a package: is everything there that was delivered, and nothing changed?

Trust starts at the signed receipt. It vouches for every document, the payload manifest among them, which vouches for everything under
`data/`; where it is damaged, the tag manifest takes its place. Then the documents must agree with each other. A package without a tag
manifest was never finished, or has lost it: it is incomplete.

Reads each entry once, in chunks, and keeps no more than a table of paths and the documents that it looks into. Only paths that the
package lists are read; what a manifest names besides is missing, wherever it points. Whatever is malformed becomes a finding, never an
error.
"""

import enum
import hashlib
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import msgspec

from rightful.package import agreement, bagit, datapackage, ledger, proof, readme, receipt, request_info, sealed
from rightful.package.bagit import BAG_INFO_PATH, BAGIT_PATH, MANIFEST_PATH, TAG_MANIFEST_PATH
from rightful.package.contents import PAYLOAD
from rightful.package.finding import Finding, FindingKind, shown
from rightful.package.hashing import Hashed, Meter, Progress, digests
from rightful.package.minisign import PublicKey
from rightful.package.readers import FolderReader, PackageReader, StorageReader

__all__ = ["Finding", "FindingKind", "FolderReader", "PackageReader", "PackageState", "StorageReader", "Verification", "verify"]

REQUIRED = (
    request_info.PATH,
    datapackage.PATH,
    ledger.PATH,
    readme.PATH,
    MANIFEST_PATH,
    BAGIT_PATH,
    BAG_INFO_PATH,
    receipt.PATH,
    receipt.SIGNATURE_PATH,
)
"""Tag files that every finished package has, in the order in which they are written."""

_LARGEST_DOCUMENT_BYTES = 1024 * 1024 * 1024
_EMPTY_SHA256 = hashlib.sha256().hexdigest()

T = TypeVar("T")


class PackageState(enum.StrEnum):
    """The verdict."""

    WHOLE = "whole"
    DAMAGED = "damaged"
    SEALED = "sealed"
    """It is sealed, and all that it lists is there; what that is can be told only with its key."""
    INCOMPLETE = "incomplete"
    """There is no tag manifest: the package was not finished, or has lost it."""


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found."""

    state: PackageState
    findings: tuple[Finding, ...]
    """Sorted by kind, path and detail."""
    entries: int
    """Entries that were read, under `data/` and beside it."""
    size_bytes: int
    """Bytes that were read."""
    signed_by: str = ""
    """The public key (`RW…`) of a good signature under a receipt of this package; empty where there is none."""
    is_trusted: bool | None = None
    """Whether that is one of the keys that were given; None where none was."""

    @property
    def counts(self) -> dict[FindingKind, int]:
        """Return how many findings there are of each kind, none left out."""
        found = Counter(finding.kind for finding in self.findings)
        return {kind: found[kind] for kind in FindingKind}


def verify(package: PackageReader, *, keys: Iterable[PublicKey] = (), on_progress: Progress | None = None) -> Verification:
    """Check a package; where keys are given, one of them must have signed its receipt.

    Raises:
        PackageError: the package can't be listed.
        StorageError: the storage location does not answer, or does not let us read.
    """
    sizes = dict(package.list())
    if sealed.is_sealed(sizes):
        return _verify_sealed(package, sizes)
    check = _Check(package, sizes, Meter(on_progress, sum(sizes.values())))
    listed = check.tag_manifest()
    contents = check.documents()
    tags = check.tags(listed, check.prove(contents, keys))
    delivered = check.tag_files(tags, contents)
    payload = check.payload(check.manifest(tags))
    check.root(payload)
    check.consistency(payload, delivered)
    return check.verdict()


def _verify_sealed(package: PackageReader, sizes: dict[str, int]) -> Verification:
    """Check what can be checked without the key: names and sizes."""
    state = PackageState.SEALED
    findings: list[Finding] = []
    size_bytes = 0
    if sealed.LIST_PATH not in sizes:
        state = PackageState.INCOMPLETE
        findings.append(Finding(FindingKind.MISSING, sealed.LIST_PATH, "every finished sealed package has it"))
    else:
        try:
            content = b"".join(package.read(sealed.LIST_PATH)) if sizes[sealed.LIST_PATH] <= _LARGEST_DOCUMENT_BYTES else b""
            size_bytes = len(content)
            findings += sealed.check_list(sizes, sealed.parse_list(content))
        except ValueError as error:
            findings.append(Finding(FindingKind.MALFORMED, sealed.LIST_PATH, str(error)))
        except OSError as error:
            findings.append(Finding(FindingKind.UNREADABLE, sealed.LIST_PATH, error.strerror or type(error).__name__))
        state = PackageState.DAMAGED if findings else state
    return Verification(state=state, findings=tuple(sorted(findings)), entries=len(sizes), size_bytes=size_bytes)


class _Check:
    """One check under way: what lies there, and what was found so far."""

    def __init__(self, package: PackageReader, sizes: dict[str, int], meter: Meter) -> None:
        self._package = package
        self._sizes = sizes
        self._meter = meter
        self._findings: list[Finding] = []
        self._proof = proof.Proof()
        self._sha256s: dict[str, str] = {}
        """Of what was read beside `data/`."""
        self._expected: list[Mapping[str, str]] = []
        """What manifests say, as far as they were read."""
        self._owners: dict[str, str] | None = None

    # -- the steps, in order --------------------------------------------------------------------------------------------
    def tag_manifest(self) -> dict[str, str] | None:
        """Read the tag manifest; None where it can't be trusted to list anything."""
        return self._manifest_lines(TAG_MANIFEST_PATH, lambda path: not path.startswith(PAYLOAD) and path != TAG_MANIFEST_PATH)

    def documents(self) -> dict[str, bytes]:
        """Read what is looked into, and what of it could be read."""
        contents: dict[str, bytes] = {}
        for path in (*proof.DOCUMENTS, BAGIT_PATH):
            if self._sizes.get(path, _LARGEST_DOCUMENT_BYTES + 1) <= _LARGEST_DOCUMENT_BYTES:
                hashed = Hashed(self._package.read(path), self._meter)
                try:
                    contents[path] = b"".join(hashed)
                except OSError as error:
                    self._find_unread(path, error)
                self._sha256s[path] = hashed.sha256
        return contents

    def prove(self, contents: dict[str, bytes], keys: Iterable[PublicKey]) -> proof.Proof:
        """Find out which package it is, and who signed it."""
        self._proof = proof.examine(contents, self._sha256s, keys)
        for finding in self._proof.findings:
            self._find(finding.kind, finding.path, finding.detail)
        return self._proof

    def tags(self, listed: dict[str, str] | None, proven: proof.Proof) -> dict[str, str] | None:
        """Return what must lie beside `data/`, by digest, and compare it with what lies there; None where nothing says so."""
        tags, source = listed, TAG_MANIFEST_PATH
        if proven.receipt is not None:
            tags, source = proof.tags_of(proven.receipt, self._sha256s | _signature_of(listed)), receipt.PATH
            if TAG_MANIFEST_PATH in self._sha256s:
                self._is_same(TAG_MANIFEST_PATH, self._sha256s[TAG_MANIFEST_PATH], receipt.root_digest((), tags.items()), receipt.PATH)
        elif self._sha256s.get(TAG_MANIFEST_PATH) in proven.foreign:
            kind, detail = proven.foreign[self._sha256s[TAG_MANIFEST_PATH]]
            self._find(kind, TAG_MANIFEST_PATH, detail)
        if tags is None:
            for path in (path for path in REQUIRED if path not in self._sizes):
                self._find(FindingKind.MISSING, path, "every finished package has it")
            return None
        self._expect(tags)
        for path in (path for path in REQUIRED if path not in tags):
            self._find(FindingKind.MALFORMED, source, f"does not list {path}")
        for path in tags.keys() - self._sizes.keys():
            self._find(FindingKind.MISSING, path, f"{source} lists it")
        for path in self._sizes.keys() - tags.keys():
            if not path.startswith(PAYLOAD) and path != TAG_MANIFEST_PATH:
                self._find(FindingKind.EXTRA, path, f"{source} does not list it")
        return tags

    def tag_files(self, tags: dict[str, str] | None, contents: dict[str, bytes]) -> dict[str, bytes]:
        """Compare the tag files (but the manifest) with their digests; return the content of documents that are as delivered."""
        delivered: dict[str, bytes] = {}
        others: dict[str, bytes] = {}
        for path, sha256 in sorted((tags or {}).items()):
            if path in contents:
                if self._is_same(path, self._sha256s[path], sha256, TAG_MANIFEST_PATH):
                    delivered[path] = contents[path]
            elif path in self._sizes and path != MANIFEST_PATH and path not in self._sha256s:
                others[path] = bytes.fromhex(sha256)
        self._compare(list(others), others, TAG_MANIFEST_PATH)
        return delivered

    def manifest(self, tags: dict[str, str] | None) -> dict[str, bytes] | None:
        """Read the payload manifest; None where there is none."""
        if MANIFEST_PATH not in self._sizes:
            return None
        table = self._manifest_lines(MANIFEST_PATH, lambda path: path.startswith(PAYLOAD))
        if table is None:
            return None
        if tags and MANIFEST_PATH in tags:
            self._is_same(MANIFEST_PATH, self._sha256s[MANIFEST_PATH], tags[MANIFEST_PATH], TAG_MANIFEST_PATH)
        self._expect(table)
        self._find_clashes(table)
        return {path: bytes.fromhex(digest) for path, digest in table.items()}

    def payload(self, manifest: dict[str, bytes] | None) -> agreement.Payload | None:
        """Compare everything under `data/` with the manifest."""
        if manifest is None:
            return None
        there = {path: size for path, size in self._sizes.items() if path.startswith(PAYLOAD)}
        before = len(self._findings)
        for path in manifest.keys() - there.keys():
            self._find(FindingKind.MISSING, path, f"{MANIFEST_PATH} lists it")
        for path in there.keys() - manifest.keys():
            self._find(FindingKind.EXTRA, path, f"{MANIFEST_PATH} does not list it")
        doubtful = self._compare([path for path in there if path in manifest], manifest, MANIFEST_PATH)  # as they lie there
        doubtful |= manifest.keys() ^ there.keys()
        is_clean = len(self._findings) == before
        if not is_clean and self._sha256s[MANIFEST_PATH] in self._proof.foreign:
            kind, detail = self._proof.foreign[self._sha256s[MANIFEST_PATH]]
            self._find(kind, MANIFEST_PATH, detail)
        return agreement.Payload(sha256=manifest, sizes=there, doubtful=frozenset(doubtful), is_clean=is_clean)

    def root(self, payload: agreement.Payload | None) -> None:
        """Compare the root digest of what is as delivered with the receipt's."""
        proven = self._proof.receipt
        if proven is None or payload is None or self._findings:
            return
        listed = ((path, digest.hex()) for path, digest in payload.sha256.items())
        if receipt.root_digest(listed, proven.documents.items()) != proven.root_sha256:
            self._find(FindingKind.MALFORMED, receipt.PATH, "its rootSha256 is not that of what it lists")

    def consistency(self, payload: agreement.Payload | None, documents: dict[str, bytes]) -> None:
        """Check what the documents say; a document that is not as delivered isn't listened to."""
        if documents.get(BAGIT_PATH, bagit.BAGIT) != bagit.BAGIT:
            self._find(FindingKind.MALFORMED, BAGIT_PATH, "does not declare BagIt 1.0 in UTF-8")
        info = self._parsed(BAG_INFO_PATH, documents, bagit.parse_bag_info)
        described = self._parsed(datapackage.PATH, documents, agreement.parse_datapackage)
        document = self._parsed(ledger.PATH, documents, agreement.parse_ledger)
        if info is not None and payload and payload.is_clean:
            self._find_problems(agreement.check_oxum(payload, info))
        if document is not None:
            self._find_problems(agreement.check_ledger(document))
        if described is not None and document is not None and payload:
            self._find_problems(agreement.check_contents(payload, described, document))

    def verdict(self) -> Verification:
        """Say what was found."""
        self._meter.end()
        state = PackageState.WHOLE
        if TAG_MANIFEST_PATH not in self._sizes:
            state = PackageState.INCOMPLETE
        elif self._findings:
            state = PackageState.DAMAGED
        return Verification(
            state=state,
            findings=tuple(sorted(set(self._findings))),
            entries=self._meter.entries,
            size_bytes=self._meter.size_bytes,
            signed_by=self._proof.signed_by,
            is_trusted=self._proof.is_trusted,
        )

    # -- reading --------------------------------------------------------------------------------------------------------
    def _manifest_lines(self, path: str, belongs: Callable[[str], bool]) -> dict[str, str] | None:
        """Return digest by path, and keep the manifest's own; None where it can't be read."""
        hashed = Hashed(self._package.read(path), self._meter)
        chunks = iter(hashed)
        table: dict[str, str] = {}
        try:
            for line in bagit.parse_manifest(chunks):
                if isinstance(line, bagit.BadLine):
                    self._find(FindingKind.MALFORMED, path, f"line {line.number} {line.problem}")
                elif not belongs(line.path):
                    self._find(FindingKind.MALFORMED, path, f"names {line.path}, which does not belong in it")
                else:
                    table[line.path] = line.sha256
            for _ in chunks:  # what the parser gave up on counts for the digest
                pass
        except OSError as error:
            self._find_unread(path, error)
            return None
        self._sha256s[path] = hashed.sha256
        return table

    def _compare(self, paths: list[str], expected: dict[str, bytes], manifest_path: str) -> set[str]:
        """Read entries and compare their digests; return the paths that differ or can't be read."""
        different: set[str] = set()
        for path, outcome in digests(self._package, self._sizes, paths, self._meter):
            if isinstance(outcome, OSError):
                self._find_unread(path, outcome)
                different.add(path)
            elif not self._is_same(path, outcome, expected[path].hex(), manifest_path):
                different.add(path)
        return different

    # -- findings -------------------------------------------------------------------------------------------------------
    def _find(self, kind: FindingKind, path: str, detail: str) -> None:
        self._findings.append(Finding(kind, shown(path), shown(detail)))

    def _find_problems(self, problems: Iterable[agreement.Problem]) -> None:
        for path, detail in problems:
            self._find(FindingKind.MALFORMED, path, detail)

    def _find_unread(self, path: str, error: OSError) -> None:
        if isinstance(error, FileNotFoundError):
            self._find(
                FindingKind.MISSING, path, "every finished package has it" if path == TAG_MANIFEST_PATH else "it is not there any more"
            )
        else:
            self._find(FindingKind.UNREADABLE, path, error.strerror or type(error).__name__)

    def _is_same(self, path: str, found: str, expected: str, manifest_path: str) -> bool:
        if found == expected:
            return True
        owner = self._owner(found)
        if any(finding.path == path and finding.kind in {FindingKind.OLDER, FindingKind.SWAPPED} for finding in self._proof.findings):
            return False  # said already, and better
        if found in self._proof.foreign:
            kind, detail = self._proof.foreign[found]
        elif owner:
            kind, detail = FindingKind.SWAPPED, f"it is what {owner} should be"
        else:
            kind, detail = FindingKind.CHANGED, f"its SHA-256 is {found}; {manifest_path} says {expected}"
        self._find(kind, path, detail)
        return False

    def _expect(self, table: Mapping[str, str]) -> None:
        self._expected.append(table)
        self._owners = None

    def _owner(self, sha256: str) -> str:
        """Return the entry that should have a digest; empty where there is none, or where nothing is in it."""
        if self._owners is None:
            self._owners = {digest: path for table in self._expected for path, digest in table.items() if digest != _EMPTY_SHA256}
        return self._owners.get(sha256, "")

    def _find_clashes(self, paths: Iterable[str]) -> None:
        """Find paths that are one and the same file on systems that fold case or compose characters."""
        folded: dict[str, str] = {}
        for path in paths:
            other = folded.setdefault(unicodedata.normalize("NFC", path).casefold(), path)
            if other is not path:
                self._find(FindingKind.MALFORMED, MANIFEST_PATH, f"{other} and {path} are one file on some systems")

    def _parsed(self, path: str, documents: dict[str, bytes], parse: Callable[[bytes], T | str]) -> T | None:
        if path not in documents:
            return None
        parsed = parse(documents[path])
        if isinstance(parsed, str):
            self._find(FindingKind.MALFORMED, path, parsed)
            return None
        return parsed


def _signature_of(listed: Mapping[str, str] | None) -> dict[str, str]:
    """Return the signature's digest as the tag manifest has it: nothing else vouches for its comments."""
    return {path: sha256 for path, sha256 in (listed or {}).items() if path == receipt.SIGNATURE_PATH}
