"""The main job on the sample company, start to verified package: what `rightful demo` does.

Talks on stderr; what was delivered goes to stdout, as a table or as JSON.
"""

import http.client
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from rightful.cli.client import Client, trust
from rightful.cli.connection import address_of, mint
from rightful.cli.exits import Exit
from rightful.cli.follow import describe_source, follow
from rightful.cli.output import emit_json, format_bytes
from rightful.cli.wire import Operation
from rightful.clock import SystemClock
from rightful.config.load import load
from rightful.config.model import Config
from rightful.errors import ExportError
from rightful.identity.model import CallerKind
from rightful.identity.permissions import USER_EXPORT
from rightful.package.opening import open_local
from rightful.package.verify import PackageState, Verification, verify
from rightful.sample import company as sample
from rightful.sample.company import SampleCompany

SUBJECT = "ann"
"""Whose data the demo exports: she has look-alikes, and something in almost every system."""
_STOP_S = 30.0
_STDOUT_WIDTH = 120


def run(folder: Path, console: Console, *, as_json: bool) -> int:
    """Build the company in a folder (once), export one person over the wire, check the package; returns the exit code.

    A service that runs on the folder already is used and left alone; else one is started and ended.
    """
    talk = _Talk(console, is_quiet=as_json)
    company = _build(folder, talk)
    with _service(company, talk) as config:
        operation = _export(company, config, talk, as_json=as_json)
    if operation.package is None:
        raise ExportError(f"the export failed: {operation.failure}", code="DemoFailed", hint=f"see {_log_path(company)}")
    package = company.exports / operation.package.prefix
    verification = _verify(package, talk)
    if as_json:
        emit_json(_as_data(company, package, operation, verification))
    else:
        _show(operation)
        talk.say("")
        talk.say(f"The package lies in [bold]{escape(_here(package))}[/]")
        talk.say("[dim]README.txt in it says what is what, ledger.json how each system was searched.[/]\n")
        talk.say("Try next:")
        for command, why in _next(company, package):
            talk.say(f"  [dim]# {why}[/]\n  [cyan]{escape(command)}[/]")
    return Exit.OK if verification.state is PackageState.WHOLE else Exit.FAILED


class _Talk:
    """Tells the person what goes on, one line a step; says nothing where JSON was asked for."""

    def __init__(self, console: Console, *, is_quiet: bool) -> None:
        self.console = console
        self.is_quiet = is_quiet

    def say(self, text: str) -> None:
        """Write a line of markup."""
        if not self.is_quiet:
            self.console.print(text, soft_wrap=True, highlight=False)

    def done(self, text: str, took_s: float) -> None:
        """Write that a step is done."""
        self.say(f"[green]✓[/] {text} [dim]({took_s:.1f} s)[/]")


def _build(folder: Path, talk: _Talk) -> SampleCompany:
    started = time.monotonic()
    columns = (TextColumn("[progress.description]{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"))
    with Progress(*columns, console=talk.console, transient=True, disable=talk.is_quiet or not talk.console.is_terminal) as progress:
        task = progress.add_task("making a sample company", total=1.0)
        company = sample.build(folder, on_progress=lambda share: progress.update(task, completed=share))
    what = f"Contoso, a sample company of {len(company.people)} people and 2 million activity reports, in {escape(_here(company.folder))}"
    talk.done(what, time.monotonic() - started)
    return company


@contextmanager
def _service(company: SampleCompany, talk: _Talk) -> Iterator[Config]:
    """Yield the configuration of a service that answers."""
    config = load(company.config_path, os.environ)
    if _answers(company, config):
        talk.say(f"[green]✓[/] a service runs on it already: {address_of(config)}")
        yield config
        return
    started = time.monotonic()
    if _is_taken(config):
        sample.set_listen(company, f"127.0.0.1:{sample.free_port()}")
        config = load(company.config_path, os.environ)
    with _log_path(company).open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "rightful.cli", "serve", "--json", "--config", str(company.config_path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    try:
        address = _first_line(process, company)
        talk.done(f"the service listens on {address}", time.monotonic() - started)
        yield config
    finally:
        process.terminate()
        if process.stdout is not None:
            process.stdout.close()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _first_line(process: "subprocess.Popen[bytes]", company: SampleCompany) -> str:
    """Return the address that the service says once it answers."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise ExportError("the service did not start", code="DemoFailed", hint=f"see {_log_path(company)}")
    return str(msgspec.json.decode(line)["listening"])


def _answers(company: SampleCompany, config: Config) -> bool:
    """Whether a service of this very folder answers: nobody else has its certificate's key."""
    context = trust(company.ca_path)
    connection = http.client.HTTPSConnection(config.server.host, config.server.port, timeout=2.0, context=context)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _is_taken(config: Config) -> bool:
    connection = http.client.HTTPConnection(config.server.host, config.server.port, timeout=2.0)
    try:
        connection.connect()
    except OSError:
        return False
    finally:
        connection.close()
    return True


def _export(company: SampleCompany, config: Config, talk: _Talk, *, as_json: bool) -> Operation:
    """Ask for the export as Graph's clients do, and follow it."""
    started = time.monotonic()
    tenant, subject = config.tenants[0], company.person(SUBJECT)
    permissions = (USER_EXPORT,)
    token = mint(config, tenant, kind=CallerKind.APPLICATION, permissions=permissions, roles=(), lifetime=timedelta(minutes=10))
    talk.say(f"[green]✓[/] a token of the built-in issuer, for an application with {USER_EXPORT}")
    client = Client(address_of(config), token, certificates=company.ca_path)
    try:
        talk.say(f"[green]→[/] POST /v1.0/users/{subject.upn}/exportPersonalData")
        talk.say(f'  {{"storageLocation": "{company.storage_account}"}}')
        operation_id = client.submit(subject.upn, company.storage_account)
        talk.say(f"[green]←[/] 202 Accepted, Location …/dataPolicyOperations/{operation_id}")
        operation = follow(client, operation_id, SystemClock(), as_json=as_json or not sys.stderr.isatty())
    finally:
        client.close()
    rows, files = sum(source.rows for source in operation.sources), sum(source.files for source in operation.sources)
    talk.done(f"{operation.status}: {rows:,} rows and {files:,} files of {len(operation.sources)} sources", time.monotonic() - started)
    return operation


def _verify(package: Path, talk: _Talk) -> Verification:
    started = time.monotonic()
    with open_local(package) as reader:
        found = verify(reader)
    if found.state is PackageState.WHOLE:
        text = f"verified: {found.entries} entries, {format_bytes(found.size_bytes)}, each with the SHA-256 that the manifest says"
        talk.done(text, time.monotonic() - started)
    else:
        talk.say(f"[red]✗[/] the package is {found.state}: {len(found.findings)} findings")
    return found


def _show(operation: Operation) -> None:
    """Put what the package holds on stdout, a row for each source."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("source", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("rows", "files", "bytes", "time"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, style="dim")
    for source in operation.sources:
        counts = (source.rows, source.files, source.size_bytes)
        nothing = describe_source(source, is_difference=False) if source.state == "empty" else ""
        note = f"{source.skipped} items could not be read" if source.skipped else nothing
        table.add_row(source.name, source.state, *(f"{count:,}" if count else "" for count in counts), f"{source.duration_s:.2f} s", note)
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else _STDOUT_WIDTH).print(table)


def _as_data(company: SampleCompany, package: Path, operation: Operation, verification: Verification) -> dict[str, Any]:
    return {
        "package": str(package),
        "operation": msgspec.to_builtins(operation),
        "verification": {"state": verification.state, "entries": verification.entries, "bytes": verification.size_bytes},
        "next": [command for command, _ in _next(company, package)],
    }


def _next(company: SampleCompany, package: Path) -> tuple[tuple[str, str], ...]:
    """Return commands that work as they stand, from here, now or later."""
    program, config = shlex.quote(_program()), shlex.quote(_here(company.config_path))
    return (
        (f"{program} verify {shlex.quote(_here(package))}", "check the package again (change a byte in it first)"),
        (f"{program} serve --config {config}", "run the service"),
        (
            f"{program} export a.olsson@contoso.example --to {company.storage_account} --tenant Contoso --config {config}",
            "and meanwhile, in another terminal: export Ann Olsson, whose employee number is ANN, not ann",
        ),
    )


def _program() -> str:
    """Return how `rightful` is called from here."""
    installed = Path(sys.executable).parent / "rightful"
    found = shutil.which("rightful")
    return "rightful" if found is not None and Path(found).absolute() == installed.absolute() else _here(installed)


def _here(path: Path) -> str:
    """Return a path as it is written from the current folder."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _log_path(company: SampleCompany) -> Path:
    return company.folder / "var" / "serve.log"
