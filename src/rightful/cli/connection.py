"""Which service a command talks to, and with which token."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from rightful.cli.client import Client, Renew
from rightful.cli.invocation import Invocation
from rightful.cli.output import say
from rightful.clock import Clock, SystemClock
from rightful.config.model import Config, TenantConfig
from rightful.config.scalar import did_you_mean
from rightful.errors import ConfigurationError
from rightful.identity import local_issuer
from rightful.identity.model import LOCAL_ISSUER, CallerKind
from rightful.identity.permissions import PROFILES_READ_WRITE, USER_EXPORT

F = TypeVar("F", bound=Callable[..., Any])

TOKEN_VARIABLE = "RIGHTFUL_TOKEN"  # noqa: S105 - a variable's name, no password
TOKEN_LIFETIME = timedelta(hours=1)
"""Of a token that a command makes for itself; it makes another when this one has ended."""
_LARGEST_TOKEN = 65_536
_LARGEST_LOCATION = 16_384
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what a service listens on, and where it is reached from here
_DURATION = re.compile(r"([0-9]{1,6})([smh]?)\Z")
_UNITS = {"": "seconds", "s": "seconds", "m": "minutes", "h": "hours"}


def connection_options(function: F) -> F:
    """Add `--server`, `--token-file` and `--tenant`."""
    server = click.option("--server", metavar="URL", help="The service [default: the configuration's].")
    token = click.option(
        "--token-file",
        type=click.Path(path_type=Path, allow_dash=True),
        metavar="FILE",
        help=f"A file with the token to use, - for stdin [default: ${TOKEN_VARIABLE}, else one of the built-in issuer].",
    )
    return server(token(tenant_option(function)))


def tenant_option(function: F) -> F:
    """Add `--tenant`."""
    return click.option("--tenant", metavar="ID|NAME", help="The tenant that this is for [default: the only one].")(function)


def choose_tenant(config: Config, wanted: str | None) -> TenantConfig:
    """Return a tenant by id or name, or the only one."""
    if wanted is None and len(config.tenants) == 1:
        return config.tenants[0]
    names = [tenant.name for tenant in config.tenants]
    if wanted is None:
        hint = f"say which with --tenant: {', '.join(names)}"
        raise ConfigurationError("the configuration has several tenants", code="TenantUnknown", hint=hint)
    found = [tenant for tenant in config.tenants if wanted.casefold() in {tenant.id, tenant.name.casefold()}]
    if not found:
        raise ConfigurationError("the configuration has no such tenant", code="TenantUnknown", hint=did_you_mean(wanted, names))
    return found[0]


def address_of(config: Config) -> str:
    """Return the address at which the configured service is reached: `base_url`, else where it listens."""
    server = config.server
    if server.base_url:
        return server.base_url
    if server.port == 0:
        hint = "give --server with the address that `rightful serve` has said"
        raise ConfigurationError(
            "the service listens on a free port, which the configuration does not know", code="ServerInvalid", hint=hint
        )
    host = _EVERYWHERE.get(server.host, server.host)
    return f"{'https' if server.tls else 'http'}://{f'[{host}]' if ':' in host else host}:{server.port}"


def mint(
    config: Config,
    tenant: TenantConfig,
    *,
    kind: CallerKind,
    permissions: tuple[str, ...],
    roles: tuple[str, ...],
    lifetime: timedelta,
    now: datetime | None = None,
    object_id: str = "",
) -> str:
    """Make a token of the built-in issuer, from now on; raises `ConfigurationError` where the tenant has none."""
    issuer = next((issuer for issuer in tenant.identity.issuers if issuer.issuer == LOCAL_ISSUER), None)
    if issuer is None:
        hint = f"get a token from your identity provider and give it by --token-file or {TOKEN_VARIABLE}"
        raise ConfigurationError(f"{tenant.name} has no built-in issuer (issuer: local)", code="IssuerMissing", hint=hint)
    return local_issuer.mint(
        folder=config.folder,
        tenant_id=tenant.id,
        audience=issuer.audience[0],
        kind=kind,
        permissions=permissions,
        roles=roles,
        lifetime_s=int(lifetime.total_seconds()),
        now=now or SystemClock().now(),
        object_id=object_id,
    )


def parse_lifetime(text: str) -> timedelta:
    """Read `90s`, `15m`, `1h` or a number of seconds."""
    match = _DURATION.match(text.strip())
    if match is None:
        raise click.BadParameter("write for instance 90s, 15m or 1h", param_hint="'--lifetime'")
    return timedelta(**{_UNITS[match.group(2)]: int(match.group(1))})


@contextmanager
def open_client(
    invocation: Invocation, *, server: str | None, token_file: Path | None, tenant: str | None, clock: Clock | None = None
) -> Iterator[Client]:
    """Yield a client for the configured or named service; the configuration is read only for what was not given.

    A token of the built-in issuer is made anew, and a token file read again, once the service refuses the one that was used: an export is
    followed for as long as it takes, days where its storage location is waited for.
    """
    clock = clock or SystemClock()
    token, renew = _given_token(invocation, token_file) or _own_token(invocation.config, tenant, clock)
    client = Client(
        server or address_of(invocation.config),
        token,
        renew=renew,
        certificates=_certificates(invocation, is_needed=server is None),
        clock=clock,
        on_wait=None if invocation.as_json else say,
    )
    try:
        yield client
    finally:
        client.close()


def _own_token(config: Config, tenant: str | None, clock: Clock) -> tuple[str, Renew]:
    chosen = choose_tenant(config, tenant)

    def make() -> str:
        permissions = (USER_EXPORT, PROFILES_READ_WRITE)
        return mint(
            config, chosen, kind=CallerKind.APPLICATION, permissions=permissions, roles=(), lifetime=TOKEN_LIFETIME, now=clock.now()
        )

    return make(), make


def _given_token(invocation: Invocation, token_file: Path | None) -> tuple[str, Renew | None] | None:
    """Return the token that was given, and how to get the next one: only a file can hold another one later."""
    if token_file is None:
        given = invocation.environ.get(TOKEN_VARIABLE, "").strip()
        return (given, None) if given else None
    if str(token_file) == "-":
        return sys.stdin.read(_LARGEST_TOKEN).strip(), None

    def read() -> str:
        with token_file.open(encoding="ascii", errors="replace") as file:
            return file.read(_LARGEST_TOKEN).strip()

    return read(), read


def _certificates(invocation: Invocation, *, is_needed: bool) -> Path | None:
    """Return the service's own certificate, where there is a configuration that names one."""
    if not is_needed and not invocation.path.exists():
        return None
    tls = invocation.config.server.tls
    path = invocation.config.folder / tls.cert if tls is not None else None
    return path if path is not None and path.exists() else None


def read_location(given: str) -> str:
    """Return a storage location as it was given, or the first line of stdin for `-`."""
    if given != "-":
        if "sig=" in given.lower():
            say("note: other users of this machine see the SAS in the list of processes; --to - reads it from stdin")
        return given
    location = sys.stdin.readline(_LARGEST_LOCATION).strip()
    if not location:
        raise ConfigurationError(
            "stdin has no storage location on its first line", code="StorageLocationInvalid", hint="pipe the SAS URL in"
        )
    return location
