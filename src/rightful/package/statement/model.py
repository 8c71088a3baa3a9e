"""statement.json: what the organization states on the data that was found, and on nothing else. Values in, values out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from rightful.operation.model import SourceState
from rightful.package import taxonomy
from rightful.package.contents import PayloadEntry
from rightful.package.difference import Since
from rightful.package.instant import format_instant
from rightful.package.label import Decision, Label, Law, RecipientKind, StatementSettings, Transfer, Words
from rightful.package.ledger import Ledger, SourceRecord
from rightful.package.schema import TAKING, Redaction

PATH = "statement.json"
FORMAT = "rightful-statement/1"


class LeftOut(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Something of a source that is not in the package, or not as it is."""

    what: str
    """A column, or a pattern of files and folders."""
    rule: Redaction | None = None
    """What was done with its values; None where it is not read at all."""
    why: Words = ""
    """`others`, `trade_secrets`, `security`, `not_personal`, or words; empty: the organization has not stated it."""


class Stated(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is stated on a source in which something was found; empty or None: the organization has not stated it."""

    name: str
    product: str
    rows: int
    files: int
    categories: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    legal_basis: str | None = None
    retention: Words = ""
    recipients: tuple[Words, ...] | None = None
    recipient_kinds: tuple[RecipientKind, ...] | None = None
    origin: tuple[Words, ...] | None = None
    transfers: tuple[Transfer, ...] | None = None
    decisions: tuple[Decision, ...] | None = None
    left_out: tuple[LeftOut, ...] = ()
    unreadable: int = 0
    """Items that could not be read; ledger.json says why of each."""


class Controller(msgspec.Struct, frozen=True, kw_only=True):
    """Who answers the request."""

    name: str
    contact: Words = ""
    officer: Words = ""
    authority: Words = ""


class Statement(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """All of it."""

    format: str = FORMAT
    operation_id: str
    subject_id: str
    submitted_at: str
    completed_at: str
    controller: Controller
    laws: tuple[Law, ...]
    rights: tuple[str, ...]
    """In the order in which they are named: `LAW.RIGHT`."""
    categories: dict[str, tuple[str, ...]]
    """Category to the sources that have data of it."""
    sources: tuple[Stated, ...]
    """Those in which something was found, in the configuration's order."""


def state(
    ledger: Ledger,
    *,
    organization: str,
    settings: StatementSettings,
    labels: Mapping[str, Label],
    entries: Mapping[str, Sequence[PayloadEntry]],
) -> Statement:
    """Return the statement; labels, which are complete, and entries are by source."""
    sources = tuple(
        stated(record, labels.get(record.source_name) or settings.label_of(None), entries.get(record.source_name, ()), since=ledger.since)
        for record in ledger.sources
        if is_held(record, ledger.since)
    )
    categories: dict[str, tuple[str, ...]] = {}
    for source in sources:
        for category in source.categories:
            categories[category] = (*categories.get(category, ()), source.name)
    return Statement(
        operation_id=ledger.operation_id,
        subject_id=ledger.subject_id,
        submitted_at=format_instant(ledger.submitted_at),
        completed_at=format_instant(ledger.completed_at),
        controller=Controller(
            name=" ".join(organization.split()), contact=settings.contact, officer=settings.officer, authority=settings.authority
        ),
        laws=settings.laws,
        rights=tuple(_rights(settings.laws, sources)),
        categories=dict(sorted(categories.items())),
        sources=sources,
    )


def format_statement(statement: Statement) -> bytes:
    """Write statement.json; the same values give the same bytes."""
    return msgspec.json.format(msgspec.json.encode(statement), indent=2) + b"\n"


def is_held(record: SourceRecord, since: Since | None) -> bool:
    """Say whether something was found: in a difference also what is as it was, and therefore not in the package."""
    changes = since.sources.get(record.source_name) if since is not None else None
    return record.state is SourceState.EXPORTED or (changes is not None and bool(changes.records.unchanged or changes.files.unchanged))


def stated(record: SourceRecord, label: Label, entries: Iterable[PayloadEntry], *, since: Since | None = None) -> Stated:
    """Return what is stated on a source, whatever became of it."""
    changes = since.sources.get(record.source_name) if since is not None else None
    kept = (changes.records.unchanged, changes.files.unchanged) if changes is not None else (0, 0)
    return Stated(
        name=record.source_name,
        product=record.product,
        rows=record.rows,
        files=record.files,
        categories=_categories(label, record, [entry for entry in entries if not entry.superseded_by], kept),
        purposes=tuple(dict.fromkeys(map(taxonomy.current, label.purposes))),
        legal_basis=label.legal_basis,
        retention=label.retention,
        recipients=label.recipients,
        recipient_kinds=label.recipient_kinds,
        origin=label.origin,
        transfers=label.transfers,
        decisions=label.decisions,
        left_out=tuple(_left_out(label, record)),
        unreadable=len(record.skipped),
    )


def _left_out(label: Label, record: SourceRecord) -> Iterator[LeftOut]:
    """Yield what is; rules that clear columns of other people are there for these."""
    for name in (*record.withheld, *record.withheld_paths):
        yield LeftOut(what=name, why=label.left_out.get(name, ""))
    for name in record.withheld_rows:
        yield LeftOut(what=name, why=label.left_out.get(name.rsplit(" ", 2)[0], ""))
    for each in record.redacted:
        if each.values:
            yield LeftOut(what=each.column, rule=each.rule, why=label.left_out.get(each.column, "" if each.rule in TAKING else "others"))


def _categories(label: Label, record: SourceRecord, entries: Sequence[PayloadEntry], kept: tuple[int, int]) -> tuple[str, ...]:
    """Return the source's category, and those of columns that hold anything; without the former where every column has its own.

    `kept`: how many records and files are as they were in an earlier package, and have no entry in this one.
    """
    columns, is_rest = record.filled, bool(kept[1]) or bool(record.withheld) or any(entry.rows is None for entry in entries)
    if columns is None:  # an earlier version read some of it, and did not look
        columns = frozenset(column.name for entry in entries for column in entry.columns)
        columns |= {each.column for each in record.redacted if each.values} | (label.columns.keys() if kept[0] else set())
        is_rest |= bool(kept[0])
    own = [category for column, category in label.columns.items() if column in columns]
    # Files, and columns that are not read, are held too, and are of the source's category.
    is_whole = not is_rest and bool(columns) and columns <= label.columns.keys()
    found = own if is_whole or not label.category else [label.category, *own]
    return tuple(dict.fromkeys(map(taxonomy.current, found)))


_GDPR = ("access", "rectification", "erasure", "restriction", "portability", "objection")
_CCPA = ("know", "delete", "correct", "opt_out", "limit", "no_retaliation")


def _rights(laws: Iterable[Law], sources: Iterable[Stated]) -> Iterator[str]:
    """Yield the rights that there are, of each law in its order."""
    for law in laws:
        yield from (f"{law}.{right}" for right in (_GDPR if law == "gdpr" else _CCPA))
        if law == "gdpr":
            yield from ["gdpr.human_decision"] if any(source.decisions for source in sources) else []
            yield from ["gdpr.withdrawal"] if any(source.legal_basis == "consent" for source in sources) else []
            yield from ("gdpr.complaint", "gdpr.remedy")
