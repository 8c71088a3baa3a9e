"""`rightful store`: looks after the store. Backups are made while the service runs; it is restored while none does."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rightful.cli.exits import Exit
from rightful.cli.invocation import current, global_options
from rightful.cli.output import emit, emit_json, format_bytes, say
from rightful.cli.purge import command as purge
from rightful.errors import ConfigurationError
from rightful.redaction import printable

if TYPE_CHECKING:
    from rightful.config.model import Config
    from rightful.store.values import StoreCheck

_LONGEST_URL = 4096
_KEYS = ("seal.key", "audit.key", "receipt.key")


@click.group()
@global_options
def command() -> None:
    """Check, back up, restore, move and purge the store."""


command.add_command(purge)


def _path(config: "Config") -> Path:
    """Return the store's file."""
    if not config.store.startswith("sqlite:"):
        raise ConfigurationError("the store is no SQLite file", hint="look after it by the database's own tools (pg_dump, pg_restore)")
    return config.store_path


@command.command("check")
@global_options
def check(*_: object) -> int:
    """Check the store: its file or database, its schema, what has to agree in it, leases, and the audit chains.

    Changes nothing; the service may run meanwhile. Exits with 1 where something is wrong; each problem says what to do.
    """
    from rightful.store.place import Shared, place_of  # noqa: PLC0415 - heavy; `--help` must not wait for it
    from rightful.store.sqlite_examining import examine  # noqa: PLC0415 - likewise
    from rightful.store.values import StoreCheck  # noqa: PLC0415 - likewise

    invocation = current()
    config = invocation.config
    checks: list[StoreCheck] = []

    def add(found: StoreCheck) -> None:
        checks.append(found)
        if not invocation.as_json:
            emit(printable(f"{'ok     ' if found.ok else 'PROBLEM'}  {found.name}: {found.detail}"))
            if found.hint and not found.ok:
                emit(printable(f"         what to do: {found.hint}"))

    place = place_of(config.store, config.store_path)
    for each in place.look() if isinstance(place, Shared) else examine(_path(config)):
        add(each)
    if all(each.ok for each in checks):
        for each in _chains(config):
            add(each)
    problems = sum(not each.ok for each in checks)
    if invocation.as_json:
        listed = [{"name": each.name, "ok": each.ok, "detail": each.detail, "hint": each.hint} for each in checks]
        emit_json({"ok": not problems, "checks": listed})
    else:
        say("the store is in order" if not problems else f"{problems} {'problem' if problems == 1 else 'problems'}")
    return Exit.FAILED if problems else Exit.OK


def _chains(config: "Config") -> "list[StoreCheck]":
    from rightful.cli.audit import SERVICE, check_chain, trusted_keys  # noqa: PLC0415 - likewise
    from rightful.store.place import place_of  # noqa: PLC0415 - likewise
    from rightful.store.values import StoreCheck  # noqa: PLC0415 - likewise

    with place_of(config.store, config.store_path).open_audit() as trail:
        reports = [check_chain(trail, tenant_id, (), trusted_keys(config)) for tenant_id in trail.tenants()]
    return [
        StoreCheck(
            name=f"audit chain of {report.tenant_id or SERVICE}",
            ok=not report.findings,
            detail=f"{report.records} records, {len(report.findings)} findings",
            hint="`rightful audit verify` names them" if report.findings else "",
        )
        for report in reports
    ]


@command.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@global_options
def backup(file: Path) -> None:
    """Copy the store, as it is at one moment, into a new FILE. The service may run meanwhile.

    The copy says whose data was asked for, and holds what the seal key opens: keep it as safe as the store. The keys and the configuration
    are not in it; without the seal key it is of little use, so keep copies of them too, elsewhere.
    """
    from rightful.audit.record import Action  # noqa: PLC0415 - heavy; `--help` must not wait for it
    from rightful.clock import SystemClock  # noqa: PLC0415 - likewise
    from rightful.export.operator import record_store  # noqa: PLC0415 - likewise
    from rightful.store import sqlite_copying  # noqa: PLC0415 - likewise

    invocation = current()
    config = invocation.config
    copied = sqlite_copying.backup(_path(config), file)
    record_store(config, Action.BACKUP_STORE, SystemClock())
    beside = _not_in_it(config)
    if invocation.as_json:
        emit_json(
            {
                "file": str(file),
                "bytes": copied.size_bytes,
                "schema": copied.schema,
                "operations": copied.operations,
                "openOperations": copied.open_operations,
                "auditRecords": copied.records,
                "notInIt": [str(path) for path in beside],
            }
        )
        return
    emit(str(file))
    say(
        f"{format_bytes(copied.size_bytes)}: {copied.operations} operations, {copied.open_operations} of them not ended,"
        f" {copied.records} audit records"
    )
    say(f"not in it, to be kept elsewhere: {', '.join(map(str, beside))}")


def _not_in_it(config: "Config") -> list[Path]:
    """Return what a restored store needs besides."""
    from rightful.store.fingerprint_folder import FingerprintFolder  # noqa: PLC0415 - heavy

    keys = [config.folder / name for name in _KEYS if (config.folder / name).exists()]
    if config.seal_key_path is not None and config.seal_key_path not in keys:
        keys.append(config.seal_key_path)
    fingerprints = FingerprintFolder(config.store_path).path
    found = [current().path, *keys]
    return [*found, fingerprints] if fingerprints.is_dir() else found


@command.command("migrate")
@click.option("--to", "url", metavar="URL", required=True, help="postgresql://USER@HOST/DATABASE; `-` reads it from stdin.")
@global_options
def migrate(url: str) -> None:
    """Copy the store into an empty PostgreSQL database. The service must be stopped.

    Every row is copied in one transaction and compared before that is committed. The SQLite file is left as it is; a note beside it keeps
    services from going on with both. Other users of this machine see a password in URL: give URL by stdin, or the password by PGPASSWORD or
    libpq's own files.
    """
    from rightful.audit.record import OK, SERVICE_CHAIN, Action, Target, record  # noqa: PLC0415 - heavy; `--help` must not wait for it
    from rightful.clock import SystemClock, to_microseconds  # noqa: PLC0415 - likewise
    from rightful.export import rotation  # noqa: PLC0415 - likewise
    from rightful.export.operator import operator  # noqa: PLC0415 - likewise
    from rightful.store.place import not_installed  # noqa: PLC0415 - likewise

    try:
        from rightful.store.moving import move  # noqa: PLC0415 - likewise, and an extra
    except ImportError as error:
        raise not_installed(error) from None
    invocation = current()
    config = invocation.config
    path = _path(config)
    rotation.check_settled(config)
    to = sys.stdin.readline(_LONGEST_URL).strip() if url == "-" else url
    made = record(
        operator(),
        tenant_id=SERVICE_CHAIN,
        time_us=to_microseconds(SystemClock().now()),
        action=Action.MIGRATE_STORE,
        outcome=OK,
        target=Target.SERVICE,
    )
    moved = move(path, to, config.path_beside_a_database, made)
    if invocation.as_json:
        emit_json({"to": moved.place, "rows": moved.rows, "openOperations": moved.open_operations, "fingerprintFiles": moved.fingerprints})
        return
    emit(moved.place)
    say(
        f"{moved.rows['operation']} operations, {moved.open_operations} of them not ended, and {moved.rows['audit']} audit records are in"
        f" {moved.place}, compared row by row"
    )
    say("next: let `store` in the configuration name that database, and start the service; it goes on with what has not ended")
    say(f"{path} is as it was, and no service starts on it. Remove it when you no longer need it: it says whose data was asked for")


@command.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--replace", is_flag=True, help="Also where there is a store: it is kept aside, under another name.")
@global_options
def restore(file: Path, *, replace: bool) -> None:
    """Put a backup in the place of the store. The service must be stopped.

    What had not ended when the backup was made may have gone on since, and must not be done twice: it is ended, as failed with the code
    storeRestored, and its signature is erased. Look into its storage location, then resume it or submit it again. The audit trail goes back
    to the backup, too; what was recorded since is in the store that is kept aside.
    """
    from rightful.export.operator import operator  # noqa: PLC0415 - heavy; `--help` must not wait for it
    from rightful.store import sqlite_copying  # noqa: PLC0415 - likewise

    invocation = current()
    config = invocation.config
    path = _path(config)
    if file.exists() and path.exists() and file.samefile(path):
        raise ConfigurationError(f"{file} is the store itself", hint="name a file of `rightful store backup`")
    restored = sqlite_copying.restore(path, file, now=datetime.now(UTC), by=operator(), is_replacing=replace)
    if invocation.as_json:
        emit_json(
            {
                "store": str(config.store_path),
                "ended": list(restored.ended),
                "dropped": restored.dropped,
                "keptAside": None if restored.aside is None else str(restored.aside),
            }
        )
        return
    for operation_id in restored.ended:
        emit(operation_id)
    say(f"{config.store_path} is what {file} holds; {len(restored.ended)} operations had not ended and are failed now (storeRestored)")
    if restored.dropped:
        say(f"{restored.dropped} requests that were not answered when the backup was made are dropped")
    if restored.aside is not None:
        say(f"the store that was there is kept as {restored.aside}, with the audit records since then, and perhaps signatures")
