"""What servers for tests have in common: their program, the account and the folder that they run in, when they are there, and their end."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, Protocol, TypeVar

import pytest


class Server(Protocol):
    """A process that a test can start and stop."""

    def start(self) -> None:
        """Start; returns when connections are accepted."""

    def stop(self) -> None:
        """Stop, ending open connections; what was not started does nothing."""


ServerT = TypeVar("ServerT", bound=Server)


def program(name: str, *, of: str) -> str:
    """Return the path of a server's program; skips the test where it is not installed."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found is None:
        skip_without(of)
    return found


def skip_without(server: str) -> NoReturn:
    """Skip the test for want of a server that is not installed."""
    pytest.skip(f"no {server} is installed (`make test` installs Debian's package)")


@contextmanager
def running(make: Callable[[Path], ServerT], name: str) -> Iterator[ServerT]:
    """Run a server in a folder of its own, which every account may enter; at the end it is stopped, and its folder removed."""
    folder = Path(tempfile.mkdtemp(prefix=f"rightful-{name}-"))
    folder.chmod(0o755)
    server = None
    try:
        server = make(folder)
        server.start()
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def stop(process: "subprocess.Popen[bytes] | None", *, by: signal.Signals = signal.SIGTERM, limit_s: float) -> None:
    """End a process, if it is there, and wait until it has."""
    if process is not None and process.poll() is None:
        process.send_signal(by)
        process.wait(limit_s)


def account(own: str) -> str | None:
    """Return the account to run a server as that refuses to run as root, where we are: its own, else nobody's."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return own if own in names else "nobody"


def listens(port: int) -> bool:
    """Say whether something accepts connections on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(process: "subprocess.Popen[bytes]", port: int, *, name: str, limit_s: float) -> None:
    """Return when a server listens; fails where it ends before, or takes too long."""
    deadline = time.monotonic() + limit_s
    while not listens(port):
        assert process.poll() is None, f"{name} ended at once"
        assert time.monotonic() < deadline, f"{name} does not listen"
        time.sleep(0.05)
