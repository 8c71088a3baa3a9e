"""The command `rightful`: finds the module of a command when it is called, and turns every end into an exit code.

Commands are imported one at a time, so that `rightful --help` loads click and nothing else.
"""

import importlib
import io
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import click

from rightful import __version__
from rightful.cli.exits import Exit
from rightful.cli.invocation import Invocation, global_options
from rightful.cli.output import emit, emit_json, say, show_error
from rightful.errors import ExportError
from rightful.redaction import redact

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo", "Do the main job on a sample company, start to verified package."),
    "init": ("init", "Write a commented rightful.yaml, and the keys that it names."),
    "serve": ("serve", "Run the service."),
    "worker": ("worker", "Work for a service on another machine (`engine: dask`)."),
    "source": ("source", "Add a source, try one out, and see what has changed in the systems."),
    "connectors": ("connectors", "List the connectors that are installed, and what each needs."),
    "preview": ("preview", "Show what an export would find, without reading it."),
    "export": ("export", "Export a person's data and follow it until it is done."),
    "requests": ("requests", "List, show, watch, cancel, resume, extend, approve, reject and forget exports."),
    "verify": ("verify", "Check a package: what is missing, extra or changed."),
    "diff": ("diff", "Show what is new, changed and gone, of a package and the difference to it."),
    "unseal": ("unseal", "Open a sealed package, and check what is in it."),
    "keys": ("keys", "Show the public keys of the tenants' receipts."),
    "store": ("store", "Check, back up, restore, move and purge the store."),
    "audit": ("audit", "Check and export the record of who did what with whose data."),
    "token": ("token", "Make a token of the built-in issuer."),
    "dev-cert": ("dev_cert", "Make a certificate for localhost."),
    "rotate-seal-key": ("rotate_seal_key", "Replace the key that seals secrets in the store by a new one."),
    "doctor": ("doctor", "Check the configuration and everything it names."),
}
"""Each command's module in this package, and its help in one line (a test compares it with the command's own)."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of a newcomer's day."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command's module."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"rightful.cli.{COMMANDS[cmd_name][0]}")
        return cast("click.Command", module.command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_text) for name, (_, help_text) in COMMANDS.items()])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command where there is none of this name."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from rightful.spelling import did_you_mean  # noqa: PLC0415 - needed for typing mistakes only

            ctx.fail(f"There is no command {args[0]!r}. {did_you_mean(args[0], COMMANDS).capitalize()}".rstrip())
        return super().resolve_command(ctx, args)


def _show_version(context: click.Context, _option: click.Parameter, is_asked: bool) -> None:  # noqa: FBT001 - click's signature
    """Show the version; with `--json` those of Python and the libraries too."""
    if not is_asked or context.resilient_parsing:
        return
    invocation = context.find_object(Invocation)
    if invocation is not None and invocation.as_json:
        from rightful.versions import installed  # noqa: PLC0415 - looks through what is installed

        emit_json(installed())
    else:
        emit(f"rightful {__version__}")
    context.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@global_options
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show the version and exit.")
def command() -> None:
    """Answer data subject requests: find a person's data in every system, deliver a verified package.

    A first look: `rightful demo`. Your own systems: `rightful init`, then `rightful doctor`, then `rightful serve`.

    Exit codes: 0 ok, 1 failed, 2 usage, 3 incomplete, 130 interrupted.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    invocation = Invocation()
    invocation.as_json = "--json" in given  # for errors that come before the options are read
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a name must not end a command
    try:
        ended = command.main(given, prog_name="rightful", standalone_mode=False, obj=invocation)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the outermost edge: every error is told alike, without its secrets
        return _exit_code(error, invocation)
    return Exit(ended) if isinstance(ended, int) else Exit.OK


def _exit_code(error: BaseException, invocation: Invocation) -> int:
    match error:
        case KeyboardInterrupt() | click.Abort():
            return Exit.INTERRUPTED
        case click.UsageError():
            _show_usage(error, as_json=invocation.as_json)
            return Exit.USAGE
        case BrokenPipeError():
            # Whoever read our output has stopped (`| head`); keep Python from complaining when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        case ExportError():
            show_error(error, as_json=invocation.as_json)
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            hint = "check the path, its permissions and the space that is left"
            refused = ExportError(f"{where}{error.strerror or error}", code="SystemRefused", hint=hint)
            show_error(refused, as_json=invocation.as_json)
        case _:
            show_error(_fault(error, invocation), as_json=invocation.as_json)
    return Exit.FAILED


def _show_usage(error: click.UsageError, *, as_json: bool) -> None:
    if as_json:
        show_error(ExportError(error.format_message(), code="UsageInvalid", hint="see --help"), as_json=True)
        return
    name = error.ctx.command_path if error.ctx is not None else "rightful"
    say(f"error: {error.format_message()}\nwhat to do: see `{name} --help`")


def _fault(error: BaseException, invocation: Invocation) -> ExportError:
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
    if invocation.environ.get("RIGHTFUL_LOG_LEVEL", "").lower() == "debug":
        say(redact("".join(traceback.format_exception(error))))
    hint = "this is a fault of Rightful: report it, with what RIGHTFUL_LOG_LEVEL=debug shows"
    return ExportError(f"unexpected {type(error).__name__} at {where}", code="InternalError", hint=hint)
