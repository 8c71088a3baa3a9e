"""A new seal key in the place of the old one.

The new key is put down first, beside the old one (`seal.key.new`); every sealed value is sealed anew, which its key id tells; the store is
written anew, so that nothing is left that the old key opens; then the new key replaces the old one. Until then both are there: whoever is
interrupted runs it again, and no service starts meanwhile.
"""

import os
import secrets
from contextlib import closing
from pathlib import Path

from rightful import private_file
from rightful.audit.record import OK, SERVICE_CHAIN, Action, AuditRecord, Target, record
from rightful.clock import Clock, SystemClock, to_microseconds
from rightful.config.model import Config
from rightful.errors import ConfigurationError
from rightful.export.operator import operator
from rightful.export.records import PLAN
from rightful.ids import OperationId, TenantId
from rightful.sealing import KEY_BYTES, Sealer
from rightful.store.place import place_of
from rightful.store.resealing import Resealing
from rightful.syncing import sync_folder


def check_settled(config: Config) -> None:
    """Raise `ConfigurationError` where a rotation was interrupted, or was made since the configuration was read.

    Says something for sure only to whoever holds the store's lock, as a rotation does from its beginning to its end.
    """
    if config.seal_key_path is None:
        return
    if _next_path(config.seal_key_path).exists():
        raise ConfigurationError(
            f"a rotation of the seal key was interrupted: {_next_path(config.seal_key_path).name} is there",
            hint="run `rightful rotate-seal-key` again; both keys are needed until it is through",
        )
    check_unchanged(config.seal_key_path, config.seal_key)


def is_running(config: Config) -> bool:
    """Say whether a rotation works on the store at this moment.

    Raises `ConfigurationError` as `check_settled` does, which alone would take a rotation that is running for one that was interrupted.
    """
    path = config.seal_key_path
    if path is None:
        return False
    if not _next_path(path).exists():
        check_unchanged(path, config.seal_key)
        return False
    with place_of(config.store, config.store_path).kept_free() as is_free:
        if is_free:
            check_settled(config)
        return not is_free


def check_unchanged(path: Path, key: bytes) -> None:
    """Raise `ConfigurationError` where the file no longer holds the key that was read from it."""
    if _read(path) != key:
        raise ConfigurationError(f"{path.name} has changed since it was read", hint="run it again")


def rotate(config: Config) -> int:
    """Replace the seal key; returns how many rows of the store were sealed anew.

    Raises:
        ConfigurationError: a service works on the store, the key is not in a file of its own, or the file cannot be replaced.
    """
    if config.seal_key_path is None:
        raise ConfigurationError("seal_key does not come from a file, which could be replaced", hint="write seal_key: {file: seal.key}")
    path = config.seal_key_path.resolve()
    try:
        with closing(Resealing(place_of(config.store, config.store_path).open())) as store:
            check_unchanged(path, config.seal_key)
            sealer = Sealer(_next_key(path), config.seal_key)

            def reseal(column: str, sealed: bytes, tenant_id: TenantId, operation_id: OperationId) -> bytes:
                if sealer.is_current(sealed):
                    return sealed
                place = (tenant_id, PLAN if column == "sealed_spec" else operation_id)
                return sealer.seal(sealer.open(sealed, *place), *place)

            count = store.reseal(reseal)
            store.record((_done(SystemClock()),))
            _replace(path)
            return count
    except OSError as error:
        raise ConfigurationError(
            f"the seal key {path.name} cannot be replaced ({error.strerror or type(error).__name__})",
            hint="may this account write the store and the key's folder? Nothing is lost: run it again",
        ) from error


def _done(clock: Clock) -> AuditRecord:
    return record(
        operator(),
        tenant_id=SERVICE_CHAIN,
        time_us=to_microseconds(clock.now()),
        action=Action.ROTATE_SEAL_KEY,
        outcome=OK,
        target=Target.SERVICE,
    )


def _next_path(path: Path) -> Path:
    path = path.resolve()
    return path.with_name(f"{path.name}.new")


def _read(path: Path) -> bytes:
    try:
        key = bytes.fromhex(path.read_text("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigurationError(f"{path.name} does not hold a seal key of 64 hex digits", hint="put the right one back")
    return key


def _next_key(path: Path) -> bytes:
    """Return the key of an interrupted rotation, else a new one that is durable."""
    there = _next_path(path)
    if not there.exists():
        private_file.write_new(there, f"{secrets.token_hex(KEY_BYTES)}\n".encode())
        owner = path.stat()
        if os.geteuid() == 0:  # the service's account must be able to read it
            os.chown(there, owner.st_uid, owner.st_gid)
    sync_folder(path.parent)
    return _read(there)


def _replace(path: Path) -> None:
    with path.open("r+b") as old:
        _next_path(path).replace(path)
        sync_folder(path.parent)
        old.write(b"0" * os.fstat(old.fileno()).st_size)
        old.flush()
        os.fsync(old.fileno())
