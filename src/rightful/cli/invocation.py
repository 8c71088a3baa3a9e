"""What every command knows of how it was called: the configuration's place, and whether JSON was asked for."""

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rightful.config.model import Config

F = TypeVar("F", bound=Callable[..., Any])

CONFIG_VARIABLE = "RIGHTFUL_CONFIG"
DEFAULT_CONFIG = "rightful.yaml"
_CONNECTION = ("server", "token_file", "tenant")


@dataclass
class Invocation:
    """One call of the command line."""

    as_json: bool = False
    config_path: Path | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    @property
    def path(self) -> Path:
        """The configuration file: `--config`, else RIGHTFUL_CONFIG, else `rightful.yaml` here."""
        return self.config_path or Path(self.environ.get(CONFIG_VARIABLE) or DEFAULT_CONFIG)

    @cached_property
    def config(self) -> "Config":
        """The configuration, read when it is first asked for; raises `ConfigurationError`."""
        from rightful.config.load import load  # noqa: PLC0415 - heavy; `--help` must not wait for it

        return load(self.path, self.environ)

    @property
    def known_config(self) -> "Config | None":
        """The configuration, where the command has needed it."""
        return self.__dict__.get("config")


def current() -> Invocation:
    """Return the running call."""
    return click.get_current_context().ensure_object(Invocation)


def again(what: str, operation_id: str) -> str:
    """Return the command that does something with an operation, for the service and with the token that this one was given."""
    given = click.get_current_context().params
    options = {"--config": current().config_path} | {f"--{name.replace('_', '-')}": given.get(name) for name in _CONNECTION}
    words = [word for option, value in options.items() if value is not None for word in (option, str(value))]
    return shlex.join(["rightful", "requests", what, operation_id, *words])


def _keep_config(context: click.Context, _: click.Parameter, value: Path | None) -> None:
    if value is not None:
        context.ensure_object(Invocation).config_path = value


def _keep_json(context: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's own signature
    if value:
        context.ensure_object(Invocation).as_json = True


def global_options(function: F) -> F:
    """Add `--config` and `--json`, which may stand before or after the command's name."""
    config = click.option(
        "--config",
        metavar="FILE",
        type=click.Path(path_type=Path),
        expose_value=False,
        callback=_keep_config,
        help=f"The configuration [default: ${CONFIG_VARIABLE}, else ./{DEFAULT_CONFIG}].",
    )
    as_json = click.option("--json", is_flag=True, expose_value=False, callback=_keep_json, help="Data and errors as JSON.")
    return config(as_json(function))
