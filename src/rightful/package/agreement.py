"""Whether the documents of a package say the same: manifest, datapackage.json, ledger.json and bag-info.txt. Values in, problems out."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from rightful.operation.model import SourceState
from rightful.package import bagit, datapackage, ledger
from rightful.package.contents import Tally


class Resource(msgspec.Struct, frozen=True):
    """What is needed of a resource of datapackage.json."""

    name: str
    path: str
    bytes: int
    hash: str
    source: str = msgspec.field(name="rightful:source")
    rows: int | None = None
    rows_of_file: int | None = msgspec.field(name="rightful:rows", default=None)
    """Where the form of a part is none that readers of data packages take for a table."""
    is_copy: bool = msgspec.field(name="rightful:copy", default=False)


class DataPackage(msgspec.Struct, frozen=True):
    """What is needed of datapackage.json."""

    resources: tuple[Resource, ...]
    files: tuple[Resource, ...] = msgspec.field(name="rightful:files", default=())


class Superseded(msgspec.Struct, frozen=True):
    """What is needed of a superseded entry."""

    path: str
    sha256: str
    bytes: int
    by: str


class Source(msgspec.Struct, frozen=True):
    """What is needed of a source's record in ledger.json."""

    state: SourceState
    folder: str
    rows: int
    parts: int
    files: int
    bytes: int
    skipped: tuple[dict[str, Any], ...]
    superseded: tuple[Superseded, ...]

    @property
    def tally(self) -> Tally:
        """How much the record says that the source brought."""
        return Tally(rows=self.rows, parts=self.parts, files=self.files, size_bytes=self.bytes)


class Totals(msgspec.Struct, frozen=True, rename="camel"):
    """The sums at the head of ledger.json."""

    sources: int
    rows: int
    parts: int
    files: int
    bytes: int
    skipped: int
    superseded: int
    superseded_bytes: int


class LedgerDocument(msgspec.Struct, frozen=True):
    """What is needed of ledger.json."""

    format: str
    complete: bool
    totals: Totals
    sources: dict[str, Source]


def parse_datapackage(content: bytes) -> DataPackage | str:
    """Read datapackage.json; what is wrong with it comes as a text."""
    try:
        return msgspec.json.decode(content, type=DataPackage)
    except (msgspec.MsgspecError, RecursionError) as error:
        return _fault(error)


def parse_ledger(content: bytes) -> LedgerDocument | str:
    """Read ledger.json; what is wrong with it comes as a text."""
    try:
        document = msgspec.json.decode(content, type=LedgerDocument)
    except (msgspec.MsgspecError, RecursionError) as error:
        return _fault(error)
    return document if document.format == ledger.FORMAT else f"has another format than {ledger.FORMAT}"


def _fault(error: Exception) -> str:
    """Say what is wrong; where JSON itself is broken, only that, since the decoder may quote what it found."""
    return f"is not as it must be: {error}" if isinstance(error, msgspec.ValidationError) else "is not JSON"


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """What lies under `data/`, as manifest and storage agree on it."""

    sha256: Mapping[str, bytes]
    """By path, of the manifest."""
    sizes: Mapping[str, int]
    """By path, of what lies there."""
    doubtful: frozenset[str] = frozenset()
    """Paths that something was found out about already: nothing more is said on these."""

    is_clean: bool = True
    """Whether nothing was found out about any path."""


Problem = tuple[str, str]
"""(path of the document, what is wrong)."""


def check_oxum(payload: Payload, info: dict[str, str]) -> Iterator[Problem]:
    """Compare bag-info.txt's Payload-Oxum (RFC 8493 2.2.2) with what lies there."""
    oxum = f"{sum(payload.sizes.values())}.{len(payload.sizes)}"
    if info.get("Payload-Oxum") != oxum:
        yield bagit.BAG_INFO_PATH, f"its Payload-Oxum is not {oxum}"


def check_ledger(document: LedgerDocument) -> Iterator[Problem]:
    """Check that a ledger bears out a complete package and adds up."""
    records = document.sources.values()
    if not document.complete:
        yield ledger.PATH, "it does not call the package complete"
    for name, source in document.sources.items():
        if source.state not in {SourceState.EXPORTED, SourceState.EMPTY, SourceState.SKIPPED}:
            yield ledger.PATH, f"source {name} is {source.state} in a finished package"
        elif source.state is not SourceState.EXPORTED and source.tally != Tally():
            yield ledger.PATH, f"source {name} is {source.state} and brought something"
    total = sum((source.tally for source in records), Tally())
    superseded = [entry for source in records for entry in source.superseded]
    sums = Totals(
        sources=len(records),
        rows=total.rows,
        parts=total.parts,
        files=total.files,
        bytes=total.size_bytes,
        skipped=sum(len(source.skipped) for source in records),
        superseded=len(superseded),
        superseded_bytes=sum(entry.bytes for entry in superseded),
    )
    if document.totals != sums:
        yield ledger.PATH, "its totals are not the sums of its sources"


def check_contents(payload: Payload, described: DataPackage, document: LedgerDocument) -> Iterator[Problem]:
    """Check that datapackage.json and ledger.json account for every entry of the manifest, and for nothing else."""
    resources = (*described.resources, *described.files)
    superseded = [entry for source in document.sources.values() for entry in source.superseded]
    seen: set[str] = set()
    for path, hexadecimal, size_bytes, where in _accounts(resources, superseded):
        problem = _entry_problem(payload, path, hexadecimal, size_bytes) or ("is described twice" if path in seen else "")
        if problem:
            yield where, f"{path} {problem}"
        seen.add(path)
    for path in payload.sha256.keys() - seen - payload.doubtful:
        yield datapackage.PATH, f"{path} is not described"
    if len({resource.name for resource in resources}) != len(resources):
        yield datapackage.PATH, "two resources have the same name"
    yield from _check_sources(resources, document)


def _accounts(resources: Iterable[Resource], superseded: Iterable[Superseded]) -> Iterator[tuple[str, str, int, str]]:
    for resource in resources:
        yield resource.path, resource.hash.removeprefix("sha256:"), resource.bytes, datapackage.PATH
    for entry in superseded:
        yield entry.path, entry.sha256, entry.bytes, ledger.PATH


def _entry_problem(payload: Payload, path: str, hexadecimal: str, size_bytes: int) -> str:
    if path in payload.doubtful:
        return ""
    if path not in payload.sha256:
        return "is described and not in the manifest"
    if payload.sha256[path].hex() != hexadecimal:
        return "has another digest in the manifest"
    return "" if payload.sizes.get(path) == size_bytes else "has another size"


def _check_sources(resources: Iterable[Resource], document: LedgerDocument) -> Iterator[Problem]:
    """Compare the ledger's counts with the resources', source by source."""
    found: dict[str, Tally] = {}
    for resource in resources:
        rows = resource.rows if resource.rows is not None else resource.rows_of_file
        is_part = rows is not None
        counts = int(not resource.is_copy)
        one = Tally(rows=counts * (rows or 0), parts=counts * is_part, files=counts * (not is_part), size_bytes=resource.bytes)
        found[resource.source] = found.get(resource.source, Tally()) + one
        record = document.sources.get(resource.source)
        if record and not (record.folder and resource.path.startswith(record.folder)):
            yield ledger.PATH, f"{resource.path} lies outside the folder of source {resource.source}"
    for name, source in document.sources.items():
        if found.pop(name, Tally()) != source.tally:
            yield ledger.PATH, f"the counts of source {name} are not those of its entries"
    found.pop("", None)  # the note in a package without data belongs to no source
    for name in found:
        yield datapackage.PATH, f"source {name} is not in the ledger"
