"""Shows operations: one in full, many in a table."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from rightful.cli.exits import Exit
from rightful.cli.follow import describe_source
from rightful.cli.invocation import again, current
from rightful.cli.output import emit, emit_json, emit_table, format_bytes, format_duration, say
from rightful.cli.wire import Operation
from rightful.clock import SystemClock, nanoseconds_of
from rightful.operation.model import SUBMIT_AGAIN
from rightful.redaction import printable
from rightful.storage.location import AccountLocation
from rightful.storage.object_account import is_object_url
from rightful.storage.registry import account_folder

_DAY_NS = 86_400 * 10**9
_UNAPPROVED = frozenset({"rejected", "approvalExpired", "requestChanged"})


def as_data(operation: Operation) -> Any:
    """Return an operation as `--json` shows it: by its names on the wire."""
    return msgspec.to_builtins(operation)


def show(operation: Operation, *, as_json: bool) -> None:
    """Put one operation on stdout."""
    if as_json:
        emit_json(as_data(operation))
        return
    facts = [
        ("operation", operation.id),
        ("status", f"{operation.status} ({operation.progress:.0f} %)"),
        ("subject", operation.subject_id),
        ("since", operation.since or ""),
        ("submitted", operation.submitted_at),
        ("due", _due_of(operation)),
        ("completed", operation.completed_at or ""),
        ("storage", operation.storage_location or ""),
        ("language", operation.language or ""),
        ("sealed to", operation.sealed_to or ""),
        ("failed", str(operation.failure or "")),
        ("waits for", str(operation.waiting_for or "")),
    ]
    if operation.approval is not None:
        facts.append(("asked by", operation.approval.requested_by))
        facts.append(("decided by", operation.approval.decided_by or ""))
    if operation.left is not None:
        facts.append(("left", f"{left_of(operation)}"))
    if operation.package is not None:
        package = operation.package
        facts.append(("package", f"{package.prefix or '/'}: {package.entries} entries, {format_bytes(package.size_bytes)}"))
        if (place := _place_of(operation)) is not None:
            facts.append(("folder" if place.is_dir() else "file", str(place)))
        facts.append(("manifest", f"sha256 {package.manifest_sha256}"))
    for name, value in facts:
        if value:
            emit(f"{name:<10} {printable(value)}")
    if operation.sources:
        emit("")
    rows = []
    for source in operation.sources:
        took = format_duration(source.duration_s) if source.duration_s else ""
        rows.append((source.name, source.state, describe_source(source, is_difference=operation.since is not None), took))
    emit_table(("source", "state", "found", "took"), rows)


def _place_of(operation: Operation) -> Path | None:
    """Return where a package of a named account lies, where it lies on this machine and the command has read the configuration."""
    config, package = current().known_config, operation.package
    if config is None or package is None:
        return None
    name = operation.storage_location or ""
    accounts = [account for tenant in config.tenants if (account := tenant.storage.accounts.get(name)) is not None]
    accounts = [account for account in accounts if not is_object_url(account.url)]
    places = {account_folder(AccountLocation(name=name, url=account.url)) / package.prefix for account in accounts}
    there = [place for place in places if place.exists()]
    return there[0] if len(there) == 1 else None


def left_of(operation: Operation) -> str:
    """Say what a failed operation left in its storage location."""
    left = operation.left
    if left is None:
        return ""
    number = f"{left.entries} {'entry' if left.entries == 1 else 'entries'}, {format_bytes(left.size_bytes)}"
    return f"{number} below {left.prefix or '/'} in the storage location"


def _due_of(operation: Operation) -> str:
    """Say by when a request has to be answered, and by which regulation."""
    due = operation.deadline
    if due is None:
        return ""
    also = f"extended: {due.reason}" if due.reason else f"extendable to {due.extendable_to}" if due.extendable_to else ""
    received = f"received {due.received_at}" if due.received_at != operation.submitted_at else ""
    return f"{due.due_on} ({', '.join(filter(None, (due.regulation, received, also, _lateness(operation))))})"


def _lateness(operation: Operation) -> str:
    """Say how near the last day is, of what is not answered, or that it was missed."""
    due = operation.deadline
    if due is None:
        return ""
    ended = operation.completed_at if operation.status == "complete" else None
    now = nanoseconds_of(ended) if ended else nanoseconds_of(SystemClock().now().isoformat())
    last = nanoseconds_of(due.due_at)
    if now is None or last is None:
        return ""
    days = (last - now) // _DAY_NS
    if days < 0:
        return "answered late" if ended else "overdue"
    return "" if ended else f"{days} days left" if days != 1 else "1 day left"


def _due_in_list(operation: Operation) -> str:
    if operation.deadline is None:
        return ""
    is_over = _lateness(operation) in {"overdue", "answered late"}
    return f"{operation.deadline.due_on}{' (overdue)' if is_over and operation.status != 'complete' else ''}"


def _standing(operation: Operation) -> str:
    return f"{operation.status} ({operation.waiting_for.code})" if operation.waiting_for else operation.status


def show_all(operations: Sequence[Operation], *, as_json: bool) -> None:
    """Put a table of operations on stdout."""
    if as_json:
        emit_json([as_data(operation) for operation in operations])
        return
    has_due = any(item.deadline is not None for item in operations)
    heads = ("operation", "status", "done", "submitted", *(("due",) if has_due else ()), "subject", "storage")
    emit_table(
        heads,
        [
            (
                item.id,
                _standing(item),
                f"{item.progress:.0f} %",
                item.submitted_at,
                *((_due_in_list(item),) if has_due else ()),
                item.subject_id,
                item.storage_location or "",
            )
            for item in operations
        ],
    )
    if not operations:
        say("no operations")


def verdict(operation: Operation) -> Exit:
    """Return the exit code of an ended operation, and say what to do about a failed one."""
    if operation.status == "complete":
        return Exit.OK
    reason = operation.failure
    say(f"error: the export failed: {reason}" if reason else "error: the export failed")
    if reason is not None and reason.code in _UNAPPROVED:
        say(f"what to do: {SUBMIT_AGAIN}, and have it approved")
    elif reason is None or reason.code != "cancelled":
        restarted = "restart the service where its configuration was changed"
        say(f"what to do: mend the cause, {restarted}, then `{again('resume', operation.id)}` (with --to for a new SAS)")
    return Exit.FAILED
