"""The ledger: what was searched, found, empty, skipped or failed, source by source.

A ledger can't be built that says less than it must: each configured source is in it exactly once, in a state that its numbers bear
out, and a complete one has no failed source.
"""

import base64
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from rightful.errors import PackageError
from rightful.ids import OperationId, SubjectId, TenantId
from rightful.operation.model import AskedBy, SourceState
from rightful.package.contents import PayloadEntry, Tally, tally
from rightful.package.difference import Since, SourceChanges, format_counts, format_since
from rightful.package.instant import format_instant, format_nanoseconds
from rightful.package.schema import Redaction

PATH = "ledger.json"
FORMAT = "rightful-ledger/1"

_ENDED = frozenset({SourceState.EXPORTED, SourceState.EMPTY, SourceState.SKIPPED, SourceState.FAILED})


class SkippedEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An item of the subject that could not be read."""

    path: str
    """As the source has it, lone surrogates included."""
    reason: str


class SupersededEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that lies in the package and does not count, because the source changed after it was written."""

    path: str
    sha256: str
    size_bytes: int
    by: str
    """The path of the entry that counts."""


class OriginalName(msgspec.Struct, frozen=True, kw_only=True):
    """A file whose entry's path is not the source's."""

    entry: str
    original: str
    """The path in the source, lone surrogates included."""


class FileAttributes(msgspec.Struct, frozen=True, kw_only=True):
    """What a source says of a file besides its content: a package cannot carry it in the file."""

    entry: str
    modified_ns: int | None
    """Nanoseconds since 1970-01-01 UTC."""
    mode: int | None
    """Permission bits."""


class RedactedColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A column that a rule was applied to, and how much of it was withheld."""

    column: str
    rule: Redaction
    cells: int = 0
    """In how many rows."""
    values: int = 0
    """How many in all: a cell may hold several."""

    def plus(self, cells: int, values: int) -> "RedactedColumn":
        """Return it with more that was withheld."""
        return RedactedColumn(column=self.column, rule=self.rule, cells=self.cells + cells, values=self.values + values)


WHY: Mapping[Redaction, str] = {
    "others": "names other people: all but the person's own identifiers is withheld (GDPR Art. 15(4))",
    "mails_and_phones": "may mention other people: others' mail addresses and telephone numbers are withheld (GDPR Art. 15(4))",
    "drop": "is withheld as a whole by the controller's rule",
    "hash": "has a hash in the place of each value by the controller's rule, equal for equal values, in this package alone",
}


LeakMode = Literal["off", "sample", "full"]
MODES: tuple[LeakMode, ...] = ("off", "sample", "full")
"""What is looked through, from nothing to everything."""


class LeakCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What a source's records were looked through for what names others, and for whom."""

    mode: LeakMode
    rows: int = 0
    """How many were looked through."""
    kinds: dict[str, int] = {}
    """Identifiers that were looked for, by kind."""
    weak: dict[str, int] = {}
    """The same, of those that were looked for in columns alone that are called what they are called."""
    people: int = 0
    """How many people these name."""
    is_everybody: bool = False
    """Whether that is everybody in the directory."""
    listed_at: datetime | None = None
    """When these were listed."""
    third_parties: tuple[str, ...] = ()
    """Columns, and members of JSON columns, that rightly name others and were not looked into."""

    def plus(self, rows: int) -> "LeakCheck":
        """Return it with more rows looked through."""
        return msgspec.structs.replace(self, rows=self.rows + rows)

    def after(self, before: "LeakCheck | None") -> "LeakCheck":
        """Return it as what is true of the rows that another one looked through, too, and of none where there was none."""
        first = before or LeakCheck(mode="off")
        mode = min(self.mode, first.mode, key=MODES.index)
        is_everybody = self.is_everybody and first.is_everybody
        return msgspec.structs.replace(
            self, mode=mode, rows=first.rows + self.rows, people=min(self.people, first.people), is_everybody=is_everybody
        )


class SourceRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one configured source."""

    source_name: str
    state: SourceState
    connector: str
    product: str
    folder: str = ""
    """Where its entries lie, `data/<Product>/<source>/`; empty where it has none."""
    searched: str = ""
    """A query with placeholders, a path template; no identifier values."""
    identifiers: dict[str, int] = {}
    """How many identifiers of each kind were searched for."""
    refused: dict[str, dict[str, int]] = {}
    """How many identifiers of each kind were too weak to be searched for: {kind: {empty, too_short, shared: how many}}."""
    withheld: tuple[str, ...] = ()
    """Columns that are not read at all."""
    withheld_paths: tuple[str, ...] = ()
    """Patterns of files and folders that are not read at all."""
    withheld_rows: tuple[str, ...] = ()
    """Rows that are not read at all, each as `column < value`."""
    redacted: tuple[RedactedColumn, ...] = ()
    """Columns that the operator's rules change or withhold."""
    filled: frozenset[str] | None = None
    """Columns that hold anything, of all its records, for the statement alone: each that a label speaks of, and one of the others. None
    where that is not known: then all do."""
    leak_check: LeakCheck | None = None
    """None where it has no records."""
    rows: int = 0
    parts: int = 0
    files: int = 0
    size_bytes: int = 0
    attempts: int = 1
    as_of: tuple[datetime, ...] = ()
    """The moments of the source that its records are of, ascending, where it can tell."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration_s: float = 0.0
    reason: str = ""
    """Why it was skipped, or failed."""
    skipped: tuple[SkippedEntry, ...] = ()
    superseded: tuple[SupersededEntry, ...] = ()
    names: tuple[OriginalName, ...] = ()
    """Only of files whose entry's path is not the source's."""
    attributes: tuple[FileAttributes, ...] = ()
    """Of files whose source knows any."""

    @property
    def tally(self) -> Tally:
        """How much the source brought."""
        return Tally(rows=self.rows, parts=self.parts, files=self.files, size_bytes=self.size_bytes)

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem:
            raise PackageError(f"the ledger's record of source {self.source_name} {problem}", code="LedgerInvalid")


def _problem(record: SourceRecord) -> str:
    """Say why a record can't be true; empty where it can."""
    found = record.tally
    has_found = found != Tally()
    has_reason = record.state not in {SourceState.SKIPPED, SourceState.FAILED} or bool(record.reason)
    faults = (
        (record.state not in _ENDED, f"is still {record.state}"),
        (min(found.rows, found.parts, found.files, found.size_bytes) < 0 or bool(found.rows) > bool(found.parts), "has impossible counts"),
        (record.state is SourceState.EXPORTED and not (has_found or record.skipped), "is exported, and nothing was found"),
        (record.state is SourceState.EMPTY and (has_found or bool(record.skipped)), "is empty, and something was found"),
        (record.state is SourceState.SKIPPED and has_found, "is skipped, and something was exported"),
        (not has_reason, f"is {record.state} without a reason"),
    )
    return next((problem for is_so, problem in faults if is_so), "")


def state_of(found: Tally, *, skipped: int) -> SourceState:
    """Return the state of a source that was searched to its end: an item that could not be read is not nothing."""
    return SourceState.EXPORTED if found != Tally() or skipped else SourceState.EMPTY


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """The whole search, in the configuration's order."""

    operation_id: OperationId
    tenant_id: TenantId
    subject_id: SubjectId
    configured: tuple[str, ...]
    """Names of the sources that the configuration had when the operation was accepted."""
    sources: tuple[SourceRecord, ...]
    submitted_at: datetime
    completed_at: datetime
    since: Since | None = None
    """The earlier package that this one is the difference to; None where it is whole."""
    asked_by: AskedBy | None = None
    """For whom receipt.json and the person are told; None where nobody says."""

    def __post_init__(self) -> None:
        """Refuse what would make `complete` a lie (DESIGN rule 1)."""
        names = [record.source_name for record in self.sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        missing = [name for name in self.configured if name not in names]
        unknown = [name for name in names if name not in self.configured]
        failed = [record.source_name for record in self.sources if record.state is SourceState.FAILED]
        for problem, named in (
            ("more than once", twice),
            ("not", missing),
            ("without being configured", unknown),
            ("as failed", failed),
        ):
            if named:
                raise PackageError(f"the ledger has {', '.join(named)} {problem}", code="LedgerInvalid")


def check_ledger(ledger: Ledger, entries: Iterable[PayloadEntry]) -> None:
    """Raise `PackageError` where the ledger's counts are not those of the entries that were written."""
    entries = tuple(entries)
    found = tally(entries)
    superseded = {entry.path for entry in entries if entry.superseded_by}
    for record in ledger.sources:
        if found.pop(record.source_name, Tally()) != record.tally:
            raise PackageError(f"the ledger's counts of source {record.source_name} are not those of its entries", code="LedgerInvalid")
        superseded -= {entry.path for entry in record.superseded}
    folders = {record.source_name: record.folder for record in ledger.sources}
    strayed = any(not entry.path.startswith(folders.get(entry.source_name) or "\0") for entry in entries)
    if ledger.since is not None:
        changes = ledger.since.sources
        if any((record.rows, record.files) != _sent(changes[record.source_name]) for record in ledger.sources):
            raise PackageError("the ledger's counts of what is new or changed are not those of its entries", code="LedgerInvalid")
    if found or superseded or strayed:
        raise PackageError("there are entries that the ledger does not account for", code="LedgerInvalid")


def _sent(changes: SourceChanges) -> tuple[int, int]:
    return changes.records.sent, changes.files.sent


def format_ledger(ledger: Ledger, searches: Mapping[str, Mapping[str, Any]] | None = None) -> bytes:
    """Write ledger.json, indented for people; the same ledger gives the same bytes.

    `searches`: what `format_searches` says of each source, where that is known already.
    """
    searches = searches or format_searches(ledger)
    members = {
        "format": FORMAT,
        "operationId": ledger.operation_id,
        "tenantId": ledger.tenant_id,
        "subjectId": ledger.subject_id,
        "complete": True,
        "submittedAt": format_instant(ledger.submitted_at),
        "completedAt": format_instant(ledger.completed_at),
        **({"since": format_since(ledger.since)} if ledger.since is not None else {}),
        "totals": format_totals(ledger.sources),
        "sources": {record.source_name: _format_record(record, ledger.since, searches[record.source_name]) for record in ledger.sources},
    }
    return msgspec.json.format(msgspec.json.encode(members), indent=2) + b"\n"


def format_totals(records: tuple[SourceRecord, ...]) -> dict[str, int]:
    """Return the sums over all sources."""
    total = sum((record.tally for record in records), Tally())
    return {
        "sources": len(records),
        "rows": total.rows,
        "parts": total.parts,
        "files": total.files,
        "bytes": total.size_bytes,
        "skipped": sum(len(record.skipped) for record in records),
        "superseded": sum(len(record.superseded) for record in records),
        "supersededBytes": sum(entry.size_bytes for record in records for entry in record.superseded),
    }


def format_searches(ledger: Ledger) -> dict[str, dict[str, Any]]:
    """Return what is told of every source's search, by source."""
    return {record.source_name: _format_search(record) for record in ledger.sources}


def _format_search(record: SourceRecord) -> dict[str, Any]:
    """Return what ledger.json says of a source's search, without what it names one by one."""
    return {
        "state": record.state,
        "connector": record.connector,
        "product": record.product,
        "folder": record.folder,
        "searched": record.searched,
        "identifiers": dict(sorted(record.identifiers.items())),
        "refused": {kind: dict(sorted(counts.items())) for kind, counts in sorted(record.refused.items())},
        "withheld": record.withheld,
        "withheldPaths": record.withheld_paths,
        "withheldRows": record.withheld_rows,
        "redacted": [
            {"column": each.column, "rule": each.rule, "cells": each.cells, "values": each.values, "why": WHY[each.rule]}
            for each in record.redacted
        ],
        "leakCheck": _format_leak_check(record.leak_check),
        "rows": record.rows,
        "parts": record.parts,
        "files": record.files,
        "bytes": record.size_bytes,
        "asOf": [format_instant(moment) for moment in record.as_of],
        "attempts": record.attempts,
        "startedAt": format_instant(record.started_at) if record.started_at else None,
        "endedAt": format_instant(record.ended_at) if record.ended_at else None,
        "seconds": round(record.duration_s, 3),
    }


def _format_record(record: SourceRecord, since: Since | None, search: Mapping[str, Any]) -> dict[str, Any]:
    """Return a source's record as ledger.json has it; in a difference with what became of the source."""
    members = dict(search)
    if since is not None:
        changes = since.sources[record.source_name]
        members["changes"] = {"records": format_counts(changes.records), "files": format_counts(changes.files)}
    if record.reason:
        members["reason"] = record.reason
    members["skipped"] = format_skipped(record.skipped)
    members["superseded"] = [
        {"path": entry.path, "sha256": entry.sha256, "bytes": entry.size_bytes, "by": entry.by} for entry in record.superseded
    ]
    members["names"] = [{"entry": name.entry} | format_text("original", name.original) for name in record.names]
    members["attributes"] = [_format_attributes(each) for each in record.attributes]
    return members


def format_skipped(skipped: Iterable[SkippedEntry]) -> list[dict[str, str]]:
    """Return items that could not be read as ledger.json has them."""
    return [format_text("path", entry.path) | {"reason": entry.reason} for entry in skipped]


def _format_leak_check(check: LeakCheck | None) -> dict[str, Any] | None:
    if check is None or check.mode == "off":
        return None if check is None else {"mode": check.mode, "rows": check.rows}
    return {
        "mode": check.mode,
        "rows": check.rows,
        "people": check.people,
        "everybody": check.is_everybody,
        "listedAt": format_instant(check.listed_at) if check.listed_at else None,
        "identifiers": dict(sorted(check.kinds.items())),
        "weakIdentifiers": dict(sorted(check.weak.items())),
        "thirdParties": check.third_parties,
    }


def _format_attributes(attributes: FileAttributes) -> dict[str, str]:
    members = {"entry": attributes.entry}
    if attributes.modified_ns is not None:
        members["modified"] = format_nanoseconds(attributes.modified_ns)
    if attributes.mode is not None:
        members["mode"] = f"{attributes.mode:04o}"
    return members


def format_text(member: str, text: str) -> dict[str, str]:
    """Write a path of a source: JSON has no lone surrogates, so that a name that is not Unicode brings its bytes along, in base64."""
    try:
        text.encode()
    except UnicodeEncodeError:
        original = text.encode("utf-8", "surrogatepass" if _has_other_surrogates(text) else "surrogateescape")
        return {member: original.decode("utf-8", "replace"), f"{member}Bytes": base64.b64encode(original).decode()}
    return {member: text}


def _has_other_surrogates(text: str) -> bool:
    """Whether lone surrogates are there that don't stand for bytes of a file name (PEP 383)."""
    return any("\ud800" <= character <= "\udfff" and not "\udc80" <= character <= "\udcff" for character in text)
