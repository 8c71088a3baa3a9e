"""`rightful token`."""

import click

from rightful.cli.connection import choose_tenant, mint, parse_lifetime, tenant_option
from rightful.cli.invocation import current, global_options
from rightful.cli.output import emit, emit_json
from rightful.identity.model import CallerKind
from rightful.identity.permissions import USER_EXPORT
from rightful.ids import is_guid


@click.command()
@click.option("--app", "is_app", is_flag=True, help="An application's token (the default).")
@click.option("--delegated", "is_delegated", is_flag=True, help="A person's token.")
@click.option("--permission", "permissions", multiple=True, metavar="NAME", help=f"May be repeated [default: {USER_EXPORT}].")
@click.option(
    "--role", "roles", multiple=True, metavar="ROLE", help="company_admin, global_reader or a role's template id; may be repeated."
)
@click.option(
    "--person", metavar="ID", default="", help="Whose token it is, by object id [default: one and the same person]; with --delegated."
)
@click.option("--lifetime", metavar="DURATION", default="1h", show_default=True, help="90s, 15m, 1h; at most 24h.")
@tenant_option
@global_options
def command(
    *,
    is_app: bool,
    is_delegated: bool,
    permissions: tuple[str, ...],
    roles: tuple[str, ...],
    person: str,
    lifetime: str,
    tenant: str | None,
) -> None:
    """Make a token of the built-in issuer.

    Prints it on stdout. For trying things out: the tenant's configuration says `issuer: local`, and the service listens on loopback.
    Whoever has the token may do what it says until it ends; keep it out of logs and shell histories.
    """
    if is_app and is_delegated:
        raise click.UsageError("--app and --delegated are two kinds of tokens: give one of them.")
    if roles and not is_delegated:
        raise click.UsageError("--role goes with --delegated: an application has no directory roles.")
    if person and not is_delegated:
        raise click.UsageError("--person goes with --delegated.")
    if person and not is_guid(person):
        raise click.BadParameter("is not a GUID", param_hint="'--person'")
    duration = parse_lifetime(lifetime)
    config = current().config
    token = mint(
        config,
        choose_tenant(config, tenant),
        kind=CallerKind.DELEGATED if is_delegated else CallerKind.APPLICATION,
        permissions=permissions or (USER_EXPORT,),
        roles=roles,
        lifetime=duration,
        object_id=person,
    )
    if current().as_json:
        emit_json({"token": token, "expires_in": int(duration.total_seconds())})
    else:
        emit(token)
