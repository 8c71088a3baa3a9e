"""A time of day that a test sets for the services that it starts: a library (`jumping_clock.c`, compiled here) gives it. Durations pass as ever."""

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from tests.faults.served import SmallCompany

_SOURCE = Path(__file__).with_name("jumping_clock.c")


def compile_into(folder: Path) -> Path:
    """Compile the library."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler is installed (`make test` installs Debian's gcc)")
    made = folder / "jumping_clock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(made), str(_SOURCE)], check=True)
    return made


class SetClock:
    """How far the clock of a company's services is ahead."""

    def __init__(self, company: SmallCompany, library: Path) -> None:
        self._company = company
        self._offset = company.folder / "ahead"
        self._offset.write_bytes(bytes(8))
        self.environ = {"LD_PRELOAD": str(library), "JUMPING_CLOCK": str(self._offset)}
        """What services are started with."""

    def set(self, ahead_s: int) -> None:
        """Set it."""
        with self._offset.open("r+b", buffering=0) as file:
            file.write(struct.pack("=q", ahead_s))
        self._company.ahead_s = ahead_s
