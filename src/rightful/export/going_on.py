"""What a read of a source is of, in words that its record keeps; and whether it can go on after its cursor by them."""

from collections.abc import Sequence
from datetime import datetime

from rightful.connectors.interface import ReadHeader
from rightful.export.subject_read import SubjectRead
from rightful.package.forms import Form
from rightful.package.redacting import Plan
from rightful.subject.folders import kinds_of
from rightful.subject.model import IdentifiedSubject


def goes_on(read: SubjectRead, header: ReadHeader, planned: Plan, forms: tuple[Form, ...]) -> bool:
    """Whether a read can go on after its cursor.

    Its parts have one schema and the same forms and are redacted by the same rules, and a cursor means something only where the source
    is searched for the same identifiers, and ordered, as before.
    """
    before = read.record
    rules = [(each.column.name, each.rule) for each in planned.ruled]
    if before.columns and (before.forms != forms or before.key != key_names(header, planned)):
        return False
    if before.columns not in {(), planned.columns} or (before.columns and [(each.column, each.rule) for each in before.redacted] != rules):
        return False
    is_search_same = before.searched == header.searched and before.searched_for == searched_for(read, header, planned)
    return read.cursor is None or (is_search_same and not header.is_cursor_lost and (header.has_key or not header.columns))


def searched_for(read: SubjectRead, header: ReadHeader, planned: Plan) -> str:
    """Return what is equal where the same identifiers make the same parts: of all kinds where a rule tells own from others'."""
    return read.sealed.digest(() if planned.needs_identifiers else searched_kinds(header), read.subject)


def key_names(header: ReadHeader, planned: Plan) -> tuple[str, ...]:
    """Return the columns that name a record in the package: the source's, where each is delivered as it is, or as a hash."""
    telling = {column.name for column in planned.columns if column.redaction in {None, "hash"}}
    return header.key if telling.issuperset(header.key) else ()


def searched_kinds(header: ReadHeader) -> list[str]:
    """Return the kinds of identifiers that a source is searched by."""
    return sorted({match.identifier_kind for match in header.match} or kinds_of(header.searched))


def refused_of(subject: IdentifiedSubject, kinds: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return how many identifiers of these kinds were too weak to be searched for, by kind and weakness."""
    counts: dict[str, dict[str, int]] = {}
    for refused in subject.refused:
        if refused.kind in kinds:
            of_kind = counts.setdefault(refused.kind, {})
            of_kind[refused.weakness] = of_kind.get(refused.weakness, 0) + 1
    return counts


def moments_with(before: tuple[datetime, ...], now: datetime | None) -> tuple[datetime, ...]:
    """Return the moments of the source that rows are of, with the one that the next ones are of, where it is known."""
    return before if now is None or now in before else (*before, now)
