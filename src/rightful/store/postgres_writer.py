"""The one connection that writes to a PostgreSQL store, for as long as its process has the lead.

Theory of operation:
* Who leads holds a session's advisory lock, on the connection that writes: when the process dies, or the connection does, the server lets
  go of it as soon as it notices, and another process may take it. Nobody can write without being the one that holds it. Who gives the lead
  up lets go of it first, so that who begins next need not wait for that; what is safe rests on the term, not on this.
* Taking the lead raises the *term* in the row `lead`. Each writing transaction has that row for itself before anything else, so that they
  follow one another (those of who writes beside the service too), and reads the term: who led in an earlier one writes nothing.
* A connection that is lost is made anew. If the lock can be had again and the term is still ours, nobody led meanwhile and all goes on;
  else the lead is lost for good, and the service that had it has to begin anew.
* A connection that is lost while it commits leaves it open whether that was done. The server knows, by the number of the transaction: it is
  asked before anybody is told. So a task whose commit is in doubt is neither done twice nor called undone when it was done.
* Others may write for who leads (`DelegatedWriter`): they have no lock, but the term, and what holds for it holds for them.
* A process that stands still (stopped, swapped out) keeps its connection, and so the lock. It also stops renewing `lead.renewed_at`: who
  waits ends that connection on the server after a while, and takes the lead.
"""

import os
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import closing, suppress

import psycopg
import structlog

from rightful.ids import TenantId
from rightful.store.connection import ConstraintBroken
from rightful.store.postgres_connection import APPLICATION, EVERYTHING, SCHEMA, Address, PostgresConnection, quoted, said
from rightful.store.postgres_migrating import Script, application, migrate

_log = structlog.get_logger(__name__)

LEAD = f"hashtextextended('{SCHEMA}.lead', 0)"
_LEADS = f"""
l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.mode = 'ExclusiveLock'
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (CAST(l.classid AS bigint) << 32) | CAST(l.objid AS bigint) = {LEAD}
"""  # noqa: S608 -- names made here
"""Whether `l` of pg_locks is the leader's lock, which a session has."""
_UNLOCK = f"SELECT pg_advisory_unlock({LEAD}) FROM pg_locks l WHERE l.pid = pg_backend_pid() AND {_LEADS}"  # noqa: S608 -- names made here
"""Where it is held: else the server would write a warning into its log."""
STALE_S = 15.0
"""How long a leader may say nothing before another ends its connection."""
_QUIET_S = 5.0
"""For how long its connection must have done nothing besides."""
RENEWED_EACH_S = 3.0
_STATUS = "SELECT pg_xact_status(CAST(:id AS xid8)) AS status"
_DOUBT_S = 60.0
"""How long the server is asked what became of a commit; after that, the lead is given up."""
_OLD_SESSION_S = 20.0
"""How long our own connection that was lost may keep the lock on a server that has not noticed."""
_PAUSE_S = 0.2
_END_SILENT = f"""
SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE {_LEADS}
  AND EXISTS (SELECT 1 FROM lead WHERE renewed_at < now() - make_interval(secs => :s))
  AND a.state <> 'active' AND a.state_change < now() - make_interval(secs => :quiet_s)
"""  # noqa: S608 -- names made here
"""One that has a long transaction under way does not renew it meanwhile, and is not silent."""
_STANDING_S = 5.0
"""How long who writes for the leader may stop in the middle: one of many machines that stands still holds up all others."""
_ENDED_S = 2.0
"""How long a session may take to end."""


class LeadLost(Exception):
    """Another process took the lead, or may have: this one may write nothing any more."""


class PostgresWriter:
    """Has the lead, and the transactions that write. Its transactions are one thread's at a time."""

    def __init__(self, address: Address, connection: PostgresConnection, known: Sequence[Script], *, term: int) -> None:
        self._address = address
        self._known = known
        self._connection: PostgresConnection | None = connection
        self._session = session_of(connection)
        self.term = term
        self._transaction = ""
        """The number of the transaction that was begun last."""
        self._scope = EVERYTHING
        self._before = EVERYTHING
        self._has_savepoint = False
        self._beginning = threading.Lock()
        """Who has it may begin a transaction, or give the lead up: none begins once that was done."""
        self._is_closed = threading.Event()
        self.lost = threading.Event()
        """Set once the lead is lost for good."""

    @property
    def faults(self) -> tuple[type[Exception], ...]:
        """What the driver says, a lead that is lost, and a constraint that was deferred to the commit."""
        return psycopg.Error, LeadLost, ConstraintBroken

    @property
    def connection(self) -> PostgresConnection:
        """What tasks run on."""
        if self._connection is None:
            raise psycopg.OperationalError("the connection is closed")
        return self._connection

    def begin(self) -> None:
        """Begin, have the store for writing, and see that the lead is still ours; refused once this is closed."""
        with self._beginning:
            if not self._is_closed.is_set():
                self._begin_connected()
            if self._is_closed.is_set():
                if self._connection is not None:
                    self._connection.close()  # it may be a new one, which `close` has not seen
                raise psycopg.OperationalError("it is closed")

    def _begin_connected(self) -> None:
        if self.lost.is_set():
            raise LeadLost
        if self._connection is None or not self._connection.is_usable:
            self._connect_again()
        try:
            self._begin()
        except psycopg.OperationalError:
            if self.connection.is_usable:
                raise
            self._connect_again()  # it was lost since the last transaction: nothing is in doubt
            self._begin()

    def _begin(self) -> None:
        connection = self.connection
        if connection.is_in_transaction:
            connection.script("ROLLBACK")
        ((term, transaction),) = connection.script("BEGIN; SELECT term, CAST(pg_current_xact_id() AS text) FROM lead FOR UPDATE")
        if term != self.term:
            self._lose("another service leads")
        self._transaction = str(transaction)
        self._scope, self._has_savepoint = EVERYTHING, False

    def begin_job(self, tenant_id: TenantId | None) -> None:
        """Remember where the job began, and let it see what it may."""
        self._before, scope = self._scope, EVERYTHING if tenant_id is None else str(tenant_id)
        text = "RELEASE SAVEPOINT job; SAVEPOINT job" if self._has_savepoint else "SAVEPOINT job"
        if scope != self._scope:
            text += f"; SET LOCAL rightful.tenant = {quoted(scope)}"
        self.connection.script(text)
        self._has_savepoint = True
        self._scope = scope

    def undo_job(self) -> None:
        """Go back there; the setting goes back too."""
        self.connection.script("ROLLBACK TO SAVEPOINT job")
        self._scope = self._before

    def end_job(self) -> None:
        """Leave it to what follows to forget it: that saves an exchange."""

    def commit(self) -> None:
        """Commit; returns where that was done, also where the server did not get to say so."""
        connection = self.connection
        try:
            connection.script("COMMIT")
        except psycopg.Error as error:
            if connection.is_usable:
                raise
            self._settle(self._transaction, error)

    def undo(self) -> None:
        """Undo what was begun; a connection that is lost has undone it."""
        with suppress(psycopg.Error):
            if self._connection is not None and self._connection.is_usable and self._connection.is_in_transaction:
                self._connection.script("ROLLBACK")

    def close(self) -> None:
        """Give the lead up; a transaction that another thread has under way is undone by the server, which then lets go of the lock."""
        self._is_closed.set()
        is_idle = self._beginning.acquire(blocking=False)
        try:
            if self._connection is not None:
                if is_idle:
                    self._unlock(self._connection)
                self._connection.close()
        finally:
            if is_idle:
                self._beginning.release()

    def _unlock(self, connection: PostgresConnection) -> None:
        """Let go of the lock by which this leads."""
        unlock(connection)

    def _settle(self, transaction: str, error: psycopg.Error) -> None:
        """Ask what became of a transaction whose commit was not answered; raises where it was not committed."""
        _log.warning("the database was lost while it committed: it is asked what became of that", error=said(error))
        deadline = time.monotonic() + _DOUBT_S
        found: str | None = "in progress"
        while found == "in progress" and time.monotonic() < deadline and not self._is_closed.wait(_PAUSE_S):
            with suppress(psycopg.Error):
                found = self._become_of(transaction)
        if found == "aborted":
            raise error
        if found != "committed":  # as after kill -9: a service that begins anew finds out by itself what is there
            self._lose("what became of a commit cannot be known")

    def _become_of(self, transaction: str) -> str | None:
        """Ask by a connection of its own, once the session that was lost has ended."""
        with closing(PostgresConnection(self._address)) as connection:
            end_session(connection, self._session)
            status: str | None = connection.rows(_STATUS, {"id": transaction})[0]["status"]
            return status

    def _connect_again(self) -> None:
        """Connect, and have the lock again, unless another has led since."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        connection = PostgresConnection(self._address, name=application(self._known))
        try:
            self._lock_again(connection)
            (row,) = connection.rows("SELECT term FROM lead")
            if row["term"] != self.term:
                self._lose("another service has led meanwhile")
        except BaseException:
            self._unlock(connection)
            connection.close()
            raise
        self._connection, self._session = connection, session_of(connection)
        _log.info("connected to the database again", term=self.term)

    def _lock_again(self, connection: PostgresConnection) -> None:
        """Have the leader's lock by another connection than before."""
        deadline = time.monotonic() + _OLD_SESSION_S
        while not try_lock(connection):
            (row,) = connection.rows("SELECT term FROM lead")
            if row["term"] != self.term or time.monotonic() > deadline:
                self._lose("another service leads")
            end_session(connection, self._session)  # our own that was lost, where the server has not noticed
            self._is_closed.wait(_PAUSE_S)

    def _lose(self, why: str) -> None:
        if not self.lost.is_set():
            _log.error("the lead is lost", why=why, term=self.term)
            self.lost.set()
        if self._connection is not None:
            self._connection.close()
        raise LeadLost(why)


class DelegatedWriter(PostgresWriter):
    """Writes for the process that has the lead, in its term and as long as that lasts, from anywhere; takes no lock of its own."""

    def __init__(self, address: Address, connection: PostgresConnection, known: Sequence[Script], *, term: int) -> None:
        _stand_still_for(connection, _STANDING_S)
        super().__init__(address, connection, known, term=term)

    def _lock_again(self, connection: PostgresConnection) -> None:
        """Leave the lock to who leads."""
        _stand_still_for(connection, _STANDING_S)

    def _unlock(self, connection: PostgresConnection) -> None:
        """Leave it there too."""


def _stand_still_for(connection: PostgresConnection, seconds: float) -> None:
    """Have the server end a transaction that stands still for so long: everybody waits for it."""
    connection.script(f"SET idle_in_transaction_session_timeout = '{seconds:.0f}s'")


def connect_to_lead(address: Address, known: Sequence[Script]) -> PostgresConnection:
    """Connect to take the lead by that connection, or to wait for it."""
    return PostgresConnection(address, name=application(known), has_limits=False)


def take_lead(
    address: Address, connection: PostgresConnection, known: Sequence[Script], *, ends_silent: bool = False
) -> PostgresWriter | None:
    """Take the lead by a connection, where nobody has it; else it may be tried again. Whatever is raised, the connection is closed.

    With `ends_silent` a leader that has not said anything for too long is made to give it up.
    """
    try:
        if not try_lock(connection) and not (ends_silent and _end_silent(connection)):
            return None
        migrate(connection, known)
        holder = f"{socket.gethostname()}/{os.getpid()}"
        # Waits for a transaction that a leader before may still have open; after it none of an earlier term can begin.
        (row,) = connection.rows(
            "UPDATE lead SET term = term + 1, holder = :holder, told = '', renewed_at = now() RETURNING term", {"holder": holder}
        )
        connection.limit()
    except BaseException:
        unlock(connection)
        connection.close()
        raise
    return PostgresWriter(address, connection, known, term=row["term"])


def try_lock(connection: PostgresConnection) -> bool:
    """Take the leader's lock for this connection, where nobody has it."""
    return bool(connection.rows(f"SELECT pg_try_advisory_lock({LEAD}) AS has")[0]["has"])


def unlock(connection: PostgresConnection) -> None:
    """Let go of the leader's lock at once, where a connection has it that is about to be closed; raises nothing.

    The server would do so by itself, but only when it has noticed that the connection is closed. It is left to that where a transaction
    is under way: nobody may lead before it is undone.
    """
    if not connection.is_usable or connection.is_in_transaction:
        return
    with suppress(psycopg.Error):  # lost: then the server lets go of it
        # By another name: the session is not taken for one of code that is at work, while the server has not ended it.
        connection.script(f"SET application_name = '{APPLICATION}'; {_UNLOCK}")


def session_of(connection: PostgresConnection) -> tuple[int, str]:
    """Return what names the server's session of a connection, also once its process number is given to another."""
    (row,) = connection.rows("SELECT pid, CAST(backend_start AS text) AS since FROM pg_stat_activity WHERE pid = pg_backend_pid()")
    return row["pid"], row["since"]


def end_session(connection: PostgresConnection, session: tuple[int, str]) -> None:
    """End a session, where it is still there."""
    pid, since = session
    connection.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = :pid AND CAST(backend_start AS text) = :since",
        {"pid": pid, "since": since},
    )


def _end_silent(connection: PostgresConnection) -> bool:
    """Take the lock from a leader that says nothing (its process stands still) by ending its session; say whether that was done."""
    if not connection.rows("SELECT 1 WHERE to_regclass(:table) IS NOT NULL", {"table": f"{SCHEMA}.lead"}):
        return False
    ended = connection.rows(_END_SILENT, {"s": STALE_S, "quiet_s": _QUIET_S})
    if not ended:
        return False
    _log.warning("the service that leads said nothing any more: its connection is ended")
    deadline = time.monotonic() + _ENDED_S
    while not (has := try_lock(connection)) and time.monotonic() < deadline:
        time.sleep(_PAUSE_S)
    return has
