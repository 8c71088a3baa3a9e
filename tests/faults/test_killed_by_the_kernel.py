"""Real processes, killed by the kernel in the middle of a system call: the kills that failpoints only play are right, and none is missing.

A small run, to a folder or a ZIP file, is killed at each call that makes something durable (`strace -e inject=fsync:signal=KILL:when=N`),
and at calls that make something visible; another process recovers, and the checker looks.
"""

import shutil
import signal

import pytest
from tests.faults.ground import quick_folder
from tests.faults.served import size
from tests.faults.traced import Mortals, found

pytestmark = pytest.mark.timeout(size(300, 7200))


def _killed_at_each(mortals: Mortals, run: str, calls: str, stride: int) -> int:
    """Kill at each `stride`-th of these calls, until a run comes to its end; return how many kills there were."""
    kills = 0
    with quick_folder() as folder:
        while True:
            ground = folder / str(kills)
            code = mortals.live(run, ground, inject=f"{calls}:signal=KILL:when={1 + kills * stride}")
            if code != -signal.SIGKILL:
                assert code == 0, found(ground)
                return kills
            kills += 1
            assert mortals.live(run, ground) == 0, (calls, kills, found(ground))
            shutil.rmtree(ground)


@pytest.mark.parametrize(("run", "stride"), [("folder", size(4, 1)), ("zip", size(8, 1))])
def test_killed_at_calls_that_make_something_durable(mortals: Mortals, run: str, stride: int) -> None:
    assert _killed_at_each(mortals, run, "fsync,fdatasync,syncfs", stride) >= 5


@pytest.mark.parametrize(
    ("calls", "stride", "least"),
    [("linkat", size(3, 1), 5), ("pwrite64", 61, 2), ("mkdirat,mkdir", 1, 3), ("unlink,unlinkat,ftruncate,rename", 2, 1)],
)
def test_killed_at_calls_that_make_something_visible(mortals: Mortals, calls: str, stride: int, least: int) -> None:
    assert _killed_at_each(mortals, "folder", calls, stride) >= least


def test_killed_again_and_again_while_it_recovers(mortals: Mortals) -> None:
    with quick_folder() as folder:
        for number in (3, 5, 2, 7, 4, 11, 1, 9):
            mortals.live("folder", folder / "ground", inject=f"fsync,fdatasync,syncfs:signal=KILL:when={number}")
        assert mortals.live("folder", folder / "ground") == 0, found(folder / "ground")
