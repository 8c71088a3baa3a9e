"""Copies of a SQLite store: one made while the service works, and one put in the place of a store that nobody works on.

A copy is of one moment, whole in one file, for its owner alone, and durable before it has its name. What is restored is of a time that is
over: what had not ended then may have gone on since, and must not be done twice. So it is ended, its signature erased, and somebody
decides.
"""

import os
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import apsw
import msgspec

from rightful.audit.record import OK, SERVICE_CHAIN, Action, Actor, AuditRecord, Target, record
from rightful.clock import to_microseconds
from rightful.errors import ConfigurationError
from rightful.ids import OperationId, SubjectId, TenantId
from rightful.operation.model import SUBMIT_AGAIN, Failure
from rightful.store import audit_chain, queries, rows, sqlite_state
from rightful.store.connection import Connection
from rightful.store.sqlite_connection import SqliteConnection
from rightful.store.sqlite_file import lock_alone
from rightful.store.values import StoreFault
from rightful.syncing import sync_file, sync_folder

_BUSY_S = 10.0


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds."""

    size_bytes: int
    operations: int
    open_operations: int
    records: int
    schema: int


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore did."""

    ended: tuple[OperationId, ...]
    """Operations that had not ended in the backup, and are ended now."""
    dropped: int
    """Requests that were never answered."""
    aside: Path | None
    """Where the store lies that was there."""


def backup(path: Path, target: Path) -> Copied:
    """Copy a store, whether a service works on it or not, into a new file.

    Raises `ConfigurationError` where there is no store that can be copied or the target is there already, `StoreFault` where the copy is
    not whole or cannot be written.
    """
    if not sqlite_state.check_file(path):
        raise ConfigurationError(f"there is no store {path}", hint="has the service run with this configuration?")
    if target.exists():
        raise ConfigurationError(f"{target} is there already", hint="name a new file: an earlier backup is never replaced")
    with _draft(target) as draft:
        try:
            # In one step: else each commit of a service that works meanwhile would begin it anew. Writers do not wait for it.
            with closing(_read_only(path)) as source, closing(sqlite3.connect(draft, isolation_level=None)) as copy:
                source.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")  # one file is all there is
            copied = _look(draft)
        except (sqlite3.Error, apsw.Error) as error:
            raise StoreFault(f"the store {path.name} cannot be copied: {error}") from error
        sync_file(draft)
        try:
            os.link(draft, target)
        except FileExistsError:
            raise ConfigurationError(f"{target} is there already", hint="name a new file: an earlier backup is never replaced") from None
    sync_folder(target.absolute().parent)
    return copied


def restore(path: Path, source: Path, *, now: datetime, by: Actor, is_replacing: bool) -> Restored:
    """Put a backup in the place of a store, and end in it what had not ended.

    Raises `ConfigurationError` where a service works on the store, where there is one that is not to be replaced, and where the backup is
    none that this version can work on; nothing is changed then.
    """
    if not source.is_file() or not sqlite_state.check_file(source):
        raise ConfigurationError(f"there is no backup {source}", hint="name a file of `rightful store backup`")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = lock_alone(path)
    try:
        is_there = path.exists() or sqlite_state.has_content(sqlite_state.beside(path)[0])
        if is_there and not is_replacing:
            raise ConfigurationError(
                f"there is a store {path}", hint="give --replace: it is kept aside, and the backup takes its place", code="StoreThere"
            )
        with _draft(path) as draft:
            _copy(source, draft)
            ended, dropped = _wind_up(draft, now=now, by=by)
            sync_file(draft)
            aside = _keep_aside(path, now) if is_there else None
            _take_log_away(path)
            draft.rename(path)  # over what is there: at no moment is there none, for which an empty store would be made
            sync_folder(path.absolute().parent)
        return Restored(ended=ended, dropped=dropped, aside=aside)
    finally:
        os.close(lock)


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, isolation_level=None, timeout=_BUSY_S)


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """Yield an empty file beside a path, for its owner alone; nothing of it is left under this name."""
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    try:
        yield draft
    finally:
        for each in (draft, *sqlite_state.beside(draft), draft.with_name(f"{draft.name}-journal")):
            each.unlink(missing_ok=True)


def _look(path: Path) -> Copied:
    """Read a copy through, and say what it holds; raises `ConfigurationError` where it is none that this version can work on."""
    with closing(SqliteConnection(path, busy_s=_BUSY_S)) as connection:
        schema = sqlite_state.check_schema(connection, path)
        if [row["integrity_check"] for row in connection.rows("PRAGMA integrity_check(1)")] != ["ok"]:
            raise sqlite_state.damaged(path, "is damaged")
        if not schema:
            return Copied(size_bytes=path.stat().st_size, operations=0, open_operations=0, records=0, schema=0)
        found = connection.rows(
            "SELECT (SELECT count(*) FROM operation WHERE status <> 'intent') AS operations,"
            " (SELECT count(*) FROM operation WHERE status IN ('not_started', 'running')) AS open_operations,"
            " (SELECT count(*) FROM audit) AS records"
        )[0]
    return Copied(size_bytes=path.stat().st_size, schema=schema, **found)


def _copy(source: Path, draft: Path) -> None:
    try:
        with closing(_read_only(source)) as opened, closing(sqlite3.connect(draft, isolation_level=None)) as copy:
            opened.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
        _look(draft)
    except ConfigurationError as error:
        message = error.message.replace(draft.name, source.name)
        raise ConfigurationError(message, code=error.code, hint="use another backup; nothing was changed") from error
    except (sqlite3.Error, apsw.Error) as error:
        raise ConfigurationError(
            f"the backup {source.name} cannot be read: {error}", code="StoreDamaged", hint="use another backup; nothing was changed"
        ) from error


def _wind_up(draft: Path, *, now: datetime, by: Actor) -> tuple[tuple[OperationId, ...], int]:
    """Bring a copy up to date, and end what had not ended; returns which operations these were, and how many requests were dropped."""
    sql = queries.load()
    now_us = to_microseconds(now)
    failure = Failure(
        code="storeRestored",
        message="the store was restored from a backup, and what became of the operation after that is not known;"
        f" look into the storage location, then resume it, or {SUBMIT_AGAIN}",
    )
    with closing(SqliteConnection(draft, busy_s=_BUSY_S)) as connection:
        connection.run("PRAGMA synchronous = FULL")
        connection.run("PRAGMA secure_delete = ON")
        sqlite_state.migrate(connection)
        connection.run("BEGIN IMMEDIATE")
        dropped = _drop_intents(connection)
        connection.run("DELETE FROM outgoing_event")  # told since, or too late to be told
        found = connection.rows(sql["end_restored"], {"now": now_us, "failure": rows.to_json(failure)})
        for row in found:
            connection.run(sql["hold_reads"], {"operation_id": row["id"], "source_name": ""})
        made = _record_of(by, now_us)
        records = [made(Action.FAIL, failure.code, *rows.whose(row), target_id=row["id"]) for row in found]
        chains = {SERVICE_CHAIN, *(TenantId(row["tenant_id"]) for row in connection.rows("SELECT DISTINCT tenant_id FROM audit"))}
        records += [made(Action.RESTORE_STORE, OK, tenant_id, SubjectId("")) for tenant_id in sorted(chains)]
        audit_chain.append(connection, sql, records)
        connection.run("COMMIT")
        connection.run("VACUUM")  # nothing is left of the signatures
    return tuple(OperationId(row["id"]) for row in found), dropped


def _drop_intents(connection: Connection) -> int:
    connection.run("DELETE FROM repeat_key WHERE operation_id IN (SELECT id FROM operation WHERE status = 'intent')")
    return connection.run("DELETE FROM operation WHERE status = 'intent'")


def _record_of(by: Actor, now_us: int) -> Callable[..., AuditRecord]:
    def make(action: Action, outcome: str, tenant_id: TenantId, subject_id: SubjectId, *, target_id: str = "") -> AuditRecord:
        return record(
            by,
            tenant_id=tenant_id,
            time_us=now_us,
            action=action,
            outcome=outcome,
            target=Target.OPERATION if target_id else Target.SERVICE,
            target_id=target_id,
            subject_id=subject_id,
        )

    return make


def _keep_aside(path: Path, now: datetime) -> Path:
    """Give a store another name besides its own, so that it can be opened by that; returns it."""
    aside = path.with_name(f"{path.name}.replaced-{now:%Y%m%dT%H%M%SZ}")
    if aside.exists():
        raise ConfigurationError(f"{aside} is there already", hint="wait a second, and do it again")
    if path.exists():
        with suppress(apsw.Error), closing(SqliteConnection(path, busy_s=_BUSY_S)) as connection:  # a damaged one goes as it is
            connection.run("PRAGMA wal_checkpoint(TRUNCATE)")
    for each in (path, *sqlite_state.beside(path)):
        with suppress(FileNotFoundError):  # SQLite takes away a log that is of no more use
            os.link(each, aside.with_name(aside.name + each.name.removeprefix(path.name)))
    sync_folder(path.absolute().parent)
    return aside


def _take_log_away(path: Path) -> None:
    """Take the log of a store away, which must be found neither beside another file nor missing beside its own.

    Where it has something that the file does not, an empty file, which no service starts on, takes the store's place until the end.
    """
    log, index = sqlite_state.beside(path)
    if sqlite_state.has_content(log):
        with _draft(path) as blank:
            blank.rename(path)
        sync_folder(path.absolute().parent)
    for each in (log, index):
        each.unlink(missing_ok=True)
    sync_folder(path.absolute().parent)
