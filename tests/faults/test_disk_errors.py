"""A disk that answers EIO, once or from some moment on, at each call by which the store's files and a folder of packages are written.

The export ends complete, or the process ends by an error that it knows; another one recovers, and the checker looks: nothing is called
complete that is not whole, and the store is never corrupt. strace fails the calls; what one would have done is not done then. `make soak`
fails every call there is, `make test` some of each kind.
"""

import json
import shutil
from pathlib import Path

import pytest
from tests.faults.ground import quick_folder
from tests.faults.served import size
from tests.faults.traced import Mortals, found

pytestmark = pytest.mark.timeout(size(180, 7200))

_NEVER = 60_000
_FOR_AN_ERROR = 2
_KNOWN = {"StoreFault", "InvalidRequest", "Throttled", "ConfigurationError"}
"""What a request is answered by, what a loop of the service notes before it tries again, or what it does not start by."""
_SYNCS = "fsync,fdatasync,syncfs"
_NAMES = "linkat,mkdirat,mkdir,unlink,unlinkat,ftruncate,rename"


def _live(mortals: Mortals, run: str, ground: Path, inject: str = "") -> int:
    (ground / "exports").mkdir(parents=True, exist_ok=True)
    return mortals.live(run, ground, inject=inject)


def _failed(mortals: Mortals, run: str, calls: str, runs: int, *, lasting: bool = False) -> int:
    """Fail calls all over a run, one in each process; return how many processes ended by it."""
    ended = 0
    with quick_folder() as folder:
        assert _live(mortals, run, folder / "counted", f"{calls}:error=EIO:when={_NEVER}") == 0
        number = len(mortals.calls)
        assert number > 2
        for when in sorted({1 + number * each // runs for each in range(runs)}):
            ground = folder / str(when)
            code = _live(mortals, run, ground, f"{calls}:error=EIO:when={when}{'+' if lasting else ''}")
            told, what = json.loads(found(ground)), (calls, when)
            if any("(INJECTED)" in call for call in mortals.calls):
                assert _is_well(code, told, lasting=lasting), (*what, told)
                ended += code == _FOR_AN_ERROR
            assert _live(mortals, run, ground) == 0, (*what, "recovering", found(ground))
            shutil.rmtree(ground)
    return ended


def _is_well(code: int, told: list[str], *, lasting: bool) -> bool:
    """Say whether all ended, or the process did by a known error; or whether all still waits for a disk that fails for ever."""
    if code == _FOR_AN_ERROR:
        return set(told) <= _KNOWN
    return all(lasting and ("never ended" in each or "is kept, which has ended" in each) for each in told)


@pytest.mark.parametrize(
    ("run", "calls", "runs"),
    [
        ("folder", _SYNCS, 10),
        ("folder", "write,writev", 8),
        ("folder", "pwrite64", 8),
        ("folder", "pread64", 4),
        ("folder", _NAMES, 8),
        ("zip", f"{_SYNCS},write,writev", 6),
    ],
)
def test_call_that_fails_once_leaves_nothing_corrupt_and_nothing_called_complete(mortals: Mortals, run: str, calls: str, runs: int) -> None:
    _failed(mortals, run, calls, size(runs, 1000))


@pytest.mark.parametrize("calls", [_SYNCS, "write,writev,pwrite64"])
def test_disk_that_fails_from_some_moment_on_is_gone_on_with_by_the_next_process(mortals: Mortals, calls: str) -> None:
    assert _failed(mortals, "folder", calls, size(6, 200), lasting=True)
