"""`rightful unseal`."""

import errno
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from rightful.age.keys import Identity, parse_identities
from rightful.age.ssh import SECRET, parse_ssh_identity
from rightful.cli.exits import Exit
from rightful.cli.invocation import current, global_options
from rightful.cli.output import emit_table, say
from rightful.cli.passphrase import passphrase_options, read_passphrase
from rightful.cli.verify import EXITS, open_package, parse_key, progress_bar, show
from rightful.errors import PackageError, StorageError
from rightful.package.readers import FolderReader, PackageReader
from rightful.package.unseal import open_key, open_key_with_ssh, unseal
from rightful.package.verify import PackageState, verify
from rightful.storage.local import LocalStorage

_LARGEST_IDENTITIES = 1 << 20


@click.command()
@click.argument("package")
@click.option(
    "--to",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Folder to write what is opened into: a new or empty one.",
)
@click.option(
    "--identity",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File with the secret key, as `age-keygen` or `ssh-keygen` writes it.",
)
@passphrase_options("Open the package by its passphrase")
@click.option(
    "--prefix",
    default="",
    metavar="ID",
    help="Of a container or a bucket: the folder or the ZIP file there that is the package [default: found by itself].",
)
@click.option(
    "--key", "keys", multiple=True, metavar="KEY", help="As in `rightful verify`: public key (RW…) that must have signed the receipt."
)
@global_options
def command(
    package: str, *, folder: Path, identity: Path | None, passphrase: bool, passphrase_file: Path | None, prefix: str, keys: tuple[str, ...]
) -> int:
    """Open a sealed package, and check what is in it.

    PACKAGE is what `rightful verify` takes. An entry gets its name only when all of it was opened and found unchanged. Then everything is
    checked as by `rightful verify`, with its exit codes. Without --identity the passphrase is asked for.
    """
    trusted = [parse_key(text) for text in keys]
    if identity is not None and (passphrase or passphrase_file is not None):
        raise click.UsageError("Write --identity or a passphrase, not both.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise click.BadParameter("is not an empty folder; nothing of yours is overwritten", param_hint="'--to'")
    with open_package(package, prefix) as reader:
        if identity is not None:
            identities = _read_identities(identity, reader)
        else:
            given = read_passphrase(ask=passphrase_file is None, path=passphrase_file)
            identities = open_key(reader, given or "")
        storage = LocalStorage(folder)

        def write(path: str, chunks: Iterator[bytes], size_bytes: int) -> None:
            try:
                storage.put(path, chunks, size_bytes=size_bytes)
            except StorageError as error:
                if isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.ENAMETOOLONG:
                    raise ValueError("its name is longer than this file system takes") from error
                raise

        try:
            findings = list(unseal(reader, identities, write))
            storage.sync()
        finally:
            storage.close()
    as_json = current().as_json
    with progress_bar(is_shown=not as_json and sys.stderr.isatty()) as on_progress:
        found = verify(FolderReader(folder), keys=trusted, on_progress=on_progress)
    if findings:
        emit_table(
            ("not opened", "entry", "detail"), [(each.kind.value, each.path, each.detail) for each in findings]
        ) if not as_json else None
        say(f"{len(findings)} entries of the sealed package are not as they were delivered")
    show(found, as_json=as_json)
    if not findings and found.state is PackageState.WHOLE:
        say(f"opened into {folder}: START-HERE.html or README.txt there comes first")
    return EXITS[found.state] if not findings else Exit.FAILED


def _read_identities(path: Path, package: PackageReader) -> list[Identity]:
    with path.open("rb") as file:
        content = file.read(_LARGEST_IDENTITIES)
    if content.startswith(b"age-encryption.org/"):
        raise PackageError(f"{path} is itself sealed by a passphrase", code="SealNotOpened", hint=f"open it first: age -d {path} > key.txt")
    try:
        if content.startswith(SECRET):
            return open_key_with_ssh(package, parse_ssh_identity(content))
        return parse_identities(content.decode())
    except ValueError as error:
        raise PackageError(
            f"{path} cannot be used: {error}", code="SealNotOpened", hint="give the file that `age-keygen` wrote, or of SSH id_ed25519"
        ) from None
