"""`rightful preview`."""

from pathlib import Path

import click
import msgspec

from rightful.cli.connection import connection_options, open_client
from rightful.cli.exits import Exit
from rightful.cli.invocation import current, global_options
from rightful.cli.output import emit, emit_json, emit_table, format_bytes, format_duration
from rightful.cli.wire import IdentifierLine, PreviewLine, PreviewOf
from rightful.redaction import printable

_REASONS = {"empty": "nothing there", "tooShort": "too short"}
_NAMED = 4
"""Columns without a label that are named in the table; `--json` has all of them."""


@click.command()
@click.argument("subject")
@click.option("--inbound", is_flag=True, help="SUBJECT is the user id of an inbound shared user profile.")
@connection_options
@global_options
def command(subject: str, *, inbound: bool, server: str | None, token_file: Path | None, tenant: str | None) -> int:
    """Show what an export would find, without reading it.

    SUBJECT is a user principal name or an object id. Shows by which identifiers the person is searched for and how each was
    reached, what was refused, for each source how much there is, how long it will take and which columns have no label, and what
    the statement in the package will leave open. Nothing is written, and no content is read; it needs the rights of an export,
    and is recorded. ~ stands before what was not counted. Exits with 1 where a source does not answer.
    """
    invocation = current()
    with open_client(invocation, server=server, token_file=token_file, tenant=tenant) as client:
        found = client.preview(subject, inbound=inbound)
    if invocation.as_json:
        emit_json(msgspec.to_builtins(found))
    else:
        _show(found)
    return Exit.FAILED if any(source.problem for source in found.sources) else Exit.OK


def _show(found: PreviewOf) -> None:
    emit(f"subject    {printable(found.subject_id)}")
    emit(f"in all     {_total(found)}\n")
    emit_table(("identifier", "value", "found in"), [(each.kind, each.value, _way(each)) for each in found.identifiers])
    if found.refused:
        emit("")
        emit_table(("refused", "value", "stands in", "why"), [(each.kind, each.value, each.place, _reason(each)) for each in found.refused])
    emit("")
    for source in found.sources:
        if source.redacted:
            rules = ", ".join(f"{each.name} ({each.rule})" for each in source.redacted)
            emit(f"redacted   {printable(source.name)}: {printable(rules)}")
    heads = ("source", "searched by", "rows", "files", "bytes", "takes", "without a label")
    emit_table(heads, [_row(source) for source in found.sources])
    _show_unstated(found)


def _total(found: PreviewOf) -> str:
    """Say the sums; one that a source adds nothing known to is the least that it may be."""
    rows_and_files = f"{found.rows:,} rows, {found.files:,} files"
    size, duration = format_bytes(found.size_bytes), format_duration(found.duration_s)
    if not found.is_exact and not all(_is_known(source) for source in found.sources):
        return f"at least {rows_and_files}, {size}, {duration}"
    is_least = any(source.identifiers and source.size_bytes is None for source in found.sources)
    least = "at least " if is_least else ""
    return f"{'' if found.is_exact else 'about '}{rows_and_files}, {least}{size}, {least}{duration}"


def _show_unstated(found: PreviewOf) -> None:
    """Show what the statement in the package cannot say; sources that lack the same are in one line."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for source in found.sources:
        if source.unstated:
            alike.setdefault(source.unstated, []).append(source.name)
    lines = [(", ".join(names), ", ".join(f"label.{each}" for each in missing)) for missing, names in alike.items()]
    lines += [("the organization", ", ".join(f"statement.{each}" for each in found.unstated))] if found.unstated else []
    if lines:
        emit("")
        emit_table(("the statement says nothing of", "until there is"), lines)


def _is_known(source: PreviewLine) -> bool:
    return source.rows is not None or source.files is not None


def _way(identifier: IdentifierLine) -> str:
    if not identifier.round:
        return identifier.place
    over = "".join(f" over {name}" for name in identifier.over)
    return f"{identifier.place}{over}, round {identifier.round}, by {identifier.from_kind} {identifier.from_value}"


def _reason(identifier: IdentifierLine) -> str:
    return _REASONS.get(identifier.reason) or f"{identifier.people} people have it"


def _row(source: PreviewLine) -> tuple[str, ...]:
    if source.problem is not None:
        return source.name, str(source.problem), "?", "?", "?", "?", ""
    searched = f"{' or '.join(source.kinds)} ({source.identifiers})" if source.identifiers else f"nothing: no {' or '.join(source.kinds)}"
    about = "" if source.is_exact else "~"
    amounts = [_amount(source.rows, about), _amount(source.files, about)]
    size = "?" if source.size_bytes is None else f"{'' if source.files and not source.rows else '~'}{format_bytes(source.size_bytes)}"
    takes = "?" if source.duration_s is None else format_duration(source.duration_s)
    named = ", ".join(source.unlabelled[:_NAMED])
    more = len(source.unlabelled) - _NAMED
    return source.name, searched, *amounts, size, takes, named + (f" and {more} more" if more > 0 else "")


def _amount(count: int | None, about: str) -> str:
    return "" if count is None else f"{about}{count:,}"
