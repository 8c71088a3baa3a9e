"""What START-HERE.html knows when it opens: the ledger in short, each dataset's columns and parts, and where the lists of files lie."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from rightful.operation.model import SourceState
from rightful.package import paths
from rightful.package.activity import Activity, activity_of_files
from rightful.package.contents import PayloadEntry, ShardEntry
from rightful.package.difference import Since, format_counts
from rightful.package.instant import format_instant, format_nanoseconds
from rightful.package.label import Label
from rightful.package.ledger import Ledger, SourceRecord, format_skipped, format_text
from rightful.package.schema import Column
from rightful.package.statement.composed import Composed
from rightful.package.statement.model import is_held

_FILES_PER_SHARD = 10_000
_ITEMS_SHOWN = 200
"""Items that could not be read, of each source; ledger.json has them all."""

_OF_A_SOURCE = (
    "state", "connector", "product", "folder", "searched", "identifiers", "refused", "withheld", "withheldPaths", "withheldRows",
    "redacted", "rows", "files", "bytes", "asOf",
)  # fmt: skip
"""Members of a source's record in ledger.json that the overview has too."""


class FileList(msgspec.Struct, frozen=True, kw_only=True):
    """Files of one source that one shard lists."""

    path: str
    """The shard's."""
    folder: str
    """The source's."""
    entries: Sequence[PayloadEntry]
    names: Mapping[str, str]
    """By path, where the path is not the source's own."""
    modified: Mapping[str, str]
    """By path, where the source knows."""
    changed: frozenset[str] | None = None
    """Of a difference: paths of those that the earlier operation had with other content; None where that is not known."""

    def changed_in(self, lines: bytes) -> list[int] | None:
        """Return which of some of its lines are of files that have changed."""
        if self.changed is None:
            return None
        return [row for row, line in enumerate(lines.split(b"\n")[:-1]) if msgspec.json.decode(line, type=_Line).path in self.changed]

    def lines(self) -> Iterator[bytes]:
        """Yield a line for each file."""
        for entry in self.entries:
            name = self.names.get(entry.path) or entry.path.removeprefix(self.folder)
            file = {"name": name, "bytes": entry.size_bytes, "modified": self.modified.get(entry.path), "path": entry.path}
            yield msgspec.json.encode(file) + b"\n"


class _Line(msgspec.Struct):
    path: str


def list_files(record: SourceRecord, entries: Sequence[PayloadEntry]) -> list[FileList]:
    """Share a source's files out among shards: those that count, in the order of their paths."""
    files = sorted((entry for entry in entries if entry.rows is None and not entry.superseded_by), key=lambda entry: entry.path)
    names = {name.entry: format_text("name", name.original)["name"] for name in record.names}
    modified = {each.entry: format_nanoseconds(each.modified_ns) for each in record.attributes if each.modified_ns is not None}
    shares = [files[start : start + _FILES_PER_SHARD] for start in range(0, len(files), _FILES_PER_SHARD)]
    return [
        FileList(
            path=paths.shard_path(f"{record.folder}files-{number:05}.jsonl"),
            folder=record.folder,
            entries=share,
            names=names,
            modified=modified,
            changed=_changed(share),
        )
        for number, share in enumerate(shares)
    ]


def _changed(files: Sequence[PayloadEntry]) -> frozenset[str] | None:
    is_known = all(file.is_changed is not None for file in files)
    return frozenset(file.path for file in files if file.is_changed) if is_known else None


def overview(
    ledger: Ledger,
    *,
    organization: str,
    language: str,
    labels: Mapping[str, Label],
    composed: Composed,
    entries: Mapping[str, Sequence[PayloadEntry]],
    file_lists: Mapping[str, Sequence[FileList]],
    searches: Mapping[str, Mapping[str, Any]],
    call: str,
) -> dict[str, Any]:
    """Return the overview; `composed` is the statement, `call` what shards call.

    By source are `labels`, `entries`, `file_lists` and `searches`, which is what `ledger.format_searches` says.
    """
    sources = []
    for record in ledger.sources:
        label, own = labels.get(record.source_name), entries.get(record.source_name, ())
        about = composed if label is not None and is_held(record, ledger.since) else None
        shown = _source(record, searches[record.source_name], label or Label(), about, own, file_lists.get(record.source_name, ()))
        if ledger.since is not None and not (record.rows or record.files) and record.state is SourceState.EXPORTED:
            shown["state"] = SourceState.EMPTY  # nothing is new, whatever could not be read besides
        sources.append(shown)
    return {
        "call": call,
        "language": language,
        "organization": " ".join(organization.split()),
        "operationId": ledger.operation_id,
        "subjectId": ledger.subject_id,
        "submittedAt": format_instant(ledger.submitted_at),
        "askedBy": ledger.asked_by,
        "completedAt": format_instant(ledger.completed_at),
        "since": _since(ledger.since) if ledger.since is not None else None,
        "sources": sources,
        "statement": composed.sections,
        "words": composed.words,
    }


def _since(since: Since) -> dict[str, Any]:
    records, files = since.totals()
    return {"operationId": since.operation_id, "records": format_counts(records), "files": format_counts(files)}


def _source(  # noqa: PLR0917 - private, called once
    record: SourceRecord,
    search: Mapping[str, Any],
    label: Label,
    about: Composed | None,
    entries: Sequence[PayloadEntry],
    file_lists: Sequence[FileList],
) -> dict[str, Any]:
    return {
        "name": record.source_name,
        **{member: search[member] for member in _OF_A_SOURCE},
        **({"reason": record.reason} if record.reason else {}),
        "facts": about.facts[record.source_name] if about else (),
        "purpose": about and about.purposes[record.source_name],
        "skipped": {"count": len(record.skipped), "items": format_skipped(record.skipped[:_ITEMS_SHOWN])},
        "superseded": len(record.superseded),
        "datasets": _datasets(entries, label),
        "activity": _format_activity(activity_of_files(_modified(record))),
        "fileLists": [{"view": each.path, "rows": len(each.entries)} for each in file_lists],
    }


def _datasets(entries: Sequence[PayloadEntry], label: Label) -> list[dict[str, Any]]:
    """Gather the parts that have the same columns, as they do unless an operator changed a rule between two of them."""
    parts: dict[tuple[Column, ...], list[PayloadEntry]] = {}
    for entry in sorted(entries, key=lambda entry: entry.path):
        if entry.rows is not None and not entry.superseded_by:
            parts.setdefault(entry.columns, []).append(entry)
    return [_dataset(columns, several, label) for columns, several in parts.items()]


def _dataset(columns: Iterable[Column], several: Sequence[PayloadEntry], label: Label) -> dict[str, Any]:
    activity = _activity(several)
    column = activity.column if activity is not None else ""
    return {
        "columns": [_column(column, label) for column in columns],
        "parts": [shown for entry in several if not entry.is_copy for shown in _shards(entry, column)],
        "files": [{"path": entry.path, "rows": entry.rows, "bytes": entry.size_bytes} for entry in several],
        "activity": _format_activity(activity),
    }


def _shards(entry: PayloadEntry, column: str) -> list[dict[str, Any]]:
    """Return what a part is shown from; `from` and `to` are the months between which its records are, where it counted this column."""
    return [{"view": shard.path, "rows": shard.rows, **_months(shard, column)} for shard in entry.shards] or [
        {"view": "", "rows": entry.rows}
    ]


def _months(shard: ShardEntry, column: str) -> dict[str, str]:
    months = tuple(shard.activity.months) if shard.activity is not None and shard.activity.column == column else ()
    return {"from": months[0], "to": months[-1]} if months else {}


def _column(column: Column, label: Label) -> dict[str, Any]:
    """Return a column; `said` and `values`, where the operator explains it, are in every language that they are given in."""
    known: dict[str, Any] = {"name": column.name, "kind": column.kind, "type": column.source_type, "rule": column.redaction or ""}
    if said := label.titles.get(column.name):
        known["said"] = said
    if values := label.values.get(column.name):
        known["values"] = values
    return known


def _modified(record: SourceRecord) -> Iterator[int]:
    return (each.modified_ns for each in record.attributes if each.modified_ns is not None)


def _activity(parts: Iterable[PayloadEntry]) -> Activity | None:
    """Add parts up by the column that says when most of the records are from: of texts, each part finds its own."""
    found: dict[str, Activity] = {}
    for each in (shard.activity for entry in parts if not entry.is_copy for shard in entry.shards):
        if each is not None:
            found[each.column] = found[each.column] + each if each.column in found else each
    return max(found.values(), key=lambda activity: activity.total, default=None)


def _format_activity(activity: Activity | None) -> dict[str, Any] | None:
    """Return when things are from as the page has it; None where nothing is from any time."""
    if activity is None or not activity.months:
        return None
    zone = "Z" if activity.is_utc else ""
    return {"column": activity.column, "zone": zone, "months": activity.months, "weekdays": activity.weekdays, "hours": activity.hours}
