"""Checking a package: is everything there that was delivered, and nothing changed?

Trust starts at the tag manifest, the last entry written. It vouches for every tag file, the payload manifest among them, which vouches
for everything under `data/`. Then the documents must agree with each other. A package without a tag manifest was never finished, or
has lost it: it is incomplete.

Reads each entry once, in chunks, and keeps no more than a table of paths. Only paths that the package lists are read; what a manifest
names besides is missing, wherever it points. Whatever is malformed becomes a finding, never an error.
"""

import enum
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from rightful.package import agreement, bagit, datapackage, ledger, readme, request_info
from rightful.package.bagit import BAG_INFO_PATH, BAGIT_PATH, MANIFEST_PATH, TAG_MANIFEST_PATH
from rightful.package.contents import PAYLOAD
from rightful.package.hashing import Hashed, Meter, Progress, digests
from rightful.package.readers import FolderReader, PackageReader, StorageReader

__all__ = ["Finding", "FindingKind", "FolderReader", "PackageReader", "PackageState", "StorageReader", "Verification", "verify"]

REQUIRED = (request_info.PATH, datapackage.PATH, ledger.PATH, readme.PATH, MANIFEST_PATH, BAGIT_PATH, BAG_INFO_PATH)
"""Tag files that every finished package has, in the order in which they are written."""

_LARGEST_DOCUMENT_BYTES = 1024 * 1024 * 1024

T = TypeVar("T")

_UNSHOWABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class FindingKind(enum.StrEnum):
    """What is wrong with an entry."""

    MISSING = "missing"
    EXTRA = "extra"
    CHANGED = "changed"
    UNREADABLE = "unreadable"
    MALFORMED = "malformed"


class Finding(msgspec.Struct, frozen=True, order=True):
    """One thing that is not as it was delivered."""

    kind: FindingKind
    path: str
    """Below the package's root; characters that a terminal would obey are written as escapes."""
    detail: str


class PackageState(enum.StrEnum):
    """The verdict."""

    WHOLE = "whole"
    DAMAGED = "damaged"
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

    @property
    def counts(self) -> dict[FindingKind, int]:
        """Return how many findings there are of each kind, none left out."""
        found = Counter(finding.kind for finding in self.findings)
        return {kind: found[kind] for kind in FindingKind}


def verify(package: PackageReader, *, on_progress: Progress | None = None) -> Verification:
    """Check a package.

    Raises:
        PackageError: the package can't be listed.
        StorageError: the storage location does not answer, or does not let us read.
    """
    sizes = dict(package.list())
    check = _Check(package, sizes, Meter(on_progress, sum(sizes.values())))
    tags = check.tag_manifest()
    documents = check.tag_files(tags)
    payload = check.payload(check.manifest(tags))
    check.consistency(payload, documents)
    return check.verdict()


class _Check:
    """One check under way: what lies there, and what was found so far."""

    def __init__(self, package: PackageReader, sizes: dict[str, int], meter: Meter) -> None:
        self._package = package
        self._sizes = sizes
        self._meter = meter
        self._findings: list[Finding] = []

    # -- the steps, in order --------------------------------------------------------------------------------------------
    def tag_manifest(self) -> dict[str, str] | None:
        """Read the tag manifest and compare what it lists with what lies there; None where it can't be trusted to list anything."""
        lines = self._manifest_lines(TAG_MANIFEST_PATH, lambda path: not path.startswith(PAYLOAD) and path != TAG_MANIFEST_PATH)
        if lines is None:
            for path in (path for path in REQUIRED if path not in self._sizes):
                self._find(FindingKind.MISSING, path, "every finished package has it")
            return None
        tags, _ = lines
        for path in (path for path in REQUIRED if path not in tags):
            self._find(FindingKind.MALFORMED, TAG_MANIFEST_PATH, f"does not list {path}")
        for path in tags.keys() - self._sizes.keys():
            self._find(FindingKind.MISSING, path, f"{TAG_MANIFEST_PATH} lists it")
        for path in self._sizes.keys() - tags.keys():
            if not path.startswith(PAYLOAD) and path != TAG_MANIFEST_PATH:
                self._find(FindingKind.EXTRA, path, f"{TAG_MANIFEST_PATH} does not list it")
        return tags

    def tag_files(self, tags: dict[str, str] | None) -> dict[str, bytes]:
        """Compare the tag files (but the manifest) with their digests; return the content of documents that are as delivered."""
        read = (BAGIT_PATH, BAG_INFO_PATH, datapackage.PATH, ledger.PATH)
        contents: dict[str, bytes] = {}
        for path, sha256 in sorted((tags or {}).items()):
            if path not in self._sizes or path == MANIFEST_PATH:
                continue
            if path in read and self._sizes[path] <= _LARGEST_DOCUMENT_BYTES:
                content = self._content(path, sha256)
                if content is not None:
                    contents[path] = content
            else:
                self._compare([path], {path: bytes.fromhex(sha256)}, TAG_MANIFEST_PATH)
        return contents

    def manifest(self, tags: dict[str, str] | None) -> dict[str, bytes] | None:
        """Read the payload manifest; None where there is none."""
        if MANIFEST_PATH not in self._sizes:
            return None
        lines = self._manifest_lines(MANIFEST_PATH, lambda path: path.startswith(PAYLOAD))
        if lines is None:
            return None
        table, sha256 = lines
        if tags and MANIFEST_PATH in tags:
            self._is_same(MANIFEST_PATH, sha256, tags[MANIFEST_PATH], TAG_MANIFEST_PATH)
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
        doubtful = self._compare(sorted(there.keys() & manifest.keys()), manifest, MANIFEST_PATH)
        doubtful |= manifest.keys() ^ there.keys()
        is_clean = len(self._findings) == before
        return agreement.Payload(sha256=manifest, sizes=there, doubtful=frozenset(doubtful), is_clean=is_clean)

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
            state=state, findings=tuple(sorted(set(self._findings))), entries=self._meter.entries, size_bytes=self._meter.size_bytes
        )

    # -- reading --------------------------------------------------------------------------------------------------------
    def _manifest_lines(self, path: str, belongs: Callable[[str], bool]) -> tuple[dict[str, str], str] | None:
        """Return (digest by path, the manifest's own SHA-256); None where it can't be read."""
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
        return table, hashed.sha256

    def _content(self, path: str, sha256: str) -> bytes | None:
        """Return an entry's content where it has this digest."""
        hashed = Hashed(self._package.read(path), self._meter)
        try:
            content = b"".join(hashed)
        except OSError as error:
            self._find_unread(path, error)
            return None
        return content if self._is_same(path, hashed.sha256, sha256, TAG_MANIFEST_PATH) else None

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
        self._findings.append(Finding(kind, _shown(path), _shown(detail)))

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
        if found != expected:
            self._find(FindingKind.CHANGED, path, f"its SHA-256 is {found}; {manifest_path} says {expected}")
        return found == expected

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


def _shown(text: str) -> str:
    """Write characters that a terminal would obey, or that can't be encoded, as escapes."""
    return _UNSHOWABLE.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)
