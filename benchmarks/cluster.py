"""A PostgreSQL cluster of the benchmarks' own, kept between runs, filled with `subjects.sql` once.

It listens on loopback on a free port, is started by this process and ended by its own process id. As root it runs as the user
`postgres` (or `nobody`), because PostgreSQL refuses to run as root.
"""

import hashlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

HERE = Path(__file__).parent
SUBJECTS = HERE / "subjects.sql"
USERS = 100_000
"""Whom it makes, at scale 1, with 51 rows each."""
CACHE = HERE.parent / ".cache"
_DEADLINE_S = 60.0
_SETTINGS = {
    "shared_buffers": "512MB",
    "fsync": "off",
    "full_page_writes": "off",
    "max_wal_size": "8GB",
    "max_connections": "100",
    "maintenance_work_mem": "256MB",
    "timezone": "UTC",
    "unix_socket_directories": "''",
}


def binaries() -> Path:
    """Return the folder with `initdb` and `postgres`; raises `SystemExit` where there is none."""
    found = shutil.which("initdb")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    folder = next((path for path in folders if (path / "initdb").exists()), Path(found).resolve().parent if found else None)
    if folder is None:
        raise SystemExit("benchmarks: there is no PostgreSQL server here; install the package `postgresql`")
    return folder


def _account() -> str | None:
    """Return the user that the server runs as; None: as ourselves."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _can_reach(folder: Path) -> bool:
    """Whether any user may walk to this folder."""
    return all(parent.stat().st_mode & 0o001 for parent in folder.resolve().parents)


def free_port() -> int:
    """Return a loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Cluster:
    """A running server with the benchmarks' data; a context manager."""

    def __init__(self, *, scale: float = 1.0) -> None:
        self.scale = scale
        self.port = free_port()
        self._bin = binaries()
        self._user = _account()
        CACHE.mkdir(exist_ok=True)
        home = CACHE if self._user is None or _can_reach(CACHE) else Path("/var/tmp/rightful-benchmarks")
        digest = hashlib.sha256(SUBJECTS.read_bytes()).hexdigest()[:12]
        self.folder = home / f"postgres-{self._bin.parent.name}-{digest}-{scale:g}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """A libpq URL of the filled database."""
        return f"postgresql://bench@127.0.0.1:{self.port}/postgres"

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        if self._process is None:
            raise RuntimeError("the cluster is not running")
        return self._process.pid

    def __enter__(self) -> Self:
        """Start the server; make and fill it first where that was not done yet."""
        ready = self.folder / "filled"
        if not ready.exists():
            self._make()
        self._start()
        if not ready.exists():
            self._fill()
            ready.touch()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop the server in an orderly way, so that the data can be used again."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(_DEADLINE_S)

    def own_database(self) -> str:
        """Make an empty database of an account that is no superuser, as a service has it; return its URL. The next one takes its place."""
        with psycopg.connect(self.url, autocommit=True) as admin:
            admin.execute("DROP DATABASE IF EXISTS store WITH (FORCE)")
            admin.execute("DROP ROLE IF EXISTS store")
            admin.execute("CREATE ROLE store LOGIN")
            admin.execute("CREATE DATABASE store OWNER store")
        return f"postgresql://store@127.0.0.1:{self.port}/store"

    def _make(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        data = self.folder / "data"
        subprocess.run(
            [self._bin / "initdb", "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
            check=True,
            user=self._user,
            cwd="/",
            stdout=subprocess.DEVNULL,
        )

    def _start(self) -> None:
        options = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value.strip(chr(39))}")]
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self.folder / "data", "-h", "127.0.0.1", "-p", str(self.port), *options],
                stdout=log,
                stderr=log,
                user=self._user,
                cwd="/",
            )
        deadline = time.monotonic() + _DEADLINE_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"benchmarks: PostgreSQL did not start; see {self.folder / 'log'}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self.url, connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    def _fill(self) -> None:
        print(f"filling the benchmarks' database at scale {self.scale:g} (once) …", file=sys.stderr)
        started = time.monotonic()
        subprocess.run(
            [self._bin / "psql", "-X", "-q", "-v", f"scale={self.scale:g}", "-d", self.url, "-f", SUBJECTS],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        print(f"filled in {time.monotonic() - started:.0f} s", file=sys.stderr)


def main() -> None:
    """Run the cluster until it is interrupted, and print its URL: for trying things by hand."""
    scale = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    with Cluster(scale=scale) as cluster:
        print(cluster.url, flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
