"""Real processes, killed by the kernel in the middle of a system call: the kills that failpoints only play are right, and none is missing.

A small run, to a folder or a ZIP file, is killed at each call that makes something durable (`strace -e inject=fsync:signal=KILL:when=N`),
and at calls that make something visible; another process recovers, and the checker looks.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.ground import quick_folder

pytestmark = pytest.mark.timeout(300)

_ROOT = Path(__file__).parents[2]


class Mortals:
    """Makes processes, lets one be traced, and waits for its end."""

    def __init__(self) -> None:
        self._maker = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.mortal"],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def live(self, run: str, folder: Path, *, kill_at: str = "") -> int:
        """Let a process live a run in a folder; return its exit code. `kill_at` is what strace is to inject."""
        folder.mkdir(exist_ok=True)
        self._tell(f"{run} {folder}\n")
        pid = int(self._hear())
        _await_stop(pid)
        tracer = None
        if kill_at:
            calls = kill_at.partition(":")[0]
            command = ["strace", "-f", "-qq", "-p", str(pid), "-e", f"trace={calls}", "-e", f"inject={kill_at}", "-o", os.devnull]
            tracer = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            _await_tracer(pid, tracer)
        os.kill(pid, signal.SIGCONT)
        code = int(self._hear())
        if tracer is not None:
            tracer.wait(10)
        return code

    def end(self) -> None:
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


@pytest.fixture(scope="module")
def mortals() -> Iterator[Mortals]:
    if shutil.which("strace") is None:
        pytest.skip("no strace is installed (`make test` installs Debian's package)")
    made = Mortals()
    yield made
    made.end()


def _killed_at_each(mortals: Mortals, run: str, calls: str, stride: int) -> int:
    """Kill at each `stride`-th of these calls, until a run comes to its end; return how many kills there were."""
    kills = 0
    with quick_folder() as folder:
        while True:
            ground = folder / str(kills)
            code = mortals.live(run, ground, kill_at=f"{calls}:signal=KILL:when={1 + kills * stride}")
            if code != -signal.SIGKILL:
                assert code == 0, (ground.parent / f"{ground.name}.found").read_text()
                return kills
            kills += 1
            assert mortals.live(run, ground) == 0, (calls, kills, (ground.parent / f"{ground.name}.found").read_text())
            shutil.rmtree(ground)


@pytest.mark.parametrize(("run", "stride"), [("folder", 1), ("zip", 6)])
def test_killed_at_each_call_that_makes_something_durable(mortals: Mortals, run: str, stride: int) -> None:
    assert _killed_at_each(mortals, run, "fsync,fdatasync,syncfs", stride) >= 5


@pytest.mark.parametrize(
    ("calls", "stride", "least"),
    [("linkat", 1, 2), ("pwrite64", 61, 2), ("mkdirat,mkdir", 1, 3), ("unlink,unlinkat,ftruncate,rename", 2, 1)],
)
def test_killed_at_calls_that_make_something_visible(mortals: Mortals, calls: str, stride: int, least: int) -> None:
    assert _killed_at_each(mortals, "folder", calls, stride) >= least


def test_killed_again_and_again_while_it_recovers(mortals: Mortals) -> None:
    with quick_folder() as folder:
        for number in (3, 5, 2, 7, 4, 11, 1, 9):
            mortals.live("folder", folder / "ground", kill_at=f"fsync,fdatasync,syncfs:signal=KILL:when={number}")
        assert mortals.live("folder", folder / "ground") == 0, (folder / "ground.found").read_text()
