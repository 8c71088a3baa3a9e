"""Servers beside what is measured, each a process of its own that prints its address and ends with its standard input."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

_ROOT = Path(__file__).parent.parent


class Server:
    """A server that runs."""

    def __init__(self, pid: int, address: str) -> None:
        self.address = address
        self._process = psutil.Process(pid)

    def cpu_s(self) -> float:
        """Return the CPU seconds that it has taken so far."""
        spent = self._process.cpu_times()
        return spent.user + spent.system


@contextmanager
def serving(module: str, *arguments: str | Path) -> Iterator[Server]:
    """Run a module that calls `announce`."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        if not address:
            raise SystemExit(f"benchmarks: {' '.join(command)} did not start")
        yield Server(process.pid, address)
        process.communicate()  # closes its standard input, and hears it out


def announce(address: str, stop: Callable[[], object]) -> None:
    """Print the address, and stop when the standard input ends."""
    print(address, flush=True)

    def wait() -> None:
        sys.stdin.read()
        stop()

    threading.Thread(target=wait, daemon=True).start()
