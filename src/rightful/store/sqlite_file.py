"""One SQLite file: WAL, a lock that keeps other services out, one writer with group commit, a reader for each thread."""

import fcntl
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import apsw

from rightful.errors import ConfigurationError
from rightful.ids import TenantId
from rightful.store import queries, sqlite_moved, sqlite_state
from rightful.store.connection import Connection, ConstraintBroken
from rightful.store.group_commit import GroupCommit
from rightful.store.listing_sql import SQLITE, Hints
from rightful.store.sqlite_connection import SqliteConnection
from rightful.store.values import StoreFault

T = TypeVar("T")
_BUSY_S = 10.0
_ERASE_BUSY_S = 0.5


class SqliteFile:
    """Runs tasks on connections to one file, whose schema it brings up to date; see `store.transactions.Transactions`.

    A file knows no tenants: a task is held to one by what its statements ask for alone.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._readers: list[SqliteConnection] = []
        self._opening = threading.Lock()
        self._is_closed = False
        with ExitStack() as undo:
            try:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._lock: int | None = lock_alone(path)
                undo.callback(os.close, self._lock)
                sqlite_moved.check(path)
                if not sqlite_state.check_file(path):
                    # It says whose data was asked for: for its owner alone. SQLite gives its WAL the mode that the file has.
                    sqlite_state.make(path)
                with closing(SqliteConnection(path, busy_s=_BUSY_S)) as connection:  # nothing is changed in what is refused
                    sqlite_state.check_schema(connection, path)
                    sqlite_state.check_pages(connection, path)
                self._writer = self._connect()
                undo.callback(self._writer.close)
                sqlite_state.migrate(self._writer)
            except (apsw.CorruptError, apsw.NotADBError) as error:
                raise sqlite_state.damaged(path, sqlite_state.reason(error)) from error
            except (apsw.Error, OSError) as error:
                raise ConfigurationError(
                    f"the store {path.name} cannot be opened: {error}", hint="is it a Rightful store, and may this account write there?"
                ) from error
            undo.pop_all()
        self._commits = GroupCommit(SqliteWriter(self._writer))

    @property
    def sql(self) -> Mapping[str, str]:
        """The statements as they are written."""
        return queries.load()

    @property
    def hints(self) -> Hints:
        """SQLite has no statistics."""
        return SQLITE

    def write(self, task: Callable[[Connection], T], tenant_id: TenantId | None = None) -> T:
        """Run a task in a transaction that is durable when this returns; tasks that meet share one commit."""
        try:
            return self._commits.run(task, tenant_id)
        except apsw.Error as error:
            raise StoreFault(f"the store {self._path.name} cannot be written: {error}") from error

    def read(self, task: Callable[[Connection], T], tenant_id: TenantId | None = None) -> T:
        """Run a task that only reads, on a connection of this thread; it never waits for a writer."""
        del tenant_id
        try:
            return task(self._reader())
        except apsw.Error as error:
            raise StoreFault(f"the store {self._path.name} cannot be read: {error}") from error

    def check(self) -> None:
        """Write the schema's number again: a page of the file, as any commit writes."""

        def task(connection: Connection) -> None:
            version = connection.rows("PRAGMA user_version")[0]["user_version"]
            connection.run(f"PRAGMA user_version = {int(version)}")

        self.write(task)

    def erase(self) -> None:
        """Bring the write-ahead log into the file and empty it: until then it holds what was erased in the file.

        Where a reader or a writer is in the way, it is left to the next time.
        """
        try:
            with closing(self._connect(_ERASE_BUSY_S)) as connection:
                connection.run("PRAGMA wal_checkpoint(TRUNCATE)")
        except apsw.Error as error:
            raise StoreFault(f"the write-ahead log of the store {self._path.name} cannot be emptied: {error}") from error

    def rewrite(self) -> None:
        """Write the whole file anew: nothing is left of what was changed or erased in it."""
        try:
            with closing(self._connect()) as connection:
                connection.run("VACUUM")
                is_busy = connection.rows("PRAGMA wal_checkpoint(TRUNCATE)")[0]["busy"]
        except apsw.Error as error:
            raise StoreFault(f"the store {self._path.name} cannot be rewritten: {error}") from error
        if is_busy:
            raise StoreFault(f"the store {self._path.name} cannot be rewritten: somebody reads it; end that, and do it again")

    def close(self) -> None:
        """Close every connection and give up the lock; again, it does nothing."""
        with self._opening:
            self._is_closed = True
        for connection in (*self._readers, self._writer):
            connection.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _reader(self) -> SqliteConnection:
        connection: SqliteConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            with self._opening:
                if self._is_closed:
                    raise apsw.ConnectionClosedError("it is closed")
                connection = self._connect()
                self._readers.append(connection)
            self._local.connection = connection
        return connection

    def _connect(self, busy_s: float = _BUSY_S) -> SqliteConnection:
        connection = SqliteConnection(self._path, busy_s=busy_s)
        try:
            connection.run("PRAGMA journal_mode = WAL")
            connection.run("PRAGMA synchronous = FULL")
            # Statements may need files besides; where the disk of temporary files is full, the store must go on.
            connection.run("PRAGMA temp_store = MEMORY")
            connection.run("PRAGMA secure_delete = ON")  # what is erased is overwritten (DESIGN rule 6)
        except BaseException:
            connection.close()
            raise
        return connection


class SqliteWriter:
    """The transactions of the connection that writes."""

    def __init__(self, connection: SqliteConnection) -> None:
        self.connection = connection

    @property
    def faults(self) -> tuple[type[Exception], ...]:
        """A constraint may be deferred to the commit."""
        return apsw.Error, ConstraintBroken

    def begin(self) -> None:
        """Begin, and have the file for writing."""
        self.connection.run("BEGIN IMMEDIATE")

    def begin_job(self, tenant_id: TenantId | None) -> None:
        """Remember where the job began."""
        del tenant_id
        self.connection.run("SAVEPOINT job")

    def undo_job(self) -> None:
        """Go back there."""
        self.connection.run("ROLLBACK TO job")

    def end_job(self) -> None:
        """Forget it."""
        self.connection.run("RELEASE job")

    def commit(self) -> None:
        """Sync the file."""
        self.connection.run("COMMIT")

    def undo(self) -> None:
        """Undo what SQLite has not undone by itself."""
        with suppress(apsw.Error):
            if self.connection.is_in_transaction:
                self.connection.run("ROLLBACK")


def lock_alone(path: Path) -> int:
    """Return a descriptor that holds the store's lock until it is closed; raises `ConfigurationError` where somebody else has it."""
    descriptor = os.open(path.with_name(path.name + ".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise ConfigurationError(
            f"another service works on the store {path.name}", hint="stop it first, or give this one a store of its own"
        ) from error
    return descriptor


@contextmanager
def kept_free(path: Path) -> Iterator[bool]:
    """Say whether nobody works on a store, and keep it so for the block; several may at once. Makes and changes nothing."""
    try:
        descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # whoever works on it makes that first
        yield True
        return
    try:
        yield _is_taken(descriptor)
    finally:
        os.close(descriptor)


def _is_taken(descriptor: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return True
    return False
