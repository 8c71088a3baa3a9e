"""The checks of `rightful doctor`: each looks at one thing that the configuration names, and changes nothing."""

import os
import shutil
import sqlite3
import ssl
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509

import rightful
from rightful.config.model import Config, SourceConfig, TenantConfig, TlsSettings
from rightful.connectors.interface import Advising, Doubting
from rightful.directory.interface import FindsAmbiguity
from rightful.errors import ExportError, SourceError
from rightful.export import rotation
from rightful.export.preview import check_redaction
from rightful.export.runtime import build_connector, build_directory
from rightful.package.label import unstated
from rightful.redaction import redact
from rightful.storage.location import AccountLocation
from rightful.storage.object_account import is_object_url
from rightful.storage.registry import account_folder, open_bucket
from rightful.store import sqlite_state
from rightful.store.place import Shared, place_of

LEAST_FREE_BYTES = 1 << 30
RENEW_BEFORE = timedelta(days=14)
_SECRET_FILES = ("seal.key", "audit.key", "receipt.key", "issuer.pem")
_LOCK_WAIT_S = 3.0
_SIDE_BY_SIDE = 8


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """What one check found."""

    name: str
    ok: bool
    detail: str
    hint: str = ""


Outcome = Callable[[], str]
"""Does a check; returns what it found in a few words, raises `ExportError` or `OSError`."""


def examine(config: Config, now: datetime) -> Iterator[Check]:
    """Yield every check's outcome, in a fixed order. Sources are asked side by side."""
    checks: list[tuple[str, Outcome]] = [
        ("seal key", lambda: _seal_key(config)),
        ("store", lambda: _store(config)),
        ("clock", lambda: _clock(config, now)),
    ]
    if config.server.tls is not None:
        tls = config.server.tls
        checks.append(("tls", lambda: _tls(config.folder, tls, now)))
    for tenant in config.tenants:
        checks += _tenant_checks(config, tenant)
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        yield from pool.map(lambda check: _do(*check), checks)


def _do(name: str, outcome: Outcome) -> Check:
    try:
        return Check(name=name, ok=True, detail=outcome())
    except ExportError as error:
        return Check(name=name, ok=False, detail=redact(error.message), hint=redact(error.hint))
    except OSError as error:
        return Check(name=name, ok=False, detail=error.strerror or type(error).__name__, hint="check the path and its permissions")
    except Exception as error:  # noqa: BLE001 - one check's fault, a third party's perhaps, must not hide what the others found
        return Check(name=name, ok=False, detail=f"unexpected {type(error).__name__}", hint="report it to who makes the connector")


def _tenant_checks(config: Config, tenant: TenantConfig) -> Iterator[tuple[str, Outcome]]:
    yield f"{tenant.name}: directory", lambda: _directory(config, tenant)
    for source in tenant.sources:
        yield f"{tenant.name}: source {source.name}", lambda source=source: _source(config, tenant, source)  # type: ignore[misc]  # bound now
    yield f"{tenant.name}: statement", lambda: _statement(tenant)
    for name, account in tenant.storage.accounts.items():
        location = AccountLocation(name=name, url=account.url, access=account.access)
        yield f"{tenant.name}: account {name}", lambda location=location: _account(location)  # type: ignore[misc]  # bound now


def _account(location: AccountLocation) -> str:
    if not is_object_url(location.url):
        return _writable(account_folder(location))
    with closing(open_bucket(location)) as bucket:
        bucket.check()
    return "takes entries, replaces none, and gives them back"


def _directory(config: Config, tenant: TenantConfig) -> str:
    with closing(build_directory(tenant, config.folder)) as directory, _placed(tenant.directory.settings):
        directory.check()
        shared = directory.ambiguous_names() if isinstance(directory, FindsAmbiguity) else 0
    if shared:
        what = "name belongs to several people: they" if shared == 1 else "names belong to several people each: these"
        raise _refuse(f"{shared} user principal {what} cannot be exported", "give each person a name of their own, letter case apart")
    return f"{tenant.directory.connector} answers"


def _source(config: Config, tenant: TenantConfig, source: SourceConfig) -> str:
    with closing(build_connector(tenant, source, config.folder)) as connector, _placed(source.settings):
        connector.check()
        check_redaction(source, connector)
        advice = connector.advice() if isinstance(connector, Advising) else ()
        doubts = connector.doubts() if isinstance(connector, Doubting) else ()
    slow = f", slowly: all rows are looked at, until there is an index ({'; '.join(advice)})" if advice else ""
    doubtful = f"; but {'; '.join(doubts)}" if doubts else ""
    return f"{source.connector} can be read{slow}{doubtful}"


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
        address = " or ".join(dict.fromkeys(filter(None, map(_address, _urls(msgspec.to_builtins(settings))))))
        hint = f"{error.hint} ({address})" if error.hint and address else error.hint or address
        raise ExportError(error.message, code=error.code, hint=hint) from error


def _urls(settings: object) -> Iterator[str]:
    """Yield every `url` in settings: a directory may be in several databases, and its errors do not say in which."""
    if isinstance(settings, dict):
        for name, value in settings.items():
            yield from [value] if name == "url" and isinstance(value, str) else _urls(value)
    elif isinstance(settings, list | tuple):
        for value in settings:
            yield from _urls(value)


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
def _refuse(detail: str, hint: str) -> ExportError:
    return ExportError(detail, code="CheckFailed", hint=hint)


def _seal_key(config: Config) -> str:
    is_rotating = rotation.is_running(config)
    for name in _SECRET_FILES:
        path = config.folder / name
        if os.name == "posix" and path.exists() and path.stat().st_mode & 0o077:
            raise _refuse(f"{name} can be read by other users of this machine", f"chmod 600 {path}")
    return "being replaced by a rotation that is running" if is_rotating else "32 bytes"


def _nearest(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _writable(folder: Path) -> str:
    there = _nearest(folder.absolute())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        hint = "give the folder to the user that runs the service"
        raise _refuse(f"{there} cannot be written: {error.strerror}", hint) from error
    free = shutil.disk_usage(there).free
    if free < LEAST_FREE_BYTES:
        raise _refuse(f"{there} has only {free >> 20} MiB left", "make room: packages and the store need it")
    return f"{free / 2**30:.0f} GiB free" + ("" if there == folder.absolute() else ", will be made")


def _store(config: Config) -> str:
    path = config.store_path
    free = _writable(path.parent)
    place = place_of(config.store, path)
    if isinstance(place, Shared):
        return place.examine()
    if not sqlite_state.check_file(path):
        return free if free.endswith("made") else f"{free}, will be made"
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_LOCK_WAIT_S, isolation_level=None)
        ) as database:
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise _refuse(f"{path} cannot be written", "give it to the user that runs the service") from error
        free = f"{free}, in use by a process that is running"
    except sqlite3.DatabaseError as error:
        raise _refuse(f"{path} is not a SQLite file", "restore it from a copy, or name another file in `store`") from error
    if os.name == "posix" and path.stat().st_mode & 0o077:  # made before stores were private
        raise _refuse(f"{path} can be read by other users of this machine: it says whose data was asked for", f"chmod 600 {path}*")
    return free


def _clock(config: Config, now: datetime) -> str:
    """Compare with what was written before now: tokens and SAS URLs are judged by this clock."""
    written = [Path(rightful.__file__), *config.folder.glob("*.yaml")]
    newest_s = max(path.stat().st_mtime for path in written)
    if newest_s > now.timestamp() + timedelta(minutes=5).total_seconds():
        raise _refuse("this machine's clock is behind: files were written later than it says it is", "set the clock, and have NTP keep it")
    return f"{now:%Y-%m-%d %H:%M:%S} UTC"


def _tls(folder: Path, tls: TlsSettings, now: datetime) -> str:
    cert, key = folder / tls.cert, folder / tls.key
    for path in (cert, key):
        if not path.exists():
            raise _refuse(f"{path} does not exist", "`rightful dev-cert` makes one for localhost; else ask your certificate authority")
    if os.name == "posix" and key.stat().st_mode & 0o077:
        raise _refuse(f"{key} can be read by other users of this machine", f"chmod 600 {key}")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)
        leaf = x509.load_pem_x509_certificates(cert.read_bytes())[0]
    except (ssl.SSLError, ValueError) as error:
        raise _refuse(
            "the certificate and the key do not belong together, or are no PEM", "name the files that were made together"
        ) from error
    ends = leaf.not_valid_after_utc
    if now < leaf.not_valid_before_utc:
        raise _refuse(f"the certificate is not valid before {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC", "set the clock, or wait")
    if ends < now + RENEW_BEFORE:
        raise _refuse(
            f"the certificate {'has ended' if ends < now else 'ends'} on {ends:%Y-%m-%d}",
            "renew it: `rightful dev-cert --force` for localhost",
        )
    return f"valid until {ends:%Y-%m-%d}"
