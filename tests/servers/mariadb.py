"""A real MariaDB server for tests: its own data folder and socket, a free loopback port, ended by its own pid."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pymysql
import pytest
from pymysql.constants import CLIENT
from tests.servers.port import free_port
from tests.servers.process import account, listens, program, running, stop

PASSWORD = "sample-p@ss/w:örd"
_START_S = 60.0
_ACCOUNT = "reader"


class MariadbServer:
    """One server process; databases are made in it as tests need them."""

    def __init__(self, program: str, folder: Path) -> None:
        self.port = 0
        """Chosen at the first start, and kept."""
        self._program = program
        self._folder = folder
        self._account = account("mysql")
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        temporary = folder / "tmp"  # a server that starts deletes the temporary tables of all that share its folder
        temporary.mkdir()
        if self._account:
            shutil.chown(folder, self._account)
            shutil.chown(temporary, self._account)
        command = [
            "mariadb-install-db",
            "--no-defaults",
            f"--datadir={folder / 'data'}",
            f"--tmpdir={temporary}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ]
        subprocess.run(command, check=True, capture_output=True, user=self._account, cwd="/")

    def url(self, database: str, *, user: str = _ACCOUNT, password: str = PASSWORD) -> str:
        """Return the address of a database."""
        return f"mysql://{user}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}"

    def start(self, *options: str) -> None:
        """Start, on the same port each time; returns when connections are accepted."""
        if not self.port:
            self.port = free_port()
            try:
                self._start(options)
            except RuntimeError:  # most likely somebody was faster on that port
                self.port = free_port()
                self._start(options)
            escaped = PASSWORD.replace("'", "''")
            self.execute(f"CREATE USER {_ACCOUNT} IDENTIFIED BY '{escaped}'; GRANT SELECT, EXECUTE ON *.* TO {_ACCOUNT}", "mysql")
            return
        self._start(options)

    def _start(self, options: tuple[str, ...]) -> None:
        command = [self._program, "--no-defaults", f"--datadir={self._folder / 'data'}", f"--port={self.port}", "--bind-address=127.0.0.1"]
        command += [f"--socket={self._folder / 'socket'}", f"--pid-file={self._folder / 'pid'}", "--skip-log-bin", "--skip-name-resolve"]
        command += [
            f"--tmpdir={self._folder / 'tmp'}",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-buffer-pool-size=64M",
            "--innodb-fast-shutdown=2",
            "--performance-schema=off",
        ]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *options], stdout=log, stderr=log, user=self._account, cwd="/", start_new_session=True
            )
        for _ in range(int(_START_S / 0.05)):
            if self._process.poll() is not None:
                raise RuntimeError(f"MariaDB did not start: {(self._folder / 'log').read_text()[-2000:]}")
            if listens(self.port):
                self.connect("mysql").close()
                return
            try:
                self._process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
        raise RuntimeError("MariaDB did not start in time")

    def stop(self) -> None:
        """Stop, ending open connections; the data stays."""
        stop(self._process, limit_s=_START_S)
        self._process = None

    def execute(self, statements: str, database: str) -> list[tuple[Any, ...]]:
        """Run one or several statements as the superuser, names quoted as in standard SQL; return the rows of the last one, if it has any."""
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statements)
                rows = cursor.fetchall()
                while cursor.nextset():
                    rows = cursor.fetchall()
                return list(rows)
        finally:
            connection.close()

    def create_database(self, collation: str = "utf8mb4_nopad_bin") -> str:
        """Create an empty database; texts in it compare as standard SQL's do unless said otherwise. Returns its name."""
        self._databases += 1
        name = f"test_{self._databases}"
        self.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE {collation}", "mysql")
        return name

    def connect(self, database: str) -> Any:
        """Return a connection as the superuser, with names quoted as in standard SQL."""
        return pymysql.connect(
            unix_socket=str(self._folder / "socket"),
            user="root",
            database=database,
            autocommit=True,
            client_flag=CLIENT.MULTI_STATEMENTS,
            init_command="SET max_recursive_iterations = 1000000",
            sql_mode="STRICT_TRANS_TABLES,ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES,ALLOW_INVALID_DATES",
        )


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariadbServer]:
    """A running server; each pytest-xdist worker has its own."""
    path = program("mariadbd", of="MariaDB server")
    with running(lambda folder: MariadbServer(path, folder), "mariadb") as server:
        yield server
