"""`rightful source`: add a source, try one out, and see what has changed in the systems."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import msgspec

from rightful.cli.connection import choose_tenant, tenant_option
from rightful.cli.exits import Exit
from rightful.cli.invocation import current, global_options
from rightful.cli.output import emit, emit_json, emit_table, format_bytes, format_duration, say
from rightful.config.model import SourceConfig, TenantConfig
from rightful.connectors.interface import Amount, Estimate
from rightful.errors import ConfigurationError, ExportError, NotFound
from rightful.export.preview import check_redaction, header_of
from rightful.export.runtime import build_connector, build_directory
from rightful.package.label import unlabelled
from rightful.redaction import printable, redact
from rightful.spelling import did_you_mean

_ROWS = 100
_KNOWN = 20_000
"""Rows of the directory whose people are looked for in what was read."""
_NAMES_OTHERS = "an export fails with LeakFound; declare it in third_parties or redact where that is right, else correct the match"


@click.group()
@global_options
def command() -> None:
    """Add a source, try one out, and see what has changed in the systems.

    These commands read the systems themselves, with the configuration's rights, and need no running service; nothing that they do is in
    the audit trail.
    """


@command.command("add")
@click.argument("name")
@click.argument("url")
@click.option("--table", "tables", multiple=True, metavar="TABLE", help="Only this table of a database; may be given several times.")
@click.option("--write", is_flag=True, help="Put it into the configuration, which else stays as it is, byte for byte.")
@tenant_option
@global_options
def add(name: str, url: str, *, tables: tuple[str, ...], write: bool, tenant: str | None) -> None:
    """Look at a database, a lake, mailboxes or folders, and propose how to read it as sources.

    URL is what `url` would be in the configuration: sqlite:///FILE, postgresql://…, mysql://…, dialect+driver://…, FOLDER/**/*.parquet
    (.csv, .jsonl), a folder of such files, the folder of a Delta table, an mbox file or a Maildir, or a folder that has a mailbox or a
    folder for each person; ${NAME} in it is taken from the environment.
    Columns are compared with the identifiers that the directory knows, and their names with kinds that sources give: what they have in
    common becomes `match`. Tables without such a column are reached over others (`via`). A source is named NAME, or NAME_TABLE where
    there are several. Labels are guessed from columns' names. Look through the proposal, then try it with `rightful source test`. No value
    is shown.
    """
    from rightful.sources import survey, writing  # noqa: PLC0415 - heavy
    from rightful.sources.adding import proposals_for  # noqa: PLC0415 - likewise

    invocation = current()
    config = invocation.config
    chosen = choose_tenant(config, tenant)
    with closing(build_directory(chosen, config.folder)) as directory:
        known = survey.known_of(directory, chosen.sources)
    proposals, left = proposals_for(name, url, chosen, config.folder, known, tables=tables, environ=invocation.environ)
    if left:
        say(f"no way to people was found from: {', '.join(left)}")
    if not proposals:
        hint = "look at the columns yourself, and write `match` by hand"
        raise ConfigurationError("nothing there leads to people", code="NothingProposed", hint=hint)
    _, variable = writing.hide_password(url, name)
    if write:
        # The variable that takes the password's place need not be set yet.
        writing.write(invocation.path, config, chosen.id, proposals, {**invocation.environ, **({variable: "x"} if variable else {})})
    if invocation.as_json:
        emit_json({"sources": {each.name: each.settings for each in proposals}, "reasons": {each.name: each.reasons for each in proposals}})
    else:
        emit(writing.format_sources(proposals, 6).rstrip("\n"))
    if variable:
        say(f"the password is left out: set the variable {variable} where the service runs")
    names = ", ".join(proposal.name for proposal in proposals)
    done = f"written to {invocation.path}" if write else "nothing is written: --write does that, or paste it below `sources:`"
    say(f"{done} ({names})")
    say(f"next: rightful source test {proposals[0].name} SUBJECT")


@command.command("test")
@click.argument("name")
@click.argument("subject")
@click.option(
    "--rows", "most", type=click.IntRange(1, 100_000), metavar="N", default=_ROWS, show_default=True, help="Rows to stop after, and files."
)
@click.option("--show", is_flag=True, help="Print what was read: personal data.")
@tenant_option
@global_options
def test(name: str, subject: str, *, most: int, show: bool, tenant: str | None) -> None:
    """Run one person through one source: check, estimate, read the first rows, and prove that they are the person's.

    SUBJECT is a user principal name or an object id. Nothing is written, and without --show no content is printed. Exits with 1 where
    the source cannot be read or brings what is not the person's.
    """
    from rightful.export.everybody import some_of  # noqa: PLC0415 - heavy
    from rightful.sources.trying import try_out  # noqa: PLC0415 - likewise

    invocation = current()
    config = invocation.config
    chosen = choose_tenant(config, tenant)
    source = _source(chosen, name)
    with closing(build_directory(chosen, config.folder)) as directory:
        found = directory.find_user(subject)
        [identified] = directory.identify([found]) if found is not None else [None]
        listed = some_of(directory, chosen.export.leak_kinds, _KNOWN) if identified is not None else None
    if identified is None:
        raise NotFound("the directory knows nobody by this name or id", hint="give the user principal name or the object id as it has it")
    with closing(build_connector(chosen, source, config.folder)) as connector:
        trial = try_out(source, connector, identified, most=most, is_shown=show, listed=listed)
    if invocation.as_json:
        emit_json(_trial_data(trial))
        return
    kinds = trial.identifiers
    identifiers = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    nothing = f"nothing: the directory has no {' or '.join(kinds)} for this person"
    facts = [
        ("searched", trial.searched),
        ("by", identifiers if any(kinds.values()) else nothing),
        ("estimate", _estimated(trial.estimate)),
        ("read", f"{_counted(trial)}{'' if trial.is_whole else ' (stopped there)'} in {format_duration(trial.seconds)}"),
        ("proven", f"all {trial.rows} rows hold an identifier of this person" if trial.rows else ""),
        ("withheld", ", ".join(f"{rule} ({count})" for rule, count in trial.redacted.items())),
        *(
            ("names", f"others in column {column} ({', '.join(f'{kind} in {rows}' for kind, rows in kinds.items())}): {_NAMES_OTHERS}")
            for column, kinds in trial.names_others.items()
        ),
        ("skipped", f"{trial.skipped}: {', '.join(trial.reasons)}" if trial.skipped else ""),
        *(("doubtful", doubt) for doubt in trial.doubts),
    ]
    for fact, value in facts:
        if value:
            emit(f"{fact:<10} {printable(value)}")
    for line in trial.lines:
        emit(printable(line))


def _trial_data(trial: Any) -> Any:
    data = msgspec.to_builtins(trial)
    if not trial.lines:
        del data["lines"]
    return data


def _estimated(estimate: Estimate) -> str:
    amounts: list[tuple[Amount | None, Callable[[int], str]]] = [
        (estimate.rows, lambda count: f"{count:,} rows"),
        (estimate.files, lambda count: f"{count:,} files"),
        (estimate.size_bytes, format_bytes),
    ]
    said = [f"{'' if amount.is_exact else '~'}{words(amount.count)}" for amount, words in amounts if amount is not None]
    return ", ".join(said) or "the connector cannot tell"


def _counted(trial: Any) -> str:
    parts = [f"{trial.rows:,} rows"] if trial.columns else []
    parts += [f"{trial.files:,} files"] if trial.files or not trial.columns else []
    return ", ".join([*parts, format_bytes(trial.size_bytes)])


def _source(tenant: TenantConfig, name: str) -> SourceConfig:
    source = tenant.source(name)
    if source is None:
        hint = did_you_mean(name, [each.name for each in tenant.sources]) or "`rightful source list` shows those that there are"
        raise ConfigurationError(f"the configuration has no source {name!r}", code="SourceUnknown", hint=hint)
    return source


@command.command("list")
@click.option("--drift", is_flag=True, help="Name tables that no source reads, and columns that are new or gone, since --record.")
@click.option(
    "--record",
    is_flag=True,
    help="Remember the columns, and the tables that no source reads, in sources.seen.json beside the configuration: named no more.",
)
@tenant_option
@global_options
def list_(*, drift: bool, record: bool, tenant: str | None) -> int:
    """List the configured sources: whether each can be read, its columns, and those without a label.

    With --drift exits with 1 where something is new or gone, so that it can be run at night; always where a source cannot be read.
    """
    from rightful.sources import drift as drifting  # noqa: PLC0415 - heavy

    invocation = current()
    config = invocation.config
    chosen = choose_tenant(config, tenant)
    seen = drifting.load(config.folder)
    before, now = seen.columns.get(chosen.id, {}), dict[str, tuple[str, ...]]()
    lines = [_look(chosen, source, config.folder, now) for source in chosen.sources]
    unread = drifting.unread_tables(chosen, config.folder) if drift or record else []
    known_tables = seen.tables.get(chosen.id, {})
    new_tables = drifting.new_tables(unread, known_tables)
    found = []
    if drift:
        found = new_tables
        for name, columns in now.items():
            found += drifting.changed_columns(name, before.get(name), columns)
    if record:
        tables = {**seen.tables, chosen.id: drifting.recorded_tables(unread, known_tables)}
        drifting.save(config.folder, drifting.Seen(columns={**seen.columns, chosen.id: {**before, **now}}, tables=tables))
        for each in new_tables:
            say(f"recorded as looked at, and not named again: {printable(', '.join(each.names))} ({each.source_name})")
    if invocation.as_json:
        emit_json({"sources": lines, **({"drift": msgspec.to_builtins(found)} if drift else {})})
    else:
        heads = ("source", "connector", "product", "state", "columns", "without a label")
        emit_table(heads, [tuple(map(str, line.values())) for line in lines])
        for each in found:
            emit(_drifted(each))
        if drift and not found:
            say("nothing is new")
    is_down = any(line["state"] != "ok" for line in lines)
    return Exit.FAILED if is_down or any(not each.is_unrecorded for each in found) else Exit.OK


def _look(tenant: TenantConfig, source: SourceConfig, folder: Path, now: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    line: dict[str, Any] = {"name": source.name, "connector": source.connector, "product": source.product}
    line |= {"state": "ok", "columns": 0, "unlabelled": 0}
    try:
        with closing(build_connector(tenant, source, folder)) as connector:
            connector.check()
            columns = tuple(column.name for column in header_of(connector).columns)
            check_redaction(source, connector)
    except ExportError as error:
        return line | {"state": redact(f"{error.message} [{error.code}]")}
    now[source.name] = columns
    return line | {"columns": len(columns), "unlabelled": len(unlabelled(columns, tenant.label(source)))}


def _drifted(drift: Any) -> str:
    names = ", ".join(drift.names)
    if drift.is_unrecorded:
        return printable(f"{drift.source_name}: its {len(drift.names)} columns were never recorded (--record does that)")
    if drift.what == "table":
        return printable(f"{drift.source_name}: tables of its database that no source reads: {names}")
    return printable(f"{drift.source_name}: {'new' if drift.is_new else 'missing'} columns: {names}")
