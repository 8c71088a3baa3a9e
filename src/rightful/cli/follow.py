"""Follows an operation until it ends: bars on a terminal, a line at each change elsewhere, nothing with `--json`."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from rightful.cli.client import Client, ServiceUnreachable
from rightful.cli.output import format_bytes, format_duration, say
from rightful.cli.wire import Operation, SourceLine
from rightful.clock import Clock
from rightful.redaction import printable

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live

_PATIENCE_S = 60.0
"""How long a service that does not answer is waited for: it may be starting again."""
_SHORTEST_POLL_S, _LONGEST_POLL_S = 0.1, 2.0

Show = Callable[[Operation], None]


def follow(client: Client, operation_id: str, clock: Clock, *, as_json: bool) -> Operation:
    """Return the operation once it has ended."""
    if as_json:
        return _poll(client, operation_id, clock, lambda _: None)
    if sys.stderr.isatty():
        from rich.console import Console  # noqa: PLC0415 - heavy, and of use on a terminal only
        from rich.live import Live  # noqa: PLC0415 - likewise

        with Live(console=Console(stderr=True), refresh_per_second=8, transient=True) as live:
            return _poll(client, operation_id, clock, _bars(live))
    return _poll(client, operation_id, clock, _Lines())


def _poll(client: Client, operation_id: str, clock: Clock, show: Show) -> Operation:
    pause_s, silent_since = _SHORTEST_POLL_S, None
    while True:
        try:
            operation, retry_after_s = client.operation(operation_id)
        except ServiceUnreachable:
            silent_since = silent_since or clock.monotonic()
            if clock.monotonic() - silent_since > _PATIENCE_S:
                raise
            clock.sleep(1.0)
            continue
        silent_since = None
        show(operation)
        if operation.is_ended:
            return operation
        # The service's own estimate (GRAPH-35) is for whoever waits; a bar moves more often.
        pause_s = min(pause_s * 1.5, _LONGEST_POLL_S, max(float(retry_after_s), _SHORTEST_POLL_S))
        clock.sleep(pause_s)


class _Lines:
    """Says what has changed, for logs and pipes."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, operation: Operation) -> None:
        done = sum(source.state in {"exported", "empty", "skipped"} for source in operation.sources)
        waits = f", waits: {operation.waiting_for}" if operation.waiting_for else ""
        line = f"{operation.id} {operation.status}: {done} of {len(operation.sources)} sources{waits}"
        if line != self._last:
            self._last = line
            say(line)


def describe_source(source: SourceLine, *, is_difference: bool) -> str:
    """Return what is known of one source, in words; a difference counts what is new or changed alone."""
    if source.state == "empty":
        return "nothing new or changed" if is_difference else "nothing there"
    counted = ((source.rows, "row"), (source.files, "file"))
    parts = [f"{count:,} {word if count == 1 else f'{word}s'}" for count, word in counted if count]
    parts += [format_bytes(source.size_bytes)] if source.size_bytes else []
    parts += [f"{source.skipped} not readable"] if source.skipped else []
    return ", ".join(parts)


_MARKS = {"exported": "[green]✓[/]", "empty": "[green]·[/]", "skipped": "[yellow]-[/]", "failed": "[red]✗[/]", "running": "[cyan]…[/]"}


def _left(operation: Operation) -> str:
    return "" if not operation.left_s or operation.is_ended else f"about {format_duration(operation.left_s)} left"


def _bars(live: "Live") -> Show:
    return lambda operation: live.update(_drawing(operation))


def _drawing(operation: Operation) -> "Group":
    """Draw the whole's bar, and a row for each source."""
    from rich.console import Group  # noqa: PLC0415 - heavy, and of use on a terminal only
    from rich.markup import escape  # noqa: PLC0415 - likewise
    from rich.progress_bar import ProgressBar  # noqa: PLC0415 - likewise
    from rich.table import Table  # noqa: PLC0415 - likewise

    head = Table.grid(padding=(0, 1))
    bar = ProgressBar(total=100, completed=operation.progress, width=40)
    head.add_row(operation.status, bar, f"{operation.progress:.0f} %", _left(operation))
    rows = Table.grid(padding=(0, 2))
    for source in operation.sources:
        took = format_duration(source.duration_s) if source.duration_s else ""
        name, what = escape(printable(source.name)), describe_source(source, is_difference=operation.since is not None)
        rows.add_row(_MARKS.get(source.state, " "), name, f"[dim]{escape(source.state)}[/]", what, f"[dim]{took}[/]")
    waits = (f"[yellow]waits: {escape(printable(str(operation.waiting_for)))}[/]",) if operation.waiting_for else ()
    return Group(head, rows, *waits)
