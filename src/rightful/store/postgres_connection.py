"""A connection to a PostgreSQL database: whose it is to see, what its statements may take, what it says of what fails."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import LiteralString, cast

import psycopg
from psycopg.abc import Buffer
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row
from psycopg.types.numeric import Int8BinaryDumper, Int8Dumper, NumericBinaryLoader
from psycopg.types.string import StrBinaryDumper, StrDumper

from rightful.errors import ConfigurationError
from rightful.store.connection import ConstraintBroken, Parameters, Row, Unstorable

EVERYTHING = "*"
"""The scope of work that goes across tenants."""
SCHEMA = "rightful"
APPLICATION = "rightful"

_NAMED = re.compile(r"(?<![:\w]):([a-z_][a-z0-9_]*)")
_PREPARED = 500
"""How many statements a connection keeps prepared."""
_CONNECT_S = 5
_STATEMENT_S = 30
_LOCK_S = 15
_LIMITS = f"SET statement_timeout = '{_STATEMENT_S}s'; SET lock_timeout = '{_LOCK_S}s'; "
_IDLE_S = 60
"""How long a transaction may stand still before the server ends it: a process that was stopped holds nobody up for longer."""
_DEFAULTS = {
    "connect_timeout": str(_CONNECT_S),
    "keepalives": "1",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
"""What the address may say otherwise: a connection whose other end is gone is noticed within 15 s."""


class Address:
    """Where a database is. Its text holds a password: it is shown as host and database alone."""

    def __init__(self, url: str) -> None:
        try:
            given = conninfo_to_dict(url)
        except psycopg.ProgrammingError:
            given = {}
        if not given.get("dbname") or not url.startswith(("postgresql://", "postgres://")):
            # Not `from`: what libpq says of an address repeats it, with the password.
            raise ConfigurationError("store: the address of the database is not understood", hint=HOW_TO_WRITE) from None
        self.parameters: dict[str, str] = {**_DEFAULTS, **{name: f"{value}" for name, value in given.items()}}
        self.display = f"{self.parameters.get('host', 'localhost')}/{self.parameters['dbname']}"

    def __repr__(self) -> str:
        """Show no password."""
        return f"Address({self.display})"

    __str__ = __repr__


HOW_TO_WRITE = "write postgresql://USER:${PASSWORD}@HOST/DATABASE?sslmode=verify-full"


@lru_cache(maxsize=1024)
def _translated(statement: str) -> LiteralString:
    """Write parameters as psycopg does: `:x` and `?` as `%(x)s` and `%s`."""
    text: object = _NAMED.sub(r"%(\1)s", statement.replace("%", "%%")).replace("?", "%s")
    return cast("LiteralString", text)  # statements are texts of ours: every value is a parameter


def quoted(text: str) -> str:
    """Write a text as a literal, for what takes no parameters."""
    if "\0" in text:
        raise Unstorable("PostgreSQL takes no zero character")
    return "'" + text.replace("'", "''") + "'"


class _WholeNumber(NumericBinaryLoader):
    """A sum of whole numbers, which PostgreSQL has as a decimal number."""

    def load(self, data: Buffer) -> int:  # type: ignore[override]  # no statement of ours has a fraction of that type
        """Read it."""
        return int(super().load(data))


_ONE_BY_ONE = 4
"""Statements for which the driver's own way with many costs more."""


class PostgresConnection:
    """See `store.connection.Connection`; raises `psycopg.Error` besides. Committed one by one, unless a transaction is begun."""

    def __init__(self, address: Address, *, name: str = APPLICATION, scope: str = EVERYTHING, has_limits: bool = True) -> None:
        """Connect by a name that administrators see; without limits a statement may take as long as it needs."""
        parameters = {**address.parameters, "application_name": name}
        self._connection = psycopg.connect(**parameters, autocommit=True, prepare_threshold=3)  # type: ignore[arg-type]  # texts, all of them
        self._connection.prepared_max = _PREPARED
        adapters = self._connection.adapters
        # One type for whole numbers and one for texts: by default a number's size decides, and each has a statement prepared of its own.
        for number in (Int8BinaryDumper, Int8Dumper):
            adapters.register_dumper(int, number)
        for text in (StrBinaryDumper, StrDumper):
            adapters.register_dumper(str, text)
        adapters.register_loader("numeric", _WholeNumber)
        self._cursor = self._connection.cursor(row_factory=dict_row, binary=True)
        self.scope = scope
        limits = _LIMITS if has_limits else ""
        try:
            self.script(
                f"SET search_path = {SCHEMA}; SET standard_conforming_strings = on; SET timezone = 'UTC'; {limits}"
                f"SET idle_in_transaction_session_timeout = '{_IDLE_S}s'; SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; "
                f"SET tcp_keepalives_count = 3; SET rightful.tenant = {quoted(scope)}"
            )
            if self.script("SHOW synchronous_commit")[0][0] == "off":  # what returns is durable
                self.script("SET synchronous_commit = on")
        except BaseException:
            self.close()
            raise

    def run(self, statement: str, parameters: Parameters = ()) -> int:
        """Run a statement to its end."""
        self._execute(statement, parameters)
        return max(0, self._cursor.rowcount)

    def run_each(self, statement: str, parameters: Sequence[Parameters]) -> int:
        """Run a statement to its end with each of the parameters in turn; many are sent before the first one is answered."""
        if len(parameters) <= _ONE_BY_ONE:
            return sum(self.run(statement, each) for each in parameters)
        try:
            self._cursor.executemany(_translated(statement), parameters)
        except (psycopg.IntegrityError, psycopg.DataError) as error:
            raise _own(error) from error
        return max(0, self._cursor.rowcount)

    def rows(self, statement: str, parameters: Parameters = ()) -> list[Row]:
        """Run a statement to its end; return its rows."""
        self._execute(statement, parameters)
        return self._cursor.fetchall()

    def each_row(self, statement: str, parameters: Parameters = ()) -> Iterator[Row]:
        """Run a statement as its rows are asked for; until the last one nothing else may run."""
        with self._connection.cursor(row_factory=dict_row, binary=True) as cursor:
            yield from cursor.stream(_translated(statement), parameters)

    def _execute(self, statement: str, parameters: Parameters) -> None:
        try:
            self._cursor.execute(_translated(statement), parameters)
        except (psycopg.IntegrityError, psycopg.DataError) as error:
            raise _own(error) from error

    def script(self, text: str) -> list[tuple[object, ...]]:
        """Run statements without parameters in one exchange; return the rows of the last that has any."""
        found: list[tuple[object, ...]] = []
        with self._connection.cursor() as cursor:
            cursor.execute(text.encode())
            while True:
                if cursor.description:
                    found = cursor.fetchall()
                if not cursor.nextset():
                    return found

    def look_as(self, scope: str) -> None:
        """See only what belongs to a tenant from now on, or everything."""
        if scope != self.scope:
            self.script(f"SET rightful.tenant = {quoted(scope)}")
            self.scope = scope

    def limit(self) -> None:
        """Let no statement take long from now on."""
        self.script(_LIMITS)

    @property
    def driver(self) -> psycopg.Connection[tuple[object, ...]]:
        """The driver's own connection, for COPY."""
        return self._connection

    @property
    def backend(self) -> int:
        """The server's process for it."""
        return self._connection.info.backend_pid

    @property
    def is_in_transaction(self) -> bool:
        """Whether one was begun and has not ended."""
        return self._connection.info.transaction_status is not TransactionStatus.IDLE

    @property
    def is_usable(self) -> bool:
        """Whether it is connected still, as far as is known here."""
        return not self._connection.closed and not self._connection.broken

    def close(self) -> None:
        """Disconnect; what was begun and not committed is undone. Again, it does nothing."""
        self._connection.close()


def _own(error: psycopg.Error) -> ConstraintBroken | Unstorable:
    # The detail, which has values, is left out.
    text = error.diag.message_primary or type(error).__name__
    return ConstraintBroken(text) if isinstance(error, psycopg.IntegrityError) else Unstorable(text)


def said(error: psycopg.Error) -> str:
    """Return what is to be told of an error: one line, without values."""
    if error.diag.message_primary:
        return error.diag.message_primary
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
