"""`rightful store purge`: erases what was kept long enough, or says what that would be."""

from datetime import datetime
from typing import TYPE_CHECKING

import click

from rightful.cli.invocation import current, global_options
from rightful.cli.output import emit_json, emit_table, say
from rightful.errors import ConfigurationError
from rightful.ids import TenantId

if TYPE_CHECKING:
    from rightful.config.model import Config, TenantConfig
    from rightful.export.retaining import Purge
    from rightful.store.place import Place, StoreReader
    from rightful.store.values import Purgeable, PurgeKind

SERVICE = "service"
"""How what belongs to no tenant is called here."""


@click.command("purge")
@click.option(
    "--tenant", default="", metavar="ID|NAME", help=f"Only of this tenant, by name or id; `{SERVICE}` is the audit chain of no tenant."
)
@click.option("--dry-run", is_flag=True, help="Say what would be purged, and change nothing; the service may run meanwhile.")
@click.option("--trust-clock", is_flag=True, help="Also where the clock is more than 31 days ahead of what was done last in the store.")
@click.option("--shrink", is_flag=True, help="Give the space back to the disk afterwards: the store is written anew, beside itself.")
@global_options
def command(*, tenant: str, dry_run: bool, trust_clock: bool, shrink: bool) -> None:
    """Erase what was kept as long as `retention` says. A service that runs does so by itself, each day; for this it must be stopped.

    Operations that ended, receipts of such that are gone, and audit records, whose chain begins later then, by a signed start. What has not
    ended, what an open operation is compared with, and what failed and may have to be answered still is kept. Each purge is recorded.
    """
    from rightful.store.place import place_of  # noqa: PLC0415 - heavy; `--help` must not wait for it

    invocation = current()
    config = invocation.config
    place = place_of(config.store, config.store_path)
    meant = _meant(config, tenant)
    if dry_run:
        with place.open_audit() as trail:
            found = [(name, each) for name, tenant_id in meant for each in _look(trail, config, tenant_id)]
        _show_found(found)
        return
    purged = _purge(config, place, meant, is_trusted=trust_clock, is_shrunk=shrink)
    if invocation.as_json:
        emit_json({"purged": [{"tenant": name, **numbers} for name, numbers in purged.items()]})
        return
    rows = [(name, kind, str(number)) for name, numbers in purged.items() for kind, number in numbers.items()]
    emit_table(("tenant", "what", "purged"), rows)


def _meant(config: "Config", wanted: str) -> list[tuple[str, TenantId]]:
    """Return the names and ids of what is to be looked at."""
    from rightful.audit.record import SERVICE_CHAIN  # noqa: PLC0415 - heavy

    found = [*((tenant.name, tenant.id) for tenant in config.tenants), (SERVICE, SERVICE_CHAIN)]
    asked = wanted.casefold()
    meant = [(name, id_) for name, id_ in found if not asked or asked in {name.casefold(), id_ or SERVICE}]
    if not meant:
        raise click.BadParameter("there is no such tenant; write its id or name", param_hint="'--tenant'")
    return meant


def _days(config: "Config", tenant_id: TenantId) -> int:
    """Return how long audit records of a tenant are kept."""
    from rightful.export.retaining import service_days  # noqa: PLC0415 - heavy

    found = config.tenant(tenant_id)
    return service_days(config.tenants) if found is None else found.retention.audit_days


def _look(trail: "StoreReader", config: "Config", tenant_id: TenantId) -> "list[Purgeable]":
    """Return what of a tenant's would be purged now."""
    from rightful.clock import SystemClock  # noqa: PLC0415 - likewise
    from rightful.export.checkpointing import checkpoint_key  # noqa: PLC0415 - likewise
    from rightful.export.retaining import limits, purgeable_records  # noqa: PLC0415 - likewise

    trusted = frozenset({checkpoint_key(config).public, *config.audit.earlier_keys})
    now = SystemClock().now()
    tenant = config.tenant(tenant_id)
    found = [] if tenant is None else list(trail.purgeable(limits(tenant, now)))
    return [*found, purgeable_records(trail, tenant_id, _days(config, tenant_id), trusted, now)]


def _show_found(found: "list[tuple[str, Purgeable]]") -> None:
    def moment(at: datetime | None) -> str:
        return "" if at is None else f"{at:%Y-%m-%dT%H:%M:%SZ}"

    if current().as_json:
        listed = [
            {"tenant": name, "kind": each.kind.value, "number": each.number, "oldest": moment(each.oldest), "newest": moment(each.newest)}
            for name, each in found
        ]
        emit_json({"purgeable": listed})
        return
    rows = [(name, each.kind.value, str(each.number), moment(each.oldest), moment(each.newest)) for name, each in found]
    emit_table(("tenant", "what", "would be purged", "oldest", "newest"), rows)
    if not sum(each.number for _, each in found):
        say("nothing was kept long enough")


def _purge(
    config: "Config", place: "Place", meant: list[tuple[str, TenantId]], *, is_trusted: bool, is_shrunk: bool
) -> dict[str, dict[str, int]]:
    from rightful.clock import SystemClock  # noqa: PLC0415 - likewise
    from rightful.export import rotation  # noqa: PLC0415 - likewise
    from rightful.export.checkpointing import checkpoint_key  # noqa: PLC0415 - likewise
    from rightful.export.operator import operator  # noqa: PLC0415 - likewise
    from rightful.export.retaining import Purge, is_doubtful, last_known  # noqa: PLC0415 - likewise
    from rightful.store.sql_store import SqlStore  # noqa: PLC0415 - likewise
    from rightful.store.values import PurgeKind  # noqa: PLC0415 - likewise

    with place.open_audit():  # raises where there is none
        pass
    with place.kept_free() as is_free:
        if not is_free:
            hint = "it purges by itself, once a day; to do it now, stop it first. `--dry-run` says what there is"
            raise ConfigurationError("a service works on the store", hint=hint)
    clock, opened = SystemClock(), place.open()
    store = SqlStore(opened, clock)
    try:
        rotation.check_settled(config)
        purge = Purge(store, checkpoint_key(config), clock, earlier_keys=config.audit.earlier_keys, by=operator())
        purged: dict[str, dict[str, int]] = {}
        for name, tenant_id in meant:
            known = last_known(store.retention(tenant_id), store.last_chain_checkpoint(tenant_id))
            if known is not None and is_doubtful(known, clock.now()) and not is_trusted:
                raise ConfigurationError(
                    f"the clock says {clock.now():%Y-%m-%d}, and what was done last in the store, for {name}, was at {known:%Y-%m-%d}",
                    code="ClockDoubtful",
                    hint="where the clock is right, since no service ran meanwhile, give --trust-clock: what is purged by mistake is lost",
                )
            purged[name] = _purge_one(purge, config.tenant(tenant_id), _days(config, tenant_id), PurgeKind.AUDIT_RECORDS)
        if is_shrunk:
            opened.rewrite()
    finally:
        store.close()
    return purged


def _purge_one(purge: "Purge", tenant: "TenantConfig | None", days: int, records: "PurgeKind") -> dict[str, int]:
    if tenant is None:
        return {records.value: purge.chain(TenantId(""), days)}
    return {kind.value: number for kind, number in purge.tenant(tenant).items()}
