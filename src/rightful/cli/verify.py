"""`rightful verify`."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import click

from rightful.cli.exits import Exit
from rightful.cli.invocation import current, global_options
from rightful.cli.output import emit, emit_json, emit_table, format_bytes, say
from rightful.clock import SystemClock
from rightful.errors import Refusal, StorageError, StorageRefused
from rightful.package import hashing
from rightful.package.minisign import PublicKey, parse_public_key
from rightful.package.opening import ZIP, open_local, open_stored, operation_of
from rightful.package.readers import PackageReader, ReadableInParts
from rightful.package.request_info import PATH as REQUEST_INFO_PATH
from rightful.package.verify import PackageState, Verification, verify
from rightful.storage.entry_path import split_entry_path
from rightful.storage.interface import Listing, Reading, ReadingAt, Storage
from rightful.storage.location import AccountLocation, StoragePolicy
from rightful.storage.object_account import AccountAccess, account_problems, bucket_of, is_object_url
from rightful.storage.registry import Storages, open_bucket
from rightful.storage.retrying import RetryingReading
from rightful.storage.sas import SasUrl, parse_sas_url

_FILE_URL = "file://"
_LARGEST_LOCATION = 16_384
EXITS = {
    PackageState.WHOLE: Exit.OK,
    PackageState.DAMAGED: Exit.FAILED,
    PackageState.SEALED: Exit.OK,
    PackageState.INCOMPLETE: Exit.INCOMPLETE,
}
_ABILITIES: tuple[tuple[str, Any], ...] = (("read", Reading), ("list", Listing))


@click.command()
@click.argument("package")
@click.option(
    "--prefix",
    default="",
    metavar="ID",
    help="Of a container or a bucket: the folder or the ZIP file there that is the package [default: found by itself].",
)
@click.option(
    "--key",
    "keys",
    multiple=True,
    metavar="KEY",
    help="Public key (RW…) that must have signed the receipt, or a file with one, of `rightful keys`; may be repeated.",
)
@global_options
def command(package: str, *, prefix: str, keys: tuple[str, ...]) -> int:
    """Check a package: what is missing, extra or changed.

    PACKAGE is a folder, a ZIP file of one, the folder that a ZIP file was delivered to, a file:// address of these, the SAS URL of a
    container that may be read and listed, or - to read that URL from stdin, or the address of a bucket (s3://…, gs://…), which is reached
    as an account of --config that it belongs to, or as the environment says. A ZIP file in a container or a bucket is checked where it
    lies; s3://…/NAME.zip and gs://…/NAME.zip name one. Exits with 0 where the package is whole, with 1 where it is damaged, with 3 where
    it is not finished, or sealed and a key was given: who signed it shows only once it is opened. Where --config names the service's
    configuration, its audit trail records the check, also one that breaks off.
    """
    trusted = [parse_key(text) for text in keys]
    as_json = current().as_json
    is_recorded = current().config_path is not None
    operation_id = ""
    try:
        with open_package(package, prefix) as reader, progress_bar(is_shown=not as_json and sys.stderr.isatty()) as on_progress:
            operation_id = _operation_id(reader) if is_recorded else ""
            found = verify(reader, keys=trusted, on_progress=on_progress)
    except click.UsageError:  # nothing was done
        raise
    except (Exception, KeyboardInterrupt) as error:  # whatever it is: somebody has looked
        if is_recorded:
            _record(operation_id, error)
        raise
    if is_recorded:
        _record(operation_id, found.state)
    show(found, as_json=as_json)
    if trusted and found.state is PackageState.SEALED:
        return Exit.INCOMPLETE  # whose it is was asked, and could not be told
    return EXITS[found.state]


def _record(operation_id: str, ended: PackageState | BaseException) -> None:
    """Record the check before anything is said of it: who cannot record it is told nothing."""
    from rightful.export.operator import record_verification  # noqa: PLC0415 - heavy, and seldom needed

    record_verification(current().config, operation_id, ended, SystemClock())


def _operation_id(reader: PackageReader) -> str:
    try:
        return operation_of(reader)
    except StorageError:
        return ""


@contextmanager
def open_package(package: str, prefix: str) -> Iterator[PackageReader]:
    """Open what a person names as a package: a folder, a ZIP file, the address of one, or a container."""
    text = sys.stdin.readline(_LARGEST_LOCATION).strip() if package == "-" else package
    if not text.strip():
        raise click.BadParameter("write a folder, a ZIP file or a SAS URL; . is the folder you are in", param_hint="'PACKAGE'")
    if text.startswith(_FILE_URL):
        text = unquote(text.removeprefix(_FILE_URL)) or "/"
    if "://" not in text:
        with open_local(Path(text) / prefix if prefix else Path(text)) as reader:
            yield reader
        return
    if prefix:
        _check_prefix(prefix.rstrip("/"))
    if is_object_url(text):
        account = _account_of(text)
        if not prefix and text.endswith(ZIP) and bucket_of(text).prefix:
            url, _, name = text.rpartition("/")
            account, prefix = AccountLocation(name=url, url=url, access=account.access), unquote(name)
        with closing(open_bucket(account)) as bucket, _open_stored(bucket, prefix) as reader:
            yield reader
        return
    sas = parse_sas_url(text)
    storages = Storages()
    try:
        storage = _readable(storages.open(text, StoragePolicy(allow=(_as_allowed(sas),))))
        with _open_stored(storage, prefix) as reader:
            yield reader
    finally:
        storages.close()


def _check_prefix(prefix: str) -> None:
    try:
        split_entry_path(prefix)
    except ValueError as error:
        raise click.BadParameter("is not what anything in a container can be called", param_hint="'--prefix'") from error


def _open_stored(storage: ReadableInParts, prefix: str) -> AbstractContextManager[PackageReader]:
    return open_stored(RetryingReading(storage, SystemClock()), prefix)


def _account_of(url: str) -> AccountLocation:
    """Return how a bucket is reached: as an account of the configuration that it belongs to, else as the environment says."""
    if problem := next(account_problems(url, AccountAccess()), None):
        raise click.BadParameter(f"{problem[1]}: {problem[2]}", param_hint="'PACKAGE'")
    tenants = current().config.tenants if current().config_path is not None else ()
    accounts = [account for tenant in tenants for account in tenant.storage.accounts.values()]
    place = f"{url.rstrip('/')}/"
    known = next((account.access for account in accounts if place.startswith(f"{account.url.rstrip('/')}/")), AccountAccess())
    return AccountLocation(name=url, url=url, access=known)


def parse_key(text: str) -> PublicKey:
    """Read a public key of receipts, or a file with one."""
    if not text.startswith("RW"):
        try:
            text = Path(text).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError, ValueError) as error:
            raise click.BadParameter("is neither a public key (RW…) nor a file that can be read", param_hint="'--key'") from error
    key = parse_public_key(text)
    if isinstance(key, str):
        raise click.BadParameter(key, param_hint="'--key'")
    return key


def _readable(storage: Storage) -> ReadableInParts:
    """Return a storage that can be read and listed; most SAS URLs can only write."""
    if isinstance(storage, Reading) and isinstance(storage, ReadingAt) and isinstance(storage, Listing):
        return storage
    lacking = [right for right, ability in _ABILITIES if not isinstance(storage, ability)]
    raise StorageRefused(
        f"the SAS does not let us look into the container: it may not {' and '.join(lacking)}",
        refusal=Refusal.PERMISSION,
        hint="make a SAS of the container for reading and listing (sp=rl)",
    )


def _as_allowed(sas: SasUrl) -> str:
    """Allow the very host that the person named: nobody else's request is carried out here."""
    host = f"[{sas.host}]" if ":" in sas.host else sas.host
    return f"{host}:{sas.port}"


@contextmanager
def progress_bar(*, is_shown: bool) -> Iterator[hashing.Progress | None]:
    """Show how far a check has come, where somebody looks."""
    if not is_shown:
        yield None
        return
    from rich.console import Console  # noqa: PLC0415 - heavy, and of use on a terminal only
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn  # noqa: PLC0415 - likewise

    columns = (TextColumn("checking"), BarColumn(), DownloadColumn(binary_units=True))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("checking")
        yield lambda done, total: progress.update(task, completed=done, total=total)


def show(found: Verification, *, as_json: bool) -> None:
    """Say what a check found."""
    if as_json:
        findings = [{"kind": item.kind.value, "path": item.path, "detail": item.detail} for item in found.findings]
        emit_json(
            {
                "state": found.state.value,
                "entries": found.entries,
                "bytes": found.size_bytes,
                "findings": findings,
                "signed_by": found.signed_by or None,
                "is_trusted": found.is_trusted,
            }
        )
        return
    emit_table(("finding", "entry", "detail"), [(item.kind.value, item.path, item.detail) for item in found.findings])
    emit(f"{found.state.value}: {found.entries} entries, {format_bytes(found.size_bytes)}" + _counted(found))
    if found.is_trusted:
        emit(f"signed by {found.signed_by}, a key that was given")
    elif found.signed_by:
        emit(f"signed by {found.signed_by}")
        say("what to do: compare this key with the controller's, or give that by --key: a forger would sign with a key of their own")
    if found.state is PackageState.INCOMPLETE and any(item.path == REQUEST_INFO_PATH for item in found.findings):
        say("what to do: give the folder that RequestInfo.json lies in")
    elif found.state is PackageState.INCOMPLETE:
        say("what to do: wait until its operation is complete, or resume it with `rightful requests resume`")
    elif found.state is PackageState.SEALED:
        say("names and sizes are as sealed.json says, which nobody has signed; what is in the entries can be checked only with the key")
        say("what to do: open the package with `rightful unseal`, which checks what it has opened")
    elif found.state is PackageState.DAMAGED:
        say("what to do: do not rely on the entries named; copy the package again, or export anew")


def _counted(found: Verification) -> str:
    counts = [f"{count} {kind.value}" for kind, count in found.counts.items() if count]
    return f"; {', '.join(counts)}" if counts else ""
