"""Runs one person through one source, as an export would, up to a few rows or files; nothing is written."""

import os
import time
from collections.abc import Iterator

import msgspec
import pyarrow as pa

from rightful.config.model import SourceConfig
from rightful.connectors.interface import Connector, Doubting, Estimate, FileItem, Item, ReadHeader, Rows, SkippedItem, estimate
from rightful.errors import SourceRefused
from rightful.export.check import check_rows
from rightful.export.everybody import Listed
from rightful.export.leak_check import Aside, search
from rightful.export.letting_go import let_go
from rightful.export.records import SECRET_BYTES
from rightful.package.leaks import LeakSearch
from rightful.package.redacting import Owner, Plan, Redactor, plan
from rightful.package.serializer import Serializer
from rightful.subject.folders import is_folder_of, kinds_of
from rightful.subject.matching import is_usable
from rightful.subject.model import IdentifiedSubject
from rightful.subject.own import Own

_LIMIT_S = 10.0


class Trial(msgspec.Struct, kw_only=True):
    """What came of it."""

    searched: str = ""
    identifiers: dict[str, int] = {}
    """How many of each kind the person has that the source is searched by."""
    estimate: Estimate = Estimate()
    columns: tuple[str, ...] = ()
    """As they are delivered."""
    redacted: dict[str, int] = {}
    """How many values the source's rules withhold, by `column: rule`."""
    names_others: dict[str, dict[str, int]] = {}
    """Columns that name others where nobody has said so: {column: {kind: in how many rows}}; an export would fail."""
    rows: int = 0
    """Read, each of them proven to be the person's."""
    files: int = 0
    size_bytes: int = 0
    skipped: int = 0
    reasons: tuple[str, ...] = ()
    """Why items were skipped."""
    doubts: tuple[str, ...] = ()
    """What looks as if records could be missing."""
    is_whole: bool = True
    """Whether that is all; else reading stopped at the limit."""
    seconds: float = 0.0
    lines: list[str] = []
    """The rows, or the paths of files: personal, only for whoever asked to see them."""


def try_out(
    source: SourceConfig,
    connector: Connector,
    subject: IdentifiedSubject,
    *,
    most: int,
    is_shown: bool,
    listed: Listed | None = None,
) -> Trial:
    """Check, estimate and read one source for one person; raises `SourceError`, `ForeignData` where a row is not the person's.

    Args:
        source: as configured.
        connector: of the source.
        subject: whose data is read.
        most: rows to stop after, and files.
        is_shown: whether their content is kept.
        listed: people that rows are looked through for.
    """
    started_s = time.monotonic()
    connector.check()
    trial = Trial(estimate=estimate(connector, [subject], limit_s=_LIMIT_S)[0])
    owners = [Owner(Own(subject.identifiers), os.urandom(SECRET_BYTES))]
    for partition in connector.plan([subject]):
        items = iter(connector.read(partition, [subject]))
        try:
            header = next(items, None)
            if not isinstance(header, ReadHeader):
                raise SourceRefused("the connector did not begin with what it searched", source_name=source.name, code="ConnectorFault")
            redactor = Redactor(plan(header.columns, source.redact, source_name=source.name), owners)
            _begin(trial, header, redactor.plan, subject)
            looking = _search(source, header, redactor.plan, subject, listed)
            left = most - (trial.rows if header.columns else trial.files)
            if left <= 0:
                trial.is_whole = False
                continue
            for item in _until(items, trial, left):
                _take(trial, header, redactor, item, subject, looking=looking, source_name=source.name, is_shown=is_shown)
        finally:
            let_go(items)
    trial.doubts = connector.doubts() if isinstance(connector, Doubting) else ()
    trial.seconds = time.monotonic() - started_s
    return trial


def _begin(trial: Trial, header: ReadHeader, planned: Plan, subject: IdentifiedSubject) -> None:
    kinds = sorted({match.identifier_kind for match in header.match} or kinds_of(header.searched))
    trial.searched = header.searched
    # A source may have its rows in one partition and its files in another.
    trial.columns = tuple(dict.fromkeys((*trial.columns, *(column.name for column in planned.columns))))
    trial.redacted = {f"{each.column.name}: {each.rule}": 0 for each in planned.ruled} | trial.redacted
    trial.identifiers |= {kind: sum(is_usable(kind, value) for value in subject.values(kind)) for kind in kinds}


def _until(items: Iterator[ReadHeader | Item], trial: Trial, left: int) -> Iterator[Item]:
    for item in items:
        if left <= 0:
            trial.is_whole = False
            return
        if isinstance(item, Rows) and item.batch.num_rows > left:
            trial.is_whole = False
            yield Rows(item.batch.slice(0, left))
            return
        if not isinstance(item, ReadHeader):
            left -= item.batch.num_rows if isinstance(item, Rows) else isinstance(item, FileItem)
            yield item


def _search(
    source: SourceConfig, header: ReadHeader, planned: Plan, subject: IdentifiedSubject, listed: Listed | None
) -> LeakSearch | None:
    aside = Aside.of(source, header, planned)  # which refuses columns that are not there, too
    return None if listed is None or listed.index is None else search(planned, listed.index, listed, aside, [subject])


def _take(
    trial: Trial,
    header: ReadHeader,
    redactor: Redactor,
    item: Item,
    subject: IdentifiedSubject,
    *,
    looking: LeakSearch | None,
    source_name: str,
    is_shown: bool,
) -> None:
    match item:
        case Rows(batch=batch):
            check_rows(batch, header.match, subject, source_name=source_name)
            _take_rows(trial, redactor, looking, batch, is_shown=is_shown)
        case FileItem():
            if not is_folder_of(header.searched, item.root, subject):
                raise SourceRefused("a file lies in a folder that is not the person's", source_name=source_name, code="ForeignData")
            if not trial.files:
                _open(trial, item)
            trial.files += 1
            trial.size_bytes += item.size_bytes
            trial.lines += [item.path] if is_shown else []
        case SkippedItem():
            trial.skipped += 1
            trial.reasons = tuple(dict.fromkeys((*trial.reasons, item.reason)))


def _open(trial: Trial, item: FileItem) -> None:
    """Read the beginning of a file, to see that it can be: the first one stands for all."""
    chunks: Iterator[bytes] = iter(())
    try:
        chunks = item.open()
        next(chunks, b"")
    except OSError as error:
        trial.skipped += 1
        trial.reasons = (*trial.reasons, f"the first file cannot be read: {error.strerror or type(error).__name__}")
    finally:
        let_go(chunks)


def _take_rows(trial: Trial, redactor: Redactor, looking: LeakSearch | None, batch: pa.RecordBatch, *, is_shown: bool) -> None:
    whole = [(0, batch.num_rows)]
    redacted, withheld = redactor.apply(batch, whole)
    for finding in looking.find(redacted, whole) if looking is not None else ():
        of_column = trial.names_others.setdefault(finding.column, {})
        of_column[finding.kind] = of_column.get(finding.kind, 0) + finding.rows
    lines = Serializer(redactor.plan.columns).lines(redacted)
    for each, counts in zip(redactor.plan.ruled, withheld, strict=True):
        trial.redacted[f"{each.column.name}: {each.rule}"] += sum(counts)
    trial.rows += batch.num_rows
    trial.size_bytes += len(lines)
    trial.lines += lines.decode().splitlines() if is_shown else []
