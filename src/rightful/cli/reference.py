"""The reference page of the command line, taken from the commands themselves."""

import inspect
from collections.abc import Iterator

import click

from rightful.cli.application import COMMANDS, command

_HEAD = """\
# Command line

<!-- Generated from the commands' help by `python docs/generate.py`; a test compares. -->

Data goes to stdout, talk to stderr. With `--json` data is one JSON document on stdout, and an error one line of JSON on stderr:
`{"error": {"code": …, "message": …, "hint": …}}`; [error-codes.md](error-codes.md) lists the codes. `--config` and `--json` may stand
before or after the command's name.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | it was tried and failed; for `verify`: the package is damaged; for `doctor`: something is wrong |
| 2 | the command was not understood; nothing was done |
| 3 | for `verify`: the package is not finished |
| 130 | Ctrl-C; what runs in the service goes on |

| variable | meaning |
|---|---|
| `RIGHTFUL_CONFIG` | the configuration, where `--config` is not given |
| `RIGHTFUL_TOKEN` | the token, where `--token-file` is not given |
| `RIGHTFUL_LOG_LEVEL` | `debug`, `info` (default), `warning`, `error`, `critical`: the level of every logger, libraries' too |
| `RIGHTFUL_LOG_FORMAT` | `json` or `console`; left out: console on a terminal, else JSON |
| `SSL_CERT_FILE` | authorities to trust besides the certificate in `server.tls.cert` |
"""


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield (full name, command) of every command, a group before what is in it."""
    context = click.Context(command, info_name="rightful")
    yield "rightful", command
    for name in COMMANDS:
        found = command.get_command(context, name)
        if found is None:
            continue
        yield f"rightful {name}", found
        if isinstance(found, click.Group):
            yield from ((f"rightful {name} {inner}", below) for inner, below in found.commands.items())


def format_page() -> str:
    """Return docs/reference/cli.md."""
    return "\n".join([_HEAD, *(_section(name, found) for name, found in commands())])


def _section(name: str, found: click.Command) -> str:
    arguments = [parameter for parameter in found.params if isinstance(parameter, click.Argument)]
    shown = " ".join(_argument(argument) for argument in arguments)
    usage = f"    {name} {'COMMAND' if isinstance(found, click.Group) else '[OPTIONS]'} {shown}".rstrip()
    parts = [f"## `{name}`", "", usage, "", inspect.cleandoc(found.help or ""), ""]
    options = [parameter for parameter in found.params if isinstance(parameter, click.Option)]
    if options:
        parts += ["| option | meaning |", "|---|---|", *(_option(option) for option in options), ""]
    return "\n".join(parts)


def _argument(argument: click.Argument) -> str:
    name = argument.make_metavar(click.Context(command)).strip("[]")
    return name if argument.required else f"[{name}]"


def _option(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in option.opts)
    takes = "" if option.is_flag else f" {option.make_metavar(click.Context(command))}"
    default = f" Default: {option.default}." if option.show_default else ""
    cells = (f"{names}{takes}", f"{option.help or ''}{' Required.' if option.required else ''}{default}")
    return "| " + " | ".join(cell.replace("|", chr(92) + "|") for cell in cells) + " |"
