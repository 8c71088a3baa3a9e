"""Builds small valid packages from simple values, for tests of whatever reads packages."""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from rightful.ids import OperationId, SubjectId, TenantId
from rightful.operation.model import AskedBy, SourceState
from rightful.package import bagit, receipt, request_info
from rightful.package.activity import activity_of
from rightful.package.closing import Finished, documents
from rightful.package.contents import PAYLOAD, PayloadEntry, ShardEntry, Tally, tally
from rightful.package.datapackage import SourceTitle
from rightful.package.digest import measure
from rightful.package.filled import Filled
from rightful.package.forms import Form, write
from rightful.package.label import Label, StatementSettings
from rightful.package.ledger import Ledger, OriginalName, SkippedEntry, SourceRecord, SupersededEntry, state_of
from rightful.package.minisign import SigningKey
from rightful.package.packing import Packer
from rightful.package.paths import EntryNamer, part_path, shard_path
from rightful.package.receipt import PreviousReceipt
from rightful.package.schema import Column, ColumnKind
from rightful.package.viewer.shards import OPEN_CALL, call_of, encode_shards
from rightful.package.zip_format import ZipEntry, directory, local_header

OPERATION_ID = OperationId("0d6f3c51-5b0e-4f0e-9c8a-2f7d1a3b4c5d")
TENANT_ID = TenantId("11111111-1111-1111-1111-111111111111")
SUBJECT_ID = SubjectId("7a1e9d20-33c4-4b6f-8f5e-6a0b2c4d8e9f")
SUBMITTED_AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
KEY = SigningKey(bytes(range(32)))
SECRET = "0123456789abcdef0123456789abcdef"
"""Of what START-HERE.html shows."""
STATEMENT = StatementSettings()
COMPLETED_AT = datetime(2026, 3, 1, 9, 30, 2, tzinfo=UTC)

_KINDS: dict[type, ColumnKind] = {bool: ColumnKind.BOOL, int: ColumnKind.INT, float: ColumnKind.FLOAT, str: ColumnKind.TEXT}


class SampleSource(msgspec.Struct, frozen=True, kw_only=True):
    """One source and what it holds; nothing: searched and empty."""

    name: str
    product: str = "Sample"
    rows: tuple[Mapping[str, Any], ...] = ()
    """Each with the same keys; where `columns` do not say, the first row that is not None decides on a column's kind."""
    columns: tuple[Column, ...] = ()
    rows_per_part: int = 1000
    forms: tuple[Form, ...] = (Form.JSONL,)
    superseded_rows: tuple[Mapping[str, bool | int | float | str | None], ...] = ()
    """Where given, part 0 was written with these first."""
    files: Mapping[str, bytes] = {}
    """By path in the source."""
    skipped: tuple[SkippedEntry, ...] = ()
    skip_reason: str = ""
    """Where given, the source was not searched for this reason."""
    identifiers: Mapping[str, int] = msgspec.field(default_factory=lambda: {"mail": 1, "upn": 1})
    label: Label | None = None


def package_entries(
    *sources: SampleSource,
    organization: str = "Contoso",
    language: str = "",
    operation_id: OperationId = OPERATION_ID,
    submitted_at: datetime = SUBMITTED_AT,
    key: SigningKey = KEY,
    previous: PreviousReceipt | None = None,
    statement: StatementSettings = STATEMENT,
    asked_by: AskedBy | None = AskedBy.ORGANIZATION,
) -> dict[str, bytes]:
    """Return a finished package: content by path, in the order in which it is written."""
    info = request_info.request_info(operation_id=operation_id, subject_id=SUBJECT_ID, correlation_id="sample", submitted_at=submitted_at)
    contents: dict[str, bytes] = {request_info.PATH: info}
    entries: list[PayloadEntry] = []
    shards: list[PayloadEntry] = []
    records: list[SourceRecord] = []
    for source in sources:
        brought = [*_parts(source), *_files(source)]
        shown = list(_shards(source, call_of(SECRET)))
        contents |= {entry.path: content for entry, content in (*brought, *shown)}
        entries += (entry for entry, _ in brought)
        shards += (entry for entry, _ in shown)
        records.append(_record(source, [entry for entry, _ in brought]))
    finished = Finished(
        ledger=Ledger(
            operation_id=operation_id,
            tenant_id=TENANT_ID,
            subject_id=SUBJECT_ID,
            configured=tuple(source.name for source in sources),
            sources=tuple(records),
            submitted_at=submitted_at,
            completed_at=COMPLETED_AT,
            asked_by=asked_by,
        ),
        entries=tuple(entries),
        shards=tuple(shards),
        request_info=measure((info,)),
        organization=organization,
        language=language,
        titles=tuple(SourceTitle(source_name=source.name, product=source.product, label=source.label) for source in sources),
        statement=statement,
        bagged_at=COMPLETED_AT,
        key=key,
        policy_sha256="0" * 64,
        previous=previous,
        call=call_of(SECRET),
    )
    return contents | {document.path: b"".join(document.chunks()) for document in documents(finished)}


def resealed(entries: Mapping[str, bytes], *, key: SigningKey = KEY) -> dict[str, bytes]:
    """Write receipt, signature and tag manifest of a changed package anew, as a faulty writer (or who forges, with another key) would."""
    made = {path: hashlib.sha256(content).hexdigest() for path, content in entries.items()}
    payload = sorted((path, digest) for path, digest in made.items() if path.startswith(PAYLOAD))
    ours = (receipt.PATH, receipt.SIGNATURE_PATH, bagit.TAG_MANIFEST_PATH)
    documents = {path: digest for path, digest in made.items() if not path.startswith(PAYLOAD) and path not in ours}
    said = msgspec.json.decode(entries[receipt.PATH])
    said |= {"documents": documents, "rootSha256": receipt.root_digest(payload, documents.items()), "key": key.public.text}
    content = msgspec.json.encode(said)
    signature = key.sign(content, comment=receipt.signature_comment(key.public.text), trusted_comment="resealed")
    signed = {receipt.PATH: content, receipt.SIGNATURE_PATH: signature}
    tags = documents | {path: hashlib.sha256(each).hexdigest() for path, each in signed.items()}
    return {**entries, **signed, bagit.TAG_MANIFEST_PATH: b"".join(bagit.format_manifest(sorted(tags.items())))}


def _parts(source: SampleSource) -> Iterator[tuple[PayloadEntry, bytes]]:
    columns = _columns(source)
    for number, rows in enumerate(_batches(source)):
        path = _part_path(source, number)
        if source.superseded_rows and number == 0:
            old = part_path(source.product, source.name, 0, 0)
            yield _entry(source, old, _lines(source.superseded_rows), rows=len(source.superseded_rows), columns=columns, superseded_by=path)
        for form in source.forms:
            content = b"".join(write(form, columns, (_lines(rows),)))
            in_form = path.removesuffix(Form.JSONL) + form
            is_copy = form is not source.forms[0]
            shards = tuple(entry for entry, _ in _shards_of(source, path, rows, OPEN_CALL))
            members = {"rows": len(rows), "columns": columns, "is_copy": is_copy, "shards": shards}
            yield _entry(source, in_form, content, **members)


def _shards(source: SampleSource, call: str) -> Iterator[tuple[PayloadEntry, bytes]]:
    for number, rows in enumerate(_batches(source)):
        for shard, content in _shards_of(source, _part_path(source, number), rows, call):
            yield _entry(source, shard.path, content)


def _shards_of(source: SampleSource, part: str, rows: tuple[Mapping[str, Any], ...], call: str) -> Iterator[tuple[ShardEntry, bytes]]:
    named = source.label.time if source.label is not None else ""
    for number, shard in enumerate(encode_shards((_lines(rows),), call=call)):
        activity = activity_of(_columns(source), shard.lines, named=named)
        entry = ShardEntry(path=shard_path(part, number), rows=shard.rows, activity=activity)
        yield entry, b"".join(shard.content)


def _batches(source: SampleSource) -> list[tuple[Mapping[str, Any], ...]]:
    return [source.rows[start : start + source.rows_per_part] for start in range(0, len(source.rows), source.rows_per_part)]


def _part_path(source: SampleSource, number: int) -> str:
    return part_path(source.product, source.name, 0, number, int(bool(source.superseded_rows) and number == 0))


def _files(source: SampleSource) -> Iterator[tuple[PayloadEntry, bytes]]:
    namer = EntryNamer(source.product, source.name)
    for path in sorted(source.files):
        yield _entry(source, namer.name(path), source.files[path])


def _entry(source: SampleSource, path: str, content: bytes, **members: Any) -> tuple[PayloadEntry, bytes]:
    digest = measure((content,))
    return PayloadEntry(path=path, sha256=digest.sha256, size_bytes=digest.size_bytes, source_name=source.name, **members), content


def _lines(rows: tuple[Mapping[str, Any], ...]) -> bytes:
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


def _columns(source: SampleSource) -> tuple[Column, ...]:
    return source.columns or tuple(
        Column(name=name, kind=next((_KINDS[type(row[name])] for row in source.rows if row[name] is not None), ColumnKind.TEXT))
        for name in (source.rows[0] if source.rows else ())
    )


def _record(source: SampleSource, entries: list[PayloadEntry]) -> SourceRecord:
    found = tally(entries).get(source.name)
    namer = EntryNamer(source.product, source.name)
    names = [OriginalName(entry=namer.name(path), original=path) for path in sorted(source.files)]
    folder = part_path(source.product, source.name, 0, 0).rpartition("/")[0] + "/"
    counts = {name: getattr(found, name) for name in ("rows", "parts", "files", "size_bytes")} if found else {}
    state = state_of(found or Tally(), skipped=len(source.skipped))
    return SourceRecord(
        source_name=source.name,
        state=SourceState.SKIPPED if source.skip_reason else state,
        connector="files" if source.files else "sql",
        product=source.product,
        folder=folder if entries else "",
        searched="{upn}/" if source.files else f"select * from {source.name} where mail = ?",
        identifiers=dict(source.identifiers),
        started_at=SUBMITTED_AT,
        ended_at=COMPLETED_AT,
        duration_s=0.25,
        filled=Filled(_columns(source), source.label.columns if source.label is not None else ()).look(_lines(source.rows), frozenset()),
        reason=source.skip_reason,
        skipped=source.skipped,
        superseded=tuple(
            SupersededEntry(path=entry.path, sha256=entry.sha256, size_bytes=entry.size_bytes, by=entry.superseded_by)
            for entry in entries
            if entry.superseded_by
        ),
        names=tuple(name for name in names if name.entry != folder + name.original),
        **counts,
    )


def write_package(folder: Path, entries: Mapping[str, bytes]) -> Path:
    """Write entries below a folder, which is made where it is missing; returns the folder."""
    for path, content in entries.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder


def write_zip(path: Path, entries: Mapping[str, bytes]) -> Path:
    """Write entries into a ZIP file as the service does; returns the file."""
    placed: list[tuple[ZipEntry, int]] = []
    with path.open("wb") as file:
        for name, content in entries.items():
            packer = Packer(name)
            packed = b"".join(packer.pack((content,)))
            entry = ZipEntry(
                path=name, crc32=packer.crc32, size_bytes=len(content), packed_bytes=len(packed), is_deflated=packer.is_deflated
            )
            placed.append((entry, file.tell()))
            file.write(local_header(entry) + packed)
        file.writelines(directory(placed, file.tell()))
    return path


def build_package(folder: Path, *sources: SampleSource, statement: StatementSettings = STATEMENT) -> Path:
    """Build a finished package in a folder."""
    return write_package(folder, package_entries(*sources, statement=statement))


class MemoryReader:
    """Reads a package out of a mapping. An entry that is an `OSError` can be listed and not read."""

    def __init__(self, entries: Mapping[str, bytes | OSError], *, chunk_bytes: int = 1024 * 1024) -> None:
        self._entries = entries
        self._chunk_bytes = chunk_bytes

    def list(self) -> Iterator[tuple[str, int]]:
        """Yield every entry."""
        for path, content in self._entries.items():
            yield path, len(content) if isinstance(content, bytes) else 0

    def read(self, path: str) -> Iterator[bytes]:
        """Yield an entry in chunks."""
        content = self._entries.get(path)
        if content is None:
            raise FileNotFoundError(path)
        if isinstance(content, OSError):
            raise content
        for start in range(0, len(content), self._chunk_bytes):
            yield content[start : start + self._chunk_bytes]
