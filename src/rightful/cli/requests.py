"""`rightful requests`: what was asked for, and what became of it."""

from pathlib import Path

import click

from rightful.cli.connection import connection_options, open_client, read_location
from rightful.cli.exits import Exit
from rightful.cli.follow import follow
from rightful.cli.invocation import current, global_options
from rightful.cli.output import emit_json, say
from rightful.cli.report import left_of, show, show_all, verdict
from rightful.clock import SystemClock
from rightful.ids import is_guid
from rightful.operation.deadline import Reason

STATUSES = ("notStarted", "running", "complete", "failed")


def _some_id(_: click.Context, __: click.Parameter, value: str) -> str:
    """Refuse an empty id (a variable that is not set, say): it would name all operations."""
    if not value.strip():
        raise click.BadParameter("is empty: give the id of an operation; `rightful requests list` shows them")
    return value


_operation_id = click.argument("operation_id", metavar="ID", callback=_some_id)


@click.group()
@global_options
def command() -> None:
    """List, show, watch, cancel, resume, extend, approve, reject and forget exports."""


@command.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Only those that stand there.")
@click.option("--subject", metavar="ID", default="", help="Only those of the person with this object id.")
@click.option("--top", type=click.IntRange(1, 100_000), metavar="N", default=20, show_default=True, help="How many, newest first.")
@connection_options
@global_options
def list_(status: str | None, *, subject: str, top: int, server: str | None, token_file: Path | None, tenant: str | None) -> None:
    """List exports, newest first."""
    invocation = current()
    with open_client(invocation, server=server, token_file=token_file, tenant=tenant) as client:
        found = client.operations(status=status or "", subject_id=subject, top=top)
    show_all(found, as_json=invocation.as_json)
    if subject and not found and not is_guid(subject.casefold()):
        say("--subject takes an object id, and no other name of a person: `rightful preview NAME` says which that is")


@command.command("show")
@_operation_id
@connection_options
@global_options
def show_(operation_id: str, *, server: str | None, token_file: Path | None, tenant: str | None) -> None:
    """Show one export with its sources."""
    invocation = current()
    with open_client(invocation, server=server, token_file=token_file, tenant=tenant) as client:
        operation, _ = client.operation(operation_id)
    show(operation, as_json=invocation.as_json)


@command.command("watch")
@_operation_id
@connection_options
@global_options
def watch(operation_id: str, *, server: str | None, token_file: Path | None, tenant: str | None) -> int:
    """Follow an export until it has ended.

    Exits with 0 when the package is complete, with 1 when the operation has failed.
    """
    invocation = current()
    with open_client(invocation, server=server, token_file=token_file, tenant=tenant) as client:
        operation = follow(client, operation_id, SystemClock(), as_json=invocation.as_json)
    show(operation, as_json=invocation.as_json)
    return verdict(operation)


@command.command("cancel")
@_operation_id
@connection_options
@global_options
def cancel(operation_id: str, *, server: str | None, token_file: Path | None, tenant: str | None) -> int:
    """End an export; it counts as failed, with the reason `cancelled`."""
    with open_client(current(), server=server, token_file=token_file, tenant=tenant) as client:
        client.cancel(operation_id)
        operation, _ = client.operation(operation_id)
    left = f"; it left {left_of(operation)}, which is deleted where the location allows it" if operation.left is not None else ""
    return _done(operation_id, "cancelled", f"{operation_id} is cancelled{left}")


@command.command("approve")
@_operation_id
@connection_options
@global_options
def approve(operation_id: str, *, server: str | None, token_file: Path | None, tenant: str | None) -> int:
    """Let an export begin that waits for a second administrator.

    It takes a person's token, of somebody else than who asked for the export; `requests show` says what it is about.
    """
    return _decide(operation_id, is_approved=True, server=server, token_file=token_file, tenant=tenant)


@command.command("reject")
@_operation_id
@connection_options
@global_options
def reject(operation_id: str, *, server: str | None, token_file: Path | None, tenant: str | None) -> int:
    """End an export that waits for a second administrator; nothing was read for it.

    It takes what approving takes. The export counts as failed, with the reason `rejected`.
    """
    return _decide(operation_id, is_approved=False, server=server, token_file=token_file, tenant=tenant)


def _decide(operation_id: str, *, is_approved: bool, server: str | None, token_file: Path | None, tenant: str | None) -> int:
    with open_client(current(), server=server, token_file=token_file, tenant=tenant) as client:
        client.decide(operation_id, is_approved=is_approved)
    said = f"{operation_id} is {'approved; it begins' if is_approved else 'rejected'}"
    return _done(operation_id, "approved", said, is_so=is_approved)


@command.command("extend")
@_operation_id
@click.option(
    "--reason",
    type=click.Choice([reason.value for reason in Reason]),
    required=True,
    help="Why, in a word that the tenant's regulation allows.",
)
@connection_options
@global_options
def extend(operation_id: str, *, reason: str, server: str | None, token_file: Path | None, tenant: str | None) -> int:
    """Extend the time to answer a request, once, as the tenant's regulation allows.

    The person has to be told of it, and why, before the first period is over. `requests show` says until when.
    """
    with open_client(current(), server=server, token_file=token_file, tenant=tenant) as client:
        client.extend(operation_id, reason)
        operation, _ = client.operation(operation_id)
    until = operation.deadline.due_on if operation.deadline is not None else ""
    return _done(operation_id, "extended", f"{operation_id} has to be answered by {until} now; tell the person, and why")


@command.command("forget")
@_operation_id
@connection_options
@global_options
def forget(operation_id: str, *, server: str | None, token_file: Path | None, tenant: str | None) -> int:
    """Erase what is kept of a complete export to compare later ones with.

    It takes what submitting the export took. The package itself is not touched; only --since cannot name it any more.
    """
    with open_client(current(), server=server, token_file=token_file, tenant=tenant) as client:
        client.forget(operation_id)
    return _done(operation_id, "forgotten", f"nothing is kept of {operation_id} to compare with")


def _done(operation_id: str, member: str, said: str, *, is_so: bool = True) -> int:
    """Tell what became of an operation."""
    if current().as_json:
        emit_json({"id": operation_id, member: is_so})
    else:
        say(said)
    return Exit.OK


@command.command("resume")
@_operation_id
@click.option(
    "--to",
    "location",
    metavar="LOCATION",
    help="- for a new SAS URL of the same container on the first line of stdin, or that URL, which then stands in the list of processes."
    " Named accounts need none.",
)
@click.option("--no-wait", is_flag=True, help="Return when the operation runs again.")
@connection_options
@global_options
def resume(
    operation_id: str,
    *,
    location: str | None,
    no_wait: bool,
    server: str | None,
    token_file: Path | None,
    tenant: str | None,
) -> int:
    """Let a failed or waiting export go on, and follow it.

    It goes on where it stopped: what is in the storage location already is not sent again.
    """
    invocation = current()
    storage_location = None if location is None else read_location(location)
    with open_client(invocation, server=server, token_file=token_file, tenant=tenant) as client:
        client.resume(operation_id, storage_location)
        if no_wait:
            operation, _ = client.operation(operation_id)
            show(operation, as_json=invocation.as_json)
            return Exit.OK
        operation = follow(client, operation_id, SystemClock(), as_json=invocation.as_json)
    show(operation, as_json=invocation.as_json)
    return verdict(operation)
