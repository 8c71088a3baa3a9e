"""A real PostgreSQL server for tests: its own data folder, a free loopback port, ended by its own pid."""

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg import sql
from tests.servers.port import free_port
from tests.servers.process import account, running, skip_without, stop

PASSWORD = "sample-password"
_START_S = 60.0


def _programs() -> Path | None:
    """Return the folder with initdb and postgres: the newest that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    return Path(initdb).resolve().parent if initdb else None


class PostgresServer:
    """One server process; databases are made in it as tests need them."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.port = 0
        """Chosen at the first start, and kept."""
        self._programs = programs
        self._folder = folder
        self._data = folder / "data"
        self._account = account("postgres")
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        if self._account:
            shutil.chown(folder, self._account)
        password = folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        command = [str(programs / "initdb"), f"--pgdata={self._data}", "--username=postgres", f"--pwfile={password}"]
        command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"]
        subprocess.run(command, check=True, capture_output=True, user=self._account, cwd="/")

    def url(self, database: str = "postgres", *, user: str = "postgres", password: str = PASSWORD) -> str:
        """Return the address of a database."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start, on the same port each time; returns when connections are accepted."""
        if not self.port:
            self.port = free_port()
            try:
                self._start()
            except RuntimeError:  # most likely somebody was faster on that port
                self.port = free_port()
            else:
                return
        self._start()

    def _start(self) -> None:
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "max_connections": 60,
            "shared_buffers": "64MB",
            "autovacuum": "off",
        }
        command = [str(self._programs / "postgres"), "-D", str(self._data)]
        command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, user=self._account, cwd="/", start_new_session=True)
        status = [str(self._programs / "pg_isready"), "--quiet", "--host=127.0.0.1", f"--port={self.port}", "--timeout=1"]
        for _ in range(int(_START_S / 0.05)):
            if self._process.poll() is not None:
                raise RuntimeError(f"PostgreSQL did not start: {(self._folder / 'log').read_text()[-2000:]}")
            if subprocess.run(status, check=False, user=self._account, cwd="/").returncode == 0:
                return
            try:
                self._process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
        raise RuntimeError("PostgreSQL did not start in time")

    def stop(self) -> None:
        """Stop, ending open connections; the data stays."""
        stop(self._process, by=signal.SIGINT, limit_s=_START_S)  # "fast shutdown"
        self._process = None

    def abort(self) -> None:
        """Stop as `pg_ctl stop -m immediate` does: nothing is put in order, the next start recovers."""
        stop(self._process, by=signal.SIGQUIT, limit_s=_START_S)
        self._process = None

    def kill(self) -> None:
        """End every process of the server as a power cut would; what it had committed is there at the next start."""
        assert self._process is not None
        processes = [psutil.Process(self._process.pid)]
        processes += processes[0].children(recursive=True)
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes[1:], timeout=_START_S)
        self._process.wait(_START_S)
        self._process = None

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one or several statements as the superuser; return the rows of the last one, if it has any."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []

    def create_database(self, name: str = "") -> str:
        """Create an empty database; without a name it gets one that no other test uses. Returns its name."""
        self._databases += 1
        name = name or f"test_{self._databases}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return name

    def own_database(self) -> str:
        """Create an empty database of an account that is no superuser, as a service has it; returns its address."""
        name = self.create_database()
        self.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'; ALTER DATABASE {name} OWNER TO {name}")
        return self.url(name, user=name)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running server; each pytest-xdist worker has its own."""
    programs = _programs()
    if programs is None:
        skip_without("PostgreSQL server")
    with running(lambda folder: PostgresServer(programs, folder), "postgres") as server:
        yield server
