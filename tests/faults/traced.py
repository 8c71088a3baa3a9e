"""Real processes that live a reference run under strace, which lets the kernel kill them, or fail a call of theirs, at a moment of choice."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_ROOT = Path(__file__).parents[2]


class Mortals:
    """Makes processes, lets one be traced, and waits for its end."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        """The calls that were traced of the last one, as strace writes them; one that was failed says `(INJECTED)`."""
        self._maker = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.mortal"],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def live(self, run: str, folder: Path, *, inject: str = "") -> int:
        """Let a process live a run in a folder; return its exit code. `inject` is what strace is to do, as it takes it."""
        folder.mkdir(exist_ok=True)
        self._tell(f"{run} {folder}\n")
        pid = int(self._hear())
        _await_stop(pid)
        tracer, calls_path = None, folder.parent / f"{folder.name}.calls"
        if inject:
            calls = inject.partition(":")[0]
            command = ["strace", "-f", "-qq", "-p", str(pid), "-e", f"trace={calls}", "-e", f"inject={inject}", "-o", str(calls_path)]
            tracer = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            _await_tracer(pid, tracer)
        os.kill(pid, signal.SIGCONT)
        code = int(self._hear())
        if tracer is not None:
            tracer.wait(10)
            self.calls = [line for line in calls_path.read_text(errors="replace").splitlines() if "(" in line]
        return code

    def end(self) -> None:
        """End what makes them."""
        assert self._maker.stdin is not None
        assert self._maker.stdout is not None
        self._maker.stdin.close()
        self._maker.wait(20)
        self._maker.stdout.close()

    def _tell(self, line: str) -> None:
        assert self._maker.stdin is not None
        self._maker.stdin.write(line)
        self._maker.stdin.flush()

    def _hear(self) -> str:
        assert self._maker.stdout is not None
        return self._maker.stdout.readline()


def found(ground: Path) -> str:
    """Return what the last process on a ground found wrong in the end, or what it ended by."""
    return (ground.parent / f"{ground.name}.found").read_text(encoding="utf-8")


def _field(pid: int, name: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith(name))


def _await_stop(pid: int) -> None:
    while not _field(pid, "State").startswith("T"):
        time.sleep(0.001)


def _await_tracer(pid: int, tracer: subprocess.Popen[bytes]) -> None:
    while _field(pid, "TracerPid") == "0":
        assert tracer.poll() is None, "strace cannot trace a process here"
        time.sleep(0.001)
