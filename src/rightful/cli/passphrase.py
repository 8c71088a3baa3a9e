"""Where commands get a passphrase from: never from their arguments, which everybody on the machine can see."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from rightful.cli.invocation import current

Command = TypeVar("Command", bound=Callable[..., object])

ENVIRONMENT = "RIGHTFUL_PASSPHRASE"
_LARGEST = 4096


def passphrase_options(what: str) -> Callable[[Command], Command]:
    """Give a command the options `--passphrase` and `--passphrase-file`."""

    def decorate(command: Command) -> Command:
        command = click.option(
            "--passphrase-file", type=click.Path(path_type=Path, dir_okay=False), help=f"{what}: the first line of a file."
        )(command)
        return click.option("--passphrase", is_flag=True, help=f"{what}, which is asked for, or taken from {ENVIRONMENT}.")(command)

    return decorate


def read_passphrase(*, ask: bool, path: Path | None, confirm: bool = False) -> str | None:
    """Return the passphrase, None where neither option was given; raises `click.UsageError` where there is none to be had."""
    if path is not None:
        if ask:
            raise click.UsageError("Write --passphrase or --passphrase-file, not both.")
        with path.open(encoding="utf-8") as file:
            return _some(file.readline(_LARGEST).rstrip("\r\n"))
    if not ask:
        return None
    given = current().environ.get(ENVIRONMENT)
    return _some(click.prompt("passphrase", hide_input=True, confirmation_prompt=confirm, err=True) if given is None else given)


def _some(passphrase: str) -> str:
    if not passphrase:
        raise click.UsageError("The passphrase is empty.")
    return passphrase
