"""One connection to MySQL or MariaDB through PyMySQL.

PyMySQL writes values into the text of a statement. None of ours gets there: values go into variables of the session, as hexadecimal
literals, which need no escaping, and statements name the variables.
"""

import socket
from collections.abc import Iterator, Mapping

import pymysql
from pymysql.constants import FIELD_TYPE

from rightful.database.mysql_address import Address
from rightful.database.row_batches import Row

_CONNECT_S = 10
_KEEP_ALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
_INTEGERS = (
    FIELD_TYPE.TINY,
    FIELD_TYPE.SHORT,
    FIELD_TYPE.INT24,
    FIELD_TYPE.LONG,
    FIELD_TYPE.LONGLONG,
    FIELD_TYPE.YEAR,
)
_CONVERT = {**dict.fromkeys(_INTEGERS, int), FIELD_TYPE.DOUBLE: float}
"""Everything else comes as the text or the bytes that the server sends."""

# An account's or a server's settings must change nothing of what is read: how names and literals are written, moments, how many rows.
# `net_write_timeout` is what the server waits for who writes rows away; a stream's time is bounded by its own time-out.
_SETTINGS = {
    "sql_mode": "'PIPES_AS_CONCAT'",
    "time_zone": "'+00:00'",
    "sql_select_limit": "18446744073709551615",
    "sql_big_selects": "1",
    "max_sort_length": "8192",
}
_MARIADB = {"optimizer_switch": "'derived_with_keys=on,materialization=on'"}

_MARIADB_IDLE = ("idle_transaction_timeout", "idle_readonly_transaction_timeout")


class _Refusing:
    """Stands for ways to log in that send the password as it is: over a connection that is not encrypted they are not taken."""

    def __init__(self, connection: object) -> None:
        del connection

    def authenticate(self, packet: object) -> object:
        del packet
        raise pymysql.err.OperationalError(_CLEAR_TEXT, "")


_CLEAR_TEXT = 2061
"""CR_AUTH_PLUGIN_ERR."""
_NO_CONNECTION = 2003
"""CR_CONN_HOST_ERROR."""
_NO_SUCH_HOST = 2005
"""CR_UNKNOWN_HOST."""
_CLEAR_TEXT_WAYS = ("mysql_clear_password", "dialog")


class _Connection(pymysql.connections.Connection):  # type: ignore[misc]  # PyMySQL has no types
    """What PyMySQL offers no way to do."""

    def abandon(self) -> None:
        """Close the socket at once; PyMySQL would first read what is left of a result."""
        if self._result is not None:
            self._result.unbuffered_active = False
        self._force_close()
        self._closed = True

    def be_patient(self) -> None:
        """Wait for answers as long as they take: the server has its time limits, and keep-alives notice one that vanished."""
        self._read_timeout = None


class MysqlConnection:
    """Runs statements, one at a time; used by one thread at a time."""

    def __init__(self, address: Address) -> None:
        context = address.context()
        is_private = context is not None or bool(address.socket)
        self._connection = _Connection(
            user=address.user,
            password=address.password.encode(),  # PyMySQL itself would take Latin-1
            host=address.host,
            port=address.port,
            database=address.database,
            unix_socket=address.socket or None,
            charset="utf8mb4",
            collation="utf8mb4_bin",
            conv=_CONVERT,
            connect_timeout=_CONNECT_S,
            read_timeout=_CONNECT_S,
            autocommit=True,
            program_name="rightful",
            ssl=context,
            ssl_disabled=context is None,
            auth_plugin_map={} if is_private else dict.fromkeys(_CLEAR_TEXT_WAYS, _Refusing),
            defer_connect=True,
        )
        self._connection.connect(_socket(address))
        self._connection.be_patient()
        self.is_mariadb = "mariadb" in self._connection.get_server_info().lower()

    @property
    def number(self) -> int:
        """The server's number for this connection."""
        return int(self._connection.thread_id())

    def configure(self, limit_s: float, *, idle_s: int = 600) -> None:
        """Set what statements from now on go by: how long each may take, and how long the server waits for us to take what it sends."""
        limit = {"max_statement_time": f"{limit_s:.3f}"} if self.is_mariadb else {"max_execution_time": f"{max(1, round(limit_s * 1000))}"}
        self._set({**_SETTINGS, **(_MARIADB if self.is_mariadb else {}), **limit, "net_write_timeout": str(idle_s)})

    def begin(self, limit_s: float, *, is_snapshot: bool = False, idle_s: int = 600) -> None:
        """Begin a transaction that only reads, each statement of which may take so long.

        Args:
            limit_s: the server ends a statement after this time.
            is_snapshot: whether all statements see the moment of this call; else each sees its own.
            idle_s: how long the server waits for us to take what it sends.
        """
        self.configure(limit_s, idle_s=idle_s)
        if is_snapshot:
            self.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        self.run(f"START TRANSACTION {'WITH CONSISTENT SNAPSHOT, ' if is_snapshot else ''}READ ONLY")

    def wait(self, wait_s: int) -> None:
        """Have the server wait so long for the next statement, whatever the account's own limits; then it ends the transaction."""
        limits = ("wait_timeout", *(_MARIADB_IDLE if self.is_mariadb else ()))
        self._set(dict.fromkeys(limits, str(wait_s)))

    def end(self) -> None:
        """End the transaction."""
        self.run("COMMIT")

    def give(self, values: Mapping[str, str | int | bytes]) -> None:
        """Give variables of the session their values: texts and bytes as bytes."""
        if values:
            self.run(f"SET {', '.join(f'@{name} = {literal(value)}' for name, value in values.items())}")

    def run(self, sql: str) -> None:
        """Run a statement whose answer does not count."""
        self._connection.query(sql)

    def _set(self, settings: Mapping[str, str]) -> None:
        self.run(f"SET SESSION {', '.join(f'{name} = {value}' for name, value in settings.items())}")

    def rows(self, sql: str) -> list[Row]:
        """Run a statement and return its rows: for small answers."""
        cursor = self._connection.cursor()
        try:
            cursor.execute(sql)
            return list(cursor.fetchall())
        finally:
            cursor.close()

    def stream(self, sql: str) -> Iterator[Row]:
        """Run a query and yield its rows as the server sends them. Who stops early must close the connection."""
        cursor = self._connection.cursor(pymysql.cursors.SSCursor)
        cursor.execute(sql)
        while (row := cursor.fetchone()) is not None:
            yield row

    def close(self) -> None:
        """Close; never raises."""
        self._connection.abandon()


def literal(value: str | int | bytes) -> str:
    """Write a value so that nothing in it is read as SQL, whatever the server's settings."""
    if isinstance(value, int):
        return str(value)
    raw = value.encode() if isinstance(value, str) else value
    return f"0x{raw.hex()}" if raw else "''"


def name_literal(text: str) -> str:
    """Write the name of a table or column as a text to compare names in the catalogue with."""
    return f"_utf8mb4 {literal(text)}"


def _socket(address: Address) -> socket.socket:
    """Connect, with keep-alives that notice a server that vanished. PyMySQL itself would leave one open that does not connect."""
    try:
        if not address.socket:
            return _kept_alive(socket.create_connection((address.host, address.port), _CONNECT_S))
        made = socket.socket(socket.AF_UNIX)
        try:
            made.connect(address.socket)
        except BaseException:
            made.close()
            raise
    except socket.gaierror as error:
        raise pymysql.err.OperationalError(_NO_SUCH_HOST, "") from error
    except OSError as error:
        raise pymysql.err.OperationalError(_NO_CONNECTION, "") from error
    return made


def _kept_alive(made: socket.socket) -> socket.socket:
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE.items():
        if hasattr(socket, name):  # not on every system
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made
