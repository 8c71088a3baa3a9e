"""A store in a PostgreSQL database, as a whole."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import psycopg

from rightful.audit.record import SERVICE_CHAIN
from rightful.clock import MOST_SKEW_S, tell_skew
from rightful.errors import ConfigurationError
from rightful.ids import OperationId, SubjectId, TenantId
from rightful.store import audit_chain, postgres_examining, purging, queries, rows
from rightful.store.connection import Row
from rightful.store.place import MakeRecord
from rightful.store.postgres_connection import SCHEMA, Address, PostgresConnection, said
from rightful.store.postgres_database import PostgresDatabase, Waiting, open_database, open_delegated
from rightful.store.postgres_migrating import scripts
from rightful.store.postgres_writer import LEAD
from rightful.store.values import ChainEntry, Purgeable, PurgeLimits, Retention, StoreCheck, StoreFault

_PAGE = 1000
_OLDEST = 130000
_EXAMINED = """
SELECT CAST(current_setting('server_version_num') AS BIGINT) AS number, current_setting('server_version') AS version,
  pg_is_in_recovery() AS is_standby, current_setting('server_encoding') AS encoding,
  (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user) AS is_above,
  coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS is_encrypted,
  CASE WHEN to_regnamespace(:schema) IS NULL THEN has_database_privilege(current_database(), 'CREATE')
       ELSE has_schema_privilege(CAST(to_regnamespace(:schema) AS oid), 'CREATE') END AS may_use,
  to_regclass(:schema || '.lead') IS NOT NULL AS has_store,
  CAST(extract(epoch FROM clock_timestamp()) AS double precision) AS now_s
"""
_HINT = "does the server run there, and has the service run with this configuration?"


class PostgresPlace:
    """See `store.place.Place`; services that find it taken may wait for it."""

    def __init__(self, url: str, *, wall: Callable[[], float] = time.time) -> None:
        self._address = Address(url)
        self._wall = wall
        self._waiting = Waiting(self._address)

    def open(self) -> PostgresDatabase:
        """Take the lead."""
        return open_database(self._address)

    def open_if_free(self) -> PostgresDatabase | None:
        """Take the lead where nobody has it, or who has it says nothing any more; None where another leads."""
        return self._waiting.take(ends_silent=True)

    def told(self) -> bytes:
        """Read it by the connection that it waits by."""
        return self._waiting.told()

    def stop_waiting(self) -> None:
        """Close the connection that it waited by."""
        self._waiting.close()

    def open_delegated(self, term: int) -> PostgresDatabase:
        """Write in a term of the lead without having it."""
        return open_delegated(self._address, term)

    @contextmanager
    def open_audit(self) -> Iterator["PostgresAudit"]:
        """Read at one moment, beside the service."""
        try:
            with closing(self._connect()) as connection:
                connection.script("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = 0")
                yield PostgresAudit(connection)
        except psycopg.Error as error:
            raise StoreFault(f"the audit trail of {self._address.display} cannot be read: {said(error)}") from error

    def append(self, operation_id: OperationId, make: MakeRecord) -> None:
        """Write beside the service: its transactions and this one follow one another."""
        sql = queries.load_for_postgres()
        try:
            with closing(self._connect()) as connection:
                connection.script("BEGIN; SELECT 1 FROM lead FOR UPDATE")
                found = connection.rows(sql["whose_operation"], {"id": operation_id})
                tenant_id, subject_id = (found[0]["tenant_id"], found[0]["subject_id"]) if found else (SERVICE_CHAIN, SubjectId(""))
                audit_chain.append(connection, sql, [make(tenant_id, subject_id)])
                connection.script("COMMIT")
        except psycopg.Error as error:
            raise StoreFault(f"the audit trail of {self._address.display} cannot be written: {said(error)}") from error

    @contextmanager
    def kept_free(self) -> Iterator[bool]:
        """Share the lock that a leader wants for itself."""
        try:
            connection = PostgresConnection(self._address)
        except psycopg.Error as error:
            raise self._out_of_reach(error) from error
        with closing(connection):
            is_free = bool(connection.rows(f"SELECT pg_try_advisory_lock_shared({LEAD}) AS has")[0]["has"])
            try:
                yield is_free
            finally:
                if is_free:
                    with suppress(psycopg.Error):  # else the server lets go of it when it notices that the connection is closed
                        connection.script(f"SELECT pg_advisory_unlock_shared({LEAD})")

    def look(self) -> Iterator[StoreCheck]:
        """Look at the server, then at the tables."""
        try:
            yield StoreCheck(name="server", ok=True, detail=self.examine())
        except ConfigurationError as error:
            yield StoreCheck(name="server", ok=False, detail=error.message, hint=error.hint)
            return
        with self.kept_free() as is_free:
            pass
        try:
            with closing(PostgresConnection(self._address, has_limits=False)) as connection:
                yield from postgres_examining.examine(connection, scripts(), is_led=not is_free)
        except psycopg.Error as error:
            yield StoreCheck(name="tables", ok=False, detail=f"cannot be read: {said(error)}", hint=_HINT)

    def examine(self) -> str:
        """Look at the server, the account and who leads."""
        try:
            with closing(PostgresConnection(self._address)) as connection:
                (row,) = connection.rows(_EXAMINED, {"schema": SCHEMA})
                self._check(row)
                leader = connection.rows("SELECT holder FROM lead") if row["has_store"] else []
                is_led = not connection.rows(f"SELECT pg_try_advisory_xact_lock_shared({LEAD}) AS has")[0]["has"]
        except psycopg.Error as error:
            raise self._out_of_reach(error) from error
        found = [f"PostgreSQL {row['version'].split()[0]}", "encrypted" if row["is_encrypted"] else "not encrypted"]
        if not row["has_store"]:
            found.append("will be made")
        elif is_led:
            found.append(f"led by {leader[0]['holder']}" if leader else "led by a service")
        return ", ".join(found)

    def _check(self, row: Row) -> None:
        place, skew_s = self._address.display, self._wall() - row["now_s"]
        if row["number"] < _OLDEST:
            raise ConfigurationError(f"{place} is PostgreSQL {row['version']}", hint="use version 13 or later")
        if row["is_standby"]:
            raise ConfigurationError(f"{place} is a server that only repeats another", hint="name the one that can be written")
        if row["encoding"] != "UTF8":
            raise ConfigurationError(f"the database {place} is in {row['encoding']}", hint="make one with ENCODING 'UTF8'")
        if row["is_above"]:
            raise ConfigurationError(
                f"the account of {place} is a superuser or has BYPASSRLS: row-level security does not hold it to one tenant",
                hint="give the service an account of its own (docs/howto/use-postgresql.md)",
            )
        if abs(skew_s) > MOST_SKEW_S:
            raise ConfigurationError(
                tell_skew(skew_s, place), hint="set the clock, and have NTP keep it: what is purged, and what has expired, is judged by it"
            )
        if not row["may_use"]:
            raise ConfigurationError(
                f"the account may not make the schema `{SCHEMA}` in {place}, or not use it",
                hint=f"as the database's owner: CREATE SCHEMA {SCHEMA} AUTHORIZATION the account",
            )

    def _connect(self) -> PostgresConnection:
        try:
            connection = PostgresConnection(self._address)
        except psycopg.Error as error:
            raise self._out_of_reach(error) from error
        if not connection.rows("SELECT 1 FROM pg_namespace WHERE nspname = :name", {"name": SCHEMA}):
            connection.close()
            raise ConfigurationError(f"there is no store in the database {self._address.display}", hint=_HINT)
        return connection

    def _out_of_reach(self, error: psycopg.Error) -> ConfigurationError:
        return ConfigurationError(f"the store {self._address.display} cannot be reached: {said(error)}", hint=_HINT)


class PostgresAudit:
    """See `store.place.AuditReader`."""

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection
        self._sql = queries.load_for_postgres()

    def tenants(self) -> tuple[TenantId, ...]:
        """Return whose chains or checkpoints there are."""
        found: set[TenantId] = set()
        for table in ("audit", "audit_checkpoint"):
            after: str | None = None
            while (row := self._connection.rows(self._sql[f"next_{table}_tenant"], {"after": after})[0])["tenant_id"] is not None:
                after = row["tenant_id"]
                found.add(TenantId(row["tenant_id"]))
        return tuple(sorted(found))

    def chain(self, tenant_id: TenantId) -> Iterator[ChainEntry]:
        """Yield the entries of a chain, in order."""
        after = -(2**63)
        while page := audit_chain.page(self._connection, self._sql, tenant_id, after_seq=after, limit=_PAGE):
            yield from page
            after = page[-1].seq

    def checkpoints(self, tenant_id: TenantId) -> Iterator[str]:
        """Yield the lines of the checkpoints of a chain, in order."""
        for row in self._connection.rows(self._sql["checkpoints"], {"tenant_id": tenant_id}):
            yield row["checkpoint"]

    def retention(self, tenant_id: TenantId) -> Retention:
        """Return what is known of purges; nothing where the database is older than they are."""
        if not self._has_retention():
            return Retention()
        found = self._connection.rows(self._sql["retention"], {"tenant_id": tenant_id})
        return rows.retention(found[0]) if found else Retention()

    def purgeable(self, limits: PurgeLimits) -> tuple[Purgeable, ...]:
        """Return how many operations and receipts were kept long enough."""
        if not self._has_retention():
            raise ConfigurationError("the store was last used by an older version", hint="start the service of this version on it once")
        return purging.purgeable(lambda name, parameters: self._connection.rows(self._sql[name], parameters)[0], limits)

    def _has_retention(self) -> bool:
        return bool(self._connection.rows("SELECT to_regclass(:name) IS NOT NULL AS found", {"name": f"{SCHEMA}.retention"})[0]["found"])
