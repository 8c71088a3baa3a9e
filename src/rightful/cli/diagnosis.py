"""The checks of `rightful doctor`: each looks at one thing that the configuration names, and changes nothing."""

import os
import sqlite3
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

import msgspec

from rightful.audit.checkpoint import decode, is_signed
from rightful.cli import cluster_check, machine_checks
from rightful.cli.machine_checks import Found, refuse, writable
from rightful.config.local_paths import urls_in
from rightful.config.model import Config, SourceConfig, TenantConfig
from rightful.connectors.interface import Advising, Doubting, Entitled
from rightful.directory.interface import FindsAmbiguity
from rightful.errors import ExportError, SourceError
from rightful.export.checkpointing import checkpoint_key
from rightful.export.preview import check_redaction, header_of
from rightful.export.runtime import build_connector, build_directory
from rightful.export.webhooks import reach
from rightful.package.label import unstated
from rightful.redaction import redact
from rightful.sources import drift
from rightful.storage.location import AccountLocation
from rightful.storage.object_account import is_object_url
from rightful.storage.registry import account_folder, open_bucket
from rightful.store import queries, sqlite_moved, sqlite_state
from rightful.store.place import Shared, place_of

_LOCK_WAIT_S = 3.0
_SIDE_BY_SIDE = 8
_CERTIFICATE = "-----BEGIN CERTIFICATE-----"
_PURGED_EACH = timedelta(days=2)
"""A service purges each day; it may be busy, or stopped for a while."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """What one check found."""

    name: str
    ok: bool
    detail: str
    hint: str = ""
    """What to do, where it is not."""
    advice: str = ""
    """What would be better, where it is."""


Outcome = Callable[[], str | Found]
"""Does a check; returns what it found in a few words, raises `ExportError` or `OSError`."""


def examine(config: Config, now: datetime) -> Iterator[Check]:
    """Yield every check's outcome, in a fixed order. Sources are asked side by side."""
    checks: list[tuple[str, Outcome]] = [
        ("seal key", lambda: machine_checks.seal_key(config, now)),
        ("store", lambda: _store(config)),
        ("scratch", lambda: machine_checks.scratch(config, Path(tempfile.gettempdir()))),
        ("audit trail", lambda: _audit(config)),
        ("retention", lambda: _retention(config, now)),
        ("clock", lambda: machine_checks.clock(config, now)),
        ("versions", machine_checks.installed),
    ]
    if config.engine == "dask":
        checks.append(("certificate of the cluster", lambda: machine_checks.cluster_certificate(config.folder, config.dask, now)))
        checks.append(("workers", lambda: cluster_check.workers(config)))
    if config.server.traces:
        checks.append(("traces", lambda: machine_checks.traces(config.server.traces)))
    if config.server.tls is not None:
        tls = config.server.tls
        checks.append(("tls", lambda: machine_checks.tls(config.folder, tls, config.server.base_url, now)))
    for tenant in config.tenants:
        checks += _tenant_checks(config, tenant, now)
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        yield from pool.map(lambda check: _do(*check), checks)


def _do(name: str, outcome: Outcome) -> Check:
    try:
        found = outcome()
        if isinstance(found, str):
            return Check(name=name, ok=True, detail=found)
        return Check(name=name, ok=True, detail=found.detail, advice=found.advice)
    except ExportError as error:
        return Check(name=name, ok=False, detail=redact(error.message), hint=redact(error.hint))
    except OSError as error:
        return Check(name=name, ok=False, detail=error.strerror or type(error).__name__, hint="check the path and its permissions")
    except Exception as error:  # noqa: BLE001 - one check's fault, a third party's perhaps, must not hide what the others found
        return Check(name=name, ok=False, detail=f"unexpected {type(error).__name__}", hint="report it to who makes the connector")


def _tenant_checks(config: Config, tenant: TenantConfig, now: datetime) -> Iterator[tuple[str, Outcome]]:
    for settings in tenant.identity.issuers:
        if settings.issuer != "local":
            yield f"{tenant.name}: issuer {settings.issuer}", lambda settings=settings: machine_checks.issuer(settings)  # type: ignore[misc]  # bound now
    yield f"{tenant.name}: directory", lambda: _directory(config, tenant)
    for source in tenant.sources:
        yield f"{tenant.name}: source {source.name}", lambda source=source: _source(config, tenant, source)  # type: ignore[misc]  # bound now
    named = [("directory", tenant.directory.settings), *((f"source {source.name}", source.settings) for source in tenant.sources)]
    for what, given in named:
        for pem in _client_certificates(given):
            yield f"{tenant.name}: certificate of {what}", lambda pem=pem: machine_checks.client_certificate(pem, now)  # type: ignore[misc]  # bound now
    yield f"{tenant.name}: statement", lambda: _statement(tenant)
    for webhook in tenant.webhooks:
        yield f"{tenant.name}: webhook", lambda webhook=webhook: reach(webhook)  # type: ignore[misc]  # bound now
    for name, account in tenant.storage.accounts.items():
        location = AccountLocation(name=name, url=account.url, access=account.access)
        yield f"{tenant.name}: account {name}", lambda location=location: _account(location)  # type: ignore[misc]  # bound now


def _client_certificates(settings: msgspec.Struct) -> Iterator[str]:
    """Yield what a connector proves itself by, in PEM; settings call it `certificate`."""
    for name, value in msgspec.structs.asdict(settings).items():
        if isinstance(value, msgspec.Struct):
            yield from _client_certificates(value)
        elif name == "certificate" and isinstance(value, str) and _CERTIFICATE in value:
            yield value


def _account(location: AccountLocation) -> str:
    if not is_object_url(location.url):
        return writable(account_folder(location))
    with closing(open_bucket(location)) as bucket:
        machine_checks.compare(bucket.check(), "the store")
    return "takes entries, replaces none, and gives them back"


def _directory(config: Config, tenant: TenantConfig) -> str:
    with closing(build_directory(tenant, config.folder)) as directory, _placed(tenant.directory.settings):
        directory.check()
        shared = directory.ambiguous_names() if isinstance(directory, FindsAmbiguity) else 0
    if shared:
        what = "name belongs to several people: they" if shared == 1 else "names belong to several people each: these"
        raise refuse(f"{shared} user principal {what} cannot be exported", "give each person a name of their own, letter case apart")
    return f"{tenant.directory.connector} answers"


def _source(config: Config, tenant: TenantConfig, source: SourceConfig) -> Found:
    with closing(build_connector(tenant, source, config.folder)) as connector, _placed(source.settings):
        connector.check()
        check_redaction(source, connector)
        advice = connector.advice() if isinstance(connector, Advising) else ()
        doubts = connector.doubts() if isinstance(connector, Doubting) else ()
        excess = connector.excess() if isinstance(connector, Entitled) else ()
        recorded = drift.load(config.folder).columns.get(tenant.id, {}).get(source.name)
        columns = () if recorded is None else tuple(column.name for column in header_of(connector).columns)
    slow = f", slowly: all rows are looked at, until there is an index ({'; '.join(advice)})" if advice else ""
    doubtful = f"; but {'; '.join(doubts)}" if doubts else ""
    better = [f"the account may also {', '.join(excess)}: reading needs no more than the right to read"] if excess else []
    better += [f"{root} can be written by this account: reading needs no more than the right to read" for root in _writable_roots(source)]
    better += _drifted(drift.changed_columns(source.name, recorded, columns)) if recorded is not None else []
    return Found(f"{source.connector} can be read{slow}{doubtful}", "; ".join(better))


def _writable_roots(source: SourceConfig) -> Iterator[str]:
    """Yield the local folders that a source reads and this process could write to."""
    for url in urls_in(msgspec.to_builtins(source.settings)):
        path = unquote(url.removeprefix("file://")).partition("*")[0]
        if url.startswith("file://") and os.access(path, os.W_OK):
            yield path


def _drifted(found: Sequence[drift.Drift]) -> list[str]:
    """Say which columns are new or gone since `rightful source list --record`."""
    said = [f"{'new' if each.is_new else 'gone'}: {', '.join(each.names)}" for each in found]
    what_to_do = "see to `exclude`, `redact` and `label`, then `rightful source list --record`"
    return [f"columns are not what they were ({'; '.join(said)}): {what_to_do}"] if said else []


def _statement(tenant: TenantConfig) -> str:
    """Say what the statement in packages leaves open; packages are delivered all the same."""
    missing = [f"statement.{name}" for name in tenant.statement.unstated]
    lacking: dict[tuple[str, ...], list[str]] = {}
    for source in tenant.sources:
        lacking.setdefault(unstated(tenant.label(source), source.unexplained), []).append(source.name)
    missing += [f"{', '.join(f'label.{name}' for name in names)} of {', '.join(of)}" for names, of in lacking.items() if names]
    return f"leaves open what is not in the configuration: {'; '.join(missing)}" if missing else "says all that it has to"


@contextmanager
def _placed(settings: msgspec.Struct) -> Iterator[None]:
    """Tell the operator at which address the trouble is: messages name the source alone, since callers read them too."""
    try:
        yield
    except SourceError as error:
        address = " or ".join(dict.fromkeys(filter(None, map(_address, urls_in(msgspec.to_builtins(settings))))))
        hint = f"{error.hint} ({address})" if error.hint and address else error.hint or address
        raise ExportError(error.message, code=error.code, hint=hint) from error


def _address(url: str) -> str:
    """Return what may be shown of a URL; empty where a password could be taken for a part of the rest."""
    if url.startswith(("file:", "sqlite:")):
        return url
    start, _, query = url.partition("?")
    scheme, _, rest = start.partition("://")
    account, _, place = rest.rpartition("@")
    is_plain = scheme in {"postgresql", "postgres", "mysql", "mariadb"} and not set("@/#") & set(account) and "@" not in query
    return f"{scheme}://{place}" if is_plain else ""


# -- this machine ---------------------------------------------------------------------------------------------------------
def _store(config: Config) -> str | Found:
    path = config.store_path
    free = writable(path.parent)
    place = place_of(config.store, path)
    if isinstance(place, Shared):
        return place.examine()
    if not sqlite_state.check_file(path):
        return free if free.endswith("made") else f"{free}, will be made"
    sqlite_moved.check(path)
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_LOCK_WAIT_S, isolation_level=None)
        ) as database:
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")
            known, is_at = len(queries.migrations()), int(database.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise refuse(f"{path} cannot be written", "give it to the user that runs the service") from error
        free, known, is_at = f"{free}, in use by a process that is running", 0, 0
    except sqlite3.DatabaseError as error:
        raise refuse(f"{path} is not a SQLite file", "restore it from a copy, or name another file in `store`") from error
    if os.name == "posix" and path.stat().st_mode & 0o077:  # made before stores were private
        raise refuse(f"{path} can be read by other users of this machine: it says whose data was asked for", f"chmod 600 {path}*")
    if is_at > known:
        raise refuse(
            f"the store was written by a newer version of Rightful (its schema is {is_at}, here {known} is known)",
            "install that version again; or restore a backup of this version's time, `rightful store restore FILE --replace`",
        )
    if is_at < known:
        return Found(
            f"{free}; its schema {is_at} becomes {known} at the next start", "`rightful store backup` first: older versions refuse it then"
        )
    return free


def _audit(config: Config) -> str:
    """Look at each chain's last checkpoint: the service signs none on whose last one is not its own."""
    place = place_of(config.store, config.store_path)
    trusted = {checkpoint_key(config).public, *config.audit.earlier_keys}
    try:
        if not isinstance(place, Shared) and not sqlite_state.check_file(config.store_path):
            return "none yet"
        with place.open_audit() as trail:
            chains = trail.tenants()
            last = [deque(trail.checkpoints(tenant_id), maxlen=1) for tenant_id in chains]
    except (ExportError, OSError):
        return "not looked at: see the store"
    try:
        signed = [decode(lines[0]) for lines in last if lines]
    except (msgspec.MsgspecError, UnicodeError):
        raise refuse("a checkpoint cannot be read", "run `rightful audit verify`") from None
    if strange := sorted({each.key[:64] for each in signed if not is_signed(each, trusted)}):
        raise refuse(
            f"it is not signed any more: its last checkpoints are signed by {', '.join(strange)}, which is not trusted here",
            "where audit.key or the seal key was replaced by you, name that key in audit.earlier_keys; else run `rightful audit verify`",
        )
    return f"{len(signed)} of {len(chains)} chains are signed, by keys that are trusted"


def _retention(config: Config, now: datetime) -> str | Found:
    """Look whether something is erased one day, and whether it is."""
    unset = [tenant.name for tenant in config.tenants if not (tenant.retention.operations_days and tenant.retention.audit_days)]
    better = [f"{', '.join(unset)}: nothing says how long operations and audit records are kept: set `retention`"] if unset else []
    place = place_of(config.store, config.store_path)
    try:
        if not isinstance(place, Shared) and not sqlite_state.check_file(config.store_path):
            return Found("no store yet", "; ".join(better))
        with place.open_audit() as trail:
            last = {tenant.name: trail.retention(tenant.id).purged_at for tenant in config.tenants if tenant.retention.is_set}
    except (ExportError, OSError):
        return Found("not looked at: see the store", "; ".join(better))
    late = [f"{name} ({at:%Y-%m-%d})" for name, at in last.items() if at is not None and now - at > _PURGED_EACH]
    if late:
        better.append(
            f"last purged more than two days ago: {', '.join(late)}: has the service run since? Its log says why it did not; or stop it,"
            " and run `rightful store purge`"
        )
    never = [name for name, at in last.items() if at is None]
    found = [f"purged as `retention` says: {', '.join(name for name in last if name not in never)}"] if len(never) < len(last) else []
    found += [f"not purged yet: {', '.join(never)}"] if never else []
    return Found("; ".join(found) or "everything is kept", "; ".join(better))
