"""A thousand scenarios, each made of one number: people, sources, settings, faults, kills (of a first run, and of what recovers), cancels,
resumes, purges.

`SEED=17 make soak` runs one of them again, step by step.
"""

import pytest
from tests.faults.scenario import run

from rightful.testing.failpoints import PURGE_FAILPOINTS

SEEDS = 1000
SEEDS_ON_A_SERVER = 30
_SHARES = 20


@pytest.mark.parametrize("share", range(_SHARES))
def test_nothing_is_wrong_in_the_end(share: int) -> None:
    for seed in range(share, SEEDS, _SHARES):
        found, _ = run(seed)
        assert found == [], f"SEED={seed} make soak"


@pytest.mark.postgres
@pytest.mark.parametrize("store", ["postgres"])
@pytest.mark.parametrize("share", range(2))
def test_nothing_is_wrong_in_the_end_on_a_server(share: int, store: str) -> None:
    for seed in range(share, SEEDS_ON_A_SERVER, 2):
        found, _ = run(seed, store)
        assert found == [], f"seed {seed} on {store}"


@pytest.mark.parametrize("seed", [3, 11, 24, 206])
def test_one_seed_is_one_trace(seed: int) -> None:
    assert run(seed)[1] == run(seed)[1]


def test_scenarios_are_killed_in_first_runs_and_in_recovery_and_go_wrong_in_between() -> None:
    lives = [run(seed)[1] for seed in range(40)]
    assert sum(len(each) > 1 for each in lives) > 20, "killed"
    assert sum(len(each) > 3 for each in lives) > 3, "killed again and again"
    assert len({step for each in lives for trace in each for step in trace}) > 40


def test_scenarios_are_purged_also_while_others_go_on_and_killed_in_a_purge() -> None:
    lives = [run(seed)[1] for seed in range(100)]
    earlier = [trace for each in lives for trace in each[:-1]]
    assert sum("store.purge_operations.after" in each for trace in earlier for each in trace) > 10, "in earlier lives"
    assert len({trace[-1] for trace in earlier if trace and trace[-1] in PURGE_FAILPOINTS}) > 4, "killed in one"
    assert {each for trace in lives for steps in trace for each in steps} >= set(PURGE_FAILPOINTS)
