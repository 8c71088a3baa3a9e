"""What servers for tests have in common: the account that they run as, and when they are there."""

import os
import pwd
import socket
import subprocess
import time


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
