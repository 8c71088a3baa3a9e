"""`rightful export`."""

from pathlib import Path

import click

from rightful.cli.connection import connection_options, open_client, read_location
from rightful.cli.exits import Exit
from rightful.cli.follow import follow
from rightful.cli.invocation import again, current, global_options
from rightful.cli.output import emit, emit_json, say
from rightful.cli.passphrase import passphrase_options, read_passphrase
from rightful.cli.report import show, verdict
from rightful.clock import SystemClock
from rightful.language import OFFERED


@click.command()
@click.argument("subject")
@click.option(
    "--to",
    "location",
    required=True,
    metavar="LOCATION",
    help="- for a container's SAS URL on the first line of stdin, or a named account. A SAS URL as LOCATION works too, and stands in the"
    " list of processes and the shell's history.",
)
@click.option(
    "--received",
    metavar="TIME",
    help="When the person asked: 2026-11-03, or 2026-11-03T09:30:00Z. The time to answer runs from then.  [default: now]",
)
@click.option("--since", metavar="ID", help="An earlier, complete export of the same person: bring only what is new or changed since.")
@click.option("--inbound", is_flag=True, help="SUBJECT is the user id of an inbound shared user profile.")
@click.option(
    "--language",
    default="",
    metavar="TAG",
    help=f"Language of the package: {', '.join(OFFERED)}, or a tag that one of them suits.  [default: the directory's, else the tenant's]",
)
@click.option(
    "--recipient", metavar="KEY", help="Seal the package to this public key of age (age1…) or of SSH.  [default: the directory's, if any]"
)
@passphrase_options("Seal the package by a passphrase")
@click.option("--no-wait", is_flag=True, help="Print the operation's id and return.")
@connection_options
@global_options
def command(
    subject: str,
    location: str,
    *,
    received: str | None,
    since: str | None,
    inbound: bool,
    language: str,
    recipient: str | None,
    passphrase: bool,
    passphrase_file: Path | None,
    no_wait: bool,
    server: str | None,
    token_file: Path | None,
    tenant: str | None,
) -> int:
    """Export a person's data and follow it until it is done.

    SUBJECT is a user principal name or an object id. Ctrl-C stops following; the export goes on. Exits with 0 when the package is
    complete, with 1 when the operation has failed.
    """
    invocation = current()
    storage_location = read_location(location)
    chosen = read_passphrase(ask=passphrase, path=passphrase_file, confirm=True)
    if chosen is not None and recipient is not None:
        raise click.UsageError("Write --recipient or a passphrase, not both.")
    with open_client(invocation, server=server, token_file=token_file, tenant=tenant) as client:
        operation_id = client.submit(
            subject,
            storage_location,
            inbound=inbound,
            since=since,
            receivedDateTime=received,
            language=language or None,
            recipient=recipient,
            passphrase=chosen,
        )
        if no_wait:
            emit_json({"id": operation_id}) if invocation.as_json else emit(operation_id)
            return Exit.OK
        try:
            operation = follow(client, operation_id, SystemClock(), as_json=invocation.as_json)
        except KeyboardInterrupt:
            say(f"the export goes on; to watch it again: {again('watch', operation_id)}")
            return Exit.INTERRUPTED
    show(operation, as_json=invocation.as_json)
    return verdict(operation)
