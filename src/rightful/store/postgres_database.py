"""A PostgreSQL database as a store's: one writer with group commit that has the lead, a few connections to read by."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from typing import TypeVar

import psycopg
import structlog

from rightful.clock import MOST_SKEW_S, tell_skew
from rightful.errors import ConfigurationError
from rightful.ids import TenantId
from rightful.store import queries
from rightful.store.connection import Connection
from rightful.store.group_commit import GroupCommit
from rightful.store.listing_sql import POSTGRES, Hints
from rightful.store.postgres_connection import EVERYTHING, Address, PostgresConnection, said
from rightful.store.postgres_migrating import Script, application, scripts
from rightful.store.postgres_writer import RENEWED_EACH_S, DelegatedWriter, LeadLost, PostgresWriter, connect_to_lead, take_lead
from rightful.store.values import StoreFault

T = TypeVar("T")
_log = structlog.get_logger(__name__)

_READERS = 16
"""How many read at the same time."""
_RENEW = "UPDATE lead SET renewed_at = now() RETURNING CAST(extract(epoch FROM clock_timestamp()) AS double precision) AS now_s"
_REWRITTEN = ("operation", "read", "entry")


class PostgresDatabase:
    """Runs tasks as the process that has the lead; see `store.transactions.Transactions`.

    A task that is one tenant's sees and changes that tenant's rows alone, whatever its statements say (row-level security), unless the
    database's account is a superuser.
    """

    def __init__(
        self,
        address: Address,
        writer: PostgresWriter,
        known: Sequence[Script],
        *,
        is_leader: bool = True,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Say from time to time that the leader is there, where it is us."""
        self._wall = wall
        self._is_skew_told = False
        self._address = address
        self._writer = writer
        self._known = known
        self._commits = GroupCommit(writer)
        self._guard = threading.Lock()
        self._idle: list[PostgresConnection] = []
        self._places = threading.BoundedSemaphore(_READERS)
        self._closing = threading.Event()
        self._renewing = threading.Thread(target=self._renew, name="lead", daemon=True)
        if is_leader:
            self._renewing.start()

    @property
    def sql(self) -> Mapping[str, str]:
        """The statements as PostgreSQL takes them."""
        return queries.load_for_postgres()

    @property
    def hints(self) -> Hints:
        """PostgreSQL finds out by itself."""
        return POSTGRES

    @property
    def lost(self) -> threading.Event:
        """Set once another process leads: nothing can be written any more."""
        return self._writer.lost

    @property
    def term(self) -> int:
        """In which term of the lead this writes."""
        return self._writer.term

    def write(self, task: Callable[[Connection], T], tenant_id: TenantId | None = None) -> T:
        """Run a task in a transaction that is durable when this returns; tasks that meet share one commit."""
        try:
            return self._commits.run(task, tenant_id)
        except LeadLost as error:
            raise StoreFault(f"the store {self._address.display} cannot be written: another service leads") from error
        except psycopg.Error as error:
            raise StoreFault(f"the store {self._address.display} cannot be written: {said(error)}") from error

    def read(self, task: Callable[[Connection], T], tenant_id: TenantId | None = None) -> T:
        """Run a task that only reads; it never waits for a writer."""
        scope = EVERYTHING if tenant_id is None else str(tenant_id)
        try:
            with self._places:
                try:
                    return self._read(task, scope)
                except psycopg.OperationalError as error:
                    if not _is_lost(error):
                        raise
                    self._drop_idle()  # connections that were lost while nobody used them: reading again does no harm
                    return self._read(task, scope)
        except psycopg.Error as error:
            raise StoreFault(f"the store {self._address.display} cannot be read: {said(error)}") from error

    def _read(self, task: Callable[[Connection], T], scope: str) -> T:
        connection = self._take(scope)
        try:
            connection.look_as(scope)
            return task(connection)
        finally:
            self._put_back(connection)

    def _take(self, scope: str) -> PostgresConnection:
        with self._guard:
            for place in range(len(self._idle) - 1, -1, -1):
                if self._idle[place].scope == scope:
                    return self._idle.pop(place)
            if self._idle:
                return self._idle.pop()
        return PostgresConnection(self._address, name=application(self._known), scope=scope)

    def _put_back(self, connection: PostgresConnection) -> None:
        with self._guard:
            if connection.is_usable and not connection.is_in_transaction and not self._closing.is_set():
                self._idle.append(connection)
                return
        connection.close()

    def _drop_idle(self) -> None:
        with self._guard:
            dropped, self._idle = self._idle, []
        for connection in dropped:
            connection.close()

    def tell(self, told: bytes) -> None:
        """Put it into the row of who leads."""
        self.write(lambda connection: connection.run("UPDATE lead SET told = :told", {"told": told}))

    def check(self) -> None:
        """Write when the leader was there last, and compare clocks."""
        (row,) = self.write(lambda connection: connection.rows(_RENEW))
        self._compare(row["now_s"])

    def _compare(self, theirs_s: float) -> None:
        skew_s = self._wall() - theirs_s
        is_skewed = abs(skew_s) > MOST_SKEW_S
        if is_skewed and not self._is_skew_told:
            _log.warning(f"{tell_skew(skew_s, self._address.display)}: what is purged, and what has expired, is judged by it")
        self._is_skew_told = is_skewed

    def erase(self) -> None:
        """Leave it to the server: what was erased is in dead rows until it is vacuumed, and in its log until that is used again."""

    def rewrite(self) -> None:
        """Write the tables anew that have what is sealed."""
        try:
            with closing(PostgresConnection(self._address, has_limits=False)) as connection:
                for table in _REWRITTEN:
                    connection.script(f"VACUUM (FULL) {table}")
        except psycopg.Error as error:
            raise StoreFault(f"the store {self._address.display} cannot be rewritten: {said(error)}") from error

    def close(self) -> None:
        """Close every connection and give up the lead; again, it does nothing."""
        self._closing.set()
        if self._renewing.is_alive():
            self._renewing.join()
        self._drop_idle()
        self._writer.close()  # the last: whoever waits for the lead may begin at once

    def _renew(self) -> None:
        """Say that the leader is there; and find out where it is not any more."""
        while not self._closing.wait(RENEWED_EACH_S) and not self.lost.is_set():
            with suppress(StoreFault):
                self.check()


def _is_lost(error: psycopg.OperationalError) -> bool:
    return error.sqlstate is None or error.sqlstate.startswith(("57P", "08"))


def open_database(address: Address, *, known: Sequence[Script] | None = None) -> PostgresDatabase:
    """Take the lead; raises `ConfigurationError` where another has it, or the database cannot be had."""
    waiting = Waiting(address, known)
    found = waiting.take()
    if found is None:
        waiting.close()
        raise ConfigurationError(
            f"another service works on the store {address.display}", hint="stop it first, or give this one a database of its own"
        )
    return found


def open_delegated(address: Address, term: int, *, known: Sequence[Script] | None = None) -> PostgresDatabase:
    """Work for who leads in a term, beside it; what is written after that term is refused. Raises `StoreFault` where that cannot be."""
    known = scripts() if known is None else known
    try:
        connection = PostgresConnection(address, name=application(known))
    except psycopg.Error as error:
        raise StoreFault(f"the store {address.display} cannot be reached: {said(error)}") from error
    return PostgresDatabase(address, DelegatedWriter(address, connection, known, term=term), known, is_leader=False)


class Waiting:
    """Waits for the lead on a database, by one connection."""

    def __init__(self, address: Address, known: Sequence[Script] | None = None) -> None:
        self._address = address
        self._known = scripts() if known is None else known
        self._connection: PostgresConnection | None = None

    def take(self, *, ends_silent: bool = False) -> PostgresDatabase | None:
        """Take the lead where it is free now, None where it is not; raises `ConfigurationError` where the database cannot be had."""
        try:
            if self._connection is None or not self._connection.is_usable:
                self._connection = connect_to_lead(self._address, self._known)
            writer = take_lead(self._address, self._connection, self._known, ends_silent=ends_silent)
        except psycopg.Error as error:
            raise ConfigurationError(
                f"the store {self._address.display} cannot be opened: {said(error)}",
                hint="does the server run there, and may this account make and use the schema `rightful` of the database?",
            ) from error
        if writer is None:
            return None
        self._connection = None
        return PostgresDatabase(self._address, writer, self._known)

    def told(self) -> bytes:
        """Return what the one that leads has put down; nothing where it is of a version that puts nothing down."""
        if self._connection is None:
            return b""
        try:
            (row,) = self._connection.rows("SELECT told FROM lead")
        except psycopg.Error:
            return b""
        return bytes(row["told"])

    def close(self) -> None:
        """Wait no longer."""
        if self._connection is not None:
            self._connection.close()
