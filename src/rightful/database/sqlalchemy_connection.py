"""One connection through SQLAlchemy, set up as each database can be: it only reads, sees one moment, and ends what takes too long."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from rightful.database.row_batches import Row

_MOMENTS: Mapping[str, Any] = {
    "postgresql": "REPEATABLE READ",
    "mysql": "REPEATABLE READ",
    "mariadb": "REPEATABLE READ",
    "oracle": "SERIALIZABLE",
    "firebird": None,  # so it is, and its dialect cannot say otherwise
}
"""Isolation levels at which a transaction sees one moment, and nobody waits for it."""
_OPTIONS: Mapping[str, Mapping[str, Any]] = {"postgresql": {"postgresql_readonly": True}}
_ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "psycopg": {"connect_timeout": 10},
    "psycopg2": {"connect_timeout": 10},
    "pymssql": {"login_timeout": 10},
    "pyodbc": {"timeout": 10},
    "pysqlite": {"check_same_thread": False},
    "duckdb": {"read_only": True},
}
"""What connections are made with, by driver or dialect; an address may say otherwise."""
_SESSION: Mapping[str, tuple[str, ...]] = {
    "duckdb": ("SET TimeZone = 'UTC'",),
    "sqlite": ("PRAGMA query_only = ON",),
    "mysql": ("SET SESSION TRANSACTION READ ONLY", "SET time_zone = '+00:00'"),
    "mariadb": ("SET SESSION TRANSACTION READ ONLY", "SET time_zone = '+00:00'"),
    "postgresql": ("SET TIME ZONE 'UTC'", "SET default_transaction_read_only = on"),
    "oracle": ("ALTER SESSION SET TIME_ZONE = '+00:00'", "ALTER SESSION SET NLS_COMP = BINARY", "ALTER SESSION SET NLS_SORT = BINARY"),
}
_LIMITS: Mapping[str, str] = {
    "mysql": "SET SESSION max_execution_time = {ms}",
    "mariadb": "SET SESSION max_statement_time = {s}",
    "firebird": "SET STATEMENT TIMEOUT {ms} MILLISECOND",
}
"""Where the server itself has to look at the clock, for drivers that cannot break off."""
_BREAK_OFF = ("cancel", "interrupt")
"""What drivers call it: psycopg and oracledb, sqlite3 and duckdb."""
_UNKEPT = frozenset({"duckdb"})
"""Whose files are locked against writers for as long as a connection is open."""
_FEW, _MANY = 32, 4096
_FETCHED_BYTES = 2 << 20


logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)  # it tells of each connection that cannot be closed twice


class Late(Exception):
    """A query took longer than it may."""


class Gone(Exception):
    """A connection that was kept is dead."""


class Connections:
    """Opens connections to one database; what belongs to all of them is made when the first is."""

    def __init__(self, url: sa.URL) -> None:
        self._url = url
        self._engine: sa.Engine | None = None
        self._lock = threading.Lock()

    def __call__(self) -> "SqlalchemyConnection":
        """Open a connection."""
        with self._lock:
            if self._engine is None:
                self._engine = _engine(self._url)
        return SqlalchemyConnection(self._engine.connect())


def _engine(url: sa.URL) -> sa.Engine:
    name = url.get_backend_name()
    arguments = {**_ARGUMENTS.get(name, {}), **_ARGUMENTS.get(url.get_driver_name(), {})}
    given: dict[str, Any] = {"isolation_level": _MOMENTS[name]} if _MOMENTS.get(name) else {}
    engine = sa.create_engine(
        url,
        poolclass=NullPool,
        hide_parameters=True,
        query_cache_size=0,
        connect_args={key: value for key, value in arguments.items() if key not in url.query},
        execution_options=dict(_OPTIONS.get(name, {})),
        **given,
    )
    sa.event.listen(engine, "connect", lambda connection, _: _set_up(connection, name))
    return engine


def _set_up(connection: Any, name: str) -> None:
    cursor = connection.cursor()
    for statement in _SESSION.get(name, ()):
        cursor.execute(statement)
    cursor.close()
    if name in _SESSION:
        connection.commit()


class SqlalchemyConnection:
    """A connection that runs statements with named parameters, in a transaction from the first one to `end`."""

    def __init__(self, connection: sa.Connection) -> None:
        self.raw = connection
        self.dialect = connection.dialect
        self.is_late = False
        self._is_new = True

    @property
    def name(self) -> str:
        """Which database it is."""
        return "mariadb" if getattr(self.dialect, "is_mariadb", False) else self.raw.engine.url.get_backend_name()

    @property
    def sees_one_moment(self) -> bool:
        """Whether all that a transaction reads is of one moment."""
        return self.name in _MOMENTS

    @property
    def is_kept(self) -> bool:
        """Whether it may stay open while nobody uses it."""
        return self.name not in _UNKEPT

    def look(self) -> None:
        """See whether it is alive, where it was kept."""
        if not self._is_new and not self._is_alive():
            raise Gone
        self._is_new = False

    def _is_alive(self) -> bool:
        try:
            is_alive: bool = self.dialect.do_ping(self.raw.connection.dbapi_connection)  # type: ignore[arg-type]  # a DB-API connection
        except Exception:  # noqa: BLE001 -- drivers raise what they like
            return False
        return is_alive

    def start(self) -> None:
        """Begin the moment that a transaction sees, which is that of its first query."""
        self.raw.execute(sa.select(sa.literal_column("1"))).close()

    def rows(self, query: str | sa.Select[Any], parameters: Mapping[str, Any], limit_s: float, most: int = 0) -> list[Row]:
        """Run a query whose answer is small; of its rows the first few, where `most` says so."""
        with self.limited(limit_s), self._run(query, parameters) as result:
            return list(map(tuple, result.fetchmany(most) if most else result.fetchall()))

    def stream(self, sql: str, parameters: Mapping[str, Any], limit_s: float) -> Iterator[Row]:
        """Run a query and yield its rows, few at a time where they are large."""
        until = time.monotonic() + limit_s
        with self.limited(limit_s), self._run(sql, parameters) as result:
            many = _FEW
            while rows := result.fetchmany(many):
                size_bytes = sum(len(value) for row in rows for value in row if isinstance(value, str | bytes))
                yield from rows
                if self.is_late or time.monotonic() >= until:
                    self.is_late = True
                    raise Late
                many = max(1, min(_MANY, 4 * many, len(rows) * _FETCHED_BYTES // max(size_bytes, 1)))

    @contextmanager
    def _run(self, query: str | sa.Select[Any], parameters: Mapping[str, Any]) -> Iterator[sa.CursorResult[Any]]:
        said = sa.text(query) if isinstance(query, str) else query
        result = self.raw.execute(said, parameters, execution_options={"stream_results": True, "max_row_buffer": 1})
        try:
            yield result
        except BaseException:
            self.break_off()
            self.close()
            with suppress(Exception):
                result.close()  # after the connection: some drivers would have all of its rows sent first
            raise
        result.close()

    @contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        """Break off what takes longer."""
        self.is_late = False
        if (limit := _LIMITS.get(self.name)) is not None:
            self.raw.exec_driver_sql(limit.format(ms=max(1, round(seconds * 1000)), s=max(0.001, seconds)))
        lock, over = threading.Lock(), threading.Event()

        def late() -> None:
            with lock:
                if not over.is_set():
                    self.is_late = True
                    self.break_off()

        timer = threading.Timer(seconds, late)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            with lock:
                over.set()
            timer.cancel()

    def break_off(self) -> None:
        """End the running query, where the driver can do so from another thread."""
        with suppress(Exception):
            driver = self.raw.connection.driver_connection
            found = next((name for name in _BREAK_OFF if callable(getattr(driver, name, None))), None)
            if found:
                getattr(driver, found)()

    def end(self) -> None:
        """End the transaction."""
        self.raw.rollback()

    def close(self) -> None:
        """Close at once, whatever is running; never raises."""
        with suppress(Exception):
            self.raw.connection.dbapi_connection.close()  # type: ignore[union-attr]  # it has one
        with suppress(Exception):
            self.raw.invalidate()
        with suppress(Exception):
            self.raw.close()


Open = Callable[[], SqlalchemyConnection]
