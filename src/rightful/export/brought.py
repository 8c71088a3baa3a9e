"""What each source brought to a package, put together from what the store keeps of its reads and entries."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import reduce

import msgspec

from rightful.config.model import SourceConfig
from rightful.export.known import NOTHING
from rightful.export.records import PACKAGE, EntryRecord, ReadRecord, ReadUnder, Sealed
from rightful.export.runtime import TenantRuntime
from rightful.package import ledger, paths
from rightful.package.contents import PayloadEntry, ShardEntry, Tally, tally
from rightful.package.schema import Column
from rightful.store.values import Entry, EntryState, SourceOutcome

THERE = frozenset({EntryState.DONE, EntryState.SUPERSEDED})
"""What lies in the storage location."""

Reads = dict[str, list[tuple[SourceOutcome, ReadRecord]]]
"""By source."""
_Opened = tuple[Entry, EntryRecord]


class Brought(msgspec.Struct, frozen=True, kw_only=True):
    """What all sources brought."""

    payload: tuple[PayloadEntry, ...]
    """All that lies under `data/`."""
    shards: tuple[PayloadEntry, ...]
    """All that lies under `view/`."""
    records: tuple[ledger.SourceRecord, ...]


def gather(entries: Iterable[Entry], outcomes: Reads, tenant: TenantRuntime, sealed: Sealed) -> Brought:
    """Put together what lies in the storage location, source by source."""
    opened: dict[str, list[_Opened]] = defaultdict(list)
    for entry in entries:
        if entry.source_name != PACKAGE:
            opened[entry.source_name].append((entry, sealed.open_entry(entry.sealed)))
    payload: list[PayloadEntry] = []
    shards: list[PayloadEntry] = []
    records: list[ledger.SourceRecord] = []
    for name, reads in outcomes.items():
        source, _ = tenant.source(name)
        columns = {outcome.partition: record.columns for outcome, record in reads}
        brought = [each for each in opened[name] if not paths.is_shard(each[1].path)]
        shown = [each for each in opened[name] if paths.is_shard(each[1].path)]
        counting = {record.key: record for entry, record in shown if entry.state is EntryState.DONE}
        shards += (_payload(entry, record) for entry, record in shown if entry.state in THERE)
        own = [
            _payload(entry, record, columns.get(entry.partition, ()), _shards(entry, record, counting))
            for entry, record in brought
            if entry.state in THERE
        ]
        payload += own
        records.append(_source_record(name, source, reads, brought, own))
    return Brought(payload=tuple(payload), shards=tuple(shards), records=tuple(records))


def _shards(part: Entry, record: EntryRecord, counting: Mapping[str, EntryRecord]) -> tuple[ShardEntry, ...]:
    """Return a part's shards, which are named after it, one after the other."""
    found: list[ShardEntry] = []
    while (shard := counting.get(paths.shard_path(record.key, len(found)))) is not None:
        found.append(ShardEntry(path=shard.path, rows=shard.shows or part.rows, activity=shard.activity))
    return tuple(found)


def _payload(entry: Entry, record: EntryRecord, columns: tuple[Column, ...] = (), shards: tuple[ShardEntry, ...] = ()) -> PayloadEntry:
    return PayloadEntry(
        path=record.path,
        sha256=entry.sha256,
        size_bytes=entry.size_bytes,
        source_name=entry.source_name,
        rows=None if record.origin else entry.rows,
        is_copy=record.is_copy,
        columns=() if record.origin else columns,
        shards=shards,
        superseded_by=record.reason if entry.state is EntryState.SUPERSEDED else "",
        is_changed=record.is_changed,
    )


def _source_record(
    name: str,
    source: SourceConfig,
    reads: Sequence[tuple[SourceOutcome, ReadRecord]],
    opened: Sequence[_Opened],
    payload: Sequence[PayloadEntry],
) -> ledger.SourceRecord:
    found = tally(payload).get(name, Tally())
    product = _product(source, reads, opened)
    skipped = tuple(
        ledger.SkippedEntry(path=_text(record.origin), reason=record.reason)
        for entry, record in opened
        if entry.state is EntryState.SKIPPED
    )
    return ledger.SourceRecord(
        source_name=name,
        state=ledger.state_of(found, skipped=len(skipped)),
        connector=next((record.settings.connector for _, record in reads if record.settings.connector), source.connector),
        product=product,
        folder=_folder(product, name, payload),
        searched=next((record.searched for _, record in reads if record.searched), ""),
        identifiers=next((record.identifiers for _, record in reads if record.identifiers), {}),
        refused=next((record.refused for _, record in reads if record.refused), {}),
        withheld=_left_out(source.unread_columns, reads, lambda under: under.columns),
        withheld_paths=_left_out(source.unread_paths, reads, lambda under: under.paths),
        withheld_rows=tuple(dict.fromkeys(each for _, record in reads for each in record.left_out)),
        redacted=_redacted([record for _, record in reads]),
        filled=_filled([record for _, record in reads]),
        leak_check=_leak_check([record.leaks for _, record in reads if record.leaks is not None]),
        rows=found.rows,
        parts=found.parts,
        files=found.files,
        size_bytes=found.size_bytes,
        attempts=max(outcome.attempts for outcome, _ in reads),
        as_of=tuple(sorted({moment for _, record in reads for moment in record.moments})),
        started_at=_first([record.started_at for _, record in reads]),
        ended_at=_last([record.ended_at for _, record in reads]),
        duration_s=sum(outcome.duration_s for outcome, _ in reads),
        skipped=skipped,
        superseded=tuple(
            ledger.SupersededEntry(path=record.path, sha256=entry.sha256, size_bytes=entry.size_bytes, by=record.reason or NOTHING)
            for entry, record in opened
            if entry.state is EntryState.SUPERSEDED
        ),
        names=tuple(
            ledger.OriginalName(entry=record.path, original=_text(record.origin))
            for entry, record in opened
            if entry.state is EntryState.DONE and record.origin and not record.path.endswith("/" + _text(record.origin))
        ),
        attributes=tuple(
            ledger.FileAttributes(entry=record.path, modified_ns=record.modified_ns, mode=record.mode)
            for entry, record in opened
            if entry.state is EntryState.DONE and (record.modified_ns is not None or record.mode is not None)
        ),
    )


def _product(source: SourceConfig, reads: Sequence[tuple[SourceOutcome, ReadRecord]], opened: Sequence[_Opened]) -> str:
    """Return under which product lies what a source brought: it may be configured under another one by now."""
    bringing = {entry.partition for entry, _ in opened}
    first = sorted(reads, key=lambda read: read[0].partition not in bringing)
    return next((record.settings.product for _, record in first if record.settings.product), source.product)


def _folder(product: str, name: str, payload: Sequence[PayloadEntry]) -> str:
    """Return in which folder it lies: that of the product, but where only some partitions had been begun when this was changed."""
    folder = paths.part_path(product, name, 0, 0).rpartition("/")[0] + "/"
    return folder if all(entry.path.startswith(folder) for entry in payload) else paths.DATA


def _left_out(
    now: tuple[str, ...], reads: Sequence[tuple[SourceOutcome, ReadRecord]], of: Callable[[ReadUnder], tuple[str, ...]]
) -> tuple[str, ...]:
    """Return what was left out of any partition, by the settings that it was read under: they may be others by now."""
    under = [record.settings for _, record in reads]
    return tuple(dict.fromkeys(name for each in under for name in (of(each) if each.digest else now)))


def _redacted(reads: Sequence[ReadRecord]) -> tuple[ledger.RedactedColumn, ...]:
    """Add the partitions up; where a rule was changed between two of them, both stand there."""
    sums: dict[tuple[str, str], ledger.RedactedColumn] = {}
    for each in (each for record in reads for each in record.redacted):
        key = (each.column, each.rule)
        sums[key] = sums[key].plus(each.cells, each.values) if key in sums else each
    return tuple(sums.values())


def _filled(reads: Sequence[ReadRecord]) -> frozenset[str] | None:
    """Return the columns that hold anything in any partition."""
    found = [record.filled for record in reads]
    return None if None in found else frozenset(column for columns in found for column in columns or ())


def _leak_check(checks: Sequence[ledger.LeakCheck]) -> ledger.LeakCheck | None:
    """Add the partitions up: of all that is true which is of each."""
    return reduce(lambda sum_, each: each.after(sum_), checks) if checks else None


def _text(origin: bytes) -> str:
    return origin.decode("utf-8", "surrogateescape")


def _first(moments: Sequence[datetime | None]) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)


def _last(moments: Sequence[datetime | None]) -> datetime | None:
    return max((moment for moment in moments if moment is not None), default=None)
